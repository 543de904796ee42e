# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Follows what a service logs on all hosts: each says how it is reached, and one process listens to all."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Dict, List, Mapping

from ..module_utils._durations import duration, moment
from ..module_utils._errors import CommandError
from ..plugin_utils import follow, terminal
from ..plugin_utils.controller import ControllerAction
from ..plugin_utils.display import places

DEFAULT_LINES = 10


class ActionModule(ControllerAction):
    asks_operator = True
    options = {
        "state": {"type": "str", "choices": ["ready", "followed"], "required": True},
        "service": {"type": "str"},
        "destination": {"type": "str"},
        "roles": {"type": "list", "elements": "str", "default": []},
        "containers": {"type": "list", "elements": "str", "default": []},
        "answers": {"type": "str"},
        "once": {"type": "bool", "default": False},
        "lines": {"type": "int"},
        "since": {"type": "str"},
        "grep": {"type": "str"},
        "grep_options": {"type": "str"},
        "timestamps": {"type": "bool", "default": True},
    }

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        if arguments["state"] == "ready":
            return {"way": asdict(terminal.way(self)), "places": _filters(arguments)}
        followed = _places(str(arguments["answers"]), task_vars)
        if not followed:
            raise CommandError("There is nothing to follow on any of these hosts.")
        names = [place.name for place in followed]
        if not self._task.check_mode:
            follow.follow(followed, _wish(arguments), places.teller(names))
        return {"places": names}


def _filters(arguments: Mapping[str, Any]) -> Dict[str, List[str]]:
    """By what is followed on this host: the words by which it is found."""
    service, destination = arguments["service"], arguments["destination"] or ""
    roles = {role: follow.filters_of_role(service, role, destination) for role in arguments["roles"]}
    return {**roles, **{name: follow.filters_of(name) for name in arguments["containers"]}}


def _places(variable: str, task_vars: Mapping[str, Any]) -> List[follow.Place]:
    """Of all hosts that answered."""
    found = []
    for host in task_vars["ansible_play_hosts_all"]:
        answer = task_vars["hostvars"][host].get(variable) or {}
        for name, filters in (answer.get("places") or {}).items():
            found.append(follow.Place(f"{host} {name}", terminal.Way(**answer["way"]), filters))
    return found


def _wish(arguments: Mapping[str, Any]) -> follow.Wish:
    since, grep, options = (arguments[name] or "" for name in ("since", "grep", "grep_options"))
    lines = arguments["lines"] or (None if since or grep else DEFAULT_LINES)
    return follow.Wish(lines, _since(since), grep, options if grep else "", arguments["timestamps"], arguments["once"])


def _since(word: str) -> str:
    """A duration is one by the clock of each host."""
    try:
        duration(word)
    except ValueError:
        return str(moment(word, 0)) if word else ""
    return word
