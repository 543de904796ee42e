# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The builder that an image would get on this host: looked at, made or removed without a build."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Callable, Dict, Mapping, Optional, TypeVar

from .._errors import BuildError
from .._host.changes import Changes
from .._host.engine import Engine
from . import builders, client
from .builders import Builder, Choice
from .client import Client

OPTIONS: Dict[str, Any] = {
    "arch": {"type": "list", "elements": "str", "default": []},
    "driver": {"type": "str"},
    "remote": {"type": "str"},
    "local": {"type": "bool", "default": True},
    "beyond_engine": {"type": "bool", "default": False},
}
PRESENT = (builders.is_there, builders.ensure, "create")
ABSENT = (builders.is_known, builders.remove, "remove")
T = TypeVar("T")
MEANS = {client.ENGINE: "engine", client.BUILDKIT: "buildkit", client.BUILDX: "buildx"}


@dataclass(frozen=True)
class Hand:
    """`builder` is None where the engine's own is used."""

    builder: Optional[Builder]
    means: int
    docker_host: str


def of(engine: Engine, params: Mapping[str, Any]) -> Hand:
    choice = Choice(**{each.name: params[each.name] for each in fields(Choice)})
    return Hand(builders.find(choice, engine.architecture()), client.means(), params["docker_host"])


def look(hand: Hand) -> Dict[str, Any]:
    builder = hand.builder
    if builder is None:
        return {"name": None, "driver": builders.DOCKER, "exists": True, "means": MEANS[hand.means], "nodes": ["here"]}
    nodes = [" ".join([node.remote or "here", ",".join(node.platforms)]).strip() for node in builder.nodes]
    return {
        "name": builder.name,
        "driver": builder.driver,
        "exists": _exists(hand, builder, builders.is_there),
        "means": MEANS[hand.means],
        "nodes": nodes,
    }


def ensure(hand: Hand, changes: Changes, wanted: bool) -> Dict[str, Any]:
    builder = hand.builder
    if builder is None:
        return {"name": None}
    if wanted and hand.means != client.BUILDX:
        raise BuildError(f"There is no buildx on this host, which {builder.name} needs. {client.INSTALL}")
    look, act, verb = PRESENT if wanted else ABSENT
    if _exists(hand, builder, look) != wanted:
        changes.do(f"{verb} the builder {builder.name}", lambda: _with_client(hand, builder, act))
    return {"name": builder.name}


def _exists(hand: Hand, builder: Builder, look: Callable[[Client, Builder], bool]) -> bool:
    return hand.means == client.BUILDX and _with_client(hand, builder, look)


def _with_client(hand: Hand, builder: Builder, act: Callable[[Client, Builder], T]) -> T:
    with client.opened(hand.docker_host, None) as docker:
        return act(docker, builder)
