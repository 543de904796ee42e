# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The image of a version, built from what it should be made from and pushed, where it is not so already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional

from .._errors import BuildError
from .._host.changes import Changes
from .._host.engine import Engine, Image
from . import builder, push
from .source import Source, find
from .wanted import Wanted


@dataclass(frozen=True)
class Build:
    engine: Engine
    changes: Changes
    wanted: Wanted
    docker_host: str

    def ensure(self) -> Dict[str, Any]:
        """The image exists under its version and, if asked, in the registry, there as latest too.

        On a host `latest` means what went live last, so it does not move there. Returns the module's result.
        """
        wanted = self.wanted
        if len(wanted.arch) > 1:
            raise BuildError(
                f"builder/arch names {', '.join(wanted.arch)}, but one image for several architectures cannot be built "
                "yet. Name the one that the hosts have."
            )
        source = find(wanted, self.changes)
        image = self._reusable(source)
        fresh = image is None
        if fresh:
            image = self._built(source)
        digest = self._pushed(image, fresh) if wanted.push else None
        return {
            "image_id": image.id if image else None,
            "digest": digest,
            "engine_id": self.engine.id(),
            "pushed": wanted.push,
            "repository": wanted.repository,
            "tag": wanted.version,
        }

    def _reusable(self, source: Source) -> Optional[Image]:
        """The image that is here, if it was made from the same source. What no commit holds is built each time."""
        image = self.engine.image(self.wanted.reference)
        if image is None or self.wanted.force or not source.commit:
            return None
        return image if _is_from(source, image) else None

    def _built(self, source: Source) -> Optional[Image]:
        if not source.cloned:
            source.check(self.wanted.project_root)
        return self.changes.do(f"build {self.wanted.reference}", lambda: self._build(source))

    def _build(self, source: Source) -> Image:
        with source.files(self.changes) as root:
            builder.build(self.engine, source, root, self.docker_host)
            image = self.engine.image(self.wanted.reference)
            if image is None or not _is_from(source, image):
                raise BuildError(
                    f"{self.wanted.reference} is not the image that was just built: another build has the same version. "
                    "Run the same command again when that has ended."
                )
            try:
                source.check_unchanged(root)
            except BuildError:
                self.engine.remove_image(self.wanted.reference)
                raise
        return image

    def _pushed(self, image: Optional[Image], fresh: bool) -> Optional[str]:
        """The digest in the registry. A fresh image may equal one that was pushed before; its tags are pushed anyway."""
        wanted = self.wanted
        digest = None if image is None or fresh else push.digest_there(self.engine, wanted, image)
        if digest:
            return digest
        return self.changes.do(
            f"push {wanted.reference} and :{wanted.latest}",
            lambda: push.push(self.engine, wanted, image) if image else None,
        )


def _is_from(source: Source, image: Image) -> bool:
    labels = source.wanted.labels(source.commit)
    return all(image.labels.get(name) == value for name, value in labels.items())
