# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An accessory and the host that it runs on: what its states and its replacement have in common."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Set

from .. import _body, _names
from .._body import Body
from .._host import files, networks
from .._host.changes import Changes
from .._host.engine import RUNNING, Engine, Inspected
from .._names import DESTINATION_LABEL
from .._shares import AccessoryShare, values
from . import history
from .accessory_files import AccessoryFiles


@dataclass
class AccessoryHost:
    """`share` is the accessory on this host; `secrets` has the values by secret name, `found` by variable if they lie
    in a file here, `contents` what is in its files by their path. `patient` is the engine for a backup, which
    may take hours; without one it is `engine`."""

    engine: Engine
    changes: Changes
    share: AccessoryShare
    secrets: Mapping[str, str]
    credentials: Optional[Mapping[str, str]] = None
    contents: Mapping[str, bytes] = field(default_factory=dict)
    found: Optional[Mapping[str, str]] = None
    patient: Optional[Engine] = None

    def __post_init__(self) -> None:
        self._networks: Set[str] = set()
        self.files = AccessoryFiles(self.changes, self.share, self.contents)

    @property
    def name(self) -> str:
        return self.share.service

    @property
    def names(self) -> List[str]:
        """Every name that a container of it may have; all but the first are left by runs that did not end."""
        return [self.name, *(name(self.name) for name in (_names.staged, _names.put_aside, _names.given_up))]

    @property
    def values(self) -> Dict[str, str]:
        return values(self.share.secrets, self.secrets) if self.found is None else dict(self.found)

    @property
    def body(self) -> Body:
        env = [f"KAMAL_HOST={self.share.host}", *self.share.body.get("Env", ())]
        return {**self.share.body, "Env": env}

    @property
    def compared(self) -> Mapping[str, Any]:
        """What a container of it is compared by: its body, and what it is given of files and folders."""
        return {**self.body, **self.files.described()}

    def is_wanted(self, container: Inspected, image_id: Optional[str] = None) -> bool:
        """Whether a container is as the configuration says, with its secrets and files, and its image if asked."""
        image = image_id or container["Image"]
        return _body.is_same(
            container, self.compared, self.share.secrets, self.values, image
        ) and self.files.are_seen_by(container)

    def complete(self, binds: List[str]) -> Body:
        """The body to create, with these volumes beside those of the plan."""
        body = _body.complete(self.body, self.share.secrets, self.values, beside=self.files.described())
        # Not in what is compared: several destinations may share an accessory.
        body["Labels"] = {**body["Labels"], DESTINATION_LABEL: self.share.destination or ""}
        if binds:
            body["HostConfig"]["Binds"] = [*(body["HostConfig"].get("Binds") or ()), *binds]
        return files.absolute_binds(body)

    def do(self, text: str, audited: str, act: Callable[[], object]) -> None:
        """An action that the audit log tells of."""

        def act_and_audit() -> None:
            act()
            files.append(self.share.audit_log, history.audit_line(self.share.performer, (), audited))

        self.changes.do(text, act_and_audit)

    def stop(self, name: str) -> None:
        self.do(f"stop container {name}", f"Stopped {self.share.name} accessory", lambda: self.engine.stop(name, None))

    def start(self) -> None:
        text = f"Started {self.share.name} accessory"
        self.do(f"start container {self.name}", text, lambda: self.engine.start(self.name))

    def ensure_network(self, network: str) -> None:
        if network not in self._networks:
            self._networks.add(network)  # in check mode it is still missing when it is asked for again
            networks.ensure(self.engine, self.changes, network)


def is_running(container: Optional[Inspected]) -> bool:
    return container is not None and container["State"]["Status"] in RUNNING


def contents(option: Optional[str]) -> Dict[str, bytes]:
    """What is in the files, from the option `files`: a JSON object of base64 by path."""
    given: Dict[str, Any] = json.loads(option or "{}")
    return {path: base64.b64decode(text) for path, text in given.items()}
