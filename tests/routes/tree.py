"""Programs as trees of their own, which know how they are spelled: what the random programs are made of.

Nothing here is taken from the package but whether it refuses a spelling for its several readings, and the meaning of a
tree is computed from the tree (`tests.routes.meaning`): what the package reads, derives and runs is compared with what
shares no code with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from einstan.language import ScopeError, parse

Index = tuple[str, str]  # a name, and the dimension that it runs over


@dataclass(frozen=True)
class Num:
    """A number that is not negative."""

    value: Fraction


@dataclass(frozen=True)
class Ext:
    """``|n|``, or ``|x.0|``."""

    of: str


@dataclass(frozen=True)
class Slot:
    """``2i+R-1``: atoms with coefficients, an index, a quotient of one, an extent or an entry of an integer tensor,
    and a constant."""

    atoms: tuple[tuple[Any, int], ...] = ()
    constant: int = 0

    @classmethod
    def of(cls, *names: str, constant: int = 0) -> Slot:
        return cls(tuple((name, 1) for name in names), constant)

    @property
    def plain(self) -> str | None:
        """The index that is the whole slot."""
        if len(self.atoms) == 1 and self.constant == 0 and self.atoms[0][1] == 1:
            atom = self.atoms[0][0]
            return atom if isinstance(atom, str) else None
        return None


@dataclass(frozen=True)
class Whole:
    """``floor(i/2)`` or ``mod(i,2)`` in a slot."""

    operation: str
    index: str
    divisor: int


@dataclass(frozen=True)
class Pos:
    """The value of an index, as a number."""

    index: str


@dataclass(frozen=True)
class Ref:
    """``x[i,2j+R]``, zero outside where it is padded."""

    tensor: str
    slots: tuple[Slot, ...] = ()
    padded: bool = False


@dataclass(frozen=True)
class Delta:
    left: Slot
    right: Slot


@dataclass(frozen=True)
class Test:
    """``1[left < right]``, of slots or of values."""

    left: Any
    relation: str
    right: Any


@dataclass(frozen=True)
class Ones:
    """``1[K]``."""

    index: str


@dataclass(frozen=True)
class Fun:
    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Pow:
    base: Any
    exponent: Fraction


@dataclass(frozen=True)
class Quot:
    top: Any
    bottom: Any


@dataclass(frozen=True)
class Prod:
    factors: tuple[Any, ...]


@dataclass(frozen=True)
class Add:
    """Terms with a sign, 1 or -1, each."""

    terms: tuple[tuple[int, Any], ...]


@dataclass(frozen=True)
class Red:
    """``sum[K](body)`` and its kin; a bare sum is written without the sign where one can see the contraction."""

    operation: str
    indices: tuple[Index, ...]
    body: Any
    bare: bool = False


@dataclass(frozen=True)
class Soft:
    """``softmax[k](body)`` over an index that is in scope."""

    index: Index
    body: Any


@dataclass(frozen=True)
class Line:
    """An equation; ``where`` states extents, by the name of an index."""

    name: str
    free: tuple[Index, ...]
    body: Any
    where: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        slots = f"[{','.join(name for name, _ in self.free)}]" if self.free else ""
        stated = ", ".join(f"|{name}| = {size}" for name, size in self.where)
        bare, signed = (
            f"{self.name}{slots} = {spelled(body, SUM, True)}" + (f" where {stated}" if stated else "")
            for body in (self.body, with_signs(self.body))
        )
        return bare if bare == signed or read(bare) else signed


def children(node: Any) -> tuple[Any, ...]:
    match node:
        case Fun(_, below) | Prod(below):
            return below
        case Pow(base, _):
            return (base,)
        case Quot(top, bottom):
            return top, bottom
        case Add(terms):
            return tuple(term for _, term in terms)
        case Red(body=body) | Soft(body=body):
            return (body,)
        case Test(left, _, right) if not isinstance(left, Slot):
            return left, right
        case _:
            return ()


def with_children(node: Any, below: tuple[Any, ...]) -> Any:
    match node:
        case Fun(name, _):
            return Fun(name, below)
        case Prod():
            return Prod(below)
        case Pow(_, exponent):
            return Pow(below[0], exponent)
        case Quot():
            return Quot(*below)
        case Add(terms):
            return Add(tuple((sign, each) for (sign, _), each in zip(terms, below, strict=True)))
        case Red(operation, indices, _, bare):
            return Red(operation, indices, below[0], bare)
        case Soft(index, _):
            return Soft(index, below[0])
        case Test(_, relation, _) if below:
            return Test(below[0], relation, below[1])
        case _:
            return node


def with_signs(node: Any) -> Any:
    """The tree with no sum left bare."""
    node = with_children(node, tuple(map(with_signs, children(node))))
    return Red(node.operation, node.indices, node.body) if isinstance(node, Red) else node


def read(text: str) -> bool:
    """Whether the notation reads a text, or refuses it as one of several readings: then the signs are written."""
    try:
        parse(text)
    except ScopeError:
        return False
    return True


def nodes(node: Any) -> list[Any]:
    """A tree's nodes, the entries of integer tensors in slots among them."""
    found, queue = [], [node]
    while queue:
        here = queue.pop()
        found.append(here)
        queue += children(here)
        slots = here.slots if isinstance(here, Ref) else (here.left, here.right) if isinstance(here, Delta) else ()
        slots += (here.left, here.right) if isinstance(here, Test) and isinstance(here.left, Slot) else ()
        queue += [atom for slot in slots for atom, _ in slot.atoms if not isinstance(atom, str)]
    return found


# ---- spelling --------------------------------------------------------------------------------------------------------

SUM, PRODUCT, FACTOR, ATOM = range(4)  # how tightly what stands around holds


def slot_text(slot: Slot) -> str:
    text = ""
    for atom, coefficient in slot.atoms:
        name = atom if isinstance(atom, str) else spelled(atom, ATOM)
        sign = "-" if coefficient < 0 else "+" if text else ""
        text += f"{sign}{abs(coefficient) if abs(coefficient) != 1 else ''}{name}"
    if slot.constant or not text:
        text += f"{slot.constant:+d}" if text else str(slot.constant)
    return text


def seen(node: Red) -> bool:
    """Whether a person sees the contraction: every index stands in two factors, or in a square."""
    factors = node.body.factors if isinstance(node.body, Prod) else (node.body,)
    counts = dict.fromkeys((name for name, _ in node.indices), 0)
    for factor in factors:
        base, weight = (factor.base, 2) if isinstance(factor, Pow) and factor.exponent == 2 else (factor, 1)
        if not isinstance(base, Ref) or base.padded:
            return False
        for name in {atom for slot in base.slots for atom, _ in slot.atoms if isinstance(atom, str)}:
            if name in counts:
                counts[name] += weight
    return node.operation == "sum" and all(count >= 2 for count in counts.values())


def spelled(node: Any, level: int = SUM, bare: bool = False) -> str:
    """The text of a tree inside something that holds it as tightly as ``level``; ``bare`` where a sum needs no sign."""
    text, own = _spelled(node, bare)
    return text if own >= level else f"({text})"


def _spelled(node: Any, bare: bool) -> tuple[str, int]:
    match node:
        case Num(value):
            return str(value), ATOM if value.denominator == 1 else PRODUCT
        case Ext(of):
            return f"|{of}|", ATOM
        case Pos(index):
            return index, ATOM
        case Whole("floor", index, divisor):
            return f"floor({index}/{divisor})", ATOM
        case Whole(operation, index, divisor):
            return f"{operation}({index},{divisor})", ATOM
        case Ref(tensor, slots, padded):
            text = tensor + (f"[{','.join(map(slot_text, slots))}]" if slots else "")
            return (f"pad({text})", ATOM) if padded else (text, ATOM)
        case Delta(left, right):
            return f"δ[{slot_text(left)},{slot_text(right)}]", ATOM
        case Test(left, relation, right):
            sides = [slot_text(s) if isinstance(s, Slot) else spelled(s, SUM) for s in (left, right)]
            return f"1[{sides[0]} {relation} {sides[1]}]", ATOM
        case Ones(index):
            return f"1[{index}]", ATOM
        case Fun(name, arguments):
            return f"{name}({', '.join(spelled(a, SUM, True) for a in arguments)})", ATOM
        case Pow(base, exponent):
            power = str(exponent) if exponent.denominator == 1 and exponent >= 0 else f"({exponent})"
            return f"{spelled(base, ATOM)}^{power}", FACTOR
        case Quot(top, bottom):
            return f"{spelled(top, FACTOR)} / {spelled(bottom, ATOM)}", PRODUCT
        case Prod(factors):
            return _product(factors), PRODUCT
        case Add(terms):
            text = ""
            for sign, term in terms:
                text += (" + " if sign > 0 else " - ") if text else ("" if sign > 0 else "-")
                text += spelled(term, PRODUCT, bare)
            return text, SUM
        case Red(operation, indices, body, wanted):
            if wanted and bare and seen(node):
                text, own = _spelled(body, False)
                return text, min(own, PRODUCT)
            return f"{operation}[{','.join(name for name, _ in indices)}]({spelled(body)})", ATOM
        case Soft((name, _), body):
            return f"softmax[{name}]({spelled(body)})", ATOM
        case _:
            raise AssertionError(node)


def _goes_on(factors: tuple[Any, ...]) -> bool:
    """Whether a fraction in front is a coefficient to everybody: extents alone behind it may be below, too."""
    return any(not isinstance(factor, Num | Ext) for factor in factors[1:])


def _product(factors: tuple[Any, ...]) -> str:
    """A number, or one over an extent, may stand in front without brackets."""
    texts = []
    for place, factor in enumerate(factors):
        match factor:
            case Num() if place == 0 and len(factors) > 1:
                texts.append(str(factor.value))
            case Quot(Num(one), Ext(of)) if place == 0 and one.denominator == 1 and _goes_on(factors):
                texts.append(f"{one}/|{of}|")
            case Num() if place:  # in brackets at the end it would be the number of an equation
                texts.append(f"* {factor.value}" if factor.value.denominator == 1 else f"* ({factor.value})")
            case Num():
                texts.append(f"({factor.value})")
            case _:
                texts.append(spelled(factor, FACTOR))
    return " ".join(texts)
