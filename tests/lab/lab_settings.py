# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the lab's machines, addresses, files and labels are called."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import List, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
CACHE = ROOT / ".cache" / "lab"

LABEL = "caravan.lab"
IMAGE_LABEL = "caravan.lab.image"
SETUP_LABEL = "caravan.lab.setup"
PREFIX = "caravan-lab-"
NETWORK = "caravan-lab"
SUBNET = ipaddress.ip_network(os.environ.get("CARAVAN_LAB_SUBNET", "10.213.7.0/24"))

REGISTRY = "registry:4443"
REGISTRY_USER = "caravan"
DEPLOY_UID = 1500

SSH_KEY = CACHE / "id_ed25519"
HOST_KEY = CACHE / "host_key"
KNOWN_HOSTS = CACHE / "known_hosts"
SSH_CONFIG = CACHE / "ssh_config"
REGISTRY_CERT = CACHE / "registry.crt"
REGISTRY_KEY = CACHE / "registry.key"
REGISTRY_PASSWORD = CACHE / "registry_password"
DOCKER_CONFIG = CACHE / "docker"


class LabError(Exception):
    """Something the person at the keyboard can put right; the message says how."""


class Machine(NamedTuple):
    name: str
    kind: str
    ip: str

    @property
    def container(self) -> str:
        return PREFIX + self.name

    @property
    def volume(self) -> str:
        return PREFIX + self.name


def address(number: int) -> str:
    return str(SUBNET[number])


REGISTRY_MACHINE = Machine("registry", "registry", address(2))
LOAD_BALANCER = Machine("load_balancer", "load_balancer", address(3))


def test_hosts(count: int) -> List[Machine]:
    """web1, web2, worker1 for three; of more, all but one serve the web."""
    workers = 1 if count >= 3 else 0
    web = [Machine(f"web{number}", "host", address(10 + number)) for number in range(1, count - workers + 1)]
    return web + [Machine(f"worker{number}", "host", address(100 + number)) for number in range(1, workers + 1)]


def is_web(machine: Machine) -> bool:
    return machine.kind == "host" and machine.name.startswith("web")
