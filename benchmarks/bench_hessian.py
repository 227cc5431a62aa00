"""How fast are Jacobians and Hessians that keep their deltas, dense and factored, beside automatic differentiation?

Eight problems, each in several sizes, float64: the closed form written by hand in NumPy, ``jax.jit(jax.hessian)`` or
``jax.jit(jax.jacrev)``, JAX batched by hand with ``vmap`` where a person would see the structure,
``torch.func.hessian`` and HIPS/autograd.  The dense array with its zeros and the factored value are rows of their own.
Then per-example gradients of a classifier, float32.  Every answer is compared with the closed form before it is timed;
contenders run interleaved; rows that miss their target or lose to a rival are printed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import common
from common import Timing

TOLERANCE = {"float64": 1e-9, "float32": 2e-4}
HAND, OURS, FACTORED, HAND_FACTORED = "NumPy by hand", "einstan", "einstan, factored", "NumPy by hand, factored"
JAX, BATCHED, TORCH, AUTOGRAD = "jax", "jax, batched by hand", "torch.func", "autograd"
HAND_LIMIT = 1.3
AUTOGRAD_LIMIT = 150  # entries of the denominator above which HIPS/autograd, a loop in Python, is left out
RIVAL_BYTES = 3e8  # of the answer, or of what forward-over-reverse holds, above which torch is left out

Call = Callable[[], Any]


def contenders(problem: Any, size: tuple[int, ...]) -> tuple[dict[str, Call], dict[str, Callable[[Any], Any]]]:
    """The calls, and for those that give something else than a dense array how it is written out to be compared."""
    import einstan as es

    given = problem.data(*size)
    compiled = es.Program(problem.text).derivative(problem.of, *[problem.wrt] * problem.order).compile()
    needed = {name: given[name] for name in compiled.inputs}
    calls: dict[str, Call] = {HAND: lambda: problem.dense(given), OURS: lambda: compiled.dense(needed)}
    dense: dict[str, Callable[[Any], Any]] = {FACTORED: lambda found: found.dense()}
    if problem.target_factored is not None:
        calls[FACTORED] = lambda: compiled(needed)
        calls[HAND_FACTORED] = lambda: problem.cores(given)
        dense[HAND_FACTORED] = problem.expanded
    if common.installed("jax"):
        calls.update(by_jax(problem, given))
        if problem.batched is not None:
            dense[BATCHED] = problem.batched_expanded
    if (
        common.installed("torch")
        and float(given[problem.wrt].size) * max(a.nbytes for a in given.values()) < RIVAL_BYTES
    ):
        calls[TORCH] = by_torch(problem, given)
    if common.installed("autograd") and given[problem.wrt].size <= AUTOGRAD_LIMIT:
        calls[AUTOGRAD] = by_autograd(problem, given)
    return calls, dense


def by_jax(problem: Any, given: Any) -> dict[str, Call]:
    import jax

    jax.config.update("jax_enable_x64", True)
    others = {name: jax.numpy.asarray(a) for name, a in given.items() if name != problem.wrt}
    w = jax.numpy.asarray(given[problem.wrt])
    transform = jax.hessian if problem.order == 2 else jax.jacrev
    made = jax.jit(lambda w, others: transform(lambda w: problem.function(jax.numpy, w, others))(w))
    calls: dict[str, Call] = {JAX: lambda: made(w, others).block_until_ready()}
    if problem.batched is not None:
        batched = jax.jit(lambda w, others: problem.batched(jax, w, others))
        calls[BATCHED] = lambda: batched(w, others).block_until_ready()
    return calls


def by_torch(problem: Any, given: Any) -> Call:
    import torch

    torch.set_num_threads(int(os.environ.get(common.POOLS[0], "1")))
    tensors = {name: torch.tensor(a) for name, a in given.items()}
    w = tensors.pop(problem.wrt)
    transform = torch.func.hessian if problem.order == 2 else torch.func.jacrev
    made = transform(lambda w: problem.torch(torch, w, tensors))
    return lambda: made(w).numpy()


def by_autograd(problem: Any, given: Any) -> Call:
    import autograd

    transform = autograd.hessian if problem.order == 2 else autograd.jacobian
    made = transform(lambda w: problem.function(autograd.numpy, w, given))
    return lambda: made(given[problem.wrt])


# ---- per-example gradients -------------------------------------------------------------------------------------------

WIDTHS = {False: (784, 128, 64, 10), True: (64, 32, 16, 10)}


def per_example(batch: int, widths: tuple[int, ...]) -> dict[str, tuple[dict[str, Call], dict[str, Any], int]]:
    """Three questions: all gradients as arrays, as factored values, and their norms alone."""
    import numpy as np

    import einstan as es
    from einstan.layers import cross_entropy, dense, relu, softmax

    rng = np.random.default_rng(0)
    X = rng.random((batch, widths[0])).astype("float32")
    Y = np.eye(widths[-1], dtype="float32")[rng.integers(widths[-1], size=batch)]
    members: list[Any] = []
    read = "X"
    for k in range(1, len(widths)):
        members.append(dense(f"Z{k}", X=read, W=f"W{k}", b=f"b{k}", j=widths[k]))
        if k < len(widths) - 1:
            members.append(relu(f"A{k}", Z=f"Z{k}"))
            read = f"A{k}"
    net = es.Network(*members, softmax("S", Z=f"Z{len(widths) - 1}"), cross_entropy("L", S="S", Y="Y"))
    P = net.init(seed=0, dtype="float32", X=X, Y=Y)
    each = net.per_example("L")
    gradients = each.gradients(net.params).compile()
    norms = each.norms(net.params).compile(outputs=["norm"])
    reference = by_hand_gradients(P, X, Y, np.float64)
    exact = {name: np.einsum("np,nq->npq", *f) if isinstance(f, tuple) else f for name, f in reference.items()}
    lengths = np.sqrt(sum((g.reshape(batch, -1) ** 2).sum(axis=1) for g in exact.values()))

    def written_out(factors: dict[str, Any]) -> dict[str, Any]:
        return {n: np.einsum("np,nq->npq", *f) if isinstance(f, tuple) else f for n, f in factors.items()}

    def hand_norms() -> Any:
        total: Any = 0.0
        for found in by_hand_gradients(P, X, Y).values():
            parts = found if isinstance(found, tuple) else (found,)
            total = total + np.prod([np.einsum("np,np->n", part, part) for part in parts], axis=0)
        return np.sqrt(total)

    arrays: dict[str, Call] = {
        HAND: lambda: written_out(by_hand_gradients(P, X, Y)),
        OURS: lambda: gradients.dense(P, X=X, Y=Y),
    }
    kept: dict[str, Call] = {
        HAND: lambda: by_hand_gradients(P, X, Y),
        OURS: lambda: gradients(P, X=X, Y=Y),
    }
    short: dict[str, Call] = {HAND: hand_norms, OURS: lambda: norms(**P, X=X, Y=Y)["norm"]}
    if common.installed("jax"):
        found, found_norms = jax_gradients(P, X, Y)
        arrays[JAX] = kept[JAX] = found
        short[JAX] = found_norms
    if common.installed("torch"):
        arrays[TORCH] = kept[TORCH] = torch_gradients(P, X, Y)
    for question, calls in {"gradients": arrays, "factored": kept}.items():
        for name, call in calls.items():
            answer = call()
            for parameter, expected in exact.items():
                got = answer[parameter]
                got = np.einsum("np,nq->npq", *got) if isinstance(got, tuple) else np.asarray(got)
                common.check(name, f"per-example {question}, {parameter}", got, expected, TOLERANCE["float32"])
    for name, call in short.items():
        common.check(name, "per-example norms", call(), lengths, TOLERANCE["float32"])
    entries = sum(gradient.size for gradient in exact.values())
    return {
        "per-example gradients": (arrays, {JAX: 1.0, TORCH: 1.0}, entries),
        "per-example gradients, factored": (kept, {JAX: 50.0, TORCH: 50.0}, entries),
        "per-example norms": (short, {JAX: 50.0}, batch),
    }


def by_hand_gradients(P: Any, X: Any, Y: Any, dtype: Any = None) -> dict[str, Any]:
    """Of every example: for a weight the two factors of its gradient, for a bias the gradient."""
    import numpy as np

    if dtype is not None:
        P, X, Y = {n: a.astype(dtype) for n, a in P.items()}, X.astype(dtype), Y.astype(dtype)
    layers = len(P) // 2
    read = [X]
    for k in range(1, layers):
        read.append(np.maximum(read[-1] @ P[f"W{k}"] + P[f"b{k}"], 0))
    Z = read[-1] @ P[f"W{layers}"] + P[f"b{layers}"]
    e = np.exp(Z - Z.max(axis=1, keepdims=True))
    d = e / e.sum(axis=1, keepdims=True) - Y
    found: dict[str, Any] = {}
    for k in range(layers, 0, -1):
        found[f"W{k}"], found[f"b{k}"] = (read[k - 1], d), d
        if k > 1:
            d = (d @ P[f"W{k}"].T) * (read[k - 1] > 0)
    return found


def jax_gradients(P: Any, X: Any, Y: Any) -> tuple[Call, Call]:
    import jax

    jnp = jax.numpy
    params, images, labels = {n: jnp.asarray(a) for n, a in P.items()}, jnp.asarray(X), jnp.asarray(Y)
    layers = len(P) // 2

    def loss(p: Any, x: Any, y: Any) -> Any:
        for k in range(1, layers):
            x = jnp.maximum(x @ p[f"W{k}"] + p[f"b{k}"], 0)
        return -(y * jax.nn.log_softmax(x @ p[f"W{layers}"] + p[f"b{layers}"])).sum()

    each = jax.vmap(jax.grad(loss), (None, 0, 0))
    gradients = jax.jit(each)

    @jax.jit
    def norms(p: Any, x: Any, y: Any) -> Any:
        squares = [(g.reshape(len(x), -1) ** 2).sum(axis=1) for g in each(p, x, y).values()]
        return jnp.sqrt(sum(squares))

    return (
        lambda: jax.block_until_ready(gradients(params, images, labels)),
        lambda: norms(params, images, labels).block_until_ready(),
    )


def torch_gradients(P: Any, X: Any, Y: Any) -> Call:
    import torch

    torch.set_num_threads(int(os.environ.get(common.POOLS[0], "1")))
    params, images, labels = {n: torch.tensor(a) for n, a in P.items()}, torch.tensor(X), torch.tensor(Y)
    layers = len(P) // 2

    def loss(p: Any, x: Any, y: Any) -> Any:
        for k in range(1, layers):
            x = torch.relu(x @ p[f"W{k}"] + p[f"b{k}"])
        return -(y * torch.log_softmax(x @ p[f"W{layers}"] + p[f"b{layers}"], 0)).sum()

    each = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))
    return lambda: each(params, images, labels)


# ---- running ---------------------------------------------------------------------------------------------------------


def measured(calls: dict[str, Call], quick: bool) -> dict[str, Timing]:
    """Interleaved; those that take over half a second a call get three turns of their own."""
    slow = {name: call for name, call in calls.items() if common.timed(call)[1] > 0.5}
    fast = {name: call for name, call in calls.items() if name not in slow}
    budget, rounds = (0.3, 5) if quick else (4.0, 300)
    times = common.interleaved(fast, budget=budget, rounds=rounds)
    if slow:
        times |= common.interleaved(slow, budget=0.0, rounds=3, least=1 if quick else 3, calibration=1)
    return {name: times[name] for name in calls}


def rows_of(
    case: str, entries: int, times: dict[str, Timing], targets: dict[str, dict[str, float]]
) -> tuple[list[Any], list[Any]]:
    """Result rows, and what is lost: a target, or more than 1.3 times the closed form by hand.

    ``entries`` are those of the dense answer: the time of one of them is what a problem costs against its size.
    """
    rows: list[Any] = []
    lost: list[Any] = []
    for name, taken in times.items():
        row: dict[str, Any] = {"case": case, "contender": name, "time": taken, "verdict": ""}
        row["entries"], row["ns_per_entry"] = entries, 1e9 * taken.median / max(entries, 1)
        if JAX in times:
            row["speedup"] = times[JAX].median / taken.median
        for rival, wanted in targets.get(name, {}).items():
            if rival in times:
                reached = times[rival].median / taken.median
                met = reached >= wanted
                row["verdict"] += (
                    f"{reached:.3g} times as fast as {rival}, wanted {wanted:g}: {'met' if met else 'missed'}; "
                )
                if not met:
                    lost.append((case, name, f"{reached:.3g} times as fast as {rival}, wanted {wanted:g}"))
        hand = {OURS: HAND, FACTORED: HAND_FACTORED}.get(name)
        if hand in times:
            ratio = taken.median / times[hand].median
            row["by_hand"] = ratio
            if ratio > HAND_LIMIT:
                lost.append((case, name, f"{ratio:.2f} times as slow as {hand}"))
        row["verdict"] = row["verdict"].removesuffix("; ")
        rows.append(row)
    return rows, lost


def show(title: str, rows: list[Any]) -> None:
    columns = ("contender", "median", "quartiles", "ns / entry", "jax / this", "this / by hand", "target")
    lines = []
    for row in rows:
        taken = row["time"]
        quartiles = f"{common.seconds(taken.low)} to {common.seconds(taken.high)}"
        ratios = [f"{row[key]:.3g}" if key in row else "" for key in ("speedup", "by_hand")]
        cost = f"{row['ns_per_entry']:.3g}"
        lines.append((row["contender"], common.seconds(taken.median), quartiles, cost, *ratios, row["verdict"]))
    common.table(f"{title}: {rows[0]['entries']:,} entries", columns, lines)


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_hessian.py --threads 1 --json hessian.json")
    parser.add_argument("--only", metavar="TEXT", help="the problems whose name contains this")
    options = parser.parse_args()
    if options.threads == 1:  # before JAX is loaded: its pool has no variable of its own
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    common.limit_threads(options.threads)
    from hessians import PROBLEMS

    record = common.machine()
    print(common.one_line(record))
    start = time.perf_counter()
    chosen = [p for p in PROBLEMS if (options.only or "") in p.name]
    rows: list[Any] = []
    lost: list[Any] = []
    targets: dict[str, dict[str, float]]
    with common.progress(len(chosen) + 1, "hessian") as done:
        for problem in chosen:
            sizes = problem.sizes[:1] if options.quick else problem.sizes
            for size in sizes:
                at_target = size == problem.sizes[2]
                calls, dense = contenders(problem, size)
                given = problem.data(*size)
                reference = problem.dense(given)
                for name, call in calls.items():
                    answer = call()
                    answer = dense[name](answer) if name in dense else answer
                    common.check(name, problem.name, answer, reference, TOLERANCE["float64"])
                targets = {}
                if at_target:
                    targets[OURS] = {JAX: problem.target_dense}
                    if problem.target_factored is not None:
                        targets[FACTORED] = {problem.factored_against: problem.target_factored}
                case = f"{problem.name}, {' x '.join(map(str, size))}"
                found, missed = rows_of(case, reference.size, measured(calls, options.quick), targets)
                show(case, found)
                rows += found
                lost += missed
            done(problem.name)
        if (options.only or "") in "per-example":
            batch, widths = (32 if options.quick else 256), WIDTHS[options.quick]
            for question, (calls, wanted, entries) in per_example(batch, widths).items():
                case = f"{question}, {'-'.join(map(str, widths))}, batch {batch}, float32"
                wanted = wanted if not options.quick else {}
                found, missed = rows_of(case, entries, measured(calls, options.quick), {OURS: wanted})
                show(case, found)
                rows += found
                lost += missed
            done("per-example")
    if lost:
        common.table("rows lost", ("case", "contender", "by"), lost)
    else:
        print("no row is lost")
    seconds = time.perf_counter() - start
    print(f"in {seconds:.0f} s")
    common.write_json(options.json, "hessian", record, {"rows": rows, "lost": lost, "seconds": seconds})
    return 0


if __name__ == "__main__":
    common.main_guard(run)
