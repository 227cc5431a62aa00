"""One claim: proved by the calculus, or verified at random points, or refuted, or left open with the reason.

The order is that of what is cheap.  A claim on gradients is proved by the lines of the backward pass, in which the
other gradients are names.  Else both sides are compared at a random point, in floats and, where these do not agree, in
exact numbers, of which one difference settles it.  A claim that holds there is proved with its forward values as names,
which holds whatever they are; then with their definitions put in; what is left open is compared at more points.  A
claim that speaks of a function with a kink is also compared there, since what is derived at a kink is a convention and
so a part of what is claimed; where it differs there and nowhere else, the verdict says so.  Nothing is proved that the
same numbers contradict: such a claim stays open.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from einstan.calculus.collect import shortest, size
from einstan.calculus.indicators import complemented, in_slots, one_name
from einstan.calculus.program import Program
from einstan.calculus.proof import Proof, prove, same_form
from einstan.calculus.simplify import simplify
from einstan.calculus.windows import opened, sized
from einstan.language.effort import UNLIMITED, EffortError, effort
from einstan.language.errors import DifferentiationError, EinstanError
from einstan.language.statement import Claim
from einstan.language.term import Equation, Expr, Name, bound_indices, tensors
from einstan.library.cotangents import among_cotangents, equal_by_lines
from einstan.library.differences import MOST, difference, in_gradients, in_lines, ratio
from einstan.library.judgements import Judgement, Outcome, worded
from einstan.library.kinks import Kink, convention_at_zero, jumps_by_convention, kinks_of, met
from einstan.library.part import Part, chosen_partial
from einstan.library.questions import Question, inside, names_read, program_of, question, sides_of
from einstan.machine.evidence.verify import NOWHERE, Comparison, compare, one_sided
from einstan.machine.meaning.gaps import gaps_differ
from einstan.machine.points.points import has_kinks

POINTS = 20  # where a claim that is not proved has to hold
AT_KINKS = 100  # more of them where entries are equal by chance, which is one in nine for two
WITNESSES = 1  # where one that is proved is looked at all the same
STEPS = 1_200_000  # for one claim: ten times what the longest of a paper takes, three seconds or less
NEAR, TOLD = STEPS // 4, STEPS // 4  # of these to look near it alone, and to tell by what the sides differ
LOOKED, EXPLAINED = 1, 2  # seconds for the lines of the backward pass, and for what is wrong where these refute a claim
NAMES, DEFINITIONS, COTANGENTS = "forward values as names", "definitions put in", "cotangents as names"
RANGES, EXTENTS = "ranges as deltas", "extents as numbers"


def judge(claim: Claim, part: Part, explain: bool = True) -> Outcome:
    """Decide one claim.  Without ``explain`` a refutation says only where it was found."""
    return worded(decided(claim, part, explain))


def decided(claim: Claim, part: Part, explain: bool = True) -> Judgement:
    """Decide one claim, without words; one that takes too many steps is left open."""
    near = part.near(claim)
    if near is not None:  # of many definitions only these are looked at, if they are enough
        with suppress(EffortError), effort(NEAR):
            found = _decided(claim, near, explain=False)
            if found.verdict == "proved":
                return found
    told: Judgement | None = None
    with suppress(EinstanError), effort(NEAR, LOOKED):  # what is wrong with it is told of the claim as it stands
        told = _by_cotangents(claim, part)
    if told is not None and told.verdict == "proved":
        return told
    try:
        with effort(STEPS, EXPLAINED if told is not None else UNLIMITED):
            found = _decided(claim, part, explain)
    except EffortError as error:
        if told is None:
            return Judgement("undecided", " ".join([error.problem, *error.repair]))
        with suppress(EinstanError), effort(NEAR, LOOKED):
            told = _by_cotangents(claim, part, shrink=True) or told
        return told
    return _in_its_names(found, claim, part) if told is not None and found.verdict == "refuted" and explain else found


def _decided(claim: Claim, part: Part, explain: bool) -> Judgement:
    terms: Sequence[Expr] = ()
    try:
        asked = question(claim, part)
        numbers = _compared(asked, WITNESSES, shrink=explain)
        if numbers.verdict == "differ":
            asked, numbers = _at_all_sizes(claim, part, asked, numbers, WITNESSES)
        if numbers.verdict == "differ" and not numbers.isolated:
            return _refuted(asked, numbers, explain)
        if numbers.reason == NOWHERE:
            return _judged(asked, "undecided", NOWHERE)
        found, terms = _proved(asked)
        if not found:
            numbers = _compared(asked, POINTS)
            if numbers.verdict == "differ":
                asked, numbers = _at_all_sizes(claim, part, asked, numbers, POINTS)
    except EinstanError as error:
        repair = error.repair if isinstance(error, DifferentiationError) else ()  # of the line that is differentiated
        return Judgement("undecided", "; ".join([error.problem, *error.inferred, *repair]))
    meant = {**asked.meant, **asked.definitions}
    if numbers.verdict == "agree" and gaps_differ(asked.left, asked.right, asked.indices, meant):
        alone = one_sided(*sides_of(asked), program_of(asked, asked.meant), asked.assumptions)
        if alone is not None:
            if not alone.isolated:
                return _refuted(asked, alone, explain)
            return _judged(asked, "kink", numbers=alone, terms=terms)
    if numbers.verdict == "differ":
        kink = _excuse(asked, part, numbers)
        if kink is not None:
            return replace(_judged(asked, "kink", numbers=numbers, terms=terms), kink=kink)
        return _refuted(asked, numbers, explain)
    if (found or numbers.verdict == "agree") and asked.jumps:
        return replace(_judged(asked, "kink"), kink=asked.jumps[0])
    if found:
        return Judgement("proved", found)
    if numbers.verdict == "agree":
        return _judged(asked, "verified", "", numbers, terms)
    return _judged(asked, "undecided", _open_ranges(claim, part, numbers) or numbers.reason, terms=terms)


def _at_all_sizes(
    claim: Claim, part: Part, asked: Question, numbers: Comparison, points: int
) -> tuple[Question, Comparison]:
    """A claim that is wrong, asked again where its extents are those of a tensor of which something else is assumed:
    what holds of square matrices alone leaves no others."""
    wider = question(claim, part, all_sizes=True) if part.program.assumptions else asked
    if set(wider.assumptions) <= set(asked.assumptions):
        return asked, numbers
    return wider, _compared(wider, points)


def _open_ranges(claim: Claim, part: Part, numbers: Comparison) -> str:
    """What to state where it hangs on a range that nothing tells whether both sides are equal."""
    stated: dict[Name | None, list[str]] = {}
    for own in numbers.untold:
        name, said = own.of, f"|{own.index.name}| = {own.length}"
        if name is None and said in stated.get(None, ()):  # what is derived has the letter of a definition
            name = next(
                (e.name for e in part.program if own.index.name in {i.name for i in bound_indices(e.rhs)}), None
            )
        if said not in stated.setdefault(name, []):
            stated[name].append(said)
    lines = []
    for name, extents in stated.items():
        line = claim if name is None else part.program[name]
        lines.append(f"{line}{', ' if line.where else ' where '}{', '.join(extents)}")
    letters = list(dict.fromkeys(own.index.name for own in numbers.untold))
    said = f"nothing tells how far {' and '.join(letters)} run{'s' * (len(letters) == 1)}"
    return f"{said}, and the sides are equal at some ranges alone; state it: {' and '.join(lines)}" if lines else ""


def holds(claim: Claim, part: Part) -> bool:
    """Whether a claim is proved or verified."""
    return decided(claim, part, explain=False).verdict in ("proved", "verified")


def _refuted(asked: Question, numbers: Comparison, explain: bool) -> Judgement:
    """A wrong claim, and by what its sides differ; a kink among them is no term that the calculus knows."""
    if not explain:
        return _judged(asked, "refuted", numbers=numbers)
    try:
        with effort(TOLD, 1):
            return _explained(asked, numbers)
    except EffortError:  # it is wrong all the same
        return Judgement("refuted", "", numbers, left=asked.left, right=asked.right)


def _explained(asked: Question, numbers: Comparison) -> Judgement:
    found = difference(asked)
    if not found.terms:
        return _judged(asked, "undecided", "the proof and the numbers disagree")
    left, right, terms = in_gradients(asked, found)
    wrong = _judged(asked, "refuted", numbers=numbers, terms=terms)
    times, larger = ratio(asked, numbers) or (None, "")
    slip = None if times is not None else found.slip
    matter = tuple(name for name in numbers.arrays if name in names_read(asked, *found.terms))
    return replace(wrong, left=left, right=right, times=times, larger=larger, slip=slip, matter=matter)


def _judged(
    asked: Question, verdict: str, reason: str = "", numbers: Comparison | None = None, terms: Sequence[Expr] = ()
) -> Judgement:
    if numbers is not None:
        numbers = replace(
            numbers,
            at={index: numbers.at[index] for index in asked.indices if index in numbers.at},
            arrays={name: value for name, value in numbers.arrays.items() if name in names_read(asked)},
        )
    left, right, *shown = (
        shortest(asked.names(simplify(expr)))
        for expr in (asked.left, asked.right, *(asked.names(term) for term in terms[:MOST]))
    )
    return Judgement(verdict, reason, numbers, tuple(shown), max(0, len(terms) - MOST), left, right)


# ---- proof -----------------------------------------------------------------------------------------------------------


def _by_cotangents(claim: Claim, part: Part, shrink: bool = False) -> Judgement | None:
    """What the lines of the backward pass tell of a claim on gradients: it is proved where it follows from them and has
    a value wherever they have one, refuted where numbers do that; None where they leave it open."""
    among = among_cotangents(claim, part)
    if among is None:
        return None
    asked = question(*among)
    numbers = _compared(asked, WITNESSES, shrink=shrink)
    if numbers.verdict == "differ" and shrink:
        asked, numbers = _at_all_sizes(*among, asked, numbers, WITNESSES)
    if numbers.verdict == "differ" and not numbers.isolated:
        return _judged(asked, "refuted", numbers=numbers)
    lines = among[1].program.defined.keys() - part.program.defined.keys()
    if not (numbers and (equal_by_lines(_complemented(asked), lines) or _is_equal_as_written(asked, lines))):
        return None
    meant = {**asked.meant, **asked.definitions}
    apart = gaps_differ(asked.left, asked.right, asked.indices, meant)
    if apart and one_sided(*sides_of(asked), program_of(asked, asked.meant), asked.assumptions) is not None:
        return None
    return Judgement("proved", COTANGENTS)


def _in_its_names(found: Judgement, claim: Claim, part: Part) -> Judgement:
    """A refutation in the gradients that the claim names."""
    among = among_cotangents(claim, part)
    if among is None:
        return found
    own, whole = among
    lines = {name: line for name, line in whole.program.defined.items() if name not in part.program.defined}
    told = in_lines(own.lhs, own.rhs, lines)
    if told is None or not told[2]:
        return found
    left, right, terms = told
    return replace(found, left=left, right=right, difference=tuple(terms[:MOST]), more=max(0, len(terms) - MOST))


def _is_equal_as_written(asked: Question, lines: Collection[Name]) -> bool:
    return asked != _complemented(asked) and equal_by_lines(asked, lines)


def _complemented(asked: Question) -> Question:
    """The question, with one of two brackets of which either holds as what the other leaves."""
    integers = in_slots(asked.left, asked.right, *(e.rhs for e in asked.definitions.values()))
    definitions = {
        n: Equation(e.name, e.indices, complemented(e.rhs, integers), e.where) for n, e in asked.definitions.items()
    }
    left, right = complemented(asked.left, integers), complemented(asked.right, integers)
    return replace(asked, left=left, right=right, definitions=definitions)


def _proved(asked: Question) -> tuple[str, tuple[Expr, ...]]:
    """How the claim is proved, or else nothing and the terms by which the sides differ."""
    written, asked = asked, _complemented(asked)
    for each in (asked,) if asked == written else (written, asked):  # as written, a bracket guards what it multiplies
        for how, known in {NAMES: {}, DEFINITIONS: each.definitions}.items():
            if same_form(each.left, each.right, known)[2]:
                return how, ()
    open_terms: list[tuple[Expr, ...]] = []
    for how, attempt in _attempts(asked).items():
        proof = attempt()
        if proof.proved:
            return how, ()
        if how != RANGES:  # whose terms are not in the notation
            open_terms.append(proof.difference)
    return "", min(open_terms, key=lambda terms: sum(map(size, terms)), default=())


def _attempts(asked: Question) -> dict[str, Callable[[], Proof]]:
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


def _compared(asked: Question, points: int, shrink: bool = True) -> Comparison:
    program = program_of(asked)
    sides = sides_of(asked)
    rules, quick = asked.assumptions, points == WITNESSES
    special = {name: values for name, values in asked.special.items() if values}
    found = compare(*sides, program, points=points, assumptions=rules, shrink=shrink, quick=quick, special=special)
    shorter = inside(asked) if found.verdict == "undecided" else None
    if shorter is not None:
        return _compared(shorter, points, shrink)
    if asked.ties and found.verdict == "differ":
        about = (asked.left, asked.right, *(e.rhs for e in asked.definitions.values()))
        read = {str(name) for name in tensors(*about, *(side for rule in rules for side in (rule.lhs, rule.rhs)))}
        found = replace(found, arrays={name: found.arrays[name] for name in found.arrays if name in read})
    if found and points == POINTS and has_kinks(asked.left, asked.right, *(e.rhs for e in asked.definitions.values())):
        there = compare(*sides, program, points=AT_KINKS, assumptions=asked.assumptions, kinks=True)
        return there if there.verdict == "differ" else found
    return found


def _excuse(asked: Question, part: Part, numbers: Comparison) -> Kink | None:
    """The kink at which alone the sides differ; None where they differ elsewhere too, or nobody knows, or nothing is
    derived: a value at a kink is no convention, but for those of sign and arctan2 at their jumps."""
    read = tensors(asked.left, asked.right, *(e.rhs for e in asked.definitions.values()))
    if not numbers.isolated or any(name in read for name in asked.special):
        return None
    program = Program(asked.definitions.values())
    around = tuple(e.rhs for e in part.program.resolved_all())
    conventions = {c.function: convention_at_zero(c.function, chosen_partial(c)) for c in part.conventions}
    # What the claim speaks of is at the kink before what stands beside it.
    own = [e.rhs for e in (*asked.definitions.values(), *asked.above.values())]
    found = None
    for exprs in ((*own, asked.left, asked.right), around):
        exprs = tuple(map(one_name, exprs))
        kinks = kinks_of(exprs, conventions) if asked.derived else jumps_by_convention(exprs)
        found = found or met(kinks, program, numbers.arrays)
    return None if found is None else replace(found, left=asked.names(found.left), right=asked.names(found.right))
