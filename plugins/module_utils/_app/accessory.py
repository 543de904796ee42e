# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An accessory on a host: a container that outlives releases, started where it is missing and never replaced."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Dict, Mapping, Optional

from .. import _body
from .._body import Body
from .._errors import EngineError
from .._host import files
from .._host.changes import Changes
from .._host.engine import RUNNING, Engine, Inspected
from .._host.health import is_connected
from .._names import DESTINATION_LABEL
from .._shares import AccessoryShare, values
from . import env_file, history


@dataclass
class Accessory:
    """`share` is the accessory on this host; `secrets` has the values by secret name.

    Each state returns `container`, the name of the accessory's container.
    """

    engine: Engine
    changes: Changes
    share: AccessoryShare
    secrets: Mapping[str, str]
    credentials: Optional[Mapping[str, str]] = None

    def __post_init__(self) -> None:
        self.name = self.share.service
        self.container = self.engine.inspect(self.name)

    def present(self) -> Dict[str, Any]:
        if self.container is None:
            self._boot()
        else:
            self._tell_what_differs(self.container)
            self._connect(self.container)
            if self.container["State"]["Status"] != "running":
                self._do(f"start container {self.name}", f"Started {self.share.name} accessory", self.engine.start)
        return self._answer()

    def _connect(self, container: Inspected) -> None:
        network = container["HostConfig"]["NetworkMode"]
        if not is_connected(container):
            self._ensure_network(network)
            text = f"Connected {self.share.name} accessory"
            self._do(f"connect {self.name} to network {network}", text, partial(self.engine.attach, network))

    def _ensure_network(self, network: str) -> None:
        if not self.engine.has_network(network):
            self.changes.do(f"create network {network}", lambda: self.engine.create_network(network))

    def stopped(self) -> Dict[str, Any]:
        if self.container and self.container["State"]["Status"] in RUNNING:
            text = f"Stopped {self.share.name} accessory"
            self._do(f"stop container {self.name}", text, lambda name: self.engine.stop(name, None))
        return self._answer()

    def absent(self) -> Dict[str, Any]:
        """Its container and env file go; its image, volumes and data stay. So does one of another destination."""
        other = self._other_destination()
        if other is not None:
            self.changes.notice(
                f"{self.name} stays on this host: {other}. "
                f"If nothing needs it, remove it there: docker rm -f {self.name}"
            )
        elif self.container:
            self.stopped()
            text = f"Remove {self.share.name} accessory container"
            self._do(f"remove container {self.name}", text, self.engine.remove)
        env_file.remove(self.changes, self.share.env_file)
        return self._answer()

    def _other_destination(self) -> Optional[str]:
        """Why the container may be another destination's, which can have it under the same name; None if it is ours."""
        if self.container is None:
            return None
        ours = self.share.destination or ""
        theirs = (self.container["Config"].get("Labels") or {}).get(DESTINATION_LABEL, ours)
        if theirs != ours:
            return f"it was booted for {_destination(theirs)}"
        there = {c.labels.get("destination", "") for c in self.engine.containers(f"service={self.share.app}")}
        others = sorted(there - {ours})
        return f"{self.share.app} is also here for {', '.join(map(_destination, others))}" if others else None

    @property
    def _wanted(self) -> Body:
        env = [f"KAMAL_HOST={self.share.host}", *self.share.body.get("Env", ())]
        return {**self.share.body, "Env": env}

    @property
    def _values(self) -> Dict[str, str]:
        return values(self.share.secrets, self.secrets)

    def _boot(self) -> None:
        image, network = self.share.body["Image"], self.share.network
        if self.engine.image(image) is None:
            self.changes.do(f"pull {image}", lambda: self.engine.pull(image, self.credentials))
        self._ensure_network(network)
        env_file.ensure(self.changes, self.share.env_file, self._values)
        self.changes.show(self.name, None, _body.shown(self._wanted, self.share.secrets))
        self._do(f"boot container {self.name}", f"Booted {self.share.name} accessory", self._create_and_start)

    def _create_and_start(self, name: str) -> None:
        body = _body.complete(self._wanted, self.share.secrets, self._values)
        # Not in what is compared: several destinations may share an accessory.
        body["Labels"] = {**body["Labels"], DESTINATION_LABEL: self.share.destination or ""}
        self.engine.create(name, files.absolute_binds(body))
        try:
            self.engine.start(name)
        except EngineError:
            self.engine.remove(name)
            raise

    def _tell_what_differs(self, container: Mapping[str, Any]) -> None:
        labels = container["Config"].get("Labels") or {}
        if _body.is_made_here(container) and not _body.is_same(
            container, self._wanted, self.share.secrets, self._values, container["Image"]
        ):
            self.changes.notice(
                f"{self.name} runs with other settings than accessories/{self.share.name} says. "
                "An accessory is never replaced by itself: make it absent and then present to apply them."
            )
        if labels.get("service") not in (None, self.name):
            raise EngineError(
                f"The container {self.name} on this host belongs to the service {labels['service']}. "
                f"Give accessories/{self.share.name}/service another name."
            )

    def _do(self, text: str, audited: str, act: Any) -> None:
        def act_and_audit() -> None:
            act(self.name)
            files.append(self.share.audit_log, history.audit_line(self.share.performer, (), audited))

        self.changes.do(text, act_and_audit)

    def _answer(self) -> Dict[str, Any]:
        return {"container": self.name}


def _destination(name: str) -> str:
    return f"the destination {name}" if name else "no destination"
