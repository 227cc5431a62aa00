"""How fast are sliding windows: correlation along one and two axes, pooling; forward, backward and gradient pass?

The value, the gradient for the input and the gradient for the kernel, from equations with index arithmetic, beside
NumPy by hand (the window copied for one matrix product per image), SciPy, PyTorch eager and jitted JAX where they are
installed; einstan with NumPy alone, and with loops compiled by numba.  Every answer is checked against sums over the
entries of the kernel in float64 before it is timed.  Contenders run in processes of their own, interleaved; on more
than one thread, einstan on one thread takes part, which no row may be slower than.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import common
import workers
from contest import FAST, OURS, Beside, Case, Row, medians

TOLERANCE = {"float64": 1e-10, "float32": 2e-4}
ALONE = "einstan, one thread"
HAND, SCIPY, TORCH, JAX = "NumPy by hand", "SciPy", "PyTorch eager", "JAX, jitted"

Call = Callable[[], tuple[Any, ...]]


@dataclass(frozen=True)
class Window:
    """A window over ``X`` with the kernel ``W``, or a pooling without one."""

    name: str
    equation: str
    X: tuple[int, ...]
    W: tuple[int, ...] = ()
    stride: int = 1
    zeros: int = 0


CASES = (
    Window("2-D, 32x3x32x32, 16 of 3x3", "Y[n,j,p,q] = X[n,I,p+R,q+S] W[j,I,R,S]", (32, 3, 32, 32), (16, 3, 3, 3)),
    Window(
        "2-D, 16x32x28x28, 64 of 3x3, zeros around",
        "Y[n,j,p,q] = pad(X[n,I,p+R-1,q+S-1]) W[j,I,R,S] where |p| = |X.2|, |q| = |X.3|",
        (16, 32, 28, 28), (64, 32, 3, 3), zeros=1,
    ),
    Window("2-D, 32x16x32x32, 32 of 3x3, stride 2", "Y[n,j,p,q] = X[n,I,2p+R,2q+S] W[j,I,R,S]",
         (32, 16, 32, 32), (32, 16, 3, 3), stride=2),
    Window("1-D, 100,000 by 64", "Y[p] = X[p+R] W[R]", (100_000,), (64,)),
    Window("1-D, 8x16x4,096, 16 of 9", "Y[n,j,p] = X[n,I,p+R] W[j,I,R]", (8, 16, 4096), (16, 16, 9)),
    Window("max pooling, 32x16x32x32, 2x2", "Y[n,i,p,q] = max[R,S](X[n,i,2p+R,2q+S]) where |R| = 2, |S| = 2",
         (32, 16, 32, 32), stride=2),
)  # fmt: skip

TARGETS = (  # a case, the rival, and how much of its time einstan may take
    (CASES[0].name, "float32", TORCH, 1.0),
    (CASES[0].name, "float32", JAX, 1.0),
    (CASES[0].name, "float64", TORCH, 1.2),
    (CASES[3].name, "float32", SCIPY, 1.0),
    (CASES[3].name, "float32", TORCH, 1.0),
    (CASES[3].name, "float32", JAX, 1.0),
)


def data(case: Window, dtype: str) -> tuple[Any, Any, Any]:
    """The input, the kernel, and the cotangent of the result."""
    import numpy as np

    rng = np.random.default_rng(0)
    X = rng.standard_normal(case.X).astype(dtype)
    W = rng.standard_normal(case.W).astype(dtype) if case.W else None
    Y, *_ = reference(case, X.astype(np.float64), None if W is None else W.astype(np.float64), None)
    return X, W, rng.standard_normal(Y.shape).astype(dtype)


def reference(case: Window, X: Any, W: Any, C: Any) -> tuple[Any, ...]:
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
    Y = sum(
        np.einsum(f"ni{letters},ji->nj{letters}", wide[(..., *at)], W[(..., *r)], optimize=True) for r, at in places()
    )
    if C is None:
        return (Y[0, 0] if plain else Y,)
    C = C[None, None] if plain else C
    dX, dW = np.zeros_like(wide), np.zeros_like(W)
    for r, at in places():
        dX[(..., *at)] += np.einsum(f"nj{letters},ji->ni{letters}", C, W[(..., *r)], optimize=True)
        dW[(..., *r)] = np.einsum(f"ni{letters},nj{letters}->ji", wide[(..., *at)], C, optimize=True)
    dX = dX[(..., *[slice(z, n - z) for n in wide.shape[2:]])]
    return (Y[0, 0], dX[0, 0], dW[0, 0]) if plain else (Y, dX, dW)


# ---- contenders ------------------------------------------------------------------------------------------------------


def ours(case: Window, X: Any, W: Any, C: Any) -> Call:
    run, arrays = compiled(case, X, W, C, fast=False)
    return lambda: tuple(run(arrays).values())


def ours_fast(case: Window, X: Any, W: Any, C: Any) -> Call:
    run, arrays = compiled(case, X, W, C, fast=True)
    return lambda: tuple(run(arrays).values())


def compiled(case: Window, X: Any, W: Any, C: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
    """The compiled program of Einstan, and the arrays that it takes."""
    from einstan.calculus.backward import backward, joined
    from einstan.calculus.program import Program
    from einstan.language import parse
    from einstan.machine.run.compile import compile

    equation = parse(case.equation)
    slots = ",".join(index.name.upper() for index in equation.indices)
    program = Program((equation, parse(f"total = C[{slots}] Y[{slots}]")))
    wrt = ("X",) if W is None else ("X", "W")
    run = compile(joined(program, backward(program, "total", wrt)), ("Y", *(f"d{name}" for name in wrt)), **options)
    arrays = {"X": X, "C": C} if W is None else {"X": X, "W": W, "C": C}
    return run, arrays


def by_hand(case: Window, X: Any, W: Any, C: Any) -> Call:
    """Two axes: the window copied as (image, channel and offset, position), one matrix product per image."""
    import numpy as np

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


def by_scipy(case: Window, X: Any, W: Any, C: Any) -> Call:
    from scipy import signal

    def run() -> tuple[Any, ...]:
        return signal.correlate(X, W, "valid"), signal.convolve(C, W, "full"), signal.correlate(X, C, "valid")

    return run


def by_torch(case: Window, X: Any, W: Any, C: Any) -> Call:
    from torch.nn import functional

    torch = common.torch()
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


def by_jax(case: Window, X: Any, W: Any, C: Any) -> Call:
    jax = common.jax()
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


MAKERS: dict[str, Callable[[Window, Any, Any, Any], Call]] = {
    OURS: ours,
    FAST: ours_fast,
    ALONE: ours,
    HAND: by_hand,
    SCIPY: by_scipy,
    TORCH: by_torch,
    JAX: by_jax,
}
NEEDS = {FAST: "numba", SCIPY: "scipy", TORCH: "torch", JAX: "jax"}


class Windows(Beside):
    needs = NEEDS
    turn, rounds = 0.03, 30

    def cases(self) -> Sequence[Case]:
        quick = self.options.quick
        names = [name for name in self.available(MAKERS) if name != ALONE or self.options.threads > 1]
        return [
            Case(f"{window.name}, {dtype}", {"number": number, "dtype": dtype},
                 [name for name in names if takes_part(name, window)])
            for number, window in enumerate(CASES[:1] if quick else CASES) for dtype in ("float32", "float64")
        ]  # fmt: skip

    def threads(self, name: str) -> int:
        return 1 if name == ALONE else super().threads(name)

    def make(self, name: str, request: Mapping[str, Any]) -> workers.Made:
        import numpy as np

        window, dtype = CASES[request["number"]], request["dtype"]
        X, W, C = data(window, dtype)
        call = MAKERS[name](window, X, W, C)
        expected = reference(window, *(None if a is None else a.astype(np.float64) for a in (X, W, C)))
        largest = 0.0
        for what, answer, exact in zip(("Y", "dX", "dW"), call(), expected, strict=False):
            if np.asarray(answer).dtype != dtype:
                raise common.WrongAnswerError(f"{name}: {what} is {np.asarray(answer).dtype}, the data {dtype}")
            largest = max(largest, common.check(name, what, answer, exact, TOLERANCE[dtype]))
        return call, largest

    def closing(self, rows: Sequence[Row]) -> Mapping[str, Any]:
        """What was wanted of these rows, and what came out."""
        found: list[dict[str, Any]] = []
        for name, dtype, rival, limit in TARGETS:
            case = f"{name}, {dtype}"
            times = medians(row for row in rows if row["case"] == case)
            for mine in self.ours if rival in times else ():
                if mine in times:
                    ratio = times[mine] / times[rival]
                    what = f"{case}: {mine} over {rival}"
                    found.append({"what": what, "measured": ratio, "wanted": limit, "met": ratio <= limit})
        lines = [
            (each["what"], f"{each['measured']:.2f}", f"at most {each['wanted']:g}", "met" if each["met"] else "missed")
            for each in found
        ]
        if found:
            common.table("targets", ("what", "measured", "wanted", "verdict"), lines)
        return {"targets": found}


def takes_part(name: str, window: Window) -> bool:
    return {HAND: len(window.W) == 4, SCIPY: len(window.X) == 1}.get(name, True)


if __name__ == "__main__":
    common.main_guard(Windows(__file__, __doc__).run)
