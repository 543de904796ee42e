# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One version of a service's roles on one host: staged beside what runs, proven and switched to, or undone."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, List, Mapping, Optional

from .. import _body, _names
from .._env import render_file
from .._errors import CaravanError, HealthError
from .._host import files, health
from .._host.changes import Changes
from .._host.engine import Container, Engine, Image
from .._proxy import container as _proxy
from .._proxy import flags
from . import history, prune
from . import image as _image

Routes = Callable[[], Mapping[str, flags.Service]]

PRUNING = ("deploy", "setup")


@dataclass
class Release:
    """`plan` is one host's share of the plan; `secrets` the values by secret name; `built` what the build said."""

    engine: Engine
    changes: Changes
    plan: Mapping[str, Any]
    secrets: Mapping[str, str]
    built: Mapping[str, Any] = field(default_factory=dict)
    credentials: Optional[Mapping[str, str]] = None
    force: bool = False

    def stage(self, roles: Optional[List[str]]) -> Dict[str, Any]:
        """Everything that can be done beside the running version: network, proxy, image, containers created."""
        image = _image.ensure(self.engine, self.changes, self.plan["image"], self.built, self.credentials)
        network = self.plan["network"]
        if not self.engine.has_network(network):
            self.changes.do(f"create network {network}", lambda: self.engine.create_network(network))
        self._ensure_proxy()
        containers = self._containers()
        for role in self._roles(roles):
            self._drop_leftovers(role, containers)
            if not self._is_live(role, image):
                self._create(role, image)
        return self._answer(image)

    def live(self, roles: Optional[List[str]]) -> Dict[str, Any]:
        """Per role: start, prove, switch, drain, stop. Then, once: tag latest, prune, audit, history."""
        image = self.engine.image(self._reference)
        routes = self._look_up_routes()
        wanted = self._roles(roles)
        bring = self._bring_side_by_side if self.plan["parallel_roles"] else self._bring_in_turn
        self._settle(image, bring(wanted, image, routes))
        return self._answer(image)

    def _look_up_routes(self) -> Routes:
        """What kamal-proxy routes now. It is read while the container starts; who needs it waits for it."""
        if not self.plan["proxy"]:
            return dict
        return ThreadPoolExecutor(max_workers=1).submit(_proxy.services, self.engine).result

    def _bring_in_turn(self, roles: List[Mapping[str, Any]], image: Optional[Image], routes: Routes) -> List[str]:
        """Returns the names of the roles that have new containers."""
        return [role["name"] for role in roles if self._bring(role, image, routes)]

    def _bring_side_by_side(self, roles: List[Mapping[str, Any]], image: Optional[Image], routes: Routes) -> List[str]:
        """All run to the end whatever becomes of the others; what they did is told in the order of the roles."""
        beside = [replace(self, changes=Changes(self.changes.check_mode)) for _role in roles]
        with ThreadPoolExecutor(max_workers=max(1, len(roles))) as pool:
            running = [pool.submit(one._bring, role, image, routes) for one, role in zip(beside, roles)]
        for one in beside:
            self.changes.add(one.changes)
        return [role["name"] for role, future in zip(roles, running) if future.result()]

    def _bring(self, role: Mapping[str, Any], image: Optional[Image], routes: Routes) -> bool:
        """Whether it took a new container."""
        if self._is_live(role, image):
            self._keep(role, routes)
            return False
        self._switch(role, image, routes)
        return True

    def _ensure_proxy(self) -> None:
        if not self.plan["proxy"]:
            return
        if self.plan["command"] != "redeploy":
            credentials = self.credentials if self.plan["proxy_login"] else None
            _proxy.ensure(self.engine, self.changes, self.plan["proxy"], credentials)
        elif not self.changes.check_mode:
            _proxy.require_running(self.engine)

    @property
    def _reference(self) -> str:
        return f"{self.plan['image']['repository']}:{self.plan['image']['tag']}"

    def _roles(self, names: Optional[List[str]]) -> List[Mapping[str, Any]]:
        return [role for role in self.plan["roles"] if names is None or role["name"] in names]

    def _values(self, role: Mapping[str, Any]) -> Dict[str, str]:
        return {name: self.secrets[source] for name, source in role["secrets"].items()}

    def _containers(self) -> List[Container]:
        destination = self.plan["destination"] or ""
        return self.engine.containers(f"service={self.plan['service']}", f"destination={destination}")

    def _answer(self, image: Optional[Image]) -> Dict[str, Any]:
        return {"version": self.plan["version"], "image_id": image.id if image else None}

    # What is there

    def _is_live(self, role: Mapping[str, Any], image: Optional[Image]) -> bool:
        """Whether this very container, with this image, configuration and these secret values, already runs."""
        found = self.engine.inspect(role["container"])
        if self.force or not found or found["State"]["Status"] != "running":
            return False
        image_id = image.id if image else None
        return _body.is_same(found, role["body"], role["secrets"], self._values(role), image_id)

    def _drop_leftovers(self, role: Mapping[str, Any], containers: List[Container]) -> None:
        """Containers that an earlier run staged and never started."""
        for container in containers:
            leftover = container.labels.get("role") == role["name"] and _names.is_staged(container.name)
            if leftover and not self.changes.check_mode:
                self.engine.remove(container.id, volumes=True)

    def _create(self, role: Mapping[str, Any], image: Optional[Image]) -> None:
        self._show(role)
        made = _body.complete(role["body"], role["secrets"], self._values(role), self.plan["host"])
        if image:
            made["Image"] = self._reference
        files.absolute_binds(made)
        self.changes.do(
            f"create container {role['container']}",
            lambda: self.engine.create(_names.staged(role["container"]), made),
        )

    def _show(self, role: Mapping[str, Any]) -> None:
        running = [c for c in self._containers() if c.labels.get("role") == role["name"] and c.running]
        found = self.engine.inspect(running[0].id) if running else None
        before = _body.shown_found(found) if found else None
        if before and found:
            stale = _body.changed_secrets(found, self._values(role))
            before["secrets changed"] = ", ".join(stale) or None
        self.changes.show(role["name"], before, _body.shown(role["body"], role["secrets"]))

    # Going live

    def _keep(self, role: Mapping[str, Any], routes: Routes) -> None:
        """The role already runs as wanted; only its route and its neighbours can differ."""
        found = self.engine.inspect(role["container"]) or {}
        if role["proxy"] is not None:
            target, options = _proxy.route(role, found["Id"])
            if not flags.routes_to(routes().get(role["route"]), target, options):
                self.changes.do(f"route {role['route']} to {target}", lambda: self._reroute(role, found["Id"]))
        self._stop_others(role, found["Id"])

    def _reroute(self, role: Mapping[str, Any], container: str) -> None:
        try:
            self._route(role, container)
        except CaravanError as error:
            raise HealthError(
                f"{role['container']} on {self.plan['host']} could not get its new route: {error.message}. "
                "It runs on, and what kamal-proxy routed before still holds. Mend proxy and deploy again."
            ) from error

    def _switch(self, role: Mapping[str, Any], image: Optional[Image], routes: Routes) -> None:
        self.changes.do(f"start container {role['container']}", lambda: self._start_and_prove(role, image, routes))
        if role["proxy"] is not None:
            self.changes.actions.append(f"route {role['route']} to {role['container']}")
        new = self.engine.inspect(role["container"]) if not self.changes.check_mode else None
        self._stop_others(role, new["Id"] if new else None)
        self._write_env_file(role)

    def _start_and_prove(self, role: Mapping[str, Any], image: Optional[Image], routes: Routes) -> None:
        if self.engine.inspect(_names.staged(role["container"])) is None:
            self._create(role, image)
        replaced = self._make_way(role)
        self.engine.rename(_names.staged(role["container"]), role["container"])
        before: Optional[flags.Service] = None
        try:
            self.engine.start(role["container"])
            before = routes().get(role["route"] or "")
            self._prove(role)
        except CaravanError as error:
            raise self._undo(role, replaced, before, error) from error

    def _make_way(self, role: Mapping[str, Any]) -> Optional[str]:
        """A container that has the name already is renamed, as Kamal does. Returns its new name."""
        if self.engine.inspect(role["container"]) is None:
            return None
        name = _names.replaced(role["container"])
        self.engine.rename(role["container"], name)
        self._audit(role["name"], f"Renaming container {role['container']} to {name}")
        return name

    def _prove(self, role: Mapping[str, Any]) -> None:
        found = self.engine.inspect(role["container"]) or {}
        if role["proxy"] is None:
            health.prove(self.engine, found["Id"], role["deploy_timeout"], role["readiness_delay"])
        else:
            health.wait_for_port(self.engine, found["Id"], role["proxy"].get("app_port", 80))
            self._route(role, found["Id"])

    def _route(self, role: Mapping[str, Any], container: str) -> None:
        target, options = _proxy.route(role, container)
        argv = flags.deploy_argv(role["route"], target, options)
        _proxy.deploy(self.engine, argv, lambda: health.alive(self.engine, container))

    def _undo(
        self,
        role: Mapping[str, Any],
        replaced: Optional[str],
        before: Optional[flags.Service],
        error: CaravanError,
    ) -> HealthError:
        """Back to what was: the route first, then names. The failed container stays, stopped, for a look at it."""
        told = health.report(self.engine, role["container"])
        with contextlib.suppress(CaravanError):
            self._restore_route(role, before)
        with contextlib.suppress(CaravanError):
            self.engine.stop(role["container"], role["stop_timeout"])
        name = role["container"]
        if replaced:
            name = _names.failed(role["container"])
            self.engine.rename(role["container"], name)
            self.engine.rename(replaced, role["container"])
        return HealthError(_failure(self.plan["host"], name, error, told), container=name, **told)

    def _restore_route(self, role: Mapping[str, Any], before: Optional[flags.Service]) -> None:
        now = _proxy.services(self.engine).get(role["route"]) if before else None
        if before and now and before.targets != now.targets:
            _proxy.command(self.engine, flags.deploy_argv(role["route"], before.targets[0], before.options))

    def _stop_others(self, role: Mapping[str, Any], kept: Optional[str]) -> None:
        for container in self._containers():
            if container.labels.get("role") == role["name"] and container.running and container.id != kept:
                self.changes.do(f"stop container {container.name}", self._stopper(container, role["stop_timeout"]))

    def _stopper(self, container: Container, timeout: Optional[int]) -> Any:
        return lambda: self.engine.stop(container.id, timeout)

    # Afterwards

    def _write_env_file(self, role: Mapping[str, Any]) -> None:
        text = render_file(self._values(role))
        if not self.changes.check_mode and files.read(role["env_file"]) != text:
            files.write(role["env_file"], text)

    def _settle(self, image: Optional[Image], switched: List[str]) -> None:
        latest = f"{self.plan['image']['repository']}:{self.plan['image']['latest']}"
        if image is None or latest not in image.tags:
            repository, tag = self.plan["image"]["repository"], self.plan["image"]["latest"]
            self.changes.do(
                f"tag {self._reference} as {tag}", lambda: self.engine.tag(self._reference, repository, tag)
            )
        if self.plan["command"] in PRUNING:
            prune.prune(self.engine, self.changes, self.plan)
        if switched and not self.changes.check_mode:
            for role in switched:
                self._audit(role, f"Booted app version {self.plan['version']}")
            self._record(image, switched)

    def _audit(self, role: str, text: str) -> None:
        line = history.audit_line(self.plan["performer"], (self.plan["destination"], role), text)
        files.append(self.plan["audit_log"], line)

    def _record(self, image: Optional[Image], roles: List[str]) -> None:
        line = history.entry(
            self.plan["command"], self.plan["version"], roles, image.id if image else "", self.plan["performer"]
        )
        files.append(self.plan["history_file"], line)


def _failure(host: str, container: str, error: CaravanError, told: Mapping[str, Any]) -> str:
    """The whole story of a container that did not come up, once."""
    lines = [f"{container} did not go live on {host}: {error.message}."]
    lines.append(f"State: {told['state']}, exit code {told['exit_code']}.")
    for title, part in (("Health checks", told["health_log"]), ("Last log lines", told["log"])):
        if part:
            lines += [f"{title}:", *(f"  {line}" for line in part)]
    lines.append("It was stopped; what served before still serves. Mend the image or its settings and deploy again.")
    return "\n".join(lines)
