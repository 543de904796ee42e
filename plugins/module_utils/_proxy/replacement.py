# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A new kamal-proxy container in the place of the one that is there; routes and certificates are in the volume."""

from __future__ import annotations

from functools import partial
from typing import Any, List, Mapping, Optional

from .. import _body
from .._errors import CaravanError, ProxyError
from .._host import files, networks
from .._host.changes import Changes
from .._host.engine import Engine
from .._host.steps import attempt, on_the_way_back
from .._names import PROXY_APPS_CONFIG, PROXY_CONTAINER, PROXY_REPLACED, staged
from . import container as _container
from .commands import look
from .reassertion import Routes, reassert

Credentials = Optional[Mapping[str, str]]

STAGED = staged(PROXY_CONTAINER)


def recreate(engine: Engine, changes: Changes, wanted: Mapping[str, Any], credentials: Credentials) -> None:
    """The proxy container runs with just these settings; one that has others is replaced."""
    old = engine.inspect(PROXY_CONTAINER)
    if old is None:
        return _container.ensure(engine, changes, wanted, credentials)
    _container.pull_missing(engine, changes, wanted["Image"], credentials)
    image = engine.image(wanted["Image"])
    if _body.is_same(old, wanted, {}, {}, image.id if image else None):
        return _container.ensure(engine, changes, wanted, credentials)
    return _replace(engine, changes, old, wanted, "recreate")


def reboot(engine: Engine, changes: Changes, wanted: Mapping[str, Any], credentials: Credentials) -> None:
    """The proxy container is replaced, whether or not anything about it differs."""
    old = engine.inspect(PROXY_CONTAINER)
    if old is None:
        return _container.ensure(engine, changes, wanted, credentials)
    _container.pull_missing(engine, changes, wanted["Image"], credentials)
    return _replace(engine, changes, old, wanted, "reboot")


def _replace(engine: Engine, changes: Changes, old: Mapping[str, Any], wanted: Mapping[str, Any], verb: str) -> None:
    changes.show(PROXY_CONTAINER, _body.shown_container(old), _body.shown(wanted, {}))
    routes = look(engine, changes)  # also so that the new one finds a state file that it can read
    changes.do(f"{verb} {PROXY_CONTAINER}", lambda: take_turns(engine, changes, old, wanted, routes))


class Ports:
    """Nobody else has the ports that the new container wants."""

    def free(self) -> None:
        """Make them free: the last that is done before the new one starts."""

    def give_back(self) -> None:
        """The new one did not start."""


def take_turns(
    engine: Engine,
    changes: Changes,
    old: Mapping[str, Any],
    wanted: Mapping[str, Any],
    routes: Routes,
    ports: Optional[Ports] = None,
) -> None:
    """Both want the same ports, so the old one stops first. All that can be done before that is done before; if the
    new one does not come up, the old one returns."""
    ports = ports or Ports()
    _container.clear_away(engine)
    files.directory(PROXY_APPS_CONFIG)
    new = networks.create(engine, STAGED, files.absolute_binds(_body.complete(wanted, {}, {})))
    try:
        engine.stop(old["Id"], _container.STOPS_WITHIN)
        engine.rename(old["Id"], PROXY_REPLACED)
        engine.rename(new, PROXY_CONTAINER)
        ports.free()
        _container.start(engine)
    except CaravanError as error:
        troubles = _return(engine, old, new, ports)
        if not troubles:
            raise
        raise ProxyError("\n".join([error.message, *on_the_way_back(troubles)])) from error
    reassert(engine, changes, routes)
    for trouble in attempt(partial(engine.remove, old["Id"])):
        changes.notice(f"The former {PROXY_CONTAINER} is still here, stopped, as {PROXY_REPLACED}: {trouble}")


def _return(engine: Engine, old: Mapping[str, Any], new: str, ports: Ports) -> List[str]:
    """Whatever has come of the new container, the old one has its name again and runs if it did. Returns what went
    wrong, which keeps no other step from being taken."""
    return attempt(
        partial(engine.remove, new),
        ports.give_back,
        partial(_give_name_back, engine, old["Id"]),
        partial(_start_again, engine, old),
    )


def _give_name_back(engine: Engine, old: str) -> None:
    current = engine.inspect(PROXY_CONTAINER)
    if current is not None and current["Id"] != old:
        engine.rename(current["Id"], STAGED)  # it could not be removed; the next run tries again
    if current is None or current["Id"] != old:
        engine.rename(old, PROXY_CONTAINER)


def _start_again(engine: Engine, old: Mapping[str, Any]) -> None:
    """Under whatever name it has."""
    if old["State"]["Status"] == "running":
        engine.start(old["Id"])
