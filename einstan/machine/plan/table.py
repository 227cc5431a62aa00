"""A plan as a table, as plain data, as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
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
ON_MESH = ("layout", "exchanged", "sent")  # behind the shape
NUMERIC = {"FLOPs", "read", "written", "scaling", "exchanged", "sent"}


def as_data(made: Plan) -> dict[str, Any]:
    columns = [name for name in Step.__dataclass_fields__ if made.mesh or name not in ON_MESH]
    steps = [{**{name: getattr(step, name) for name in columns}, "shape": list(step.shape)} for step in made.steps]
    mesh = {"mesh": dict(made.mesh), "traffic": [asdict(each) for each in made.traffic]} if made.mesh else {}
    return {"steps": steps, **mesh, **{name: getattr(made, name) for name in TOTALS}}


def as_json(made: Plan, indent: int | None) -> str:
    return json.dumps(as_data(made), indent=indent, ensure_ascii=False)


def as_rows(made: Plan) -> list[tuple[str, ...]]:
    """The names of the columns, and a row of texts for each step."""
    place = HEAD.index("buffer")
    head = (*HEAD[:place], *(ON_MESH if made.mesh else ()), *HEAD[place:])
    return [head, *(cells(step, bool(made.mesh)) for step in made.steps)]


def as_text(made: Plan) -> str:
    head, *_ = rows = as_rows(made)
    widths = [max(len(row[k]) for row in rows) for k in range(len(head) - 1)]
    lines = []
    for row in rows:
        aligned = [c.rjust(w) if name in NUMERIC else c.ljust(w) for name, c, w in zip(head, row, widths, strict=False)]
        lines.append("  ".join([*aligned, row[-1]]).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join([*lines, lines[1], *totals(made)])


def cells(step: Step, on_mesh: bool = False) -> tuple[str, ...]:
    sent = (human_bytes(step.exchanged), human_bytes(step.sent)) if step.exchanged else ("", "")
    return (
        step.result,
        step.einsum,
        step.call,
        f"{step.flops:,}",
        human_bytes(step.bytes_read),
        human_bytes(step.bytes_written),
        str(step.scaling),
        " x ".join(map(str, step.shape)) or "1",
        *((step.layout, *sent) if on_mesh else ()),
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
    if made.mesh:
        devices = " x ".join(f"{count} along {axis}" for axis, count in made.mesh.items())
        lines.append(f"each of {math.prod(made.mesh.values())} devices does this: {devices}")
        lines += map(str, made.traffic)
    return [*lines, *made.notes]
