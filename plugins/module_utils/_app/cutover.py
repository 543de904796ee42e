# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One role on one host: its new container is started, proven and switched to, or all is put back as it was."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Mapping, Optional

from .. import _names
from .._errors import CaravanError, HealthError
from .._host import files, health
from .._host.engine import Image
from .._proxy import commands, flags, route
from .._proxy.state import Service, routes_to
from .._shares import RoleShare
from .context import Context
from .env_file import render_file

# What kamal-proxy routes, by the name of the route.
Routes = Callable[[], Mapping[str, Service]]


@dataclass(frozen=True)
class Cutover:
    """`image` is None in check mode where it is not there yet. `routes` gives what kamal-proxy routed before."""

    context: Context
    role: RoleShare
    image: Optional[Image]
    routes: Routes

    def run(self) -> bool:
        """Whether the role took a new container. Raises HealthError if that did not go live; what served before then
        serves as before."""
        live = self.context.is_live(self.role, self.image)
        if live:
            self._keep()
        else:
            self._switch()
        self._tell_of_maintenance()
        return not live

    def _tell_of_maintenance(self) -> None:
        """A deploy changes where a route leads, not that it is stopped or paused."""
        service = self.routes().get(self.role.route or "")
        if service and service.state != "running":
            self.context.changes.notice(
                f"{service.name} is {service.state} in kamal-proxy on {self.context.share.host}: nobody is served "
                f"until it is resumed (docker exec kamal-proxy kamal-proxy resume {service.name}, or the module "
                "proxy_service with state: live)"
            )

    # The wanted container runs

    def _keep(self) -> None:
        """Only its route and its neighbours can differ."""
        container = self._id()
        if self.role.proxy is not None:
            target, options = route.wanted(self.role, container)
            if not routes_to(self.routes().get(self.role.route or ""), target, options):
                self.context.changes.do(f"route {self.role.route} to {target}", partial(self._reroute, container))
        self._stop_others(container)

    def _reroute(self, container: str) -> None:
        try:
            self._route(container)
        except CaravanError as error:
            raise HealthError(
                f"{self.role.container} on {self.context.share.host} could not get its new route: {error.message}. "
                "It runs on, and what kamal-proxy routed before still holds. Mend proxy and deploy again."
            ) from error

    # Another one is to take over

    def _switch(self) -> None:
        changes = self.context.changes
        changes.do(f"start container {self.role.container}", self._start_and_prove)
        if self.role.proxy is not None:
            changes.actions.append(f"route {self.role.route} to {self.role.container}")
        self._stop_others(None if changes.check_mode else self._id())
        self._write_env_file()

    def _start_and_prove(self) -> None:
        engine, name = self.context.engine, self.role.container
        if engine.inspect(_names.staged(name)) is None:
            self.context.create(self.role, self.image)
        replaced = self._make_way()
        engine.rename(_names.staged(name), name)
        before: Optional[Service] = None
        try:
            engine.start(name)
            before = self.routes().get(self.role.route or "")
            self._prove()
        except CaravanError as error:
            raise self._undo(replaced, before, error) from error

    def _make_way(self) -> Optional[str]:
        """A container that has the name already is renamed, as Kamal does. Returns its new name."""
        name = self.role.container
        if self.context.engine.inspect(name) is None:
            return None
        replaced = _names.replaced(name)
        self.context.engine.rename(name, replaced)
        self.context.audit(self.role.name, f"Renaming container {name} to {replaced}")
        return replaced

    def _prove(self) -> None:
        role, engine, container = self.role, self.context.engine, self._id()
        if role.proxy is None:
            health.prove(engine, container, role.deploy_timeout, role.readiness_delay)
        else:
            health.wait_for_port(engine, container, flags.app_port(role.proxy))
            self._route(container)

    def _route(self, container: str) -> None:
        target, options = route.wanted(self.role, container)
        argv = flags.deploy_argv(self.role.route or "", target, options)
        commands.deploy(self.context.engine, argv, lambda: health.alive(self.context.engine, container))

    def _undo(self, replaced: Optional[str], before: Optional[Service], error: CaravanError) -> HealthError:
        """Back to what was: the route first, then names. The failed container stays, stopped, for a look at it."""
        engine, name = self.context.engine, self.role.container
        report = health.report(engine, name)
        with contextlib.suppress(CaravanError):
            self._restore_route(before)
        with contextlib.suppress(CaravanError):
            engine.stop(name, self.role.stop_timeout)
        if replaced:
            name = _names.failed(self.role.container)
            engine.rename(self.role.container, name)
            engine.rename(replaced, self.role.container)
        return HealthError(_failure(self.context.share.host, name, error, report), container=name, **report)

    def _restore_route(self, before: Optional[Service]) -> None:
        name = self.role.route or ""
        now = commands.look(self.context.engine, self.context.changes).get(name) if before else None
        if before and now and before.targets != now.targets:
            argv = flags.deploy_argv(name, before.targets[0], before.options)
            commands.command(self.context.engine, argv)

    # Afterwards

    def _id(self) -> str:
        container = self.context.engine.inspect(self.role.container)
        if container is None:
            raise HealthError("the container is gone")
        return str(container["Id"])

    def _stop_others(self, kept: Optional[str]) -> None:
        """The role's other containers; `kept` is the ID of the one that serves."""
        for container in self.context.containers(self.role):
            if container.running and container.id != kept:
                stop = partial(self.context.engine.stop, container.id, self.role.stop_timeout)
                self.context.changes.do(f"stop container {container.name}", stop)

    def _write_env_file(self) -> None:
        text = render_file(self.context.values(self.role))
        if not self.context.changes.check_mode and files.read(self.role.env_file) != text:
            files.write(self.role.env_file, text)


def _failure(host: str, container: str, error: CaravanError, report: Mapping[str, Any]) -> str:
    """The whole story of a container that did not come up, once."""
    lines = [f"{container} did not go live on {host}: {error.message}."]
    lines.append(f"State: {report['state']}, exit code {report['exit_code']}.")
    for title, part in (("Health checks", report["health_log"]), ("Last log lines", report["log"])):
        if part:
            lines += [f"{title}:", *(f"  {line}" for line in part)]
    lines.append("It was stopped; what served before still serves. Mend the image or its settings and deploy again.")
    return "\n".join(lines)
