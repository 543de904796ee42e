# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with a value by the schema, in words: what was found, what is allowed, what was probably meant."""

from __future__ import annotations

import difflib
import json
import re
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Tuple

try:
    from jsonschema import Draft202012Validator, validators
    from jsonschema.exceptions import ValidationError
except ImportError:  # pragma: no cover
    Draft202012Validator = None  # type: ignore[misc,assignment]

from ...module_utils._errors import ConfigError, Problem
from .hidden import is_secret, kind_of
from .kamal1 import successor
from .lines import KeyPath
from .schema import NOTICE

SHORT = 12
ENV_FORMS = ("clear", "secret", "tags")
CONVERTED = "; the playbook caravan.kamal.upgrade shows what becomes of the file"
Finding = Tuple[KeyPath, str]

_KINDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "nothing",
    "number": "a number",
    "object": "a map",
    "string": "a string",
}

_BOOLEAN_IN_QUOTES = re.compile(r"(true|false|yes|no)$", re.IGNORECASE)


def near_miss(word: str, known: Iterable[str]) -> str:
    """`; did you mean `x`?` or nothing."""
    names = {name.lower().replace("-", "_"): name for name in known}
    close = difflib.get_close_matches(word.lower().replace("-", "_"), names, n=1, cutoff=0.6)
    return f"; did you mean `{names[close[0]]}`?" if close else ""


def listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def shown(value: Any) -> str:
    """A found value, short."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a map" + (f" with {listed(list(value)[:3])}" if value else " with nothing in it")
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + '…"'


def _with_types(checker: Any) -> Any:
    extend: Any = validators.extend
    return extend(Draft202012Validator, type_checker=checker)


def _map(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: Any) -> List[Any]:
    return value if isinstance(value, list) else []


def _quotes_hint(value: Any, expected: str) -> str:
    """Where quotes, or the lack of them, made YAML read something else than was meant."""
    if "a string" in expected and isinstance(value, dict) and len(value) == 1:
        return "; a colon followed by a space makes it a map, put it in quotes if a string was meant"
    if "a string" in expected and isinstance(value, bool):
        return "; YAML reads yes, no, on and off as true or false, put the word in quotes"
    if "a string" in expected and isinstance(value, (int, float)):
        return "; put it in quotes"
    if expected == "true or false" and isinstance(value, str) and _BOOLEAN_IN_QUOTES.match(value):
        return "; remove the quotes"
    return ""


class SchemaCheck:
    """Checks data against the schema; everything that is wrong comes out at once."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        if Draft202012Validator is None:
            raise ConfigError(
                [Problem("the Python package jsonschema is missing on the controller; install jsonschema")]
            )
        self._schema = schema
        checker = Draft202012Validator.TYPE_CHECKER.redefine(
            "integer", lambda _checker, value: isinstance(value, int) and not isinstance(value, bool)
        )
        self._validator = _with_types(checker)(schema)

    def findings(self, data: Any) -> Iterator[Finding]:
        seen = set()
        for error in self._validator.iter_errors(data):
            for finding in self._words(error, tuple(error.absolute_path)):
                if finding not in seen:
                    seen.add(finding)
                    yield finding

    def notices(self, data: Any) -> Iterator[Finding]:
        """Keys that are accepted though something else decides."""
        yield from self._notices(self._schema, data, ())

    def _notices(self, schema: Mapping[str, Any], data: Any, path: KeyPath) -> Iterator[Finding]:
        if "$ref" in schema:
            schema = self._schema["$defs"][schema["$ref"].rpartition("/")[2]]
        for name, inner in schema.get("properties", {}).items():
            if isinstance(data, dict) and name in data:
                if NOTICE in inner:
                    yield path + (name,), f"is accepted but {inner[NOTICE]}"
                yield from self._notices(inner, data[name], path + (name,))

    def _words(self, error: ValidationError, path: KeyPath) -> Iterator[Finding]:
        writer = _WRITERS.get(str(error.validator))
        if error.validator == "anyOf":
            yield from self._any_of(error, path)
        elif writer is None:
            yield path, error.message
        else:
            yield from writer(self, error, path)

    def _any_of(self, error: ValidationError, path: KeyPath) -> Iterator[Finding]:
        """The form whose type fits is the one that was meant."""
        branches: Dict[int, List[ValidationError]] = {}
        for inner in error.context or []:
            branches.setdefault(int(inner.relative_schema_path[0]), []).append(inner)
        for inner_errors in branches.values():
            if not any(self._is_misfit(inner) for inner in inner_errors):
                for inner in inner_errors:
                    yield from self._words(inner, path + tuple(inner.relative_path))
                return
        yield path, self._wrong_type(path, error.instance, self.describe(_map(error.schema)))

    @staticmethod
    def _is_misfit(error: ValidationError) -> bool:
        return error.validator == "type" and not error.relative_path

    def describe(self, schema: Mapping[str, Any]) -> str:
        """The type a schema asks for, in words."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return "a list of hosts" if name == "hosts" else self.describe(self._schema["$defs"][name])
        if "anyOf" in schema:
            options = [self.describe(branch) for branch in schema["anyOf"]]
            return " or ".join(dict.fromkeys(options))
        if "enum" in schema:
            return "one of " + listed(schema["enum"])
        if schema.get("type") == "array" and schema["items"].get("type"):
            return "a list of strings" if "string" in schema["items"]["type"] else "a list"
        kind = schema.get("type", "anything")
        return "a string" if isinstance(kind, list) else _KINDS.get(kind, "anything")

    @staticmethod
    def _wrong_type(path: KeyPath, value: Any, expected: str) -> str:
        if value is None:
            return f"the key is empty; remove it or give it {expected}"
        found = kind_of(value) if is_secret(path) else shown(value)
        return f"found {found}, expected {expected}{_quotes_hint(value, expected)}"

    def _type(self, error: ValidationError, path: KeyPath) -> Iterator[Finding]:
        is_variable = "env" in path[:-1] and path[-1] not in ENV_FORMS
        form = near_miss(str(path[-1]), ENV_FORMS) if is_variable else ""
        if form and isinstance(error.instance, (dict, list)):
            # A misspelt `clear` makes the whole map look like the short form.
            yield path, f"a variable's value is a string, found {shown(error.instance)}{form}"
        else:
            yield path, self._wrong_type(path, error.instance, self.describe(_map(error.schema)))

    def _unknown_keys(self, error: ValidationError, path: KeyPath) -> Iterator[Finding]:
        known = _map(error.schema)["properties"]
        for name in _map(error.instance):
            instead = successor(path + (name,))
            if name not in known and instead:
                yield path + (name,), f"this is a key of Kamal 1; in Kamal 2 it is {instead}{CONVERTED}"
            elif name not in known and not name.startswith("x-"):
                near = near_miss(name, known)
                there = "" if near and len(known) > SHORT else f" (known here: {listed(sorted(known))})"
                yield path + (name,), f"unknown key{near}{there}"

    def _required(self, error: ValidationError, path: KeyPath) -> Iterator[Finding]:
        # jsonschema yields one error per missing key and names it only in its sentence.
        missing = [name for name in _names(error.validator_value) if error.message.startswith(repr(name))]
        for name in missing:
            yield path + (name,), "this key is missing"

    def _enum(self, error: ValidationError, path: KeyPath) -> Iterator[Finding]:
        if error.instance is None or isinstance(error.instance, (dict, list)):
            return
        allowed = [str(item) for item in _names(error.validator_value)]
        near = near_miss(str(error.instance), allowed)
        yield path, f"found {shown(error.instance)}, allowed: {listed(allowed)}{near}"

    def _minimum(self, error: ValidationError, path: KeyPath) -> Iterator[Finding]:
        yield path, f"found {error.instance}, it must be at least {error.validator_value}"

    def _maximum(self, error: ValidationError, path: KeyPath) -> Iterator[Finding]:
        yield path, f"found {error.instance}, it must be at most {error.validator_value}"

    def _one_host(self, error: ValidationError, path: KeyPath) -> Iterator[Finding]:
        yield path, f"found {shown(error.instance)}, expected one host with its tag or tags; write one entry per host"


_WRITERS: Mapping[str, Callable[[SchemaCheck, ValidationError, KeyPath], Iterator[Finding]]] = {
    "additionalProperties": SchemaCheck._unknown_keys,
    "enum": SchemaCheck._enum,
    "maxProperties": SchemaCheck._one_host,
    "maximum": SchemaCheck._maximum,
    "minProperties": SchemaCheck._one_host,
    "minimum": SchemaCheck._minimum,
    "required": SchemaCheck._required,
    "type": SchemaCheck._type,
}
