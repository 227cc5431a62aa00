"""How fast is the compiled step of the digits network beside one written by hand?

64-64-32-10, dense and relu, softmax with cross-entropy: the loss and all six gradients, for batches of 32 and 128, in
float64 and float32.  Contenders: the step compiled from equations (as a network gives it, which checks the data on
every call; and without the checks), plain NumPy written by hand, and PyTorch eager where it is installed and one thread
is asked for: two pools of threads in one process slow each other manyfold.  Every gradient is checked before it is
timed; contenders run interleaved.  The target is at most three times the step written by hand; the exit status does not
depend on it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import common

WIDTHS = (64, 64, 32, 10)
TARGET = 3.0
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
BASE, BARE, CHECKED, EAGER = "NumPy by hand", "einstan, unchecked", "einstan", "PyTorch eager"


def data(batch: int, dtype: str) -> tuple[dict[str, Any], Any, Any]:
    """Parameters, images, one-hot labels."""
    import numpy as np

    rng = np.random.default_rng(0)
    params: dict[str, Any] = {}
    for layer, (rows, columns) in enumerate(pairwise(WIDTHS), 1):
        params[f"W{layer}"] = (rng.standard_normal((rows, columns)) * np.sqrt(2 / rows)).astype(dtype)
        params[f"b{layer}"] = (rng.standard_normal(columns) * 0.1).astype(dtype)
    images = rng.random((batch, WIDTHS[0])).astype(dtype)
    labels = np.eye(WIDTHS[-1], dtype=dtype)[rng.integers(WIDTHS[-1], size=batch)]
    return params, images, labels


Step = Callable[[], tuple[Any, dict[str, Any]]]


def contenders(batch: int, dtype: str, threads: int) -> dict[str, Step]:
    """Each gives the loss and the gradients by parameter, as arrays."""
    from by_hand import dense_softmax_cross_entropy
    from networks import digits_members

    from einstan.library.network import Network

    params, X, Y = data(batch, dtype)
    value_and_grad = Network(*digits_members()).value_and_grad("L", wrt=tuple(params))  # type: ignore[arg-type]
    checked, bare = value_and_grad.compile(), value_and_grad.compile(check=False)
    steps: dict[str, Step] = {
        BASE: lambda: dense_softmax_cross_entropy(params, X, Y),
        CHECKED: lambda: checked(params, X=X, Y=Y),
        BARE: lambda: bare(params, X=X, Y=Y),
    }
    if common.installed("torch") and threads == 1:
        steps[EAGER] = torch_step(params, X, Y)
    return steps


def torch_step(params: dict[str, Any], X: Any, Y: Any) -> Step:
    import torch

    torch.set_num_threads(1)
    learned = {name: torch.tensor(array, requires_grad=True) for name, array in params.items()}
    images, labels = torch.tensor(X), torch.tensor(Y)

    def step() -> tuple[Any, dict[str, Any]]:
        hidden = torch.relu(images @ learned["W1"] + learned["b1"])
        hidden = torch.relu(hidden @ learned["W2"] + learned["b2"])
        loss = torch.nn.functional.cross_entropy(hidden @ learned["W3"] + learned["b3"], labels)
        gradients = torch.autograd.grad(loss, list(learned.values()))
        return loss.detach().numpy(), {n: g.numpy() for n, g in zip(learned, gradients, strict=True)}

    return step


def verify(steps: dict[str, Step], batch: int, dtype: str) -> dict[str, float]:
    """The largest error of each contender against the step by hand in float64."""
    import numpy as np
    from by_hand import dense_softmax_cross_entropy

    params, X, Y = data(batch, dtype)
    exact = {name: array.astype(np.float64) for name, array in params.items()}
    loss, gradients = dense_softmax_cross_entropy(exact, X.astype(np.float64), Y.astype(np.float64))
    errors = {}
    for name, step in steps.items():
        found_loss, found = step()
        if found["W1"].dtype != dtype:
            raise common.WrongAnswerError(f"{name}: gradients are {found['W1'].dtype}, the data {dtype}")
        errors[name] = common.check(name, "the loss", found_loss, loss, TOLERANCE[dtype])
        for parameter, gradient in gradients.items():
            error = common.check(name, f"d{parameter}", found[parameter], gradient, TOLERANCE[dtype])
            errors[name] = max(errors[name], error)
    return errors


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_step.py --threads 2 --json step.json")
    options = parser.parse_args()
    common.limit_threads(options.threads)
    record = common.machine()
    print(common.one_line(record))
    cases = [(32, "float64")] if options.quick else [(b, d) for d in ("float64", "float32") for b in (32, 128)]
    results: list[dict[str, Any]] = []
    losses: list[tuple[str, str, str]] = []
    with common.progress(len(cases), "step") as done:
        for batch, dtype in cases:
            case = f"batch {batch}, {dtype}"
            steps = contenders(batch, dtype, options.threads)
            errors = verify(steps, batch, dtype)
            budget, rounds = (0.3, 10) if options.quick else (8.0, 2000)
            times = common.interleaved(steps, budget=budget, rounds=rounds)
            base = times[BASE].median
            rows = []
            for name, time in times.items():
                ratio = time.median / base
                verdict = ("met" if ratio <= TARGET else "missed") if name == CHECKED else ""
                quartiles = f"{common.seconds(time.low)} to {common.seconds(time.high)}"
                error = errors[name]
                rows.append((name, common.seconds(time.median), quartiles, f"{ratio:.2f}", f"{error:.0e}", verdict))
                results.append({"case": case, "contender": name, "time": time, "ratio": ratio, "error": error})
                if name in (CHECKED, BARE):
                    losses += [
                        (case, name, f"{time.median / times[other].median:.2f} times as slow as {other}")
                        for other in (BASE, EAGER)
                        if other in times and time.slower_than(times[other])
                    ]
            columns = ("contender", "median", "quartiles", "ratio", "error", f"at most {TARGET:g}")
            common.table(f"digits step, {case}", columns, rows)
            done(case)
    if common.installed("torch") and options.threads > 1:
        print(f"{EAGER} is left out with {options.threads} threads: its pool and NumPy's slow each other manyfold")
    if losses:
        common.table("rows lost", ("case", "contender", "by"), losses)
    else:
        print("no row is lost")
    common.write_json(options.json, "step", record, {"rows": results, "lost": losses, "target": TARGET})
    return 0


if __name__ == "__main__":
    common.main_guard(run)
