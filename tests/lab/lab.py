# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The test lab: hosts with a Docker engine and sshd, a registry and a load balancer, all containers of this machine."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

try:
    import docker
except ImportError:
    sys.exit("lab: the Docker SDK for Python is missing; 'pip install docker' into this Python and run this again")

import lab_controller
import lab_image
import lab_keys
import lab_machines
import lab_settings as settings
from docker.models.containers import Container
from lab_settings import LabError, Machine

DEFAULT_HOSTS = 3
MOST_HOSTS = 20


def connect() -> docker.DockerClient:
    return docker.from_env(timeout=120, max_pool_size=50)


@contextmanager
def alone() -> Iterator[None]:
    """Two runs at once would make and remove the same containers."""
    settings.CACHE.mkdir(parents=True, exist_ok=True)
    with open(settings.CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def side_by_side(work: Callable[..., Any], items: Iterable[Tuple[Any, ...]]) -> None:
    with ThreadPoolExecutor(max_workers=MOST_HOSTS + 2) as pool:
        for outcome in [pool.submit(work, *item) for item in items]:
            outcome.result()


def current_hosts(client: docker.DockerClient) -> List[Machine]:
    names = lab_machines.all_containers(client)
    return list(settings.test_hosts(sum(name not in ("registry", "load_balancer") for name in names)))


def host_container(client: docker.DockerClient, name: str) -> Container:
    found = lab_machines.all_containers(client).get(name)
    if found is None:
        raise LabError(f"there is no {name} in the lab; 'lab.py status' names its machines, 'lab.py up' makes them")
    return found


def up(wanted: Optional[int] = None) -> Dict[str, Any]:
    """Makes the lab stand, changing only what is missing, and answers with its inventory."""
    lab_image.script(settings.ROOT / "tools" / "engine.sh")
    lab_image.script(settings.ROOT / "tools" / "kamal_proxy_image.sh")
    lab_image.script(settings.ROOT / "tools" / "app_base.sh")
    client = connect()
    with alone():
        lab_keys.make_keys()
        hosts = settings.test_hosts(wanted or len(current_hosts(client)) or DEFAULT_HOSTS)
        lab_keys.write_ssh_config(hosts)
        image = lab_image.machine_image(client)
        raise_machines(client, hosts, image)
        lab_controller.make_registry_known()
        lab_controller.ensure_buildx(host_container(client, hosts[0].name))
    return inventory(client)


def raise_machines(client: docker.DockerClient, hosts: List[Machine], image: str) -> None:
    lab_machines.ensure_network(client)
    web = [host for host in hosts if settings.is_web(host)]
    machines = [*hosts, settings.REGISTRY_MACHINE, settings.LOAD_BALANCER]
    there = lab_machines.all_containers(client)
    for name in sorted(set(there) - {machine.name for machine in machines}):
        lab_machines.remove(client, there[name])
    missing = [machine.name for machine in machines if machine.name not in there]
    if missing:
        print("lab: starting " + ", ".join(missing), flush=True)
    side_by_side(lab_machines.ensure_machine, [(client, machine, image, web) for machine in machines])
    side_by_side(lab_machines.preload, [(host_container(client, host.name),) for host in hosts])


def down() -> None:
    client = connect()
    with alone():
        lab_machines.remove_all(client)
        lab_controller.forget_registry()


def reset() -> None:
    """Makes every host blank and the registry empty."""
    client = connect()
    machines = [*current_hosts(client), settings.REGISTRY_MACHINE]
    with alone():
        side_by_side(lab_machines.make_blank, [(host_container(client, machine.name), machine) for machine in machines])


def inventory(client: Optional[docker.DockerClient] = None) -> Dict[str, Any]:
    """Everything a test, a playbook or the demo needs to know of the lab, as plain data."""
    hosts = current_hosts(client or connect())
    return {
        "hosts": [{"name": host.name, "ip": host.ip, "web": settings.is_web(host)} for host in hosts],
        "user": "root",
        "deploy_user": "deploy",
        "port": 22,
        "key": str(settings.SSH_KEY),
        "known_hosts": str(settings.KNOWN_HOSTS),
        "ssh_config": str(settings.SSH_CONFIG),
        "docker_config": str(settings.DOCKER_CONFIG),
        "registry": {
            "server": settings.REGISTRY,
            "ip": settings.REGISTRY_MACHINE.ip,
            "username": settings.REGISTRY_USER,
            "password_file": str(settings.REGISTRY_PASSWORD),
            "ca": str(settings.REGISTRY_CERT),
        },
        "load_balancer": f"http://{settings.LOAD_BALANCER.ip}",
        "kept_images": lab_image.kept_images(),
    }


def status() -> List[Tuple[str, str, str]]:
    found = lab_machines.all_containers(connect())
    machines = [*settings.test_hosts(max(0, len(found) - 2)), settings.REGISTRY_MACHINE, settings.LOAD_BALANCER]
    return [(m.name, m.ip, found[m.name].status if m.name in found else "absent") for m in machines]


def lose(name: str) -> None:
    """The host can no longer be reached over SSH; what it serves goes on."""
    container = host_container(connect(), name)
    lab_machines.shell(container, "while pkill sshd; do sleep 0.05; done")


def restore(name: str) -> None:
    lab_machines.shell(host_container(connect(), name), "pgrep -x sshd >/dev/null || /usr/sbin/sshd")


def load_image(image: str, names: List[str]) -> None:
    client = connect()
    wanted = names or [host.name for host in current_hosts(client)]
    side_by_side(lab_machines.load_image, [(host_container(client, name), image) for name in wanted])


def ssh(name: str, command: List[str]) -> int:
    return subprocess.run(["ssh", "-F", str(settings.SSH_CONFIG), name, *command], check=False).returncode


def host_count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= MOST_HOSTS:
        raise argparse.ArgumentTypeError(f"between 1 and {MOST_HOSTS}")
    return count


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add = commands.add_parser("up", help="make the lab stand (what stands already stays)")
    add.add_argument("--hosts", type=host_count, help="test hosts: web1, web2, ... and worker1 (default: 3)")
    commands.add_parser("down", help="remove everything the lab made; images and keys stay cached")
    commands.add_parser("reset", help="make all hosts blank and the registry empty")
    commands.add_parser("status", help="the machines and their state")
    commands.add_parser("inventory", help="names, addresses, keys and registry as JSON")
    add = commands.add_parser("ssh", help="run a command on a host")
    add.add_argument("name")
    add.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD")
    add = commands.add_parser("load-image", help="carry an image of the local engine to hosts")
    add.add_argument("image")
    add.add_argument("names", nargs="*", metavar="HOST")
    for name, text in (("lose", "cut a host's SSH"), ("restore", "bring a host's SSH back")):
        commands.add_parser(name, help=text).add_argument("name")
    return parser.parse_args()


def run(given: argparse.Namespace) -> int:
    if given.command == "up":
        hosts = up(given.hosts)["hosts"]
        print("lab: up, " + ", ".join(f"{host['name']} {host['ip']}" for host in hosts))
    elif given.command == "status":
        for name, ip, state in status():
            print(f"{name:14} {ip:15} {state}")
    elif given.command == "inventory":
        print(json.dumps(inventory(), indent=2))
    elif given.command == "ssh":
        return ssh(given.name, given.words)
    elif given.command == "load-image":
        load_image(given.image, given.names)
    elif given.command in ("lose", "restore"):
        {"lose": lose, "restore": restore}[given.command](given.name)
    else:
        {"down": down, "reset": reset}[given.command]()
    return 0


def main() -> int:
    try:
        return run(arguments())
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
    except docker.errors.APIError as error:
        print(f"lab: the Docker engine refused: {error.explanation}", file=sys.stderr)
    except docker.errors.DockerException as error:
        print(f"lab: no Docker engine answers ({error}); 'tools/engine.sh' starts one", file=sys.stderr)
    return 1


if __name__ == "__main__":
    os.chdir(settings.ROOT)
    sys.exit(main())
