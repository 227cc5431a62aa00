r"""Matrices as they are written without indices: an equation back from its index form, where it is one of matrices.

Z[n,j] = X[n,K] W[K,j]           \mathbf{Z} = \mathbf{X} \mathbf{W}
dL/dW[k,j] = X[N,k] dL/dZ[N,j]   \nabla_{\mathbf{W}} L = \mathbf{X}^\top \nabla_{\mathbf{Z}} L
E = x[I] A[I,J] y[J]             E = \mathbf{x}^\top \mathbf{A} \mathbf{y}

A factor with two indices joins them, one with one index ends there: a product is a set of paths, from the row to the
column of what it is an entry of, or from one vector to another, or a ring, which is a trace.  What is no path has no
such form, and keeps its indices.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from einstan.language.commands import ACCENTS
from einstan.language.functions import FUNCTIONS
from einstan.language.index import Affine, Index, slot
from einstan.language.latex import latex, symbol
from einstan.language.mathml import APPLY, row_of
from einstan.language.mathml import symbol as symbol_in_mathml
from einstan.language.node import Node
from einstan.language.statement import Claim
from einstan.language.sugar import as_softmax
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
    Sum,
    is_reciprocal,
    mul,
    neg,
)

SUM, ENTRYWISE, PRODUCT, ATOM = 0, 1, 2, 3
MOST = 30  # factors of a product
_MARKED = re.compile(r"([^\W\d_]+?)_?((?<=_)[^\W_]+|\d+)")


class NoMatrixError(Exception):
    """It is no equation of matrices, or not one that people write without indices."""


class Text(NamedTuple):
    text: str
    level: int = ATOM


@dataclass(frozen=True)
class Spelling:
    """How the parts are written: templates, and functions where a name or a number is asked for."""

    number: Callable[[Node], str]
    name: Callable[[str, bool], str]  # in bold or not
    call: Callable[[str, Sequence[str]], str]
    transposed: str
    brackets: str
    group: str  # what holds a name with a label together
    operator: str
    square: str
    fraction: str
    power: str
    gradient: str
    dot: str  # between entries
    plus: str
    minus: str
    apart: str  # between factors
    equals: str


def _named(name: str, bold: bool) -> str:
    r"""A name with what belongs to it beside: ``\hat{\mathbf{y}}``, ``\mathbf{W}_{\mathrm{hh}}``."""
    base, label, rest = name.partition("^(")
    letter, mark = found.groups("") if (found := _MARKED.fullmatch(base)) else (base, "")
    font = "mathbf" if letter.isascii() else "boldsymbol"
    text = symbol(letter) if not (bold and letter.isascii()) else letter
    text = rf"\{font}{{{text}}}" if bold else text
    if mark in ACCENTS:
        text = rf"\{mark}{{{text}}}"
    elif mark:
        text += "^*" if mark == "star" else f"_{{{mark}}}" if mark.isdigit() else rf"_{{\mathrm{{{mark}}}}}"
    return text + (f"^{{({rest[:-1]})}}" if label else "")


def _named_in_mathml(name: str, bold: bool) -> str:
    return f'<mrow style="font-weight:bold">{symbol_in_mathml(name)}</mrow>' if bold else symbol_in_mathml(name)


LATEX = Spelling(
    number=lambda node: latex(node, sums=True),
    name=_named,
    call=lambda name, arguments: FUNCTIONS[name].latex.format(*arguments),
    transposed=r"{0}^\top",
    brackets=r"\left({0}\right)",
    group="{{{0}}}",
    operator=r"\operatorname{{{0}}}\left({1}\right)",
    square=r"\|{0}\|^2",
    fraction=r"\frac{{{0}}}{{{1}}}",
    power="{0}^{{{1}}}",
    gradient=r"\nabla_{{{0}}} {1}",
    dot=r" \odot ",
    plus=" + ",
    minus=" - ",
    apart=" ",
    equals=" = ",
)
MATHML = Spelling(
    number=lambda node: row_of(node, sums=True),
    name=_named_in_mathml,
    call=lambda name, arguments: (
        f"<mi>{escape(name)}</mi>{APPLY}<mrow><mo>(</mo>{'<mo>,</mo>'.join(arguments)}<mo>)</mo></mrow>"
    ),
    transposed="<msup><mrow>{0}</mrow><mo>⊤</mo></msup>",
    brackets="<mrow><mo>(</mo>{0}<mo>)</mo></mrow>",
    group="{0}",
    operator="<mi>{0}</mi><mrow><mo>(</mo>{1}<mo>)</mo></mrow>",
    square="<msup><mrow><mo>‖</mo>{0}<mo>‖</mo></mrow><mn>2</mn></msup>",
    fraction="<mfrac><mrow>{0}</mrow><mrow>{1}</mrow></mfrac>",
    power="<msup><mrow>{0}</mrow><mrow>{1}</mrow></msup>",
    gradient="<msub><mo>∇</mo>{0}</msub>{1}",
    dot="<mo>⊙</mo>",
    plus="<mo>+</mo>",
    minus="<mo>−</mo>",
    apart='<mspace width="0.17em"/>',
    equals="<mo>=</mo>",
)


def as_matrices(content: object, axes: Sequence[str], row: bool = False, spelling: Spelling = LATEX) -> str:
    """An equation or a claim without its indices, whose axes have these letters, or "" where it has no such form.

    With ``row`` the one axis is that of a row.
    """
    sides: tuple[Expr, Expr]
    match content:
        case Equation(lhs=left, rhs=right) if not content.where:
            sides = left, right
        case Claim(lhs=left, rhs=right) if not content.stated:
            sides = left, right
        case _:
            return ""
    places = {index.name: index for side in sides for index in side.free}
    if set(places) != set(axes) or len(axes) > 2:
        return ""
    writer = _Writer(spelling)
    try:
        texts = [writer.entry(side, *(places[letter] for letter in axes)) for side in sides]
    except (NoMatrixError, RecursionError):
        return ""
    return spelling.equals.join((writer.turned(text) if row else text).text for text in texts)


@dataclass(frozen=True)
class _Writer:
    spelling: Spelling

    def bold(self, name: str) -> str:
        return self.spelling.name(name, True)

    def entry(self, expr: Expr, row: Index | None = None, column: Index | None = None) -> Text:
        """The matrix, column or number that has this entry."""
        match expr:
            case Add(terms=terms):
                return self.added(terms, row, column)
            case Mul() | Sum():
                return self.product(expr, row, column)
            case Apply(function="pow"):
                return self.power(expr, row, column)
            case Apply(function="exp") if column is None and (found := as_softmax(expr)) and found[1] is row:
                return Text(self.spelling.operator.format("softmax", self.entry(found[0], row).text))
            case Apply(function="abs") if row is not None:  # bars around a vector are its length
                raise NoMatrixError
            case Apply(function=function, arguments=arguments) if arguments:
                inside = [self.entry(argument, row, column).text for argument in arguments]
                return Text(self.spelling.call(function, inside), ATOM if row is None else PRODUCT)
        if isinstance(expr, Indexed) and not expr.slots and isinstance(expr.tensor, str) and row is None:
            return Text(self.spelling.name(expr.tensor, False))
        if isinstance(expr, Const | Extent) or (isinstance(expr, Indexed) and not expr.slots):
            if row is not None and expr not in (Const(0), Const(1)):
                raise NoMatrixError
            ones = row is not None and expr == Const(1)
            if ones and column is not None:
                raise NoMatrixError
            return Text(self.bold("1") if ones else self.spelling.number(expr))
        if isinstance(expr, Apply):
            return Text(self.spelling.number(expr))  # π
        name, slots = self.named(expr)
        wanted = tuple(index for index in (row, column) if index is not None)
        if slots == wanted:
            return name
        if slots == wanted[::-1] and len(slots) == 2:
            return name if isinstance(expr, Delta) else self.turned(name)
        raise NoMatrixError

    def named(self, expr: Expr) -> tuple[Text, tuple[Index, ...]]:
        """The name of a tensor, and its indices: each a plain one of its own."""
        match expr:
            case Indexed(tensor=Partial(of=of, rank=0, wrt=((wrt, _),)), slots=slots):
                of_what = self.spelling.name(of, False)
                name = Text(self.spelling.gradient.format(self.bold(wrt), of_what), ENTRYWISE)
            case Indexed(tensor=str(tensor), slots=slots):
                name = Text(self.bold(tensor))
            case Delta(left=left, right=right):
                name, slots = Text(self.bold("I")), (left, right)
            case Iverson(operands=operands, relations=()):
                name, slots = Text(self.bold("1")), operands  # type: ignore[assignment]
            case _:
                raise NoMatrixError
        plain = tuple(slot.index for slot in slots if isinstance(slot, Affine) and slot.index is not None)
        if len(plain) != len(slots) or len(set(plain)) != len(plain):
            raise NoMatrixError
        return name, plain

    def bracketed(self, text: Text, level: int) -> str:
        return text.text if text.level >= level else self.spelling.brackets.format(text.text)

    def turned(self, text: Text) -> Text:
        inside = self.bracketed(text, ATOM)
        return Text(self.spelling.transposed.format(self.spelling.group.format(inside) if "^" in inside else inside))

    def added(self, terms: Sequence[Expr], row: Index | None, column: Index | None) -> Text:
        pieces: list[str] = []
        for k, term in enumerate(terms):
            negative = isinstance(term, Mul) and isinstance(term.factors[0], Const) and term.factors[0].value < 0
            text = self.entry(neg(term) if negative else term, row, column)
            sign = self.spelling.minus if negative else self.spelling.plus if k else ""
            pieces += [sign.strip() if not k else sign, self.bracketed(text, ENTRYWISE)]
        return Text("".join(pieces), SUM)

    def power(self, expr: Apply, row: Index | None, column: Index | None) -> Text:
        base, exponent = expr.arguments
        if exponent.free or (row is not None and exponent != Const(2)):
            raise NoMatrixError
        below = self.entry(base, row, column)
        if is_reciprocal(expr):
            return Text(self.spelling.fraction.format("1", below.text))
        inside = self.bracketed(below, ATOM)
        if row is not None:
            return Text(f"{inside}{self.spelling.dot}{inside}", ENTRYWISE)
        return Text(self.spelling.power.format(inside, self.entry(exponent).text))

    # ---- products ----------------------------------------------------------------------------------------------------

    def product(self, expr: Expr, row: Index | None, column: Index | None) -> Text:
        factors, summed = _flat(expr)
        if len(factors) > MOST:
            raise NoMatrixError
        numbers = [factor for factor in factors if not factor.free]
        pieces = [self.joined(part, row, column, summed) for part in _parts(factors, summed)]
        text = self.combined([text for text, _ in pieces], [ends for _, ends in pieces], row, column)
        return self.scaled(numbers, text, row is None)

    def joined(
        self, factors: list[Expr], row: Index | None, column: Index | None, summed: Sequence[Index]
    ) -> tuple[Text, tuple[Index, ...]]:
        """Factors that hang together by what is summed, along their path; and which of row and column it has."""
        both = [index for index in (row, column) if index is not None]
        ends = [index for index in both if any(index in factor.free for factor in factors)]
        factors = _together(factors, summed)
        counts = Counter(index for factor in factors for index in factor.free)
        if any(len(factor.free) > 2 for factor in factors) or any(counts[index] > 1 for index in ends):
            raise NoMatrixError
        alone = [index for index in counts if index in summed and counts[index] == 1]
        if any(count > 2 for count in counts.values()) or any(i not in ends and i not in summed for i in counts):
            raise NoMatrixError
        # A sum over one index of one factor is a product with ones.
        left = [*factors, *(Iverson((slot(index),)) for index in alone)]
        vectors = [factor for factor in left if len(factor.free) == 1]
        if len(left) == 1 and {*left[0].free} == {*ends}:
            return self.entry(left[0], *ends), tuple(ends)
        start: Index | None = ends[0] if ends else None
        path: list[str] = []
        first = ""
        if start is None and vectors:
            left.remove(vectors[0])
            (start,) = vectors[0].free
            first = self.bracketed(self.entry(vectors[0], start), ATOM)
        ring = start is None
        if start is None:
            start = left[0].free[0]
        at, last = start, ""
        while left:
            factor = next((factor for factor in left if at in factor.free), None)
            if factor is None:
                raise NoMatrixError
            left.remove(factor)
            if len(factor.free) == 1:
                last = self.bracketed(self.entry(factor, at), ATOM if first and not path else PRODUCT)
                break
            other = next(index for index in factor.free if index is not at)
            path.append(self.bracketed(self.entry(factor, at, other), PRODUCT))
            at = other
        if left:
            raise NoMatrixError
        path = [text for text in path if text != self.bold("I")] or path[: not (first or last)]
        if ring:
            return Text(self.spelling.operator.format("tr", self.spelling.apart.join(path))), ()
        if first and first == last and not path:
            return Text(self.spelling.square.format(self.entry(vectors[0], vectors[0].free[0]).text)), ()
        whole = [*([self.spelling.transposed.format(first)] if first else []), *path, *([last] if last else [])]
        return Text(self.spelling.apart.join(whole), PRODUCT if len(whole) > 1 else ATOM), tuple(ends)

    def combined(
        self,
        texts: list[Text],
        ends: list[tuple[Index, ...]],
        row: Index | None,
        column: Index | None,
    ) -> Text | None:
        """Paths beside each other: entrywise where their ends are the same, an outer product of a column and a row."""
        kinds = {kind: [t for t, e in zip(texts, ends, strict=True) if e == kind] for kind in dict.fromkeys(ends)}
        numbers = kinds.pop((), [])
        made = {kind: self.entrywise(each) for kind, each in kinds.items()}
        both = tuple(index for index in (row, column) if index is not None)
        if column is None or row is None:
            found = made.get(both)
        else:
            middle, left, right = made.get(both), made.get((row,)), made.get((column,))
            if middle is not None:
                around = [text and self.spelling.operator.format("diag", text.text) for text in (left, right)]
                unit = middle.text == self.bold("I") and any(around)
                between = [around[0], "" if unit else self.bracketed(middle, PRODUCT), around[1]]
                whole = [str(text) for text in between if text]
                found = (
                    Text(self.spelling.apart.join(whole), PRODUCT if len(whole) > 1 else ATOM)
                    if any(around)
                    else middle
                )
            elif left is not None and right is not None:
                outer = self.bracketed(left, PRODUCT), self.turned(right).text
                found = Text(self.spelling.apart.join(outer), PRODUCT)
            else:
                found = None
        if both and found is None:
            raise NoMatrixError
        whole = [self.bracketed(text, PRODUCT) for text in (*numbers, *([found] if found else []))]
        return Text(self.spelling.apart.join(whole), PRODUCT) if len(whole) > 1 else (found or (*numbers, None)[0])

    def entrywise(self, texts: list[Text]) -> Text:
        if len(texts) == 1:
            return texts[0]
        return Text(self.spelling.dot.join(self.bracketed(text, ATOM) for text in texts), ENTRYWISE)

    def scaled(self, numbers: Sequence[Expr], text: Text | None, above_all: bool) -> Text:
        """A product of numbers in front of what has indices, or with it above the line."""
        minus = [n for n in numbers if isinstance(n, Const) and n.value < 0]
        above = [n for n in numbers if not is_reciprocal(n)]
        below = [n.arguments[0] for n in numbers if isinstance(n, Apply) and is_reciprocal(n)]
        sign = self.spelling.minus.strip() if len(minus) % 2 else ""
        sizes = [Const(abs(n.value)) if isinstance(n, Const) else n for n in above]
        texts = [self.bracketed(self.entry(n), PRODUCT) for n in sizes if n != Const(1)]
        if text is not None and not texts and not below:
            return Text(sign + text.text, SUM) if sign else text
        if below:
            if text is not None and above_all:
                texts, text = [*texts, self.bracketed(text, PRODUCT if texts else SUM)], None
            under = [self.bracketed(self.entry(n), PRODUCT) for n in below]
            under = [self.entry(below[0]).text] if len(below) == 1 else under
            texts = [self.spelling.fraction.format(self.spelling.apart.join(texts) or "1", " ".join(under))]
        if text is not None:
            texts.append(self.bracketed(text, PRODUCT))
        if not texts:
            texts = ["1"]
        return Text(sign + self.spelling.apart.join(texts), SUM if sign else PRODUCT if len(texts) > 1 else ATOM)


def _together(factors: Sequence[Expr], summed: Sequence[Index]) -> list[Expr]:
    """Factors of which those that have one summed index alone are one, where the path goes on from it."""
    found = list(factors)
    for index in summed:
        alone = [factor for factor in found if factor.free == (index,)]
        others = [factor for factor in found if factor.free != (index,)]
        first = 0 if sum(index in factor.free for factor in others) == 1 else 1
        if len(alone) > first + 1:
            found = [*alone[:first], mul(alone[first:]), *others]
    return found


def _flat(expr: Expr) -> tuple[list[Expr], list[Index]]:
    """The factors of a product, and what is summed around: a sum inside of it belongs to it where its letters are its
    own."""
    if isinstance(expr, Sum):
        factors, summed = _flat(expr.body)
        return factors, [*expr.indices, *summed]
    found: list[Expr] = []
    bound: list[Index] = []
    for factor in expr.factors if isinstance(expr, Mul) else ():
        inside, summed = _flat(factor)
        apart = not {*summed} & {*bound, *(index for each in found for index in each.free)}
        found += inside if apart else [factor]
        bound += summed if apart else []
    return (found, bound) if found else ([expr], [])


def _parts(factors: Sequence[Expr], summed: Sequence[Index]) -> list[list[Expr]]:
    """The factors with indices, those together that a summed index joins."""
    parts: list[list[Expr]] = []
    for factor in factors:
        if not factor.free:
            continue
        joins = [part for part in parts if any(i in summed and i in each.free for each in part for i in factor.free)]
        parts = [part for part in parts if part not in joins]
        parts.append([each for part in joins for each in part] + [factor])
    return parts
