"""What is said of names that an object has not: those that newcomers guess, and what stands for them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import einstan as es
from einstan.language.guesses import GUESSES
from einstan.layers import dense

TEXT = "Z[n] = X[n,K] w[K]\nL = Z[N]^2"
START, DATA = {"w": np.ones(2)}, {"X": np.eye(2)}
PROGRAM, EQUATION, NET = es.Program(TEXT), es.parse("y[i] = x[i]^2"), es.Network(TEXT, parameters={"w": "zeros"})
OBJECTS = {
    "Program": PROGRAM,
    "Equation": EQUATION,
    "Network": NET,
    "Layer": dense,
    "Compiled": EQUATION.compile(),
    "Plan": PROGRAM.plan({"n": 2, "k": 2}),
    "Derivative": PROGRAM.hessian("L", "w"),
    "FactoredTensor": PROGRAM.hessian("L", "w")(START, **DATA),
    "PerExample": PROGRAM.per_example("L"),
    "ValueAndGrad": NET.value_and_grad("L"),
    "Evaluator": NET.evaluator("Z"),
    "Step": NET.value_and_grad("L").compile(),
    "EinsumFunction": es.einsum("ij,jk"),
    "Report": es.check("y = x^2\ndy/dx = 2 x"),
    "Result": es.optimize.newton(PROGRAM, "L", START, DATA, progress=False),
    "History": es.fit(NET, "L", DATA, epochs=1, progress=False),
}
MEANT = [
    ("Program", "grad", "backward(loss, wrt)"),
    ("Program", "eval", "compile()"),
    ("Program", "check", "es.check(text)"),
    ("Program", "fit", 'es.fit(network, "L", data, epochs=10)'),
    ("Program", "backwrd", "did you mean backward?"),
    ("Equation", "grad", "partial(wrt, indices, kinks)"),
    ("Equation", "jit", "compile()"),
    ("Network", "forward", "evaluate(name, params)"),
    ("Network", "parameters", "init(seed, dtype)"),
    ("Layer", "backward", "derived(wrt)"),
    ("Compiled", "flops", "plan"),
    ("FactoredTensor", "to_numpy", "dense(limit, out)"),
    ("Result", "x", "params"),
    ("Result", "success", "converged"),
    ("Report", "passed", "ok"),
    ("History", "graph", "plot(path)"),
]


@pytest.mark.parametrize(("kind", "guess", "meant"), MEANT)
def test_a_guess_is_answered(kind, guess, meant):
    with pytest.raises(AttributeError) as error:
        getattr(OBJECTS[kind], guess)
    assert error.value.repair == (meant,)


@pytest.mark.parametrize("kind", OBJECTS)
def test_nothing_else_changes(kind):
    one = OBJECTS[kind]
    assert not hasattr(one, "__array_interface__")
    assert not hasattr(one, "nothing_of_this_kind")
    assert getattr(one, "nothing_of_this_kind", 3) == 3
    for made in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert type(made) is type(one)


def test_what_fails_while_it_is_worked_out_says_why():
    class Broken(es.Network):
        @property
        def size(self):
            return self.params.no_such

    with pytest.raises(AttributeError, match="no_such"):
        _ = Broken("y = x").size


def test_what_is_named_is_there():
    there = {name for one in OBJECTS.values() for name in (*dir(one), *vars(type(one)).get("__annotations__", ()))}
    assert {name for names, *_ in GUESSES for name in names.split()} <= there


def test_names_are_taken_from_a_dict():
    with pytest.raises(TypeError, match=r"blocks=\['u', 'v'\], the names"):
        es.optimize.alternating(es.parse("L = (u v - 1)^2"), "L", {"u": 1.0, "v": 2.0}, {})
