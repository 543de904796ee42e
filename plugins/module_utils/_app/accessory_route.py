# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The route of an accessory through the kamal-proxy of its host, if it has one."""

from __future__ import annotations

from functools import partial
from typing import Any, Mapping, Optional

from .._host import files
from .._names import PROXY_CONTAINER, Names, accessory_certificates
from .._proxy import apps_config, flags
from .._proxy import container as proxy
from .._proxy.asked import Asked
from .._proxy.certificate import Certificate
from .._proxy.route import Route
from .._proxy.state import Service
from .accessory_host import AccessoryHost
from .routing import leads_to


class AccessoryRoute:
    """In kamal-proxy it has the name of the container. One that is `shared` was booted for another destination."""

    def __init__(self, host: AccessoryHost, shared: bool = False) -> None:
        self.host, self.share, self.shared = host, host.share, shared
        own = self.share.certificate
        self._held: Optional[Route] = None
        # What kamal-proxy had of it when it was looked at first.
        self._before: Optional[Service] = None
        self._is_known = False
        self._certificate = Certificate(own, host.secrets, host.engine, host.name) if own else None

    @property
    def theirs(self) -> Optional[Service]:
        """The route that the other destination has given it, if ours is another one: its options and port stay."""
        if self.shared and not self._is_known:
            self._route()
        if not self.shared or self._before is None or not self._before.targets:
            return None
        is_ours = self.share.route is not None and not flags.diff(self._options(self.share.route), self._before.options)
        return None if is_ours else self._before

    def prepare(self) -> None:
        """kamal-proxy runs, where it is needed. One that was needed before and is no longer forgets the route."""
        if self.theirs:
            return
        if self.share.route is None:
            self.remove()
        elif self.share.proxy is not None:
            self.host.ensure_network(self.share.network)
            asked = Asked(self._app, self.share.proxy.run)
            asked.ensure(self.host.engine, self.host.changes, self.share.proxy, self.host.credentials)
            self.certify()

    def certify(self) -> None:
        """Its certificate is there, if it has one of its own, before the route names it."""
        if self._certificate and not self.theirs:
            self._certificate.ensure(self.host.changes, self.share.name)

    def hold(self) -> None:
        """Requests wait for the next container, unless a person has said what becomes of them."""
        route = self._route() if self.share.route is not None or self.theirs else None
        if route and route.current and route.current.state == "running":
            longest = self.share.ready_timeout + self.share.deploy_timeout
            route.pause(self.share.drain_timeout, longest)
            self._held = route

    def lead_to(self, container: str) -> None:
        """To a container, by name or ID, as soon as it answers the health check. What waits, of a run that was killed
        too, is answered by it."""
        theirs = self.theirs
        if theirs:
            port = theirs.targets[0].rpartition(":")[2]
            self._deploy(self._held or self._route(), f"{container}:{port}", theirs.options)
        elif self.share.route is not None:
            self._deploy(self._held or self._route(), container, self._options(self.share.route))

    def _options(self, wanted: Mapping[str, Any]) -> flags.Options:
        return flags.options(
            wanted,
            deploy_timeout=self.share.deploy_timeout,
            drain_timeout=self.share.drain_timeout,
            tls_paths=self._certificate.paths if self._certificate else None,
        )

    def _deploy(self, route: Route, target: str, options: flags.Options) -> None:
        is_paused = route.current is not None and route.current.state == "paused"
        port = flags.app_port(self.share.route or {})
        route.deploy(target, options, port, called=self.host.name, anew=is_paused)
        if is_paused:
            route.live()

    def lead_back_to(self, container: str) -> None:
        """As it was before, to the container that was there before: requests may wait for one that was given up, or
        go to it."""
        if self.share.route is None and not self.theirs:
            return
        now = self._route()
        before, old = self._before, self.host.engine.inspect(container)
        if before is None:
            now.remove()
        elif old is not None and leads_to(before, old["Id"]):
            self._deploy(now, before.targets[0], before.options)
        else:
            self.lead_to(container)

    def remove(self) -> None:
        """Only a kamal-proxy that runs can be told to forget it."""
        if self.host.engine.inspect(PROXY_CONTAINER) is None:
            return
        route = self._route()
        if route.current is not None:
            proxy.start_again(self.host.engine, self.host.changes)
            route.remove()

    @property
    def _app(self) -> str:
        return Names(self.share.app, self.share.destination).qualified

    def clean(self) -> None:
        """Certificates that the route has had go once it names them no more."""
        if self.theirs:
            return
        directory = accessory_certificates(self.host.name)
        wanted = self._certificate.folder if self._certificate else None
        paths = [f"{directory}/{name}" for name in files.folders(directory)]
        outdated = [path for path in paths if path != wanted]
        apps_config.remove_unnamed(self.host.engine, self.host.changes, outdated, {self.host.name})

    def forget(self) -> None:
        """What the accessory had of kamal-proxy's folder goes with it."""
        directory = accessory_certificates(self.host.name)
        if files.exists(directory):
            self.host.changes.do(f"remove {directory}", partial(files.remove, directory))

    def _route(self) -> Route:
        route = Route(self.host.engine, self.host.changes, self.host.name)
        if not self._is_known:
            self._is_known, self._before = True, route.current
        return route
