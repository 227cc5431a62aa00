"""How does the time to parse, derive, print, prove and plan grow with the depth and the width of a network?

Chains of dense and tanh layers with a mean squared error, and sums of as many branches that all read one tensor, each
size in fresh processes, so that nothing is remembered from one to the next.  One thread does all of it, and what is
measured is the processor's time, so that other work on the machine hardly counts.  No expression may swell: the longest
derived equation of a chain is as long for a thousand layers as for five, and the number of equations grows linearly.
The derived gradients are compared with backpropagation written by hand, and every printed equation is parsed again.

The exit status is 1 if the time to derive grows faster than half as much again as the depth, t(1000)/t(100) <= 15, or
if an equation grows; the seconds are targets, met or missed, and change nothing.  "prove" is a proof of every dZ from
the definition of its A, "plan" includes the flattening, and "compile" includes a plan and the first call.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import common
from common import Timing, WrongAnswerError

DEPTHS, WIDTHS, REPEATS = (5, 50, 100, 200, 500, 1000), (5, 50, 200), 3
QUICK_DEPTHS, QUICK_WIDTHS, QUICK_REPEATS = (5, 20, 40), (5, 20), 1
SELDOM = 500  # layers from which one run is enough, as long as the many of smaller ones
GROWTH = 1.5  # the ratio of times over the ratio of depths that is still linear
TARGETS = {200: 1.0, 1000: 5.0}  # seconds to derive
STAGES = ("parse", "sort", "derive", "print", "prove", "plan", "compile")
SIZES = {"rows": 4, "width": 3}
TOLERANCE = 1e-9


# ---- one depth, in a process of its own ------------------------------------------------------------------------------


def chain(depth: int) -> list[str]:
    """The equations of the chain.  Layers have numbers of four digits, so names are equally long at any depth."""
    lines = []
    for layer in range(1, depth + 1):
        source = f"A{layer - 1:04}" if layer > 1 else "X0000"
        lines.append(f"Z{layer:04}[n,j] = {source}[n,K] W{layer:04}[K,j] + b{layer:04}[j]")
        lines.append(f"A{layer:04}[n,j] = tanh(Z{layer:04}[n,j])")
    lines.append(f"L = 1/(|N| |J|) (A{depth:04}[N,J] - Y[N,J])^2")
    return lines


def parameters(depth: int) -> list[str]:
    return [f"{letter}{layer:04}" for layer in range(1, depth + 1) for letter in "Wb"]


def branches(width: int) -> list[str]:
    """The equations of a sum of branches."""
    lines = []
    for k in range(1, width + 1):
        lines.append(f"Z{k:04}[n,j] = X0000[n,K] W{k:04}[K,j]")
        lines.append(f"A{k:04}[n,j] = tanh(Z{k:04}[n,j])")
    lines.append("S[n,j] = " + " + ".join(f"A{k:04}[n,j]" for k in range(1, width + 1)))
    lines.append("L = 1/(|N| |J|) (S[N,J] - Y[N,J])^2")
    return lines


def one(size: int, wide: bool = False) -> dict[str, Any]:
    """The seconds of every stage, and what came out of it."""
    import numpy as np

    from einstan.calculus.backward import backward, joined
    from einstan.calculus.program import Program
    from einstan.language import parse
    from einstan.machine.plan.plan import plan
    from einstan.machine.run.compile import compile as compile_program

    lines, wrt, stages = chain(size), parameters(size), {}
    if wide:
        lines, wrt = branches(size), ["X0000", *(f"W{k:04}" for k in range(1, size + 1))]

    def stage(name: str, call: Callable[[], Any]) -> Any:
        gc.collect()
        result, stages[name] = common.timed(call, clock=time.process_time)
        return result

    equations = stage("parse", lambda: [parse(line) for line in lines])
    program = stage("sort", lambda: Program(equations))
    derived = stage("derive", lambda: backward(program, "L", wrt))
    text = stage("print", lambda: str(derived))
    stage("prove", lambda: proved(program, derived, size))
    both, outputs = joined(program, derived), ("L", *(f"d{name}" for name in wrt))
    rng = np.random.default_rng(size)
    rows, width = SIZES["rows"], SIZES["width"]
    arrays = {"X0000": rng.standard_normal((rows, width)), "Y": rng.standard_normal((rows, width))}
    for name in (name for name in wrt if name not in arrays):
        arrays[name] = rng.standard_normal((width, width) if name[0] == "W" else (width,))
    shapes: dict[Any, Any] = {name: array.shape for name, array in arrays.items()}
    made = stage("plan", lambda: plan(both, outputs=outputs, shapes=shapes))
    answer = stage("compile", lambda: compile_program(both, outputs)(**arrays))
    verify(size, derived, text, answer, arrays, wide)
    patterns = sorted({re.sub(r"\d{4}", "#", line) for line in text.splitlines()})
    return {
        "depth": size,
        "stages": stages,
        "equations": len(derived),
        "longest": max(map(len, text.splitlines())),
        "patterns": patterns,
        "steps": len(made.steps),
    }


def proved(program: Any, derived: Any, size: int) -> None:
    """Every dZ is what a person would claim, with the definition of its A put in."""
    from einstan.calculus.program import Program
    from einstan.calculus.proof import prove
    from einstan.language import parse
    from einstan.language.term import Apply, Equation

    for k in range(1, size + 1):
        found = derived[f"dZ{k:04}"]
        above = f"dA{k:04}" if f"dA{k:04}" in derived.defined else "dS"
        claim = parse(f"C[n,j] = {above}[n,j] - tanh(Z{k:04}[n,j])^2 {above}[n,j]")
        line = Equation("C", claim.indices, Apply("=", (found.rhs, claim.rhs)))
        whole = Program((program[f"A{k:04}"], line))
        claimed: Any = whole.resolved(line).rhs
        left, right = claimed.arguments
        if not prove(left, right, {f"A{k:04}": whole.resolved(program[f"A{k:04}"])}).proved:
            raise WrongAnswerError(f"einstan: {found} is not proved")


def verify(size: int, derived: Any, text: str, answer: Any, arrays: Any, wide: bool) -> None:
    """The gradients are those written by hand, and what is printed parses to what was derived."""
    from by_hand import tanh_branches, tanh_chain

    from einstan.language import parse

    if wide:
        loss, gradients = tanh_branches(arrays, size)
    else:
        loss, gradients = tanh_chain(arrays, arrays["X0000"], arrays["Y"], size)
    what = f"{size} {'branches' if wide else 'layers'}"
    common.check("einstan", f"the loss of {what}", answer["L"], loss, TOLERANCE)
    for name, gradient in gradients.items():
        common.check("einstan", f"d{name} of {what}", answer[f"d{name}"], gradient, TOLERANCE)
    for line, equation in zip(text.splitlines(), derived, strict=True):
        if parse(line) is not equation:
            raise WrongAnswerError(f"einstan: {line} parses to another equation than the one that is printed")


def in_fresh_process(size: int, threads: int, wide: bool = False) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", str(size), "--threads", str(threads), *["--wide"] * wide]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        *_, last = answer.stderr.strip().splitlines() or [""]
        if last.startswith("refused: "):
            raise WrongAnswerError(last.removeprefix("refused: "))
        sys.exit(f"{answer.stderr}the process that measures {size} ended with status {answer.returncode}")
    result: dict[str, Any] = json.loads(answer.stdout)
    return result


def profile(depth: int) -> None:
    """Where the time to derive goes, as cProfile sees it."""
    import cProfile
    import pstats

    from einstan.calculus.backward import backward
    from einstan.calculus.program import Program
    from einstan.language import parse

    program = Program([parse(line) for line in chain(depth)])
    profiler = cProfile.Profile()
    derived = profiler.runcall(backward, program, "L", parameters(depth))
    profiler.runcall(str, derived)
    for order in ("tottime", "cumulative"):
        pstats.Stats(profiler).sort_stats(order).print_stats(25)


# ---- all depths ------------------------------------------------------------------------------------------------------


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_derive.py --json derive.json")
    parser.add_argument("--profile", metavar="DEPTH", type=int, help="profile deriving and printing one chain instead")
    parser.add_argument("--one", metavar="DEPTH", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--wide", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    common.limit_threads(options.threads)
    if options.one is not None:
        print(json.dumps(one(options.one, options.wide)))
        return 0
    if options.profile is not None:
        profile(options.profile)
        return 0
    record = common.machine()
    print(common.one_line(record))
    depths, widths, repeats = (
        (QUICK_DEPTHS, QUICK_WIDTHS, QUICK_REPEATS) if options.quick else (DEPTHS, WIDTHS, REPEATS)
    )
    found: dict[int, list[dict[str, Any]]] = {depth: [] for depth in depths}
    wide: dict[int, list[dict[str, Any]]] = {width: [] for width in widths}
    with common.progress((len(depths) + len(widths)) * repeats, "derive") as done:
        for turn in range(repeats):  # in turn, so that a slow minute is shared
            for depth in (depth for depth in depths if turn == 0 or depth < SELDOM):
                found[depth].append(in_fresh_process(depth, options.threads))
                done(f"{depth} layers")
            for width in widths:
                wide[width].append(in_fresh_process(width, options.threads, True))
                done(f"{width} branches")
    times, times_wide = (
        {
            size: {stage: common.timing([run["stages"][stage] for run in runs]) for stage in STAGES}
            for size, runs in each.items()
        }
        for each in (found, wide)
    )
    show("dense–tanh chains, all gradients", "layers", found, times)
    print("the kinds of derived equations:", *found[depths[-1]][0]["patterns"], sep="\n  ")
    show("sums of branches that read one tensor, all gradients", "branches", wide, times_wide)
    checks = verdicts(found, times, options.quick)
    common.table(
        "checks and targets",
        ("what", "measured", "wanted", "verdict"),
        [(c["what"], c["measured"], c["wanted"], ("holds" if c["check"] else "met") if c["held"] else
          ("FAILS" if c["check"] else "missed")) for c in checks],
    )  # fmt: skip
    rows, rows_wide = (
        [
            {key: runs[0][key] for key in ("depth", "equations", "longest", "steps")} | {"seconds": timed[size]}
            for size, runs in each.items()
        ]
        for each, timed in ((found, times), (wide, times_wide))
    )
    results = {
        "depths": rows,
        "widths": rows_wide,
        "equation_patterns": found[depths[-1]][0]["patterns"],
        "checks": checks,
    }
    common.write_json(options.json, "derive", record, results)
    return 0 if all(c["held"] for c in checks if c["check"]) else 1


def show(title: str, what: str, found: dict[int, list[dict[str, Any]]], times: dict[int, dict[str, Timing]]) -> None:
    lines = []
    for size, runs in found.items():
        spread = times[size]["derive"]
        lines.append(
            (
                str(size),
                *(common.seconds(times[size][stage].median) for stage in STAGES),
                str(runs[0]["equations"]),
                str(runs[0]["longest"]),
                f"{common.seconds(spread.low)} to {common.seconds(spread.high)}",
            )
        )
    columns = (what, *STAGES, "equations", "longest", "quartiles of derive")
    common.table(title, columns, lines)


def verdicts(
    found: dict[int, list[dict[str, Any]]], times: dict[int, dict[str, Timing]], quick: bool
) -> list[dict[str, Any]]:
    """What must hold (a check), and what is hoped for (a target).  Times of a quick run are too short to be a check."""
    depths = list(found)
    large = depths[-1]
    small = 100 if large > 100 else depths[-2]
    limit = GROWTH * large / small
    checks: list[dict[str, Any]] = []

    def add(what: str, measured: str, wanted: str, held: bool, check: bool) -> None:
        checks.append({"what": what, "measured": measured, "wanted": wanted, "held": held, "check": check})

    for stage in STAGES:
        ratio = times[large][stage].median / times[small][stage].median
        wanted = f"at most {limit:.3g}"
        add(f"{stage}: t({large})/t({small})", f"{ratio:.1f}", wanted, ratio <= limit, stage == "derive" and not quick)
    lengths = {depth: runs[0]["longest"] for depth, runs in found.items()}
    add(
        "the longest equation", f"{lengths[large]} characters", f"at most {lengths[depths[0]]}",
        lengths[large] <= lengths[depths[0]], True,
    )  # fmt: skip
    per_layer = [(found[b][0]["equations"] - found[a][0]["equations"]) / (b - a) for a, b in pairwise(depths)]
    add("equations per layer", f"{per_layer[-1]:.3g}", f"{per_layer[0]:.3g}", len(set(per_layer)) == 1, True)
    for depth, target in TARGETS.items():
        if depth in times:
            took = times[depth]["derive"].median
            add(f"derive {depth} layers", common.seconds(took), f"under {target:g} s", took < target, False)
    return checks


if __name__ == "__main__":
    common.main_guard(run)
