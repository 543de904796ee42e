# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The few words of Ruby that real deploy.yml files use, evaluated without Ruby.

Strings with `#{}`, ENV, File.read and File.exist?, Dotenv.load, commands when allowed, variables, comparisons,
`&& || ! ?:` and a handful of string methods. Everything else raises NotUnderstood.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

_TOKEN = re.compile(
    r"""[ \t\r]*(?:
    (?P<string>"(?:\\.|\#\{[^}]*\}|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<command>%x\((?P<x1>[^)]*)\)|%x\[(?P<x2>[^\]]*)\]|%x\{(?P<x3>[^}]*)\}|`(?P<x4>[^`]*)`)
  | (?P<comment>\#[^\n]*)
  | (?P<number>\d+)
  | (?P<name>[A-Za-z_]\w*(?:[?!](?!=))?)
  | (?P<sign>==|!=|&&|\|\||=|[!?:.,()\[\]{};])
  | (?P<newline>\n)
)""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "s": " ", "0": "\0", "e": "\x1b"}
_RESERVED = frozenset(  # fmt: skip
    (
        "if",
        "unless",
        "elsif",
        "else",
        "end",
        "do",
        "while",
        "until",
        "for",
        "def",
        "class",
        "module",
        "begin",
        "case",
        "when",
        "yield",
        "lambda",
        "proc",
        "puts",
        "print",
    )
)


class NotUnderstood(Exception):
    """Ruby beyond what is read here."""


class Failed(Exception):
    """Understood, but it cannot be done; the message says why."""


@dataclass
class Scope:
    """What an expression can see: variables of the environment, of the file, and the project folder."""

    environ: Dict[str, str]
    project_root: str
    commands: bool = False
    variables: Dict[str, Any] = field(default_factory=dict)


def truthy(value: Any) -> bool:
    return value is not None and value is not False


def to_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def _tokens(source: str) -> List[_Token]:
    found, position, end = [], 0, len(source.rstrip())
    while position < end:
        match = _TOKEN.match(source, position)
        if not match or match.end() == position:
            raise NotUnderstood(source[position:].strip())
        position = match.end()
        kind = str(match.lastgroup)
        if kind == "command":
            inner = next(match.group(name) for name in ("x1", "x2", "x3", "x4") if match.group(name) is not None)
            found.append(_Token(kind, inner))
        elif kind == "newline":
            found.append(_Token("sign", ";"))
        elif kind != "comment":
            found.append(_Token(kind, match.group(kind)))
    return found


def evaluate(source: str, scope: Scope) -> Any:
    """The value of the last of the statements in `source`."""
    return _Evaluator(_tokens(source), scope).statements()


class _Evaluator:
    """Parses and evaluates in one go; `live` is false in a branch that is parsed but not taken."""

    def __init__(self, tokens: List[_Token], scope: Scope) -> None:
        self._tokens = tokens
        self._scope = scope
        self._live = True

    def _peek(self, ahead: int = 0) -> _Token:
        return self._tokens[ahead] if ahead < len(self._tokens) else _Token("end", "")

    def _next(self) -> _Token:
        token = self._peek()
        del self._tokens[:1]
        return token

    def _take(self, *texts: str) -> Optional[str]:
        token = self._peek()
        if token.text in texts and token.kind in ("sign", "name"):
            return self._next().text
        return None

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise NotUnderstood(self._peek().text or "the end")

    def statements(self) -> Any:
        value = None
        while self._peek().kind != "end":
            if not self._take(";"):
                value = self._statement()
                if self._peek().kind != "end":
                    self._expect(";")
        return value

    def _statement(self) -> Any:
        token, after = self._peek(), self._peek(1)
        if token.text == "require" and after.kind == "string":
            return self._require()
        if token.kind == "name" and after.text == "=" and after.kind == "sign" and token.text not in _RESERVED:
            del self._tokens[:2]
            self._scope.variables[token.text] = self._expression()
            return self._scope.variables[token.text]
        return self._expression()

    def _require(self) -> None:
        self._next()
        library = self._string(self._next().text)
        if library == "dotenv/load":
            self._load_dotenv([".env"])
        elif library != "dotenv":
            raise NotUnderstood(f'require "{library}"')

    def _expression(self) -> Any:
        value = self._or()
        if not self._take("?"):
            return value
        first = self._only_if(truthy(value), self._expression)
        self._expect(":")
        second = self._only_if(not truthy(value), self._expression)
        return first if truthy(value) else second

    def _only_if(self, wanted: bool, parse: Callable[[], Any]) -> Any:
        live = self._live
        self._live = live and wanted
        try:
            return parse()
        finally:
            self._live = live

    def _or(self) -> Any:
        value = self._and()
        while self._take("||", "or"):
            other = self._only_if(not truthy(value), self._and)
            value = value if truthy(value) else other
        return value

    def _and(self) -> Any:
        value = self._not()
        while self._take("&&", "and"):
            other = self._only_if(truthy(value), self._not)
            value = other if truthy(value) else value
        return value

    def _not(self) -> Any:
        if self._take("!", "not"):
            return not truthy(self._not())
        value = self._postfix()
        sign = self._take("==", "!=")
        if sign:
            return (value == self._postfix()) is (sign == "==")
        return value

    def _postfix(self) -> Any:
        value = self._primary()
        while self._take("."):
            name = self._next().text
            if name not in _METHODS:
                raise NotUnderstood(f".{name}")
            if self._take("("):
                self._expect(")")
            value = self._method(name, value)
        return value

    def _method(self, name: str, value: Any) -> Any:
        if not self._live:
            return None
        if value is None and name in ("strip", "chomp", "empty?"):
            raise Failed(f".{name} is called on nothing: the value before it is not set")
        return _METHODS[name](value)

    def _primary(self) -> Any:
        if self._take("("):
            value = self._expression()
            self._expect(")")
            return value
        token = self._next()
        if token.kind == "string":
            return self._string(token.text)
        if token.kind == "number":
            return int(token.text)
        if token.kind == "command":
            return self._command(token.text)
        if token.kind == "name":
            return self._name(token.text)
        raise NotUnderstood(token.text or "the end")

    def _name(self, name: str) -> Any:
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name in self._scope.variables:
            return self._scope.variables[name]
        if name == "ENV":
            return self._env()
        if name == "File":
            return self._file()
        if name == "Dotenv":
            return self._dotenv()
        raise NotUnderstood(name)

    def _arguments(self) -> List[Any]:
        self._expect("(")
        values: List[Any] = []
        while not self._take(")"):
            values.append(self._expression())
            if self._peek().text != ")":
                self._expect(",")
        return values

    def _env(self) -> Any:
        if self._take("["):
            name = to_text(self._expression())
            self._expect("]")
            return self._scope.environ.get(name)
        self._expect(".")
        method = self._next().text
        if method in ("key?", "has_key?", "include?"):
            return to_text(self._arguments()[0]) in self._scope.environ
        if method != "fetch":
            raise NotUnderstood(f"ENV.{method}")
        return self._fetch()

    def _fetch(self) -> Any:
        arguments = self._arguments()
        name = to_text(arguments[0]) if arguments else ""
        found = self._scope.environ.get(name)
        defaults = arguments[1:]
        if self._take("{"):
            defaults = [self._only_if(found is None, self._expression)]
            self._expect("}")
        if found is None and not defaults and self._live:
            raise Failed(
                f"the environment variable {name} is not set; export it, or give a default: "
                f'ENV.fetch("{name}", "value")'
            )
        return defaults[0] if found is None and defaults else found

    def _file(self) -> Any:
        self._expect(".")
        method = self._next().text
        if method not in ("read", "exist?"):
            raise NotUnderstood(f"File.{method}")
        path = os.path.join(self._scope.project_root, os.path.expanduser(to_text(self._arguments()[0])))
        if method == "exist?":
            return os.path.exists(path)
        return self._read(path) if self._live else None

    @staticmethod
    def _read(path: str) -> str:
        try:
            with open(path, encoding="utf-8") as stream:
                return stream.read()
        except (OSError, UnicodeDecodeError) as error:
            raise Failed(f"the file {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error

    def _dotenv(self) -> None:
        self._expect(".")
        method = self._next().text
        if method not in ("load", "load!"):
            raise NotUnderstood(f"Dotenv.{method}")
        names = [to_text(name) for name in self._arguments()] if self._peek().text == "(" else []
        while not names or self._peek().kind == "string" or self._take(","):
            if self._peek().kind != "string":
                break
            names.append(self._string(self._next().text))
        if self._live:
            self._load_dotenv(names or [".env"], must_exist=method == "load!")

    def _load_dotenv(self, names: List[str], must_exist: bool = False) -> None:
        for name in names:
            path = os.path.join(self._scope.project_root, name)
            if os.path.exists(path) or must_exist:
                for key, value in dotenv(self._read(path)).items():
                    self._scope.environ.setdefault(key, value)

    def _command(self, command: str) -> Any:
        if not self._live:
            return None
        command = self._interpolate(command)
        if not self._scope.commands:
            raise Failed(f"running the command `{command}` is switched off; set kamal_erb_commands: true to allow it")
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self._scope.project_root,
            env=self._scope.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"the command `{command}` failed with exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def _string(self, quoted: str) -> str:
        body = quoted[1:-1]
        if quoted[0] == "'":
            return re.sub(r"\\(['\\])", r"\1", body)
        return self._interpolate(body)

    def _interpolate(self, body: str) -> str:
        def inner(match: Any) -> str:
            if match.group("code") is not None:
                evaluator = _Evaluator(_tokens(match.group("code")), self._scope)
                evaluator._live = self._live
                return to_text(evaluator.statements())
            return _ESCAPES.get(match.group("escaped"), str(match.group("escaped")))

        return re.sub(r"#\{(?P<code>[^}]*)\}|\\(?P<escaped>.)", inner, body)


_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "nil": None}
_METHODS: Mapping[str, Callable[[Any], Any]] = {
    "blank?": lambda value: not to_text(value).strip() or value is False,
    "chomp": lambda value: re.sub(r"(\r\n|\n|\r)\Z", "", to_text(value)),
    "downcase": lambda value: to_text(value).lower(),
    "empty?": lambda value: to_text(value) == "",
    "nil?": lambda value: value is None,
    "present?": lambda value: bool(to_text(value).strip()) and value is not False,
    "strip": lambda value: to_text(value).strip(),
    "to_s": to_text,
    "upcase": lambda value: to_text(value).upper(),
}
_DOTENV_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<key>[\w.]+)[ \t]*[=:][ \t]*
    (?:'(?P<single>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)"|(?P<bare>[^\n#]*?))[ \t]*(?:\#[^\n]*)?$""",
    re.VERBOSE | re.MULTILINE,
)


def dotenv(text: str) -> Dict[str, str]:
    """The variables of a .env file."""
    return dict(_dotenv_pair(match) for match in _DOTENV_LINE.finditer(text))


def _dotenv_pair(match: Any) -> Tuple[str, str]:
    if match.group("single") is not None:
        return match.group("key"), match.group("single")
    if match.group("double") is not None:
        return match.group("key"), re.sub(
            r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), match.group("double")
        )
    return match.group("key"), match.group("bare")
