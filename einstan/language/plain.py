"""Statements as plain data, and back: what was read once need not be read again.

A list of nodes, children first, each its class and its fields.  In a field a text is itself, a number is the place of a
node in the list, and all else is a list that begins with what it is.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from einstan.language import index, term
from einstan.language.node import Node, note
from einstan.language.show import read_as, show
from einstan.language.statement import Claim, Statement
from einstan.language.term import Equation, Partial

KINDS = {
    name: kind
    for module in (index, term)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, Node)
}


def plain(statement: Statement) -> list[Any] | None:
    """An equation or a claim as plain data; nothing of another statement."""
    content, nodes = statement.content, _Nodes()
    if isinstance(content, Equation):
        return [statement.kind, nodes.plain(content), nodes.listed, str(content), read_as(content)]
    if isinstance(content, Claim):
        sides = nodes.plain((content.lhs, content.rhs, content.where))
        return [statement.kind, sides, nodes.listed, str(content), content.read_as]
    return None


def statement_of(held: list[Any], line: int, code: str, comment: str) -> Statement:
    """The statement, at its line of the text.  An error, of any kind, where this is nothing that `plain` has made."""
    kind, content, listed, text, said = held
    made: list[Node] = []
    for name, *fields in listed:
        made.append(KINDS[name](*[_made(field, made) for field in fields]))
    found = _made(content, made)
    if isinstance(found, Equation):
        note(found, show, text)
        note(found, read_as, said)
        return Statement(kind, found, line, code, comment)
    claim = Claim(*found)
    vars(claim).update(text=text, read_as=said)
    return Statement(kind, claim, line, code, comment)


class _Nodes:
    def __init__(self) -> None:
        self.listed: list[list[Any]] = []
        self.places: dict[Node, int] = {}

    def plain(self, root: Any) -> Any:
        """A field as plain data, with all nodes in it in the list."""
        stack = [root]
        while stack:  # as deep as memory allows
            part = stack[-1]
            fields = part.fields if isinstance(part, Node) else part if isinstance(part, tuple) else ()
            waiting = [each for each in _nodes_in(fields) if each not in self.places]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if isinstance(part, Node) and part not in self.places:
                self.places[part] = len(self.listed)
                self.listed.append([type(part).__name__, *map(self.field, part.fields)])
        return self.field(root)

    def field(self, field: Any) -> Any:
        match field:
            case str() | None:
                return field
            case Node():
                return self.places[field]
            case tuple():
                return ["tuple", *map(self.field, field)]
            case int():
                return ["int", field]
            case Fraction():
                return ["ratio", field.numerator, field.denominator]
            case Partial():
                return ["partial", field.of, field.rank, field.wrt]
        raise TypeError(type(field).__name__)


def _nodes_in(fields: tuple[Any, ...]) -> list[Node]:
    found: list[Node] = []
    for field in fields:
        if isinstance(field, Node):
            found.append(field)
        elif isinstance(field, tuple):
            found += _nodes_in(field)
    return found


def _made(field: Any, made: list[Node]) -> Any:
    if type(field) is int:
        return made[field]
    if field is None or type(field) is str:
        return field
    match field:
        case ["tuple", *parts]:
            return tuple([_made(part, made) for part in parts])
        case ["int", int() as number]:
            return number
        case ["ratio", int() as above, int() as below]:
            return Fraction(above, below)
        case ["partial", str() as name, int() as rank, wrt]:
            return Partial(name, rank, tuple([(str(other), int(count)) for other, count in wrt]))
    raise ValueError(field)
