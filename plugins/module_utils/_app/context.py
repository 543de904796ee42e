# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the parts of a release on one host share: its share of the plan, the engine, the secrets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional

from .. import _body, _names
from .._host import files
from .._host.changes import Changes
from .._host.engine import Container, Engine, Image
from .._host.health import is_connected
from .._shares import HostShare, RoleShare, values
from . import history


@dataclass(frozen=True)
class Context:
    """`secrets` has the values by secret name. With `force` no container counts as the wanted one."""

    engine: Engine
    changes: Changes
    share: HostShare
    secrets: Mapping[str, str]
    force: bool = False

    def roles(self, names: Optional[List[str]]) -> List[RoleShare]:
        """The roles of this host with these names; None means all."""
        return [role for role in self.share.roles if names is None or role.name in names]

    def values(self, role: RoleShare) -> Dict[str, str]:
        """The value of each of a role's secret variables."""
        return values(role.secrets, self.secrets)

    def containers(self, role: Optional[RoleShare] = None) -> List[Container]:
        """The containers of the service at its destination, newest first; those of one role if it is named."""
        labels = _names.Names(self.share.service, self.share.destination).labels("")
        every = self.engine.containers(*(f"{name}={labels[name]}" for name in ("service", "destination")))
        return [container for container in every if role is None or container.labels.get("role") == role.name]

    def is_live(self, role: RoleShare, image: Optional[Image]) -> bool:
        """Whether this very container, with this image, configuration and these secret values, runs on its network."""
        container = self.engine.inspect(role.container)
        if self.force or not container or container["State"]["Status"] != "running" or not is_connected(container):
            return False
        image_id = image.id if image else None
        return _body.is_same(container, role.body, role.secrets, self.values(role), image_id)

    def create(self, role: RoleShare, image: Optional[Image]) -> None:
        """The container of a role under the name that it waits under. `image` None: it would be pulled (check mode)."""
        self._show(role)
        body = _body.complete(role.body, role.secrets, self.values(role), self.share.host)
        if image:
            body["Image"] = self.share.image.reference
        files.absolute_binds(body)
        self.changes.do(
            f"create container {role.container}", lambda: self.engine.create(_names.staged(role.container), body)
        )

    def _show(self, role: RoleShare) -> None:
        running = [container for container in self.containers(role) if container.running]
        container = self.engine.inspect(running[0].id) if running else None
        before = _body.shown_container(container) if container else None
        if before and container:
            stale = _body.changed_secrets(container, self.values(role))
            before["secrets changed"] = ", ".join(stale) or None
        self.changes.show(role.name, before, _body.shown(role.body, role.secrets))

    def audit(self, role: str, text: str) -> None:
        line = history.audit_line(self.share.performer, (self.share.destination, role), text)
        files.append(self.share.audit_log, line)
