# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the documented examples in schema/sections say what a configuration may hold, as a JSON Schema.

Each key of an example has prose comments above it and one annotation, `#: TYPE[, ATTRIBUTE]...`.

TYPE       string (numbers and booleans pass too) | text (strings only) | integer | seconds | port | boolean | empty |
           any | options (of `docker run`) | hosts | map | keys (the keys documented in this section) |
           section NAME | list of TYPE | map of TYPE; alternatives are separated by `|`, parentheses group
ATTRIBUTE  required | default VALUE | minimum N | one of A B C | notice TEXT (accepted, but something else decides)

The first comment of a file is its title and introduction; an annotation there is the type of the whole section.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

try:
    import yaml
except ImportError:  # Only the controller has it, and only the controller gets here.
    yaml = None  # type: ignore[assignment]

SCHEMA_FOLDER = Path(__file__).resolve().parents[3] / "schema"
SECTIONS_FOLDER = SCHEMA_FOLDER / "sections"
SCHEMA_FILE = SCHEMA_FOLDER / "deploy.schema.json"

NOTICE = "x-notice"

Schema = Dict[str, Any]

_SIMPLE: Mapping[str, Schema] = {
    "any": {},
    "boolean": {"type": "boolean"},
    "empty": {"type": "null"},
    "hosts": {"$ref": "#/$defs/hosts"},
    "integer": {"type": "integer"},
    "map": {"type": "object"},
    "options": {"type": "object"},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "seconds": {"type": "integer", "minimum": 0},
    "string": {"type": ["string", "number", "boolean"]},
    "text": {"type": "string"},
}

_HOSTS: Schema = {
    "description": "Hosts; an entry is a name, or a map of one name to its tag or tags.",
    "type": "array",
    "items": {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            },
        ]
    },
}


@dataclass(frozen=True)
class Annotation:
    """What one `#:` line says."""

    type: str
    required: bool = False
    default: Any = None
    minimum: Optional[int] = None
    one_of: Tuple[str, ...] = ()
    notice: str = ""


@dataclass(frozen=True)
class Key:
    """One documented key of a section."""

    name: str
    prose: str
    annotation: Annotation
    children: Tuple[Key, ...] = ()

    def walk(self, above: Tuple[str, ...] = ()) -> Iterator[Tuple[Tuple[str, ...], Key]]:
        path = above + (self.name,)
        yield path, self
        for child in self.children:
            yield from child.walk(path)


@dataclass(frozen=True)
class Section:
    """One documented example: its text, what it means, and the example as data."""

    name: str
    title: str
    prose: str
    type: str
    text: str
    example: Mapping[str, Any] = field(repr=False)
    keys: Tuple[Key, ...] = ()

    def walk(self) -> Iterator[Tuple[Tuple[str, ...], Key]]:
        for key in self.keys:
            yield from key.walk()


def _parse_default(text: str) -> Any:
    return yaml.safe_load(text)


_ATTRIBUTES: Sequence[Tuple[str, str, Callable[[str], Any]]] = (
    ("required", "required", lambda text: True),
    ("default ", "default", _parse_default),
    ("minimum ", "minimum", int),
    ("one of ", "one_of", lambda text: tuple(text.split())),
)


def parse_annotation(text: str) -> Annotation:
    rest, _comma, notice = text.partition(", notice ")
    kind, *attributes = [part.strip() for part in rest.split(", ")]
    values: Dict[str, Any] = {"type": kind, "notice": notice.strip()}
    for attribute in attributes:
        for prefix, name, convert in _ATTRIBUTES:
            if attribute.startswith(prefix):
                values[name] = convert(attribute[len(prefix) :])
                break
        else:
            raise ValueError(f"unknown attribute {attribute!r} in annotation {text!r}")
    return Annotation(**values)


class _TypeParser:
    """Reads a TYPE; `keys` stands for the keys documented in place."""

    def __init__(self, text: str, keys: Schema) -> None:
        self._text = text
        self._tokens = re.findall(r"[()|]|[\w-]+", text)
        self._keys = keys

    def parse(self) -> Schema:
        schema = self._union()
        if self._tokens:
            raise ValueError(f"cannot read type {self._text!r} at {self._tokens[0]!r}")
        return schema

    def _take(self, *wanted: str) -> bool:
        if self._tokens[: len(wanted)] == list(wanted):
            del self._tokens[: len(wanted)]
            return True
        return False

    def _union(self) -> Schema:
        branches = [self._one()]
        while self._take("|"):
            branches.append(self._one())
        if len(branches) == 1:
            return branches[0]
        if branches[0] is self._keys and len(branches) == 2:
            return _either_keys_or(self._keys, branches[1])
        return {"anyOf": branches}

    def _one(self) -> Schema:
        if self._take("("):
            schema = self._union()
            if not self._take(")"):
                raise ValueError(f"no closing parenthesis in type {self._text!r}")
            return schema
        if self._take("list", "of"):
            return {"type": "array", "items": self._one()}
        if self._take("map", "of"):
            return {"type": "object", "patternProperties": {"^x-": {}}, "additionalProperties": self._one()}
        if self._take("section"):
            return {"$ref": f"#/$defs/{self._tokens.pop(0)}"}
        if self._take("keys"):
            return self._keys
        name = self._tokens.pop(0)
        if name == "map" and self._keys.get("properties"):
            return self._keys
        return dict(_SIMPLE[name])


def _either_keys_or(keys: Schema, other: Schema) -> Schema:
    """A map that has any of the documented keys must have only those; otherwise it is the other form."""
    return {
        "type": "object",
        "if": {"type": "object", "anyOf": [{"required": [name]} for name in keys["properties"]]},
        "then": keys,
        "else": other,
    }


def flow(prose: str) -> str:
    """Prose without the line breaks it has in a comment; paragraphs stay."""
    return "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in prose.split("\n\n"))


def _keys_schema(keys: Sequence[Key]) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": {key.name: _key_schema(key) for key in keys},
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }
    required = [key.name for key in keys if key.annotation.required]
    if required:
        schema["required"] = required
    return schema


def _key_schema(key: Key) -> Schema:
    annotation = key.annotation
    schema: Schema = {"description": flow(key.prose)}
    schema.update(_TypeParser(annotation.type, _keys_schema(key.children)).parse())
    if annotation.default is not None:
        schema["default"] = annotation.default
    if annotation.minimum is not None:
        schema["minimum"] = annotation.minimum
    if annotation.notice:
        schema[NOTICE] = annotation.notice
    if annotation.one_of:
        schema["enum"] = list(annotation.one_of)
    return schema


def _section_schema(section: Section) -> Schema:
    schema: Schema = {"title": section.title, "description": flow(section.prose)}
    schema.update(_TypeParser(section.type, _keys_schema(section.keys)).parse())
    return schema


def build_schema(sections: Mapping[str, Section]) -> Schema:
    schema: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Generated from schema/sections by `make docs`; do not edit.",
    }
    schema.update(_section_schema(sections["root"]))
    schema["title"] = "config/deploy.yml"
    schema["$defs"] = {"hosts": _HOSTS}
    schema["$defs"].update({name: _section_schema(section) for name, section in sections.items() if name != "root"})
    return schema


def section_names() -> List[str]:
    return sorted(path.stem for path in SECTIONS_FOLDER.glob("*.yml"))


def load_sections() -> Dict[str, Section]:
    return {name: load_section(name) for name in section_names()}


def load_section(name: str) -> Section:
    text = (SECTIONS_FOLDER / f"{name}.yml").read_text(encoding="utf-8")
    lines = text.splitlines()
    header, annotation = _comment_below(lines, 0)
    title, _newline, prose = header.partition("\n")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"section {name} is not a map")
    keys = _read_keys(node, lines)
    return Section(name, title.strip(), prose.strip(), annotation or "keys", text, yaml.safe_load(text), keys)


def _read_keys(node: yaml.MappingNode, lines: Sequence[str]) -> Tuple[Key, ...]:
    keys = []
    for key_node, value_node in node.value:
        prose, annotation = _comment_above(lines, key_node.start_mark.line)
        if annotation:
            children = _read_keys(value_node, lines) if isinstance(value_node, yaml.MappingNode) else ()
            keys.append(Key(key_node.value, prose, parse_annotation(annotation), children))
    return tuple(keys)


def _comment_above(lines: Sequence[str], line: int) -> Tuple[str, str]:
    first = line
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return _comment_below(lines, first)


def _comment_below(lines: Sequence[str], first: int) -> Tuple[str, str]:
    """The prose and the annotation of the comment that begins at this line."""
    prose, annotation = [], ""
    for line in lines[first:]:
        text = line.strip()
        if not text.startswith("#"):
            break
        if text.startswith("#:"):
            annotation = text[2:].strip()
        else:
            prose.append(text[1:].strip())
    return "\n".join(prose), annotation
