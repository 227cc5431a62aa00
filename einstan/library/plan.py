"""What a user holds as a plan: the machine's, and pictures of it.

plan = program.plan({"i": 64, "j": 512})
plan.draw("plan.svg")     the steps as a graph: what reads what, and what it costs
plan.plot("plan.png")     bars of FLOPs and memory over the steps
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from einstan.language import display
from einstan.language.arguments import blamed_methods, whole
from einstan.language.errors import DataError
from einstan.language.guesses import Guessed
from einstan.library.figures import figure_of, save_figure
from einstan.library.graph import Edge, Graph, Vertex
from einstan.library.pictures import rendered, write
from einstan.machine.plan import plan as machine
from einstan.machine.plan.costs import FREE
from einstan.machine.plan.table import as_rows, totals
from einstan.machine.sizes.memory import human_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NARROW, WIDE = 5.0, 16.0  # inches
DRAWN = 40  # steps of which a notebook shows a picture


@blamed_methods()
class Plan(machine.Plan, Guessed):
    """A plan that can be drawn.

    Examples:
        >>> plan = es.parse("y[i] = A[i,J] B[J,K] x[K]").plan({"i": 10, "j": 20, "k": 30})
        >>> print(plan)
        result  einsum   call    FLOPs     read    written  scaling  shape  buffer  equation
        -----------------------------------------------------------------------------------------------------
        t3      K,JK->J  matvec  1,200  5.04 kB  160 bytes        2  20     m0      y[i] = A[i,J] B[J,K] x[K]
        y       J,iJ->i  matvec    400  1.76 kB   80 bytes        2  10     m1      y[i] = A[i,J] B[J,K] x[K]
        -----------------------------------------------------------------------------------------------------
        FLOPs 1,600 (naive 18,000, separate paths 1,600)   paths by auto
        largest intermediate 20   peak memory 336 bytes predicted (192 bytes laid out beforehand, inputs 6.64 kB)
        >>> plan.flops, plan.largest_intermediate, plan.input_memory, plan.peak_memory
        (1600, 20, 6640, 336)
        >>> plan.precision, plan.precisions, len(plan.inputs)
        ('float64', {'A': 'float64', 'B': 'float64', 'x': 'float64'}, 3)
        >>> [step.call for step in plan.steps], plan.separate_flops, plan.measured_memory
        (['matvec', 'matvec'], 1600, None)
        >>> (last,) = plan.kept
        >>> plan.shape(last), plan.size(plan.graph.dims(last)), plan.bytes(last), plan.buffers.sizes
        ((10,), 10, 80, (160, 80))
        >>> len(plan.step_values), len(plan.graph_of_steps().vertices), plan.labels, plan.traffic
        (2, 5, set(), ())
        >>> type(plan).of(plan).code is plan.code
        True
    """

    @classmethod
    def of(cls, made: machine.Plan) -> Plan:
        """The same plan as one that can be drawn."""
        plan = cls(**{field.name: getattr(made, field.name) for field in dataclasses.fields(made)})
        for known in ("code", "peak_memory"):  # which are the same, and what was measured of the code with them
            if known in vars(made):
                vars(plan)[known] = vars(made)[known]
        return plan

    def shape(self, value: int) -> tuple[int, ...]:
        return super().shape(value)

    def bytes(self, value: int) -> int:
        return super().bytes(value)

    def size(self, dims: Iterable[str]) -> int:
        return super().size(dims)

    def measure(self, arrays: Mapping[Any, Any] | None = None) -> int:
        return super().measure(arrays)

    def to_json(self, indent: int | None = 1) -> str:
        return super().to_json(None if indent is None else whole("indent", indent, 0, 100))

    def __repr__(self) -> str:
        return f"<Plan of {len(self.steps)} steps: {self.flops:,} FLOPs>"

    def _repr_html_(self) -> str:
        head, *rows = as_rows(self)
        left = {"result", "einsum", "call", "shape", "buffer", "equation", "layout"}
        return display.shown(display.table(head, rows, left), display.note("\n".join(totals(self))), self._picture())

    def _picture(self) -> str:
        """What `draw` draws, where Graphviz is there and it can be looked at as a whole."""
        if len(self.steps) > DRAWN:
            return ""
        try:
            svg = rendered(self.graph_of_steps(), "svg").decode()
        except DataError:
            return ""
        return svg[svg.index("<svg") :]

    def draw(self, path: str | Path) -> Path:
        """Draw the steps as a graph, in the order in which they can be done; the ending says how: ``.svg``, ``.png``,
        ``.dot`` or ``.mmd``.  A box has a step's einsum string or call, its FLOPs and its buffer; an edge has the shape
        of what is read.

        Examples:
            >>> plan = es.parse("y[i] = A[i,J] B[J,K] x[K]").plan({"i": 10, "j": 20, "k": 30})
            >>> plan.draw("steps.mmd").name
            'steps.mmd'
        """
        return write(self.graph_of_steps(), path)

    def graph_of_steps(self) -> Graph:
        """What `draw` draws, as a value."""
        kept = self.kept
        rows = {value: step for value, step in zip(self.step_values, self.steps, strict=True)}
        vertices, edges = [], []
        for value in self.order:
            operation = self.graph.operations[value]
            if operation.kind == "number":
                continue
            step = rows.get(value)
            text = self.names[value]
            if step is not None:
                what = step.einsum if operation.kind == "contract" and step.einsum else step.call
                text = f"{step.result}:  {what}  {short(step.flops)} FLOPs  {step.buffer}"
            kind = "input" if step is None else "output" if value in kept else "equation"
            vertices.append(Vertex(str(value), kind, text))  # type: ignore[arg-type]
            for operand in dict.fromkeys(ref.value for ref in operation.operands):
                if self.graph.operations[operand].kind != "number":
                    shape = "×".join(map(str, self.shape(operand)))
                    edges.append(Edge(str(operand), str(value), (shape,) if shape else ()))
        return Graph(tuple(vertices), tuple(edges))

    @property
    def step_values(self) -> tuple[int, ...]:
        """The value that each step computes."""
        return tuple(value for value in self.order if self.graph.operations[value].kind not in FREE)

    @overload
    def plot(self) -> tuple[Axes, Axes]: ...
    @overload
    def plot(self, path: str | Path) -> Path: ...
    def plot(self, path: str | Path | None = None) -> Any:
        """Bars of FLOPs, and of the memory in use, over the steps (needs matplotlib, ``einstan[plot]``): in a file, of
        which it returns the path, or without one as two axes of matplotlib's.

        Examples:
            >>> plan = es.parse("y[i] = A[i,J] B[J,K] x[K]").plan({"i": 10, "j": 20, "k": 30})
            >>> plan.plot("steps.svg").name
            'steps.svg'
        """
        figure = figure_of(min(max(NARROW, 1.5 + 0.28 * len(self.steps)), WIDE), 6, path is None)
        above, below = figure.subplots(2, 1, sharex=True)
        places = range(len(self.steps))
        products = dict.fromkeys(("matmul", "tensordot", "batched", "matvec", "dot"), "#3b6ea8")
        kinds = {**products, "ufunc": "#c98a2b", "reduction": "#6f9a5b"}
        colours = [kinds.get(step.call.split()[0], "#8a8f98") for step in self.steps]
        above.bar(places, [step.flops for step in self.steps], color=colours)
        above.set_ylabel("FLOPs")
        counted = [step.flops for step in self.steps if step.flops]
        if counted:
            above.set(yscale="log", ylim=(10 ** math.floor(math.log10(min(counted))), 2 * max(counted)))
        above.set_title(f"{self.flops:,} FLOPs; at most {human_bytes(self.peak_memory)} held", fontsize=10)
        handles = [("products", "#3b6ea8"), ("elementwise", "#c98a2b"), ("reductions", "#6f9a5b"), ("other", "#8a8f98")]
        present = [(label, colour) for label, colour in handles if colour in colours]
        for label, colour in present:
            above.bar([0], [0], color=colour, label=label)
        above.legend(fontsize=8, frameon=False)
        at = {value: position for position, value in enumerate(self.order)}
        scale, unit = (1e9, "GB") if self.peak_memory > 3e9 else (1e6, "MB") if self.peak_memory > 3e6 else (1e3, "kB")
        live = [self.buffers.live[at[value]] / scale for value in self.step_values]
        own = [step.bytes_written / scale for step in self.steps]
        below.bar(places, live, color="#b9c7d8", label="buffers in use")
        below.bar(places, own, color="#3b6ea8", width=0.5, label="written by the step")
        held = {"predicted peak": self.peak_memory, "measured peak": self.measured_memory}
        for (label, peak), style in zip(held.items(), ("--", ":"), strict=True):
            if peak is not None:
                below.axhline(peak / scale, color="#9b3d3d", linestyle=style, linewidth=1, label=label)
        below.set_ylabel(unit)
        below.set_ylim(0, 1.3 * max([*live, self.peak_memory / scale]))  # room for the legend
        below.legend(fontsize=8, frameon=False, ncols=2, loc="upper left")
        names = [step.result for step in self.steps]
        every = math.ceil(len(names) / 60)
        below.set_xticks(list(places)[::every], names[::every], rotation=90, fontsize=7)
        below.margins(x=0.01)
        return (above, below) if path is None else save_figure(figure, path)


def short(count: float) -> str:
    """``1.23 M``: three digits."""
    for unit in ("", " k", " M", " G", " T"):
        if count < 999.5 or unit == " T":  # which three digits round to the next unit
            return f"{count:.3g}{unit}"
        count /= 1000
    raise AssertionError
