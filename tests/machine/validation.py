"""Every pass over graphs on its own: before and after it, a program gives the same numbers.

The numbers are those of `tests.machine.reference`, which knows no pass and no code.  `validate` walks through the
passes in the order in which a plan takes them, with all that can be chosen chosen at random; the first stage that
differs from the one before names the pass that is wrong.  `tests.test_tester` plants wrong passes, and expects red.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
import opt_einsum

from einstan.calculus.program import Program
from einstan.language.errors import EinstanError
from einstan.language.term import Name
from einstan.machine.graph import flatten
from einstan.machine.meaning import loops
from einstan.machine.meaning.numbers import FLOATS
from einstan.machine.passes import arrange, scans, windows
from einstan.machine.passes.recognised import recognised
from einstan.machine.passes.squares import taken_apart
from einstan.machine.paths import layouts, pairs
from einstan.machine.plan import plan, recompute
from einstan.machine.sizes.extents import Extents
from einstan.machine.sizes.inference import infer
from einstan.machine.sizes.operations import Flat, Graph, Stored
from tests.machine import graphs, reference
from tests.machine.programs import Case, case

LARGEST = 1e6  # a value above which digits are lost, so that the program tells nothing
TOLERANCE = 1e-7
OPTIMIZERS = ("auto", "greedy", "dp", "optimal", "random-greedy", "opt_einsum-auto", "exact")
# Sizes from which something pays: with these it pays at once.
SMALL = ((pairs, "GRAM_FROM", 1), (pairs, "GRAMS_FROM", (1, 1)), (arrange, "SMALLEST_BATCH", 1), (arrange, "LONG", 64),
         (arrange, "SMALLEST_BLOCK", 4), (windows, "ENTRY", 1), (plan, "SMALL_FAMILY", 0),
         (scans, "PAIRS", 1))  # fmt: skip


class UninformativeError(Exception):
    """The example tells nothing."""


class RandomPath(opt_einsum.paths.PathOptimizer):
    """Any order at all, now and then of three operands at once."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def __call__(self, inputs: Any, output: Any, size_dict: Any, memory_limit: Any = None) -> list[tuple[int, ...]]:
        left, path = len(inputs), []
        while left > 1:
            several = 3 if left > 2 and self.random.randrange(4) == 0 else 2
            path.append(tuple(sorted(self.random.sample(range(left), several))))
            left -= several - 1
        return path


@dataclass
class Stage:
    """What a pass has made of a program: the values that it needs, and where its tensors are."""

    name: str
    graph: Graph
    tensors: Mapping[Name, Stored]


class Walk:
    """A graph on its way through the passes."""

    def __init__(self, program: Program, flat: Flat, extents: Extents, random: Random) -> None:
        self.program, self.flat, self.extents, self.random = program, flat, extents, random
        self.general = random.randrange(4) == 0

    @classmethod
    def of_case(cls, given: Case, random: Random) -> Walk:
        flat = flatten.flatten(given.program, given.outputs)
        shapes = {name: given.arrays[str(name)].shape for name in given.program.inputs}
        extents = infer(given.program, shapes, None, only=flat.wanted)
        plan.refuse_empty(flat, extents)
        return cls(given.program, flat, extents, random)

    @property
    def known(self) -> dict[str, int]:
        """The extent of every dimension, those that range guards made included."""
        known = dict(self.extents.known)
        for dim, size in self.flat.ranges.items():
            known[dim] = size.constant + sum(k * known[other] for other, k in size.extents)
        return known

    def stages(self) -> Iterator[Stage]:
        random, flat, extents = self.random, self.flat, self.extents
        yield Stage("flatten", flat.graph, flat.tensors)
        left_out = random.choice((None, None, "seeds", "scans"))  # links are always solved
        for name, apply in plan.PASSES.items():
            if name != left_out:
                flat = apply(flat, extents, self.general)
                yield Stage(name, flat.graph, flat.tensors)
        optimize: Any = random.choice((*OPTIMIZERS, RandomPath(random), RandomPath(random)))
        expansion = pairs.Expansion(flat, extents, optimize, lambda _: random.randrange(4) > 0).run()
        yield Stage("pairs", expansion.graph, expansion.tensors)
        graph, tensors = layouts.Layouts(expansion.graph, expansion.tensors, flat.outputs, extents.known).run()
        yield Stage("layouts", graph, tensors)
        made = plan.planned(self.program, flat, extents, optimize, 8, bool(random.randrange(2)))
        yield Stage("planned", made.graph, made.tensors)
        graph, tensors = recognised(made.graph, made.tensors, made.outputs, extents.known, self.general)
        yield Stage("kernels", graph, tensors)
        yield Stage("squares", *taken_apart(made.graph, made.tensors, made.outputs, extents.known))
        for _ in range(3):
            if (found := self.repeated(made)) is not None:
                made = recompute.again(made, *found)
                yield Stage("recompute", made.graph, made.tensors)

    def repeated(self, made: plan.Plan) -> tuple[int, int, list[int]] | None:
        """A value that is made again before some later reader of it: what `recompute` takes, or any other."""
        if self.random.randrange(3) == 0:
            return recompute.candidate(made)
        at = {value: position for position, value in enumerate(made.order)}
        uses: dict[int, list[int]] = {}
        for position, value in enumerate(made.order):
            for operand in made.graph.operations[value].operands:
                uses.setdefault(operand.value, []).append(position)
        several = [value for value in uses if value not in made.kept and len(uses[value]) > 1]
        if not several:
            return None
        value = self.random.choice(several)
        later = self.random.choice(uses[value][1:])
        chain = recompute.recipe(made, value, later, at, uses, made.kept)
        return None if chain is None else (value, later, chain)


@dataclass
class Point:
    """Arrays, and what a graph made of them after the last pass: that it keeps it is what is asked."""

    known: Callable[[], Mapping[str, int]]  # the extent of every dimension
    arrays: Mapping[str, np.ndarray]
    shown: str
    expected: Callable[[], dict[str, np.ndarray]] | None = None
    before: dict[str, np.ndarray] = field(default_factory=dict)
    unsure: bool = False

    def check(self, stage: Stage, outputs: Iterable[Name]) -> None:
        """`AssertionError` if the pass has changed a number."""
        first = not self.before
        try:
            found, how = reference.evaluation(stage.graph, stage.tensors, outputs, self.known(), self.arrays)
        except reference.OutsideError as error:
            if first:
                raise UninformativeError from error
            raise AssertionError(f"{stage.name} reads outside: {error}\n{self.shown}") from error
        self.unsure = self.unsure or how.unsure
        if first:
            if not how.largest < LARGEST:
                raise UninformativeError
            self.before = self.expected() if self.expected else found
        wrong = [name for name in found if not close(self.before[name], found[name])]
        if wrong and self.unsure:
            raise UninformativeError
        if wrong:
            told = [f"{name} before:\n{self.before[name]}\nafter:\n{found[name]}" for name in wrong]
            raise AssertionError("\n".join([f"{stage.name} changes {', '.join(wrong)}", self.shown, *told]))
        self.before = found


def validate(walk: Walk, points: Sequence[Point]) -> list[str]:
    """The passes that were seen to keep the numbers at all these points."""
    seen: list[str] = []
    for stage in walk.stages():
        for point in points:
            point.check(stage, walk.flat.outputs)
        seen.append(stage.name)
    return seen


def by_loops(given: Case) -> dict[str, np.ndarray]:
    """The outputs by the loops that the equations mean."""
    read = {name: given.arrays[str(name)] for name in given.program.inputs}
    found = loops.evaluate(given.program, read, numbers=FLOATS)
    tensors = {str(name): found[name] for name in found if str(name) in map(str, given.outputs)}
    return {name: np.array(tensor.flat, dtype=float).reshape(tensor.shape) for name, tensor in tensors.items()}


def close(one: np.ndarray, other: np.ndarray) -> bool:
    scale = 1 + np.abs(one).max(initial=0)
    return one.shape == other.shape and bool(np.all(np.abs(one - other) <= TOLERANCE * scale))


def of_program(random: Random) -> list[str]:
    """A random program, and all graphs that are made of it."""
    given = case(random)
    walk = Walk.of_case(given, random)
    return validate(walk, [Point(lambda: walk.known, given.arrays, str(given), lambda: by_loops(given))])


def of_graph(random: Random) -> list[str]:
    """A random graph, and all that are made of it; what is to be right for all sizes, at others too."""
    blocks = random.randrange(20) == 0
    flat, extents, arrays = (graphs.blocks if blocks else graphs.chain)(random)
    shown = "\n".join(
        f"{n}: {op.kind} {op.detail} {op.operands} -> {op.out}" for n, op in enumerate(flat.graph.operations)
    )
    walk = Walk(Program(()), flat, extents, random)
    points = [Point(lambda: walk.known, arrays, shown)]
    if walk.general and not blocks:
        known = graphs.sizes(random)
        points.append(Point(lambda: known, graphs.arrays(known, random), f"for {known}\n{shown}"))
    return validate(walk, points)


def validated(made: Callable[[Random], list[str]], seed: int, numbers: Iterable[int]) -> Counter[str]:
    """How often each pass was seen to keep the numbers, on random programs or graphs."""
    seen: Counter[str] = Counter()
    for number in numbers:
        random = Random(f"{seed} {number}")
        try:
            with ExitStack() as changed, np.errstate(all="ignore"):
                if random.randrange(2):
                    for module, name, value in SMALL:
                        changed.enter_context(patch.object(module, name, value))
                seen.update(made(random))
        except (UninformativeError, EinstanError):
            continue
        except Exception as error:
            error.add_note(f"EINSTAN_SEED={seed}, number {number}")
            raise
    return seen
