"""How fast is the gradient of an embedding: rows of a cotangent added where tokens are equal?

Tables and batches of many shapes; only the gradient is computed, in einstan from its equation,
``dE[p,d] = C[N,d] δ[T[N],p]``.  Beside it stand the ways there are in NumPy (`np.add.at` by rows and entry by entry,
sorted segment sums, `np.bincount`, a one-hot product), SciPy's sparse product, PyTorch (the backward of an embedding,
and `index_add_`) and jitted JAX (`.at[].add`).  Every answer is checked against sums in float64 before it is timed.
Contenders run in processes of their own, interleaved.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import common
import workers

TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
OURS, FAST, ONE_HOT = "einstan", "einstan, numba", "one-hot product"
TORCH, INDEX_ADD, JAX = "PyTorch, embedding", "PyTorch, index_add_", "JAX, .at[].add"
CASES = (  # tokens, rows of the table, entries of a row
    (512, 1_000, 1),
    (4_096, 1_000, 8),
    (1_024, 50, 64),
    (4_096, 10_000, 64),
    (65_536, 1_000, 16),
    (16_384, 30_000, 256),
)
TURN = 0.01  # seconds of one contender before the next has its turn
MOST_ONE_HOT = 20_000_000  # entries of a one-hot matrix that is tried

Call = Callable[[], Any]


def data(case: tuple[int, int, int], dtype: str) -> tuple[Any, Any]:
    """The tokens, and the cotangent of their rows."""
    import numpy as np

    tokens, rows, width = case
    rng = np.random.default_rng(0)
    return rng.integers(0, rows, tokens), rng.standard_normal((tokens, width)).astype(dtype)


def reference(T: Any, C: Any, rows: int) -> Any:
    """Tokens sorted by Python, the rows of each added in float64."""
    import numpy as np

    places: dict[int, list[int]] = {}
    for place, token in enumerate(T.tolist()):
        places.setdefault(token, []).append(place)
    dE = np.zeros((rows, C.shape[1]))
    for token, held in places.items():
        dE[token] = C[held].astype(np.float64).sum(axis=0)
    return dE


# ---- contenders ------------------------------------------------------------------------------------------------------


def ours(T: Any, C: Any, rows: int, fast: bool = False) -> Call:
    import einstan as es

    step = es.parse("dE[p,d] = C[N,d] δ[T[N],p]").compile(sizes={"p": rows}, fast=fast)
    return lambda: step(T=T, C=C)["dE"]


def ours_fast(T: Any, C: Any, rows: int) -> Call:
    return ours(T, C, rows, fast=True)


def add_at(T: Any, C: Any, rows: int) -> Call:
    import numpy as np

    def run() -> Any:
        dE = np.zeros((rows, C.shape[1]), C.dtype)
        np.add.at(dE, T, C)
        return dE

    return run


def add_at_entries(T: Any, C: Any, rows: int) -> Call:
    import numpy as np

    width = C.shape[1]

    def run() -> Any:
        dE = np.zeros(rows * width, C.dtype)
        np.add.at(dE, (T[:, None] * width + np.arange(width)).reshape(-1), C.reshape(-1))
        return dE.reshape(rows, width)

    return run


def segments(T: Any, C: Any, rows: int) -> Call:
    import numpy as np

    def run() -> Any:
        dE = np.zeros((rows, C.shape[1]), C.dtype)
        order = np.argsort(T, kind="stable")
        tokens = T[order]
        starts = np.flatnonzero(np.diff(tokens, prepend=-1))
        dE[tokens[starts]] = np.add.reduceat(C[order], starts, axis=0)
        return dE

    return run


def bincount(T: Any, C: Any, rows: int) -> Call:
    import numpy as np

    width = C.shape[1]

    def run() -> Any:
        places = (T[:, None] * width + np.arange(width)).reshape(-1)
        return np.bincount(places, C.reshape(-1), rows * width).reshape(rows, width).astype(C.dtype)

    return run


def one_hot(T: Any, C: Any, rows: int) -> Call:
    import numpy as np

    def run() -> Any:
        matrix = np.zeros((rows, T.size), C.dtype)
        matrix[T, np.arange(T.size)] = 1
        return matrix @ C

    return run


def sparse(T: Any, C: Any, rows: int) -> Call:
    import numpy as np
    from scipy.sparse import csc_array

    count = T.size
    return lambda: csc_array((np.ones(count, C.dtype), T, np.arange(count + 1)), (rows, count)) @ C


def torch_parts(T: Any, C: Any) -> tuple[Any, Any, Any]:
    import torch

    torch.set_num_threads(int(os.environ[common.POOLS[0]]))
    return torch, torch.tensor(T), torch.tensor(C)


def torch_embedding(T: Any, C: Any, rows: int) -> Call:
    torch, t, c = torch_parts(T, C)
    return lambda: torch.ops.aten.embedding_dense_backward(c, t, rows, -1, False).numpy()


def torch_index_add(T: Any, C: Any, rows: int) -> Call:
    torch, t, c = torch_parts(T, C)
    return lambda: torch.zeros(rows, C.shape[1], dtype=c.dtype).index_add_(0, t, c).numpy()


def by_jax(T: Any, C: Any, rows: int) -> Call:
    import jax

    jax.config.update("jax_enable_x64", True)
    t, c = jax.numpy.asarray(T), jax.numpy.asarray(C)
    step = jax.jit(lambda t, c: jax.numpy.zeros((rows, c.shape[1]), c.dtype).at[t].add(c))
    return lambda: jax.block_until_ready(step(t, c))


MAKERS: dict[str, tuple[Callable[[Any, Any, int], Call], str]] = {
    OURS: (ours, ""),
    FAST: (ours_fast, "numba"),
    "np.add.at, rows": (add_at, ""),
    "np.add.at, entries": (add_at_entries, ""),
    "segment sums": (segments, ""),
    "np.bincount": (bincount, ""),
    ONE_HOT: (one_hot, ""),
    "SciPy, sparse": (sparse, "scipy"),
    TORCH: (torch_embedding, "torch"),
    INDEX_ADD: (torch_index_add, "torch"),
    JAX: (by_jax, "jax"),
}


def make(name: str, request: Any) -> workers.Made:
    """The call of a contender, once its answer is right, and the error of that."""
    import numpy as np

    T, C = data(request["case"], request["dtype"])
    rows = request["case"][1]
    call = MAKERS[name][0](T, C, rows)
    answer = np.asarray(call())
    if answer.dtype != C.dtype:
        raise common.WrongAnswerError(f"{name}: dE is {answer.dtype}, the data {C.dtype}")
    return call, common.check(name, "dE", answer, reference(T, C, rows), TOLERANCE[request["dtype"]])


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_embedding.py --json embedding.json")
    options = parser.parse_args()
    common.limit_threads(options.threads)
    if (contender := os.environ.get(workers.WORKER)) is not None:
        return workers.answer_requests(partial(make, contender))
    record = common.machine()
    record["versions"] |= {name: common.installed(name) for name in ("jax", "numba") if common.installed(name)}
    print(common.one_line(record))
    names = [name for name, (_, package) in MAKERS.items() if not package or common.installed(package)]
    if options.quick:
        names = [name for name in names if not MAKERS[name][1]]
    cases = CASES[: 2 if options.quick else len(CASES)]
    started = [workers.Worker(__file__, name, options.threads) for name in names]
    results: list[dict[str, Any]] = []
    losses: list[tuple[str, str, str]] = []
    try:
        with common.progress(2 * len(cases), "embedding") as done:
            for case, dtype in ((case, dtype) for case in cases for dtype in ("float32", "float64")):
                tokens, height, width = case
                fits = tokens * height <= MOST_ONE_HOT
                running = [worker for worker in started if worker.name != ONE_HOT or fits]
                request = {"case": case, "dtype": dtype, "turn": TURN}
                found, failed = workers.in_turns(running, request, rounds=5 if options.quick else 20)
                times = {name: time for name, (time, _) in found.items()}
                what = f"{tokens:,} tokens, table {height:,} x {width}, {dtype}"
                rows = []
                for name, time in times.items():
                    quartiles = f"{common.seconds(time.low)} to {common.seconds(time.high)}"
                    ratios = {mine: times[mine].median / time.median for mine in (OURS, FAST) if mine in times}
                    shown = [f"{ratios[mine]:.2f}" if mine in ratios else "" for mine in (OURS, FAST)]
                    rows.append((name, common.seconds(time.median), quartiles, *shown))
                    results.append({"case": what, "contender": name, "time": time, "ratios": ratios})
                    losses += [
                        (what, mine, f"{ratios[mine]:.2f} times as slow as {name}")
                        for mine in ratios
                        if name not in (OURS, FAST) and times[mine].slower_than(time)
                    ]
                columns = ("contender", "median", "quartiles", "einstan over it", "with numba over it")
                common.table(what, columns, rows)
                for name, reason in failed.items():
                    print(f"{name} did not run: {reason}")
                done(what)
    finally:
        for worker in started:
            worker.close()
    if losses:
        common.table("rows lost", ("case", "contender", "by"), losses)
    else:
        print("no row is lost")
    common.write_json(options.json, "embedding", record, {"rows": results, "lost": losses})
    return 0


if __name__ == "__main__":
    common.main_guard(run)
