# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command in the container of an accessory, or in a new one like it that goes when the command has ended."""

from __future__ import annotations

import secrets
import shlex
import time
from typing import Any, Dict, List

from .._errors import AccessoryError, ConfigError, Problem
from .._host.changes import Changes
from .._host.engine import RUNNING, Engine, Executed, Inspected

POLL = 0.2  # seconds
# By this label what a killed run left is found. Until so many seconds later another run may be about to start it or to
# read it.
LABEL = "caravan.exec"
LEFT_AFTER = 3600
# What a container like it has of the body of another one.
KEPT = ("Env", "User", "WorkingDir", "Entrypoint")
KEPT_OF_HOST = ("Binds", "Mounts", "NetworkMode", "ExtraHosts", "Dns", "Memory", "NanoCpus", "ShmSize", "Tmpfs")


def run(engine: Engine, changes: Changes, name: str, command: str, reuse: bool) -> Dict[str, Any]:
    """What the command wrote. AccessoryError where it ended with another code than 0."""
    words = _words(command)
    container = engine.inspect(name)
    if container is None:
        raise AccessoryError(f"There is no container {name} here. Boot it first (caravan.kamal.accessory.boot).")
    if reuse and container["State"]["Status"] != "running":
        raise AccessoryError(f"{name} does not run. Start it (caravan.kamal.accessory.start), or do not reuse it.")

    def act() -> Executed:
        return engine.execute(name, words) if reuse else _in_new_one(engine, name, container, words)

    place = name if reuse else f"a container like {name}"
    executed = changes.do(f"run {words[0]} in {place}", act) or Executed(0, "")
    if executed.code:
        output = executed.output.strip() or "It wrote nothing."
        raise AccessoryError(f"{words[0]} ended with code {executed.code} in {place}.\n{output}")
    state = "not run" if changes.check_mode else "exit code 0"
    return {"container": place, "state": state, "lines": executed.output.splitlines()}


def _in_new_one(engine: Engine, name: str, container: Inspected, words: List[str]) -> Executed:
    for left in engine.containers(f"{LABEL}={name}"):
        if left.state not in RUNNING and time.time() - left.created > LEFT_AFTER:
            engine.remove(left.id)
    config, host_config = container["Config"], container["HostConfig"]
    body = {
        "Image": container["Image"],
        **{key: config[key] for key in KEPT if config.get(key)},
        "Cmd": words,
        "Labels": {LABEL: name},
        "HostConfig": {key: host_config[key] for key in KEPT_OF_HOST if host_config.get(key)},
    }
    new = engine.create(f"{name}_exec_{secrets.token_hex(4)}", body)
    try:
        engine.start(new)
        while True:
            state = (engine.inspect(new) or {"State": {"Status": "gone", "ExitCode": 1}})["State"]
            if state["Status"] not in RUNNING:
                return Executed(int(state["ExitCode"]), engine.logs(new, None))
            time.sleep(POLL)
    finally:
        engine.remove(new, volumes=True)


def _words(command: str) -> List[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError([Problem(f"it cannot be split into words: {str(error).lower()}", "command")]) from error
    if not words:
        raise ConfigError([Problem("it is empty", "command")])
    return words
