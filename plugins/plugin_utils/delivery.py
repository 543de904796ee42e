# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of the controller sent to a host over its connection, piece by piece, so that what is cut off goes on later."""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..module_utils._delivery.parts import SavedLayer, size
from ..module_utils._errors import ImageError

PIECE = 8 * 2**20
FULL = ("no space left", "quota exceeded")
TOLD_EVERY = 10.0  # seconds
# Seconds before a piece is sent again that a broken connection has lost.
PAUSES = (1, 4)


@dataclass(frozen=True)
class Place:
    """Where files arrive on a host: the folder, how much of each is there by its name, and the room in bytes."""

    folder: str
    arrived: Mapping[str, int]
    free: int

    def begins(self, file: SavedLayer) -> int:
        """Where to go on with a file: what was cut off within a piece is sent again from its beginning."""
        arrived = self.arrived.get(file.name, 0)
        if arrived >= file.size:
            return file.size if arrived == file.size else 0
        return arrived // PIECE * PIECE


@dataclass(frozen=True)
class Sending:
    """`tell` hears every now and then how far it is. From the moment `until` on, of `time.time`, nothing more is sent
    than one piece."""

    action: ActionBase
    place: Place
    tell: Callable[[str], None]
    until: Optional[float] = None
    pause: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time

    def send(self, folder: str, files: Sequence[SavedLayer]) -> Tuple[int, bool]:
        """Send files of a folder of the controller. Returns how many bytes that took, and whether it was all of them.

        Raises ImageError where there is no room, and AnsibleConnectionFailure where the host is lost.
        """
        self._require_way()
        wanted = sum(file.size - self.place.begins(file) for file in files)
        if wanted > self.place.free:
            raise ImageError(
                f"The disk of this host is full: {size(wanted)} of layers are to be sent, {size(self.place.free)} are "
                f"free at {self.place.folder}. Nothing was sent. Make room there (df -h; docker system df shows what "
                "Docker takes), then run the same command again."
            )
        done, told = 0, self.now()
        for file in files:
            for number, piece in self._pieces(os.path.join(folder, file.name), self.place.begins(file)):
                self._write(file, number, piece)
                done, moment = done + len(piece), self.now()
                if self.until is not None and moment >= self.until and done < wanted:
                    self.tell(f"{size(done)} of {size(wanted)} sent; the deploy lock is renewed before the rest")
                    return done, False
                if moment - told >= TOLD_EVERY:
                    told = moment
                    self.tell(f"{size(done)} of {size(wanted)} sent")
        return wanted, True

    def _require_way(self) -> None:
        if not self.action._connection.has_pipelining:
            kind = self.action._connection.transport
            raise ImageError(
                f"Without a registry layers are sent over the connection, and one of the kind {kind} takes none. Use "
                "ssh, or set registry in the configuration."
            )

    def _pieces(self, path: str, begin: int) -> Iterator[Tuple[int, bytes]]:
        with open(path, "rb") as source:
            source.seek(begin)
            yield from enumerate(iter(lambda: source.read(PIECE), b""), begin // PIECE)

    def _write(self, file: SavedLayer, number: int, piece: bytes) -> None:
        """Each piece has its place, so that another writer of the same file does no harm, be it one that a broken
        connection left behind. What is too long is none of the kind."""
        is_other = number == 0 and self.place.arrived.get(file.name, 0) > file.size
        how = "" if is_other else "conv=notrunc "
        folder, path = (shlex.quote(part) for part in (self.place.folder, f"{self.place.folder}/{file.name}"))
        script = f"umask 077; export LC_ALL=C; mkdir -p {folder} && exec dd of={path} bs={PIECE} {how}seek={number}"
        done = self._visit(script, piece)
        if done["rc"] != 0:
            raise self._refused(str(done["stderr"]) + str(done["stdout"]))

    def _visit(self, script: str, piece: bytes) -> Dict[str, Any]:
        for seconds in PAUSES:
            try:
                return self._command(script, piece)
            except AnsibleConnectionFailure:
                self.pause(seconds)
        return self._command(script, piece)

    def _command(self, script: str, piece: bytes) -> Dict[str, Any]:
        done: Dict[str, Any] = self.action._low_level_execute_command(
            script, sudoable=False, in_data=piece, executable="/bin/sh"
        )
        return done

    def _refused(self, reason: str) -> ImageError:
        lines: List[str] = reason.strip().splitlines() or ["no reason was given"]
        if not any(text in reason.lower() for text in FULL):
            return ImageError(
                f"A layer could not be written to {self.place.folder}: {lines[0]}. See that this folder and those "
                "above it belong to the SSH user (ls -ld), then run the same command again."
            )
        self._visit(f"rm -rf {shlex.quote(self.place.folder)}", b"")
        return ImageError(
            f"The disk of this host is full: layers that were being sent to {self.place.folder} did not fit, and are "
            "removed again. Make room there (df -h; docker system df shows what Docker takes), then run the same "
            "command again."
        )
