# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One service's route in kamal-proxy: deployed to a target, live, paused, stopped for maintenance, or gone."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .._errors import ProxyError
from .._host import health
from .._host.changes import Changes
from .._host.engine import Engine
from .._shares import RoleShare
from . import commands, flags
from .container import require_running
from .deployment import Deployment
from .state import Service, routes_to


@dataclass
class Route:
    """`name` is the service as kamal-proxy knows it, `current` what its state file holds of it."""

    engine: Engine
    changes: Changes
    name: str

    def __post_init__(self) -> None:
        self.current: Optional[Service] = commands.look(self.engine, self.changes).get(self.name)

    def deploy(self, target: str, options: flags.Options, port: int, called: str = "", anew: bool = False) -> None:
        """Send requests to a container by name, or to HOST:PORT, as soon as it answers its health check.

        `called` is what people know the target by. With `anew` it has to answer although it is the target already.
        """
        address, container = self._resolve(target, port)
        since = time.time()  # what its restart policy did before says nothing about now

        def watch() -> None:
            if container:
                health.alive(self.engine, container, since)

        if anew or not routes_to(self.current, [address], options):
            self._deploy([address], options, called or target, watch)

    def lead_to(self, targets: Sequence[str], options: flags.Options, called: str) -> None:
        """Send requests to each of several `HOST:PORT`, as soon as all of them answer the health check."""
        if not routes_to(self.current, targets, options):
            self._deploy(targets, options, called, lambda: None)

    def _deploy(self, targets: Sequence[str], options: flags.Options, called: str, watch: Callable[[], object]) -> None:
        argv = flags.deploy_argv(self.name, targets, options)
        self._show({**options.shown(), "target": ", ".join(targets)})
        self._do(f"route {self.name} to {called}", lambda: Deployment(self.engine, argv).wait(watch))

    def live(self) -> None:
        if self.current is None or self.current.state != "running":
            self._change_state("resume", "running", commands.resume_argv(self.name))

    def pause(self, drain_timeout: int, max_pause: int) -> None:
        if self.current is None or self.current.state != "paused":
            argv = commands.pause_argv(self.name, drain_timeout, max_pause)
            self._change_state("pause", "paused", argv, drain_timeout=drain_timeout)

    def stop(self, drain_timeout: int, message: str) -> None:
        if self.current is None or (self.current.state, self.current.message) != ("stopped", message):
            argv = commands.stop_argv(self.name, drain_timeout, message)
            self._change_state("stop", "stopped", argv, message, drain_timeout)

    def remove(self) -> None:
        if self.current is not None:
            self.changes.show(self.name, self._shown(), None)
            self._do(f"remove route {self.name}", lambda: self._command(commands.remove_argv(self.name)))

    def _change_state(
        self, verb: str, state: str, argv: List[str], message: str = "", drain_timeout: Optional[int] = None
    ) -> None:
        before = {"state": self.current.state, "message": self.current.message or None} if self.current else None
        self.changes.show(self.name, before, {"state": state, "message": message or None})
        self._do(f"{verb} route {self.name}", lambda: self._command(argv, drain_timeout))
        if self.current:
            self.current = replace(self.current, state=state, message=message)

    def _show(self, wanted: Dict[str, Any]) -> None:
        """Side by side; what the configuration leaves to kamal-proxy is shown as it is."""
        before = self._shown()
        after = {key: (before or {}).get(key) if value is None else value for key, value in wanted.items()}
        self.changes.show(self.name, before, after)

    def _shown(self) -> Optional[Dict[str, Any]]:
        return {**self.current.options.shown(), "target": ", ".join(self.current.targets)} if self.current else None

    def _resolve(self, target: str, port: int) -> Tuple[str, Optional[str]]:
        """kamal-proxy's spelling of a target and, where it is a container of this host, its ID."""
        host, colon, own_port = target.rpartition(":")
        if not colon or not own_port.isdecimal():
            host, own_port = target, str(port)
        container = self.engine.inspect(host)
        if container:
            return flags.target(container["Id"], int(own_port)), container["Id"]
        if not colon and not self.changes.check_mode:
            raise ProxyError(f"There is no container {target} on this host. Name one that runs, or HOST:PORT.")
        return f"{host}:{own_port}", None

    def _do(self, text: str, act: Callable[[], None]) -> None:
        def when_it_runs() -> None:
            require_running(self.engine)
            act()

        self.changes.do(text, when_it_runs)

    def _command(self, argv: List[str], drain_timeout: Optional[int] = None) -> None:
        if drain_timeout:
            self.changes.tell(f"draining {self.name}, for up to {drain_timeout} s")
        commands.command(self.engine, argv)


def wanted(
    role: RoleShare, container: str, error_pages: Optional[str] = None, tls_paths: Optional[Tuple[str, str]] = None
) -> Tuple[str, flags.Options]:
    """The target and the options that kamal-proxy should have for a proxied role; `container` is its ID."""
    settings = role.proxy or {}
    target = flags.target(container, flags.app_port(settings))
    return target, flags.options(
        settings,
        deploy_timeout=role.deploy_timeout,
        drain_timeout=role.drain_timeout,
        error_pages=error_pages,
        tls_paths=tls_paths,
    )
