# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an interrupted run has left under the name that containers wait under: finished with, or kept as it serves."""

from __future__ import annotations

from functools import partial
from typing import Optional, Sequence

from .. import _names
from .._host.engine import Container
from .._proxy import commands, deployment
from .._shares import RoleShare
from .context import Context, Running
from .routing import Routes, leads_to


def clear(context: Context, role: RoleShare, own: Sequence[Container], kept: Optional[Running], routes: Routes) -> None:
    """Remove the role's containers that still wait, but not what serves; that gives its name away where it is needed.

    `own` are the containers of the role, `kept` the one of them that is wanted as it is.
    """
    for container in own:
        if not _names.is_staged(container.name) or (kept and kept.id == container.id):
            continue
        if not _serves(role, container, own, routes) and not _is_switched_to_late(context, role, container):
            remove = partial(context.engine.remove, container.id, volumes=True)
            context.changes.do(f"remove container {container.name}", remove)
        elif container.name == _names.staged(role.container):
            rename = partial(context.engine.rename, container.id, _names.replaced(role.container))
            context.changes.do(f"rename container {container.name}, which serves", rename)


def _serves(role: RoleShare, container: Container, own: Sequence[Container], routes: Routes) -> bool:
    if not container.running:
        return False
    if role.proxy is not None:
        return leads_to(routes().get(role.route or ""), container.id)
    return not any(other.running and not _names.is_staged(other.name) for other in own)


def _is_switched_to_late(context: Context, role: RoleShare, container: Container) -> bool:
    """Whether kamal-proxy still led requests to it, in a deploy of the run that was killed.

    Only a container that is stopped keeps it from that. One that it was too late for is started again.
    """
    if context.changes.check_mode or not container.running:
        return False
    context.engine.stop(container.id, role.stop_timeout)
    if role.proxy is None:
        return False
    deployment.let_end(lambda: False)
    if not leads_to(commands.look(context.engine, context.changes).get(role.route or ""), container.id):
        return False
    context.engine.start(container.id)
    return True
