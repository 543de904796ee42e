# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A new kamal-proxy container in the place of the one that is there; routes and certificates are in the volume."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from .. import _body
from .._errors import CaravanError
from .._host import files, networks
from .._host.changes import Changes
from .._host.engine import Engine
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
    except CaravanError:
        _return(engine, old, new, ports)
        raise
    reassert(engine, changes, routes)
    engine.remove(old["Id"])


def _return(engine: Engine, old: Mapping[str, Any], new: str, ports: Ports) -> None:
    """Whatever has come of the new container, the old one has its name again and runs if it did."""
    engine.remove(new)
    ports.give_back()
    current = engine.inspect(PROXY_CONTAINER)
    if current is None or current["Id"] != old["Id"]:
        engine.rename(old["Id"], PROXY_CONTAINER)
    if old["State"]["Status"] == "running":
        engine.start(PROXY_CONTAINER)
