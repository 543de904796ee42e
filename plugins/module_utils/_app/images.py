# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The images of a service on a host: those with its label, and those that were built elsewhere and went live here."""

from __future__ import annotations

from dataclasses import replace
from typing import Collection, List, Sequence

from .. import _records, _references
from .._host.engine import Container, Engine, Image
from .._names import SERVICE_LABEL, Names, of_service


def of(
    engine: Engine, names: Names, containers: Sequence[Container], records: Sequence[_records.Record]
) -> List[Image]:
    """`containers` are the service's own. Of an image without the label just those tags are told that are versions on
    record, in a repository that a container's image is from, and the latest tag beside them: others are not ours."""
    labelled = engine.images(of_service(names.service))
    known = {image.id for image in labelled}
    foreign = [container.image for container in containers if container.image_id not in known]
    repositories = dict.fromkeys(_references.parts(image)[0] for image in foreign if image)
    versions = {record.version for record in records}
    found = [_with_ours(image, versions, names) for each in repositories for image in engine.images_in(each)]
    return [*labelled, *(image for image in found if image.tags and SERVICE_LABEL not in image.labels)]


def _with_ours(image: Image, versions: Collection[str], names: Names) -> Image:
    ours = [tag for tag in image.tags if _references.tag_of(tag) in versions]
    latest = [tag for tag in image.tags if ours and _references.tag_of(tag) == names.latest_tag]
    return replace(image, tags=[*ours, *latest])
