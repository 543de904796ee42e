# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Our small files on a host: below the SSH user's home, written whole or not at all, readable by their owner only.

Paths are relative to the home. A task that became root works in a folder that belongs to somebody else: it follows no
symbolic link there, and what it makes belongs to the owner of the home. Whatever fails is a FileError with the path.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from .._errors import FileError
from . import unfinished
from . import user as _user

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
# A pipe or a device in the place of a file must not keep us waiting.
READING = os.O_RDONLY | os.O_NONBLOCK
IN_PLACE = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW
APPENDING = os.O_RDWR | os.O_APPEND | os.O_NONBLOCK

REMEDIES = {
    errno.ENOSPC: "Make room there (df -h shows how much there is; docker system df what Docker takes)",
    errno.EDQUOT: "Make room there: this user's quota is used up",
    errno.EACCES: "See that it and the folders above it belong to this user (ls -ld)",
    errno.EPERM: "See that it and the folders above it belong to this user (ls -ld; lsattr)",
    errno.EROFS: "Mount this file system for writing again; the kernel's log (dmesg) says why it is not",
    errno.EIO: "Look after the disk; the kernel's log (dmesg) says more",
    errno.ENOLCK: "Let its file system lock files (on NFS that takes lockd at both ends)",
    errno.ELOOP: "Put a folder or file in the place of the symbolic link: root follows none in a user's home",
    errno.ENOTDIR: "Move away what is in the place of a folder; root follows no symbolic link in a user's home",
    errno.EISDIR: "Move away the folder that is in the place of the file",
    errno.EEXIST: "Move away what is in its place",
}
REMEDY = "Look at it there (ls -l)"


def home() -> str:
    """The SSH user's home, also where the task became root."""
    return _user.home()


def user() -> str:
    """The SSH user's name, also where the task became root."""
    return _user.name()


def absolute(path: str) -> str:
    return os.path.join(home(), path)


def absolute_binds(body: Dict[str, Any]) -> Dict[str, Any]:
    """A container's body with folders below the home spelled out: the plan does not know the home."""
    binds = body["HostConfig"].get("Binds") or []
    body["HostConfig"]["Binds"] = [os.path.normpath(absolute(bind)) if bind.startswith(".") else bind for bind in binds]
    return body


def read(path: str) -> Optional[str]:
    """The text of a file, or None where there is none. What is not UTF-8 in it becomes U+FFFD, which nobody writes."""
    with doing("read", path), contextlib.suppress(FileNotFoundError), opened(path) as (folder, name):
        handle = os.open(name, READING | nofollow(), dir_fd=folder)
        with os.fdopen(handle, encoding="utf-8", errors="replace", newline="") as source:
            _require_file(handle)
            return source.read()
    return None


def mode(path: str) -> Optional[int]:
    """The permission bits of a file, or None where there is none."""
    with doing("look at", path), contextlib.suppress(FileNotFoundError), opened(path) as (folder, name):
        return os.stat(name, dir_fd=folder, follow_symlinks=not nofollow()).st_mode & 0o777
    return None


def exists(path: str) -> bool:
    """Whether anything is there, be it a dangling link."""
    with doing("look at", path), contextlib.suppress(FileNotFoundError), opened(path) as (folder, name):
        os.stat(name, dir_fd=folder, follow_symlinks=False)
        return True
    return False


def folders(path: str) -> List[str]:
    """The names of the folders in a folder, sorted; none where it is not there. Root follows no link to one."""
    with doing("look at", path), contextlib.suppress(FileNotFoundError), opened(f"{path}/.") as (folder, _name):
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=not nofollow()))
    return []


def inside(path: str) -> List[str]:
    """The paths of all files in a folder and the folders in it, sorted; none where it is not there. No link is followed
    on the way."""
    with doing("look at", path), contextlib.suppress(FileNotFoundError), opened(f"{path}/.") as (folder, _name):
        walk = os.fwalk(".", onerror=_raise, dir_fd=folder)
        found = [
            os.path.normpath(os.path.join(path, at, name)) for at, _folders, names, _handle in walk for name in names
        ]
        return sorted(found)
    return []


def _raise(error: OSError) -> None:
    raise error


def write(path: str, text: str) -> None:
    """Replace a file, readable by its owner only, or make it and the folders above it."""
    replace(path, text.encode(), lambda handle: os.fchmod(handle, PRIVATE_FILE))


def replace(path: str, data: bytes, adjust: Callable[[int], None]) -> None:
    """Write a file: at any moment it is the old one or the new one. `adjust` gives the open new one its mode and owner,
    which until then are those of a file that its owner alone may read."""
    with doing("write", path), opened(path, make=True) as (folder, name):
        unfinished.remove_left(folder, name)
        handle, temporary = unfinished.made(folder, name, PRIVATE_FILE)
        try:
            with os.fdopen(handle, "wb") as sink:
                sink.write(data)
                sink.flush()
                own(sink.fileno())
                adjust(sink.fileno())
                os.fsync(sink.fileno())
                os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except (OSError, FileError):
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
        os.fsync(folder)


def append(path: str, line: str) -> None:
    """Add a line at the end of a file, whole or not at all, also after a line that was cut short."""
    with doing("append to", path), opened(path, make=True) as (folder, name):
        handle = _open_or_make(folder, name, APPENDING)
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            _write_or_undo(handle, size, f"{chr(10) if torn else ''}{line}\n".encode())
        finally:
            os.close(handle)


def _write_or_undo(handle: int, size: int, content: bytes) -> None:
    """Write at the end of a file of this size; if not all of it fits, none of it stays."""
    try:
        while content:
            content = content[os.write(handle, content) :]
        os.fsync(handle)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(handle, size)
        raise


def protect(path: str) -> None:
    """Leave a file readable by its owner only."""
    with doing("protect", path), opened(path) as (folder, name):
        handle = os.open(name, READING | nofollow(), dir_fd=folder)
        try:
            os.fchmod(handle, PRIVATE_FILE)
        finally:
            os.close(handle)


def remove(path: str) -> None:
    """Remove a file, a link, or a directory with all that is in it. What is gone already is no error."""
    with doing("remove", path), contextlib.suppress(FileNotFoundError), opened(path) as (folder, name):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            shutil.rmtree(f"/proc/self/fd/{folder}/{name}" if nofollow() else absolute(path))
        else:
            os.unlink(name, dir_fd=folder)


def link(path: str, other: str) -> None:
    """Give a file another name, unless something has that. One that is gone gets none."""
    is_there = contextlib.suppress(FileNotFoundError, FileExistsError)
    with doing("link", path), is_there, opened(path) as (source, name), opened(other, make=True) as (folder, new):
        os.link(name, new, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)


def remove_empty(path: str) -> None:
    """Remove a directory if there is nothing in it."""
    with doing("remove", path), contextlib.suppress(FileNotFoundError), opened(path) as (folder, name):
        try:
            os.rmdir(name, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


@contextlib.contextmanager
def kept_open(path: str) -> Iterator[int]:
    """A file, made where there is none, open for reading and writing in place. It is no symbolic link."""
    with doing("open", path), opened(path, make=True) as (folder, name):
        handle = _open_or_make(folder, name, IN_PLACE)
    try:
        yield handle
    finally:
        os.close(handle)


def _open_or_make(folder: int, name: str, flags: int) -> int:
    """A file, made where there is none; it is the SSH user's, and no folder or device."""
    try:
        handle = os.open(name, flags | os.O_CREAT | os.O_EXCL, PRIVATE_FILE, dir_fd=folder)
    except FileExistsError:
        handle = os.open(name, flags | nofollow(), dir_fd=folder)
    else:
        own(handle)
    try:
        _require_file(handle)
    except OSError:
        os.close(handle)
        raise
    return handle


def directory(path: str) -> None:
    """Make a directory and those above it, private as far as they are new."""
    with doing("make the folder", path), opened(f"{path}/.", make=True):
        pass


@contextlib.contextmanager
def opened(path: str, make: bool = False) -> Iterator[Tuple[int, str]]:
    """The folder of a path, opened (and made, with those above it), and the last part of the path."""
    *parts, name = path.split("/")
    flags = os.O_RDONLY | os.O_DIRECTORY | nofollow()
    folder = os.open(home(), os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts:
            new = make and _make(folder, part)
            inner = os.open(part, flags, dir_fd=folder)
            os.close(folder)
            folder = inner
            if new:
                own(folder)
        yield folder, name
    finally:
        os.close(folder)


def _make(folder: int, name: str) -> bool:
    """Whether the directory is new."""
    try:
        os.mkdir(name, PRIVATE_DIRECTORY, dir_fd=folder)
    except FileExistsError:
        return False
    return True


def _require_file(handle: int) -> None:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise OSError(errno.EEXIST, "it is no regular file")


def nofollow() -> int:
    """O_NOFOLLOW for root in the home of somebody else, who could lead it anywhere."""
    return os.O_NOFOLLOW if os.geteuid() == 0 and os.stat(home()).st_uid != 0 else 0


def own(handle: int) -> None:
    """What root makes in the home belongs to the owner of the home."""
    if os.geteuid() == 0:
        owner = os.stat(home())
        os.fchown(handle, owner.st_uid, owner.st_gid)


@contextlib.contextmanager
def doing(what: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileError(explained(error, what, absolute(path))) from error


def explained(error: OSError, what: str, path: str) -> str:
    """What could not be done with a path, why, and what to do about it."""
    reason = error.strerror or str(error) or type(error).__name__
    remedy = REMEDIES.get(error.errno or 0, REMEDY)
    return f"Could not {what} {path}: {reason}. {remedy} and run this again."
