# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One version of a service's roles on one host: staged beside what runs, then live."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .. import _records
from .._errors import CaravanError, HealthError, ImageError
from .._host import networks, placed
from .._host.changes import Changes
from .._host.engine import Engine, Image
from .._names import Names
from .._proxy import commands, traefik
from .._proxy import container as _proxy
from .._proxy.asked import Asked
from .._proxy.state import Service
from .._shares import Built, HostShare, RoleShare
from . import assets, history, leftovers, proof, prune, served, stale
from . import image as _image
from .context import Context
from .cutover import UPGRADE, Cutover
from .routing import Routes
from .start import Start

PRUNING = ("deploy", "setup")
# They leave kamal-proxy as it is.
WITHOUT_PROXY = ("redeploy", "boot")
# They take a version that was deployed before, with the image that it had then.
OF_BEFORE = ("rollback", "boot", UPGRADE)


@dataclass
class Release:
    """`share` is the host's part of the plan; `secrets` the values by secret name; `built` the build's answer.

    `found`: values that lie in files on this host, by role and variable; of those roles `secrets` says nothing.
    `foretold`: the actions that an earlier task of the run has listed for the network and kamal-proxy.
    `error_pages` by their names.
    `refuse_mirror`: whether a pull through a mirror is refused, so that one host does it before the others.
    `image_id`: the image that was staged, empty where it is still to come (check mode), None where nobody says.
    """

    engine: Engine
    changes: Changes
    share: HostShare
    secrets: Mapping[str, str]
    built: Built = Built()
    credentials: Optional[Mapping[str, str]] = None
    force: bool = False
    foretold: Sequence[str] = ()
    image_id: Optional[str] = None
    found: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    error_pages: Mapping[str, str] = field(default_factory=dict)
    refuse_mirror: bool = False

    def __post_init__(self) -> None:
        self.records = history.read(self.share.history_file, self.changes.notice)
        self._folders = list(self.share.folders)

    def stage(self, roles: Optional[List[str]]) -> Dict[str, Any]:
        """Everything that can be done beside the running version: network, proxy, image, containers created.

        `roles` None means all of this host. Returns `version` and `image_id`.
        """
        image = self._image()
        self._ensure_surroundings()
        context = self._context(self.changes)
        served.ensure(context, self.error_pages)
        for role in context.roles(roles):
            own = context.containers(role)
            running = context.running(role, image, own)
            leftovers.clear(context, role, own, running, self._routes)
            if running is None:
                self._make_folders()
                assets.prepare(context, role, image, own)
                context.create(role, image, own)
        return self._answer(image)

    def pulled(self) -> Dict[str, Any]:
        """The image alone is here. Returns `version` and `image_id`."""
        return self._answer(self._image())

    def _image(self) -> Optional[Image]:
        version, is_of_before = self.share.version, self.share.command in OF_BEFORE
        kept = _records.images_of(self.records, version) if is_of_before else None
        trusting = any(role.secrets_file for role in self.share.roles)
        self.changes.tell(f"look for the image {self.share.image.reference}")
        wanted, refusing = self.share.image, self.refuse_mirror
        return _image.ensure(self.engine, self.changes, wanted, self.built, self.credentials, kept, trusting, refusing)

    def live(self, roles: Optional[List[str]]) -> Dict[str, Any]:
        """Per role: start, prove, switch, record, stop what was before. Then, once all are live: tag latest, prune.

        `roles` None means all of this host. Returns `version`, `image_id`, by role the versions `before`, and `at`,
        when it was done.
        """
        image = self._staged_image()
        routes = self._look_up_routes()
        context = self._context(self.changes)
        wanted = context.roles(roles)
        if not self.changes.check_mode:  # where the dry run of the staging has listed it
            served.ensure(context, self.error_pages)
        bring = self._bring_side_by_side if self.share.parallel_roles else self._bring_in_turn
        bring(wanted, image, routes)
        self._tag_latest(image, wanted)
        if self.share.command in PRUNING:
            prune.prune(context, image, [role.name for role in wanted])
        return {**self._answer(image), "before": self._before(wanted), "at": time.time()}

    def proven(self, roles: Optional[List[str]], since: Optional[float]) -> Dict[str, Any]:
        """What went live at `since`, the `at` of that answer, still serves. Returns `version` and `image_id`.

        `roles` None means all of this host.
        """
        image = self.engine.image(self.share.image.reference)
        proof.look(self._context(self.changes), roles, self._look_up_routes(), since)
        return self._answer(image)

    def start(self, roles: Optional[List[str]]) -> None:
        """What was live last runs and serves again, in its container as it is. `roles` None means all of this host."""
        routes, context = self._look_up_routes(), self._context(self.changes)
        for role in context.roles(roles):
            Start(context, role, routes).run()

    def stop_stale(self, roles: Optional[List[str]]) -> None:
        """Nothing runs beside what is current. `roles` None means all of this host."""
        stale.stop(self._context(self.changes), roles)

    def _context(self, changes: Changes) -> Context:
        return Context(self.engine, changes, self.share, self.secrets, self.records, self.force, self.found)

    def _answer(self, image: Optional[Image]) -> Dict[str, Any]:
        return {"version": self.share.version, "image_id": image.id if image else None}

    def _before(self, roles: List[RoleShare]) -> Dict[str, Optional[str]]:
        last = {role.name: _records.last_of(self.records, role.name) for role in roles}
        return {name: record.version if record else None for name, record in last.items()}

    def _staged_image(self) -> Optional[Image]:
        """The image of this run. Its tag may be another destination's by now, that built the version differently."""
        reference = self.share.image.reference
        if self.image_id is None:
            return self.engine.image(reference)
        image = self.engine.image(self.image_id) if self.image_id else None
        if image is None and not self.changes.check_mode:
            raise ImageError(
                f"The image that was staged as {reference} is gone from {self.share.host}. See who removes images "
                "there, and deploy again."
            )
        return image

    # Staging

    def _ensure_surroundings(self) -> None:
        """The network and kamal-proxy. In check mode they are not listed if an earlier task has listed all of it."""
        if not self.changes.check_mode:
            return self._ensure_network_and_proxy(self.changes)
        changes = Changes(check_mode=True)
        self._ensure_network_and_proxy(changes)
        if not changes.actions or not set(changes.actions) <= set(self.foretold):
            self.changes.add(changes)

    def _ensure_network_and_proxy(self, changes: Changes) -> None:
        networks.ensure(self.engine, changes, self.share.network)
        if not self.share.proxy:
            return
        if self.share.command in WITHOUT_PROXY:
            return _proxy.require_in_place(self.engine)
        asked = Asked(Names(self.share.service, self.share.destination).qualified, self.share.proxy.run)
        boot = traefik.boot_beside if self.share.command == UPGRADE else _proxy.ensure
        asked.ensure(self.engine, changes, self.share.proxy, self.credentials, boot)

    def _make_folders(self) -> None:
        """For the first role that needs them. An app that runs may have given them another mode since."""
        while self._folders:
            folder = self._folders.pop(0)
            placed.ensure_folder(self.changes, folder.path, folder.mode, folder.owner)

    def _routes(self) -> Mapping[str, Service]:
        return commands.look(self.engine, self.changes) if self.share.proxy else {}

    # Going live

    def _look_up_routes(self) -> Routes:
        """What kamal-proxy routes now. It is read while the container starts; who needs it waits for it."""
        if not self.share.proxy:
            return dict
        return ThreadPoolExecutor(max_workers=1).submit(self._routes).result

    def _bring_in_turn(self, roles: List[RoleShare], image: Optional[Image], routes: Routes) -> None:
        context = self._context(self.changes)
        for role in roles:
            Cutover(context, role, image, routes).run()

    def _bring_side_by_side(self, roles: List[RoleShare], image: Optional[Image], routes: Routes) -> None:
        """All run to the end whatever becomes of the others; their actions are listed in the order of the roles."""
        apart = [Changes(self.changes.check_mode, self.changes.tell) for _role in roles]
        cutovers = [Cutover(self._context(own), role, image, routes) for own, role in zip(apart, roles)]
        with ThreadPoolExecutor(max_workers=max(1, len(roles))) as pool:
            running = [pool.submit(cutover.run) for cutover in cutovers]
        for own in apart:
            self.changes.add(own)
        _raise_all([future.exception() for future in running])

    def _tag_latest(self, image: Optional[Image], roles: List[RoleShare]) -> None:
        wanted, gate = self.share.image, set(self.share.gate_roles)
        if self.changes.check_mode and gate and not gate & {role.name for role in roles}:
            return  # the dry run of the roles before these has listed it
        if image is None or not image.has_tag(wanted.latest_reference):
            self.changes.do(
                f"tag {wanted.reference} as {wanted.latest}",
                lambda: self.engine.tag(image.id if image else "", wanted.repository, wanted.latest),
            )


def _raise_all(results: Sequence[Optional[BaseException]]) -> None:
    """None is a role that went well. What a human should read of several failures is told in one."""
    errors = [error for error in results if error]
    for error in errors:
        if len(errors) == 1 or not isinstance(error, CaravanError):
            raise error
    if errors:
        failures = [error for error in errors if isinstance(error, CaravanError)]
        raise HealthError("\n\n".join(error.message for error in failures), **failures[0].details)
