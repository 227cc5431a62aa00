"""Tensors that an exchange of slots leaves alone: ``A[i,j] = A[j,i]``, ``T[i,j,k] = -T[k,j,i]``.

Such a tensor is the mean of a tensor without any symmetry over all the exchanges, ``A[i,j] = 1/2 (B[i,j] + B[j,i])``,
and every such mean is one.  So an expression in A is zero under the assumption where that in B is zero without any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import product

from einstan.calculus.coefficients import coefficient_of
from einstan.calculus.program import Assumption
from einstan.language.node import preorder, replace
from einstan.language.term import Const, Expr, Indexed, Name, add, mul

Exchange = tuple[int, ...]  # the slot that goes to each place
Group = dict[Exchange, frozenset[int]]  # every exchange, with its signs: both, where the tensor must be zero

LARGEST = 24  # exchanges: all of four slots


def exchange(rule: Assumption) -> tuple[Name, Exchange, int] | None:
    """The tensor, the exchange and the sign of ``A[i,j] = -A[j,i]``, or None."""
    (left_sign, left), (right_sign, right) = coefficient_of(rule.lhs), coefficient_of(rule.rhs)
    if not (isinstance(left, Indexed) and isinstance(right, Indexed) and left.tensor == right.tensor):
        return None
    slots = [form.index for form in left.slots]
    if None in slots or len(set(slots)) < len(slots) or set(left.slots) != set(right.slots):
        return None
    if abs(left_sign) != abs(right_sign) or left_sign == 0:
        return None
    return left.tensor, tuple(left.slots.index(form) for form in right.slots), 1 if left_sign == right_sign else -1


def symmetries(rules: Iterable[Assumption]) -> dict[Name, Group]:
    """All exchanges that leave a tensor as it is, made of those that are assumed."""
    found: dict[Name, Group] = {}
    steps: dict[Name, list[tuple[Exchange, int]]] = {}
    for rule in rules:
        one = exchange(rule)
        if one is not None:
            steps.setdefault(one[0], []).append(one[1:])
    for name, own in steps.items():
        identity = tuple(range(len(own[0][0])))
        group: dict[Exchange, set[int]] = {identity: {1}}
        queue = [(identity, 1)]
        while queue and len(group) <= LARGEST:
            at, sign = queue.pop()
            for step, turned in own:
                new = tuple(at[k] for k in step), sign * turned
                if new[1] not in group.setdefault(new[0], set()):
                    group[new[0]].add(new[1])
                    queue.append(new)
        if len(group) <= LARGEST:
            found[name] = {one: frozenset(signs) for one, signs in group.items()}
    return found


def images(access: Indexed, group: Group) -> list[tuple[int, Indexed]]:
    """The accesses that are equal to one up to the sign in front."""
    return [(min(signs), Indexed(access.tensor, tuple(access.slots[k] for k in one))) for one, signs in group.items()]


def averaged(expr: Expr, groups: Mapping[Name, Group]) -> Expr:
    """The expression with every symmetric tensor as the mean of one that has no symmetry."""
    means: dict[Expr, Expr] = {}
    for node in preorder(expr):
        if isinstance(node, Indexed) and node.tensor in groups:
            group = groups[node.tensor]
            # An exchange with both signs makes the mean zero, term by term.
            parts = [mul((Const(sign), _free(image))) for sign, image in images(node, group)]
            zero = any(len(signs) > 1 for signs in group.values())
            means[node] = Const(0) if zero else mul((Const(Fraction(1, len(parts))), add(parts)))
    return replace(expr, means) if means else expr


def _free(access: Indexed) -> Indexed:
    return Indexed(f"{access.tensor} free", access.slots)  # no tensor of the language has a blank in its name


def spelled_alike(factors: Iterable[Expr], groups: Mapping[Name, Group]) -> list[tuple[int, list[Expr]]]:
    """The ways to write a product of accesses, each with the sign that it takes."""
    choices = [
        images(factor, groups[factor.tensor])
        if isinstance(factor, Indexed) and factor.tensor in groups
        else [(1, factor)]
        for factor in factors
    ]
    found: list[tuple[int, list[Expr]]] = []
    for chosen in product(*choices):
        sign = 1
        for own, _ in chosen:
            sign *= own
        found.append((sign, [image for _, image in chosen]))
    return found[: LARGEST * 2]
