"""How does the time to parse, derive, print and plan grow with the depth of a network?

Chains of dense and tanh layers with a mean squared error, each depth in fresh processes, so that nothing is
remembered from one to the next.  One thread does all of it, and what is measured is the processor's time, so that other
work on the machine hardly counts.  No expression may swell: the longest derived equation is as long for a thousand
layers as for five, and the number of equations grows linearly.  The derived gradients are compared with
backpropagation written by hand, and every printed equation is parsed again.

The exit status is 1 if the time to derive grows faster than half as much again as the depth, t(1000)/t(100) <= 15, or
if an equation grows; the seconds are targets, met or missed, and change nothing.  "plan" includes the flattening, and
"compile" includes a plan and the first call.
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

DEPTHS, REPEATS = (5, 50, 100, 200, 500, 1000), 3
QUICK_DEPTHS, QUICK_REPEATS = (5, 20, 100), 1
GROWTH = 1.5  # the ratio of times over the ratio of depths that is still linear
TARGETS = {200: 1.0, 1000: 5.0}  # seconds to derive
STAGES = ("parse", "sort", "derive", "print", "plan", "compile")
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


def one(depth: int) -> dict[str, Any]:
    """The seconds of every stage, and what came out of it."""
    import numpy as np

    from einstan.calculus.backward import backward, joined
    from einstan.calculus.program import Program
    from einstan.language import parse
    from einstan.machine.compile import compile as compile_program
    from einstan.machine.plan import plan

    lines, wrt, stages = chain(depth), parameters(depth), {}

    def stage(name: str, call: Callable[[], Any]) -> Any:
        gc.collect()
        result, stages[name] = common.timed(call, clock=time.process_time)
        return result

    equations = stage("parse", lambda: [parse(line) for line in lines])
    program = stage("sort", lambda: Program(equations))
    derived = stage("derive", lambda: backward(program, "L", wrt))
    text = stage("print", lambda: str(derived))
    both, outputs = joined(program, derived), ("L", *(f"d{name}" for name in wrt))
    rng = np.random.default_rng(depth)
    rows, width = SIZES["rows"], SIZES["width"]
    arrays = {"X0000": rng.standard_normal((rows, width)), "Y": rng.standard_normal((rows, width))}
    for name in wrt:
        arrays[name] = rng.standard_normal((width, width) if name[0] == "W" else (width,))
    shapes: dict[Any, Any] = {name: array.shape for name, array in arrays.items()}
    made = stage("plan", lambda: plan(both, outputs=outputs, shapes=shapes))
    answer = stage("compile", lambda: compile_program(both, outputs)(**arrays))
    verify(depth, derived, text, answer, arrays)
    patterns = sorted({re.sub(r"\d{4}", "#", line) for line in text.splitlines()})
    return {
        "depth": depth,
        "stages": stages,
        "equations": len(derived),
        "longest": max(map(len, text.splitlines())),
        "patterns": patterns,
        "steps": len(made.steps),
    }


def verify(depth: int, derived: Any, text: str, answer: Any, arrays: Any) -> None:
    """The gradients are those written by hand, and what is printed parses to what was derived."""
    from by_hand import tanh_chain

    from einstan.language import parse

    loss, gradients = tanh_chain(arrays, arrays["X0000"], arrays["Y"], depth)
    common.check("einstan", f"the loss of {depth} layers", answer["L"], loss, TOLERANCE)
    for name, gradient in gradients.items():
        common.check("einstan", f"d{name} of {depth} layers", answer[f"d{name}"], gradient, TOLERANCE)
    for line, equation in zip(text.splitlines(), derived, strict=True):
        if parse(line) is not equation:
            raise WrongAnswerError(f"einstan: {line} parses to another equation than the one that is printed")


def in_fresh_process(depth: int, threads: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", str(depth), "--threads", str(threads)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        *_, last = answer.stderr.strip().splitlines() or [""]
        if last.startswith("refused: "):
            raise WrongAnswerError(last.removeprefix("refused: "))
        sys.exit(f"{answer.stderr}the process that measures {depth} layers ended with status {answer.returncode}")
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
    options = parser.parse_args()
    common.limit_threads(options.threads)
    if options.one is not None:
        print(json.dumps(one(options.one)))
        return 0
    if options.profile is not None:
        profile(options.profile)
        return 0
    record = common.machine()
    print(common.one_line(record))
    depths, repeats = (QUICK_DEPTHS, QUICK_REPEATS) if options.quick else (DEPTHS, REPEATS)
    found: dict[int, list[dict[str, Any]]] = {depth: [] for depth in depths}
    with common.progress(len(depths) * repeats, "derive") as done:
        for _ in range(repeats):  # in turn, so that a slow minute is shared
            for depth in depths:
                found[depth].append(in_fresh_process(depth, options.threads))
                done(f"{depth} layers")
    times = {
        depth: {stage: common.timing([run["stages"][stage] for run in runs]) for stage in STAGES}
        for depth, runs in found.items()
    }
    show(found, times)
    checks = verdicts(found, times)
    common.table(
        "checks and targets",
        ("what", "measured", "wanted", "verdict"),
        [(c["what"], c["measured"], c["wanted"], ("holds" if c["check"] else "met") if c["held"] else
          ("FAILS" if c["check"] else "missed")) for c in checks],
    )  # fmt: skip
    rows = [
        {key: runs[0][key] for key in ("depth", "equations", "longest", "steps")} | {"seconds": times[depth]}
        for depth, runs in found.items()
    ]
    results = {"depths": rows, "equation_patterns": found[depths[-1]][0]["patterns"], "checks": checks}
    common.write_json(options.json, "derive", record, results)
    return 0 if all(c["held"] for c in checks if c["check"]) else 1


def show(found: dict[int, list[dict[str, Any]]], times: dict[int, dict[str, Timing]]) -> None:
    lines = []
    for depth, runs in found.items():
        spread = times[depth]["derive"]
        lines.append(
            (
                str(depth),
                *(common.seconds(times[depth][stage].median) for stage in STAGES),
                str(runs[0]["equations"]),
                str(runs[0]["longest"]),
                f"{common.seconds(spread.low)} to {common.seconds(spread.high)}",
            )
        )
    columns = ("layers", *STAGES, "equations", "longest", "quartiles of derive")
    common.table("dense–tanh chains, all gradients", columns, lines, note="the kinds of derived equations:")
    for pattern in found[next(reversed(found))][0]["patterns"]:
        print("  " + pattern)


def verdicts(found: dict[int, list[dict[str, Any]]], times: dict[int, dict[str, Timing]]) -> list[dict[str, Any]]:
    """What must hold (a check), and what is hoped for (a target)."""
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
        add(f"{stage}: t({large})/t({small})", f"{ratio:.1f}", wanted, ratio <= limit, stage == "derive")
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
