"""Parts of tensors that are computed on the way: views of memory that is written later, and never copies of it."""

import numpy as np
import pytest

import einstan as es
from einstan.machine.passes import arrange
from einstan.machine.schedule import positions
from einstan.machine.sizes.lower import sliced
from tests.machine.test_specialised import OPTIONS

RNG = np.random.default_rng(0)
p, q, M, X = RNG.normal(size=3), RNG.normal(size=4), RNG.normal(size=(3, 3)), RNG.normal(size=(2, 3, 4))
CUBE, LONG = RNG.normal(size=(3, 3, 3)), RNG.normal(size=128)

ROWS = [  # text, arrays, L by hand
    ("e[n] = 2 p[n]\nL = exp(e[0])", {"p": p}, np.exp(2 * p[0])),
    ("e[n] = 2 p[n]\nL = e[2]", {"p": p}, 2 * p[2]),
    ("e[n] = 2 p[n]\nL = e[0] e[1] + e[2]", {"p": p}, 4 * p[0] * p[1] + 2 * p[2]),
    ("e[n,m] = 2 M[n,m]\nL = sin(e[0,1])", {"M": M}, np.sin(2 * M[0, 1])),
    ("e[n,m] = 2 M[n,m]\nL = sin(e[1,1]) e[2,0]", {"M": M}, np.sin(2 * M[1, 1]) * 2 * M[2, 0]),
    ("e[n,m,k] = 2 X[n,m,k]\nL = e[1,2,3]", {"X": X}, 2 * X[1, 2, 3]),
    ("e[n,m,k] = 2 X[n,m,k]\nL = e[1,2,K]^2", {"X": X}, ((2 * X[1, 2]) ** 2).sum()),
    ("e[n] = 2 p[n]\nL = pad(e[4]) + exp(pad(e[1]))", {"p": p}, np.exp(2 * p[1])),
    ("e[n] = 2 p[n]\nL = exp(sum[I](pad(e[I-1]) q[I]))", {"p": p, "q": q}, np.exp(2 * p @ q[1:])),
    ("e[n] = 2 p[n]\nL = pad(e[2I+3])^2 where |I| = 2", {"p": p}, 0.0),
    ("e[n,m] = 2 M[n,m]\nL = e[I,I]", {"M": M}, 2 * np.trace(M)),
    ("e[n,m] = 2 M[n,m]\nD[n] = e[n,n]\nL = exp(D[1])", {"M": M}, np.exp(2 * M[1, 1])),
    ("e[n,m,k] = 2 C[n,m,k]\nL = sum[I](e[I,I,I]^2)", {"C": CUBE}, sum((2 * CUBE[i, i, i]) ** 2 for i in range(3))),
    ("e[n] = 2 p[n]\nB[n,m] = 1[e[n] > 0] where |m| = 2\nL = sum[M](B[1,M])", {"p": p}, 2.0 * (p[1] > 0)),
    ("e[n] = 2 p[n]\nB[n,m] = e[n] where |m| = 2\nL = sum[M](B[1,M]^2)", {"p": p}, 8 * p[1] ** 2),
    ("e = exp(s)\nV[n] = e p[n]\nL = V[0] e", {"s": np.array(0.3), "p": p}, np.exp(0.6) * p[0]),
    ("e[n] = 2 x[n]\nV[j] = e[2j]\ny[r] = pad(x[r+J]) V[J] where |r| = 8\nL = y[3]", {"x": LONG},
     sum(2 * LONG[2 * j] * LONG[j + 3] for j in range(64))),
    ("e[n] = 2 x[n]\nw[r] = e[3r] where |r| = 9\ny[i] = pad(x[i-J]) w[J] where |i| = 80\nL = y[70]", {"x": LONG},
     sum(2 * LONG[3 * j] * LONG[70 - j] for j in range(9))),
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("text", "arrays", "expected"), ROWS, ids=[row[0].replace("\n", "; ") for row in ROWS])
def test_parts_of_what_is_computed(monkeypatch, text, arrays, expected, options):
    monkeypatch.setattr(arrange, "LONG", 64)  # so that sums over windows are cut into blocks
    for outputs in (["L"], None):
        found = es.Program(text).compile(outputs=outputs, **options)(arrays)["L"]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_a_copy_in_the_place_of_a_view_is_refused_when_the_code_is_prepared(monkeypatch):
    monkeypatch.setattr(positions, "looked", lambda s, seen, view: seen.by("slices", sliced(view)))
    with pytest.raises(AssertionError, match="e_view is no view"):
        es.Program(ROWS[0][0]).compile(outputs=["L"], fast=False)(p=p)


@pytest.mark.parametrize("options", OPTIONS)
def test_an_entry_that_a_bracket_selects_is_no_view(options):
    """What is computed later lies where the entry lay."""
    text = "S[i] = x[i] sum[P](b[P])\nf[l] = W[l] sin(1[2 <= w] S[0])\nh[i] = f[i]\nL = sum[N](sin(h[N]))"
    b, x, W = np.array([-0.5]), np.array([0.625]), np.array([0.6875])
    z = W[0] * np.sin(b[0] * x[0])
    expected = np.cos(z) * W[0] * np.cos(b[0] * x[0])
    found = es.Program(text).backward("L", ["b", "x", "W"]).compile(**options)(b=b, x=x, W=W, w=np.array(3.0))
    np.testing.assert_allclose(found["db"], [expected * x[0]], rtol=1e-12)
    np.testing.assert_allclose(found["dx"], [expected * b[0]], rtol=1e-12)
