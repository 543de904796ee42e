# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The load balancer of a service on one of its hosts: hosts of roles are put into it, taken out of it, and it goes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import List, Mapping, Optional, Sequence, Tuple

from .._balancing import LoadBalancerShare
from .._host import files, networks
from .._host.changes import Changes
from .._host.engine import Engine
from .._names import NETWORK, PROXY_CONTAINER, Names
from .._proxy import apps_config, commands, flags
from .._proxy import container as _proxy
from .._proxy.asked import Asked
from .._proxy.certificate import Certificate
from .._proxy.pool import Pool
from .._proxy.route import Route
from . import history

# It leaves kamal-proxy as it is.
WITHOUT_BOOT = "redeploy"


@dataclass
class LoadBalancer:
    """`secrets` has the values by secret name, `foretold` the actions that an earlier task of the run has listed for
    the network and kamal-proxy."""

    engine: Engine
    changes: Changes
    share: LoadBalancerShare
    secrets: Mapping[str, str]
    credentials: Optional[Mapping[str, str]] = None
    foretold: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.names = Names(self.share.service, self.share.destination)
        own = self.share.certificate
        first = self.share.routes[0].name if self.share.routes else ""
        self._certificate = Certificate(own, self.secrets, self.engine, first) if own else None

    def put_in(
        self,
        hosts: Sequence[str],
        if_they_answer: bool = False,
        taken_out: Sequence[str] = (),
        earlier: Sequence[str] = (),
    ) -> None:
        """These get requests too, once they answer; with `if_they_answer` those that do not are left out.

        What got requests before and is no host of the role any more gets none, and neither does what does not answer.
        In check mode `taken_out` and `earlier` are what earlier tasks of the run would have taken out and put in.
        """
        if not (self.changes.check_mode and earlier):
            self._ensure_proxy()
            if self._certificate:
                self._certificate.ensure(self.changes, "the load balancer")
        for pool in self._pools(self._certificate.paths if self._certificate else None):
            if self.changes.check_mode:
                pool.foretell(taken_out, earlier)
            self._put_in(pool, hosts, if_they_answer)
        if not (self.changes.check_mode and earlier):
            self._clean()
        self._audit(f"Put {', '.join(hosts)} into the load balancer")

    def take_out(self, hosts: Sequence[str], earlier: Sequence[str] = ()) -> List[str]:
        """These get no requests any more, and those under way have ended, unless no other host answers.

        Whatever else is to change about the routes comes with those that are put in. In check mode `earlier` are what
        earlier tasks of the run would have put in. Returns those that were taken out; where kamal-proxy does not run
        nobody gets requests, and the next that is put in starts it.
        """
        if not self._runs(earlier):
            if self.share.command == WITHOUT_BOOT:
                _proxy.require_running(self.engine)
            return []
        taken = [host for pool in self._pools() for host in self._take_out(pool.as_it_is, hosts)]
        self._audit(f"Took {', '.join(taken)} out of the load balancer")
        return list(dict.fromkeys(taken))

    def remove(self) -> List[str]:
        """Its routes and files are gone. Returns the names of the routes."""
        known = commands.look(self.engine, self.changes)
        routes = [route.name for route in self.share.routes if route.name in known]
        if routes:
            _proxy.start_again(self.engine, self.changes)
        for name in routes:
            Route(self.engine, self.changes, name).remove()
        for path in (self.names.proxy_app_directory, self.names.proxy_settings):
            if files.exists(path):
                self.changes.do(f"remove {path}", partial(files.remove, path))
        self._audit("Removed the load balancer")
        return routes

    def _put_in(self, pool: Pool, hosts: Sequence[str], if_they_answer: bool) -> None:
        now = pool.hosts
        new = [host for host in pool.share.targets if host in hosts and host not in now]
        if new and if_they_answer:
            new = pool.answering(new)
        if new or not pool.is_as_wanted:
            now = pool.answering(now)
        wanted = [host for host in pool.share.targets if host in now or host in new]
        if wanted:
            pool.lead_to(wanted)

    def _take_out(self, pool: Pool, hosts: Sequence[str]) -> List[str]:
        leaving = [host for host in pool.hosts if host in hosts]
        others = [host for host in pool.hosts if host not in hosts]
        staying = pool.answering(others) if leaving else []
        if not staying:
            if leaving and others:
                self.changes.notice(f"{', '.join(leaving)}: kept in the load balancer, as no other host answers it")
            return []
        pool.lead_to(staying)
        return leaving

    def _pools(self, tls_paths: Optional[Tuple[str, str]] = None) -> List[Pool]:
        options = [
            flags.options(
                route.proxy,
                deploy_timeout=self.share.deploy_timeout,
                drain_timeout=self.share.drain_timeout,
                tls_paths=tls_paths,
            )
            for route in self.share.routes
        ]
        routes = [Route(self.engine, self.changes, route.name) for route in self.share.routes]
        return [Pool(*each) for each in zip(routes, self.share.routes, options)]

    def _runs(self, earlier: Sequence[str]) -> bool:
        """In check mode kamal-proxy does where an earlier task would have started it."""
        container = self.engine.inspect(PROXY_CONTAINER)
        if container is None:
            return False
        is_foretold = self.changes.check_mode and bool(earlier or self.foretold)
        return is_foretold or bool(container["State"]["Status"] == "running")

    def _ensure_proxy(self) -> None:
        """In check mode it is not listed if an earlier task has listed all of it."""
        if self.share.command == WITHOUT_BOOT:
            return _proxy.require_running(self.engine)
        if not self.changes.check_mode:
            return self._boot(self.changes)
        changes = Changes(check_mode=True)
        self._boot(changes)
        if not set(changes.actions) <= set(self.foretold):
            self.changes.add(changes)
        return None

    def _boot(self, changes: Changes) -> None:
        networks.ensure(self.engine, changes, NETWORK)
        asked = Asked(self.names.qualified, self.share.proxy.run)
        asked.ensure(self.engine, changes, self.share.proxy, self.credentials)

    def _clean(self) -> None:
        """Certificates that the routes have had go once no route names them."""
        directory = self.names.certificates
        wanted = self._certificate.folder if self._certificate else None
        parents = [f"{directory}/{name}" for name in files.folders(directory)]
        paths = [f"{parent}/{name}" for parent in parents for name in files.folders(parent)]
        outdated = [path for path in paths if path != wanted]
        apps_config.remove_unnamed(self.engine, self.changes, outdated, {route.name for route in self.share.routes})

    def _audit(self, text: str) -> None:
        if self.changes.changed and not self.changes.check_mode:
            line = history.audit_line(self.share.performer, (self.share.destination,), text)
            files.append(self.names.audit_log, line)
