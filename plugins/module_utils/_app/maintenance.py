# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service that shows a maintenance page or holds requests, and one that serves again. Its containers run on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Tuple

from .._errors import ProxyError
from .._host import files
from .._host.changes import Changes
from .._host.engine import Engine
from .._proxy.route import Route
from .._shares import HostShare, RoleShare
from . import history


@dataclass
class Maintenance:
    """`share` is the host's part of the plan, `roles` the names of those that are meant; None means all."""

    engine: Engine
    changes: Changes
    share: HostShare
    roles: Optional[List[str]] = None

    def begin(self, drain_timeout: Optional[int], message: str) -> None:
        """Requests under way have until the `drain_timeout`, in seconds; None is that of the configuration."""
        for role, route in self._routes():
            route.stop(_given(drain_timeout, role), message)
        self._audit(f"Set app to maintenance mode{': ' if message else ''}{message}")

    def pause(self, drain_timeout: Optional[int], max_pause: int) -> None:
        """As above; requests wait for `max_pause` seconds at most."""
        for role, route in self._routes():
            route.pause(_given(drain_timeout, role), max_pause)
        self._audit("Paused app")

    def end(self) -> None:
        for _role, route in self._routes():
            route.live()
        self._audit("Set app live")

    def _routes(self) -> List[Tuple[RoleShare, Route]]:
        """All of them are there, or nothing is changed."""
        wanted = [role for role in self.share.roles if role.route and (self.roles is None or role.name in self.roles)]
        routes = [(role, Route(self.engine, self.changes, role.route or "")) for role in wanted]
        missing = [route.name for _role, route in routes if route.current is None]
        if missing:
            raise ProxyError(
                f"kamal-proxy on {self.share.host} has no route {', '.join(missing)}: nothing was deployed there. "
                "Deploy first, or leave the host out with --limit. Nothing was changed on this host."
            )
        return routes

    def _audit(self, text: str) -> None:
        if self.changes.changed and not self.changes.check_mode:
            line = history.audit_line(self.share.performer, (self.share.destination,), text)
            files.append(self.share.audit_log, line)


def _given(drain_timeout: Optional[int], role: RoleShare) -> int:
    return role.drain_timeout if drain_timeout is None else drain_timeout
