"""The properties that every rule of the calculus keeps, each as a function of a random source.

`test_properties` checks them on what Hypothesis draws; `test_tester` plants errors and expects them to go red.
A point at which the term itself has no value tells nothing and is rejected with `RejectedError`.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from einstan.calculus import backward as contractor
from einstan.calculus import canonical as forms
from einstan.calculus import collect as readable
from einstan.calculus import partial as partials
from einstan.calculus import proof as proofs
from einstan.calculus import simplify as simplifier
from einstan.calculus.alpha import alpha
from einstan.calculus.forward import jvp
from einstan.calculus.naming import ForwardNames
from einstan.calculus.passes import dependencies
from einstan.calculus.program import Program
from einstan.calculus.stable import runnable
from einstan.language import (
    Add,
    Apply,
    Const,
    Equation,
    Expr,
    Extent,
    Index,
    Indexed,
    Mul,
    Node,
    parse,
    slot,
    well_named,
)
from einstan.language.errors import DataError, DifferentiationError, ExtentError, NotationError, ScopeError
from einstan.language.functions import FUNCTIONS
from einstan.language.node import fold, preorder, replace
from einstan.language.term import add, bound_indices, mul, neg, rename_bound, substitute, tensors
from einstan.machine.meaning.loops import evaluate
from einstan.machine.meaning.numbers import FLOATS
from einstan.machine.sizes.inference import infer
from tests.calculus.oracle import NoValueError, Oracle
from tests.calculus.terms import AX_A, AX_B, AX_W, SHAPES, SIZES, Terms, anchored, arrays, free_indices, graph

LARGEST = 1e6


class RejectedError(Exception):
    """The example tells nothing."""


def sizes_for(random: Random) -> dict[str, int]:
    """The usual extents; sometimes an axis of one value, or of none."""
    sizes = dict(SIZES)
    if random.randrange(5) == 0:
        sizes[random.choice((AX_A, AX_B, AX_W))] = random.randrange(2)
    return sizes


def of_value(expr: Expr, indices: tuple[Index, ...], oracle: Oracle) -> tuple[np.ndarray, np.ndarray]:
    """The values and slopes of a term at a point that tells something."""
    try:
        values, slopes = oracle.tensor(Equation("Z", indices, expr))
    except (NoValueError, IndexError) as error:
        raise RejectedError from error
    slopes[np.abs(slopes) < 1e-12] = 0.0
    if values.size and (np.abs(values).max() > LARGEST or (slopes.size and np.abs(slopes).max() > LARGEST)):
        raise RejectedError
    return values, slopes


def assert_close(expected: np.ndarray, found: np.ndarray, *terms: object) -> None:
    scale = 1 + (np.abs(expected).max() if expected.size else 0.0)
    assert expected.shape == found.shape, terms
    assert np.all(np.abs(expected - found) <= 1e-7 * scale), "\n".join(map(str, terms))


def a_term(random: Random, depth: int = 3) -> tuple[Expr, tuple[Index, ...], dict[str, int]]:
    """A term, its free indices, and extents; a function of nothing (the mean of no values) is not asked about."""
    maker = Terms(random, smooth=random.randrange(2) == 0, rational=random.randrange(4) == 0)
    term = maker.term(depth, free_indices(random))
    return term, term.free, sizes_for(random)


# ---- (a) every form has the same value -------------------------------------------------------------------------------

FORMS: dict[str, Callable[[Expr], Expr]] = {
    "simplify": lambda e: simplifier.simplify(e),
    "alpha": lambda e: alpha(e),
    "expanded": lambda e: forms.expanded(simplifier.simplify(e)),
    "expanded for people": lambda e: forms.expanded(simplifier.simplify(e), merge=False),
    "collected": lambda e: readable.collected(simplifier.simplify(e)),
    "canonical": lambda e: forms.canonical(e),
    "shortest": lambda e: readable.shortest(e),
}


def forms_keep_the_value(random: Random) -> None:
    term, indices, sizes = a_term(random)
    given = arrays(random, sizes)
    oracle = Oracle(sizes, given)
    values, _ = of_value(term, indices, oracle)
    for name, form in FORMS.items():
        changed = form(term)
        assert set(changed.free) <= set(indices), f"{name}\n{term}\n{changed}"
        found = valued(changed, indices, oracle, sizes)
        assert_close(values, found, name, term, changed)


def valued(expr: Expr, indices: tuple[Index, ...], oracle: Oracle, sizes: dict[str, int]) -> np.ndarray:
    """A derived form has a value wherever the term has one; where an axis is empty it may want one more."""
    try:
        return oracle.tensor(Equation("Z", indices, expr))[0]
    except (NoValueError, IndexError) as error:
        if 0 in sizes.values() or "δ" in str(expr):
            raise RejectedError from error
        raise AssertionError(f"{expr} has no value") from error


def simplifying_twice_changes_nothing(random: Random) -> None:
    once = simplifier.simplify(a_term(random)[0])
    assert simplifier.simplify(once) is once, f"{once}\n{simplifier.simplify(once)}"


# ---- (f) canonical forms ---------------------------------------------------------------------------------------------


def shuffled(expr: Expr, random: Random) -> Expr:
    """The same term with its factors and terms in another order and its bound indices renamed."""

    def rule(node: Node, children: tuple[Node, ...]) -> Node:
        if isinstance(node, Add | Mul):
            order = list(children)
            random.shuffle(order)
            return node.rebuilt(tuple(order))
        return node.rebuilt(children) if children != node.children else node

    result = rename_bound(fold(expr, rule), {"K", "M", "R"})
    assert isinstance(result, Expr)
    return result


def canonical_ignores_letters_and_order(random: Random) -> None:
    term = anchored(a_term(random)[0], ())
    other = shuffled(term, random)
    assert forms.canonical(term) is forms.canonical(other), f"{term}\n{other}"


# ---- (b) partials ----------------------------------------------------------------------------------------------------


def partial_is_the_derivative(random: Random) -> None:
    term, indices, sizes = a_term(random)
    given = arrays(random, sizes)
    names = [str(name) for name in tensors(term) if name != "T"]
    if not names:
        raise RejectedError
    wrt = random.choice(names)
    _, slopes = of_value(term, indices, Oracle(sizes, given, wrt))
    below = tuple(Index(f"z{k}'", dim) for k, dim in enumerate(SHAPES[wrt]))
    oracle = Oracle(sizes, given)
    for expr in (term, simplifier.simplify(term)):
        terms = partials.Differentiator(wrt, below).terms(expr)
        total = simplifier.simplify_sum(t.with_in_place(()) for t in terms)
        for derived in (total, readable.shortest(total)):
            found = valued(derived, indices + below, oracle, sizes)
            assert_close(slopes, found, f"with respect to {wrt}", term, derived)


INSIDE = {"arccosh": [1.3, 1.7, 2.9], **{name: [0.3, -0.7, 0.9] for name in ("arcsin", "arccos", "arctanh")}}


def every_function_has_its_derivative() -> None:
    """Each row of the table of functions, by each of its arguments, where it has one value on both sides."""
    index = Index("i", AX_A)
    for name, row in FUNCTIONS.items():
        points = {"u": INSIDE.get(name, [0.3, 0.7, 1.9]), "t": [0.4, 2.0, 0.6], "v": [1.5, 3.0, 1.7]}
        arguments = tuple(Indexed(tensor, (slot(index),)) for tensor in ("u", "t", "v"))[: len(row.parameters)]
        for position, argument in enumerate(arguments[: len(row.partials)]):
            equation = Equation("Z", (index,), Apply(name, arguments))
            _, slopes = Oracle({AX_A: 3}, points, argument.tensor).tensor(equation)
            derived = partials.partial(equation, argument.tensor)
            assert_close(slopes, loops(derived, dict(points), equation), name, position, derived)


def an_equation(random: Random, smooth: bool = True, scalar: bool = False) -> Equation:
    free = [] if scalar else free_indices(random)
    term = Terms(random, smooth).term(3, free)
    return Equation("Z", tuple(free), anchored(term, free))


def derived_equations_print_and_mean_what_they_say(random: Random) -> None:
    """`partial` of a readable equation parses back to itself, and the loops give it the derivative of the oracle."""
    raw = an_equation(random)
    given = arrays(random)
    names = [str(name) for name in tensors(raw.rhs) if name != "T"]
    if not names:
        raise RejectedError
    wrt = random.choice(names)
    _, slopes = of_value(raw.rhs, raw.indices, Oracle(SIZES, given, wrt))
    equation = well_named(raw)
    assert parse(str(equation)) is equation
    try:
        loops(equation, given)
    except (ExtentError, DataError) as error:
        raise RejectedError from error  # the text alone does not say how far an index runs
    derived = derived_or_none(lambda: partials.partial(equation, wrt))
    if derived is None:
        assert not np.any(slopes), f"{equation} by {wrt}"
        return
    assert parse(str(derived)) is derived
    assert_close(slopes, loops(derived, given, equation), equation, derived)


def derived_or_none(derive: Callable[[], Any]) -> Any:
    """What is derived; None where that is refused, because only comparisons or slots read the tensor.

    A derivative may hold an index in brackets alone, whose extent no text can tell: that is refused, and tells nothing.
    """
    try:
        return derive()
    except DifferentiationError:
        return None
    except ScopeError as error:
        if not error.problem.startswith("this equation cannot be written"):
            raise
        raise RejectedError from error


def loops(equation: Equation, given: dict[str, object], source: Equation | None = None) -> np.ndarray:
    """The values that the reference loops give; ``source`` fixes the extents of what a derivative no longer reads."""
    program = Program([equation] if source is None else [source, equation])
    reads = {name: given[str(name)] for name in program.inputs if str(name) in given}
    tensor = evaluate(program, reads, numbers=FLOATS)[equation.name]
    return np.array(tensor.flat, dtype=float).reshape(tensor.shape)


# ---- (d) second derivatives ------------------------------------------------------------------------------------------


def second_derivatives_are_right_and_symmetric(random: Random) -> None:
    raw = an_equation(random, scalar=True)
    given = arrays(random)
    names = [str(name) for name in tensors(raw.rhs) if name != "T"]
    if not names:
        raise RejectedError
    one, other = random.choice(names), random.choice(names)
    of_value(raw.rhs, (), Oracle(SIZES, given, one))
    equation = well_named(raw)
    try:
        loops(equation, given)
        first = partials.partial(equation, one)
        here = loops(partials.partial(first, other), given, equation)
        there = loops(partials.partial(partials.partial(equation, other), one), given, equation)
    except (ExtentError, DataError, DifferentiationError) as error:
        raise RejectedError from error
    if not np.all(np.isfinite(here)):
        raise RejectedError
    rank = len(SHAPES[one])
    here[np.abs(here) < 1e-12] = 0.0
    assert_close(here, np.moveaxis(there, range(-rank, 0), range(rank)) if there.ndim else there, equation, one, other)
    _, slopes = Oracle(extents_of(first, equation, given), given, other).tensor(first)
    assert_close(slopes, here, equation, first, one, other)


def extents_of(equation: Equation, source: Equation, given: dict[str, object]) -> dict[str, int]:
    """The extent of every dimension of an equation, for the oracle, which knows dimensions by name alone."""
    program = Program([source, equation])
    extents = infer(program, {name: np.shape(given[str(name)]) for name in program.inputs})  # type: ignore[call-overload]
    indices = {*equation.indices, *bound_indices(equation.rhs)}
    indices |= {node.index for node in preorder(equation.rhs) if isinstance(node, Extent)}
    return {index.dim: extents.of(equation, index) for index in indices}


# ---- (c) the contractor ----------------------------------------------------------------------------------------------


def backward_is_the_gradient(random: Random) -> None:
    equations = graph(random, 2 + random.randrange(3), 2)
    given = arrays(random)
    behind = {str(name) for equation in equations for name in tensors(equation.rhs)}
    wanted = [name for name in ("A", "B", "C", "u", "v", "w", "s", "X") if name in behind]
    program = Program([well_named(equation) for equation in equations])
    reached = dependencies(program, "L")
    wanted = [name for name in wanted if name in reached]
    if not wanted:
        raise RejectedError
    gradients: dict[str, np.ndarray] = {}
    for wrt in wanted:
        oracle = Oracle(SIZES, given, wrt)
        try:
            for equation in equations:
                oracle.define(equation)
        except (NoValueError, IndexError) as error:
            raise RejectedError from error
        gradients[wrt] = oracle.slopes["L"]
        if not abs(oracle.arrays["L"]) < LARGEST or np.abs(gradients[wrt]).max(initial=0) > LARGEST:
            raise RejectedError
    reads = {name: given[str(name)] for name in program.inputs}
    try:
        forward = evaluate(program, reads, numbers=FLOATS)
    except (ExtentError, DataError) as error:
        raise RejectedError from error
    again = evaluate(runnable(program), {n: given[str(n)] for n in runnable(program).inputs}, numbers=FLOATS)
    for name, tensor in forward.items():
        assert_close(np.array(tensor.flat), np.array(again[name].flat), name, program, runnable(program))
    for wrt in list(gradients):
        if derived_or_none(lambda wrt=wrt: contractor.backward(program, "L", [wrt])) is None:  # type: ignore[misc]
            assert not np.any(gradients.pop(wrt)), f"{program}\n{wrt}"
    if not gradients:
        raise RejectedError
    derived = contractor.backward(program, "L", list(gradients))
    for equation in derived:
        assert parse(str(equation)) is equation
    both = contractor.joined(program, derived)
    values = evaluate(both, {name: given[str(name)] for name in both.inputs}, numbers=FLOATS)
    for wrt, gradient in gradients.items():
        found = values[f"d{wrt}"]
        assert_close(gradient, np.array(found.flat, dtype=float).reshape(found.shape), wrt, program, derived)


# ---- (k) products with Jacobians and Hessians ------------------------------------------------------------------------


def passes_are_products_with_the_jacobian(random: Random) -> None:
    """Both passes, along two directions at once, against dual numbers."""
    equations = graph(random, 1 + random.randrange(3), 2)
    given = arrays(random)
    program = spelled(equations)
    of = str(random.choice(equations).name)
    names = [
        n for n in ("A", "B", "C", "u", "v", "w", "s", "X") if n in program.ranks and n in dependencies(program, of)
    ]
    if not names:
        raise RejectedError
    wrt = random.sample(names, min(len(names), 2))
    slopes: dict[str, np.ndarray] = {}
    for name in wrt:
        oracle = Oracle(SIZES, given, name)
        try:
            for equation in equations:
                oracle.define(equation)
        except (NoValueError, IndexError) as error:
            raise RejectedError from error
        slopes[name] = oracle.slopes[of]
        if not np.abs(oracle.arrays[of]).max(initial=0) < LARGEST or np.abs(slopes[name]).max(initial=0) > LARGEST:
            raise RejectedError
    try:
        evaluate(program, {name: given[str(name)] for name in program.inputs}, numbers=FLOATS)
    except (ExtentError, DataError) as error:
        raise RejectedError from error
    rank = len(program[of].indices)
    generator = np.random.default_rng(random.randrange(2**32))
    directions = {name: generator.standard_normal((2, *np.shape(given[name]))) for name in wrt}
    cotangent = generator.standard_normal((2, *slopes[wrt[0]].shape[:rank]))

    pushed = derived_or_none(lambda: jvp(program, [of], {name: f"V{name}" for name in wrt}, batch="r"))
    if pushed is None:  # only comparisons read one of them
        assert not all(np.any(slopes[name]) for name in wrt), f"{program}\n{wrt}"
        raise RejectedError
    pulled = derived_or_none(lambda: contractor.vjp(program, {of: "Y"}, wrt, batch="r"))
    assert pulled is not None
    for equation in (*pushed, *pulled):
        assert parse(str(equation)) is equation
    both = contractor.joined(program, pushed, pulled)
    extra = {**{f"V{name}": value for name, value in directions.items()}, "Y": cotangent}
    reads = {name: extra.get(str(name), given.get(str(name))) for name in both.inputs}
    values = evaluate(both, reads, numbers=FLOATS)
    expected: Any = sum(
        np.tensordot(directions[name].reshape(2, -1), slopes[name].reshape(*slopes[name].shape[:rank], -1), (1, rank))
        for name in wrt
    )
    assert_close(expected, as_floats(values[f"t{of}"]), of, program, pushed)
    for name in wrt:
        expected = np.tensordot(cotangent, slopes[name], rank)
        assert_close(expected, as_floats(values[f"d{name}"]), name, program, pulled)


def spelled(equations: list[Equation]) -> Program:
    try:
        return Program([well_named(equation) for equation in equations])
    except NotationError as error:  # a number that is divided by became zero
        raise RejectedError from error


def inputs_behind(program: Program, of: str) -> list[str]:
    behind = dependencies(program, of) & set(program.ranks)
    return [name for name in ("A", "B", "C", "u", "v", "w", "s", "X") if name in behind]


def as_floats(tensor: Any) -> np.ndarray:
    return np.array(tensor.flat, dtype=float).reshape(tensor.shape)


def orders_of_composition_agree(random: Random) -> None:
    """``u H v`` by forward over reverse, reverse over forward, and forward over forward."""
    program = Program([well_named(equation) for equation in graph(random, 1 + random.randrange(2), 2)])
    given = arrays(random)
    names = [
        n for n in ("A", "B", "C", "u", "v", "w", "s", "X") if n in program.ranks and n in dependencies(program, "L")
    ]
    if not names:
        raise RejectedError
    wrt = random.choice(names)
    shape = np.shape(given[wrt])  # type: ignore[arg-type]
    generator = np.random.default_rng(random.randrange(2**32))
    left, right = generator.standard_normal(shape), generator.standard_normal(shape)
    joined = contractor.joined
    pushed = derived_or_none(lambda: jvp(program, ["L"], {wrt: "V"}))
    if pushed is None:
        raise RejectedError
    along = joined(program, pushed)

    def derived() -> dict[str, Program]:
        gradient = joined(program, contractor.backward(program, "L", [wrt]))
        return {
            "forward over reverse": joined(gradient, jvp(gradient, [f"d{wrt}"], {wrt: "V"}, zeros=True)),
            "reverse over forward": joined(along, contractor.backward(along, "tL", [wrt], zeros=True)),
            "forward over forward": joined(along, jvp(along, ["tL"], {wrt: "V2"}, letter="t2", zeros=True)),
        }

    wholes = derived_or_none(derived)
    found: dict[str, float] = {}
    for order, whole in wholes.items():
        reads = {n: {"V": right, "V2": left}.get(str(n), given.get(str(n))) for n in whole.inputs}
        try:
            values = evaluate(whole, reads, numbers=FLOATS)
        except (ExtentError, DataError, ArithmeticError) as error:
            raise RejectedError from error
        name = {"forward over reverse": f"td{wrt}", "reverse over forward": f"d{wrt}"}.get(order)
        tensor = as_floats(values[name if name else "t2tL"])
        found[order] = float((left * tensor).sum()) if name else float(tensor)
    if not all(abs(value) < LARGEST for value in found.values()):
        raise RejectedError
    first = found.pop("forward over reverse")
    for value in found.values():
        assert_close(np.array(first), np.array(value), wrt, *wholes.values())


# ---- (h) naming ------------------------------------------------------------------------------------------------------


def forward_names_are_equal(random: Random) -> None:
    """What is named has the value of its name: definitions are taken from terms of the expression and near them."""
    term, indices, sizes = a_term(random)
    given = arrays(random, sizes)
    oracle = Oracle(sizes, given)
    values, _ = of_value(term, indices, oracle)
    simple = simplifier.simplify(term)
    inner = [node for node in below(simple) if not isinstance(node, Indexed)]
    if not inner:
        raise RejectedError
    definitions = []
    for number in range(3):
        body = random.choice(inner)
        free = list(body.free)
        random.shuffle(free)
        letters = {old: slot(Index(f"f{k}", old.dim)) for k, old in enumerate(free)}
        renamed = substitute(body, letters)
        assert isinstance(renamed, Expr)
        left = tuple(Index(f"f{k}", old.dim) for k, old in enumerate(free))
        definitions.append(Equation(f"F{number}", left, renamed))
    named = ForwardNames(definitions)(simple)
    try:
        for definition in definitions:
            oracle.define(definition)
        found = oracle.tensor(Equation("Z", indices, named))[0]
    except (NoValueError, IndexError) as error:
        raise RejectedError from error
    assert_close(values, found, simple, named, *definitions)


def below(expr: Expr) -> list[Expr]:
    found: list[Expr] = []
    stack: list[Node] = [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, Expr):
            found.append(node)
            stack.extend(node.children)
    return found


# ---- (e) proofs ------------------------------------------------------------------------------------------------------


def mutated(expr: Expr, random: Random) -> Expr:
    """A near miss: a sign, a factor, a bracket, an index or an order of slots is wrong somewhere."""
    nodes = [node for node in below(expr) if not isinstance(node, Const)]
    if not nodes:
        raise RejectedError
    old = random.choice(nodes)
    new: Expr
    match random.randrange(5):
        case 0:
            new = neg(old)
        case 1:
            new = mul((Const(2), old))
        case 2 if isinstance(old, Mul):
            new = mul(old.factors[1:])
        case 3 if isinstance(old, Indexed) and len(old.slots) == 2:
            new = Indexed(old.tensor, old.slots[::-1])
        case 4 if len(old.free) > 1 and old.free[0].dim == old.free[1].dim:
            new = substitute(old, {old.free[0]: old.free[1]})  # type: ignore[assignment]
        case _:
            new = add((old, Const(1)))
    return replace(expr, {old: new})  # type: ignore[no-any-return]


def only_what_is_true_is_proved(random: Random) -> None:
    term, indices, sizes = a_term(random)
    if 0 in sizes.values():
        raise RejectedError  # where there is nothing to tell them apart, all is equal
    other = mutated(term, random)
    given = arrays(random, sizes)
    oracle = Oracle(sizes, given)
    values, _ = of_value(term, indices, oracle)
    proof = proofs.prove(term, other)
    if proof.proved:
        try:
            found = oracle.tensor(Equation("Z", indices, other))[0]
        except (NoValueError, IndexError, ValueError) as error:
            raise RejectedError from error
        assert_close(values, found, "proved equal:", term, other)
    else:
        assert proof.difference


def a_rewritten_term_is_proved(random: Random) -> None:
    """Another order, other letters, one product multiplied out, a factor in numerator and denominator."""
    term = Terms(random, rational=True).term(2, free_indices(random))
    other = shuffled(forms.expanded(term), random)
    if proofs.has_no_value(term, forms.canonical(term)):
        raise RejectedError
    assert proofs.prove(term, other).proved, f"{term}\n{other}"


PROPERTIES = {
    check.__name__: check
    for check in (
        forms_keep_the_value,
        simplifying_twice_changes_nothing,
        canonical_ignores_letters_and_order,
        partial_is_the_derivative,
        derived_equations_print_and_mean_what_they_say,
        second_derivatives_are_right_and_symmetric,
        backward_is_the_gradient,
        passes_are_products_with_the_jacobian,
        orders_of_composition_agree,
        forward_names_are_equal,
        only_what_is_true_is_proved,
        a_rewritten_term_is_proved,
    )
}
