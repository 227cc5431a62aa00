"""A row per layer: hand-written NumPy = reference loops = compiled, forward and backward; declared = derived; central
differences; second derivatives symmetric.  `tests.layers.rows` has what is written by hand."""

from pathlib import Path

import numpy as np
import pytest

from einstan import layers, parse
from einstan.calculus.backward import backward, joined
from einstan.calculus.partial import partial
from einstan.language import ClaimError, DifferentiationError
from einstan.language.index import Index, lowered
from einstan.language.node import preorder
from einstan.language.term import tensors
from einstan.library.api import Program
from einstan.library.layer import Layer
from einstan.library.network import Network
from einstan.machine.meaning.loops import evaluate
from einstan.machine.sizes.inference import infer
from tests.layers.rows import ROWS, central_differences

CLOSE = {"rtol": 1e-12, "atol": 1e-13}


def layer_of(row):
    return row.layer()


def network_of(row, assumptions=True):
    """The layer and, where its output is no scalar, a weighted sum of it: then gradients are those of a cotangent."""
    layer = layer_of(row)
    slots = row.slots
    total = f"total = C[{slots}] {row.output}[{slots}]" if slots else f"total = C {row.output}"
    network = Network(layer(), total)
    if not assumptions:
        network.program = Program(network.program.equations)
    return network


def as_array(tensor):
    return np.array(tensor.flat, dtype=float).reshape(tensor.shape)


def looped(program, arrays):
    return {str(name): as_array(tensor) for name, tensor in evaluate(program, arrays).items()}


def test_there_is_a_row_for_every_layer():
    assert [row.name for row in sorted(ROWS, key=str)] == sorted(layers.__all__)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_forward(row):
    arrays = row.arrays()
    expected = row.forward(**arrays)
    network = Network(layer_of(row)())
    found = network.evaluate(row.output, {}, **arrays)
    np.testing.assert_allclose(found, expected, **CLOSE)
    np.testing.assert_allclose(looped(network.program, arrays)[row.output], expected, **CLOSE)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_backward(row):
    arrays, cotangent = row.arrays(), row.cotangent()
    expected = row.gradients(cotangent, **arrays)
    network = network_of(row)
    wrt = tuple(expected)
    assert set(wrt) == set(row.wrt)
    assert set(row.shapes) == set(layer_of(row).inputs)
    _, found = network.value_and_grad("total", wrt=wrt).compile()({}, **arrays, C=cotangent)
    loops = looped(joined(network.program, network.backward("total", wrt)), {**arrays, "C": cotangent})
    for name in wrt:
        np.testing.assert_allclose(found[name], expected[name], **CLOSE, err_msg=f"compiled d{name}")
        np.testing.assert_allclose(loops[f"d{name}"], expected[name], **CLOSE, err_msg=f"loops d{name}")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_oracle_itself_against_central_differences(row):
    arrays, cotangent = row.arrays(), row.cotangent()
    by_hand = row.gradients(cotangent, **arrays)
    for name in row.wrt:
        jacobian = central_differences(row.forward, arrays, name)
        expected = np.tensordot(cotangent, jacobian, axes=cotangent.ndim)
        np.testing.assert_allclose(by_hand[name], expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_partial_is_declared_and_proved(row):
    layer = layer_of(row)
    assert set(layer.declared) == set(row.wrt)
    assert all(verdict.proved for verdict in layer.report)
    assert layer.source


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_declared_and_derived_partials_against_central_differences(row):
    layer, arrays = layer_of(row), row.arrays()
    for name in row.wrt:
        expected = central_differences(row.forward, arrays, name)
        for equation in (layer.declared[name], layer.derived(name)):
            # A partial may name the output; extents of axes that only the equation has come with the program.
            program = Program((*layer.program.equations, equation))
            found = as_array(evaluate(program, arrays)[equation.name])
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8, err_msg=str(equation))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_einsum_strings_of_partials_give_the_partials(row):
    """The strings, run by NumPy on operands evaluated by the loops, are the central differences."""
    layer, arrays = layer_of(row), row.arrays()
    for name in row.wrt:
        equation = layer.partial(name)
        found = run_einsum(layer.partial(name), layer.program, arrays)
        expected = central_differences(row.forward, arrays, name)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8, err_msg=str(equation))


def run_einsum(equation, program, arrays):
    from einstan.language.term import Equation
    from einstan.library.einsum import einsum

    total = 0
    whole = Program((*program.equations, equation))
    extents = infer(whole, {name: array.shape for name, array in arrays.items()})
    indices = [node for node in preorder(equation.lhs, equation.rhs) if isinstance(node, Index)]
    sizes = {lowered(index.name): extents.of(equation, index) for index in indices}  # an operand alone may not tell
    for term in einsum(equation).terms:
        operands = []
        for operand, subscripts in zip(term.operands, term.subscripts, strict=True):
            indices = tuple(dict.fromkeys(subscripts))
            whole = Program((*program.equations, equation, Equation("operand", indices, operand)))
            operands.append(as_array(evaluate(whole, arrays, sizes)["operand"]))
        whole = Program((*program.equations, equation, Equation("factor", (), term.factor)))
        factor = as_array(evaluate(whole, arrays, sizes)["factor"])
        total = total + factor * np.einsum(term.string, *operands)
    return total


SECOND = [
    (row, left, right)
    for row in ROWS
    for left in row.wrt
    for right in row.wrt
    if row.name not in ("relu",) and left <= right
]


@pytest.mark.parametrize(("row", "left", "right"), SECOND, ids=str)
def test_second_derivatives_are_symmetric(row, left, right):
    network = network_of(row, assumptions=False)
    definitions = {name: e for name, e in network.program.defined.items() if name != "total"}
    arrays = {**row.arrays(), "C": row.cotangent()}

    def depends(equation, tensor):
        read = {e.name: tensors(e.rhs) for e in (*definitions.values(), equation)}  # extents are no values
        queue, found = [equation.name], set()
        while queue:
            for name in read.get(queue.pop(), ()):
                if name not in found:
                    found.add(name)
                    queue.append(name)
        return tensor in found

    def second(first, then):
        once = partial(network.program["total"], first, definitions=definitions)
        if not depends(once, then):
            with pytest.raises(DifferentiationError):
                partial(once, then, definitions=definitions)
            return None
        twice = partial(once, then, definitions=definitions)
        program = Program((*network.program.equations, twice))
        return as_array(evaluate(program, arrays)[twice.name])

    one, other = second(left, right), second(right, left)
    if one is None or other is None:
        assert one is None
        assert other is None
        return
    rank = len(row.shapes[left])
    np.testing.assert_allclose(one, np.moveaxis(other, range(-rank, 0), range(rank)), **CLOSE)
    expected = central_differences(lambda **given: row.gradients(row.cotangent(), **given)[left], row.arrays(), right)
    np.testing.assert_allclose(one, expected, rtol=1e-5, atol=1e-7)


# ---- wrong declarations ----------------------------------------------------------------------------------------------

WRONG = [
    ("Z[n,j] = X[n,K] W[K,j] + b[j]", "dZ[n,j]/dX[m,p] = δ[n,m] W[j,p]"),
    ("Z[n,j] = X[n,K] W[K,j] + b[j]", "dZ[n,j]/dW[p,q] = 2 δ[j,q] X[n,p]"),
    ("A[n,j] = relu(Z[n,j])", "dA[n,j]/dZ[m,q] = δ[n,m] δ[j,q]"),
    ("A[n,j] = sigmoid(Z[n,j])", "dA[n,j]/dZ[m,q] = δ[n,m] δ[j,q] A[n,j] (1 + A[n,j])"),
    ("S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))", "dS[n,c]/dZ[m,k] = S[n,c] δ[n,m] (δ[c,k] - S[n,c])"),
    ("L = 1/(|N| |J|) (O[N,J] - Y[N,J])^2", "dL/dO[n,j] = 1/(|n| |j|) (O[n,j] - Y[n,j])"),
]


@pytest.mark.parametrize(("text", "wrong"), WRONG)
def test_a_wrong_declaration_is_refused(text, wrong):
    with pytest.raises(ClaimError) as caught:
        Layer(text, partials=(wrong,))
    message = str(caught.value)
    start = wrong.index(" = ") + 3
    caret = " " * start + "^" * (len(wrong) - start)
    assert message.startswith(f"this is not the derivative\n  {wrong}\n  {caret}\n  inferred: derived:  d")
    assert "derived minus declared:  " in message
    assert "for example, with " in message
    assert "_" not in message


def test_the_message_of_a_wrong_declaration():
    with pytest.raises(ClaimError) as caught:
        Layer("Z[n,j] = X[n,K] W[K,j]", partials=("dZ[n,j]/dW[p,q] = 2 δ[j,q] X[n,p]",))
    assert str(caught.value) == (
        "this is not the derivative\n"
        "  dZ[n,j]/dW[p,q] = 2 δ[j,q] X[n,p]\n"
        "                    ^^^^^^^^^^^^^^^\n"
        "  inferred: derived:  dZ[n,j]/dW[p,q] = X[n,p] δ[j,q]\n"
        "            derived minus declared:  -δ[j,q] X[n,p]\n"
        "            for example, with X = [[1]]\n"
        "                         and  W = [[1]]\n"
        "            at n = 0, j = 0, p = 0, q = 0: derived 1, declared 2\n"
        "  repair:   declare the derived partial, or leave it out"
    )


def test_what_algebra_leaves_open_is_decided_by_numbers():
    layer = Layer("A[n] = tanh(Z[n])", partials=("dA[n]/dZ[m] = δ[n,m] / cosh(Z[n])^2",))
    (verdict,) = layer.report
    assert not verdict.proved
    assert verdict.how == "agrees at 20 random points with |n| = 2..5 (50-digit decimals)"


def test_a_wrong_derivative_rule_is_noticed(monkeypatch):
    """Test the tester: with another row for tanh, its declared partial is no longer the derived one."""
    from einstan.language.functions import FUNCTIONS, Function

    wrong = Function("tanh", ("x",), ("1 - tanh(x)",), r"\tanh({0})")
    monkeypatch.setitem(FUNCTIONS, "tanh", wrong)
    with pytest.raises(ClaimError):
        Layer("A[n,j] = tanh(Z[n,j])", partials=("dA[n,j]/dZ[m,q] = δ[n,m] δ[j,q] (1 - A[n,j]^2)",))


@pytest.mark.parametrize(
    ("partials", "problem"),
    [
        (("dQ[n]/dZ[m] = δ[n,m]",), "dQ[n]/dZ[m] is not a partial derivative of A"),
        (("A[n] = Z[n]",), "A[n] is not a partial derivative of A"),
        (
            ("dA[n]/dZ[m] = δ[n,m]", "dA[i]/dZ[j] = δ[i,j]"),
            "the partial derivative with respect to Z is declared twice",
        ),
    ],
)
def test_what_is_no_declaration(partials, problem):
    with pytest.raises(ClaimError) as caught:
        Layer("A[n] = Z[n]", partials=partials)
    assert caught.value.problem == problem


# ---- numbers of any size ---------------------------------------------------------------------------------------------


def classifier():
    return Network(layers.softmax("S", Z="Z"), layers.cross_entropy("L", S="S", Y="Y"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_and_cross_entropy_at_logits_of_ten_thousand(dtype):
    Z = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 1e4], [5, 5, 5]], dtype=dtype)
    Y = np.array([[0, 1, 0], [0.5, 0.5, 0], [0, 0, 1]], dtype=dtype)
    loss, grads = classifier().value_and_grad("L", wrt=("Z",)).compile()({}, Z=Z, Y=Y)
    # By hand: log S is Z - max - log(sum(exp(Z - max))).
    logs = np.array([[0, -2e4, -1e4], [-2e4 - np.log(2), -np.log(2), -np.log(2)], [-np.log(3)] * 3])
    S = np.array([[1, 0, 0], [0, 0.5, 0.5], [1 / 3] * 3])
    np.testing.assert_allclose(loss, -(Y * logs).sum() / 3, rtol=1e-5)
    np.testing.assert_allclose(grads["Z"], (S - Y) / 3, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(classifier().evaluate("S", {}, Z=Z), S, rtol=1e-5)


def test_a_label_of_probability_zero():
    Z, Y = np.array([[0.0, 800.0]]), np.array([[1.0, 0.0]])
    loss, grads = classifier().value_and_grad("L", wrt=("Z",)).compile()({}, Z=Z, Y=Y)
    assert loss == 800
    assert grads["Z"].tolist() == [[-1, 1]]


def test_softmax_and_cross_entropy_cancel_and_have_a_general_form():
    network = classifier()
    assert str(network.backward("L", ("Z",))) == "dZ[n,c] = (S[n,c] - Y[n,c]) / |n|"
    general = str(network.backward("L", ("Z",), assume=False))
    assert "Y[n,C]" in general or "Y[n,K]" in general
    Z, Y = np.random.default_rng(0).standard_normal((2, 4, 3))  # rows that do not sum to one
    network.program = Program(network.program.equations)
    _, grads = network.value_and_grad("L", wrt=("Z",)).compile()({}, Z=Z, Y=Y)
    e = np.exp(Z)
    S = e / e.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(grads["Z"], (S * Y.sum(axis=1, keepdims=True) - Y) / 4, **CLOSE)


def test_parse_of_what_a_layer_prints():
    for row in ROWS:
        layer = layer_of(row)
        for equation in (layer.equation, *map(layer.partial, row.wrt), *map(layer.derived, row.wrt)):
            assert parse(str(equation)) is equation


def test_backward_is_generic():
    """No layer is known by name: the same equations under other names give the same backward pass."""
    program = Program([parse("p[a,b] = exp(q[a,b]) / sum[R](exp(q[a,R]))"), parse("u = -1/|A| t[A,B] log(p[A,B])")])
    assert "d" + "q" in {e.name for e in backward(program, "u", ("q",))}


def test_type_checkers_know_every_layer():
    text = Path(layers.__file__).read_text(encoding="utf-8")
    wanted = [f"    from einstan.layers.{name} import {name} as {name}" for name in layers.__all__]
    assert [line for line in wanted if line not in text.splitlines()] == [], "add these lines to layers/__init__.py"
