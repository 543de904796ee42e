# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was live and was stopped runs and serves again, in the container that it had."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any, Dict, Optional

from .. import _names, _records
from .._errors import CaravanError, HealthError
from .._host import files, health
from .._host.engine import Container
from .._host.steps import attempt
from .._proxy import flags
from .._proxy.container import require_running
from .._shares import RoleShare
from . import info, served
from .context import Context
from .cutover import UNSURE, story
from .routing import Routes, Routing

END = "It was stopped again. Mend what it needs, or deploy another version."


class Start:
    """`role` is one of the host; `routes` gives what kamal-proxy routed before."""

    def __init__(self, context: Context, role: RoleShare, routes: Routes) -> None:
        self.context, self.role, self.routes = context, role, routes
        self.own = context.containers(role)

    def run(self) -> None:
        """HealthError where there is nothing to start, or where it does not come up; then all is as it was."""
        container = info.current(self.own, None).get(self.role.name) or self._live_last()
        if container is None:
            raise HealthError(
                f"Nothing of the role {self.role.name} was live on {self.context.share.host}, or it was removed since. "
                "Deploy it (caravan.kamal.deploy)."
            )
        routing = self._routing(container) if self.role.proxy is not None else None
        changes, route = self.context.changes, f"route {self.role.route} to {container.name}"
        if routing and not (container.running and routing.leads_to(container.id)):
            require_running(self.context.engine)
        if not container.running:
            changes.do(f"start container {container.name}", partial(self._bring, container, routing))
            changes.actions += [route] if routing else []
            self._audit(container)
        elif routing and not routing.leads_to(container.id):
            changes.do(route, partial(self._bring, container, routing))
            self._audit(container)

    def _live_last(self) -> Optional[Container]:
        """By the history; where only Kamal has deployed, the newest one of the image that is tagged as latest."""
        live = _records.live_container(self.context.records, self.role.name)
        latest = self.context.engine.image(self.context.share.image.latest_reference)
        on_record = [each for each in self.own if each.id == live]
        of_latest = [each for each in self.own if latest and each.image_id == latest.id]
        return next(iter([*on_record, *of_latest]), None)

    def _routing(self, container: Container) -> Routing:
        """With the error pages of its version, which lie there as long as its container."""
        share, version = self.context.share, self._version(container)
        pages = f"{_names.Names(share.service, share.destination).error_pages}/{version}"
        written = [f"{pages}/{folder}" for folder in files.folders(pages)]
        known = replace(self.context, share=replace(share, error_pages=written[-1] if written else None))
        paths = served.options(known, self.role)
        return Routing(self.context.engine, self.context.changes, self.role, self.routes, paths)

    def _bring(self, container: Container, routing: Optional[Routing]) -> None:
        engine, role = self.context.engine, self.role
        since = time.time() if container.running else None
        try:
            if not container.running:
                engine.start(container.id)
            self.context.changes.tell(f"wait for {container.name} to be healthy")
            if routing:
                health.wait_for_port(engine, container.id, flags.app_port(role.proxy or {}), since)
                routing.switch(container.id, since)
            else:
                health.prove(engine, container.id, role.deploy_timeout, role.readiness_delay)
        except CaravanError as error:
            raise self._undo(container, routing, error) from error

    def _undo(self, container: Container, routing: Optional[Routing], error: CaravanError) -> HealthError:
        """A container that ran before runs on."""
        engine = self.context.engine
        report: Dict[str, Any] = dict(health.UNKNOWN)
        troubles = attempt(lambda: report.update(health.report(engine, container.id)))
        if not container.running:
            troubles += attempt(lambda: engine.stop(container.id, self.role.stop_timeout))
        if routing:
            troubles += attempt(routing.restore)
        lines = story(f"{container.name} did not come up on {self.context.share.host}", error, report, troubles)
        end = UNSURE if troubles or container.running else END
        return HealthError("\n".join([*lines, end]), container=container.name, **report)

    def _version(self, container: Container) -> str:
        return info.version(_names.Names(self.context.share.service, self.context.share.destination), container)

    def _audit(self, container: Container) -> None:
        if not self.context.changes.check_mode:
            self.context.audit(self.role.name, f"Started app version {self._version(container)}")
