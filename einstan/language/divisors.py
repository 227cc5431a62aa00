r"""Indices below the line, whose first value is 0: how many values one takes is meant.

x[i] / N, \frac{1}{N} x_n      x[i] / |N|, \frac{1}{|n|} x_n
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from einstan.language.errors import NotationError, Span
from einstan.language.factors import literal
from einstan.language.index import is_capital, lowered
from einstan.language.surface import (
    Expression,
    Minus,
    Power,
    Ref,
    Surface,
    Term,
    walk,
)  # fmt: skip


def divisors_in(tree: Surface) -> Iterator[Ref]:
    """The names below the line."""
    for node in walk(tree):
        if isinstance(node, Term):
            yield from (part for below, under in node.parts if under for part in walk(below) if isinstance(part, Ref))


def counted_by_index(text: str, name: str, span: Span) -> NotationError:
    start, end = span
    return NotationError(
        f"{name} is a number beside the index {lowered(name)}", text=text, span=span,
        inferred=f"how many values {lowered(name)} takes is written |{lowered(name)}|",
        repair=(f"{text[:start]}|{lowered(name)}|{text[end:]}", f"another name for a number, such as {name}0"),
    )  # fmt: skip


def divides_by_index(part: Surface, under: bool, indices: Collection[str]) -> Ref | None:
    """The index that a divisor is, or has as a factor; ``n^-1`` divides too."""
    negative = isinstance(part, Power) and (exponent := literal(part.exponent)) is not None and exponent < 0
    stack = [part] if under or negative else []
    while stack:
        match stack.pop():
            case Ref(slots=()) as ref if ref.name in indices:
                return ref
            case Expression(terms=(term,)):
                stack.extend(factor for factor, divides in term.parts if not divides)
            case Minus(operand=base) | Power(base=base):
                stack.append(base)
    return None


def divided_by_index(text: str, name: str, span: Span, part: Span | None = None) -> NotationError:
    """``x[i] / N``, and ``x[i] / (K w[K])``, where the ``part`` that divides may be meant as a sum."""
    start, end = span
    count = f"|{name}|"
    repairs = [f"{text[:start]}{count}{text[end:]}"]
    if not is_capital(name):  # E_n = -E_1 / n^2, counted from 1
        repairs.append(f"{text[:start]}({name}+1){text[end:]}")
    inside = _unbracketed(text, part) if part is not None else span
    if len(re.findall(rf"(?<!\w){name}(?!\w)", text[slice(*inside)])) > 1 and part is not None and is_capital(name):
        before, begin, stop, behind = text[: part[0]], *inside, text[part[1] :]
        summed = (f"{text[begin:start]}{each}{text[end:stop]}" for each in (count, name))
        repairs = [f"{before}sum[{name}]({each}){behind}" for each in summed]
    return NotationError(
        f"the index {name} divides, and its first value is 0", text=text, span=span,
        inferred=f"how many values {name} takes is written |{name}|", repair=repairs,
    )  # fmt: skip


def _unbracketed(text: str, span: Span) -> Span:
    start, end = span
    return (start + 1, end - 1) if text[start] == "(" and text[end - 1] == ")" else span
