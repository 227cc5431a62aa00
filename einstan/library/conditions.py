"""Under what a wrong claim would hold: what authors mean of a tensor and leave unsaid, as assumptions to paste.

`SHAPES` is what is looked for, the weaker before the stronger, of every tensor that the claim rests on.  Points at
which they hold, made and looked at in floats, leave few of them; of these the first is told under which the checker
itself finds the claim true.  One that says what the claim says, or makes zeros of what it speaks of, is not told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, islice, permutations, product

from einstan.calculus.alpha import pattern
from einstan.calculus.canonical import canonical
from einstan.calculus.program import Assumption, Identity, Program
from einstan.calculus.simplify import simplify, simplify_sum
from einstan.language import parse_document
from einstan.language.dims import axis
from einstan.language.errors import EinstanError
from einstan.language.index import Index, capitalised, fresh_name, lowered
from einstan.language.node import Node, preorder
from einstan.language.statement import Claim, Document
from einstan.language.term import ZERO, Apply, Equation, Expr, Extent, Indexed, Iverson, neg, tensors
from einstan.library.part import Part
from einstan.library.questions import THE_CLAIM, Question, names_read, program_of, question, sides_of
from einstan.machine.evidence.verify import plausible
from einstan.machine.sizes.guards import index_tensors

MOST, LONG = 60, 600  # assumptions that are tried, and equations that are worked out for one of them after the other
HELD = 4  # that are plausible, after which no other is tried
LETTERS = "ijklmnpq"


@dataclass(frozen=True)
class Shape:
    """Assumptions about a tensor A and so many of its axes, i and j; those of a ``square`` are equally long."""

    lines: str
    axes: int = 0
    square: bool = False
    shared: bool = False  # whether it is likely to be meant of two tensors at once
    marked: bool = False  # whether it leaves entries few values, which nobody means of a number or below a function


POSITIVE = Shape("A > 0", shared=True)
SHAPES = (
    Shape("sum[I](A[I]) = 1", 1),
    POSITIVE,
    Shape("A[i,j] = A[j,i]", 2, square=True, shared=True),
    Shape("A[i,j] = -A[j,i]", 2, square=True),
    Shape("sum[I](A[I]) = 0", 1),
    Shape("A^2 = A", marked=True),
    Shape("A^2 = 1", marked=True),
    Shape("A[I]^2 = 1", 1, marked=True),
    Shape("A^2 = A ; sum[I](A[I]) = 1", 1, marked=True),
    Shape("A[K,i] A[K,j] = δ[i,j]", 2),
    Shape("A[i,K] A[K,j] = A[i,j]", 2, square=True),
    Shape("A[i,K] A[K,j] = δ[i,j]", 2, square=True),
    Shape("A[i,j] = δ[i,j] A[i,i]", 2, square=True),
    Shape("A[i,j] = R[K,i] R[K,j]", 2, square=True),
)
INVERSES = "A[i,K] B[K,j] = δ[i,j]"
_PART = re.compile(r"\b([AB])\b(?:\[([^]]*)\])?|\b[ijKIR]\b")  # an access, a letter, the name of a root


@dataclass(frozen=True)
class _Tensor:
    """A tensor, its letters in the text, and the classes of its axes."""

    name: str
    letters: tuple[str, ...]
    dims: tuple[str, ...]


def conditions(claim: Claim, part: Part, holds: Callable[[Claim, Part], bool]) -> tuple[str, ...]:
    """The lines of assumptions under which a refuted claim would hold, as ``holds`` judges; none if none is found."""
    asked, known = question(claim, part), {(rule.lhs, rule.rhs) for rule in part.document.assumptions}
    sides, program, zero = sides_of(asked), program_of(asked), ZERO in (simplify(asked.left), simplify(asked.right))
    claimed = {_pattern(asked.left, asked.right), _pattern(asked.right, asked.left)}
    tries, most = 0, min(MOST, LONG // (len(program) + 1))
    for text in islice(_candidates(asked, claim, part.document), most):
        try:
            added = parse_document(text)
            rules = _resolved(asked, added.assumptions)
            if known & {(rule.lhs, rule.rhs) for rule in added.assumptions}:
                continue
            if not plausible(*sides, program, (*asked.assumptions, *rules), zero):
                continue
            if claimed & {_pattern(rule.lhs, rule.rhs) for rule in rules}:
                continue  # it says what the claim says
            tries += 1
            if tries > HELD:
                break
            if holds(claim, Part(Document((*part.document.statements, *added.statements)))):
                return tuple(text.splitlines())
        except EinstanError:
            continue  # of what cannot be met
    return ()


def _pattern(lhs: Expr, rhs: Expr) -> Node:
    return pattern(canonical(simplify_sum((lhs, neg(rhs)))))[0]


def _resolved(asked: Question, rules: Sequence[Claim]) -> tuple[Assumption, ...]:
    """The assumptions in the dimensions of the question; an extent is that of its letter in the claim."""
    if any(tensors(rule.lhs, rule.rhs) for rule in rules):
        return Program(_whole(asked), rules).resolved_assumptions()
    letters = _lettered(asked)
    sides = ((rule.lhs, rule.rhs) for rule in rules)
    own = {letter: Extent(Index(letter, dim)) for letter, dim in letters.items()}
    return tuple(Identity(*(own[side.index.name] for side in pair if isinstance(side, Extent))) for pair in sides)


def _whole(asked: Question) -> tuple[Equation, ...]:
    """The definitions, and the claim as one of them."""
    free = {index.name: index for side in (asked.left, asked.right) for index in side.free}
    line = Equation(THE_CLAIM, tuple(free.values()), Apply("=", (asked.left, asked.right)), asked.where)
    return (*program_of(asked).equations, line)


def _lettered(asked: Question) -> dict[str, str]:
    """The dimension of each letter of the claim."""
    nodes = preorder(asked.left, asked.right)
    found = (node.index if isinstance(node, Extent) else node for node in nodes if isinstance(node, Index | Extent))
    return {lowered(index.name): index.dim for index in found if index.name.isalnum()}


# ---- what is tried ---------------------------------------------------------------------------------------------------


def _candidates(asked: Question, claim: Claim, document: Document) -> Iterator[str]:
    """Texts of assumptions: each shape of one tensor, then of the extents, then of two tensors."""
    found = list(islice(_tensors(asked, claim, document), MOST))
    names = {tensor.name for tensor in found}
    tied = set(map(str, tensors(*(side for rule in asked.assumptions for side in (rule.lhs, rule.rhs)))))
    plain = not any(map(_is_function, _read(asked)))
    of_two: list[Iterator[str]] = []
    for shape in SHAPES:
        fit = [t for t in found if t.name not in tied or shape is POSITIVE]  # of others points are hard to find
        if shape.marked:
            fit = [t for t in fit if t.letters and plain]
        own = [[_text(shape.lines, {"A": (t, axes)}, names) for axes in islice(_axes(shape, t), MOST)] for t in fit]
        yield from (text for texts in own for text in texts)
        if shape.shared:
            of_two.append("\n".join(pair) for a, b in combinations(own, 2) for pair in product(a, b))
    yield from chain.from_iterable(of_two)
    for one, other in permutations((t for t in found if len(t.letters) == 2), 2):
        for ours, theirs in product(((0, 1), (1, 0)), repeat=2):
            if [one.dims[k] for k in ours] == [other.dims[k] for k in reversed(theirs)]:
                yield _text(INVERSES, {"A": (one, ours), "B": (other, theirs)}, names)
    letters = _lettered(asked)
    for first, second in combinations(letters, 2):
        if letters[first] != letters[second]:
            yield f"assume |{first}| = |{second}|"


def _is_function(node: Node) -> bool:
    """Whether it is more than a sum, a product or a power."""
    return (isinstance(node, Apply) and node.function != "pow") or (isinstance(node, Iverson) and bool(node.relations))


def _read(asked: Question) -> Iterator[Node]:
    """What either side is made of, and the definitions that it rests on."""
    yield from preorder(asked.left, asked.right, *(equation.rhs for equation in asked.definitions.values()))


def _axes(shape: Shape, tensor: _Tensor) -> Iterator[tuple[int, ...]]:
    for axes in permutations(range(len(tensor.letters)), shape.axes):
        alike = len({tensor.dims[k] for k in axes}) < len(axes)
        if (alike or not shape.square) and (not alike or axes == tuple(sorted(axes))):
            yield axes


def _tensors(asked: Question, claim: Claim, document: Document) -> Iterator[_Tensor]:
    """The tensors of numbers that are given, and that either side rests on."""
    whole = Program(_whole(asked))
    read = names_read(asked)
    texts = (claim.lhs, claim.rhs, *(equation.rhs for equation in document.equations))
    for name, rank in whole.inputs.items():
        if rank < 0 or name in index_tensors(whole.equations) or name not in read or not str(name).isidentifier():
            continue
        letters = tuple(LETTERS[:rank])
        for node in preorder(*texts):
            if isinstance(node, Indexed) and node.tensor == name:
                own = tuple(lowered(form.index.name) for form in node.slots if form.index is not None)
                if len(set(own)) == rank:
                    letters = own
                    break
        yield _Tensor(str(name), letters, tuple(whole.dims.find(axis(name, k)) for k in range(rank)))


def _text(lines: str, chosen: dict[str, tuple[_Tensor, tuple[int, ...]]], names: set[str]) -> str:
    """A shape in the names and letters of tensors, its i and j those of the chosen axes of A."""
    tensor, axes = chosen["A"]
    letters = dict(zip("ij", (tensor.letters[k] for k in axes), strict=False))
    taken = set(tensor.letters)
    letters["K"] = capitalised(next(letter for letter in "klmpq" if letter not in taken))
    letters["R"] = fresh_name("R", names)
    letters |= {"I": capitalised(letters.get("i", "i"))}

    def spelled(match: re.Match[str]) -> str:
        if match[1] is None:
            return letters[match[0]]
        own, places = chosen[match[1]]
        slots = list(own.letters)
        for k, letter in zip(places, (match[2] or "").split(","), strict=False):
            slots[k] = letters.get(letter, slots[k])
        return f"{own.name}[{','.join(slots)}]" if slots else own.name

    return "\n".join("assume " + _PART.sub(spelled, line.strip()) for line in lines.split(";"))
