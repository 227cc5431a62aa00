"""Block structure read off deltas: which axes, and by which equations."""

import pytest

import einstan as es
from einstan.optimize.curvature import first_derivatives, second_derivatives
from einstan.optimize.structure import parts

FACTORISATION = "L = M[I,J] (A[I,J] - U[I,R] V[J,R])^2"

# text, parameters, expected: for every part its parameters and their axes, and the derivatives that it is made of
HESSIANS = {
    "one factor of a masked factorisation": (
        FACTORISATION, ["U"], [({"U": (0,)}, ["dL/dU[i,r]dU[p,q] = 2 M[i,J] δ[i,p] V[J,q] V[J,r]"])],
    ),
    "both factors hang together": (FACTORISATION, ["U", "V"], [({"U": (), "V": ()}, None)]),
    "a regression for each output, with its bias": (
        "Z[n,j] = X[n,K] W[K,j] + b[j]\nL = 1/2 (Z[N,J] - Y[N,J])^2", ["W", "b"],
        [({"W": (1,), "b": (0,)}, [
            "dL/dW[k,j]dW[l,q] = δ[j,q] X[N,k] X[N,l]", "dL/dW[k,j]db[q] = δ[j,q] X[N,k]",
            "dL/dW[k,j]db[q] = δ[j,q] X[N,k]", "dL/db[j]db[q] = δ[j,q] |Z.0|",
        ])],
    ),
    "no delta": ("L = 1/2 x[I] A[I,J] x[J]", ["x"], [({"x": ()}, None)]),
    "parameters that do not meet": (
        "L = 1/2 u[I]^2 + v[J]^4", ["u", "v"],
        [({"u": (0,)}, ["dL/du[i]du[p] = δ[i,p]"]), ({"v": (0,)}, ["dL/dv[j]dv[q] = 12 v[j]^2 δ[j,q]"])],
    ),
    "every axis": (
        "L = sum[I,J](sin(W[I,J]))", ["W"], [({"W": (0, 1)}, ["dL/dW[i,j]dW[p,q] = -sin(W[i,j]) δ[i,p] δ[j,q]"])],
    ),
    "no curvature at all": ("L = c[I] x[I] + y^2", ["x", "y"], [({"x": ()}, []), ({"y": ()}, ["∂L/∂y∂y = 2"])]),
    "softmax: a row by itself": (
        "L = sum[N](logsumexp[K](Z[N,K]))", ["Z"], [({"Z": (0,)}, None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "names", "expected"), HESSIANS.values(), ids=HESSIANS)
def test_hessians(text, names, expected):
    blocks = second_derivatives(es.Program(text), "L", names)
    found = parts(blocks, names, names, symmetric=True)
    assert [dict(part.row_axes) for part in found] == [axes for axes, _ in expected]
    for part, (axes, cores) in zip(found, expected, strict=True):
        assert dict(part.column_axes) == axes
        if cores is not None:
            assert [str(block.apart.equation) for block in part.blocks] == cores


def test_the_axes_of_a_jacobian_need_not_be_the_same():
    program = es.Program("F[i,j] = x[j,i]^3 + c[j] - 1")
    (part,) = parts(first_derivatives(program, ["F"], ["x"]), ["F"], ["x"], symmetric=False)
    assert dict(part.row_axes) == {"F": (0, 1)}
    assert dict(part.column_axes) == {"x": (1, 0)}
    assert part.joined(part.blocks[0]) == {0: 3, 1: 2}


def test_a_delta_of_one_axis_alone_does_not_divide_what_another_block_joins():
    """The second block has no delta, so there is no axis along which the system falls apart."""
    program = es.Program("F[i] = x[i]^2 + y[I]\nG[i] = y[i] x[i]")
    blocks = first_derivatives(program, ["F", "G"], ["x", "y"])
    assert [block.pairs for block in blocks] == [{(0, 0)}, set(), {(0, 0)}, {(0, 0)}]
    (part,) = parts(blocks, ["F", "G"], ["x", "y"], symmetric=False)
    assert dict(part.row_axes) == {"F": (), "G": ()}
