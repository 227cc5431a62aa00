"""How fast is the gradient of an embedding: rows of a cotangent added where tokens are equal?

Tables and batches of many shapes; only the gradient is computed, in einstan from its equation,
``dE[p,d] = C[N,d] δ[T[N],p]``.  Beside it stand the ways there are in NumPy (`np.add.at` by rows and entry by entry,
sorted segment sums, `np.bincount`, a one-hot product), SciPy's sparse product, PyTorch (the backward of an embedding,
and `index_add_`) and jitted JAX (`.at[].add`).  Every answer is checked against sums in float64 before it is timed.
Contenders run in processes of their own, interleaved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import common
import workers
from contest import FAST, OURS, Beside, Case

TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
ONE_HOT, SCIPY = "one-hot product", "SciPy, sparse"
TORCH, INDEX_ADD, JAX = "PyTorch, embedding", "PyTorch, index_add_", "JAX, .at[].add"
CASES = (  # tokens, rows of the table, entries of a row
    (512, 1_000, 1),
    (4_096, 1_000, 8),
    (1_024, 50, 64),
    (4_096, 10_000, 64),
    (65_536, 1_000, 16),
    (16_384, 30_000, 256),
)
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
    torch = common.torch()
    return torch, torch.tensor(T), torch.tensor(C)


def torch_embedding(T: Any, C: Any, rows: int) -> Call:
    torch, t, c = torch_parts(T, C)
    return lambda: torch.ops.aten.embedding_dense_backward(c, t, rows, -1, False).numpy()


def torch_index_add(T: Any, C: Any, rows: int) -> Call:
    torch, t, c = torch_parts(T, C)
    return lambda: torch.zeros(rows, C.shape[1], dtype=c.dtype).index_add_(0, t, c).numpy()


def by_jax(T: Any, C: Any, rows: int) -> Call:
    jax = common.jax()
    t, c = jax.numpy.asarray(T), jax.numpy.asarray(C)
    step = jax.jit(lambda t, c: jax.numpy.zeros((rows, c.shape[1]), c.dtype).at[t].add(c))
    return lambda: jax.block_until_ready(step(t, c))


MAKERS: dict[str, Callable[[Any, Any, int], Call]] = {
    OURS: ours,
    FAST: ours_fast,
    "np.add.at, rows": add_at,
    "np.add.at, entries": add_at_entries,
    "segment sums": segments,
    "np.bincount": bincount,
    ONE_HOT: one_hot,
    SCIPY: sparse,
    TORCH: torch_embedding,
    INDEX_ADD: torch_index_add,
    JAX: by_jax,
}
NEEDS = {FAST: "numba", SCIPY: "scipy", TORCH: "torch", INDEX_ADD: "torch", JAX: "jax"}


class Embeddings(Beside):
    needs = NEEDS
    turn, rounds = 0.01, 20

    def cases(self) -> Sequence[Case]:
        return [
            Case(f"{tokens:,} tokens, table {rows:,} x {width}, {dtype}",
                 {"case": (tokens, rows, width), "dtype": dtype},
                 [name for name in self.available(MAKERS) if name != ONE_HOT or tokens * rows <= MOST_ONE_HOT])
            for tokens, rows, width in CASES[: 2 if self.options.quick else len(CASES)]
            for dtype in ("float32", "float64")
        ]  # fmt: skip

    def make(self, name: str, request: Mapping[str, Any]) -> workers.Made:
        import numpy as np

        T, C = data(request["case"], request["dtype"])
        rows = request["case"][1]
        call = MAKERS[name](T, C, rows)
        answer = np.asarray(call())
        if answer.dtype != C.dtype:
            raise common.WrongAnswerError(f"{name}: dE is {answer.dtype}, the data {C.dtype}")
        return call, common.check(name, "dE", answer, reference(T, C, rows), TOLERANCE[request["dtype"]])


if __name__ == "__main__":
    common.main_guard(Embeddings(__file__, __doc__).run)
