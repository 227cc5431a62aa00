"""How fast is a compiled training step beside one written by hand, and beside the frameworks?

A multilayer perceptron with relu, softmax and cross-entropy: forward, backward and the update of gradient descent, in
four sizes, float32 and float64.  Every contender runs in a process of its own, so that no two pools of threads meet;
they take turns, A B A B, and wait for each other.  The first step of each is compared with the derivative by hand in
float64 before anything is timed.  Ratios are to the expert's NumPy.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import partial
from typing import Any

import common
import workers

CASES = (
    (32, (64, 32, 10)),
    (64, (784, 128, 64, 10)),
    (256, (784, 512, 256, 10)),
    (1024, (1024, 2048, 2048, 1000)),
)
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
TURN = 0.03  # seconds of one contender before the next has its turn


# ---- one contender ---------------------------------------------------------------------------------------------------


def make(name: str, request: Mapping[str, Any], threads: int) -> workers.Made:
    """A step of a contender, and the error of its first one."""
    from step_contenders import CONTENDERS, Case

    case = Case(request["batch"], tuple(request["widths"]), request["dtype"], threads)
    step, params = CONTENDERS[name][0](case)
    loss = step()
    return step, math.nan if loss is None else verified(name, case, loss, params())


def verified(name: str, case: Any, loss: Any, params: Mapping[str, Any]) -> float:
    """The largest error of the loss and the new parameters, and of what was added to them."""
    import numpy as np
    from by_hand import dense_softmax_cross_entropy

    exact = {key: array.astype(np.float64) for key, array in case.params.items()}
    wanted, gradients = dense_softmax_cross_entropy(exact, case.X.astype(np.float64), case.Y.astype(np.float64))
    tolerance = TOLERANCE[case.dtype]
    largest = common.check(name, "the loss", loss, wanted, tolerance)
    for key, gradient in gradients.items():
        found = np.asarray(params[key])
        if found.dtype != case.dtype:
            raise common.WrongAnswerError(f"{name}: {key} is {found.dtype}, the data {case.dtype}")
        largest = max(largest, common.check(name, key, found, exact[key] - 1e-3 * gradient, tolerance))
        change = (exact[key] - found.astype(np.float64)) / 1e-3
        # Rounding of the parameter is most of its error, as often as there are examples where products are added to it.
        roundings = (4 + math.sqrt(case.batch)) * np.finfo(case.dtype).eps / 1e-3
        slack = tolerance + roundings * np.abs(exact[key]).max() / np.abs(gradient).max()
        common.check(name, f"d{key}", change, gradient, float(slack))
    return largest


# ---- all of them -----------------------------------------------------------------------------------------------------


def targets(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the step is to reach, from the medians of every case that was measured."""
    from step_contenders import EXPERT, FAST, NUMPY, PRODUCTS

    cases: dict[str, dict[str, float]] = {}
    for row in rows:
        cases.setdefault(row["case"], {})[row["contender"]] = row["time"].median
    names = {f"batch {batch}, {'-'.join(map(str, widths))}": place for place, (batch, widths) in enumerate(CASES)}
    found: list[dict[str, Any]] = []
    for case, medians in cases.items():
        place = names[case.rpartition(", ")[0]]
        wanted = [(NUMPY, EXPERT, 0.6 if place == 0 else 1.0)]
        wanted += [(FAST, other, 1.0) for other in ("PyTorch eager", "torch.compile", "JAX, jitted")]
        if place == 0:
            wanted += [(FAST, "PyTorch eager", 0.1), (FAST, "JAX, jitted", 0.5)]
        if place >= 2:
            wanted.append((FAST, PRODUCTS, 1.1))
        for mine, other, most in wanted:
            if mine in medians and other in medians:
                ratio = medians[mine] / medians[other]
                found.append({"case": case, "what": f"{mine} / {other}", "ratio": ratio, "most": most,
                              "held": ratio <= most})  # fmt: skip
    return found


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_step.py --threads 2 --json step.json")
    parser.add_argument("--sizes", metavar="N", type=int, default=len(CASES), help="the N smallest sizes alone")
    parser.add_argument("--only", metavar="NAME", action="append", help="time these contenders beside the expert")
    options = parser.parse_args()
    common.limit_threads(options.threads)
    if workers.WORKER in os.environ:
        return workers.answer_requests(partial(make, os.environ[workers.WORKER], threads=options.threads))
    from step_contenders import EXPERT, FAST, FRESH, NUMPY, PRODUCTS, available

    record = common.machine()
    record["versions"] |= {
        name: common.installed(name) for name in ("jax", "numba", "autograd") if common.installed(name)
    }
    print(common.one_line(record))
    names = available()
    if options.quick:
        names = [name for name in names if name in (EXPERT, PRODUCTS, NUMPY, FRESH)]
    if options.only:
        names = [name for name in available() if name == EXPERT or name in options.only]
    sizes = CASES[: 1 if options.quick else options.sizes]
    cases = [(batch, widths, dtype) for dtype in ("float32", "float64") for batch, widths in sizes]
    started = [workers.Worker(__file__, name, options.threads) for name in names]
    results: list[dict[str, Any]] = []
    losses: list[tuple[str, str, str]] = []
    try:
        with common.progress(len(cases), "step") as done:
            for batch, widths, dtype in cases:
                label = f"batch {batch}, {'-'.join(map(str, widths))}, {dtype}"
                request = {"batch": batch, "widths": widths, "dtype": dtype, "turn": TURN}
                budget, rounds = (1.0, 10) if options.quick else (20.0, 60)
                found, failed = workers.in_turns(started, request, rounds, budget)
                base = found[EXPERT][0].median
                rows = []
                for name, (timed, error) in found.items():
                    ratio = timed.median / base
                    quartiles = f"{common.seconds(timed.low)} to {common.seconds(timed.high)}"
                    shown = "" if math.isnan(error) else f"{error:.0e}"
                    rows.append((name, common.seconds(timed.median), quartiles, f"{ratio:.2f}", shown))
                    results.append({"case": label, "contender": name, "time": timed, "ratio": ratio})
                    if name in (NUMPY, FRESH, FAST):
                        losses += [
                            (label, name, f"{timed.median / other.median:.2f} times as slow as {beside}")
                            for beside, (other, _) in found.items()
                            if beside not in (NUMPY, FRESH, FAST, PRODUCTS) and timed.slower_than(other)
                        ]
                common.table(f"step, {label}", ("contender", "median", "quartiles", "ratio", "error"), rows)
                for name, reason in failed.items():
                    print(f"{name} did not run: {reason}")
                done(label)
    finally:
        for worker in started:
            worker.close()
    wanted = targets(results)
    verdicts = [
        (t["case"], t["what"], f"{t['ratio']:.2f}", f"{t['most']:g}", "met" if t["held"] else "missed") for t in wanted
    ]
    common.table("targets", ("case", "ratio", "measured", "at most", "verdict"), verdicts)
    if losses:
        common.table("rows lost", ("case", "contender", "by"), losses)
    else:
        print("no row is lost")
    common.write_json(options.json, "step", record, {"rows": results, "targets": wanted, "lost": losses})
    return 0


if __name__ == "__main__":
    common.main_guard(run)
