"""Is the peak memory that a plan predicts what a call takes?

Every kind of program that the other benchmarks run: training steps of several sizes, with and without the update of
the parameters, with fresh results and in memory that is used again, with NumPy's calls and with numba's loops; the
networks and layers of bench_paths.py; sliding windows; the cores of Hessians.  Each is compiled and called, its answer
is checked, and the peak that the plan of the compiled code predicts (memory laid out beforehand, and what a call
makes, its results included) is held against Python's own accounting of memory (tracemalloc: what is laid out by the
domain of NumPy's arrays, a call by its whole peak).

A prediction that is more than a tenth off is a row that is lost.  The accounting of a call counts Python's objects
too, some 4 kB: a difference of less is not judged.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import common

ALLOWED = 0.1
OBJECTS = 4096  # bytes of Python's objects
KINKS = {"float32": 2e-2, "float64": 1e-10}  # in float32 a relu may be on the other side of its kink


@dataclass(frozen=True)
class Program:
    """A name, and what compiles it, checks an answer, and gives the plan of the code with arrays for a call."""

    kind: str
    name: str
    plan: Callable[[], tuple[Any, dict[str, Any] | None]]


def programs(quick: bool) -> Iterator[Program]:
    yield from steps(quick)
    yield from networks(quick)
    yield from sliding(quick)
    yield from hessians(quick)


def steps(quick: bool) -> Iterator[Program]:
    from bench_step import CASES

    ways: dict[str, dict[str, Any]] = {
        "gradients": {"update": False},
        "update": {"update": True},
        "update, reuse_buffers": {"update": True, "reuse_buffers": True},
        "update, any_size": {"update": True, "any_size": True},
    }
    if common.installed("numba"):
        ways["update, fast"] = {"update": True, "fast": True}
    for batch, widths in CASES[: 2 if quick else len(CASES)]:
        for way, options in ways.items():
            if quick and options.get("fast"):
                continue
            for dtype in ("float32",) if quick or batch > 512 else ("float32", "float64"):
                name = f"batch {batch}, {'-'.join(map(str, widths))}, {dtype}: {way}"
                yield Program("step", name, partial(step, batch, widths, dtype, **options))


def step(batch: int, widths: tuple[int, ...], dtype: str, update: bool, **options: Any) -> tuple[Any, None]:
    import numpy as np
    from bench_step import verified
    from by_hand import dense_softmax_cross_entropy
    from perceptron import Perceptron, network
    from step_contenders import RATE

    from einstan.library.optimisers import SGD

    case = Perceptron(batch, widths, dtype)
    gradients = network(case).value_and_grad("L")
    options = {"fast": False, **options}
    if update:
        optimiser = SGD(RATE)
        compiled = gradients.compile(update=optimiser, **options)
        loss, params, _ = compiled(case.params, optimiser.init(case.params), X=case.X, Y=case.Y)
        verified("einstan", case, loss, params)
    else:
        compiled = gradients.compile(**options)
        loss, found = compiled(case.params, X=case.X, Y=case.Y)
        exact = {name: array.astype(np.float64) for name, array in case.params.items()}
        wanted = dense_softmax_cross_entropy(exact, case.X.astype(np.float64), case.Y.astype(np.float64))
        for name, gradient in wanted[1].items():
            common.check("einstan", f"d{name}", found[name], gradient, KINKS[dtype])
    return compiled.plan, None


def networks(quick: bool) -> Iterator[Program]:
    from bench_paths import TOLERANCE, cases

    from einstan.machine.run.compile import compile as compile_program

    def made(case: Any) -> tuple[Any, dict[str, Any]]:
        compiled = compile_program(case.program, case.outputs, fast=False)
        answer = compiled(**case.arrays)
        for output in case.outputs:
            what = f"{output} of {case.name}"
            common.check("einstan", what, answer[output], case.expected[output], TOLERANCE)
        return compiled.plan, case.arrays

    for case in cases(quick):
        yield Program("network", case.name, partial(made, case))


def sliding(quick: bool) -> Iterator[Program]:
    import numpy as np
    from bench_conv import CASES, TOLERANCE, compiled, data, reference

    def made(case: Any, dtype: str) -> tuple[Any, dict[str, Any]]:
        X, W, C = data(case, dtype)
        run, arrays = compiled(case, X, W, C, fast=False)
        exact = reference(case, *(None if a is None else a.astype(np.float64) for a in (X, W, C)))
        for (what, answer), right in zip(run(arrays).items(), exact, strict=False):
            common.check("einstan", what, answer, right, TOLERANCE[dtype])
        return run.plan, arrays

    for case in CASES[: 1 if quick else len(CASES)]:
        for dtype in ("float32", "float64"):
            yield Program("windows", f"{case.name}, {dtype}", partial(made, case, dtype))


def hessians(quick: bool) -> Iterator[Program]:
    import numpy as np
    from hessians import PROBLEMS

    import einstan as es

    def made(problem: Any, size: tuple[int, ...]) -> tuple[Any, dict[str, Any]]:
        given = problem.data(*size)
        derivative = es.Program(problem.text).derivative(problem.of, *[problem.wrt] * problem.order).compile(fast=False)
        found = derivative({name: given[name] for name in derivative.inputs})
        common.check("einstan", problem.name, found.dense(), np.asarray(problem.dense(given)), 1e-9)
        return derivative.plan, given

    for problem in PROBLEMS:
        for size in problem.sizes[:1] if quick else problem.sizes[-2:]:
            name = f"{problem.name}, {' x '.join(map(str, size))}"
            yield Program("Hessian", name, partial(made, problem, size))


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_memory.py --json memory.json")
    parser.add_argument("--only", metavar="NAME", help="the programs whose kind or name contains this")
    options = parser.parse_args()
    common.limit_threads(options.threads)
    record = common.machine()
    print(common.one_line(record))
    wanted = (options.only or "").lower()
    chosen = [p for p in programs(options.quick) if wanted in p.name.lower() or wanted == p.kind.lower()]
    if not chosen:
        print(f"no program is named {options.only!r}", file=sys.stderr)
        return 2
    rows: list[dict[str, Any]] = []
    lost = []
    with common.progress(len(chosen), "memory") as done:
        for program in chosen:
            made, arrays = program.plan()
            predicted, measured = made.peak_memory, made.measure(arrays)
            ratio = predicted / measured
            rows.append({"kind": program.kind, "case": program.name, "predicted": predicted, "measured": measured,
                         "laid_out": made.code.memory, "ratio": ratio})  # fmt: skip
            if abs(predicted - measured) > OBJECTS and abs(ratio - 1) > ALLOWED:
                lost.append((program.name, "prediction", f"{ratio:.3f} of what was measured"))
            done(program.name)
    lines = [
        (r["kind"], r["case"], f"{r['laid_out']:,}", f"{r['predicted']:,}", f"{r['measured']:,}", f"{r['ratio']:.3f}")
        for r in rows
    ]
    common.table("peak memory, bytes", ("kind", "program", "laid out", "predicted", "measured", "ratio"), lines)
    if lost:
        common.table("rows lost", ("program", "what", "by"), lost)
    else:
        print("no row is lost")
    common.write_json(options.json, "memory", record, {"rows": rows, "lost": lost})
    return 0


if __name__ == "__main__":
    common.main_guard(run)
