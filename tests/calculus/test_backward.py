"""The chain-rule contractor: a row per shape of graph, with the backward pass that a person would write."""

import pytest

from einstan.calculus.backward import backward
from einstan.calculus.program import Program
from einstan.language import parse, parse_document
from einstan.language.errors import DifferentiationError, EinstanError, ProgramError


def program(text: str) -> Program:
    document = parse_document("\n".join(line.strip() for line in text.strip().splitlines()))
    return Program(document.equations, document.assumptions)


CLASSIFIER = """
H[n,j] = X[n,K] W1[K,j] + b1[j]
A[n,j] = relu(H[n,j])
Z[n,j] = A[n,K] W2[K,j] + b2[j]
S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))
L = -1/|N| Y[N,C] log(S[N,C])
"""

ROWS = {
    "chain, labels that sum to one": (
        CLASSIFIER + "assume sum[C](Y[n,C]) = 1",
        "W1 b1 W2 b2",
        """
        dZ[n,c] = (S[n,c] - Y[n,c]) / |n|
        dW2[k,j] = A[N,k] dZ[N,j]
        db2[j] = dZ[N,j]
        dA[n,k] = dZ[n,J] W2[k,J]
        dH[n,j] = 1[H[n,j] > 0] dA[n,j]
        dW1[k,j] = X[N,k] dH[N,j]
        db1[j] = dH[N,j]
        """,
    ),
    "chain, any labels": (CLASSIFIER, "b2", "dZ[n,c] = (S[n,c] sum[C](Y[n,C]) - Y[n,c]) / |n|\ndb2[j] = dZ[N,j]"),
    "the cotangent of the softmax itself": (
        CLASSIFIER,
        "S b2",
        """
        dS[n,c] = -Y[n,c] / (|n| S[n,c])
        dZ[n,c] = S[n,c] (dS[n,c] - S[n,C] dS[n,C])
        db2[j] = dZ[N,j]
        """,
    ),
    "exponentials that divide": (
        """
        K[i,j] = exp(-C[i,j] / t)
        u[i] = a[i] / sum[J](K[i,J])
        v[j] = b[j] / (K[I,j] u[I])
        L = u[I] K[I,J] v[J] C[I,J]
        """,
        "t",
        """
        dv[j] = u[I] K[I,j] C[I,j]
        du[i] = K[i,J] v[J] (C[i,J] - dv[J] / (K[I,J] u[I]))
        dK[i,j] = u[i] (v[j] (C[i,j] - dv[j] / (K[I,j] u[I])) - du[i] / sum[J](K[i,J]))
        dt = K[I,J] C[I,J] dK[I,J] / t^2
        """,
    ),
    "shared weights": (
        """
        A[n,j] = tanh(X[n,K] W[K,j])
        B[n,j] = tanh(A[n,K] W[K,j])
        L = 1/2 (B[N,J] - T[N,J])^2
        """,
        "W",
        """
        dB[n,j] = B[n,j] - T[n,j]
        dA[n,k] = (1 - B[n,J]^2) dB[n,J] W[k,J]
        dW[k,j] = (1 - A[N,j]^2) X[N,k] dA[N,j] + (1 - B[N,j]^2) A[N,k] dB[N,j]
        """,
    ),
    "a tensor used twice in one product": ("q = x[I] A[I,J] x[J]", "x", "dx[i] = x[J] (A[i,J] + A[J,i])"),
    "a residual sum": (
        """
        H[n,j] = X[n,K] W[K,j]
        R[n,j] = X[n,j] + tanh(H[n,j])
        L = 1/2 R[N,J]^2
        """,
        "X",
        """
        dR[n,j] = R[n,j]
        dH[n,j] = (1 - tanh(H[n,j])^2) dR[n,j]
        dX[n,k] = dH[n,J] W[k,J] + dR[n,k]
        """,
    ),
    "several losses added": (
        """
        P[n] = X[n,K] w[K]
        A = 1/2 (P[N] - t[N])^2
        B = w[K]^2
        L = A + 0.01 B
        """,
        "w",
        "dP[n] = P[n] - t[n]\ndw[k] = X[N,k] dP[N] + 0.02 w[k]",
    ),
    "binary cross-entropy of a sigmoid, from its definition": (
        """
        Z[n] = X[n,K] w[K]
        P[n] = 1 / (1 + exp(-Z[n]))
        L = -1/|N| (Y[N] log(P[N]) + (1 - Y[N]) log(1 - P[N]))
        """,
        "w",
        "dZ[n] = (P[n] - Y[n]) / |n|\ndw[k] = X[N,k] dZ[N]",
    ),
    "correlation: index arithmetic solved with a range guard": (
        "Y[n,o,i] = X[n,C,i+R] W[o,C,R]\nL = 1/2 Y[N,O,I]^2",
        "X W",
        """
        dY[n,o,i] = Y[n,o,i]
        dX[n,c,p] = dY[n,O,I] pad(W[O,c,p-I])
        dW[o,c,r] = X[N,c,I+r] dY[N,o,I]
        """,
    ),
    "gather: its transpose is a scatter": (
        "Y[n,d] = E[T[n],d]\nL = 1/2 Y[N,D]^2",
        "E",
        "dY[n,d] = Y[n,d]\ndE[p,d] = dY[N,d] δ[T[N],p]",
    ),
    "ties of a maximum share the gradient": (
        "M[n] = max[K](X[n,K])\nL = M[N]",
        "X",
        "dX[n,k] = 1[X[n,k] == M[n]] / sum[K](1[X[n,K] == M[n]])",
    ),
    "what is read of an input is its size, and elsewhere its values": (
        "L = sum[I](c[I]) / |x.0|\nZ = sum[I](x[I])",
        "c",
        "dc[i] = 1/|x.0| where |i| = |c.0|",
    ),
    "what is read everywhere, in two terms, needs no bracket": (
        """
        u[n,k] = x[n,k] / r[n]
        s[n,m] = u[n,K] u[m,K]
        L = sum[N](s[N,N]) + sum[N,M](1[N != M] s[N,M])
        """,
        "x",
        """
        ds[n,m] = δ[n,m] + 1[n != m]
        du[n,k] = u[M,k] (ds[n,M] + ds[M,n])
        dx[n,k] = du[n,k] / r[n]
        """,
    ),
    "layer normalisation": (
        """
        M[n,c] = X[n,c] - mean[K](X[n,K])
        V[n] = mean[K](M[n,K]^2)
        F[n,c] = g[c] M[n,c] / sqrt(V[n] + 1e-5)
        L = 1/2 F[N,C]^2
        """,
        "X g",
        """
        dF[n,c] = F[n,c]
        dg[c] = dF[N,c] M[N,c] / sqrt(V[N] + 1e-5)
        dV[n] = -1/2 dF[n,C] F[n,C] / (V[n] + 1e-5)
        dM[n,k] = 2 M[n,k] dV[n] / |k| + g[k] dF[n,k] / sqrt(V[n] + 1e-5)
        dX[n,c] = dM[n,c] - dM[n,C] / |c|
        """,
    ),
}


@pytest.mark.parametrize(("text", "wrt", "expected"), ROWS.values(), ids=ROWS)
def test_backward(text: str, wrt: str, expected: str) -> None:
    derived = backward(program(text), "L" if "L =" in text else "q", wrt.split())
    lines = [line.strip() for line in expected.strip().splitlines()]
    assert sorted(str(derived).splitlines()) == sorted(lines)
    for equation in derived:
        assert parse(str(equation)) is equation


def test_equations_do_not_swell() -> None:
    def longest(depth: int) -> int:
        lines, last = [], "X"
        for k in range(depth):
            lines += [f"H{k}[n,j] = {last}[n,K] W{k}[K,j]", f"A{k}[n,j] = tanh(H{k}[n,j])"]
            last = f"A{k}"
        lines.append(f"L = 1/2 {last}[N,J]^2")
        derived = backward(program("\n".join(lines)), "L", [f"W{k}" for k in range(depth)])
        assert len(derived) == 3 * depth
        return max(len(str(equation).translate({ord(digit): None for digit in "0123456789"})) for equation in derived)

    assert longest(40) == longest(5)


ERRORS = [
    ("Y[i] = X[i]^2", "Y", ["X"], ProgramError, "Y is not a scalar, so it has no gradient; it has 1 slots"),
    ("L = X[I]", "M", ["X"], ProgramError, "no equation defines M"),
    ("L = X[I]", "L", ["W"], ProgramError, "there is no tensor W"),
    ("A = X[I]\nL = Z[I]", "L", ["X"], DifferentiationError, "L does not depend on X"),
    ("L = c[I] / |x.0|\nZ = x[I]", "L", ["x"], DifferentiationError, "L does not depend on x, so it has no gradient"),
    ("Y[n,d] = E[T[n],d]\nL = Y[N,D]", "L", ["T"], DifferentiationError, "T is read as an integer in a slot"),
    ("L = sum[I](1[X[I] > 0])", "L", ["X"], DifferentiationError, "L depends on X only through comparisons"),
    ("Z[i] = X[i]^2\nL = sum[I](1[Z[I] > 0])", "L", ["X"], DifferentiationError, "L depends on X only through"),
]


@pytest.mark.parametrize(("text", "loss", "wrt", "kind", "problem"), ERRORS)
def test_what_cannot_be_differentiated_is_an_error(
    text: str, loss: str, wrt: list[str], kind: type[EinstanError], problem: str
) -> None:
    with pytest.raises(kind) as caught:
        backward(program(text), loss, wrt)
    assert caught.value.problem.startswith(problem)


@pytest.mark.parametrize("text", ["L = c[I] / |x.0|\nZ = x[I]", "L = c[I] + E[x[N]]\nZ[n] = 2 x[n]"])
def test_an_input_of_which_others_read_the_values_has_no_gradient_unasked(text: str) -> None:
    assert {"dc", "dx"} & set(backward(program(text), "L").defined) == {"dc"}


def test_a_tensor_with_the_name_of_a_gradient_is_refused() -> None:
    equations = [parse("Z[i] = X[i]^2"), parse("dZ[i] = 2 X[i]"), parse("L = Z[I] dZ[I]")]
    with pytest.raises(ProgramError, match="dZ is the gradient with respect to Z"):
        backward(Program(equations), "L", ["X"])


def test_a_kink_has_a_stated_convention_that_can_be_replaced() -> None:
    text = "A[n] = relu(X[n])\nL = A[N]"
    assert str(backward(program(text), "L", ["X"])) == "dX[n] = 1[X[n] > 0]"
    chosen = backward(program(text), "L", ["X"], kinks={"relu": ["1[x >= 0]"]})
    assert str(chosen) == "dX[n] = 1[X[n] >= 0]"
