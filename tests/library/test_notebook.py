"""What a notebook shows of what is no text: pieces of a page that are whole, say what they are about and do nothing."""

import re
from importlib.util import find_spec
from xml.etree import ElementTree

import numpy as np
import pytest

import einstan as es
from einstan.language import display
from einstan.layers import cross_entropy, dense, softmax
from einstan.library.optimisers import SGD

NET = es.Network(dense("Z", X="X", W="W", b="b"), softmax("S", Z="Z"), cross_entropy("L", S="S", Y="Y"))
X = np.random.default_rng(0).normal(size=(6, 3))
Y = np.eye(2)[[0, 1, 0, 1, 1, 0]]
PARAMS = {"W": np.ones((3, 2)), "b": np.zeros(2)}
RIDGE = es.Program("L = 1/2 (Y[N,J] - X[N,K] W[K,J])^2 + 1/2 W[K,J]^2")


def trained():
    return es.fit(NET, "L", {"X": X, "Y": Y}, optimiser=SGD(0.1), epochs=20, batch=3, params=PARAMS)


def solved():
    logistic = es.Program("Z[n] = X[n,K] w[K]\nL = sum[N](softplus(Z[N]) - y[N] Z[N]) + 1/2 w[K]^2")
    return es.optimize.newton(logistic, "L", {"w": np.zeros(3)}, {"X": X, "y": Y[:, 0]})


def band():
    return es.parse("y[i] = x[i+1] - x[i]").program.jacobian("y", "x")(x=np.ones(5))


PICTURE = ["<svg"] if find_spec("pygraphviz") else []
# What is shown, with texts that stand in it.
SHOWN = {
    "a plan": (lambda: RIDGE.plan({"n": 8, "j": 2, "k": 3}), ["<table>", "FLOPs", "peak memory", *PICTURE]),
    "a history": (trained, ["<polyline", ">loss<", "⋮"]),
    "a result": (solved, ["<polyline", "converged: the gradient is"]),
    "gradients": (lambda: NET.value_and_grad("L"), ["L and its gradients with respect to W, b", "<math"]),
    "a step": (lambda: NET.value_and_grad("L").compile(), ["L and its gradients with respect to W, b", "<math"]),
    "einsums": (lambda: es.parse("Z[i] = 2 A[i,J] x[J]").einsum, ["iJ,J-&gt;i", "A[i,J], x[J]", ">2<"]),
    "gradients of an einsum": (lambda: es.einsum("ij,jk->ik").gradients, ["ik,jk-&gt;ij", "dT, B"]),
    "a compiled program": (lambda: RIDGE.compile(), ["L as a function of Y, X, W", "<math"]),
    "a Hessian": (lambda: RIDGE.hessian("L", "W")(X=X, W=np.zeros((3, 2))), ["<rect", "FactoredTensor", "<math"]),
    "an evaluator": (lambda: NET.evaluator("Z"), ["Z as a function of X, W, b", "<math"]),
    "a band": (lambda: band(), ["FactoredTensor", "<rect"]),
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_a_notebook_shows(name):
    make, texts = SHOWN[name]
    page = make()._repr_html_()
    ElementTree.fromstring(page.replace("&nbsp;", " "))  # every bracket is closed
    for text in texts:
        assert text in page
    assert "<script" not in page


# What a console shows of an object that is named and not printed: a line of what it is, and of a report all.
NAMED = {
    "a plan": (lambda: RIDGE.plan({"n": 8, "j": 2, "k": 3}), r"<Plan of \d+ steps: \d+ FLOPs>"),
    "a result": (solved, "<Result of w, converged: the gradient is .*>"),
    "a report": (lambda: es.check("y = x^2\ndy/dx = 2 x"), "   2  ✓ proved    dy/dx = 2 x\n1 claim: 1 proved"),
    "a derivation": (lambda: es.parse("y = x^2").derivation("x")[0], r"<Derivation: dy/dx = 2 x>"),
    "derivations": (lambda: RIDGE.derivation("L", "W"), r"<Derivations: dL/dW\[k,j\] = .*>"),
    "gradients": (lambda: NET.value_and_grad("L"), "<ValueAndGrad: L and its gradients with respect to W, b>"),
    "a compiled program": (lambda: RIDGE.compile(), "<Compiled: L as a function of Y, X, W>"),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_a_console_shows(name):
    make, line = NAMED[name]
    assert re.fullmatch(line, repr(make()))


def test_the_picture_of_a_hessian_has_its_deltas():
    page = RIDGE.hessian("L", "W")(X=X, W=np.zeros((3, 2)))._repr_html_()
    dark, light = page.count('fill-opacity="1.00"'), page.count('fill-opacity="0.08"')
    assert (dark, light) == (18, 18)  # δ[j,q] over j and q of two, k and l of three


def test_the_picture_of_a_band_is_one():
    cells = [[held for held in row if held] for row in np.asarray(band()) != 0]
    assert band()._repr_html_().count('fill-opacity="1.00"') == sum(map(len, cells)) == 8


def test_what_has_entries_everywhere_has_no_picture():
    dense_one = es.Program("y[i] = A[i,J] x[J]").jacobian("y", "x")(A=np.ones((3, 3)), x=np.ones(3))
    assert "<rect" not in getattr(dense_one, "_repr_html_", lambda: "")()


def test_an_einsum_is_typeset():
    assert es.einsum("ij,jk->ik")._repr_latex_() == es.einsum("ij,jk->ik").equation._repr_latex_()


def test_plots_stand_below_the_cell_of_a_notebook(monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    monkeypatch.setattr("builtins.get_ipython", lambda: None, raising=False)
    numbers = pyplot.get_fignums()
    figure = RIDGE.plan({"n": 8, "j": 2, "k": 3}).plot()[0].get_figure()
    assert len(pyplot.get_fignums()) == len(numbers) + 1  # and is shown, as whatever pyplot has made
    pyplot.close(figure)


def test_texts_are_escaped():
    page = display.shown(display.table(["a<b"], [["<script>"]]), display.note("1 < 2"), display.folded("&", "<x>"))
    ElementTree.fromstring(page)
    assert "<script" not in page


@pytest.mark.parametrize("values", [[1.0], [np.nan, np.nan], [np.inf, 2.0]])
def test_too_few_points_are_no_curve(values):
    assert display.curves(range(len(values)), {"loss": values}) == ""


@pytest.mark.parametrize("values", [[1.0, 1.0], [-1.0, 0.0, 5.0], [1e-300, 1e300], [0.0, 0.0]])
def test_curves_of_all_kinds(values):
    page = display.curves(range(len(values)), {"loss": values})
    ElementTree.fromstring(page)
    assert "nan" not in page
    assert "inf" not in page


@pytest.mark.parametrize("make", [trained, solved, lambda: RIDGE.plan({"n": 8, "j": 2, "k": 3})])
def test_plots_are_axes_or_files(make, tmp_path):
    pytest.importorskip("matplotlib")
    made = make()
    axes = np.ravel(made.plot())
    assert all(each.get_figure() is axes[0].get_figure() for each in axes)
    assert all(each.has_data() for each in axes)
    assert made.plot(tmp_path / "plot.svg").read_bytes().startswith(b"<?xml")
