# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""YAML text as plain data in which every key remembers its line."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Mapping, Sequence, Tuple, Type, Union

try:
    import yaml
    from yaml.reader import ReaderError
except ImportError:  # Only the controller has it, and only the controller gets here.
    yaml = None  # type: ignore[assignment]

from ...module_utils._errors import Problem
from .hidden import is_secret

KeyPath = Tuple[Union[str, int], ...]
LineToPlace = Callable[[int], str]

MAX_VALUES = 200_000
TOO_DEEP = "lists and maps are nested deeper than can be meant"
HIDDEN = "…"
_FREE_MAPS = frozenset(("labels", "env", "clear", "options", "args", "aliases"))
_NOT_VALUES = (dict, list, type(None))


def slashed(path: Sequence[Union[str, int]]) -> str:
    return "/".join(str(part) for part in path)


@dataclass
class Document:
    """Data, where its keys are, and what was wrong while reading it."""

    data: Any = None
    places: Dict[KeyPath, str] = field(default_factory=dict)
    problems: List[Problem] = field(default_factory=list)

    def place(self, path: Sequence[Union[str, int]]) -> str:
        """Where this key is, or the nearest one above it."""
        for length in range(len(path), -1, -1):
            place = self.places.get(tuple(path[:length]))
            if place:
                return place
        return ""


@lru_cache(maxsize=1)
def _loader_class() -> Type[yaml.SafeLoader]:
    class Loader(yaml.SafeLoader):
        """Safe loading; dates, 22:22 and 0755 stay the text that was written."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith((":timestamp", ":int", ":float"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for name, pattern in _NUMBERS.items():
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(pattern), list("-+0123456789."))
    return Loader


_NUMBERS = {
    "int": r"^[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$",
    "float": r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9_]+)$",
}
_SCALAR_TAGS = frozenset("tag:yaml.org,2002:" + name for name in ("null", "bool", "int", "float", "str"))


def read_yaml(text: str, place: LineToPlace) -> Document:
    """`place` turns a line number, counted from 1, into the words that name it."""
    document = Document()
    try:
        _read_into(document, text, place)
    except yaml.MarkedYAMLError as error:
        document.problems.append(_syntax_problem(error, place))
    except ReaderError as error:
        message = f"there is a character in it that no text may have (#x{error.character:02x})"
        document.problems.append(Problem(message, where=place(text.count("\n", 0, error.position) + 1)))
    except RecursionError:
        document.problems.append(Problem(TOO_DEEP, where=place(1)))
    return document


def _read_into(document: Document, text: str, place: LineToPlace) -> None:
    loader = _loader_class()(text)
    node = loader.get_single_node()
    if node is not None:
        document.places[()] = place(node.start_mark.line + 1)
        document.data = _Reader(loader, document, place, itertools.count()).value(node, (), frozenset())


def _syntax_problem(error: yaml.MarkedYAMLError, place: LineToPlace) -> Problem:
    mark = error.problem_mark or error.context_mark
    what = ", ".join(part for part in (error.context, error.problem) if part)
    if "found character '\\t'" in what:
        what += " (indent with spaces, not tabs)"
    # The beginning of a password can look like one of these.
    what = re.sub(r"\b(alias|anchor|tag handle) '.*?'", r"\1", what)
    if mark is None:
        return Problem(f"the YAML cannot be read: {what}", where=place(1))
    return Problem(f"the YAML cannot be read: {what}, column {mark.column + 1}", where=place(mark.line + 1))


class _Reader:
    def __init__(self, loader: yaml.SafeLoader, document: Document, place: LineToPlace, count: Iterator[int]) -> None:
        self._loader = loader
        self._document = document
        self._place = place
        self._count = count

    def _problem(self, message: str, path: KeyPath, node: yaml.Node) -> None:
        self._document.problems.append(Problem(message, slashed(path), self._place(node.start_mark.line + 1)))

    def value(self, node: yaml.Node, path: KeyPath, above: FrozenSet[int]) -> Any:
        count = next(self._count)
        if count == MAX_VALUES:
            self._problem("the anchors of this file unfold to more values than can be meant", path, node)
        if count >= MAX_VALUES:
            return None
        if id(node) in above:
            self._problem("an alias refers to something it is itself part of", path, node)
            return None
        if isinstance(node, yaml.MappingNode):
            return self._map(node, path, above | {id(node)})
        if isinstance(node, yaml.SequenceNode):
            return self._list(node, path, above | {id(node)})
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        if node.tag not in _SCALAR_TAGS:
            self._problem(f"the YAML tag {_tag(node, path)} is not allowed; write a plain value in quotes", path, node)
            return None
        try:
            value = self._loader.construct_object(node)
        except (ValueError, LookupError, yaml.YAMLError):  # PyYAML itself checks nothing of `!!int` and `!!bool`.
            self._problem(f"{_value(node, path)!r} is not what its YAML tag {_tag(node, path)} says", path, node)
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self._problem(f"the number {_value(node, path)} is larger than any that can be meant", path, node)
        return value

    def _list(self, node: yaml.SequenceNode, path: KeyPath, above: FrozenSet[int]) -> List[Any]:
        if node.tag != "tag:yaml.org,2002:seq":
            self._problem(f"the YAML tag {_tag(node, path)} is not allowed; write a plain list", path, node)
        items = []
        for index, child in enumerate(node.value):
            here = path + (index,)
            self._document.places[here] = self._place(child.start_mark.line + 1)
            items.append(self.value(child, here, above))
        return items

    def _map(self, node: yaml.MappingNode, path: KeyPath, above: FrozenSet[int]) -> Dict[str, Any]:
        if node.tag != "tag:yaml.org,2002:map":
            self._problem(f"the YAML tag {_tag(node, path)} is not allowed; write a plain map", path, node)
        own: Dict[str, Any] = {}
        lines: Dict[str, int] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self._key(key_node, path)
            if key in lines:
                where = self._place(lines[key])
                self._problem(f"this key is already there ({where}); keep one of them", path + (key,), key_node)
            lines[key] = key_node.start_mark.line + 1
            self._document.places[path + (key,)] = self._place(lines[key])
            own[key] = self.value(value_node, path + (key,), above)
        return {**self._merged_keys(node, path, above, own), **own}

    def _key(self, node: yaml.Node, path: KeyPath) -> str:
        if isinstance(node, yaml.ScalarNode):
            if node.tag != "tag:yaml.org,2002:str":
                kind = {"bool": "true or false", "null": "nothing"}.get(node.tag.rpartition(":")[2], "a number")
                key = _value(node, path)
                self._problem(f'YAML reads the key {key} as {kind}; write "{key}"', path, node)
            return str(node.value)
        self._problem("a list or a map cannot be a key", path, node)
        return "?"

    def _merged_keys(
        self, node: yaml.MappingNode, path: KeyPath, above: FrozenSet[int], own: Mapping[str, Any]
    ) -> Dict[str, Any]:
        merged: Dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag != "tag:yaml.org,2002:merge":
                continue
            sources = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
            for source in sources:
                if isinstance(source, yaml.MappingNode):
                    self._merge_from(source, path, above, own, merged)
                else:
                    self._problem("<< needs a map, or a list of maps", path, key_node)
        return merged

    def _merge_from(
        self,
        source: yaml.MappingNode,
        path: KeyPath,
        above: FrozenSet[int],
        own: Mapping[str, Any],
        merged: Dict[str, Any],
    ) -> None:
        inner = Document()
        data = _Reader(self._loader, inner, self._place, self._count).value(source, (), above) or {}
        self._document.problems.extend(problem for problem in inner.problems if problem not in self._document.problems)
        for key, value in data.items():
            if key not in own and key not in merged:
                below = {path + place: line for place, line in inner.places.items() if place and place[0] == key}
                self._document.places.update(below)
            merged.setdefault(key, value)


def _tag(node: yaml.Node, path: KeyPath) -> str:
    """A tag as it is written."""
    tag = re.sub(r"\Atag:yaml\.org,2002:", "!!", node.tag)
    return HIDDEN if is_secret(path) else tag


def _value(node: yaml.Node, path: KeyPath) -> str:
    return HIDDEN if is_secret(path) else str(node.value)


def merge(base: Any, overlay: Any) -> Any:
    """Maps key by key; anything else is replaced."""
    if not isinstance(base, dict) or not isinstance(overlay, dict):
        return overlay
    result = dict(base)
    for key, value in overlay.items():
        result[key] = merge(base[key], value) if key in base else value
    return result


def merge_documents(base: Document, overlay: Document) -> Document:
    places = dict(base.places)
    for path, place in overlay.places.items():
        value = _at(overlay.data, path)
        if isinstance(value, dict) and isinstance(_at(base.data, path), dict):
            continue
        for old in [known for known in places if known[: len(path)] == path]:
            del places[old]
        places[path] = place
    return Document(merge(base.data, overlay.data), places, base.problems + overlay.problems)


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def without_extensions(data: Any, free: bool = False) -> Any:
    """Without `x-` keys. Where names are the user's own (labels, variables …), one with a plain value is data."""
    if isinstance(data, list):
        return [without_extensions(item) for item in data]
    if not isinstance(data, dict):
        return data
    return {
        key: without_extensions(value, key in _FREE_MAPS)
        for key, value in data.items()
        if not key.startswith("x-") or (free and not isinstance(value, _NOT_VALUES))
    }


def plain(data: Any, problems: List[Problem], where: str, path: KeyPath = ()) -> Any:
    """Values from Ansible as the types YAML has."""
    if data is None or isinstance(data, bool):
        return data
    if isinstance(data, str):
        return str.__str__(data)
    if isinstance(data, int):
        return int(data)
    if isinstance(data, float):
        return float(data)
    if isinstance(data, Mapping):
        return _plain_map(data, problems, where, path)
    if isinstance(data, (list, tuple)):
        return [plain(item, problems, where, path + (index,)) for index, item in enumerate(data)]
    if isinstance(data, (set, frozenset)):
        return sorted(plain(item, problems, where, path) for item in data)
    return str(data)


def _plain_map(data: Mapping[Any, Any], problems: List[Problem], where: str, path: KeyPath) -> Dict[str, Any]:
    result: Dict[str, Any] = {}
    for key, value in data.items():
        name = str.__str__(key) if isinstance(key, str) else str(key)
        if not isinstance(key, str):
            problems.append(Problem(f'the key {name} is not text; write "{name}"', slashed(path), where))
        result[name] = plain(value, problems, where, path + (name,))
    return result
