# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Scripts of the project that a run starts on the controller, and `pre-init`, the first of them."""

from __future__ import annotations

import errno
import os
import signal
import time
from typing import Callable, List, Mapping, Optional

from ..module_utils._errors import HookError
from ..module_utils._masks import masked
from . import process
from .forks.memory import OF_THIS_RUN, Memory

FOLDER = os.path.join(".kamal", "hooks")
PRE_INIT = "pre-init"
SECONDS = 600
NOTHING_YET = "Nothing was touched yet."
NOT_A_PROGRAM = "Make it executable (chmod +x), and see that its first line, #!, names a program that is there."
TOO_MUCH = (
    "Its environment is too large: hand it fewer or smaller secrets with its list secrets in kamal_hooks, and look for "
    "large variables in the environment of this run."
)
# What a failed hook said last is repeated with the error.
REPEATED = 40

# What hooks are told of the run that they belong to. One that a hook starts is another run.
OF_A_HOOK = (
    "KAMAL_RECORDED_AT",
    "KAMAL_PERFORMER",
    "KAMAL_VERSION",
    "KAMAL_SERVICE_VERSION",
    "KAMAL_SERVICE",
    "KAMAL_DESTINATION",
    "KAMAL_HOSTS",
    "KAMAL_ROLES",
    "KAMAL_LOCK",
    "KAMAL_COMMAND",
    "KAMAL_SUBCOMMAND",
    "KAMAL_RUNTIME",
    "KAMAL_ERROR",
    "KAMAL_FAILED_HOSTS",
    "KAMAL_MESSAGE",
)

Tell = Callable[[str], None]


def find(project_root: str, folder: str, name: str) -> Optional[str]:
    """The script of a hook, if the project has it. Samples have other names."""
    path = os.path.join(project_root, folder, name)
    return path if os.path.isfile(path) else None


def run(
    script: str,
    project_root: str,
    variables: Mapping[str, str],
    seconds: float,
    tell: Tell,
    effect: str = "",
    secrets: Optional[Mapping[str, str]] = None,
) -> None:
    """Start a hook and wait for its end; `tell` gets each line that it says, at once, without the values of `secrets`.

    It has the environment of this process, but for what hooks are told of their run, and `variables`. Raises HookError
    where it cannot be started, fails or takes too long; `effect` says what follows from that.
    """
    said: List[str] = []

    def hear(line: str) -> None:
        line = masked(line, secrets or {})
        said.append(line)
        tell(line)

    name = os.path.relpath(script, project_root)
    inherited = {variable: value for variable, value in os.environ.items() if variable not in OF_A_HOOK}
    code = _run(name, script, project_root, {**inherited, **variables}, seconds, hear)
    if code != 0:
        limit = f"did not end within {seconds:g} seconds (kamal_hooks_timeout) and was ended, with all that it started"
        told = "\n".join(["It said:", *said[-REPEATED:]]) if said else "It said nothing."
        outcome = limit if code is None else _ending(code)
        raise HookError(" ".join(part for part in (f"The hook {name} {outcome}.", effect, told) if part))


def _run(name: str, script: str, folder: str, environ: Mapping[str, str], seconds: float, hear: Tell) -> Optional[int]:
    lines = process.Lines(hear)
    try:
        code = _of_any_kind(script, folder, environ, seconds, lines)
    except OSError as error:
        remedy = TOO_MUCH if error.errno == errno.E2BIG else NOT_A_PROGRAM
        raise HookError(f"The hook {name} cannot be started: {error.strerror}. {remedy}") from error
    lines.close()
    return code


def _of_any_kind(
    script: str, folder: str, environ: Mapping[str, str], seconds: float, hear: process.Hear
) -> Optional[int]:
    try:
        return process.run([script], folder, environ, seconds, hear)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    # As a shell does with a file whose first line names no program.
    return process.run(["/bin/sh", script], folder, environ, seconds, hear)


def _ending(code: int) -> str:
    return f"ended with exit code {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"


def pre_init(
    project_root: str, destination: Optional[str], seconds: float, tell: Tell, memory: Memory = OF_THIS_RUN
) -> None:
    """Run the project's pre-init, before its configuration and its secrets are read, and only once in a run."""
    script = find(project_root, FOLDER, PRE_INIT)
    if not script:
        return
    variables = {"KAMAL_DESTINATION": destination} if destination else {}

    def started() -> bool:
        tell(f"Running {os.path.join(FOLDER, PRE_INIT)}")
        run(str(script), project_root, variables, seconds, tell, NOTHING_YET)
        return True

    memory.once(f"pre-init {script} {destination or ''}", started)


def began(service: str, destination: Optional[str], memory: Memory = OF_THIS_RUN) -> float:
    """When this run began with a service: the time of the first call."""
    return float(memory.once(f"began {service} {destination or ''}", time.time))
