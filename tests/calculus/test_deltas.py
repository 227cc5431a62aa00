"""Deltas used up: index equality, affine forms solved with guards, and what survives."""

from __future__ import annotations

import numpy as np
import pytest

import einstan as es
from einstan.calculus.simplify import simplify
from einstan.language import Equation, parse, well_named

ROWS = [
    # plain deltas: a union-find over the indices of the product
    ("y[p,j] = sum[K](δ[K,p] W[K,j])", "y[p,j] = W[p,j]"),
    ("y[p] = sum[I,J,K](δ[I,J] δ[J,K] δ[K,p] x[I] u[K])", "y[p] = x[p] u[p]"),
    ("y = sum[I,J](δ[I,J] A[I,J])", "y = A[I,I]"),
    ("y = sum[I,J,K](δ[I,J] δ[J,K] A[I,K])", "y = A[I,I]"),
    ("y[i] = δ[i,i] x[i]", "y[i] = x[i]"),
    ("y[i] = sum[K](δ[K,K] A[i,K])", "y[i] = A[i,K]"),
    ("y[i] = sum[K](δ[i,K]) x[i]", "y[i] = x[i]"),
    # between free indices a delta survives, once
    ("y[i,j] = δ[i,j] x[i]", "y[i,j] = δ[i,j] x[i]"),
    ("y[i,j] = δ[i,j] δ[j,i] x[i]", "y[i,j] = δ[i,j] x[i]"),
    ("y[i,j] = sum[K](δ[i,K] δ[K,j] x[K])", "y[i,j] = δ[i,j] x[i]"),
    ("y[i,j,k] = δ[i,j] δ[j,k] δ[k,i] x[i]", "y[i,j,k] = δ[i,j] δ[i,k] x[i]"),
    # affine deltas are solved for a summed index, with a range guard
    ("y[i,p] = sum[R](δ[i+R,p] w[R] x[p]) + u[i]", "y[i,p] = pad(w[p-i]) x[p] + u[i]"),
    ("y[i,p] = sum[R](δ[p,i-R] w[R] x[p]) + u[i]", "y[i,p] = pad(w[i-p]) x[p] + u[i]"),
    ("y[i,p] = sum[R](δ[2i+R+1,p] w[R] x[p]) + u[i]", "y[i,p] = pad(w[p-2i-1]) x[p] + u[i]"),
    ("y[p] = sum[I,R](δ[2I+3R,p] w[R] x[I]) + u[p]", "y[p] = δ[2I+3R,p] w[R] x[I] + u[p]"),  # no unit coefficient
    ("y[p] = sum[I,R](δ[2I+R,p] w[R] x[I]) + u[p]", "y[p] = pad(w[p-2I]) x[I] + u[p]"),
    ("y = sum[K](δ[K,0] x[K])", "y = pad(x[0])"),
    # a gather is what a delta with an integer tensor means
    ("y[n,d] = sum[V](δ[T[n],V] E[V,d])", "y[n,d] = E[T[n],d]"),
    ("y[n,p] = δ[T[n],p] x[n] + u[p]", "y[n,p] = δ[T[n],p] x[n] + u[p]"),
    ("y[p] = sum[N](δ[T[N],p] x[N]) + u[p]", "y[p] = δ[T[N],p] x[N] + u[p]"),
    # inside a sum of terms a delta waits until the product is multiplied out
    ("y[i] = sum[K](x[K] (δ[i,K] + u[K]))", "y[i] = x[i] + x[K] u[K]"),
    # in a function it stays where it is
    ("y[i] = prod[K](x[K] + δ[i,K])", "y[i] = prod[K](x[K] + δ[i,K])"),
]


@pytest.mark.parametrize(("text", "expected"), ROWS)
def test_used_up(text: str, expected: str) -> None:
    equation = parse(text)
    simple = well_named(Equation(equation.name, equation.indices, simplify(equation.rhs), equation.where))
    assert str(simple) == expected


def test_a_number_that_is_read_stays_guarded_beside_its_delta():
    """There may be no such entry, whatever the index is."""
    program = es.Program("V[i] = sum[J](sin(a[i,J]))\no[m] = pad(V[m+1]) where |m| = |V.0|\nL = o[3]")
    partial = program.partial("L", "a").compile()
    a = np.arange(15.0).reshape(5, 3)
    assert (partial(a=a[:4])["dL/da"] == 0).all()
    np.testing.assert_allclose(partial(a=a)["dL/da"], np.eye(5)[4][:, None] * np.cos(a), atol=1e-15)
