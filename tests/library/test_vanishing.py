"""What is multiplied by zero stays an input: it has a shape, and its derivative is zero and no error."""

from __future__ import annotations

import numpy as np
import pytest

import einstan as es
from einstan.language import parse
from einstan.language.errors import DataError

TEXT = "y[i] = X[i] + 0 q"


def test_it_is_printed_and_listed() -> None:
    assert str(parse(TEXT)) == TEXT
    assert set(es.Program(TEXT).inputs) == {"X", "q"}


@pytest.mark.parametrize("fast", [False, pytest.param(True, marks=pytest.mark.numba)])
def test_it_may_be_given_and_has_a_shape(fast: bool) -> None:
    step = es.Program(TEXT).compile(fast=fast)
    for more in ({}, {"q": 3.0}):
        np.testing.assert_array_equal(step(X=np.ones(2), **more)["y"], [1, 1])
    with pytest.raises(DataError, match="q has 1 axis"):
        step(X=np.ones(2), q=np.ones(2))


def test_its_derivative_is_zero() -> None:
    assert str(es.parse(TEXT).partial("q")) == "dy[i]/dq = 0"
    assert str(es.Program(f"{TEXT}\nL = sum[I](y[I]^2)").backward("L", ["q"])) == "dq = 0"
    report = es.check(f"{TEXT}\nclaim dy[i]/dq = 0\nclaim dy[i]/dq = 1[i]")
    assert (report.counts["proved"], report.counts["refuted"]) == (1, 1)


def test_what_enters_through_comparisons_alone_has_no_derivative_where_they_jump() -> None:
    report = es.check("z = 1[q > 0] w\nclaim dz/dq = 0")
    assert report.counts["kink"] == 1


def test_the_sizes_of_what_cancels_are_no_sizes_of_the_gradients_of_examples() -> None:
    each = es.Program("h = (b - b) sum[N](y[N] pad(c[-N]))\nf[l] = h where |l| = |q.0|\nL = sum[P](f[P])").per_example(
        "L", "p"
    )
    arrays = {"b": np.float64(0.25), "c": np.ones(1), "y": np.ones(2), "q": np.ones(3)}
    for name, shape in (("b", (3,)), ("c", (3, 1)), ("y", (3, 2))):
        np.testing.assert_array_equal(each.gradient(name)(arrays).dense(), np.zeros(shape))
