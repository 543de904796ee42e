# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told of an image on its way from one engine to another, and the archives that engines exchange."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import Iterable, Iterator, List, Sequence, Tuple

from .._host.engine import Image

# What a run that was killed has left is removed by a later one.
KEPT_FOR = 24 * 3600  # seconds
END_OF_ARCHIVE = bytes(2 * tarfile.BLOCKSIZE)
# Name, size and content of a file.
Member = Tuple[str, int, Iterable[bytes]]


@dataclass(frozen=True)
class Listed:
    """An image as the engine that has it lists it; its layers from the lowest on, by the hash of what is in them.

    `settings` is a hash of what it says of its containers.
    """

    reference: str
    image_id: str
    created: str
    layers: Sequence[str]
    settings: str = ""


@dataclass(frozen=True)
class SavedLayer:
    """A layer as a compressed file; the name is the hash of the file."""

    layer: str
    name: str
    size: int


@dataclass(frozen=True)
class Saved:
    """Some layers of an image, and its configuration as the engine has it, byte for byte."""

    config: str
    files: Sequence[SavedLayer]

    def of(self, layers: Iterable[str]) -> List[SavedLayer]:
        """The files of these layers, as far as they were saved."""
        wanted = set(layers)
        return [file for file in self.files if file.layer in wanted]


def is_same(wanted: Listed, image: Image) -> bool:
    """By its ID. An engine that leaves images to containerd has another one, but all else is the same.

    Layers and time are not enough: where just a variable differs BuildKit builds upon the same ones, and gives the
    image their time.
    """
    here, there = ((each.created, list(each.layers), each.settings) for each in (image, wanted))
    return image.id == wanted.image_id or here == there


def lacking(layers: Sequence[str], stacks: Iterable[Sequence[str]]) -> List[str]:
    """Those of an image's layers that an engine lacks which has these stacks of them.

    An engine knows a layer by all that is below it: it has one if another image begins in the same way.
    """
    known = max((_beginning(layers, stack) for stack in stacks), default=0)
    return list(dict.fromkeys(layers[known:]))


def _beginning(one: Sequence[str], other: Sequence[str]) -> int:
    """How many layers two stacks have in common."""
    pairs = list(zip(one, other))
    return next((place for place, (left, right) in enumerate(pairs) if left != right), len(pairs))


def size(number: int) -> str:
    """A number of bytes as Docker shows it."""
    amount, units = float(number), ["B", "kB", "MB", "GB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.0f} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def archive(members: Iterable[Member]) -> Iterator[bytes]:
    """The pieces of a tar archive, made while it is read."""
    for name, length, content in members:
        header = tarfile.TarInfo(name)
        header.size, header.mode = length, 0o600
        yield header.tobuf(tarfile.GNU_FORMAT)
        yield from content
        yield bytes(-length % tarfile.BLOCKSIZE)
    yield END_OF_ARCHIVE


class Pieces(io.RawIOBase):
    """What comes piece by piece, as a file to read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces, self._rest = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
