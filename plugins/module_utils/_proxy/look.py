# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""kamal-proxy as it is on a host, for people: its container, where that is not as wanted, and all that it routes."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional

from .. import _body
from .._host.changes import lines
from .._host.engine import Engine
from .._names import PROXY_CONTAINER, short_id
from . import commands


def look(engine: Engine, wanted: Optional[Mapping[str, Any]], notice: Callable[[str], None]) -> Dict[str, Any]:
    """`wanted` is the body of the container, where it is known; `notice` hears of what could not be looked at."""
    container = engine.inspect(PROXY_CONTAINER)
    if container is None:
        return {"state": "absent", "image": None, "since": None, "differs": [], "routes": {}}
    is_running = container["State"]["Status"] == "running"
    services = commands.services_if_readable(engine, notice)
    return {
        "state": container["State"]["Status"],
        "image": container["Config"]["Image"],
        "since": container["State"]["StartedAt" if is_running else "FinishedAt"],
        "differs": differences(container, wanted) if wanted else [],
        "routes": {name: service.shown(partial(_name, engine)) for name, service in sorted(services.items())},
    }


def differences(container: Mapping[str, Any], wanted: Mapping[str, Any]) -> List[str]:
    """What of a container is not as wanted, line by line: what it is, and what it should be.

    One that Kamal made does not say how it was meant to be; of that one only the image can be compared.
    """
    before, after = lines(_body.shown_container(container)), lines(_body.shown(wanted, {}))
    if not _body.is_made_here(container):
        before, after = ({"Image": each["Image"]} for each in (before, after))
    places = [place for place in {**before, **after} if before.get(place) != after.get(place)]
    return [f"{place} is {_shown(before.get(place))}, not {_shown(after.get(place))}" for place in sorted(places)]


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)


def _name(engine: Engine, host: str) -> str:
    """The name of the container that a target's host is now."""
    container = engine.inspect(host) if len(host) == len(short_id("0" * 64)) else None
    return container["Name"].lstrip("/") if container else host
