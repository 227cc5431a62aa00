"""Every documented way to call what Einstan compiles, as something that threads can call together.

A mode makes what is shared, and calls it with the data of a number.  What a call gives is compared, bit for bit, with
what the same call gives in a thread by itself, on an object of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

import einstan as es
from einstan import optimize
from einstan.language.errors import EinstanError

TEXT = "Z[n,j] = tanh(X[n,K] W[K,j] + b[j])\nS[n,c] = Z[n,J] V[J,c]\nL = mean[N](sum[C]((S[N,C] - Y[N,C])^2))"
GUARDED = "E = sum[I,J](1[I != J] w[I] w[J] / abs(x[I] - x[J]))"
ROWS = (1, 2, 3, 5, 8, 13)  # sizes of batches: each has code of its own


@dataclass(frozen=True)
class Mode:
    """``make()`` gives what threads share, ``call(shared, number)`` the arrays of one call."""

    make: Callable[[], Any]
    call: Callable[[Any, int], Sequence[Any]]
    exact: bool = True  # bit for bit; else to rounding: where numba takes over, or what is careful


def data(number: int, dtype: Any = np.float64) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(number)
    shapes = {"X": (ROWS[number % len(ROWS)], 4), "W": (4, 3), "b": (3,), "V": (3, 2), "Y": (ROWS[number % 6], 2)}
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def program() -> es.Program:
    return es.Program(TEXT)


def network() -> es.Network:
    return es.Network(TEXT, parameters=dict.fromkeys("WbV", "glorot"))


def split(number: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    arrays = data(number)
    return {name: arrays.pop(name) for name in "WbV"}, arrays


def plain(**options: Any) -> Mode:
    return Mode(
        lambda: program().backward("L", ["W", "b", "V"]).compile(**{"fast": False, **options}),
        lambda f, k: list(f(data(k)).values()),
    )


def compiled(**options: Any) -> Mode:
    """Loops that numba compiles, at the first calls or after a while."""
    return Mode(
        lambda: es.Program("y[i] = tanh(A[i,J] x[J])\nL = y[I]^2").backward("L", ["x"]).compile(**options),
        lambda f, k: list(f(A=data(k)["X"], x=data(k)["W"][:, 0].copy()).values()),
        exact=False,
    )


def updated(optimiser: Any) -> Mode:
    def call(step: Any, k: int) -> Sequence[Any]:
        params, arrays = split(k)
        loss, new, state = step(params, optimiser.init(params), **arrays)
        loss, new, state = step(new, state, **arrays)
        return [loss, *new.values(), *state.values()]

    return Mode(lambda: network().value_and_grad("L").compile(update=optimiser, fast=False), call)


def stepped(step: Any, k: int) -> Sequence[Any]:
    params, arrays = split(k)
    loss, gradients = step(params, **arrays)
    return [loss, *gradients.values()]


def directed(made: Callable[[], es.Program], letter: str, names: Sequence[str], like: Sequence[str]) -> Mode:
    """A product with directions or cotangents, which have the shapes of tensors of the program."""

    def call(f: Any, k: int) -> Sequence[Any]:
        arrays, shapes = data(k), {**data(k), "S": data(k)["Y"]}
        return list(f({**arrays, **{f"{letter}{n}": shapes[s] + 1 for n, s in zip(names, like, strict=True)}}).values())

    return Mode(lambda: made().compile(fast=False), call)


def guarded(f: Any, k: int) -> Sequence[Any]:
    """Every third call has entries that a bracket hides, which calls the careful code for a while."""
    x = np.arange(float(ROWS[k % 6] + 1)) ** 1.5
    w = np.where(np.arange(len(x)) % 2, 1e200, 1.0) if k % 3 == 0 else np.ones(len(x))
    return list(f(x=x, w=w).values())


_names = count()


def defining(_: Any, k: int) -> Sequence[Any]:
    """Own functions defined, by others and with their partials, while other threads define and call theirs."""
    name = f"own{next(_names)}x"
    if k % 20 == 0:
        es.function(f"{name}(x)", partials=["cos(x)"], numpy="np.sin(x)")
        expected = np.sin(data(k)["b"])
    else:
        es.function(f"{name}(x) = x / ({k + 1} + abs(x))")
        expected = data(k)["b"] / (k + 1 + np.abs(data(k)["b"]))
    found = es.parse(f"y[i] = {name}(b[i])")(b=data(k)["b"])
    return [np.allclose(found, expected, rtol=1e-14)]


def deriving(_: Any, k: int) -> Sequence[Any]:
    """Texts: read, derived, printed, and read again as the same objects."""
    derived = es.Program(f"y[i] = sin({k % 7 + 2} A[i,J] x[J])\nL = y[I]^2").backward("L", ["A", "x"])
    lines = [str(equation) for equation in derived.equations]
    same = all(es.Program(line).equations[0] is es.Program(line).equations[0] for line in lines)
    return [np.array([hash_of(line) for line in lines]), np.array(same)]


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[:7], "big") + len(text)


def refusing(f: Any, k: int) -> Sequence[Any]:
    """Calls that are refused beside calls that are not."""
    if k % 2:
        return list(f(data(k)).values())
    try:
        f({**data(k), "W": np.ones((5, 3))})
    except EinstanError as error:
        return [np.array("W" in str(error))]
    return [np.array(False)]


def trained(net: Any, k: int) -> Sequence[Any]:
    params, arrays = split(k % 6)
    history = es.fit(net, "L", arrays, params=params, epochs=1, batch=4, seed=k)
    return list(history.params.values())


def einsum(_: Any, k: int) -> Sequence[Any]:
    a = data(k)
    made = es.einsum("ij,jk,kl->il")
    return [
        es.einsum("ij,jk,kl->il", a["X"], a["W"], a["V"]),
        *made.gradients(a["X"], a["W"], a["V"], cotangent=a["Y"]),
    ]


def optimized(_: Any, k: int) -> Sequence[Any]:
    rng = np.random.default_rng(k)
    a, y = rng.normal(size=(6, 2)), rng.normal(size=6)
    program = es.Program("r[n] = A[n,J] x[J] - y[n]\nL = r[N]^2")
    return [optimize.newton(program, "L", {"x": np.zeros(2)}, {"A": a, "y": y}, progress=False).params["x"]]


def told(f: Any, k: int) -> Sequence[Any]:
    """A derived program that reads the size of an array, and not its entries."""
    q = np.zeros(1 + k % 4)
    v = np.arange(2.0 * 3 + len(q))
    return list(f(v=v, Q=q, c=np.ones(3)).values())


def factored(f: Any, k: int) -> Sequence[Any]:
    tensor = f(data(k))
    return [tensor.dense(), f.dense(data(k))]


PASSES = {
    "jvp": directed(lambda: program().jvp("L", ["W", "X"]), "t", ["W", "X"], ["W", "X"]),
    "vjp": directed(lambda: program().vjp("S", ["W", "V"]), "d", ["S"], ["S"]),
    "hvp": directed(lambda: program().hvp("L", ["W", "V"]), "t", ["W", "V"], ["W", "V"]),
    "gauss_newton": directed(lambda: program().gauss_newton("L", "S", ["W"]), "t", ["W"], ["W"]),
}
UPDATES = {
    "sgd": updated(es.SGD(0.1)),
    "momentum": updated(es.Momentum()),
    "nesterov": updated(es.Momentum(nesterov=True)),
    "adam": updated(es.Adam()),
}
MODES: dict[str, Mode] = {
    "plain": plain(),
    "any_size": plain(any_size=True),
    "reuse_buffers": plain(reuse_buffers=True),
    "memory_limit": plain(memory_limit=2_000),
    "float32": plain(dtype="float32"),
    "greedy": plain(optimize="greedy"),
    "value_and_grad": Mode(lambda: network().value_and_grad("L").compile(fast=False), stepped),
    "value_and_grad reused": Mode(
        lambda: network().value_and_grad("L").compile(fast=False, reuse_buffers=True), stepped
    ),
    **UPDATES,
    **PASSES,
    "jacobian": Mode(lambda: program().jacobian("S", "W"), factored),
    "hessian": Mode(lambda: program().hessian("L", "V"), factored),
    "compiled hessian": Mode(lambda: program().hessian("L", "V").compile(fast=False), factored),
    "evaluate": Mode(lambda: network(), lambda net, k: [net.evaluate("S", split(k)[0], X=data(k)["X"])]),
    "evaluator": Mode(
        lambda: network().evaluator("S", "Z", fast=False),
        lambda f, k: list(f(split(k)[0], X=data(k)["X"]).values()),
    ),
    "per example": Mode(
        lambda: program().per_example("L").gradients(["W", "V"]).compile(fast=False),
        lambda f, k: [tensor.dense() for tensor in f(data(k)).values()],
    ),
    "einsum": Mode(lambda: None, einsum),
    "guarded": Mode(lambda: es.Program(GUARDED).backward("E", ["x"]).compile(fast=False), guarded, exact=False),
    "told": Mode(
        lambda: es.Program("f[j] = sum[K](v[2j+K] Q[K])\nL = sum[J](f[J] c[J])").backward("L", ["Q"]).compile(), told
    ),
    "equation": Mode(lambda: es.parse("S[n,j] = X[n,K] W[K,j]"), lambda e, k: [e(X=data(k)["X"], W=data(k)["W"])]),
    "refused": Mode(lambda: program().compile(fast=False), refusing),
    "own functions": Mode(lambda: None, defining),
    "derived": Mode(lambda: None, deriving),
    "fit": Mode(network, trained),
    "newton": Mode(lambda: None, optimized),
}
COMPILED = {
    "fast": compiled(fast=True),
    "fast reused": compiled(fast=True, reuse_buffers=True),
    "patient": compiled(fast=None),
}
DEAR = {"fit", "newton", "own functions", "derived", "equation", "fast", "fast reused"}  # of which each call takes long


def wrong(mode: Mode, threads: int, calls: int, numbers: int = 24, again: int = 200) -> list[str]:
    """What was wrong in so many calls of a mode from threads that begin together.

    What is shared is made anew for every ``again`` calls, so that first calls at new sizes race again and again.
    """
    expected = [[np.array(x) for x in mode.call(mode.make(), k)] for k in range(numbers)]
    found: list[str] = []
    left = calls
    while left > 0:
        each = max(1, min(left, again) // threads)
        left -= each * threads
        shared, barrier = mode.make(), threading.Barrier(threads)
        order = np.random.default_rng(calls + left % again).integers(numbers, size=(threads, each))

        def work(own: Any, shared: Any = shared, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            for k in map(int, own):
                try:
                    results = mode.call(shared, k)
                    for result, right in zip(results, expected[k], strict=True):
                        good = np.array_equal(result, right, equal_nan=right.dtype.kind == "f")
                        if not good and (mode.exact or not np.allclose(result, right, rtol=1e-9, equal_nan=True)):
                            found.append(f"call {k}: {result} instead of {right}")
                            break
                except Exception as error:
                    found.append(f"call {k}: {type(error).__name__}: {error}")

        workers = [threading.Thread(target=work, args=(own,)) for own in order]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return found
