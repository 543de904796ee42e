# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One `kamal-proxy deploy`: begun, watched, and waited for also after it was given up."""

from __future__ import annotations

import threading
import time
from typing import Callable, List, Optional, Sequence

from .._host.engine import Engine, Executed
from .._names import PROXY_CONTAINER
from .commands import judge

POLL = 0.1  # seconds
# How long kamal-proxy may take to act on an answer that it has from a target that is gone since.
SETTLES_WITHIN = 2.0  # seconds


class Deployment:
    """kamal-proxy checks the target until it is healthy or the deploy timeout is over, whoever still waits for that."""

    def __init__(self, engine: Engine, argv: Sequence[str]) -> None:
        self._answer: List[Executed] = []
        self._error: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._execute, args=(engine, argv), daemon=True)
        self._thread.start()

    def _execute(self, engine: Engine, argv: Sequence[str]) -> None:
        try:
            self._answer.append(engine.execute(PROXY_CONTAINER, argv))
        except BaseException as error:  # it is raised where the answer is waited for
            self._error = error

    def wait(self, watch: Callable[[], object]) -> None:
        """Until kamal-proxy has answered, while `watch` looks at the target every moment.

        kamal-proxy would wait out the whole deploy timeout for a container that is long dead; whatever `watch` raises
        ends the wait at once, and not the deployment.
        """
        while self._thread.is_alive():
            self._thread.join(POLL)
            if self._thread.is_alive():
                watch()
        if self._error:
            raise self._error
        judge(self._answer[0])

    @property
    def has_ended(self) -> bool:
        """Whether kamal-proxy has answered. It goes on where only the connection to it was lost."""
        return bool(self._answer)

    def settle(self) -> None:
        """Until it has ended or can no longer succeed. The target has been stopped: it answers no further check."""
        let_end(lambda: self.has_ended)


def let_end(has_ended: Callable[[], bool]) -> None:
    """Wait until a deployment whose target was stopped has ended, at most for as long as it could still switch."""
    deadline = time.monotonic() + SETTLES_WITHIN
    while not has_ended() and time.monotonic() < deadline:
        time.sleep(min(POLL, SETTLES_WITHIN))
