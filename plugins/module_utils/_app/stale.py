# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stale containers: of a role those that run beside the one which counts as running, that did not go live last, and
that nobody is sent to."""

from __future__ import annotations

from functools import partial
from typing import List, Optional, Set

from .. import _records
from .._names import short_id
from .._proxy import commands
from . import info
from .context import Context


def stop(context: Context, roles: Optional[List[str]]) -> None:
    """Stop those of these roles (None means all of the host)."""
    latest = context.engine.image(context.share.image.latest_reference)
    served = _targets(context)
    for role in context.roles(roles):
        own = context.containers(role)
        current = info.current(own, {"id": latest.id} if latest else None).get(role.name)
        kept = {current.id if current else None, _records.live_container(context.records, role.name)}
        stale = [each for each in own if each.running and each.id not in kept and short_id(each.id) not in served]
        for each in stale:
            stopping = partial(context.engine.stop, each.id, role.stop_timeout)
            context.changes.do(f"stop container {each.name}", stopping)
        if stale and not context.changes.check_mode:
            context.audit(role.name, f"Stopped stale containers {', '.join(each.name for each in stale)}")


def _targets(context: Context) -> Set[str]:
    """The short IDs that requests are sent to, of whatever service."""
    services = commands.look(context.engine, context.changes) if context.share.proxy else {}
    return {target.partition(":")[0] for service in services.values() for target in service.targets}
