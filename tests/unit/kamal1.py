# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host as Kamal 1 leaves it, on which ports can be taken."""

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
