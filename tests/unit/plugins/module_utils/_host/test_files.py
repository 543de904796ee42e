# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files on a host: whole, private, below the SSH user's home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._host import files

PATH = ".kamal/apps/hello/env/roles/web.env"


def test_what_is_written_is_read_and_private_with_all_its_new_folders(home: Path) -> None:
    assert files.read(PATH) is None and files.mode(PATH) is None
    files.write(PATH, "A=b\r\n")
    assert files.read(PATH) == "A=b\r\n"
    assert files.mode(PATH) == 0o600
    assert [(home / part).stat().st_mode & 0o777 for part in (".kamal", ".kamal/apps/hello/env/roles")] == [
        0o700,
        0o700,
    ]


def test_folders_that_are_there_keep_their_mode(home: Path) -> None:
    (home / ".kamal").mkdir(mode=0o755)
    files.write(PATH, "")
    assert (home / ".kamal").stat().st_mode & 0o777 == 0o755


def test_a_rewrite_leaves_no_moment_without_the_file_and_no_litter(home: Path) -> None:
    files.write(PATH, "old")
    before = os.stat(home / PATH).st_ino
    files.write(PATH, "new")
    assert os.stat(home / PATH).st_ino != before
    assert [file.name for file in (home / PATH).parent.iterdir()] == ["web.env"]


def test_lines_are_appended(home: Path) -> None:
    files.append(".kamal/hello-audit.log", "one")
    files.append(".kamal/hello-audit.log", "two")
    assert files.read(".kamal/hello-audit.log") == "one\ntwo\n"
    assert files.mode(".kamal/hello-audit.log") == 0o600


def test_a_file_and_a_folder_can_be_removed_but_not_what_a_link_leads_to(home: Path) -> None:
    (home / "kept").mkdir()
    (home / "kept/data").write_text("x")
    files.write(PATH, "")
    (home / ".kamal/apps/hello/link").symlink_to(home / "kept")
    (home / "link").symlink_to(home / "kept")
    for path in (PATH, "link"):
        files.remove(path)
        assert not files.exists(path)
    files.remove(".kamal/apps/hello")
    assert not (home / ".kamal/apps/hello").exists() and (home / "kept/data").exists()


def test_a_dangling_link_is_there_and_can_be_removed(home: Path) -> None:
    (home / "link").symlink_to("nowhere")
    assert files.exists("link")
    files.remove("link")
    assert not files.exists("link")


def test_a_file_is_protected_again(home: Path) -> None:
    files.write(PATH, "")
    os.chmod(home / PATH, 0o644)
    files.protect(PATH)
    assert files.mode(PATH) == 0o600


def test_behind_sudo_the_home_is_that_of_the_ssh_user(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "daemon")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert files.home() == "/usr/sbin"
    assert files.user() == "daemon"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert files.home() == str(home)


def test_folders_below_the_home_are_spelled_out_in_binds(home: Path) -> None:
    body = {"HostConfig": {"Binds": [".kamal/proxy:/etc/x:ro", "/srv:/srv", "data:/data"]}}
    binds = files.absolute_binds(body)["HostConfig"]["Binds"]
    assert binds == [f"{home}/.kamal/proxy:/etc/x:ro", "/srv:/srv", "data:/data"]
