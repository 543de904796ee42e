# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Folders with all that is in them: unpacked from an archive, put in the place of another, merged file by file.

Paths are relative to the SSH user's home, as in `files`. What lies in such a folder may come from an image: no symbolic
link in it is followed, and everybody may read it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import secrets
import shutil
import stat
import tarfile
from typing import Any, Iterable, Iterator, Mapping, Optional, Sequence, Tuple

from .._errors import FileError
from . import files

INTO = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
FOLDER_MODE = 0o755
FILE_MODE = 0o444
# Where a file cannot have a second name: another file system, one without hard links, or a file of somebody else.
NO_LINK = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)


def temporary(path: str) -> str:
    """A name beside a folder that begins with a point: what lies there is not finished."""
    folder, _slash, name = path.rpartition("/")
    return f"{folder}/.{name}.{secrets.token_hex(4)}"


def clear(path: str) -> None:
    """Remove what is left of `temporary` names for a folder, but for what `recover` brings back."""
    recover(path)
    folder, _slash, name = path.rpartition("/")
    for each in files.folders(folder):
        if each.rpartition(".")[0] == f".{name}":
            files.remove(f"{folder}/{each}")


def recover(path: str) -> None:
    """Bring back a folder that `replace` had moved aside when it was interrupted."""
    if not files.exists(path) and files.exists(_aside(path)):
        _rename(_aside(path), path)


def unpack(chunks: Iterable[bytes], path: str) -> None:
    """A tar archive of a folder's content, below a folder that is made. Files keep mode and time, but not the owner."""
    with files.doing("unpack to", path), files.opened(f"{path}/.", make=True) as (folder, _name):
        os.fchmod(folder, FOLDER_MODE)
        try:
            with tarfile.open(fileobj=io.BufferedReader(_Stream(chunks)), mode="r|") as archive:
                for member in archive:
                    _put(folder, member, archive)
        except tarfile.TarError as error:
            raise FileError(f"Could not unpack to {files.absolute(path)}: {error}. Run this again.") from error


def packed(content: Mapping[str, str], mode: int, owner: Tuple[int, int]) -> bytes:
    """Files by their names as a tar archive."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, text in content.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, (member.uid, member.gid) = len(text.encode()), mode, owner
            archive.addfile(member, io.BytesIO(text.encode()))
    return written.getvalue()


def owner(chunks: Iterable[bytes]) -> Tuple[int, int]:
    """Whose the first thing in a tar archive is."""
    with tarfile.open(fileobj=io.BufferedReader(_Stream(chunks)), mode="r|") as archive:
        first = archive.next()
        return (first.uid, first.gid) if first else (0, 0)


def public(path: str) -> None:
    """Make a folder, or let everybody enter one that is there."""
    with files.doing("make the folder", path), files.opened(f"{path}/.", make=True) as (folder, _name):
        if stat.S_IMODE(os.fstat(folder).st_mode) & FOLDER_MODE != FOLDER_MODE:
            os.fchmod(folder, FOLDER_MODE)


def replace(new: str, path: str) -> None:
    """Put a finished folder in the place of another, which goes; `recover` is for an interruption between the two."""
    if files.exists(path):
        files.remove(_aside(path))
        _rename(path, _aside(path))
    _rename(new, path)
    files.remove(_aside(path))


def merge(source: str, target: str, over: bool, apart: bool) -> None:
    """Bring what is in a folder into another, which is made; `over` replaces files that are there.

    A file that is the same in both is one file with two names, unless they are to be kept `apart`. Each comes whole or
    not at all. A source that is not there is empty.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(files.doing("merge into", target))
        stack.enter_context(contextlib.suppress(FileNotFoundError))
        there, _name = stack.enter_context(files.opened(f"{source}/."))
        here, _name = stack.enter_context(files.opened(f"{target}/.", make=True))
        os.fchmod(here, FOLDER_MODE)
        _merge(there, here, over, apart)


def _aside(path: str) -> str:
    """Where a whole folder lies while another takes its place; no `temporary` name is like it."""
    folder, _slash, name = path.rpartition("/")
    return f"{folder}/.{name}.replaced"


def _rename(old: str, new: str) -> None:
    with files.doing("rename", old), files.opened(old) as (there, name), files.opened(new) as (here, other):
        os.rename(name, other, src_dir_fd=there, dst_dir_fd=here)


class _Stream(io.RawIOBase):
    """Pieces as a file to read from."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        piece = self._rest[: len(buffer)]
        buffer[: len(piece)] = piece
        self._rest = self._rest[len(piece) :]
        return len(piece)


def _put(folder: int, member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
    parts = _parts(member.name)
    if not parts:
        return
    with _inside(folder, parts[:-1]) as parent:
        if member.isdir():
            with _made(parent, parts[-1]):
                pass
        elif member.issym():
            os.symlink(member.linkname, parts[-1], dir_fd=parent)
        elif member.islnk():
            *above, name = _parts(member.linkname)
            with _inside(folder, above) as there:
                os.link(name, parts[-1], src_dir_fd=there, dst_dir_fd=parent, follow_symlinks=False)
        elif member.isfile():
            with _written(parent, parts[-1], member.mode, member.mtime) as sink:
                shutil.copyfileobj(archive.extractfile(member), sink)  # type: ignore[arg-type]


def _parts(name: str) -> Sequence[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise OSError(errno.EINVAL, f"the archive has the name {name}")
    return parts


@contextlib.contextmanager
def _inside(folder: int, parts: Sequence[str]) -> Iterator[int]:
    """A folder below another, both made where they are not there."""
    with contextlib.ExitStack() as stack:
        for part in parts:
            folder = stack.enter_context(_made(folder, part))
        yield folder


@contextlib.contextmanager
def _made(folder: int, name: str) -> Iterator[int]:
    try:
        os.mkdir(name, FOLDER_MODE, dir_fd=folder)
        new = True
    except FileExistsError:
        new = False
    inner = os.open(name, INTO, dir_fd=folder)
    try:
        if new:
            os.fchmod(inner, FOLDER_MODE)
            files.own(inner)
        yield inner
    finally:
        os.close(inner)


@contextlib.contextmanager
def _written(folder: int, name: str, mode: int, changed: float) -> Iterator[Any]:
    with os.fdopen(os.open(name, NEW, files.PRIVATE_FILE, dir_fd=folder), "wb") as sink:
        yield sink
        sink.flush()
        os.fchmod(sink.fileno(), mode & 0o777 | FILE_MODE)
        os.utime(sink.fileno(), (changed, changed))
        files.own(sink.fileno())


def _merge(there: int, here: int, over: bool, apart: bool) -> None:
    for entry in list(os.scandir(there)):
        if not entry.is_dir(follow_symlinks=False):
            _share(there, here, entry.name, over, apart)
        elif _is_folder(here, entry.name) is not False:
            inner = os.open(entry.name, INTO, dir_fd=there)
            try:
                with _made(here, entry.name) as made:
                    _merge(inner, made, over, apart)
            finally:
                os.close(inner)


def _is_folder(folder: int, name: str) -> Optional[bool]:
    """None where nothing is there."""
    with contextlib.suppress(FileNotFoundError):
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    return None


def _share(there: int, here: int, name: str, over: bool, apart: bool) -> None:
    """One file or symbolic link; what is there under a hidden name for a moment is whole. That name is always the same,
    so what a process that was killed has left under it goes."""
    present = _is_folder(here, name)
    if present or (present is False and (not over or _is_same(there, here, name))):
        return
    hidden = f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(hidden, dir_fd=here)
        _link(there, here, name, hidden, apart)
        os.rename(hidden, name, src_dir_fd=here, dst_dir_fd=here)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(hidden, dir_fd=here)
        raise


def _is_same(there: int, here: int, name: str) -> bool:
    one, other = (os.stat(name, dir_fd=folder, follow_symlinks=False) for folder in (there, here))
    return os.path.samestat(one, other)


def _link(there: int, here: int, name: str, new: str, apart: bool) -> None:
    found = os.stat(name, dir_fd=there, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        return os.symlink(os.readlink(name, dir_fd=there), new, dir_fd=here)
    if not apart:
        try:
            return os.link(name, new, src_dir_fd=there, dst_dir_fd=here, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_LINK:
                raise
    handle = os.open(name, files.READING | os.O_NOFOLLOW, dir_fd=there)
    with os.fdopen(handle, "rb") as source, _written(here, new, found.st_mode, found.st_mtime) as sink:
        shutil.copyfileobj(source, sink)
    return None
