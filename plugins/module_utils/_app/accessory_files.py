# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files and folders of an accessory on its host.

A file is replaced while the accessory is: its container goes on seeing the one that it was started with. Until the new
container is ready the old file is kept beside the new one.
"""

from __future__ import annotations

import json
import os
from functools import partial
from typing import Any, Dict, List, Mapping, Optional

from .._data import to_data
from .._host import placed
from .._host.changes import Changes
from .._host.engine import Inspected
from .._host.files import PRIVATE_DIRECTORY, remove
from .._host.health import started_at
from .._names import SPEC_LABEL
from .._shares import AccessoryShare, PlacedFile

# Seconds by which the clock of a file system may be behind.
CLOCK_STEP = 0.05
LONGEST_SHOWN = 200


class AccessoryFiles:
    """`contents` has what is in each file by its path; `interrupted` says that files of the container that was there
    before are still kept, and that it gets them back."""

    def __init__(self, changes: Changes, share: AccessoryShare, contents: Mapping[str, bytes]) -> None:
        self.changes, self.share, self.contents = changes, share, contents
        self.interrupted = False

    def described(self) -> Dict[str, Any]:
        """What makes a container another one, besides its body. What is in a file is looked at on the host."""
        shown = ("path", "secret")
        every = {
            "Files": [{key: to_data(file)[key] for key in shown} for file in self.share.files],
            "Directories": to_data(self.share.directories),
        }
        return {key: value for key, value in every.items() if value}

    def differing(self) -> List[PlacedFile]:
        return [file for file in self.share.files if placed.content(self._now(file)) != self.contents[file.path]]

    def are_seen_by(self, container: Inspected) -> bool:
        """Whether the files are as they should be, and were so when the container was started."""
        if self.differing():
            return False
        if container["State"]["Status"] != "running":
            return True  # It is given them when it is started.
        looks = (placed.look(self._now(file)) for file in self.share.files)
        return all(look is not None and look.written < _start(container) + CLOCK_STEP for look in looks)

    def _now(self, file: PlacedFile) -> str:
        """In check mode nothing was restored."""
        kept = placed.kept(file.path)
        return kept if self.interrupted and placed.look(kept) else file.path

    # While it is replaced

    def make_folders(self) -> None:
        """Their mode and owner are seen to when a container is made: a database gives its folder what it needs."""
        for folder in self.share.directories:
            placed.ensure_folder(self.changes, folder.path, folder.mode, folder.owner)

    def replace(self, old: Optional[Inspected]) -> None:
        """Write what differs; what was there before is kept."""
        for file in self.differing():
            self._show(file, old)
            self.changes.do(f"write {file.path}", partial(self._replace, file))
        self.adjust()

    def _replace(self, file: PlacedFile) -> None:
        placed.keep(file.path)
        placed.write(file.path, self.contents[file.path], file.mode, file.owner)

    def adjust(self) -> None:
        """The mode and owner of files in which nothing differs, and who may go where they lie."""
        for file in self.share.files:
            look = placed.look(self._now(file))
            if look and not look.fits(file.mode, file.owner) and file not in self.differing():
                change = partial(placed.adjust, file.path, file.mode, file.owner)
                self.changes.do(f"give {file.path} its mode and owner", change)
        self._close_folder()

    def _close_folder(self) -> None:
        """A container has to read its files, so their mode is open, as with Kamal. Ours is for its owner only from the
        start; one that Kamal has made is not."""
        folder = self.share.service
        has_secrets = any(file.secret for file in self.share.files)
        is_mounted = any(each.path == folder for each in self.share.directories)
        look = placed.look(folder) if has_secrets and not is_mounted else None
        if look and look.mode & placed.OF_OTHERS and os.geteuid() in (0, look.uid):
            change = partial(placed.adjust, folder, placed.octal(PRIVATE_DIRECTORY), None)
            self.changes.do(f"make {folder} readable by its owner only", change)

    def restore(self) -> None:
        for file in self.share.files:
            placed.restore(file.path)

    def forget(self) -> None:
        """The new container is ready: what was kept may go."""
        for file in self.share.files:
            kept = placed.kept(file.path)
            if placed.look(kept):
                remove(kept)

    # For people

    def _show(self, file: PlacedFile, old: Optional[Inspected]) -> None:
        before = placed.content(self._now(file))
        is_open = not file.secret and (before is None or file.path in _open(old))
        after = _lines(self.contents[file.path]) if is_open else "set" if before is None else "set anew"
        self.changes.show(file.path, None if before is None else _lines(before) if is_open else "set", after)


def _start(container: Inspected) -> float:
    return started_at(container["State"])


def _open(container: Optional[Inspected]) -> List[str]:
    """The files of a container in which there was no secret."""
    spec = ((container or {}).get("Config", {}).get("Labels") or {}).get(SPEC_LABEL) or "{}"
    return [file["path"] for file in json.loads(spec).get("Files", ()) if not file["secret"]]


def _lines(data: bytes) -> Any:
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        return f"{len(data)} bytes"
    return lines if len(lines) <= LONGEST_SHOWN else f"{len(lines)} lines"
