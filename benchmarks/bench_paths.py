"""Which contraction order is best, and what does it cost to find it?

For a dozen networks, for their derived gradients, and for the library's own layers forward and backward: one table
each, a row per optimizer, with FLOPs, the largest array, the time to plan and the time to run.  Every result is
compared with an independent reference before it is timed.  All rows run through the library's own compiled code, so
that they differ in the order alone; "one einsum" is a single call of np.einsum.  Plans that come out the same are run
once.

Then every network beside what a user would call instead (opt_einsum, np.einsum), and with the gradients of all its
operands beside a path for each gradient, opt_einsum's shared intermediates, PyTorch and jitted JAX: each contender in a
process of its own, float64 and float32.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import common
import contract_contenders
import gradients
import workers
from common import Timing
from optimizers import TooManyOperandsError, optimizers

MOST_FLOPS, MOST_FLOPS_QUICK = 1e10, 1e8  # a naive order that takes more is not run
MOST_ENTRIES = 5e7
ONE_EINSUM_SHARE = 0.05  # of these for one einsum, whose loop is not a matrix product
QUICK_BACKWARD = ("bilinear form", "Tucker", "hyperedge")
TOLERANCE = 1e-9
DEFAULT = "einstan (default)"
SEPARATE = "separate paths"
NAIVE = ("one einsum", "left to right")


@dataclass
class Case:
    """A program, its arrays, what it must give, and which question it stands for."""

    name: str
    program: Any
    outputs: tuple[str, ...]
    arrays: Mapping[str, Any]
    expected: Mapping[str, Any]
    text: str
    one_einsum: Callable[[], Any] | None = None
    one_einsum_cost: int = 0


@dataclass
class Row:
    """One line of a table; what was not run has a reason instead of numbers."""

    optimizer: str
    flops: float | None = None
    largest: int | None = None
    planning: float | None = None
    time: Timing | None = None
    error: float | None = None
    same_as: str = ""
    skipped: str = ""
    make: Callable[[], Callable[[], object]] | None = field(default=None, repr=False)
    steps: tuple[object, ...] = ()

    def to_dict(self, best: float) -> dict[str, Any]:
        names = ("optimizer", "flops", "largest", "planning", "time", "error", "same_as", "skipped")
        kept = {name: getattr(self, name) for name in names if getattr(self, name) not in (None, "")}
        return kept | ({"ratio": self.flops / best} if self.flops is not None else {})


# ---- the cases -------------------------------------------------------------------------------------------------------


def cases(quick: bool) -> Iterator[Case]:
    import numpy as np
    from by_hand import Text, one_einsum_cost
    from networks import contractions, small_networks

    from einstan.calculus.backward import backward, joined
    from einstan.calculus.program import Program
    from einstan.language import parse
    from einstan.library.network import Network

    rng = np.random.default_rng(0)
    for contraction in contractions(quick):
        text = Text.read(contraction.text)
        arrays = {name: rng.standard_normal(shape) for name, shape in text.shapes(contraction.sizes).items()}
        equation = parse(contraction.text)
        yield Case(
            contraction.name,
            Program([equation]),
            (text.output,),
            arrays,
            {text.output: text.value(arrays)},
            contraction.text,
            einsum_at_once(text, arrays),
            one_einsum_cost(text, contraction.sizes),
        )
        if contraction.backward and not (quick and contraction.name not in QUICK_BACKWARD):
            loss = text.output
            equations, cotangent = [equation], np.ones(())
            if text.indices:
                slots = ",".join(index.capitalize() for index in text.indices)
                equations.append(parse(f"loss = cotangent[{slots}] {text.output}[{slots}]"))
                cotangent = rng.standard_normal(tuple(contraction.sizes[index] for index in text.indices))
                loss = "loss"
            program = Program(equations)
            derived = backward(program, loss, tuple(arrays))
            gradients = text.gradients(arrays, cotangent)
            yield Case(
                f"{contraction.name}, forward and backward",
                joined(program, derived),
                (text.output, *(f"d{name}" for name in gradients)),
                arrays | ({"cotangent": cotangent} if text.indices else {}),
                {text.output: text.value(arrays)} | {f"d{name}": gradient for name, gradient in gradients.items()},
                _first_lines(str(derived)),
            )
    for small in small_networks(quick):
        step = Network(*small.members()).value_and_grad("L", wrt=small.wrt)
        outputs = ("L", *(f"d{name}" for name in small.wrt))
        yield Case(
            f"layer: {small.name}",
            step.program,
            outputs,
            small.arrays,
            small.answer(small.arrays),
            _first_lines(str(step.backward)),
        )


def _first_lines(text: str, most: int = 8) -> str:
    lines = text.splitlines()
    return "\n".join(lines if len(lines) <= most else [*lines[:most], f"... and {len(lines) - most} more equations"])


def einsum_at_once(text: Any, arrays: Mapping[str, Any]) -> Callable[[], Any]:
    """One call of np.einsum over every index at once, with integers for indices."""
    import numpy as np

    number: dict[str, int] = {}
    arguments: list[Any] = []
    for name, indices in text.operands:
        arguments += [arrays[name], [number.setdefault(index, len(number)) for index in indices]]
    arguments.append([number[index] for index in text.indices])
    return lambda: np.einsum(*arguments, optimize=False)


# ---- one table -------------------------------------------------------------------------------------------------------


def measure(case: Case, quick: bool) -> list[Row]:
    """A row per optimizer: planned, checked, and then timed in turn with the others."""
    rows: list[Row] = []
    limit = MOST_FLOPS_QUICK if quick else MOST_FLOPS
    if case.one_einsum is not None:
        rows.append(at_once(case, limit * ONE_EINSUM_SHARE))
    for name, optimizer in optimizers().items():
        rows.append(planned(case, name, optimizer, limit))
        if optimizer.most == 0 and not rows[-1].skipped:  # nothing to choose: two operands at a time
            rows[-1].optimizer = "any: two operands at most"
            break
    else:
        rows.append(planned(case, DEFAULT, "auto", limit))
        if case.one_einsum is None:
            rows.append(separate(case))
    first: dict[Any, Row] = {}
    contenders: dict[str, Callable[[], object]] = {}
    for row in rows:
        if row.make is not None and first.setdefault(row.steps, row) is row:
            contenders[row.optimizer] = call = row.make()
            row.error = verified(case, row.optimizer, call())
    effort: dict[str, Any] = (
        {"budget": 0.03, "rounds": 3, "least": 1, "turn_seconds": 2e-4, "calibration": 1}
        if quick
        else {"budget": 2.0, "rounds": 100, "least": 5}
    )
    times = common.interleaved(contenders, **effort)
    for row in rows:
        if row.make is not None:  # plans that are the same are run once
            same = first[row.steps]
            row.time, row.error = times[same.optimizer], same.error
            row.same_as = "" if same is row else same.optimizer
    return rows


def at_once(case: Case, limit: float) -> Row:
    row = Row("one einsum", case.one_einsum_cost, case.expected[case.outputs[0]].size, 0.0)
    if case.one_einsum_cost > limit:
        row.skipped = f"more than {limit:.0g} FLOPs in one loop"
        return row
    compute = case.one_einsum
    assert compute is not None
    row.make = lambda: lambda: {case.outputs[0]: compute()}
    row.steps = ("one einsum",)
    return row


def separate(case: Case) -> Row:
    """Every contraction by itself, each on the path of opt_einsum's auto: counted, and not run."""
    from einstan.machine.plan.plan import plan

    shapes: dict[Any, Any] = {tensor: array.shape for tensor, array in case.arrays.items()}
    made = plan(case.program, outputs=case.outputs, shapes=shapes)
    return Row(SEPARATE, made.separate_flops, skipped="counted only")


def planned(case: Case, name: str, optimize: Any, limit: float) -> Row:
    """A plan by one optimizer, and the compiled code that follows it."""
    from einstan.language.errors import DataError
    from einstan.machine.plan.plan import plan
    from einstan.machine.run.compile import compile as compile_program

    shapes: dict[Any, Any] = {tensor: array.shape for tensor, array in case.arrays.items()}
    try:
        made = plan(case.program, outputs=case.outputs, optimize=optimize, shapes=shapes)
    except TooManyOperandsError as reason:
        return Row(name, skipped=str(reason))
    except DataError as reason:
        return Row(name, skipped=reason.problem)
    steps = tuple((step.einsum, step.shape) for step in made.steps) or (name,)
    row = Row(name, made.flops, made.largest_intermediate, made.search_seconds, steps=steps)
    if name in NAIVE and (made.flops > limit or made.largest_intermediate > MOST_ENTRIES):
        row.skipped = f"more than {limit:.0g} FLOPs, or an array of more than {MOST_ENTRIES:.0g} entries"
        return row

    def make() -> Callable[[], object]:
        compiled = compile_program(case.program, case.outputs, optimize=optimize)
        return lambda: compiled(**case.arrays)

    row.make = make
    return row


def verified(case: Case, name: str, found: Any) -> float:
    """The largest relative error over all outputs."""
    return max(
        common.check(name, f"{output} of {case.name}", found[output], case.expected[output], TOLERANCE)
        for output in case.outputs
    )


# ---- what is shown ---------------------------------------------------------------------------------------------------


def show(case: Case, rows: list[Row]) -> float:
    best = min(row.flops for row in rows if row.flops is not None)
    lines = []
    for row in rows:
        result = row.skipped and f"skipped: {row.skipped}"
        if row.error is not None:
            result = f"equal ({row.error:.0e})" + (f"; the plan of {row.same_as}" if row.same_as else "")
        ratio = "" if row.flops is None else f"{row.flops / best:.3g}"
        time, spread = "", ""
        if row.time is not None:
            time = common.seconds(row.time.median)
            spread = f"{common.seconds(row.time.low)} to {common.seconds(row.time.high)}"
        numbers = (common.count(row.flops), ratio, common.count(row.largest), common.seconds(row.planning))
        lines.append((row.optimizer, *numbers, time, spread, result))
    columns = ("optimizer", "FLOPs", "ratio", "largest array", "planning", "run time", "quartiles", "result")
    common.table(case.name, columns, lines, note=case.text)
    return best


def lost(case: Case, rows: list[Row]) -> list[tuple[str, str, str]]:
    """Rows that are slower than a naive order, and a default that is not the best."""
    found = []
    ran = [(row.optimizer, row.time, row.flops) for row in rows if row.time is not None and row.flops is not None]
    for name, time, flops in ran:
        if name not in NAIVE:
            found += [
                (case.name, name, f"{time.median / other.median:.2f} times as slow as {naive}")
                for naive, other, _ in ran
                if naive in NAIVE and time.slower_than(other)
            ]
        if name == DEFAULT:
            fewest, _, least = min(ran, key=lambda each: each[2])
            fastest, best, _ = min(ran, key=lambda each: each[1].median)
            if flops > least:
                found.append((case.name, name, f"{flops / (least or 1):.3g} times the FLOPs of {fewest}"))
            if time.slower_than(best):
                found.append((case.name, name, f"{time.median / best.median:.2f} times as slow as {fastest}"))
    return found


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_paths.py --only tucker --json tucker.json")
    parser.add_argument("--only", metavar="NAME", help="the cases whose name contains this")
    options = parser.parse_args()
    common.limit_threads(options.threads)
    if workers.WORKER in os.environ:
        return workers.answer_requests(partial(contract_contenders.make, os.environ[workers.WORKER]))
    record = common.machine()
    packages = {"jax": common.installed("jax")}
    record["versions"] |= {name: version for name, version in packages.items() if version}
    print(common.one_line(record))
    chosen = [case for case in cases(options.quick) if (options.only or "").lower() in case.name.lower()]
    if not chosen:
        names = [case.name for case in cases(options.quick)]
        print(f"no case is named {options.only!r}; there are:", *names, sep="\n  ", file=sys.stderr)
        return 2
    results, losses = [], []
    with common.progress(len(chosen), "paths") as done:
        for case in chosen:
            rows = measure(case, options.quick)
            best = show(case, rows)
            losses += lost(case, rows)
            results.append({"case": case.name, "equations": case.text, "rows": [row.to_dict(best) for row in rows]})
            done(case.name)
    flops = [] if options.only else gradients.counted(options.quick)
    times, missing = gradients.timed(options.quick, options.threads, (options.only or "").lower())
    gradients.show(times, missing, flops)
    losses += [*gradients.flops_lost(flops), *gradients.time_lost(times)]
    if losses:
        common.table("rows lost", ("case", "contender", "by"), losses)
    else:
        print("no row is lost")
    common.write_json(
        options.json,
        "paths",
        record,
        {"cases": results, "gradients": flops, "times": times, "not_run": missing, "lost": losses},
    )
    return 0


if __name__ == "__main__":
    common.main_guard(run)
