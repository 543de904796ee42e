# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan of a run. As the fact `kamal_plan` it is plain data (`_data`); the shares of hosts are in `_shares`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence, Union

from ...module_utils._balancing import LoadBalancerShare
from ...module_utils._data import about
from ...module_utils._shares import AccessoryBase, HostShare, ProxyShare


@dataclass(frozen=True)
class SecretName:
    """A credential that is a secret: its name, not its value."""

    secret: str = field(metadata=about("The name of the secret.", "REGISTRY_PASSWORD"))


@dataclass(frozen=True)
class ConfigValue:
    """A credential that the configuration holds itself: where it stands there, not its value."""

    config: str = field(metadata=about("Its key path.", "registry/password"))


@dataclass(frozen=True)
class Registry:
    """Where to log in for pulling or pushing."""

    server: Optional[str] = field(metadata=about("The server, null for Docker Hub.", "registry.example.com"))
    username: Union[str, SecretName, None] = field(
        metadata=about("The user as the configuration has it, or V({secret: NAME}).", "sam")
    )
    password: Union[SecretName, ConfigValue, None] = field(
        metadata=about("Where the password is: V({secret: NAME}), or V({config: KEY/PATH}) where no secret holds it.")
    )

    @property
    def secret_names(self) -> Sequence[str]:
        return [part.secret for part in (self.username, self.password) if isinstance(part, SecretName)]


@dataclass(frozen=True)
class Accessory(AccessoryBase):
    """An accessory and where it runs."""

    hosts: Sequence[str] = field(metadata=about("Its hosts, whatever part this run covers.", ["db1"]))
    registry: Optional[Registry] = field(metadata=about("Where to log in for its image, or null."))
    proxies: Mapping[str, ProxyShare] = field(
        metadata=about("By host its kamal-proxy; empty if it is not behind kamal-proxy.", key="HOST")
    )


@dataclass(frozen=True)
class Build:
    """How the image is built; all fields but the first are options of the module image_build."""

    host: Optional[str] = field(
        metadata=about("The host of the inventory that builder/remote names and that builds, or null.", "builder1")
    )
    service: str = field(metadata=about("The service, for the image's label.", "hello"))
    repository: str = field(metadata=about("The name of the image without a tag.", "registry.example.com/team/hello"))
    version: str = field(metadata=about("The version, its tag.", "3f2a9c1"))
    latest: str = field(metadata=about("The second tag that is pushed.", "latest"))
    project_root: str = field(metadata=about("The folder of the project.", "/home/sam/hello"))
    context: Optional[str] = field(
        metadata=about("The folder that is built as it is; null means a clean clone of the commit.")
    )
    dockerfile: str = field(metadata=about("The Dockerfile, relative to the folder of the project.", "Dockerfile"))
    target: Optional[str] = field(metadata=about("The stage of the Dockerfile that is built, or null for the last."))
    args: Mapping[str, Optional[str]] = field(
        metadata=about("Build arguments; null takes the value from the environment.", {"RUBY_VERSION": "3.3"})
    )
    secrets: Sequence[str] = field(metadata=about("The names of the secrets that the build may read.", ["GEM_TOKEN"]))
    ssh: Optional[str] = field(metadata=about("The SSH agent or keys that the build may use, or null.", "default"))
    arch: Sequence[str] = field(metadata=about("Architectures; empty means that of the build host.", ["amd64"]))
    driver: Optional[str] = field(
        metadata=about("The driver of buildx, or null for the engine's own builder where that will do.")
    )
    remote: Optional[str] = field(
        metadata=about("The address of the engine that builds for other architectures, or null.", "ssh://builder")
    )
    local: bool = field(metadata=about("Whether the engine of the build host builds too.", True))
    cache_from: Optional[str] = field(
        metadata=about("The cache that is read, or null.", "type=registry,ref=team/hello-build-cache")
    )
    cache_to: Optional[str] = field(
        metadata=about("The cache that is written, or null.", "type=registry,ref=team/hello-build-cache,mode=max")
    )
    provenance: Optional[str] = field(metadata=about("The provenance attestation, or null.", "mode=max"))
    sbom: Optional[str] = field(metadata=about("The SBOM attestation, or null.", "true"))
    pack: Optional[Mapping[str, Any]] = field(
        metadata=about("The builder and the buildpacks, or null for a Dockerfile.")
    )
    push: bool = field(metadata=about("Whether a host needs to pull it.", True))
    latest_here: bool = field(metadata=about("Whether its second tag is given to it on the build host too.", False))


@dataclass(frozen=True)
class Lock:
    """The deploy lock."""

    host: str = field(metadata=about("The host that keeps it: the first of all, or C(kamal_lock_host).", "web1"))
    directory: str = field(metadata=about("Its directory there, relative to the home.", ".kamal/lock-hello"))
    ttl: int = field(metadata=about("Seconds that a lease lasts: the slowest batch or staging, and a margin.", 420))


@dataclass(frozen=True)
class Hook:
    """Something of the project that runs around a stage."""

    file: str = field(metadata=about("Its file on the controller.", "/home/sam/hello/.kamal/hooks/pre-deploy"))
    kind: str = field(metadata=about("Whether it is a V(script) or a file of Ansible V(tasks).", "script"))
    on: str = field(
        metadata=about("Tasks run on the V(controller), V(once) on the first host, or on all V(hosts).", "controller")
    )
    output: Optional[str] = field(metadata=about("V(quiet), V(verbose) or null, as C(hooks_output) has it."))
    timeout: int = field(metadata=about("Seconds that it may take.", 600))
    secrets: Optional[Sequence[str]] = field(
        metadata=about("The names of the secrets that it gets; null for all of them.", ["CHAT_URL"])
    )


@dataclass(frozen=True)
class Output:
    """Where the callback caravan.kamal.output records a run."""

    file: Optional[str] = field(metadata=about("The folder of its files, below the project, or null.", "log/deploys"))
    otel: Optional[str] = field(metadata=about("The OpenTelemetry collector, or null.", "http://otel.example.com:4318"))


@dataclass(frozen=True)
class Plan:
    """A configuration resolved for one version and the hosts of one run."""

    service: str = field(metadata=about("The service.", "hello"))
    destination: Optional[str] = field(metadata=about("The destination, or null.", "staging"))
    version: str = field(metadata=about("The version.", "3f2a9c1b6f0e4d1d8a7c5b3e2f1a0d9c8b7a6f5e"))
    short_version: str = field(metadata=about("The version as people are shown it.", "3f2a9c1"))
    command: str = field(metadata=about("What the plan is for.", "deploy"))
    performer: str = field(metadata=about("Who runs it.", "sam@example.com"))
    project_root: str = field(metadata=about("The folder of the project on the controller.", "/home/sam/hello"))
    secrets_path: str = field(metadata=about("The secrets file below it, without a destination.", ".kamal/secrets"))
    error_pages_path: Optional[str] = field(
        metadata=about("The folder of its error pages on the controller, or null.", "/home/sam/hello/public")
    )
    gate_role: Optional[str] = field(
        metadata=about("The role that the others wait for; null if no host takes part.", "web")
    )
    order: Sequence[str] = field(metadata=about("The hosts of this run in boot order.", ["web1", "web2", "worker1"]))
    all_hosts: Sequence[str] = field(
        metadata=about(
            "These and the hosts of accessories and of the load balancer.", ["web1", "web2", "worker1", "db1", "lb1"]
        )
    )
    roles: Sequence[str] = field(metadata=about("The roles that alone take part; empty for all.", []))
    serial: int = field(metadata=about("How many hosts go live at a time.", 3))
    wait: int = field(metadata=about("Seconds to wait between batches.", 0))
    connection_starts: int = field(metadata=about("How many connections to hosts are begun at a time.", 30))
    dns_retries: int = field(metadata=about("How often the name of a host is looked up again.", 3))
    lock: Lock = field(metadata=about("The deploy lock."))
    build: Optional[Build] = field(metadata=about("How the image is built, null when it is not."))
    image: Optional[str] = field(
        metadata=about("The image that was built elsewhere, or null.", "ghcr.io/acme/hello:1.4")
    )
    before_staging: Optional[str] = field(
        metadata=about(
            "What the role image has to do before hosts stage: V(deliver) it to them where there is no registry, "
            "V(look_up) what was built elsewhere, or null.",
            "deliver",
        )
    )
    hosts: Mapping[str, HostShare] = field(
        metadata=about("For each host what M(caravan.kamal.release) needs to know.", key="HOST")
    )
    accessories: Mapping[str, Accessory] = field(
        metadata=about("For each accessory what M(caravan.kamal.accessory) needs to know.", key="ACCESSORY")
    )
    balancers: Mapping[str, LoadBalancerShare] = field(
        metadata=about(
            "For each host of the load balancer what M(caravan.kamal.loadbalancer) needs to know.", key="HOST"
        )
    )
    hooks: Mapping[str, Hook] = field(metadata=about("The hooks of the project that this run comes to.", key="HOOK"))
    secrets: Sequence[str] = field(
        metadata=about("The names of all secrets that the controller has to know.", ["DATABASE_URL"])
    )
    secrets_from: str = field(
        metadata=about(
            "Where containers get their secrets from: V(controller), or the hosts' own env files, those of today "
            "(V(hosts)) or those that the version went live with (V(release)).",
            "controller",
        )
    )
    registry: Optional[Registry] = field(metadata=about("Where to log in for the image of the service, or null."))
    registry_here: Optional[str] = field(
        metadata=about(
            "The registry on the controller that hosts pull from through their connections, or null.", "localhost:5555"
        )
    )
    output: Output = field(metadata=about("Where the run is recorded."))
    notices: Sequence[str] = field(metadata=about("What the operator is told.", []))
