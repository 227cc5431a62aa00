"""The order in which a product of several operands is contracted: found by a search, or written by a person.

Searches are given labels as integers, never letters: there are more than 52 of them.
"""

from __future__ import annotations

import random
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from importlib.util import find_spec
from typing import Any

from einstan.language.arguments import ArgumentError, shown
from einstan.language.errors import ProgramError, nearest
from einstan.machine.paths.chains import chained
from einstan.machine.paths.trees import OUTER, WIDE, Shape, Steps, exact, flops, from_path, improved
from einstan.machine.sizes.operations import Labels

Optimizer = Any  # a name, a PathOptimizer of opt_einsum or cotengra, a path, or a mapping from equation names to these

# What opt_einsum has is called by its own name, but for its "auto".
NAMES = ("auto", "best", "exact", "optimal", "branch-all", "branch-2", "branch-1", "greedy", "random-greedy",
         "random-greedy-128", "dp", "opt_einsum-auto", "opt_einsum-auto-hq", "cotengra")  # fmt: skip
TRIALS = 32  # that "cotengra" makes, as many as opt_einsum's random-greedy
RANDOM = 200  # above so many operands random trials take longer than they gain

NONE = 1 << 20  # what is empty is taken for long, and so summed before anything is multiplied with it: 0 / 0 is not 0
PATHS_KEPT = 4096
_paths: OrderedDict[Any, Steps] = OrderedDict()


def contraction_steps(
    labels: tuple[Labels, ...], shapes: tuple[tuple[int, ...], ...], out: Labels, optimize: Optimizer
) -> Steps:
    """The steps of one contraction, remembered where the optimizer is a name."""
    key = (labels, shapes, out, optimize) if isinstance(optimize, str) else None
    if key in _paths:
        _paths.move_to_end(key)
        return _paths[key]
    sizes = {x: n or NONE for own, shape in zip(labels, shapes, strict=True) for x, n in zip(own, shape, strict=True)}
    shape = Shape(tuple(map(frozenset, labels)), frozenset(out), sizes)
    found = merged(shape, automatic) if optimize == "auto" else search(shape, optimize)
    if key is not None:
        _paths[key] = found
        while len(_paths) > PATHS_KEPT:
            _paths.popitem(last=False)
    return found


def merged(shape: Shape, find: Callable[[Shape], Steps]) -> Steps:
    """The steps that a search finds once operands of the same labels are one: to multiply these first costs nothing, as
    none of their labels can be summed before all of them have met."""
    count = len(shape.operands)
    alike: dict[frozenset[int], list[int]] = {}
    for number, labels in enumerate(shape.operands):
        alike.setdefault(labels, []).append(number)
    if len(alike) == count or count <= OUTER:  # of few, the exact search finds what other contractions have made too
        return find(shape)
    steps: Steps = []
    nodes = []
    for members in alike.values():
        node = members[0]
        for other in members[1:]:
            steps.append((node, other))
            node = count + len(steps) - 1
        nodes.append(node)
    if len(alike) == 1:
        return steps
    names, made = dict(enumerate(nodes)), len(steps)
    for number, step in enumerate(find(Shape(tuple(alike), shape.out, shape.sizes))):
        steps.append(tuple(names[node] for node in step))
        names[len(alike) + number] = count + made + number
    return steps


def automatic(shape: Shape) -> Steps:
    """Exact for few operands and for chains; else the best of several greedy trees, each improved where neighbouring
    nodes can be arranged better, and of dynamic programming as far as a fixed amount of work goes."""
    count = len(shape.operands)
    if count <= OUTER:
        steps = exact(shape)
        assert steps is not None
        return steps
    pieces = connected(shape)
    if len(pieces) > 1:
        return apart(shape, pieces)
    chain = chained(shape)
    if chain is not None:
        return chain
    starts = [search(shape, "greedy")]
    if count <= RANDOM:
        starts.append(search(shape, "random-greedy"))  # whose trials are the same, however often it is called
    candidates = [improved(shape, improved(shape, steps), WIDE) for steps in starts]
    best = min(candidates, key=lambda steps: flops(shape, steps))
    return exact(shape, flops(shape, best)) or best


def connected(shape: Shape) -> list[list[int]]:
    """The operands in groups that no label connects."""
    groups: list[tuple[set[int], list[int]]] = []
    for number, labels in enumerate(shape.operands):
        near = [group for group in groups if not group[0].isdisjoint(labels)]
        groups = [group for group in groups if group not in near]
        groups.append((set(labels).union(*(g[0] for g in near)), sorted([number, *(k for g in near for k in g[1])])))
    return sorted(numbers for _, numbers in groups)


def apart(shape: Shape, pieces: Sequence[Sequence[int]]) -> Steps:
    """The steps of pieces that share no label, and then their products, the smallest first."""
    count = len(shape.operands)
    steps: Steps = []
    made: list[tuple[int, int]] = []  # the size of what each piece leaves, and its node
    for numbers in pieces:
        held = tuple(shape.operands[number] for number in numbers)
        own = Shape(held, shape.out.intersection(frozenset().union(*held)), shape.sizes)
        names = dict(enumerate(numbers))
        for number, step in enumerate(automatic(own) if len(numbers) > 1 else (), len(numbers)):
            names[number] = count + len(steps)
            steps.append(tuple(names[node] for node in step))
        made.append((shape.size(own.out), names[max(names)]))
    made.sort()
    node = made[0][1]
    for _, other in made[1:]:
        steps.append((node, other))
        node = count + len(steps) - 1
    return steps


def search(shape: Shape, optimize: Optimizer, seed: int = 0) -> Steps:
    """The steps that one search finds."""
    count = len(shape.operands)
    if optimize == "exact":
        return exact(shape, work=2**62) or automatic(shape)
    find = function_of(optimize) if isinstance(optimize, str) else deepcopy(optimize)
    # An optimizer object remembers the contraction that it was called with: each gets a copy of its own.
    # The random optimizers draw from Python's generator: one path for one contraction, in every process, because
    # another order of sums is another last digit, and a run that is resumed would differ.
    state = random.getstate()
    random.seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cotengra recommends what could be installed beside it
            path = find(list(shape.operands), shape.out, _some(shape.sizes), None)
    finally:
        random.setstate(state)
    return from_path(path, count)


def _some(sizes: Mapping[Any, int]) -> dict[Any, int]:
    """Sizes for a search: where nothing costs anything, dp finds no path."""
    return {label: max(size, 1) for label, size in sizes.items()}


def path_within(
    labels: Sequence[Labels], out: Labels, sizes: Mapping[int, int], optimize: Optimizer, limit: int
) -> tuple[tuple[int, ...], ...]:
    """The path of a search that makes no result of more entries than the limit, where it finds one: what would be
    larger is left to one step."""
    own = isinstance(optimize, str) and optimize in ("auto", "best", "exact")  # which know no limit
    find = function_of("auto" if own else optimize) if isinstance(optimize, str) else deepcopy(optimize)
    state = random.getstate()
    random.seed(0)
    try:
        path = find([frozenset(each) for each in labels], frozenset(out), _some(sizes), limit)
    finally:
        random.setstate(state)
    return tuple(tuple(int(k) for k in step) for step in path)


def require_optimizer(optimize: Optimizer) -> None:
    """Refuse what finds no paths, before anything is planned by it."""
    match optimize:
        case str():
            if optimize not in NAMES:
                function_of(optimize)
        case Mapping():
            for each in optimize.values():
                require_optimizer(each)
        case list() | tuple():
            pass  # a path, of which the contraction tells whether it fits
        case _ if not callable(optimize):
            raise ArgumentError(f"optimize = {shown(optimize)} is no optimizer", repair="optimize='auto'")


def function_of(name: str) -> Callable[..., Any]:
    """The search that a name stands for."""
    from opt_einsum import paths  # a search library: not needed until many factors meet

    if name == "cotengra":
        if find_spec("cotengra") is None:
            raise ProgramError("cotengra is not installed", repair=("pip install cotengra", 'or optimize="auto"'))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import cotengra

            return cotengra.HyperOptimizer(max_repeats=TRIALS, parallel=False, progbar=False)
    try:
        return paths.get_path_fn(name.removeprefix("opt_einsum-"))
    except KeyError:
        raise ProgramError(
            f"there is no optimizer {name!r}",
            inferred="known are " + ", ".join(NAMES) + ", and what opt_einsum has besides",
            repair=nearest(name, NAMES) or 'take optimize="auto"',
        ) from None


def cheap(most: int) -> list[str]:
    """The searches that are worth trying on contractions of at most so many operands, the quickest first."""
    names = ["auto", "greedy", "random-greedy-128"]
    if 3 <= most <= 8:
        names.append("optimal")
    if most <= 16:
        names.append("dp")
    return names + (["cotengra"] if find_spec("cotengra") is not None and most > OUTER else [])


def separate(shape: Shape) -> int:
    """The FLOPs of a contraction by itself, with opt_einsum's ``auto``."""
    count = len(shape.operands)
    return flops(shape, [] if count < 2 else [(0, 1)] if count == 2 else search(shape, "opt_einsum-auto"))


def by_hand(path: Sequence[Sequence[int]], count: int, equation: str) -> Steps:
    """A path that the user wrote, checked."""
    left, wrong = count, ""
    for step in path:
        if isinstance(step, str) or not isinstance(step, Sequence) or not all(isinstance(k, int) for k in step):
            wrong = f"{shown(step)} is no step"
            break
        if not step or len(set(step)) != len(step) or not all(0 <= k < left for k in step):
            wrong = f"the step {step} does not name different positions below {left}"
            break
        left -= len(step) - 1
    else:
        if left == 1:
            return from_path(path, count)
    raise ProgramError(
        f"the path {list(path)} does not contract {count} operands",
        text=equation,
        span=(equation.find(" = ") + 3, len(equation)),
        inferred=wrong or f"{left} operands are left where it ends",
        repair="give pairs of positions; each step removes its operands and appends its result",
    )


class Clock:
    """Seconds spent in searches, for what reports them."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> Clock:
        self.start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self.start
