# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The part of the plan that is handed to hosts of the load balancer, as `_shares` are to the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, List, Mapping, Optional, Sequence

from ._data import about
from ._shares import CertificateShare, ProxyShare


@dataclass(frozen=True)
class BalancedRoute:
    """What a load balancer routes to the hosts of a role."""

    name: str = field(metadata=about("Its name in kamal-proxy, that of the role's own route.", "hello-web"))
    proxy: Mapping[str, Any] = field(metadata=about("What kamal-proxy is told, as in a C(proxy) section."))
    targets: Mapping[str, str] = field(
        metadata=about("By host where its kamal-proxy listens.", {"web1": "192.0.2.10:80"})
    )


@dataclass(frozen=True)
class LoadBalancerShare:
    """The load balancer on one of its hosts."""

    host: str = field(metadata=about("The host.", "lb1"))
    service: str = field(metadata=about("The service.", "hello"))
    destination: Optional[str] = field(metadata=about("The destination, or null.", "staging"))
    command: str = field(metadata=about("What the plan is for.", "deploy"))
    performer: str = field(metadata=about("Who runs it, for the audit log.", "sam@example.com"))
    routes: Sequence[BalancedRoute] = field(metadata=about("Its routes, one for each role behind kamal-proxy."))
    certificate: Optional[CertificateShare] = field(
        metadata=about("The certificate of its routes, null where it has none of its own.")
    )
    is_given_secrets: bool = field(
        metadata=about("Whether the certificate is handed over; else it is the one that lies there.", True)
    )
    proxy: ProxyShare = field(metadata=about("Its kamal-proxy."))
    deploy_timeout: int = field(metadata=about("Seconds that a host has to answer the health check.", 30))
    drain_timeout: int = field(metadata=about("Seconds that requests under way may take.", 30))

    @property
    def needed_secrets(self) -> List[Mapping[str, str]]:
        """What the controller gives to it, by the names of their secrets."""
        return [self.certificate.secrets] if self.certificate and self.is_given_secrets else []
