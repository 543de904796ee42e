# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image present on a host under its version's tag, pulled where needed without touching what is there before."""

from __future__ import annotations

from typing import Mapping, Optional

from .. import _references
from .._errors import ImageError
from .._host.changes import Changes
from .._host.engine import Engine, Image
from .._shares import Built, ImageShare


def ensure(
    engine: Engine,
    changes: Changes,
    wanted: ImageShare,
    built: Built,
    credentials: Optional[Mapping[str, str]],
) -> Optional[Image]:
    """The image of this release; `built` is the build's answer. None only in check mode, where it would be
    pulled or built. Raises ImageError where it cannot be had, or is one of another service."""
    image = engine.image(wanted.reference)
    if image is None or not _is_the_built_one(image, wanted, built):
        if not wanted.pull:
            image = _only_here(image, wanted, built, changes)
        else:
            image = _pull(engine, changes, wanted, built, credentials)
    if image is not None:
        _check_service(image, wanted)
    return image


def _is_the_built_one(image: Image, wanted: ImageShare, built: Built) -> bool:
    if built.digest:
        return _references.pinned(wanted.repository, built.digest) in image.digests
    if built.image_id:
        return image.id == built.image_id
    return True


def _only_here(image: Optional[Image], wanted: ImageShare, built: Built, changes: Changes) -> Optional[Image]:
    if changes.check_mode and not built.image_id:
        changes.notice(f"{wanted.reference} is not on this host yet; a deploy would build it first")
        return image
    raise ImageError(
        f"{wanted.reference} is not on this host and no registry is configured to pull it from. "
        "Set registry in the configuration, or bring the image here (docker load)."
    )


def _pull(
    engine: Engine,
    changes: Changes,
    wanted: ImageShare,
    built: Built,
    credentials: Optional[Mapping[str, str]],
) -> Optional[Image]:
    digest = built.digest
    source = _references.pinned(wanted.repository, digest) if digest else wanted.reference

    def pull() -> Optional[Image]:
        engine.pull(source, credentials)
        if digest:
            engine.tag(source, wanted.repository, wanted.tag)
        return engine.image(wanted.reference)

    return changes.do(f"pull {source}", pull)


def _check_service(image: Image, wanted: ImageShare) -> None:
    label = image.labels.get("service")
    if label != wanted.service:
        raise ImageError(
            f"{wanted.reference} has the label service={label or 'nothing'}, but this service is {wanted.service}. "
            f"Build it with caravan.kamal.deploy, or add LABEL service={wanted.service} to its Dockerfile."
        )
