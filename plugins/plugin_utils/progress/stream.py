# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command whose lines are shown while it runs, by the action of the module that runs it."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Sequence

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..display import places
from ..signals import ending_with_parent, ending_with_us
from . import reader

Execute = Callable[[str, Dict[str, Any], Mapping[str, Any]], Dict[str, Any]]
# Nothing is shown of a command that is not waited for, and of one whose output is for a file.
OF_NO_LINES = ("terminal", "detached", "raw", "progress")
FORMAT = "kamal_format"


def execute(
    action: ActionBase,
    run: Execute,
    module: str,
    arguments: Dict[str, Any],
    task_vars: Mapping[str, Any],
    names: Sequence[str],
) -> Dict[str, Any]:
    """What `run` answers, and whether all of the output was `streamed`. `names` are the places of all hosts of the
    play in which the command runs. In one place its lines are shown as they are."""
    if not _is_shown(action, arguments, task_vars):
        return run(module, arguments, task_vars)
    hear = partial(_hear, _teller(names), str(task_vars["inventory_hostname"]))
    with ending_with_parent(), reader.heard(action, hear) as reading, ending_with_us(reading.stop):
        answer = run(module, {**arguments, "progress": reading.path}, task_vars)
    return {**answer, "streamed": reading.is_whole}


def _is_shown(action: ActionBase, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> bool:
    """Where a program reads the answer, that is one document. What a task with `no_log` finds is for nobody."""
    as_json = action._templar.template(task_vars.get(FORMAT)) == "json"
    if as_json or action._task.check_mode or action._task.no_log:
        return False
    return not any(_is_said(arguments.get(name)) for name in OF_NO_LINES)


def _is_said(value: Any) -> bool:
    try:
        return bool(boolean(value, strict=True))
    except TypeError:
        return bool(value)


def _teller(names: Sequence[str]) -> Callable[[str, str, bool], None]:
    if len(names) < 2:
        return _tell_as_it_is
    tell = places.teller(names)
    return lambda name, text, _is_cut: tell(name, text)


def _tell_as_it_is(_name: str, text: str, is_cut: bool) -> None:
    """An end of line is taken for that of the message."""
    Display().display(text if is_cut else f"{text}\n", newline=not is_cut)


def _hear(tell: Callable[[str, str, bool], None], host: str, events: List[reader.Event]) -> None:
    for event in events:
        tell(place(host, event["place"]), event["text"], event["is_cut"])


def place(host: str, name: str) -> str:
    """A command of the host itself has no other name."""
    return host if name == "shell" else f"{host} {name}"
