"""Contractions that stand inside of functions or beside other factors, each an equation of its own.

    A[n,j] = tanh(X[n,K] W[K,j] + b[j])     is     inner[n,j] = X[n,K] W[K,j] + b[j],  A[n,j] = tanh(inner[n,j])

A derivative reads them again.  With a name each is computed once, and can be kept for a backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from einstan.calculus.alpha import pattern
from einstan.calculus.factors import parts_of
from einstan.calculus.named_cores import letters, renamed
from einstan.calculus.naming import derived_equation
from einstan.calculus.partial import scalars
from einstan.calculus.program import Program
from einstan.language.dims import UnionFind
from einstan.language.index import Index, slot
from einstan.language.node import Node, holds, postorder, preorder, rewrite
from einstan.language.term import (
    Add,
    Apply,
    Const,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Reduce,
    Sum,
    add,
    bound_indices,
    mul,
    sum_over,
)


def contractions_named(program: Program) -> list[Equation]:
    """The equations of a program, and those that define the contractions in them."""
    named = Named(program)
    return [line for equation in program for line in named.lines(equation)]


class Named:
    """The contractions of a program that have names; those that differ in letters alone have one."""

    def __init__(self, program: Program) -> None:
        self.program, self.scalars = program, scalars(*program.equations)
        names = {str(name) for name in program.ranks}
        self.free = (each for k in count(1) if not _is_near(each := f"inner{k if k > 1 else ''}", names))
        self.known: dict[Node, tuple[str, list[int]]] = {}  # by what they are; the order of their axes
        self.made: list[Equation] = []

    def lines(self, equation: Equation) -> list[Equation]:
        """An equation behind those that it needs now."""
        self.made = []
        resolved = self.program.resolved(equation)
        self.indices, self.stated = resolved.indices, {index.dim for index, _ in resolved.where}
        rhs = rewrite(resolved.rhs, self.rule)
        if not self.made and rhs is resolved.rhs:
            return [equation]
        return [*self.made, Equation(equation.name, resolved.indices, rhs, resolved.where)]

    def rule(self, node: Node) -> Node:
        match node:
            case Apply() | Iverson() | Reduce() if not (isinstance(node, Reduce) and node.operation == "mean"):
                return node.rebuilt(tuple(self.inside(child) for child in node.children))
            case Mul() if len(_reading(node.factors)) > 1:
                return mul([self.access(each) if is_contraction(each) else each for each in node.factors])
            case Sum():
                return self.apart(node)
        return node

    def inside(self, argument: Node) -> Node:
        """The argument of a function: a contraction by its name, or a sum some terms of which are."""
        if isinstance(argument, Add) and not is_contraction(argument):
            return add([self.access(term) if is_contraction(term) else term for term in argument.terms])
        return self.access(argument) if isinstance(argument, Expr) and is_contraction(argument) else argument

    def apart(self, node: Sum) -> Expr:
        """A sum over a product, in which factors that share no summed index with others are contracted alone."""
        groups = _groups(parts_of(node), node.indices)
        if len(groups) < 2:
            return node
        factors: list[Expr] = []
        left = set(node.indices)
        for group in groups:
            own = tuple(i for i in node.indices if any(i in factor.free for factor in group))
            part = sum_over(own, mul(group))
            if own and is_contraction(part):
                factors.append(self.access(part))
                left -= set(own)
            else:
                factors += group
        return (
            node if len(left) == len(node.indices) else sum_over([i for i in node.indices if i in left], mul(factors))
        )

    def access(self, core: Expr) -> Expr:
        """A contraction by its name, where arrays tell how far its letters run."""
        read = {s.index for node in preorder(core) if isinstance(node, Indexed) for s in node.slots}
        if not read >= set(core.free) or self.stated & {i.dim for i in (*core.free, *bound_indices(core))}:
            return core
        plain, order = pattern(core)
        if plain not in self.known:
            own = dict.fromkeys((*(index for index in self.indices if index in order), *core.free))
            chosen = letters(tuple(own), self.scalars)
            self.known[plain] = name, _ = next(self.free), [order.index(index) for index in own]
            self.made.append(derived_equation(name, chosen, renamed(core, tuple(own), chosen)))
        name, positions = self.known[plain]
        return Indexed(name, tuple(slot(order[k]) for k in positions))


def is_contraction(core: Node) -> bool:
    """Whether something holds a sum over a product of entries, and besides numbers, extents, products and sums."""
    if not holds(core, Sum) or not all(_is_plain(node) for node in postorder(core)):
        return False
    return any(isinstance(node, Sum) and len(_reading(parts_of(node))) > 1 for node in preorder(core))


def _is_plain(node: Node) -> bool:
    if isinstance(node, Indexed):
        return all(form.index is not None for form in node.slots)
    if isinstance(node, Apply):  # of sizes and numbers, 1/sqrt(|E|)
        return not holds(node, Indexed)
    return not isinstance(node, Expr) or isinstance(node, Const | Extent | Add | Mul | Sum)


def _reading(factors: Sequence[Expr]) -> list[Expr]:
    return [factor for factor in factors if holds(factor, Indexed)]


def _groups(factors: Sequence[Expr], bound: Sequence[Index]) -> list[list[Expr]]:
    """The factors of a product that share summed indices; what reads nothing goes with any."""
    classes = UnionFind()
    reading = _reading(factors)
    for k, factor in enumerate(reading):
        for index in factor.free:
            if index in bound:
                classes.union(f"{bound.index(index)}", f"factor {k}")
    groups: dict[str, list[Expr]] = {}
    for k, factor in enumerate(reading):
        groups.setdefault(classes.find(f"factor {k}"), []).append(factor)
    rest = [factor for factor in factors if not holds(factor, Indexed)]
    return [*groups.values(), *([rest] if rest and len(groups) > 1 else [])] if len(groups) > 1 else [list(factors)]


def _is_near(name: str, names: set[str]) -> bool:
    """Whether a name, or one of its derivatives, is that of a tensor."""
    return any(each == name or each.endswith(name) for each in names)
