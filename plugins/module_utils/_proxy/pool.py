# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A route that leads to several hosts, each with a kamal-proxy of its own: which of them get requests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import List, Mapping, Optional, Sequence
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from .._balancing import BalancedRoute
from .._errors import ProxyError
from .flags import Options, diff
from .route import Route
from .state import Service
from .values import SECOND


@dataclass
class Pool:
    """`route` is the one in kamal-proxy, `share` what it should be."""

    route: Route
    share: BalancedRoute
    options: Options

    @property
    def hosts(self) -> List[str]:
        """Those that get requests now, in the order of the configuration."""
        targets = self.route.current.targets if self.route.current else ()
        return [host for host, target in self.share.targets.items() if target in targets]

    @property
    def is_as_wanted(self) -> bool:
        """Whether nothing but hosts that are to come could be missing."""
        current = self.route.current
        return bool(current and len(current.targets) == len(self.hosts) and not diff(self.options, current.options))

    @property
    def as_it_is(self) -> Pool:
        """The same where only who gets the requests is to change: what kamal-proxy keeps of the options stays."""
        current = self.route.current
        kept = current.options.lasting() if current else {}
        return replace(self, options=Options({**self.options.values, **kept}))

    def foretell(self, taken_out: Sequence[str], put_in: Sequence[str]) -> None:
        """As it will be when earlier tasks of the run have been carried out, which in check mode they are not."""
        hosts = [host for host in self.hosts if host not in taken_out]
        targets = [target for host, target in self.share.targets.items() if host in hosts or host in put_in]
        current = self.route.current
        if current or targets:
            options = current.options if current else self.options
            self.route.current = Service(self.share.name, options, tuple(targets))

    def lead_to(self, hosts: Sequence[str]) -> None:
        """These get the requests, and no others. Raises ProxyError where one of them does not answer."""
        targets = [self.share.targets[host] for host in hosts]
        try:
            self.route.lead_to(targets, self.options, ", ".join(hosts))
        except ProxyError as error:
            raise ProxyError(self._explained(hosts, error)) from error

    def answering(self, hosts: Sequence[str]) -> List[str]:
        """Those that answer the health check; of the others a notice says why not. In check mode all of them."""
        if self.route.changes.check_mode:
            return list(hosts)
        reasons = self._reasons(hosts)
        for host, reason in reasons.items():
            self.route.changes.notice(
                f"{host} gets no requests for {self.share.name} from the load balancer: {reason}. The next deploy to "
                "it puts it back"
            )
        return [host for host in hosts if host not in reasons]

    def _explained(self, hosts: Sequence[str], error: ProxyError) -> str:
        reasons = self._reasons(hosts)
        if not reasons:
            return error.message
        told = "; ".join(f"{host}: {reason}" for host, reason in reasons.items())
        return (
            f"The load balancer gets no answer for {self.share.name} from {told}. See that the host is reached there "
            "(a firewall, loadbalancer/targets) and that its kamal-proxy routes this. Requests go on to "
            f"{', '.join(self.hosts) or 'no host'} alone."
        )

    def _reasons(self, hosts: Sequence[str]) -> Mapping[str, str]:
        """Why each of those that do not answer does not."""
        looks = {host: self._reason(self.share.targets[host]) for host in hosts}
        return {host: reason for host, reason in looks.items() if reason}

    def _reason(self, target: str) -> Optional[str]:
        values = self.options.values
        name, port = values["health-check-host"], values["health-check-port"]
        place = f"{target.rpartition(':')[0]}:{port}" if port else target
        url = f"http://{place}{values['health-check-path']}"
        request = Request(url, headers={"Host": name} if name else {})
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=values["health-check-timeout"] / SECOND):
                return None
        except HTTPError as error:
            return f"{url} answered {error.code}"
        except (URLError, HTTPException, OSError, ValueError) as error:
            return f"{url} gave no answer ({getattr(error, 'reason', error)})"
