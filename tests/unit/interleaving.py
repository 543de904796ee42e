# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several runs on the same hosts, one step at a time: a step is a call of an engine, of a file or of the lock.

Each run is a thread, and only the one that has the baton goes on. At every step a random number generator decides who
is next, so that its seed repeats a schedule. Events come at steps that were drawn before: a run is killed, its lease
ends, or its controller loses the connection, while the module that it began goes on.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Sequence

from ansible_collections.caravan.kamal.plugins.module_utils._errors import CaravanError, LockError
from ansible_collections.caravan.kamal.plugins.plugin_utils import lease

STEPS = 6000  # more than any schedule needs that comes to an end
TTL = 1000
ATTEMPTS = 40
KILL, LEASE_ENDS, CONNECTION_LOST = "kill", "lease ends", "connection lost"


class Killed(BaseException):
    """The run's process is gone: no `except` of the product sees it, and the kernel closes its files."""


class Violation(AssertionError):
    """Something was seen that must never be."""


@dataclass
class Actor:
    """One run. `work` is what it does; `number` is that of its lease, `actions` what its modules say that they did."""

    name: str
    work: Callable[[Actor], None]
    number: int | None = None
    actions: list[str] = field(default_factory=list)
    host: Any = None
    busy: bool = False
    killed: bool = False
    cut_off: bool = False
    ended: bool = False
    error: BaseException | None = None
    baton: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class Lock:
    """The deploy lock as `lease_script` keeps it on its host; `seen` gives the number in the host's fence."""

    def __init__(self, world: World, seen: Callable[[], int]) -> None:
        self.world, self.seen = world, seen
        self.lease: lease.Lease | None = None
        self.clock = 1
        self.tells_of_the_dead = False

    def verdict(self, actor: Actor) -> str:
        outcome = "held" if self.lease else "absent"
        answer = lease.Answer(outcome, self.clock, None, self.lease, "", False, has_lease=bool(self.lease))
        return lease.judge(answer, actor.name, self._has_ended)

    def _has_ended(self, owner: str) -> bool:
        return self.tells_of_the_dead and self._was_killed(owner)

    def _was_killed(self, owner: str) -> bool:
        return any(actor.name == owner and actor.killed for actor in self.world.actors)

    def acquire(self, actor: Actor) -> None:
        for _attempt in range(ATTEMPTS):
            self.world.step("look at the lock")
            seen, verdict = self.lease, self.verdict(actor)
            if verdict == lease.FREE or lease.can_be_taken_over(verdict):
                self.world.step("take the lock")
                if self.lease == seen:
                    return self._write(actor)
            self.world.rest()
        raise LockError("the lock is held")

    def _write(self, actor: Actor) -> None:
        before = self.lease.acquired_at if self.lease else 0
        actor.number = max(self.clock, before + 1, self.seen() + 1)
        self.lease = lease.Lease(actor.name, actor.number, self.clock + TTL)

    def renew(self, actor: Actor) -> None:
        self.world.step("renew the lock")
        if not self.lease or self.lease.owner != actor.name:
            raise LockError("the lock was lost")
        self.lease = lease.Lease(actor.name, self.lease.acquired_at, self.clock + TTL)

    def release(self, actor: Actor) -> None:
        if self.lease and self.lease.owner == actor.name:
            self.lease = None

    def end_lease(self) -> None:
        if self.lease:
            self.clock = max(self.clock, self.lease.expires_at)

    def outlives(self) -> str:
        """Once all runs have ended: whose lock stays, although that run let go of it or its lease has ended."""
        self.end_lease()
        left, other = self.lease, Actor("somebody else", lambda actor: None)
        if not left or (self._was_killed(left.owner) and lease.can_be_taken_over(self.verdict(other))):
            return ""
        return left.owner


class World:
    """What all runs of one schedule share. `watch` is called with the run after each of its calls and says what must
    never be by raising Violation."""

    def __init__(self, seed: int, seen: Callable[[], int], watch: Callable[[], None]) -> None:
        self.random = random.Random(seed)
        self.watch = watch
        self.lock = Lock(self, seen)
        self.actors: list[Actor] = []
        self.current: Actor | None = None
        self.events: dict[int, str] = {}
        self.happened: list[tuple[int, str]] = []
        self.count = 0
        self.trace: list[str] = []
        self.failure: BaseException | None = None
        self.switching = 0.0
        self._over = threading.Semaphore(0)

    # One schedule

    def play(self, actors: Sequence[Actor], events: dict[int, str], switching: float) -> None:
        """Let the runs go on side by side until all have ended; `switching` is how probable another one is next."""
        self.actors, self.events, self.switching = list(actors), events, switching
        threads = [threading.Thread(target=self._live, args=(actor,), daemon=True) for actor in actors]
        for thread in threads:
            thread.start()
        self._hand_over(None)
        self._over.acquire()
        for thread in threads:
            thread.join()
        self._raise()

    def alone(self, actor: Actor) -> None:
        """A run that nothing comes in between."""
        self.actors, self.events, self.current = [*self.actors, actor], {}, actor
        self._work(actor)
        self._raise()

    def _raise(self) -> None:
        if self.failure:
            raise self.failure

    def _live(self, actor: Actor) -> None:
        actor.baton.acquire()
        self._work(actor)
        self._hand_over(None)

    def _work(self, actor: Actor) -> None:
        try:
            actor.work(actor)
        except (Killed, CaravanError) as error:
            actor.error = error
        except BaseException as error:
            self.fail(error)
        actor.ended = True
        self.trace.append(f"{actor.name}: ends with {actor.error!r}")

    def fail(self, error: BaseException) -> None:
        """The first thing that is wrong ends the schedule."""
        self.failure = self.failure or error
        for actor in self.actors:
            actor.killed = True

    # One step

    def step(self, what: str) -> None:
        """Before a call: what happens at this step, and who goes on. Killed if this run is not to make the call."""
        actor = self._me()
        self._die(actor)
        self.count += 1
        if self.count in self.events:
            self._happen(self.events[self.count])
        if self.random.random() < self.switching:
            self._pass_on(actor)
        self._die(actor)
        self.trace.append(f"{actor.name}{f'#{actor.number}' if actor.number else ''}: {what}")
        if self.count > STEPS:
            self.fail(Violation("it never comes to an end"))

    def rest(self) -> None:
        """The run waits for something: the others go on."""
        actor = self._me()
        self.count += 1
        if self.count > STEPS:
            self.fail(Violation("all wait"))
        self._pass_on(actor)
        self._die(actor)

    def _me(self) -> Actor:
        assert self.current
        return self.current

    def _die(self, actor: Actor) -> None:
        if actor.killed:
            raise Killed

    def _happen(self, event: str) -> None:
        living = [actor for actor in self.actors if not actor.ended and not actor.killed]
        if not living:
            return
        actor = self.random.choice(living)
        self.trace.append(f"--- {event}{'' if event == LEASE_ENDS else f' of {actor.name}'}")
        if event == CONNECTION_LOST and not actor.busy:
            return
        self.happened.append((self.count, event))
        if event == LEASE_ENDS:
            self.lock.end_lease()
        elif event == KILL:
            actor.killed = True
        else:
            actor.cut_off = True
            self.lock.release(actor)

    def _pass_on(self, actor: Actor) -> None:
        others = [other for other in self.actors if not other.ended and other is not actor]
        if others:
            self._hand_over(self.random.choice(others))
            actor.baton.acquire()
            self.current = actor

    def _hand_over(self, actor: Actor | None) -> None:
        living = [other for other in self.actors if not other.ended]
        if not living:
            return self._over.release()
        chosen = actor or self.random.choice(living)
        self.current = chosen
        chosen.baton.release()


class Stepping:
    """An engine of which every call is a step; `before` is asked about each call of those in `changing`."""

    def __init__(self, engine: Any, world: World, changing: Sequence[str], before: Callable[..., None]) -> None:
        self._engine, self._world, self._changing, self._before = engine, world, changing, before

    def __getattr__(self, verb: str) -> Any:
        real = getattr(self._engine, verb)

        def call(*arguments: Any, **named: Any) -> Any:
            self._world.step(f"{self._engine.name} {verb} {' '.join(self._word(each) for each in arguments)}")
            if verb in self._changing:
                self._before(self._engine, verb, *arguments)
            answer = real(*arguments, **named)
            if verb in self._changing:
                self._world.watch()
            return answer

        return call

    def _word(self, argument: Any) -> str:
        if isinstance(argument, list):
            return " ".join(argument[:4])
        known = next((name for name, each in self._engine.here.items() if each["Id"] == argument), argument)
        return str(known) if isinstance(known, (str, int)) else ""


def home_of(world: World, fallback: Path) -> Callable[[], str]:
    """The home on the host that the run with the baton is at work on."""
    return lambda: str(world.current.host.home if world.current and world.current.host else fallback)
