# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command for the roles of a host: in their containers that run, or in new ones of the same image and settings."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from .. import _body
from .._errors import CaravanError, CommandError
from .._host import files, networks
from .._host.engine import Container
from .._names import DEST_LABEL, SERVICE_LABEL, Names, container_hostname
from .._shares import Built, HostShare, RoleShare
from . import command as _command
from . import image as _image
from . import info
from .command import Command
from .context import Context

# What of a role's container is for what serves.
OF_A_SERVER = ("ExposedPorts", "Healthcheck")
OF_A_SERVER_ON_HOST = ("RestartPolicy", "PortBindings", "PublishAllPorts")


@dataclass(frozen=True)
class AppExec:
    context: Context
    credentials: Optional[Mapping[str, str]]
    command: Command
    reuse: bool = False

    @property
    def share(self) -> HostShare:
        return self.context.share

    @property
    def names(self) -> Names:
        return Names(self.share.service, self.share.destination)

    def run(self, roles: Optional[List[str]]) -> Dict[str, Any]:
        """By role what the command wrote. Where it failed in one it is run in the others all the same; then
        CommandError, with what these wrote as `logs`."""
        logs: Dict[str, Any] = {}
        troubles = []
        for role in self._chosen(roles):
            try:
                logs[role.name] = (self._in_running if self.reuse else self._in_new)(role, self.command.at(role.name))
            except CaravanError as error:
                troubles.append(error.message)
        if troubles:
            raise CommandError("\n".join(troubles), logs=logs)
        return logs

    def _chosen(self, roles: Optional[List[str]]) -> List[RoleShare]:
        """A terminal is one of one role."""
        chosen = self.context.roles(roles)
        return chosen[:1] if self.command.how == _command.TERMINAL else chosen

    def _in_running(self, role: RoleShare, command: Command) -> Dict[str, Any]:
        container = self._current(role)
        if container is None:
            raise CommandError(
                f"No container of the role {role.name} runs on {self.share.host}. Start it (caravan.kamal.app.start), "
                "or run the command in a new one: without kamal_reuse."
            )
        self._audit(role, info.version(self.names, container))
        return _command.in_running(self.context.engine, self.context.changes, container.name, command)

    def _in_new(self, role: RoleShare, command: Command) -> Dict[str, Any]:
        engine, changes = self.context.engine, self.context.changes
        image, version = self._image(role)
        like = self.names.role(role.name)
        name = _command.new_name(f"{like}-exec-{version}")
        networks.ensure(engine, changes, self.share.network)
        self._audit(role, version)
        return _command.in_new(engine, changes, like, name, self._body(role, name, image, version), command)

    def _image(self, role: RoleShare) -> Tuple[str, str]:
        """The image and its version: those that run, unless the run is about a version that was named."""
        share, running = self.share, self._current(role)
        if share.version == share.image.latest and running:
            return running.image_id, info.version(self.names, running)
        trusting = role.secrets_file is not None
        image = _image.ensure(
            self.context.engine, self.context.changes, share.image, Built(), self.credentials, (), trusting
        )
        return image.id if image else share.image.reference, share.version

    def _body(self, role: RoleShare, name: str, image: str, version: str) -> _body.Body:
        """That of the role without what is for serving. Assets are written by deploys, and read by what serves."""
        whole = copy.deepcopy(dict(role.body))
        for key in OF_A_SERVER:
            whole.pop(key, None)
        host = {key: value for key, value in whole["HostConfig"].items() if key not in OF_A_SERVER_ON_HOST}
        assets = tuple(f"./{asset.volume}:" for asset in role.assets)
        host["Binds"] = [bind for bind in host.get("Binds") or () if not bind.startswith(assets)]
        env = dict(entry.partition("=")[::2] for entry in whole["Env"])
        env.update(self.context.values(role), KAMAL_VERSION=version, KAMAL_CONTAINER_NAME=name)
        env.update(self.command.env)
        labels = {SERVICE_LABEL: self.share.service, DEST_LABEL: self.share.destination or ""}
        hostname = whole.get("Hostname") or container_hostname(self.share.host)
        whole.update(Image=image, Labels=labels, HostConfig=host, Hostname=hostname)
        whole["Env"] = [f"{variable}={value}" for variable, value in env.items()]
        files.absolute_binds(whole)
        return whole

    def _current(self, role: RoleShare) -> Optional[Container]:
        return info.current(self.context.containers(role), None).get(role.name)

    def _audit(self, role: RoleShare, version: str) -> None:
        if not self.context.changes.check_mode:
            self.context.audit(role.name, f"Executed cmd '{self.command.name}' on app version {version}")
