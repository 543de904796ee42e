# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The end of a service at a destination on a host: out of the proxy, stopped and, if asked, all of it gone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import List, Optional, Sequence, Set

from .. import _references
from .._host import files
from .._host.changes import Changes
from .._host.engine import Engine, Image
from .._names import Names, role_of, short_id
from .._proxy import commands, container
from .._proxy.route import Route
from .._shares import HostShare
from . import history
from . import images as _images
from .destinations import wanted_elsewhere


@dataclass
class Retirement:
    """`share` is the host's part of the plan, `roles` the names of those that are meant; None means all."""

    engine: Engine
    changes: Changes
    share: HostShare
    roles: Optional[Sequence[str]] = None

    def __post_init__(self) -> None:
        self.names = Names(self.share.service, self.share.destination)
        self.containers = self.engine.containers()
        self.own = [one for one in self.containers if self.names.owns(one.labels)]

    def stop(self) -> List[str]:
        """Nothing of it is served or runs; containers stay, so that a later start, deploy or rollback finds them.

        A command that runs in a container of its own goes on. Returns the names of the routes that went.
        """
        self.own = [one for one in self.own if self._is_meant(role_of(one.labels))]
        routes = self._take_down()
        self._audit("Stopped app")
        return routes

    def remove(self) -> List[str]:
        """Nothing of it is left but the audit log. Images that another destination may still want stay.

        Returns the names of the routes that went.
        """
        routes = self._take_down()
        for one in self.own:
            self.changes.do(f"remove container {one.name}", partial(self.engine.remove, one.id, volumes=True))
        for reference in self._images():
            self.changes.do(f"remove image {reference}", partial(self.engine.remove_image, reference))
        for path in (self.names.app_directory, self.names.proxy_app_directory, self.names.proxy_settings):
            if files.exists(path):
                self.changes.do(f"remove {path}", partial(files.remove, path))
        self._audit("Removed app")
        return routes

    def _take_down(self) -> List[str]:
        timeouts = {role.name: role.stop_timeout for role in self.share.roles}
        routes = self._routes()
        if routes:
            container.start_again(self.engine, self.changes)
        for name in routes:
            Route(self.engine, self.changes, name).remove()
        for one in self.own:
            if one.running:
                timeout = timeouts.get(role_of(one.labels))
                self.changes.do(f"stop container {one.name}", partial(self.engine.stop, one.id, timeout))
        return routes

    def _routes(self) -> List[str]:
        """Routes by the name of a role, or those that lead to one of our containers."""
        roles = {role.name for role in self.share.roles} | {role_of(one.labels) for one in self.own}
        named = {self.names.role(role) for role in roles if self._is_meant(role)}
        ids = {short_id(one.id) for one in self.own}
        return [
            name
            for name, service in commands.look(self.engine, self.changes).items()
            if name in named or {target.partition(":")[0] for target in service.targets} & ids
        ]

    def _is_meant(self, role: str) -> bool:
        return bool(role) if self.roles is None else role in self.roles

    def _images(self) -> List[str]:
        """Tags of images that nothing else uses and no other destination may go back to; untagged images by ID."""
        own = {one.id for one in self.own}
        used = {one.image_id for one in self.containers if one.id not in own}
        records = history.read(self.names.history_file, self.changes.notice)
        images = _images.of(self.engine, self.names, self.own, records)
        wanted = wanted_elsewhere(self.names, self.containers, images)
        removable: List[str] = []
        for image in images:
            if image.id not in used and not self._is_wanted_elsewhere(image, wanted):
                removable += [tag for tag in image.tags if tag != _references.UNTAGGED] or [image.id]
        return removable

    def _is_wanted_elsewhere(self, image: Image, wanted: Set[str]) -> bool:
        tags = {_references.tag_of(reference) for reference in image.tags}
        latest = any(_references.is_latest(tag) and tag != self.names.latest_tag for tag in tags)
        return latest or bool({image.id, *tags} & wanted)

    def _audit(self, text: str) -> None:
        if self.changes.changed and not self.changes.check_mode:
            line = history.audit_line(self.share.performer, (self.share.destination,), text)
            files.append(self.share.audit_log, line)
