# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's containers, volumes and network: found, made, waited for, made blank and removed."""

from __future__ import annotations

import hashlib
import subprocess
import time
from typing import Any, Dict, List, Optional

import docker
from docker.models.containers import Container
from lab_image import kept_images
from lab_keys import archive, files_for
from lab_settings import (
    IMAGE_LABEL,
    LABEL,
    NETWORK,
    PREFIX,
    REGISTRY,
    REGISTRY_MACHINE,
    REGISTRY_USER,
    SETUP_LABEL,
    SUBNET,
    LabError,
    Machine,
)

PATIENCE = 180
READY = {
    "host": "docker version >/dev/null 2>&1 && { pgrep -x sshd >/dev/null || /usr/sbin/sshd; }",
    "registry": "curl -sk https://localhost:4443/ -o /dev/null",
    "load_balancer": "curl -s http://localhost/ -o /dev/null",
}
# What a nested engine needs where a privileged container is refused. Its /var/lib/docker is a volume
# because overlay2 does not work on top of overlay.
NESTED_ENGINE: Dict[str, Any] = {
    "cap_add": ["ALL"],
    "cap_drop": ["SYS_RESOURCE"],
    "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
    "cgroupns": "private",
    "tmpfs": {"/run": ""},
}


def all_containers(client: docker.DockerClient) -> Dict[str, Container]:
    found = client.containers.list(all=True, filters={"label": LABEL})
    # Whatever else runs from the lab's image inherits its label, but not its name.
    return {c.labels[LABEL]: c for c in found if c.name == PREFIX + c.labels[LABEL]}


def ensure_network(client: docker.DockerClient) -> None:
    if client.networks.list(names=[f"^{NETWORK}$"]):
        return
    pool = docker.types.IPAMPool(subnet=str(SUBNET))
    try:
        client.networks.create(NETWORK, labels={LABEL: "network"}, ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    except docker.errors.APIError as error:
        raise LabError(
            f"the network {SUBNET} cannot be made ({error.explanation}); choose another with CARAVAN_LAB_SUBNET"
        ) from None


def environment(machine: Machine, web: List[Machine]) -> Dict[str, str]:
    if machine.kind == "registry":
        return {"REGISTRY_USER": REGISTRY_USER}
    if machine.kind == "load_balancer":
        return {"UPSTREAMS": " ".join(host.ip for host in web)}
    return {}


def setup(machine: Machine, env: Dict[str, str]) -> str:
    """Changes with whatever a machine is made with: another clone's keys too make it a machine to be made anew."""
    return hashlib.sha256(repr((env, files_for(machine))).encode()).hexdigest()[:16]


def is_current(container: Optional[Container], machine: Machine, image: str, env: Dict[str, str]) -> bool:
    if container is None:
        return False
    labels = container.labels
    return labels.get(IMAGE_LABEL) == image and labels.get(SETUP_LABEL) == setup(machine, env)


def ensure_machine(client: docker.DockerClient, machine: Machine, image: str, web: List[Machine]) -> None:
    env = environment(machine, web)
    container = all_containers(client).get(machine.name)
    if container is not None and not is_current(container, machine, image, env):
        container.remove(force=True, v=True)
        container = None
    if container is None:
        container = create(client, machine, image, env)
    if container.status == "paused":
        container.unpause()
    elif container.status != "running":
        container.start()
    wait_until_ready(container, machine)


def create(client: docker.DockerClient, machine: Machine, image: str, env: Dict[str, str]) -> Container:
    endpoint = client.api.create_endpoint_config(aliases=[machine.name], ipv4_address=machine.ip)
    created = client.api.create_container(
        image,
        machine.kind,
        name=machine.container,
        hostname=machine.name.replace("_", "-"),
        labels={LABEL: machine.name, IMAGE_LABEL: image, SETUP_LABEL: setup(machine, env)},
        environment=env,
        host_config=host_config(client, machine),
        networking_config={"EndpointsConfig": {NETWORK: endpoint}},
    )
    container = client.containers.get(created["Id"])
    files = files_for(machine)
    if files:
        container.put_archive("/", archive(files))
    return container


def host_config(client: docker.DockerClient, machine: Machine) -> Dict[str, Any]:
    if machine.kind != "host":
        return dict(client.api.create_host_config(network_mode=NETWORK))
    client.volumes.create(machine.volume, labels={LABEL: machine.name})
    config = client.api.create_host_config(
        network_mode=NETWORK,
        binds={machine.volume: {"bind": "/var/lib/docker", "mode": "rw"}},
        extra_hosts={REGISTRY.partition(":")[0]: REGISTRY_MACHINE.ip},
        **NESTED_ENGINE,
    )
    # What the docker command's "systempaths=unconfined" means.
    return {**config, "MaskedPaths": [], "ReadonlyPaths": []}


def shell(container: Container, command: str) -> str:
    done: Any = container.exec_run(["sh", "-c", command])
    text = str(done.output.decode(errors="replace").strip())
    if done.exit_code:
        raise LabError(f"{container.name}: {text or command + ' ended with ' + str(done.exit_code)}")
    return text


def wait_until_ready(container: Container, machine: Machine) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_ready(container, machine):
        if time.monotonic() > deadline:
            log = container.logs(tail=3).decode(errors="replace").strip()
            raise LabError(f"{container.name} is not ready after {PATIENCE} s; the end of its log: {log}")
        time.sleep(0.1)


def is_ready(container: Container, machine: Machine) -> bool:
    """False also while the engine refuses to run a command in a container that it has just started."""
    try:
        return not container.exec_run(["sh", "-c", READY[machine.kind]])[0]
    except docker.errors.APIError:
        return False


def load_image(container: Container, image: str) -> None:
    """Carries an image from the local engine into a test host's engine."""
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as save:
        load = subprocess.run(
            ["docker", "exec", "-i", str(container.name), "docker", "load", "-q"],
            stdin=save.stdout,
            capture_output=True,
            check=False,
            text=True,
        )
        complaint = save.stderr.read().decode().strip() if save.stderr else ""
    if save.returncode or load.returncode:
        raise LabError(f"{image} could not be carried to {container.name}: {complaint or load.stderr.strip()}")


def preload(container: Container) -> None:
    for image in kept_images():
        code, _output = container.exec_run(["docker", "image", "inspect", image])
        if code:
            load_image(container, image)


def make_blank(container: Container, machine: Machine) -> None:
    if machine.kind == "host":
        shell(container, "lab-reset " + " ".join(kept_images()))
        preload(container)
    elif machine.kind == "registry":
        shell(container, "rm -rf /var/lib/registry/docker")


def remove(client: docker.DockerClient, container: Container) -> None:
    container.remove(force=True, v=True)
    for volume in client.volumes.list(filters={"label": f"{LABEL}={container.labels[LABEL]}"}):
        volume.remove(force=True)


def remove_all(client: docker.DockerClient) -> None:
    for container in all_containers(client).values():
        remove(client, container)
    for volume in client.volumes.list(filters={"label": LABEL}):
        volume.remove(force=True)
    for network in client.networks.list(filters={"label": LABEL}):
        network.remove()
