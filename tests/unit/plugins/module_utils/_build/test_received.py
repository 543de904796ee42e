# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A commit that is sent to a build host: what it lacks, and that it builds from just that."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import git, received
from ansible_collections.caravan.kamal.plugins.module_utils._build.received import Received
from ansible_collections.caravan.kamal.plugins.module_utils._errors import BuildError
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import commit_pack
from builds import Api, checkout, commit, wanted
from builds import git as run
from builds import run as build

pytestmark = pytest.mark.usefixtures("own_configuration")


class Host:
    """A build host: a cache folder, and what the shell there answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sent: list[int] = []

    def known(self, root: Path) -> list[str]:
        asking = commit_pack.asking("app", str(root))
        environment = {"XDG_CACHE_HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(["sh", "-c", asking], env=environment, capture_output=True, text=True, check=False)
        return done.stdout.split()

    def send(self, root: Path, sha: str, known: list[str]) -> Received:
        described = commit_pack.describe(str(root), sha)
        pack = self.folder.parent / "objects"
        if sha not in known:
            commit_pack.write(str(root), sha, known, str(pack))
            self.sent.append(pack.stat().st_size)
        return Received.of({**described, "objects": None if sha in known else str(pack)}) or Received("")

    def bring(self, root: Path, sha: str) -> Path:
        """The folder that a build finds there."""
        with received.checkout(self.send(root, sha, self.known(root)), self.clone(root), print) as folder:
            return Path(folder)

    def clone(self, root: Path) -> str:
        return str(self.folder / received.folder_name("app", str(root)))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "cache of the host")


def test_it_is_the_commit_alone(repository: Path, host: Host) -> None:
    sha = commit(repository, "sub folder/app", "code")
    (repository / "file").write_text("changed")
    (repository / "new").write_text("new")
    folder = host.bring(repository / "sub folder", sha)
    assert (folder / "app").read_text() == "code"
    assert (folder.parent / "file").read_text() == "one"
    assert not (folder.parent / "new").exists()
    assert git.head(str(folder)) == sha


def test_it_is_sent_from_a_hook_of_git_too(
    repository: Path, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = commit(repository, "app", "code")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert (host.bring(repository, sha) / "app").read_text() == "code"


def test_only_what_differs_is_sent(repository: Path, host: Host) -> None:
    noise = "".join(f"{number * 7919 % 104729}\n" for number in range(20000))
    first = commit(repository, "large", noise)
    host.bring(repository, first)
    second = commit(repository, "file", "two")
    folder = host.bring(repository, second)
    assert ((folder / "file").read_text(), (folder / "large").read_text()) == ("two", noise)
    assert host.sent[1] < 1000 < host.sent[0]
    host.bring(repository, first)
    host.bring(repository, second)
    assert len(host.sent) == 2


def test_the_history_of_another_checkout_is_no_obstacle(repository: Path, host: Host, tmp_path: Path) -> None:
    """In AWX all projects have the same path; what the host knows need not be known here."""
    host.bring(repository, git.head(str(repository)))
    shutil.move(repository, tmp_path / "away")
    other = checkout(repository, "file", "of another project")
    assert (host.bring(other, git.head(str(other))) / "file").read_text() == "of another project"


def test_a_shallow_checkout(repository: Path, host: Host, tmp_path: Path) -> None:
    commit(repository, "file", "two")
    sha = commit(repository, "file", "three")
    shallow = tmp_path / "shallow"
    run(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", str(shallow))
    assert (host.bring(shallow, sha) / "file").read_text() == "three"
    run(shallow, "fetch", "-q", "--unshallow")
    newer = commit(shallow, "file", "four")
    assert (host.bring(shallow, newer) / "file").read_text() == "four"


@pytest.mark.parametrize("damage", [".git/HEAD", ".git/objects"])
def test_a_broken_clone_is_made_anew_by_all_of_it(repository: Path, host: Host, damage: str) -> None:
    folder = host.bring(repository, git.head(str(repository)))
    broken = folder / damage
    shutil.rmtree(broken) if broken.is_dir() else broken.write_text("nonsense")
    sha = commit(repository, "file", "two")
    with pytest.raises(BuildError, match="broken, and was removed.*all of it is sent") as caught:
        sent = host.send(repository, sha, [git.commit(str(repository), "HEAD~1") or ""])
        with received.checkout(sent, host.clone(repository), print):
            pass
    assert caught.value.details == {"lacks": True}
    assert host.known(repository) == []
    assert (host.bring(repository, sha) / "file").read_text() == "two"


def test_a_transfer_that_was_cut_off_leaves_nothing(repository: Path, host: Host) -> None:
    first = git.head(str(repository))
    host.bring(repository, first)
    sha = commit(repository, "file", "two")
    sent = host.send(repository, sha, host.known(repository))
    assert sent.objects
    whole = Path(sent.objects).read_bytes()
    Path(sent.objects).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BuildError), received.checkout(sent, host.clone(repository), print):
        pass
    assert (host.bring(repository, sha) / "file").read_text() == "two"


def test_an_image_is_built_from_it(project: Path, api: Api, host: Host, tmp_path: Path) -> None:
    sha = git.head(str(project))
    settings = {"project_root": "/nowhere/at/all", "clone_dir": host.clone(project)}
    result = build(api, wanted(project, received=host.send(project, sha, []), **settings))
    assert result["image_id"] == api.images["registry.example.com/app:v1"]["Id"]
    again = build(api, wanted(project, received=Received(sha), **settings), check_mode=True)
    assert again["actions"] == []
