# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The route of one role through kamal-proxy while a release changes it: where it leads, switched, switched back."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Optional, Tuple

from .._errors import CaravanError
from .._host import health
from .._host.changes import Changes
from .._host.engine import Engine
from .._names import short_id
from .._progress import nobody
from .._proxy import commands, flags, route
from .._proxy.container import wait_until_it_answers
from .._proxy.deployment import Deployment
from .._proxy.state import Service, routes_to
from .._shares import RoleShare

# What kamal-proxy routed before the release, by the name of the route.
Routes = Callable[[], Mapping[str, Service]]
# Seconds between two looks at whether kamal-proxy has switched.
LOOKS_AFTER = 1.0


@dataclass
class Routing:
    """`role` is one that is behind kamal-proxy. `paths` are those that its route is told of (served.options)."""

    engine: Engine
    changes: Changes
    role: RoleShare
    routes: Routes
    paths: Mapping[str, Any] = field(default_factory=dict)
    deployment: Optional[Deployment] = field(default=None, init=False)
    _looks_at: float = field(default=0.0, init=False)

    @property
    def name(self) -> str:
        return self.role.route or ""

    @property
    def before(self) -> Optional[Service]:
        return self.routes().get(self.name)

    def leads_to(self, container: str) -> bool:
        """Whether requests went to this container before."""
        return leads_to(self.before, container)

    def is_as_wanted(self, container: str) -> bool:
        """Whether nothing about the route has to change for this container to get the requests."""
        target, options = self._wanted(container)
        return routes_to(self.before, [target], options)

    def target(self, container: str) -> str:
        return self._wanted(container)[0]

    def switch(self, container: str, since: Optional[float] = None) -> None:
        """Send requests to a container as soon as kamal-proxy has found it healthy. HealthError if it dies before.

        Of one that has run already only what happens after `since` counts (Unix seconds).
        """
        self.routes()  # what was before is known before anything changes
        target, options = self._wanted(container)
        self.deployment = Deployment(self.engine, flags.deploy_argv(self.name, target, options))
        self._looks_at = time.monotonic() + LOOKS_AFTER
        self.deployment.wait(lambda: self._watch(container, since))

    def _watch(self, container: str, since: Optional[float]) -> None:
        """kamal-proxy writes down where a route leads before what served before drains, and answers after that."""
        health.alive(self.engine, container, since)
        if self.changes.tell is nobody or self.leads_to(container) or time.monotonic() < self._looks_at:
            return
        self._looks_at = time.monotonic() + LOOKS_AFTER
        with contextlib.suppress(CaravanError):
            if leads_to(commands.services(self.engine).get(self.name), container):
                self.changes.tell(f"draining what served before, for up to {self.role.drain_timeout} s")
                self._looks_at = math.inf

    @property
    def has_ended(self) -> bool:
        """Whether kamal-proxy has answered the switch, so that nothing of it is still to come."""
        return self.deployment is not None and self.deployment.has_ended

    def restore(self) -> None:
        """After a switch that failed: where the route led before it leads again, with the options of before.

        A target that must not get requests has been stopped, unless kamal-proxy has answered.
        """
        if self.deployment is None:
            return
        self.deployment.settle()
        # A restart of it may have broken the switch off, and what it has written then counts once it is back.
        wait_until_it_answers(self.engine)
        before, now = self.before, commands.look(self.engine, self.changes).get(self.name)
        if before is None and now is not None:
            commands.command(self.engine, commands.remove_argv(self.name))
        elif before and (now is None or now.targets != before.targets or flags.diff(before.options, now.options)):
            commands.command(self.engine, flags.deploy_argv(self.name, before.targets, before.options))

    def _wanted(self, container: str) -> Tuple[str, flags.Options]:
        return route.wanted(self.role, container, **self.paths)


def leads_to(service: Optional[Service], container: str) -> bool:
    """Whether one of a route's targets is this container, by its ID."""
    targets = service.targets if service else ()
    return short_id(container) in {target.partition(":")[0] for target in targets}
