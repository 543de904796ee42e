# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host as Kamal 1 leaves it, on which ports can be taken, and a caller of its engine that is killed."""

from __future__ import annotations

from typing import Any

from ansible_collections.caravan.kamal.plugins.module_utils._errors import PortError
from fakes import FakeEngine

TRAEFIK = "traefik"


class Ported(FakeEngine):
    """As Docker does, it starts no container on a port that a running one has, or that a `foreign` process has."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: set[str] = set()

    def start(self, name: str) -> None:
        container = self.container(name)
        others = [ports_of(self.here[other]) for other in self.running if self.here[other] is not container]
        taken = ports_of(container) & self.foreign.union(*others)
        if taken:
            raise PortError(f"port {min(taken)} is taken.")
        super().start(name)

    @property
    def served(self) -> dict[str, str]:
        """Which container has a port."""
        return {port: name for name in self.running for port in ports_of(self.here[name])}


def ports_of(container: dict[str, Any]) -> set[str]:
    bindings = (container["HostConfig"].get("PortBindings") or {}).values()
    return {binding["HostPort"] for each in bindings for binding in each}


def add_traefik(engine: FakeEngine, port: str = "80", **body: Any) -> None:
    bindings = {"80/tcp": [{"HostIp": "", "HostPort": port}]}
    engine.add_image("traefik:v2.10", "it", service=None)
    made = {"Image": "traefik:v2.10", "Cmd": ["--providers.docker"], "HostConfig": {"PortBindings": bindings}, **body}
    engine.create(TRAEFIK, made)
    engine.start(TRAEFIK)
    engine.calls.clear()


class Killed(BaseException):
    """As a process that is killed: nothing is tidied up."""


class KillsAt:
    """An engine whose caller is killed before or after its nth change."""

    CHANGES = ("create", "create_network", "start", "stop", "rename", "remove", "execute", "tag", "remove_image")

    def __init__(self, engine: FakeEngine, number: int, after: bool) -> None:
        self.engine, self.left, self.after = engine, number, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.engine, name)
        return self._counted(real) if name in self.CHANGES else real

    def _counted(self, real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Killed
            result = real(*arguments, **named)
            if self.left == 0:
                raise Killed
            return result

        return call
