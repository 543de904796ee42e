# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The body of `POST /containers/create` as a tree of maps and lists, and how something is put into it."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Tuple

Body = Dict[str, Any]
Path = Tuple[str, ...]


def network_mode(body: Mapping[str, Any]) -> str:
    """The network that a container joins, also a mode such as host."""
    return str(body.get("HostConfig", {}).get("NetworkMode") or "bridge")


def place_of(dotted: str) -> Path:
    """`A.B` as a path; nothing is the whole body."""
    return tuple(dotted.split(".")) if dotted else ()


def nest(place: Path, value: Any) -> Any:
    """A body that holds nothing but a value at a place."""
    for part in reversed(place):
        value = {part: value}
    return value


def put(body: Body, place: Path, value: Any) -> None:
    """Set the value at a place, whatever was there."""
    for part in place[:-1]:
        body = body.setdefault(part, {})
    body[place[-1]] = value


def merge(into: Body, fragment: Mapping[str, Any]) -> None:
    """Add a fragment: lists grow, maps merge, single values are replaced."""
    for key, value in fragment.items():
        known = into.get(key)
        if isinstance(value, dict) and isinstance(known, dict):
            merge(known, value)
        elif isinstance(value, list) and isinstance(known, list):
            known.extend(item for item in value if item not in known)
        else:
            into[key] = value
