"""An einsum for operands of certain shapes and dtypes as straight-line NumPy: two operands at a time.

    def einsum(a0, a1, a2):
        b0 = np.dot(a0, a1)
        return np.dot(b0, a2)

The order is found once.  What BLAS computes goes to ``np.dot`` and ``np.matmul``; integers, half precision, extended
precision and objects, pair by pair, to NumPy's own einsum, whose sums and whose overflow they so have.  An operand with
an axis of extent 1 where its label has more is constant along that label: the axis is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from einstan.machine.paths.paths import by_hand, contraction_steps

Labels = tuple[int, ...]
BLAS = "fdFD?"  # with bool, whose products NumPy ends at the first True
SMALL_MATRICES, SMALL_VECTORS, SMALL_INSIDE = 128, 36, 1024  # multiplications per matrix of a batch


@dataclass(frozen=True)
class Part:
    """A value on the way: the name of an array, and the label of each of its axes."""

    text: str
    labels: Labels


def source(
    operands: Sequence[Labels],
    output: Labels,
    shapes: Sequence[Sequence[int]],
    dtypes: Sequence[np.dtype[Any]],
    dtype: np.dtype[Any],
    optimize: Any = "auto",
    result: Sequence[int] | None = None,
    name: str = "einsum",
) -> str:
    """The code.  ``result`` are the extents of the result where these may be 1 although the label has more: the
    gradient of an operand that was constant along it."""
    dtype = dtype.newbyteorder("=")
    sizes: dict[int, int] = {}
    own = [(labels, shape) for labels, shape in zip(operands, shapes, strict=True)]
    for labels, shape in [*own, (output, result or ())]:
        for label, size in zip(labels, shape, strict=False):
            if sizes.get(label, 1) == 1:
                sizes[label] = size
    writer = _Writer(sizes, dtype)
    kept = _kept(output, result, sizes)
    parts = [
        writer.prepared(f"a{k}", labels, shape, given.newbyteorder("=") != dtype, {*kept, *_others(operands, k)})
        for k, ((labels, shape), given) in enumerate(zip(own, dtypes, strict=True))
    ]
    last = writer.contracted(parts, kept, optimize)
    text = writer.finished(last, output, kept, result)
    lines = [f"def {name}({', '.join(f'a{k}' for k in range(len(operands)))}):", *writer.lines, f"return {text}"]
    return "\n    ".join(lines) + "\n"


def compiled(text: str, dtype: np.dtype[Any], name: str = "einsum") -> Callable[..., Any]:
    space: dict[str, Any] = {"np": np, "dtype": dtype}
    exec(compile(text, f"<{name}>", "exec"), space)
    made: Callable[..., Any] = space[name]
    return made


def _others(operands: Sequence[Labels], but: int) -> set[int]:
    return {label for k, labels in enumerate(operands) if k != but for label in labels}


def _kept(output: Labels, result: Sequence[int] | None, sizes: Mapping[int, int]) -> Labels:
    """The labels of the result, each once, without those of which it has the sum."""
    shape = result if result is not None else [sizes[label] for label in output]
    return tuple(dict.fromkeys(x for x, size in zip(output, shape, strict=True) if size == sizes[x]))


class _Writer:
    """The lines of one function."""

    def __init__(self, sizes: Mapping[int, int], dtype: np.dtype[Any]) -> None:
        self.sizes, self.dtype = sizes, dtype
        self.lines: list[str] = []
        self.count = 0

    def named(self, part: Part, used: Sequence[Part] = ()) -> Part:
        """The part as a variable; what it was made of is given up."""
        name = f"b{self.count}"
        self.count += 1
        self.lines.append(f"{name} = {part.text}")
        made = [other.text for other in used if other.text[0] == "b" and other.text[1:].isdigit()]
        if made:
            self.lines.append(f"del {', '.join(dict.fromkeys(made))}")
        return Part(name, part.labels)

    # ---- one operand -------------------------------------------------------------------------------------------------

    def prepared(self, text: str, labels: Labels, shape: Sequence[int], cast: bool, keep: set[int]) -> Part:
        """An operand with every label once and with the extent that it has elsewhere, summed over what only it has."""
        full = [size == self.sizes[label] for label, size in zip(labels, shape, strict=True)]
        if not all(full):
            text += f"[{', '.join(':' if whole else '0' for whole in full)}{'' if any(full) else ', ...'}]"
            labels = tuple(label for label, whole in zip(labels, full, strict=True) if whole)
        unique = tuple(dict.fromkeys(labels))
        if len(unique) < len(labels):
            number = {label: k for k, label in enumerate(unique)}
            text = f"np.einsum({text}, {[number[x] for x in labels]}, {list(number.values())})"
        return self.summed(Part(f"{text}.astype(dtype)" if cast else text, unique), keep)

    def summed(self, part: Part, keep: set[int]) -> Part:
        axes = tuple(k for k, label in enumerate(part.labels) if label not in keep)
        if not axes:
            return part
        over = f"axis={axes[0] if len(axes) == 1 else axes}" if len(axes) < len(part.labels) else "axis=None"
        left = tuple(label for label in part.labels if label in keep)
        return Part(f"np.add.reduce({part.text}, {over}, dtype=dtype)", left)

    # ---- two operands ------------------------------------------------------------------------------------------------

    def contracted(self, parts: Sequence[Part], kept: Labels, optimize: Any) -> Part:
        """All operands as one, two at a time in the order that a search finds."""
        live = dict(enumerate(parts))
        steps = self.steps(parts, kept, optimize)
        for number, step in enumerate(steps):
            chosen = [live.pop(k) for k in step]
            made = chosen[0]
            for position, other in enumerate(chosen[1:], 2):
                later = {x for rest in (*chosen[position:], *live.values()) for x in rest.labels}
                is_last = number == len(steps) - 1 and position == len(chosen)
                pair = self.pair(made, other, later.union(kept), kept if is_last else (), later.intersection(kept))
                made = pair if is_last else self.named(pair, (made, other))
            live[len(parts) + number] = made
        (last,) = live.values()
        return last

    def steps(self, parts: Sequence[Part], kept: Labels, optimize: Any) -> Sequence[Sequence[int]]:
        count = len(parts)
        if count < 2:
            return []
        if isinstance(optimize, tuple):
            return by_hand(optimize, count, "")
        if count == 2 or optimize is False:
            return [tuple(range(count))]
        labels = tuple(part.labels for part in parts)
        shapes = tuple(tuple(self.sizes[x] for x in own) for own in labels)
        known = {x for own in labels for x in own}
        return contraction_steps(labels, shapes, tuple(x for x in kept if x in known), optimize)

    def pair(self, left: Part, right: Part, keep: set[int], order: Labels, batches: set[int]) -> Part:
        """The product of two, summed over what nothing else needs; ``order`` is that of the result, if it is one, and
        ``batches`` are labels that stand in front of the matrices of a later product."""
        left = self.summed(left, keep.union(right.labels))
        right = self.summed(right, keep.union(left.labels))
        shared = [x for x in left.labels if x in right.labels]
        batch, over = [x for x in shared if x in keep], [x for x in shared if x not in keep]
        mine = [x for x in left.labels if x not in shared]
        yours = [x for x in right.labels if x not in shared]
        if order:
            batch, mine, yours = (sorted(group, key=order.index) for group in (batch, mine, yours))
        if not over:
            out = tuple(x for x in order if x in keep) if order else (*left.labels, *yours)
            out = tuple(x for x in out if x in left.labels or x in right.labels)
            return Part(f"np.multiply({self.lined_up(left, out)}, {self.lined_up(right, out)})", out)
        if self.dtype.char not in BLAS or (batch and self.is_small(left, right, batch, mine, yours, over)):
            return self.by_einsum(left, right, (*batch, *mine, *yours), order)
        turned = order and mine and yours and order.index(yours[-1]) < order.index(mine[-1])
        if turned or (not batches.isdisjoint(yours) and batches.isdisjoint(mine)):
            left, right, mine, yours = right, left, yours, mine  # so that the result need not be turned round
        over = self.best_order(left, right, batch, mine, yours, over)
        a = self.matrix(left, (batch, mine, over))
        b = self.matrix(right, (batch, over, yours))
        out = (*batch, *mine, *yours)
        return Part(self.product(a, b, batch, mine, yours, out), out)

    def is_small(self, left: Part, right: Part, batch: list[int], mine: list[int], yours: list[int],
                 over: list[int]) -> bool:  # fmt: skip
        """Whether the matrices of a batch are so small that BLAS costs more than it gains, measured: in a product with
        vectors, and where the batch is what lies next to each other in memory."""
        entries = prod(self.sizes[x] for x in (*mine, *over, *yours))
        inside = left.labels[-1] in batch and right.labels[-1] in batch
        if mine and yours:
            return inside and entries <= SMALL_MATRICES
        return not (mine or yours) or entries <= (SMALL_INSIDE if inside else SMALL_VECTORS)

    def product(self, a: str, b: str, batch: list[int], mine: list[int], yours: list[int], out: Labels) -> str:
        if not batch:
            text = f"np.dot({a}, {b})"
        else:
            a, b = a + "[..., None, :]" * (not mine), b + "[..., None]" * (not yours)
            text = f"np.matmul({a}, {b})" + "[..., 0, :]" * (not mine) + "[..., 0]" * (not yours)
        if len(mine) > 1 or len(yours) > 1:
            text += f".reshape({', '.join(str(self.sizes[x]) for x in out)})"
        return text

    def best_order(self, left: Part, right: Part, batch: list[int], mine: list[int], yours: list[int],
                   over: list[int]) -> list[int]:  # fmt: skip
        """The contracted labels in the order of the operand that would else be copied, the larger one if both."""
        orders = [[x for x in part.labels if x in over] for part in (left, right)]
        if len(over) < 2 or orders[0] == orders[1]:
            return orders[0]
        groups = [(left, mine), (right, yours)]
        groups.sort(key=lambda g: -prod(self.sizes[x] for x in g[0].labels))
        return [x for x in groups[0][0].labels if x in over]

    def by_einsum(self, left: Part, right: Part, natural: Labels, order: Labels) -> Part:
        out = tuple(x for x in order if x in natural) if order else natural
        number = {label: k for k, label in enumerate(dict.fromkeys((*left.labels, *right.labels)))}
        numbers = [[number[x] for x in labels] for labels in (left.labels, right.labels, out)]
        return Part(f"np.einsum({left.text}, {numbers[0]}, {right.text}, {numbers[1]}, {numbers[2]})", out)

    def matrix(self, part: Part, groups: tuple[list[int], list[int], list[int]]) -> str:
        """The axes in three groups, the last two as one axis each, or none where they are empty."""
        batch, *both = groups
        rows, columns = both
        if not batch and part.labels == (*columns, *rows) and rows and columns:  # turned round as a whole
            text = self.reshaped(part.text, (), (columns, rows))
            return f"{text}.T"
        text = self.turned(part, (*batch, *rows, *columns))
        return self.reshaped(text, batch, [group for group in both if group])

    def reshaped(self, text: str, batch: Sequence[int], groups: Sequence[Sequence[int]]) -> str:
        if all(len(group) < 2 for group in groups):
            return text
        extents = [self.sizes[x] for x in batch] + [prod(self.sizes[x] for x in group) for group in groups]
        return f"{text}.reshape({', '.join(map(str, extents))})"

    def turned(self, part: Part, order: Labels) -> str:
        if part.labels == order:
            return part.text
        if len(order) == 2:
            return f"{part.text}.T"
        return f"{part.text}.transpose({', '.join(str(part.labels.index(x)) for x in order)})"

    def lined_up(self, part: Part, order: Labels) -> str:
        """With the axes in this order, and new ones for labels that it lacks, unless those stand in front."""
        text = self.turned(part, tuple(x for x in order if x in part.labels))
        first = next((k for k, x in enumerate(order) if x in part.labels), len(order))
        if len(order) - first == len(part.labels):
            return text
        return f"{text}[{', '.join(':' if x in part.labels else 'None' for x in order[first:])}]"

    # ---- the result --------------------------------------------------------------------------------------------------

    def finished(self, part: Part, output: Labels, kept: Labels, result: Sequence[int] | None) -> str:
        """The labels in their order, along which nothing may vary; a label that stands twice is a diagonal."""
        shape = result if result is not None else [self.sizes[label] for label in output]
        have = tuple(x for x in kept if x in part.labels)
        text = self.turned(part, have)
        if have != output:
            return self.written_out(text, have, output, kept, shape)
        if text == "a0":  # as NumPy has it, a view of the operand
            text = "a0.view()"
        return f"{text}[()]" if not output and text.startswith("a0") else text  # a number, as NumPy has it

    def written_out(self, text: str, have: Labels, output: Labels, kept: Labels, shape: Sequence[int]) -> str:
        if have != kept:  # constant along what it lacks
            keys = ", ".join(":" if x in have else "None" for x in kept)
            extents = tuple(self.sizes[x] for x in kept)
            text = f"np.broadcast_to(np.asarray({text})[{keys}], {extents}).copy()"
        if kept == output:
            return text
        self.lines.append(f"made = np.zeros({tuple(shape)}, dtype)")
        labels = [x for x, size in zip(output, shape, strict=True) if size == self.sizes[x]]
        target = "made"
        if len(labels) < len(output):
            target += f".reshape({tuple(self.sizes[x] for x in labels)})"
        if len(labels) > len(kept):
            number = {label: k for k, label in enumerate(kept)}
            target = f"np.einsum({target}, {[number[x] for x in labels]}, {list(number.values())})"
        self.lines.append(f"{target}[...] = {text}")
        return "made"
