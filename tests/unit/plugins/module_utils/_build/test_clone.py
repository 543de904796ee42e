# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The clean clone that is built from: it is the commit alone, and one build's at a time."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import clone, git
from ansible_collections.caravan.kamal.plugins.module_utils._errors import BuildError, VersionError
from builds import Api, checkout, commit, wanted
from builds import git as run
from builds import run as build

pytestmark = pytest.mark.usefixtures("own_configuration")


def bring(root, into, sha):
    """The folder that a build finds."""
    with clone.checkout(str(root), str(into), sha, print) as folder:
        return folder


def test_clone_is_the_commit_alone(repository, tmp_path):
    sha = commit(repository, "sub folder/app", "code")
    (repository / "file").write_text("changed")
    (repository / "new").write_text("new")
    into = tmp_path / "cache"
    path = bring(repository / "sub folder", into, sha)
    assert path == str(into / "my app" / "sub folder")
    assert (into / "my app" / "file").read_text() == "one"
    assert not (into / "my app" / "new").exists()
    assert into.stat().st_mode & 0o777 == 0o700


def test_clone_follows_the_source(repository, tmp_path):
    into = tmp_path / "cache"
    first = git.head(str(repository))
    folder = bring(repository, into, first)
    (tmp_path / "cache" / "my app" / "left over").write_text("x")
    second = commit(repository, content="two")
    assert bring(repository, into, second) == folder
    assert (tmp_path / "cache" / "my app" / "file").read_text() == "two"
    assert not (tmp_path / "cache" / "my app" / "left over").exists()
    bring(repository, into, first)
    assert (tmp_path / "cache" / "my app" / "file").read_text() == "one"


def test_clone_of_a_commit_that_is_on_no_branch(repository, tmp_path):
    run(repository, "checkout", "-q", "--detach")
    into = tmp_path / "cache"
    bring(repository, into, git.head(str(repository)))
    sha = commit(repository, content="detached")
    assert git.head(bring(repository, into, sha)) == sha


@pytest.mark.parametrize("damage", [".git/HEAD", ".git/config", ".git/objects"])
def test_a_broken_clone_is_made_anew(repository, tmp_path, damage):
    into = tmp_path / "cache"
    sha = git.head(str(repository))
    folder = bring(repository, into, sha)
    broken = into / "my app" / damage
    shutil.rmtree(broken) if broken.is_dir() else broken.write_text("nonsense")
    assert bring(repository, into, sha) == folder
    assert git.head(folder) == sha


def test_clone_with_a_submodule(repository, tmp_path, monkeypatch):
    library = tmp_path / "library"
    library.mkdir()
    run(library, "init", "-q")
    commit(library, "code", "library")
    run(repository, "submodule", "--quiet", "add", str(library), "lib")
    sha = commit(repository, "file", "with library")
    (tmp_path / ".gitconfig").write_text('[protocol "file"]\n\tallow = always\n')
    folder = bring(repository, tmp_path / "cache", sha)
    assert (tmp_path / "cache" / "my app" / "lib" / "code").read_text() == "library"
    assert git.head(folder) == sha


def test_clone_runs_no_hooks(repository, tmp_path):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    (hooks / "post-checkout").chmod(0o755)
    (tmp_path / ".gitconfig").write_text(f"[core]\n\thooksPath = {hooks}\n")
    bring(repository, tmp_path / "cache", git.head(str(repository)))
    assert not (tmp_path / "ran").exists()


def test_clone_of_an_unknown_commit(repository, tmp_path):
    with pytest.raises(BuildError, match=f"no commit {'0' * 40}"):
        bring(repository, tmp_path / "cache", "0" * 40)
    assert os.listdir(tmp_path / "cache") == [".lock"]


def test_clone_into_a_link_is_refused(repository, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BuildError, match="not a folder of yours"):
        bring(repository, tmp_path / "cache", git.head(str(repository)))


def test_clone_outside_of_git(tmp_path):
    with pytest.raises(VersionError, match="not a git checkout"):
        bring(tmp_path, tmp_path / "cache", "0" * 40)


def test_a_folder_in_the_way_is_replaced(repository, tmp_path):
    into = tmp_path / "cache"
    (into / "my app" / "something").mkdir(parents=True)
    sha = git.head(str(repository))
    assert git.head(bring(repository, into, sha)) == sha
    assert not (into / "my app" / "something").exists()


def test_what_cannot_be_mended_is_reported_with_its_place(repository, tmp_path, monkeypatch):
    def fail(*arguments: str) -> str:
        raise git.GitFailed("fatal: write error: No space left on device")

    monkeypatch.setattr(git, "run", fail)
    into = tmp_path / "cache"
    with pytest.raises(BuildError, match="could not be made in .*my app: fatal: write error: No space left"):
        clone._bring(str(repository), str(into / "my app"), "0" * 40)


@pytest.mark.parametrize("call", ["os.makedirs", "os.open", "os.chmod", "fcntl.flock", "shutil.rmtree"])
def test_an_error_of_the_file_system_names_place_and_remedy(repository, tmp_path, monkeypatch, call):
    module, name = call.split(".")
    into, sha = tmp_path / "cache", git.head(str(repository))
    (into / "my app").mkdir(parents=True)
    real = getattr(getattr(clone, module), name)

    def fail(place: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(place, str) and not place.startswith(str(into)):
            return real(place, *arguments, **named)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(getattr(clone, module), name, fail)
    with pytest.raises(BuildError, match=rf"{into}.*: No space left on device. .*XDG_CACHE_HOME"):
        bring(repository, into, sha)


def test_each_project_root_has_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    (tmp_path / "link").symlink_to(tmp_path / "one")
    folders = [clone.default_folder("app", str(tmp_path / name)) for name in ("one", "two", "link")]
    assert folders[0] == folders[2] != folders[1]
    assert folders[0].startswith("/cache/caravan/clones/app-")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert clone.default_folder("app", str(tmp_path / "one")) not in folders


class Two:
    """Two builds into one clone folder: the second starts while the first one builds."""

    def __init__(self, tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api = api
        self.clones = str(tmp_path / "clones")
        self.projects = [checkout(tmp_path / str(number) / "app") for number in (1, 2)]
        commit(self.projects[1], "Dockerfile", "FROM second\n")
        self.second_is_held_up = threading.Event()
        self.second: threading.Thread | None = None
        self.result: dict[str, Any] = {}
        api.while_building = self.start_the_second
        monkeypatch.setattr(clone, "_pause", self.second_is_held_up.set)

    def build(self, number: int) -> dict[str, Any]:
        options = {"version": f"v{number}", "latest": f"latest-{number}", "clone_dir": self.clones}
        return build(self.api, wanted(self.projects[number - 1], **options))

    def start_the_second(self, folder: Path) -> None:
        """The first one is in the middle of its build; it goes on when the second has built or waits."""
        self.api.while_building = lambda folder: self.second_is_held_up.set()
        self.second = threading.Thread(target=lambda: self.result.update(self.build(2)))
        self.second.start()
        assert self.second_is_held_up.wait(60)

    def run(self) -> dict[str, Any]:
        try:
            return self.build(1)
        finally:
            assert self.second is not None
            self.second.join(60)


def test_the_second_build_waits_until_the_first_one_ends(tmp_path, api, monkeypatch):
    two = Two(tmp_path, api, monkeypatch)
    first = two.run()
    assert first["actions"] and two.result["actions"]
    assert "waited for it" in two.result["notices"][0]
    texts = [api.images[f"registry.example.com/app:v{number}"]["Dockerfile"] for number in (1, 2)]
    assert texts == ["FROM scratch\n", "FROM second\n"]


def test_without_the_lock_the_first_build_sees_that_its_files_changed(tmp_path, api, monkeypatch):
    monkeypatch.setattr(clone, "_take", lambda handle: True)
    with pytest.raises(BuildError, match="changed while"):
        Two(tmp_path, api, monkeypatch).run()


def test_a_build_that_never_ends_is_named(repository, tmp_path, monkeypatch):
    monkeypatch.setattr(clone, "LONGEST_WAIT", 0)
    into, sha = tmp_path / "cache", git.head(str(repository))
    with clone.checkout(str(repository), str(into), sha, print), pytest.raises(BuildError, match=f"holds {into}/.lock"):
        bring(repository, into, sha)


def test_two_checkouts_built_at_once_do_not_meet(tmp_path, api, monkeypatch):
    two = Two(tmp_path, api, monkeypatch)
    two.clones = None
    two.run()
    assert two.result["notices"] == []
