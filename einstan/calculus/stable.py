"""Logarithms taken where the argument is made: ``log(S[n,c])`` with ``S = exp(u)`` is ``u``.

Evaluated as written, the logarithm of a softmax that has underflowed is minus infinity, and its derivative divides by
zero.  Here a definition is put in place of its name inside a logarithm whenever the calculus can then take the
logarithm away.  It is a rule about ``log`` and definitions and knows no layer.

Where exponentials are divided by their sum over what a bracket leaves, the bracket is taken into the exponent,
``exp(Z[q,k] + log(1[k <= q]))``: then neither they nor what the bracket leaves out can overflow.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeGuard, cast

from einstan.calculus.partial import inlined
from einstan.calculus.program import Program, stated_extents
from einstan.calculus.simplify import (
    flattened,
    simplify,
    simplify_product,
    simplify_reduce,
    simplify_sum,
)
from einstan.language import well_named
from einstan.language.dims import axis
from einstan.language.index import Affine, Index
from einstan.language.node import Node, postorder, preorder, replace, rewrite
from einstan.language.term import (
    MINUS_ONE,
    Apply,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Name,
    Sum,
    bound_indices,
    is_reciprocal,
    mul,
)


def stabilised(program: Program, keep: Collection[Name] = ()) -> tuple[Equation, ...]:
    """The equations with their right sides simplified and their logarithms taken early, in the program's dimensions.

    Tensors in ``keep`` are not looked into: their cotangents are wanted, so what reads them must go on reading them.
    """
    resolved = {equation.name: equation for equation in program.resolved_all()}
    known = {name: equation for name, equation in resolved.items() if name not in keep}
    stated = {
        index.dim: (index, form)
        for equation in resolved.values()
        for index, form in equation.where
        if not _says_nothing(index, form)
    }

    def made(equation: Equation) -> Equation:
        taken = _masks_taken(_logarithms_taken(simplify(equation.rhs), known))
        rhs = stated_extents(taken, stated.values())
        rhs = rhs if rhs is taken else simplify(rhs)
        if rhs is equation.rhs and not equation.where and not stated:
            return equation
        used = {index.dim for index in (*equation.indices, *bound_indices(rhs))}
        where = [stated[dim] for dim in stated if dim in used]
        where += [pair for pair in equation.where if _says_nothing(*pair)]  # but which tensor to look at
        before, after = _plain_axes(equation.rhs), _plain_axes(rhs)
        where += [  # what cancelled may have been all that told how far an index runs
            (index, Affine(((Extent(Index(before[index])), 1),)))
            for index in equation.indices
            if index in before and index not in after and index.dim not in stated
        ]
        return Equation(equation.name, equation.indices, rhs, tuple(where))

    return tuple(made(equation) for equation in resolved.values())


def runnable(program: Program) -> Program:
    """The program in the form in which it is evaluated: the same values, without overflow on the way."""
    pairs = zip(program.equations, program.resolved_all(), stabilised(program), strict=True)
    return Program((e if old is new else well_named(new) for e, old, new in pairs), program.assumptions)


def _says_nothing(index: Index, form: Affine) -> bool:
    """Whether ``where |n| = |Z.0|`` speaks of an axis that the program knows to be equal to that of n."""
    atoms = [atom for atom, k in form.terms if k == 1 and isinstance(atom, Extent)]
    return form.constant == 0 and len(form.terms) == 1 == len(atoms) and atoms[0].index.dim == index.dim


def _plain_axes(rhs: Expr) -> dict[Index, str]:
    """The axis that an index in a plain slot runs over."""
    return {
        form.index: axis(node.tensor, position)
        for node in postorder(rhs)
        if isinstance(node, Indexed)
        for position, form in enumerate(node.slots)
        if form.index is not None
    }


def _logarithms_taken(expr: Expr, definitions: Mapping[Name, Equation]) -> Expr:
    if not any(isinstance(node, Apply) and node.function == "log" for node in preorder(expr)):
        return expr

    def rule(node: Node) -> Node:
        if isinstance(node, Apply) and node.function == "log":
            accesses = {
                access: inlined(access, definitions[access.tensor])
                for access in postorder(node)
                if isinstance(access, Indexed) and access.tensor in definitions
            }
            if accesses:
                taken = simplify(replace(node, accesses))  # type: ignore[arg-type]
                if not (isinstance(taken, Apply) and taken.function == "log"):
                    return taken
        return node

    return simplify(rewrite(expr, rule))


def _masks_taken(expr: Expr) -> Expr:
    """1[..] exp(v) / sum[K](1[..] exp(u)) = exp(v + log(1[..]) - logsumexp[K](u + log(1[..]))).

    A sum that divides nothing stays: it is zero where its bracket leaves out everything.
    """

    def rule(node: Node) -> Node:
        if not isinstance(node, Mul):
            return node
        total = next((f for f in node.factors if is_reciprocal(f) and isinstance(f.arguments[0], Sum)), None)
        exponential = next((f for f in node.factors if _is_exponential(f)), None)
        if total is None or exponential is None:
            return node
        coefficient, flat, indices = flattened(total.arguments[:1])
        inner = [f for f in flat if _is_exponential(f)]
        masks = [f for f in flat if isinstance(f, Iverson)]
        if coefficient != 1 or len(inner) != 1 or not masks or len(flat) > 1 + len(masks):
            return node
        outer = [f for f in node.factors if isinstance(f, Iverson)]
        below = simplify_reduce("logsumexp", tuple(indices), _masked(inner[0], masks))
        quotient = simplify_sum((_masked(exponential, outer), simplify_product((MINUS_ONE, below))))
        others = [f for f in node.factors if f not in (total, exponential, *outer)]
        return mul([*others, Apply("exp", (quotient,))])

    return cast(Expr, rewrite(expr, rule)) if any(isinstance(node, Iverson) for node in preorder(expr)) else expr


def _is_exponential(node: Node) -> TypeGuard[Apply]:
    return isinstance(node, Apply) and node.function == "exp"


def _masked(exponential: Apply, masks: Sequence[Expr]) -> Expr:
    return simplify_sum((exponential.arguments[0], *(Apply("log", (mask,)) for mask in masks)))
