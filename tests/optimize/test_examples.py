"""Models of scikit-learn, each as equations and minimised by Newton's method, on real data.

The oracle is scikit-learn itself, with its tolerance set tight: coefficients equal to 1e-6 relative, in few iterations.
"""

import numpy as np
import pytest

import einstan as es
from einstan.optimize import alternating, newton, newton_cg

datasets = pytest.importorskip("sklearn.datasets", exc_type=ImportError)
models = pytest.importorskip("sklearn.linear_model", exc_type=ImportError)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def close(found, expected, relative=1e-6):
    assert np.linalg.norm(np.asarray(found) - expected) <= relative * np.linalg.norm(expected)


def breast_cancer():
    X, y = datasets.load_breast_cancer(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y.astype(float)


LOGISTIC = es.Program("""
    Z[n] = X[n,K] w[K] + b
    L = C 1[N] (softplus(Z[N]) - y[N] Z[N]) + 1/2 w[K]^2
""")


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
def test_logistic_regression(C):
    X, y = breast_cancer()
    start, data = {"w": np.zeros(30), "b": np.array(0.0)}, {"X": X, "y": y, "C": np.array(C)}
    found = newton(LOGISTIC, "L", start, data)
    expected = models.LogisticRegression(C=C, tol=1e-12, max_iter=10_000, solver="newton-cholesky").fit(X, y)
    close(found.params["w"], expected.coef_[0])
    close(found.params["b"], expected.intercept_[0])
    assert found.converged
    assert found.iterations <= 12
    assert found.notes == []
    again = newton_cg(LOGISTIC, "L", start, data, tol=1e-10)
    assert again.converged
    close(again.params["w"], expected.coef_[0])


MULTINOMIAL = es.Program("""
    Z[n,c] = X[n,K] W[K,c] + b[c]
    S[n,c] = softmax[c](Z[n,c])
    L = -a Y[N,C] log(S[N,C]) + 1/2 W[K,C]^2
    assume sum[C](Y[n,C]) = 1
""")


def test_multinomial_logistic_regression():
    """A constant added to every bias changes nothing: the direction is singular, told, and never stepped along."""
    X, y = datasets.load_digits(return_X_y=True)
    X, Y = X / 16, np.eye(10)[y]
    found = newton(MULTINOMIAL, "L", {"W": np.zeros((64, 10)), "b": np.zeros(10)}, {"X": X, "Y": Y, "a": np.array(1.0)})
    expected = models.LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000, solver="newton-cholesky").fit(X, y)
    close(found.params["W"].T, expected.coef_)
    close(found.params["b"] - found.params["b"].mean(), expected.intercept_ - expected.intercept_.mean())
    assert abs(found.params["b"].sum()) < 1e-9
    assert found.converged
    assert found.iterations <= 12
    (note,) = found.notes
    assert note.endswith("singular: 1 of 650 directions have no curvature; no step was taken along them")


@pytest.mark.parametrize("alpha", [0.01, 1.0, 30.0])
def test_ridge_regression(alpha):
    X, y = datasets.load_diabetes(return_X_y=True)
    program = es.Program("""
        R[n] = X[n,K] w[K] + b - y[n]
        L = R[N]^2 + a w[K]^2
    """)
    found = newton(program, "L", {"w": np.zeros(10), "b": np.array(0.0)}, {"X": X, "y": y, "a": np.array(alpha)})
    expected = models.Ridge(alpha=alpha).fit(X, y)
    close(found.params["w"], expected.coef_)
    close(found.params["b"], expected.intercept_)
    assert found.converged
    assert found.iterations == 1


@pytest.mark.parametrize("alpha", [1e-3, 1.0])
@pytest.mark.parametrize("bias", [0.0, 5.0])
def test_poisson_regression(alpha, bias):
    """From a bias of zero the first steps are too long for exp and are halved."""
    X, y = datasets.load_diabetes(return_X_y=True)
    program = es.Program("""
        Z[n] = X[n,K] w[K] + b
        L = mean[N](exp(Z[N]) - y[N] Z[N]) + 1/2 a w[K]^2
    """)
    found = newton(program, "L", {"w": np.zeros(10), "b": np.array(bias)}, {"X": X, "y": y, "a": np.array(alpha)})
    expected = models.PoissonRegressor(alpha=alpha, tol=1e-12, max_iter=10_000, solver="newton-cholesky").fit(X, y)
    close(found.params["w"], expected.coef_)
    close(found.params["b"], expected.intercept_)
    assert found.converged
    assert found.iterations <= 12
    assert bias or found.rows[1]["backtracks"] > 0


def test_masked_matrix_factorisation():
    """Pixels of digits, a fifth of them hidden: told apart by their neighbours better than by the mean."""
    A = datasets.load_digits().data[:200] / 16
    rng = np.random.default_rng(0)
    mask = (rng.random(A.shape) < 0.8).astype(float)
    program = es.Program("""
        R[i,j] = M[i,j] (A[i,j] - U[i,K] V[j,K])
        L = 1/2 R[I,J]^2 + 1/2 a U[I,K]^2 + 1/2 a V[J,K]^2
    """)
    start = {"U": rng.normal(size=(200, 6)), "V": rng.normal(size=(64, 6))}
    data = {"A": A, "M": mask, "a": np.array(0.5)}
    found = alternating(program, "L", ["U", "V"], start, data, tol=1e-7)
    assert found.converged
    assert found.notes == []
    U, V = found.params["U"], found.params["V"]
    gradient = np.concatenate(
        [((mask * (U @ V.T - A)) @ V + 0.5 * U).ravel(), ((mask * (U @ V.T - A)).T @ U + 0.5 * V).ravel()]
    )
    assert np.linalg.norm(gradient) == pytest.approx(found.gradient_norm, rel=1e-3)
    hidden = mask == 0
    error = np.sqrt(np.mean((U @ V.T - A)[hidden] ** 2))
    mean = (mask * A).sum(axis=0) / mask.sum(axis=0)
    assert error < 0.75 * np.sqrt(np.mean((mean - A)[hidden] ** 2))
