# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ERB in a configuration file as real files use it: text with `<%= %>`, `<% if %>` and comments, rendered without Ruby.

The result knows for each of its lines the line of the file it came from. Ruby itself is only used when asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable, Iterator, List, Tuple

from ...module_utils._errors import ConfigError, Problem
from .erb_ruby import render_with_ruby
from .ruby import evaluate
from .ruby_library import Scope
from .ruby_tokens import Failed, NotUnderstood
from .ruby_values import to_text, truthy

_TAG = re.compile(r"<%%|<%(?P<kind>[=#-]?)(?P<code>.*?)(?P<trim>-?)%>", re.DOTALL)
_BLOCK = re.compile(r"^(?P<word>if|unless|elsif|else|end)\b(?P<condition>.*)$", re.DOTALL)
_WHOLE = re.compile(r"\bend\Z")


@dataclass(frozen=True)
class Rendered:
    text: str
    lines: Tuple[int, ...]

    def source_line(self, line: int) -> int:
        if not self.lines:
            return line
        return self.lines[min(line, len(self.lines)) - 1]


def render(
    text: str, place: Callable[[int], str], scope: Scope, engine: str = "safe", is_yaml: bool = True
) -> Rendered:
    """`place` turns a line number into the words that name it in an error."""
    if "<%" not in text:
        return Rendered(text, ())
    if engine == "ruby":
        return Rendered(*render_with_ruby(text, place, scope))
    if engine != "safe":
        raise ConfigError([Problem(f'kamal_erb is "{engine}"; allowed: "safe", "ruby"')])
    return _Renderer(place, scope, is_yaml).render(text)


@dataclass
class _Piece:
    """Text, or one tag."""

    kind: str  # text, output or code
    body: str
    line: int


@dataclass
class _Block:
    """An `if` or `unless` being rendered: is its current branch taken, and was any before?"""

    line: int
    outer: bool
    taken: bool = False
    active: bool = False


def _pieces(text: str) -> Iterator[_Piece]:
    position, line = 0, 1
    for match in _TAG.finditer(text):
        before = text[position : match.start()]
        if match.group("kind") == "-":
            before = re.sub(r"(?m)^[ \t]+\Z", "", before)
        yield _Piece("text", before, line)
        line += text.count("\n", position, match.start())
        position = match.end()
        if match.group(0) == "<%%":
            yield _Piece("text", "<%", line)
            continue
        kind = {"=": "output", "#": "comment"}.get(match.group("kind"), "code")
        yield _Piece(kind, match.group("code"), line)
        line += match.group(0).count("\n")
        if match.group("trim") and text.startswith("\n", position):
            position, line = position + 1, line + 1
    yield _Piece("text", text[position:], line)


@dataclass
class _Renderer:
    place: Callable[[int], str]
    scope: Scope
    is_yaml: bool
    output: List[str] = field(default_factory=list)
    lines: List[int] = field(default_factory=lambda: [1])
    blocks: List[_Block] = field(default_factory=list)
    problems: List[Problem] = field(default_factory=list)

    def render(self, text: str) -> Rendered:
        source = text.split("\n")
        for piece in _pieces(text):
            try:
                self._piece(piece)
            except NotUnderstood:
                self.problems.append(Problem(_beyond(source[piece.line - 1].strip()), where=self.place(piece.line)))
            except Failed as error:
                self.problems.append(Problem(str(error), where=self.place(piece.line)))
        for block in self.blocks:
            self.problems.append(Problem("this ERB `if` has no `end`", where=self.place(block.line)))
        if self.problems:
            raise ConfigError(self.problems)
        return Rendered("".join(self.output), tuple(self.lines))

    @property
    def _active(self) -> bool:
        return all(block.active for block in self.blocks)

    def _piece(self, piece: _Piece) -> None:
        if piece.kind == "text":
            if self._active:
                self._write(piece.body, piece.line, follows_source=True)
        elif piece.kind == "output":
            if self._active and not self._in_yaml_comment():
                self._write(to_text(evaluate(piece.body, self.scope)), piece.line, follows_source=False)
        elif piece.kind == "code":
            self._code(piece)

    def _write(self, text: str, line: int, follows_source: bool) -> None:
        if not self.output or self.output[-1].endswith("\n"):
            self.lines[-1] = line
        if text:
            self.output.append(text)
        count = text.count("\n")
        self.lines.extend(line + step if follows_source else line for step in range(1, count + 1))

    def _in_yaml_comment(self) -> bool:
        """What stands in a comment is not evaluated: it could only fail."""
        return self.is_yaml and "".join(self.output).rpartition("\n")[2].lstrip().startswith("#")

    def _code(self, piece: _Piece) -> None:
        code = piece.body.strip()
        match = _BLOCK.match(code)
        if match and not (match.group("word") in ("if", "unless") and _WHOLE.search(code)):
            self._branch(match.group("word"), match.group("condition").strip(), piece.line)
        elif self._active:
            evaluate(code, self.scope)

    def _branch(self, word: str, condition: str, line: int) -> None:
        if word in ("if", "unless"):
            block = _Block(line, outer=self._active)
            self.blocks.append(block)
            self._choose(block, condition, negated=word == "unless")
            return
        if not self.blocks:
            raise Failed(f"this ERB `{word}` has no `if` before it")
        if word == "end":
            self.blocks.pop()
        elif word == "elsif":
            self._choose(self.blocks[-1], condition, negated=False)
        else:
            self.blocks[-1].active = not self.blocks[-1].taken
            self.blocks[-1].taken = True

    def _choose(self, block: _Block, condition: str, negated: bool) -> None:
        if block.taken or not block.outer:
            block.active = False
            return
        block.active = truthy(evaluate(re.sub(r"\bthen$", "", condition), self.scope)) is not negated
        block.taken = block.active


def _beyond(line: str) -> str:
    return (
        f"this Ruby is more than is read here: {line}\n"
        "    What is read is listed in docs/configuration.md: ENV, File.read, Dotenv.load, strings, conditions. "
        "Either give -e kamal_erb=ruby, so that the installed Ruby renders the file, or keep the configuration in "
        "kamal_config in your inventory and use Jinja, such as {{ lookup('env', 'NAME') }}."
    )
