"""What is compared is computed once: whatever ``1[f(i,k) == max[K](f(i,K))]`` compares, the largest was found among it.

    U[i] = max[K](v[i,K] b[i+K] w[K])           with    among1[i,k] = v[i,k] b[i+k] w[k]

A derivative reads f where it needs it, ``1[v[p-k,k] b[p] w[k] == U[p-k]]``, in an order of its own and simplified
there; computed so, the largest may differ from itself in the last digit, and no entry is the largest.  So what is more
than a read gets a name, in the equation that looks for the largest and wherever it is compared,
``1[among1[p-k,k] == U[p-k]]``.  This is how a program is run, and not how it is printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import cast

from einstan.calculus.canonical import undimensioned
from einstan.calculus.program import Program, remade
from einstan.language.dims import axis, is_axis, loose, only_plain, redimensioned, unguarded
from einstan.language.index import Affine, Index, affine, fresh_name, lowered, slot
from einstan.language.node import Node, holds, preorder, replace
from einstan.language.term import (
    EXTREMES,
    Const,
    Delta,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Name,
    Position,
    Reduce,
    Sum,
    bound_indices,
    mul,
    substitute,
    tensors,
)
from einstan.language.threads import cached_property

Places = dict[Index, Affine]
TRIES = 16  # places at which an entry may stand


def compared_once(program: Program) -> Program:
    """The same tensors, with what is compared with an extreme as equations of its own, that the extreme reads too."""
    equations = program.resolved_all()
    asked = [node for e in equations if holds(e.rhs, Iverson) for node in preorder(e.rhs) if _asks(node)]
    if not asked:
        return program
    once = _Once(program, {str(name) for e in equations for name in (e.name, *tensors(e.rhs))})
    for equation in equations:
        once.learn(equation)
    found = {node: entry for node in asked if (entry := once.entry(cast(Iverson, node))) is not None}
    if not found:
        return program
    as_written = dict(zip(equations, program.equations, strict=True))
    made = (each for equation in equations for each in once.equations(equation, found))
    return remade(program, (as_written.get(each, each) for each in made))


def _asks(node: Node) -> bool:
    """``1[f == h]``, where f is more than a read."""
    return isinstance(node, Iverson) and node.relations == ("==",) and _compound(node) is not None


def _compound(node: Iverson) -> tuple[Expr, Indexed | Reduce] | None:
    """What is compared and is more than a read, and the extreme it is compared with."""
    for f, h in (node.operands, node.operands[::-1]):
        whole = isinstance(h, Indexed) or (isinstance(h, Reduce) and h.operation in EXTREMES)
        if whole and isinstance(f, Expr) and not isinstance(f, Indexed | Const):
            return f, cast(Indexed | Reduce, h)
    return None


@dataclass
class _Extreme:
    """``whole = max[K](body)``, and what names they get."""

    reduce: Reduce
    where: tuple[tuple[Index, Affine], ...]
    whole: Indexed | None  # in the indices of the body, if it has a name
    own: frozenset[str] = frozenset()  # its axes, if it has a name: nothing else says how long they are
    entry: Indexed | None = None  # in those indices too
    made: list[Equation] = field(default_factory=list)
    guards: tuple[Expr, ...] = ()  # brackets around it, which what it reads may need


@dataclass
class _Once:
    program: Program
    taken: set[str]
    named: dict[Name, tuple[Equation, _Extreme]] = field(default_factory=dict)
    known: list[_Extreme] = field(default_factory=list)
    held: dict[Equation, list[_Extreme]] = field(default_factory=dict)

    def learn(self, equation: Equation) -> None:
        """The extremes that an equation computes."""
        if not holds(equation.rhs, Reduce):
            return
        around = _brackets_around(equation.rhs) if holds(equation.rhs, Iverson, Delta) else {}
        for node in preorder(equation.rhs):
            if not isinstance(node, Reduce) or node.operation not in EXTREMES or isinstance(node.body, Indexed):
                continue
            whole = node is equation.rhs
            guards = () if whole or all(map(_is_plain, preorder(node.body))) else around.get(node, ())
            if any(isinstance(n, Extent) and not is_axis(n.index.dim) for guard in guards for n in preorder(guard)):
                continue  # no other equation knows that extent
            own = frozenset(axis(equation.name, k) for k in range(len(equation.indices) if whole else 0))
            extreme = _Extreme(node, equation.where, equation.lhs if whole else None, own, guards=guards)
            self.known.append(extreme)
            self.held.setdefault(equation, []).append(extreme)
            if whole:
                self.named[equation.name] = equation, extreme

    def entry(self, bracket: Iverson) -> Iverson | None:
        """The bracket with names for both sides."""
        f, h = cast(tuple[Expr, Indexed | Reduce], _compound(bracket))
        for extreme, places in self.candidates(h):
            found = _solved(extreme.reduce.body, extreme.reduce.indices, f, places)
            if found is not None:
                sides = (substitute(name, found) for name in self.names(extreme))
                return Iverson(tuple(sides), ("==",))
        return None

    def candidates(self, whole: Indexed | Reduce) -> Iterator[tuple[_Extreme, Places]]:
        """The extremes that a side of a comparison may be, and at which indices."""
        if isinstance(whole, Indexed):
            if whole.tensor in self.named:
                equation, extreme = self.named[whole.tensor]
                yield extreme, dict(zip(equation.indices, whole.slots, strict=True))
            return
        for extreme in self.known:
            node = extreme.reduce
            if node.operation == whole.operation and tensors(node) == tensors(whole) and _axes(node) == _axes(whole):
                found = _solved(node, node.free, whole, {})
                if found is not None:
                    yield extreme, found

    def names(self, extreme: _Extreme) -> tuple[Indexed, Indexed]:
        """How the entries and the extreme are read."""
        node = extreme.reduce
        if extreme.entry is None:
            extreme.entry = self.made("among1", mul((*extreme.guards, node.body)), extreme)
        if extreme.whole is None:
            extreme.whole = self.made("extreme1", Reduce(node.operation, node.indices, extreme.entry), extreme)
        return extreme.entry, extreme.whole

    def made(self, name: str, expr: Expr, extreme: _Extreme) -> Indexed:
        """An equation for an expression, and how it is read."""
        name = fresh_name(name, self.taken)
        self.taken.add(name)
        made, access = own_equation(name, expr, extreme.where, extreme.own)
        extreme.made.append(redimensioned(made, self.spoken))
        return access

    @cached_property
    def spoken(self) -> dict[str, str]:
        """Axes of derivatives, as those that are equal of tensors that are read."""
        axes = [dim for dim in self.program.dims.members() if is_axis(dim) and "/" not in dim]
        equal = {self.program.dims.find(dim): dim for dim in reversed(axes)}
        return {dim: equal[dim] for dim in equal if "/" in dim}

    def equations(self, equation: Equation, found: Mapping[Node, Node]) -> Iterator[Equation]:
        """An equation that reads the names, after those that they stand for."""
        names = dict(found)
        for extreme in self.held.get(equation, ()):
            yield from extreme.made
            if extreme.entry is not None and extreme.whole is not None:
                node = extreme.reduce
                own = node is equation.rhs
                names[node] = Reduce(node.operation, node.indices, extreme.entry) if own else extreme.whole
        rhs = replace(equation.rhs, names)
        if rhs is not equation.rhs:
            bound = {*equation.indices, *bound_indices(rhs)}
            where = tuple((index, form) for index, form in equation.where if index in bound)
            equation = _still_told(equation, Equation(equation.name, equation.indices, rhs, where))
        yield equation


def _still_told(old: Equation, new: Equation) -> Equation:
    """The new equation, with the extents of its left side stated that reads of the old one told and its own do not."""
    if only_plain(old):
        return new
    axes, others = _axes_filled(old), _axes_filled(new)
    stated = {index for index, _ in new.where}
    lost = (i for i in new.indices if i not in stated and axes.get(i) and not axes[i] & others.get(i, set()))
    return Equation(new.name, new.indices, new.rhs, (*new.where, *((i, _whole(min(axes[i]))) for i in lost)))


def _axes_filled(equation: Equation) -> dict[Index, set[str]]:
    """The axes that an index fills, and so all of them."""
    found: dict[Index, set[str]] = {}
    for index, place, form, _ in unguarded(equation):
        if form.index is index and (index, place) not in loose(equation):
            found.setdefault(index, set()).add(place)
    return found


def _whole(place: str) -> Affine:
    return affine((Extent(Index(place)), 1))


def _solved(expr: Expr, unknown: Iterable[Index], target: Expr, known: Mapping[Index, Affine]) -> Places | None:
    """What the unknown indices of an expression have to be to make it the target, and those that are known."""
    apart = {index: Index(f"{index.name}'", index.dim) for index in unknown}  # no name of the language has a dash
    there = substitute(substitute(expr, apart), known)
    form = undimensioned(target)
    for forms in islice(product(*(_places(there, index, target) for index in apart.values())), TRIES):
        solved = dict(zip(apart.values(), forms, strict=True))
        if undimensioned(substitute(there, solved)) is form:
            return {**known, **dict(zip(apart, forms, strict=True))}
    return None


def _axes(expr: Expr) -> set[str]:
    """The axes whose extents are spoken of."""
    return {node.index.dim for node in preorder(expr) if isinstance(node, Extent) and is_axis(node.index.dim)}


def _places(body: Expr, index: Index, f: Expr) -> list[Affine]:
    """What an index of the body may be in f: where the same tensor is read in both, ``b[i+K]`` and ``b[p]``."""
    slots: dict[object, list[Affine]] = {}
    for node in preorder(f):
        for key, form in _forms(node):
            slots.setdefault(key, []).append(form)
    counts: Counter[Affine] = Counter()
    for node in preorder(body):
        for key, form in _forms(node):
            k = form.coefficient(index)
            if abs(k) == 1:
                rest = affine((form, 1), (index, -k))
                counts.update({affine((other, k), (rest, -k)) for other in slots.get(key, ())})
    free = set(f.free)
    return [form for form, _ in counts.most_common() if free.issuperset(form.free)]


def _forms(node: Node) -> Iterator[tuple[object, Affine]]:
    if isinstance(node, Indexed):
        yield from ((axis(node.tensor, k), form) for k, form in enumerate(node.slots))
    elif isinstance(node, Position):
        yield Position, slot(node.index)
    elif isinstance(node, Iverson | Delta):
        yield from ((k, operand) for k, operand in enumerate(node.children) if isinstance(operand, Affine))


def _brackets_around(expr: Expr) -> dict[Node, tuple[Expr, ...]]:
    """The extremes in an expression, each with the brackets of its indices that stand beside it wherever it stands."""
    found: dict[Node, tuple[Expr, ...]] = {}
    seen: set[tuple[Node, tuple[Expr, ...]]] = set()
    stack: list[tuple[Node, tuple[Expr, ...]]] = [(expr, ())]
    while stack:
        node, held = stack.pop()
        if (node, held) in seen or not holds(node, Reduce):
            continue
        seen.add((node, held))
        if isinstance(node, Mul):
            brackets = (f for f in node.factors if isinstance(f, Iverson) and not f.is_ones and not tensors(f))
            held = tuple(dict.fromkeys((*held, *brackets)))
        elif isinstance(node, Sum | Reduce):
            held = tuple(bracket for bracket in held if set(bracket.free).isdisjoint(node.indices))
        if isinstance(node, Reduce) and node.operation in EXTREMES:
            free = set(node.free)
            own = tuple(bracket for bracket in held if free.issuperset(bracket.free))
            found[node] = tuple(bracket for bracket in found.get(node, own) if bracket in own)
        stack.extend((child, held) for child in node.children)
    return found


def _is_plain(node: Node) -> bool:
    return not isinstance(node, Indexed) or all(form.index is not None for form in node.slots)


def own_equation(
    name: Name, expr: Expr, where: Sequence[tuple[Index, Affine]], untold: Collection[str] = ()
) -> tuple[Equation, Indexed]:
    """A part of an equation as an equation of its own, over those indices that it has, and where it is read.  What
    nothing else tells of an axis it states by that axis, but of those that are ``untold`` without it."""
    used = {index.dim for index in (*expr.free, *bound_indices(expr))}
    letters: dict[Index, Index] = {}  # no capital stands on the left
    for index in expr.free:
        others = {i.name for i in (*expr.free, *letters.values())} - {index.name}
        letters[index] = Index(fresh_name(lowered(index.name), others), index.dim)
    of_dim = {index.dim: new for index, new in letters.items()}
    kept = tuple({of_dim.get(index.dim, index): form for index, form in where if index.dim in used}.items())
    own = substitute(expr, letters)
    made = Equation(name, tuple(letters.values()), own, kept)
    stated = {index.dim for index, _ in kept}
    told = {index for index, _, form, guarded in unguarded(made) if form.index is index and not guarded}
    kept += tuple(
        (index, affine((Extent(Index(index.dim)), 1)))
        for index in letters.values()
        if index not in told and index.dim not in stated.union(untold) and is_axis(index.dim) and "/" not in index.dim
    )
    return Equation(name, made.indices, own, kept), Indexed(name, tuple(map(slot, expr.free)))
