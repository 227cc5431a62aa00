"""Logarithms taken where the argument is made: ``log(S[n,c])`` with ``S = exp(u)`` is ``u``.

Evaluated as written, the logarithm of a softmax that has underflowed is minus infinity, and its derivative divides by
zero.  Here a definition is put in place of its name inside a logarithm whenever the calculus can then take the
logarithm away.  It is a rule about ``log`` and definitions and knows no layer.

Where exponentials are divided by their sum over what a bracket leaves, the bracket is taken into the exponent,
``exp(Z[q,k] + log(1[k <= q]))``: then neither they nor what the bracket leaves out can overflow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TypeGuard

from einstan.calculus.apart import sums_apart
from einstan.calculus.coefficients import coefficient_of
from einstan.calculus.collect import size
from einstan.calculus.compared import compared_once
from einstan.calculus.complements import as_product, complemented
from einstan.calculus.diagonals import without_diagonals
from einstan.calculus.dominant import dominant_apart
from einstan.calculus.factors import flattened, powers
from einstan.calculus.lengths import over_lengths
from einstan.calculus.magnitudes import measured
from einstan.calculus.named_quotients import met_by_names
from einstan.calculus.partial import inlined
from einstan.calculus.passes import reached
from einstan.calculus.program import Program, extents_in_part, extents_told, remade, stated_extents
from einstan.calculus.ranges import Ranges
from einstan.calculus.scales import at_products, base_of, carriers, divides, gathered, is_quotient, is_scaled
from einstan.calculus.simplify import (
    as_power,
    simplify,
    simplify_product,
    simplify_reduce,
    simplify_sum,
)
from einstan.language import well_named
from einstan.language.dims import axis, is_axis, is_whole, loose, says_nothing
from einstan.language.index import Affine, Index
from einstan.language.node import Node, holds, postorder, preorder, replace, rewrite
from einstan.language.term import (
    MINUS_ONE,
    ONE,
    ZERO,
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
    Name,
    Reduce,
    Sum,
    applies,
    bound_indices,
    is_reciprocal,
    mul,
    neg,
    power,
    tensors,
    valued,
)

LONG = 60  # what is longer to read is not put in the place of its name
WIDE = 3  # nor what sums over more indices at once


def stabilised(program: Program, keep: Collection[Name] = ()) -> tuple[Equation, ...]:
    """The equations with their right sides simplified and their logarithms taken early, in the program's dimensions.

    Tensors in ``keep`` are not looked into: their cotangents are wanted, so what reads them must go on reading them.
    """
    question = stabilised, frozenset(keep).intersection(program.defined)
    found: tuple[Equation, ...] | None = program.notes.get(question)
    if found is None:
        found = program.notes[question] = _stabilised(program, question[1])
    return found


def _stabilised(program: Program, keep: Collection[Name]) -> tuple[Equation, ...]:
    resolved = {equation.name: equation for equation in program.resolved_all()}
    known = {name: equation for name, equation in resolved.items() if name not in keep}
    stated = {
        index.dim: form
        for equation in resolved.values()
        for index, form in equation.where
        if not says_nothing(index, form)
    }

    exponentials, ranges = _Exponentials(known), Ranges(resolved.values())
    quotients = dict(known)

    def made(equation: Equation) -> Equation:
        put_in = _quotients_taken(_products_taken(_of_numbers(simplify(equation.rhs)), exponentials), exponentials)
        if equation.name in quotients:
            quotients[equation.name] = Equation(equation.name, equation.indices, put_in)
        taken = _masks_taken(_logarithms_taken(put_in, quotients, exponentials))
        rhs = stated_extents(taken, [(Index(dim), form) for dim, form in stated.items()])
        rhs = rhs if rhs is taken else simplify(rhs)
        if rhs is equation.rhs and not equation.where and not (stated and loose(equation)):
            return equation
        used = {index.dim: index for index in (*bound_indices(rhs), *reversed(equation.indices))}
        where = [(used[dim], form) for dim, form in stated.items() if dim in used]
        where += [pair for pair in equation.where if says_nothing(*pair)]  # but which tensor to look at
        before, after = _plain_axes(equation.rhs), _plain_axes(rhs)
        where += [  # what cancelled may have been all that told how far an index runs
            (index, Affine(((Extent(Index(before[index])), 1),)))
            for index in equation.indices
            if index in before and index not in after and index.dim not in stated
        ]
        put_in_more = not tensors(rhs).keys() <= tensors(equation.rhs).keys()
        if put_in_more:  # what is put in may read other axes than those that told how far an index runs
            told = [*extents_told(equation), *((part.index, part.extent) for part in extents_in_part(equation))]
            said = {index.dim for index, _ in where}
            where += [(used[i.dim], form) for i, form in told if i.dim in used and i.dim not in said]
        result = Equation(equation.name, equation.indices, rhs, tuple(where))
        return ranges.stated(result, tied=True) if put_in_more else result

    return tuple(made(equation) for equation in resolved.values())


def differentiable(program: Program, of: Name, wrt: Name, keep: Collection[Name] = ()) -> tuple[Equation, ...]:
    """The equations by which ``of`` is differentiated with respect to ``wrt``: stabilised, or as they are written where
    it cancels when they are, so that the derivative is zero."""

    def enters(equations: Sequence[Equation]) -> bool:
        return wrt in reached({equation.name: tuple(valued(equation.rhs)) for equation in equations}, of)

    stable, written = stabilised(program, keep), program.resolved_all()
    return written if enters(written) and not enters(stable) else stable


def runnable(program: Program, linear: Collection[Name] = (), finite: bool = True) -> Program:
    """The program in the form in which it is evaluated: the same values, without overflow on the way.  What rests on
    tensors that are ``linear`` stays linear in them, to the eyes of who transposes the code: nothing asks whether it is
    zero.  What is given is ``finite``, or may be infinite beside brackets."""
    question = runnable, frozenset(linear), finite
    found: Program | None = program.notes.get(question)
    if found is None:
        asked, program = program, compared_once(program)
        if (apart := sums_apart(program, finite)) is not program.resolved_all():
            program = remade(program, _stated(apart, program))
        same = dict(zip(program.resolved_all(), program.equations, strict=True))
        met = met_by_names(stabilised(program))
        exponentials = _Exponentials({equation.name: equation for equation in met})
        dominant = without_diagonals(dominant_apart(met, exponentials.of))
        small = {equation.name for equation in dominant} - {equation.name for equation in met}
        made = over_lengths(measured(dominant, small, linear))
        named = [same.get(new) or well_named(new, written=False) for new in _stated(made, program)]
        found = remade(program, complemented(named))
        asked.notes[question] = found
    return found


def _stated(made: Sequence[Equation], program: Program) -> Iterator[Equation]:
    """The equations, of which those that are new, or read something new, say how far their indices run where what they
    read would tell something else, or where what they were taken out of says it: by axes of inputs and of what comes
    before them, since an axis that they make themselves is as long as what they read."""
    ranges, as_written = Ranges(program.resolved_all()), set(program.resolved_all())
    said = {index.dim: form for equation in as_written for index, form in equation.where}
    before = set(map(str, program.inputs))
    for equation in made:
        own = equation.name not in program.ranks
        if own:
            ranges.learn(equation.name, equation.indices)
            run = dict.fromkeys((*equation.indices, *bound_indices(equation.rhs)))
            where = {i: said[i.dim] for i in run if i.dim in said and not is_axis(i.dim)} | dict(equation.where)
            equation = Equation(equation.name, equation.indices, equation.rhs, tuple(where.items()))
        if equation not in as_written:
            found = ranges.stated(equation)
            told = [
                pair if pair in equation.where else (pair[0], _known(pair[1], said, before)) for pair in found.where
            ]
            stated = tuple((index, form) for index, form in told if form is not None)
            equation = Equation(found.name, found.indices, found.rhs, stated)
        yield equation
        before.add(str(equation.name))


def _known(form: Affine, said: Mapping[str, Affine], before: Collection[str]) -> Affine | None:
    """A stated extent by what comes before: as it is, or as the program states that axis."""
    axes = [atom.index.dim for atom, _ in form.terms if isinstance(atom, Extent)]
    if {each.rpartition(".")[0] for each in axes} <= {*before}:
        return form
    return _known(said[axes[0]], {}, before) if len(axes) == 1 and is_whole(form) and axes[0] in said else None


def _plain_axes(rhs: Expr) -> dict[Index, str]:
    """The axis that an index in a plain slot runs over."""
    return {
        form.index: axis(node.tensor, position)
        for node in postorder(rhs)
        if isinstance(node, Indexed)
        for position, form in enumerate(node.slots)
        if form.index is not None
    }


# ---- exponentials behind names ---------------------------------------------------------------------------------------


class _Exponentials:
    """The definitions that are exponentials, or products and sums of such, each with those that it reads put in: worked
    out for the names that are asked for, which are few."""

    def __init__(self, definitions: Mapping[Name, Equation]) -> None:
        self.definitions = definitions if any(applies(e.rhs, "exp") for e in definitions.values()) else {}
        self.found: dict[Name, Equation | None] = {}

    def of(self, name: Name) -> Equation | None:
        stack = [name] if name in self.definitions else []
        while stack:
            equation = self.definitions[stack[-1]]
            waiting = () if equation.name in self.found else self._unknown(simplify(equation.rhs))
            stack.extend(waiting)
            if not waiting:
                stack.pop()
                if equation.name not in self.found:
                    self.found[equation.name] = self._made(equation)
        return self.found.get(name)

    def _unknown(self, value: Expr) -> list[Name]:
        """The names that have to be looked at first: all of an exponential, else those that may make it one."""
        first = [n for n in carriers(value) if n in self.definitions and n not in self.found]
        if first or not self._is_scaled(value):
            return first
        return [n for n in tensors(value) if n in self.definitions and n not in self.found]

    def _is_scaled(self, value: Expr) -> bool:
        return is_scaled(value) or any(self.found.get(name) for name in carriers(value))

    def _made(self, equation: Equation) -> Equation | None:
        value = simplify(equation.rhs)
        if not self._is_scaled(value):
            return None
        whole = at_products(simplify(gathered(self.put_in(value))), _shares, "sigmoid")
        return Equation(equation.name, equation.indices, whole) if is_scaled(whole) and _is_short(whole) else None

    def scaled(self, expr: Expr) -> Expr | None:
        """An expression with the exponentials that it names written out, where it is one then."""
        if is_scaled(expr) or (self.definitions and any(self.of(name) for name in carriers(expr))):
            return self.put_in(expr)
        return None

    def put_in(self, expr: Expr) -> Expr:
        """The expression with the exponentials that it names written out."""
        if not self.definitions:
            return expr
        found = {
            node: inlined(node, definition)
            for node in preorder(expr)
            if isinstance(node, Indexed) and (definition := self.of(node.tensor)) is not None
        }
        return replace(expr, found) if found else expr


def _is_short(value: Expr) -> bool:
    """Whether a definition may be put in: a recursion of many steps would be written out, or summed over all paths."""
    sums = (node for node in postorder(value) if isinstance(node, Sum))
    return size(value) <= LONG and all(len(node.indices) <= WIDE for node in sums)


def _of_numbers(expr: Expr) -> Expr:
    """2^u / (1 + 2^u) as exp(log(2) u) / (1 + exp(log(2) u))"""
    if not applies(expr, "exponential"):
        return expr

    def exponential(node: Node) -> Node:
        if isinstance(node, Apply) and node.function == "pow" and node.is_exponential:
            base, exponent = node.arguments
            if isinstance(base, Const) and base.value > 0:
                return Apply("exp", (simplify_product((exponent, Apply("log", (base,)))),))
        return node

    def rule(product: Expr) -> Expr:
        totals = (base_of(f) for f in _factors(product) if divides(f))
        if any(isinstance(total, Add) and rewrite(total, exponential) is not total for total in totals):
            return simplify(rewrite(product, exponential))
        return product

    return at_products(expr, rule, "pow")


def _products_taken(expr: Expr, exponentials: _Exponentials) -> Expr:
    """prod[K](w[K] exp(u[K])) = prod[K](w[K]) exp(sum[K](u[K])), which may be finite where its factors are not."""

    def rule(node: Node) -> Node:
        body = exponentials.scaled(node.body) if isinstance(node, Reduce) and node.operation == "prod" else None
        if not isinstance(node, Reduce) or body is None or holds(body, Iverson, Delta):  # which guards the exponent too
            return node
        factors = _factors(gathered(simplify(body)))
        above = next((f for f in factors if _is_exponential(f) and set(node.indices) <= set(f.free)), None)
        if above is None:
            return node
        others = [factor for factor in factors if factor is not above]
        weights = [simplify_reduce("prod", node.indices, mul(others))] if others else []
        return simplify_product((*weights, Apply("exp", (simplify(Sum(node.indices, above.arguments[0])),))))

    return rewrite(expr, rule) if holds(expr, Reduce) else expr


def _quotients_taken(expr: Expr, exponentials: _Exponentials) -> Expr:
    """E[k] / sum[J](E[J]) with E[k] = exp(u[k]) put in, and exp(a) / (exp(a) + exp(b)) = sigmoid(a - b)."""

    def rule(product: Expr) -> Expr:
        product = _shares(_hyperbolic(product))
        below = (exponentials.scaled(base_of(f)) for f in _factors(product) if divides(f))
        if not any(below) and not any(map(is_quotient, _factors(product))):
            return product
        whole = simplify(gathered(exponentials.put_in(product)))
        taken = _shares(simplify(rewrite(whole, _of_two))) if _is_short(whole) else product
        # Where exponentials divide and none is divided, names are better kept: nothing meets but in a sigmoid.
        met = any(exponentials.scaled(base) for f in _factors(product) for base in _bases(f))
        return taken if met or applies(taken, "sigmoid") else product

    divided = applies(expr, "pow", "sigmoid") and any(
        isinstance(n, Apply) and (divides(n) or n.function == "sigmoid") for n in preorder(expr)
    )
    return at_products(expr, rule, "pow", "sigmoid") if divided else expr


def _hyperbolic(product: Expr) -> Expr:
    """sinh(u) / cosh(u) = tanh(u)"""
    exponents = {base: k for factor in _factors(product) for base, k in powers(factor)}
    for base, k in exponents.items():
        if isinstance(base, Apply) and base.function == "sinh" and k > 0:
            below = Apply("cosh", base.arguments)
            both = min(k, -exponents.get(below, Fraction(0)))
            if both > 0:
                tanh = as_power(Apply("tanh", base.arguments), both)
                return simplify_product((product, tanh, as_power(base, -both), as_power(below, both)))
    return product


def _shares(product: Expr) -> Expr:
    """exp(u) sigmoid(-u) = sigmoid(u); exp(u) sigmoid(-v) = exp(u - softplus(v)) where v is a sum of exponentials."""
    factors = _factors(product)
    for factor in factors:  # (exp(u) - 1) sigmoid(-u) = tanh(u / 2)
        for u, number in _less_one(factor):
            if (share := Apply("sigmoid", (simplify_product((MINUS_ONE, u)),))) in factors:
                tanh = simplify_product((Const(number), Apply("tanh", (simplify_product((Const(Fraction(1, 2)), u)),))))
                return simplify_product((*(f for f in factors if f is not factor and f is not share), tanh))
    for factor in filter(_is_exponential, factors):
        u = factor.arguments[0]
        below = Apply("sigmoid", (simplify_product((MINUS_ONE, u)),))
        at = next((f for f in factors if below in _bases(f)), None)
        if at is not None:
            others = [f for f in factors if f is not factor and f is not at]
            return simplify(mul((*others, at, power(below, -1), Apply("sigmoid", (u,)))))
        total = next((f for f in factors if _is_share_of_sum(f)), None)
        if total is not None:
            less = Apply("softplus", (simplify_product((MINUS_ONE, total.arguments[0])),))
            others = [f for f in factors if f is not factor and f is not total]
            return simplify(mul((*others, Apply("exp", (simplify_sum((u, simplify_product((MINUS_ONE, less)))),)))))
    return product


def _less_one(factor: Expr) -> Iterator[tuple[Expr, Fraction]]:
    """u and n of n (exp(u) - 1)."""
    if isinstance(factor, Add) and len(factor.terms) == 2:
        for one, other in (factor.terms, factor.terms[::-1]):
            number, exponential = coefficient_of(one)
            if _is_exponential(exponential) and other is Const(-number):
                yield exponential.arguments[0], number


def _is_share_of_sum(factor: Expr) -> TypeGuard[Apply]:
    return isinstance(factor, Apply) and factor.function == "sigmoid" and holds(factor, Reduce)


def _bases(factor: Expr) -> tuple[Expr, ...]:
    """The bases of a factor with positive exponents."""
    return tuple(base for base, k in powers(factor) if k > 0)


def _of_two(node: Node) -> Node:
    """exp(a) / (exp(a) + exp(b)) = sigmoid(a - b), where exp(0) may be written 1."""
    for divisor in _factors(node):
        pair = _two_exponents(divisor.arguments[0]) if is_reciprocal(divisor) else None
        if pair is not None and (found := _tanh_of(node, divisor, *pair)) is not None:
            return found
        above = next((f for f in _factors(node) if _is_exponential(f)), None)
        exponent = ZERO if above is None else above.arguments[0]
        if pair is not None and exponent in pair:
            other = pair[1] if exponent is pair[0] else pair[0]
            share = Apply("sigmoid", (simplify_sum((exponent, simplify_product((MINUS_ONE, other)))),))
            return mul((*(f for f in _factors(node) if f is not divisor and f is not above), share))
    return node


def _tanh_of(product: Node, divisor: Expr, a: Expr, b: Expr) -> Expr | None:
    """(exp(a) - exp(b)) / (exp(a) + exp(b)) = tanh((a - b) / 2)"""
    for factor in _factors(product):
        if isinstance(factor, Add) and len(factor.terms) == 2:
            (n, one), (m, other) = map(coefficient_of, factor.terms)
            pair = _two_exponents(Add((one, other)))
            if n == -m and pair is not None and set(pair) == {a, b} and a is not b:
                half = simplify_product((Const(Fraction(1, 2)), simplify_sum((pair[0], neg(pair[1])))))
                tanh = simplify_product((Const(n), Apply("tanh", (half,))))
                return simplify_product((*(f for f in _factors(product) if f is not divisor and f is not factor), tanh))
    return None


def _two_exponents(total: Expr) -> tuple[Expr, Expr] | None:
    """a and b of exp(a) + exp(b)."""
    if not isinstance(total, Add) or len(total.terms) != 2:
        return None
    first, second = (ZERO if t is ONE else t.arguments[0] if _is_exponential(t) else None for t in total.terms)
    return None if first is None or second is None else (first, second)


def _factors(node: Node) -> tuple[Expr, ...]:
    return node.factors if isinstance(node, Mul) else (node,)  # type: ignore[return-value]


# ---- logarithms ------------------------------------------------------------------------------------------------------


def _logarithms_taken(expr: Expr, definitions: Mapping[Name, Equation], exponentials: _Exponentials) -> Expr:
    if not applies(expr, "log"):
        return expr

    def rule(node: Node) -> Node:
        if isinstance(node, Apply) and node.function == "log":
            accesses = {
                access: inlined(access, definitions[access.tensor])
                for access in postorder(node)
                if isinstance(access, Indexed) and access.tensor in definitions
            }
            taken = simplify(replace(node, accesses)) if accesses else node
            if not _is_log(taken):
                return taken
            products = {
                base: product
                for factor in _factors(taken.arguments[0])
                for base, _ in powers(factor)
                if (product := as_product(base, definitions)) is not None
            }
            if products:
                return simplify(replace(taken, products))
            inside = exponentials.scaled(node.arguments[0])
            if inside is not None:
                inside = simplify(gathered(inside))
                pair = _two_exponents(inside)
                if pair is not None:  # log(exp(a) + exp(b)) = a + softplus(b - a)
                    apart = simplify_sum((pair[1], simplify_product((MINUS_ONE, pair[0]))))
                    return simplify_sum((pair[0], Apply("softplus", (apart,))))
                return simplify(Apply("log", (inside,))) if _is_short(inside) else node
        return node

    return simplify(rewrite(expr, rule))


def _is_log(node: Node) -> TypeGuard[Apply]:
    return isinstance(node, Apply) and node.function == "log"


def _masks_taken(expr: Expr) -> Expr:
    """1[..] exp(v) / sum[K](1[..] exp(u)) = 1[..] exp(1[..] v + log(1[..]) - logsumexp[K](1[..] u + log(1[..]))).

    The brackets go on guarding: what they leave out may be infinite or NaN, and where they leave out all, it is zero.
    A sum that divides nothing stays: it is zero where its bracket leaves out everything.  The logarithm of such a
    quotient is a difference.
    """

    def rule(node: Node) -> Node:
        if _is_log(node):
            return _log_of_masked(node)
        if not isinstance(node, Mul):
            return node
        total = next((f for f in node.factors if is_reciprocal(f) and isinstance(f.arguments[0], Sum)), None)
        exponential = next((f for f in node.factors if _is_exponential(f)), None)
        below = None if total is None or exponential is None else _log_of_sum(total.arguments[0])
        if total is None or exponential is None or below is None:
            return node
        outer = [f for f in node.factors if isinstance(f, Iverson)]
        quotient = simplify_sum((_masked(exponential, outer), simplify_product((MINUS_ONE, below))))
        others = [f for f in node.factors if f not in (total, exponential, *outer)]
        return mul([*outer, *others, Apply("exp", (quotient,))])

    return rewrite(expr, rule) if holds(expr, Iverson) and applies(expr, "exp") else expr


def _log_of_masked(logarithm: Apply) -> Expr:
    """log(u / sum[K](1[..] exp(v))) = log(u) - logsumexp[K](1[..] v + log(1[..]))."""
    factors = _factors(logarithm.arguments[0])
    for total in factors:
        below = _log_of_sum(total.arguments[0]) if is_reciprocal(total) else None
        if below is not None:
            above = simplify(Apply("log", (mul([f for f in factors if f is not total]),)))
            return simplify_sum((above, simplify_product((MINUS_ONE, below))))
    return logarithm


def _log_of_sum(total: Expr) -> Expr | None:
    """The logarithm of a sum of exponentials under brackets; None for any other."""
    coefficient, flat, indices = flattened((total,))
    inner = [f for f in flat if _is_exponential(f)]
    masks = [f for f in flat if isinstance(f, Iverson)]
    if not isinstance(total, Sum) or coefficient != 1 or len(inner) != 1 or not masks or len(flat) > 1 + len(masks):
        return None
    return simplify_reduce("logsumexp", tuple(indices), _masked(inner[0], masks))


def _is_exponential(node: Node) -> TypeGuard[Apply]:
    return isinstance(node, Apply) and node.function == "exp"


def _masked(exponential: Apply, masks: Sequence[Expr]) -> Expr:
    guarded = simplify_product((*masks, exponential.arguments[0]))
    return simplify_sum((guarded, *(Apply("log", (mask,)) for mask in masks)))
