# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command in a container that runs, or in a new one that goes when the command has ended."""

from __future__ import annotations

import base64
import secrets
import shlex
import time
from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .. import _body
from .._errors import CommandError, ConfigError, Problem
from .._host import networks
from .._host.changes import Changes
from .._host.engine import RUNNING, Engine, Executed
from .._host.listening import Listener
from .._progress import Progress
from . import command_leftovers as leftovers

POLL = 0.2  # seconds
WAITED_FOR, DETACHED, TERMINAL = "waited for", "detached", "terminal"
TTY = ("Tty", "OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr")
# Seconds that a command may take without a word.
LONGEST = 6 * 60 * 60
# What modules that run a command are told of it.
OPTIONS: Dict[str, Any] = {
    "command": {"type": "str", "required": True},
    "env": {"type": "dict", "default": {}},
    "terminal": {"type": "bool", "default": False},
    "raw": {"type": "path"},
    "progress": {"type": "path"},
}


@dataclass(frozen=True)
class Command:
    """What is run, with which variables beside those of the container, and how: `WAITED_FOR`, `DETACHED`, or prepared
    for a `TERMINAL`. With `raw` the bytes of its standard output are answered. With `progress` what it writes is told
    while it runs, as that of `place`."""

    words: List[str]
    env: Mapping[str, str] = field(default_factory=dict)
    how: str = WAITED_FOR
    raw: bool = False
    progress: Optional[Progress] = None
    place: str = ""

    @property
    def name(self) -> str:
        return shown(self.words)

    def told_by(self, progress: Optional[Progress]) -> Command:
        return replace(self, progress=progress)

    def at(self, place: str) -> Command:
        return replace(self, place=place)

    @property
    def listener(self) -> Optional[Listener]:
        return Listener(self.progress, self.place) if self.progress else None


def of_options(params: Mapping[str, Any]) -> Command:
    how = TERMINAL if params["terminal"] else DETACHED if params.get("detached") else WAITED_FOR
    env = {str(name): str(value) for name, value in params["env"].items()}
    return Command(words(params["command"]), env, how, bool(params["raw"]))


def words(command: str) -> List[str]:
    """ConfigError where there are none, or a quote is never closed."""
    try:
        found = shlex.split(command)
    except ValueError as error:
        raise ConfigError([Problem(f"it cannot be split into words: {str(error).lower()}", "command")]) from error
    if not found:
        raise ConfigError([Problem("it is empty", "command")])
    return found


def shown(given: Sequence[str]) -> str:
    """What of a command people and logs get to see: arguments may be secret, and so may variables before it."""
    program = (word for word in given if "=" not in word)
    return next(program, given[0].partition("=")[0])


def in_running(engine: Engine, changes: Changes, container: str, command: Command) -> Dict[str, Any]:
    """What the command wrote; CommandError where it ended with another code than 0."""
    if command.how == TERMINAL:
        given = [word for name, value in command.env.items() for word in ("--env", f"{name}={value}")]
        return _opened(container, ["docker", "exec", "-it", *given, container, *command.words])
    text = f"run {command.name} in {container}"
    executed = changes.do(text, lambda: _run(engine, container, command))
    return answer(command.name, container, executed, command.raw, f"in {container}")


def in_new(
    engine: Engine, changes: Changes, like: str, name: str, body: _body.Body, command: Command
) -> Dict[str, Any]:
    """The same in a container of this body and name, which is like the one that is called `like`."""
    leftovers.remove(engine, changes, like)
    whole = {**body, "Cmd": list(command.words), "Labels": {**body.get("Labels", {}), **_label(like, command)}}
    if command.how == TERMINAL:
        whole = {**whole, **dict.fromkeys(TTY, True), "HostConfig": {**whole["HostConfig"], "AutoRemove": True}}
        changes.do(f"create container {name} for a terminal", lambda: networks.create(engine, name, whole))
        return _opened(name, ["docker", "start", "--attach", "--interactive", name])
    if command.how == DETACHED:
        changes.do(f"run {command.name} in {name}, detached", lambda: _start(engine, name, whole))
        return {"container": name, "state": "not run" if changes.check_mode else "started", "lines": []}
    place = f"a container like {like}"
    executed = changes.do(f"run {command.name} in {place}", lambda: _to_its_end(engine, name, whole, command))
    return answer(command.name, place, executed, command.raw, f"in {place}")


def new_name(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(3)}"


def _label(like: str, command: Command) -> Dict[str, str]:
    """A detached one is nobody's leftover: people read its logs, and pruning takes it."""
    return {} if command.how == DETACHED else {leftovers.LABEL: like}


def _start(engine: Engine, name: str, body: _body.Body) -> None:
    new = networks.create(engine, name, body)
    try:
        engine.start(new)
    except BaseException:
        engine.remove(new, volumes=True)
        raise


def _run(engine: Engine, container: str, command: Command) -> Executed:
    listener = command.listener
    if listener is None:
        return engine.execute(container, command.words, command.env)
    code = engine.execute_streamed(container, command.words, command.env, listener)
    return Executed(code, listener.end())


def _to_its_end(engine: Engine, name: str, body: _body.Body, command: Command) -> Executed:
    listener = command.listener
    with leftovers.none_of(engine, name):
        new = networks.create(engine, name, body)
        if listener is None:
            engine.start(new)
            code = _exit_code(engine, new)
            return Executed(code, engine.logs(new, None), engine.stdout(new) if command.raw else b"")
        pieces = engine.follow(new)
        engine.start(new)
        with listener.ending(lambda: engine.remove(new, volumes=True)):
            for piece in pieces:
                listener(piece)
            return Executed(_exit_code(engine, new), listener.end())


def _exit_code(engine: Engine, container: str) -> int:
    """When it has ended."""
    while True:
        state = (engine.inspect(container) or {"State": {"Status": "gone", "ExitCode": 1}})["State"]
        if state["Status"] not in RUNNING:
            return int(state["ExitCode"])
        time.sleep(POLL)


def _opened(container: str, argv: List[str]) -> Dict[str, Any]:
    return {"container": container, "state": "waits for a terminal", "lines": [], "terminal": shlex.join(argv)}


def answer(name: str, place: str, executed: Optional[Executed], raw: bool, where: str) -> Dict[str, Any]:
    """None is what was not run. CommandError where it ended with another code than 0, with what it wrote."""
    if executed is None:
        return {"container": place, "state": "not run", "lines": []}
    if executed.code:
        output = executed.output.strip() or "It wrote nothing."
        raise CommandError(f"{name} ended with code {executed.code} {where}.\n{output}")
    said = {"container": place, "state": "exit code 0", "lines": executed.output.splitlines()}
    return {**said, "stdout": base64.b64encode(executed.stdout).decode()} if raw else said
