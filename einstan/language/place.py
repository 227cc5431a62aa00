"""Where something stands in an equation: what an error about data or a program shows, and puts its caret under."""

from __future__ import annotations

from typing import TypedDict

from einstan.language.errors import Span
from einstan.language.node import Node, preorder
from einstan.language.show import show_with_spans
from einstan.language.term import Equation, Indexed, Name


class Place(TypedDict):
    """The arguments ``text`` and ``span`` of an error."""

    text: str
    span: Span | None


def at(equation: Equation | None, what: Name | Node | None) -> Place:
    """An equation and the place of a tensor (where it is first read, else the left side) or of a node in it."""
    if equation is None:
        return Place(text="", span=None)
    text, spans = show_with_spans(equation)
    if isinstance(what, Node):
        return Place(text=text, span=spans.get(what))
    if what is None:
        return Place(text=text, span=None)
    accesses = (n for n in preorder(equation.rhs) if isinstance(n, Indexed) and n.tensor == what and n in spans)
    access = next(accesses, None)
    if access is not None:
        return Place(text=text, span=spans[access])
    return Place(text=text, span=(0, text.index(" = ")) if equation.name == what else None)
