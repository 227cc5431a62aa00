"""Cases that once were wrong, a row or a test each; none may come back."""

from __future__ import annotations

import numpy as np
import pytest

from einstan.calculus.backward import backward, joined
from einstan.calculus.canonical import canonical
from einstan.calculus.collect import collected, shortest
from einstan.calculus.partial import partial
from einstan.calculus.program import Program
from einstan.calculus.proof import prove_partial
from einstan.calculus.simplify import simplify
from einstan.calculus.stable import runnable
from einstan.language import Add, Equation, Index, Indexed, Mul, Reduce, Sum, parse, slot
from einstan.language.term import Extent
from einstan.machine.meaning.loops import evaluate
from tests.calculus.oracle import Oracle


def program(*lines: str) -> Program:
    return Program([parse(line) for line in lines])


# ---- letters ---------------------------------------------------------------------------------------------------------


def test_a_definition_that_binds_a_letter_of_its_reader() -> None:
    """dy/dx[k] was a[k] b[k]^2 exp(s): the sum in s captured the K around it."""
    both = program("s = b[K] x[K]", "y = a[K] b[K] exp(s)")
    known = {equation.name: both.resolved(equation) for equation in both}
    assert str(partial(known["y"], "x", definitions=known)) == "dy/dx[k] = a[K] b[K] exp(s) b[k]"


def test_an_inner_binder_of_an_outer_letter() -> None:
    """As a derivation may leave them: sum[K](c[K] exp(sum[K](c[K] x[K])))."""
    k = Index("K", "x.0")
    c, x = Indexed("c", (slot(k),)), Indexed("x", (slot(k),))
    inner = Equation("y", (), Sum((k,), Mul((c, Reduce("prod", (k,), Mul((c, x)))))))
    derived = partial(inner, "x")
    given = {"c": [0.5, 2.0], "x": [3.0, 0.25]}
    _, slopes = Oracle({"x.0": 2}, given, "x").tensor(inner)
    np.testing.assert_allclose(evaluate(derived, given).tolist(), slopes)


def test_two_bound_indices_that_the_body_lacks() -> None:
    """Telling them apart did not end."""
    k, m = Index("K", "x.0"), Index("M", "x.0")
    assert canonical(Reduce("prod", (k, m), Indexed("s"))) is canonical(Reduce("prod", (m, k), Indexed("s")))


def test_two_extents_of_one_dimension_are_one_number() -> None:
    i, j = Index("i", "x.0"), Index("j", "x.0")
    assert simplify(Mul((Extent(i), Extent(j)))) is simplify(Mul((Extent(i), Extent(i))))


# ---- collecting ------------------------------------------------------------------------------------------------------


def test_collecting_what_comes_twice_keeps_both() -> None:
    """A factor that was collected inside a product, and stood there already, was lost."""
    equation = parse("y = exp(s) (a + s) - (c + s) (exp(s) c + 1/2 exp(s) s) + a (b s + s) (d s + s c)")
    given = {"a": 2.0, "b": 3.0, "c": 5.0, "d": 0.5, "s": 0.7}
    before = evaluate(equation, given).tolist()
    for form in (collected, shortest):
        after = Equation("y", (), form(simplify(equation.rhs)))
        assert evaluate(after, given).tolist() == pytest.approx(before)


SECOND = "y = sqrt(exp(sqrt(1/2 + s^2) s^2 c) (1/2 + 1/4 s^2))"


def test_a_second_derivative_that_lost_a_factor() -> None:
    first = partial(parse(SECOND), "s")
    second = partial(first, "s")
    given = {"s": -1.069, "c": 3.0}
    _, slope = Oracle({}, given, "s").tensor(first)
    assert evaluate(second, given).tolist() == pytest.approx(float(slope))


def test_like_terms_that_meet_while_collecting_are_merged() -> None:
    second = partial(partial(parse("y = sqrt(exp(s) (1/2 + s^2))"), "s"), "s")
    assert "s + s" not in str(second)


@pytest.mark.parametrize(
    "text",
    [
        "y[i] = 1[0 <= i-1] X[i-1] a[i] + 1[0 <= i-1 < 3] X[i-1] b[i]",  # X was read in front of both brackets
        "y[i] = 1[x[i] > 0] log(x[i]) a[i] + 1[x[i] > 1] log(x[i]) b[i]",
    ],
)
def test_what_a_bracket_guards_stays_behind_it(text: str) -> None:
    assert str(Equation("y", parse(text).indices, shortest(parse(text).rhs))) == text


# ---- where -----------------------------------------------------------------------------------------------------------

POOLS = [
    (
        "Y[i] = max[R](X[2i+R]) where |R| = 2",
        "dX[p] = 1[X[p] == Y[I]] dY[I] 1[0 <= p-2I < 2] / sum[R](1[X[2I+R] == Y[I]]) where |R| = 2",
        [0, 10, 0, 18, 8, 0],
    ),
    ("Y[i] = mean[R](X[2i+R]) where |R| = 2", "dX[p] = 1/2 dY[I] 1[0 <= p-2I < 2]", [3, 3, 5.5, 5.5, 2, 2]),
]


@pytest.mark.parametrize(("pool", "expected", "gradient"), POOLS)
def test_an_extent_that_an_equation_states_is_stated_again(pool: str, expected: str, gradient: list[float]) -> None:
    forward = program(pool, "L = Y[I]^2")
    derived = backward(forward, "L", ["X"])
    assert str(derived["dX"]) == expected
    values = evaluate(joined(forward, derived), {"X": [1, 5, 2, 9, 4, 0]})
    assert [float(entry) for entry in values["dX"].tolist()] == gradient


def test_a_partial_states_the_extents_of_its_equation() -> None:
    derived = partial(parse("Y[i] = max[R](X[2i+R]) where |R| = 2"), "X")
    assert parse(str(derived)) is derived
    assert set(str(derived).partition(" where ")[2].split(", ")) == {"|R| = 2", "|R2| = 2"}
    assert prove_partial(parse("dY[i]/dX[p] = 1[0 <= p-2i < 2] / 2"), program(POOLS[1][0])).proved


def test_an_extent_that_is_stated_of_a_sum_that_goes_away() -> None:
    assert str(runnable(program("Y[i] = sum[R](X[i]) where |R| = 3"))) == "Y[i] = 3 X[i]"


def test_an_extent_whose_only_witness_cancels_is_stated() -> None:
    assert str(runnable(program("Y[i] = s + X[i] - X[i]"))) == "Y[i] = s where |i| = |X.0|"


def test_a_stated_axis_keeps_the_name_it_was_given() -> None:
    """|v.0| became the first axis of its class, which belongs to a tensor that is computed from this one."""
    both = program("Z0 = s^sum[P](1) where |P| = |v.0|", "Z1[p] = Z0 v[p]")
    assert str(runnable(both)["Z0"]) == "Z0 = s^|v.0|"


def test_padding_on_both_sides_needs_one_guard() -> None:
    forward = program("Y[i] = pad(X[i+J-1]) W[J] where |i| = |X.0| + |W.0| - 1", "L = Y[I]^2")
    assert str(backward(forward, "L", ["X"])["dX"]) == "dX[p] = dY[I] pad(W[p-I+1])"


# ---- zeros -----------------------------------------------------------------------------------------------------------


def test_what_cancels_has_the_derivative_zero() -> None:
    assert str(partial(parse("y[i] = x[i] - x[i] + a[i]"), "x")) == "dy[i]/dx[p] = 0"
    assert str(backward(program("y = x[I] a[I] - a[J] x[J] + a[I]"), "y", ["x"])) == "dx[i] = 0 where |i| = |x.0|"


# ---- gathers ---------------------------------------------------------------------------------------------------------


def test_a_solved_delta_does_not_read_a_gather_outside() -> None:
    """J = p+1 put T[p+1] into a bracket that nothing guards."""
    forward = program("Z[j] = pad(X[j+T[j]]) pad(X[j-1]) + u[j]", "L = Z[J]^2")
    derived = backward(forward, "L", ["X"])
    given = {"X": [1.0, 2.0, -1.0, 3.0, 0.5], "T": [1, 0, 1], "u": [0.5, 1.0, 2.0]}
    values = evaluate(joined(forward, derived), given)

    def loss(position: int, step: float) -> float:
        moved = [x + step * (position == k) for k, x in enumerate(given["X"])]
        return evaluate(forward, {**given, "X": moved})["L"].tolist()  # type: ignore[no-any-return]

    numeric = [(loss(k, 1e-6) - loss(k, -1e-6)) / 2e-6 for k in range(5)]
    np.testing.assert_allclose(values["dX"].tolist(), numeric, atol=1e-6)


# ---- printing --------------------------------------------------------------------------------------------------------


def test_a_sum_in_two_terms_is_explicit_in_both() -> None:
    text = "y = w[R2] tanh(sum[R](w[R] s)) + s (tanh(sum[R](w[R] s)) - tanh(sum[R](w[R] s))^2)"
    assert str(parse(text)) == text


# ---- speed -----------------------------------------------------------------------------------------------------------


def test_a_product_of_many_sums_is_not_multiplied_out_to_be_read() -> None:
    """Twelve sums took minutes: all ways to group the terms were followed to the end."""
    factors = " ".join(f"(a{k}[i] + x[i])" for k in range(12))
    assert len(str(partial(parse(f"y[i] = {factors}"), "x"))) < 2000


def test_a_shared_graph_is_differentiated_once_per_node() -> None:
    index = Index("i", "x.0")
    expr = Indexed("x", (slot(index),))
    for _ in range(30):
        expr = Mul((expr, expr))
    assert str(partial(Equation("y", (index,), expr), "x")) == "dy[i]/dx[p] = 1073741824 x[i]^1073741823 δ[i,p]"


def test_a_sum_of_a_thousand_terms() -> None:
    terms = tuple(Mul((Indexed(f"a{k % 500}"), Indexed("x"))) for k in range(1000))
    simple = simplify(Add(terms))
    assert isinstance(simple, Add)
    assert len(simple.terms) == 500


def test_an_extent_that_is_stated_of_two_letters_of_one_dimension() -> None:
    first = partial(parse("Z = A[I] logsumexp[R](X[2R]) where |R| = |w.0|"), "X")
    assert str(partial(first, "A")).endswith("where |R| = |w.0|")  # not as far as X can be read
