# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Our small files on a host: below the SSH user's home, written whole or not at all, readable by their owner only."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import tempfile
from typing import Any, Dict, Optional

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700


def home() -> str:
    """The SSH user's home, also when the task became root through sudo."""
    user = os.environ.get("SUDO_USER")
    return pwd.getpwnam(user).pw_dir if user and os.geteuid() == 0 else os.path.expanduser("~")


def user() -> str:
    """Who is at work on this host, also behind sudo."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.geteuid()).pw_name


def absolute(path: str) -> str:
    return os.path.join(home(), path)


def absolute_binds(body: Dict[str, Any]) -> Dict[str, Any]:
    """A container's body with folders below the home spelled out: the plan does not know the home."""
    binds = body["HostConfig"].get("Binds") or []
    body["HostConfig"]["Binds"] = [os.path.normpath(absolute(bind)) if bind.startswith(".") else bind for bind in binds]
    return body


def read(path: str) -> Optional[str]:
    """The text of a file below the home, or None where there is none."""
    try:
        with open(absolute(path), encoding="utf-8", newline="") as source:
            return source.read()
    except FileNotFoundError:
        return None


def mode(path: str) -> Optional[int]:
    with contextlib.suppress(FileNotFoundError):
        return os.stat(absolute(path)).st_mode & 0o777
    return None


def write(path: str, text: str) -> None:
    target = absolute(path)
    directory(os.path.dirname(path))
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(target))
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as sink:
        os.fchmod(sink.fileno(), PRIVATE_FILE)
        sink.write(text)
    _own(temporary)
    os.replace(temporary, target)


def append(path: str, line: str) -> None:
    directory(os.path.dirname(path))
    handle = os.open(absolute(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE)
    with os.fdopen(handle, "a", encoding="utf-8") as sink:
        sink.write(f"{line}\n")
    _own(absolute(path))


def protect(path: str) -> None:
    """Leave a file readable by its owner only."""
    os.chmod(absolute(path), PRIVATE_FILE)


def exists(path: str) -> bool:
    return os.path.lexists(absolute(path))


def remove(path: str) -> None:
    """Remove a file, or a directory with all that is in it."""
    target = absolute(path)
    if os.path.isdir(target) and not os.path.islink(target):
        shutil.rmtree(target)
    else:
        os.remove(target)


def directory(path: str) -> None:
    """Make a directory and those above it, private as far as they are new."""
    made = home()
    for part in path.split("/"):
        made = os.path.join(made, part)
        with contextlib.suppress(FileExistsError):
            os.mkdir(made, PRIVATE_DIRECTORY)
            _own(made)


def _own(path: str) -> None:
    """What root writes into the SSH user's home belongs to that user."""
    if os.geteuid() == 0:
        owner = os.stat(home())
        os.chown(path, owner.st_uid, owner.st_gid)
