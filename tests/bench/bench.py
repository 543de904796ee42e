# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures deploys on test hosts beside the least work that could do the same, and writes docs/performance.md.

RUNS (5) is how often each is done; the report is written anew after each group of hosts.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Sequence

import chart

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lab"))
import lab
from lab_settings import LOAD_BALANCER
from load import Load

COLLECTIONS = ROOT / ".cache" / "collections"
PROJECT = ROOT / ".cache" / "bench"
REPORT = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"
LEAST_PLAYBOOK = ROOT / "tests" / "bench" / "least_playbook.yml"
IMAGE = "hello"
RUNS = int(os.environ.get("RUNS") or 5)
# How many hosts, and the milliseconds between them and the controller.
COLUMNS = ((1, 0), (3, 0), (3, 25), (3, 50))
# How many hosts, near by, for what each of them adds, the one that says least last. There are rows for what people do
# with many.
FLEETS = (8, 20, 10)
IN_FLEETS = ("least work", "least playbook", "deploy", "rollback", "second run")
FLEET_RUNS = min(3, RUNS)
PLANNED_HOSTS = 1000
# Requests a second, and hosts, of the runs under load.
RATE, LOADED_HOSTS = 50, 3
# What follows it in the report is written by many.py.
MANY_HOSTS = "\n## Hosts that are processes\n"

CONFIG = """\
service: hello
image: bench/{image}
servers:
  web: [{web}]
{worker}proxy: {{host: hello.example.com, app_port: 80}}
readiness_delay: 0
ssh:
  config: {ssh_config}
registry:
  server: {server}
  username: {username}
  password: [REGISTRY_PASSWORD]
"""
# Each version has a layer of its own that no host has.
PULLED_IMAGE = "FROM {image}:base\nCOPY layer /layer\n"
LAYER = 4 * 2**20
WORKER = "  worker: {hosts: [worker1], cmd: hello worker}\n"

LEAST_WORK = """\
set -e
old=$(docker ps -q --filter label=role={role} --filter label=service=hello)
docker run -d --restart unless-stopped --name hello-{role}-{version} --network kamal --label service=hello \
  --label role={role} --label destination= --log-opt max-size=10m \
  -e KAMAL_VERSION={version} {image}:{version} {cmd} >/dev/null
{switch}
[ -z "$old" ] || docker stop $old >/dev/null
docker tag {image}:{version} {image}:latest
"""
SWITCH = (
    "docker exec kamal-proxy kamal-proxy deploy hello-web --host hello.example.com "
    "--target $(docker inspect -f '{{.Config.Hostname}}' hello-web-%s):80"
)


class Cost(NamedTuple):
    """Of one run: seconds that passed, and seconds of the controller's processor."""

    seconds: float
    processor: float


Costs = Dict[str, Dict[str, Cost]]
# By the number of hosts.
Fleets = Dict[int, Dict[str, Cost]]
# By name, the results of the load.
Requests = Dict[str, Dict[str, Any]]


def main() -> int:
    subprocess.run([ROOT / "tools" / "engine.sh"], check=True)
    PROJECT.mkdir(parents=True, exist_ok=True)
    planning = statistics.median(plan_for_many(COLLECTIONS) for _run in range(RUNS))
    print(f"  planning for {PLANNED_HOSTS} hosts: {planning:.2f} s", flush=True)
    lab.up(max(size for size, _round_trip in COLUMNS))
    subprocess.run([ROOT / "tools" / "app_base.sh"], check=True)
    rows: Costs = {}
    fleets: Fleets = {}
    requests: Requests = Fleet(fleet(LOADED_HOSTS)).under_load()
    for size, round_trip in COLUMNS:
        column = f"{size} host{'s' if size > 1 else ''}, {round_trip} ms"
        costs = told(column, Fleet(fleet(size), round_trip).measure(RUNS))
        for name, cost in costs.items():
            rows.setdefault(name, {})[column] = cost
        if not round_trip:
            fleets[size] = costs
    write(rows, fleets, requests, planning)
    for size in FLEETS:
        lab.up(size)
        fleets[size] = told(f"{size} hosts", Fleet(fleet(size)).measure(FLEET_RUNS, IN_FLEETS))
        write(rows, fleets, requests, planning)
    lab.up(lab.DEFAULT_HOSTS)
    return 0


def told(hosts: str, costs: Dict[str, Cost]) -> Dict[str, Cost]:
    for name, cost in costs.items():
        print(f"  {hosts:16} {name:14} {cost.seconds:.2f} s, processor {cost.processor:.2f} s", flush=True)
    return costs


def write(rows: Costs, fleets: Fleets, requests: Requests, planning: float) -> None:
    PICTURE.write_text(chart.bars({name: {c: x.seconds for c, x in cells.items()} for name, cells in rows.items()}))
    _text, heading, many = REPORT.read_text().partition(MANY_HOSTS) if REPORT.exists() else ("", "", "")
    REPORT.write_text(report(rows, fleets, requests, planning) + heading + many)
    print(f"Written to {REPORT.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)}.", flush=True)


def fleet(size: int) -> List[str]:
    """Web hosts, and one worker unless there is just one host."""
    return [f"web{number}" for number in range(1, max(size, 2))] + (["worker1"] if size > 1 else [])


class Fleet:
    """Some of the lab's hosts at a simulated distance, with a project that deploys to them."""

    # What is set for ansible-playbook.
    settings: Mapping[str, str] = MappingProxyType({})

    def __init__(self, hosts: List[str], round_trip: int = 0) -> None:
        self.hosts = hosts
        self.number = 0
        shutil.rmtree(PROJECT, ignore_errors=True)
        (PROJECT / "config").mkdir(parents=True)
        self.ssh_config = PROJECT / "ssh_config"
        registry = lab.inventory()["registry"]
        self.image = f"{registry['server']}/bench/{IMAGE}"
        self.login = {"username": registry["username"], "password": Path(registry["password_file"]).read_text().strip()}
        self.make_ready(round_trip)
        worker = WORKER if "worker1" in hosts else ""
        web = ", ".join(host for host in hosts if host.startswith("web"))
        text = CONFIG.format(image=IMAGE, web=web, worker=worker, ssh_config=self.ssh_config, **registry)
        (PROJECT / "config" / "deploy.yml").write_text(text)
        subprocess.run(["ansible-playbook", "caravan.kamal.init"], cwd=PROJECT, check=True, capture_output=True)
        (PROJECT / ".kamal" / "secrets").write_text(f"REGISTRY_PASSWORD={self.login['password']}\n")

    def make_ready(self, round_trip: int) -> None:
        """Blank hosts that have every version, and how they are reached."""
        lab.reset()
        known = Path(lab.inventory()["ssh_config"]).read_text()
        relay = f'ProxyCommand "{sys.executable}" "{ROOT}/tests/lab/relay.py" --round-trip {round_trip} %h %p\n'
        self.ssh_config.write_text(("Host *\n    " + relay if round_trip else "") + known)
        self._images()

    def _images(self) -> None:
        """Every version is on the hosts before: what is measured is the deploy, not the network."""
        build = [
            "docker",
            "build",
            "-q",
            "--label",
            "service=hello",
            "-t",
            f"{IMAGE}:base",
            str(ROOT / "examples/hello"),
        ]
        subprocess.run(build, check=True, env={**os.environ, "DOCKER_BUILDKIT": "0"}, capture_output=True)
        lab.load_image(f"{IMAGE}:base", self.hosts)
        tags = "; ".join(f"docker tag {IMAGE}:base {image}" for image in self.images)
        for host in self.hosts:
            subprocess.run(["ssh", "-F", str(self.ssh_config), host, tags], check=True)

    @property
    def images(self) -> List[str]:
        """Every version that is deployed."""
        return [f"{self.image}:b{number}" for number in range(1, 4 * RUNS + 8)]

    def measure(self, runs: int, names: Sequence[str] = ()) -> Dict[str, Cost]:
        """Medians by name; no `names` means all there are, in an order in which each finds what it needs."""
        self.play("deploy", self.next())
        self.least_work()
        acts = {"least work": self.least_work, "least playbook": self.least_playbook, **self._plays()}
        costs = {name: median(act, runs) for name, act in acts.items() if name in (names or acts)}
        return costs if names else {**costs, "deploy, pulled": self.pulled(runs)}

    def _plays(self) -> Dict[str, Callable[[], None]]:
        """In an order in which the second run has nothing to do: before the rollback the last version is live."""
        return {
            "deploy": lambda: self.play("deploy", self.next()),
            "redeploy": lambda: self.play("redeploy", self.next()),
            "second run": lambda: self.play("deploy", self.current()),
            "rollback": lambda: self.play("rollback"),
            "details": lambda: self.play("details"),
        }

    def under_load(self) -> Requests:
        """What became of the requests that the load balancer got during each."""
        self.play("deploy", self.next())
        self.play("deploy", self.next())
        results = {}
        for name, act in self._plays().items():
            with Load(f"http://{LOAD_BALANCER.ip}/", host="hello.example.com", rate=RATE) as load:
                act()
            results[name] = load.result
            print(f"  {name:14} {load.result['requests']} requests, {load.result['failed']} failed", flush=True)
        return results

    def pulled(self, runs: int) -> Cost:
        """Versions that only the registry has."""
        for number in range(runs + 1):
            self._push(f"{self.image}:p{number}", self.login)
        versions = iter(range(runs + 1))
        self.play("deploy", f"p{next(versions)}")
        return median(lambda: self.play("deploy", f"p{next(versions)}"), runs)

    def _push(self, image: str, login: Dict[str, str]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "Dockerfile").write_text(PULLED_IMAGE.format(image=IMAGE))
            (Path(folder) / "layer").write_bytes(os.urandom(LAYER))
            build = ["docker", "build", "-q", "--label", "service=hello", "-t", image, folder]
            subprocess.run(build, check=True, env={**os.environ, "DOCKER_BUILDKIT": "0"}, capture_output=True)
        said = lab.connect().api.push(image, auth_config=login)
        if '"error"' in said:
            raise SystemExit(said)
        subprocess.run(["docker", "rmi", image], check=True, capture_output=True)

    def next(self) -> str:
        self.number += 1
        return self.current()

    def current(self) -> str:
        return f"b{self.number}"

    def play(self, playbook: str, version: str = "") -> None:
        given = {"kamal_build": False, **({"kamal_version": version} if version else {})}
        self._play(f"caravan.kamal.{playbook}", "config/deploy.yml", given)

    def _play(self, playbook: str, inventory: str, variables: Dict[str, Any], **environ: str) -> None:
        command = ["ansible-playbook", "-i", inventory, playbook, "-e", json.dumps(variables)]
        with tempfile.TemporaryDirectory(prefix="caravan") as cold:
            environment = {**os.environ, **self.settings, **environ, "ANSIBLE_SSH_CONTROL_PATH_DIR": cold}
            done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")

    def least_playbook(self) -> None:
        """The same by Ansible's own tasks, one shell command each, in the stages of a deploy."""
        version = self.next()
        (PROJECT / "hosts").write_text("".join(f"{host}\n" for host in self.hosts))
        given = {"version": version, "image": self.image, "ansible_ssh_common_args": f"-F {self.ssh_config}"}
        # Their format strings for docker look like templates, which an environment is not read as.
        scripts = {name: self._commands(name, version) for name in ("web", "worker")}
        plain = PROJECT / "plain.cfg"
        plain.write_text("[defaults]\nforks = 50\nstdout_callback = ansible.builtin.minimal\n")
        self._play(str(LEAST_PLAYBOOK), "hosts", given, **scripts, ANSIBLE_CONFIG=str(plain))

    def least_work(self) -> None:
        """The same containers and the same switch by one shell script per host, all hosts at once."""
        version = self.next()
        running = [subprocess.Popen(self._script(host, version), stdout=subprocess.DEVNULL) for host in self.hosts]
        if any(process.wait() for process in running):
            raise SystemExit("The script of the least work failed.")

    def _script(self, host: str, version: str) -> List[str]:
        role = "web" if host.startswith("web") else "worker"
        return ["ssh", "-F", str(self.ssh_config), host, self._commands(role, version)]

    def _commands(self, role: str, version: str) -> str:
        is_web = role == "web"
        return LEAST_WORK.format(
            role=role,
            version=version,
            image=self.image,
            cmd="" if is_web else "hello worker",
            switch=SWITCH % version if is_web else ":",
        )


def median(act: Callable[[], None], runs: int) -> Cost:
    costs = [_cost(act) for _run in range(runs)]
    return Cost(statistics.median(cost.seconds for cost in costs), statistics.median(cost.processor for cost in costs))


def _cost(act: Callable[[], None]) -> Cost:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    act()
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def plan_for_many(collections: Path) -> float:
    """Seconds of the controller's processor to read, check and plan a configuration for many hosts."""
    hosts = ", ".join(f"host{number}" for number in range(PLANNED_HOSTS))
    path = PROJECT / "many" / "config" / "deploy.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"service: hello\nservers: [{hosts}]\nproxy: {{host: hello.example.com}}\nenv: {{secret: [A, B]}}\n"
    )
    program = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from ansible_collections.caravan.kamal.plugins.plugin_utils.config import load\n"
        "from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import planner\n"
        "began = time.process_time()\n"
        "config = load.load(sys.argv[2], None, load.Settings(environ={}))\n"
        "hosts = [f'host{number}' for number in range(int(sys.argv[3]))]\n"
        "assert len(planner.plan(config, planner.Run(version='v1', hosts=hosts)).hosts) == len(hosts)\n"
        "print(time.process_time() - began)\n"
    )
    command = [sys.executable, "-c", program, str(collections), str(path), str(PLANNED_HOSTS)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def report(rows: Costs, fleets: Fleets, requests: Requests, planning: float) -> str:
    columns = list(rows["least work"])
    least = {column: cost.seconds for column, cost in rows["least work"].items()}

    def seconds(name: str, column: str) -> str:
        found = rows[name][column].seconds
        return f"{found:.1f}" if name.startswith("least") else f"{found:.1f} ({found / least[column]:.1f}×)"

    passed = table("seconds", columns, {name: [seconds(name, column) for column in columns] for name in rows})
    needed = {name: [f"{rows[name][column].processor:.1f}" for column in columns] for name in rows}
    processor = table("processor seconds", columns, needed)
    met = {kind: [str(result[kind]) for result in requests.values()] for kind in ("requests", "failed")}
    parts = [
        HEAD.format(runs=RUNS) + passed,
        BETWEEN + processor,
        LOADED.format(rate=RATE, hosts=LOADED_HOSTS) + table("meanwhile", list(requests), met),
        MANY.format(runs=FLEET_RUNS) + per_host(fleets),
    ]
    return "".join(parts) + TAIL.format(planning=planning, planned=PLANNED_HOSTS)


def per_host(fleets: Fleets) -> str:
    """What more hosts cost; of the controller's processor also how much each that is added to the row above needs."""
    names = [name for name in IN_FLEETS if not name.startswith("least")]
    columns = [*IN_FLEETS, *(f"{name}: processor, per added host" for name in names)]
    rows = {}
    before = 0
    for size, costs in sorted(fleets.items()):
        cells = [f"{costs[name].seconds:.1f}" for name in IN_FLEETS]
        for name in names:
            needed = costs[name].processor
            added = (needed - fleets[before][name].processor) / (size - before) if before else 0
            cells.append(f"{needed:.1f}, {added:.2f}" if before else f"{needed:.1f}")
        rows[str(size)] = cells
        before = size
    return table("hosts", columns, rows)


def table(corner: str, columns: List[str], rows: Dict[str, List[str]]) -> str:
    lines = [[corner, *columns], ["---"] * (len(columns) + 1), *([name, *cells] for name, cells in rows.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


HEAD = """\
# Performance

Written by `make bench`. Medians of {runs} runs, each with cold SSH connections, on test hosts in containers
(web hosts and, with three and more, one worker; each with its own Docker engine), all of them and the controller on
one machine with two cores. The image is on the hosts, which ask the registry whether it has another one; every run but
the second one deploys a new version; `readiness_delay` is 0. In brackets: how many times the least work, which is one
shell script per host over ssh that runs the container, switches kamal-proxy, stops the old one and moves `latest`,
with no plan, lock, check, history or undo. The *least playbook* does the same with tasks of Ansible in the stages of a
deploy (reach, lock, look for the image, renew the lock, web hosts, barrier, workers, unlock), each of them one shell
command. Their sshd agrees on a key exchange that costs little (curve25519 or mlkem768); with sntrup761, the default of
OpenSSH 9.0 to 9.8, every cold connection took 70 ms more here.

"""

BETWEEN = """

![The table as bars](performance.svg)

What the controller's processor does for it, ssh and its workers included:

"""

LOADED = """

The playbooks once more, each one time, on {hosts} hosts under {rate} requests a second through a load balancer:

"""

MANY = """

With more hosts, near by (medians of {runs}): seconds, then seconds of the controller's processor. All hosts and the
controller share two cores, which is what the seconds show here:

"""

TAIL = """

- *deploy*, *redeploy*: a new version with `-e kamal_build=false`.
- *deploy, pulled*: an image whose last layer, of 4 MiB, only the registry has; each host asks it for the digest first.
- *rollback*: to the previous good version, found in the history of all hosts.
- *second run*: `deploy` of the version that runs; it finds nothing to do.
- The second number of a column is the simulated round trip between controller and hosts, which costs a process and some
  milliseconds of processor time for each connection itself.

Reading, checking and planning a configuration for {planned} hosts takes {planning:.2f} s on the controller.
"""


if __name__ == "__main__":
    sys.exit(main())
