# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which old containers, images and secrets of a service may go, and their removal."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import Dict, List, Mapping, Optional, Sequence, Set, Tuple

from .. import _names, _records, _references
from .._host import files
from .._host.changes import Changes
from .._host.engine import STOPPED, Container, Engine, Image
from . import assets, history, served
from . import images as _images
from .context import Context
from .destinations import wanted_elsewhere

CONTAINERS, IMAGES = PARTS = ("containers", "images")


def prune(context: Context, image: Optional[Image], roles: Sequence[str]) -> None:
    """After `roles` of this host went live: their old containers go and, with the last of its roles, old images and
    secrets.

    In check mode everything counts as what it would be then; `image` is None where it would be pulled.
    """
    share, engine = context.share, context.engine
    names = _names.Names(share.service, share.destination)
    before = [version for version in _records.good_versions(context.records) if version != share.version]
    keep = {share.version, *before[:1]}
    containers = engine.containers()
    if context.changes.check_mode:
        containers = _foreseen(context, image, containers)
    else:
        containers = _settled(names, {role.name: role.container for role in context.roles(list(roles))}, containers)
    expendable = expendable_containers(_of(names, containers), share.retain, keep)
    later = {role.name for role in share.roles} - set(roles)
    _remove_containers(engine, context.changes, [c for c in expendable if _names.role_of(c.labels) not in later])
    if set(share.other_roles or share.gate_roles) <= set(roles):
        images = _images.of(engine, names, _of(names, containers), context.records)
        if context.changes.check_mode:
            images = [_without(one, share.image.latest_reference) for one in images]
        kept = [container for container in containers if container not in expendable]
        current = {_names.asset_folder(role.name, share.version) for role in share.roles}
        served.clean(context)
        assets.clean(context.changes, names, current | assets.versions(_of(names, kept), names))
        own = keep | {_version(container) for container in _of(names, kept)}
        keep |= {*_records.image_of_each(context.records, before[:1]), *wanted_elsewhere(names, containers, images)}
        _remove_images(engine, context.changes, expendable_images(images, kept, keep, share.image.repository))
        _remove_secrets(context.changes, names, own)


def prune_all(
    engine: Engine,
    changes: Changes,
    names: _names.Names,
    retain: int,
    versions: Sequence[str],
    parts: Sequence[str] = PARTS,
) -> None:
    """Keep the newest `retain` stopped containers of each role, and the images that anything uses.

    Beside the `versions` those are kept that a rollback may want, of images at each destination of the service.
    """
    records = history.read(names.history_file, changes.notice)
    keep = {*versions, *_records.wanted_versions(records)}
    containers = engine.containers()
    images = _images.of(engine, names, _of(names, containers), records)
    expendable = expendable_containers(_of(names, containers), retain, keep) if CONTAINERS in parts else []
    _remove_containers(engine, changes, expendable)
    kept = [container for container in containers if container not in expendable]
    own = keep | {_version(container) for container in _of(names, kept)}
    if CONTAINERS in parts:
        assets.clean(changes, names, assets.versions(_of(names, kept), names))
    if IMAGES in parts:
        keep |= {*_records.image_of_each(records, keep), *wanted_elsewhere(names, containers, images)}
        _remove_images(engine, changes, expendable_images(images, kept, keep))
    if CONTAINERS in parts:
        _remove_secrets(changes, names, own)


def _of(names: _names.Names, containers: Sequence[Container], role: Optional[str] = None) -> List[Container]:
    return [container for container in containers if names.owns(container.labels, role)]


def _remove_containers(engine: Engine, changes: Changes, containers: Sequence[Container]) -> None:
    for container in containers:
        changes.do(f"remove container {container.name}", partial(engine.remove, container.id, volumes=True))


def _remove_images(engine: Engine, changes: Changes, references: Sequence[str]) -> None:
    for reference in references:
        changes.do(f"remove image {reference}", partial(engine.remove_image, reference))


def _settled(names: _names.Names, live: Mapping[str, str], containers: Sequence[Container]) -> List[Container]:
    """Docker lists what has just been stopped as running for a moment; but of a role that went live only one runs.

    `live` has the name of that one by role.
    """

    def settled(one: Container) -> Container:
        is_over = names.owns(one.labels) and live.get(_names.role_of(one.labels), one.name) != one.name
        return replace(one, state="exited") if is_over and one.running else one

    return [settled(one) for one in containers]


def _remove_secrets(changes: Changes, names: _names.Names, versions: Set[str]) -> None:
    """Of the secrets that went live those stay of which a container or a record does, as of these `versions`."""
    for version in files.folders(names.kept_env_directory):
        if version not in versions:
            path = f"{names.kept_env_directory}/{version}"
            changes.do(f"remove secrets of version {version}", partial(files.remove, path))


def _foreseen(context: Context, image: Optional[Image], containers: Sequence[Container]) -> List[Container]:
    """The containers as they are once every role of this host is live: what is replaced has stopped, what an
    interrupted run has left is gone."""
    replaced: Set[str] = set()
    names = _names.Names(context.share.service, context.share.destination)
    for role in context.share.roles:
        own = _of(names, containers, role.name)
        running = context.running(role, image, own)
        replaced |= {container.id for container in own if running is None or container.id != running.id}
    return [
        replace(container, state="exited") if container.id in replaced and container.running else container
        for container in containers
        if not (container.id in replaced and _names.is_staged(container.name))
    ]


def _without(image: Image, tag: str) -> Image:
    """It is the new image's then, which is kept by its version."""
    return replace(image, tags=[each for each in image.tags if _references.short(each) != _references.short(tag)])


def expendable_containers(containers: Sequence[Container], retain: int, keep: Set[str]) -> List[Container]:
    """`containers` newest first. Each role at each destination has a quota of its own, so failed boots of one cannot
    push out another's last good container."""
    groups: Dict[Tuple[str, str], List[Container]] = defaultdict(list)
    for container in containers:
        if container.state in STOPPED and not _names.is_staged(container.name):
            groups[_names.role_of(container.labels), _names.destination_of(container.labels)].append(container)
    return [container for group in groups.values() for container in group[retain:] if _version(container) not in keep]


def _version(container: Container) -> str:
    labels = container.labels
    names = _names.Names(labels.get(_names.SERVICE_LABEL, ""), _names.destination_of(labels))
    return _names.version_of(container.name, names.role(_names.role_of(labels)), labels)


def expendable_images(
    images: Sequence[Image], containers: Sequence[Container], keep: Set[str], repository: Optional[str] = None
) -> List[str]:
    """Tags of images that no container uses, that are no `latest` and none to keep; untagged images by ID.

    `keep` has versions, and IDs of images.
    """
    used = {container.image_id for container in containers}
    expendable: List[str] = []
    for image in images:
        tags = [tag for tag in image.tags if tag != _references.UNTAGGED]
        if image.id in used | keep or any(_is_kept(tag, keep, repository) for tag in tags):
            continue
        expendable += tags or [image.id]
    return expendable


def _is_kept(reference: str, keep: Set[str], repository: Optional[str]) -> bool:
    where, tag = _references.split(reference)
    is_elsewhere = repository is not None and _references.short(repository) != _references.short(where)
    return is_elsewhere or tag in keep or _references.is_latest(tag)
