# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What `$(command)` in a secrets file prints. The shell runs it in the project's folder; `kamal secrets` runs here.

A command that fails, prints what is no text, or does not end is what is wrong with the secrets that need it. What a
command prints to stderr is told, what it prints to stdout never is.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Match, Optional

from ...module_utils._errors import SecretError
from ...module_utils._masks import masked
from .. import process
from ..config import dotenv
from ..config.load import boolean
from .script import Script

SECONDS = 120
SWITCH = "kamal_secrets_commands"
LIMIT = "kamal_secrets_timeout"
INSTEAD = "Set the secret in the variable kamal_secrets, or allow commands."
# So much of what a failed command said last is repeated.
REPEATED = 10
SHELL = ("/bin/sh", "{script}")
_KAMAL = re.compile(r"\s*(?:bundle\s+exec\s+)?(?:(?:\./)?bin/|\./)?kamal\s+secrets\s+(?P<words>.*)", re.DOTALL)
_VARIABLE = re.compile(r"(?P<backslash>\\)?\$(?:\{(?P<braced>[A-Za-z0-9_]+)\}|(?P<name>[A-Za-z0-9_]+))")
# Stands for a value while the words of a command are told apart.
_MARK = "\ue000{}\ue001"
_MARKED = re.compile("\ue000([0-9]+)\ue001")

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Commands:
    """`environ` is what a command gets. Without `allowed` none is run.

    `tell` shows a line that a command prints to stderr, without the values that it was given.
    """

    folder: str
    environ: Mapping[str, str]
    allowed: bool = True
    seconds: float = SECONDS
    tell: Tell = lambda _line: None

    @classmethod
    def of(cls, folder: str, value: Callable[[str], Any], tell: Tell) -> Commands:
        """As the variables say; `value` gives a variable's value, or None."""
        switch, limit = value(SWITCH), value(LIMIT)
        allowed = switch is None or boolean(SWITCH, switch)
        return cls(folder, os.environ, allowed, float(limit or SECONDS), tell)

    def run(self, command: str, where: str, known: dotenv.Known) -> dotenv.Output:
        """What it prints; `where` is the place of the command, for what is wrong with it."""
        try:
            if not self.allowed:
                raise SecretError(f"it takes a command $(…), and {SWITCH} is false. {INSTEAD}")
            output = self._kamal(command, where, known)
            return self._shell(command, where, known) if output is None else output
        except SecretError as error:
            return dotenv.Output(failures=(f"{where}: {error.message}",))

    # kamal secrets

    def _kamal(self, command: str, where: str, known: dotenv.Known) -> Optional[dotenv.Output]:
        match = _KAMAL.fullmatch(command)
        if not match:
            return None
        from . import kamal_command  # With all adapters: only where a file has such a command.

        words = _Words(match.group("words"), known, lambda inner: self.run(inner, where, known))
        problems = _problems(words.used)
        if problems:
            return problems
        printed = kamal_command.run(words.split(), self.environ, self.folder, self.seconds)
        if not words.is_fetch:
            return dotenv.Output(_chomped(printed))
        # Kamal makes one word of it for the shell. It is one here as well, but plain JSON.
        return dotenv.Output("".join(shlex.split(printed)), is_word=True)

    # The shell

    def _shell(self, command: str, where: str, known: dotenv.Known) -> dotenv.Output:
        script = Script(command, known, lambda inner: self._kamal(inner, where, known))
        problems = _problems(script.used)
        if problems:
            return problems
        printed, said = bytearray(), []

        given = {str(number): value.text for number, value in enumerate(script.used)}

        def hear(text: str) -> None:
            said.append(masked(text, given))
            self.tell(said[-1])

        lines = process.Lines(hear)
        code = process.run(SHELL, self.folder, self.environ, self.seconds, printed.extend, lines, script.text.encode())
        lines.close()
        if code != 0:
            raise SecretError(self._outcome(code, said, script.unknown))
        try:
            return dotenv.Output(_chomped(printed.decode()))
        except UnicodeDecodeError:
            raise SecretError("the command printed what is no UTF-8 text. Let it print base64, for example.") from None

    def _outcome(self, code: Optional[int], said: List[str], unknown: List[str]) -> str:
        if code is None:
            how = f"did not end within {self.seconds:g} seconds ({LIMIT}); it cannot ask anything, so log in before"
        else:
            how = f"ended with exit code {code}"
        names = f" Nothing sets {', '.join(dict.fromkeys(unknown))}, to which it refers." if unknown else ""
        told = "".join(f"\n    {text}" for text in said[-REPEATED:])
        return f"the command {how}.{names}" + (f" It said:{told}" if told else "")


class _Words:
    """The words of a `kamal secrets` command: values and what inner commands print are put in after it was split."""

    def __init__(self, text: str, known: dotenv.Known, run: Callable[[str], dotenv.Output]) -> None:
        self.used: List[dotenv.Output] = []
        self._known, self._run = known, run
        self._text = self._with_values(text)
        self.is_fetch = text.split(None, 1)[:1] == ["fetch"]

    def split(self) -> List[str]:
        try:
            marked = shlex.split(self._text)
        except ValueError as error:
            raise SecretError(f"kamal secrets: {error}") from None
        alone = set(self._text.split())
        return [word for each in marked for word in self._word(each, each in alone)]

    def _word(self, marked: str, is_bare: bool) -> List[str]:
        value = self._value_alone(marked)
        if value and is_bare and not value.is_word and not value.text.lstrip().startswith("{"):
            return value.text.split()
        return [_MARKED.sub(lambda match: self.used[int(match.group(1))].text, marked)]

    def _value_alone(self, marked: str) -> Optional[dotenv.Output]:
        match = _MARKED.fullmatch(marked)
        return self.used[int(match.group(1))] if match else None

    def _with_values(self, text: str) -> str:
        pieces, position, closings = [], 0, dotenv.closing_parentheses(text)
        for match in dotenv.COMMAND.finditer(text):
            end = closings.get(match.end() - 1, 0) + 1
            if match.start() < position or end <= match.end() + 1 or match.group("backslash"):
                continue
            pieces.append(_VARIABLE.sub(self._variable, text[position : match.start()]))
            pieces.append(self._marked(self._run(text[match.end() : end - 1])))
            position = end
        return "".join([*pieces, _VARIABLE.sub(self._variable, text[position:])])

    def _variable(self, match: Match[str]) -> str:
        name = match.group("braced") or match.group("name")
        if match.group("backslash"):
            return match.group()[1:]
        return self._marked(self._known(name) or dotenv.Output(unset=(name,)))

    def _marked(self, value: dotenv.Output) -> str:
        self.used.append(value)
        return _MARK.format(len(self.used) - 1)


def _problems(used: List[dotenv.Output]) -> Optional[dotenv.Output]:
    """Why a command cannot be run with these values, if it cannot."""
    unset: Dict[str, None] = dict.fromkeys(name for value in used for name in value.unset)
    failures: Dict[str, None] = dict.fromkeys(failure for value in used for failure in value.failures)
    return dotenv.Output(unset=tuple(unset), failures=tuple(failures)) if unset or failures else None


def _chomped(text: str) -> str:
    """Without its last line break, as Ruby's chomp."""
    return re.sub(r"(\r\n|\r|\n)\Z", "", text)
