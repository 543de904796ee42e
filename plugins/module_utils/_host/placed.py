# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files and folders that containers get to see: with a mode and an owner, and a file that is replaced kept beside it.

Paths are relative to the SSH user's home, those of folders may be absolute. Files are written whole or not at all.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
from dataclasses import dataclass
from functools import partial
from typing import Iterator, Optional, Tuple

from .._errors import FileError
from . import files
from .changes import Changes
from .files import READING, doing, nofollow, opened, own

PUBLIC_DIRECTORY = 0o755
OF_OTHERS = 0o077
UNCHANGED = -1


@dataclass(frozen=True)
class Look:
    """What is at a path; `written` in Unix seconds."""

    mode: int
    uid: int
    gid: int
    written: float

    def fits(self, mode: Optional[str], owner: Optional[str]) -> bool:
        uid, gid = ids(owner)
        return mode in (None, octal(self.mode)) and uid in (UNCHANGED, self.uid) and gid in (UNCHANGED, self.gid)


def octal(mode: int) -> str:
    return f"{mode:04o}"


def kept(path: str) -> str:
    """Where the file that another one replaces is kept."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}.{name}.before"


def look(path: str) -> Optional[Look]:
    with doing("look at", path), contextlib.suppress(FileNotFoundError), _parent(path) as (folder, name):
        found = os.stat(name, dir_fd=folder, follow_symlinks=not nofollow())
        return Look(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime)
    return None


def content(path: str) -> Optional[bytes]:
    """The bytes of a file, or None where there is none."""
    with doing("read", path), contextlib.suppress(FileNotFoundError), opened(path) as (folder, name):
        handle = os.open(name, READING | nofollow(), dir_fd=folder)
        with os.fdopen(handle, "rb") as source:
            return source.read()
    return None


def write(path: str, data: bytes, mode: str, owner: Optional[str]) -> None:
    """Replace a file, or make it and the folders above it: at any moment it is the old one or the new one."""
    files.replace(path, data, partial(_adjust, path=path, mode=mode, owner=owner))


def keep(path: str) -> None:
    """Keep a file beside itself, unless an older one is kept already. One that is not there needs no keeping."""
    kept_already = contextlib.suppress(FileNotFoundError, FileExistsError)
    with doing("keep", path), opened(path, make=True) as (folder, name), kept_already:
        os.link(name, kept(name), src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)


def restore(path: str) -> None:
    """The file that was kept takes its place again."""
    with doing("restore", path), contextlib.suppress(FileNotFoundError), opened(path) as (folder, name):
        os.replace(kept(name), name, src_dir_fd=folder, dst_dir_fd=folder)
        # Of two names of one file neither goes.
        os.unlink(kept(name), dir_fd=folder)


def make_folder(path: str, mode: Optional[str], owner: Optional[str]) -> None:
    """Make a folder, readable unless `mode` says else, and those above it; those below the home are private."""
    with doing("make the folder", path), _parent(path, make=True) as (folder, name):
        os.mkdir(name, PUBLIC_DIRECTORY, dir_fd=folder)
        with _folder(folder, name) as handle:
            own(handle)
            _adjust(handle, path, mode or octal(PUBLIC_DIRECTORY), owner)


def ensure_folder(changes: Changes, path: str, mode: Optional[str], owner: Optional[str]) -> None:
    """A folder is there, with this mode and owner where they are said."""
    found = look(path)
    if found is None:
        changes.do(f"make folder {path}", partial(make_folder, path, mode, owner))
    elif not found.fits(mode, owner):
        changes.do(f"give folder {path} its mode and owner", partial(adjust, path, mode, owner))


def adjust(path: str, mode: Optional[str], owner: Optional[str]) -> None:
    """Give what is there another mode and owner."""
    with doing("change", path), _parent(path) as (folder, name):
        handle = os.open(name, READING | nofollow(), dir_fd=folder)
        try:
            _adjust(handle, path, mode, owner)
        finally:
            os.close(handle)


def _adjust(handle: int, path: str, mode: Optional[str], owner: Optional[str]) -> None:
    """Owner first: to change it takes the setuid bits away."""
    if owner is not None:
        try:
            os.fchown(handle, *ids(owner))
        except PermissionError as error:
            raise FileError(
                f"Could not give {files.absolute(path)} to {owner}: that takes root. Let the tasks become root "
                "(-e ansible_become=true), or leave its owner out."
            ) from error
    if mode is not None:
        os.fchmod(handle, int(mode, 8))


def ids(owner: Optional[str]) -> Tuple[int, int]:
    """`user`, `user:group` or `:group`, by name or number, as numbers; what is not said stays as it is."""
    user, _colon, group = (owner or "").partition(":")
    try:
        uid = int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid if user else UNCHANGED
        gid = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid if group else UNCHANGED
    except KeyError as error:
        raise FileError(
            f"This host knows no such owner as {owner}. Name one that it has, or its numbers, as in 999:999."
        ) from error
    return uid, gid


@contextlib.contextmanager
def _parent(path: str, make: bool = False) -> Iterator[Tuple[int, str]]:
    """The folder of a path, opened, and the last part of the path."""
    if not path.startswith("/"):
        with opened(path, make) as found:
            yield found
        return
    above, _slash, name = path.rpartition("/")
    if make:
        os.makedirs(above or "/", PUBLIC_DIRECTORY, exist_ok=True)
    handle = os.open(above or "/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield handle, name
    finally:
        os.close(handle)


@contextlib.contextmanager
def _folder(parent: int, name: str) -> Iterator[int]:
    handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | nofollow(), dir_fd=parent)
    try:
        yield handle
    finally:
        os.close(handle)
