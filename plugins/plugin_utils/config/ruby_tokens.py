# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ruby source as tokens, as far as configuration files go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional

_TOKEN = re.compile(
    r"""[ \t\r]*(?:
    (?P<string>"(?:\\.|\#\{[^}]*\}|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<command>%x\((?P<x1>[^)]*)\)|%x\[(?P<x2>[^\]]*)\]|%x\{(?P<x3>[^}]*)\}|`(?P<x4>[^`]*)`)
  | (?P<words>%w\([^)]*\)|%w\[[^\]]*\])
  | (?P<regex>/(?:\\.|[^/\\\n])+/[imx]*)
  | (?P<comment>\#[^\n]*)
  | (?P<number>-?\d+)
  | (?P<name>[A-Za-z_]\w*(?:[?!](?!=))?)
  | (?P<sign>&&|\|\|=|\|\||&\.|&:|::|=>|==|!=|=|[!?:.,()\[\]{};+])
  | (?P<newline>\n)
)""",
    re.VERBOSE | re.DOTALL,
)
_COMMANDS = ("x1", "x2", "x3", "x4")


class NotUnderstood(Exception):
    """Ruby beyond what is read here."""


class Failed(Exception):
    """Understood, but it cannot be done; the message says why, `kind` is what Ruby would raise."""

    def __init__(self, message: str, kind: str = "StandardError") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Token:
    kind: str
    text: str


END = Token("end", "")


def tokens(source: str) -> List[Token]:
    read: List[Token] = []
    position, end = 0, len(source.rstrip())
    while position < end:
        match = _TOKEN.match(source, position)
        if not match:
            raise NotUnderstood(source[position:].strip())
        position = match.end()
        kind = str(match.lastgroup)
        if kind == "command":
            text = next(match.group(name) for name in _COMMANDS if match.group(name) is not None)
            read.append(Token(kind, text))
        elif kind == "newline":
            read.append(Token("sign", ";"))
        elif kind != "comment":
            read.append(Token(kind, match.group(kind)))
    return read


class Cursor:
    """Goes through tokens from the first to the last."""

    def __init__(self, source: List[Token]) -> None:
        self._tokens = source
        self._position = 0

    def peek(self, ahead: int = 0) -> Token:
        position = self._position + ahead
        return self._tokens[position] if position < len(self._tokens) else END

    def next(self, count: int = 1) -> Token:
        token = self.peek()
        self._position += count
        return token

    def take(self, *texts: str) -> Optional[str]:
        """The next token's text if it is one of these signs or words, which is then behind us."""
        token = self.peek()
        if token.text in texts and token.kind in ("sign", "name"):
            return self.next().text
        return None

    def expect(self, *texts: str) -> None:
        if not self.take(*texts):
            raise NotUnderstood(self.peek().text or "the end")
