# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The route of an accessory through the kamal-proxy of its host, if it has one."""

from __future__ import annotations

from functools import partial

from .._host import files
from .._names import PROXY_CONTAINER, Names, accessory_certificates
from .._proxy import apps_config, flags
from .._proxy import container as _proxy
from .._proxy.asked import Asked
from .._proxy.certificate import Certificate
from .._proxy.route import Route
from .accessory_host import AccessoryHost


class AccessoryRoute:
    """In kamal-proxy it has the name of the container."""

    def __init__(self, host: AccessoryHost) -> None:
        self.host, self.share = host, host.share
        own = self.share.certificate
        self._certificate = Certificate(own, host.secrets, host.engine, host.name) if own else None

    def prepare(self) -> None:
        """kamal-proxy runs, where it is needed. One that was needed before and is no longer forgets the route."""
        if self.share.route is None:
            self.remove()
        elif self.share.proxy is not None:
            self.host.ensure_network(self.share.network)
            credentials = self.host.credentials if self.share.proxy.login else None
            engine, changes, asked = self.host.engine, self.host.changes, Asked(self._app, self.share.proxy.run)
            _proxy.ensure(engine, changes, asked.wanted(engine, changes, self.share.proxy.container), credentials)
            asked.record(changes)
            self.certify()

    def certify(self) -> None:
        """Its certificate is there, if it has one of its own, before the route names it."""
        if self._certificate:
            self._certificate.ensure(self.host.changes, self.share.name)

    def lead_to(self, container: str) -> None:
        """To a container, by name or ID, as soon as it answers the health check."""
        if self.share.route is None:
            return
        options = flags.options(
            self.share.route,
            deploy_timeout=self.share.deploy_timeout,
            drain_timeout=self.share.drain_timeout,
            tls_paths=self._certificate.paths if self._certificate else None,
        )
        self._route().deploy(container, options, flags.app_port(self.share.route), called=self.host.name)

    def remove(self) -> None:
        if self.host.engine.inspect(PROXY_CONTAINER) is not None:
            self._route().remove()

    @property
    def _app(self) -> str:
        return Names(self.share.app, self.share.destination).qualified

    def clean(self) -> None:
        """Certificates that the route has had go once it names them no more."""
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
        return Route(self.host.engine, self.host.changes, self.host.name)
