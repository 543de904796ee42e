# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An accessory's new container in the place of the old one: proven under the name that it waits under, or given up.

Until it is ready the old container keeps its name and the files that it had are kept, so that it can come back. No
volume is ever removed, and what the old container has in volumes without a name goes on in the new one.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any, Dict, List, Optional, Sequence

from .. import _body, _names
from .._errors import AccessoryError, CaravanError, HealthError
from .._host import health
from .._host.engine import Inspected
from .._host.steps import attempt, on_the_way_back
from .._names import SPEC_LABEL
from .accessory_host import AccessoryHost, is_running
from .accessory_route import AccessoryRoute

START_FIRST = "start_first"
POLL = 0.5  # seconds
LONGEST_OUTPUT = 20  # lines


class Replacement:
    """`old` is the container under the accessory's name, and `ran` whether it ran before. It `goes_on` where a new one,
    begun by a run which did not end, runs as it is wanted."""

    def __init__(
        self,
        host: AccessoryHost,
        route: AccessoryRoute,
        old: Optional[Inspected],
        ran: bool,
        goes_on: bool,
        backup: bool,
    ) -> None:
        self.host, self.share, self.changes, self.engine = host, host.share, host.changes, host.engine
        self.old, self.ran, self.goes_on = old, ran and old is not None, goes_on
        self.is_back = False
        self.route = route
        self.new = _names.staged(host.name)
        self.backup = backup and old is not None and not goes_on and bool(host.share.backup)
        self.carried = _volumes_without_a_name(old, host.share.body) if old else []

    def run(self) -> None:
        """HealthError if the new container did not get ready; the old one then runs again."""
        host, share = self.host, self.share
        if not self.goes_on:
            self._prepare()
        try:
            if not self.goes_on:
                self._make_room()
                host.files.replace(self.old)
            host.do(f"boot container {host.name}", f"Booted {share.name} accessory", self._start)
            self.route.lead_to(self._target())
        except CaravanError as error:
            if self.changes.check_mode:
                raise
            raise self._gone_back(error) from error
        self._settle()

    def _show(self) -> None:
        before = _body.shown_container(self.old) if self.old else None
        if before and self.old:
            before["secrets changed"] = ", ".join(_body.changed_secrets(self.old, self.host.values)) or None
        self.changes.show(self.share.name, before, _body.shown(self.host.compared, self.share.secrets))

    # Before anything changes

    def _prepare(self) -> None:
        try:
            self.host.ensure_network(self.share.network)
            self.host.files.make_folders()
            self._show()
            self._back_up()
        except CaravanError:
            if not self.changes.check_mode:
                attempt(self._start_old)  # which a run that was killed may have stopped
            raise

    def _back_up(self) -> None:
        if self.backup:
            name = self.share.name
            self.host.do(f"back up {self.host.name}", f"Backed up {name} accessory", self._run_backup)

    def _run_backup(self) -> None:
        """A container that was stopped runs for it, and no longer; it may have been started a moment ago."""
        started = not is_running(self.old)
        try:
            if started:
                self.engine.start(self.host.name)
                self._prove(self.host.name)
            executed = (self.host.patient or self.engine).execute(self.host.name, self.share.backup)
            if executed.code:
                raise AccessoryError(f"It ended with code {executed.code}: {_end(executed.output)}")
        except CaravanError as error:
            raise AccessoryError(
                f"The backup of {self.host.name} on {self.share.host} failed, so it was not replaced. {error.message} "
                f"Mend accessories/{self.share.name}/backup, or do without it: -e kamal_accessory_backup=false."
            ) from error
        finally:
            if started and not self.ran:
                attempt(partial(self.engine.stop, self.host.name, None))

    def _make_room(self) -> None:
        """The new container is created first: what Docker refuses about it costs no downtime."""
        starts_first = self.share.update == START_FIRST
        if starts_first and self.carried:
            self.changes.notice(
                f"{self.host.name} has data in a volume without a name, which two containers must not write to: it was "
                "stopped first this time. Give that volume a name in the configuration."
            )
            starts_first = False
        create = partial(self.engine.create, self.new, self.host.complete(self.carried))
        if not self.changes.check_mode:
            create()
        if self.ran and not starts_first:
            self.route.hold()
            self.host.stop(self.host.name)

    # Proof

    def _start(self) -> None:
        if not self.goes_on:
            self.engine.start(self.new)
        self._prove(self.new)

    def _target(self) -> str:
        """In check mode there is no new container yet, at most one under its name that would have gone before."""
        return self.new if self.goes_on or not self.changes.check_mode else "the new container"

    def _prove(self, container: str) -> None:
        if self.share.ready:
            self._wait_until_ready(container)
        else:
            health.prove(self.engine, container, self.share.ready_timeout, self.share.readiness_delay)

    def _wait_until_ready(self, container: str) -> None:
        deadline = time.monotonic() + self.share.ready_timeout
        while True:
            health.alive(self.engine, container)
            executed = self.engine.execute(container, self.share.ready)
            if not executed.code:
                return
            if time.monotonic() > deadline:
                raise HealthError(
                    f"{' '.join(self.share.ready)} still ended with code {executed.code} after ready_timeout "
                    f"({self.share.ready_timeout} s): {_end(executed.output)}"
                )
            time.sleep(POLL)

    # The way back

    def _gone_back(self, error: CaravanError) -> CaravanError:
        host, report = self.host, dict(health.UNKNOWN)
        troubles = attempt(lambda: report.update(health.report(self.engine, self.new)))
        if self.old is None and report["state"] == "running":
            return self._failure(error, report, troubles, f"It runs on as {self.new}; the next run looks at it again.")
        troubles += attempt(self._stop_new, host.files.restore, self._start_old) or attempt(self._put_aside)
        end = "The container that was there before runs again." if self.is_back else "Nothing runs there now."
        return self._failure(error, report, troubles, end)

    def _stop_new(self) -> None:
        if is_running(self.engine.inspect(self.new)):
            self.engine.stop(self.new, None)

    def _start_old(self) -> None:
        if not self.ran:
            return
        if not is_running(self.engine.inspect(self.host.name)):
            if is_running(self.engine.inspect(self.new)):
                raise AccessoryError(f"{self.host.name} was not started beside {self.new}, which still runs.")
            self.engine.start(self.host.name)
        self.is_back = True
        self.route.lead_back_to(self.host.name)

    def _put_aside(self) -> None:
        """Last of all: as long as it has its name the next run knows that the way back was not gone to its end. One
        that never ran is of no use to anybody; of another its logs may be."""
        container = self.engine.inspect(self.new)
        if container is None or container["State"]["Status"] == "created":
            return self.engine.remove(self.new)
        self.engine.remove(_names.given_up(self.host.name))
        return self.engine.rename(self.new, _names.given_up(self.host.name))

    def _failure(self, error: CaravanError, report: Dict[str, Any], troubles: List[str], end: str) -> CaravanError:
        lines = [f"{self.host.name} did not get ready on {self.share.host}: {error.message.rstrip('.')}."]
        for title, part in (("Health checks", report["health_log"]), ("Last log lines", report["log"])):
            if part:
                lines += [f"{title}:", *(f"  {line}" for line in part)]
        lines += on_the_way_back(troubles)
        return HealthError("\n".join([*lines, end]), container=self.host.name, **report)

    # It is ready

    def _settle(self) -> None:
        """The name is given last of all: until then the next run knows that this one did not end."""
        aside = _names.put_aside(self.host.name)
        if not self.changes.check_mode:
            if self.old is not None:
                self.engine.rename(self.host.name, aside)
            self.engine.rename(self.new, self.host.name)
            self.host.files.forget()
        if self.old is not None:
            self.changes.do(f"remove container {aside}", partial(self._remove, aside))

    def _remove(self, name: str) -> None:
        self.engine.stop(name, None)
        self.engine.remove(name)


def _volumes_without_a_name(old: Inspected, body: _body.Body) -> List[str]:
    """Those that neither the old container's configuration nor the new one's says anything about, as binds."""
    spec = json.loads((old["Config"].get("Labels") or {}).get(SPEC_LABEL) or "{}") or old
    named = {*_targets(spec.get("HostConfig") or {}), *_targets(body.get("HostConfig") or {})}
    mounts = [mount for mount in old.get("Mounts") or () if mount.get("Type") == "volume" and mount.get("Name")]
    return [f"{mount['Name']}:{mount['Destination']}" for mount in mounts if mount["Destination"] not in named]


def _targets(host_config: _body.Body) -> Sequence[str]:
    binds = [bind.split(":")[1] for bind in host_config.get("Binds") or () if ":" in bind]
    return [*binds, *(str(mount.get("Target")) for mount in host_config.get("Mounts") or ())]


def _end(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-LONGEST_OUTPUT:]) or "it wrote nothing"
