# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan: a configuration resolved for one version and the hosts of one run, as plain data with secret names only."""

from __future__ import annotations

import contextlib
import re
import shlex
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from ...module_utils import _body, _env
from ...module_utils._docker_run import options
from ...module_utils._errors import ConfigError, Problem
from ...module_utils._names import NETWORK, VERSION_LABEL, Names, accessory_service, short_version
from ...module_utils._proxy.settings import proxy_container
from ..config.lines import merge
from ..config.load import Config
from ..config.topology import Accessory, Role, Topology
from . import unsupported

DEPLOY_TIMEOUT = 30
DRAIN_TIMEOUT = 30
READINESS_DELAY = 7
RETAIN_CONTAINERS = 5
DOCKER_STOP_TIMEOUT = 10
LEASE_MARGIN = 300
DOCKER_HUB = "docker.io"

BOOTING = ("deploy", "redeploy", "rollback", "setup")


@dataclass(frozen=True)
class Run:
    """What one run is: its version, the hosts that take part, and what the operator asked for."""

    version: str
    hosts: Sequence[str]
    local_hosts: Sequence[str] = ()
    command: str = "deploy"
    performer: str = ""
    build: bool = True
    skip_hooks: bool = False


def plan(config: Config, run: Run) -> Dict[str, Any]:
    """Everything a run needs to know. Raises ConfigError for what this version of the collection cannot do yet."""
    return _Planner(config, run).plan()


class _Planner:
    def __init__(self, config: Config, run: Run) -> None:
        self.config = config
        self.data = config.data
        self.run = run
        self.names = Names(self.data["service"], config.destination)
        self.topology = Topology(self.data)
        self.all_roles = self.topology.roles
        self.order = [host for host in self.topology.boot_order if host in run.hosts]
        self.gate = self.topology.gate(self.order)

    def plan(self) -> Dict[str, Any]:
        if self.run.command in BOOTING:
            unsupported.refuse(
                self.config,
                self.all_roles,
                self.run.command,
                self.run.build,
                self.run.skip_hooks,
                self._remote_hosts(),
            )
        hosts = {host: self._host(host) for host in self.order}
        accessories = {accessory.name: self._accessory(accessory) for accessory in self.topology.accessories}
        return {
            "service": self.names.service,
            "destination": self.config.destination,
            "version": self.run.version,
            "short_version": short_version(self.run.version),
            "command": self.run.command,
            "performer": self.run.performer,
            "project_root": self.config.project_root,
            "secrets_path": self.data["secrets_path"],
            "gate_role": self.gate.name if self.gate else None,
            "order": self.order,
            "all_hosts": self._all_hosts(accessories),
            "serial": self._serial(),
            "wait": (self.data.get("boot") or {}).get("wait", 0),
            "lock": self._lock(),
            "build": self._build(),
            "hosts": hosts,
            "accessories": accessories,
            "secrets": self._secret_names(hosts, accessories),
            "registry": self._registry(),
            "notices": [*self.config.notices, *self._notices(), *unsupported.notices(self.config, self.all_roles)],
        }

    # Hosts, batches, lock

    def _remote_hosts(self) -> List[str]:
        return [host for host in self.order if host not in self.run.local_hosts]

    def _all_hosts(self, accessories: Mapping[str, Any]) -> List[str]:
        hosts = [*self.order, *(host for accessory in accessories.values() for host in accessory["hosts"])]
        return list(dict.fromkeys(hosts))

    def _serial(self) -> int:
        """Hosts per batch; a percentage is of the hosts that are booted in this run."""
        limit = (self.data.get("boot") or {}).get("limit")
        everything = max(1, len(self.order))
        if limit is None:
            return everything
        if str(limit).endswith("%"):
            return max(1, everything * int(str(limit)[:-1]) // 100)
        return int(limit)

    def _lock(self) -> Dict[str, Any]:
        """On the first host of the full plan, whatever part this run covers: part and whole exclude each other."""
        return {
            "host": self.topology.all_hosts[0],
            "directory": self.names.lock_directory,
            "ttl": LEASE_MARGIN + self._slowest_batch(),
        }

    def _slowest_batch(self) -> int:
        """Seconds that one batch takes at worst: every role of a host boots, drains and stops, one after another."""
        waits = [
            sum(role[wait] for wait in ("deploy_timeout", "drain_timeout", "readiness_delay"))
            + (role["stop_timeout"] or DOCKER_STOP_TIMEOUT)
            for role in map(self._role_times, self.all_roles)
        ]
        return int(sum(waits)) + int((self.data.get("boot") or {}).get("wait", 0))

    # Images

    @property
    def repository(self) -> str:
        image = self.data.get("image") or self.names.service
        server = (self.data.get("registry") or {}).get("server")
        return f"{server}/{image}" if server else str(image)

    def _image(self) -> Dict[str, Any]:
        return {
            "service": self.names.service,
            "repository": self.repository,
            "tag": self.run.version,
            "latest": self.names.latest_tag,
            "pull": "registry" in self.data,
        }

    def _registry(self) -> Optional[Dict[str, Any]]:
        """Where to log in; a secret by name, a plain user name as it is."""
        return _login(self.data.get("registry"))

    def _is_in_registry(self, image: str) -> bool:
        """Whether an image lies in the app's registry, so that its login is meant for this image too."""
        server = (self.data.get("registry") or {}).get("server") or DOCKER_HUB
        first, slash, _rest = image.partition("/")
        named = first if slash and (first == "localhost" or "." in first or ":" in first) else DOCKER_HUB
        return "registry" in self.data and named == str(server).partition("/")[0]

    def _build(self) -> Optional[Dict[str, Any]]:
        if not self.run.build:
            return None
        builder = self.data.get("builder") or {}
        arch = builder.get("arch") or []
        return {
            "service": self.names.service,
            "repository": self.repository,
            "version": self.run.version,
            "latest": self.names.latest_tag,
            "project_root": self.config.project_root,
            "context": builder.get("context"),
            "dockerfile": builder.get("dockerfile", "Dockerfile"),
            "target": builder.get("target"),
            "args": {key: _env.text(value) or None for key, value in (builder.get("args") or {}).items()},
            "arch": arch if isinstance(arch, list) else [arch],
            "push": bool(self._remote_hosts()) and "registry" in self.data,
        }

    # One host

    def _host(self, host: str) -> Dict[str, Any]:
        present = self.topology.on_host(host)
        proxy = self._proxy_container(present, host) if any(role.proxied for role in present) else None
        return {
            "host": host,
            "service": self.names.service,
            "destination": self.config.destination,
            "version": self.run.version,
            "command": self.run.command,
            "performer": self.run.performer,
            "network": NETWORK,
            "image": self._image(),
            "roles": [self._role(role, host) for role in present],
            "gate_roles": [role.name for role in present if self.gate and role.name == self.gate.name],
            "other_roles": [role.name for role in present if self.gate and role.name != self.gate.name],
            "proxy": proxy,
            "proxy_login": proxy is not None and self._is_in_registry(proxy["Image"]),
            "parallel_roles": (self.data.get("boot") or {}).get("parallel_roles", False),
            "retain": self.data.get("retain_containers", RETAIN_CONTAINERS),
            "audit_log": self.names.audit_log,
            "history_file": self.names.history_file,
        }

    def _role(self, role: Role, host: str) -> Dict[str, Any]:
        env = _env.for_host(self.data.get("env") or {}, role.settings.get("env") or {}, role.tags[host])
        container = self.names.container(role.name, self.run.version)
        return {
            **self._role_times(role),
            "name": role.name,
            "container": container,
            "route": self.names.role(role.name) if role.proxied else None,
            "proxy": self._route_settings(role) if role.proxied else None,
            "body": self._body(role, host, container, env),
            "secrets": env.needed(),
            "env_file": self.names.role_env_file(role.name),
        }

    def _role_times(self, role: Role) -> Dict[str, Any]:
        drain = self.data.get("drain_timeout", DRAIN_TIMEOUT)
        stop = role.settings.get("stop_timeout", self.data.get("stop_timeout", None if role.proxied else drain))
        return {
            "stop_timeout": stop,
            "deploy_timeout": self.data.get("deploy_timeout", DEPLOY_TIMEOUT),
            "drain_timeout": drain,
            "readiness_delay": self.data.get("readiness_delay", READINESS_DELAY),
        }

    def _route_settings(self, role: Role) -> Dict[str, Any]:
        own = role.settings.get("proxy")
        merged = merge(self.data.get("proxy") or {}, own if isinstance(own, Mapping) else {})
        return {key: value for key, value in merged.items() if key != "run"}

    def _body(self, role: Role, host: str, container: str, env: _env.Env) -> Dict[str, Any]:
        given = {
            "KAMAL_CONTAINER_NAME": container,
            "KAMAL_VERSION": self.run.version,
            "KAMAL_HOST": host,
            **({"KAMAL_DESTINATION": self.config.destination} if self.config.destination else {}),
        }
        labels = {
            **self.names.labels(role.name),
            VERSION_LABEL: self.run.version,
            **_texts(self.data.get("labels") or {}),
            **_texts(role.settings.get("labels") or {}),
        }
        cmd = role.settings.get("cmd")
        body = _body.body(
            image=f"{self.repository}:{self.run.version}",
            env={**given, **env.clear},
            labels=labels,
            network=NETWORK,
            cmd=shlex.split(str(cmd)) if cmd else None,
            logging=merge(self.data.get("logging") or {}, role.settings.get("logging") or {}),
        )
        self._add_volumes(body, self.data, "volumes")
        options.apply(role.settings.get("options") or {}, body)
        return body

    # The proxy container

    def _proxy_container(self, present: Sequence[Role], host: str) -> Dict[str, Any]:
        """One for all on the host; where several of them say how it runs, they say the same."""
        sections = [self.data.get("proxy") or {}, *(role.settings.get("proxy") for role in present)]
        sections += [accessory.settings.get("proxy") for accessory in self.topology.accessories_on(host)]
        run: Dict[str, Any] = {}
        for section in sections:
            run = merge(run, (section.get("run") or {}) if isinstance(section, Mapping) else {})
        return proxy_container(run)

    # Accessories

    def _accessory(self, accessory: Accessory) -> Dict[str, Any]:
        name, section = accessory.name, accessory.settings
        service = section.get("service") or accessory_service(self.names.service, name)
        env = _env.read(section.get("env") or {})
        return {
            "name": name,
            "service": service,
            "hosts": list(accessory.hosts),
            "body": self._accessory_body(name, service, section, env),
            "secrets": env.needed(),
            "env_file": self.names.accessory_env_file(name),
            "network": section.get("network", NETWORK),
            "registry": self._accessory_registry(section),
        }

    def _accessory_registry(self, section: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
        """Its own registry, or the app's where its image lies there too."""
        if "registry" in section:
            return _login(section["registry"])
        return self._registry() if self._is_in_registry(str(section["image"])) else None

    def _accessory_body(self, name: str, service: str, section: Mapping[str, Any], env: _env.Env) -> Dict[str, Any]:
        server = (section.get("registry") or {}).get("server")
        cmd = section.get("cmd")
        body = _body.body(
            image=f"{server}/{section['image']}" if server else str(section["image"]),
            env=env.clear,
            labels={"service": service, **_texts(section.get("labels") or {})},
            network=section.get("network", NETWORK),
            cmd=shlex.split(str(cmd)) if cmd else None,
            logging=self.data.get("logging"),
        )
        self._add_volumes(body, section, "accessories", name, "volumes")
        self._add_port(body, section, "accessories", name, "port")
        options.apply(section.get("options") or {}, body)
        return body

    def _add_volumes(self, body: Dict[str, Any], section: Mapping[str, Any], *keys: str) -> None:
        with self._at(*keys):
            options.add_volumes([_below_home(str(volume)) for volume in section.get("volumes") or ()], body)

    def _add_port(self, body: Dict[str, Any], section: Mapping[str, Any], *keys: str) -> None:
        port = str(section.get("port", ""))
        if port:
            with self._at(*keys):
                options.add_ports([port if ":" in port else f"{port}:{port}"], body)

    @contextlib.contextmanager
    def _at(self, *keys: str) -> Iterator[None]:
        """What is wrong in here is wrong with this key."""
        try:
            yield
        except ConfigError as error:
            place = self.config.where(*keys)
            raise ConfigError([Problem(found.message, "/".join(keys), place) for found in error.problems]) from error

    # What the operator should know

    def _secret_names(self, hosts: Mapping[str, Any], accessories: Mapping[str, Any]) -> List[str]:
        logins = [self._registry(), *(accessory["registry"] for accessory in accessories.values())]
        credentials = [value for login in logins if login for value in login.values()]
        names = {value["secret"] for value in credentials if isinstance(value, dict)}
        for thing in [*(role for host in hosts.values() for role in host["roles"]), *accessories.values()]:
            names.update(thing["secrets"].values())
        return sorted(names)

    def _notices(self) -> List[str]:
        if self.run.command in BOOTING and self.gate and not self.gate.primary:
            return [
                f"No host of the primary role {self.topology.primary_role} takes part in this run: "
                f"{self.gate.name} is the role that the others wait for."
            ]
        return []


def _below_home(volume: str) -> str:
    """Kamal hands volumes to the shell of the SSH user, so there are several ways to say its home."""
    source = re.sub(r"^(~|\$(PWD|HOME)|\$\{(PWD|HOME)\})(?=/)", ".", volume)
    relative = ":" in source and re.match(r"[^/:]+/", source) and not re.match(r"\.{1,2}/", source)
    return f"./{source}" if relative else source


def _login(section: Optional[Mapping[str, Any]]) -> Optional[Dict[str, Any]]:
    if not section:
        return None
    return {
        "server": section.get("server"),
        "username": _credential(section.get("username")),
        "password": _credential(section.get("password")),
    }


def _credential(value: Any) -> Any:
    return {"secret": str(value[0])} if isinstance(value, list) else value


def _texts(values: Mapping[str, Any]) -> Dict[str, str]:
    return {str(key): _env.text(value) for key, value in values.items()}
