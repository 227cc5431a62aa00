"""Every way to the values of a program."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

import einstan as es
from einstan.machine.meaning.loops import evaluate
from einstan.machine.meaning.numbers import EXACT, FLOATS
from einstan.machine.paths.paths import NAMES
from tests.routes.case import Case
from tests.routes.run import Compared, Run, route
from tests.routes.tree import Prod, Ref, nodes

OPTIMIZERS = [name for name in NAMES if name not in ("auto", "cotengra")]


def values(run: Run, found: Mapping[str, Any], case: Case | None = None) -> Iterator[Compared]:
    case = case or run.case
    for name, array in found.items():
        yield name, array, case.values[name]


def nested(tensor: Any) -> Any:
    return np.array([float(entry) for entry in tensor.flat]).reshape(tensor.shape)


def other_sizes(case: Case) -> Case:
    """The same program on sizes that it has not seen; what windows fix stays."""
    grown = {
        dim: size + (1 + k % 2 if dim in "abcd" and size else 0) for k, (dim, size) in enumerate(case.sizes.items())
    }
    return case.with_sizes(grown, case.data_seed + 1)


def sensible(case: Case) -> bool:
    """Whether the meaning is finite and away from kinks with other data too."""
    with np.errstate(all="ignore"):
        return case.finite and case.plain.closest > 1e-3 and case.magnitude < 1e4


def resized(case: Case) -> bool:
    return "entry" not in case.features or all(case.sizes[dim] for dim in "abcd")


@route("loops in floats", share=0.2)
def loops_in_floats(run: Run) -> Iterator[Compared]:
    found = evaluate(run.program, run.data, None, FLOATS)
    yield from values(run, {str(name): nested(tensor) for name, tensor in found.items()})


@route("loops in exact numbers", share=0.06, when=lambda case: case.finite)
def loops_in_exact_numbers(run: Run) -> Iterator[Compared]:
    found = evaluate(run.program, run.data, None, EXACT)
    yield from values(run, {str(name): nested(tensor) for name, tensor in found.items()})


@route("compile", share=0.6)
def compiled(run: Run) -> Iterator[Compared]:
    made = run.program.compile()
    yield from values(run, made(run.data))
    yield from values(run, made(**run.data))  # the entered call


@route("compile(outputs)", share=0.2)
def some_outputs(run: Run) -> Iterator[Compared]:
    names = [line.name for line in run.case.lines]
    wanted = run.rng.sample(names, run.rng.randint(1, len(names)))
    made = run.program.compile(outputs=wanted, fast=False)
    yield from values(run, made(run.data))


@route("compile(any_size=True)", share=0.15)
def any_size(run: Run) -> Iterator[Compared]:
    made = run.program.compile(any_size=True)
    yield from values(run, made(run.data))
    other = other_sizes(run.case)
    if resized(other) and sensible(other):
        yield from values(run, made(other.data), other)
        yield from values(run, made(run.data))


@route("compile(reuse_buffers=True)", share=0.08)
def reuse_buffers(run: Run) -> Iterator[Compared]:
    made = run.program.compile(reuse_buffers=True)
    made(run.data)
    other = run.case.with_sizes(run.case.sizes, run.case.data_seed + 1)
    if sensible(other):
        yield from values(run, made(other.data), other)
    yield from values(run, made(run.data))


NUMBA = find_spec("numba") is not None


@route("compile(fast=True)", share=0.001, when=lambda case: NUMBA)
def numba(run: Run) -> Iterator[Compared]:
    yield from values(run, run.program.compile(fast=True)(run.data))


def choices(case: Case) -> bool:
    """Whether some product has more than two factors, so that there is an order to choose."""
    bodies = [line.body for line in case.lines] if isinstance(case, Case) else []
    products = [node for body in bodies for node in nodes(body) if isinstance(node, Prod)]
    return not bodies or any(sum(isinstance(n, Ref) for n in nodes(product)) > 2 for product in products)


@route("compile(optimize=...)", share=0.12, when=lambda case: choices(case))
def optimizers(run: Run) -> Iterator[Compared]:
    name = run.rng.choice(OPTIMIZERS)
    for what, got, want in values(run, run.program.compile(optimize=name)(run.data)):
        yield f"{what} with {name}", got, want


@route("compile(memory_limit=...)", share=0.05)
def memory_limit(run: Run) -> Iterator[Compared]:
    yield from values(run, run.program.compile(memory_limit=1 << 20)(run.data))


@route("compile(dtype=...)", share=0.05)
def converted(run: Run) -> Iterator[Compared]:
    yield from values(run, run.program.compile(dtype=run.dtype)(run.data))


@route("Network.evaluator", share=0.05)
def evaluator(run: Run) -> Iterator[Compared]:
    names = [line.name for line in run.case.lines]
    wanted = run.rng.sample(names, run.rng.randint(1, len(names)))
    yield from values(run, run.network.evaluator(*wanted)(run.params, **run.others))


@route("Equation(...)", share=0.06)
def equations(run: Run) -> Iterator[Compared]:
    """One equation after another, each with the values of those before."""
    known, names = dict(run.data), [*run.data, *(line.name for line in run.case.lines)]
    for line in run.case.lines:
        equation = es.parse(str(line), names)
        read = {str(name) for name in equation.program.inputs}
        known[line.name] = equation(**{name: array for name, array in known.items() if name in read})
        yield line.name, known[line.name], run.case.values[line.name]


@route("str(program) again", share=0.1)
def printed(run: Run) -> Iterator[Compared]:
    again = es.Program(str(run.program))
    yield "equations", again.equations == run.program.equations, True
    made = again.compile(outputs=[run.case.loss])
    yield from values(run, made(run.data))


@route("latex again", share=0.1)
def latex(run: Run) -> Iterator[Compared]:
    for equation in run.program.equations:
        yield equation.name, es.parse(es.Equation.of(equation).latex()) is es.Equation.of(equation), True


def executed(source: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The source by itself: names of results are those of its docstring."""
    space: dict[str, Any] = {}
    exec(compile(source, "<source>", "exec"), space)
    step = space["step"]
    names = re.search(r"Returns \((.*?)\)", step.__doc__).group(1).split(", ")
    found = step(*[data[name] for name in inspect.signature(step).parameters])
    return dict(zip([name.rstrip(",") for name in names], found, strict=True))


@route("source()", share=0.12, when=lambda case: case.dtype != "mixed")
def source(run: Run) -> Iterator[Compared]:
    """Without sizes it is right for every size, or refused."""
    text = run.program.source(dtype=run.dtype)
    yield from values(run, executed(text, run.data))
    other = other_sizes(run.case)
    if resized(other) and sensible(other):
        yield from values(run, executed(text, other.data), other)


@route("source(sizes)", share=0.06, when=lambda case: case.dtype != "mixed")
def source_with_sizes(run: Run) -> Iterator[Compared]:
    sizes = {f"{name}.{k}": size for name, a in run.data.items() for k, size in enumerate(a.shape)}
    text = run.program.source(sizes, dtype=run.dtype)
    yield from values(run, executed(text, run.data))
