# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One version of a service's roles on one host: staged beside what runs, then live."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional

from .. import _names
from .._host import files
from .._host.changes import Changes
from .._host.engine import Engine, Image
from .._proxy import commands
from .._proxy import container as _proxy
from .._shares import Built, HostShare, RoleShare
from . import history, prune
from . import image as _image
from .context import Context
from .cutover import Cutover, Routes

PRUNING = ("deploy", "setup")


@dataclass
class Release:
    """`share` is the host's part of the plan; `secrets` the values by secret name; `built` the build's answer."""

    engine: Engine
    changes: Changes
    share: HostShare
    secrets: Mapping[str, str]
    built: Built = Built()
    credentials: Optional[Mapping[str, str]] = None
    force: bool = False

    def stage(self, roles: Optional[List[str]]) -> Dict[str, Any]:
        """Everything that can be done beside the running version: network, proxy, image, containers created.

        `roles` None means all of this host. Returns `version` and `image_id`.
        """
        kept = self.share.command == "rollback"
        image = _image.ensure(self.engine, self.changes, self.share.image, self.built, self.credentials, kept)
        network = self.share.network
        if not self.engine.has_network(network):
            self.changes.do(f"create network {network}", lambda: self.engine.create_network(network))
        self._ensure_proxy()
        context = self._context(self.changes)
        for role in context.roles(roles):
            self._drop_leftovers(context, role)
            if not context.is_live(role, image):
                context.create(role, image)
        return self._answer(image)

    def live(self, roles: Optional[List[str]]) -> Dict[str, Any]:
        """Per role: start, prove, switch, drain, stop. Then, once: tag latest, prune, audit, history.

        `roles` None means all of this host. Returns `version` and `image_id`.
        """
        image = self.engine.image(self.share.image.reference)
        routes = self._look_up_routes()
        wanted = self._context(self.changes).roles(roles)
        bring = self._bring_side_by_side if self.share.parallel_roles else self._bring_in_turn
        self._settle(image, bring(wanted, image, routes))
        return self._answer(image)

    def _context(self, changes: Changes) -> Context:
        return Context(self.engine, changes, self.share, self.secrets, self.force)

    def _answer(self, image: Optional[Image]) -> Dict[str, Any]:
        return {"version": self.share.version, "image_id": image.id if image else None}

    # Staging

    def _ensure_proxy(self) -> None:
        if not self.share.proxy:
            return
        if self.share.command != "redeploy":
            credentials = self.credentials if self.share.proxy_login else None
            _proxy.ensure(self.engine, self.changes, self.share.proxy, credentials)
        elif not self.changes.check_mode:
            _proxy.require_running(self.engine)

    def _drop_leftovers(self, context: Context, role: RoleShare) -> None:
        """Containers that an earlier run staged and never started."""
        for container in context.containers(role):
            if _names.is_staged(container.name) and not self.changes.check_mode:
                self.engine.remove(container.id, volumes=True)

    # Going live

    def _look_up_routes(self) -> Routes:
        """What kamal-proxy routes now. It is read while the container starts; who needs it waits for it."""
        if not self.share.proxy:
            return dict
        return ThreadPoolExecutor(max_workers=1).submit(commands.look, self.engine, self.changes).result

    def _bring_in_turn(self, roles: List[RoleShare], image: Optional[Image], routes: Routes) -> List[str]:
        """Returns the names of the roles that have new containers."""
        context = self._context(self.changes)
        return [role.name for role in roles if Cutover(context, role, image, routes).run()]

    def _bring_side_by_side(self, roles: List[RoleShare], image: Optional[Image], routes: Routes) -> List[str]:
        """All run to the end whatever becomes of the others; their actions are listed in the order of the roles."""
        apart = [Changes(self.changes.check_mode) for _role in roles]
        cutovers = [Cutover(self._context(own), role, image, routes) for own, role in zip(apart, roles)]
        with ThreadPoolExecutor(max_workers=max(1, len(roles))) as pool:
            running = [pool.submit(cutover.run) for cutover in cutovers]
        for own in apart:
            self.changes.add(own)
        return [role.name for role, future in zip(roles, running) if future.result()]

    # Afterwards

    def _settle(self, image: Optional[Image], switched: List[str]) -> None:
        """`switched` are the names of the roles that have new containers."""
        wanted = self.share.image
        if image is None or wanted.latest_reference not in image.tags:
            self.changes.do(
                f"tag {wanted.reference} as {wanted.latest}",
                lambda: self.engine.tag(wanted.reference, wanted.repository, wanted.latest),
            )
        if self.share.command in PRUNING:
            prune.prune(self.engine, self.changes, self.share)
        if switched and not self.changes.check_mode:
            self._record(image, switched)

    def _record(self, image: Optional[Image], roles: List[str]) -> None:
        share, context = self.share, self._context(self.changes)
        for role in roles:
            context.audit(role, f"Booted app version {share.version}")
        line = history.entry(share.command, share.version, roles, image.id if image else "", share.performer)
        files.append(share.history_file, line)
