# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The route of an accessory through the kamal-proxy of its host, if it has one."""

from __future__ import annotations

from .._names import PROXY_CONTAINER
from .._proxy import container as _proxy
from .._proxy import flags
from .._proxy.route import Route
from .accessory_host import AccessoryHost


class AccessoryRoute:
    """In kamal-proxy it has the name of the container."""

    def __init__(self, host: AccessoryHost) -> None:
        self.host, self.share = host, host.share

    def prepare(self) -> None:
        """kamal-proxy runs, where it is needed. One that was needed before and is no longer forgets the route."""
        if self.share.route is None:
            self.remove()
        elif self.share.proxy is not None:
            self.host.ensure_network(self.share.network)
            credentials = self.host.credentials if self.share.proxy.login else None
            _proxy.ensure(self.host.engine, self.host.changes, self.share.proxy.container, credentials)

    def lead_to(self, container: str) -> None:
        """To a container, by name or ID, as soon as it answers the health check."""
        if self.share.route is None:
            return
        options = flags.options(
            self.share.route, deploy_timeout=self.share.deploy_timeout, drain_timeout=self.share.drain_timeout
        )
        self._route().deploy(container, options, flags.app_port(self.share.route), called=self.host.name)

    def remove(self) -> None:
        if self.host.engine.inspect(PROXY_CONTAINER) is not None:
            self._route().remove()

    def _route(self) -> Route:
        return Route(self.host.engine, self.host.changes, self.host.name)
