"""Layers: what they say, how one use of them is named, and what is refused."""

from itertools import pairwise

import numpy as np
import pytest

from einstan import layers
from einstan.language import parse
from einstan.language.errors import EinstanError
from einstan.library.einsum import einsum
from einstan.library.layer import Layer
from einstan.library.network import Network
from einstan.library.rename import renamed

GATE = "G[n,j] = X[n,j] sigmoid(1.702 X[n,j])"
NORMED = "M[n] = mean[K](X[n,K])\nV[n,j] = X[n,j] - M[n]\nO[n,j] = g[j] V[n,j]"


def test_a_layer_of_ones_own():
    gate = Layer(GATE)
    assert str(gate) == GATE
    assert gate.report == ()
    assert gate.inputs == ("X",)
    assert str(gate.partial("X")).startswith("dG[n,j]/dX[m,q] = ")


def test_einsum_of_a_layer_and_its_partials():
    dense = layers.dense
    assert dense.einsum.string == "nK,Kj->nj + j,n->nj"
    assert dense.partial("X").name.wrt == (("X", 2),)
    found = einsum(dense.partial("X"))
    assert found.string == "nm,pj->njmp"
    assert [str(operand) for operand in found.operands] == ["δ[n,m]", "W[p,j]"]
    assert str(found) == "'nm,pj->njmp'  δ[n,m], W[p,j]"


EINSUMS = [
    # equation, its string, operands, factors
    ("Z[n,j] = X[n,K] W[K,j]", "nK,Kj->nj", "X[n,K]; W[K,j]", "1"),
    ("T = A[I,I]", "II->", "A[I,I]", "1"),
    ("D[i] = A[i,i]", "ii->i", "A[i,i]", "1"),
    ("T[row,col] = A[row,K] B[K,col]", "aK,Kb->ab", "A[row,K]; B[K,col]", "1"),
    ("L = -1/|N| Y[N,C] log(S[N,C])", "NC,NC->", "Y[N,C]; log(S[N,C])", "-1/|N|"),
    ("Y[i] = X[i+J] W[J]", "iJ,J->i", "X[i+J]; W[J]", "1"),
    ("C[i,j] = 3", "ij->ij", "1[i,j]", "3"),
    ("S[i,j] = A[i] (δ[i,j] - B[j])", "i,ij->ij + i,j->ij", "A[i]; δ[i,j]; A[i]; B[j]", "1; -1"),
]


@pytest.mark.parametrize(("text", "string", "operands", "factors"), EINSUMS)
def test_einsum_strings(text, string, operands, factors):
    found = einsum(parse(text))
    assert found.string == string
    assert "; ".join(map(str, found.operands)) == operands
    assert "; ".join(str(term.factor) for term in found.terms) == factors


def test_beyond_fifty_two_letters_there_are_sublists():
    names = [f"i{k}" for k in range(60)]
    factors = (f"A{k}[{a.upper()},{b.upper()}]" for k, (a, b) in enumerate(pairwise(names)))
    text = f"T = {' '.join(factors)}"
    (term,) = einsum(parse(text)).terms
    assert term.string == ""
    inputs, output = term.sublists
    assert inputs[:3] == ([0, 1], [1, 2], [2, 3])
    assert output == []
    assert str(term).startswith("(([0, 1], [1, 2]")


# ---- one use of a layer ----------------------------------------------------------------------------------------------


def test_names():
    use = layers.dense("H", X="A", W="W1", b="c", j=64)
    assert str(use) == "H[n,j] = A[n,K] W1[K,j] + c[j]"
    assert list(use.parameters) == ["W1", "c"]
    assert use.sizes == {"H.1": 64}


def test_a_parameter_without_a_name_is_its_own():
    network = Network(layers.dense("H"), layers.dense("Z", X="H"))
    assert network.params == ("WH", "bH", "WZ", "bZ")
    assert str(layers.dense()) == "Z[n,j] = X[n,K] W[K,j] + b[j]"


def test_what_a_layer_computes_on_the_way_is_private():
    normed = Layer(NORMED, parameters={"g": "ones"})
    network = Network(normed("P", X="X"), normed("Q", X="P"))
    assert [str(e.name) for e in network.program] == ["MP", "VP", "P", "MQ", "VQ", "Q"]
    X = np.random.default_rng(0).standard_normal((3, 4))
    found = network.evaluate("Q", network.init(X=X), X=X)
    np.testing.assert_allclose(found, X - X.mean(axis=1, keepdims=True), atol=1e-12)
    assert str(normed.partial("X")).startswith("dO[n,j]/dX[m,")


def test_names_exchanged():
    equation = parse("Z[n,j] = X[n,K] W[K,j]")
    assert str(renamed(equation, {"X": "W", "W": "X"})) == "Z[n,j] = W[n,K] X[K,j]"
    assert renamed(equation, {"X": "U"}) is parse("Z[n,j] = U[n,K] W[K,j]")
    assert renamed(equation, {"X": "U", "W": "U"}) is parse("Z[n,j] = U[n,K] U[K,j]")
    partial = parse("dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]")
    assert renamed(partial, {"X": "A", "Z": "H"}) is parse("dH[n,j]/dA[m,p] = δ[n,m] W[p,j]")
    where = parse("Y[i] = pad(X[i-J]) W[J] where |i| = |X.0| + |W.0| - 1")
    assert renamed(where, {"X": "A"}) is parse("Y[i] = pad(A[i-J]) W[J] where |i| = |A.0| + |W.0| - 1")


ERRORS = [
    (
        lambda: layers.dense("H", Q="X"),
        "the layer has no Q\n"
        "  Z[n,j] = X[n,K] W[K,j] + b[j]\n"
        "  inferred: its tensors are Z, X, W, b; its indices are n, j, k\n"
        "  repair:   name one of these",
    ),
    (
        lambda: layers.cross_entropy("L", SS="S").layer,
        "the layer has no SS\n"
        "  L = -1/|N| Y[N,C] log(S[N,C])\n"
        "  assume Y[n,C] = 1\n"
        "  inferred: its tensors are L, Y, S; its indices are n, c\n"
        "  repair:   did you mean S?",
    ),
    (
        lambda: layers.dense("H", X=3),
        "X=3: X takes a name, as a string\n"
        "  Z[n,j] = X[n,K] W[K,j] + b[j]\n"
        "           ^^^^^^\n"
        "  inferred: X is a tensor of this layer\n"
        '  repair:   X="X1"',
    ),
    (
        lambda: layers.dense("H", j="W"),
        "j='W': j takes an extent, as a whole number\n"
        "  Z[n,j] = X[n,K] W[K,j] + b[j]\n"
        "      ^\n"
        "  inferred: j is an index of this layer\n"
        "  repair:   j=64",
    ),
    (
        lambda: layers.dense("import os"),
        "'import os' cannot name a tensor\n"
        "  inferred: a name is a letter, then letters and digits\n"
        "  repair:   write a name such as W1 or hidden",
    ),
    (
        lambda: layers.dense("H", X="relu"),
        "'relu' cannot name a tensor\n"
        "  inferred: a name is a letter, then letters and digits; this word is taken\n"
        "  repair:   write a name such as W1 or hidden",
    ),
    (
        lambda: Layer("# nothing"),
        'a layer needs an equation\n  # nothing\n  repair:   Layer("A[n,j] = relu(Z[n,j])")',
    ),
    (
        lambda: Layer("A[n,j] = relu(Zed[n,j])", parameters={"Zd": "he"}),
        "the layer reads no parameter Zd\n"
        "  A[n,j] = relu(Zed[n,j])\n"
        "  inferred: it reads Zed\n"
        "  repair:   did you mean Zed?",
    ),
    (
        lambda: Layer("A[n] = relu(Z[n])", partials=("dZ[n]/dA[m] = δ[n,m]",)),
        "dZ[n]/dA[m] is not a partial derivative of A\n"
        "  dZ[n]/dA[m] = δ[n,m]\n"
        "  ^^^^^^^^^^^\n"
        "  inferred: the output of this layer is A, its last equation\n"
        "  repair:   declare dA[...]/dX[...] = ..., with X a tensor that the layer reads",
    ),
    (
        lambda: Layer("A[n] = 2 Z[n]", partials=("dA[n]/dZ[m] = 2 δ[n,m]", "dA[i]/dZ[k] = 2 δ[i,k]")),
        "the partial derivative with respect to Z is declared twice\n"
        "  dA[i]/dZ[k] = 2 δ[i,k]\n"
        "  ^^^^^^^^^^^\n"
        "  inferred: it was declared as dA[n]/dZ[m] = 2 δ[n,m]\n"
        "  repair:   leave out one of the two",
    ),
]


@pytest.mark.parametrize(("build", "message"), ERRORS, ids=[m.splitlines()[0] for _, m in ERRORS])
def test_errors(build, message):
    with pytest.raises(EinstanError) as caught:
        build()
    assert str(caught.value) == message


def test_a_layer_and_a_use_of_it_are_typeset_in_notebooks():
    shown = layers.relu._repr_latex_()
    assert shown.startswith(r"$\displaystyle \begin{aligned}")
    assert r"A_{n,j} &= \operatorname{relu}(Z_{n,j})" in shown
    assert r"\frac{\partial A_{n,j}}{\partial Z_{m,q}}" in shown
    assert r"H_{n,j} &= \operatorname{relu}(Z_{n,j})" in layers.relu("H")._repr_latex_()
