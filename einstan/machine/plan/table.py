"""A plan as a table, as plain data, as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from einstan.machine.plan.costs import Step
from einstan.machine.sizes.memory import human_bytes

if TYPE_CHECKING:
    from einstan.machine.plan.plan import Plan

TOTALS = (
    "optimizer",
    "flops",
    "naive_flops",
    "separate_flops",
    "largest_intermediate",
    "peak_memory",
    "input_memory",
    "measured_memory",
    "search_seconds",
    "recomputed",
)
HEAD = ("result", "einsum", "call", "FLOPs", "read", "written", "scaling", "shape", "buffer", "equation")
NUMERIC = {3, 4, 5, 6}


def as_data(made: Plan) -> dict[str, Any]:
    steps = [
        {**{name: getattr(step, name) for name in Step.__dataclass_fields__}, "shape": list(step.shape)}
        for step in made.steps
    ]
    return {"steps": steps, **{name: getattr(made, name) for name in TOTALS}}


def as_json(made: Plan, indent: int | None) -> str:
    return json.dumps(as_data(made), indent=indent, ensure_ascii=False)


def as_text(made: Plan) -> str:
    rows = [HEAD, *(cells(step) for step in made.steps)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEAD) - 1)]
    lines = []
    for row in rows:
        aligned = [
            c.rjust(w) if k in NUMERIC else c.ljust(w) for k, (c, w) in enumerate(zip(row, widths, strict=False))
        ]
        lines.append("  ".join([*aligned, row[-1]]).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join([*lines, lines[1], *totals(made)])


def cells(step: Step) -> tuple[str, ...]:
    return (
        step.result,
        step.einsum,
        step.call,
        f"{step.flops:,}",
        human_bytes(step.bytes_read),
        human_bytes(step.bytes_written),
        str(step.scaling),
        " x ".join(map(str, step.shape)) or "1",
        step.buffer,
        step.equation,
    )


def totals(made: Plan) -> list[str]:
    memory = f"peak memory {human_bytes(made.peak_memory)} predicted"
    if made.measured_memory is not None:
        memory += f", {human_bytes(made.measured_memory)} measured"
    laid_out = f"{human_bytes(made.code.memory)} laid out beforehand, " if made.code.prepares else ""
    lines = [
        f"FLOPs {made.flops:,} (naive {made.naive_flops:,}, separate paths {made.separate_flops:,})   "
        f"paths by {made.optimizer}",
        f"largest intermediate {made.largest_intermediate:,}   {memory} "
        f"({laid_out}inputs {human_bytes(made.input_memory)})",
    ]
    if made.recomputed:
        lines.append("computed twice, not kept: " + ", ".join(made.recomputed))
    return [*lines, *made.notes]
