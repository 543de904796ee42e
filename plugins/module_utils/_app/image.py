# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image present on a host under its version's tag, pulled where needed without touching what is there before."""

from __future__ import annotations

from typing import Mapping, Optional, Sequence

from .. import _references
from .._errors import EngineError, ImageError, LoginError
from .._host.changes import Changes
from .._host.engine import Engine, Image
from .._shares import Built, ImageShare


def ensure(
    engine: Engine,
    changes: Changes,
    wanted: ImageShare,
    built: Built,
    credentials: Optional[Mapping[str, str]],
    kept: Optional[Sequence[str]] = None,
    trusting: bool = False,
    refuse_mirror: bool = False,
) -> Optional[Image]:
    """The image of this release; `built` is what the build said of it. None only in check mode, where it would be
    pulled or built. With `kept` the image that this host has is the right one, whatever the registry has: the first of
    these IDs that is here, else what has the tag. With `trusting` it is also where a registry says nothing without a
    login. With `refuse_mirror` a pull through a mirror is an ImageError that says which, and nothing is pulled.

    Raises ImageError where the image cannot be had or is one of another service, and where nothing was built and the
    registry does not say what it has.
    """
    image = None if built.pending else _here(engine, wanted, kept or ())
    if image is not None and kept is None:
        image = image if _is_current(engine, changes, image, wanted, built, credentials, trusting) else None
    if image is None:
        from_registry = wanted.pull and not (built.pending and not built.pushed)
        if from_registry and refuse_mirror:
            _refuse_mirror(engine, changes, wanted)
        get = _pull if from_registry else _only_here
        image = get(engine, changes, wanted, built, credentials)
    if image is not None and image.id not in (kept or ()):  # what was live here before may have been built elsewhere
        _check_service(image, wanted)
    return image


def _here(engine: Engine, wanted: ImageShare, ids: Sequence[str]) -> Optional[Image]:
    images = (engine.image(name) for name in (*ids, wanted.reference))
    return next((image for image in images if image is not None), None)


def _is_current(
    engine: Engine,
    changes: Changes,
    image: Image,
    wanted: ImageShare,
    built: Built,
    credentials: Optional[Mapping[str, str]],
    trusting: bool,
) -> bool:
    """Whether it is the image that was built or, where nothing was built, the one that the registry has now."""
    if built.digest:
        return built.digest in image.digests_in(wanted.repository)
    if built.image_id:
        return image.id == built.image_id
    if not wanted.pull:
        return True
    try:
        digest = _digest_in_registry(engine, wanted, credentials)
    except ImageError as error:
        if credentials or not trusting or not isinstance(error.__cause__, LoginError):
            raise
        changes.notice(
            f"Without a login the registry does not say whether {wanted.reference} was pushed anew; the image on this "
            "host is used"
        )
        return True
    if digest is None:
        changes.notice(f"The registry has no {wanted.reference}; the image on this host is used")
        return True
    return digest in image.digests_in(wanted.repository)


def _digest_in_registry(engine: Engine, wanted: ImageShare, credentials: Optional[Mapping[str, str]]) -> Optional[str]:
    try:
        return engine.registry_digest(wanted.reference, credentials)
    except EngineError as error:
        raise ImageError(
            f"{wanted.reference} is on this host, but the registry does not say whether it was pushed anew since: "
            f"{error.message} Check registry/server, registry/username, registry/password and the network, then run "
            "the same command again. To go back to an earlier version, rollback needs no registry.",
            **error.details,
        ) from error


def _only_here(
    _engine: Engine,
    changes: Changes,
    wanted: ImageShare,
    built: Built,
    _credentials: Optional[Mapping[str, str]],
) -> Optional[Image]:
    if changes.check_mode and not built.image_id:
        changes.notice(f"{wanted.reference} is not on this host yet; a deploy would bring it here")
        return None
    raise ImageError(
        f"{wanted.reference} is not on this host, and there is no registry to pull it from. Deploy without "
        "kamal_build=false, so that it is built and brought here, set registry in the configuration, or bring the "
        "image here yourself (docker load)."
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
        return engine.image(source)

    return changes.do(f"pull {source}", pull)


def _refuse_mirror(engine: Engine, changes: Changes, wanted: ImageShare) -> None:
    """Engines ask their mirrors for images of Docker Hub alone."""
    mirrors = [] if changes.check_mode or _references.server_of(wanted.repository) else engine.mirrors()
    if mirrors:
        raise ImageError(f"{wanted.reference} would be pulled through the mirror {mirrors[0]}.", mirror=mirrors[0])


def _check_service(image: Image, wanted: ImageShare) -> None:
    label = image.labels.get("service")
    if wanted.service is not None and label != wanted.service:
        raise ImageError(
            f"{wanted.reference} has the label service={label or 'nothing'}, but this service is {wanted.service}. "
            f"Build it with caravan.kamal.deploy, add LABEL service={wanted.service} to its Dockerfile, "
            "or name it with -e kamal_image=REPOSITORY:TAG."
        )
