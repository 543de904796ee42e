# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Folders from archives: whole, readable by everybody, merged without harm to what is there, and no way out of them."""

from __future__ import annotations

import errno
import io
import os
import tarfile
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import FileError
from ansible_collections.caravan.kamal.plugins.module_utils._host import files, trees
from faults import failing_os

NEW, OLD = ".kamal/apps/hello/new", ".kamal/apps/hello/old"


def member(name: str, content: bytes | None = b"x", **fields: Any) -> tuple[tarfile.TarInfo, bytes | None]:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(content or b""), 0o640, 1_700_000_000
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes | None]:
    return member(name, None, type=kind, linkname=target)


def archive(*members: tuple[tarfile.TarInfo, bytes | None]) -> list[bytes]:
    """In small pieces, as it comes over a connection."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as out:
        for info, content in members:
            out.addfile(info, io.BytesIO(content) if content is not None else None)
    data = written.getvalue()
    return [data[start : start + 700] for start in range(0, len(data), 700)]


def shown(folder: Path) -> dict[str, str]:
    """Every file by its path, a link as what it says."""
    paths = sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return {
        str(path.relative_to(folder)): f"-> {os.readlink(path)}" if path.is_symlink() else path.read_text()
        for path in paths
    }


def fill(path: Path, **content: str) -> None:
    for name, text in content.items():
        target = path / name.replace("__", "/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def test_an_archive_is_unpacked_as_it_is(home: Path) -> None:
    pieces = archive(
        member("./", None, type=tarfile.DIRTYPE, mode=0o700),
        member("./.hidden", b"h"),
        member("./a/", None, type=tarfile.DIRTYPE, mode=0o500),
        member("./a/b/deep.css", b"c" * 5000),
        member("./run.sh", b"#!", mode=0o4711),
        link("./a/link.css", "b/deep.css"),
        link("./a/away", "/etc/passwd"),
        link("./again.css", "./a/b/deep.css", tarfile.LNKTYPE),
        member("./device", None, type=tarfile.CHRTYPE),
    )
    trees.unpack(pieces, NEW)
    found = shown(home / NEW)
    assert found == {
        ".hidden": "h",
        "a/away": "-> /etc/passwd",
        "a/b/deep.css": "c" * 5000,
        "a/link.css": "-> b/deep.css",
        "again.css": "c" * 5000,
        "run.sh": "#!",
    }
    assert (home / NEW / "a/b/deep.css").stat().st_mtime == 1_700_000_000
    modes = {name: (home / NEW / name).stat().st_mode & 0o7777 for name in (".", "a", "a/b", ".hidden", "run.sh")}
    assert modes == {".": 0o755, "a": 0o755, "a/b": 0o755, ".hidden": 0o644, "run.sh": 0o755}


@pytest.mark.parametrize(
    "members",
    [
        [member("../victim")],
        [member("a/../../victim")],
        [link("a", "../.."), member("a/victim")],
        [link("a", "/tmp"), link("b", "a/victim", tarfile.LNKTYPE)],
        [link("a", "../../../../victim"), member("a")],
        [link("b", "../../../../victim", tarfile.LNKTYPE)],
    ],
)
def test_nothing_is_written_or_read_outside(home: Path, members: Any) -> None:
    (home / "victim").write_text("precious")
    with pytest.raises(FileError):
        trees.unpack(archive(*members), NEW)
    assert (home / "victim").read_text() == "precious"
    assert not [name for name, text in shown(home / NEW).items() if text == "precious"]


def test_an_archive_that_breaks_off_is_one_message(home: Path) -> None:
    pieces = archive(member("a", b"a" * 20000))
    with pytest.raises(FileError, match=r"Could not unpack to .*new: .*Run this again"):
        trees.unpack(pieces[:5], NEW)


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        (False, {"both": "old", "one": "1", "a/two": "2", "file/x": "folder", "old": "o", "folder": "a file"}),
        (True, {"both": "new", "one": "1", "a/two": "2", "file/x": "folder", "old": "o", "folder": "a file"}),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_folders_are_merged(home: Path, over: bool, apart: bool, expected: dict[str, str]) -> None:
    fill(home / NEW, both="new", one="1", a__two="2", file="a file", folder__y="folder")
    fill(home / OLD, both="old", old="o", file__x="folder", folder="a file")
    for _time in range(2):
        trees.merge(NEW, OLD, over, apart)
        assert shown(home / OLD) == expected
    one = [(home / path / "one").stat() for path in (NEW, OLD)]
    assert os.path.samestat(*one) is not apart


def test_links_are_merged_as_links(home: Path) -> None:
    fill(home / "victim", x="precious")
    fill(home / NEW, real="r")
    (home / NEW / "link").symlink_to("real")
    (home / NEW / "out").symlink_to(home / "victim")
    trees.merge(NEW, OLD, over=False, apart=False)
    assert shown(home / OLD) == {"link": "-> real", "out": f"-> {home}/victim", "real": "r"}


def test_a_folder_that_is_a_link_is_not_entered(home: Path) -> None:
    fill(home / NEW, a__x="new")
    fill(home / "victim", y="precious")
    (home / OLD).mkdir(parents=True)
    (home / OLD / "a").symlink_to(home / "victim")
    trees.merge(NEW, OLD, over=True, apart=False)
    assert shown(home / "victim") == {"y": "precious"}


@pytest.mark.parametrize("number", trees.NO_LINK)
def test_where_there_are_no_hard_links_files_are_copied(
    home: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fill(home / NEW, one="1", two="2")
    monkeypatch.setattr(trees, "os", failing_os("link", number, lasting=True))
    trees.merge(NEW, OLD, over=False, apart=False)
    assert shown(home / OLD) == {"one": "1", "two": "2"}


def test_what_is_not_there_is_empty(home: Path) -> None:
    trees.merge(NEW, OLD, over=False, apart=False)
    assert not (home / OLD).exists()


def test_a_finished_folder_takes_the_place_of_another(home: Path) -> None:
    for text in ("first", "second"):
        temporary = trees.temporary(OLD)
        fill(home / temporary, a=text)
        trees.replace(temporary, OLD)
        assert shown(home / OLD) == {"a": text}
    assert [path.name for path in (home / OLD).parent.iterdir()] == ["old"]


def test_what_was_left_unfinished_is_cleared(home: Path) -> None:
    fill(home / trees.temporary(OLD), a="half")
    fill(home / trees.temporary(f"{OLD}er"), a="of another")
    fill(home / OLD, a="whole")
    trees.clear(OLD)
    names = sorted(path.name for path in (home / OLD).parent.iterdir())
    assert len(names) == 2 and names[0].startswith(".older.") and names[1] == "old"


@pytest.mark.parametrize("begin", [trees.clear, trees.recover])
def test_a_folder_that_was_being_replaced_comes_back(
    home: Path, monkeypatch: pytest.MonkeyPatch, begin: Callable[[str], None]
) -> None:
    fill(home / OLD, a="whole")
    fill(home / NEW, a="new")
    with monkeypatch.context() as patch:
        patch.setattr(trees, "os", failing_os("rename", errno.EIO, after=1, lasting=True))
        with pytest.raises(FileError):
            trees.replace(NEW, OLD)
    assert not (home / OLD).exists()
    begin(OLD)
    assert shown(home / OLD) == {"a": "whole"}
    trees.replace(NEW, OLD)
    assert [path.name for path in (home / OLD).parent.iterdir()] == ["old"]


def test_what_lies_hidden_for_a_longer_name_is_left(home: Path) -> None:
    fill(home / trees.temporary(f"{OLD}.1"), a="of another")
    trees.clear(OLD)
    assert [path.name[:7] for path in (home / OLD).parent.iterdir()] == [".old.1."]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", ["open", "mkdir", "fchmod", "rename", "link", "symlink", "utime"])
def test_a_file_system_that_fails_is_one_message_and_no_file_is_half(
    home: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    for after in range(9):
        faulty = failing_os(call, number, after, lasting=True)
        with monkeypatch.context() as patch:
            patch.setattr(trees, "os", faulty)
            try:
                trees.unpack(archive(member("a/b", b"whole"), link("c", "a"), member("d", b"whole")), NEW)
                trees.merge(NEW, OLD, over=True, apart=bool(after % 2))
                trees.replace(NEW, f"{NEW}er")
            except FileError as error:
                assert str(home) in error.message and os.strerror(number) in error.message
        merged = home / OLD
        assert set(shown(merged).values()) <= {"whole", "-> a"}
        for path in (NEW, f"{NEW}er", OLD):
            files.remove(path)
        if not faulty.failed:
            break
