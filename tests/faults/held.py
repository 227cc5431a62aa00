"""Every kind of object that a user holds, and what to ask of it so that a copy can be compared, bit for bit.

A row is made here or in another process; ``asked`` of an object gives arrays and texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import einstan as es
from einstan import optimize
from einstan.language.errors import EinstanError
from einstan.layers.dense import dense
from einstan.library.banded import banded
from tests.faults.modes import data, network, program, split

ARRAYS = data(3)
PARAMS, GIVEN = split(3)
CLAIMS = "Z[n,j] = X[n,K] W[K,j]\nclaim dZ[n,j]/dX[m,k] = δ[n,m] W[k,j]\nclaim dZ[n,j]/dX[m,k] = 2 δ[n,m] W[k,j]"


@dataclass(frozen=True)
class Held:
    make: Callable[[], Any]
    asked: Callable[[Any], Sequence[Any]]


def called(make: Callable[[], Any], **more: np.ndarray) -> Held:
    """A function of arrays, and the code that it makes."""

    def asked(f: Any) -> Sequence[Any]:
        found = f({**ARRAYS, **more})
        return [*found.values(), f.source()]

    return Held(make, asked)


def used(make: Callable[[], Any], use: Callable[[Any], Any]) -> Callable[[], Any]:
    """The object after it has been used."""

    def made() -> Any:
        found = make()
        use(found)
        return found

    return made


def stepped(step: Any) -> Sequence[Any]:
    state = () if step.update is None else (step.update.optimiser.init(PARAMS),)
    found = step(PARAMS, *state, **GIVEN)
    return [found[0], *found[1].values(), *(found[2].values() if state else ()), step.source()]


def texts(thing: Any) -> Sequence[Any]:
    return [str(thing), repr(thing)]


def first_seen(f: Any) -> Sequence[Any]:
    """Code for any sizes, whose paths are those of the first call, that of whoever sends it."""
    rng = np.random.default_rng(0)
    return [f(A=rng.normal(size=(40, 2)), B=rng.normal(size=(2, 50)), C=rng.normal(size=(50, 3)))["y"]]


def chain_called() -> Any:
    f = es.Program("y[i,l] = A[i,J] B[J,K] C[K,l]").compile(any_size=True)
    f(A=np.ones((2, 30)), B=np.ones((30, 3)), C=np.ones((3, 40)))
    return f


def fitted() -> Any:
    return es.fit(network(), "L", GIVEN, params=PARAMS, epochs=2, batch=2)


def refused() -> EinstanError:
    try:
        es.parse("Z[n] = X[n,K")
    except EinstanError as error:
        return error
    raise AssertionError


def solved() -> Any:
    return optimize.newton(program(), "L", PARAMS, GIVEN, max_iterations=2, progress=False)


HELD: dict[str, Held] = {
    "equation": Held(lambda: es.parse("Z[n,j] = X[n,K] W[K,j]"), lambda e: [str(e), e(X=ARRAYS["X"], W=ARRAYS["W"])]),
    "program": Held(program, lambda p: [str(p), p.backward("L", ["W"]).source()]),
    "backward": Held(lambda: program().backward("L", ["W"]), lambda p: [str(p), str(p.known), p.source()]),
    "second pass": Held(lambda: program().backward("L", ["W"]).jvp("dW", ["W"]), lambda p: [str(p), p.source()]),
    "compiled": called(lambda: program().compile(fast=False)),
    "compiled, called": called(used(lambda: program().compile(fast=False), lambda f: f(ARRAYS))),
    "compiled, any size": called(lambda: program().compile(any_size=True)),
    "compiled, any size, called": Held(chain_called, first_seen),
    "compiled, reused": called(used(lambda: program().compile(reuse_buffers=True, fast=False), lambda f: f(ARRAYS))),
    "compiled, limited": called(lambda: program().compile(memory_limit=2_000, outputs=["L"], fast=False)),
    "compiled, float32": called(lambda: program().compile(dtype="float32", fast=False)),
    "backward, compiled": called(used(lambda: program().backward("L").compile(fast=False), lambda f: f(ARRAYS))),
    "jvp": called(lambda: program().jvp("L", ["W"]).compile(fast=False), tW=ARRAYS["W"]),
    "vjp": called(lambda: program().vjp("S", ["W"]).compile(fast=False), dS=ARRAYS["Y"]),
    "hvp": called(lambda: program().hvp("L", ["W"]).compile(fast=False), tW=ARRAYS["W"]),
    "layer": Held(lambda: dense, texts),
    "use of a layer": Held(lambda: dense("Z", X="X", W="W", b="b", j=3), lambda u: [str(u.equations), str(u.sizes)]),
    "network": Held(network, lambda n: [str(n), *n.init(3, **GIVEN, W=(4, 3), V="zeros").values()]),
    "network, evaluated": Held(
        used(network, lambda n: n.evaluate("S", PARAMS, X=ARRAYS["X"])),
        lambda n: [n.evaluate("S", PARAMS, X=ARRAYS["X"])],
    ),
    "evaluator": Held(lambda: network().evaluator("S", "L"), lambda f: list(f(PARAMS, **GIVEN).values())),
    "value and gradient": Held(lambda: network().value_and_grad("L"), lambda v: stepped(v.compile(fast=False))),
    "step": Held(used(lambda: network().value_and_grad("L").compile(fast=False), stepped), stepped),
    "derivative": Held(lambda: program().hessian("L", "W"), lambda d: [str(d), d.dense(ARRAYS)]),
    "derivative, called": Held(
        used(lambda: program().hessian("L", "W"), lambda d: d(ARRAYS)), lambda d: [d(ARRAYS).dense(), d.dense(ARRAYS)]
    ),
    "derivative, compiled": Held(
        used(lambda: program().jacobian("S", "W").compile(fast=False), lambda d: d(ARRAYS)),
        lambda d: [d(ARRAYS).dense(), d.dense(ARRAYS), d.source(), d.order],
    ),
    "per example": Held(
        lambda: program().per_example("L"),
        lambda e: [str(e), *(t.dense() for t in e.gradients(["W", "V"])(ARRAYS).values())],
    ),
    "per example, compiled": Held(
        used(lambda: program().per_example("L").gradients(["W"]).compile(fast=False), lambda f: f(ARRAYS)),
        lambda f: [f(ARRAYS)["W"].dense(), f.source()],
    ),
    "factored tensor": Held(
        lambda: program().hessian("L", "W")(ARRAYS),
        lambda t: [t.dense(), str(t.equation), t.names, t.rows, np.asarray(t @ ARRAYS["W"]), str(t.einsum)],
    ),
    "banded": Held(
        lambda: banded(es.Program("L = sum[I]((x[I+1] - x[I])^2)").hessian("L", "x")(x=np.arange(400.0))),
        lambda b: [b.matrix.bands, b.order, b.shape],
    ),
    "einsum": Held(lambda: es.einsum("ij,jk->ik"), lambda f: [repr(f), f(ARRAYS["X"], ARRAYS["W"])]),
    "gradients of an einsum": Held(
        lambda: es.einsum("ij,jk->").gradients, lambda g: [str(g), *g(ARRAYS["X"], ARRAYS["W"])]
    ),
    "gradient of an einsum": Held(lambda: es.einsum("ij,jk->").gradients["A"], lambda g: [str(g), str(g.equation)]),
    "einsum of an equation": Held(lambda: es.parse("Z[n,j] = X[n,K] W[K,j]").einsum, texts),
    "report": Held(lambda: es.check(CLAIMS), texts),
    "derivations": Held(lambda: program().derivation("L", "W"), lambda d: [str(d), str(d.check())]),
    "plan": Held(lambda: program().plan({"n": 8, "k": 4, "j": 3, "c": 2}), lambda p: [str(p), p.code.text]),
    "plan of a step": Held(
        lambda: used(lambda: network().value_and_grad("L").compile(fast=False), stepped)().plan,
        lambda p: [str(p), p.code.text],
    ),
    "SGD": Held(lambda: es.SGD(0.3), lambda o: [repr(o), *o.update(PARAMS, PARAMS, o.init(PARAMS))[0].values()]),
    "Momentum": Held(lambda: es.Momentum(), lambda o: [repr(o), *o.update(PARAMS, PARAMS, o.init(PARAMS))[0].values()]),
    "Adam": Held(lambda: es.Adam(), lambda o: [repr(o), *o.update(PARAMS, PARAMS, o.init(PARAMS))[0].values()]),
    "metric": Held(lambda: es.accuracy("S", "Y"), lambda m: [m.name, m.tensors]),
    "history": Held(fitted, lambda h: [*h.params.values(), h["loss"], len(h)]),
    "state": Held(lambda: fitted().state, lambda s: [*s.params.values(), s.generator.bit_generator.state]),
    "objective": Held(
        used(lambda: optimize.Objective(program(), "L", PARAMS, GIVEN), lambda o: o.value(PARAMS)),
        lambda o: [o.value(PARAMS), *o.value_and_gradient(PARAMS)[1].values()],
    ),
    "flat": Held(
        lambda: optimize.flat(program(), "L", PARAMS, GIVEN),
        lambda f: [f.fun(f.x0), f.jac(f.x0), f.hess(f.x0), f.hessp(f.x0, f.x0)],
    ),
    "flat system": Held(
        lambda: optimize.flat_system(es.parse("F[i] = X[i,J] W[J,K] b[K]"), "F",
                                     {"W": ARRAYS["W"]}, {"X": ARRAYS["X"], "b": ARRAYS["b"]}),
        lambda f: [f.fun(f.x0), f.jac(f.x0)],
    ),
    "result": Held(solved, lambda r: [str(r), *r.params.values()]),
    "error": Held(refused, lambda e: [str(e), e.span, e.repair]),
    **{
        f"step of {type(o).__name__}": Held(
            used(lambda o=o: network().value_and_grad("L").compile(update=o, fast=False), stepped), stepped
        )
        for o in (es.SGD(0.3), es.Momentum(), es.Adam())
    },
}  # fmt: skip


def same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two answers are the same, bit for bit."""
    return len(one) == len(other) and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        if isinstance(a, np.ndarray | np.generic) and isinstance(b, np.ndarray | np.generic)
        else a == b
        for a, b in zip(one, other, strict=True)
    )


def answered(item: tuple[str, Any]) -> tuple[str, Sequence[Any], Any]:
    """What another process finds, and the object sent back."""
    name, thing = item
    return name, HELD[name].asked(thing), thing
