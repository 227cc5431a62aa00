"""How fast are sliding windows: correlation along one and two axes, pooling; forward, backward and gradient pass?

The value, the gradient for the input and the gradient for the kernel, from equations with index arithmetic, beside
NumPy by hand (the window copied for one matrix product per image), SciPy, PyTorch eager and jitted JAX where they are
installed.  Every answer is checked against sums over the entries of the kernel in float64 before it is timed;
contenders run interleaved on one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import common

TOLERANCE = {"float64": 1e-10, "float32": 2e-4}
OURS, HAND, SCIPY, TORCH, JAX = "einstan", "NumPy by hand", "SciPy", "PyTorch eager", "JAX, jitted"

Call = Callable[[], tuple[Any, ...]]


@dataclass(frozen=True)
class Case:
    """A window over ``X`` with the kernel ``W``, or a pooling without one."""

    name: str
    equation: str
    X: tuple[int, ...]
    W: tuple[int, ...] = ()
    stride: int = 1
    zeros: int = 0


CASES = (
    Case("2-D, 32x3x32x32, 16 of 3x3", "Y[n,j,p,q] = X[n,I,p+R,q+S] W[j,I,R,S]", (32, 3, 32, 32), (16, 3, 3, 3)),
    Case(
        "2-D, 16x32x28x28, 64 of 3x3, zeros around",
        "Y[n,j,p,q] = pad(X[n,I,p+R-1,q+S-1]) W[j,I,R,S] where |p| = |X.2|, |q| = |X.3|",
        (16, 32, 28, 28), (64, 32, 3, 3), zeros=1,
    ),
    Case("2-D, 32x16x32x32, 32 of 3x3, stride 2", "Y[n,j,p,q] = X[n,I,2p+R,2q+S] W[j,I,R,S]",
         (32, 16, 32, 32), (32, 16, 3, 3), stride=2),
    Case("1-D, 100,000 by 64", "Y[p] = X[p+R] W[R]", (100_000,), (64,)),
    Case("1-D, 8x16x4,096, 16 of 9", "Y[n,j,p] = X[n,I,p+R] W[j,I,R]", (8, 16, 4096), (16, 16, 9)),
    Case("max pooling, 32x16x32x32, 2x2", "Y[n,i,p,q] = max[R,S](X[n,i,2p+R,2q+S]) where |R| = 2, |S| = 2",
         (32, 16, 32, 32), stride=2),
)  # fmt: skip


def data(case: Case, dtype: str) -> tuple[Any, Any, Any]:
    """The input, the kernel, and the cotangent of the result."""
    import numpy as np

    rng = np.random.default_rng(0)
    X = rng.standard_normal(case.X).astype(dtype)
    W = rng.standard_normal(case.W).astype(dtype) if case.W else None
    Y, *_ = reference(case, X.astype(np.float64), None if W is None else W.astype(np.float64), None)
    return X, W, rng.standard_normal(Y.shape).astype(dtype)


def reference(case: Case, X: Any, W: Any, C: Any) -> tuple[Any, ...]:
    """One entry of the kernel after the other, in float64."""
    import numpy as np

    axes = len(case.W or case.X) - 2 if len(case.X) > 1 else 1
    plain = len(case.X) == 1
    wide: Any
    X = X[None, None] if plain else X
    kernel = (2,) * axes if W is None else W.shape[-axes:]
    s, z = case.stride, case.zeros
    wide = np.pad(X, [(0, 0), (0, 0), *[(z, z)] * axes])
    counts = [(n - k) // s + 1 for n, k in zip(wide.shape[2:], kernel, strict=True)]

    def places() -> Any:
        for offset in np.ndindex(*kernel):
            yield offset, tuple(slice(r, r + s * (p - 1) + 1, s) for r, p in zip(offset, counts, strict=True))

    if W is None:
        Y = np.max([wide[(..., *at)] for _, at in places()], axis=0)
        dX = np.zeros_like(wide)
        for _, at in places() if C is not None else ():
            dX[(..., *at)] += C * (wide[(..., *at)] == Y)
        return Y, dX
    W = W[None, None] if plain else W
    letters = "pq"[:axes]
    Y = sum(np.einsum(f"ni{letters},ji->nj{letters}", wide[(..., *at)], W[(..., *r)]) for r, at in places())
    if C is None:
        return (Y[0, 0] if plain else Y,)
    C = C[None, None] if plain else C
    dX, dW = np.zeros_like(wide), np.zeros_like(W)
    for r, at in places():
        dX[(..., *at)] += np.einsum(f"nj{letters},ji->ni{letters}", C, W[(..., *r)])
        dW[(..., *r)] = np.einsum(f"ni{letters},nj{letters}->ji", wide[(..., *at)], C)
    dX = dX[(..., *[slice(z, n - z) for n in wide.shape[2:]])]
    return (Y[0, 0], dX[0, 0], dW[0, 0]) if plain else (Y, dX, dW)


# ---- contenders ------------------------------------------------------------------------------------------------------


def ours(case: Case, X: Any, W: Any, C: Any) -> Call:
    run, arrays = compiled(case, X, W, C)
    return lambda: tuple(run(arrays).values())


def compiled(case: Case, X: Any, W: Any, C: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
    """The compiled program of Einstan, and the arrays that it takes."""
    from einstan.calculus.backward import backward, joined
    from einstan.calculus.program import Program
    from einstan.language import parse
    from einstan.machine.compile import compile

    equation = parse(case.equation)
    slots = ",".join(index.name.upper() for index in equation.indices)
    program = Program((equation, parse(f"total = C[{slots}] Y[{slots}]")))
    wrt = ("X",) if W is None else ("X", "W")
    run = compile(joined(program, backward(program, "total", wrt)), ("Y", *(f"d{name}" for name in wrt)), **options)
    arrays = {"X": X, "C": C} if W is None else {"X": X, "W": W, "C": C}
    return run, arrays


def by_hand(case: Case, X: Any, W: Any, C: Any) -> Call | None:
    """Two axes: the window copied as (image, channel and offset, position), one matrix product per image."""
    import numpy as np

    if W is None or len(case.W) != 4:
        return None
    s, z = case.stride, case.zeros
    (N, I, _, _), (J, _, R, S), (P, Q) = X.shape, W.shape, C.shape[2:]

    def run() -> tuple[Any, ...]:
        wide = np.pad(X, [(0, 0), (0, 0), (z, z), (z, z)]) if z else X
        view = np.lib.stride_tricks.sliding_window_view(wide, (R, S), axis=(2, 3))[:, :, ::s, ::s]
        columns = view.transpose(0, 1, 4, 5, 2, 3).reshape(N, I * R * S, P * Q)
        rows = W.reshape(J, I * R * S)
        above = C.reshape(N, J, P * Q)
        Y = (rows @ columns).reshape(N, J, P, Q)
        dW = (above @ columns.transpose(0, 2, 1)).sum(axis=0).reshape(W.shape)
        back = (rows.T @ above).reshape(N, I, R, S, P, Q)
        dX = np.zeros_like(wide)
        for r in range(R):
            for c in range(S):
                dX[:, :, r : r + s * P : s, c : c + s * Q : s][:, :, :P, :Q] += back[:, :, r, c]
        return Y, dX[:, :, z : dX.shape[2] - z, z : dX.shape[3] - z], dW

    return run


def by_scipy(case: Case, X: Any, W: Any, C: Any) -> Call | None:
    if len(case.X) != 1 or not common.installed("scipy"):
        return None
    from scipy import signal

    def run() -> tuple[Any, ...]:
        return signal.correlate(X, W, "valid"), signal.convolve(C, W, "full"), signal.correlate(X, C, "valid")

    return run


def by_torch(case: Case, X: Any, W: Any, C: Any) -> Call | None:
    if not common.installed("torch"):
        return None
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    x, c = torch.tensor(X, requires_grad=True), torch.tensor(C)
    if W is None:

        def pool() -> tuple[Any, ...]:
            y = functional.max_pool2d(x, 2)
            return y.detach().numpy(), torch.autograd.grad(y, x, c)[0].numpy()

        return pool
    w = torch.tensor(W, requires_grad=True)
    call: Any = functional.conv2d if len(case.W) == 4 else functional.conv1d
    plain = len(case.X) == 1

    def run() -> tuple[Any, ...]:
        y = call(x[None, None], w[None, None])[0, 0] if plain else call(x, w, stride=case.stride, padding=case.zeros)
        dx, dw = torch.autograd.grad(y, (x, w), c)
        return y.detach().numpy(), dx.numpy(), dw.numpy()

    return run


def by_jax(case: Case, X: Any, W: Any, C: Any) -> Call | None:
    if not common.installed("jax"):
        return None
    import jax

    jax.config.update("jax_enable_x64", True)
    x, c = jax.numpy.asarray(X), jax.numpy.asarray(C)
    if W is None:

        def pool(x: Any) -> Any:
            return jax.lax.reduce_window(x, -jax.numpy.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

        step = jax.jit(lambda x, c: (lambda y, pull: (y, *pull(c)))(*jax.vjp(pool, x)))
        return lambda: tuple(jax.block_until_ready(step(x, c)))
    w = jax.numpy.asarray(W)
    plain, axes = len(case.X) == 1, max(len(case.W) - 2, 1)

    def forward(x: Any, w: Any) -> Any:
        x, w = (x[None, None], w[None, None]) if plain else (x, w)
        y = jax.lax.conv_general_dilated(x, w, (case.stride,) * axes, [(case.zeros, case.zeros)] * axes)
        return y[0, 0] if plain else y

    both = jax.jit(lambda x, w, c: (lambda y, pull: (y, *pull(c)))(*jax.vjp(forward, x, w)))
    return lambda: tuple(jax.block_until_ready(both(x, w, c)))


MAKERS = {OURS: ours, HAND: by_hand, SCIPY: by_scipy, TORCH: by_torch, JAX: by_jax}


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_conv.py --json conv.json")
    parser.add_argument("--only", metavar="TEXT", default="", help="the cases whose name holds this")
    options = parser.parse_args()
    common.limit_threads(options.threads)
    record = common.machine()
    print(common.one_line(record))
    import numpy as np

    cases = [case for case in CASES if options.only in case.name]
    cases = cases[:1] if options.quick else cases
    results: list[dict[str, Any]] = []
    losses: list[tuple[str, str, str]] = []
    with common.progress(2 * len(cases), "conv") as done:
        for case, dtype in ((case, dtype) for case in cases for dtype in ("float32", "float64")):
            X, W, C = data(case, dtype)
            given = (None if a is None else a.astype(np.float64) for a in (X, W, C))
            expected = reference(case, *given)
            calls = {name: call for name, make in MAKERS.items() if (call := make(case, X, W, C)) is not None}
            if options.threads > 1:  # two pools of threads in one process slow each other manyfold
                calls.pop(TORCH, None)
            for name, call in calls.items():
                for what, answer, exact in zip(("Y", "dX", "dW"), call(), expected, strict=False):
                    common.check(name, what, answer, exact, TOLERANCE[dtype])
            budget, rounds = (0.5, 5) if options.quick else (6.0, 60)
            times = common.interleaved(calls, budget=budget, rounds=rounds)
            what = f"{case.name}, {dtype}"
            rows = []
            for name, time in times.items():
                ratio = times[OURS].median / time.median
                quartiles = f"{common.seconds(time.low)} to {common.seconds(time.high)}"
                rows.append((name, common.seconds(time.median), quartiles, f"{ratio:.2f}"))
                results.append({"case": what, "contender": name, "time": time, "ratio": ratio})
                if name != OURS and times[OURS].slower_than(time):
                    losses.append((what, OURS, f"{ratio:.2f} times as slow as {name}"))
            common.table(what, ("contender", "median", "quartiles", "einstan over it"), rows)
            done(what)
    if losses:
        common.table("rows lost", ("case", "contender", "by"), losses)
    else:
        print("no row is lost")
    common.write_json(options.json, "conv", record, {"rows": results, "lost": losses})
    return 0


if __name__ == "__main__":
    common.main_guard(run)
