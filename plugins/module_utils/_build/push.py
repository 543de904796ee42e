# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image in the registry, as its version and as latest: whether it is there, and how it gets there."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Mapping, Optional

from .. import _references
from .._errors import BuildError, EngineError
from .._host.engine import Engine, Image
from .wanted import Wanted

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
    """The digest of this image if the registry has it under both tags now. None also where the registry does not say."""
    known = image.digests_in(wanted.repository)
    if not known:
        return None
    login = _credentials(wanted.registry)
    try:
        there = {engine.registry_digest(_references.tagged(wanted.repository, tag), login) for tag in (wanted.version, wanted.latest)}
    except EngineError:
        return None
    digest = there.pop()
    return digest if digest in known and not there else None


def push(engine: Engine, wanted: Wanted, image: Image) -> str:
    """Push both tags; returns the digest. BuildError also where another build took the tag meanwhile."""
    engine.tag(image.id, wanted.repository, wanted.latest)
    digest = _push_tag(engine, wanted, wanted.version)
    _push_tag(engine, wanted, wanted.latest)
    pushed = engine.image(image.id)
    known = pushed.digests_in(wanted.repository) if pushed else []
    if not known or (digest and digest not in known):
        raise BuildError(
            f"{wanted.reference} is another image than the one that was built: another build has the same version. "
            "Run the same command again when that has ended."
        )
    return digest or known[-1]


def _push_tag(engine: Engine, wanted: Wanted, tag: str) -> Optional[str]:
    digest = None
    for event in _events(engine, wanted, tag):
        if "error" in event:
            raise _refused(_references.tagged(wanted.repository, tag), str(event["error"]), wanted.registry)
        digest = (event.get("aux") or {}).get("Digest") or digest
    return digest


def _events(engine: Engine, wanted: Wanted, tag: str) -> Iterable[Mapping[str, Any]]:
    try:
        yield from engine.push(wanted.repository, tag, _credentials(wanted.registry))
    except EngineError as error:
        raise _refused(_references.tagged(wanted.repository, tag), error.message, wanted.registry) from error


def _credentials(registry: Optional[Mapping[str, Optional[str]]]) -> Optional[Dict[str, str]]:
    username, password = (registry or {}).get("username"), (registry or {}).get("password")
    if not username or not password:
        return None
    server = (registry or {}).get("server") or "https://index.docker.io/v1/"
    return {"username": username, "password": password, "serveraddress": server}


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
            f"{server} cannot be reached to push {reference}: {answer}. Check registry/server and the network."
        )
    if "certificate" in lowered:
        return BuildError(
            f"The Docker engine does not trust {server}: {answer}. Put its CA into /etc/docker/certs.d/{server}/ca.crt."
        )
    return BuildError(f"{reference} could not be pushed: {answer}")
