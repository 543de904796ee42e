# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Docker engine hands over while a command still runs."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence, Tuple, TypeVar

from .._errors import EngineError
from .docker_errors import REFUSALS, asking
from .engine import Hears

NOT_EXECUTED = b"OCI runtime exec failed"
SETTLES_WITHIN = 0.5  # seconds
# How long a command may still run that writes nothing any more.
ENDS_WITHIN = 10.0  # seconds
POLL = 0.1  # seconds
T = TypeVar("T")


def tried_twice(run: Callable[[], T], was_refused: Callable[[T], bool]) -> T:
    """A container that has only just been started may refuse a command once. What was refused never ran."""
    with contextlib.suppress(*REFUSALS):
        ran = run()
        if not was_refused(ran):
            return ran
    time.sleep(SETTLES_WITHIN)
    return run()


def execute(api: Any, container: str, argv: Sequence[str], env: Mapping[str, str], hears: Hears) -> int:
    """The exit code of a command in a running container."""

    def run() -> Tuple[int, Optional[bytes]]:
        return _heard(api, api.exec_create(container, list(argv), environment=dict(env))["Id"], hears)

    code, refusal = tried_twice(run, lambda ran: ran[1] is not None)
    if refusal is not None:
        hears(refusal)
    return code


def _heard(api: Any, command: str, hears: Hears) -> Tuple[int, Optional[bytes]]:
    """With what the engine wrote in the place of a command that it refused."""
    pieces = iter(api.exec_start(command, stream=True))
    with hears.ending(lambda: _end(api, command)):
        first = next(pieces, b"")
        if first.startswith(NOT_EXECUTED):
            return exit_code(api, command), first + b"".join(pieces)
        hears(first)
        for piece in pieces:
            hears(piece)
    return exit_code(api, command), None


def exit_code(api: Any, command: str) -> int:
    """What refuses to say it does not make that a command which never ran. One without a code has not ended well."""
    deadline = time.monotonic() + ENDS_WITHIN
    with asking("say how a command ended"):
        code = api.exec_inspect(command)["ExitCode"]
        while code is None and time.monotonic() < deadline:
            time.sleep(POLL)
            code = api.exec_inspect(command)["ExitCode"]
        if code is not None:
            return int(code)
    raise EngineError(
        "Docker does not say how a command ended, of which nothing is heard any more: it may still run. See whether "
        "the engine is well (systemctl status docker; docker ps) and run this again."
    )


def _end(api: Any, command: str) -> None:
    """No call of the engine does that. Without the right to signal its processes the command goes on by itself."""
    with contextlib.suppress(Exception):
        process = int(api.exec_inspect(command)["Pid"])
        send = os.killpg if os.getpgid(process) == process else os.kill
        send(process, signal.SIGTERM)


def follow(api: Any, container: str) -> Iterator[bytes]:
    """All that a container will write. It is attached to before it is started, so nothing is missed."""
    what = f"read the output of container {container}"
    with asking(what):
        pieces = api.attach(container, stream=True)

    def read() -> Iterator[bytes]:
        with asking(what):
            yield from pieces

    return read()
