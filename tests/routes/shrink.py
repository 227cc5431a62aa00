"""A failing program made small: lines dropped or turned into inputs, expressions replaced by parts of them, sizes cut,
as long as the same route disagrees in the same way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

from tests.routes.case import Case
from tests.routes.expressions import anchored
from tests.routes.generator import usable
from tests.routes.meaning import OutsideError
from tests.routes.routes import ROUTES
from tests.routes.run import Finding, Route, Run, on, possible
from tests.routes.tree import (
    Add,
    Delta,
    Ext,
    Fun,
    Line,
    Num,
    Ones,
    Pos,
    Pow,
    Prod,
    Quot,
    Red,
    Ref,
    Slot,
    Soft,
    Test,
    Whole,
    children,
    nodes,
    with_children,
)

ONE = Num(Fraction(1))
LOOPS = ROUTES["loops in floats"]


def shrunk(finding: Finding, taken: Route, seconds: float = 15.0) -> Finding:
    """The finding of the smallest program that was found in this time."""
    end, smaller = time.monotonic() + seconds, True
    while smaller and time.monotonic() < end:
        smaller = False
        for candidate in candidates(finding.case):
            found = again(candidate, taken) if time.monotonic() < end else None
            if finding.same(found):
                finding, smaller = found, True
                break
    return finding


def again(case: Case, taken: Route) -> Finding | None:
    """What the route does with a candidate that has a meaning."""
    try:
        if not sound(case) or not usable(case):
            return None
    except (OutsideError, KeyError, IndexError, ValueError):
        return None
    if not possible(case, taken) or (taken is not LOOPS and on(Run(case), LOOPS)[0] is not None):
        return None  # the arrays do not tell all sizes any more
    return on(Run(case), taken)[0]


def sound(case: Case) -> bool:
    """Whether every index is in scope and has an extent, and every tensor is there with its rank."""
    ranks = {name: len(dims) for name, dims in case.inputs.items()}
    for line in case.lines:
        if not _scoped(line.body, {name for name, _ in line.free}, ranks):
            return False
        known = anchored(line.body) | {name for name, _ in line.where}
        if any(name not in known for name, _ in line.free):
            return False
        ranks[line.name] = len(line.free)
    return case.loss in ranks and ranks[case.loss] == 0


def _scoped(node: Any, scope: set[str], ranks: dict[str, int]) -> bool:
    match node:
        case Ref(tensor, slots):
            return ranks.get(tensor) == len(slots) and all(_slot(slot, scope, ranks) for slot in slots)
        case Delta(left, right):
            return _slot(left, scope, ranks) and _slot(right, scope, ranks)
        case Test(left, _, right) if isinstance(left, Slot):
            return _slot(left, scope, ranks) and _slot(right, scope, ranks)
        case Ones(index) | Pos(index) | Whole(_, index, _):
            return index in scope
        case Ext(of):
            return of in scope or of.partition(".")[0] in ranks
        case Soft((name, _), body):
            return name in scope and _scoped(body, scope, ranks)
        case Red(_, indices, body):
            names = {name for name, _ in indices}
            return names <= anchored(body) and not names & scope and _scoped(body, scope | names, ranks)
        case _:
            return all(_scoped(child, scope, ranks) for child in children(node))


def _slot(slot: Slot, scope: set[str], ranks: dict[str, int]) -> bool:
    return all(atom in scope if isinstance(atom, str) else _scoped(atom, scope, ranks) for atom, _ in slot.atoms)


def candidates(case: Case) -> Iterator[Case]:
    """Smaller programs, the much smaller ones first."""
    for k, line in enumerate(case.lines):
        others = (*case.lines[:k], *case.lines[k + 1 :])
        if line.name != case.loss:
            if not any(isinstance(n, Ref) and n.tensor == line.name for other in others for n in nodes(other.body)):
                yield tidy(replace(case, lines=others))
            inputs = {**case.inputs, line.name: tuple(dim for _, dim in line.free)}
            yield tidy(replace(case, lines=others, inputs=inputs))
        elif k:
            for other in case.lines[:k]:
                if not other.free:
                    yield tidy(replace(case, lines=others, loss=other.name))
    for k, line in enumerate(case.lines):
        for body in smaller(line.body):
            yield tidy(replace(case, lines=(*case.lines[:k], replace(line, body=body), *case.lines[k + 1 :])))
        if line.where:
            yield replace(case, lines=(*case.lines[:k], Line(line.name, line.free, line.body), *case.lines[k + 1 :]))
    for dim, size in case.sizes.items():
        if size > 1:
            yield case.with_sizes({**case.sizes, dim: size - 1}, case.data_seed)
    if case.dtype != "float64":
        yield replace(case, dtype="float64")


def tidy(case: Case) -> Case:
    """Without inputs that nothing reads, and dimensions that nothing has."""
    return replace(case, inputs={name: dims for name, dims in case.inputs.items() if name in case.reads})


def smaller(node: Any) -> Iterator[Any]:
    """The node with one part simpler."""
    for child in children(node):
        if not isinstance(node, Red | Test):
            yield child
    match node:
        case Prod(factors) if len(factors) > 2:
            yield from (Prod((*factors[:k], *factors[k + 1 :])) for k in range(len(factors)))
        case Add(terms):
            if len(terms) > 2:
                yield from (Add((*terms[:k], *terms[k + 1 :])) for k in range(len(terms)))
            for k, (sign, term) in enumerate(terms):
                if sign < 0:
                    yield Add((*terms[:k], (1, term), *terms[k + 1 :]))
        case Red(operation, indices, body, bare):
            if operation != "sum":
                yield Red("sum", indices, body)
            if len(indices) > 1:
                yield from (Red(operation, (*indices[:k], *indices[k + 1 :]), body, bare) for k in range(len(indices)))
        case Fun(name, arguments) if len(arguments) == 1 and name != "sin":
            yield Fun("sin", arguments)
        case Pow(base, exponent) if exponent != 2:
            yield Pow(base, Fraction(2))
        case Num(value) if value != 1:
            yield ONE
        case Quot(top, bottom) if bottom != ONE:
            yield Prod((top, bottom))
        case Test(left, relation, right) if relation not in ("<=", "=="):
            yield Test(left, "<=", right)
    below = children(node)
    for k, child in enumerate(below):
        for part in smaller(child):
            yield with_children(node, (*below[:k], part, *below[k + 1 :]))
