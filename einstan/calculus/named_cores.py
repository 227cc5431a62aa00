"""Named cores: what a derivative contracts on the way, each an equation of its own and each once.

A core that is another one with its axes turned is that one: ``dHdA[n,j,k]`` also stands where its transpose is met.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

from einstan.calculus.canonical import canonical
from einstan.calculus.collect import shortest, size
from einstan.calculus.digits import PLAIN, Known
from einstan.calculus.naming import Behind, derived_equation
from einstan.calculus.partial import scalars
from einstan.calculus.program import Program
from einstan.calculus.ranges import Ranges
from einstan.language.index import Index, fresh_name, lowered, slot
from einstan.language.node import postorder
from einstan.language.term import Equation, Expr, Indexed, Name, Reduce, Sum, substitute

LONG = 40  # a core that is longer to read than this gets a name, contraction or not


class NamedCores:
    """The cores that have names, behind the equations that are there already."""

    def __init__(self, program: Program, stated: Sequence[Behind], ranges: Ranges, digits: Known = PLAIN) -> None:
        self.known = list(program.equations)
        self.taken, self.stated, self.ranges = set(map(str, program.ranks)), stated, ranges
        self.digits = digits
        self.scalars = scalars(*program.equations)
        self.equations: list[Equation] = []
        self._made: dict[Expr, tuple[str, tuple[int, ...]]] = {}  # by what they are; the order of their axes

    def access(self, wanted: str, own: tuple[Index, ...], core: Expr) -> Indexed:
        """The core by its name, which is ``wanted`` or that with a number where the core is new."""
        chosen = letters(own, self.scalars)
        rhs = shortest(renamed(core, own, chosen), known=self.digits)
        for known in self.known:  # perhaps an earlier derivative has it
            alike = str(known.name).rstrip("0123456789") == wanted.rstrip("0123456789")
            if alike and self._equation(known.name, chosen, rhs) is known:
                return Indexed(known.name, tuple(map(slot, own)))
        arrangements = _arrangements(own)
        for arranged in arrangements:
            found = self._made.get(_plainly(core, arranged))
            if found is not None:
                name, positions = found
                slots = dict(zip(positions, arranged, strict=True))
                return Indexed(name, tuple(slot(slots[k]) for k in range(len(own))))
        # `dU` has the axes of `U`: a core of another shape must not look like the gradient of another tensor.
        gradients = {f"d{name}" for name in self.taken} | {name[1:] for name in self.taken if name[0] == "d"}
        name = fresh_name(wanted, self.taken | gradients)
        self.taken.add(name)
        self._made[_plainly(core, arrangements[0])] = name, tuple(own.index(i) for i in arrangements[0])
        self.equations.append(self._equation(name, chosen, rhs))
        self.ranges.learn(name, chosen)
        return Indexed(name, tuple(map(slot, own)))

    def _equation(self, name: Name, indices: tuple[Index, ...], rhs: Expr) -> Equation:
        return derived_equation(name, indices, rhs, self.stated, ranges=self.ranges)


def is_worth_naming(core: Expr) -> bool:
    """Whether a core holds a contraction, which another product around it would repeat, or is long to read."""
    return any(isinstance(node, Sum | Reduce) for node in postorder(core)) or size(core) > LONG


def _arrangements(own: Sequence[Index]) -> list[tuple[Index, ...]]:
    """Orders of indices in which two cores may be the same: by dimension, those of one dimension in every order."""
    by_dimension: dict[str, list[Index]] = {}
    for index in sorted(own, key=lambda i: i.dim):
        by_dimension.setdefault(index.dim, []).append(index)
    if any(len(alike) > 3 for alike in by_dimension.values()):
        return [tuple(i for alike in by_dimension.values() for i in alike)]
    orders = itertools.product(*(itertools.permutations(alike) for alike in by_dimension.values()))
    return [tuple(i for alike in order for i in alike) for order in orders]


def _plainly(core: Expr, own: Sequence[Index]) -> Expr:
    """A core without letters of its own."""
    return canonical(renamed(core, own, [Index(f"x{k}", i.dim) for k, i in enumerate(own)]))


def letters(own: Sequence[Index], scalars: Collection[str] = ()) -> tuple[Index, ...]:
    """Readable letters for the indices of a core: their own, or the next ones that are free; none names a scalar."""
    taken = set(scalars)
    found: list[Index] = []
    for index in own:
        letter = lowered(stem(index))
        following = (chr(c) for c in (*range(ord(letter[0]), ord("z") + 1), *range(ord("a"), ord(letter[0]))))
        name = letter if letter not in taken else next((c for c in following if c not in taken), "")
        name = name or fresh_name(letter, taken)
        taken.add(name)
        found.append(Index(name, index.dim))
    return tuple(found)


def renamed(expr: Expr, old: Sequence[Index], new: Sequence[Index]) -> Expr:
    """An expression with other indices."""
    return substitute(expr, dict(zip(old, new, strict=True)))


def stem(index: Index) -> str:
    """The name of an index without the numbers and strokes that keep it apart."""
    return index.name.rstrip("0123456789'") or index.name
