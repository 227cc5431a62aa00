"""How fast is a compiled training step beside one written by hand, and beside the frameworks?

A multilayer perceptron with relu, softmax and cross-entropy: forward, backward and the update of gradient descent, in
four sizes, float32 and float64.  Every contender runs in a process of its own, so that no two pools of threads meet;
they take turns, A B A B, and wait for each other.  The first step of each is compared with the derivative by hand in
float64 before anything is timed.  Ratios are to the expert's NumPy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import common

CASES = (
    (32, (64, 32, 10)),
    (64, (784, 128, 64, 10)),
    (256, (784, 512, 256, 10)),
    (1024, (1024, 2048, 2048, 1000)),
)
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
TURN = 0.03  # seconds of one contender before the next has its turn
WORKER = "EINSTAN_BENCH_WORKER"


# ---- one contender ---------------------------------------------------------------------------------------------------


def work(name: str, threads: int) -> int:
    """Answer requests, a line of JSON each: to prepare a case and check it, to run for a while, to stop."""
    from step_contenders import CONTENDERS, Case

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print is no answer
    step: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "prepare":
            step = None
            case = Case(request["batch"], tuple(request["widths"]), request["dtype"], threads)
            try:
                step, params = CONTENDERS[name][0](case)
                loss = step()
                answer: dict[str, Any] = {"error": verified(name, case, loss, params()) if loss is not None else None}
            except common.WrongAnswerError as error:
                answer = {"wrong": str(error)}
            except Exception as error:
                answer = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
            if "error" in answer:
                quickest = min(common.timed(step)[1] for _ in range(3))
                repeats = max(1, round(TURN / max(quickest, 1e-7)))
        else:
            start = time.perf_counter()
            for _ in range(repeats):
                step()
            answer = {"seconds": (time.perf_counter() - start) / repeats}
        print(json.dumps(answer), file=answers, flush=True)
    return 0


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
        change = (exact[key] - found.astype(np.float64)) / 1e-3  # rounding of the parameters is most of its error
        slack = tolerance + 4e3 * np.finfo(case.dtype).eps * np.abs(exact[key]).max() / np.abs(gradient).max()
        common.check(name, f"d{key}", change, gradient, float(slack))
    return largest


# ---- all of them -----------------------------------------------------------------------------------------------------


class Worker:
    """A contender in a process of its own."""

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        environment = {**os.environ, WORKER: name}
        # One wheel's threads must not wait for the other's in the same core: pools are limited like everywhere.
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--threads", str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        return json.loads(answer) if answer else {"failed": "the process ended"}

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def measured(workers: list[Worker], case: dict[str, Any], budget: float, rounds: int) -> tuple[dict[str, Any], Any]:
    """Times and errors by contender, and what could not run."""
    errors: dict[str, Any] = {}
    failed: list[tuple[str, str]] = []
    for worker in workers:
        answer = worker.ask(do="prepare", **case)
        if "wrong" in answer:
            raise common.WrongAnswerError(answer["wrong"])
        if "failed" in answer:
            failed.append((worker.name, answer["failed"]))
        else:
            errors[worker.name] = answer["error"]
    running = [worker for worker in workers if worker.name in errors]
    times: dict[str, list[float]] = {worker.name: [] for worker in running}
    begin = time.perf_counter()
    for turn in range(rounds):
        if turn >= 3 and time.perf_counter() - begin > budget:
            break
        for worker in running:
            times[worker.name].append(worker.ask(do="run")["seconds"])
    return {name: (common.timing(found), errors[name]) for name, found in times.items()}, failed


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
    if WORKER in os.environ:
        return work(os.environ[WORKER], options.threads)
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
    workers = [Worker(name, options.threads) for name in names]
    results: list[dict[str, Any]] = []
    losses: list[tuple[str, str, str]] = []
    try:
        with common.progress(len(cases), "step") as done:
            for batch, widths, dtype in cases:
                label = f"batch {batch}, {'-'.join(map(str, widths))}, {dtype}"
                request = {"batch": batch, "widths": widths, "dtype": dtype}
                budget, rounds = (1.0, 10) if options.quick else (15.0, 60)
                found, failed = measured(workers, request, budget, rounds)
                base = found[EXPERT][0].median
                rows = []
                for name, (timed, error) in found.items():
                    ratio = timed.median / base
                    quartiles = f"{common.seconds(timed.low)} to {common.seconds(timed.high)}"
                    shown = "" if error is None else f"{error:.0e}"
                    rows.append((name, common.seconds(timed.median), quartiles, f"{ratio:.2f}", shown))
                    results.append({"case": label, "contender": name, "time": timed, "ratio": ratio, "error": error})
                    if name in (NUMPY, FRESH, FAST):
                        losses += [
                            (label, name, f"{timed.median / other.median:.2f} times as slow as {beside}")
                            for beside, (other, _) in found.items()
                            if beside not in (NUMPY, FRESH, FAST, PRODUCTS) and timed.slower_than(other)
                        ]
                common.table(f"step, {label}", ("contender", "median", "quartiles", "ratio", "error"), rows)
                for name, reason in failed:
                    print(f"{name} did not run: {reason}")
                done(label)
    finally:
        for worker in workers:
            worker.close()
    wanted = targets(results)
    shown = [
        (t["case"], t["what"], f"{t['ratio']:.2f}", f"{t['most']:g}", "met" if t["held"] else "missed") for t in wanted
    ]
    common.table("targets", ("case", "ratio", "measured", "at most", "verdict"), shown)
    if losses:
        common.table("rows lost", ("case", "contender", "by"), losses)
    else:
        print("no row is lost")
    common.write_json(options.json, "step", record, {"rows": results, "targets": wanted, "lost": losses})
    return 0


if __name__ == "__main__":
    common.main_guard(run)
