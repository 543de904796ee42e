# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The part of Ruby that real deploy.yml files use, evaluated without Ruby.

    statements   NAME = value, NAME ||= value, ENV["X"] = value, require "dotenv", value if/unless/rescue value
    values       "text #{…}", 'text', numbers, lists, %w[], /patterns/, `commands`, true, false, nil, variables
    between      || && or and ! not == != + ? : () [] . &.
    blocks       begin … rescue … end, if … elsif … else … end
    the rest     the functions of `ruby_library`, the methods of `ruby_values`

Everything else raises NotUnderstood. The source is parsed into functions of a Scope first, so that nothing is looked
up, read or run in a branch that is not taken.
"""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Set, Tuple

from . import ruby_library as library
from . import ruby_nodes as nodes
from .ruby_library import Scope
from .ruby_nodes import Clause, Node
from .ruby_operators import Operators
from .ruby_tokens import END, NotUnderstood, Token, tokens
from .ruby_values import literal, pattern, pieces_of

_MODIFIERS = ("if", "unless", "rescue")
_BLOCK_ENDS = ("end", "else", "elsif", "rescue", "ensure")


def evaluate(source: str, scope: Scope) -> Any:
    """The value of the last of the statements in `source`."""
    known = set(scope.variables)
    node = _Parser(tokens(source), known).statements(())
    scope.variables.update(dict.fromkeys(known - set(scope.variables)))
    return node(scope)


class _Parser(Operators):
    def __init__(self, source: List[Token], variables: Set[str]) -> None:
        super().__init__(source)
        self._variables = variables

    # Statements

    def statements(self, ends: Tuple[str, ...]) -> Node:
        parts: List[Node] = []
        while self.peek() is not END and self.peek().text not in ends:
            if not self.take(";"):
                parts.append(self._statement())
                if self.peek() is not END and self.peek().text not in ends:
                    self.expect(";")
        return nodes.in_order(parts)

    def _statement(self, modifiers: Sequence[str] = _MODIFIERS) -> Node:
        node = self._assignment() or self._expression()
        word = self.take(*modifiers)
        while word:
            node = nodes.modified(node, word, self._expression())
            word = self.take(*modifiers)
        return node

    def _right_side(self) -> Node:
        """Of an assignment. An `if` behind it is about the whole."""
        return self._statement(("rescue",))

    def _assignment(self) -> Optional[Node]:
        token, after = self.peek(), self.peek(1)
        if token.text == "require" and after.kind == "string":
            return self._require()
        is_variable = token.kind == "name" and token.text[0].islower()
        if is_variable and after.kind == "sign" and after.text in ("=", "||="):
            self.next(2)
            self._variables.add(token.text)
            return nodes.set_variable(token.text, self._right_side(), after.text == "=")
        return None

    def _require(self) -> Node:
        self.next()
        name = self.next().text[1:-1]
        if name == "dotenv/load":
            return lambda scope: library.load_dotenv(scope, ())
        if name != "dotenv":
            raise NotUnderstood(f'require "{name}"')
        return nodes.constant(True)

    # The smallest parts

    def _primary(self) -> Node:
        if self.take("("):
            node = self._statement()
            self.expect(")")
            return node
        if self.take("["):
            items = self._list("]")
            return nodes.values(items)
        token = self.next()
        if token.kind == "number" and len(token.text) <= 18:
            return nodes.constant(int(token.text))
        if token.kind == "words":
            return nodes.constant(token.text[3:-1].split())
        if token.kind == "regex":
            return nodes.constant(pattern(token.text))
        if token.kind == "string":
            return self._string(token.text)
        if token.kind == "command":
            return nodes.function(library.run_command, [self._interpolated(token.text), nodes.constant(token.text)])
        if token.kind == "name":
            return self._name(token.text)
        raise NotUnderstood(token.text or "the end")

    def _string(self, quoted: str) -> Node:
        if quoted[0] == "'":
            return nodes.constant(literal(quoted[1:-1]))
        return self._interpolated(quoted[1:-1])

    def _interpolated(self, body: str) -> Node:
        pieces = [
            _Parser(tokens(piece), self._variables).statements(()) if is_code else nodes.constant(piece)
            for piece, is_code in pieces_of(body)
        ]
        return nodes.text(pieces)

    def _name(self, name: str) -> Node:
        if name in ("begin", "if", "unless"):
            return self._begin() if name == "begin" else self._if(name)
        if name == "__dir__":
            return lambda scope: scope.project_root
        while self.take("::"):
            name += f"::{self.next().text}"
        if name in library.CONSTANTS:
            return nodes.constant(library.CONSTANTS[name])
        if name in self._variables:
            return lambda scope: scope.variables.get(name)
        if name == "ENV" and self.take("["):
            return self._environment_variable()
        self.expect(".")
        return self._function(f"{name}.{self.next().text}")

    def _environment_variable(self) -> Node:
        name = self._expression()
        self.expect("]")
        sign = self.take("=", "||=")
        if not sign:
            return nodes.function(library.variable, [name])
        return nodes.set_environment(name, self._right_side(), sign == "=")

    def _function(self, name: str) -> Node:
        if name not in library.FUNCTIONS:
            raise NotUnderstood(name)
        function, least, most = library.FUNCTIONS[name]
        arguments = self._list(")") if self.take("(") else self._bare_arguments()
        block = self._block() if name == "ENV.fetch" else None
        if not least <= len(arguments) <= most:
            raise NotUnderstood(f"{name} with {len(arguments)} arguments")
        if block is None:
            return nodes.function(function, arguments)
        return nodes.with_block(arguments[0], block)

    def _bare_arguments(self) -> List[Node]:
        """Texts without parentheses, as in `Dotenv.load ".env"`."""
        items: List[Node] = []
        while self.peek().kind == "string":
            items.append(self._expression())
            if not self.take(","):
                break
        return items

    def _block(self) -> Optional[Node]:
        if not self.take("{"):
            return None
        node = self.statements(("}",))
        self.expect("}")
        return node

    # Blocks

    def _if(self, word: str) -> Node:
        condition = self._expression()
        self.take("then")
        taken = self.statements(_BLOCK_ENDS)
        other: Node = nodes.constant(None)
        if self.take("elsif"):
            other = self._if("if")
        else:
            if self.take("else"):
                other = self.statements(_BLOCK_ENDS)
            self.expect("end")
        return nodes.choice(nodes.truth(condition, word == "if"), taken, other)

    def _begin(self) -> Node:
        node = self.statements(_BLOCK_ENDS)
        clauses: List[Clause] = []
        while self.take("rescue"):
            kinds, variable = self._kinds(), None
            if self.take("=>"):
                variable = self.next().text
                self._variables.add(variable)
            self.take("then")
            clauses.append((kinds, variable, self.statements(_BLOCK_ENDS)))
        self.expect("end")
        return nodes.rescued(node, clauses)

    def _kinds(self) -> Tuple[str, ...]:
        kinds: List[str] = []
        while self.peek().kind == "name" and self.peek().text[0].isupper():
            name = self.next().text
            while self.take("::"):
                name += f"::{self.next().text}"
            kinds.append(name)
            self.take(",")
        return tuple(kinds)
