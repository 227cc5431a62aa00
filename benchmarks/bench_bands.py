"""How large may a convolution's Jacobian or a chain's Hessian be, and what do its product and its solution cost?

Cases of n = 2,000 and of n = 100,000 (where a dense matrix has 80 GB): a convolution with nine entries, a penalty of
differences, a chain of fourth powers, Poisson's equation on a grid, a full Toeplitz matrix.  Contenders: einstan, which
keeps shifted deltas as links and solves by bands; NumPy with the dense matrix, where it fits; SciPy's sparse matrix and
its LU factors.  Answers are compared with stencils by hand before anything is timed; times are of the processor.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import common

OURS, DENSE, SPARSE = "einstan", "NumPy, dense", "SciPy, sparse"
LARGEST = 2_500  # the side up to which the dense matrix takes part
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Case:
    """``product`` is the matrix times a vector, by hand; ``solve`` says whether solving is timed too."""

    name: str
    text: str
    of: str
    arrays: dict[str, Any]
    wrt: str
    product: Callable[[Any], Any]
    solve: bool = True


def bent(v: Any, axis: int = 0, weight: Any = 1.0) -> Any:
    """The gradient of half the weighted squares of differences along an axis."""
    import numpy as np

    d = weight * np.diff(v, axis=axis)
    edge = np.zeros_like(np.take(v, [0], axis))
    return np.concatenate([edge, d], axis) - np.concatenate([d, edge], axis)


def cases(quick: bool) -> Iterator[Case]:
    import numpy as np

    rng = np.random.default_rng(0)
    for n in (400,) if quick else (2_000, 100_000):
        x, w = rng.normal(size=n), rng.normal(size=9)
        w[4] += 10
        same = "y[i] = pad(x[i+J-4]) w[J] where |i| = |x.0|"
        yield Case(f"convolution, {n:,}", same, "y", {"x": x, "w": w}, "x", partial(np.correlate, v=w, mode="same"))
        smooth = "L = 1/2 sum[I]((x[I]-y[I])^2) + 1/2 a sum[I]((x[I+1]-x[I])^2)"
        given = {"x": x, "y": rng.normal(size=n), "a": np.array(3.0)}
        yield Case(f"smoothing, {n:,}", smooth, "L", given, "x", partial(stiff, weights=(3.0,)))
        chain = "L = sum[I]((x[I+1]-x[I])^4) + 1/2 sum[I](x[I]^2)"
        steep = partial(stiff, weights=(12 * np.diff(x) ** 2,))
        yield Case(f"fourth powers, {n:,}", chain, "L", {"x": x}, "x", steep)
    for n in (12,) if quick else (44, 316):
        grid = "L = 1/2 sum[I,J]((u[I+1,J]-u[I,J])^2) + 1/2 sum[I,J]((u[I,J+1]-u[I,J])^2) + 1/2 u[I,J]^2"
        given = {"u": rng.normal(size=(n, n))}
        yield Case(f"grid, {n} x {n}", grid, "L", given, "u", partial(stiff, weights=(1.0, 1.0)))
    for n in (100,) if quick else (2_000,):
        full = "y[i] = pad(c[i-J]) x[J] where |i| = |x.0|"
        given = {"c": rng.normal(size=n), "x": rng.normal(size=n)}
        yield Case(f"Toeplitz, {n:,}", full, "y", given, "x", partial(convolved, given["c"]), solve=False)


def stiff(v: Any, weights: Sequence[Any]) -> Any:
    return v + sum(bent(v, axis, weight) for axis, weight in enumerate(weights))


def convolved(c: Any, v: Any) -> Any:
    import numpy as np

    return np.convolve(c, v)[: len(v)]


def measured(call: Callable[[], Any], repeat: int) -> tuple[Any, float, int]:
    """The result, the least processor time, and the memory that a call takes beside it."""
    result = call()
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return result, min(times), peak


def contenders(case: Case, tensor: Any) -> Iterator[tuple[str, int, Callable[[Any], Any], Callable[[Any], Any]]]:
    """Names, bytes, products and solutions."""
    import numpy as np

    yield OURS, tensor.nbytes, lambda v: tensor @ v, tensor.solve
    shape = case.arrays[case.wrt].shape
    side = case.arrays[case.wrt].size
    if side <= LARGEST:
        matrix = tensor.dense().reshape(side, side)
        yield (
            DENSE, matrix.nbytes, lambda v: (matrix @ v.ravel()).reshape(shape),
            lambda v: np.linalg.solve(matrix, v.ravel()).reshape(shape),
        )  # fmt: skip
    try:
        from scipy.sparse.linalg import splu
    except ImportError:
        return
    sparse = tensor.to_scipy("csc")
    held = sparse.data.nbytes + sparse.indices.nbytes + sparse.indptr.nbytes
    yield (
        SPARSE, held, lambda v: (sparse @ v.ravel()).reshape(shape),
        lambda v: splu(sparse).solve(v.ravel()).reshape(shape),
    )  # fmt: skip


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_bands.py --json bands.json")
    options = parser.parse_args()
    common.limit_threads(options.threads)
    import numpy as np

    import einstan as es

    record = common.machine()
    print(common.one_line(record))
    rows: list[dict[str, Any]] = []
    every = list(cases(options.quick))
    with common.progress(len(every), "bands") as done:
        for case in every:
            program = es.Program(case.text)
            derive = program.hessian if case.of == "L" else program.jacobian
            tensor = derive(case.of, case.wrt)(case.arrays)
            v = np.random.default_rng(1).normal(size=case.arrays[case.wrt].shape)
            right = case.product(v)
            for name, held, product, solve in contenders(case, tensor):
                common.check(name, f"product, {case.name}", product(v), right, TOLERANCE)
                row = {"case": case.name, "contender": name, "bytes": held}
                calls = [("product", partial(product, v), right), ("solve", partial(solve, right), v)]
                for what, call, wanted in calls[: 2 if case.solve else 1]:
                    answer, seconds, peak = measured(call, 1 if options.quick else 5)
                    common.check(name, f"{what}, {case.name}", answer, wanted, 1e-6)
                    row |= {what: seconds, f"{what}_memory": peak}
                rows.append(row)
            done(case.name)
    common.table(
        "Jacobians and Hessians with bands",
        ("case", "contender", "bytes", "product", "memory", "solution", "memory "),
        [
            (
                r["case"], r["contender"], f"{r['bytes']:,}", common.seconds(r["product"]), f"{r['product_memory']:,}",
                common.seconds(r.get("solve")), f"{r['solve_memory']:,}" if "solve" in r else "",
            )
            for r in rows
        ],
    )  # fmt: skip
    common.write_json(options.json, "bands", record, {"rows": rows})
    return 0


if __name__ == "__main__":
    common.main_guard(run)
