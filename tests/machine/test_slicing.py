"""What would not fit into memory at once is computed block by block: the same numbers, within the limit."""

import numpy as np
import pytest

import einstan as es
from einstan.language.errors import DataError

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


n, m, k = 60, 50, 40
X, Y, w = normal(n, k), normal(m, k), normal(m)
A, B, C, D = normal(n, m), normal(m, n), normal(n, m), normal(m, n)
T = RNG.integers(0, m, size=n)
CLOSE = {"float64": {"rtol": 1e-11, "atol": 1e-11}, "float32": {"rtol": 3e-4, "atol": 1e-4}}
KERNEL = "G[i,j] = exp(-(X[i,K] - Y[j,K])^2 / 40)\nf[i] = G[i,J] w[J]\nL = (f[I] - t[I])^2"
ROWS = {  # text, what is derived, arrays, outputs, the bytes that a call may hold
    "pairwise distances": ("D[i,j] = (X[i,K] - Y[j,K])^2", {"X": X, "Y": Y}, ["D"], 60_000),
    "all pairs of one array": ("D[i,j] = (X[i,K] - X[j,K])^2", {"X": X}, ["D"], 160_000),
    "a ring": ("L = A[I,J] B[J,K] C[K,L] D[L,I]", {"A": A, "B": B, "C": C, "D": D}, ["L"], 12_000),
    "a chain": ("Y[i,l] = A[i,J] B[J,K] C[K,l]", {"A": A, "B": B, "C": C}, ["Y"], 36_000),
    "a sum of a function": ("L = sum[I,J](exp(u[I] v[J]))", {"u": normal(500), "v": normal(400)}, ["L"], 100_000),
    "sums along rows": ("s[i] = sum[J](sin(u[i] v[J]))", {"u": normal(500), "v": normal(403)}, ["s"], 100_000),
    "a largest": ("s[i] = max[J](sin(u[i] v[J]))", {"u": normal(500), "v": normal(403)}, ["s"], 100_000),
    "a largest of all": ("L = max[I,J](sin(u[I] v[J]))", {"u": normal(500), "v": normal(403)}, ["L"], 100_000),
    "a smallest of all": ("L = min[I,J](sin(u[I] v[J]))", {"u": normal(500), "v": normal(403)}, ["L"], 100_000),
    "logarithms of sums": ("s[i] = logsumexp[J](u[i] v[J])", {"u": normal(500), "v": normal(403)}, ["s"], 100_000),
    "under a bracket": (
        "s[i] = sum[J](1[J <= i] exp(u[i] v[J]))", {"u": normal(401), "v": normal(401)}, ["s"], 300_000,
    ),
    "a mean of all": ("L = sum[I,J](tanh(u[I] + v[J])) / |u.0|", {"u": normal(500), "v": normal(403)}, ["L"], 100_000),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "dtype"), [(n, "float64") for n in ROWS] + [(n, "float32") for n in ("sums along rows", "a largest")]
)
def test_blocks_give_the_same_within_the_limit(name, dtype):
    text, arrays, outputs, limit = ROWS[name]
    data = {key: array.astype(dtype) for key, array in arrays.items()}
    limit = limit if dtype == "float64" else limit // 2
    expected = es.Program(text).compile(outputs=outputs, fast=False)(data)
    for options in ({"fast": False}, {"fast": False, "reuse_buffers": True}):
        held = es.Program(text).compile(outputs=outputs, memory_limit=limit, **options)
        found = held(data)
        made = held.plan
        assert any(step.call.startswith("blocks of") for step in made.steps)
        assert made.peak_memory <= limit
        assert made.measure(data) <= limit + 4096
        for key in outputs:
            assert found[key].dtype == dtype
            np.testing.assert_allclose(found[key], expected[key], **CLOSE[dtype])


def test_blocks_compose_with_gradients():
    program = es.Program(KERNEL)
    data = {"X": X, "Y": Y, "w": w, "t": normal(n)}
    wanted = program.backward("L", ["X", "Y", "w"])
    expected = wanted.compile(fast=False)(data)
    free = wanted.compile(outputs=["dX", "dY", "dw"], fast=False)
    free(data)
    limit = free.plan.peak_memory // 4
    held = wanted.compile(outputs=["dX", "dY", "dw"], memory_limit=limit, fast=False)
    found = held(data)
    assert held.plan.measure(data) <= limit + 4096
    for name in ("dX", "dY", "dw"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-10, atol=1e-12)


def test_the_source_of_blocks_runs_by_itself():
    text, arrays, _, limit = ROWS["pairwise distances"]
    held = es.Program(text).compile(memory_limit=limit, fast=False)
    expected = held(arrays)["D"]
    space = {}
    exec(held.source(), space)
    np.testing.assert_array_equal(space["step"](arrays["X"], arrays["Y"])[0], expected)
    assert "for start in range(0, " in held.source()


def test_threads_have_blocks_of_their_own():
    from concurrent.futures import ThreadPoolExecutor

    text, arrays, _, limit = ROWS["a sum of a function"]
    held = es.Program(text).compile(memory_limit=limit, fast=False)
    many = [{"u": normal(500), "v": normal(400)} for _ in range(24)]
    expected = [float(np.exp(np.outer(each["u"], each["v"])).sum()) for each in many]
    held(arrays)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda each: float(held(each)["L"]), many))
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_what_no_block_makes_smaller_is_refused():
    with pytest.raises(DataError, match="would take"):  # the result alone
        es.parse("Z[i,j] = u[i] u[j]").compile(memory_limit=1000, fast=False)(u=normal(100))
    with pytest.raises(DataError, match="would"):  # code of any size has no blocks
        es.parse("L = sum[I,J](exp(u[I] u[J]))").compile(memory_limit=1000, any_size=True)(u=normal(100))


def test_an_intermediate_that_the_machine_has_no_room_for(monkeypatch):
    from einstan.machine.sizes import memory

    monkeypatch.setattr(memory, "machine_memory", lambda: 10**8)
    u = RNG.normal(size=5000) / 10
    found = es.parse("L = sum[I,J](exp(x[I] x[J]))").compile(fast=False)(x=u)["L"]
    np.testing.assert_allclose(found, sum(np.exp(each * u).sum() for each in u), rtol=1e-10)
