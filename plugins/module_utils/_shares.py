# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts of the plan that are handed to hosts. They name secrets and hold no values of them.

`_data` makes plain data of them and reads that again; the documentation of the options follows from the fields. Paths
are relative to the SSH user's home, times are whole seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence

from . import _references
from ._body import Body
from ._data import about


@dataclass(frozen=True)
class ImageShare:
    """The image of a release on a host."""

    service: Optional[str] = field(
        metadata=about("The service that the image's label C(service) must name, or null for any image.", "hello")
    )
    repository: str = field(metadata=about("Its name without a tag.", "registry.example.com/team/hello"))
    tag: str = field(metadata=about("Its tag, the version.", "3f2a9c1"))
    latest: str = field(metadata=about("The tag that it gets when it is live.", "latest"))
    pull: bool = field(metadata=about("Whether there is a registry to pull it from.", True))

    @property
    def reference(self) -> str:
        return _references.tagged(self.repository, self.tag)

    @property
    def latest_reference(self) -> str:
        return _references.tagged(self.repository, self.latest)


@dataclass(frozen=True)
class AssetShare:
    """A folder of static files that requests for either of two versions find."""

    path: str = field(metadata=about("The folder in the image and in the container.", "/app/public/assets"))
    extracted: str = field(metadata=about("What is in the image.", ".kamal/apps/hello/assets/extracted/web-3f2a9c1"))
    volume: str = field(
        metadata=about(
            "What the container has: this, and what is in the image of the version before.",
            ".kamal/apps/hello/assets/volumes/web-3f2a9c1",
        )
    )
    writable: bool = field(metadata=about("Whether the container may write there.", False))


@dataclass(frozen=True)
class PlacedDirectory:
    """A folder on a host that a container is to have."""

    path: str = field(metadata=about("Where it is, below the home or absolute.", "hello-db/data"))
    mode: Optional[str] = field(metadata=about("Its permissions, or null to leave them.", "0750"))
    owner: Optional[str] = field(metadata=about("Its owner, or null to leave that.", "999:999"))


@dataclass(frozen=True)
class CertificateShare:
    """A certificate of one's own in kamal-proxy."""

    certificate: str = field(metadata=about("The name of the secret that holds the certificate.", "CERTIFICATE_PEM"))
    private_key: str = field(metadata=about("The name of the secret that holds its private key.", "PRIVATE_KEY_PEM"))
    directory: str = field(metadata=about("Where both lie.", ".kamal/proxy/apps-config/hello/tls/web"))

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"certificate": self.certificate, "private key": self.private_key}


@dataclass(frozen=True)
class RoleShare:
    """A role on a host."""

    name: str = field(metadata=about("The role.", "web"))
    container: str = field(metadata=about("The name of its container.", "hello-web-3f2a9c1"))
    route: Optional[str] = field(metadata=about("Its name in kamal-proxy, null if it is not behind it.", "hello-web"))
    proxy: Optional[Mapping[str, Any]] = field(
        metadata=about("The C(proxy) section of the configuration for it, null if it is not behind kamal-proxy.")
    )
    certificate: Optional[CertificateShare] = field(
        metadata=about("The certificate of its route, null where it has none of its own.")
    )
    body: Body = field(metadata=about("The container for Docker's API, without secrets."))
    secrets: Mapping[str, str] = field(
        metadata=about("By variable the name of the secret that it gets.", {"DATABASE_URL": "DATABASE_URL"})
    )
    env_file: str = field(metadata=about("The file with its secrets.", ".kamal/apps/hello/env/roles/web.env"))
    kept_env_file: str = field(
        metadata=about(
            "The file with the secrets that this version went live with.",
            ".kamal/apps/hello/env/releases/3f2a9c1/roles/web.env",
        )
    )
    secrets_file: Optional[str] = field(
        metadata=about("The one of these two that its secrets are read from; null if they are handed over.")
    )
    assets: Sequence[AssetShare] = field(metadata=about("Its assets."))
    stop_timeout: Optional[int] = field(
        metadata=about("Seconds that its container has to stop; null leaves it to Docker.", 30)
    )
    deploy_timeout: int = field(metadata=about("Seconds that a new container has to become healthy.", 30))
    drain_timeout: int = field(metadata=about("Seconds that requests under way may take.", 30))
    readiness_delay: int = field(
        metadata=about("Seconds that a container without a health check must have run to count as healthy.", 7)
    )

    @property
    def written_files(self) -> Sequence[str]:
        """Where its secrets are written once it is live. The file of today's has them already if they were read from
        it, and those of another day are none of it."""
        if self.secrets_file is None:
            return [self.env_file, self.kept_env_file]
        return [] if self.secrets_file == self.kept_env_file else [self.kept_env_file]


@dataclass(frozen=True)
class ProxyShare:
    """kamal-proxy on a host."""

    container: Body = field(metadata=about("The container for Docker's API."))
    run: Mapping[str, Any] = field(
        metadata=about("The C(proxy/run) section of the configuration, empty where it leaves that open.", {})
    )
    login: bool = field(metadata=about("Whether its image is pulled with the registry's login.", False))


@dataclass(frozen=True)
class HostShare:
    """What a release on one host needs to know."""

    host: str = field(metadata=about("The host.", "web1"))
    service: str = field(metadata=about("The service.", "hello"))
    destination: Optional[str] = field(metadata=about("The destination, or null.", "staging"))
    version: str = field(metadata=about("The version.", "3f2a9c1"))
    command: str = field(metadata=about("What the plan is for.", "deploy"))
    performer: str = field(metadata=about("Who runs it, for the audit log and the history.", "sam@example.com"))
    network: str = field(metadata=about("The network of its containers.", "kamal"))
    image: ImageShare = field(metadata=about("The image."))
    roles: Sequence[RoleShare] = field(metadata=about("The roles of this host in boot order."))
    gate_roles: Sequence[str] = field(metadata=about("Those of them that the other roles wait for.", ["web"]))
    other_roles: Sequence[str] = field(metadata=about("Those that wait.", ["worker"]))
    proxy: Optional[ProxyShare] = field(metadata=about("Its kamal-proxy, null where nothing is behind it."))
    folders: Sequence[PlacedDirectory] = field(metadata=about("The folders that are made for its volumes."))
    error_pages: Optional[str] = field(
        metadata=about(
            "Where the error pages of this version lie, or null.",
            ".kamal/proxy/apps-config/hello/error_pages/3f2a9c1/1f0e5a9b2c3d4e5f",
        )
    )
    parallel_roles: bool = field(metadata=about("Whether the roles of this host go live side by side.", False))
    retain: int = field(metadata=about("How many stopped containers of each role are kept.", 5))
    audit_log: str = field(metadata=about("The audit log.", ".kamal/hello-audit.log"))
    history_file: str = field(metadata=about("The history.", ".kamal/apps/hello/history.jsonl"))


@dataclass(frozen=True)
class PlacedFile:
    """A file of an accessory on its host. What is in it is no part of the plan."""

    local: str = field(metadata=about("The file in the project.", "config/my.cnf"))
    path: str = field(metadata=about("Where it is put.", "hello-db/etc/mysql/my.cnf"))
    template: Optional[str] = field(metadata=about("What renders it: V(erb), V(jinja) or null.", "erb"))
    secret: bool = field(metadata=about("Whether there may be secrets in it.", False))
    mode: str = field(metadata=about("Its permissions.", "0755"))
    owner: Optional[str] = field(metadata=about("Its owner, or null for the SSH user.", "999:999"))


@dataclass(frozen=True)
class AccessoryBase:
    """What an accessory is, on whatever host."""

    name: str = field(metadata=about("The accessory, as the configuration names it.", "db"))
    service: str = field(metadata=about("The name of its container.", "hello-db"))
    body: Body = field(metadata=about("The container for Docker's API, without secrets."))
    secrets: Mapping[str, str] = field(
        metadata=about("By variable the name of the secret that it gets.", {"POSTGRES_PASSWORD": "DB_PASSWORD"})
    )
    env_file: str = field(metadata=about("The file with its secrets.", ".kamal/apps/hello/env/accessories/db.env"))
    secrets_file: Optional[str] = field(
        metadata=about("The same if its secrets are read from there; null if they are handed over.")
    )
    network: str = field(metadata=about("Its network.", "kamal"))
    files: Sequence[PlacedFile] = field(metadata=about("The files that it is given."))
    directories: Sequence[PlacedDirectory] = field(metadata=about("The folders that are made for it."))
    update: str = field(
        metadata=about("Whether the old container stops before the new one starts, or after.", "stop_first")
    )
    backup: Sequence[str] = field(
        metadata=about("A command that is run in the old container before it is replaced.", ["pg_dumpall"])
    )
    ready: Sequence[str] = field(
        metadata=about("A command in the container that succeeds when that is ready.", ["pg_isready"])
    )
    route: Optional[Mapping[str, Any]] = field(
        metadata=about("Its C(proxy) section of the configuration, null if it is not behind kamal-proxy.")
    )
    certificate: Optional[CertificateShare] = field(
        metadata=about("The certificate of its route, null where it has none of its own.")
    )
    deploy_timeout: int = field(metadata=about("Seconds that it has to answer kamal-proxy's health check.", 30))
    drain_timeout: int = field(metadata=about("Seconds that requests under way may take.", 30))
    ready_timeout: int = field(metadata=about("Seconds that a new container has to become ready.", 60))
    readiness_delay: int = field(
        metadata=about("Seconds that a container without a health check must have run to count as ready.", 7)
    )

    @property
    def needed_secrets(self) -> List[Mapping[str, str]]:
        """What the controller gives to it: variables and its certificate, by the names of their secrets."""
        given = [self.secrets, *([self.certificate.secrets] if self.certificate else [])]
        return given if self.secrets_file is None else []


@dataclass(frozen=True)
class AccessoryShare(AccessoryBase):
    """An accessory on one host."""

    app: str = field(metadata=about("The service that it belongs to.", "hello"))
    destination: Optional[str] = field(metadata=about("The destination, or null.", "staging"))
    host: str = field(metadata=about("The host.", "db1"))
    proxy: Optional[ProxyShare] = field(
        metadata=about("The kamal-proxy of the host, null if it is not behind kamal-proxy.")
    )
    performer: str = field(metadata=about("Who runs it, for the audit log.", "sam@example.com"))
    audit_log: str = field(metadata=about("The audit log.", ".kamal/hello-audit.log"))
    turn_file: str = field(metadata=about("The file that keeps runs of the service apart.", ".kamal/turn-hello"))


@dataclass(frozen=True)
class Built:
    """What a build said about its image; all None where nothing was built.

    `pending`: in check mode, that it would be built anew; `pushed`: that the registry has it, or would have it then.
    """

    image_id: Optional[str] = None
    digest: Optional[str] = None
    pending: bool = False
    pushed: bool = False

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Built:
        """From what the module image_build answered, or an empty map."""
        image_id, digest = answer.get("image_id"), answer.get("digest")
        return cls(image_id, digest, bool(answer) and not (image_id or digest), bool(answer.get("pushed")))


def is_about(answer: Mapping[str, Any], reference: str) -> bool:
    """Whether it was answered of this image: a run still has what it was answered for a service before."""
    return f"{answer.get('repository')}:{answer.get('tag')}" == reference


def needed_secrets(roles: Sequence[RoleShare]) -> List[Mapping[str, str]]:
    """What the controller gives to the roles of a host: variables and certificates, by the names of their secrets."""
    given = [role for role in roles if role.secrets_file is None]
    certificates = [role.certificate.secrets for role in given if role.certificate]
    return [*(role.secrets for role in given), *certificates]


def values(wanted: Mapping[str, str], known: Mapping[str, str]) -> Dict[str, str]:
    """The value of each variable of a share's `secrets`; `known` has the values by the name of the secret."""
    return {variable: known[secret] for variable, secret in wanted.items()}
