"""Source that is right for arrays of any sizes: every size is read from the arrays, or computed from those that are.

    n_i = n_x - n_w + 1                              what arithmetic determines, by the same formula as `extents`
    t1 = reach(x, (0, 0), (n_i, n_w), ((1,), (1,)))  a read: whether it stays inside is found out at the call

What exported code was not made for, it refuses: a shape that disagrees with another, or with a size that was given.
"""

from __future__ import annotations

from einstan.calculus.program import Program
from einstan.language.dims import axis, is_axis
from einstan.language.errors import ExtentError
from einstan.language.term import Add, Apply, Const, Expr, Extent, Mul, Name, is_reciprocal
from einstan.machine.backends.numpy import HELPERS, UFUNCS
from einstan.machine.builder import extents_in
from einstan.machine.emit import Emitter, Source
from einstan.machine.extents import GIVEN, form_text, ranges_told, read_text
from einstan.machine.lower import never_negative
from einstan.machine.operations import Form, Operation, combined
from einstan.machine.overlaps import tuple_of
from einstan.machine.plan import Plan
from einstan.machine.spelling import bracketed, exact_text, identifier, plain_text
from einstan.machine.writer import Variable


class General(Emitter):
    """The rules that differ where no size is known."""

    def run(self) -> Source:
        self.nonzero = {dim for each in self.plan.nonzero if not each.unless for _, dim in each.sizes}
        self.taken.add("sizes")
        return super().run()

    def assembled(self, results: list[str]) -> Source:
        self.refuse_sizes()
        source = super().assembled(results)
        source.any_size = True
        return source

    def name_values(self) -> None:
        super().name_values()
        for name in self.arguments:
            for dim in self.dims_of(name):
                if dim not in self.sizes:
                    self.name_size(dim)

    def quietly(self, lines: list[str]) -> list[str]:
        """Lines of the function; the logarithm of a sum of nothing, minus infinity, warns of nothing."""
        operations = self.graph.operations
        logarithms = (
            op for op in map(operations.__getitem__, self.plan.order) if op.kind == "map" and op.detail[0] == "log"
        )
        totals = (operations[ref.value] for op in logarithms for ref in op.operands)
        sizes = dict.fromkeys(self.size(total.dims[label]) for total in totals for label in total.summed)
        if self.plan.quiet or not sizes:
            return super().quietly(lines)
        empty = " or ".join(f"{size} == 0" for size in sizes)
        lines = [line for part in lines for line in part.split("\n")]
        return [f'    with np.errstate(all="ignore" if {empty} else None):', *(f"    {line}" for line in lines)]

    def is_constant(self, operation: Operation) -> bool:
        return False  # it may depend on sizes, which only the call knows

    # ---- sizes -------------------------------------------------------------------------------------------------------

    def dims_of(self, name: Name) -> tuple[str, ...]:
        program = self.plan.program
        if name in program.ranks:
            return tuple(program.dims.find(axis(name, k)) for k in range(program.ranks[name]))
        return tuple(program.dims.find(axis(name, k)) for k in range(self.axes_spoken_of(name)))

    def axes_spoken_of(self, name: Name) -> int:
        """How many axes the text knows of a tensor of which it reads sizes alone."""
        known = [place for place in self.plan.program.dims.members() if is_axis(place)]
        own = (place.rpartition(".")[2] for place in known if place.rpartition(".")[0] == str(name))
        return max((int(position) + 1 for position in own), default=0)

    def size(self, dim: str, constant: bool = False) -> str:
        if self.is_given(dim):
            return str(self.extents[dim])
        if dim not in self.sizes:
            self.find(dim)
        return super().size(dim)

    def is_given(self, dim: str) -> bool:
        return self.plan.extents.source.get(dim, "").startswith(GIVEN)

    def find(self, dim: str) -> None:
        """Where the extent of a dimension that no argument has comes from: an array that tells it, or a formula."""
        program = self.plan.program
        for name in program.inputs:
            if dim in self.dims_of(name):
                if name not in self.arguments:  # it tells another extent already
                    self.argument_names[name] = identifier(str(name), self.taken)
                    self.arguments = (*self.arguments, name)
                self.name_size(dim)
                return
        formula = self.plan.extents.formulas.get(dim)
        if formula is None:
            raise unknown_size(program, self.letter(dim))
        text = formula.text(self.size)
        own = self.sizes[dim] = identifier("n_" + self.letter(dim).lower(), self.taken)
        self.size_lines.append(f"    {own} = {text}")
        if bad := formula.bad(own, self.size):
            self.refuse(bad, formula.problem)

    def refuse(self, condition: str, problem: str) -> None:
        self.size_lines += [f"    if {condition}:", f"        raise ValueError({plain_text(problem)})"]

    def divided(self, above: str, below: str, operation: Operation) -> None:
        self.refuse(f"{above} % {below}", f"{above} / {below} is not whole in {operation.equation}")

    def letter(self, dim: str) -> str:
        """A letter that some operation, or else some equation, has for a dimension."""
        found = super().letter(dim)
        program = self.plan.program
        letters = ((i.name, program.dim(e, i)) for e in program.equations for i in e.indices)
        return found if found != "x" else next((letter for letter, own in letters if own == dim), found)

    def number(self, node: Expr, constant: bool = False) -> str:
        if isinstance(node, Extent) or not extents_in(node):
            return super().number(node, constant)
        match node:
            case Add(terms=terms):
                return " + ".join(bracketed(self.number(term)) for term in terms)
            case Mul(factors=factors):
                above = [bracketed(self.number(f)) for f in factors if not is_reciprocal(f)]
                below = [self.divisor(f.arguments[0]) for f in factors if is_reciprocal(f)]
                return " / ".join([" * ".join(above) or "1", *below])
            case Apply(function="pow", arguments=(base, Const(value=exponent))):
                if exponent == -1:
                    return f"1 / {self.divisor(base)}"
                text = f"{bracketed(self.number(base))} ** {bracketed(exact_text(exponent))}"
                if exponent <= 16:  # 63 bits each are less than the largest float
                    return text
                return f"float(np.float64({self.number(base)}) ** {bracketed(exact_text(exponent))})"
            case Apply(function=function, arguments=arguments):
                template = UFUNCS[function]
                if template.split("(")[0] in HELPERS:
                    self.helpers[template.split("(")[0]] = None
                return f"float({template.format(*(f'float({self.number(a)})' for a in arguments), out='')})"
            case _:
                raise AssertionError(f"{type(node).__name__} is not a number of sizes")

    def divisor(self, node: Expr) -> str:
        """A number that divides; where it may be zero because the result has no entries, any other does."""
        text = bracketed(self.number(node))
        dims = {n.index.dim for n in extents_in(node)}
        return text if dims <= self.nonzero or not dims else f"({text} or 1)"

    # ---- reads and overlaps ------------------------------------------------------------------------------------------

    def do_read(self, value: int, operation: Operation, constant: bool) -> Variable:
        reading, ref = operation.detail, operation.operands[0]
        if any(form.values for form in reading.slots):
            return self.gather(value, operation, constant)
        if not reading.guards and (simple := self.chosen(operation)) is not None:
            return self.assign(value, operation, f"{self.entries(ref)}[{simple}]", constant, owned=False)
        ends = [
            bound
            for label, form in zip(ref.labels, reading.slots, strict=True)
            for bound in (form, combined(((Form((), (), ((operation.dims[label], 1),), 0), 1), (form, -1)), -1))
        ]
        guards = [guard for guard in reading.guards if not guard.values]
        if guards and not all(any(self.implies(g, end, operation) for g in guards) for end in ends):
            return self.gather(value, operation, constant)
        self.helpers |= {"padded": None, "window": None, "reach": None}
        start = tuple_of([self.origin(form) for form in reading.slots])
        shape = self.shape([operation.dims[x] for x in operation.out])
        steps = tuple(tuple(dict(f.labels).get(label, 0) for f in reading.slots) for label in operation.out)
        outside = f"fill={reading.fill}" if guards else plain_text(f"{reading.access} in {operation.equation}")
        text = f"reach({self.entries(ref)}, {start}, {shape}, {steps}, {outside})"
        return self.assign(value, operation, text, constant, owned=False)

    def implies(self, guard: Form, bound: Form, operation: Operation) -> bool:
        """Whether ``guard >= 0`` gives ``bound >= 0`` whatever the sizes."""
        return never_negative(combined(((bound, 1), (guard, -1))), operation.dims)

    def chosen(self, operation: Operation) -> str | None:
        """Single entries along some axes, ``x[0, :]``, where the others are read whole."""
        reading, own = operation.detail, operation.operands[0].labels
        parts, kept = [], []
        for label, form in zip(own, reading.slots, strict=True):
            if form.label is not None and operation.dims[form.label] == operation.dims[label]:
                parts.append(":")
                kept.append(form.label)
            elif form == Form((), (), (), form.constant) and form.constant >= 0:
                parts.append(str(form.constant))
            else:
                return None
        while parts and parts[-1] == ":":
            parts.pop()
        return ", ".join(parts) if parts and tuple(kept) == operation.out else None

    def do_overlap(self, value: int, operation: Operation, constant: bool) -> Variable:
        text = self.floating(operation.operands[0])
        if self.variables[operation.operands[0].value].type == "number":
            text = f"np.{self.precision}({text})"
        return self.one_by_one(value, operation, text, constant)

    # ---- what is refused at the call ---------------------------------------------------------------------------------

    def refuse_sizes(self) -> None:
        """Sizes for which the program has no value, and those that disagree with what ``where`` states."""
        known, program = self.plan.extents, self.plan.program
        for equation in (e for e in program.equations if e.name in self.plan.tensors):
            for index, form in equation.where:
                dim = known.dim(equation, index)
                own, stated = self.size(dim), form_text(known, equation, form, self.size)
                if own != stated and f"    {own} = {stated}" not in self.size_lines:
                    self.refuse(f"{own} != {stated}", f"|{index.name}| is not {form} in {equation}")
            for (dim, place), (index, access, forms) in ranges_told(known, equation).items():
                own, told = self.size(dim), read_text(known, equation, dim, place, forms, self.size)
                if own != told and f"    {own} = {told}" not in self.size_lines:
                    self.refuse(f"{own} != {told}", f"|{index.name}| is not what {access} tells in {equation}")
        for name in self.arguments:  # of which sizes alone are read
            for k, dim in enumerate(self.dims_of(name) if name not in program.ranks else ()):
                own, read = self.size(dim), f"{self.argument(name)}.shape[{k}]"
                if f"    {own} = {read}" not in self.size_lines:
                    self.refuse(f"{own} != {read}", f"|{axis(name, k)}| is not {own}")
        for each in self.plan.nonzero:
            unless = [self.size(dim) for dim in dict.fromkeys(each.unless)]
            condition = " and ".join([f"{bracketed(self.number(each.number))} == 0", *unless])
            self.refuse(condition, f"{each.part} has no value in {each.equation}, because an extent is 0")

    def checks(self) -> list[str]:
        letters: dict[str, str] = {}
        taken: set[str] = set()
        lines = ["sizes = {}"]
        for name in self.arguments:
            if name not in self.plan.program.ranks:
                continue
            shape = []
            for dim in self.dims_of(name):
                if dim not in letters:
                    letters[dim] = identifier(self.letter(dim).lower(), taken)
                shape.append(str(self.extents[dim]) if self.is_given(dim) else repr(letters[dim]))
            lines.append(self.check(name, tuple_of(shape), "sizes"))
        return lines if len(lines) > 1 else []


def emit_general(
    made: Plan, precisions: dict[Name, str] | None = None, function: str = "step", precision: str = "float64"
) -> Source:
    """The source of a plan for arrays of any sizes; see `einstan.machine.emit.emit`."""
    return General(made, precisions or {}, function, precision).run()


def unknown_size(program: Program, letter: str) -> ExtentError:
    """A size that no array tells, in code that is to run on its own."""
    letter = letter.lower()
    return ExtentError(
        f"the extent of {letter} is not known, so code for arrays of any size cannot be made",
        text=str(program.equations[-1]),
        inferred="no array, size or arithmetic gives it",
        repair=f"source(sizes={{{letter!r}: ...}})",
    )
