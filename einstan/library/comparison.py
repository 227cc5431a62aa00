"""Optimizers side by side: what an equation costs on the path that each of them finds, forward and for all gradients.

All run through the library's own compiled code, so that they differ in the order alone; plans that are the same are run
once.  Every result is compared with the others', and a difference is an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import numpy as np

from einstan.calculus.backward import backward, joined
from einstan.calculus.program import Program
from einstan.calculus.stable import runnable
from einstan.language import parse
from einstan.language.errors import DataError, DifferentiationError, EinstanError
from einstan.language.term import Equation, Name
from einstan.machine.compile import Specialisation
from einstan.machine.extents import infer
from einstan.machine.flatten import flatten
from einstan.machine.paths import cheap
from einstan.machine.plan import Plan, plan
from einstan.machine.specialised import specialised

DP = 20  # operands up to which dynamic programming over all of them comes back soon
MOST_FLOPS = 2e10  # a plan that takes more is not run
SECONDS = 0.2  # of timing, for each plan
TOLERANCE = 1e-8


@dataclass
class Cost:
    """What one optimizer's plan costs; ``skipped`` says why something was not planned or not run."""

    flops: int | None = None
    largest: int | None = None
    peak: int | None = None
    planning: float | None = None
    running: float | None = None
    skipped: str = ""
    steps: tuple[Any, ...] = field(default=(), repr=False)

    def data(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key != "steps" and value not in (None, "")}


@dataclass
class Row:
    optimizer: str
    forward: Cost
    gradients: Cost | None = None


@dataclass
class Comparison:
    """A table for one equation: a row per optimizer; naive and separate FLOPs for scale."""

    equation: str
    sizes: dict[str, int]
    rows: list[Row]
    naive: int
    naive_gradients: int | None = None
    separate_gradients: int | None = None
    note: str = ""

    def data(self) -> dict[str, Any]:
        return {
            "equation": self.equation,
            "sizes": self.sizes,
            "naive_flops": self.naive,
            "naive_flops_gradients": self.naive_gradients,
            "separate_flops_gradients": self.separate_gradients,
            "note": self.note,
            "optimizers": [
                {"optimizer": row.optimizer, "forward": row.forward.data()}
                | ({"gradients": row.gradients.data()} if row.gradients else {})
                for row in self.rows
            ],
        }


def names_for(count: int) -> list[str]:
    """The optimizers that can be tried on a product of so many operands."""
    if count < 3:
        return ["auto"]
    more = ["dp"] if count <= DP else []
    return list(dict.fromkeys([*cheap(count), *more, "opt_einsum-auto"]))


def compare(
    equation: Equation,
    sizes: Mapping[str, int],
    optimizers: Iterable[str] = (),
    run: bool = True,
    done: Callable[[str], None] = lambda name: None,
) -> Comparison:
    """One equation under several optimizers; ``done`` is told each optimizer when it is through.

    Raises what `plan` raises for sizes that do not fit, and `DataError` where two paths give different results.
    """
    program = runnable(Program((equation,)))
    extents = infer(program, {}, sizes)
    shapes = {name: extents.shape(name) for name in program.inputs if name in program.ranks}
    whole, outputs, note = with_gradients(program, equation)
    generator = np.random.default_rng(0)
    arrays = {name: generator.standard_normal(shape) for name, shape in shapes.items()}
    if whole is not None:
        total = infer(whole, shapes, sizes)
        shapes = {name: total.shape(name) for name in whole.inputs if name in whole.ranks}
        arrays |= {n: generator.standard_normal(shape) for n, shape in shapes.items() if n not in arrays}
    chosen = list(optimizers) or names_for(operands_of(program))
    forward, gradients = _Runner(program, (equation.name,), arrays, run), None
    if whole is not None:
        gradients = _Runner(whole, outputs, arrays, run)
    rows = []
    for name in chosen:
        rows.append(Row(name, forward.cost(name), gradients.cost(name) if gradients else None))
        done(name)
    found = forward.first
    known = {letter: extents.of(equation, index) for index in _indices(equation) for letter in [index.name.lower()]}
    return Comparison(
        str(equation),
        known,
        rows,
        found.naive_flops if found else 0,
        gradients.first.naive_flops if gradients and gradients.first else None,
        gradients.first.separate_flops if gradients and gradients.first else None,
        note,
    )


def operands_of(program: Program) -> int:
    """Of the product with the most operands, how many it has."""
    operations = flatten(program).graph.operations
    return max((len(op.operands) for op in operations if op.kind in ("contract", "linked")), default=0)


def with_gradients(program: Program, equation: Equation) -> tuple[Program | None, tuple[Name, ...], str]:
    """The equation with the gradients of all its tensors, for a given cotangent of its result."""
    name = equation.name
    loss, equations = name, list(program.equations)
    if equation.indices:
        slots = ",".join(f"X{k}" for k in range(len(equation.indices)))
        loss = "the_scalar"
        equations.append(parse(f"{loss} = the_cotangent[{slots}] {name}[{slots}]"))
    try:
        wrt = [tensor for tensor in program.inputs if program.ranks.get(tensor) is not None]
        derived = backward(Program(equations), loss, wrt)
    except (DifferentiationError, EinstanError) as problem:
        return None, (), f"no gradients: {str(problem).splitlines()[0]}"
    return joined(Program(equations), derived), (name, *(f"d{tensor}" for tensor in wrt)), ""


def _indices(equation: Equation) -> list[Any]:
    from einstan.machine.extents import _indices as indices_of

    return list(indices_of(equation))


class _Runner:
    """One program under one optimizer after the other: planned, run, compared with the first."""

    def __init__(self, program: Program, outputs: tuple[Name, ...], arrays: Mapping[Name, Any], run: bool) -> None:
        self.program, self.outputs, self.arrays, self.run = program, outputs, arrays, run
        self.first: Plan | None = None
        self.results: tuple[Any, ...] = ()
        self.timed: dict[Any, float] = {}

    def cost(self, optimizer: str) -> Cost:
        shapes = {name: self.arrays[name].shape for name in self.program.inputs if name in self.arrays}
        begin = time.perf_counter()
        made = plan(self.program, None, self.outputs, optimizer, shapes=shapes)
        planning = time.perf_counter() - begin
        cost = Cost(made.flops, made.largest_intermediate, made.peak_memory, planning)
        self.first = self.first or made
        cost.steps = tuple((step.einsum, step.shape) for step in made.steps)
        if not self.run:
            cost.skipped = "not run"
        elif made.flops > MOST_FLOPS:
            cost.skipped = f"not run: more than {MOST_FLOPS:.0g} FLOPs"
        else:
            if cost.steps not in self.timed:
                self.timed[cost.steps] = self.clocked(made, optimizer)
            cost.running = self.timed[cost.steps]
        return cost

    def clocked(self, made: Plan, optimizer: str) -> float:
        compiled = Specialisation(
            made, specialised(made, dict.fromkeys(self.program.inputs, "float64")), self.program_inputs
        )
        given = [self.arrays[name] for name in self.program_inputs]
        results = compiled.run(*given)
        if not self.results:
            self.results = results
        for name, found, expected in zip(self.outputs, results, self.results, strict=True):
            scale = float(np.max(np.abs(expected), initial=0.0)) or 1.0
            error = float(np.max(np.abs(found - expected), initial=0.0)) / scale
            if not error <= TOLERANCE:
                raise DataError(f"{name} differs by {error:.2g} on the path of {optimizer}", repair="report this")
        times: list[float] = []
        while not times or (sum(times) < SECONDS and len(times) < 1000):
            begin = time.perf_counter()
            compiled.run(*given)
            times.append(time.perf_counter() - begin)
        return median(times)

    @property
    def program_inputs(self) -> tuple[Name, ...]:
        return tuple(self.program.inputs)
