# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Parsed Ruby as functions of a Scope: each of these makes one from the parts of an expression."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Sequence, Tuple

from . import ruby_library as library
from .ruby_library import Scope
from .ruby_tokens import Failed
from .ruby_values import equal, item, plus, to_text, truthy

Node = Callable[[Scope], Any]
# The errors that a `rescue` names, the variable that gets the error, and what is done.
Clause = Tuple[Tuple[str, ...], Optional[str], Node]

LONGEST_TEXT = 10**6


def constant(value: Any) -> Node:
    return lambda _scope: value


def in_order(parts: Sequence[Node]) -> Node:
    """All of them; the value is the last one's."""
    return lambda scope: [None, *(part(scope) for part in parts)][-1]


def values(items: Sequence[Node]) -> Node:
    return lambda scope: [each(scope) for each in items]


def text(pieces: Sequence[Node]) -> Node:
    return lambda scope: _short("".join(to_text(piece(scope)) for piece in pieces))


def _short(value: Any) -> Any:
    if isinstance(value, (str, list)) and len(value) > LONGEST_TEXT:
        raise Failed("this value is longer than a megabyte")
    return value


def choice(condition: Node, first: Node, second: Node) -> Node:
    return lambda scope: (first if truthy(condition(scope)) else second)(scope)


def truth(node: Node, wanted: bool) -> Node:
    """Whether a value counts as true, or as false."""
    return lambda scope: truthy(node(scope)) is wanted


def equality(left: Node, right: Node, wanted: bool) -> Node:
    return lambda scope: equal(left(scope), right(scope)) is wanted


def either(left: Node, right: Node, unless: bool) -> Node:
    """`||` where `unless` is true, else `&&`."""

    def node(scope: Scope) -> Any:
        value = left(scope)
        return value if truthy(value) is unless else right(scope)

    return node


def added(left: Node, right: Node) -> Node:
    return lambda scope: _short(plus(left(scope), right(scope)))


def indexed(target: Node, index: Sequence[Node]) -> Node:
    return lambda scope: item(target(scope), *(each(scope) for each in index))


def called(target: Node, method: Callable[..., Any], arguments: Sequence[Node], safely: bool) -> Node:
    """A method of a value; `safely` is `&.`."""

    def node(scope: Scope) -> Any:
        value = target(scope)
        return None if safely and value is None else _short(method(value, *(each(scope) for each in arguments)))

    return node


def mapped(target: Node, method: Callable[[Any], Any]) -> Node:
    def node(scope: Scope) -> Any:
        items = target(scope)
        if not isinstance(items, list):
            raise Failed(".map is called on what is not a list", "NoMethodError")
        return [method(each) for each in items]

    return node


def function(call: Callable[..., Any], arguments: Sequence[Node]) -> Node:
    return lambda scope: call(scope, *(each(scope) for each in arguments))


def set_variable(name: str, value: Node, always: bool) -> Node:
    """`name = value`, or `name ||= value`."""

    def node(scope: Scope) -> Any:
        if always or not truthy(scope.variables.get(name)):
            scope.variables[name] = value(scope)
        return scope.variables[name]

    return node


def set_environment(name: Node, value: Node, always: bool) -> Node:
    """`ENV["name"] = value`, or `ENV["name"] ||= value`."""

    def node(scope: Scope) -> Any:
        key = name(scope)
        if always or library.variable(scope, key) is None:
            library.set_variable(scope, key, value(scope))
        return library.variable(scope, key)

    return node


def with_block(name: Node, block: Node) -> Node:
    """`ENV.fetch(name) { block }`"""

    def node(scope: Scope) -> Any:
        value = library.variable(scope, name(scope))
        return block(scope) if value is None else value

    return node


def modified(node: Node, word: str, other: Node) -> Node:
    """`node if other`, `node unless other`, `node rescue other`."""
    if word == "rescue":
        return rescued(node, [((), None, other)])
    return choice(truth(other, word == "if"), node, constant(None))


def rescued(node: Node, clauses: List[Clause]) -> Node:
    def with_rescue(scope: Scope) -> Any:
        try:
            return node(scope)
        except Failed as error:
            for kinds, variable, body in clauses:
                if _covers(kinds, error.kind):
                    if variable:
                        scope.variables[variable] = str(error)
                    return body(scope)
            raise

    return with_rescue


def _covers(kinds: Tuple[str, ...], kind: str) -> bool:
    """That commands are switched off is not the file's to rescue."""
    return kind in kinds or (kind != library.FORBIDDEN and (not kinds or "StandardError" in kinds))
