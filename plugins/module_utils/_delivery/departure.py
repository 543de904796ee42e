# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image on the engine that has it: which layers it has, and those that are wanted as files."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from typing import IO, Any, Collection, Dict, Iterator, Optional, Tuple

from .._errors import ImageError
from .._host import files as _files
from .._host import user as _user
from .._host.engine import Engine
from .parts import KEPT_FOR, Listed, Pieces, Saved, SavedLayer

BLOCK = 2**20
PREFIX = "layers-"
# Where a task that became root leaves what the SSH user is to have: nobody can put something else in its place there.
ROOTS_PLACE = "/var/tmp"
# Files of an archive that describe the image are short; layers may be too.
LONGEST_TEXT = 2**20
FAST = 1
GZIP = b"\x1f\x8b"
# What reading an image raises where an archive in it, or its list of contents, is not all there.
NOT_WHOLE = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, KeyError, IndexError, TypeError, ValueError)


def listed(engine: Engine, reference: str, image_id: Optional[str] = None) -> Optional[Listed]:
    """The image with this ID, or else with this name. ImageError where one that is wanted by its ID is gone."""
    image = engine.image(image_id or reference)
    if image is None and image_id:
        raise ImageError(
            f"The image {reference} of this run is gone from the engine that had it: another build has the same "
            "version, or it was removed. Run the same command again."
        )
    return Listed(reference, image.id, image.created, image.layers, image.settings) if image else None


def new_folder() -> str:
    """A folder for saved layers, which only this user may read. Old ones go."""
    with _files.doing("find a place for layers in", _files.home()):
        above = ROOTS_PLACE if _files.nofollow() else _cache()
        users = {os.geteuid(), os.stat(_files.home()).st_uid}
    with _files.doing("make a folder for layers in", above):
        for entry in os.scandir(above):
            status = entry.stat(follow_symlinks=False)
            is_ours = entry.name.startswith(PREFIX) and status.st_uid in users
            if is_ours and status.st_mtime < time.time() - KEPT_FOR:
                remove(entry.path)
        return tempfile.mkdtemp(dir=above, prefix=PREFIX)


def _cache() -> str:
    above = os.path.join(_user.cache(), "caravan", "layers")
    os.makedirs(above, mode=0o700, exist_ok=True)
    return above


def hand_over(folder: str) -> None:
    """To the SSH user, who takes it from here, where the task became root."""
    if _files.nofollow():
        owner = os.stat(_files.home())
        for path in (*(entry.path for entry in os.scandir(folder)), folder):
            os.chown(path, owner.st_uid, owner.st_gid)


def remove(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def save(engine: Engine, image: Listed, layers: Collection[str], folder: str) -> Saved:
    """These layers of an image as files in a folder. An engine gives out whole images only."""
    with _whole(image):
        files, texts = _taken_apart(engine, image, layers, folder)
        missing = set(layers) - set(files)
        if missing:
            raise ImageError(
                f"The Docker engine gave out {image.reference} without {', '.join(sorted(missing))}. Build it anew "
                "(kamal_build_force=true), and run this again."
            )
        return Saved(_config(texts, image), list(files.values()))


@contextlib.contextmanager
def _whole(image: Listed) -> Iterator[None]:
    try:
        yield
    except NOT_WHOLE as error:
        raise ImageError(
            f"The Docker engine did not give out all of {image.reference} ({type(error).__name__}: {error}). See that "
            "it is well and its disk has room (systemctl status docker; df -h), and run the same command again."
        ) from error


def _taken_apart(
    engine: Engine, image: Listed, layers: Collection[str], folder: str
) -> Tuple[Dict[str, SavedLayer], Dict[str, bytes]]:
    """The files of the layers, and what else in the archive is short."""
    files: Dict[str, SavedLayer] = {}
    texts: Dict[str, bytes] = {}
    others = {layer.partition(":")[2] for layer in set(image.layers) - set(layers)}
    stream = io.BufferedReader(Pieces(engine.save(image.image_id)), BLOCK)
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is None or os.path.basename(member.name) in others:
                continue
            with tempfile.TemporaryFile(dir=folder) as file:
                shutil.copyfileobj(content, file, BLOCK)
                if member.size <= LONGEST_TEXT:
                    texts[member.name] = _from_its_beginning(file).read()
                layer = _content_hash(file)
                if layer in layers and layer not in files:
                    files[layer] = _compressed(file, layer, folder)
    return files, texts


def _config(texts: Dict[str, bytes], image: Listed) -> str:
    """The configuration of the image, as the archive's list of contents names it."""
    manifest = json.loads(texts["manifest.json"])
    text = texts[manifest[0]["Config"]].decode()
    if json.loads(text)["rootfs"]["diff_ids"] != list(image.layers):
        raise ImageError(
            f"The Docker engine gave out another image than {image.reference}. Run the same command again."
        )
    return text


def _content_hash(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    source = _unpacked(file)
    for block in iter(lambda: source.read(BLOCK), b""):
        digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    """Engines that leave images to containerd give out layers as they were pulled."""
    is_packed = _from_its_beginning(file).read(len(GZIP)) == GZIP
    _from_its_beginning(file)
    return gzip.GzipFile(fileobj=file, mode="rb") if is_packed else file  # type: ignore[return-value]


def _compressed(file: IO[bytes], layer: str, folder: str) -> SavedLayer:
    """The same layer is always the same file, so that one that was sent in part goes on in a later run."""
    handle, path = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as target:
        hashing = _Hashing(target)
        with gzip.GzipFile("", "wb", FAST, hashing, mtime=0) as packed:
            shutil.copyfileobj(_unpacked(file), packed, BLOCK)
    name = hashing.digest.hexdigest()
    os.rename(path, os.path.join(folder, name))
    return SavedLayer(layer, name, hashing.size)


class _Hashing:
    """A file to write to that knows the hash and the size of what was written."""

    def __init__(self, target: IO[bytes]) -> None:
        self.target, self.digest, self.size = target, hashlib.sha256(), 0

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self.target.write(data)

    def flush(self) -> None:
        self.target.flush()


def _from_its_beginning(file: IO[bytes]) -> IO[bytes]:
    file.seek(0)
    return file
