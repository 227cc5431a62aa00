"""Sizes and numbers of sizes as texts: digits where arrays are of one size, names where the call tells them."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from einstan.calculus.program import Program
from einstan.language.dims import axis, is_axis
from einstan.language.errors import DataError, ExtentError
from einstan.language.term import Add, Apply, Const, Expr, Extent, Mul, Name, is_reciprocal
from einstan.machine.backends.arrays import np
from einstan.machine.graph.builder import extents_in
from einstan.machine.meaning.numbers import number_of
from einstan.machine.sizes.extents import GIVEN, ranges_told
from einstan.machine.sizes.formulas import form_text, read_text
from einstan.machine.sizes.operations import Form
from einstan.machine.sizes.spelling import bracketed, exact_text, identifier, plain_text

if TYPE_CHECKING:
    from einstan.machine.plan.plan import Plan


class Sizes:
    """Sizes that are known: digits."""

    known = True  # whether a call can only have these

    def __init__(self, made: Plan) -> None:
        self.plan, self.extents = made, made.extents.known
        self.lines: list[str] = []  # what stands at the head of the function

    def begin(self, arguments: dict[Name, str], taken: set[str]) -> None:
        """The names of the arguments, and those that the code cannot have."""

    def size(self, dim: str) -> str:
        return str(self.extents[dim])

    def shape(self, dims: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(self.size, dims))

    def total(self, dims: Sequence[str]) -> str:
        """How many entries axes have together."""
        return str(math.prod(self.extents[dim] for dim in dims))

    def number(self, node: Expr, precision: str) -> str:
        """A number of sizes; odd functions are evaluated now."""
        value = number_of(node, self.extents)
        refuse_beyond(value, precision)
        text = self._spelled(node) if math.isfinite(value) else None
        if text is None:
            return repr(value) if math.isfinite(value) else f'float("{value}")'
        return text

    def _spelled(self, node: Expr) -> str | None:
        match node:
            case Const(value=value):
                return exact_text(value)
            case Extent(index=index):
                return self.size(index.dim)
            case Mul(factors=factors):
                top = [self._spelled(f) for f in factors if not is_reciprocal(f)]
                bottom = [self._spelled(f.arguments[0]) for f in factors if is_reciprocal(f)]
                if None in top or None in bottom:
                    return None
                texts = " * ".join(bracketed(t) for t in top if t) or "1"
                return texts + "".join(f" / {bracketed(t)}" for t in bottom if t)
            case Add(terms=terms):
                added = [self._spelled(t) for t in terms]
                return None if None in added else " + ".join(bracketed(t) for t in added if t)
            case Apply(function="pow", arguments=(base, Const(value=exponent))):
                inner = self._spelled(base)
                if inner is None:
                    return None
                return (
                    f"1 / {bracketed(inner)}"
                    if exponent == -1
                    else f"{bracketed(inner)} ** {bracketed(exact_text(exponent))}"
                )
            case Apply(function="sqrt", arguments=(base,)):
                inner = self._spelled(base)
                return None if inner is None else f"{bracketed(inner)} ** 0.5"
            case _:
                return None

    def divided(self, above: str, below: str, equation: str) -> None:
        """One size divided by another, which has to be whole: for the sizes of a plan it is."""


class Asked(Sizes):
    """Sizes that the arrays of a call tell, or formulas of these; what does not agree is refused at the call.

    ``functions`` has the text of every elementwise function, for numbers that are made of sizes.  A size that a formula
    tells is read of the inputs that are ``given`` alone, by default of any.
    """

    known = False

    def __init__(self, made: Plan, functions: dict[str, str], given: Collection[Name] | None = None) -> None:
        super().__init__(made)
        self.functions, self.given = functions, given
        self.helpers: dict[str, None] = {}
        self.where: dict[str, str] = {}  # dimension: where its size is read, or the name that it has
        self.nonzero = {dim for each in made.nonzero if not each.unless for _, dim in each.sizes}

    def begin(self, arguments: dict[Name, str], taken: set[str]) -> None:
        self.arguments, self.taken = arguments, taken
        taken.add("sizes")
        for name in arguments:
            for position, dim in enumerate(self.dims_of(name)):
                self.where.setdefault(dim, f"{arguments[name]}.shape[{position}]")

    def dims_of(self, name: Name) -> tuple[str, ...]:
        """The dimensions of the axes of an argument, as far as the text speaks of them."""
        program = self.plan.program
        count = program.ranks[name] if name in program.ranks else axes_spoken_of(program, name)
        return tuple(program.dims.find(axis(name, k)) for k in range(count))

    def size(self, dim: str) -> str:
        if self.is_given(dim):
            return str(self.extents[dim])
        if dim not in self.where:
            self.find(dim)
        if not self.where[dim].isidentifier():
            own = identifier("n_" + self.letter(dim).lower(), self.taken)
            self.lines.append(f"    {own} = {self.where[dim]}")
            self.where[dim] = own
        return self.where[dim]

    def is_given(self, dim: str) -> bool:
        return self.plan.extents.source.get(dim, "").startswith(GIVEN)

    def total(self, dims: Sequence[str]) -> str:
        return " * ".join(self.shape(dims)) or "1"

    def find(self, dim: str) -> None:
        """Where the size of a dimension that no argument has comes from: an array that tells it, or a formula."""
        program = self.plan.program
        formula = self.plan.extents.formulas.get(dim)
        for name in program.inputs:
            given = self.given is None or formula is None or name in self.given
            dims = self.dims_of(name) if given else ()
            if dim in dims:
                if name not in self.arguments:  # it tells another size already
                    self.arguments[name] = identifier(str(name), self.taken)
                self.where[dim] = f"{self.arguments[name]}.shape[{dims.index(dim)}]"
                return
        if formula is None:
            raise unknown_size(program, self.letter(dim))
        text = formula.text(self.size)
        own = self.where[dim] = identifier("n_" + self.letter(dim).lower(), self.taken)
        self.lines.append(f"    {own} = {text}")
        if bad := formula.bad(own, self.size):
            self.refuse(bad, formula.problem)

    def letter(self, dim: str) -> str:
        """A letter that some operation, or else some equation, has for a dimension."""
        for operation in self.plan.graph.operations:
            if operation.kind != "input" and dim in operation.dims:
                return operation.letters[operation.dims.index(dim)]
        program = self.plan.program
        letters = ((i.name, program.dim(e, i)) for e in program.equations for i in e.indices)
        return next((letter for letter, own in letters if own == dim), "x")

    def number(self, node: Expr, precision: str) -> str:
        if isinstance(node, Extent) or not extents_in(node):
            return super().number(node, precision)
        match node:
            case Add(terms=terms):
                return " + ".join(bracketed(self.number(term, precision)) for term in terms)
            case Mul(factors=factors):
                above = [bracketed(self.number(f, precision)) for f in factors if not is_reciprocal(f)]
                below = [self.divisor(f.arguments[0], precision) for f in factors if is_reciprocal(f)]
                return " / ".join([" * ".join(above) or "1", *below])
            case Apply(function="pow", arguments=(base, Const(value=exponent))):
                if exponent == -1:
                    return f"1 / {self.divisor(base, precision)}"
                text = f"{bracketed(self.number(base, precision))} ** {bracketed(exact_text(exponent))}"
                if exponent <= 16:  # 63 bits each are less than the largest float
                    return text
                return f"float(np.float64({self.number(base, precision)}) ** {bracketed(exact_text(exponent))})"
            case Apply(function=function, arguments=arguments):
                template = self.functions[function]
                self.helpers[template.split("(")[0]] = None
                numbers = (f"float({self.number(argument, precision)})" for argument in arguments)
                return f"float({template.format(*numbers, out='')})"
            case _:
                raise AssertionError(f"{type(node).__name__} is not a number of sizes")

    def divisor(self, node: Expr, precision: str) -> str:
        """A number that divides; where it may be zero because the result has no entries, any other does."""
        text = bracketed(self.number(node, precision))
        dims = {n.index.dim for n in extents_in(node)}
        return text if dims <= self.nonzero or not dims else f"({text} or 1)"

    # ---- what is refused at the call ---------------------------------------------------------------------------------

    def refuse(self, condition: str, problem: str) -> None:
        self.lines += [f"    if {condition}:", f"        raise ValueError({plain_text(problem)})"]

    def divided(self, above: str, below: str, equation: str) -> None:
        self.refuse(f"{above} % {below}", f"{above} / {below} is not whole in {equation}")

    def refuse_others(self, precision: str) -> None:
        """Sizes for which the program has no value, and those that disagree with what ``where`` states."""
        known, program = self.plan.extents, self.plan.program
        for equation in (e for e in program.equations if e.name in self.plan.tensors):
            for index, form in equation.where:
                dim = known.dim(equation, index)
                stated = form_text(known, equation, form, self.size)
                self._same(self.size(dim), stated, f"|{index.name}| is not {form} in {equation}")
            for (dim, place), (index, access, forms) in ranges_told(known, equation).items():
                told = read_text(known, equation, dim, place, forms, self.size)
                if told is not None:
                    self._same(self.size(dim), told, f"|{index.name}| is not what {access} tells in {equation}")
        for name in tuple(self.arguments):  # of which sizes alone are read
            for k, dim in enumerate(self.dims_of(name) if name not in program.ranks else ()):
                own = self.size(dim)
                self._same(own, f"{self.arguments[name]}.shape[{k}]", f"|{axis(name, k)}| is not {own}")
        for each in self.plan.nonzero:
            factors = each.number.factors if isinstance(each.number, Mul) else (each.number,)
            if all(isinstance(factor, Extent) and factor.index.dim in each.unless for factor in factors):
                continue  # what is divided has no entries where it is 0
            unless = [self.size(dim) for dim in dict.fromkeys(each.unless)]
            condition = " and ".join([f"{bracketed(self.number(each.number, precision))} == 0", *unless])
            self.refuse(condition, f"{each.part} has no value in {each.equation}, because an extent is 0")

    def _same(self, own: str, other: str, problem: str) -> None:
        if own != other and f"    {own} = {other}" not in self.lines:
            self.refuse(f"{own} != {other}", problem)

    def checked(self) -> dict[Name, str]:
        """The shape that each argument has to have, as a tuple of letters and digits."""
        letters: dict[str, str] = {}
        taken: set[str] = set()
        found: dict[Name, str] = {}
        for name in self.arguments:
            if name in self.plan.program.ranks:
                dims = self.dims_of(name)
                for dim in dims:
                    if dim not in letters:
                        letters[dim] = identifier(self.letter(dim).lower(), taken)
                found[name] = tuple_of(
                    [str(self.extents[dim]) if self.is_given(dim) else repr(letters[dim]) for dim in dims]
                )
        return found


def axes_spoken_of(program: Program, name: Name) -> int:
    """How many axes the text knows of a tensor of which it reads sizes alone."""
    own = (place.rpartition(".") for place in program.dims.members() if is_axis(place))
    return max((int(position) + 1 for tensor, _, position in own if tensor == str(name)), default=0)


def origin(form: Form, sizes: Sizes) -> str:
    """Where a form begins: its value at zero."""
    parts = [f"{k} * {sizes.size(dim)}" for dim, k in form.extents]
    if form.constant or not parts:
        parts.append(str(form.constant))
    return " + ".join(parts).replace("+ -", "- ")


def tuple_of(texts: Sequence[str]) -> str:
    return "(" + ", ".join(texts) + ("," if len(texts) == 1 else "") + ")"


# Of the floats that programs mostly have; of all others NumPy knows it.
LARGEST = {"float16": 65504.0, "float32": (2 - 2**-23) * 2.0**127, "float64": sys.float_info.max}


def refuse_beyond(value: float, precision: str) -> None:
    """A number that the arrays' floats do not hold: it would be infinite without a word."""
    if not precision or not math.isfinite(value):
        return
    largest = LARGEST.get(precision) or float(np.finfo(precision).max)
    if abs(value) > largest:
        raise DataError(
            f"the number {value:g} is beyond {precision}",
            inferred=f"{precision} ends at {largest:.4g}",
            repair="give the arrays in float64, or measure in another unit",
        )


def unknown_size(program: Program, letter: str) -> ExtentError:
    """A size that no array tells, in code that is to run on its own."""
    letter = letter.lower()
    return ExtentError(
        f"the extent of {letter} is not known, so code for arrays of any size cannot be made",
        text=str(program.equations[-1]),
        inferred="no array, size or arithmetic gives it",
        repair=f"source(sizes={{{letter!r}: ...}})",
    )
