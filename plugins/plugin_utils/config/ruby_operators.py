# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands between the values of an expression, from the loosest operator to the tightest."""

from __future__ import annotations

from typing import Callable, List

from . import ruby_nodes as nodes
from .ruby_nodes import Node
from .ruby_tokens import Cursor, NotUnderstood, Token
from .ruby_values import METHODS

DEEPEST = 60


class Operators(Cursor):
    """`_primary` reads a value."""

    def __init__(self, source: List[Token]) -> None:
        super().__init__(source)
        self._depth = 0

    def _primary(self) -> Node:
        raise NotImplementedError

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise NotUnderstood("so many levels")
        try:
            return self._choice()
        finally:
            self._depth -= 1

    def _choice(self) -> Node:
        condition = self._or()
        if not self.take("?"):
            return condition
        first = self._expression()
        self.expect(":")
        return nodes.choice(condition, first, self._expression())

    def _or(self) -> Node:
        node = self._and()
        while self.take("||", "or"):
            node = nodes.either(node, self._and(), True)
        return node

    def _and(self) -> Node:
        node = self._not()
        while self.take("&&", "and"):
            node = nodes.either(node, self._not(), False)
        return node

    def _not(self) -> Node:
        return self._negated("not", self._comparison)

    def _negated(self, word: str, operand: Callable[[], Node]) -> Node:
        negations = 0
        while self.take(word):
            negations += 1
        node = operand()
        return nodes.truth(node, negations % 2 == 0) if negations else node

    def _comparison(self) -> Node:
        left = self._sum()
        sign = self.take("==", "!=")
        if not sign:
            return left
        right = self._sum()
        return nodes.equality(left, right, sign == "==")

    def _sum(self) -> Node:
        node = self._unary()
        while self.take("+"):
            node = nodes.added(node, self._unary())
        return node

    def _unary(self) -> Node:
        return self._negated("!", self._postfix)

    def _postfix(self) -> Node:
        node = self._primary()
        while True:
            sign = self.take(".", "&.", "[")
            if sign is None:
                return node
            node = nodes.indexed(node, self._list("]")) if sign == "[" else self._called(node, sign == "&.")

    def _called(self, target: Node, safely: bool) -> Node:
        name = self.next().text
        if name == "map":
            return self._mapped(target)
        if name not in METHODS:
            raise NotUnderstood(f".{name}")
        method, least, most = METHODS[name]
        arguments = self._list(")") if self.take("(") else []
        if not least <= len(arguments) <= most:
            raise NotUnderstood(f".{name} with {len(arguments)} arguments")
        return nodes.called(target, method, arguments, safely)

    def _mapped(self, target: Node) -> Node:
        """`.map(&:method)`."""
        self.expect("(")
        self.expect("&:")
        name = self.next().text
        self.expect(")")
        if name not in METHODS or METHODS[name][1]:
            raise NotUnderstood(f".map(&:{name})")
        return nodes.mapped(target, METHODS[name][0])

    def _list(self, closing: str) -> List[Node]:
        """Values up to a closing sign."""
        items: List[Node] = []
        while not self.take(closing):
            if not self.take(";"):
                items.append(self._expression())
                if self.peek().text != closing:
                    self.expect(",", ";")
        return items
