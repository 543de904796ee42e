# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What callbacks read out of the result of a task."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional

from ansible import context

from .summary import CONTROLLER

# A hook says itself what it runs, before it does. What tasks a file brings are announced one by one.
SILENT = (
    "ansible.builtin.set_fact",
    "set_fact",
    "ansible.builtin.include_tasks",
    "include_tasks",
    "ansible.builtin.include_role",
    "include_role",
    "caravan.kamal.hook",
)
MESSAGES = ("ansible.builtin.debug", "debug")
# What ansible-core 2.19 puts before the message of a task that could not begin; the names are ours, not the reader's.
WRAPPING = re.compile(
    r"\A(Task failed: )?(Finalization of task args for '[^']*' failed: )?(Error while resolving value for '[^']*': )?"
    r"(The lookup plugin 'caravan\.kamal\.\w+' failed: )?"
    r"(An unhandled exception occurred while running the lookup plugin '[^']*'\. Error was a .*?, original message: )?"
)


def answer_of(result: Any) -> Dict[str, Any]:
    """ansible-core 2.19 made the attribute public."""
    answer: Dict[str, Any] = result.result if hasattr(result, "result") else result._result
    return answer


def short_name(task: Any) -> str:
    """A task's name without that of its role."""
    role, colon, name = task.get_name().partition(" : ")
    return str(name if colon else role)


def task_of(result: Any) -> Any:
    return result.task if hasattr(result, "task") else result._task


def host_of(result: Any) -> str:
    """The host of the play that a task ran for, wherever it was delegated to."""
    return str((result.host if hasattr(result, "host") else result._host).get_name())


def place_of(result: Any, label: str) -> str:
    """The host that a task ran on, whichever host of the play it ran for. `label` is Ansible's, which names both."""
    host = label.rpartition(" -> ")[2]
    return host_of(result) if "{{" in host else host  # It failed before it was known where it runs.


def begins_at(task: Any) -> Optional[str]:
    """Where a task that begins will run, if not on its host; empty where a variable decides."""
    if not task.delegate_to:
        return None
    return CONTROLLER if task.delegate_to == "localhost" else ""


def has_items(answer: Mapping[str, Any]) -> bool:
    """Of a task with a loop, each item of which was told already."""
    return any("ansible_loop_var" in item for item in _list(answer, "results") if isinstance(item, dict))


def actions_of(answer: Mapping[str, Any]) -> List[str]:
    """What our modules say that they did; others may call something else so."""
    found = _list(answer, "actions")
    return found if all(isinstance(each, str) for each in found) else []


def _list(answer: Mapping[str, Any], name: str) -> List[Any]:
    found = answer.get(name)
    return found if isinstance(found, list) else []


def done(answer: Mapping[str, Any], task: Any) -> List[str]:
    """What a task did, one line each: our modules say it, others only whether they changed something."""
    if has_items(answer):
        return []
    if actions_of(answer):
        return actions_of(answer)
    if task.action in MESSAGES:
        return _texts(answer.get("msg"))
    return ["changed"] if answer.get("changed") else []


def _texts(message: Any) -> List[str]:
    return [str(line) for line in message] if isinstance(message, list) else str(message or "").splitlines()


def reason_of(answer: Mapping[str, Any]) -> str:
    """One telling of what went wrong; modules that are not ours keep some of it in other fields."""
    parts = (plain(answer.get("msg")), answer.get("module_stderr"), answer.get("stderr"))
    return "\n".join(str(part).strip() for part in parts if part)


def wait_of(answer: Mapping[str, Any], task: Any) -> str:
    """What a task with `until` waits for, before it is tried again."""
    attempts = int(answer.get("retries") or 0) - int(answer.get("attempts") or 0)
    return f"waits for up to {max(0, attempts) * int(float(task.delay or 0))} s: {reason_of(answer)}"


def plain(message: Any) -> str:
    """Without what Ansible says of itself before it comes to what went wrong, which it may say twice."""
    text = WRAPPING.sub("", str(message or ""))
    half = (len(text) - 2) // 2
    return text[:half] if half > 0 and text == f"{text[:half]}. {text[:half]}" else text


def looks_ahead(task: Any) -> bool:
    """Whether it shows, before a run that changes something, what that would be."""
    return bool(task.check_mode) and not context.CLIARGS.get("check")
