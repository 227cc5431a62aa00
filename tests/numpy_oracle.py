"""A claim's sides at a counterexample, by NumPy: what a person who pastes the printed arrays would compute.

Nothing here uses the calculus or the loops of the library: definitions are evaluated entry by entry with floats, and a
derivative is a central difference of the definitions.
"""

import itertools
import math

import numpy as np

from einstan.language.index import Affine, Index
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

STEP = 1e-5
FUNCTIONS = {
    "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "pow": lambda x, k: x**k, "relu": lambda x: max(x, 0.0),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "softplus": lambda x: math.log1p(math.exp(x)), "tanh": math.tanh,
    "maximum": max, "minimum": min, "sin": math.sin, "cos": math.cos,
}  # fmt: skip
RELATIONS = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip


class Pasted:
    """Arrays by name, the equations that define the other tensors, and the size of each dimension."""

    def __init__(self, arrays, equations, size_of, is_derivative, loss):
        self.arrays = {name: np.asarray(value, dtype=float) for name, value in arrays.items()}
        self.equations = {str(e.name): e for e in equations}
        self.size_of, self.is_derivative, self.loss = size_of, is_derivative, loss

    def tensor(self, name, changed):
        """One tensor as an array, where those in ``changed`` are replaced."""
        text = str(name)
        if text in changed:
            return changed[text]
        if text in self.equations:
            equation = self.equations[text]
            shape = [self.size_of(equation, index) for index in equation.indices]
            result = np.empty(shape)
            for at in np.ndindex(*shape):
                env = dict(zip(equation.indices, at, strict=True))
                result[at] = self.value(equation.rhs, env, equation, changed)
            return result
        if text in self.arrays:
            return self.arrays[text]
        return self.derivative(name, changed)

    def derivative(self, name, changed):
        """Central differences, one entry of the denominator after the other."""
        if isinstance(name, str):
            (of, wrt), before = (self.loss(name[1:]), name[1:]), ()
        else:
            of, wrt, before = name.of, name.wrt[-1][0], name.wrt[:-1]
        of = Partial(of, name.rank, before) if before else of
        base = self.tensor(wrt, changed)
        columns = []
        for at in np.ndindex(*base.shape):
            sides = []
            for step in (STEP, -STEP):
                moved = base.copy()
                moved[at] += step
                sides.append(self.tensor(of, {**changed, str(wrt): moved}))
            columns.append((sides[0] - sides[1]) / (2 * STEP))
        return np.moveaxis(np.array(columns), 0, -1).reshape(*columns[0].shape, *base.shape)

    def value(self, node, env, equation, changed):
        def at(inner):
            return self.value(inner, env, equation, changed)

        match node:
            case Const(value=value):
                return float(value)
            case Index():
                return env[node]
            case Affine(terms=terms, constant=constant):
                return constant + sum(k * int(at(atom)) for atom, k in terms)
            case Extent(index=index):
                return float(self.size_of(equation, index))
            case Indexed(tensor=name, slots=slots):
                place = tuple(at(form) for form in slots)
                assert all(position >= 0 for position in place)
                return float(self.tensor(name, changed)[place])
            case Delta(left=left, right=right):
                return float(at(left) == at(right))
            case Iverson(operands=operands, relations=relations):
                values = [at(operand) for operand in operands]
                held = zip(values, relations, values[1:], strict=False) if relations else ()
                return float(all(RELATIONS[relation](a, b) for a, relation, b in held))
            case Apply(function=function, arguments=arguments):
                return float(FUNCTIONS[function](*map(at, arguments)))
            case Add(terms=terms):
                return math.fsum(map(at, terms))
            case Mul(factors=factors):
                first = [f for f in factors if isinstance(f, Delta | Iverson)]
                if not all(at(bracket) for bracket in first):
                    return 0.0
                return math.prod(at(f) for f in factors if f not in first)
            case Sum(indices=indices, body=body) | Reduce(indices=indices, body=body):
                sizes = [range(self.size_of(equation, index)) for index in indices]
                values = [
                    self.value(body, {**env, **dict(zip(indices, place, strict=True))}, equation, changed)
                    for place in itertools.product(*sizes)
                ]
                operation = "sum" if isinstance(node, Sum) else node.operation
                return float({
                    "sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "prod": np.prod,
                    "logsumexp": lambda v: np.log(np.sum(np.exp(v))),
                }[operation](values))  # fmt: skip
        raise AssertionError(type(node).__name__)
