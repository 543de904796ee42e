# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""git checkouts, with real repositories in a temporary folder."""

from __future__ import annotations

import getpass
import os
import re

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import git
from ansible_collections.caravan.kamal.plugins.module_utils._errors import VersionError
from ansible_collections.caravan.kamal.plugins.module_utils._names import short_version
from builds import git as run

pytestmark = pytest.mark.usefixtures("own_configuration")


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


@pytest.mark.parametrize("digits", [40, 10, 7])
def test_commit(repository, digits):
    sha = git.head(str(repository))
    assert git.commit(str(repository), sha[:digits]) == sha
    assert git.commit(str(repository), "0" * digits) is None


def test_a_git_that_does_not_start(repository, tmp_path, monkeypatch):
    (tmp_path / "git").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VersionError, match="git cannot be started"):
        git.head(str(repository))
