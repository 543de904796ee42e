# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image by way of a registry on the machine that deploys: pushed there, and pulled from it by its digest.

What only the registry has, since Kamal pushed it or the engine's images were pruned, is fetched from it first.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

from .. import _references
from .._errors import EngineError, ImageError
from .._host.changes import Changes
from .._host.engine import Engine, Image
from . import departure
from .parts import Listed, is_same


def fetch(engine: Engine, changes: Changes, reference: str) -> Optional[Listed]:
    """None where the registry does not have it or does not answer, and in check mode."""
    try:
        if engine.registry_digest(reference, None) is None:
            return None
        changes.do(f"pull {reference}", lambda: engine.pull(reference, None))
    except EngineError:
        return None
    return departure.listed(engine, reference)


def push(engine: Engine, changes: Changes, image: Listed) -> Optional[str]:
    """The digest that the registry has it by. None in check mode, where it would be pushed first."""
    repository, tag = _references.split(image.reference)
    here = engine.image(image.image_id)
    if here is None:
        raise ImageError(f"{image.reference} is not on this host any more. Run the same command again.")
    known = here.digests_in(repository)
    there = engine.registry_digest(image.reference, None) if known else None
    if there in known:
        return there
    return changes.do(f"push {image.reference}", lambda: _pushed(engine, repository, tag))


def _pushed(engine: Engine, repository: str, tag: str) -> str:
    reference = _references.tagged(repository, tag)
    answer: Dict[str, Any] = {}
    for event in engine.push(repository, tag, None):
        if "error" in event:
            raise ImageError(
                f"{reference} could not be pushed: {event['error']}. See that the registry there is up and "
                "its disk has room."
            )
        answer = event.get("aux") or answer
    if not answer.get("Digest"):
        raise EngineError(f"Docker has pushed {reference} and does not say as what. Run the same command again.")
    return str(answer["Digest"])


def pull(engine: Engine, changes: Changes, image: Listed, digest: str) -> Optional[Image]:
    """The image under its name. A registry of the host's own, on the same port, has none of this digest. None in check
    mode."""
    repository, tag = _references.split(image.reference)
    source = _references.pinned(repository, digest)

    def pulled() -> Image:
        engine.pull(source, None)
        found = engine.image(source)
        if found is None or not is_same(image, found):
            raise ImageError(f"{source} is another image than {image.reference}. Run the same command again.")
        engine.tag(source, repository, tag)
        return found

    return changes.do(f"pull {source}", pulled)
