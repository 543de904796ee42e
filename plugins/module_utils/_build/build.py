# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The image of a version, built from what it should be made from and pushed, where it is not so already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Tuple, TypeVar

from .._errors import BuildError
from .._host.changes import Changes
from .._host.engine import Engine, Image
from .._progress import Progress
from . import builder, client, push
from .builder import Bench, Way
from .source import Source, find
from .wanted import Wanted

T = TypeVar("T")


@dataclass(frozen=True)
class Build:
    engine: Engine
    changes: Changes
    wanted: Wanted
    docker_host: str
    progress: Progress

    def ensure(self) -> Dict[str, Any]:
        """The image exists under its version and, if asked, in the registry, there as latest too.

        On a host `latest` means what went live last, so it does not move there. Returns the module's result.
        """
        wanted = self.wanted
        source, way = find(wanted, self.changes), builder.find(wanted, self.engine)
        with client.opened(self.docker_host, wanted.login) as docker:
            bench = Bench(self.engine, docker, self.progress)
            made = self._in_registry if way.pushes(wanted) else self._in_engine
            image_id, digest = made(source, way, bench)
        return {
            "image_id": image_id,
            "digest": digest,
            "engine_id": self.engine.id(),
            "pushed": wanted.push,
            "repository": wanted.repository,
            "tag": wanted.version,
        }

    # An image that goes from the builder to the registry, for several platforms for example

    def _in_registry(self, source: Source, way: Way, bench: Bench) -> Tuple[None, Optional[str]]:
        wanted = self.wanted
        is_reusable = source.commit and not wanted.force
        there = push.digest_of(bench.client, wanted, wanted.labels(source.commit)) if is_reusable else None
        if there:
            return None, there
        text = f"build {wanted.reference} and push it and :{wanted.latest}"
        return None, self._built(source, text, lambda root: self._build_and_push(source, way, bench, root))

    def _build_and_push(self, source: Source, way: Way, bench: Bench, root: str) -> Optional[str]:
        digest = builder.build(way, bench, source, root)
        if source.has_changed(root):
            raise BuildError(
                f"{root} changed while {self.wanted.reference} was built, so that the image may hold something else "
                f"than commit {source.commit}. It is in the registry: build it again with -e kamal_build_force=true."
            )
        return digest

    # An image of the engine, which pushes it

    def _in_engine(self, source: Source, way: Way, bench: Bench) -> Tuple[Optional[str], Optional[str]]:
        image = self._reusable(source)
        fresh = image is None
        if image is None:
            text = f"build {self.wanted.reference}"
            image = self._built(source, text, lambda root: self._build(source, way, bench, root))
        digest = self._pushed(image, fresh) if self.wanted.push else None
        if self.wanted.latest_here:
            self._tag_latest(image)
        return image.id if image else None, digest

    def _reusable(self, source: Source) -> Optional[Image]:
        """The image that is here, if it was made from the same source. What no commit holds is built each time."""
        image = self.engine.image(self.wanted.reference)
        if image is None or self.wanted.force or not source.commit:
            return None
        return image if _is_from(source, image) else None

    def _build(self, source: Source, way: Way, bench: Bench, root: str) -> Image:
        builder.build(way, bench, source, root)
        image = self.engine.image(self.wanted.reference)
        if image is None or not _is_from(source, image):
            raise BuildError(
                f"{self.wanted.reference} is not the image that was just built: another build has the same version. "
                "Run the same command again when that has ended."
            )
        if source.has_changed(root):
            self.engine.remove_image(self.wanted.reference)
            raise BuildError(
                f"{root} changed while {self.wanted.reference} was built, so that the image may hold something else "
                f"than commit {source.commit}. It was removed. Run the same command again."
            )
        return image

    def _pushed(self, image: Optional[Image], fresh: bool) -> Optional[str]:
        """The digest in the registry. A fresh image may equal one that was pushed; its tags are pushed anyway."""
        wanted = self.wanted
        digest = None if image is None or fresh else push.digest_there(self.engine, wanted, image)
        if digest:
            return digest
        return self.changes.do(
            f"push {wanted.reference} and :{wanted.latest}",
            lambda: push.push(self.engine, wanted, image, self.progress) if image else None,
        )

    def _tag_latest(self, image: Optional[Image]) -> None:
        wanted = self.wanted
        there = self.engine.image(wanted.latest_reference)
        if image is None or there is None or there.id != image.id:
            self.changes.do(f"tag it as {wanted.latest_reference}", lambda: self._tag(image))

    def _tag(self, image: Optional[Image]) -> None:
        if image:
            self.engine.tag(image.id, self.wanted.repository, self.wanted.latest)

    def _built(self, source: Source, text: str, build: Callable[[str], T]) -> Optional[T]:
        """What `build` gives for the folder of the project, which is the clone's where one is built."""
        if not source.cloned:
            source.check(self.wanted.project_root)

        def act() -> T:
            with source.files(self.changes) as root:
                return build(root)

        return self.changes.do(text, act)


def _is_from(source: Source, image: Image) -> bool:
    labels = source.wanted.labels(source.commit)
    return all(image.labels.get(name) == value for name, value in labels.items())
