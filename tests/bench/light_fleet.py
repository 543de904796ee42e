# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts that are processes: one machine of the lab with an address, a home and an engine that only answers, for each.

What runs on the controller sees no difference; what it reaches runs modules as hosts do, and no container.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Iterator, List, Sequence

from docker.models.containers import Container

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lab"))
import lab
import lab_image
import lab_keys
import lab_machines
import lab_settings

HERE = Path(__file__).resolve().parent / "light"
NAME = "caravan-light-hosts"
UTILS = "plugins/module_utils"
# The last number of the first host's address; the lab's own machines have lower ones.
FIRST = 130
SECONDS = 60


def start(size: int, images: Sequence[str]) -> Container:
    """The machine with that many hosts, on which the images are."""
    client = lab.connect()
    stop()
    lab_keys.make_keys()
    lab_machines.ensure_network(client)
    machine = client.containers.create(
        lab_image.machine_image(client),
        [str(size), *lab_settings.address(FIRST).rsplit(".", 1), *images],
        entrypoint=["tini", "--", "/light/machine"],
        name=NAME,
        network=lab_settings.NETWORK,
        cap_add=["NET_ADMIN"],
    )
    machine.put_archive("/", lab_keys.archive([*_files(), *lab_keys.files_for(lab_settings.test_hosts(1)[0])]))
    machine.start()
    deadline = time.monotonic() + SECONDS
    while b"ready" not in machine.logs():
        machine.reload()
        if machine.status not in ("created", "running") or time.monotonic() > deadline:
            raise lab_settings.LabError(f"the light hosts did not begin: {machine.logs().decode(errors='replace')}")
        time.sleep(0.2)
    return machine


def stop() -> None:
    for machine in lab.connect().containers.list(all=True, filters={"name": f"^{NAME}$"}):
        machine.remove(force=True, v=True)


def ssh_config(hosts: List[str]) -> str:
    numbered = enumerate(hosts, FIRST)
    names = "".join(f"Host {host}\n    HostName {lab_settings.address(number)}\n" for number, host in numbered)
    return names + lab_keys.SSH_SETTINGS.format(key=lab_settings.SSH_KEY, known_hosts=lab_settings.KNOWN_HOSTS)


def _files() -> Iterator[lab_keys.File]:
    for name in ("machine", "enter", "python"):
        yield lab_keys.File(f"light/{name}", (HERE / name).read_bytes(), 0o755)
    yield lab_keys.File("light/engines.py", (HERE / "engines.py").read_bytes())
    yield lab_keys.File("light/fakes.py", (ROOT / "tests" / "unit" / "fakes.py").read_bytes())
    for path in sorted((ROOT / UTILS).rglob("*.py")):
        inside = f"light/ansible_collections/caravan/kamal/{path.relative_to(ROOT)}"
        yield lab_keys.File(inside, path.read_bytes())
