"""The tangent pass: a row per shape of graph, with the tangents that a person would write."""

from __future__ import annotations

import pytest

from einstan.calculus.backward import backward, joined, vjp
from einstan.calculus.forward import jvp
from einstan.calculus.program import Program
from einstan.language import parse, parse_document
from einstan.language.errors import DifferentiationError, EinstanError, ProgramError


def program(text: str) -> Program:
    document = parse_document("\n".join(line.strip() for line in text.strip().splitlines()))
    return Program(document.equations, document.assumptions)


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


CLASSIFIER = """
H[n,j] = X[n,K] W1[K,j] + b1[j]
A[n,j] = relu(H[n,j])
Z[n,j] = A[n,K] W2[K,j] + b2[j]
S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))
"""

# text, what moves, its directions, the index over directions
ROWS = {
    "chain": (
        CLASSIFIER, "S", "W1=V", None,
        """
        tH[n,j] = X[n,K] V[K,j]
        tA[n,j] = 1[H[n,j] > 0] tH[n,j]
        tZ[n,j] = tA[n,K] W2[K,j]
        tS[n,c] = S[n,c] (tZ[n,c] - S[n,K] tZ[n,K])
        """,
    ),
    "several directions at once": (
        "Z[n,j] = X[n,K] W[K,j]\nA[n,j] = tanh(Z[n,j])", "A", "W=V X=U", "r",
        """
        tZ[r,n,j] = U[r,n,K] W[K,j] + X[n,K] V[r,K,j]
        tA[r,n,j] = (1 - A[n,j]^2) tZ[r,n,j]
        """,
    ),
    "the letter of the directions is taken": ("Y[r] = X[r]^2", "Y", "X=V", "r", "tY[r2,r] = 2 X[r] V[r2,r]"),
    "a bias alone": (
        "Z[n,j] = X[n,K] W[K,j] + b[j]", "Z", "b=v", None, "tZ[n,j] = v[j] where |n| = |Z.0|",
    ),
    "a tensor used twice": (
        "q[i] = x[i] A[i,J] x[J]", "q", "x=v", None, "tq[i] = A[i,J] (v[i] x[J] + x[i] v[J])",
    ),
    "shared weights": (
        "A[n,j] = tanh(X[n,K] W[K,j])\nB[n,j] = A[n,K] W[K,j]", "B", "W=V", None,
        """
        tA[n,j] = (1 - A[n,j]^2) X[n,K] V[K,j]
        tB[n,j] = tA[n,K] W[K,j] + A[n,K] V[K,j]
        """,
    ),
    "correlation": ("Y[i] = X[i+R] W[R]", "Y", "X=U", None, "tY[i] = U[i+R] W[R] where |i| = |Y.0|"),
    "padded correlation: the guard is that of the direction": (
        "Y[i] = pad(X[i+J-1]) W[J] where |i| = |X.0|", "Y", "X=U", None,
        "tY[i] = pad(U[i+J-1]) W[J] where |i| = |Y.0|",
    ),
    "gather": ("Y[n,d] = E[T[n],d]", "Y", "E=V", None, "tY[n,d] = V[T[n],d]"),
    "ties of a maximum share": (
        "M[n] = max[K](X[n,K])", "M", "X=V", None,
        "tM[n] = 1[X[n,K2] == M[n]] V[n,K2] / sum[K](1[X[n,K] == M[n]])",
    ),
    "an intermediate tensor varied by itself": (
        CLASSIFIER, "S", "Z=V", None, "tS[n,c] = S[n,c] (V[n,c] - S[n,K] V[n,K])",
    ),
    "a tensor and one that has its size": (
        "b = sum[I](c[I]) / |a.0|\nY = b sum[I](a[I])", "Y", "a=u b=v", None, "tY = v a[I] + b u[I]",
    ),
    "what cancels": ("Y[n] = x[n] - x[n] + w[n]\nP[n] = x[n] - x[n]", "P", "x=v", None, "tP[n] = 0 where |n| = |P.0|"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "of", "directions", "batch", "expected"), ROWS.values(), ids=ROWS)
def test_tangents(text: str, of: str, directions: str, batch: str | None, expected: str) -> None:
    given = dict(pair.split("=") for pair in directions.split())
    derived = jvp(program(text), [of], given, batch=batch)
    assert str(derived).splitlines() == lines(expected)
    for equation in derived:
        assert parse(str(equation)) is equation


def test_equations_do_not_swell() -> None:
    def longest(depth: int) -> int:
        rows, last = [], "X"
        for k in range(depth):
            rows += [f"H{k}[n,j] = {last}[n,K] W{k}[K,j]", f"A{k}[n,j] = tanh(H{k}[n,j])"]
            last = f"A{k}"
        rows.append(f"L = 1/2 {last}[N,J]^2")
        given = program("\n".join(rows))
        gradient = joined(given, backward(given, "L", [f"W{k}" for k in range(depth)]))
        directions = {f"W{k}": f"V{k}" for k in range(depth)}
        derived = jvp(gradient, [f"dW{k}" for k in range(depth)], directions, batch="r")
        assert len(derived) <= 5 * depth
        return max(len(str(equation).translate({ord(digit): None for digit in "0123456789"})) for equation in derived)

    assert longest(30) == longest(5)


def test_a_hessian_vector_product_is_the_jvp_of_the_backward_pass() -> None:
    given = program(
        CLASSIFIER.replace("W1", "W").replace("b1", "b") + "L = -1/|N| Y[N,C] log(S[N,C])\nassume sum[C](Y[n,C]) = 1"
    )
    gradient = joined(given, backward(given, "L", ["W2"]))
    assert str(jvp(gradient, ["dW2"], {"W2": "V"})).splitlines() == lines(
        """
        tZ[n,j] = A[n,K] V[K,j]
        tS[n,c] = S[n,c] (tZ[n,c] - S[n,K] tZ[n,K])
        tdZ[n,c] = tS[n,c] / |n|
        tdW2[k,j] = A[N,k] tdZ[N,j]
        """
    )


def test_a_cotangent_can_be_named() -> None:
    derived = vjp(program(CLASSIFIER), {"Z": "C"}, ["W2", "b2"], batch="r")
    assert str(derived).splitlines() == ["dW2[r,k,j] = A[N,k] C[r,N,j]", "db2[r,j] = C[r,N,j]"]


def test_products_of_several_outputs_are_added() -> None:
    given = program("Z[n] = X[n,K] w[K]\nA[n] = Z[n]^2")
    derived = vjp(given, {"A": "a", "Z": "c", "w": "e"}, ["w"])
    assert str(derived).splitlines() == ["dZ[n] = c[n] + 2 Z[n] a[n]", "dw[k] = e[k] + X[N,k] dZ[N]"]


ERRORS = [
    ("Y[i] = X[i]^2", "M", "X=V", ProgramError, "no equation defines M"),
    ("Y[i] = X[i]^2", "Y", "W=V", ProgramError, "there is no tensor W"),
    ("Y[i] = X[i]^2", "Y", "X=Y", ProgramError, "Y is to be the direction of X, and a tensor of the program has that"),
    ("Y[i] = X[i]^2\ntY[i] = 2 X[i]", "Y", "X=V", ProgramError, "tY is the tangent of Y, and a tensor of the program"),
    ("A[i] = X[i]\nY[i] = Z[i]", "Y", "X=V", DifferentiationError, "Y does not depend on X, so nothing moves"),
    ("Y = c[I] / |x.0|\nZ = x[I]", "Y", "x=V", DifferentiationError, "Y does not depend on x, so nothing moves"),
    ("Y[n,d] = E[T[n],d]", "Y", "T=V", DifferentiationError, "T is read as an integer in a slot"),
    ("Y[i] = 1[X[i] > 0]", "Y", "X=V", DifferentiationError, "Y depends on X only through comparisons"),
    ("Y[i] = w[i] 1[X[i] > 0]", "Y", "X=V w=U", DifferentiationError, "Y depends on X only through comparisons"),
    ("Z[i] = X[i]^2\nY[i] = w[i] 1[Z[i] > 0]", "Y", "X=V", DifferentiationError, "Y depends on X only through"),
    ("Z[i] = X[i]^2\nY[i] = Z[i] X[i]", "Y", "X=V Z=U", DifferentiationError, "Z depends on X, so it cannot be varied"),
]


@pytest.mark.parametrize(("text", "of", "directions", "kind", "problem"), ERRORS)
def test_what_cannot_be_differentiated_is_an_error(
    text: str, of: str, directions: str, kind: type[EinstanError], problem: str
) -> None:
    with pytest.raises(kind) as caught:
        jvp(program(text), [of], dict(pair.split("=") for pair in directions.split()))
    assert caught.value.problem.startswith(problem)


def test_a_kink_has_a_stated_convention_that_can_be_replaced() -> None:
    given = program("A[n] = relu(X[n])")
    assert str(jvp(given, ["A"], {"X": "V"})) == "tA[n] = 1[X[n] > 0] V[n]"
    chosen = jvp(given, ["A"], {"X": "V"}, kinks={"relu": ["1[x >= 0]"]})
    assert str(chosen) == "tA[n] = 1[X[n] >= 0] V[n]"
