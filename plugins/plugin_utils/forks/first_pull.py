# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Of the hosts that would pull an image through one mirror at the same time one is first; the mirror has it then.

Each host's task is a process of its own. They share the memory of the run, and a lock for each mirror.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict

from .memory import OF_THIS_RUN, Memory
from .mutexes import Mutexes

Answer = Dict[str, Any]
NOT_PULLED = (
    "{what} was not pulled here: {first} was to fetch it through the mirror {mirror} before the others, and could not. "
    "See what became of it there, then run the same command again."
)


@dataclass(frozen=True)
class Pull:
    """What a host would pull, and through which mirror, in which task of the run."""

    task: str
    host: str
    what: str
    mirror: str


class FirstPulls:
    def __init__(self, memory: Memory = OF_THIS_RUN) -> None:
        self._memory, self._mutexes = memory, Mutexes()

    def wait(self, pull: Pull, act: Callable[[], Answer], tell: Callable[[str], None]) -> Answer:
        """What `act`, which pulls, answers on the first host; on one that comes later nothing, or why it is not to."""
        name = f"pulled first: {pull.task} {pull.mirror}"
        with self._mutexes.held(name, lambda: tell(self._awaited(name, pull))):
            before = self._memory.known(name)
            if before and before["ended"]:
                return {} if before["succeeded"] else _failed(pull, before["host"])
            self._memory.put(name, {"host": pull.host, "ended": False})
            succeeded = False
            try:
                answer = act()
                succeeded = not answer.get("failed")
                return answer
            finally:
                self._memory.put(name, {"host": pull.host, "ended": True, "succeeded": succeeded})

    def _awaited(self, name: str, pull: Pull) -> str:
        first = (self._memory.known(name) or {}).get("host", "another host")
        return f"waits for {first}, which pulls the image through the mirror {pull.mirror} first"


def _failed(pull: Pull, first: str) -> Answer:
    message = NOT_PULLED.format(what=pull.what, first=first, mirror=pull.mirror)
    return {"failed": True, "changed": False, "actions": [], "notices": [], "msg": message}
