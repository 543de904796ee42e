# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command of a secrets file as a script for the shell, in which values stay what they are.

Kamal writes the value of `$NAME` into the text of a command, where the shell reads it again: a `$` or a quote in a
password changes what runs. Here the shell gets the value in a variable of its own, which no other program sees, and the
text refers to that. `kamal secrets` inside such a command is run beforehand, and what it answers is a variable too.
"""

from __future__ import annotations

import re
import shlex
from typing import Callable, List, Optional

from ..config import dotenv

PLAIN, DOUBLE, SINGLE = "plain", '"', "'"
PREFIX = "_caravan_"
_TOKEN = re.compile(r"\\\$|\\.|['\"()]|\$\(|\$(?P<brace>\{)?(?P<name>[A-Za-z0-9_]+)(?P<end>\})?", re.DOTALL)
_QUOTED_TOKEN = re.compile(r"\\\$|'|\$(?P<brace>\{)?(?P<name>[A-Za-z0-9_]+)(?P<end>\})?")

# Answers a `kamal secrets` command; None where the text is none.
RunKamal = Callable[[str], Optional[dotenv.Output]]


class Script:
    """`text` is for the shell, `unknown` are the names in it that nothing sets: they may be the shell's own."""

    def __init__(self, command: str, known: dotenv.Known, run_kamal: RunKamal) -> None:
        self._command, self._known, self._run_kamal = command, known, run_kamal
        self._closings = dotenv.closing_parentheses(command)
        self._context = [PLAIN]
        self._pieces: List[str] = []
        self._prelude: List[str] = []
        self.used: List[dotenv.Output] = []
        self.unknown: List[str] = []
        position = 0
        while position < len(command):
            position = self._next(position)

    @property
    def text(self) -> str:
        return "".join([*self._prelude, *self._pieces, "\n"])

    def _next(self, position: int) -> int:
        """Takes what comes up to the next token, and that."""
        pattern = _QUOTED_TOKEN if self._context[-1] is SINGLE else _TOKEN
        match = pattern.search(self._command, position)
        if not match:
            self._pieces.append(self._command[position:])
            return len(self._command)
        self._pieces.append(self._command[position : match.start()])
        token = match.group()
        if match.group("name"):
            return self._variable(match.group("name"), token, match.end())
        if token == "$(":
            return self._substitution(match.start(), match.end())
        self._pieces.append("$" if token == "\\$" else token)
        self._turn(token)
        return match.end()

    def _turn(self, token: str) -> None:
        """Quotes and parentheses open a context or close one."""
        context = self._context
        if token in ("'", '"') and context[-1] == token:
            context.pop()
        elif token == '"' or (token == "'" and context[-1] is PLAIN):
            context.append(DOUBLE if token == '"' else SINGLE)
        elif token == "(" and context[-1] is PLAIN:
            context.append(PLAIN)
        elif token == ")" and context[-1] is PLAIN and len(context) > 1:
            context.pop()

    def _substitution(self, start: int, end: int) -> int:
        closing = self._closings.get(end - 1)
        answer = self._run_kamal(self._command[end:closing]) if closing else None
        if answer is None or closing is None:
            self._pieces.append(self._command[start:end])
            self._context.append(PLAIN)
            return end
        self._pieces.append(f"${{{self._named(answer)}}}")
        return closing + 1

    def _variable(self, name: str, token: str, end: int) -> int:
        value = self._known(name)
        if value is None:
            self._pieces.append(token)
            self.unknown += [] if name.isdigit() else [name]
            return end
        is_whole = token.startswith("${") == token.endswith("}")
        reference = f"${{{self._named(value)}{'}' if is_whole else ''}"
        if self._context[-1] is SINGLE:
            reference = f"'\"{reference}\"'" if is_whole else token
        elif self._context[-1] is PLAIN and value.is_word and is_whole:
            reference = f'"{reference}"'
        self._pieces.append(reference)
        return end

    def _named(self, value: dotenv.Output) -> str:
        name = f"{PREFIX}{len(self._prelude)}"
        self._prelude.append(f"{name}={shlex.quote(value.text)}\n")
        self.used.append(value)
        return name
