"""Extents that a text states by others, or leaves open.

``where |i| = |q.0|`` has an input q of which the sizes alone are read; ``where |i| = |q|`` needs an index q.  Where all
that is read along an index is padded, ``pad(a[i]) + pad(b[i-|a.0|])``, nothing tells how far it runs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from einstan.language.errors import ScopeError
from einstan.language.index import lowered
from einstan.language.node import preorder
from einstan.language.occurrences import names_in
from einstan.language.surface import Expression, Pad, Ref, Relation, Surface, below, only_part, walk
from einstan.language.term import Equation, Extent, accesses, bound_indices

MOST = 3  # axes that are proposed


def unknown_extents(
    lines: Iterable[tuple[str, Equation]], known: Collection[str] = ()
) -> Iterator[tuple[str, ScopeError]]:
    """Of the lines of a text those, with an error each, that speak of the extent of an index which no line has."""
    lines = tuple(lines)
    spoken = [(text, name) for text, equation in lines for name in _letters_of(equation)]
    if not spoken:
        return
    letters = {lowered(index.name) for _, e in lines for index in (*e.indices, *e.rhs.free, *bound_indices(e.rhs))}
    for text, name in spoken:
        if lowered(name) not in letters and name not in known:
            yield text, _unknown(text, name, [e for _, e in lines])


def _letters_of(equation: Equation) -> list[str]:
    nodes = preorder(equation.rhs, *(form for _, form in equation.where))
    return [node.index.name for node in nodes if isinstance(node, Extent) and "." not in node.index.name]


def _unknown(text: str, name: str, equations: Iterable[Equation]) -> ScopeError:
    bar = r"(?:\\(?:left|right)\s*\||\\[lr]?vert(?![A-Za-z])|\|)"
    barred = re.search(rf"{bar}\s*{re.escape(name)}\s*{bar}", text)
    span = barred.span() if barred else (0, len(name) + 2)
    left = text.partition("[")[0].strip()
    ranks = dict(pair for e in equations for pair in ((str(e.name), len(e.indices)), *accesses(e.rhs)))
    axes = sorted(f"{other}.{k}" for other, rank in ranks.items() if str(other) != left for k in range(rank))
    meant = [f"|{axis}|" for axis in axes[:MOST]]
    if span[0] < text.find(" where ") or " where " not in text:  # a number, and not how far an index runs
        meant.insert(0, f"abs({name})")
    return ScopeError(
        f"|{name}| is the extent of the index {name} that nothing here has", text=text, span=span,
        repair=[f"{text[: span[0]]}{each}{text[span[1] :]}" for each in meant],
    )  # fmt: skip


def refuse_open(text: str, relation: Relation) -> None:
    """Refuse an equation that reads at several places along an index which `pad` alone guards."""
    if Pad not in map(type, walk(relation.right)):
        return
    stated = {size.name for size, _ in relation.where}
    padded: list[tuple[Ref, int]] = []
    plain: set[str] = set()
    stack: list[Surface] = [relation.right]
    while stack:
        node = stack.pop()
        if isinstance(node, Pad):
            slots = node.access.slots
            shifted = [slot for slot in slots if not _is_index(slot)]
            padded += [(node.access, k) for k, slot in enumerate(slots) if not shifted or slot in shifted]
            plain.update(names_in([slot for slot in slots if shifted and slot not in shifted]))
        elif isinstance(node, Ref):
            plain.update(names_in(node.slots))
        else:
            stack.extend(below(node))
    for name in dict.fromkeys(name for ref, k in padded for name in names_in((ref.slots[k],))):
        reads = [(ref, k) for ref, k in padded if name in names_in((ref.slots[k],))]
        alone = [(ref, k) for ref, k in reads if _is_index(ref.slots[k])]
        if name in stated or name in plain or not alone or len(alone) == len(reads):
            continue
        found = {size: None for ref, k in reads if (size := _reach(text, ref, k, name))}
        ends = ", " if relation.where else " where "
        raise ScopeError(
            f"nothing says how far {name} runs: all that is read along it is zero outside", text=text,
            span=alone[0][0].span, repair=[f"{text.rstrip()}{ends}|{name}| = {size}" for size in found],
        )  # fmt: skip


def _is_index(slot: Expression) -> bool:
    only = only_part(slot)
    return isinstance(only, Ref) and not only.slots


def _reach(text: str, ref: Ref, place: int, name: str) -> str:
    """How far an index runs to the end of what is read, ``|b.0| + |a.0|`` of ``b[i-|a.0|]``; nothing where another
    index shifts the read."""
    size = f"|{ref.name}.{place}|"
    for term in ref.slots[place].terms:
        if _is_index(alone := Expression(term.span, (term,))) and name in names_in((alone,)):
            continue
        if any(isinstance(node, Ref) for node in walk(term)):
            return ""
        start = term.parts[0][0].span[0]
        size += f" {'-' if term.sign > 0 else '+'} {text[start : term.span[1]].strip()}"
    return size
