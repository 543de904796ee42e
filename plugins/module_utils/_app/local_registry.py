# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A registry at a port of this machine, in a container unless one answers there already."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import Any, Callable, Dict, Optional

from .._errors import EngineError, PortError
from .._host.changes import Changes
from .._host.engine import Engine, Inspected
from .registry import CONTAINER

LOOPBACK = "127.0.0.1"
# Where a registry listens in its container.
INSIDE = "5000/tcp"
PATIENCE, STEP = 30.0, 0.2
# How long a registry may think about the shortest of all requests, in seconds.
ANSWERS_WITHIN = 5
VERSION = "distribution-api-version"
REMOVE = "Name that port in registry/server, or remove it with its images (the playbook caravan.kamal.registry.remove)."


def answers(port: int) -> Optional[bool]:
    """Whether what listens on a port of this machine is a registry; None where nothing does."""
    connection = HTTPConnection(LOOPBACK, port, timeout=ANSWERS_WITHIN)
    try:
        connection.request("GET", "/v2/")
        response = connection.getresponse()
        return any(name.lower().endswith(VERSION) for name, _value in response.getheaders())
    except ConnectionRefusedError:
        return None
    except (HTTPException, OSError):
        return False
    finally:
        connection.close()


@dataclass(frozen=True)
class LocalRegistry:
    """`engine` connects to the engine of this machine, which is not needed where a registry answers."""

    engine: Callable[[], Engine]
    changes: Changes
    port: int
    image: str

    def ensure(self) -> None:
        """Raises EngineError where it cannot be had."""
        found = answers(self.port)
        if found is None:
            self._start(self.engine())
        elif not found:
            raise PortError(
                f"What listens on port {self.port} of this machine does not answer as a registry does. If it is "
                f"{CONTAINER}, docker logs {CONTAINER} may tell why; else name another port in registry/server."
            )

    def _start(self, engine: Engine) -> None:
        container = engine.inspect(CONTAINER)
        if container is None:
            self._pull(engine)
            self.changes.do(f"boot container {CONTAINER}", partial(self._boot, engine))
        else:
            self._check(container)
            self.changes.do(f"start container {CONTAINER}", partial(self._wait, engine))

    def _pull(self, engine: Engine) -> None:
        if engine.image(self.image) is None:
            self.changes.do(f"pull {self.image}", lambda: engine.pull(self.image, None))

    def _check(self, container: Inspected) -> None:
        published = _published(container)
        if published != str(self.port):
            raise PortError(f"The registry of this machine, {CONTAINER}, is at port {published}. {REMOVE}")

    def _boot(self, engine: Engine) -> None:
        try:
            engine.create(CONTAINER, _body(self.image, self.port))
        except EngineError:
            if engine.inspect(CONTAINER) is None:
                raise
            # Another run was faster.
        self._wait(engine)

    def _wait(self, engine: Engine) -> None:
        engine.start(CONTAINER)
        deadline = time.monotonic() + PATIENCE
        while not answers(self.port):
            if time.monotonic() > deadline:
                raise EngineError(
                    f"The registry in container {CONTAINER} does not answer at port {self.port} of this machine. See "
                    f"docker logs {CONTAINER}."
                )
            time.sleep(STEP)


def _body(image: str, port: int) -> Dict[str, Any]:
    binding = {"HostIp": LOOPBACK, "HostPort": str(port)}
    return {"Image": image, "ExposedPorts": {INSIDE: {}}, "HostConfig": {"PortBindings": {INSIDE: [binding]}}}


def _published(container: Inspected) -> str:
    bindings = (container["HostConfig"].get("PortBindings") or {}).get(INSIDE) or [{}]
    return str(bindings[0].get("HostPort") or "none")
