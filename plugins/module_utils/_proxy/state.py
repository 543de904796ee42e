# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What kamal-proxy's state file says: every service that it routes, with all of its options."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple

from .._errors import StateError
from .._names import PROXY_STATE
from .flags import FLAGS, Options, diff, look_up

STATES = ("running", "paused", "stopped")


@dataclass(frozen=True)
class Service:
    """A service as kamal-proxy has it."""

    name: str
    options: Options
    targets: Tuple[str, ...]
    rollout_targets: Tuple[str, ...] = ()
    rollout: Optional[Mapping[str, Any]] = field(default=None)
    state: str = "running"
    message: str = ""

    def shown(self, name_of: Callable[[str], str]) -> Dict[str, Any]:
        """For people and answers; `name_of` gives what the host of a target is called."""
        options = self.options.shown()
        targets = [target.partition(":") for target in self.targets]
        return {
            "targets": ["".join((name_of(host), colon, port)) for host, colon, port in targets],
            "hosts": options["host"],
            "path_prefixes": options["path-prefix"],
            "tls": options["tls"],
            "state": self.state,
            "message": self.message,
        }


def parse(content: bytes) -> Dict[str, Service]:
    """The services in a state file, by name. Keys that are not known here are passed over."""
    try:
        items = json.loads(content)
        services = [_service(item) for item in _list(items)]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise broken(error) from error
    return {service.name: service for service in services}


def broken(error: Exception) -> StateError:
    return StateError(
        f"The state file of kamal-proxy on this host ({PROXY_STATE} in its container) is broken: "
        f"{type(error).__name__}: {error}. The next deploy to this host has kamal-proxy write it anew. If it was "
        "restarted since it broke, it has forgotten its routes (docker exec kamal-proxy kamal-proxy list shows "
        "those it has): deploy each service of this host again."
    )


def _service(item: Mapping[str, Any]) -> Service:
    pause = item.get("pause_controller") or {}
    return Service(
        name=_text(item["name"]),
        options=_options(item),
        targets=_targets(item, "active"),
        rollout_targets=_targets(item, "rollout"),
        rollout=item.get("rollout_controller"),
        state=_state(pause.get("state", 0)),
        message=_text(pause.get("stop_message") or ""),
    )


def _state(number: Any) -> str:
    """A state in words; one that a later kamal-proxy has is none that is known here."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"no state: {number!r}")
    return STATES[number] if 0 <= number < len(STATES) else f"unknown ({number})"


def _targets(item: Mapping[str, Any], slot: str) -> Tuple[str, ...]:
    """One target had a field of its own in older state files."""
    return _texts(item.get(f"{slot}_targets")) or _texts([item[f"{slot}_target"]] if item.get(f"{slot}_target") else [])


def _texts(value: Any) -> Tuple[str, ...]:
    return tuple(_text(each) for each in _list(value))


def _list(value: Any) -> Sequence[Any]:
    """A list; Go writes null for an empty one."""
    if value is not None and not isinstance(value, list):
        raise TypeError(f"no list: {str(value)[:40]!r}")
    return value or ()


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"no text: {str(value)[:40]!r}")
    return value


def _options(item: Mapping[str, Any]) -> Options:
    values: Dict[str, Any] = {}
    for flag in FLAGS:
        value = look_up(item, flag.place) if flag.place else None
        if value is None and flag.name in ("host", "path-prefix"):
            value = item.get(flag.place.split(".")[1])
        values[flag.name] = flag.default if value is None else flag.kind.load(value)
    if "/" not in values["path-prefix"]:
        # kamal-proxy copies these from the service at the root path of the host, and refuses to be told them here.
        values["tls"], values["tls-redirect"] = False, True
    return Options(values)


def routes_to(service: Optional[Service], targets: Sequence[str], wanted: Options) -> bool:
    """Whether a deploy would change nothing."""
    return service is not None and set(service.targets) == set(targets) and not diff(wanted, service.options)
