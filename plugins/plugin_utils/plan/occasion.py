# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a hook is told of the run: Kamal's variables for a script, the same as facts for a task file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .model import Plan

PREFIX = "KAMAL_"
# An environment variable has its limits.
LONGEST_ERROR = 8000
# Hooks that run while the lock is held.
LOCKED = ("pre-deploy", "pre-app-boot", "post-app-boot", "pre-proxy-reboot", "post-proxy-reboot")
OF_A_BATCH = ("pre-app-boot", "post-app-boot", "pre-proxy-reboot", "post-proxy-reboot")
# What follows where a hook fails.
EFFECTS = {
    "broadcast": "The message is in the audit log of every host.",
    "pre-connect": "Nothing was touched.",
    "docker-setup": "Nothing is deployed.",
    "pre-build": "Nothing was built, and no host was touched.",
    "post-push": "The image is pushed, and no host was touched.",
    "pre-deploy": "Of this version nothing was brought to any host.",
    "pre-app-boot": "The version does not go live on {hosts}.",
    "post-app-boot": "The version is live on {hosts}, and does not go live on hosts that come later.",
    "pre-proxy-reboot": "kamal-proxy stays as it is on {hosts}.",
    "post-proxy-reboot": "kamal-proxy was started anew on {hosts}.",
    "post-deploy": "The version is live on every host, and the deploy lock is free.",
    "on-failure": "It changes nothing: the run has failed for another reason.",
}


@dataclass(frozen=True)
class Told:
    """Everything that a hook may be told; what is None does not go with this hook."""

    recorded_at: str
    performer: str
    version: str
    service_version: str
    service: str
    destination: Optional[str]
    hosts: Sequence[str]
    roles: Optional[Sequence[str]]
    lock: bool
    command: str
    subcommand: Optional[str]
    runtime: Optional[int] = None
    error: Optional[str] = None
    failed_hosts: Optional[Sequence[str]] = None
    message: Optional[str] = None

    def facts(self, name: str) -> Dict[str, Any]:
        """For the tasks of a task file."""
        return {"name": name, **{key: list(value) if _is_list(value) else value for key, value in asdict(self).items()}}

    def variables(self) -> Dict[str, str]:
        """For a script, under Kamal's names."""
        given = {key: value for key, value in asdict(self).items() if value is not None}
        return {f"{PREFIX}{key.upper()}": _text(value) for key, value in given.items()}


def hosts(plan: Plan, name: str, batch: Sequence[str], is_limited: bool) -> List[str]:
    """The hosts that a hook is about: the batch at hand, or all that take part."""
    if name in OF_A_BATCH:
        return list(batch)
    return list(plan.order if is_limited else plan.all_hosts)


def roles(limit: Optional[str], known: Sequence[str]) -> Optional[List[str]]:
    """The roles that a run was limited to: --limit is for hosts too, so only where it names nothing but roles."""
    parts = [part.strip() for part in (limit or "").replace(":", ",").split(",") if part.strip()]
    return parts if parts and set(parts) <= set(known) else None


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def effect(name: str, about: Sequence[str]) -> str:
    return EFFECTS[name].format(hosts=", ".join(about))


@dataclass(frozen=True)
class Failure:
    """Why a run ends, for people, and the hosts that are to blame."""

    error: str
    hosts: Sequence[str]


def failure(results: Mapping[str, Mapping[str, Any]]) -> Failure:
    """From what the failed task of each host answered, by host of the play."""
    reasons: Dict[str, None] = {}
    culprits: Dict[str, None] = {}
    for host, result in results.items():
        loop: Any = result.get("results")
        found = loop if _is_list(loop) else ()
        items = [item for item in found if isinstance(item, Mapping) and item.get("failed")]
        for failed in items or [result]:
            reasons[str(failed.get("msg") or "no reason was given").strip()] = None
        # Only a barrier answers whether it is open; what another module calls missing need not be hosts.
        awaited = result.get("missing") if "open" in result else None
        named = awaited or [str(item.get("item")) for item in items]
        culprits.update(dict.fromkeys(named or ([] if "hook" in result else [host])))
    return Failure("\n".join(reasons)[:LONGEST_ERROR], list(culprits))


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _text(value: Any) -> str:
    """As an environment can hold it: an error may repeat whatever an app has logged."""
    if isinstance(value, bool):
        return str(value).lower()
    text = ",".join(value) if _is_list(value) else str(value)
    return text.replace("\0", "").encode(errors="replace").decode()
