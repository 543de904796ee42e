# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One module at a time changes a service on a host, and none of a run that was overtaken.

The file `.kamal/turn-SERVICE[-DEST]` is locked by the kernel (`flock`) while a module is at work, and free as soon as
its process ends, however it ends. In it lies the fence: which run was here last, with the number of its lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from typing import Any, Dict, Iterator, Mapping, Optional

from .._errors import LockError
from .._host import files
from .._host.changes import Changes
from . import history

POLL = 0.2
# Seconds to wait where nothing says how long the other module may take.
PATIENCE = 120
LARGEST = 10000

# The option `run` of the modules that change a service.
OPTION: Dict[str, Any] = {
    "type": "dict",
    "options": {
        "number": {"type": "int"},
        "owner": {"type": "str"},
        "by": {"type": "str"},
        "version": {"type": "str"},
    },
}


@dataclass(frozen=True)
class Visitor:
    """A run, as it makes itself known to a host. `number` grows from one holder of the lock to the next; None is a run
    without the lock. `at` says since when."""

    number: Optional[int] = None
    owner: str = ""
    by: str = ""
    version: str = ""
    at: str = ""

    @classmethod
    def of(cls, option: Optional[Mapping[str, Any]]) -> Visitor:
        """From the option `run`, where all may be left out."""
        given = option or {}
        words = {name: str(given.get(name) or "") for name in ("owner", "by", "version")}
        return cls(number=given.get("number"), at=history.now(), **words)

    def __str__(self) -> str:
        version = f" with version {self.version}" if self.version else ""
        return f"{self.by or 'somebody'}{version} since {self.at or 'an unknown time'}"


@contextlib.contextmanager
def taken(changes: Changes, path: str, run: Optional[Mapping[str, Any]], patience: float = PATIENCE) -> Iterator[None]:
    """Hold the turn of a service on this host; `path` is its file (Names.turn_file). In check mode none is needed.

    Waits up to `patience` seconds for another module. Raises LockError when that was not enough, or when a run with a
    higher number was here.
    """
    if changes.check_mode:
        yield
        return
    visitor = Visitor.of(run)
    with files.kept_open(path) as handle:
        _wait(handle, changes, path, patience)
        _pass_fence(handle, path, visitor)
        yield


def _wait(handle: int, changes: Changes, path: str, patience: float) -> None:
    began = time.monotonic()
    while not _locked(handle, path):
        changes.tell(f"wait for another run to finish its work on {_service(path)}")
        if time.monotonic() - began > patience:
            raise LockError(
                f"Another run is still at work on {_service(path)} on this host; the last one to begin was that of "
                f"{_last(handle, path) or 'an unknown run'}. Nothing was changed here. Wait until it has ended (its "
                f"processes hold {files.absolute(path)} open, as fuser or lsof shows), then run this again."
            )
        time.sleep(POLL)
    waited = time.monotonic() - began
    if waited > POLL / 2:
        changes.notice(f"Waited {waited:.0f} seconds for another run to finish its work on {_service(path)} here")


def _service(path: str) -> str:
    return path.rpartition("/turn-")[2]


def _locked(handle: int, path: str) -> bool:
    with files.doing("lock", path):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
    return True


def _pass_fence(handle: int, path: str, visitor: Visitor) -> None:
    if visitor.number is None:
        return
    last = _last(handle, path)
    if last and last.number is not None and last.number > visitor.number:
        raise LockError(
            f"This run was overtaken: {last} had the deploy lock after it. Nothing was changed on this host. See what "
            "that run did, then deploy again. If there was none, because the lock is kept on another host now or the "
            f"clock there was set back, remove {files.absolute(path)} here."
        )
    _write(handle, path, visitor)


def _last(handle: int, path: str) -> Optional[Visitor]:
    """Who was here last; None if nobody was or the file is broken."""
    with files.doing("read", path):
        content = os.pread(handle, LARGEST, 0)
    try:
        # A run that was killed before it cut the file short left the end of a longer entry behind its own.
        data = json.loads(content.partition(b"\n")[0].decode())
        number = data["number"]
        return Visitor(
            number=None if number is None else int(number),
            **{name: str(data.get(name) or "") for name in ("owner", "by", "version", "at")},
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def _write(handle: int, path: str, visitor: Visitor) -> None:
    """In place: the lock is on this very file."""
    content = json.dumps(asdict(visitor), sort_keys=True).encode() + b"\n"
    with files.doing("write", path):
        os.pwrite(handle, content, 0)
        os.ftruncate(handle, len(content))
        os.fsync(handle)
