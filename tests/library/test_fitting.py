"""What is derived from a program refuses arrays that the program refuses, whether or not it reads them still."""

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import ExtentError

PROGRAM = es.Program("d[n] = a[n+1] - b[n]\nL = sum[N](d[N]^2)")
ROUTES = {
    "backward": lambda by: PROGRAM.backward("L", [by]).compile(),
    "partial of a tensor": lambda by: PROGRAM.partial("d", by).compile(),
    "derivative": lambda by: PROGRAM.derivative("d", by),
    "gradient": lambda by: PROGRAM.derivative("L", by),
    "Hessian": lambda by: PROGRAM.hessian("L", by),
    "tangent of a tensor": lambda by: PROGRAM.jvp("d", {by: "v"}).compile(),
    "Hessian-vector product": lambda by: PROGRAM.hvp("L", {by: "v"}).compile(),
}


@pytest.mark.parametrize("by", ["a", "b"])
@pytest.mark.parametrize("route", ROUTES)
def test_a_read_outside_is_refused_by_whatever_is_derived(route, by):
    derived = ROUTES[route](by)
    for shorter, fits in ((1, True), (0, False)):
        given = {"a": np.arange(4.0), "b": np.ones(4 - shorter)}
        if "product" in route or "tangent" in route:
            given["v"] = np.ones_like(given[by])
        if fits:
            derived(given)
            continue
        with pytest.raises(ExtentError, match="n has two sizes"):
            derived(given)


def test_a_pass_alone_may_be_given_all_that_the_forward_pass_made():
    program = es.Program("S[i] = b[i,J] X[J]\nf[m] = S[m+2]\nV[i] = f[i]\nL = sum[P](sin(V[P]))")
    made = program.backward("L", wrt=["b", "X"])
    arrays = {"b": np.array([[1.5], [1.6], [0.8]]), "X": np.array([1.2])}
    alone = es.Program(str(made)).compile()({**arrays, **program.compile(outputs=["S", "f", "V"])(arrays)})
    np.testing.assert_allclose(alone["dX"], made.compile()(arrays)["dX"])
