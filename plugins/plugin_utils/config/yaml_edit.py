# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A YAML file that is changed line by line, so that its comments, its order and its ERB stay."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

try:
    import yaml
except ImportError:  # Only the controller has it, and only the controller gets here.
    yaml = None  # type: ignore[assignment]

Path = Tuple[str, ...]
# What is added: maps of maps, of lists of YAML texts, and of YAML texts.
Tree = Mapping[str, Any]

_TAG = re.compile(r"<%(?P<output>=?).*?%>", re.DOTALL)
STEP = 2


class NotEditable(Exception):
    """The file is not written so that lines of it can be changed one by one."""


@dataclass(frozen=True)
class Entry:
    """A key with its value: `text` is what is written there for a scalar, `first` and `last` are its lines from 0."""

    path: Path
    node: Any
    text: str
    first: int
    last: int
    column: int
    in_flow: bool

    @property
    def line(self) -> int:
        """As people count."""
        return self.first + 1


@dataclass
class Edits:
    """What is to be done with a file. Keys are removed with their values or renamed, and trees are added."""

    removed: List[Path] = field(default_factory=list)
    renamed: Dict[Path, str] = field(default_factory=dict)
    added: List[Tuple[Path, Tree]] = field(default_factory=list)


class YamlFile:
    """NotEditable if it is no map in YAML once ERB is left out of account."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.splitlines()
        try:
            root = yaml.compose(_masked(text), Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            raise NotEditable(str(error)) from error
        if not isinstance(root, yaml.MappingNode):
            raise NotEditable("it is no map")
        self.entries: Dict[Path, Entry] = {}
        self._twice: Set[Path] = set()
        for entry in self._walk(root, (), root.flow_style):
            self._twice |= {entry.path} & set(self.entries)
            self.entries[entry.path] = entry

    def _walk(self, node: Any, path: Path, in_flow: bool) -> Iterator[Entry]:
        for key, value in node.value:
            here = (*path, str(key.value))
            text = self.text[value.start_mark.index : value.end_mark.index] if _is_scalar(value) else ""
            last = max(key.start_mark.line, _last_line(value))
            yield Entry(here, value, text, key.start_mark.line, last, key.start_mark.column, bool(in_flow))
            if isinstance(value, yaml.MappingNode):
                yield from self._walk(value, here, in_flow or bool(value.flow_style))

    def get(self, *path: str) -> Optional[Entry]:
        return self.entries.get(path)

    def children(self, *path: str) -> List[Entry]:
        return [entry for at, entry in self.entries.items() if at[:-1] == path]

    def value(self, *path: str) -> Any:
        """Plain data; where ERB is, its place is taken by letters."""
        entry = self.get(*path)
        return _plain(entry.node) if entry else None

    def edited(self, edits: Edits) -> str:
        """The text after the edits. NotEditable where one of them is in the middle of a line."""
        gone = self._gone(edits.removed)
        changes: List[Tuple[int, int, List[str]]] = [(entry.first, entry.last + 1, []) for entry in gone]
        for path, name in edits.renamed.items():
            entry = self._own_line(path)
            line = self.lines[entry.first]
            changes.append((entry.first, entry.first + 1, [_renamed(line, entry, name)]))
        for place, lines in self._additions(edits, gone):
            changes.append((place, place, lines))
        lines = list(self.lines)
        for first, end, instead in sorted(changes, key=lambda change: (change[0], change[1]), reverse=True):
            lines[first:end] = instead
        text = "\n".join(lines) + "\n"
        YamlFile(text)
        return text

    def _own_line(self, path: Path) -> Entry:
        entry = self.entries[path]
        if entry.in_flow:
            raise NotEditable(f"{'/'.join(path)} is in the middle of a line")
        if any(path[:length] in self._twice for length in range(1, len(path) + 1)):
            raise NotEditable(f"{'/'.join(path)} is there twice")
        return entry

    def _gone(self, removed: Sequence[Path]) -> List[Entry]:
        """The keys to remove, and those of which nothing is left then; none that goes with another one."""
        paths = set(removed)
        above = {path[:length] for path in removed for length in range(1, len(path))}
        for path in sorted(above, key=len, reverse=True):
            if {entry.path for entry in self.children(*path)} <= paths:
                paths.add(path)
        alone = [path for path in paths if not any(path[:length] in paths for length in range(1, len(path)))]
        return [self._own_line(path) for path in alone]

    def _additions(self, edits: Edits, gone: Sequence[Entry]) -> Iterator[Tuple[int, List[str]]]:
        """By line what is put before it: in the place of what made it go, else at the end of the map it belongs in."""
        places: Dict[Path, int] = {}
        trees: Dict[Path, Dict[str, Any]] = {}
        paths = {entry.path for entry in gone}
        for origin, tree in edits.added:
            parent, rest = self._missing(tree, paths)
            if rest:
                _merge(trees.setdefault(parent, {}), rest)
                near = next((entry for entry in gone if entry.path == origin[: len(entry.path)]), None)
                if near and near.path[:-1] == parent:
                    places.setdefault(parent, near.first)
        for parent, tree in sorted(trees.items(), key=lambda item: len(item[0])):  # the end of an inner map comes first
            siblings = self.children(*parent)
            if not siblings or siblings[0].in_flow:
                raise NotEditable(f"{'/'.join(parent)} is in the middle of a line")
            place = places.get(parent, max(entry.last for entry in siblings) + 1)
            yield place, list(_rendered(tree, siblings[0].column))

    def _missing(self, tree: Tree, gone: Set[Path]) -> Tuple[Path, Dict[str, Any]]:
        """Of a tree the part that is not there, and the map that it belongs into. What is there stays as it is."""
        parent: Path = ()
        rest: Any = tree
        while isinstance(rest, Mapping) and len(rest) == 1:
            (key, below) = next(iter(rest.items()))
            entry = self.get(*parent, key)
            if entry is None or entry.path in gone:
                return parent, dict(rest)
            if not isinstance(below, Mapping) or not isinstance(entry.node, yaml.MappingNode):
                return parent, {}
            parent, rest = entry.path, below
        there = set(self.entries) - set(gone)
        return parent, {key: below for key, below in rest.items() if (*parent, key) not in there}


def _masked(text: str) -> str:
    """With letters where ERB puts something out, and comments where it decides; everything keeps its place."""

    def mask(match: Any) -> str:
        letter = "x" if match["output"] else "#"
        return re.sub(r"[^\n]", letter, match[0])

    return _TAG.sub(mask, text)


def _is_scalar(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode)


def _last_line(node: Any) -> int:
    """Marks of maps and lists end where the next thing begins, and those of texts over lines below them."""
    if not _is_scalar(node) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.line) - (1 if node.end_mark.column == 0 and node.end_mark.line else 0)


def _plain(node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value) for value in node.value]
    return None if node.tag.endswith(":null") else str(node.value)


def _renamed(line: str, entry: Entry, name: str) -> str:
    return line[: entry.column] + re.sub(r"^(\"[^\"]*\"|'[^']*'|[^:\s]+)", name, line[entry.column :], count=1)


def _merge(tree: Dict[str, Any], more: Tree) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree.setdefault(key, dict(value) if isinstance(value, Mapping) else value)


def _rendered(tree: Tree, column: int) -> Iterator[str]:
    indent = " " * column
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from _rendered(value, column + STEP)
        elif isinstance(value, (list, tuple)):
            yield f"{indent}{key}:"
            yield from (f"{indent}{' ' * STEP}- {item}" for item in value)
        else:
            yield f"{indent}{key}: {value}"
