# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line of a password manager, run as its user would run it, and what it answers.

Names of secrets are arguments; sessions and passwords are handed on in the environment alone. There is no terminal: a
tool that would ask for a password fails instead, and after a time limit it is ended together with what it started.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple

from ...module_utils._errors import SecretError
from .. import process

SECONDS = 120.0
REDACTED = "[REDACTED]"
_SECRET_VARIABLES = re.compile(r"TOKEN|SESSION|PASSWORD|SECRET|MASTERPW|_PIN|_KEY", re.IGNORECASE)
_SHORTEST_SECRET = 4
_LONGEST_COMPLAINT = 500


@dataclass(frozen=True)
class Surroundings:
    """What a tool runs in: the environment, the project's folder, and the time that one call may take."""

    environ: Mapping[str, str]
    folder: str
    seconds: float = SECONDS


@dataclass(frozen=True)
class Answer:
    ok: bool
    text: str
    complaint: str


@dataclass
class Tool:
    """`command` is the program, `install` where to get it, `login` what to do if it does not know its user.

    `added` is what an adapter adds to the environment: a session above all.
    """

    adapter: str
    command: str
    install: str
    login: str
    around: Surroundings
    added: Dict[str, str] = field(default_factory=dict)

    def require(self) -> None:
        if self.command and self._path() is None:
            raise self.error(f"its command {self.command} is not installed", self.install)

    def error(self, what: str, remedy: str) -> SecretError:
        return SecretError(f"{self.adapter}: {what}. {remedy}")

    def run(self, *words: str) -> Answer:
        """What the tool answers, whether it succeeds or not."""
        output, complaint = bytearray(), bytearray()
        argv, environ = [self._path() or self.command, *words], {**self.around.environ, **self.added}
        try:
            code = process.run(argv, self.around.folder, environ, self.around.seconds, output.extend, complaint.extend)
        except OSError as error:
            raise self.error(f"{self.command} cannot be started: {error}", self.install) from error
        if code is None:
            raise self.error(
                f"{self._called(words)} did not answer within {self.around.seconds:g} seconds",
                f"It may be waiting for a password, for which there is no terminal here. {self.login}",
            )
        return Answer(code == 0, self._decoded(words, output), self._readable(complaint))

    def ask(self, what: str, *words: str) -> str:
        """What the tool prints; `what` is that which cannot be done if it fails."""
        answer = self.run(*words)
        if not answer.ok:
            said = f": {answer.complaint}" if answer.complaint else ""
            raise self.error(f"{what}{said.rstrip('.')}", self.login)
        return answer.text

    def ask_json(self, what: str, *words: str) -> Any:
        """What the tool prints, read as JSON."""
        text = self.ask(what, *words)
        try:
            return json.loads(text)
        except ValueError:
            raise self.error(
                f"{self._called(words)} printed something else than JSON", f"Look at its version. {self.install}"
            ) from None

    def _path(self) -> Optional[str]:
        return shutil.which(self.command, path=self.around.environ.get("PATH", os.defpath))

    def _called(self, words: Tuple[str, ...]) -> str:
        return " ".join([self.command, *words[:2]])

    def _decoded(self, words: Tuple[str, ...], output: bytearray) -> str:
        try:
            return output.decode("utf-8")
        except UnicodeDecodeError:
            raise self.error(
                f"{self._called(words)} printed bytes that are no UTF-8 text", "A secret here has to be text."
            ) from None

    def _readable(self, complaint: bytearray) -> str:
        """What the tool complained of, on one line and without anything that its environment keeps secret."""
        text = " ".join(complaint.decode("utf-8", "replace").split())
        known = {**self.around.environ, **self.added}
        secret = [value for name, value in known.items() if _SECRET_VARIABLES.search(name)]
        for value in sorted(secret, key=len, reverse=True):
            if len(value) >= _SHORTEST_SECRET:
                text = text.replace(value, REDACTED)
        return text[-_LONGEST_COMPLAINT:]
