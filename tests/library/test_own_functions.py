"""A user's own functions: written out where others define them, rows of the tables where partials are declared."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import numpy as np
import pytest

import einstan as es
from einstan.language import own
from einstan.language.errors import EinstanError, NotationError, ProgramError
from einstan.language.functions import BUILTIN, DEFINITIONS, FUNCTIONS
from einstan.language.node import preorder
from einstan.language.term import Apply
from einstan.machine.backends.numpy import OWN

pytestmark = pytest.mark.usefixtures("own_functions_are_gone_afterwards")


MISH = "mish(x) = x tanh(softplus(x))"
SMOOTH = "smooth(x) = 1[x > 0] x^2 - 3"
APART = "apart(x, y) = x - y"

# the function, an equation with it, what it is written out as
WRITTEN = [
    (MISH, "y[i] = mish(X[i,K] W[K])", "y[i] = sum[K](X[i,K] W[K]) tanh(softplus(sum[K](X[i,K] W[K])))"),
    (MISH, "y[i] = mish (a[i])", "y[i] = a[i] tanh(softplus(a[i]))"),
    (MISH, "y = sum[K](w[K] mish(x[K]))", "y = sum[K](w[K] x[K] tanh(softplus(x[K])))"),
    (SMOOTH, "y[i] = smooth(a[i] + b[i])", "y[i] = 1[a[i]+b[i] > 0] (a[i] + b[i])^2 - 3"),
    (SMOOTH, "y[i] = smooth(-a[i])", "y[i] = 1[-a[i] > 0] (-a[i])^2 - 3"),
    (SMOOTH, "y[i] = smooth(-2) a[i]", "y[i] = (1[-2 > 0] (-2)^2 - 3) a[i]"),
    (SMOOTH, "y[i] = smooth(1/|i|) a[i]", "y[i] = (1[1/|i| > 0] (1/|i|)^2 - 3) a[i]"),
    (APART, "y[i] = apart(a[i], -3)", "y[i] = a[i] + 3"),
    (APART, "y[i] = apart(-3, a[i])", "y[i] = -3 - a[i]"),
    (APART, "y[i] = apart(2 a[i], 3 b[i])", "y[i] = 2 a[i] - 3 b[i]"),
    (APART, "y[i] = apart(a[i], b[i] + c[i])", "y[i] = a[i] - (b[i] + c[i])"),
    (APART, "y[i] = 2 apart(a[i], b[i])", "y[i] = 2 (a[i] - b[i])"),
    (APART, "y[i] = apart(apart(a[i], b[i]), -b[i])", "y[i] = a[i] - b[i] + b[i]"),
    (APART, "y[i] = 2^apart(a[i], 1)", "y[i] = 2^(a[i] - 1)"),
]


@pytest.mark.parametrize(("definition", "text", "meant"), WRITTEN)
def test_a_definition_is_written_out(definition, text, meant):
    es.function(definition)
    equation = es.parse(text)
    assert equation is es.parse(meant)
    assert es.parse(str(equation)) is equation


def test_values_derivatives_and_source_of_a_definition():
    es.function(MISH)
    equation = es.parse("y[i] = mish(x[i])")
    x = np.linspace(-3, 3, 7)
    np.testing.assert_allclose(equation(x=x), x * np.tanh(np.log1p(np.exp(x))), rtol=1e-14)
    space: dict = {}
    exec(equation.source(), space)
    np.testing.assert_allclose(space["step"](x)[0], x * np.tanh(np.log1p(np.exp(x))), rtol=1e-14)
    first = es.parse("y = mish(x)").partial("x")
    h = 1e-6
    value = [float(es.parse("y = mish(x)")(x=0.4 + d)) for d in (h, -h)]
    assert float(es.Program([first]).compile()(x=0.4)[str(first.name)]) == pytest.approx((value[0] - value[1]) / 2 / h)
    assert es.check("claim mish(x) = x tanh(softplus(x))").counts["proved"] == 1


def test_one_calls_another_and_a_later_definition_changes_what_is_read_later():
    es.function("twice(x) = 2 x")
    es.function("four(x) = twice(twice(x))")
    before = es.parse("y = four(x)")
    es.function("twice(x) = x + x")
    assert es.parse("y = four(x)") is before is es.parse("y = 2 2 x")
    assert es.parse("y = twice(x)") is es.parse("y = x + x")


def test_a_block_holds_for_its_thread_alone():
    seen = []

    def elsewhere():
        try:
            es.parse("y = gate(x, z)")
        except NotationError:
            seen.append("unknown")

    with es.functions("gate(x, y) = sigmoid(x) y", "both(x) = gate(x, x)"):
        assert es.parse("y = both(x)") is es.parse("y = sigmoid(x) x")
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        with es.functions("gate(x, y) = x y"):
            assert es.parse("y = gate(x, z)") is es.parse("y = x z")
        assert es.parse("y = gate(x, z)") is es.parse("y = sigmoid(x) z")
    elsewhere()
    assert seen == ["unknown", "unknown"]


def test_many_threads_define_at_once():
    def define(number):
        es.function(f"f{number}(x) = x + {number}")

    threads = [threading.Thread(target=define, args=(k,)) for k in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(es.parse(f"y = f{k}(x)") is es.parse(f"y = x + {k}") for k in range(40))


def test_a_function_of_the_notation_may_be_said_again_but_not_changed():
    assert str(es.function("softsign(x) = x / (1 + abs(x))")) == "softsign(x) = x / (1 + abs(x))"
    es.function("silu(u) = sigmoid(u) u")
    assert str(es.parse("y = softsign(x) + silu(x)")) == "y = softsign(x) + silu(x)"


WRONG = [
    ("relu(x) = x", ProgramError, "relu is a function of the notation already"),
    ("pi(x) = x", ProgramError, "pi is a function of the notation already"),
    ("f(x) = f(x) + 1", NotationError, "f is defined by itself"),
    ("f(x) = x + y", NotationError, "y is no parameter"),
    ("f(x, y) = x", NotationError, "the parameter y is not used"),
    ("f(x) = x[i]", NotationError, "no indices"),
    ("f(x) = x x[0]", EinstanError, "x has"),
    ("f(x) = sum[K](x)", NotationError, "no indices"),
    ("f(x) = |n| x", NotationError, "no indices"),
    ("f(x) = 1[i < j] x", NotationError, "i is no parameter"),
    ("f(x)", NotationError, "declared without what it is"),
    ("sum(x) = x", NotationError, "sum is a word of the notation"),
    ("norm(x) = x", NotationError, "norm is a word of the notation"),
    ("where(x) = x", NotationError, "where is a word of the notation"),
    ("lambda(x) = x", NotationError, "lambda is a word of the notation"),
    ("σ(x) = x", NotationError, "σ is a word of the notation"),
    ("swish(x) = x", NotationError, "swish is a word of the notation"),
    ("f(sum) = sum", NotationError, "sum is a word of the notation"),
    ("f(x, x) = x", NotationError, "a name of its own"),
    ("f(f) = f", NotationError, "a name of its own"),
    ("f() = 1", NotationError, "nothing is no name"),
    ("f(x) =", NotationError, "nothing stands behind the ="),
    ("f(x) = x +", NotationError, "ends too early"),
    ("f(x) = x = x", NotationError, "not expected"),
    ("f = x", NotationError, "defined by its name and its parameters"),
    ("f[x] = x", NotationError, "defined by its name and its parameters"),
    ("", NotationError, "defined by its name and its parameters"),
    ("__import__(x) = x", NotationError, "is no name"),
]


@pytest.mark.parametrize(("text", "kind", "problem"), WRONG)
def test_wrong_definitions(text, kind, problem):
    with pytest.raises(kind, match=problem):
        es.function(text)
    with pytest.raises(kind, match=problem), es.functions(text):
        pass
    assert not own.visible()


def test_wrong_uses():
    es.function(MISH)
    for text, problem in (
        ("y = mish x", "needs brackets"),
        ("mish[i] = x[i]", "cannot be a tensor"),
        ("y = mish(x, 1)", "takes 1 argument, not 2"),
        ("y = mesh(x)", "mesh is not a function"),
    ):
        with pytest.raises(NotationError, match=problem) as caught:
            es.parse(text)
    assert caught.value.repair[0] == "y = mish(x)"


# ---- with declared partials ------------------------------------------------------------------------------------------


def cubed(x: float) -> float:
    """A cube."""
    return x * x * x


DECLARED = pytest.mark.parametrize(
    ("text", "partials", "numpy", "oracle", "slope"),
    [
        ("ash(x)", "1 / sqrt(x^2 + 1)", "np.arcsinh(x)", np.arcsinh, lambda x: 1 / np.sqrt(x * x + 1)),
        ("own(x)", "own(x)", "np.exp(x)", np.exp, np.exp),
        ("qube(u)", ("3 u^2",), cubed, lambda x: x**3, lambda x: 3 * x * x),
        ("window(x)", "1[x > 0]", "np.maximum(x, 0)", lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0)),
    ],
)


@pytest.mark.numba
@DECLARED
def test_a_declared_function_in_compiled_loops(text, partials, numpy, oracle, slope):
    es.function(text, partials=partials, numpy=numpy)
    x = np.array([-1.2, 0.4, 0.9])
    found = es.parse(f"y[i] = {text.split('(')[0]}(2 x[i])").compile(fast=True)(x=x)["y"]
    np.testing.assert_allclose(found, oracle(2 * x), rtol=1e-14)


@DECLARED
def test_a_declared_function(text, partials, numpy, oracle, slope):
    name = text.split("(")[0]
    es.function(text, partials=partials, numpy=numpy)
    es.function(text, partials=partials, numpy=numpy)  # the same again
    program = es.Program(f"y[i] = {name}(2 x[i])\nL = sum[I](y[I])")
    x = np.array([-1.2, 0.4, 0.9])
    ways = [{"fast": False}, {"reuse_buffers": True}]
    for made in (program.compile(**way)(x=x)["y"] for way in ways):
        np.testing.assert_allclose(made, oracle(2 * x), rtol=1e-14)
    both = es.Program([*program, *program.backward("L", ["x"])])
    np.testing.assert_allclose(both.compile(outputs=["dx"])(x=x)["dx"], 2 * slope(2 * x), rtol=1e-14)
    space: dict = {}
    exec(program.source(), space)
    assert f"def own_{name}(" in program.source()
    np.testing.assert_allclose(space["step"](x)[0], oracle(2 * x), rtol=1e-14)
    assert es.parse(str(program["y"])) == program["y"]
    assert program["y"].latex() == rf"y_{{i}} = \operatorname{{{name}}}(2 x_{{i}})"


def test_what_is_proved_of_it_and_what_is_not():
    es.function("ash(x)", partials="1 / sqrt(x^2 + 1)", numpy="np.arcsinh(x)")
    report = es.check("Y[i] = ash(x[i])\nclaim dY[i]/dx[j] = δ[i,j] / sqrt(1 + x[i]^2)\nclaim Y[i] = arcsinh(x[i])")
    assert (report.counts["proved"], report.counts["undecided"]) == (1, 1)


THE_SAME = {"partials": "3 x^2", "numpy": "x**3"}


@pytest.mark.parametrize(
    ("text", "given", "problem"),
    [
        ("f(x)", {"partials": "2 x^2", "numpy": "x**3"}, "the partial of f by x is not what its values say"),
        ("f(x, y)", {"partials": ["y", "y"], "numpy": "x * y"}, "the partial of f by y is not what its values say"),
        ("f(x)", {"partials": "3 x^2"}, "needs its partials and its NumPy function"),
        ("f(x)", {"numpy": "x**3"}, "needs its partials and its NumPy function"),
        ("f(x)", {"partials": ["3 x^2", "1"], "numpy": "x**3"}, "1 parameters and 2 partials"),
        ("f(x)", {"partials": "3 z^2", "numpy": "x**3"}, "z is no parameter"),
        ("f(x)", {"partials": "3 x[i]^2", "numpy": "x**3"}, "no indices"),
        ("f(x)", {"partials": "3 x^", "numpy": "x**3"}, "ends too early"),
        ("f(x)", {"partials": "3 x^2", "numpy": "x**"}, "no expression of Python"),
        ("f(x)", {"partials": "3 x^2", "numpy": "foo(x)"}, "reads foo"),
        ("f(x)", {"partials": "3 x^2", "numpy": "x.foo()"}, "fails at"),
        ("f(x)", {"partials": "3 x^2", "numpy": lambda x: x**3}, "cannot be had from"),
        ("f(x)", {"partials": "3 x^2", "numpy": np.exp}, "cannot be had from"),
        ("f(x, y)", {"partials": ["1", "1"], "numpy": cubed}, "takes 2 arguments"),
        ("f(x)", {"partials": "3 x^2", "numpy": 3}, "numpy = 3"),
        ("f(x) = x^3", THE_SAME, "defined by its text"),
        ("relu(x)", THE_SAME, "a function of the notation already"),
        ("select(x)", THE_SAME, "an operation of compiled code"),
        ("cosine(x", THE_SAME, "defined by its name and its parameters"),
    ],
)
def test_wrong_declarations(text, given, problem):
    with pytest.raises(EinstanError, match=problem):
        es.function(text, **given)
    assert "f" not in FUNCTIONS
    assert not own.visible()
    assert not OWN


def test_a_declared_function_is_for_good():
    es.function("f(x)", **THE_SAME)
    for text, given in (("f(x)", {"partials": "3 x^2", "numpy": "x * x * x"}), ("f(x) = x^3", {})):
        with pytest.raises(ProgramError, match="already"):
            es.function(text, **given)


def test_the_code_of_the_page_runs():
    page = Path(__file__).resolve().parents[2] / "docs" / "functions.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    exec(code, {})
    assert set(own.visible()) == {"squareplus", "ash"}


@pytest.mark.parametrize("text", DEFINITIONS)
def test_what_the_notation_defines_by_others(text):
    name, right = text.split("(")[0], text.split(" = ")[1]
    equation = es.parse(f"y[i] = {name}(x[i])")
    assert equation is es.parse("y[i] = " + re.sub(r"\bx\b", "x[i]", right))
    assert {node.function for node in preorder(equation.rhs) if isinstance(node, Apply)} <= BUILTIN
    x = np.linspace(-4.0, 4.0, 9)
    np.testing.assert_allclose(equation(x=x), np.asarray(equation.loops(x=x).tolist(), float), rtol=1e-12)
    assert es.check(f"y = {name}(x)\ny = {right}").ok
