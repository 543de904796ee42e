# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the variables that a user sets are in their table, and have values of their type."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Callable, Collection, Container, Dict, Iterable, List, Optional, Sequence

from ansible.module_utils.parsing.convert_bool import boolean

from ..module_utils._errors import Problem
from .former_variables import FORMER, GONE, OPTIONS
from .variables import BY_NAME, PREFIX, VARIABLES, Variable

# What the collection sets for itself and for plays of one's own to read. As an extra variable it would win over that.
READ_ONLY: Dict[str, str] = {
    "kamal_plan": "the role plan sets it, on localhost",
    "kamal_barrier": "the role app registers it, on the hosts of a batch",
    "kamal_env": "templates of accessories' files have it",
    "kamal_hook": "the role hooks sets it for task files",
    "kamal_hook_name": "the playbooks set it for the role hooks",
    "kamal_command": "the playbooks set it for the role plan; choose another playbook",
}


def unknown(extra: Iterable[str]) -> List[Problem]:
    """Extra variables with our prefix that nothing would read."""
    return [
        Problem(_not_one_of_ours(name), where=name) for name in extra if name.startswith(PREFIX) and name not in BY_NAME
    ]


def _not_one_of_ours(name: str) -> str:
    if name in READ_ONLY:
        return f"this cannot be set with -e: {READ_ONLY[name]}"
    if name in GONE:
        return GONE[name]
    near = get_close_matches(name, BY_NAME, n=1)
    return "there is no such variable; " + (
        f"did you mean {near[0]}?" if near else "docs/operating.md lists those that there are"
    )


def former(extra: Collection[str], playbooks: Sequence[str], known: Container[str] = ()) -> List[Problem]:
    """Extra variables that these playbooks take under another name; `known` are the names of all that are set."""
    names = {name: PREFIX + name for name in OPTIONS if playbooks and PREFIX + name not in known}
    names.update({old: new for playbook in playbooks for old, new in FORMER.get(playbook, {}).items()})
    problems = [Problem(f"this variable is called {names[name]}", where=name) for name in extra if name in names]
    return problems


def wrong_values(names: Iterable[str], value: Callable[[str], Any]) -> List[Problem]:
    """Variables among `names`, from wherever they come, whose value is not of their type."""
    checked = [variable for variable in VARIABLES if variable.name in names and _is_checked(variable)]
    problems = ((variable.name, _wrong(variable, value(variable.name))) for variable in checked)
    return [Problem(message, where=name) for name, message in problems if message]


def _is_checked(variable: Variable) -> bool:
    """Maps and lists are judged where they are read; to look at them here would resolve every secret twice."""
    return variable.type in ("int", "bool") or bool(variable.choices or variable.read)


def _wrong(variable: Variable, value: Any) -> Optional[str]:
    if value is None:
        return None
    if variable.choices:
        return None if str(value) in variable.choices else f"expected {' or '.join(variable.choices)}, not {value!r}"
    if variable.read:
        return _unreadable(variable.read, str(value))
    if variable.type == "bool":
        return None if _is_boolean(value) else f"expected true or false, not {value!r}"
    return None if str(value).isdecimal() else f"expected a whole number from 0 on, not {value!r}"


def _unreadable(read: Callable[[str], object], value: str) -> Optional[str]:
    try:
        read(value)
    except ValueError as error:
        return str(error)
    return None


def _is_boolean(value: Any) -> bool:
    try:
        boolean(value, strict=True)
    except TypeError:
        return False
    return True
