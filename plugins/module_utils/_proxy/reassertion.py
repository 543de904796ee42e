# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The routes that kamal-proxy had before it was started anew: where one is missing since, it is told again."""

from __future__ import annotations

from typing import List, Mapping

from .._errors import CaravanError
from .._host.changes import Changes
from .._host.engine import Engine
from .._names import PROXY_CONTAINER
from . import commands, flags
from .state import Service

Routes = Mapping[str, Service]
# Where the state file says nothing of it, the seconds of kamal-proxy's own defaults.
SECONDS = 30


def reassert(engine: Engine, changes: Changes, before: Routes) -> None:
    """kamal-proxy runs and answers. A route whose target answers no more is a notice: it led nowhere before, too."""
    now = commands.look(engine, changes)
    for name in sorted(set(before) - set(now)):
        try:
            for argv in _told(before[name]):
                commands.command(engine, argv)
        except CaravanError as error:
            changes.notice(
                f"{PROXY_CONTAINER} had the route {name} before and not since, and did not take it again: "
                f"{error.message} Deploy this service again"
            )
        else:
            changes.notice(f"{PROXY_CONTAINER} had lost the route {name}; it was told again what it knew before")


def _told(service: Service) -> List[List[str]]:
    state = {
        "paused": [commands.pause_argv(service.name, SECONDS, SECONDS)],
        "stopped": [commands.stop_argv(service.name, SECONDS, service.message)],
    }
    deploy = flags.deploy_argv(service.name, service.targets, service.options)
    return [deploy, *state.get(service.state, [])]
