# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Engines and file systems of which one call fails."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections import Counter
from functools import partial
from typing import Any, Callable
from unittest.mock import Mock

import docker.errors
import pytest
import requests
import urllib3.exceptions
from ansible_collections.caravan.kamal.plugins.module_utils._errors import EngineError
from ansible_collections.caravan.kamal.plugins.module_utils._host import docker_engine
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Engine
from fakes import FakeEngine

VERBS = {
    name: inspect.signature(verb) for name, verb in vars(Engine).items() if inspect.isfunction(verb) and name[0] != "_"
}


def refused(status: int, explanation: str) -> docker.errors.APIError:
    """Docker's own refusal."""
    return docker.errors.APIError(explanation, response=Mock(status_code=status, reason=""), explanation=explanation)


FAULTS = {
    "refused": refused(500, "driver failed"),
    "timeout": requests.exceptions.ReadTimeout("UnixHTTPConnectionPool(host='localhost'): Read timed out."),
    "refuses connections": requests.exceptions.ConnectionError("Connection refused"),
    "breaks off": urllib3.exceptions.ProtocolError("Connection broken"),
    "socket": ConnectionResetError("Connection reset by peer"),
    "half an answer": ValueError("Unterminated string"),
}


def fail_once(monkeypatch: pytest.MonkeyPatch, engine: Engine, call: str) -> None:
    """The engine refuses the first of these calls."""
    real, failures = getattr(engine, call), [EngineError("Docker did not answer")]

    def fail(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*arguments)

    monkeypatch.setattr(engine, call, fail)


class Killed(BaseException):
    """The process ends here."""


class Fragile(FakeEngine):
    """Fails at the call of this number, counted from one; with Killed every call after it fails too."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.breaks_at = 0
        self.error: type[BaseException] = EngineError

    def arm(self, number: int, error: type[BaseException]) -> None:
        self.number, self.breaks_at, self.error = 0, number, error

    def __getattribute__(self, name: str) -> Any:
        method = super().__getattribute__(name)
        if name not in VERBS or not super().__getattribute__("breaks_at"):
            return method

        def counted(*arguments: Any, **named: Any) -> Any:
            self.number += 1
            if self.number == self.breaks_at or (self.error is Killed and self.number > self.breaks_at):
                raise self.error(f"Docker could not {name}")
            at, self.breaks_at = self.breaks_at, 0  # what a call does inside is no call
            try:
                return method(*arguments, **named)
            finally:
                self.breaks_at = at

        return counted


class Disk:
    """The module os, of which the change of a file system with this number fails, counted from one.

    With an error number that one alone does; without one the process is killed there: it changes no file any more, and
    asks nothing of the engine.
    """

    CHANGES = ("open", "write", "pwrite", "fsync", "replace", "rename", "link", "symlink", "mkdir", "unlink")

    def __init__(self, engine: Fragile, breaks_at: int, error: int | None) -> None:
        self.engine, self.breaks_at, self.error = engine, breaks_at, error
        self.number, self.broken = 0, ""

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return partial(self._change, name, real) if name in self.CHANGES else real

    def _change(self, name: str, real: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        if not self._changes(name, *arguments, **named):
            return real(*arguments, **named)
        self.number += 1
        if self.number == self.breaks_at or (self.broken and self.error is None):
            self.broken = self.broken or f"{name} of {arguments[0]}"
            self._fail()
        return real(*arguments, **named)

    @staticmethod
    def _changes(name: str, path: Any, *arguments: Any, **named: Any) -> bool:
        """A file that is only read, and a folder that is there already, need no room."""
        if name == "mkdir":
            with contextlib.suppress(FileNotFoundError):
                return not os.stat(path, dir_fd=named.get("dir_fd"))
        return name != "open" or bool(arguments[0] & os.O_CREAT)

    def _fail(self) -> None:
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        self.engine.arm(1, Killed)
        raise Killed


class KillsAt:
    """An engine whose caller is killed before or after its nth change, or gets another error there."""

    CHANGES = ("create", "create_network", "start", "stop", "rename", "remove", "execute", "tag", "remove_image")

    def __init__(self, engine: FakeEngine, number: int, after: bool, error: type[BaseException] = Killed) -> None:
        self.engine, self.left, self.after, self.error = engine, number, after, error

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.engine, name)
        return self._counted(real) if name in self.CHANGES else real

    def _counted(self, real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise self.error("Docker did not answer")
            result = real(*arguments, **named)
            if self.left == 0:
                raise self.error("Docker did not answer")
            return result

        return call


class Failing:
    """Something of which one call fails after it was made some times: the next one or, with `lasting`, all further."""

    def __init__(self, real: Any, name: str, fail: Callable[[], Any], after: int = 0, lasting: bool = False) -> None:
        self.real, self.name, self.fail, self.after, self.lasting = real, name, fail, after, lasting
        self.failed = False

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.real, name)
        return self._call(real) if name == self.name else real

    def _call(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.after -= 1
            if self.after >= 0 or (self.failed and not self.lasting):
                return real(*arguments, **named)
            self.failed = True
            return self.fail()

        return call


class Counting:
    """Something of which is known how often each call was made: a fault later than that is none."""

    def __init__(self, real: Any) -> None:
        self.real, self.made = real, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.real, name)
        return self._call(name, real) if callable(real) else real

    def _call(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.made[name] += 1
            return real(*arguments, **named)

        return call


def failing_engine(engine: Engine, verb: str, fault: Exception, after: int) -> Any:
    """An engine of which one call of a verb fails, as the Docker SDK lets it fail."""

    def fail() -> None:
        with docker_engine._asking(f"{verb} something"):
            raise fault

    return Failing(engine, verb, fail, after)


def failing_os(call: str, number: int, after: int = 0, lasting: bool = False, real: Any = os) -> Any:
    """The module os, or another one, of which a call fails with an error number."""

    def fail() -> None:
        raise OSError(number, os.strerror(number))

    return Failing(real, call, fail, after, lasting)
