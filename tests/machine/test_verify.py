"""Numeric evidence: what agrees, what differs and where, what cannot be decided."""

from decimal import Decimal, getcontext
from fractions import Fraction

import pytest

from einstan.calculus.program import Program
from einstan.language import parse, parse_document
from einstan.language.scope import parse_expression
from einstan.machine.evidence import counterexamples
from einstan.machine.evidence.verify import compare, short, told_apart
from einstan.machine.meaning import numbers


def verdict(left, right, definitions="", **options):
    document = parse_document(definitions)
    program = Program(document.equations, document.assumptions) if definitions else None
    return compare(parse(left), parse(right), program, **options)


@pytest.mark.parametrize(
    ("left", "right", "definitions"),
    [
        ("y[i] = (x[i] + z[i])^2", "y[i] = x[i]^2 + 2 x[i] z[i] + z[i]^2", ""),
        ("y[i] = tanh(x[i])", "y[i] = 2 sigmoid(2 x[i]) - 1", ""),
        ("y[i] = log(x[i]^2)", "y[i] = 2 log(x[i])", ""),  # where both have a value
        ("y[i] = sqrt(x[i])^2", "y[i] = x[i]", ""),
        ("y = logsumexp[K](x[K] + c)", "y = c + logsumexp[K](x[K])", ""),
        ("y[i,l] = A[i,J] B[J,K] C[K,l]", "y[i,l] = C[K,l] A[i,J] B[J,K]", ""),
        ("dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]", "dZ[n,j]/dX[m,p] = W[p,j] δ[m,n]", "Z[n,j] = X[n,K] W[K,j]"),
        ("q[n,j] = Z[n,j]", "q[n,j] = X[n,I] W[I,j]", "Z[n,j] = X[n,K] W[K,j]"),
        ("y[n,d] = E[T[n],d]", "y[n,d] = δ[T[n],V] E[V,d]", ""),
        ("y[i] = X[i+J] W[J]", "y[i] = W[K] X[i+K]", ""),
        ("y[n] = sum[J](Y[n,J]) a[n]", "y[n] = a[n]", "q[n,j] = Y[n,j]\nassume sum[J](Y[n,J]) = 1"),
        ("y[n] = sum[J](Y[n,J] + 1)", "y[n] = 2 + |Y.1|", "q[n,j] = Y[n,j]\nassume sum[J](Y[n,J]) = 2"),
    ],
)  # fmt: skip
def test_agreement(left, right, definitions):
    found = verdict(left, right, definitions)
    assert found.verdict == "agree", str(found)
    assert found
    assert found.points == 20
    assert str(found).startswith("agrees at 20 random points")
    assert all(low >= 2 and top <= 11 for low, top in found.extents.values())


def test_the_extents_are_said():
    """None is 1, and they differ: a vector of one entry, and a square, are no evidence for what is said of all."""
    found = verdict("y[i] = A[i,J] x[J]", "y[i] = x[K] A[i,K]")
    assert found.extents == {"i": (2, 5), "j": (2, 5)}
    assert str(found) == "agrees at 20 random points with |i|, |j| = 2..5 (exact rationals)"
    assert str(verdict("y = a b", "y = b a")) == "agrees at 20 random points (exact rationals)"


def test_the_arithmetic_is_said():
    assert verdict("y[i] = x[i] + x[i]", "y[i] = 2 x[i]").arithmetic == "exact rationals"
    assert verdict("y[i] = exp(2 x[i])", "y[i] = exp(x[i])^2").arithmetic == "50-digit decimals"


def test_a_small_counterexample():
    found = verdict("y[i] = (x[i] + z[i])^2", "y[i] = x[i]^2 + x[i] z[i] + z[i]^2")
    assert str(found) == "x = [1]\nz = [1]\nat i = 0: left 4, right 3"
    assert not found
    assert (found.left, found.right) == (Fraction(4), Fraction(3))


def test_a_counterexample_that_needs_two():
    found = verdict("dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]", "dZ[n,j]/dX[m,p] = W[p,j]", "Z[n,j] = X[n,K] W[K,j]")
    assert found.arrays["W"] == [[1]]
    assert found.at["n"] != found.at["m"]
    assert (found.left, found.right) == (0, 1)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("y = sum[J](x[J])^2", "y = sum[J](x[J]^2)"),
        ("y[i] = softplus(x[i])", "y[i] = relu(x[i])"),
        ("y[i] = mean[J](A[i,J])", "y[i] = sum[J](A[i,J])"),
        ("y[i,j] = A[i,j]", "y[i,j] = A[j,i]"),
        ("y[i] = sin(x[i])", "y[i] = x[i] - 1/6 x[i]^3"),
        # of three entries there are no four that differ
        ("y = prod[I](1 + x[I])", "y = 1 + x[I] + 1[I < J] x[I] x[J] + 1[I < J] 1[J < K] x[I] x[J] x[K]"),
        ("y = 1[I < J] 1[J < K] 1[K < L] x[I] x[J] x[K] x[L]", "y = x[I] - x[J]"),
        ("y[i,j] = 2 X[2i+j]", "y[i,j] = X[2i+j]"),  # an axis that two indices share
    ],
)
def test_difference(left, right):
    found = verdict(left, right)
    assert found.verdict == "differ"
    assert abs(float(found.left) - float(found.right)) > 0


def test_what_has_no_value_is_undecided():
    found = verdict("y[i] = log(-x[i]^2)", "y[i] = 1")
    assert found.verdict == "undecided"
    assert str(found).startswith("undecided: log has no value at -")
    assert not found


def test_an_assumption_that_no_point_satisfies_is_undecided():
    found = verdict("y[n] = a[n]", "y[n] = a[n]", "q[n] = a[n]\nassume a[n]^2 = -2")
    assert found.verdict == "undecided"
    assert str(found) == "undecided: no point was found at which the assumptions hold"


def test_the_same_seed_gives_the_same_points():
    texts = ("y[i,j] = A[i,J] A[J,j]", "y[i,j] = A[J,i] A[J,j]")
    assert str(verdict(*texts, seed=3)) == str(verdict(*texts, seed=3))


def test_expressions_are_matched_by_letters():
    left, right = parse("y[i,j] = A[i,j] + b[j]").rhs, parse("y[i,j] = b[j] + A[i,j]").rhs
    assert compare(left, right)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("0e-60"), "0"),
        (Decimal("-1e-60"), "0"),
        (Decimal("1.00000000000000000000000000000000000000000000000001"), "1"),
        (Decimal("-0.5000000000000000000000000000000000000000"), "-0.5"),
        (Decimal("1234567.8901234567"), "1234567.89012"),
        (Decimal("1.5e-20"), "1.5e-20"),
        (Decimal("2e30"), "2e+30"),
        (Fraction(-3, 7), "-3/7"),
        (Fraction(1, 3**40), "8.22526333997e-20"),
    ],
)
def test_numbers_are_short(value, text):
    assert short(value) == text


def test_floats_that_agree_are_believed_only_where_that_is_asked() -> None:
    """What floats cannot tell apart: the proof has to be tried, and where it fails exact numbers are asked."""
    left, right = parse_expression("x[i]"), parse_expression("x[i] + 1e-30 x[i]")
    assert compare(left, right, quick=True).verdict == "agree"
    assert compare(left, right).verdict == "differ"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("log(x[i])", "2 log(x[i])"),  # has no value at half of the points
        ("exp(1000 x[i]) - exp(1000 x[i])", "x[i] - x[i] + 1"),  # floats overflow
        ("1e-200 (1/(x[i] - x[i] + 1e-200))", "2"),
        ("sum[K](x[K]) + y[i]", "y[i]"),
    ],
)
def test_a_quick_refutation_is_an_exact_one(left: str, right: str) -> None:
    sides = parse_expression(left), parse_expression(right)
    found = compare(*sides, quick=True)
    assert found.verdict == "differ"
    assert found.left != found.right
    assert not isinstance(found.left, float)


def test_what_floats_find_smaller_is_looked_at_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Floats that are wrong about every point do not change what is found."""
    right = compare(parse_expression("x[i] y[i]"), parse_expression("x[i]"))
    monkeypatch.setattr(counterexamples, "_clearly_differ", lambda a, b: True)
    found = compare(parse_expression("x[i] y[i]"), parse_expression("x[i]"))
    assert found.verdict == right.verdict == "differ"
    assert found.left != found.right


NUMBERS = [
    (Fraction(3, 2), Fraction(5, 2), ("3/2", "5/2")),
    (Fraction(3, 2) + Fraction(1, 10**20), Fraction(3, 2), ("1.50000000000000000001", "3/2")),
    (Decimal("2.7e-174"), Fraction(0), ("2.7e-174", "0")),
    (Decimal(1) / 3, Fraction(1, 2), ("0.333333333333", "1/2")),
    (Fraction(1), float("nan"), ("1", "no value")),
]


@pytest.mark.parametrize(("left", "right", "texts"), NUMBERS)
def test_numbers_that_differ_are_shown_in_digits_that_do(left, right, texts):
    assert told_apart(left, right) == texts


def test_a_function_is_worked_out_once_at_a_place(monkeypatch):
    """Loops come to the exponentials of a softmax again for every entry that reads it, in a thousand digits."""
    places, exponential = [], numbers.TRANSCENDENTAL["exp"]

    def told(x):
        places.append((getcontext().prec, x))
        return exponential(x)

    numbers._worked_out.cache_clear()
    monkeypatch.setitem(numbers.TRANSCENDENTAL, "exp", told)
    found = verdict("y[j] = softmax[j](x[j])", "y[j] = exp(x[j]) / sum[K](exp(x[K]))")
    assert found.verdict == "agree"
    assert len(places) == len(set(places)) > 10
