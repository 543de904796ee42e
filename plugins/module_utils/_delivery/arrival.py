# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image on the host that is to get it: what it lacks of it, and the image put together from what has arrived."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional

from .. import _references
from .._errors import EngineError, ImageError
from .._host import files
from .._host.changes import Changes
from .._host.engine import Engine, Image
from .._names import short_id
from .parts import KEPT_FOR, Listed, Member, Saved, SavedLayer, archive, is_same, lacking, size

BLOCK = 2**20
FULL = "no space left on device"


@dataclass(frozen=True)
class Arrival:
    """`folder`, relative to the home, has a folder for each image that is being sent, where its layers are sent to."""

    engine: Engine
    changes: Changes
    image: Listed
    folder: str

    def lacks(self) -> Dict[str, Any]:
        """Whether the image is here, the layers that are not, and what of them has arrived before."""
        here = self._here() is not None
        if not here and not self.changes.check_mode:
            self._take_along()
        space = os.statvfs(files.home())
        return {
            "here": here,
            "layers": [] if here else lacking(self.image.layers, self.engine.layers()),
            "arrived": {} if here else {os.path.basename(path): _length(path) for path in files.inside(self._place)},
            "folder": files.absolute(self._place),
            "free": space.f_bavail * space.f_frsize,
        }

    def load(self, saved: Optional[Saved], sent: int) -> Optional[Image]:
        """The image under its name, from the layers that are here and those that were `sent`. None in check mode."""
        image = self._here()
        if image is None:
            layers = lacking(self.image.layers, self.engine.layers())
            text = f"load {self.image.reference}: {len(layers)} of {len(self.image.layers)} layers"
            image = self.changes.do(
                f"{text}, {size(sent)} sent" if saved else text,
                lambda: self._loaded(saved or Saved("", []), layers),
            )
        elif not image.has_tag(self.image.reference):
            repository, tag = _references.split(self.image.reference)
            self.changes.do(f"tag {self.image.reference}", lambda: self.engine.tag(image.id, repository, tag))
        if not self.changes.check_mode:
            self._clear()
        return image

    @property
    def _place(self) -> str:
        return f"{self.folder}/{short_id(self.image.image_id)}"

    def _take_along(self) -> None:
        """What was sent of other images may be part of this one. It gets a second name, so that it stays here when the
        other image is loaded and what was sent for it goes."""
        for path in files.inside(self.folder):
            if not path.startswith(f"{self._place}/"):
                files.link(path, f"{self._place}/{os.path.basename(path)}")

    def _here(self) -> Optional[Image]:
        for name in (self.image.image_id, self.image.reference):
            image = self.engine.image(name)
            if image and is_same(self.image, image):
                return image
        return None

    def _loaded(self, saved: Saved, layers: List[str]) -> Optional[Image]:
        parts = saved.of(layers)
        missing = set(layers) - {part.layer for part in parts}
        if missing:
            raise ImageError(
                f"Of {self.image.reference} layers are missing that were on this host a moment ago: "
                f"{', '.join(sorted(missing))}. See who removes images there, and run this again."
            )
        for part in parts:
            self._check(part)
        try:
            self.engine.load(archive(self._members(saved.config, parts)))
        except EngineError as error:
            raise self._not_loaded(error) from error
        image = self._here()
        if image is None:
            raise ImageError(f"Docker took {self.image.reference} and has another image now. Run this again.")
        return image

    def _clear(self) -> None:
        """What was sent for this image goes, and what nobody has come back for. Another run may be sending its own."""
        files.remove(self._place)
        for path in files.inside(self.folder):
            if _age(path) > KEPT_FOR:
                files.remove(path)
        for name in files.folders(self.folder):
            files.remove_empty(f"{self.folder}/{name}")
        files.remove_empty(self.folder)

    def _check(self, part: SavedLayer) -> None:
        """What has arrived is what was sent; else it goes, and the next run sends it anew."""
        path = self._path(part)
        digest = hashlib.sha256()
        for block in _content(files.absolute(path)):
            digest.update(block)
        if digest.hexdigest() != part.name:
            files.remove(path)
            raise ImageError(
                f"A layer of {self.image.reference} did not arrive as it was sent ({part.layer}). It is removed; run "
                "the same command again to send it anew."
            )

    def _members(self, config: str, parts: List[SavedLayer]) -> Iterator[Member]:
        for part in parts:
            yield _file_of(part.layer), part.size, _content(files.absolute(self._path(part)))
        text = config.encode()
        name = f"{hashlib.sha256(text).hexdigest()}.json"
        yield name, len(text), [text]
        layers = [_file_of(layer) for layer in self.image.layers]
        contents = json.dumps([{"Config": name, "RepoTags": [self.image.reference], "Layers": layers}]).encode()
        yield "manifest.json", len(contents), [contents]

    def _path(self, part: SavedLayer) -> str:
        return f"{self._place}/{part.name}"

    def _not_loaded(self, error: EngineError) -> ImageError:
        if FULL not in error.message.lower():
            return ImageError(f"{error.message} So {self.image.reference} is not on this host. Run this again.")
        self._clear()
        return ImageError(
            f"The disk of this host is full: Docker had no room for {self.image.reference}, and what was sent is "
            "removed again. Make room there (df -h; docker system df shows what Docker takes), then run the same "
            "command again."
        )


def _file_of(layer: str) -> str:
    return f"{layer.partition(':')[2]}.tar"


def _length(path: str) -> int:
    """In bytes. One that is gone by now has none."""
    with contextlib.suppress(FileNotFoundError):
        return os.stat(files.absolute(path)).st_size
    return 0


def _age(path: str) -> float:
    """Seconds since it was written to. One that is gone by now has none."""
    with contextlib.suppress(FileNotFoundError):
        return time.time() - os.lstat(files.absolute(path)).st_mtime
    return 0


def _content(path: str) -> Iterator[bytes]:
    with open(path, "rb") as source:
        yield from iter(lambda: source.read(BLOCK), b"")
