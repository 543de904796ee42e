# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the kept process on a host is started and asked, and whether it can be."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from typing import Any, Mapping, Optional

from ansible import constants
from ansible.executor import interpreter_discovery
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from .. import owner
from ..forks import memory
from . import sources

VARIABLE = "kamal_kept_process"
BY_DEFAULT = True
FACT = "discovered_interpreter_python"
# On a host; also what the run of a module that was killed leaves there goes after some days.
FOLDER = "$HOME/.cache/caravan.kamal"
# Seconds that the process stays after a call, and after one that may be the last.
STAYS, BRIEFLY = 60, 10


@dataclass(frozen=True)
class Way:
    """The Python of a host, as a word of the shell, and the names of socket and code there."""

    python: str
    socket: str
    code: str

    def starting(self) -> str:
        return self._command("start", self.socket, self.code)

    def asking(self, module: str, stays: int) -> str:
        return self._command("ask", self.socket, self.code, module, str(stays))

    def _command(self, program: str, *arguments: str) -> str:
        text = shlex.quote(sources.program(program))
        return f"{self.python} -S -c {text} {' '.join(map(shlex.quote, arguments))}"


def to(action: ActionBase, task_vars: Mapping[str, Any], discovered: Optional[str] = None) -> Optional[Way]:
    """The way to the host of a task; None where its modules have to be run as Ansible runs them."""
    if not _is_wanted(action, task_vars) or not _is_possible(action):
        return None
    host = str(action._task.delegate_to or task_vars["inventory_hostname"])
    python = discovered or _python(_variables_of_host(action, task_vars), action)
    if python is None:
        return None
    code = str(memory.OF_THIS_RUN.once("the code of modules", lambda: sources.of_this_version().name))
    run = f"{owner.this_run()}\n{host}\n{code}\n{python}"
    return Way(python, hashlib.sha256(run.encode()).hexdigest()[:32] + ".socket", code)


def discovered(action: ActionBase, task_vars: Mapping[str, Any]) -> Optional[str]:
    """The Python that Ansible finds on the host, where it would look for one before it ran a module there."""
    variables = _variables_of_host(action, task_vars)
    if not _is_wanted(action, task_vars) or not _is_possible(action) or _python(variables, action):
        return None
    mode = _said(variables, action)
    return str(interpreter_discovery.discover_interpreter(action, "python", mode, variables))


def _is_wanted(action: ActionBase, task_vars: Mapping[str, Any]) -> bool:
    wanted = action._templar.template(task_vars.get(VARIABLE))
    return BY_DEFAULT if wanted is None else bool(boolean(wanted))


def _is_possible(action: ActionBase) -> bool:
    """What is asked is handed over on standard input, by a shell that is sh."""
    return (
        not action._task.async_val
        and getattr(action._connection._shell, "SHELL_FAMILY", "") == "sh"
        and action._is_pipelining_enabled("new")
    )


def _variables_of_host(action: ActionBase, task_vars: Mapping[str, Any]) -> Mapping[str, Any]:
    delegated = task_vars.get("ansible_delegated_vars") or {}
    variables: Mapping[str, Any] = delegated.get(action._task.delegate_to, task_vars)
    return variables


def _said(variables: Mapping[str, Any], action: ActionBase) -> str:
    return str(action._templar.template(constants.config.get_config_value("INTERPRETER_PYTHON", variables=variables)))


def _python(variables: Mapping[str, Any], action: ActionBase) -> Optional[str]:
    """The Python that Ansible would run modules with on the host; None if it would have to look for it first."""
    said = _said(variables, action)
    if not said.startswith("auto"):
        return said
    known = (variables.get("ansible_facts") or {}).get(FACT)
    if known:
        return str(known)
    return _first(variables) if said == "auto_silent" and _TAKES_THE_FIRST else None


# Up to 2.18 Ansible knows for each distribution which Python it is; since then it takes the first that is there.
_TAKES_THE_FIRST = not hasattr(interpreter_discovery, "_get_linux_distro")


def _first(variables: Mapping[str, Any]) -> str:
    names = constants.config.get_config_value("INTERPRETER_PYTHON_FALLBACK", variables=variables)
    return '"$(' + " || ".join(f"command -v {shlex.quote(name)}" for name in names) + ')"'
