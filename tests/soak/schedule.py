# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a soak does, step by step: the same seed gives the same steps."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Optional, TypeVar, Union

Card = TypeVar("Card")
Limit = Optional[Union[int, str]]

DEPLOY, REDEPLOY, AGAIN, ROLLBACK = "deploy", "redeploy", "same version again", "rollback"
CRASHING, UNHEALTHY = "version that exits", "version that never gets healthy"
BROKEN = (CRASHING, UNHEALTHY)
# Of ten steps in a row each hand holds this many of a kind.
ACTS = (DEPLOY,) * 4 + (ROLLBACK,) * 2 + (REDEPLOY, AGAIN, CRASHING, UNHEALTHY)
MODULE = "kill -9 of the module"
INTERRUPTIONS = ("SIGKILL", "SIGTERM", "SIGINT", MODULE)
HOWS: tuple[Optional[str], ...] = (None,) * 6 + INTERRUPTIONS
LIMITS: tuple[Limit, ...] = (None, 1, 2, "50%")


@dataclass(frozen=True)
class Interruption:
    """Who is ended and when: `moment` is a part of the time that a release usually takes.

    `host` is where a module is ended. With `at_once` the next run begins while what was left behind may still work.
    """

    how: str
    moment: float
    host: str
    at_once: bool

    def __str__(self) -> str:
        where = f" on {self.host}" if self.how == MODULE else ""
        return f"{self.how}{where} at {self.moment:.0%}{', next run at once' if self.at_once else ''}"


@dataclass(frozen=True)
class Step:
    """`limit` is `boot/limit`; what goes back or deploys the same again keeps that of its version."""

    number: int
    act: str
    limit: Limit
    interruption: Optional[Interruption]

    def __str__(self) -> str:
        parts = [self.act]
        if self.limit is not None:
            parts.append(f"boot/limit {self.limit}")
        if self.interruption:
            parts.append(str(self.interruption))
        return ", ".join(parts)


def hands(rng: random.Random, cards: Sequence[Card]) -> Iterator[Card]:
    """The cards again and again, shuffled anew each time: random, and yet every kind comes soon."""
    while True:
        hand = list(cards)
        rng.shuffle(hand)
        yield from hand


def steps(seed: int, hosts: Sequence[str]) -> Iterator[Step]:
    """Steps without an end."""
    rng = random.Random(seed)
    acts, hows = hands(rng, ACTS), hands(rng, HOWS)
    for number, (act, how) in enumerate(zip(acts, hows, strict=True), 1):
        limit = rng.choice(LIMITS)
        drawn = Interruption(how or "", round(rng.random(), 2), rng.choice(list(hosts)), rng.random() < 0.5)
        yield Step(number, act, None if act in (ROLLBACK, AGAIN) else limit, drawn if how else None)
