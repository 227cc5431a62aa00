"""Optimizers side by side: what an equation costs on the path that each of them finds, forward and for all gradients.

All run through the library's own compiled code, so that they differ in the order alone; plans that are the same are run
once.  Every result is compared with the others', and a difference is an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from math import prod
from statistics import median
from typing import Any

from einstan.calculus.backward import backward, joined
from einstan.calculus.program import Program
from einstan.calculus.stable import runnable
from einstan.language import parse
from einstan.language.errors import DataError, DifferentiationError, EinstanError
from einstan.language.term import Equation, Name
from einstan.library.staged import staged
from einstan.machine.backends.arrays import np
from einstan.machine.graph.flatten import flatten
from einstan.machine.paths.paths import cheap
from einstan.machine.plan.plan import Plan, plan
from einstan.machine.run.compiled import Specialisation
from einstan.machine.sizes.extents import Extents
from einstan.machine.sizes.guards import index_tensors
from einstan.machine.sizes.inference import infer
from einstan.machine.sizes.memory import refuse_more

DP = 20  # operands up to which dynamic programming over all of them comes back soon
WRITTEN_OUT = 40  # operands up to which every gradient is a product of all others, planned as it stands
MANY = 200  # operands above which only the quickest searches are tried, unless others are asked for
COTANGENT = "the_cotangent"
MOST_FLOPS = 2e10  # a plan that takes more is not run
SECONDS = 0.2  # of timing, for each plan
TOLERANCE = 1e-8
Shapes = Mapping[Name, tuple[int, ...]]


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
            "naive_flops": _printable(self.naive),
            "naive_flops_gradients": _printable(self.naive_gradients),
            "separate_flops_gradients": self.separate_gradients,
            "note": self.note,
            "optimizers": [
                {"optimizer": row.optimizer, "forward": row.forward.data()}
                | ({"gradients": row.gradients.data()} if row.gradients else {})
                for row in self.rows
            ],
        }


def _printable(count: int | None) -> int | None:
    """A count with few enough digits for JSON."""
    return count if count is not None and count < 10**300 else None


def names_for(count: int) -> list[str]:
    """The optimizers that can be tried on a product of so many operands."""
    if count < 3:
        return ["auto"]
    if count > MANY:
        return ["auto", "greedy", "opt_einsum-auto"]
    more = ["dp"] if count <= DP else []
    return list(dict.fromkeys([*cheap(count), *more, "opt_einsum-auto"]))


def compare(
    equation: Equation,
    sizes: Mapping[str, int],
    optimizers: Iterable[str] = (),
    run: bool = True,
    turn: Callable[[str], None] = lambda name: None,
) -> Comparison:
    """One equation under several optimizers; ``turn`` is told each optimizer when its turn comes.

    Raises what `plan` raises for sizes that do not fit, and `DataError` where two paths give different results.  What
    is not run is given no arrays.
    """
    program = runnable(Program((equation,)))
    extents = infer(program, {}, sizes)
    count = operands_of(program)
    whole, outputs, note = (None, (), "") if count > WRITTEN_OUT else with_gradients(program, equation)
    shapes = shapes_of(program, extents)
    if count > WRITTEN_OUT:
        shapes[COTANGENT] = tuple(extents.of(equation, index) for index in equation.indices)
    asked = [(program, extents)]
    if whole is not None:
        asked.append((whole, infer(whole, shapes, sizes)))
        shapes |= shapes_of(*asked[-1])
    arrays: dict[Name, Any] | None = None
    if run:
        refuse_more("the arrays", 16 * sum(map(prod, shapes.values())), "give smaller sizes")
        generator, arrays = np.random.default_rng(0), {}
        for each, extents_of in asked:
            arrays = {**drawn(generator, each, extents_of), **arrays}
        if COTANGENT in shapes:
            arrays.setdefault(COTANGENT, random(generator, shapes[COTANGENT]))
    chosen = list(optimizers) or names_for(count)
    forward, gradients = _Runner(program, (equation.name,), shapes, arrays), None
    if whole is not None:
        gradients = _Runner(whole, outputs, shapes, arrays)
    rows = []
    for name in chosen:
        turn(name)
        row = Row(name, forward.cost(name))
        if count > WRITTEN_OUT and forward.latest is not None:
            gradients, note = along(forward.latest, equation, shapes, arrays, gradients)
        row.gradients = gradients.cost(name) if gradients else None
        rows.append(row)
    found = forward.first
    written = gradients.first if gradients and count <= WRITTEN_OUT else None
    known = {letter: extents.of(equation, index) for index in _indices(equation) for letter in [index.name.lower()]}
    return Comparison(
        str(equation),
        known,
        rows,
        found.naive_flops if found else 0,
        written.naive_flops if written else None,
        written.separate_flops if written else None,
        note,
    )


def random(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Entries of a size that keeps products of thousands of such arrays within the range of floats: an index of
    extent n that two of them share multiplies the result by about sqrt(n)."""
    return generator.standard_normal(shape) / max(prod(shape), 1) ** 0.25


def shapes_of(program: Program, extents: Extents) -> dict[Name, tuple[int, ...]]:
    return {name: extents.shape(name) for name in program.inputs if name in program.ranks}


def drawn(generator: np.random.Generator, program: Program, extents: Extents) -> dict[Name, Any]:
    """Arrays for the inputs of a program: positions for those that stand in slots."""
    found: dict[Name, Any] = {}
    placed = index_tensors(program.equations)
    for name in program.inputs:
        if name in program.ranks:
            shape = extents.shape(name)
            sizes = [extents.known[program.dims.find(place)] for place in placed.get(name, ())]
            inside = generator.integers(max(1, min(sizes, default=1)), size=shape)
            found[name] = inside if name in placed else random(generator, shape)
    return found


def along(
    made: Plan, equation: Equation, shapes: Shapes, arrays: Mapping[Name, Any] | None, before: _Runner | None
) -> tuple[_Runner | None, str]:
    """The gradients of a long product along the tree of one of its plans; results are compared with those before."""
    steps = staged(made, equation)
    if steps is None:
        return None, f"no gradients: more than {WRITTEN_OUT} factors, and not a product alone"
    whole, outputs, note = with_gradients(steps, equation)
    if whole is None:
        return None, note
    runner = _Runner(whole, outputs, shapes, arrays)
    runner.results = before.results if before else {}
    return runner, "the gradients are those of the steps of each path"


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
        equations.append(parse(f"{loss} = {COTANGENT}[{slots}] {name}[{slots}]"))
    try:
        positions = index_tensors(program.equations)
        wrt = [tensor for tensor in program.inputs if tensor in program.ranks and tensor not in positions]
        derived = backward(Program(equations), loss, wrt)
    except (DifferentiationError, EinstanError) as problem:
        return None, (), f"no gradients: {str(problem).splitlines()[0]}"
    return joined(Program(equations), derived), (name, *(f"d{tensor}" for tensor in wrt)), ""


def _indices(equation: Equation) -> list[Any]:
    from einstan.machine.sizes.extents import indices_of

    return list(indices_of(equation))


class _Runner:
    """One program under one optimizer after the other: planned, and where there are arrays run, and compared with the
    first."""

    def __init__(
        self, program: Program, outputs: tuple[Name, ...], shapes: Shapes, arrays: Mapping[Name, Any] | None
    ) -> None:
        self.program, self.outputs, self.shapes, self.arrays = program, outputs, shapes, arrays
        self.first: Plan | None = None
        self.latest: Plan | None = None
        self.results: dict[Name, Any] = {}
        self.timed: dict[Any, float] = {}

    def cost(self, optimizer: str) -> Cost:
        shapes = {name: self.shapes[name] for name in self.program.inputs if name in self.shapes}
        begin = time.perf_counter()
        made = plan(self.program, None, self.outputs, optimizer, shapes=shapes)
        planning = time.perf_counter() - begin
        cost = Cost(made.flops, made.largest_intermediate, made.peak_memory, planning)
        self.first, self.latest = self.first or made, made
        cost.steps = tuple((step.einsum, step.shape) for step in made.steps)
        if self.arrays is None:
            cost.skipped = "not run"
        elif made.flops > MOST_FLOPS:
            cost.skipped = f"not run: more than {MOST_FLOPS:.0g} FLOPs"
        else:
            if cost.steps not in self.timed:
                self.timed[cost.steps] = self.clocked(made, optimizer, self.arrays)
            cost.running = self.timed[cost.steps]
        return cost

    def clocked(self, made: Plan, optimizer: str, arrays: Mapping[Name, Any]) -> float:
        results_of = made.itemsize * sum(prod(made.extents.shape(name)) for name in self.outputs)
        needed = made.peak_memory + 3 * results_of  # the first ones, those of this path, and how far they are apart
        refuse_more("a call, and the results that paths are compared by,", needed, "give smaller sizes")
        compiled = Specialisation(made, made.code, self.program_inputs)
        given = [arrays[name] for name in self.program_inputs]
        with np.errstate(all="ignore"):  # the arrays are random: a logarithm may well have none
            results = compiled.run(*given)
            for name, found in zip(self.outputs, results, strict=True):
                error = _distance(found, self.results.setdefault(name, found))
                if not error <= TOLERANCE:
                    raise DataError(f"{name} differs by {error:.2g} on the path of {optimizer}", repair="report this")
            del results, found
            times: list[float] = []
            while not times or (sum(times) < SECONDS and len(times) < 1000):
                begin = time.perf_counter()
                compiled.run(*given)
                times.append(time.perf_counter() - begin)
        return median(times)

    @property
    def program_inputs(self) -> tuple[Name, ...]:
        return tuple(self.program.inputs)


def _distance(found: Any, expected: Any) -> float:
    """The largest difference as a share of the largest entry; what is not finite must be so in both."""
    told = np.isfinite(expected)
    if not np.array_equal(told, np.isfinite(found)):
        return float("inf")
    scale = float(np.max(np.abs(expected), where=told, initial=0.0)) or 1.0
    return float(np.max(np.abs(found - expected), where=told, initial=0.0)) / scale
