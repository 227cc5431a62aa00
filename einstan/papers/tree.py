"""The tree of a formula as it is typed: what stands where, before anybody asks what the names mean."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, is_dataclass

from einstan.papers.tex import Token, written

Part = tuple[Token, ...]  # what stands between two commas of a subscript


@dataclass(frozen=True)
class Symbol:
    r"""A name with what is set around it: ``\hat{\mathbf{x}}^{(l)}_{ij}`` is the base x_hat in bold, the label l and
    one part ij below."""

    base: str
    font: str = ""
    label: str = ""
    below: tuple[Part, ...] = ()
    primes: int = 0

    def __str__(self) -> str:
        inside = ",".join(written(part) for part in self.below)
        below = f"_{{{inside}}}" if inside else ""
        return f"{self.name}{below}{chr(39) * self.primes}"

    @property
    def typed(self) -> str:
        """The name as a text of TeX, which is read as this one."""
        base, _, mark = self.base.partition("_")
        base = r"\ell" if base == "ell" else rf"\mathrm{{{base}}}" if len(base) > 1 else base
        base = rf"\mathbf{{{base}}}" if self.font == "bold" else base
        inside = ",".join(written(part) for part in self.below)
        if mark in ("hat", "bar", "tilde", "dot", "ddot", "check", "breve", "vec"):
            base = rf"\{mark}{{{base}}}"
        elif mark:
            base += "^*" if mark == "star" else rf"_{{\mathrm{{{mark}}}}}"
        label = f"^{{({self.label})}}" if self.label else ""
        return f"{base}{label}{f'_{{{inside}}}' * bool(inside)}{chr(39) * self.primes}"

    @property
    def name(self) -> str:
        """The base with its label."""
        return f"{self.base}^({self.label})" if self.label else self.base


@dataclass(frozen=True)
class Number:
    text: str


@dataclass(frozen=True)
class Addition:
    terms: tuple[tuple[int, Node], ...]  # a sign and a term


@dataclass(frozen=True)
class Product:
    factors: tuple[tuple[str, Node], ...]  # the sign in front, "" where factors stand side by side


@dataclass(frozen=True)
class Fraction:
    above: Node
    below: Node


@dataclass(frozen=True)
class Power:
    base: Node
    exponent: Node


@dataclass(frozen=True)
class Transposed:
    """What is turned round; by the ``letter`` T, which may be the power T of a number, or by a sign."""

    base: Node
    letter: bool = False


@dataclass(frozen=True)
class Group:
    """Brackets with one expression in them, or several parted by commas."""

    bracket: str
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Call:
    function: Symbol
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Entry:
    """What has a subscript and is no name: ``(A B)_{ij}``, ``S(z)_j``."""

    body: Node
    below: tuple[Part, ...]


@dataclass(frozen=True)
class Reduction:
    r"""``\sum_{k=1}^{K}`` and its like with what they run over."""

    sign: str
    below: Part
    above: Part
    body: Node


@dataclass(frozen=True)
class Derivative:
    above: Node
    below: tuple[Node, ...]


@dataclass(frozen=True)
class Gradient:
    r"""``\nabla_W L``."""

    wrt: Node
    of: Node


@dataclass(frozen=True)
class Norm:
    body: Node
    kind: str = ""


@dataclass(frozen=True)
class Absolute:
    body: Node


@dataclass(frozen=True)
class Inner:
    left: Node
    right: Node


@dataclass(frozen=True)
class Compared:
    """``a < b <= c``."""

    sides: tuple[Node, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True)
class Indicator:
    condition: Compared


@dataclass(frozen=True)
class Cases:
    """Values, each with its condition; the last may have none, and stands for all else."""

    rows: tuple[tuple[Node, Compared | None], ...]


@dataclass(frozen=True)
class Listed:
    """A vector or a matrix by the entry at its ``letters``, each with what it runs up to; ``row`` is as in a value."""

    entry: Node
    letters: tuple[str, ...]
    uppers: tuple[str, ...]
    row: bool | None = False


@dataclass(frozen=True)
class Written:
    """A matrix or a vector that is written out by its entries; without rows where dots leave some of them out."""

    rows: tuple[tuple[Node, ...], ...] = ()


Node = (
    Symbol | Number | Addition | Product | Fraction | Power | Transposed | Group | Call | Entry | Reduction | Derivative
    | Gradient | Listed | Norm | Absolute | Inner | Compared | Indicator | Cases | Written
)  # fmt: skip


def mentions(node: object, letters: Collection[str]) -> bool:
    """Whether one of these letters stands somewhere in a tree."""
    if isinstance(node, str):
        return node in letters
    parts = node if isinstance(node, tuple) else [getattr(node, each.name) for each in fields(node)]  # type: ignore[arg-type]
    return any(mentions(part, letters) for part in parts if isinstance(part, str | tuple) or is_dataclass(part))


def letters_of(node: Node) -> list[str]:
    """The letters of an exponent that is a label, ``L`` and ``l-1``."""
    match node:
        case Symbol(base):
            return ["\\ell" if base == "ell" else base]
        case Addition(terms):
            return [letter for _, term in terms for letter in letters_of(term)]
        case _:
            return []
