# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two runs at once on two hosts, killed, overtaken and cut off at any step: what must never be, and what comes after.

SEED=N INTERLEAVINGS=1 repeats the schedule that a failure names; without them the same thousand are played each time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pickle
import random
import shutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils import _records
from ansible_collections.caravan.kamal.plugins.module_utils._app import info, record, turn
from ansible_collections.caravan.kamal.plugins.module_utils._app import release as app_release
from ansible_collections.caravan.kamal.plugins.module_utils._errors import (
    CaravanError,
    EngineError,
    HealthError,
    LockError,
    RollbackError,
)
from ansible_collections.caravan.kamal.plugins.module_utils._host import files, user
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._names import Names
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import deployment
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from ansible_collections.caravan.kamal.plugins.modules import release
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import from_mapping
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import way_back
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.planner import plan
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.run import Run
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.version import PREVIOUS, named
from fakes import FakeEngine
from interleaving import CONNECTION_LOST, KILL, LEASE_ENDS, Actor, Killed, Stepping, Violation, World, home_of

pytestmark = pytest.mark.usefixtures("no_waiting")

SCHEDULES = int(os.environ.get("INTERLEAVINGS", "1000"))
SEED = int(os.environ.get("SEED") or 1)
HOSTS = ("host1", "host2")
VERSIONS = ("v0", "v1", "v2", "v3", "v4")
REPOSITORY = "registry.example.com/hello"
CONFIG: dict[str, Any] = {
    "service": "hello",
    "image": "hello",
    "registry": {"server": "registry.example.com"},
    "servers": {"web": list(HOSTS), "worker": {"hosts": list(HOSTS), "cmd": "hello worker"}},
    "proxy": {"host": "hello.example.com"},
    "env": {"secret": ["TOKEN"]},
    "readiness_delay": 0,
    "retain_containers": 1,
}
ROUTE = "hello-web"
TURN = ".kamal/turn-hello"
CHANGING = ("create", "start", "stop", "rename", "remove", "tag", "remove_image", "pull", "execute", "create_network")
WRITING = ("write", "append", "remove", "protect")
READING = ("read", "mode", "exists")
KINDS = (KILL, LEASE_ENDS, LEASE_ENDS, CONNECTION_LOST)
# So many schedules have each kind of event in each tenth of two runs.
ENOUGH = 1000
# By command and version, what each host is told.
Plans = dict[tuple[str, str], dict[str, HostShare]]
# A rollback that names no version.
BACK = ("rollback", PREVIOUS)


class CutOff(CaravanError):
    """The controller has lost the host: for the run that is the end."""


class Host(FakeEngine):
    """A host: `highest` is the number of the latest run that changed anything, `at_work` the run whose module does,
    `proven` who brought what live: by role the container's ID, the run and its number."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.home = name, Path()
        self.highest = 0
        self.at_work = ""
        self.proven: dict[str, tuple[str, str, int]] = {}
        self._numbers = iter(range(1, 10**6))  # type: ignore[assignment]  # one that can be copied
        self.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
        for version in VERSIONS:
            reference = f"{REPOSITORY}:{version}"
            self.registry[reference] = FakeEngine().add_image(reference, f"image of {version}")

    def inspect(self, name: str) -> dict[str, Any] | None:
        """Without the deep copy of all of it, which would take most of the time."""
        with contextlib.suppress(EngineError):
            container = self._find(name)[1]
            return {**container, "State": dict(container["State"])}
        return None

    @property
    def routed(self) -> dict[str, Any] | None:
        """The one container that requests go to."""
        targets = self.routes.get(ROUTE, {}).get("active_targets", ())
        address = targets[0].partition(":")[0] if len(targets) == 1 else "nowhere"
        return next((each for each in self.here.values() if each["Id"].startswith(address)), None)

    def serves_alone(self, container: str) -> bool:
        """Whether it has its final name, and nothing has taken over from it."""
        name, inspected = self._find(container)
        if name not in self.running or "_staged" in name:
            return False
        if inspected["Config"]["Labels"]["role"] == "web":
            return inspected is self.routed
        return len([other for other in self.running if "-worker-" in other]) == 1

    def kept_versions(self) -> list[str]:
        lines = self.home / ".kamal/apps/hello/history.jsonl"
        return _records.good_versions(_records.parse(lines.read_text()))[:2] if lines.exists() else []

    def fence(self) -> int:
        with contextlib.suppress(OSError, ValueError):
            return int(json.loads((self.home / TURN).read_text())["number"])
        return 0


class Fleet:
    """The hosts of one schedule, and what is watched on them."""

    def __init__(self, hosts: dict[str, Host], seed: int) -> None:
        self.hosts = hosts
        self.live = all(host.routes for host in hosts.values())
        self.world = World(seed, hosts["host1"].fence, self.watch)

    # What must never be

    def before(self, host: Host, verb: str, *arguments: Any) -> None:
        """A run is about to change a host."""
        actor = self.world.current
        assert actor
        number = actor.number or 0
        if host.at_work not in ("", actor.name):
            raise Violation(f"{actor.name} works on {host.name} while {host.at_work} does")
        if host.highest > number:
            raise Violation(f"{actor.name} was overtaken on {host.name} and changes it")
        host.at_work, host.highest = actor.name, number
        if verb in ("stop", "remove") and arguments[0] in {each["Id"] for each in host.here.values()}:
            for container, by, theirs in host.proven.values():
                if container == arguments[0] and by != actor.name and number <= theirs:
                    raise Violation(f"{actor.name} takes away what {by} has brought live on {host.name}")
        if verb == "rename" and host.serves_alone(arguments[0]):
            raise Violation(f"{actor.name} renames {host._find(arguments[0])[0]} on {host.name}, which serves")
        if verb == "remove_image" and arguments[0].rpartition(":")[2] in host.kept_versions():
            raise Violation(f"{actor.name} removes {arguments[0]}, which a rollback on {host.name} needs")
        place, _slash, version = arguments[0].rpartition("/")
        if verb == "remove" and place.endswith("/releases") and version in host.kept_versions():
            raise Violation(f"{actor.name} removes {arguments[0]}, which a rollback on {host.name} may need")

    def watch(self) -> None:
        """After every change, whoever made it."""
        for host in self.hosts.values() if self.live else ():
            target = host.routed
            if target is None or target["State"]["Status"] != "running":
                raise Violation(f"nothing serves on {host.name}")
            if not any("-worker-" in name for name in host.running):
                raise Violation(f"no worker runs on {host.name}")
            here = {image.id for image in host.pictures.values()}
            for name, container in host.here.items():
                if container["Image"] not in here:
                    raise Violation(f"the image of {name} on {host.name} is gone")
            actor = self.world.current
            if actor and actor.host is host and host.proven.get("web", ("",))[0] != target["Id"]:
                host.proven["web"] = (target["Id"], actor.name, actor.number or 0)

    def recorded(self, line: str) -> None:
        actor, entry = self.world.current, json.loads(line)
        assert actor
        for role in entry.get("roles", ()):
            actor.host.proven[role] = (entry["container"], actor.name, actor.number or 0)

    def serves(self, version: str) -> bool:
        return all(
            host.running == {"kamal-proxy", f"hello-web-{version}", f"hello-worker-{version}"}
            and host.target(ROUTE) == f"hello-web-{version}"
            for host in self.hosts.values()
        )

    # A run

    def run(self, name: str, plans: Plans, which: tuple[str, str], token: str) -> Actor:
        """A deploy or a rollback, as its playbook does it, one host in a batch."""
        return Actor(name, lambda actor: self._roll_out(actor, plans, which, token))

    def _roll_out(self, actor: Actor, plans: Plans, which: tuple[str, str], token: str) -> None:
        lock, module = self.world.lock, partial(self._module, actor, token)
        lock.acquire(actor)
        try:
            shares = plans["rollback", self._previous(actor)] if which == BACK else plans[which]
            images: dict[str, str] = {}
            for name, share in shares.items():
                images[name] = module(share, "staged", None)["image_id"]
            live: dict[str, float] = {}
            for name, share in shares.items():
                lock.renew(actor)
                for earlier, at in live.items():
                    module(shares[earlier], "proven", shares[earlier].gate_roles, since=at)
                live[name] = module(share, "live", share.gate_roles, image_id=images[name])["at"]
                module(share, "live", share.other_roles, image_id=images[name])
            for name, share in shares.items():
                module(share, "proven", share.gate_roles, since=live[name])
        finally:
            if not actor.killed:
                lock.release(actor)
        version = next(iter(shares.values())).version
        if max(host.highest for host in self.hosts.values()) <= (actor.number or 0) and not self.serves(version):
            raise Violation(f"{actor.name} ends well, and {version} is not what serves")

    def _previous(self, actor: Actor) -> str:
        """The version that a rollback chooses, from what there is on the hosts once it has the lock."""
        histories = {}
        for name, host in self.hosts.items():
            actor.host, engine = host, Stepping(host, self.world, CHANGING, self.before)
            looked = info.look(engine, Names(CONFIG["service"]), info.Wanted(), lambda text: None)
            histories[name] = way_back.HostInfo.of(looked)
        version = str(named(PREVIOUS, histories, {name: list(CONFIG["servers"]) for name in self.hosts}))
        if self.serves(version):
            raise Violation(f"{actor.name} goes back to {version}, which serves")
        return version

    def _module(self, actor: Actor, token: str, share: HostShare, state: str, roles: Any, **options: Any) -> Any:
        host, changes = self.hosts[share.host], Changes(check_mode=False)
        engine = Stepping(host, self.world, CHANGING, self.before)
        run = {"number": actor.number, "owner": actor.name}
        defaults = {name: option.get("default") for name, option in release.OPTIONS.items()}
        params = {**defaults, "plan": share, "run": run, "state": state, "roles": roles, **options}
        request: Any = SimpleNamespace(
            params=params,
            changes=changes,
            secrets={"TOKEN": token},
            credentials=None,
            engine=lambda timeout: engine,
            hide=lambda values: None,
        )
        actor.host, actor.busy = host, True
        overtaken = host.highest > (actor.number or 0)
        try:
            answer = release.act(request)
        finally:
            actor.busy = False
            if host.at_work == actor.name:
                host.at_work = ""
        if overtaken:
            raise Violation(f"{actor.name} was overtaken on {host.name} and was not refused")
        if actor.cut_off:
            raise CutOff("the connection was lost")
        actor.actions += changes.actions
        return answer

    def plain(self, name: str, plans: Plans, which: tuple[str, str], token: str) -> list[str]:
        """A run that nothing disturbs, once the lease of whoever had the lock has ended; returns its actions."""
        outlives = self.world.lock.outlives()
        if outlives:
            raise Violation(f"the lock of {outlives} outlives its lease")
        actor = self.run(name, plans, which, token)
        self.world.alone(actor)
        if actor.error:
            raise Violation(f"{name} does not recover: {actor.error}")
        return actor.actions


# The machinery that stands in for processes, time and disks


class Inline:
    """A thread or a pool whose work is done at once, by the run that asks for it."""

    def __init__(self, target: Any = None, args: Any = (), **_settings: Any) -> None:
        self.start = lambda: target(*args)

    def submit(self, work: Callable[[], Any]) -> Any:
        answer = work()
        return SimpleNamespace(result=lambda: answer)

    def is_alive(self) -> bool:
        return False


class Machine:
    """Which fleet the patched calls belong to."""

    fleet: Fleet

    def step(self, what: str) -> None:
        self.fleet.world.step(what)

    def monotonic(self) -> float:
        """Nobody loses patience, but for a few."""
        return 0.0 if self.fleet.world.random.random() < 0.98 else 1e9

    def sleep(self, _seconds: float) -> None:
        self.fleet.world.rest()

    def file_call(self, verb: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: str, *arguments: Any) -> Any:
            actor = self.fleet.world.current
            assert actor
            host = actor.host
            self.step(f"{host.name} {verb} {path}")
            if verb in WRITING:
                self.fleet.before(host, verb, path)
            answer = real(path, *arguments)
            if verb == "append" and path.endswith("history.jsonl"):
                self.fleet.recorded(*arguments)
            return answer

        return call


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    machine = Machine()

    def home() -> Any:
        return home_of(machine.fleet.world, tmp_path)()

    for verb in (*READING, *WRITING, "kept_open"):
        monkeypatch.setattr(files, verb, machine.file_call(verb, getattr(files, verb)))
    for place, call in ((fcntl, "flock"), (os, "pwrite")):
        monkeypatch.setattr(place, call, _stepped(machine, call, getattr(place, call)))
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setattr(user, "home", home)
    monkeypatch.setattr(turn, "time", machine)
    monkeypatch.setattr(record, "_TURN", contextlib.nullcontext())  # runs are no threads of one process
    monkeypatch.setattr(deployment, "threading", SimpleNamespace(Thread=Inline))
    monkeypatch.setattr(app_release, "ThreadPoolExecutor", Inline)
    monkeypatch.setattr(release, "from_data", lambda _type, share: share)
    return machine


def _stepped(machine: Machine, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        machine.step(name)
        return real(*arguments)

    return call


# Schedules


@pytest.fixture(scope="module")
def plans() -> Plans:
    config = from_mapping(CONFIG, None, "/project")
    runs = {
        (command, version): Run(version=version, hosts=list(HOSTS), command=command)
        for command in ("deploy", "rollback")
        for version in VERSIONS
    }
    runs["with its secrets", "v1"] = replace(runs["rollback", "v1"], secrets_from="release")
    return {which: dict(plan(config, run).hosts) for which, run in runs.items()}


@contextlib.contextmanager
def fleet_from(base: dict[str, Host], folder: Path, seed: int) -> Iterator[Fleet]:
    """A copy of the hosts as they are when a schedule begins."""
    hosts: dict[str, Host] = pickle.loads(pickle.dumps(base))
    for name, host in hosts.items():
        host.home = folder / name
        shutil.copytree(base[name].home, host.home)
    try:
        yield Fleet(hosts, seed)
    finally:
        shutil.rmtree(folder)


def play(fleet: Fleet, plans: Plans, random: random.Random, length: int) -> None:
    first = random.choice([("deploy", "v2"), ("deploy", "v3"), ("deploy", "v1")])
    back = [("rollback", "v1"), ("rollback", "v0"), ("with its secrets", "v1"), BACK]
    second = random.choice([("deploy", "v3"), ("deploy", "v2"), *back])
    broken = random.choice(["", "", "", "v2", "v3"])
    last = random.choice([version for version in ("v1", "v2", "v3", "v4") if version != broken])
    for host in fleet.hosts.values():
        getattr(host, random.choice(["dying", "sick"])).add(f"{REPOSITORY}:{broken}")
    fleet.world.lock.tells_of_the_dead = random.random() < 0.3
    events = {random.randrange(1, length): random.choice(KINDS) for _event in range(random.randrange(6))}
    runs = (("A", first), ("B", second))
    actors = [fleet.run(name, plans, which, random.choice("st")) for name, which in runs]
    fleet.world.play(actors, events, random.choice([0.02, 0.1, 0.4]))
    for actor, which in zip(actors, (first, second), strict=True):
        # Hosts that have come to different versions have none that they agree to go back to.
        own = [error for error, may_be in ((HealthError, which[1] == broken), (RollbackError, which == BACK)) if may_be]
        expected = (LockError, Killed, CutOff, *own)
        if actor.error and not isinstance(actor.error, expected):
            raise Violation(f"{actor.name} ends with {actor.error!r}")
    fleet.plain("C", plans, ("deploy", last), "t")
    if not fleet.serves(last) or any("_staged" in name for host in fleet.hosts.values() for name in host.here):
        raise Violation(f"not all hosts have come to {last}")
    again = fleet.plain("D", plans, ("deploy", last), "t")
    if again:
        raise Violation(f"the run after it still does this: {again}")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a place: thousands of homes come and go."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as name:
        yield Path(name)


@pytest.fixture
def base(machine: Machine, plans: Any, folder: Path) -> dict[str, Host]:
    """Two hosts where v1 is live and v0 was before."""
    hosts = {name: Host(name) for name in HOSTS}
    for name, host in hosts.items():
        host.home = folder / "base" / name
        host.home.mkdir(parents=True)
    for version in ("v0", "v1"):
        machine.fleet = Fleet(hosts, 0)
        machine.fleet.plain("before", plans, ("deploy", version), "t")
    return hosts


def test_whatever_comes_in_between_one_version_serves_and_the_next_run_recovers(
    base: dict[str, Host], plans: Any, machine: Machine, folder: Path
) -> None:
    print(f"SEED={SEED} INTERLEAVINGS={SCHEDULES}")
    length, happened = 2 * machine.fleet.world.count, set()
    for seed in range(SEED, SEED + SCHEDULES):
        with fleet_from(base, folder / "schedule", seed) as fleet:
            machine.fleet = fleet
            try:
                play(fleet, plans, random.Random(seed), length)
            except Violation as violation:
                last = "\n".join(fleet.world.trace[-int(os.environ.get("TRACE", "60")) :])
                pytest.fail(f"{violation}\nSEED={seed} INTERLEAVINGS=1 repeats it. The last steps:\n{last}")
            happened |= {(kind, 10 * step // length) for step, kind in fleet.world.happened}
    never = {(kind, tenth) for kind in KINDS for tenth in range(10)} - happened
    assert SCHEDULES < ENOUGH or not never, "what never happened in which tenth of two runs"
