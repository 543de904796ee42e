# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One role on one host: its new container is started, proven and switched to, or all is put back as it was."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import _names
from .._errors import CaravanError, EngineError, HealthError
from .._host import health
from .._host.engine import Container, Image
from .._host.steps import attempt, on_the_way_back
from .._proxy import flags
from .._shares import RoleShare
from . import assets, env_file, leftovers, record, served
from .context import Context, Running
from .routing import Routes, Routing

MEND = "Mend the image or its settings and deploy again."
STOPPED = f"It was stopped; what served before still serves. {MEND}"
SERVES_ON = f"It has run since a deploy that was interrupted, and runs on: nothing else serves. {MEND}"
ROUTED_AS_BEFORE = "It runs on, and kamal-proxy routes as before. Mend proxy in the configuration and deploy again."
STILL_ROUTED = (
    "The new container runs on, since kamal-proxy may send requests to it. See what runs and is routed "
    "(caravan.kamal.details), and deploy again once kamal-proxy answers."
)
# What Traefik of Kamal 1 sends requests to runs until kamal-proxy has its place: then it is stale, and is stopped.
UPGRADE = "upgrade"
UNSURE = f"See what runs and is routed (caravan.kamal.details). {MEND}"


class Cutover:
    """The successor is proven under the name that it waits under; what serves is neither renamed nor stopped before.

    `image` is None in check mode where it is not there yet. `routes` gives what kamal-proxy routed before.
    """

    def __init__(self, context: Context, role: RoleShare, image: Optional[Image], routes: Routes) -> None:
        self.context, self.role, self.image, self.routes = context, role, image, routes
        self.own = context.containers(role)
        self.routing: Optional[Routing] = None
        if role.proxy is not None:
            paths = served.options(context, role)
            self.routing = Routing(context.engine, context.changes, role, routes, paths)
        self.replaced: Optional[str] = None

    def run(self) -> None:
        """HealthError if the successor did not go live; what served before then serves as before."""
        running = self.context.running(self.role, self.image, self.own)
        if running and running.on_record:
            self._keep(running)
        else:
            self._switch(running)
        self._tell_of_maintenance()

    def _tell_of_maintenance(self) -> None:
        """A deploy changes where a route leads, not that it is stopped or paused."""
        service = self.routing.before if self.routing else None
        if service and service.state != "running":
            self.context.changes.notice(
                f"{service.name} is {service.state} in kamal-proxy on {self.context.share.host}: nobody is served "
                "until that ends (playbook caravan.kamal.app.live)"
            )

    # The wanted container runs and is on record

    def _keep(self, running: Running) -> None:
        """Only its route, its name, its env files and its neighbours can differ."""
        changes, name = self.context.changes, self.role.container
        if self.routing and not self.routing.is_as_wanted(running.id):
            target = self.routing.target(running.id)
            changes.do(f"route {self.role.route} to {target}", partial(self._reroute, running.id))
        if running.name != name:
            changes.do(f"rename container {running.name} to {name}", partial(self._take_name, running.id))
        for path in self.role.written_files:
            env_file.ensure(changes, path, self.context.values(self.role))
        self._stop_others(running.id)

    def _reroute(self, container: str) -> None:
        try:
            # It may have been restarted at any time since it went live, which says nothing about now.
            self._prove(container, since=time.time())
        except CaravanError as error:
            lines = [
                f"{self.role.container} on {self.context.share.host} could not get its new route: {error.message}."
            ]
            troubles = attempt(self._restore)
            lines += on_the_way_back(troubles)
            raise HealthError("\n".join([*lines, UNSURE if troubles else ROUTED_AS_BEFORE])) from error

    # Another one takes over, or one that a run was interrupted at

    def _switch(self, left: Optional[Running]) -> None:
        """`left` runs already, and it is not known whether it is well."""
        changes, role = self.context.changes, self.role
        verb = "prove" if left else "start"
        successor = changes.do(f"{verb} container {role.container}", partial(self._prove_or_undo, left))
        if self.routing:
            changes.actions.append(f"route {role.route} to {role.container}")
        kept = successor or (left.id if left else "")
        text = f"record {self.context.share.version} as live of {role.name}"
        troubles = attempt(
            partial(self._take_name, kept),
            lambda: changes.do(text, lambda: record.live(self.context, role, kept, self.image, self.replaced)),
            lambda: self._stop_others(kept),
        )
        if troubles:
            raise CaravanError(
                f"{role.container} is live on {self.context.share.host}, but not all of what follows could be done: "
                f"{'; '.join(troubles)}. Once that is mended, deploy again: it does what is left."
            )

    def _prove_or_undo(self, left: Optional[Running]) -> str:
        """The ID of the container that serves now."""
        container = left.id if left else self._staged()
        try:
            if not left:
                self.context.engine.start(container)
            self._prove(container)
        except CaravanError as error:
            if left and self._serves(left):
                report, troubles = self._report(container)
                troubles += attempt(self._restore)
                raise self._failure(left.name, error, report, troubles, UNSURE if troubles else SERVES_ON) from error
            raise self._undo(container, error) from error
        return container

    def _staged(self) -> str:
        """The container that waits; if there is none as it is wanted now, it is made."""
        name = _names.staged(self.role.container)
        for container in self.own:
            if container.name == name:
                inspected = self.context.engine.inspect(container.id)
                if inspected and self.context.is_wanted(self.role, self.image, inspected) and not container.running:
                    return container.id
        leftovers.clear(self.context, self.role, self.own, None, self.routes)
        assets.prepare(self.context, self.role, self.image, self.own)
        return str(self.context.create(self.role, self.image, self.own))

    def _prove(self, container: str, since: Optional[float] = None) -> None:
        engine, role = self.context.engine, self.role
        self.context.changes.tell(f"wait for {role.container} to be healthy")
        if self.routing:
            health.wait_for_port(engine, container, flags.app_port(role.proxy or {}), since)
            self.routing.switch(container, since)
        else:
            health.prove(engine, container, role.deploy_timeout, role.readiness_delay)

    # It failed

    def _serves(self, left: Running) -> bool:
        """Whether it did so before this run, which then must not take it away."""
        if self.routing:
            return self.routing.leads_to(left.id)
        return not any(container.running and container.id != left.id for container in self.own)

    def _undo(self, container: str, error: CaravanError) -> HealthError:
        """Back to what was: the route and names. The failed container stays, stopped, for a look at it.

        One that could not be had out of the route runs on, under the name by which the next run finishes it.
        """
        report, troubles = self._report(container)
        names = [self.role.container if self._has_name(container) else _names.staged(self.role.container)]
        stop = partial(self.context.engine.stop, container, self.role.stop_timeout)
        # As long as kamal-proxy may still switch to it, only its end makes sure that it does not.
        way_back: List[Callable[[], object]] = [stop, self._restore]
        if self.routing is not None and self.routing.has_ended:
            still_routed = attempt(self._restore)
            if still_routed:
                return self._failure(names[-1], error, report, [*troubles, *still_routed], STILL_ROUTED)
            way_back = [stop]
        troubles += attempt(*way_back, lambda: names.append(self._put_aside(container)))
        return self._failure(names[-1], error, report, troubles, UNSURE if troubles else STOPPED)

    def _restore(self) -> None:
        if self.routing:
            self.routing.restore()

    def _report(self, container: str) -> Tuple[Dict[str, Any], List[str]]:
        report = dict(health.UNKNOWN)
        return report, attempt(lambda: report.update(health.report(self.context.engine, container)))

    def _put_aside(self, container: str) -> str:
        """The failed container's name is its final one, unless another has that."""
        name = self.role.container
        if not self._has_name(container):
            name = _names.failed(name) if self._holder() else name
            self.context.engine.rename(container, name)
        return name

    def _failure(
        self, name: str, error: CaravanError, report: Mapping[str, Any], troubles: List[str], end: str
    ) -> HealthError:
        """The whole story of a container that did not come up, once."""
        lines = story(f"{name} did not go live on {self.context.share.host}", error, report, troubles)
        return HealthError("\n".join([*lines, end]), container=name, **report)

    # It is live

    def _holder(self) -> Optional[Container]:
        """Who has the final name."""
        return next((container for container in self.own if container.name == self.role.container), None)

    def _has_name(self, container: str) -> bool:
        holder = self._holder()
        return holder is not None and holder.id == container

    def _take_name(self, container: str) -> None:
        """What has the name already is renamed, as Kamal does."""
        holder = self._holder()
        if self.context.changes.check_mode or self._has_name(container):
            return
        if holder:
            self.replaced = _names.replaced(self.role.container)
            self.context.engine.rename(holder.id, self.replaced)
        self.context.engine.rename(container, self.role.container)

    def _stop_others(self, kept: str) -> None:
        """The role's other containers; `kept` is the ID of the one that serves."""
        if self.routing and self.context.share.command == UPGRADE and not self.context.changes.check_mode:
            return
        others = [container for container in self.own if container.running and container.id != kept]
        troubles = attempt(*(partial(self._stop, container) for container in others))
        if troubles:
            raise EngineError("; ".join(troubles))

    def _stop(self, container: Container) -> None:
        self.context.changes.do(f"stop container {container.name}", partial(self._end, container))

    def _end(self, container: Container) -> None:
        self.context.engine.stop(container.id, self.role.stop_timeout)
        if _names.is_staged(container.name):
            self.context.engine.remove(container.id, volumes=True)


def story(what: str, error: CaravanError, report: Mapping[str, Any], troubles: Sequence[str]) -> List[str]:
    """Lines on a container that did not come up."""
    lines = [f"{what}: {error.message.rstrip('.')}.", f"State: {report['state']}, exit code {report['exit_code']}."]
    for title, part in (("Health checks", report["health_log"]), ("Last log lines", report["log"])):
        if part:
            lines += [f"{title}:", *(f"  {line}" for line in part)]
    return [*lines, *on_the_way_back(troubles)]
