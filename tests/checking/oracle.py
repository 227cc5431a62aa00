"""What is false, said by NumPy: both sides of a claim at a random point, in floats, with derivatives by differences.

Nothing here uses the calculus, the checker or its points: a term is a NumPy expression over one axis per index, a
derivative a central difference, and what an assumption asks of a tensor is made by the document's own NumPy sentence.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erf

from einstan.language.index import Affine, Index
from einstan.language.node import preorder
from einstan.language.term import (
    Add,
    Apply,
    Const,
    Delta,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Partial,
    Reduce,
    Sum,
)

STEP = {1: 1e-5, 2: 1e-3}  # of a difference of first and of second order
CLEAR = {0: 1e-8, 1: 1e-4, 2: 1e-2}  # relative: what differs by more is false

FUNCTIONS = {
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "arctan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "erf": erf, "abs": np.abs, "sign": np.sign, "floor": np.floor,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "softplus": lambda x: np.logaddexp(0, x),
    "relu": lambda x: np.maximum(x, 0), "maximum": np.maximum, "minimum": np.minimum, "pow": np.power,
    "pi": lambda: np.float64(np.pi),
}  # fmt: skip
RELATIONS = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip


class UnknownError(Exception):
    """The oracle has nothing to say about this."""


class Terms:
    """The values of terms, each an array with one axis per index; ``size(index)`` is how many values it takes."""

    def __init__(self, size, array):
        self.size, self.array = size, array

    def entries(self, expr, indices):
        """The array of an expression, its axes in the order of the given indices."""
        order = list(dict.fromkeys((*indices, *(node for node in preorder(expr) if isinstance(node, Index)))))
        order += [
            i for node in preorder(expr) if isinstance(node, Sum | Reduce) for i in node.indices if i not in order
        ]
        places = {index: k for k, index in enumerate(order)}
        with np.errstate(all="ignore"):
            found = self.of(expr, places)
        shape = [self.size(index) for index in indices] + [1] * (len(order) - len(indices))
        return np.broadcast_to(found, shape).reshape(shape[: len(indices)])

    def grid(self, index, places):
        shape = [1] * len(places)
        shape[places[index]] = self.size(index)
        return np.arange(self.size(index)).reshape(shape)

    def form(self, node, places):
        """The value of what stands in a slot or in a bracket."""
        if isinstance(node, Index):
            return self.grid(node, places)
        if isinstance(node, Affine):
            total = np.full([1] * len(places), node.constant)
            for atom, k in node.terms:
                total = total + k * self.form(atom, places)
            return total
        if isinstance(node, Extent):
            return np.full([1] * len(places), self.size(node.index))
        return self.of(node, places)

    def of(self, node, places):
        ones = [1] * len(places)
        match node:
            case Const(value=value):
                return np.full(ones, float(value))
            case Extent():
                return np.full(ones, float(self.size(node.index)))
            case Indexed(tensor=tensor, slots=slots):
                array = self.array(tensor)
                if not slots:
                    return np.full(ones, float(array))
                at = np.broadcast_arrays(*(np.asarray(self.form(slot, places)).astype(int) for slot in slots))
                inside = np.logical_and.reduce([(a >= 0) & (a < n) for a, n in zip(at, array.shape, strict=True)])
                clipped = tuple(np.clip(a, 0, n - 1) for a, n in zip(at, array.shape, strict=True))
                return np.where(inside, array[clipped], np.nan)
            case Delta(left=left, right=right):
                return (self.form(left, places) == self.form(right, places)).astype(float)
            case Iverson(operands=operands, relations=relations):
                values = [self.form(operand, places) for operand in operands]
                held = np.ones(ones, dtype=bool)
                for left, relation, right in zip(values, relations, values[1:], strict=False):
                    held = held & RELATIONS[relation](left, right)
                return held.astype(float)
            case Add(terms=terms):
                return sum((self.of(term, places) for term in terms[1:]), self.of(terms[0], places))
            case Mul(factors=factors):
                values = [self.of(factor, places) for factor in factors]
                brackets = [v != 0 for f, v in zip(factors, values, strict=True) if isinstance(f, Delta | Iverson)]
                product = np.ones(ones)
                for value in values:
                    product = product * value
                return (
                    np.where(np.logical_and.reduce(np.broadcast_arrays(*brackets)), product, 0) if brackets else product
                )
            case Apply(function=function, arguments=arguments):
                return FUNCTIONS[function](*(self.of(argument, places) for argument in arguments))
            case Sum(indices=indices, body=body):
                return self.whole(body, indices, places).sum(tuple(places[i] for i in indices), keepdims=True)
            case Reduce(operation=operation, indices=indices, body=body):
                axes = tuple(places[i] for i in indices)
                value = self.whole(body, indices, places)
                if operation == "logsumexp":
                    top = value.max(axes, keepdims=True)
                    return top + np.log(np.exp(value - top).sum(axes, keepdims=True))
                return getattr(value, operation)(axes, keepdims=True)
            case _:
                raise UnknownError(type(node).__name__)

    def whole(self, body, indices, places):
        """The value of a body with the indices that run over it as axes of their own, also where it lacks them."""
        value = self.of(body, places)
        shape = list(value.shape)
        for index in indices:
            shape[places[index]] = self.size(index)
        return np.broadcast_to(value, shape)


class World:
    """A program at a point: all its tensors, and their derivatives by differences.  ``whole`` knows the ranks of the
    tensors that the claim alone reads, and the classes of equal axes, by which all indices are named."""

    def __init__(self, program, whole, extents, point):
        self.program, self.whole, self.extents = program, whole, extents
        self.point = {name: np.asarray(array, dtype=float) for name, array in point.items()}
        self.order = 0  # of the derivatives that have been asked for
        self.derivatives = {}
        self.now = dict(self.point)

    def size(self, index):
        return self.extents.known[index.dim]

    def value(self, name, arrays, moved=False):
        """A tensor from the arrays that are known, which it joins.  Of what is ``moved``, no derivative is known."""
        if self.named_derivative(self.whole, name):
            if moved:
                raise UnknownError(name)
            return self.derivative(name)
        if name not in arrays:
            equation = self.program.defined[name]
            terms = Terms(self.size, lambda read: self.value(read, arrays, moved))
            arrays[name] = terms.entries(equation.rhs, equation.indices)
        return arrays[name]

    @staticmethod
    def named_derivative(program, name):
        if isinstance(name, Partial):
            return True
        return name.startswith("d") and name not in program.defined and name[1:] in program.ranks

    def array(self, name):
        return self.value(name, self.now)

    def derivative(self, name):
        if name not in self.derivatives:
            whole = name if isinstance(name, Partial) else Partial(self.loss(name[1:]), 0, ((name[1:], 0),))
            self.order = max(self.order, len(whole.wrt))
            wrt = [tensor for tensor, _ in whole.wrt]
            self.derivatives[name] = self.difference(whole.of, wrt, {}, STEP[len(wrt)])
        return self.derivatives[name]

    def loss(self, tensor):
        scalars = [e.name for e in self.program.equations if not e.indices and tensor in self.behind(e.name)]
        top = [s for s in scalars if not any(s in self.behind(other) for other in scalars if other != s)]
        if len(top) != 1:
            raise UnknownError(tensor)
        return top[0]

    def behind(self, name):
        found, queue = {name}, [name]
        while queue:
            for read in self.program.reads.get(queue.pop(), ()):
                if read not in found:
                    found.add(read)
                    queue.append(read)
        return found

    def difference(self, of, wrt, moved, step):
        """The derivative of a tensor by others, each entry moved both ways."""
        if not wrt:
            return self.moved(of, moved)
        *rest, last = wrt
        start = np.asarray(self.array(last))
        found = []
        for offset in range(start.size):
            sides = []
            for sign in (1, -1):
                changes = {key: value.copy() for key, value in moved.items()}
                changes.setdefault(last, np.zeros(start.shape))
                changes[last].reshape(-1)[offset] += sign * step
                sides.append(self.difference(of, rest, changes, step))
            found.append((sides[0] - sides[1]) / (2 * step))
        shape = found[0].shape
        return np.stack(found, -1).reshape((*shape, *start.shape))

    def moved(self, of, changes):
        point = dict(self.point)
        for name, change in changes.items():
            point[name] = np.asarray(self.array(name)) + change
        return np.asarray(self.value(of, point, moved=True))


def differs(world, line):
    """Whether the two sides of a claim, ``line`` an equation of them both, are clearly apart."""
    left, right = line.rhs.arguments
    terms = Terms(world.size, world.array)
    a, b = (terms.entries(side, line.indices) for side in (left, right))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UnknownError("no value")
    scale = max(1.0, np.abs(a).max(initial=0), np.abs(b).max(initial=0))
    return bool(np.abs(a - b).max(initial=0) > CLEAR[world.order] * scale)
