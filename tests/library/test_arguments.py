"""Wrong things in every place of the public functions and methods: an error of ours, at once, and never another."""

from __future__ import annotations

import functools
import inspect
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import einstan as es
from einstan import optimize
from einstan.calculus.backward import backward, vjp
from einstan.calculus.elimination import jacobian
from einstan.calculus.forward import jvp
from einstan.language.arguments import ArgumentError, fits, number, whole
from einstan.language.errors import EinstanError
from einstan.layers import dense
from einstan.library.derivative import Derivative
from einstan.library.einsum_call import contract
from einstan.library.evaluated import CompiledDerivative
from einstan.library.optimisers import Cosine, Decay
from einstan.machine.plan.plan import plan
from einstan.machine.run.compile import compile as compile_program
from einstan.machine.run.compiled import Compiled

SECONDS = 20  # far more than is needed, and less than for ever


class Hostile:
    """A stranger that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


WRONG: dict[str, Any] = {
    "None": None,
    "3": 3,
    "2.7": 2.7,
    "-1": -1,
    "True": True,
    "empty text": "",
    "nope": "nope",
    "a long text": "(" * 5000,
    "list": [],
    "list of numbers": [1, 2],
    "tuple": (),
    "dict": {},
    "dict of numbers": {1: 2},
    "set": {"X", 3},
    "object": object(),
    "hostile": Hostile(),
    "nan": float("nan"),
    "inf": float("inf"),
    "huge": 10**30,
    "bytes": b"X",
    "class": int,
    "function": len,
    "complex": 1j,
    "array": np.ones(3),
    "array of objects": np.array([1, object()], dtype=object),
    "array of text": np.array(["a", "b"]),
    "complex array": np.array([[1j]]),
    "boolean array": np.array([True, False]),
    "wrong rank": np.ones((2, 2, 2, 2, 2)),
    "masked": np.ma.masked_array([[1.0]], [[1]]),
}

FUNCTIONS = ("schedule", "compute", "callbacks", "W", "b")  # arguments that are called
PROGRAM = "Z[n,j] = X[n,K] W[K,j] + b[j]\nL = 1/2 (Z[N,J] - Y[N,J])^2 / |N|"
X, Y = np.ones((4, 3)), np.zeros((4, 2))
PARAMS = {"W": np.ones((3, 2)), "b": np.ones(2)}
DATA = {"X": X, "Y": Y}


def network() -> es.Network:
    return es.Network(PROGRAM, parameters={"W": "he", "b": "zeros"})


NET = network()
EQUATION = es.parse("Z[n,j] = X[n,K] W[K,j] + b[j]")

# What is called, and arguments with which it works.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "parse": (es.parse, {"text": "Z[i] = X[i]", "known": ["X"]}),
    "function": (es.function, {"text": "softsign(x) = x / (1 + abs(x))", "partials": None, "numpy": None}),
    "functions": (lambda text: es.functions(text), {"text": "softsign(x) = x / (1 + abs(x))"}),
    "einsum": (lambda optimize: es.einsum("ij,jk->ik", X, PARAMS["W"], optimize=optimize), {"optimize": True}),
    "check": (es.check, {"text": PROGRAM, "name": "paper"}),
    "check_paper": (es.check_paper, {"text": "$$ L = \\frac12 \\sum_i x_i^2 $$", "kind": "md", "name": "paper"}),
    "compose": (es.compose, {"f": dense, "g": dense, "at": "X"}),
    "Program": (es.Program, {"equations": PROGRAM, "assumptions": (), "forward": None, "letters": ()}),
    "Equation.partial": (EQUATION.partial, {"wrt": "X", "indices": ["p", "q"], "kinks": {"relu": ["1[x >= 0]"]}}),
    "Equation.derivation": (EQUATION.derivation, {"wrt": "X"}),
    "Equation.plan": (EQUATION.plan, {"sizes": {"n": 4, "k": 3, "j": 2}}),
    "Equation.source": (EQUATION.source, {"sizes": {"n": 4, "k": 3, "j": 2}}),
    "Equation()": (EQUATION, {"X": X, "W": PARAMS["W"], "b": PARAMS["b"]}),
    "Equation.loops": (EQUATION.loops, {"sizes": {"n": 4}, "X": X, "W": PARAMS["W"], "b": PARAMS["b"]}),
    "Equation.compile": (
        EQUATION.compile,
        {"outputs": ["Z"], "optimize": "dp", "dtype": "float32", "sizes": {"n": 4}, "memory_limit": 10**6,
         "function": "step", "any_size": False, "reuse_buffers": False, "fast": False},
    ),
    "Equation.latex": (EQUATION.latex, {"sums": True}),
    "Program.partial": (NET.program.partial, {"of": "L", "wrt": "W", "indices": ["p", "q"], "kinks": {}}),
    "Program.derivative": (NET.program.derivative, {"of": "Z", "indices": [["p", "q"]], "order": "auto"}),
    "Program.hessian": (NET.program.hessian, {"of": "L", "wrt": "W", "wrt2": "b"}),
    "Program.jacobian": (NET.program.jacobian, {"of": "Z", "wrt": "W"}),
    "Program.backward": (NET.program.backward, {"loss": "L", "wrt": ["W"], "letter": "d"}),
    "Program.jvp": (NET.program.jvp, {"of": "Z", "directions": {"W": "V"}, "batch": "r", "letter": "t"}),
    "Program.vjp": (NET.program.vjp, {"of": {"Z": "C"}, "wrt": ["W"], "batch": "r", "letter": "d"}),
    "Program.hvp": (NET.program.hvp, {"loss": "L", "directions": ["W"], "batch": "r", "wrt": ["W"]}),
    "Program.gauss_newton": (
        NET.program.gauss_newton,
        {"loss": "L", "outputs": "Z", "directions": ["W"], "batch": "r"},
    ),
    "Program.per_example": (NET.program.per_example, {"loss": "L", "over": "n"}),
    "Program.derivation": (NET.program.derivation, {"of": "L", "wrt": "W"}),
    "Program[]": (NET.program.__getitem__, {"name": "Z"}),
    "Layer": (
        es.Layer,
        {"text": "Z[n,j] = X[n,K] W[K,j]", "partials": ("dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]",), "parameters": {"W": "he"},
         "source": "a paper", "name": "dense"},
    ),
    "dense()": (dense, {"X": "X", "W": "W1", "j": 64}),
    "dense.partial": (dense.partial, {"wrt": "X"}),
    "dense.derived": (dense.derived, {"wrt": "X"}),
    "Network": (es.Network, {"parameters": {}, "assumptions": ()}),
    "Network.init": (NET.init, {"seed": 0, "dtype": "float32", "X": (4, 3), "Y": (4, 2), "W": "he", "b": np.ones(2)}),
    "Network.replace": (NET.replace, {"name": "Z", "member": "Z[n,j] = X[n,j]", "inputs": ()}),
    "Network.part": (NET.part, {"start": ["Z"], "to": "L"}),
    "Network.renamed": (NET.renamed, {"names": {"X": "X2"}}),
    "Network.has": (NET.has, {"name": "Z"}),
    "Network.backward": (NET.backward, {"loss": "L", "wrt": ["W"]}),
    "Network.partial": (NET.partial, {"of": "L", "wrt": "W"}),
    "Network.plan": (NET.plan, {"sizes": {"n": 4, "k": 3, "j": 2}}),
    "Network.value_and_grad": (NET.value_and_grad, {"loss": "L", "wrt": ["W"]}),
    "Network.evaluate": (NET.evaluate, {"name": "Z", "params": PARAMS, "X": X}),
    "Network.check_assumptions": (NET.check_assumptions, {"arrays": DATA}),
    "ValueAndGrad.compile": (NET.value_and_grad("L").compile, {"check": True, "update": es.SGD(0.1), "fast": False}),
    "ValueAndGrad.plan": (NET.value_and_grad("L").plan, {"sizes": {"n": 4, "k": 3, "j": 2}}),
    "fit": (
        es.fit,
        {"network": NET, "loss": "L", "data": DATA, "params": PARAMS, "validation": DATA, "epochs": 1, "batch": 2,
         "optimiser": es.SGD(0.1), "schedule": Decay(), "metrics": (es.accuracy("Z", "Y"),), "patience": 1,
         "monitor": "loss", "callbacks": (), "seed": 0, "resume": None, "compile_options": {}},
    ),
    "accuracy": (es.accuracy, {"S": "S", "Y": "Y"}),
    "Metric": (es.Metric, {"name": "m", "tensors": ("S",), "compute": len, "larger_is_better": True}),
    "SGD": (es.SGD, {"rate": 0.1}),
    "Momentum": (es.Momentum, {"rate": 0.1, "beta": 0.9, "nesterov": False}),
    "Adam": (es.Adam, {"rate": 0.1, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}),
    "Cosine": (Cosine, {"epochs": 10, "floor": 0.1}),
    "Decay": (Decay, {"factor": 0.5, "every": 2}),
    "SGD.init": (es.SGD().init, {"params": PARAMS}),
    "Adam.init": (es.Adam().init, {"params": PARAMS}),
    "save": (es.save, {"path": "/nowhere/at/all.npz", "params": PARAMS}),
    "load": (es.load, {"path": "/nowhere/at/all.npz"}),
    "newton": (
        optimize.newton,
        {"source": NET, "loss": "L", "params": PARAMS, "data": DATA, "wrt": ["W"], "tol": 1e-3, "max_iterations": 2,
         "damping": 1e-3, "progress": False},
    ),
    "newton_cg": (
        optimize.newton_cg,
        {"source": NET, "loss": "L", "params": PARAMS, "data": DATA, "wrt": ["W"], "tol": 1e-3, "max_iterations": 2,
         "progress": False},
    ),
    "root": (
        optimize.root,
        {"source": es.parse("r[i] = x[i]^2 - a[i]"), "equations": "r", "params": {"x": np.ones(2)},
         "data": {"a": np.ones(2)},
         "max_iterations": 2, "progress": False},
    ),
    "Objective": (optimize.Objective, {"source": NET, "loss": "L", "params": PARAMS, "data": DATA, "wrt": ["W"]}),
}  # fmt: skip


@contextmanager
def in_time() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError

    old = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


ROWS = [(call, argument) for call, (_, given) in CALLS.items() for argument in given]


@pytest.mark.parametrize(("call", "argument"), ROWS, ids=lambda text: text)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_wrong_argument_is_an_error_of_ours(
    call: str, argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where a text that names a file may be written to
    function, given = CALLS[call]
    raw = {}
    for label, wrong in WRONG.items():
        if callable(wrong) and argument in FUNCTIONS:
            continue  # what a function of the caller raises is the caller's
        try:
            with in_time(), np.errstate(all="ignore"):
                function(**{**given, argument: wrong})
        except EinstanError:
            continue
        except Exception as error:
            raw[label] = type(error).__name__
    assert not raw


# What the functions take to which options are passed on: some of it is given by what passes them on.
PASSED_ON = (compile_program, plan, Compiled, Derivative, CompiledDerivative, jacobian, backward, jvp, vjp, contract)
NAMES = sorted({"question", "clamp", *chain(*(inspect.signature(function).parameters for function in PASSED_ON))})
MADE = NET.program.derivative("L", "W")
EACH = NET.program.per_example("L")
OPTIONS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    **{call: row for call, row in CALLS.items() if call not in ("einsum", "functions")},
    "einsum": (functools.partial(es.einsum, "ij,jk->ik", X, PARAMS["W"]), {}),
    "Derivative.compile": (MADE.compile, {}),
    "Derivative.plan": (MADE.plan, {"sizes": {"n": 4, "k": 3, "j": 2}}),
    "Derivative.source": (MADE.source, {}),
    "Network.evaluator": (functools.partial(NET.evaluator, "Z"), {}),
    "ValueAndGrad.source": (NET.value_and_grad("L").source, {}),
    "PerExample.gradient": (EACH.gradient, {"wrt": "W"}),
    "Gradients.compile": (EACH.gradients(["W"]).compile, {}),
    "Step": (NET.value_and_grad("L").compile(), {"X": X, "Y": Y}),
    "Compiled": (NET.program.compile(), {**DATA, **PARAMS}),
    "fit": (lambda **options: es.fit(**{**CALLS["fit"][1], "compile_options": options}), {}),
}  # fmt: skip
OPTIONAL = [
    call
    for call, (function, _) in OPTIONS.items()
    if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())
]


@pytest.mark.parametrize("call", OPTIONAL)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_option_of_any_name_works_or_is_an_error_of_ours(call: str) -> None:
    function, given = OPTIONS[call]
    raw = {}
    for name, wrong in product(NAMES, (3, "nope")):
        try:
            with in_time(), np.errstate(all="ignore"):
                function(**{**given, name: wrong})
        except EinstanError:
            continue
        except Exception as error:
            raw[name] = f"{type(error).__name__}: {error}"
    assert not raw


# ---- the table is complete -------------------------------------------------------------------------------------------

ABSTRACT = {"Callback", "Report", "History", "State", "EinstanError", "TrainingError", "__version__", "Equation"}


def test_every_public_name_is_called() -> None:
    called = {call.partition(".")[0].partition("(")[0] for call in CALLS}
    assert set(es.__all__) - ABSTRACT <= called
    functions = {name for name in optimize.__all__ if inspect.isfunction(getattr(optimize, name))}
    assert {"newton", "newton_cg", "root"} <= functions & called


# ---- positional arrays, and what a value is --------------------------------------------------------------------------


def test_arrays_by_position_are_told_their_names() -> None:
    with pytest.raises(ArgumentError) as caught:
        EQUATION(X, PARAMS["W"], PARAMS["b"])
    assert caught.value.repair == ("f(X=X, W=W, b=b)",)
    with pytest.raises(TypeError):
        EQUATION(X)


def test_a_number_where_the_output_is_named() -> None:
    with pytest.raises(ArgumentError, match="the name of the output is 64"):
        dense(64)


@pytest.mark.parametrize(
    "size", [2.7, 2.0, "3", True, -1, (3,), float("nan"), 10**30, 1j, [3], np.float64(2)], ids=repr
)
@pytest.mark.parametrize("shape", [lambda n: (n, 3), lambda n: (n, None)], ids=["whole", "in part"])
def test_a_size_is_a_whole_number(size: Any, shape: Callable[[Any], Any]) -> None:
    for given in ({"X": shape(size), "W": (3, 2)}, {"W": shape(size), "X": (4, 3)}):
        with pytest.raises(EinstanError):
            es.Network("Z[n,j] = X[n,K] W[K,j]", parameters={"W": "he"}).init(**given)


def test_a_size_of_numpy_is_a_size() -> None:
    made = es.Network("Z[n,j] = X[n,K] W[K,j]", parameters={"W": "he"}).init(X=(np.int64(4), None), W=(np.int8(3), 2))
    assert made["W"].shape == (3, 2)


@pytest.mark.parametrize(
    ("value", "hint", "good"),
    [
        (1, int, True), (True, int, False), (np.int32(1), int, True), (1.0, int, False), (1, float, True),
        (True, float, False), ("a", str | None, True), (3, str | None, False), (["a"], list[str], True),
        ({"a": 1}, dict[str, int], True), ({1: 1}, dict[str, int], False), ((1, 2), tuple[int, ...], True),
        (("a",), tuple[int, ...], False), (len, Callable[..., int], True), (3, Any, True),
    ],
    ids=repr,
)  # fmt: skip
def test_what_fits(value: Any, hint: Any, good: bool) -> None:
    assert fits(value, hint) is good


def test_numbers_and_their_limits() -> None:
    assert whole("n", np.int64(3), 1) == 3
    assert number("rate", 1, 0, 2) == 1.0
    for wrong in (0, 11, True, 2.0, "3", None):
        with pytest.raises(ArgumentError):
            whole("n", wrong, 1, 10)
    for wrong_number in (-1, 3, True, float("nan"), "1", None, 1j):
        with pytest.raises(ArgumentError):
            number("rate", wrong_number, 0, 2)


# ---- values of the right type that name nothing ----------------------------------------------------------------------

LAYER = es.Program("Z[n,j] = X[n,K] W[K,j] + b[j]\nL = 1/2 (Z[N,J] - Y[N,J])^2")
SIZES = {"n": 2, "k": 3, "j": 4}
NAMELESS: dict[str, tuple[Callable[[], Any], str]] = {
    "two words for a direction": (lambda: LAYER.hvp("L", {"X": "a b"}), "'a b' is no name of a tensor"),
    "a function for a cotangent": (lambda: LAYER.vjp({"Z": "exp"}), "'exp' is no name of a tensor"),
    "a word of Python": (lambda: LAYER.jvp("Z", {"X": "if"}), "'if' is no name of a tensor"),
    "a name that ends with _": (lambda: LAYER.hvp("L", {"X": "V_"}), "'V_' is no name of a tensor"),
    "a name that begins with _": (lambda: LAYER.vjp({"Z": "_V"}), "'_V' is no name of a tensor"),
    "nothing for a direction": (lambda: LAYER.hvp("L", {"X": None}), "None is no name of a tensor"),
    "an initialiser in a list": (
        lambda: es.Network("L = x", parameters={"x": ["he"]}),
        "there is no initialiser ['he']",
    ),
    "a capital for a batch": (lambda: LAYER.hvp("L", {"X": "V"}, batch="R"), "batch = 'R' is an index that is summed"),
    "an optimizer to compile": (lambda: LAYER.compile(optimize="greddy"), "there is no optimizer 'greddy'"),
    "one for one equation": (lambda: LAYER.compile(optimize={"Z": "greddy"}), "there is no optimizer 'greddy'"),
    "a number as an optimizer": (lambda: LAYER.source(SIZES, optimize=3), "optimize = 3 is no optimizer"),
    "an optimizer to plan": (lambda: LAYER.plan(SIZES, optimize="greddy"), "there is no optimizer 'greddy'"),
    "an axis that is not there": (lambda: LAYER.source({"X.9": 1}), "there is no index X.9"),
    "one to compile": (lambda: LAYER.compile(sizes={"X.9": 1}), "there is no index X.9"),
    "a letter that is not there": (lambda: LAYER.compile(sizes={"q": 1}), "there is no index q"),
    "a name that Python has not": (lambda: LAYER.source(function="a b"), "function = 'a b' is no name in Python"),
    "two words for an index": (lambda: LAYER.partial("Z", "X", ["a b", "c"]), "'a b' is no index of a derivative"),
    "a sum for an index": (lambda: LAYER.partial("Z", "X", ["m", "K"]), "'K' is no index of a derivative"),
    "the numerator's index": (lambda: LAYER.partial("Z", "X", ["n", "k"]), "'n' is an index of the numerator"),
    "a keyword of backward": (lambda: LAYER.backward("L", lettre="d"), "backward takes no lettre"),
    "one of compile": (lambda: LAYER.compile(fsat=True), "compile takes no fsat"),
    "one of plan": (lambda: LAYER.plan(SIZES, optimise="dp"), "plan takes no optimise"),
    "one of a derivative": (lambda: LAYER.derivative("L", "X", orde=2), "Derivative takes no orde"),
    "one of a network": (lambda: es.Network("L = x", parameter={}), "Network takes no parameter"),
    "an argument twice": (lambda: LAYER.backward("L", "X", wrt="W"), "Program.backward is given wrt twice"),
    "none": (lambda: LAYER.derivation(), "Program.derivation needs of, wrt"),
    "too many": (lambda: LAYER.compile(1, 2), "Program.compile is given 2 arguments by place, and takes none"),
    "one that is given already": (lambda: LAYER.compile(context=3), "compile takes no context"),
    "one of a pass": (lambda: LAYER.backward("L", zeros=True), "backward takes no zeros"),
    "one of fit": (
        lambda: es.fit(NET, "L", DATA, compile_options={"check": True}, epochs=1),
        "ValueAndGrad.compile takes no check",
    ),
    "nothing at all": (lambda: NET.value_and_grad("L").compile()(), "X is not given"),
    "parameters twice": (
        lambda: es.fit(NET, "L", DATA, params=PARAMS, epochs=1, resume="run.npz"),
        "the parameters are given twice, as params and by what is resumed",
    ),
    "no parameters": (lambda: NET.evaluate("Z", X=X), "Network.evaluate needs params"),
    "no name": (lambda: es.Metric(), "Metric needs name, tensors, compute"),
    "no shape": (lambda: NET.draw("net.svg", extents={"W": None}), "W = None is a NoneType"),
    "a word for a shape": (lambda: NET.draw("net.svg", extents={"W": "V"}), "W = 'V' is a str"),
    "a kink of no function": (lambda: LAYER.partial("Z", "X", kinks={"rleu": ["1"]}), "there is no function rleu"),
}


TWICE: dict[str, Callable[[], Any]] = {
    "a step": lambda: NET.value_and_grad("L").compile()(PARAMS, X=X, Y=Y, W=2 * PARAMS["W"]),
    "data among parameters": lambda: NET.value_and_grad("L").compile()({**PARAMS, "W": PARAMS["W"]}, **DATA, W=X),
    "a tensor": lambda: NET.evaluate("Z", PARAMS, X=X, W=X),
    "a program": lambda: NET.program.compile()({**PARAMS, "X": X, "Y": Y, "W": X}, W=Y),
    "a derivative": lambda: MADE.compile()({**PARAMS, **DATA}, W=X),
    "an array of one": lambda: MADE.compile().dense({**PARAMS, **DATA}, W=X),
    "all gradients": lambda: EACH.gradients(["W"]).compile()({**PARAMS, **DATA}, W=X),
}


@pytest.mark.parametrize("call", TWICE.values(), ids=TWICE)
def test_a_tensor_that_is_given_twice_is_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(EinstanError) as caught:
        call()
    assert caught.value.problem == "W is given twice"


def test_one_array_may_be_given_twice() -> None:
    step = NET.value_and_grad("L").compile()
    assert step(PARAMS, **DATA, **PARAMS)[0] == step(PARAMS, **DATA)[0] == step(**DATA, **PARAMS)[0]


@pytest.mark.parametrize(("call", "problem"), NAMELESS.values(), ids=NAMELESS)
def test_a_name_of_nothing_is_refused(call: Callable[[], Any], problem: str) -> None:
    with pytest.raises(EinstanError) as caught:
        call()
    assert caught.value.problem == problem
    assert caught.value.repair


def test_one_name_is_no_row_of_letters():
    program = es.Program("yy[i] = xx[i]^2 a\nLL = sum[I](yy[I])")
    assert program.backward("LL", "xx").equations == program.backward("LL", ["xx"]).equations
    assert program.vjp({"LL": "C"}, "xx").equations == program.vjp({"LL": "C"}, ["xx"]).equations
    arrays = {"xx": np.ones(3), "a": 2.0}
    assert program.compile(outputs="LL")(arrays) == {"LL": 6.0}
    assert program.source(outputs="LL") == program.source(outputs=["LL"])
    network = es.Network(dense("ZZ", X="X", W="WW"), "LL = sum[N,J](ZZ[N,J])")
    assert network.value_and_grad("LL", wrt="WW").wrt == ("WW",)


STRANGE = {
    "a backend that has no hash": lambda: es.Program("y = x").compile(backend=[]),
    "an array for a backend": lambda: es.Program("y = x").source(backend=np.ones(3)),
    "a rate that no float is": lambda: es.SGD(10**400),
    "a share that no float is": lambda: es.Adam(0.1, 10**400),
    "rows of several lengths": lambda: es.Adam().init({"W": [[1, 2], [3]]}),
    "memory with two axes for names": lambda: es.Program("y = x").compile(outputs=memoryview(np.ones((3, 2)))),
    "memory for equations": lambda: es.Program(memoryview(np.ones((3, 2)))),
    "memory for a dtype": lambda: es.einsum("ij->ij", np.ones((3, 2)), dtype=memoryview(np.ones((3, 2)))),
    "nothing to learn": lambda: es.Network("L = sum[N](x[N]^2)").value_and_grad("L").compile(update=es.SGD(0.1)),
    "more than a float": lambda: es.parse("y[i] = x[i]").plan({"i": 10**400}),
    "a module among loops": lambda: es.parse("y[i] = x[i]").loops(x=np),
    "a step before the first": lambda: es.Adam().update(PARAMS, PARAMS, {**es.Adam().init(PARAMS), "step": -1}),
    "an option of no optimiser": lambda: es.SGD(0.1, momentum=0.9),
    "the dimension of nothing": lambda: es.Program("y = x").dim(None, None),
    "the dimension of a list": lambda: es.Program("y = x").dim([], {}),
    "nothing resolved": lambda: es.Program("y = x").resolved(None),
    "a tolerance that no float is": lambda: optimize.root(es.Program("g = x - 1"), "g", {"x": 0.0}, tol=10**400),
    "too much for an optimiser": lambda: es.Adam(0.1, 0.9, 0.99, 1e-8, 0.1),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_strange_is_refused_in_words(name):
    with pytest.raises(EinstanError):
        STRANGE[name]()


def test_a_fraction_is_a_number_everywhere():
    program, start = es.Program("L = (x - 3)^2 + (y - x)^2"), {"x": 0.0, "y": 1.0}
    for found in (
        optimize.newton(program, "L", start, damping=Fraction(1, 9), max_iterations=200),
        optimize.alternating(program, "L", ["x", "y"], start, damping=Fraction(1, 9), tol=Fraction(1, 10**6)),
    ):
        assert abs(found.params["x"] - 3) < 1e-4
    rates = es.Adam(Fraction(1, 10), Fraction(9, 10)), es.Momentum(beta=Fraction(1, 2))
    assert (rates[0].beta1, rates[1].beta) == (0.9, 0.5)
    assert all(type(each) is float for each in (rates[0].rate, rates[1].beta))
