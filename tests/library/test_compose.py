"""Composition: joined graphs and their names, networks whose parts are replaced, and what is refused."""

import itertools

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import EinstanError
from einstan.layers import (
    attention,
    cross_entropy,
    dense,
    embedding,
    gelu,
    layer_norm,
    mean_squared_error,
    relu,
    softmax,
    tanh,
)


def classifier():
    return es.Network(
        dense("H", X="X", W="W1", b="b1", j=4),
        relu("A", Z="H"),
        dense("Z", X="A", W="W2", b="b2", j=3),
        softmax("S", Z="Z"),
        cross_entropy("L", S="S", Y="Y"),
    )


def lines(network):
    return str(network).splitlines()


# ---- joining ---------------------------------------------------------------------------------------------------------


def test_layers_in_a_row():
    network = dense(j=4) >> relu >> dense(j=3) >> softmax >> cross_entropy
    assert lines(network) == [
        "Z[n,j] = X[n,K] W[K,j] + b[j]",
        "A[n,j] = relu(Z[n,j])",
        "Z2[n,j] = A[n,K] W2[K,j] + b2[j]",
        "S[n,c] = exp(Z2[n,c]) / sum[K](exp(Z2[n,K]))",
        "L = -1/|N| Y[N,C] log(S[N,C])",
    ]
    assert (network.params, network.inputs, network.output) == (("W", "b", "W2", "b2"), ("X", "Y"), "L")
    assert network.sizes == {"Z.1": 4, "Z2.1": 3}
    assert len(network.program.assumptions) == 1


def test_a_composed_network_computes_and_learns_what_the_written_one_does():
    composed = dense(j=4) >> relu >> dense(j=3) >> softmax >> cross_entropy
    written = classifier()
    generator = np.random.default_rng(0)
    data = {"X": generator.normal(size=(5, 6)), "Y": np.eye(3)[generator.integers(0, 3, 5)]}
    params = written.init(1, **data)
    same = dict(zip(composed.params, params.values(), strict=True))
    loss, gradients = written.value_and_grad("L").compile()(params, **data)
    other_loss, others = composed.value_and_grad("L").compile()(same, **data)
    assert other_loss == loss
    for a, b in zip(gradients.values(), others.values(), strict=True):
        np.testing.assert_array_equal(a, b)


SMALL = {
    "layer": relu,
    "layer with parameters": dense,
    "named use": dense("H", X="X"),
    "use that names a parameter": dense(W="W"),
    "equation": es.parse("Q[n,j] = R[n,j]^2"),
    "text": "B[n,j] = sin(C[n,j])",
    "network": es.Network(dense("Z", X="X", W="W", b="b"), tanh("T", Z="Z")),
    "by name": "D[n,j] = Z[n,j] + V[n,j]",
}


def composed(*parts):
    """The two ways to compose three; None where one is refused."""
    f, g, h = parts
    ways = []
    for join in (lambda: es.compose(es.compose(f, g), h), lambda: es.compose(f, es.compose(g, h))):
        try:
            ways.append(join())
        except EinstanError:
            ways.append(None)
    return ways


@pytest.mark.parametrize("first", SMALL)
def test_composing_is_associative(first):
    """For every three parts, wherever both ways are defined."""
    both = 0
    for second, third in itertools.product(SMALL, SMALL):
        left, right = composed(SMALL[first], SMALL[second], SMALL[third])
        if left is not None and right is not None:
            both += 1
            assert str(left) == str(right), (first, second, third)
            assert (left.params, left.inputs, left.output) == (right.params, right.inputs, right.output)
            assert left.sizes == right.sizes
    assert both >= 28


def test_parameters_are_never_shared_by_accident():
    network = dense >> dense >> dense
    assert network.params == ("W", "b", "W2", "b2", "W3", "b3")
    block = dense(j=4) >> tanh >> layer_norm
    twice = block >> block
    assert len(twice.params) == 2 * len(block.params) == len(set(twice.params))
    assert twice.inputs == ("X",)


def test_letters_give_way_to_names_wherever_they_stand():
    assert lines(dense >> dense("Z", W="W")) == [
        "Z2[n,j] = X[n,K] W2[K,j] + b[j]",
        "Z[n,j] = Z2[n,K] W[K,j] + bZ[j]",
    ]


def test_parameters_are_shared_where_both_uses_name_them():
    network = dense(W="W", b="b") >> tanh >> dense(W="W", b="b")
    assert network.params == ("W", "b")


def test_the_other_inputs_of_two_layers_stay_apart():
    mixed = es.Layer("Y[n,j] = X[n,j] M[n,j]")
    assert lines(es.compose(es.compose(mixed, mixed, at="X"), mixed, at="M")) == [
        "Y[n,j] = X[n,j] M[n,j]",
        "Y2[n,j] = Y[n,j] M2[n,j]",
        "Y3[n,j] = X3[n,j] Y2[n,j]",
    ]


def test_where_a_layer_reads_several_tensors_the_name_decides():
    assert lines(embedding >> attention(M="H", V="H"))[1:] == [
        "S[q,k] = Q[q,E] H[k,E] / sqrt(|E|)",
        "P[q,k] = softmax[k](S[q,k])",
        "O[q,d] = P[q,K] H[K,d]",
    ]
    assert lines(dense >> "L = 1/2 (Z[N,J] - Y[N,J])^2")[-1] == "L = 1/2 (Z[N,J] - Y[N,J])^2"
    assert lines(es.compose(dense, attention, at="V"))[-1] == "O[q,d] = P[q,K] Z[K,d]"


def test_a_tensor_that_is_named_can_be_read_again():
    residual = dense("H", X="X") >> tanh("A") >> "R[n,j] = A[n,j] + X[n,j]" >> mean_squared_error("L", O="R")
    assert residual.inputs == ("X", "Y")
    assert lines(residual.backward("L", wrt=["X"]))[-1] == "dX[n,k] = dH[n,J] WH[k,J] + dR[n,k]"


def test_text_on_either_side():
    assert lines("H[n] = sin(X[n])" >> es.parse("Y[i] = X[i]^2")) == ["H[n] = sin(X[n])", "Y[i] = H[i]^2"]


REFUSED = {
    "two inputs": (
        lambda: dense >> mean_squared_error,
        "the right side reads O and Y; which of them is Z is not clear\n"
        "  L = 1/(|N| |J|) (O[N,J] - Y[N,J])^2\n"
        "  inferred: the left side gives Z, and none of them has this name\n"
        '  repair:   compose(left, right, at="O")\n'
        '            or name it where the layer is used: O="Z"',
    ),
    "no such input": (
        lambda: es.compose(relu, mean_squared_error, at="X"),
        "the right side reads no X from outside\n"
        "  L = 1/(|N| |J|) (O[N,J] - Y[N,J])^2\n"
        "  inferred: it reads O, Y\n"
        "  repair:   name one of these",
    ),
    "nothing to read": (
        lambda: relu >> "Y[i] = 1[i <= 2]    where |i| = 3",
        "the right side reads nothing that A could be\n"
        "  Y[i] = 1[i <= 2] where |i| = 3\n"
        "  inferred: it reads no tensor\n"
        "  repair:   compose the other way round, or put both into one Network",
    ),
    "ranks": (
        lambda: dense >> "L = Z[I]^2",
        "Z has 2 slots on the left, and Z has 1 slot on the right\n"
        "  L = Z[I]^2\n"
        "      ^^^^\n"
        "  inferred: the left side defines Z[n,j] = X[n,K] W[K,j] + b[j]\n"
        "  repair:   compose tensors with equally many indices",
    ),
    "a letter read by name": (
        lambda: dense >> "L = Z[N,J]^2 + 0.1 W[K,J]^2",
        "W is read by name, and it is the letter of a tensor that nobody named\n"
        "  L = Z[N,J]^2 + 1/10 W[K,J]^2\n"
        "                      ^^^^^^\n"
        "  inferred: W of Z[n,j] = X[n,K] W[K,j] + b[j] would be called W\n"
        '  repair:   if this tensor is meant, name it where its layer is used: W="W"\n'
        "            if another is meant, do not call it W",
    ),
    "one parameter in two networks": (
        lambda: es.Network(dense("H", W="W")) >> es.Network(dense("Z", X="H", W="W")),
        "both networks learn a parameter W\n"
        "  Z[n,j] = H[n,K] W[K,j] + bZ[j]\n"
        "                  ^^^^^^\n"
        "  inferred: the other: H[n,j] = X[n,K] W[K,j] + bH[j]\n"
        '  repair:   right.renamed({"W": "W2"}) has one of its own\n'
        "            Network(left, right) shares it",
    ),
    "one name twice": (
        lambda: dense("H") >> dense("H"),
        "H is defined twice\n"
        "  H[n,j] = H[n,K] WH[K,j] + bH[j]\n"
        "  inferred: first defined by H[n,j] = X[n,K] WH[K,j] + bH[j]\n"
        "  repair:   give one of the two another name",
    ),
    "two outputs": (
        lambda: es.Network("A[i] = X[i]^2", "B[i] = X[i]^3") >> relu,
        "the network has 2 outputs\n"
        "  inferred: nothing reads A and B\n"
        '  repair:   take the part that leads to one of them: net.part(to="B")',
    ),
    "no function": (
        lambda: dense >> 3,
        "3 cannot be composed\n"
        "  inferred: layers, uses of layers, equations, their text and networks can\n"
        '  repair:   dense(j=64) >> relu >> "L = 1/2 A[N,J]^2"',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_joined(case):
    make, message = REFUSED[case]
    with pytest.raises(EinstanError) as caught:
        make()
    assert str(caught.value) == message


# ---- joining graphs is composing functions ---------------------------------------------------------------------------


def test_the_derivative_of_the_joined_graph_is_the_contraction_of_the_parts():
    """Zhao 2019, (4) to (9): dz/dt = Σ_i ∂z/∂x_i dx_i/dt, with NumPy by hand for all three."""
    f, g = es.parse("x[i] = sin(a[i] t)"), es.parse("z = exp(sum[I](x[I] c[I])) + x[I]^3")
    whole = es.compose(f, g)
    a, c, t = np.array([0.3, -1.2, 2.0]), np.array([0.5, 0.1, -0.4]), 0.7
    x = np.sin(a * t)
    dx_dt, dz_dx = a * np.cos(a * t), np.exp(x @ c) * c + 3 * x**2
    # the parts, as Einstan derives them
    np.testing.assert_allclose(f.partial("t")(a=a, t=t), dx_dt, rtol=1e-14)
    np.testing.assert_allclose(g.partial("x")(x=x, c=c), dz_dx, rtol=1e-14)
    # the whole, as Einstan derives it
    found = whole.partial("z", "t").compile()(a=a, c=c, t=t)["dz/dt"]
    np.testing.assert_allclose(found, dz_dx @ dx_dt, rtol=1e-14)


def test_the_same_for_tensors_of_several_axes():
    """dO/dX of three joined layers is the product of their Jacobians, each written by hand."""
    whole = dense("H", X="X", W="W", b="b") >> tanh("A") >> softmax("S")
    generator = np.random.default_rng(3)
    X, W, b = generator.normal(size=(4, 3)), generator.normal(size=(3, 5)), generator.normal(size=5)
    H = X @ W + b
    A = np.tanh(H)
    S = np.exp(A) / np.exp(A).sum(1, keepdims=True)
    rows, columns = np.eye(4), np.eye(5)
    dH_dX = np.einsum("nm,pj->njmp", rows, W)
    dA_dH = np.einsum("nj,nm,jk->njmk", 1 - A**2, rows, columns)
    dS_dA = np.einsum("nc,ck,nm->ncmk", S, columns, rows) - np.einsum("nc,nk,nm->ncmk", S, S, rows)
    expected = np.einsum("ncab,abde,demp->ncmp", dS_dA, dA_dH, dH_dX)
    found = whole.partial("S", "X").compile()(X=X, W=W, b=b)["dS/dX"]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    claim = "dS[n,c]/dX[m,p] = dS[n,c]/dA[I,J] dA[I,J]/dH[K,L] dH[K,L]/dX[m,p]"
    assert es.check(f"{whole}\n{claim}").counts["proved"] == 1


# ---- replacing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "member", [gelu("A", Z="H"), gelu("A"), gelu, gelu(Z="H")], ids=["named", "use", "layer", "in"]
)
def test_a_layer_in_the_place_of_another(member):
    before = classifier()
    after = before.replace("A", member)
    assert lines(after)[1] == "A[n,j] = 1/2 H[n,j] (1 + erf(H[n,j] / sqrt(2)))"
    assert lines(after)[:1] + lines(after)[2:] == lines(before)[:1] + lines(before)[2:]
    assert (after.params, after.inputs, after.sizes) == (before.params, before.inputs, before.sizes)
    assert lines(before)[1] == "A[n,j] = relu(H[n,j])"


def test_an_equation_in_the_place_of_a_layer_and_the_other_way_round():
    network = classifier().replace("A", "A[n,j] = H[n,j]^2")
    assert lines(network)[1] == "A[n,j] = H[n,j]^2"
    assert lines(network.replace("A", relu)) == lines(classifier())


def test_parameters_follow_their_layer():
    network = classifier().replace("H", dense(j=7))
    assert network.params == ("WH", "bH", "W2", "b2")
    assert network.sizes == {"H.1": 7, "Z.1": 3}
    assert network.init(0, X=(5, 6))["WH"].shape == (6, 7)
    plain = es.Network("H[n,j] = X[n,K] V[K,j]", relu("A", Z="H"), parameters={"V": "glorot"})
    assert plain.replace("A", tanh).params == ("V",)
    assert plain.replace("H", "H[n,j] = X[n,j]").params == ()


def test_assumptions_go_with_their_layer():
    network = classifier()
    assert network.replace("L", mean_squared_error("L", O="S")).program.assumptions == ()
    stated = es.Network("y[i] = x[i] + c[i]", "L = y[I]^2", "assume c[I] = 1\nM = L + 1")
    assert len(stated.part(to="L").program.assumptions) == 1
    assert stated.part("y", "L").program.assumptions == ()


def test_without_a_part_its_readers_read_what_it_read():
    network = classifier().without("A")
    assert lines(network)[1] == "Z[n,j] = H[n,K] W2[K,j] + b2[j]"
    assert lines(classifier().without("L")) == lines(classifier())[:-1]
    assert lines(classifier().without("L", "S", "A")) == [
        "H[n,j] = X[n,K] W1[K,j] + b1[j]",
        "Z[n,j] = H[n,K] W2[K,j] + b2[j]",
    ]


def test_a_part_between_tensors():
    network = classifier()
    middle = network.part("H", "Z")
    assert lines(middle) == lines(network)[1:3]
    assert (middle.inputs, middle.params, middle.output) == (("H",), ("W2", "b2"), "Z")
    assert lines(network.part(to="A")) == lines(network)[:2]
    assert lines(network.part("S")) == lines(network)[4:]
    skip = es.Network("H[n] = X[n]^2", "A[n] = sin(H[n])", "R[n] = A[n] + X[n]")
    assert skip.part("H").inputs == ("H", "X")


def test_the_parts_of_a_network_compose_to_the_whole():
    network = classifier()
    whole = network.part(to="H") >> network.part("H", "Z") >> network.part("Z", "L")
    assert lines(whole) == lines(network)
    assert (whole.params, whole.inputs, whole.output) == (network.params, network.inputs, "L")


def test_a_layer_cut_in_two_goes_on_as_equations():
    network = es.Network(layer_norm("N", X="X", H="H"))
    assert lines(network.part("H", "N")) == ["N[n,j] = gN[j] H[n,j] + bN[j]"]
    assert network.part("H", "N").params == ("gN", "bN")


def test_other_names():
    network = classifier().renamed({"W1": "W2", "W2": "W1", "H": "G"})
    assert lines(network)[:3] == [
        "G[n,j] = X[n,K] W2[K,j] + b1[j]",
        "A[n,j] = relu(G[n,j])",
        "Z[n,j] = A[n,K] W1[K,j] + b2[j]",
    ]
    assert network.params == ("W2", "b1", "W1", "b2")
    assert network.sizes == {"G.1": 4, "Z.1": 3}


def test_a_network_in_a_network():
    inner = es.Network(dense("H", X="X"), "A[n,j] = H[n,j]^2 c", parameters={"c": "ones"})
    outer = es.Network(inner, mean_squared_error("L", O="A"))
    assert outer.params == ("WH", "bH", "c")
    assert outer.inputs == ("X", "Y")


INNER = es.Network(layer_norm("N", X="X", H="H"), "G[n,j] = N[n,j] + H[n,j]")
CHANGES = {
    "another tensor": (
        lambda: classifier().replace("A", gelu("B", Z="H")),
        "the replacement defines B, and is to stand in the place of A\n"
        "  B[n,j] = 1/2 H[n,j] (1 + erf(H[n,j] / sqrt(2)))\n"
        "  ^^^^^^\n"
        "  inferred: replaced is A[n,j] = relu(H[n,j])\n"
        "  repair:   let it define A",
    ),
    "another rank": (
        lambda: classifier().replace("A", "A[n] = H[n,J]^2"),
        "the replacement of A has 1 slot, and A has 2\n"
        "  A[n] = H[n,J]^2\n"
        "  ^^^^\n"
        "  inferred: replaced is A[n,j] = relu(H[n,j])\n"
        "  repair:   define A[n,j] = ...",
    ),
    "a hole": (
        lambda: INNER.replace("N", tanh),
        "H would be left open: it is read, and nothing would define it\n"
        "  G[n,j] = N[n,j] + H[n,j]\n"
        "                    ^^^^^^\n"
        "  inferred: H was defined by H[n,j] = (X[n,j] - mN[n]) / sN[n]\n"
        "  repair:   let the replacement define H too\n"
        "            or change what reads H first",
    ),
    "a newcomer": (
        lambda: classifier().replace("A", gelu("A", Z="Hh")),
        "the replacement reads Hh, which the network does not have\n"
        "  A[n,j] = 1/2 Hh[n,j] (1 + erf(Hh[n,j] / sqrt(2)))\n"
        "               ^^^^^^^\n"
        "  inferred: the network has X, W1, b1, H, A, W2, b2, Z, S, Y, L\n"
        "  repair:   did you mean H?\n"
        '            inputs=["Hh"] makes it an input of the network',
    ),
    "an unclear input": (
        lambda: classifier().replace("A", attention),
        "it is not clear what the replacement reads as Q\n"
        "  SA[q,k] = Q[q,E] M[k,E] / sqrt(|E|)\n"
        "            ^^^^^^\n"
        "  inferred: the old one reads H\n"
        '  repair:   name it in the use of the layer: Q="H"',
    ),
    "a name that is taken": (
        lambda: classifier().replace("A", "Z[n,j] = H[n,j]\nA[n,j] = Z[n,j]"),
        "the replacement defines Z, which the network has already\n"
        "  Z[n,j] = H[n,j]\n"
        "  ^^^^^^\n"
        "  inferred: it is used by S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))\n"
        "  repair:   give the inner tensor of the replacement another name",
    ),
    "a cycle": (
        lambda: classifier().replace("A", gelu("A", Z="Z")),
        "the equations form a cycle: A reads Z reads A\n"
        "  A[n,j] = 1/2 Z[n,j] (1 + erf(Z[n,j] / sqrt(2)))\n"
        "               ^^^^^^\n"
        "  inferred: Z[n,j] = A[n,K] W2[K,j] + b2[j]\n"
        "  repair:   give the result another name than the tensor it is computed from",
    ),
    "nothing of that name": (
        lambda: classifier().replace("X", gelu),
        "the network defines no tensor X\n  inferred: it defines H, A, Z, S, L\n  repair:   name one of these",
    ),
    "inside a layer": (
        lambda: INNER.replace("H", tanh),
        "H is computed on the way to N, inside one layer\n"
        "  H[n,j] = (X[n,j] - mN[n]) / sN[n]\n"
        "  ^^^^^^\n"
        "  repair:   name N, the output of that layer",
    ),
    "a network": (
        lambda: classifier().replace("A", es.Network(gelu("A", Z="H"))),
        "a network cannot stand in the place of one tensor\n"
        "  A[n,j] = 1/2 H[n,j] (1 + erf(H[n,j] / sqrt(2)))\n"
        "  repair:   compose networks: net.part(to=...) >> other",
    ),
    "without, a hole": (
        lambda: es.Network("a[i] = x[i] y[i]", "b = a[I]^2").without("a"),
        "a would be left open: it is read, and nothing would define it\n"
        "  b = a[I]^2\n"
        "      ^^^^\n"
        "  inferred: a[i] = x[i] y[i] is computed from x, y: no one tensor with as many indices\n"
        '  repair:   net.replace("a", ...) puts another tensor in its place\n'
        "            or change what reads a first",
    ),
    "without, an inner tensor": (
        lambda: INNER.without("N"),
        "H would be left open: it is read, and nothing would define it\n"
        "  G[n,j] = N[n,j] + H[n,j]\n"
        "                    ^^^^^^\n"
        "  inferred: H was defined by H[n,j] = (X[n,j] - mN[n]) / sN[n]\n"
        "  repair:   let the replacement define H too\n"
        "            or change what reads H first",
    ),
    "a part that does not depend": (
        lambda: classifier().part("Y", "Z"),
        "Z does not depend on Y\n"
        "  Z[n,j] = A[n,K] W2[K,j] + b2[j]\n"
        "  inferred: Z is computed from X, W1, b1, H, A, W2, b2\n"
        "  repair:   start from one of these",
    ),
    "one name for two": (
        lambda: classifier().renamed({"H": "X"}),
        "X and H would both be called X\n"
        "  A[n,j] = relu(H[n,j])\n"
        "                ^^^^^^\n"
        "  repair:   rename each to a name of its own",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_cannot_be_changed(case):
    make, message = CHANGES[case]
    with pytest.raises(EinstanError) as caught:
        make()
    assert str(caught.value) == message
