# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which old containers and images of a service may go, and their removal."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import Dict, List, Optional, Sequence, Set, Tuple

from .. import _names, _references
from .._host import files
from .._host.changes import Changes
from .._host.engine import STOPPED, Container, Engine, Image
from .._shares import HostShare
from . import history


def prune(engine: Engine, changes: Changes, share: HostShare) -> None:
    """After a release: what its plan says may go."""
    names = _names.Names(share.service, share.destination)
    prune_all(engine, changes, names, share.retain, [share.version], share.image.repository)


def prune_all(
    engine: Engine,
    changes: Changes,
    names: _names.Names,
    retain: int,
    versions: Sequence[str],
    repository: Optional[str] = None,
) -> None:
    """Keep the newest `retain` stopped containers of each role and destination, and the images that anything uses.

    With a `repository` images that are tagged for another one are left alone.
    """
    label, keep = f"service={names.service}", {*versions, *_rollback_versions(names)}
    containers = engine.containers(label)
    expendable = expendable_containers(containers, retain, keep)
    for container in expendable:
        changes.do(f"remove container {container.name}", partial(engine.remove, container.id, volumes=True))
    kept = [container for container in containers if container not in expendable]
    for reference in expendable_images(engine.images(label), kept, keep, repository):
        changes.do(f"remove image {reference}", partial(engine.remove_image, reference))


def _rollback_versions(names: _names.Names) -> List[str]:
    """The last two different versions that were live here, of which a rollback may want one."""
    versions = [str(record["version"]) for record in history.parse(files.read(names.history_file) or "")]
    return list(dict.fromkeys(reversed(versions)))[:2]


def expendable_containers(containers: Sequence[Container], retain: int, keep: Set[str]) -> List[Container]:
    """`containers` newest first. Each role at each destination has a quota of its own, so failed boots of one cannot
    push out another's last good container."""
    groups: Dict[Tuple[str, str], List[Container]] = defaultdict(list)
    for container in containers:
        if container.state in STOPPED and not _names.is_staged(container.name):
            groups[container.labels.get("role", ""), container.labels.get("destination", "")].append(container)
    return [container for group in groups.values() for container in group[retain:] if _version(container) not in keep]


def _version(container: Container) -> str:
    names = _names.Names(container.labels.get("service", ""), container.labels.get("destination"))
    return _names.version_of(container.name, names.role(container.labels.get("role", "")), container.labels)


def expendable_images(
    images: Sequence[Image], containers: Sequence[Container], keep: Set[str], repository: Optional[str] = None
) -> List[str]:
    """Tags of images that no container uses, that are no `latest` and no version to keep; untagged images by ID."""
    used = {container.image_id for container in containers}
    expendable: List[str] = []
    for image in images:
        tags = [tag for tag in image.tags if tag != _references.UNTAGGED]
        if image.id in used or any(_is_kept(tag, keep, repository) for tag in tags):
            continue
        expendable += tags or [image.id]
    return expendable


def _is_kept(reference: str, keep: Set[str], repository: Optional[str]) -> bool:
    where, tag = _references.split(reference)
    return repository not in (None, where) or tag in keep or _references.is_latest(tag)
