# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the parts of a release on one host share: its share of the plan, the engine, the secrets, the history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Sequence

from .. import _body, _names
from .._host import files, networks
from .._host.changes import Changes
from .._host.engine import Container, Engine, Image, Inspected
from .._host.health import is_connected
from .._records import Record, live_container
from .._shares import HostShare, RoleShare, values
from . import history


@dataclass(frozen=True)
class Running:
    """A container that runs just as it is wanted. One that is not on record was left by a run that was interrupted,
    and nobody knows whether it is well."""

    id: str
    name: str
    on_record: bool


@dataclass(frozen=True)
class Context:
    """`secrets` has the values by secret name, `found` those that lie in files on this host, by role and variable, and
    `records` the history of this host as it was before.

    With `force` no container counts as the wanted one.
    """

    engine: Engine
    changes: Changes
    share: HostShare
    secrets: Mapping[str, str]
    records: Sequence[Record] = ()
    force: bool = False
    found: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def roles(self, names: Optional[List[str]]) -> List[RoleShare]:
        """The roles of this host with these names; None means all."""
        return [role for role in self.share.roles if names is None or role.name in names]

    def values(self, role: RoleShare) -> Dict[str, str]:
        """The value of each of a role's secret variables."""
        return dict(self.found[role.name]) if role.name in self.found else values(role.secrets, self.secrets)

    def containers(self, role: Optional[RoleShare] = None) -> List[Container]:
        """The containers of the service at its destination, newest first; those of one role if it is named."""
        names = _names.Names(self.share.service, self.share.destination)
        every = self.engine.containers(*names.filters)
        return [container for container in every if names.owns(container.labels, role.name if role else None)]

    def running(self, role: RoleShare, image: Optional[Image], own: Sequence[Container]) -> Optional[Running]:
        """The container that already runs with this image, configuration and these secret values, on its network.

        `own` are the containers of the role. A crash may have left it under the name that it waits under. One that
        is neither on record nor running since its start counts as another one, which is then replaced.
        """
        if self.force:
            return None
        live = live_container(self.records, role.name)
        for name in (role.container, _names.staged(role.container)):
            for container in own:
                if container.name == name and container.state == "running":
                    on_record = container.id == live
                    inspected = self.engine.inspect(container.id)
                    if inspected and self.is_wanted(role, image, inspected) and (on_record or _is_fresh(inspected)):
                        return Running(container.id, name, on_record)
        return None

    def is_wanted(self, role: RoleShare, image: Optional[Image], container: Inspected) -> bool:
        """Whether a container has this image, configuration and these secret values, and is on its network."""
        image_id = image.id if image else None
        if not is_connected(container) or networks.missing(container, role.body):
            return False
        return _body.is_same(container, role.body, role.secrets, self.values(role), image_id)

    def create(self, role: RoleShare, image: Optional[Image], own: Sequence[Container]) -> Optional[str]:
        """The container of a role under the name that it waits under; returns its ID.

        `image` None: it would be pulled (check mode, where nothing is created). `own` are the containers of the role.
        """
        self._show(role, own)
        body = _body.complete(role.body, role.secrets, self.values(role), self.share.host)
        if image:
            reference = self.share.image.reference
            body["Image"] = reference if image.has_tag(reference) else image.id
        files.absolute_binds(body)
        return self.changes.do(
            f"create container {role.container}",
            lambda: networks.create(self.engine, _names.staged(role.container), body),
        )

    def _show(self, role: RoleShare, own: Sequence[Container]) -> None:
        running = [container for container in own if container.running]
        container = self.engine.inspect(running[0].id) if running else None
        before = _body.shown_container(container) if container else None
        if before and container:
            stale = _body.changed_secrets(container, self.values(role))
            before["secrets changed"] = ", ".join(stale) or None
        self.changes.show(role.name, before, _body.shown(role.body, role.secrets))

    def audit(self, role: str, text: str) -> None:
        line = history.audit_line(self.share.performer, (self.share.destination, role), text)
        files.append(self.share.audit_log, line)


def _is_fresh(container: Inspected) -> bool:
    return container["State"]["Status"] == "running" and not container.get("RestartCount")
