# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""kamal-proxy on a host: its container, and the routes of services through it."""

from __future__ import annotations

import re
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import _body
from .._errors import CaravanError, EngineError, PortError, ProxyError
from .._host import files
from .._host.changes import Changes
from .._host.engine import RUNNING, Engine, Executed
from .._names import PROXY_APPS_CONFIG, PROXY_CONTAINER, PROXY_DIRECTORY, PROXY_STATE, replaced
from .._shares import RoleShare
from . import flags

MINIMUM_VERSION = (0, 9, 2)
ANSWERS_WITHIN = 10.0
POLL = 0.1


def ensure(
    engine: Engine, changes: Changes, wanted: Mapping[str, Any], credentials: Optional[Mapping[str, str]]
) -> None:
    """The proxy container runs. One that exists is started, never changed: that is for a proxy reboot."""
    found = engine.inspect(PROXY_CONTAINER)
    if found is None:
        _pull_missing(engine, changes, wanted["Image"], credentials)
        changes.show(PROXY_CONTAINER, None, _body.shown(wanted, {}))
        changes.do(f"boot {PROXY_CONTAINER}", lambda: _boot(engine, wanted))
        return
    _check_version(found["Config"]["Image"])
    if _body.is_made_here(found) and not _body.is_same(found, wanted, {}, {}, found["Image"]):
        changes.notice(
            f"{PROXY_CONTAINER} runs with other settings than proxy/run says; they take effect when it is rebooted"
        )
    if found["State"]["Status"] != "running":
        changes.do(f"start {PROXY_CONTAINER}", lambda: _start(engine))


def recreate(
    engine: Engine, changes: Changes, wanted: Mapping[str, Any], credentials: Optional[Mapping[str, str]]
) -> None:
    """The proxy container runs with just these settings; a new one takes the routes over from the volume."""
    found = engine.inspect(PROXY_CONTAINER)
    if found is None:
        return ensure(engine, changes, wanted, credentials)
    _pull_missing(engine, changes, wanted["Image"], credentials)
    image = engine.image(wanted["Image"])
    if _body.is_same(found, wanted, {}, {}, image.id if image else None):
        return ensure(engine, changes, wanted, credentials)
    changes.show(PROXY_CONTAINER, _body.shown_container(found), _body.shown(wanted, {}))
    changes.do(f"recreate {PROXY_CONTAINER}", lambda: _replace(engine, found, wanted))


def _replace(engine: Engine, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Both want the same ports, so the old one stops first; if the new one does not come up, the old one returns."""
    engine.stop(found["Id"], None)
    engine.rename(found["Id"], replaced(PROXY_CONTAINER))
    try:
        _boot(engine, wanted)
    except CaravanError:
        engine.remove(PROXY_CONTAINER)
        engine.rename(found["Id"], PROXY_CONTAINER)
        if found["State"]["Status"] == "running":
            engine.start(PROXY_CONTAINER)
        raise
    engine.remove(found["Id"])


def stop(engine: Engine, changes: Changes) -> None:
    found = engine.inspect(PROXY_CONTAINER)
    if found and found["State"]["Status"] in RUNNING:
        changes.do(f"stop {PROXY_CONTAINER}", lambda: engine.stop(PROXY_CONTAINER, None))


def remove(engine: Engine, changes: Changes, force: bool) -> None:
    """The container and its files go, unless services still need it; the volume with certificates and routes stays."""
    if engine.inspect(PROXY_CONTAINER) is None:
        return
    used_by = sorted(services(engine))
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
    found = engine.inspect(PROXY_CONTAINER)
    state = found["State"]["Status"] if found else "absent"
    if state != "running":
        raise ProxyError(
            f"{PROXY_CONTAINER} does not run on this host (it is {state}). Deploy, or start it with the module proxy."
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
    while engine.execute(PROXY_CONTAINER, flags.list_argv()).code:
        if time.monotonic() > deadline:
            log = engine.logs(PROXY_CONTAINER, 5).strip()
            raise ProxyError(f"{PROXY_CONTAINER} was started but does not answer. Its last log lines:\n{log}")
        time.sleep(POLL)


def _check_version(image: str) -> None:
    """A version that can be read must be new enough; a custom tag is the operator's word."""
    found = re.search(r":v(\d+)\.(\d+)\.(\d+)", image)
    if found and tuple(int(part) for part in found.groups()) < MINIMUM_VERSION:
        raise ProxyError(
            f"{PROXY_CONTAINER} on this host is {image}, older than v{'.'.join(map(str, MINIMUM_VERSION))}. "
            "Remove the container and deploy again, or reboot it with `kamal proxy reboot`."
        )


def services(engine: Engine) -> Dict[str, flags.Service]:
    """All services that kamal-proxy routes, with all their options."""
    text = engine.read_file(PROXY_CONTAINER, PROXY_STATE) if engine.inspect(PROXY_CONTAINER) else None
    return flags.parse_state(text) if text else {}


def command(engine: Engine, argv: Sequence[str]) -> None:
    _judge(engine.execute(PROXY_CONTAINER, argv))


def deploy(engine: Engine, argv: Sequence[str], watch: Callable[[], object]) -> None:
    """Run `kamal-proxy deploy` while `watch` looks at the new container every moment.

    kamal-proxy would wait out the whole deploy timeout for a container that is long dead; whatever `watch` raises ends
    the wait at once.
    """
    answer: List[Executed] = []
    refusal: List[EngineError] = []

    def execute() -> None:
        try:
            answer.append(engine.execute(PROXY_CONTAINER, argv))
        except EngineError as error:
            refusal.append(error)

    thread = threading.Thread(target=execute, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(POLL)
        if thread.is_alive():
            watch()
    if refusal:
        raise refusal[0]
    _judge(answer[0])


def _judge(executed: Executed) -> None:
    if executed.code:
        raise ProxyError(flags.explain(executed.output))


def route(role: RoleShare, container: str) -> Tuple[str, flags.Options]:
    """The target and the options that kamal-proxy should have for a proxied role; `container` is its ID."""
    settings = role.proxy or {}
    target = flags.target(container, flags.app_port(settings))
    return target, flags.options(settings, deploy_timeout=role.deploy_timeout, drain_timeout=role.drain_timeout)
