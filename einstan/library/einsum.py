"""The einsum string of an equation: one contraction per term, with its operands.

    dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]      'nm,pj->njmp'    δ[n,m], W[p,j]

An operand is anything with indices: an access, a surviving delta, a function of entries.  What has none is the number
in front.  Letters are the user's own where they are single and unique; with more than 52 indices there are integer
sublists only.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass

from einstan.language import display
from einstan.language.index import Index, slot
from einstan.language.node import preorder
from einstan.language.sugar import guards_before
from einstan.language.term import (
    Add,
    Delta,
    Equation,
    Expr,
    Indexed,
    Iverson,
    Mul,
    Sum,
    mul,
    rename_bound,
)

LETTERS = string.ascii_lowercase + string.ascii_uppercase


@dataclass(frozen=True)
class Contraction:
    """``factor × einsum(operands)``: ``subscripts`` has the indices of each operand, ``output`` those of the result.

    Examples:
        >>> (contraction,) = es.parse("Z[n,j] = 2 X[n,K] W[K,j]").einsum.terms
        >>> contraction.string, contraction.sublists, [str(index) for index in contraction.indices]
        ('nK,Kj->nj', (([0, 1], [1, 2]), [0, 2]), ['n', 'K', 'j'])
    """

    operands: tuple[Expr, ...]
    subscripts: tuple[tuple[Index, ...], ...]
    output: tuple[Index, ...]
    factor: Expr

    @property
    def indices(self) -> tuple[Index, ...]:
        """Every index once, in the order in which it is met."""
        return tuple(dict.fromkeys(i for part in (*self.subscripts, self.output) for i in part))

    @property
    def sublists(self) -> tuple[tuple[list[int], ...], list[int]]:
        """The same with integers for indices: those of the operands, and those of the result."""
        number = {index: k for k, index in enumerate(self.indices)}
        return tuple([number[i] for i in part] for part in self.subscripts), [number[i] for i in self.output]

    @property
    def string(self) -> str:
        """``'nm,pj->njmp'``; empty where the 52 letters do not suffice."""
        if len(self.indices) > len(LETTERS):
            return ""
        letter = letters(self.indices)
        inputs = ",".join("".join(letter[i] for i in part) for part in self.subscripts)
        return f"{inputs}->{''.join(letter[i] for i in self.output)}"

    def __str__(self) -> str:
        shown = f"'{self.string}'" if self.string else str(self.sublists)
        operands = ", ".join(map(str, self.operands))
        factor = str(self.factor)
        return f"{shown}  {operands or 'no operands'}" + (f"  times {factor}" if factor != "1" else "")


@dataclass(frozen=True)
class Einsum:
    """The contractions that an equation adds up.

    Examples:
        >>> einsum = es.parse("Z[n,j] = X[n,K] W[K,j] + b[j]").einsum
        >>> einsum.string, [str(operand) for operand in einsum.operands]
        ('nK,Kj->nj + j,n->nj', ['X[n,K]', 'W[K,j]', 'b[j]', '1[n]'])
    """

    terms: tuple[Contraction, ...]

    @property
    def string(self) -> str:
        """The strings of the terms, joined by `` + ``.

        Examples:
            >>> es.parse("Z[n,j] = X[n,K] W[K,j] + b[j]").einsum.string
            'nK,Kj->nj + j,n->nj'
        """
        return " + ".join(term.string for term in self.terms)

    @property
    def operands(self) -> tuple[Expr, ...]:
        """The operands of all terms, in order.

        Examples:
            >>> [str(x) for x in es.parse("Z[n,j] = X[n,K] W[K,j]").einsum.operands]
            ['X[n,K]', 'W[K,j]']
        """
        return tuple(operand for term in self.terms for operand in term.operands)

    def __str__(self) -> str:
        return "\n".join(map(str, self.terms))

    def __repr__(self) -> str:
        return f"<Einsum {' + '.join(map(str, self.terms))}>"

    def _repr_html_(self) -> str:
        rows = [[each.string, ", ".join(map(str, each.operands)), str(each.factor)] for each in self.terms]
        return display.shown(display.table(["einsum", "operands", "times"], rows, {"einsum", "operands"}))


def einsum(equation: Equation) -> Einsum:
    """The contractions of an equation: sums of products are taken apart, anything else is an operand."""
    return Einsum(tuple(_contraction(factors, equation.indices) for factors in _products(equation.rhs)))


def letters(indices: Iterable[Index]) -> dict[Index, str]:
    """A letter for each index: its own where that is one ASCII letter and no other has it, else the next free one."""
    given: dict[Index, str] = {}
    others: list[Index] = []
    for index in indices:
        if index.name in LETTERS and len(index.name) == 1 and index.name not in given.values():
            given[index] = index.name
        else:
            others.append(index)
    free = iter(letter for letter in LETTERS if letter not in given.values())
    return given | {index: next(free) for index in others}


def _products(expr: Expr) -> list[tuple[Expr, ...]]:
    """The expression as a sum of products, sums written away; a sum that holds a delta is multiplied out, so that the
    delta is an operand of its own and not part of a dense one."""
    match expr:
        case Add(terms=terms):
            return [product for term in terms for product in _products(term)]
        case Sum(body=body):
            return _products(body)
        case Mul(factors=factors):
            found: list[tuple[Expr, ...]] = [()]
            for factor in factors:
                if isinstance(factor, Sum):
                    others = (*factors, *(part for product in found for part in product))
                    taken = {index.name for other in others for index in other.free}
                    factor = rename_bound(factor, taken)
                opened = _products(factor) if isinstance(factor, Sum) or _holds_delta(factor) else [(factor,)]
                found = [left + right for left in found for right in opened]
            return found
        case _:
            return [(expr,)]


def _holds_delta(expr: Expr) -> bool:
    return isinstance(expr, Add) and any(isinstance(node, Delta) for node in preorder(expr))


def _contraction(factors: tuple[Expr, ...], output: tuple[Index, ...]) -> Contraction:
    operands: list[Expr] = []
    for factor in factors:
        if factor.free:
            guarding = guards_before(operands, factor) if isinstance(factor, Indexed) else 0
            held = operands[len(operands) - guarding :]  # pad(X[2p+r]) is one operand: it cannot be read without
            operands[len(operands) - guarding :] = [mul((*held, factor))]
    covered = {index for operand in operands for index in operand.free}
    missing = tuple(index for index in output if index not in covered)
    if missing:  # an axis along which nothing varies: ones
        operands.append(Iverson(tuple(slot(index) for index in missing)))
    return Contraction(
        tuple(operands),
        tuple(_subscripts(operand) for operand in operands),
        output,
        mul(factor for factor in factors if not factor.free),
    )


def _subscripts(operand: Expr) -> tuple[Index, ...]:
    """The indices of an operand's axes: an access and a delta keep theirs, ``A[i,i]`` has i twice."""
    if isinstance(operand, Indexed) and all(form.index is not None for form in operand.slots):
        return tuple(form.index for form in operand.slots if form.index is not None)
    return operand.free
