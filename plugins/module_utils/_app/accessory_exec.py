# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command in the container of an accessory, or in a new one like it."""

from __future__ import annotations

from typing import Any, Dict

from .. import _body
from .._errors import AccessoryError
from .._host.changes import Changes
from .._host.engine import Engine, Inspected
from . import command as _command
from .command import Command

# What a container like it has of the body of another one.
KEPT = ("Env", "User", "WorkingDir", "Entrypoint")
KEPT_OF_HOST = ("Binds", "Mounts", "NetworkMode", "ExtraHosts", "Dns", "Memory", "NanoCpus", "ShmSize", "Tmpfs")


def run(engine: Engine, changes: Changes, name: str, command: Command, reuse: bool) -> Dict[str, Any]:
    """What the command wrote. CommandError where it ended with another code than 0."""
    container = engine.inspect(name)
    if container is None:
        raise AccessoryError(f"There is no container {name} here. Boot it first (caravan.kamal.accessory.boot).")
    if not reuse:
        return _command.in_new(
            engine, changes, name, _command.new_name(f"{name}_exec"), _like(container, command), command
        )
    if container["State"]["Status"] != "running":
        raise AccessoryError(f"{name} does not run. Start it (caravan.kamal.accessory.start), or do not reuse it.")
    return _command.in_running(engine, changes, name, command)


def _like(container: Inspected, command: Command) -> _body.Body:
    config, host_config = container["Config"], container["HostConfig"]
    given = [f"{name}={value}" for name, value in command.env.items()]
    return {
        "Image": container["Image"],
        **{key: config[key] for key in KEPT if config.get(key)},
        "Env": [*(config.get("Env") or ()), *given],
        "HostConfig": {key: host_config[key] for key in KEPT_OF_HOST if host_config.get(key)},
    }
