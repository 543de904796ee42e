# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line of a password manager, run as its user would run it, and what it answers.

Names of secrets are arguments; sessions and passwords are handed on in the environment alone. There is no terminal: a
tool that would ask for a password fails instead, and after a time limit it is ended together with what it started.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple

from ...module_utils._errors import SecretError

TIME_LIMIT = 120.0
REDACTED = "[REDACTED]"
_SECRET_VARIABLES = re.compile(r"TOKEN|SESSION|PASSWORD|SECRET|MASTERPW|_PIN|_KEY", re.IGNORECASE)
_SHORTEST_SECRET = 4
_LONGEST_COMPLAINT = 500


@dataclass(frozen=True)
class Answer:
    ok: bool
    text: str
    complaint: str


@dataclass
class Tool:
    """`command` is the program, `install` where to get it, `login` what to do if it does not know its user.

    `environ` is what it runs in, with what an adapter has `added`: a session above all.
    """

    adapter: str
    command: str
    install: str
    login: str
    environ: Mapping[str, str]
    folder: str
    added: Dict[str, str] = field(default_factory=dict)
    time_limit: float = TIME_LIMIT

    def require(self) -> None:
        if self.command and self._path() is None:
            raise self.error(f"its command {self.command} is not installed", self.install)

    def error(self, what: str, remedy: str) -> SecretError:
        return SecretError(f"{self.adapter}: {what}. {remedy}")

    def run(self, *words: str) -> Answer:
        """What the tool answers, whether it succeeds or not."""
        process = self._started(words)
        try:
            output, complaint = process.communicate(timeout=self.time_limit)
        except subprocess.TimeoutExpired:
            raise self.error(
                f"{self._called(words)} did not answer within {self.time_limit:g} seconds",
                f"It may be waiting for a password, for which there is no terminal here. {self.login}",
            ) from None
        finally:
            _end(process)
        return Answer(process.returncode == 0, self._decoded(words, output), self._readable(complaint))

    def ask(self, what: str, *words: str) -> str:
        """What the tool prints; `what` is that which cannot be done if it fails."""
        answer = self.run(*words)
        if not answer.ok:
            said = f": {answer.complaint}" if answer.complaint else ""
            raise self.error(f"{what}{said.rstrip('.')}", self.login)
        return answer.text

    def ask_json(self, what: str, *words: str) -> Any:
        return self.parsed(self.ask(what, *words), *words)

    def parsed(self, text: str, *words: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            raise self.error(
                f"{self._called(words)} printed something else than JSON", f"Look at its version. {self.install}"
            ) from None

    def _started(self, words: Tuple[str, ...]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [self._path() or self.command, *words],
                cwd=self.folder,
                env={**self.environ, **self.added},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise self.error(f"{self.command} cannot be started: {error}", self.install) from error

    def _path(self) -> Optional[str]:
        return shutil.which(self.command, path=self.environ.get("PATH", os.defpath))

    def _called(self, words: Tuple[str, ...]) -> str:
        return " ".join([self.command, *words[:2]])

    def _decoded(self, words: Tuple[str, ...], output: bytes) -> str:
        try:
            return output.decode("utf-8")
        except UnicodeDecodeError:
            raise self.error(
                f"{self._called(words)} printed bytes that are no UTF-8 text", "A secret here has to be text."
            ) from None

    def _readable(self, complaint: bytes) -> str:
        """What the tool complained of, on one line and without anything that its environment keeps secret."""
        text = " ".join(complaint.decode("utf-8", "replace").split())
        known = {**self.environ, **self.added}
        secret = [value for name, value in known.items() if _SECRET_VARIABLES.search(name)]
        for value in sorted(secret, key=len, reverse=True):
            if len(value) >= _SHORTEST_SECRET:
                text = text.replace(value, REDACTED)
        return text[-_LONGEST_COMPLAINT:]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the tool and what it started, if it is still there, whatever of it holds the pipes."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
