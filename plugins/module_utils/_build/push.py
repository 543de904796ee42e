# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image in the registry, as its version and as latest: whether it is there, and how it gets there."""

from __future__ import annotations

import json
import time
from typing import Any, Callable, Dict, Iterable, Mapping, Optional

from .. import _references
from .._errors import BuildError, EngineError
from .._host.engine import Engine, Image
from .._progress import Progress
from .client import Client
from .wanted import Wanted

DESCRIPTION = '{"manifest": {{json .Manifest}}, "image": {{json .Image}}}'
MB = 1_000_000
LOGIN_REFUSED = ("unauthorized", "denied", "no basic auth credentials", "authentication required", "incorrect username")
UNREACHABLE = (
    "no such host",
    "connection refused",
    "i/o timeout",
    "no route to host",
    "network is unreachable",
    "timeout",
)


def digest_there(engine: Engine, wanted: Wanted, image: Image) -> Optional[str]:
    """The digest of this image if the registry has it under both tags now. None also where it does not say."""
    known = image.digests_in(wanted.repository)
    if not known:
        return None
    login = wanted.login
    try:
        there = {
            engine.registry_digest(_references.tagged(wanted.repository, tag), login)
            for tag in (wanted.version, wanted.latest)
        }
    except EngineError:
        return None
    digest = there.pop()
    return digest if digest in known and not there else None


def digest_of(client: Client, wanted: Wanted, labels: Mapping[str, str]) -> Optional[str]:
    """The digest of what the registry has under both tags, if these are its labels. It may be for several platforms,
    which no engine tells of. None also where the registry does not say."""
    digests = {_described(client, reference, labels) for reference in (wanted.reference, wanted.latest_reference)}
    return digests.pop() if len(digests) == 1 else None


def _described(client: Client, reference: str, labels: Mapping[str, str]) -> Optional[str]:
    code, said = client.ask("buildx", "imagetools", "inspect", reference, "--format", DESCRIPTION)
    try:
        described = json.loads(said) if code == 0 else {}
        config = described["image"]
        images = [config] if "config" in config else list(config.values())
        found = [image["config"].get("Labels") or {} for image in images]
        ours = all(each.get(name) == value for each in found for name, value in labels.items())
        return str(described["manifest"]["digest"]) if found and ours else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def push(engine: Engine, wanted: Wanted, image: Image, progress: Progress) -> str:
    """Push both tags; returns the digest. BuildError also where another build took the tag meanwhile."""
    engine.tag(image.id, wanted.repository, wanted.latest)
    step, began = f"pushing {wanted.reference}", time.monotonic()
    progress.begun(step)
    digest = _push_tag(engine, wanted, wanted.version, lambda amount: progress.moved(step, amount))
    _push_tag(engine, wanted, wanted.latest, lambda _amount: None)
    progress.ended(step, time.monotonic() - began)
    pushed = engine.image(image.id)
    known = pushed.digests_in(wanted.repository) if pushed else []
    if not known or (digest and digest not in known):
        raise BuildError(
            f"{wanted.reference} is another image than the one that was built: another build has the same version. "
            "Run the same command again when that has ended."
        )
    return digest or known[-1]


def _push_tag(engine: Engine, wanted: Wanted, tag: str, moved: Callable[[str], None]) -> Optional[str]:
    digest, layers = None, Layers(moved)
    for event in _events(engine, wanted, tag):
        layers.see(event)
        if "error" in event:
            raise _refused(_references.tagged(wanted.repository, tag), str(event["error"]), wanted.registry)
        digest = (event.get("aux") or {}).get("Digest") or digest
    return digest


class Layers:
    """How much of all layers under way has gone. The engine tells of each many times a second."""

    def __init__(self, moved: Callable[[str], None]) -> None:
        self._moved = moved
        self._current: Dict[str, int] = {}
        self._total: Dict[str, int] = {}
        self._told = 0.0

    def see(self, event: Mapping[str, Any]) -> None:
        detail = event.get("progressDetail") or {}
        if not detail.get("total"):
            return
        layer, total = str(event.get("id")), int(detail["total"])
        self._total[layer] = total
        self._current[layer] = min(int(detail.get("current") or 0), total)
        if time.monotonic() - self._told >= 1:
            self._told = time.monotonic()
            self._moved(f"{sum(self._current.values()) / MB:.1f} of {sum(self._total.values()) / MB:.1f} MB")


def _events(engine: Engine, wanted: Wanted, tag: str) -> Iterable[Mapping[str, Any]]:
    try:
        yield from engine.push(wanted.repository, tag, wanted.login)
    except EngineError as error:
        raise _refused(_references.tagged(wanted.repository, tag), error.message, wanted.registry) from error


def _refused(reference: str, answer: str, registry: Optional[Mapping[str, Optional[str]]]) -> BuildError:
    server = (registry or {}).get("server") or "Docker Hub"
    lowered = answer.lower()
    if any(text in lowered for text in LOGIN_REFUSED):
        who = (registry or {}).get("username")
        hint = (
            f"Check registry/username ({who}), registry/password, and that this account may push there."
            if who
            else "Set registry/username and registry/password."
        )
        return BuildError(f"{server} refused to take {reference}: {answer}. {hint}")
    if any(text in lowered for text in UNREACHABLE):
        return BuildError(
            f"{server} cannot be reached to push {reference}: {answer}. Check registry/server and the network.",
            registry_silent=True,
        )
    if "certificate" in lowered:
        return BuildError(
            f"The Docker engine does not trust {server}: {answer}. Put its CA into /etc/docker/certs.d/{server}/ca.crt."
        )
    return BuildError(f"{reference} could not be pushed: {answer}")
