"""One claim: proved by the calculus, or verified at random points, or refuted, or left open with the reason.

The order is that of what is cheap.  Both sides are compared at a random point, in floats and, where these do not
agree, in exact numbers, of which one difference settles it.  A claim that holds there is proved with its forward values
as names, which holds whatever they are; then with their definitions put in; what is left open is compared at more
points.  A claim that speaks of a function with a kink is also compared there, since what is derived at a kink is a
convention and so a part of what is claimed; where it differs there and nowhere else, the verdict says so.  Nothing is
proved that the same numbers contradict: such a claim stays open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import isclose, isfinite

from einstan.calculus.canonical import READABLE, term_count, terms_of
from einstan.calculus.coefficients import neg_simplified
from einstan.calculus.collect import shortest, size
from einstan.calculus.indicators import one_name
from einstan.calculus.naming import ForwardNames, Stated, derived_equation
from einstan.calculus.program import Assumption, Program, extents_told
from einstan.calculus.program import stated_extents as stated_forms
from einstan.calculus.proof import Proof, differing_terms, prove, same_form, same_ranges, with_definitions
from einstan.calculus.simplify import simplify, simplify_sum
from einstan.calculus.windows import opened, sized, stated_extents
from einstan.language.dims import axis, is_axis, only_plain, redimensioned
from einstan.language.document import Claim
from einstan.language.effort import EffortError, effort
from einstan.language.errors import EinstanError
from einstan.language.index import Index, lowered
from einstan.language.node import preorder
from einstan.language.term import Apply, Const, Equation, Expr, Extent, Name, Partial, mul, neg, tensors
from einstan.library.declared import readable
from einstan.library.kinks import Kink, compared_by_equality, convention_at_zero, kinks_of, met
from einstan.library.part import Part, chosen_partial
from einstan.machine.gaps import gaps_differ, is_partial
from einstan.machine.points import has_kinks
from einstan.machine.verify import Comparison, compare, one_sided, pasted, told_apart

POINTS = 20  # where a claim that is not proved has to hold
AT_KINKS = 100  # more of them where entries are equal by chance, which is one in nine for two
RATIOS = 6  # at which one side has to be a multiple of the other
WITNESSES = 1  # where one that is proved is looked at all the same
THE_CLAIM = "the claim"  # no tensor of the language has a blank in its name
LONGEST = 400  # characters of a side
MOST = 12  # terms of a difference that are shown
STEPS = 300_000  # of the calculus, for one claim
UNREADABLE = 5000  # names and numbers, above which nothing is printed
SMALL = 300  # names and numbers of a wrong claim with its definitions put in, above which they stay names
NAMES, DEFINITIONS = "forward values as names", "definitions put in"
RANGES, EXTENTS = "ranges as deltas", "extents as numbers"


@dataclass(frozen=True)
class Counterexample:
    """Values at which two sides differ: ``arrays`` and ``at`` are Python text that can be pasted."""

    sizes: Mapping[str, int]
    arrays: Mapping[str, str]
    at: Mapping[str, int]
    left: str
    right: str

    def __str__(self) -> str:
        where = ", ".join(f"{name} = {value}" for name, value in self.at.items())
        lines = [f"{name} = {value}" for name, value in self.arrays.items()]
        return "\n".join([*lines, (f"at {where}: " if where else "") + f"left {self.left}, right {self.right}"])


@dataclass(frozen=True)
class Outcome:
    """What became of a claim.  ``verdict`` is ``proved``, ``verified``, ``kink`` (equal but at a kink), ``refuted`` or
    ``undecided``; ``left`` and ``right`` are both sides worked out and short, unless it is proved, ``difference`` the
    terms of left minus right."""

    verdict: str
    reason: str = ""
    points: int = 0
    arithmetic: str = ""
    left: str = ""
    right: str = ""
    difference: tuple[str, ...] = ()
    counterexample: Counterexample | None = None


@dataclass
class _Question:
    """Both sides of a claim with its derivatives worked out, in the dimensions of one program."""

    left: Expr
    right: Expr
    definitions: dict[Name, Equation]
    assumptions: list[Assumption]
    sizes: dict[str, int]
    indices: tuple[str, ...]
    special: dict[Name, tuple[Fraction, ...]]
    derived: bool
    where: tuple[Stated, ...]  # the extents that the claim states
    ties: dict[Name, Equation]  # definitions that are not read, and say which axes are as long as which
    meant: dict[Name, Equation]  # what is differentiated, of which a claim says nothing where it has no value
    names: ForwardNames = field(init=False)

    def __post_init__(self) -> None:
        self.names = ForwardNames(self.definitions.values())


@dataclass(frozen=True)
class Judgement:
    """An outcome before it is put into words: ``difference`` are the first terms of left minus right and ``more`` how
    many others there are; all expressions are short, ``left`` and ``right`` unless the claim is proved."""

    verdict: str
    reason: str = ""
    numbers: Comparison | None = None
    difference: tuple[Expr, ...] = ()
    more: int = 0
    left: Expr | None = None
    right: Expr | None = None
    kink: Kink | None = None
    times: Expr | None = None  # that the ``larger`` side is the other
    larger: str = ""


def judge(claim: Claim, part: Part, explain: bool = True) -> Outcome:
    """Decide one claim.  Without ``explain`` a refutation says only where it was found."""
    return worded(decided(claim, part, explain))


def decided(claim: Claim, part: Part, explain: bool = True) -> Judgement:
    """Decide one claim, without words; one that takes too many steps is left open."""
    near = part.near(claim)
    if near is not None:  # of many definitions only these are looked at, if they are enough
        with suppress(EffortError), effort(STEPS):
            found = _decided(claim, near, explain=False)
            if found.verdict == "proved":
                return found
    try:
        with effort(STEPS):
            return _decided(claim, part, explain)
    except EffortError as error:
        return Judgement("undecided", " ".join([error.problem, *error.repair]))


def _decided(claim: Claim, part: Part, explain: bool) -> Judgement:
    terms: Sequence[Expr] = ()
    try:
        asked = _asked(claim, part)
        numbers = _compared(asked, WITNESSES, shrink=explain)
        if numbers.verdict == "differ" and not numbers.isolated:
            terms = _difference(asked) if explain else ()
            if explain and not terms:
                return _judged(asked, "undecided", "the proof and the numbers disagree")
            wrong = _judged(asked, "refuted", numbers=numbers, terms=terms)
            return wrong if not explain else _with_ratio(wrong, asked, numbers)
        found, terms = _proved(asked)
        if not found:
            numbers = _compared(asked, POINTS)
    except EinstanError as error:
        return Judgement("undecided", " ".join([error.problem, *error.inferred]))
    meant = {**asked.meant, **asked.definitions}
    if numbers.verdict == "agree" and gaps_differ(asked.left, asked.right, asked.indices, meant):
        alone = one_sided(*_sides(asked), _program(asked, asked.meant), asked.assumptions)
        if alone is not None:
            return _judged(asked, "kink" if alone.isolated else "refuted", numbers=alone, terms=terms)
    if numbers.verdict == "differ":
        kink = _excuse(asked, part, numbers)
        if kink is not None:
            return replace(_judged(asked, "kink", numbers=numbers, terms=terms), kink=kink)
        return _judged(asked, "refuted", numbers=numbers, terms=terms)
    if found:
        return Judgement("proved", found)
    if numbers.verdict == "agree":
        return _judged(asked, "verified", "", numbers, terms)
    return _judged(asked, "undecided", numbers.reason, terms=terms)


def _judged(
    asked: _Question, verdict: str, reason: str = "", numbers: Comparison | None = None, terms: Sequence[Expr] = ()
) -> Judgement:
    if numbers is not None:
        numbers = replace(
            numbers,
            at={index: numbers.at[index] for index in asked.indices if index in numbers.at},
            arrays={name: value for name, value in numbers.arrays.items() if name in _read(asked)},
        )
    left, right, *shown = (
        shortest(asked.names(simplify(expr)))
        for expr in (asked.left, asked.right, *(asked.names(term) for term in terms[:MOST]))
    )
    return Judgement(verdict, reason, numbers, tuple(shown), max(0, len(terms) - MOST), left, right)


def _read(asked: _Question) -> set[str]:
    """The names of all tensors that either side rests on."""
    waiting, found = [*tensors(asked.left, asked.right)], set[Name]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += tensors(asked.definitions[name].rhs) if name in asked.definitions else ()
    return set(map(str, found))


def _asked(claim: Claim, part: Part) -> _Question:
    # Both sides stand in one equation, so that a letter has one dimension.
    indices = tuple({index.name: index for index in (*claim.lhs.free, *claim.rhs.free)}.values())
    line = Equation(THE_CLAIM, indices, Apply("=", (claim.lhs, claim.rhs)), claim.where)
    whole = Program((*part.program.equations, line), part.program.assumptions)
    told = [(index, form) for e in whole.resolved_all() for index, form in extents_told(e) if form.terms]
    alike = same_ranges(told)
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
    special = {**part.special, **compared_by_equality((claim.lhs, claim.rhs), part.extremes)}
    rules = part.assumptions_on(whole, read)
    definitions |= {
        name: _moved(e, dims) for name, e in part.behind(*(s for r in rules for s in (r.lhs, r.rhs))).items()
    }
    ties = {name: _moved(e, dims) for name, e in _tying(whole, part, read).items() if name not in definitions}
    gaps = any(map(is_partial, preorder(left, right)))
    meant = {name: _moved(e, dims) for name, e in _differentiated(part, written).items() if gaps}
    return _Question(left, right, definitions, rules, sizes, names, special, derived, asked.where, ties, meant)


def _differentiated(part: Part, written: Iterable[Name]) -> dict[Name, Equation]:
    """The definitions of what the derivatives are derivatives of."""
    found: dict[Name, Equation] = {}
    for name in filter(part.is_derivative, written):
        of = name.of if isinstance(name, Partial) else part.loss(name[1:])
        if of in part.program.defined:
            found |= {**part.behind(part.definition(of).rhs), of: part.definition(of)}
    return found


def _tying(whole: Program, part: Part, read: Iterable[Name]) -> dict[Name, Equation]:
    """The definitions that tie the lengths of axes that a claim reads, ``where |i| = |x.0|``, and what is behind them:
    a point has such sizes too."""
    axes = {whole.dims.find(axis(name, k)) for name in read for k in range(whole.ranks.get(name, 0))}
    found: dict[Name, Equation] = {}
    for name in (equation.name for equation in part.program.equations if equation.where or not only_plain(equation)):
        definition = part.definition(name)
        for index, form in dict.fromkeys((*definition.where, *extents_told(definition))):
            own = whole.dims.find(index.dim)
            told = {whole.dims.find(node.index.dim) for node in preorder(form) if isinstance(node, Extent)} - {own}
            if axes & told and (own in axes or not is_axis(own)):
                found |= {**part.behind(definition.rhs), name: definition}
    return found


def _moved(equation: Equation, dims: dict[str, str]) -> Equation:
    moved = redimensioned(equation, dims)
    assert isinstance(moved, Equation)
    return Equation(moved.name, moved.indices, one_name(moved.rhs), moved.where)


# ---- proof -----------------------------------------------------------------------------------------------------------


def _proved(asked: _Question) -> tuple[str, tuple[Expr, ...]]:
    """How the claim is proved, or else nothing and the terms by which the sides differ."""
    quick: dict[str, dict[Name, Equation]] = {NAMES: {}, DEFINITIONS: asked.definitions}
    for how, definitions in quick.items():
        if same_form(asked.left, asked.right, definitions)[2]:
            return how, ()
    open_terms: list[tuple[Expr, ...]] = []
    for how, attempt in _attempts(asked).items():
        proof = attempt()
        if proof.proved:
            return how, ()
        if how != RANGES:  # whose terms are not in the notation
            open_terms.append(proof.difference)
    return "", min(open_terms, key=lambda terms: sum(map(size, terms)), default=())


def _difference(asked: _Question) -> tuple[Expr, ...]:
    """The terms by which the sides of a wrong claim differ, without what would take long to work out; none where the
    calculus finds no difference."""
    sides, rules = (asked.left, asked.right), asked.assumptions
    if sum(map(term_count, sides)) > MOST:  # nobody reads it multiplied out
        left, right = map(simplify, sides)
        best = terms_of(simplify_sum((left, neg_simplified(right))))
    else:
        best = differing_terms(*sides, {}, rules)
    if any(name in asked.definitions for name in tensors(*best)):
        left, right = (with_definitions(side, asked.definitions) for side in sides)
        if size(left) + size(right) <= SMALL and term_count(left) + term_count(right) <= READABLE:
            best = min(best, differing_terms(left, right, {}, rules), key=lambda terms: sum(map(size, terms)))
    if best and asked.sizes:
        left, right = (sized(side, asked.definitions, asked.sizes) for side in sides)
        best = min(best, differing_terms(left, right, {}, rules), key=lambda terms: sum(map(size, terms)))
    return best


def _attempts(asked: _Question) -> dict[str, Callable[[], Proof]]:
    """The ways to a proof, in the order of what is cheap."""
    rules = asked.assumptions
    found: dict[str, Callable[[], Proof]] = {NAMES: lambda: prove(asked.left, asked.right, {}, rules)}
    if asked.definitions:
        found[DEFINITIONS] = lambda: prove(asked.left, asked.right, asked.definitions, rules)
    found[RANGES] = lambda: prove(*opened(asked.left, asked.right, asked.definitions), {}, rules)
    if asked.sizes:
        left, right = (sized(side, asked.definitions, asked.sizes) for side in (asked.left, asked.right))
        found[EXTENTS] = lambda: prove(left, right, {}, rules)
    return found


# ---- numbers ---------------------------------------------------------------------------------------------------------


def _compared(asked: _Question, points: int, shrink: bool = True) -> Comparison:
    program = _program(asked)
    sides = _sides(asked)
    rules, quick = asked.assumptions, points == WITNESSES
    special = {name: values for name, values in asked.special.items() if values}
    found = compare(*sides, program, points=points, assumptions=rules, shrink=shrink, quick=quick, special=special)
    if asked.ties and found.verdict == "differ":
        about = (asked.left, asked.right, *(e.rhs for e in asked.definitions.values()))
        read = {str(name) for name in tensors(*about, *(side for rule in rules for side in (rule.lhs, rule.rhs)))}
        found = replace(found, arrays={name: found.arrays[name] for name in found.arrays if name in read})
    if found and points == POINTS and has_kinks(asked.left, asked.right, *(e.rhs for e in asked.definitions.values())):
        there = compare(*sides, program, points=AT_KINKS, assumptions=asked.assumptions, kinks=True)
        return there if there.verdict == "differ" else found
    return found


def _with_ratio(wrong: Judgement, asked: _Question, numbers: Comparison) -> Judgement:
    """The judgement, with the number or the extent by which one side is a multiple of the other, where one is."""
    try:
        left, right = float(numbers.left), float(numbers.right)
    except OverflowError:
        return wrong
    if asked.where or not left or not right or not isfinite(left / right) or not isfinite(right / left):
        return wrong
    letters = {node.dim: node for node in preorder(asked.left, asked.right) if isinstance(node, Index)}
    sides = {"right": (asked.left, asked.right, right / left), "left": (asked.right, asked.left, left / right)}
    for larger, (few, many, ratio) in sides.items():
        whole = round(ratio)
        if not whole or not isclose(whole, ratio):
            continue
        extents = map(Extent, letters.values()) if abs(whole) in numbers.sizes.values() else ()
        factors: list[Expr] = [extent if whole > 0 else neg(extent) for extent in extents]
        factors += [Const(Fraction(whole))] if abs(whole) <= MOST else []
        for factor in factors:
            sides_then, program = (mul((factor, few)), many), _program(asked)
            if compare(*sides_then, program, points=RATIOS, assumptions=asked.assumptions, quick=True):
                return replace(wrong, times=factor, larger=larger)
    return wrong


def _program(asked: _Question, more: Mapping[Name, Equation] | None = None) -> Program:
    return Program({**(more or {}), **asked.definitions, **asked.ties}.values(), asked.assumptions)


def _sides(asked: _Question) -> tuple[Expr | Equation, Expr | Equation]:
    """What is compared: expressions, or equations that state extents."""
    if not asked.where:
        return asked.left, asked.right
    free = {index.name: index for side in (asked.left, asked.right) for index in side.free}
    indices = tuple(free[name] for name in asked.indices if name in free)
    return Equation(THE_CLAIM, indices, asked.left, asked.where), Equation(THE_CLAIM, indices, asked.right, asked.where)


def _excuse(asked: _Question, part: Part, numbers: Comparison) -> Kink | None:
    """The kink at which alone the sides differ; None where they differ elsewhere too, or nobody knows, or nothing is
    derived: a value at a kink is no convention."""
    read = tensors(asked.left, asked.right, *(e.rhs for e in asked.definitions.values()))
    if not asked.derived or not numbers.isolated or any(name in read for name in asked.special):
        return None
    program = Program(asked.definitions.values())
    around = [e.rhs for e in (*asked.definitions.values(), *part.program.resolved_all())]
    conventions = {c.function: convention_at_zero(c.function, chosen_partial(c)) for c in part.conventions}
    exprs = map(one_name, (*around, asked.left, asked.right))
    found = met(kinks_of(exprs, conventions), program, numbers.arrays)
    return None if found is None else replace(found, left=asked.names(found.left), right=asked.names(found.right))


# ---- printing --------------------------------------------------------------------------------------------------------


def worded(found: Judgement) -> Outcome:
    """A judgement as text."""
    more = (f"{found.more} more terms",) if found.more else ()
    left, right = ("" if side is None else _shown(side) for side in (found.left, found.right))
    difference = (*map(_shown, found.difference), *more)
    outcome = Outcome(found.verdict, found.reason, left=left, right=right, difference=difference)
    if found.times is not None:
        outcome = replace(outcome, reason=_multiple(found.times, found.larger))
    numbers = found.numbers
    if found.verdict == "verified" and numbers is not None:
        return replace(outcome, reason=str(numbers), points=numbers.points, arithmetic=numbers.arithmetic)
    if found.kink is not None:
        outcome = replace(outcome, reason=str(found.kink))
    elif found.verdict == "kink" and numbers is not None:
        side = "left" if numbers.left != numbers.left else "right"
        outcome = replace(outcome, reason=f"equal but where the {side} side has no value: {numbers.reason}")
    if found.verdict in ("refuted", "kink") and numbers is not None:
        arrays = {name: pasted(value) for name, value in numbers.arrays.items()}
        example = Counterexample(numbers.sizes, arrays, numbers.at, *told_apart(numbers.left, numbers.right))
        return replace(outcome, counterexample=example)
    return outcome


def _multiple(times: Expr, larger: str) -> str:
    """``right is |n| times left``"""
    text = str(times)
    for node in preorder(times):
        if isinstance(node, Extent):
            text = text.replace(f"|{node.index.name}|", f"|{lowered(node.index.name)}|")
    other = "left" if larger == "right" else "right"
    return f"{larger} is minus {other}" if times == Const(Fraction(-1)) else f"{larger} is {text} times {other}"


def _shown(short_form: Expr) -> str:
    """An expression in its shortest form, with letters to read."""
    if (parts := size(short_form)) > UNREADABLE:  # a shared graph is far longer as a text
        return f"an expression of {short_number(parts)} parts"
    expr = readable(short_form)
    if any(str(name).startswith("∂") or str(name).endswith("(0)") for name in tensors(expr)):
        text = str(expr)  # the name of a part of a stand-in, which cannot be read again
    else:
        try:
            text = str(derived_equation("side", tuple(expr.free), expr)).split(" = ", 1)[1]
        except EinstanError:  # an extent that no axis of this side has
            text = str(expr)
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."


def short_number(count: int) -> str:
    return f"{count:,}" if count < 10**12 else "more than 10^12"
