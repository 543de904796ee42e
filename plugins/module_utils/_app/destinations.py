# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the other destinations of a service on a host may still go back to."""

from __future__ import annotations

from typing import Optional, Sequence, Set

from .. import _records
from .._host import files
from .._host.engine import Container, Image
from .._names import APPS_DIRECTORY, SERVICE_LABEL, Names, destination_of


def wanted_elsewhere(names: Names, containers: Sequence[Container], images: Sequence[Image]) -> Set[str]:
    """The versions that a rollback of another destination may want, the last good ones of each, and their images' IDs.

    `containers` are all on this host, `images` all of the service. They decide whose a directory is, since `shop-admin`
    is a destination of the service `shop` or a service of that name: a container of the service has that destination,
    or the history names an image of the service.
    """
    of_service = [one for one in containers if one.labels.get(SERVICE_LABEL) == names.service]
    known = {destination_of(container.labels) or None for container in of_service}
    image_ids = {image.id for image in images}
    wanted: Set[str] = set()
    for directory in files.folders(APPS_DIRECTORY):
        other = _named(names.service, directory)
        if other is None or other == names:
            continue
        records = _records.parse(files.read(other.history_file) or "")
        if other.destination in known or any(record.image_id in image_ids for record in records):
            versions = _records.wanted_versions(records)
            wanted.update(versions, _records.image_of_each(records, versions))
    return wanted


def _named(service: str, directory: str) -> Optional[Names]:
    """The names of the service at the destination that a directory would be of; None if it is another service's."""
    if directory == service:
        return Names(service)
    return Names(service, directory[len(service) + 1 :]) if directory.startswith(f"{service}-") else None
