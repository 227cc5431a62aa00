"""How fast is a derived gradient as a function of PyTorch or JAX, beside what these libraries differentiate themselves?

A perceptron with cross-entropy, a gated block (root-mean-square norm and SwiGLU, with a residual) and a block of a
transformer (layer norm, causal attention, GELU), each with a loss and the gradients of all parameters, in float32.  The
same equations are compiled for PyTorch, which runs them eagerly, and for JAX, which compiles them; beside them stand
the models as these libraries' users write them, and autograd or `jax.grad`; both of PyTorch's by ``torch.compile`` too.
Before anything is timed, every gradient is compared with differences of a loss by hand in NumPy in float64, along
itself and along a random direction.

Then Hessians that keep their deltas, beside ``torch.func.hessian`` and ``jax.jit(jax.hessian)``, in float64, each
compared with its closed form.  What PyTorch allocates is told beside its times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import common
import workers
from contest import Case, Contest, Lost, Row, error, medians, slower
from hessians import PROBLEMS, Problem

NUMPY, TORCH, AUTOGRAD, COMPILED, COMPILED_AUTOGRAD, JAX, GRAD = (
    "NumPy, derived",
    "PyTorch, derived",
    "PyTorch, autograd",
    "torch.compile, derived",
    "torch.compile, autograd",
    "JAX, derived",
    "JAX, grad",
)
NEEDS = {**dict.fromkeys((TORCH, AUTOGRAD, COMPILED, COMPILED_AUTOGRAD), "torch"), JAX: "jax", GRAD: "jax"}
TOLERANCE, STEP, EXACT = 1e-3, 1e-7, 1e-9
MEMORY = 1.1  # of the bytes of the library's own derivative, for gradients
# Hessians: the problem, its size, and how many times as fast, and as small, as PyTorch's and JAX's own they should be.
HESSIANS: dict[str, list[tuple[tuple[int, ...], float, float, float]]] = {
    "softmax cross-entropy wrt W": [((64, 8, 10), 10, 5, 1), ((256, 32, 10), 10, 5, 5)],
    "masked factorisation": [((30, 5), 100, 50, 1), ((75, 5), 100, 50, 1)],
}
Arrays = dict[str, Any]
Gradients = Callable[[], tuple[Any, Arrays]]

# ---- the models: equations, and losses by hand -----------------------------------------------------------------------

EQUATIONS = {
    "perceptron": """
        H[n,j] = relu(X[n,K] W1[K,j] + b1[j])
        Z[n,c] = H[n,J] W2[J,c] + b2[c]
        S[n,c] = softmax[c](Z[n,c])
        L = -1/|N| Y[N,C] log(S[N,C])
        assume sum[C](Y[n,C]) = 1""",
    "gated block": """
        R[n] = sqrt(mean[D](X[n,D]^2) + 1e-5)
        N[n,d] = g[d] X[n,d] / R[n]
        V[n,h] = N[n,D] Wg[D,h]
        P[n,h] = V[n,h] sigmoid(V[n,h]) (N[n,D] Wu[D,h])
        O[n,d] = X[n,d] + P[n,H] Wo[H,d]
        L = 1/|N| (O[N,D] - Y[N,D])^2""",
    "transformer": """
        m[b,t] = mean[D](X[b,t,D])
        s[b,t] = sqrt(mean[D]((X[b,t,D] - m[b,t])^2) + 1e-5)
        N[b,t,d] = g1[d] (X[b,t,d] - m[b,t]) / s[b,t] + c1[d]
        Q[b,a,t,e] = N[b,t,D] Wq[D,a,e]
        M[b,a,t,e] = N[b,t,D] Wk[D,a,e]
        V[b,a,t,e] = N[b,t,D] Wv[D,a,e]
        P[b,a,t,u] = softmax[u](Q[b,a,t,E] M[b,a,u,E] / sqrt(|E|) + log(1[u <= t]))
        O[b,a,t,e] = P[b,a,t,U] V[b,a,U,e]
        R[b,t,d] = X[b,t,d] + O[b,A,t,E] Wo[A,E,d]
        m2[b,t] = mean[D](R[b,t,D])
        s2[b,t] = sqrt(mean[D]((R[b,t,D] - m2[b,t])^2) + 1e-5)
        N2[b,t,d] = g2[d] (R[b,t,d] - m2[b,t]) / s2[b,t] + c2[d]
        F[b,t,h] = N2[b,t,D] W1[D,h] + b1[h]
        G[b,t,h] = 1/2 F[b,t,h] (1 + tanh(sqrt(2/pi) (F[b,t,h] + 0.044715 F[b,t,h]^3)))
        Z[b,t,d] = R[b,t,d] + G[b,t,H] W2[H,d] + b2[d]
        L = 1/(|B| |T|) (Z[B,T,D] - Y[B,T,D])^2""",
}
SIZES: dict[str, list[dict[str, int]]] = {
    "perceptron": [{"n": 32, "k": 64, "j": 32, "c": 10}, {"n": 256, "k": 784, "j": 512, "c": 10}],
    "gated block": [{"n": 64, "d": 64, "h": 172}, {"n": 512, "d": 256, "h": 688}],
    "transformer": [
        {"b": 2, "t": 16, "d": 32, "a": 2, "e": 16, "h": 128},
        {"b": 4, "t": 64, "d": 64, "a": 4, "e": 16, "h": 256},
        {"b": 8, "t": 128, "d": 128, "a": 8, "e": 16, "h": 512},
    ],
}
SHAPES = {
    "perceptron": {"W1": "kj", "b1": "j", "W2": "jc", "b2": "c"},
    "gated block": {"g": "d", "Wg": "dh", "Wu": "dh", "Wo": "hd"},
    "transformer": {
        "g1": "d", "c1": "d", "Wq": "dae", "Wk": "dae", "Wv": "dae", "Wo": "aed", "g2": "d", "c2": "d",
        "W1": "dh", "b1": "h", "W2": "hd", "b2": "d",
    },
}  # fmt: skip
DATA = {"perceptron": ("nk", "nc"), "gated block": ("nd", "nd"), "transformer": ("btd", "btd")}


def arrays(model: str, sizes: Mapping[str, int]) -> tuple[Arrays, Any, Any]:
    """Parameters, inputs and what is wanted, in float32."""
    import numpy as np

    rng = np.random.default_rng(0)
    draw = lambda letters: rng.standard_normal([sizes[x] for x in letters], dtype=np.float32)  # noqa: E731
    params = {name: draw(letters) / np.float32(sizes[letters[0]] ** 0.5) for name, letters in SHAPES[model].items()}
    X, Y = map(draw, DATA[model])
    return params, X, np.eye(sizes["c"], dtype=np.float32)[Y.argmax(1)] if model == "perceptron" else Y


def perceptron(np: Any, p: Arrays, X: Any, Y: Any) -> Any:
    Z = np.maximum(X @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"]
    Z = Z - Z.max(1, keepdims=True)
    return -(Y * (Z - np.log(np.exp(Z).sum(1, keepdims=True)))).sum() / len(X)


def gated_block(np: Any, p: Arrays, X: Any, Y: Any) -> Any:
    N = p["g"] * X / np.sqrt((X**2).mean(-1, keepdims=True) + 1e-5)
    V = N @ p["Wg"]
    O = X + (V / (1 + np.exp(-V)) * (N @ p["Wu"])) @ p["Wo"]
    return ((O - Y) ** 2).sum() / len(X)


def transformer(np: Any, p: Arrays, X: Any, Y: Any) -> Any:
    def norm(x: Any, g: Any, c: Any) -> Any:
        x = x - x.mean(-1, keepdims=True)
        return g * x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) + c

    N, t, e = norm(X, p["g1"], p["c1"]), X.shape[1], p["Wq"].shape[2]
    Q, M, V = (np.einsum("btd,dae->bate", N, p[name]) for name in ("Wq", "Wk", "Wv"))
    S = np.where(np.tril(np.ones((t, t))) > 0, Q @ M.swapaxes(-1, -2) / e**0.5, -np.inf)
    P = np.exp(S - S.max(-1, keepdims=True))
    R = X + np.einsum("bate,aed->btd", P / P.sum(-1, keepdims=True) @ V, p["Wo"])
    F = norm(R, p["g2"], p["c2"]) @ p["W1"] + p["b1"]
    G = F * (1 + np.tanh((2 / np.pi) ** 0.5 * (F + 0.044715 * F**3))) / 2
    return ((R + G @ p["W2"] + p["b2"] - Y) ** 2).sum() / (X.shape[0] * t)


LOSSES = {"perceptron": perceptron, "gated block": gated_block, "transformer": transformer}


def torch_loss(model: str, p: Arrays, X: Any, Y: Any) -> Any:
    """As users of PyTorch write it."""
    torch = common.torch()
    F = torch.nn.functional
    if model == "perceptron":
        return F.cross_entropy(torch.relu(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"], Y)
    if model == "gated block":
        N = F.rms_norm(X, (X.shape[1],), p["g"], 1e-5)
        return (X + (F.silu(N @ p["Wg"]) * (N @ p["Wu"])) @ p["Wo"] - Y).square().sum() / len(X)
    width = (X.shape[2],)
    N = F.layer_norm(X, width, p["g1"], p["c1"], 1e-5)
    Q, M, V = (torch.einsum("btd,dae->bate", N, p[name]) for name in ("Wq", "Wk", "Wv"))
    R = X + torch.einsum("bate,aed->btd", F.scaled_dot_product_attention(Q, M, V, is_causal=True), p["Wo"])
    G = F.gelu(F.layer_norm(R, width, p["g2"], p["c2"], 1e-5) @ p["W1"] + p["b1"], approximate="tanh")
    return (R + G @ p["W2"] + p["b2"] - Y).square().sum() / (X.shape[0] * X.shape[1])


# ---- contenders ------------------------------------------------------------------------------------------------------


def derived(model: str, backend: str, params: Arrays) -> Callable[[Arrays], tuple[Any, ...]]:
    """The loss and its gradients by the equations, from a dict of tensors."""
    import einstan as es

    program = es.Program(EQUATIONS[model])
    lines = dict.fromkeys((*program.equations, *program.backward("L", list(params)).equations))
    step = es.Program(tuple(lines)).compile(outputs=["L", *(f"d{n}" for n in params)], backend=backend)
    return lambda given: step.call(given, {})


def make(name: str, model: str, params: Arrays, X: Any, Y: Any) -> Gradients:
    names = list(params)
    if name == NUMPY:
        step = derived(model, "numpy", params)
        given = {**params, "X": X, "Y": Y}
        return lambda: packed(names, step(given))
    if NEEDS[name] == "torch":
        torch = common.torch()
        tensors = {n: torch.from_numpy(a) for n, a in {**params, "X": X, "Y": Y}.items()}
        if name in (TORCH, COMPILED):
            step = derived(model, "torch", params)
            step(tensors)  # which makes the code: that is not for PyTorch's compiler to read
            call = torch.compile(step) if name == COMPILED else step
            return lambda: packed(names, call(tensors))
        x, y = tensors.pop("X"), tensors.pop("Y")
        leaves = [tensors[n].requires_grad_() for n in names]
        forward = torch.compile(torch_loss) if name == COMPILED_AUTOGRAD else torch_loss

        def run() -> tuple[Any, Arrays]:
            loss = forward(model, tensors, x, y)
            return packed(names, (loss.detach(), *torch.autograd.grad(loss, leaves)))

        return run
    import jax

    given = {n: jax.numpy.asarray(a) for n, a in {**params, "X": X, "Y": Y}.items()}
    if name == JAX:
        compiled = jax.jit(derived(model, "jax", params))
        return lambda: packed(names, jax.block_until_ready(compiled(given)))
    x, y = given.pop("X"), given.pop("Y")
    gradient = jax.jit(jax.value_and_grad(lambda p, x, y: LOSSES[model](jax.numpy, p, x, y)))
    return lambda: jax.block_until_ready(gradient(given, x, y))


def problem_of(request: Mapping[str, Any]) -> tuple[Problem, Arrays]:
    """A problem of Hessians, and its arrays."""
    (found,) = (problem for problem in PROBLEMS if problem.name == request["problem"])
    return found, dict(found.data(*request["size"]))


def make_hessian(name: str, problem: Problem, given: Arrays) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """A Hessian as a function without arguments, and what makes a dense array of NumPy of its result."""
    import numpy as np

    import einstan as es

    if name == NUMPY:
        compiled = es.Program(problem.text).hessian(problem.of, problem.wrt).compile()
        needed = {n: given[n] for n in compiled.inputs}
        return lambda: compiled(needed), lambda found: found.dense()
    library, move = libraries(name)
    others = {n: move(a) for n, a in given.items()}
    if name in (TORCH, JAX):
        backend = NEEDS[name]
        hosted: Any = es.Program(problem.text).hessian(problem.of, problem.wrt).compile(backend=backend)
        needed = {n: others[n] for n in hosted.inputs if n in others}
        if backend == "torch":
            return lambda: hosted(needed), lambda found: found.numpy().dense()
        whole = hosted(needed)
        cores = library.jit(lambda arrays: hosted(arrays).cores)
        return lambda: library.block_until_ready(cores(needed)), lambda found: whole.with_cores(found).numpy().dense()
    w = others.pop(problem.wrt)
    if name == AUTOGRAD:
        made = library.func.hessian(lambda w: problem.torch(library, w, others))
        return lambda: made(w), np.asarray
    jitted = library.jit(lambda w, others: library.hessian(lambda w: problem.function(library.numpy, w, others))(w))
    return lambda: library.block_until_ready(jitted(w, others)), np.asarray


def libraries(name: str) -> tuple[Any, Callable[[Any], Any]]:
    if NEEDS[name] == "torch":
        torch = common.torch()
        return torch, torch.from_numpy
    jax = common.jax()
    return jax, jax.numpy.asarray


def packed(names: Sequence[str], results: Sequence[Any]) -> tuple[Any, Arrays]:
    return results[0], dict(zip(names, results[1:], strict=True))


# ---- the script ------------------------------------------------------------------------------------------------------


def verified(name: str, model: str, found: tuple[Any, Arrays], params: Arrays, X: Any, Y: Any) -> float:
    """The largest error of the loss, and of the gradients along two directions each."""
    import numpy as np

    exact = {n: a.astype(float) for n, a in params.items()}
    rng = np.random.default_rng(1)

    def loss(name: str, shift: Any) -> float:
        return float(LOSSES[model](np, {**exact, name: exact[name] + shift}, X.astype(float), Y.astype(float)))

    worst = common.check(name, "the loss", found[0], loss(next(iter(exact)), 0.0), TOLERANCE)
    for each in exact:
        gradient = np.asarray(found[1][each], float)
        size = np.linalg.norm(gradient)
        along = [gradient / size, rng.standard_normal(gradient.shape)]
        wanted = [(loss(each, STEP * d) - loss(each, -STEP * d)) / (2 * STEP) for d in along]
        worst = max(worst, common.check(name, f"d{each}", [np.vdot(gradient, d) for d in along], wanted, TOLERANCE))
    return worst


class Targets(Contest):
    columns = ("derived over it", "memory", "derived over it", "error")
    needs = NEEDS
    ours = (TORCH, COMPILED, JAX)
    turn, rounds, budget = 0.03, 60, 15.0

    def cases(self) -> Sequence[Case]:
        few = 1 if self.options.quick else None
        gradients = [
            Case(f"{model}, {', '.join(f'{x} = {n}' for x, n in sizes.items())}", {"model": model, "sizes": sizes},
                 self.available((NUMPY, TORCH, AUTOGRAD, COMPILED, COMPILED_AUTOGRAD, JAX, GRAD)))
            for model, several in SIZES.items()
            for sizes in several[:few]
        ]  # fmt: skip
        hessians = [
            Case(f"Hessian, {name}, {' x '.join(map(str, size))}", {"problem": name, "size": size},
                 self.available((NUMPY, TORCH, AUTOGRAD, JAX, GRAD)),
                 about={"PyTorch": times, "JAX": jax_times, "memory": smaller})
            for name, several in HESSIANS.items()
            for size, times, jax_times, smaller in several[:few]
        ]  # fmt: skip
        return [*gradients, *hessians]

    def make(self, name: str, request: Mapping[str, Any]) -> workers.Made:
        if "problem" in request:
            problem, given = problem_of(request)
            call, dense = make_hessian(name, problem, given)
            return call, common.check(name, "the Hessian", dense(call()), problem.dense(given), EXACT)
        params, X, Y = arrays(request["model"], request["sizes"])
        run = make(name, request["model"], params, X, Y)
        return run, verified(name, request["model"], run(), params, X, Y)

    def held(self, name: str, call: Callable[[], object]) -> int | None:
        return allocated(call) if name in (TORCH, AUTOGRAD) else None

    def judge(self, case: Case, rows: Sequence[Row]) -> list[Lost]:
        times, sizes = medians(rows), {row["contender"]: row["bytes"] for row in rows}
        for row in rows:
            row["library"] = row["contender"].partition(",")[0]
            mine = f"{row['library']}, derived"
            row["ratio"] = times[mine] / times[row["contender"]] if mine in times else None
            row["memory ratio"] = sizes[mine] / row["bytes"] if row["bytes"] and sizes.get(mine) else None
        lost: list[Lost] = []
        for library in dict.fromkeys(row["library"] for row in rows):
            own = [row for row in rows if row["library"] == library]
            if library in case.about:
                lost += missed(own, "ratio", case.about[library], "times as fast")
            else:
                lost += slower(own, self.ours)
            smaller = case.about.get("memory", 1 / MEMORY)
            lost += missed(own, "memory ratio", smaller, "times as small")
        return lost

    def cells(self, row: Row) -> Sequence[str]:
        ratios = ["" if row[key] is None else f"{row[key]:.3g}" for key in ("ratio", "memory ratio")]
        held = "" if row["bytes"] is None else f"{row['bytes'] / 1e6:.3g} MB"
        return ratios[0], held, ratios[1], error(row)


def missed(rows: Sequence[Row], key: str, wanted: float, what: str) -> list[Lost]:
    """The rows of a library's own derivative over which a target is missed."""
    return [
        (
            row["case"],
            f"{row['library']}, derived",
            f"{1 / row[key]:.3g} {what} as {row['contender']}, not {wanted:.3g}",
        )
        for row in rows
        if row[key] is not None and not row["contender"].endswith(", derived") and row[key] * wanted > 1
    ]


def allocated(call: Callable[[], object]) -> int:
    """Bytes that PyTorch holds for a call at its peak."""
    profiler = common.torch().profiler
    with profiler.profile(activities=[profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        call()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


if __name__ == "__main__":
    common.main_guard(Targets(__file__, __doc__).run)
