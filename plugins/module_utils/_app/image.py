# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image present on a host under its version's tag: found, or pulled without touching what is there before."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from .._errors import ImageError
from .._host.changes import Changes
from .._host.engine import Engine, Image


def ensure(
    engine: Engine,
    changes: Changes,
    wanted: Mapping[str, Any],
    built: Mapping[str, Any],
    credentials: Optional[Mapping[str, str]],
) -> Optional[Image]:
    """The image of this release. `wanted` is the plan's (repository, tag, service, pull), `built` what the build said
    (image_id, digest, engine_id; empty where nothing was built). None only in check mode, where it would be pulled."""
    reference = f"{wanted['repository']}:{wanted['tag']}"
    found = engine.image(reference)
    if found is None or not _is_the_built_one(engine, found, wanted, built):
        if not wanted["pull"]:
            found = _only_here(found, reference, built, changes)
        else:
            found = _pull(engine, changes, wanted, reference, built, credentials)
    if found is not None:
        _check_service(found, reference, wanted["service"])
    return found


def _is_the_built_one(engine: Engine, found: Image, wanted: Mapping[str, Any], built: Mapping[str, Any]) -> bool:
    if built.get("digest"):
        return f"{wanted['repository']}@{built['digest']}" in found.digests
    if built.get("image_id"):
        return bool(found.id == built["image_id"])
    return True


def _only_here(found: Optional[Image], reference: str, built: Mapping[str, Any], changes: Changes) -> Optional[Image]:
    if changes.check_mode and not (built.get("image_id")):
        changes.notice(f"{reference} is not on this host yet; a deploy would build it first")
        return found
    raise ImageError(
        f"{reference} is not on this host and no registry is configured to pull it from. "
        "Set registry in the configuration, or bring the image here (docker load)."
    )


def _pull(
    engine: Engine,
    changes: Changes,
    wanted: Mapping[str, Any],
    reference: str,
    built: Mapping[str, Any],
    credentials: Optional[Mapping[str, str]],
) -> Optional[Image]:
    digest = built.get("digest")
    source = f"{wanted['repository']}@{digest}" if digest else reference

    def pull() -> Optional[Image]:
        engine.pull(source, credentials)
        if digest:
            engine.tag(source, wanted["repository"], wanted["tag"])
        return engine.image(reference)

    return changes.do(f"pull {source}", pull)


def _check_service(found: Image, reference: str, service: str) -> None:
    label = found.labels.get("service")
    if label != service:
        raise ImageError(
            f"{reference} has the label service={label or 'nothing'}, but this service is {service}. "
            f"Build it with caravan.kamal.deploy, or add LABEL service={service} to its Dockerfile."
        )
