# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes the plan: a configuration resolved for one version and the hosts of one run, with secret names only."""

from __future__ import annotations

from typing import Any, Collection, Dict, Iterable, List, Mapping, Optional

from ...module_utils._errors import ConfigError, Problem
from ...module_utils._names import NETWORK, Names, accessory_certificates, short_version
from ...module_utils._proxy.settings import proxy_container
from ...module_utils._shares import HostShare, ProxyShare, RoleShare
from ..config.load import Config
from ..config.topology import Accessory as AccessorySection
from ..config.topology import Role
from . import accessories as beside
from . import assets, batches, connections, containers, mounts, pages, recording, secret_names, unsupported
from . import env as _env
from . import hooks as _hooks
from . import loadbalancer as _loadbalancer
from .images import Images, registry
from .model import Accessory, Build, Lock, Plan, Registry
from .run import (
    ABOUT_ACCESSORIES,
    BOOTING,
    BUILDING,
    HOSTS,
    RELEASE,
    WITH_ACCESSORIES,
    Run,
)

NO_HOST_OF_A_ROLE = (
    "No host of a role takes part in this run, so that there is nothing to deploy to. The roles have {hosts}: choose "
    "among them with --limit, or run over all of them. Accessories are started by caravan.kamal.setup."
)


def plan(config: Config, run: Run) -> Plan:
    """Everything a run needs to know. Raises ConfigError for what cannot be done."""
    return _Planner(config, run).plan()


class _Planner:
    def __init__(self, config: Config, run: Run) -> None:
        self.config = config
        self.data = config.data
        self.run = run
        self.names = Names(self.data["service"], config.destination)
        self.images = Images(config, run.version, run.image)
        self.boot: Mapping[str, Any] = self.data["boot"]
        self.topology = config.topology
        self.part = self.topology.of_roles(run.roles)
        about, taking_part = run.command in ABOUT_ACCESSORIES, set(run.hosts)
        self.accessories = beside.named(self.topology, run.accessory) if about else self.topology.accessories
        order = [] if about else [host for host in self.part.boot_order if host in taking_part]
        self.order = order[:1] if run.primary else order
        self.gate = self.part.gate(self.order)
        self.balancers = {} if about else _loadbalancer.shares(config, self.topology, run, self._proxy)
        self.error_pages: Optional[str] = None
        self.serial = batches.serial(self.boot.get("limit"), len(self.order))
        builds = run.build and bool(self.order)
        self.build: Optional[Build] = self._build() if builds else None
        self.hooks = _hooks.find(config, run, builds=builds)

    def plan(self) -> Plan:
        if self.run.command in BOOTING:
            self._prepare_to_boot()
        hosts = {host: self._host(host) for host in self.order}
        accessories = {accessory.name: self._accessory(accessory) for accessory in self.accessories}
        booted = list(accessories.values()) if self.run.command in WITH_ACCESSORIES else []
        beside.refuse(self.config, booted)
        return Plan(
            service=self.names.service,
            destination=self.config.destination,
            version=self.run.version,
            short_version=short_version(self.run.version),
            command=self.run.command,
            performer=self.run.performer,
            project_root=self.config.project_root,
            secrets_path=self.data["secrets_path"],
            error_pages_path=pages.path(self.config),
            gate_role=self.gate.name if self.gate else None,
            order=self.order,
            all_hosts=self._all_hosts(accessories.values()),
            roles=list(self.run.roles),
            serial=self.serial,
            wait=self.boot["wait"],
            connection_starts=self.data["sshkit"]["max_concurrent_starts"],
            dns_retries=self.data["sshkit"]["dns_retries"],
            lock=self._lock(),
            build=self.build,
            image=self.run.image,
            before_staging=self._before_staging(self._remote_hosts()),
            hosts=hosts,
            accessories=accessories,
            balancers=self.balancers,
            hooks=self.hooks,
            secrets=self._secrets(hosts.values(), accessories.values()),
            secrets_from=self.run.secrets_from,
            registry=self.images.registry(),
            registry_here=self.images.registry_here,
            output=recording.output(self.data.get("output") or {}),
            notices=[*self._notices(), *beside.notices(self.config, booted)],
        )

    def _all_hosts(self, accessories: Iterable[Accessory]) -> List[str]:
        """Each once: those of the app, of accessories and of the load balancer, unless only a part is asked for."""
        if self.run.roles or self.run.primary:
            return self.order
        beside_them = [host for accessory in accessories for host in accessory.hosts]
        return list(dict.fromkeys([*self.order, *beside_them, *self.balancers]))

    def _prepare_to_boot(self) -> None:
        beside_them = self.topology.accessories or self.topology.balancers
        if not self.order and not (self.run.command in WITH_ACCESSORIES and beside_them):
            hosts = ", ".join(self.part.boot_order) or "no host"
            raise ConfigError([Problem(NO_HOST_OF_A_ROLE.format(hosts=hosts))])
        unsupported.refuse(self.config, self.topology.roles)
        self.error_pages = pages.folder(self.config, self.run.version)

    def _build(self) -> Build:
        run = self.run
        if run.command == "dev":
            return self.images.build_here(run.inventory)
        build = self.images.build(run.command == "build" or bool(self._remote_hosts()), run.inventory)
        return self.images.require_one_place(build)

    def _remote_hosts(self) -> List[str]:
        return [host for host in self.order if host not in self.run.local_hosts]

    def _secrets(self, hosts: Iterable[HostShare], accessories: Collection[Accessory]) -> List[str]:
        names = secret_names.find(self.run, self.images.registry(), hosts, accessories, self.build)
        names.update(name for hook in self.hooks.values() for name in hook.secrets or ())
        names.update(_loadbalancer.secret_names(self.run, self.balancers.values()))
        return sorted(names.union(connections.secret_names(self.config)))

    def _before_staging(self, remote: List[str]) -> Optional[str]:
        if self.run.command not in BUILDING or not self.order:
            return None
        if self.run.image:
            return "look_up"
        return "deliver" if remote and not self.images.has_registry else None

    def _lock(self) -> Lock:
        """On the first host of the full plan, whatever part this run covers: part and whole exclude each other."""
        boots = self.run.command in WITH_ACCESSORIES
        return Lock(
            host=self._lock_host(),
            directory=self.names.lock_directory,
            ttl=batches.lease_seconds(
                wait=int(self.boot["wait"]),
                roles=[containers.times(self.data, role) for role in self.topology.roles],
                hosts=len(self.order),
                batch=self.serial,
                forks=self.run.forks,
                accessories=[int(each.settings["ready_timeout"]) for each in self.accessories if boots],
                balancers=[2 * (self.data["deploy_timeout"] + self.data["drain_timeout"]) for _host in self.balancers],
                hooks={name: hook.timeout for name, hook in self.hooks.items()},
            ),
        )

    def _lock_host(self) -> str:
        """The first, unless the operator names another because that one is down."""
        every, wanted = self.topology.all_hosts, self.run.lock_host
        if wanted and wanted not in every:
            message = f"{wanted} is no host of this service; name one of {', '.join(every)}"
            raise ConfigError([Problem(message, where="kamal_lock_host")])
        return wanted or every[0]

    # Shares

    def _host(self, host: str) -> HostShare:
        present = self.part.on_host(host)
        proxied = any(role.proxied for role in present)
        gate = self.gate.name if self.gate else None
        return HostShare(
            host=host,
            service=self.names.service,
            destination=self.config.destination,
            version=self.run.version,
            command=self.run.command,
            performer=self.run.performer,
            network=NETWORK,
            image=self.images.share(),
            roles=[self._role(role, host) for role in present],
            gate_roles=[role.name for role in present if role.name == gate],
            other_roles=[role.name for role in present if role.name != gate],
            proxy=self._proxy(host) if proxied else None,
            error_pages=self.error_pages if proxied else None,
            folders=mounts.volume_folders(self.data),
            parallel_roles=self.boot["parallel_roles"],
            retain=self.data["retain_containers"],
            audit_log=self.names.audit_log,
            history_file=self.names.history_file,
        )

    def _role(self, role: Role, host: str) -> RoleShare:
        env = _env.for_host(self.data.get("env") or {}, role.settings.get("env") or {}, role.tags[host])
        version, image = self.run.version, self.images.share().reference
        times = containers.times(self.data, role)
        env_file, kept = self.names.role_env_file(role.name), self.names.kept_env_file(version, role.name)
        route = containers.route_settings(self.config, role) if role.proxied else None
        return RoleShare(
            name=role.name,
            container=self.names.container(role.name, version),
            route=self.names.role(role.name) if role.proxied else None,
            proxy=route,
            certificate=containers.certificate(route, f"{self.names.certificates}/{role.name}"),
            body=containers.role_body(self.config, role, host, image, version, env),
            secrets=env.needed(),
            env_file=env_file,
            kept_env_file=kept,
            secrets_file={HOSTS: env_file, RELEASE: kept}.get(self.run.secrets_from),
            assets=assets.shares(self.config, role, version),
            stop_timeout=times.stop,
            deploy_timeout=times.deploy,
            drain_timeout=times.drain,
            readiness_delay=times.readiness,
        )

    # Accessories

    def _accessory(self, accessory: AccessorySection) -> Accessory:
        name, section = accessory.name, accessory.settings
        service = accessory.service(self.names.service)
        env, route = _env.read(section.get("env") or {}), containers.accessory_route(section)
        env_file, files = self.names.accessory_env_file(name), mounts.files(section, service, bool(env.needed()))
        # Files that are rendered here may hold any of them.
        on_hosts = self.run.secrets_from == HOSTS and not any(file.template for file in files)
        return Accessory(
            name=name,
            service=service,
            hosts=list(accessory.hosts),
            body=containers.accessory_body(self.config, accessory, service, env),
            secrets=env.needed(),
            env_file=env_file,
            secrets_file=env_file if on_hosts else None,
            network=section["network"],
            files=files,
            directories=mounts.directories(section, service),
            update=section["update"],
            backup=containers.words(section.get("backup")) or [],
            ready=containers.words(section.get("ready")) or [],
            route=route,
            certificate=containers.certificate(route, accessory_certificates(service)),
            deploy_timeout=self.data["deploy_timeout"],
            drain_timeout=self.data["drain_timeout"],
            ready_timeout=section["ready_timeout"],
            readiness_delay=self.data["readiness_delay"],
            registry=self._accessory_registry(accessory),
            proxies=self._proxies(accessory),
        )

    def _proxies(self, accessory: AccessorySection) -> Dict[str, ProxyShare]:
        """The kamal-proxy of each of its hosts, if it is behind one."""
        hosts = accessory.hosts if "proxy" in accessory.settings else ()
        return {host: self._proxy(host) for host in hosts}

    def _proxy(self, host: str) -> ProxyShare:
        run = containers.proxy_run(self.config, self.topology.on_host(host), self.topology.accessories_on(host))
        if host in self.topology.balancers:
            run = _loadbalancer.proxy_run(self.config, run)
        body = proxy_container(run)
        return ProxyShare(body, run, login=self.images.is_in_registry(body["Image"]))

    def _accessory_registry(self, accessory: AccessorySection) -> Optional[Registry]:
        """Its own registry, or the app's where its image lies there too."""
        section = accessory.settings
        if "registry" in section:
            return registry(section["registry"], f"accessories/{accessory.name}/registry")
        return self.images.registry() if self.images.is_in_registry(str(section["image"])) else None

    # What the operator should know

    def _notices(self) -> List[str]:
        if self.run.command not in BOOTING:
            return []
        gate = []
        left = [role.name for role in self.topology.roles if role not in self.part.roles]
        if left:
            gate = [f"Only {', '.join(self.run.roles)} takes part in this run; {', '.join(left)} stays as it is."]
        elif self.run.primary:
            gate = [f"Only {', '.join(self.order)} takes part in this run; other hosts stay as they are."]
        if self.gate and not self.gate.primary:
            gate += [
                f"No host of the primary role {self.topology.primary_role} takes part in this run: "
                f"{self.gate.name} is the role that the others wait for."
            ]
        misnamed = _hooks.notices(self.config, self.run)
        return [
            *self.config.notices,
            *gate,
            *misnamed,
            *connections.notices(self.config),
            *unsupported.notices(self.config, self.topology.roles),
        ]
