# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files on a host: whole, private, below the SSH user's home."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import FileError
from ansible_collections.caravan.kamal.plugins.module_utils._host import files, unfinished
from faults import failing_os

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


def test_what_a_killed_writer_left_goes_with_the_next_and_what_another_still_writes_stays(home: Path) -> None:
    files.write(PATH, "old")
    folder, left, held = (home / PATH).parent, ".web.env.0123456789abcdef", ".web.env.fedcba9876543210"
    others = {held, ".job.env.0123456789abcdef", ".web.env.before"}
    for name in (left, *others):
        (folder / name).write_text("s3cr3t")
    with (folder / held).open("w") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        files.write(PATH, "new")
    assert {file.name for file in folder.iterdir()} == {"web.env", *others}


def test_a_new_file_that_another_process_takes_for_one_that_was_left_is_made_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(handle: int, how: int) -> None:
        monkeypatch.undo()
        Path(os.readlink(f"/proc/self/fd/{handle}")).unlink()

    files.write(PATH, "old")
    monkeypatch.setattr(unfinished.fcntl, "flock", taken)
    with files.opened(PATH) as (folder, name):
        handle, hidden = unfinished.made(folder, name, files.PRIVATE_FILE)
    os.close(handle)
    assert [file.name for file in (home / PATH).parent.iterdir() if file.name == hidden]


def test_two_who_write_a_file_at_a_time_are_in_nobodys_way(home: Path) -> None:
    def write_inside(_handle: int) -> None:
        files.write(PATH, "inner")

    files.replace(PATH, b"outer", write_inside)
    assert files.read(PATH) == "outer"


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


def test_a_folder_with_something_in_it_stays_where_only_an_empty_one_may_go(home: Path) -> None:
    files.write(PATH, "")
    for path in (os.path.dirname(PATH), "nothing/there"):
        files.remove_empty(path)
    assert files.exists(PATH)
    files.remove(PATH)
    files.remove_empty(os.path.dirname(PATH))
    assert not files.exists(os.path.dirname(PATH))


def test_a_dangling_link_is_there_and_can_be_removed(home: Path) -> None:
    (home / "link").symlink_to("nowhere")
    assert files.exists("link")
    files.remove("link")
    assert not files.exists("link")


def test_the_folders_in_a_folder_are_listed(home: Path) -> None:
    assert files.folders(".kamal/apps") == []
    for name in ("shop", "blog"):
        (home / ".kamal/apps" / name).mkdir(parents=True)
    (home / ".kamal/apps/note").write_text("")
    (home / ".kamal/apps/dangling").symlink_to("nowhere")
    assert files.folders(".kamal/apps") == ["blog", "shop"]


def test_the_files_inside_a_folder_are_listed_and_no_link_is_followed(home: Path) -> None:
    assert files.inside(".kamal/apps") == []
    files.write(PATH, "")
    files.write(".kamal/apps/hello/history.jsonl", "")
    (home / ".kamal/apps/hello/link").symlink_to(home)
    assert files.inside(".kamal/apps") == [PATH, ".kamal/apps/hello/history.jsonl"]


def test_a_file_is_protected_again(home: Path) -> None:
    files.write(PATH, "")
    os.chmod(home / PATH, 0o644)
    files.protect(PATH)
    assert files.mode(PATH) == 0o600


def test_a_line_after_one_that_was_cut_short_is_a_line_of_its_own(home: Path) -> None:
    files.write(PATH, "one\ntw")
    files.append(PATH, "three")
    assert files.read(PATH) == "one\ntw\nthree\n"


def test_what_is_not_text_is_read_without_an_error(home: Path) -> None:
    files.write(PATH, "")
    (home / PATH).write_bytes(b"A=\xff\n")
    assert files.read(PATH) == "A=\ufffd\n"


VERBS: dict[str, Callable[[], object]] = {
    "read": lambda: files.read(PATH),
    "mode": lambda: files.mode(PATH),
    "exists": lambda: files.exists(PATH),
    "write": lambda: files.write(PATH, "new"),
    "append": lambda: files.append(PATH, "new"),
    "protect": lambda: files.protect(PATH),
    "remove": lambda: files.remove(PATH),
    "directory": lambda: files.directory(f"{os.path.dirname(PATH)}/new/one"),
}
ACTING = ("open", "mkdir", "write", "fsync", "fchmod", "fchown", "replace", "unlink", "stat", "fstat", "pread")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", ACTING)
@pytest.mark.parametrize("verb", VERBS)
def test_a_file_system_that_fails_is_one_message_and_nothing_half_done(
    home: Path, monkeypatch: pytest.MonkeyPatch, verb: str, call: str, number: int
) -> None:
    for after in range(9):
        files.write(PATH, "old\n")
        faulty = failing_os(call, number, after, lasting=True)
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", faulty)
            patch.setattr(unfinished, "os", faulty)
            try:
                VERBS[verb]()
            except FileError as error:
                assert str(home / PATH) in error.message or str(home) in error.message
                assert os.strerror(number) in error.message
                assert error.message.endswith("and run this again.")
        if not faulty.failed:
            break
        if (home / PATH).is_file():
            assert (home / PATH).read_text() in ("old\n", "new", "old\nnew\n")
            assert {file.name for file in (home / PATH).parent.iterdir()} <= {"web.env", "new"}
        else:
            shutil.rmtree(home / ".kamal", ignore_errors=True)


@pytest.mark.parametrize("place", [".kamal", ".kamal/apps/hello/env", PATH])
@pytest.mark.parametrize("verb", ["read", "mode", "write", "append", "protect", "remove", "directory"])
def test_root_follows_no_link_in_the_home_of_somebody_else(
    home: Path, monkeypatch: pytest.MonkeyPatch, verb: str, place: str
) -> None:
    victim = home / "victim"
    inside = victim / PATH[len(place) :].lstrip("/") if place != PATH else victim
    inside.parent.mkdir(parents=True, exist_ok=True)
    inside.write_text("precious")
    inside.chmod(0o644)
    (home / place).parent.mkdir(parents=True, exist_ok=True)
    (home / place).symlink_to(victim)
    monkeypatch.setattr(files, "nofollow", lambda: os.O_NOFOLLOW)
    monkeypatch.setattr(files, "own", lambda _handle: None)
    try:
        VERBS[verb]()
    except FileError as error:
        assert "symbolic link" in error.message
    assert inside.read_text() == "precious" and inside.stat().st_mode & 0o777 == 0o644


def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(home: Path) -> None:
    files.directory(".kamal")
    os.mkfifo(home / ".kamal/log")
    for act in (lambda: files.read(".kamal/log"), lambda: files.append(".kamal/log", "x")):
        with pytest.raises(FileError, match="no regular file"):
            act()


def test_folders_below_the_home_are_spelled_out_in_binds(home: Path) -> None:
    body = {"HostConfig": {"Binds": [".kamal/proxy:/etc/x:ro", "/srv:/srv", "data:/data"]}}
    binds = files.absolute_binds(body)["HostConfig"]["Binds"]
    assert binds == [f"{home}/.kamal/proxy:/etc/x:ro", "/srv:/srv", "data:/data"]
