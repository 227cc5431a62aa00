"""What graphs of operations mean: a few lines of NumPy for every kind, all labels of an operation laid out in full.

An operation is its nested loop over all its labels.  Here every label is an axis of one large array, an operand is read
at the places that its own labels say, and what the result does not have is summed.  That is slow, wasteful and plain,
and shares nothing with what turns operations into code: graphs before and after a pass are compared by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from einstan.language.term import Add, Apply, Const, Expr, Extent, Mul, Name
from einstan.machine.sizes.operations import COMPARISONS, Form, Graph, Operation, Stored

Array = Any


class OutsideError(Exception):
    """A read outside that nothing forbids."""


FUNCTIONS: dict[str, Callable[..., Array]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "arctan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "sigmoid": lambda x: (1 + np.tanh(np.divide(x, 2))) / 2,
    "softplus": lambda x: np.logaddexp(0, x),
    "erf": np.vectorize(math.erf, otypes=[float]),
    "expm1": np.expm1,
    "log1p": np.log1p,
    "cbrt": np.cbrt,
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan2": np.arctan2,
    "arcsinh": np.arcsinh,
    "arccosh": np.arccosh,
    "arctanh": np.arctanh,
    "erfc": special.erfc,
    "lgamma": special.gammaln,
    "digamma": special.digamma,
    "trigamma": lambda x: special.polygamma(1, x),
    "silu": lambda x: x * (1 + np.tanh(np.divide(x, 2))) / 2,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "clip": lambda x, a, b: np.minimum(np.maximum(x, a), b),
    "mod": np.mod,
    "relu": lambda x: np.where(x > 0, x, 0 * x),
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "pow": lambda x, y: x**y,
    "pi": lambda: math.pi,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "and": np.logical_and,
    "select": lambda mask, x: np.where(mask != 0, x, 0.0),
    "finite_part": lambda x: np.nan_to_num(x, nan=0, posinf=0, neginf=0),
    "one": lambda x: x**0,
    "is_finite": lambda x: 1.0 * (np.abs(x) < np.inf),
    "sign_part": lambda x: 1.0 * (x > 0) - (x < 0),
    "has_sign": lambda x: 1.0 * (x > 0) + (x < 0),
    "finite_sign": lambda x: 1.0 * ((x > 0) & (x < np.inf)) - ((x < 0) & (x > -np.inf)),
    "has_finite_sign": lambda x: 1.0 * ((x > 0) & (x < np.inf)) + ((x < 0) & (x > -np.inf)),
    "extended": np.vectorize(
        lambda x, terms, finite, signs, signed, some, any_: (
            x if terms == finite
            else np.inf if terms - finite == signed - any_ == signs - some
            else -np.inf if terms - finite == signed - any_ == some - signs
            else np.nan
        ), otypes=[float]
    ),
}  # fmt: skip


JUMPS = ("<", "<=", ">", ">=", "==", "!=", "sign", "floor")


def number(node: Expr, known: Mapping[str, int]) -> float:
    """A number of sizes."""
    match node:
        case Const(value=value):
            return float(value)
        case Extent(index=index):
            return float(known[index.dim])
        case Add(terms=terms):
            return sum(number(term, known) for term in terms)
        case Mul(factors=factors):
            return math.prod(number(factor, known) for factor in factors)
        case Apply(function=function, arguments=arguments):
            with np.errstate(all="ignore"):
                return float(FUNCTIONS[function](*(np.float64(number(each, known)) for each in arguments)))
    raise AssertionError(f"no number: {node}")


class Space:
    """An operation with an axis for each of its labels."""

    def __init__(self, operation: Operation, values: Mapping[int, Array], known: Mapping[str, int]) -> None:
        self.operation, self.known = operation, known
        self.detail = operation.detail
        self.sizes = [known[dim] for dim in operation.dims]
        count = len(self.sizes)
        self.at = [
            np.arange(n).reshape([-1 if k == axis else 1 for k in range(count)]) for axis, n in enumerate(self.sizes)
        ]
        self.whole = [values[ref.value] for ref in operation.operands]
        self.labels = [ref.labels for ref in operation.operands]

    def operand(self, position: int) -> Array:
        """The entries of an operand at the places that its labels say."""
        return self.whole[position][tuple(self.at[label] for label in self.labels[position])]

    @property
    def operands(self) -> list[Array]:
        return [self.operand(position) for position in range(len(self.whole))]

    def form(self, form: Form) -> Array:
        total: Array = form.constant + sum(k * self.known[dim] for dim, k in form.extents)
        for label, k in form.labels:
            total = total + k * self.at[label]
        for position, k in form.values:
            total = total + k * self.operand(position)
        return np.asarray(total)

    def product(self, numerators: int) -> Array:
        made: Array = np.float64(1)
        for position, entries in enumerate(self.operands):
            made = made * entries if position < numerators else made / entries
        return made

    def result(self, entries: Array, total: Callable[..., Array] = np.sum) -> Array:
        """Entries over all labels, what the result lacks taken together, in the order of its axes."""
        out = self.operation.out
        full = np.broadcast_to(entries, self.sizes)
        gone = tuple(label for label in range(len(self.sizes)) if label not in out)
        kept = [label for label in range(len(self.sizes)) if label in out]
        held = total(full, axis=gone) if gone else np.array(full)
        return np.asarray(held).transpose([kept.index(label) for label in out])


def _map(space: Space) -> Array:
    function, *details = space.detail
    operands = space.operands
    if function == "scale":
        return space.result(number(details[0], space.known) * operands[0])
    if function == "add":
        scaled = [number(c, space.known) * x for c, x in zip(details[0], operands, strict=True)]
        return space.result(sum(scaled[1:], scaled[0]))
    if function == "pow" and details:
        operands = [*operands, number(details[0], space.known)]
    if function not in COMPARISONS:
        operands = [np.asarray(entries, float) for entries in operands]
    return space.result(FUNCTIONS[function](*operands))


def _reduce(space: Space) -> Array:
    (entries,) = space.operands
    match space.detail:
        case "max of all":
            return space.result(entries, lambda x, axis: np.max(x, axis=axis, initial=np.finfo(float).min))
        case "max":
            return space.result(entries, np.max)
        case "min":
            return space.result(entries, np.min)
        case "prod":
            return space.result(entries, np.prod)
    raise AssertionError(f"no reduction {space.detail}")


def _scan(space: Space) -> Array:
    """All entries that stand where the scan looks from each position."""
    (entries,), (labels,), scan = space.operands, space.labels, space.detail
    (target,) = (label for label in space.operation.out if label not in labels)
    (own,) = (label for label in labels if label not in space.operation.out)
    here, there = space.at[own], space.at[target]
    if scan.ufunc == "others":
        return space.result(np.where(here != there, entries, 1), np.prod)
    seen = here > there if scan.backwards else here < there
    seen = seen if scan.strict else seen | (here == there)
    start, total = {
        "add": (0, np.sum),
        "multiply": (1, np.prod),
        "maximum": (-np.inf, lambda x, axis: np.max(x, axis=axis, initial=-np.inf)),
        "minimum": (np.inf, lambda x, axis: np.min(x, axis=axis, initial=np.inf)),
    }[scan.ufunc]
    return space.result(np.where(seen, entries, start), total)


def _read(space: Space) -> Array:
    """What stands where the slots say; outside, where some guard is negative, the fill."""
    whole, reading, size = space.whole[0], space.detail, [space.sizes[x] for x in space.labels[0]]
    own = set(space.labels[0])  # the axes of the tensor itself are no labels of the loop
    at = [space.form(slot) for slot in reading.slots]
    inside = np.asarray(True)
    for place, n in zip(at, size, strict=True):
        inside = inside & (place >= 0) & (place < n)
    allowed = np.asarray(True)
    for guard in reading.guards:
        allowed = allowed & (space.form(guard) >= 0)
    loop = [1 if label in own else n for label, n in enumerate(space.sizes)]
    if np.any(np.broadcast_to(~inside & allowed, loop)):
        raise OutsideError(f"{reading.access} in {reading.equation}")
    if 0 in size:
        read = np.asarray(reading.fill, whole.dtype)
    else:
        places = [np.clip(place, 0, n - 1) for place, n in zip(at, size, strict=True)]
        read = np.where(inside, whole[tuple(places)] if places else whole, reading.fill)
    out = space.operation.out
    here = [label for label in range(len(space.sizes)) if label in out]
    full = np.broadcast_to(read, [n if label in here else 1 for label, n in enumerate(space.sizes)])
    return (
        np.array(full).reshape([space.sizes[label] for label in here]).transpose([here.index(label) for label in out])
    )


def _embed(space: Space) -> Array:
    out, extra = space.operation.out, space.detail
    entries = space.operand(0)
    for position, same in enumerate(extra, len(out) - len(extra)):
        entries = np.where(space.at[out[position]] == space.at[out[same]], entries, 0)
    return space.result(entries)


def _scatter(space: Space) -> Array:
    positions, core = space.operands
    return space.result(np.where(positions == space.at[space.operation.out[0]], core, 0))


def _linked(space: Space) -> Array:
    entries = space.product(space.detail.numerators)
    for form in space.detail.forms:
        entries = np.where(space.form(form) == 0, entries, 0)
    return space.result(entries)


def _overlap(space: Space) -> Array:
    """Entry by entry: an axis of the result and a label of the operand may share their number, and are not one."""
    (core,), (labels,) = space.whole, space.labels
    made = np.zeros([space.sizes[label] for label in space.operation.out])
    for at in np.ndindex(*core.shape):
        place = dict(zip(labels, at, strict=True))
        target = tuple(
            form.constant
            + sum(k * space.known[dim] for dim, k in form.extents)
            + sum(k * place[x] for x, k in form.labels)
            for form in space.detail.forms
        )
        if all(0 <= p < n for p, n in zip(target, made.shape, strict=True)):
            made[target] += core[at]
    return made


def _split(space: Space) -> Array:
    (vector,) = space.whole
    count, width = (space.sizes[label] for label in space.operation.out)
    entries = [
        [vector[b * width + k] if b * width + k < len(vector) else 0 for k in range(width)] for b in range(count)
    ]
    return np.array(entries, float).reshape(count, width)


def _join(space: Space) -> Array:
    (blocks,) = space.whole
    width = blocks.shape[1]
    return np.array([blocks[k // width, k % width] for k in range(space.sizes[space.operation.out[0]])], float)


class Several(np.ndarray):
    """What a kernel makes: the first of its values, and all of them."""

    parts: tuple[Array, ...]


def _weights(q: Array, k: Array, causal: bool, scale: float) -> Array:
    logits = scale * (q @ k.swapaxes(-1, -2))
    if causal:
        logits = np.where(np.tri(*logits.shape[-2:], dtype=bool), logits, -np.inf)
    return special.softmax(logits, -1)


def _less_mean(y: Array, slope: Array, axis: int) -> Array:
    return y * (slope - np.sum(y * slope, axis, keepdims=True))


def _norm(x: Array, *more: Any) -> tuple[Array, ...]:
    *weights, epsilon = more
    gain, bias = (*weights, *(1, 0)[len(weights) :])
    m, r = x.mean(-1, keepdims=True), 1 / np.sqrt(x.var(-1, keepdims=True) + epsilon)
    return gain * (x - m) * r + bias, m, r


def _norm_backward(dy: Array, x: Array, made: Several, gain: Array) -> tuple[Array, ...]:
    _, m, r = made.parts
    unit, up = (x - m) * r, dy * gain
    rows = tuple(range(x.ndim - 1))
    less = up - up.mean(-1, keepdims=True) - unit * (up * unit).mean(-1, keepdims=True)
    return less * r, np.sum(dy * unit, rows), np.sum(dy, rows)


def _attention(q: Array, k: Array, v: Array, causal: bool, scale: float) -> tuple[Array, ...]:
    weights = _weights(q, k, causal, scale)
    return weights @ v, weights


def _attention_backward(
    do: Array, q: Array, k: Array, v: Array, causal: bool, scale: float, scaled: bool
) -> tuple[Array, ...]:
    weights = _weights(q, k, causal, scale)
    slopes = _less_mean(weights, do @ v.swapaxes(-1, -2), -1) * (scale if scaled else 1)
    return slopes @ k, slopes.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ do


def _gelu_tanh(x: Array) -> Array:
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def _slope(function: Callable[[Array], Array]) -> Callable[[Array, Array], tuple[Array, ...]]:
    """A cotangent times a derivative, by a complex step where the function takes one."""
    return lambda dy, x: (dy * np.imag(function(x + 1e-30j)) / 1e-30,)


def _gelu(x: Array) -> Array:
    return x * (1 + special.erf(x / math.sqrt(2))) / 2


KERNELS: dict[str, Callable[..., tuple[Array, ...]]] = {
    "softmax": lambda x, axis: (special.softmax(x, axis),),
    "log_softmax": lambda x, axis: (special.log_softmax(x, axis),),
    "logsumexp": lambda x, axis: (special.logsumexp(x, axis),),
    "softmax_backward": lambda dy, y, axis, scale: (scale * _less_mean(y, dy, axis),),
    "labelled": lambda y, hot, axis: (1.0 * hot - y,),
    "gelu": lambda x: (_gelu(x),),
    "gelu_tanh": lambda x: (_gelu_tanh(x),),
    "silu_kernel": lambda x: (x / (1 + np.exp(-x)),),
    "gelu_backward": _slope(_gelu),
    "gelu_tanh_backward": _slope(_gelu_tanh),
    "relu_backward": lambda dy, x: (np.where(x > 0, dy, 0),),
    "silu_backward": _slope(lambda x: x / (1 + np.exp(-x))),
    "layer_norm": _norm,
    "layer_norm_backward": lambda dy, x, made, *more: _norm_backward(dy, x, made, (*more[:-1], 1)[0]),
    "attention": lambda q, k, v, causal, scale, kept: _attention(q, k, v, causal, scale),
    "attention_backward": lambda do, q, k, v, made, *more: _attention_backward(do, q, k, v, *more),
}


def _kernel(space: Space) -> Array:
    name, options, orders = space.detail
    turned = [
        held if isinstance(held, Several) else held.transpose([labels.index(label) for label in order])
        for held, labels, order in zip(space.whole, space.labels, orders, strict=True)
    ]
    made = KERNELS[name](*turned, *(number(each, space.known) if isinstance(each, Expr) else each for each in options))
    several = np.asarray(made[0]).view(Several)
    several.parts = made
    return several


def _part(space: Space) -> Array:
    (held,), (place, order), out = space.whole, space.detail, space.operation.out
    entries = held if place is None else held.parts[place]
    return np.asarray(entries).transpose([order.index(label) for label in out])


WHOLE = {"floor": np.floor_divide, "over": np.floor_divide, "mod": np.mod, "times": np.multiply}

MEANINGS: dict[str, Callable[[Space], Array]] = {
    "number": lambda space: np.float64(number(space.detail, space.known)),
    "map": _map,
    "contract": lambda space: space.result(space.product(space.detail)),
    "reduce": _reduce,
    "scan": _scan,
    "iota": lambda space: space.result(space.at[space.operation.out[0]]),
    "form": lambda space: space.result(space.form(space.detail)),
    "whole": lambda space: space.result(WHOLE[space.detail](*(np.asarray(s).astype(int) for s in space.operands))),
    "read": _read,
    "diagonal": lambda space: space.result(space.operand(0)),
    "embed": _embed,
    "gram": lambda space: space.result(space.product(len(space.whole))),
    "grams": lambda space: space.result(space.product(len(space.whole))),
    "scatter": _scatter,
    "expand": lambda space: space.result(space.operand(0)),
    "linked": _linked,
    "overlap": _overlap,
    "copy": lambda space: space.result(space.operand(0)),
    "split": _split,
    "join": _join,
    "kernel": _kernel,
    "part": _part,
}


@dataclass
class Evaluation:
    """The values of a graph that were asked for; how large they get, and whether some comparison could as well have
    come out otherwise, because its sides are equal but for their last digits."""

    graph: Graph
    known: Mapping[str, int]
    arrays: Mapping[str, Array]
    values: dict[int, Array] = field(default_factory=dict)
    largest: float = 0.0
    unsure: bool = False

    def run(self, wanted: Iterable[int]) -> Evaluation:
        with np.errstate(all="ignore"):
            for value in sorted(self.graph.needed(wanted)):
                operation = self.graph.operations[value]
                assert all(ref.value < value for ref in operation.operands), "a value is read before it is made"
                if operation.kind == "input":
                    made = np.asarray(self.arrays[str(operation.detail)])
                else:
                    space = Space(operation, self.values, self.known)
                    made = MEANINGS[operation.kind](space)
                    self.unsure = self.unsure or (operation.kind == "map" and _is_unsure(space))
                assert made.shape == tuple(self.known[dim] for dim in operation.out_dims), operation
                self.values[value] = made
                self.largest = float(np.maximum(self.largest, np.abs(made).max(initial=0)))
        return self

    def tensor(self, stored: Stored) -> Array:
        """A tensor with all its axes."""
        shape = tuple(self.known[dim] for dim in stored.dims)
        if stored.value is None:
            return np.full(shape, 1.0 if stored.coefficient is None else number(stored.coefficient, self.known))
        present = [slot for slot, axis in enumerate(stored.slots) if axis is not None]
        ordered = self.values[stored.value].transpose([stored.slots[slot] for slot in present])
        ordered = ordered.reshape([shape[slot] if slot in present else 1 for slot in range(len(shape))])
        return np.array(np.broadcast_to(ordered, shape), float)


def _is_unsure(space: Space) -> bool:
    if space.detail[0] not in JUMPS:
        return False
    one, other = (*space.operands, 0)[:2]
    if space.detail[0] == "floor":
        other = np.round(one)
    gap = np.abs(np.subtract(one, other, dtype=float))
    return bool(np.any((gap > 0) & (gap < 1e-9 * (1 + np.abs(one)))))


def evaluation(
    graph: Graph,
    tensors: Mapping[Name, Stored],
    names: Iterable[Name],
    known: Mapping[str, int],
    arrays: Mapping[str, Array],
) -> tuple[dict[str, Array], Evaluation]:
    """The tensors of these names, and how they were found."""
    wanted = {name: tensors[name] for name in names}
    done = Evaluation(graph, known, arrays).run([s.value for s in wanted.values() if s.value is not None])
    return {str(name): done.tensor(stored) for name, stored in wanted.items()}, done
