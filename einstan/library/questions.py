"""The question that a claim asks: both sides with their derivatives worked out, and what is known of what they read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from einstan.calculus.indicators import one_name
from einstan.calculus.naming import ForwardNames, Stated
from einstan.calculus.program import Assumption, Program, extents_told
from einstan.calculus.program import stated_extents as stated_forms
from einstan.calculus.proof import same_ranges
from einstan.calculus.ranges import Ranges
from einstan.calculus.windows import stated_extents
from einstan.language.dims import axis, is_axis, only_plain, redimensioned, unguarded
from einstan.language.index import Index, affine
from einstan.language.node import preorder
from einstan.language.statement import Claim
from einstan.language.term import (
    Apply,
    Equation,
    Expr,
    Extent,
    Indexed,
    Name,
    Partial,
    add,
    bound_indices,
    neg,
    substitute,
    tensors,
)
from einstan.library.kinks import Kink, compared_by_equality
from einstan.library.part import Part
from einstan.machine.meaning.gaps import is_partial

THE_CLAIM = "the claim"  # no tensor of the language has a blank in its name


@dataclass
class Question:
    """Both sides of a claim with its derivatives worked out, in the dimensions of one program."""

    left: Expr
    right: Expr
    definitions: dict[Name, Equation]
    assumptions: list[Assumption]
    sizes: dict[str, int]
    indices: tuple[str, ...]
    special: dict[Name, tuple[Fraction, ...]]
    derived: bool
    derived_sides: tuple[bool, bool]  # on which of them a derivative stands
    where: tuple[Stated, ...]  # the extents that the claim states
    ties: dict[Name, Equation]  # definitions that are not read, and say which axes are as long as which
    meant: dict[Name, Equation]  # what is differentiated, of which a claim says nothing where it has no value
    jumps: list[Kink]  # the places at which something that is derived jumps, and so has no derivative
    above: dict[Name, Equation]  # what is differentiated, with what is behind it
    gradients: tuple[Equation, ...]  # those by which the claim says what another one is, worked out
    names: ForwardNames = field(init=False)

    def __post_init__(self) -> None:
        self.names = ForwardNames(self.definitions.values())


def names_read(asked: Question, *terms: Expr) -> set[str]:
    """The names of all tensors that terms rest on, or either side does."""
    waiting, found = [*tensors(*(terms or (asked.left, asked.right)))], set[Name]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += tensors(asked.definitions[name].rhs) if name in asked.definitions else ()
    return set(map(str, found))


def question(claim: Claim, part: Part, all_sizes: bool = False) -> Question:
    """What a claim about a part asks; with ``all_sizes`` under the assumptions, too, that speak of no tensor that it
    rests on, but of one that has an axis with these: they may hold of some extents alone."""
    # Both sides stand in one equation, so that a letter has one dimension.
    indices = tuple({index.name: index for index in (*claim.lhs.free, *claim.rhs.free)}.values())
    line = Equation(THE_CLAIM, indices, Apply("=", (claim.lhs, claim.rhs)), claim.where)
    whole = Program((*part.program.equations, line), part.program.assumptions)
    told = [pair for e in whole.resolved_all() for pair in extents_told(e)]
    alike = same_ranges((index, form) for index, form in told if form.terms)
    asked = redimensioned(whole.resolved(line), alike)
    assert isinstance(asked, Equation)
    assert isinstance(asked.rhs, Apply)
    found = {dim: whole.dims.find(dim) for dim in part.program.dims.members()}
    dims = {dim: alike.get(root, root) for dim, root in found.items()}
    sides = (one_name(part.with_derivatives(side, dims)) for side in asked.rhs.arguments)
    left, right = (stated_forms(side, told) for side in sides)
    definitions = {name: _moved(e, dims) for name, e in part.behind(left, right).items()}
    read = tensors(left, right, *(e.rhs for e in definitions.values()))
    sizes = stated_extents(whole.resolved(e) for e in whole if e.where)
    names = tuple(index.name for index in indices)
    written = tensors(claim.lhs, claim.rhs, *(part.program[name].rhs for name in definitions))
    derived = any(map(part.is_derivative, written))
    stand = any(map(part.is_derivative, tensors(claim.lhs))), any(map(part.is_derivative, tensors(claim.rhs)))
    special = {**part.special, **compared_by_equality((claim.lhs, claim.rhs), part.extremes)}
    spoken = [node.index.dim for node in preorder(left, right) if isinstance(node, Extent)]
    axes = {axis(name, k) for name in read for k in range(whole.ranks.get(name, 0))}
    axes |= {index.dim for side in (left, right) for index in (*side.free, *bound_indices(side))}
    rules = part.assumptions_on(whole, (*read, *(_along(whole, {*axes, *spoken}) if all_sizes else ())))
    definitions |= {
        name: _moved(e, dims) for name, e in part.behind(*(s for r in rules for s in (r.lhs, r.rhs))).items()
    }
    # By now every derivative is worked out, and at a point a function whose derivative is told can have any value.
    definitions = {name: e for name, e in definitions.items() if name not in part.told}
    above = _differentiated(part, written)
    labelling = (g for name in read if name in part.gathers for g in part.gathers[name])
    tying = {
        **_tying(whole, part, axes, spoken),
        **_whole(part, labelling),
        **{n: e for n, e in above.items() if e.where or not only_plain(e)},
    }
    ties = {name: _moved(e, dims) for name, e in tying.items() if name not in definitions}
    gaps = any(map(is_partial, preorder(left, right)))
    meant = {name: _moved(e, dims) for name, e in above.items() if gaps}
    jumps = [kink for name in written for kink in part.jumps_of(name)]
    gradients = tuple(
        Equation(name, equation.indices, equation.rhs)
        for name in tensors(claim.rhs)
        if isinstance(name, str) and part.is_derivative(name)
        for equation in [_moved(part.derivative(name), dims)]
    )
    return Question(
        left, right, definitions, rules, sizes, names, special, derived, stand, asked.where, ties, meant, jumps, above,
        gradients,
    )  # fmt: skip


def _along(whole: Program, dims: Iterable[str]) -> list[Name]:
    """The tensors that assumptions speak of and that have an axis of some dimensions."""
    find = whole.dims.find
    found, sides = set(map(find, dims)), (side for rule in whole.assumptions for side in (rule.lhs, rule.rhs))
    read = (node for node in preorder(*sides) if isinstance(node, Indexed))
    return [own.tensor for own in read if any(find(axis(own.tensor, k)) in found for k in range(len(own.slots)))]


def _whole(part: Part, names: Iterable[Name]) -> dict[Name, Equation]:
    """Definitions with what is behind them."""
    found: dict[Name, Equation] = {}
    for name in sorted(names, key=str):
        definition = part.definition(name)
        found |= {**part.behind(definition.rhs), name: definition}
    return found


def _differentiated(part: Part, written: Iterable[Name]) -> dict[Name, Equation]:
    """The definitions of what the derivatives are derivatives of."""
    found: dict[Name, Equation] = {}
    for name in filter(part.is_derivative, written):
        of = name.of if isinstance(name, Partial) else part.loss(name[1:])
        if of in part.program.defined:
            found |= {**part.behind(part.definition(of).rhs), of: part.definition(of)}
    return found


def _tying(whole: Program, part: Part, places: Iterable[str], spoken: Iterable[str]) -> dict[Name, Equation]:
    """The definitions that tie the lengths of axes that a claim reads or runs over, ``where |i| = |x.0|``, or that make
    the axes whose lengths it speaks of, and what is behind them: a point has such sizes too."""
    sized = set(map(whole.dims.find, spoken))
    axes = {*sized, *map(whole.dims.find, places)}
    found: dict[Name, Equation] = {}
    for name in (equation.name for equation in part.program.equations if equation.where or not only_plain(equation)):
        definition = part.definition(name)
        for index, form in dict.fromkeys((*definition.where, *extents_told(definition))):
            own = whole.dims.find(index.dim)
            told = {whole.dims.find(node.index.dim) for node in preorder(form) if isinstance(node, Extent)} - {own}
            if axes & told and (own in axes or not is_axis(own)):
                found |= {**part.behind(definition.rhs), name: definition}
        if sized.intersection(whole.dims.find(index.dim) for index in definition.indices):
            found |= {**part.behind(definition.rhs), name: definition}
    return found


def _moved(equation: Equation, dims: dict[str, str]) -> Equation:
    moved = redimensioned(equation, dims)
    assert isinstance(moved, Equation)
    return Equation(moved.name, moved.indices, one_name(moved.rhs), moved.where)


def program_of(asked: Question, more: Mapping[Name, Equation] | None = None) -> Program:
    return Program({**(more or {}), **asked.definitions, **asked.ties}.values(), asked.assumptions)


def sides_of(asked: Question) -> tuple[Expr | Equation, Expr | Equation]:
    """What is compared: expressions, or equations that state extents.  What is derived says how far an index runs that
    stands alone in a shorter axis too, ``d[p]`` beside ``d[p-1]`` where p is that of x."""
    free = {index.name: index for side in (asked.left, asked.right) for index in side.free}
    indices = tuple(free[name] for name in asked.indices if name in free)
    behind = (*asked.definitions.values(), *asked.ties.values())
    ranges, told = Ranges(behind), {index.dim: form for e in behind for index, form in extents_told(e) if form.terms}

    def stated(side: Expr, derived: bool) -> Equation:
        equation = Equation(THE_CLAIM, indices, side, asked.where)
        if not derived:
            return equation
        found = ranges.stated(equation, tied=True)
        bound = {index: told[index.dim] for index in bound_indices(found.rhs) if index.dim in told}
        return Equation(THE_CLAIM, indices, found.rhs, tuple({**bound, **dict(found.where)}.items()))

    left, right = map(stated, (asked.left, asked.right), asked.derived_sides)
    # A free index runs as far on one side as the other states.
    common = {index: form for side in (left, right) for index, form in side.where if index in indices}
    sides = [
        Equation(THE_CLAIM, indices, own.rhs, tuple({**common, **dict(own.where)}.items())) for own in (left, right)
    ]
    return (sides[0], sides[1]) if common or any(own.where for own in sides) else (left.rhs, right.rhs)


def inside(asked: Question) -> Question | None:
    """The question over the range in which every read is inside, as an equation has it: ``y[t+1] - y[t] = x[t]`` where
    x and y are of one length is asked without the last t.  None where no free index is read ahead."""
    free = {index.name: index for side in (asked.left, asked.right) for index in side.free}
    line = Equation(THE_CLAIM, tuple(free.values()), add((asked.left, neg(asked.right))))
    ahead: dict[Index, dict[int, str]] = {}
    for index, place, form, _ in unguarded(line):
        if free.get(index.name) is index and form.terms == ((index, 1),) and form.constant > 0:
            ahead.setdefault(index, {})[form.constant] = place
    ahead = {index: most for index, most in ahead.items() if index not in dict(asked.where)}
    if not ahead:
        return None
    own = {index: Index(index.name, index.name) for index in ahead}
    stated = (
        (own[index], affine((Extent(Index(most[max(most)])), 1), constant=-max(most))) for index, most in ahead.items()
    )
    left: Expr = substitute(asked.left, own)
    right: Expr = substitute(asked.right, own)
    return replace(asked, left=left, right=right, where=(*asked.where, *stated))
