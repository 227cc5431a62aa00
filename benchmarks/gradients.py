"""The part of bench_paths.py that asks what a contraction costs beside other libraries, and what its gradients cost.

FLOPs are counted: of the forward path, of the forward and all gradients on one tree, and of a path for each gradient.
Time is measured, every contender in a process of its own.  The targets that are missed are lost rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import common
from contract_contenders import FORWARD, GRADIENTS, OURS, available, programs

SCRIPT = str(Path(__file__).resolve().parent / "bench_paths.py")
MOST_FLOPS, MOST_TIME = 3.1, 3.5  # of forward and gradients over forward
FEWER = 10  # times as many FLOPs for separate paths, on every tensor train
NEVER_SLOWER, SMALL_FASTER = 1.05, 3.0  # against the other libraries, forward
TRAINS = (8, 16, 24, 32, 40)
Rows = list[dict[str, Any]]
Lost = list[tuple[str, str, str]]


# ---- FLOPs -----------------------------------------------------------------------------------------------------------


def counted(quick: bool) -> Rows:
    """FLOPs of all gradients on one shared tree over those of the forward path, and of separate ``auto`` paths over
    the shared tree.  Nothing is run: the result of a train of 40 operands would not fit into any memory."""
    from by_hand import Text
    from networks import contractions, tensor_train

    from einstan.machine.graph.flatten import flatten
    from einstan.machine.plan.plan import planned
    from einstan.machine.sizes.inference import infer

    def cost(text: str, gradients: bool, shapes: Mapping[Any, Any]) -> Any:
        program, outputs = programs(text, gradients)
        flat = flatten(program, outputs)
        return planned(program, flat, infer(program, shapes, only=flat.wanted), "auto", 8)

    lengths = TRAINS[:1] if quick else TRAINS
    trains = [tensor_train(length, 2, 8, f"tensor train of {length}") for length in lengths]
    rows = []
    for contraction in [*contractions(quick), *trains]:
        read = Text.read(contraction.text)
        shapes: dict[Any, Any] = dict(read.shapes(contraction.sizes))
        forward = cost(contraction.text, False, shapes)
        if read.indices:
            shapes["cotangent"] = tuple(contraction.sizes[index] for index in read.indices)
        made = cost(contraction.text, True, shapes)
        over, separate = made.flops / forward.flops, made.separate_flops / made.flops
        rows.append({"case": contraction.name, "forward": forward.flops, "over_forward": over, "separate": separate})
    return rows


def flops_lost(rows: Rows) -> Lost:
    found: Lost = []
    for row in rows:
        if row["over_forward"] > MOST_FLOPS:
            found.append((row["case"], OURS, f"{row['over_forward']:.2f} times the FLOPs of the forward path"))
        if row["case"].startswith("tensor train") and row["separate"] < FEWER:
            reason = f"separate paths take only {row['separate']:.1f} times the FLOPs, wanted {FEWER}"
            found.append((row["case"], OURS, reason + bound(row["case"])))
    return found


def bound(case: str) -> str:
    """Why a short train cannot reach the target: a result and n gradients on best paths cost about n + 1 forward
    passes, and one tree costs three."""
    length = case.rpartition(" ")[2]
    return f": {length} gradients on best paths can be no more than {int(length) + 1} / 3" if length.isdigit() else ""


# ---- time ------------------------------------------------------------------------------------------------------------


def timed(quick: bool, threads: int, only: str) -> tuple[Rows, Rows]:
    """Every contender on every network in both precisions, and what did not run."""
    from networks import contractions, small_contractions
    from workers import in_turns, processes

    cases = [(c, small) for small, held in ((True, small_contractions()), (False, contractions(quick))) for c in held]
    cases = [(c, small) for c, small in cases if only in c.name.lower()]
    if quick and not only:
        cases = [*cases[:2], *cases[-3:-1]]
    dtypes = ("float64",) if quick else ("float64", "float32")
    rounds, turn = (3, 1e-3) if quick else (9, 1.5e-2)
    rows: Rows = []
    missing: Rows = []
    names = dict.fromkeys(available(quick), threads) if cases else {}
    with (
        common.progress(len(cases) * len(dtypes), "contractions") as done,
        processes(SCRIPT, names) as started,
    ):
        for (contraction, small), dtype in product(cases, dtypes):
            label = f"{contraction.name}, {dtype}"
            request = {"text": contraction.text, "sizes": contraction.sizes, "dtype": dtype, "turn": turn}
            asked = [w for w in started if contraction.backward or not w.name.startswith(GRADIENTS)]
            found, failed = in_turns(asked, request, rounds)
            ours = found.get(f"{FORWARD}: {OURS}")
            for name, (time, error) in found.items():
                what, _, contender = name.partition(": ")
                mine = found.get(f"{what}: {OURS}")
                row = {"case": label, "small": small, "what": what, "contender": contender, "time": time}
                row |= {"error": error, "ratio": time.median / mine[0].median if mine else None}
                if name == f"{GRADIENTS}: {OURS}" and ours:
                    row["over_forward"] = time.median / ours[0].median
                rows.append(row)
            missing += [{"case": label, "contender": name, "reason": why} for name, why in failed.items()]
            done(label)
    return rows, missing


def time_lost(rows: Rows) -> Lost:
    found: Lost = []
    ours = {(row["case"], row["what"]): row["time"] for row in rows if row["contender"] == OURS}
    for row in rows:
        case = f"{row['what']}, {row['case']}"
        if row.get("over_forward", 0) > MOST_TIME:
            found.append((case, OURS, f"{row['over_forward']:.2f} times the time of the forward run"))
        if row["contender"] == OURS or row["ratio"] is None:
            continue
        slower = ours[row["case"], row["what"]].slower_than(row["time"])
        if slower and row["ratio"] < 1 / NEVER_SLOWER:
            found.append((case, OURS, f"{1 / row['ratio']:.2f} times as slow as {row['contender']}"))
        elif row["small"] and row["what"] == FORWARD and row["ratio"] < SMALL_FASTER:
            found.append(
                (case, OURS, f"{row['ratio']:.2f} times as fast as {row['contender']}, wanted {SMALL_FASTER:g}")
            )
    return found


# ---- what is shown ---------------------------------------------------------------------------------------------------


def show(rows: Rows, missing: Rows, flops: Rows) -> None:
    lines: list[tuple[str, ...]]
    columns: tuple[str, ...]
    if flops:
        lines = [
            (row["case"], common.count(row["forward"]), f"{row['over_forward']:.2f}", f"{row['separate']:.3g}")
            for row in flops
        ]
        columns = ("network", "forward FLOPs", "with gradients, over forward", "separate paths, over shared")
        common.table("all gradients on one tree", columns, lines)
    for what in (FORWARD, GRADIENTS):
        timed = [
            (
                row["case"], row["contender"], common.seconds(row["time"].median),
                f"{common.seconds(row['time'].low)} to {common.seconds(row['time'].high)}",
                "" if row["ratio"] is None else f"{row['ratio']:.2f}",
                f"{row['over_forward']:.2f}" if "over_forward" in row else "", f"{row['error']:.0e}",
            )
            for row in rows if row["what"] == what
        ]  # fmt: skip
        heads = ("network", "contender", "median", "quartiles", "over einstan", "over forward", "error")
        if timed:
            common.table("one contraction" if what == FORWARD else "with the gradients of all operands", heads, timed)
    for row in missing:
        print(f"{row['case']}, {row['contender']}: not run, {row['reason']}")
