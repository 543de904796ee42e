# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Another look at what went live a while ago: whether it has kept running, and is still what requests go to."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .. import _records
from .._errors import CaravanError, HealthError
from .._host import files, health
from .._shares import RoleShare
from . import history
from .context import Context
from .routing import Routes, Routing


class Died(HealthError):
    """It went live and has exited since, or was restarted."""


def look(context: Context, names: Optional[List[str]], routes: Routes, since: Optional[float]) -> None:
    """HealthError unless the plan's version still serves in these roles (None means all) as it did when it went live.

    A restart before `since` (Unix seconds by the clock of this host) does not count; without it none may have been.

    A version that has died is marked as bad, so that nothing goes back to it. In check mode a version that never went
    live here is passed over: the deploy that would bring it was not real either.
    """
    failures: List[CaravanError] = []
    for role in context.roles(names):
        try:
            _look_at(context, role, routes, since)
        except CaravanError as error:
            failures.append(error)
    died = next((error for error in failures if isinstance(error, Died)), None)
    if died:
        _mark(context, died)
    if failures:
        details = (died or failures[0]).details
        raise HealthError("\n".join(error.message for error in failures), **details)


def _look_at(context: Context, role: RoleShare, routes: Routes, since: Optional[float]) -> None:
    share = context.share
    container = _on_record(context, role)
    if container is None:
        if context.changes.check_mode:
            return
        raise HealthError(
            f"{role.container} is not what went live last on {share.host}: another run has come in between. "
            "Look at caravan.kamal.details and deploy again."
        )
    try:
        health.alive(context.engine, container, since)
    except HealthError as error:
        report = health.report(context.engine, container)
        raise Died(_story(role, share.host, error, report), container=role.container, **report) from error
    if role.proxy is not None and not Routing(context.engine, context.changes, role, routes).leads_to(container):
        raise HealthError(
            f"{role.container} runs on {share.host}, but kamal-proxy no longer sends it the requests for {role.route}. "
            "Look at caravan.kamal.details and deploy again."
        )


def _on_record(context: Context, role: RoleShare) -> Optional[str]:
    """The container of the plan's version, if that is what went live last."""
    live = _records.last_of(context.records, role.name)
    return live.container or None if live and live.version == context.share.version else None


def _story(role: RoleShare, host: str, error: HealthError, report: Dict[str, Any]) -> str:
    lines = [f"{role.container} went live on {host} and did not stay so: {error.message}. State: {report['state']}."]
    if report["log"]:
        lines += ["Last log lines:", *(f"  {line}" for line in report["log"])]
    lines.append("Mend the image or its settings and deploy again, or go back with caravan.kamal.rollback.")
    return "\n".join(lines)


def _mark(context: Context, died: Died) -> None:
    share, reason = context.share, died.message.partition("\n")[0]

    def mark() -> None:
        files.append(share.history_file, history.bad_entry(share.version, reason, share.performer))

    if share.version not in _records.bad_versions(context.records):
        context.changes.do(f"mark {share.version} as bad", mark)
