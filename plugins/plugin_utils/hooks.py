# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Scripts of the project that a run starts on the controller, and `pre-init`, the first of them."""

from __future__ import annotations

import os
from typing import Callable, List, Mapping, Optional

from ..module_utils._errors import HookError
from . import process
from .memory import OF_THIS_RUN, Memory

FOLDER = os.path.join(".kamal", "hooks")
PRE_INIT = "pre-init"
SECONDS = 600
NOTHING_YET = "Nothing was touched yet."
# What a failed hook said last is repeated with the error.
REPEATED = 40

Tell = Callable[[str], None]


def find(project_root: str, folder: str, name: str) -> Optional[str]:
    """The script of a hook, if the project has it. Samples have other names."""
    path = os.path.join(project_root, folder, name)
    return path if os.path.isfile(path) else None


def run(
    script: str, project_root: str, variables: Mapping[str, str], seconds: float, tell: Tell, effect: str = ""
) -> None:
    """Start a hook and wait for its end; `tell` gets each line that it says, at once.

    It has the environment of this process and `variables`. Raises HookError where it cannot be started, fails or takes
    too long; `effect` says what follows from that.
    """
    said: List[str] = []

    def hear(line: str) -> None:
        said.append(line)
        tell(line)

    lines = process.Lines(hear)
    try:
        code = process.run([script], project_root, {**os.environ, **variables}, seconds, lines)
    except OSError as error:
        remedy = "Make it executable (chmod +x), and see that its first line, #!, names a program that is there."
        raise HookError(f"The hook {script} cannot be started: {error.strerror}. {remedy}") from error
    lines.close()
    if code != 0:
        outcome = f"did not end within {seconds:g} seconds" if code is None else f"ended with exit code {code}"
        told = "\n".join(["It said:", *said[-REPEATED:]]) if said else "It said nothing."
        raise HookError(" ".join(part for part in (f"The hook {script} {outcome}.", effect, told) if part))


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
