"""What is true of a claim, worked out without the calculus: forward values by loops, derivatives by differences.

A tensor that is only given becomes a random polynomial of what it depends on.  Derivatives are central differences in
60-digit arithmetic, exact for polynomials of second degree and good to twenty digits else.  All axes that nothing else
determines have one size, so that any claim whose letters run over them can be evaluated.
"""

from decimal import Decimal
from fractions import Fraction
from math import prod
from random import Random

from einstan.calculus.program import Program
from einstan.language.errors import EinstanError
from einstan.language.index import slot
from einstan.language.node import preorder
from einstan.language.statement import Given
from einstan.language.term import Equation, Indexed, Partial, add, mul, power, sum_over, tensors
from einstan.machine.meaning.loops import Tensor, evaluate
from einstan.machine.meaning.numbers import EXACT, DomainError

STEP = Fraction(1, 10**12)


def polynomial(given):
    """``S(0) + A x + B x²`` in place of what is given."""
    name, slots = str(given.lhs.tensor), given.lhs.slots
    terms = [Indexed(f"c_{name}", slots)]
    for number, argument in enumerate(given.arguments):
        own = list(dict.fromkeys(form.index for form in argument.slots if form.index in given.capitals))
        for degree in (1, 2):
            weight = Indexed(f"w{number}{degree}_{name}", (*slots, *map(slot, own)))
            terms.append(sum_over(own, mul((weight, power(argument, degree)))))
    return Equation(given.lhs.tensor, tuple(form.index for form in slots), add(terms))


class Oracle:
    """The values of every tensor of a part, and of the derivatives that claims name, at one random point."""

    def __init__(self, document, size, seed):
        self.random = Random(seed)
        self.size = size
        made = [polynomial(s.content) for s in document.statements if isinstance(s.content, Given)]
        self.whole = Program((*document.equations, *made), document.assumptions)
        self.equations = [e for e in self.whole if not any(self.is_derivative(n) for n in tensors(e.rhs))]
        self.derived = [e for e in self.whole if e not in self.equations]
        self.assumptions = document.assumptions
        self.point = self.drawn(self.whole)
        self.known = {}

    def is_derivative(self, name):
        if isinstance(name, Partial):
            return True
        return name.startswith("d") and name not in self.whole.defined and name[1:] in self.whole.ranks

    def drawn(self, program, shapes=None):
        """Distinct small numbers; tensors that an assumption speaks of are scaled so that it holds."""
        point = {}
        for name, rank in program.inputs.items():
            if rank >= 0 and not self.is_derivative(name):
                shape = (self.size,) * rank
                count = self.size**rank
                point[name] = Tensor(shape, [Fraction(self.random.randint(1, 40), 16) for _ in range(count)])
        for rule in self.assumptions:
            (name,) = tensors(rule.lhs)
            axes = [k for k, form in enumerate(access_of(rule.lhs).slots) if form.index not in rule.lhs.free]
            tensor = point[name]
            positions = positions_of(tensor.shape)
            for offset, at in enumerate(positions):
                row = [
                    o
                    for o, other in enumerate(positions)
                    if all(other[k] == at[k] for k in range(len(at)) if k not in axes)
                ]
                if offset == row[0]:
                    total = sum(tensor.flat[o] for o in row)
                    for o in row:
                        tensor.flat[o] /= total
        return point

    def value(self, name, changed):
        """One tensor's value where those in ``changed`` are replaced."""
        if name in changed:
            return changed[name]
        if name in self.point:
            return self.point[name]
        equation = self.whole[name]
        if equation in self.derived:
            arrays = {n: self.get(n, changed) for n in tensors(equation.rhs)}
            return evaluate(Equation(name, equation.indices, equation.rhs), arrays, None, EXACT)
        needed = self.behind(name, changed)
        program = Program(e for e in self.equations if e.name in needed)
        arrays = {n: self.get(n, changed) for n, rank in program.inputs.items() if rank >= 0}
        sizes = self.open_sizes(
            program, arrays, [d for d in program.dims.members() if d.rpartition(".")[0] in self.point]
        )
        return evaluate(program, arrays, sizes, EXACT)[name]

    def behind(self, name, changed):
        """The plain equations that a tensor needs, down to what is replaced or is no plain equation."""
        plain = {e.name: e for e in self.equations if e.name not in changed}
        found, queue = set(), [name]
        while queue:
            here = queue.pop()
            if here in plain and here not in found:
                found.add(here)
                queue += tensors(plain[here].rhs)
        return found

    def get(self, name, changed=None):
        """A value, or a derivative as a difference; kept where nothing is changed."""
        if changed:
            return self.derivative(name, changed) if self.is_derivative(name) else self.value(name, changed)
        if name not in self.known:
            self.known[name] = self.derivative(name, {}) if self.is_derivative(name) else self.value(name, {})
        return self.known[name]

    def derivative(self, name, changed):
        if isinstance(name, str):
            name = Partial(self.loss(name[1:]), 0, ((name[1:], self.whole.ranks[name[1:]]),))
        (wrt, _), before = name.wrt[-1], name.wrt[:-1]
        inner = Partial(name.of, name.rank, before) if before else name.of
        base = self.value(wrt, changed)
        columns = []
        for offset in range(len(base.flat)):
            sides = []
            for step in (STEP, -STEP):
                flat = list(base.flat)
                flat[offset] = EXACT.add(flat[offset], step)
                there = {**changed, wrt: Tensor(base.shape, flat)}
                sides.append(self.derivative(inner, there) if before else self.value(inner, there))
            scale = 1 / (2 * STEP)
            columns.append([
                EXACT.mul(EXACT.add(a, EXACT.mul(Fraction(-1), b)), scale)
                for a, b in zip(sides[0].flat, sides[1].flat, strict=True)
            ])  # fmt: skip
            shape = sides[0].shape
        return Tensor((*shape, *base.shape), [column[k] for k in range(len(columns[0])) for column in columns])

    def loss(self, tensor):
        """The scalar that everything else which rests on the tensor leads to."""
        reads = {e.name: set(tensors(e.rhs)) for e in self.equations}

        def behind(name):
            return {name}.union(*(behind(n) for n in reads.get(name, ())))

        scalars = [e.name for e in self.equations if not e.indices and tensor in behind(e.name)]
        return next(s for s in scalars if not any(s in behind(o) for o in scalars if o != s))

    def differs(self, claim):
        """Whether the two sides differ here; None where they cannot be evaluated."""
        indices = tuple({i.name: i for i in (*claim.lhs.free, *claim.rhs.free)}.values())
        try:
            needed = [n for n in tensors(claim.lhs, claim.rhs)]
            arrays = {
                n: self.new(n, claim) if n not in self.whole.ranks and not self.is_derivative(n) else self.get(n)
                for n in needed
            }
            left, right = self.sides(claim, indices, arrays)
        except (EinstanError, DomainError, ZeroDivisionError):
            return None
        return any(not close(a, b) for a, b in zip(left.flat, right.flat, strict=True))

    def new(self, name, claim):
        """A tensor that only the claim speaks of."""
        if name not in self.point:
            access = next(n for n in preorder(claim.lhs, claim.rhs) if isinstance(n, Indexed) and n.tensor == name)
            count = self.size ** len(access.slots)
            self.point[name] = Tensor(
                (self.size,) * len(access.slots), [Fraction(self.random.randint(1, 40), 16) for _ in range(count)]
            )
        return self.point[name]

    def sides(self, claim, indices, arrays):
        """Both sides, over the same values of the free indices."""
        slots = tuple(slot(index) for index in indices)
        both = add((Indexed("left", slots), Indexed("right", slots)))
        program = Program([
            Equation("left", indices, claim.lhs), Equation("right", indices, claim.rhs),
            Equation("both", indices, both),
        ])  # fmt: skip
        own = {n: array for n, array in arrays.items() if n in program.inputs}
        values = evaluate(program, own, self.open_sizes(program, own, program.dims.members()), EXACT)
        return values["left"], values["right"]

    def differs_where_inside(self, claim, tries=80):
        """Whether the sides of a claim about given tensors alone differ, at sizes for which every read is inside."""
        names = tensors(claim.lhs, claim.rhs)
        if any(n in self.whole.defined or self.is_derivative(n) for n in names):
            return None
        indices = tuple({i.name: i for i in (*claim.lhs.free, *claim.rhs.free)}.values())
        sides = [Equation("left", indices, claim.lhs), Equation("right", indices, claim.rhs)]
        dims = Program(sides).dims
        told = None
        for _ in range(tries):
            size_of = {dim: self.random.randint(1, 6) for dim in dict.fromkeys(map(dims.find, dims.members()))}
            arrays = {}
            for name, rank in names.items():
                shape = tuple(size_of[dims.find(f"{name}.{k}")] for k in range(rank))
                arrays[name] = Tensor(shape, [Fraction(self.random.randint(1, 40), 16) for _ in range(prod(shape))])
            try:
                left, right = self.sides(claim, indices, arrays)
            except (EinstanError, DomainError, ZeroDivisionError):
                continue
            if any(not close(a, b) for a, b in zip(left.flat, right.flat, strict=True)):
                return True
            told = False
        return told

    def open_sizes(self, program, arrays, dims):
        """The one size for axes that no array has."""
        given = {program.dims.find(f"{n}.{k}") for n, array in arrays.items() for k in range(len(array.shape))}
        return {d: self.size for d in dict.fromkeys(map(program.dims.find, dims)) if d not in given}


def access_of(expr):
    return next(n for n in preorder(expr) if isinstance(n, Indexed))


def positions_of(shape):
    found = [()]
    for size in shape:
        found = [(*at, k) for at in found for k in range(size)]
    return found


def close(a, b):
    if isinstance(a, Fraction) and isinstance(b, Fraction) and a == b:
        return True
    a, b = (Decimal(x.numerator) / Decimal(x.denominator) if isinstance(x, Fraction) else x for x in (a, b))
    return abs(a - b) <= Decimal("1e-12") * max(1, abs(a), abs(b))
