# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What everything on a host is called. Every name is Kamal's; nothing else in the collection builds one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Dict, Mapping, Optional, Tuple

from . import _references

RUN_DIRECTORY = ".kamal"
APPS_DIRECTORY = f"{RUN_DIRECTORY}/apps"
NETWORK = "kamal"
PROXY_CONTAINER = "kamal-proxy"
# A replaced kamal-proxy is removed as soon as the new one answers.
PROXY_REPLACED = f"{PROXY_CONTAINER}_replaced"
# What Kamal 1 has in its place.
FORMER_PROXY = "traefik"
PROXY_VOLUME = "kamal-proxy-config"
PROXY_STATE = "/home/kamal-proxy/.config/kamal-proxy/kamal-proxy.state"
PROXY_DIRECTORY = f"{RUN_DIRECTORY}/proxy"
# How each app that says so wants it to run.
PROXY_SETTINGS = f"{PROXY_DIRECTORY}/settings"
# As the turn of a service: one module at a time changes the container.
PROXY_TURN = f"{RUN_DIRECTORY}/turn-kamal-proxy"
PROXY_APPS_CONFIG = f"{PROXY_DIRECTORY}/apps-config"
PROXY_APPS_CONFIG_INSIDE = "/home/kamal-proxy/.apps-config"

FINGERPRINT_LABEL = "caravan.fingerprint"
VERSION_LABEL = "caravan.version"
SECRETS_LABEL = "caravan.secrets"
SPEC_LABEL = "caravan.spec"
SOURCE_LABEL = "caravan.source"
# On a kamal-proxy that leaves its ports to this container, until it takes its place.
BESIDE_LABEL = "caravan.beside"
# On accessories, whose other labels say nothing of a destination.
DESTINATION_LABEL = "caravan.destination"

# They say whose a container is and are what it is found by.
SERVICE_LABEL = "service"
ROLE_LABEL = "role"
# Empty without a destination.
DEST_LABEL = "destination"
OWN_LABELS = (SERVICE_LABEL, ROLE_LABEL, DEST_LABEL)

HOSTNAME_LENGTH = 51


@dataclass(frozen=True)
class Names:
    """The names of one service at one destination."""

    service: str
    destination: Optional[str] = None

    @property
    def qualified(self) -> str:
        return f"{self.service}-{self.destination}" if self.destination else self.service

    def role(self, role: str) -> str:
        """`SERVICE-ROLE[-DEST]`: the prefix of a role's containers and its service in kamal-proxy."""
        return "-".join(part for part in (self.service, role, self.destination) if part)

    def container(self, role: str, version: str) -> str:
        return f"{self.role(role)}-{version}"

    def labels(self, role: str) -> Dict[str, str]:
        return dict(zip(OWN_LABELS, (self.service, role, self.destination or "")))

    @property
    def filters(self) -> Tuple[str, str]:
        """The labels by which the engine finds the containers of the service at this destination."""
        return of_service(self.service), f"{DEST_LABEL}={self.destination or ''}"

    def owns(self, labels: Mapping[str, str], role: Optional[str] = None) -> bool:
        """Whether a container with these labels is of the service at this destination, and of this role if named.

        The accessory `admin` of `shop` has the label of a service `shop-admin`, but neither a role nor a destination.
        """
        if not role_of(labels) and DEST_LABEL not in labels:
            return False
        is_here = labels.get(SERVICE_LABEL) == self.service and destination_of(labels) == (self.destination or "")
        return is_here and (role is None or role_of(labels) == role)

    @property
    def latest_tag(self) -> str:
        return _references.latest_tag(self.destination or "")

    @property
    def app_directory(self) -> str:
        return f"{APPS_DIRECTORY}/{self.qualified}"

    @property
    def env_directory(self) -> str:
        return f"{self.app_directory}/env"

    def role_env_file(self, role: str) -> str:
        return f"{self.env_directory}/roles/{role}.env"

    @property
    def kept_env_directory(self) -> str:
        """By version what its roles went live with."""
        return f"{self.env_directory}/releases"

    def kept_env_file(self, version: str, role: str) -> str:
        return f"{self.kept_env_directory}/{version}/roles/{role}.env"

    def accessory_env_file(self, accessory: str) -> str:
        return f"{self.env_directory}/accessories/{accessory}.env"

    @property
    def asset_directories(self) -> Tuple[str, str]:
        """Where assets lie as they were in the image, and where containers have them from."""
        return f"{self.app_directory}/assets/extracted", f"{self.app_directory}/assets/volumes"

    @property
    def history_file(self) -> str:
        return f"{self.app_directory}/history.jsonl"

    @property
    def audit_log(self) -> str:
        return f"{RUN_DIRECTORY}/{self.qualified}-audit.log"

    @property
    def lock_directory(self) -> str:
        return f"{RUN_DIRECTORY}/lock-{self.qualified}"

    @property
    def turn_file(self) -> str:
        return f"{RUN_DIRECTORY}/turn-{self.qualified}"

    @property
    def proxy_settings(self) -> str:
        return f"{PROXY_SETTINGS}/{self.qualified}"

    @property
    def proxy_app_directory(self) -> str:
        return f"{PROXY_APPS_CONFIG}/{self.qualified}"

    @property
    def certificates(self) -> str:
        return f"{self.proxy_app_directory}/tls"

    @property
    def error_pages(self) -> str:
        return f"{self.proxy_app_directory}/error_pages"


def of_service(service: str) -> str:
    """The label by which the engine finds everything of a service, at whatever destination."""
    return f"{SERVICE_LABEL}={service}"


def role_of(labels: Mapping[str, str]) -> str:
    """The role of a container, by its labels; empty where it has none, as an accessory."""
    return labels.get(ROLE_LABEL) or ""


def destination_of(labels: Mapping[str, str]) -> str:
    """The destination of a container, by its labels; empty without one."""
    return labels.get(DEST_LABEL) or ""


def proxy_settings_file(app: str) -> str:
    """`app` is the qualified name of a service."""
    return f"{PROXY_SETTINGS}/{app}/run.json"


def accessory_service(service: str, accessory: str) -> str:
    return f"{service}-{accessory}"


def accessory_turn(container: str) -> str:
    """As the turn of a service, for destinations that share the accessory. In a folder of its own, no service's turn
    has the same name."""
    return f"{RUN_DIRECTORY}/accessories/turn-{container}"


def accessory_certificates(container: str) -> str:
    """No service has a name that begins with a point."""
    return f"{PROXY_APPS_CONFIG}/.accessories/{container}"


def staged(container: str) -> str:
    """The name a container waits under until its version goes live."""
    return f"{container}_staged"


def is_staged(container: str) -> bool:
    return container.endswith("_staged")


def asset_folder(role: str, version: str, path: Optional[str] = None) -> str:
    """The name of a version's assets in both `asset_directories`; with `path` it is one of several. No version has a +
    in it."""
    return f"{role}-{version}" + (path.replace("/", "+") if path else "")


def asset_container(container: str) -> str:
    """The container that only hands out a version's assets; what an interrupted run left of it waits to be removed."""
    return staged(f"{container}_assets")


def replaced(container: str) -> str:
    return f"{container}_replaced_{secrets.token_hex(8)}"


def failed(container: str) -> str:
    return f"{container}_failed_{secrets.token_hex(8)}"


def put_aside(accessory: str) -> str:
    """The name of an accessory's container while its successor takes its place."""
    return f"{accessory}_before"


def given_up(accessory: str) -> str:
    """The name of a container that was to be an accessory's and did not get ready; the next one takes it."""
    return f"{accessory}_failed"


def exec_lock(container: str) -> str:
    """The file that a run holds open while this container runs a command for it."""
    return f"{RUN_DIRECTORY}/exec/{container}"


def container_hostname(host: str) -> str:
    return f"{host[:HOSTNAME_LENGTH].rstrip('.')}-{secrets.token_hex(6)}"


def version_of(container: str, prefix: str, labels: Mapping[str, str]) -> str:
    """The version a container runs: from our label, else from its name as Kamal does."""
    named = container[len(prefix) + 1 :] if container.startswith(f"{prefix}-") else container
    return labels.get(VERSION_LABEL) or named


def short_id(its_id: str) -> str:
    """The ID of a container or an image as Docker shows it. A container has it as hostname, which is where kamal-proxy
    sends requests to."""
    return its_id.rpartition(":")[2][:12]


def short_version(version: str) -> str:
    """As Kamal shows it: seven characters, unless it carries a suffix."""
    return version if "_" in version else version[:7]
