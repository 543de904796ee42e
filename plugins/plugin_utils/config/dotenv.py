# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The grammar of dotenv 3, which `.env` and `.kamal/secrets` are written in, read in one pass over the text.

    NAME=value   NAME: value   export NAME=value   NAME='literal'   NAME="over
    lines"       # comment     NAME=value # comment

In text without single quotes a backslash makes the character after it plain (`\\n` in double quotes stays as it is
written), `$NAME` or `${NAME}` stands for a value that was read before or is in the environment, and `$(command)` for
what a command prints, in which nothing is replaced again. Where dotenv drops what it cannot read, the line is kept in
`Parsed.ignored`, and a quote or a command that never closes is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable, Dict, Iterator, List, Mapping, Match, Optional, Pattern, Tuple

_NAME = re.compile(r"(?:export\s+(?=[A-Za-z0-9_.]))?(?P<name>[A-Za-z0-9_.]+)", re.ASCII)
_SPACE = re.compile(r"\s*", re.ASCII)
_SAME_LINE = re.compile(r"[ \t\f\v]*")
_UNQUOTED = re.compile(r"[^#\n]*")
COMMAND = re.compile(r"(?P<backslash>\\)?\$\(")
_VARIABLE = re.compile(r"(?P<backslash>\\)?\$(?!\()\{?(?P<name>[A-Za-z0-9_]+)?\}?")
_BLANKS = " \t\n\f\v\r\0"
LONGEST_VALUE = 10**6
_NEVER_CLOSED = (
    "the command $( is never closed. Outside quotes a # ends a value, so put it in double quotes; where no command is "
    "meant, use single quotes"
)


class DotenvError(Exception):
    """What is wrong, in words, and the line it begins at."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True)
class Output:
    """What a command printed, and what keeps it from being of use: variables that nothing sets, and what went wrong.

    `is_word` says that it is one word for a shell, also where the variable that holds it stands without quotes.
    """

    text: str = ""
    unset: Tuple[str, ...] = ()
    failures: Tuple[str, ...] = ()
    is_word: bool = False


@dataclass(frozen=True)
class Entry(Output):
    """One value. `unset` and `failures` are its own and those of what it refers to."""

    line: int = 0


Known = Callable[[str], Optional[Output]]
# Gets the command, its line, and how to look a variable up; it may raise a DotenvError without a line.
RunCommand = Callable[[str, int, Known], Output]


@dataclass
class Parsed:
    entries: Dict[str, Entry] = field(default_factory=dict)
    ignored: List[int] = field(default_factory=list)


def parse(text: str, environ: Mapping[str, str], run: RunCommand, environ_wins: bool = False) -> Parsed:
    """The entries of a file. `run` is called for each `$(command)`."""
    return _Reader(text, environ, run, environ_wins).read()


class _Reader:
    def __init__(self, text: str, environ: Mapping[str, str], run: RunCommand, environ_wins: bool) -> None:
        self._text = re.sub(r"\r\n?", "\n", text)
        self._environ = environ
        self._run = run
        self._environ_wins = environ_wins
        self._parsed = Parsed()

    def read(self) -> Parsed:
        position, line = 0, 1
        while position < len(self._text):
            start = self._skip(_SPACE, position)
            line += self._text.count("\n", position, start)
            position = self._entry(start, line)
            line += self._text.count("\n", start, position)
        return self._parsed

    def _skip(self, pattern: Pattern[str], position: int) -> int:
        match = pattern.match(self._text, position)
        return match.end() if match else position

    def _end_of_line(self, position: int) -> int:
        end = self._text.find("\n", position)
        return len(self._text) if end < 0 else end

    def _is_over(self, position: int) -> bool:
        """Whether nothing but space and a comment is left of the line."""
        position = self._skip(_SAME_LINE, position)
        return position >= len(self._text) or self._text[position] in "#\n"

    def _entry(self, start: int, line: int) -> int:
        """Reads the line that begins here; returns where the rest of the text begins."""
        match = _NAME.match(self._text, start)
        if match:
            value_start = self._after_separator(match.end())
            if value_start is not None:
                return self._assignment(match.group("name"), value_start, line)
            if self._is_over(match.end()):
                return self._name_alone(match, line)
        if start < len(self._text) and self._text[start] != "#":
            self._parsed.ignored.append(line)
        return self._end_of_line(start)

    def _name_alone(self, match: Match[str], line: int) -> int:
        """`NAME` is empty; `export NAME` is for a name that was read before."""
        name = match.group("name")
        if match.group() == name:
            self._keep(name, Entry(line=line))
        elif name not in self._parsed.entries:
            raise DotenvError(f"{name} is exported but has no value", line)
        return self._end_of_line(match.end())

    def _after_separator(self, position: int) -> Optional[int]:
        sign = self._skip(_SPACE, position)
        if self._text.startswith("=", sign):
            return sign + 1
        if self._text.startswith(":", position) and self._skip(_SPACE, position + 1) > position + 1:
            return position + 2
        return None

    def _assignment(self, name: str, position: int, line: int) -> int:
        quoted = self._skip(_SPACE, position)
        quote = self._text[quoted : quoted + 1]
        if quote in ("'", '"'):
            for end in self._closings(quote, quoted + 1):
                if self._is_over(end + 1):
                    self._keep(name, self._value(self._text[quoted + 1 : end], quote, line))
                    return self._end_of_line(end + 1)
        end = self._skip(_UNQUOTED, position)
        raw, quote = self._text[position:end].strip(_BLANKS), ""
        if raw[:1] in ("'", '"'):
            if raw[0] not in raw[1:]:
                raise DotenvError(f"the quote of {name} is never closed", line)
            if raw[-1] == raw[0]:
                raw, quote = raw[1:-1], raw[0]
        self._keep(name, self._value(raw, quote, line))
        return self._end_of_line(end)

    def _closings(self, quote: str, position: int) -> Iterator[int]:
        """Where a quoted value may end: at the first quote without a backslash, else at the last one before it."""
        escaped = []
        while True:
            end = self._text.find(quote, position)
            if end < 0:
                break
            position = end + 1
            if self._text[end - 1] != "\\":
                yield end
                break
            escaped.append(end)
        yield from reversed(escaped)

    def _keep(self, name: str, entry: Entry) -> None:
        if self._environ_wins and name in self._environ:
            entry = Entry(self._environ[name], line=entry.line)
        self._parsed.entries[name] = entry

    def _known(self, name: str) -> Optional[Output]:
        entry = self._parsed.entries.get(name)
        return entry if entry or name not in self._environ else Output(self._environ[name])

    def _value(self, raw: str, quote: str, line: int) -> Entry:
        if quote == "'":
            return Entry(raw, line=line)
        mode = self._known("DOTENV_LINEBREAK_MODE")
        if quote and mode and mode.text == "legacy":
            raw = raw.replace("\\n", "\n").replace("\\r", "\r")
        elif quote:
            raw = re.sub(r"\\(?=[nr])", r"\\\\", raw)
        pieces = list(self._pieces(re.sub(r"\\([^$])", r"\1", raw), line))
        if sum(len(piece.text) for piece in pieces) > LONGEST_VALUE:
            raise DotenvError("the variables in this value make it longer than a megabyte", line)
        unset = dict.fromkeys(name for piece in pieces for name in piece.unset)
        failures = dict.fromkeys(failure for piece in pieces for failure in piece.failures)
        return Entry(
            "".join(piece.text for piece in pieces),
            tuple(unset),
            tuple(failures),
            is_word=len(pieces) == 1 and pieces[0].is_word,
            line=line,
        )

    def _pieces(self, value: str, line: int) -> Iterator[Output]:
        """What a value is made of, in order. What a command printed is not looked into."""
        position, closings = 0, closing_parentheses(value)
        for match in COMMAND.finditer(value):
            end = closings.get(match.end() - 1, 0) + 1
            if match.start() < position or end == match.end() + 1:
                continue
            if end == 1 and not match.group("backslash"):
                raise DotenvError(_NEVER_CLOSED, line)
            if end == 1:
                continue
            yield from self._with_variables(value[position : match.start()])
            if match.group("backslash"):
                yield from self._with_variables(value[match.start() + 1 : end])
            else:
                yield self._output(value[match.end() : end - 1], line)
            position = end
        yield from self._with_variables(value[position:])

    def _with_variables(self, value: str) -> Iterator[Output]:
        position = 0
        for match in _VARIABLE.finditer(value):
            if match.start() > position:
                yield Output(value[position : match.start()])
            yield self._variable(match)
            position = match.end()
        if position < len(value):
            yield Output(value[position:])

    def _variable(self, match: Match[str]) -> Output:
        name = match.group("name")
        if match.group("backslash"):
            return Output(match.group()[1:])
        return (self._known(name) or Output(unset=(name,))) if name else Output(match.group())

    def _output(self, command: str, line: int) -> Output:
        try:
            return self._run(command, line, self._known)
        except DotenvError as error:
            raise DotenvError(error.message, line) from error


def closing_parentheses(value: str) -> Dict[int, int]:
    """Where each parenthesis that is opened is closed, if it is."""
    opened: List[int] = []
    closings = {}
    for match in re.finditer(r"[()]", value):
        if match.group() == "(":
            opened.append(match.start())
        elif opened:
            closings[opened.pop()] = match.start()
    return closings
