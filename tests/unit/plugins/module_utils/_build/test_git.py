# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""git checkouts, with real repositories in a temporary folder."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import git
from ansible_collections.caravan.kamal.plugins.module_utils._errors import BuildError, VersionError
from ansible_collections.caravan.kamal.plugins.module_utils._names import short_version


@pytest.fixture(autouse=True)
def own_configuration(tmp_path, monkeypatch):
    """No setting of the machine counts, and no repository above the temporary folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


def run(folder, *arguments):
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "protocol.file.allow=always"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder, name="file", content="one"):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    run(folder, "add", ".")
    run(folder, "commit", "-q", "-m", "a change")
    return run(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "my app"
    folder.mkdir()
    run(folder, "init", "-q", "-b", "main")
    commit(folder)
    return folder


def test_is_repository(repository, tmp_path):
    (repository / "config").mkdir()
    plain = tmp_path / "plain"
    plain.mkdir()
    assert git.is_repository(str(repository))
    assert git.is_repository(str(repository / "config"))
    assert not git.is_repository(str(plain))
    assert not git.is_repository(str(tmp_path / "missing"))


def test_without_git_a_checkout_is_an_error_and_another_folder_is_none(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not git.is_repository(str(tmp_path))
    with pytest.raises(VersionError, match="git is not installed"):
        git.is_repository(str(repository))


def test_head_is_not_moved_by_a_hook_that_started_us(repository, tmp_path, monkeypatch):
    sha = run(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert git.head(str(repository)) == sha


def test_head_without_a_commit(tmp_path):
    run(tmp_path, "init", "-q")
    with pytest.raises(VersionError, match="no commit yet"):
        git.head(str(tmp_path))


def test_head_outside_of_git(tmp_path):
    with pytest.raises(VersionError, match="not a git checkout"):
        git.head(str(tmp_path))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a checkout away")
def test_a_checkout_of_another_user_is_explained(repository):
    for folder, _folders, _files in os.walk(repository):
        os.chown(folder, 65534, 65534)
    for ask in (git.is_repository, git.head, git.uncommitted):
        with pytest.raises(VersionError, match="safe.directory"):
            ask(str(repository))


@pytest.mark.parametrize("change", ["file", "new", "config/deploy.yml"])
def test_uncommitted(repository, change):
    assert not git.uncommitted(str(repository))
    (repository / "config").mkdir()
    (repository / change).write_text("two")
    assert git.uncommitted(str(repository))


@pytest.mark.parametrize(
    "dirty, context_given, pattern",
    [
        (False, False, "[0-9a-f]{40}"),
        (False, True, "[0-9a-f]{40}"),
        (True, False, "[0-9a-f]{40}"),
        (True, True, "[0-9a-f]{40}_uncommitted_[0-9a-f]{16}"),
    ],
)
def test_version(repository, dirty, context_given, pattern):
    if dirty:
        (repository / "file").write_text("two")
    assert re.fullmatch(pattern, git.version(str(repository), context_given=context_given))


@pytest.mark.parametrize(
    "version, expected",
    [("0123456789abcdef", "0123456"), ("v1", "v1"), ("0123456789_uncommitted_ab", "0123456789_uncommitted_ab")],
)
def test_short(version, expected):
    assert short_version(version) == expected


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({"user.email": "ada@example.com", "user.name": "Ada"}, "ada@example.com"),
        ({"user.name": "Ada Ü"}, "Ada Ü"),
        ({}, getpass.getuser()),
    ],
)
def test_user(repository, settings, expected):
    for name, value in settings.items():
        run(repository, "config", name, value)
    assert git.user(str(repository)) == expected


def test_user_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git.user(str(tmp_path)) == getpass.getuser()


def test_clone_is_the_commit_alone(repository, tmp_path):
    sha = commit(repository, "sub folder/app", "code")
    (repository / "file").write_text("changed")
    (repository / "new").write_text("new")
    into = tmp_path / "cache"
    path = git.clone(str(repository / "sub folder"), str(into), sha)
    assert path == str(into / "my app" / "sub folder")
    assert (into / "my app" / "file").read_text() == "one"
    assert not (into / "my app" / "new").exists()
    assert into.stat().st_mode & 0o777 == 0o700


def test_clone_follows_the_source(repository, tmp_path):
    into = str(tmp_path / "cache")
    first = git.head(str(repository))
    folder = git.clone(str(repository), into, first)
    (tmp_path / "cache" / "my app" / "left over").write_text("x")
    second = commit(repository, content="two")
    assert git.clone(str(repository), into, second) == folder
    assert (tmp_path / "cache" / "my app" / "file").read_text() == "two"
    assert not (tmp_path / "cache" / "my app" / "left over").exists()
    git.clone(str(repository), into, first)
    assert (tmp_path / "cache" / "my app" / "file").read_text() == "one"


def test_clone_of_a_commit_that_is_on_no_branch(repository, tmp_path):
    run(repository, "checkout", "-q", "--detach")
    into = str(tmp_path / "cache")
    git.clone(str(repository), into, git.head(str(repository)))
    sha = commit(repository, content="detached")
    assert git.head(git.clone(str(repository), into, sha)) == sha


@pytest.mark.parametrize("damage", [".git/HEAD", ".git/config", ".git/objects"])
def test_a_broken_clone_is_made_anew(repository, tmp_path, damage):
    into = tmp_path / "cache"
    sha = git.head(str(repository))
    folder = git.clone(str(repository), str(into), sha)
    broken = into / "my app" / damage
    shutil.rmtree(broken) if broken.is_dir() else broken.write_text("nonsense")
    assert git.clone(str(repository), str(into), sha) == folder
    assert git.head(folder) == sha


def test_clone_with_a_submodule(repository, tmp_path, monkeypatch):
    library = tmp_path / "library"
    library.mkdir()
    run(library, "init", "-q")
    commit(library, "code", "library")
    run(repository, "submodule", "--quiet", "add", str(library), "lib")
    sha = commit(repository, "file", "with library")
    (tmp_path / ".gitconfig").write_text('[protocol "file"]\n\tallow = always\n')
    folder = git.clone(str(repository), str(tmp_path / "cache"), sha)
    assert (tmp_path / "cache" / "my app" / "lib" / "code").read_text() == "library"
    assert git.head(folder) == sha


def test_clone_runs_no_hooks(repository, tmp_path):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    (hooks / "post-checkout").chmod(0o755)
    (tmp_path / ".gitconfig").write_text(f"[core]\n\thooksPath = {hooks}\n")
    git.clone(str(repository), str(tmp_path / "cache"), git.head(str(repository)))
    assert not (tmp_path / "ran").exists()


def test_clone_of_an_unknown_commit(repository, tmp_path):
    with pytest.raises(BuildError, match=f"no commit {'0' * 40}"):
        git.clone(str(repository), str(tmp_path / "cache"), "0" * 40)
    assert os.listdir(tmp_path / "cache") == []


def test_clone_into_a_link_is_refused(repository, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BuildError, match="not a folder of yours"):
        git.clone(str(repository), str(tmp_path / "cache"), git.head(str(repository)))


def test_clone_outside_of_git(tmp_path):
    with pytest.raises(BuildError, match="not a git checkout"):
        git.clone(str(tmp_path), str(tmp_path / "cache"), "0" * 40)
