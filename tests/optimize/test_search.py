"""The line search: halved until the value falls by enough, and no further."""

import math

import numpy as np

from einstan.optimize.search import backtracked


def search(value, start, step, slope):
    return backtracked(
        lambda p: value(float(p["x"])), {"x": np.array(start)}, {"x": np.array(step)}, value(start), slope
    )


def test_a_good_step_is_taken_whole():
    there, value, length, halvings = search(lambda x: x * x, 1.0, -1.0, -2.0)
    assert (float(there["x"]), value, length, halvings) == (0.0, 0.0, 1.0, 0)


def test_a_step_that_is_too_long_is_halved():
    there, value, length, halvings = search(lambda x: x * x, 1.0, -7.0, -14.0)
    assert (float(there["x"]), length, halvings) == (-0.75, 0.25, 2)
    assert value == 0.5625


def test_values_that_are_not_finite_are_stepped_back_from():
    found = search(lambda x: math.inf if x < 0 else x - math.log(x) if x else math.inf, 2.0, -4.0, -2.0)
    assert found is not None
    assert (found[2], found[3]) == (0.25, 2)


def test_a_step_that_leads_up_is_refused():
    assert search(lambda x: x * x, 1.0, 1.0, -1.0) is None
