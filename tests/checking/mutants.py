"""Claims that are false by one slip, and true claims written otherwise: no false one may hold, no true one be refuted.

``python tests/checking/mutants.py --count 5000`` makes as many of each and prints what the checker said, by kind.

A slip is made in the terms of a true claim; that it is false NumPy has to say (`oracle`), so that a slip which changes
nothing is no mutant.  A true claim is written otherwise by names, by order, by association and by known identities.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import einstan as es
from einstan import layers
from einstan.calculus.program import Program
from einstan.language import parse_document
from einstan.language.dims import axis
from einstan.language.errors import EinstanError
from einstan.language.index import Index, affine, slot
from einstan.language.node import fold, preorder, replace
from einstan.language.statement import Claim, Given
from einstan.language.term import (
    Add,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Partial,
    Reduce,
    Sum,
    add,
    mul,
    neg,
    power,
    rebound,
    reciprocal,
    sum_over,
)
from einstan.machine.sizes.guards import index_tensors
from einstan.machine.sizes.inference import infer, windowed
from tests.breadth.rows import ROWS as BREADTH
from tests.checking.documents import DOCUMENTS
from tests.checking.oracle import UnknownError, World, differs
from tests.papers_oracle import polynomial

PAPERS = Path(__file__).resolve().parents[2] / "docs" / "papers"
THE_CLAIM = "the claim"


@dataclass(frozen=True)
class Case:
    """A true claim about a document, and how its arrays are made."""

    source: str
    text: str
    claim: str
    make: object = None


@dataclass(frozen=True)
class Tried:
    """A claim that was made of a true one, in which way, and whether it is true."""

    case: Case
    kind: str
    claim: str
    true: bool


# ---- where true claims come from -------------------------------------------------------------------------------------


def cases():
    """Made-up documents, layers, breadth, papers: every true claim with the definitions that it speaks of."""
    for made in DOCUMENTS:
        yield from (Case(f"made: {made.name}", made.text, claim, made.make) for claim in made.claims)
    for made in (getattr(layers, name) for name in layers.__all__):
        if isinstance(made, es.Layer):
            assumed = "".join(f"\nassume {rule}" for rule in made.program.assumptions)
            for name in made.inputs:
                try:
                    derived = str(made.partial(name)).split(" where ")[0]
                except EinstanError:
                    continue  # of whole numbers
                yield Case(f"layer: {made.name}", f"{made.program}{assumed}", derived)
    for row in BREADTH:
        if len(row.text.splitlines()) == 1 and not row.integers:
            for name in row.wrt:
                derived = str(es.parse(row.text).partial(name))
                yield Case(f"breadth: {row.name}", row.text, derived.split(" where ")[0], positive(row.positive))
    for path in sorted(PAPERS.glob("*.ein")):
        for number, part in enumerate(parse_document(path.read_text(encoding="utf-8")).parts):
            kept = [s for s in part.statements if s.kind in ("equation", "given", "assume", "convention")]
            text = "\n".join(f"{s.kind} {s.text.removeprefix(s.kind + ' ')}".removeprefix("equation ") for s in kept)
            for statement in part.statements:
                if statement.kind == "claim":
                    yield Case(f"{path.stem}: {number}", text, statement.text.removeprefix("claim "))


def positive(names):
    return lambda r, n: {name: r.uniform(0.5, 2, n(name)) for name in names}


def document_of(case, claim):
    return parse_document(f"{case.text}\nclaim {claim}")


# ---- false claims ----------------------------------------------------------------------------------------------------

SWAPPED = {
    "exp": "sinh", "log": "sqrt", "sqrt": "log", "sin": "cos", "cos": "sin", "tanh": "sigmoid", "sigmoid": "tanh",
    "relu": "abs", "abs": "relu", "softplus": "exp", "erf": "tanh", "sinh": "cosh", "cosh": "sinh",
    "maximum": "minimum", "minimum": "maximum",
}  # fmt: skip
TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "!=", "!=": "=="}
LOOSENED = {"<": "<=", ">": ">=", "<=": "<", ">=": ">", "==": "<=", "!=": "<"}


def slips(expr, ranks, draw):
    """Every slip of the pen in an expression: what it is called, and the expression with it."""
    nodes = [node for node in preorder(expr) if isinstance(node, Expr)]
    indices = list(dict.fromkeys(n for n in preorder(expr) if isinstance(n, Index) and n.name.isalpha()))
    yield "a sign", neg(expr)
    yield "a factor", mul((Const(draw.choice([2, 3, Fraction(1, 2)])), expr))
    for node in nodes:
        for kind, other in slip_at(node, ranks, indices, draw):
            yield kind, replace(expr, {node: other})


def slips_on_the_left(lhs, ranks, draw):
    """What is claimed of something else: indices in another order, a derivative by another tensor."""
    if isinstance(lhs, Indexed) and len(lhs.slots) > 1:
        i, j = draw.sample(range(len(lhs.slots)), 2)
        turned = list(lhs.slots)
        turned[i], turned[j] = turned[j], turned[i]
        yield "indices of the left exchanged", Indexed(lhs.tensor, tuple(turned))
    if isinstance(lhs, Indexed) and isinstance(lhs.tensor, Partial):
        (first, rank), *rest = lhs.tensor.wrt
        others = [name for name, own in ranks.items() if own == rank and name != first]
        if others:
            name = Partial(lhs.tensor.of, lhs.tensor.rank, ((draw.choice(others), rank), *rest))
            yield "by another argument", Indexed(name, lhs.slots)


def slip_at(node, ranks, indices, draw):
    match node:
        case Add(terms=terms):
            k = draw.randrange(len(terms))
            rest = [term for j, term in enumerate(terms) if j != k]
            yield "a sign", add((*rest, neg(terms[k])))
            yield "a term left out", add(rest)
            yield "a factor", add((*rest, mul((Const(2), terms[k]))))
        case Mul(factors=factors):
            k = draw.randrange(len(factors))
            kind = {Iverson: "a guard left out", Delta: "a delta left out"}.get(type(factors[k]), "a factor left out")
            yield kind, mul([f for j, f in enumerate(factors) if j != k])
            yield "a power", mul([power(f, 2) if j == k else f for j, f in enumerate(factors)])
        case Indexed(tensor=tensor, slots=slots):
            if len(slots) > 1:
                i, j = draw.sample(range(len(slots)), 2)
                turned = list(slots)
                turned[i], turned[j] = turned[j], turned[i]
                yield "slots exchanged", Indexed(tensor, tuple(turned))
            if slots and indices:
                k = draw.randrange(len(slots))
                yield "another index", Indexed(tensor, (*slots[:k], slot(draw.choice(indices)), *slots[k + 1 :]))
                yield "a shift", Indexed(tensor, (*slots[:k], affine((slots[k], 1), constant=-1), *slots[k + 1 :]))
            others = [name for name, rank in ranks.items() if rank == len(slots) and name != tensor]
            if others:
                yield "another tensor", Indexed(draw.choice(others), slots)
        case Delta(left=left, right=right):
            yield "a delta left out", Const(1)
            if left.index in indices and len(indices) > 1:
                yield "another index", Delta(left, slot(draw.choice([i for i in indices if i is not left.index])))
            yield "a shift", Delta(left, affine((right, 1), constant=1))
        case Iverson(operands=operands, relations=relations) if relations:
            yield "a relation turned", Iverson(operands, (TURNED[relations[0]], *relations[1:]))
            yield "a relation loosened", Iverson(operands, (LOOSENED[relations[0]], *relations[1:]))
            yield "a guard left out", Const(1)
        case Apply(function=function, arguments=arguments):
            if function in SWAPPED:
                yield "another function", Apply(SWAPPED[function], arguments)
            if function == "pow" and isinstance(arguments[1], Const):
                yield "a power", power(arguments[0], arguments[1].value + 1)
            elif len(arguments) == 1:
                yield "a function left out", arguments[0]
                yield "a sign", Apply(function, (neg(arguments[0]),))
        case Extent():
            yield "an extent", add((node, Const(1)))
            yield "an extent", Extent(draw.choice(indices)) if indices else Const(1)
        case Const(value=value):
            yield "a number", Const(value + 1)
        case Sum(indices=own, body=body):
            yield "a mean for a sum", Reduce("mean", own, body)
            yield "a largest for a sum", Reduce("max", own, body)
            yield "a square inside", sum_over(own, power(body, 2))
        case Reduce(operation=operation, indices=own, body=body):
            if operation == "mean":
                yield "a sum for a mean", Sum(own, body)
            if operation == "logsumexp":
                yield "another reduction", Reduce("max", own, body)


# ---- true claims, written otherwise ----------------------------------------------------------------------------------

HALF = Const(Fraction(1, 2))
IDENTITIES = {
    "tanh": lambda u: add((mul((Const(2), Apply("sigmoid", (mul((Const(2), u)),)))), Const(-1))),
    "sigmoid": lambda u: reciprocal(add((Const(1), Apply("exp", (neg(u),))))),
    "exp": lambda u: reciprocal(Apply("exp", (neg(u),))),
    "sqrt": lambda u: power(u, Fraction(1, 2)),
    "softplus": lambda u: Apply("log", (add((Const(1), Apply("exp", (u,)))),)),
    "relu": lambda u: mul((HALF, add((u, Apply("abs", (u,)))))),
    "abs": lambda u: add((Apply("relu", (u,)), Apply("relu", (neg(u),)))),
    "log": lambda u: neg(Apply("log", (reciprocal(u),))),
    "sin": lambda u: neg(Apply("sin", (neg(u),))),
    "cos": lambda u: Apply("cos", (neg(u),)),
    "cosh": lambda u: mul((HALF, add((Apply("exp", (u,)), Apply("exp", (neg(u),)))))),
    "sinh": lambda u: neg(Apply("sinh", (neg(u),))),
    "erf": lambda u: neg(Apply("erf", (neg(u),))),
}


def others(lhs, rhs, draw):
    """Every way to write the same claim: what it is called, and both sides."""
    yield "sides exchanged", rhs, lhs
    yield "everything on one side", add((lhs, neg(rhs))), Const(0)
    yield "letters", *relettered(lhs, rhs)
    yield "order", lhs, shuffled(rhs, draw)
    yield "doubled", mul((Const(2), lhs)), add((rhs, rhs))
    yield "a third of three", lhs, mul((Const(Fraction(1, 3)), add((rhs, rhs, rhs))))
    for node in preorder(rhs):
        for kind, other in rewritten(node, rhs, draw):
            yield kind, lhs, replace(rhs, {node: other})


def rewritten(node, whole, draw):
    match node:
        case Mul(factors=factors):
            sums = [k for k, f in enumerate(factors) if isinstance(f, Add)]
            if sums:
                k = sums[0]
                rest = [*factors[:k], *factors[k + 1 :]]
                yield "multiplied out", add(mul((*rest, term)) for term in factors[k].terms)
            if len(factors) > 2:
                yield "associated otherwise", mul((factors[0], mul(factors[1:])))
        case Add(terms=terms):
            k = draw.randrange(len(terms))
            yield "a number shared", mul((HALF, add(mul((Const(2), term)) for term in terms)))
            yield "less and more", add((*terms, terms[k], neg(terms[k])))
        case Apply(function="pow", arguments=(base, Const(value=value))) if value == 2:
            yield "a square as a product", mul((base, base))
        case Apply(function="pow", arguments=(base, Const(value=value))) if value == -1:
            yield "a reciprocal of a square", mul((base, power(base, -2)))
        case Apply(function=function, arguments=(u,)) if function in IDENTITIES:
            yield f"an identity of {function}", IDENTITIES[function](u)
        case Sum(indices=indices, body=body):
            yield "a mean times its count", mul((*map(Extent, indices), Reduce("mean", indices, body)))
            if isinstance(body, Mul | Indexed):
                yield "order of sums", Sum(tuple(reversed(indices)), body)
            if any(isinstance(inner, Extent) for inner in preorder(whole)):
                return  # |K| speaks of the K that is summed beside it
            new = tuple(Index(f"{i.name}9", i.dim) for i in indices)
            yield "another bound letter", Sum(new, substituted(body, dict(zip(indices, new, strict=True))))
        case Reduce(operation="mean", indices=indices, body=body):
            yield "a mean as a sum", mul((*(reciprocal(Extent(i)) for i in indices), Sum(indices, body)))
        case Reduce(operation="logsumexp", indices=indices, body=body):
            yield "a log of a sum", Apply("log", (Sum(indices, Apply("exp", (body,))),))
        case Indexed(tensor=tensor, slots=slots) if slots and slots[0].index is not None:
            index = slots[0].index
            new = Index("K9", index.dim)
            inner = Indexed(tensor, (slot(new), *slots[1:]))
            if index not in {form.index for form in slots[1:]}:
                yield "a delta more", Sum((new,), mul((Delta(slot(index), slot(new)), inner)))
        case Delta(left=left, right=right):
            yield "a delta turned", Delta(right, left)
            yield "a delta as a bracket", Iverson((left, right), ("==",))


def substituted(expr, names):
    def rule(node, children):
        if isinstance(node, Index):
            return names.get(node, node)
        return node.rebuilt(children) if children != node.children else node

    return fold(expr, rule)


def relettered(lhs, rhs):
    """Both sides with other letters, capitals kept."""
    letters = {}
    used = [n for n in preorder(lhs, rhs) if isinstance(n, Index)]
    used += [i for n in preorder(lhs, rhs) if isinstance(n, Sum | Reduce) for i in n.indices]
    for index in used:
        base = index.name.lower()
        letters.setdefault(base, f"{'ghuvwyz'[len(letters) % 7]}{len(letters) + 2}")

    def other(index):
        new = letters[index.name.lower()]
        return Index(new.capitalize() if index.name[0].isupper() else new, index.dim)

    def rule(node, children):
        if isinstance(node, Index):
            return other(node) if "." not in node.name else node
        if isinstance(node, Extent):
            return Extent(other(node.index)) if "." not in node.index.name else node
        if isinstance(node, Sum | Reduce):
            return rebound(node, tuple(map(other, node.indices)), children[0])
        return node.rebuilt(children) if children != node.children else node

    return fold(lhs, rule), fold(rhs, rule)


def shuffled(expr, draw):
    def rule(node, children):
        if isinstance(node, Add | Mul):
            parts = draw.sample(children, len(children))
            return add(parts) if isinstance(node, Add) else mul(parts)
        return node.rebuilt(children) if children != node.children else node

    return fold(expr, rule)


# ---- what NumPy says -------------------------------------------------------------------------------------------------


def is_false(case, claim, seed, tries=4):
    """Whether the two sides are clearly apart at one of a few points; None where no point says anything."""
    document = document_of(case, claim)
    made = [polynomial(s.content) for s in document.statements if isinstance(s.content, Given)]
    own = document.claims[-1]
    indices = tuple({index.name: index for index in (*own.lhs.free, *own.rhs.free)}.values())
    line = Equation(THE_CLAIM, indices, Apply("=", (own.lhs, own.rhs)))
    equations = [*document.equations, *made]
    assumed = [
        Equation(
            f"assumed {k}", tuple({i.name: i for i in (*a.lhs.free, *a.rhs.free)}.values()), Apply("=", (a.lhs, a.rhs))
        )
        for k, a in enumerate(document.assumptions)
    ]
    whole = Program((*equations, line, *assumed), document.assumptions)
    resolved = whole.resolved(line)
    program = Program([whole.resolved(e) for e in equations])
    said = None
    for number in range(tries):
        generator = np.random.default_rng([seed, number])
        try:
            with np.errstate(all="ignore"):
                world = world_at(case, whole, program, generator)
                found = None if world is None else differs(world, resolved)
        except (EinstanError, UnknownError, KeyError, FloatingPointError, np.linalg.LinAlgError):
            continue
        if found:
            return True
        said = found if found is not None else said
    return said


def world_at(case, whole, program, generator):
    long = windowed(whole)
    roots = {whole.dims.find(axis(name, k)) for name, rank in whole.ranks.items() for k in range(rank)}
    stated = {whole.dims.find(f"{e.name}:{i.dim}" if "." not in i.dim else i.dim) for e in whole for i, _ in e.where}
    wanted = sorted(roots - stated)
    sizes = dict(zip(wanted, (int(n) for n in generator.permutation([2, 3, 4] * len(wanted))), strict=False))
    if generator.random() < 0.4:
        sizes = dict.fromkeys(sizes, int(generator.integers(2, 5)))
    sizes = {dim: size + (4 if dim in long else 0) for dim, size in sizes.items()}
    derived = set(long) - {whole.dims.find(axis(n, k)) for n, r in whole.inputs.items() for k in range(r)}
    extents = infer(whole, {}, {d: s for d, s in sizes.items() if d not in derived}, nominal=3)

    def shape(name):
        return tuple(extents.known[whole.dims.find(axis(name, k))] for k in range(whole.ranks[name]))

    labels = {**index_tensors(whole.equations)}
    for node in preorder(*(e.rhs for e in whole.equations)):
        if isinstance(node, Iverson):
            labels |= {o.tensor: set() for o in node.operands if isinstance(o, Indexed) and _with_index(node)}
    point = {}
    for name in whole.inputs:
        if name in whole.ranks and not World.named_derivative(whole, name):
            if name in labels:
                top = min((extents.known[whole.dims.find(a)] for a in labels[name]), default=2)
                point[name] = generator.integers(0, top, shape(name))
            else:
                point[name] = generator.uniform(0.3, 1.7, shape(name)) * generator.choice([1, -1], shape(name))
    if case.make is not None:
        tied = case.make(generator, shape)
        if tied is None or any(np.shape(tied[name]) != shape(name) for name in tied if name in whole.ranks):
            return None
        point |= tied
    elif not _shares(whole, point):
        return None
    return World(program, whole, extents, point)


def _with_index(bracket):
    return any(getattr(o, "index", None) is not None for o in bracket.operands)


def _shares(whole, point):
    """Rows that sum to one, where that is what a document without a sentence of its own assumes."""
    for rule in whole.assumptions:
        total = rule.lhs
        if isinstance(total, Sum) and isinstance(total.body, Iverson | Delta):
            continue  # labels are inside
        if not (isinstance(total, Sum) and isinstance(total.body, Indexed) and isinstance(rule.rhs, Const)):
            return False
        axes = tuple(k for k, form in enumerate(total.body.slots) if form.index in total.indices)
        if total.body.tensor in point:
            array = np.abs(point[total.body.tensor])
            point[total.body.tensor] = array / array.sum(axes, keepdims=True) * float(rule.rhs.value)
    return True


# ---- trying ----------------------------------------------------------------------------------------------------------


def made(count, seed, true):
    """So many claims of one kind, from all sources in turn."""
    draw = random.Random(seed)
    sources = list(cases())
    draw.shuffle(sources)
    seen, found, rounds = set(), 0, 0
    while found < count and rounds < 40:
        rounds += 1
        for case in sources:
            try:
                document = document_of(case, case.claim)
                whole = Program(document.equations)
                own = document.claims[-1]
                ranks = {name: rank for name, rank in whole.ranks.items() if isinstance(name, str)}
                slipped = ((kind, own.lhs, rhs) for kind, rhs in slips(own.rhs, ranks, draw))
                left = ((kind, lhs, own.rhs) for kind, lhs in slips_on_the_left(own.lhs, ranks, draw))
                choices = list(others(own.lhs, own.rhs, draw) if true else (*slipped, *left))
            except EinstanError:
                continue
            kind, lhs, rhs = draw.choice(choices)
            try:
                claim = str(Claim(lhs, rhs))
                if (case.text, claim) in seen or claim == str(own):
                    continue
                seen.add((case.text, claim))
                false = is_false(case, claim, seed, tries=1 if true else 4)
            except (EinstanError, AssertionError, ValueError, ZeroDivisionError, TypeError):
                continue  # it cannot be written
            if false is None or false == true:
                continue
            yield Tried(case, kind, claim, true)
            found += 1
            if found == count:
                return


def verdict(tried):
    """What the checker says, and the seconds that it took."""
    begin = time.process_time()
    report = es.check(f"{tried.case.text}\nclaim {tried.claim}")
    return report.claims[-1].outcome, time.process_time() - begin


def wrong(tried, outcome):
    return outcome.verdict == "refuted" if tried.true else outcome.verdict in ("proved", "verified")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="so many false claims, and so many true ones")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wrong_false, wrong_true = (run(options.count, options.seed, true) for true in (False, True))
    return wrong_false or wrong_true


VERDICTS = ("proved", "verified", "kink", "refuted", "undecided")


def run(count, seed, true):
    """Make the claims, print what was said of them by kind, and say whether any of it was wrong."""
    table, seconds, slow, bad = Counter(), 0.0, [], 0
    for tried in made(count, seed, true):
        try:
            outcome, took = verdict(tried)
        except EinstanError as error:
            bad += 1
            told("REFUSED:", str(error), tried.kind, tried.case.source, f"\n{tried.case.text}\nclaim {tried.claim}\n")
            continue
        table[tried.kind, outcome.verdict] += 1
        seconds += took
        slow.append((took, tried.case.source, tried.claim))
        if wrong(tried, outcome):
            bad += 1
            told(
                "WRONG:", outcome.verdict, tried.kind, tried.case.source, f"\n{tried.case.text}\nclaim {tried.claim}\n"
            )
        elif outcome.verdict in ("undecided", "kink"):
            told(outcome.verdict, tried.kind, tried.case.source, tried.claim, f"({outcome.reason})")
    told(f"\n{'true' if true else 'false'} claims, {seconds:.0f} s\n{'':34}" + "".join(f"{v:>10}" for v in VERDICTS))
    for kind in sorted({kind for kind, _ in table}):
        told(f"{kind:34}" + "".join(f"{table[kind, v]:10}" for v in VERDICTS))
    told(f"{'all':34}" + "".join(f"{sum(n for (_, w), n in table.items() if w == v):10}" for v in VERDICTS))
    for took, source, claim in sorted(slow, reverse=True)[:5]:
        told(f"{took:6.2f} s  {source}: {claim}")
    return bad > 0


def told(*words):
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
