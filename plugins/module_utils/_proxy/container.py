# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kamal-proxy container of a host: booted, started, stopped, removed."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import Any, List, Mapping, Optional, Sequence

from .. import _body
from .._errors import EngineError, PortError, ProxyError, StateError
from .._host import files, health, networks
from .._host.changes import Changes
from .._host.engine import RUNNING, Engine
from .._host.steps import attempt
from .._names import (
    BESIDE_LABEL,
    FORMER_PROXY,
    PROXY_APPS_CONFIG,
    PROXY_CONTAINER,
    PROXY_DIRECTORY,
    PROXY_REPLACED,
    staged,
)
from .commands import list_argv, look
from .look import differences
from .reassertion import reassert

MINIMUM_VERSION = (0, 9, 2)
ANSWERS_WITHIN = 10.0  # seconds
POLL = 0.1  # seconds
# By then a port is free whose holder has just stopped.
AGAIN_AFTER = 1.0  # seconds
LOG_LINES = 5
# kamal-proxy gives requests under way ten seconds when it is told to stop, which is all that Docker would give it.
STOPS_WITHIN = 15


def ensure(
    engine: Engine, changes: Changes, wanted: Mapping[str, Any], credentials: Optional[Mapping[str, str]]
) -> None:
    """The proxy container runs. One that exists is started, never changed: that is for a proxy reboot."""
    container = engine.inspect(PROXY_CONTAINER)
    if container is None:
        pull_missing(engine, changes, wanted["Image"], credentials)
        changes.show(PROXY_CONTAINER, None, _body.shown(wanted, {}))
        changes.do(f"boot {PROXY_CONTAINER}", lambda: _boot(engine, wanted))
        return
    if BESIDE_LABEL not in wanted["Labels"]:
        _require_in_place(container)
    _check_version(container["Config"]["Image"])
    if _body.is_made_here(container) and not _body.is_same(container, wanted, {}, {}, container["Image"]):
        changes.notice(
            f"{PROXY_CONTAINER} runs with other settings than proxy/run says, which take effect when it is replaced "
            f"(caravan.kamal.proxy.upgrade): {'; '.join(differences(container, wanted)) or 'its image is another one'}"
        )
    if not health.is_connected(container):
        network = container["HostConfig"]["NetworkMode"]
        changes.do(f"connect {PROXY_CONTAINER} to network {network}", lambda: engine.attach(network, PROXY_CONTAINER))
    for network in networks.missing(container, wanted):
        connect = partial(engine.attach, network, PROXY_CONTAINER)
        changes.do(f"connect {PROXY_CONTAINER} to network {network}", connect)
    if container["State"]["Status"] != "running":
        changes.do(f"start {PROXY_CONTAINER}", lambda: start(engine))


def start_again(engine: Engine, changes: Changes, must_be_there: bool = False) -> None:
    """A container that has stopped runs again: only then can kamal-proxy be told to forget a route."""
    container = require_there(engine) if must_be_there else engine.inspect(PROXY_CONTAINER)
    if container and container["State"]["Status"] != "running":
        changes.do(f"start {PROXY_CONTAINER}", lambda: start(engine))


def restart(engine: Engine, changes: Changes) -> None:
    """The same container stops and starts again; the routes that it had before it has afterwards.

    It is started whatever has become of the stop, and once more where that fails: no app is served without it.
    """
    container = require_there(engine)
    if container["State"]["Status"] not in RUNNING:
        return start_again(engine, changes)
    routes = look(engine, changes)

    def act() -> None:
        troubles = attempt(partial(engine.stop, PROXY_CONTAINER, STOPS_WITHIN))
        if attempt(partial(start, engine)):
            time.sleep(AGAIN_AFTER)
            start(engine)
        reassert(engine, changes, routes)
        if troubles:
            raise ProxyError(f"{PROXY_CONTAINER} runs, and may not have been restarted: {troubles[0]}")

    changes.do(f"restart {PROXY_CONTAINER}", act)
    return None


def require_there(engine: Engine) -> Mapping[str, Any]:
    container = engine.inspect(PROXY_CONTAINER)
    if container is None:
        raise ProxyError(
            f"There is no container {PROXY_CONTAINER} on this host. Boot it with the playbook caravan.kamal.proxy.boot."
        )
    return container


def stop(engine: Engine, changes: Changes) -> None:
    container = engine.inspect(PROXY_CONTAINER)
    if container and container["State"]["Status"] in RUNNING:
        changes.do(f"stop {PROXY_CONTAINER}", lambda: engine.stop(PROXY_CONTAINER, STOPS_WITHIN))


def remove(engine: Engine, changes: Changes, force: bool, removed_routes: Sequence[str] = ()) -> List[str]:
    """The container and its files go, unless services still need it; the volume with certificates and routes stays.
    With `force` the container goes all the same, but not the files, which those routes may name. Nor do they while a
    service has certificates or pages there: one that is stopped has no route and needs them when it is started.

    In check mode the `removed_routes` count as gone: an earlier task of the run would have removed them. Returns the
    names of the services that need it.
    """
    if engine.inspect(PROXY_CONTAINER) is None:
        return []
    used_by: List[str] = []
    try:
        used_by = sorted(set(look(engine, changes)) - (set(removed_routes) if changes.check_mode else set()))
    except StateError:
        if not force:
            raise
    if used_by and not force:
        changes.notice(f"{PROXY_CONTAINER} stays: it still routes {', '.join(used_by)}")
        return used_by
    changes.show(PROXY_CONTAINER, {"routes": used_by}, None)
    changes.do(f"remove {PROXY_CONTAINER}", lambda: _remove(engine, with_files=not used_by))
    return used_by


def _remove(engine: Engine, with_files: bool) -> None:
    """The container goes last: while it is there, a run that was killed can be repeated."""
    engine.stop(PROXY_CONTAINER, STOPS_WITHIN)
    if with_files and files.exists(PROXY_DIRECTORY) and not files.inside(PROXY_APPS_CONFIG):
        files.remove(PROXY_DIRECTORY)
    clear_away(engine)
    engine.remove(PROXY_CONTAINER)


def is_beside(container: Optional[Mapping[str, Any]]) -> bool:
    """Whether it leaves its ports to Traefik, which it is to replace."""
    return container is not None and BESIDE_LABEL in (container["Config"].get("Labels") or {})


def _require_in_place(container: Optional[Mapping[str, Any]]) -> None:
    if is_beside(container):
        raise ProxyError(
            f"The upgrade from Kamal 1 has not come to its end on this host: {FORMER_PROXY} still has the ports that "
            f"{PROXY_CONTAINER} is to have. Run caravan.kamal.upgrade again, which goes on where it stopped."
        )


def require_in_place(engine: Engine) -> None:
    """It runs, and requests come to it."""
    require_running(engine)
    _require_in_place(engine.inspect(PROXY_CONTAINER))


def require_running(engine: Engine) -> None:
    container = engine.inspect(PROXY_CONTAINER)
    state = container["State"]["Status"] if container else "absent"
    if state != "running":
        raise ProxyError(
            f"{PROXY_CONTAINER} does not run on this host (it is {state}). Run caravan.kamal.proxy.boot, or setup or "
            "deploy, which boot it too (redeploy does not)."
        )


def pull_missing(engine: Engine, changes: Changes, image: str, credentials: Optional[Mapping[str, str]]) -> None:
    if engine.image(image) is None:
        changes.do(f"pull {image}", lambda: engine.pull(image, credentials))


def clear_away(engine: Engine) -> None:
    """What a replacement that was killed has left: the container that waited, or the one that had stopped for it."""
    for name in (staged(PROXY_CONTAINER), PROXY_REPLACED):
        engine.remove(name)


def _boot(engine: Engine, wanted: Mapping[str, Any]) -> None:
    clear_away(engine)
    files.directory(PROXY_APPS_CONFIG)
    body = files.absolute_binds(_body.complete(wanted, {}, {}))
    try:
        container = networks.create(engine, PROXY_CONTAINER, body)
    except EngineError:
        if engine.inspect(PROXY_CONTAINER) is None:
            raise
        return start(engine)  # The run of another app has just created it.
    try:
        return start(engine)
    except EngineError:
        engine.remove(container)
        raise


def start(engine: Engine) -> None:
    files.directory(PROXY_APPS_CONFIG)  # which Docker would make as root, where a removal was killed
    try:
        engine.start(PROXY_CONTAINER)
    except PortError as error:
        raise PortError(
            f"{PROXY_CONTAINER} cannot listen on this host: {error.message}. Stop what holds the port "
            "(ss -ltnp shows it), or choose others with proxy/run/http_port and https_port."
        ) from error
    wait_until_it_answers(engine)


def wait_until_it_answers(engine: Engine) -> None:
    deadline = time.monotonic() + ANSWERS_WITHIN
    while not _answers(engine):
        if time.monotonic() > deadline:
            log = engine.logs(PROXY_CONTAINER, LOG_LINES).strip() or "(nothing)"
            raise ProxyError(
                f"{PROXY_CONTAINER} does not answer. Mend what its log says and run this again, "
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
