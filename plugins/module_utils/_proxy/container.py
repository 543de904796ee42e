# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kamal-proxy container of a host: booted, started, replaced, stopped, removed."""

from __future__ import annotations

import re
import time
from typing import Any, List, Mapping, Optional, Sequence

from .. import _body
from .._errors import CaravanError, EngineError, PortError, ProxyError, StateError
from .._host import files, health
from .._host.changes import Changes
from .._host.engine import RUNNING, Engine
from .._names import PROXY_APPS_CONFIG, PROXY_CONTAINER, PROXY_DIRECTORY, replaced
from .commands import list_argv, look

MINIMUM_VERSION = (0, 9, 2)
ANSWERS_WITHIN = 10.0  # seconds
POLL = 0.1  # seconds
LOG_LINES = 5


def ensure(
    engine: Engine, changes: Changes, wanted: Mapping[str, Any], credentials: Optional[Mapping[str, str]]
) -> None:
    """The proxy container runs. One that exists is started, never changed: that is for a proxy reboot."""
    container = engine.inspect(PROXY_CONTAINER)
    if container is None:
        _pull_missing(engine, changes, wanted["Image"], credentials)
        changes.show(PROXY_CONTAINER, None, _body.shown(wanted, {}))
        changes.do(f"boot {PROXY_CONTAINER}", lambda: _boot(engine, wanted))
        return
    _check_version(container["Config"]["Image"])
    if _body.is_made_here(container) and not _body.is_same(container, wanted, {}, {}, container["Image"]):
        changes.notice(
            f"{PROXY_CONTAINER} runs with other settings than proxy/run says; they take effect when it is rebooted"
        )
    if not health.is_connected(container):
        network = container["HostConfig"]["NetworkMode"]
        changes.do(f"connect {PROXY_CONTAINER} to network {network}", lambda: engine.attach(network, PROXY_CONTAINER))
    if container["State"]["Status"] != "running":
        changes.do(f"start {PROXY_CONTAINER}", lambda: _start(engine))


def start_again(engine: Engine, changes: Changes) -> None:
    """A container that has stopped runs again: only then can kamal-proxy be told to forget a route."""
    container = engine.inspect(PROXY_CONTAINER)
    if container and container["State"]["Status"] != "running":
        changes.do(f"start {PROXY_CONTAINER}", lambda: _start(engine))


def recreate(
    engine: Engine, changes: Changes, wanted: Mapping[str, Any], credentials: Optional[Mapping[str, str]]
) -> None:
    """The proxy container runs with just these settings; a new one takes the routes over from the volume."""
    container = engine.inspect(PROXY_CONTAINER)
    if container is None:
        return ensure(engine, changes, wanted, credentials)
    _pull_missing(engine, changes, wanted["Image"], credentials)
    image = engine.image(wanted["Image"])
    if _body.is_same(container, wanted, {}, {}, image.id if image else None):
        return ensure(engine, changes, wanted, credentials)
    changes.show(PROXY_CONTAINER, _body.shown_container(container), _body.shown(wanted, {}))
    look(engine, changes)  # so that the new one finds a state file that it can read
    changes.do(f"recreate {PROXY_CONTAINER}", lambda: _replace(engine, container, wanted))


def _replace(engine: Engine, container: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Both want the same ports, so the old one stops first; if the new one does not come up, the old one returns."""
    try:
        engine.stop(container["Id"], None)
        engine.rename(container["Id"], replaced(PROXY_CONTAINER))
        _boot(engine, wanted)
    except CaravanError:
        _return(engine, container)
        raise
    engine.remove(container["Id"])


def _return(engine: Engine, old: Mapping[str, Any]) -> None:
    """Whatever has come of the new container, the old one has its name again and runs if it did."""
    current = engine.inspect(PROXY_CONTAINER)
    if current is None or current["Id"] != old["Id"]:
        engine.remove(PROXY_CONTAINER)
        engine.rename(old["Id"], PROXY_CONTAINER)
    if old["State"]["Status"] == "running":
        engine.start(PROXY_CONTAINER)


def stop(engine: Engine, changes: Changes) -> None:
    container = engine.inspect(PROXY_CONTAINER)
    if container and container["State"]["Status"] in RUNNING:
        changes.do(f"stop {PROXY_CONTAINER}", lambda: engine.stop(PROXY_CONTAINER, None))


def remove(engine: Engine, changes: Changes, force: bool, removed_routes: Sequence[str] = ()) -> None:
    """The container and its files go, unless services still need it; the volume with certificates and routes stays.

    In check mode the `removed_routes` count as gone: an earlier task of the run would have removed them.
    """
    if engine.inspect(PROXY_CONTAINER) is None:
        return
    used_by: List[str] = []
    try:
        used_by = sorted(set(look(engine, changes)) - (set(removed_routes) if changes.check_mode else set()))
    except StateError:
        if not force:
            raise
    if used_by and not force:
        changes.notice(f"{PROXY_CONTAINER} stays: it still routes {', '.join(used_by)}")
        return
    changes.show(PROXY_CONTAINER, {"routes": used_by}, None)
    changes.do(f"remove {PROXY_CONTAINER}", lambda: _remove(engine))


def _remove(engine: Engine) -> None:
    engine.stop(PROXY_CONTAINER, None)
    engine.remove(PROXY_CONTAINER)
    if files.exists(PROXY_DIRECTORY):
        files.remove(PROXY_DIRECTORY)


def require_running(engine: Engine) -> None:
    container = engine.inspect(PROXY_CONTAINER)
    state = container["State"]["Status"] if container else "absent"
    if state != "running":
        raise ProxyError(
            f"{PROXY_CONTAINER} does not run on this host (it is {state}). Run caravan.kamal.setup or "
            "caravan.kamal.deploy, which boot it (redeploy does not), or use the module proxy."
        )


def _pull_missing(engine: Engine, changes: Changes, image: str, credentials: Optional[Mapping[str, str]]) -> None:
    if engine.image(image) is None:
        changes.do(f"pull {image}", lambda: engine.pull(image, credentials))


def _boot(engine: Engine, wanted: Mapping[str, Any]) -> None:
    files.directory(PROXY_APPS_CONFIG)
    container = engine.create(PROXY_CONTAINER, files.absolute_binds(_body.complete(wanted, {}, {})))
    try:
        _start(engine)
    except EngineError:
        engine.remove(container)
        raise


def _start(engine: Engine) -> None:
    try:
        engine.start(PROXY_CONTAINER)
    except PortError as error:
        raise PortError(
            f"{PROXY_CONTAINER} cannot listen on this host: {error.message}. Stop what holds the port "
            "(ss -ltnp shows it), or choose others with proxy/run/http_port and https_port."
        ) from error
    _wait_until_it_answers(engine)


def _wait_until_it_answers(engine: Engine) -> None:
    deadline = time.monotonic() + ANSWERS_WITHIN
    while not _answers(engine):
        if time.monotonic() > deadline:
            log = engine.logs(PROXY_CONTAINER, LOG_LINES).strip() or "(nothing)"
            raise ProxyError(
                f"{PROXY_CONTAINER} was started but does not answer. Mend what its log says and run this again, "
                f"with the module proxy and recreate: true if its settings are wrong:\n{log}"
            )
        time.sleep(POLL)


def _answers(engine: Engine) -> bool:
    """Whether it can be asked anything. A container that has only just been started may refuse any command."""
    try:
        return engine.execute(PROXY_CONTAINER, list_argv()).code == 0
    except EngineError:
        return False


def _check_version(image: str) -> None:
    """A version that can be read must be new enough; a custom tag is the operator's word."""
    match = re.search(r":v(\d+)\.(\d+)\.(\d+)", image)
    if match and tuple(int(part) for part in match.groups()) < MINIMUM_VERSION:
        raise ProxyError(
            f"{PROXY_CONTAINER} on this host is {image}, older than v{'.'.join(map(str, MINIMUM_VERSION))}. "
            "Remove the container and deploy again, or reboot it with `kamal proxy reboot`."
        )
