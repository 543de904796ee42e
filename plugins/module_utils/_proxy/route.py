# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One service's route in kamal-proxy: deployed to a target, live, paused, stopped for maintenance, or gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple

from .._errors import ProxyError
from .._host import health
from .._host.changes import Changes
from .._host.engine import Engine
from . import container as _proxy
from . import flags


@dataclass
class Route:
    """`name` is the service as kamal-proxy knows it, `found` what its state file holds of it."""

    engine: Engine
    changes: Changes
    name: str

    def __post_init__(self) -> None:
        self.found: Optional[flags.Service] = _proxy.services(self.engine).get(self.name)

    def deploy(self, target: str, options: flags.Options, port: int) -> None:
        """Send requests to a container by name, or to HOST:PORT, as soon as it answers its health check."""
        address, container = self._resolve(target, port)
        if flags.routes_to(self.found, address, options):
            return
        argv = flags.deploy_argv(self.name, address, options)
        watch: Callable[[], object] = (lambda: health.alive(self.engine, container)) if container else (lambda: None)
        self._show({**options.shown(), "target": address})
        self._do(f"route {self.name} to {target}", lambda: _proxy.deploy(self.engine, argv, watch))

    def live(self) -> None:
        if self.found is None or self.found.state != "running":
            self._change_state("resume", "running", flags.resume_argv(self.name))

    def pause(self, drain_timeout: int, max_pause: int) -> None:
        if self.found is None or self.found.state != "paused":
            self._change_state("pause", "paused", flags.pause_argv(self.name, drain_timeout, max_pause))

    def stop(self, drain_timeout: int, message: str) -> None:
        if self.found is None or (self.found.state, self.found.message) != ("stopped", message):
            self._change_state("stop", "stopped", flags.stop_argv(self.name, drain_timeout, message), message)

    def remove(self) -> None:
        if self.found is not None:
            self.changes.show(self.name, self._shown(), None)
            self._do(f"remove route {self.name}", lambda: self._command(flags.remove_argv(self.name)))

    def _change_state(self, verb: str, state: str, argv: List[str], message: str = "") -> None:
        before = {"state": self.found.state, "message": self.found.message or None} if self.found else None
        self.changes.show(self.name, before, {"state": state, "message": message or None})
        self._do(f"{verb} route {self.name}", lambda: self._command(argv))

    def _show(self, wanted: Dict[str, Any]) -> None:
        """Side by side; what the configuration leaves to kamal-proxy is shown as it is."""
        before = self._shown()
        after = {key: (before or {}).get(key) if value is None else value for key, value in wanted.items()}
        self.changes.show(self.name, before, after)

    def _shown(self) -> Optional[Dict[str, Any]]:
        return {**self.found.options.shown(), "target": ", ".join(self.found.targets)} if self.found else None

    def _resolve(self, target: str, port: int) -> Tuple[str, Optional[str]]:
        """kamal-proxy's spelling of a target and, where it is a container of this host, its ID."""
        host, colon, own_port = target.rpartition(":")
        if not colon or not own_port.isdigit():
            host, own_port = target, str(port)
        found = self.engine.inspect(host)
        if found:
            return flags.target(found["Id"], int(own_port)), found["Id"]
        if not colon and not self.changes.check_mode:
            raise ProxyError(f"There is no container {target} on this host. Name one that runs, or HOST:PORT.")
        return f"{host}:{own_port}", None

    def _do(self, text: str, act: Callable[[], None]) -> None:
        def when_it_runs() -> None:
            _proxy.require_running(self.engine)
            act()

        self.changes.do(text, when_it_runs)

    def _command(self, argv: List[str]) -> None:
        _proxy.command(self.engine, argv)
