"""Elementwise operations as calls, written over an operand that is read for the last time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from einstan.language.term import MINUS_ONE, ONE, Const, Expr, is_reciprocal
from einstan.machine.meaning.numbers import number_of
from einstan.machine.schedule.calls import Array, Number, Operand, Seen
from einstan.machine.schedule.scheduler import BLAS, Memory, Scheduler
from einstan.machine.sizes.operations import COMPARISONS, Operation, Ref
from einstan.machine.sizes.spelling import bracketed

Term = tuple[Expr, Ref]
Step = tuple[str, list[Operand]]  # a verb, and what it reads
BITS = {"float16": "int16", "float32": "int32", "float64": "int64"}  # integers as large
IN_PIECES = ("sigmoid", "softplus")  # with memory for what they compute on the way


def mapped(s: Scheduler, operation: Operation) -> Array:
    function, *details = operation.detail
    if function == "add":
        return added(s, operation, details[0])
    if function == "scale":
        return scaled(s, operation, details[0])
    if function in COMPARISONS:
        return s.result_of(COMPARISONS[function], compared(s, operation))
    if function == "select":
        return selected(s, operation)
    reads = [s.aligned(ref, operation.out, s.floating(ref)) for ref in operation.operands]
    if function == "log" and s.type_of(operation.operands[0]) == "bool":
        # the logarithm of an indicator is 0 or minus infinity: a mask, of which NumPy would warn
        return s.result_of("log of mask", [s.aligned(operation.operands[0], operation.out)], s.precision)
    if function == "pow" and details:
        return power(s, operation, reads[0], details[0])
    if function == "relu" and s.blocks:  # of a number that is held in the precision of the arrays
        return s.result_of("maximum", [*reads, Number("0")])
    (only, *_) = operation.operands or (None,)
    if function in IN_PIECES and s.blocks and not s.above and only is not None and _plain(s, operation, only):
        made = s.destination(operation)
        if made is not None:
            own = s.scratch(s.plan.shape(s.value), made.precision)
            numbers = [Number(text) for text in ("0", "1")[: 2 if function == "sigmoid" else 1]]
            s.add(f"{function}_into", [*reads, Seen(own), *numbers], out=Seen(made))
            return made
    return s.result_of(function, reads)


def _plain(s: Scheduler, operation: Operation, ref: Ref) -> bool:
    plain = ref.labels == operation.out != () and s.type_of(ref) == "float"
    return plain and s.precision_of(operation) in BLAS


def compared(s: Scheduler, operation: Operation) -> list[Operand]:
    """What is compared; numbers stand in the precision of the floats that they are compared with."""
    floats = any(s.type_of(ref) == "float" for ref in operation.operands)
    return [
        Number(s.number(ref).text, not (floats and s.blocks)) if s.is_number(ref) else s.aligned(ref, operation.out)
        for ref in operation.operands
    ]


def selected(s: Scheduler, operation: Operation) -> Array:
    """A value where a mask holds: its bits times 1 or 0, so that nothing comes of infinities and NaN."""
    mask, ref = operation.operands
    seen, read = s.aligned(mask, operation.out), s.aligned(ref, operation.out, s.floating(ref))
    precision = s.precision_of(operation)
    held = s.values.get(ref.value)
    # Only of memory laid out here is it certain which bits there are.
    certain = held is not None and held.type == "float" and held.precision == precision and not held.constant
    if not (s.blocks and not s.above and operation.out and certain and precision in BITS and held and held.buffers):
        return s.result_of("select", [seen, read], precision)
    assert isinstance(read, Seen)
    whole = read.by("bits", BITS[precision])
    made = s.destination(operation, (ref,))
    if made is None:
        return s.result_of("select bits", [whole, seen], precision)
    s.add("multiply", [whole, seen], out=Seen(made).by("bits", BITS[precision]))
    return made


def power(s: Scheduler, operation: Operation, base: Operand, exponent: Expr) -> Array:
    number = exponent.value if isinstance(exponent, Const) else None
    if number == -1:
        return s.result_of("divide", [Number("1"), base])
    if number == 2:
        return s.result_of("square", [base])
    if number == Fraction(1, 2):
        return s.result_of("sqrt", [base])
    if number == Fraction(-1, 2):
        return _in_steps(s, operation, ("sqrt", [base]), "divide", lambda root: [Number("1"), root])
    if number == 3:
        return _in_steps(s, operation, ("square", [base]), "multiply", lambda square: [square, base])
    text = s.sizes.number(exponent, s.precision)
    if number is None or number.denominator != 1 or number < 0:
        text = f"float({text})"  # NumPy refuses negative integers here
    return s.result_of("pow", [base, Number(text, True)])


def _in_steps(
    s: Scheduler, operation: Operation, first: Step, then: str, reads: Callable[[Seen], list[Operand]]
) -> Array:
    """Two calls, the second of which reads what the first wrote."""
    if s.blocks and not s.above and operation.out:
        made = s.own(operation)
        s.add(*first, out=Seen(made))
        s.add(then, reads(Seen(made)), out=Seen(made))
        return made
    begun = s.array("float", len(operation.out), named=False)
    s.add(*first, result=begun)
    return s.result_of(then, reads(Seen(begun)), lent=begun if operation.out and not s.above else None)


# ---- sums ------------------------------------------------------------------------------------------------------------


def times(s: Scheduler, coefficient: Expr) -> tuple[str, Number | None]:
    """The verb that multiplies by a number, and the number that it reads."""
    if coefficient is MINUS_ONE:
        return "negative", None
    if is_reciprocal(coefficient):
        below = coefficient.arguments[0]
        if number_of(below, s.extents) != 0:
            return "divide", Number(s.sizes.number(below, s.precision))
    return "multiply", Number(s.sizes.number(coefficient, s.precision))


def scaled(s: Scheduler, operation: Operation, coefficient: Expr) -> Array:
    verb, number = times(s, coefficient)
    read = s.floating(operation.operands[0])
    return s.result_of(verb, [read] if number is None else [read, number])


def added(s: Scheduler, operation: Operation, coefficients: Sequence[Expr]) -> Array:
    """A sum of terms with coefficients: first what can be written over, then what needs no change of sign, then what
    is there; each of the others is added to the same memory."""
    final = s.precision_of(operation)

    def once(ref: Ref) -> bool:
        return sum(other.value == ref.value for other in operation.operands) == 1

    def lends(term: Term) -> bool:
        return s.memory is not Memory.VALUES and once(term[1]) and not s.above and s.dying(operation, term[1])

    def full(term: Term) -> bool:
        ref = term[1]
        return set(ref.labels) == set(operation.out) and s.type_of(ref) == "float"

    def read(ref: Ref, seen: Operand | None = None) -> Operand:
        return s.aligned(ref, operation.out, s.floating(ref) if seen is None else seen)

    terms = list(zip(coefficients, operation.operands, strict=True))
    terms.sort(key=lambda t: (not full(t), not lends(t) or t[0] is not ONE, t[0] is not ONE))
    scale, first = terms[0]
    begins = scale is not ONE or len(terms) == 1
    minuend = next((t for t in terms[1:] if t[0] is ONE), None) if scale is MINUS_ONE else None
    if minuend is not None:
        terms.remove(minuend)
    memory = _Sum(s, operation, [ref for _, ref in terms[: 1 if begins else 2] if once(ref)], len(terms) - 1 + begins)
    memory.accumulates = full((scale, first)) and (s.is_number(first) or s.values[first.value].precision == final)
    so_far, call = read(first), None
    if minuend is not None:  # 1 - x in one call
        call = ("subtract", [read(minuend[1]), so_far])
    elif begins:
        verb, number = ("multiply", Number("1")) if scale is ONE else times(s, scale)
        call = (verb, [so_far] if number is None else [so_far, number])
    for scale, ref in terms[1:]:
        if call is not None:
            so_far = Seen(memory.write(*call))
        own = s.floating(ref) if scale in (ONE, MINUS_ONE) else _multiplied(s, operation, scale, ref)
        call = ("subtract" if scale is MINUS_ONE else "add", [so_far, read(ref, own)])
    assert call is not None
    return memory.write(*call)


def _multiplied(s: Scheduler, operation: Operation, scale: Expr, ref: Ref) -> Operand:
    """A term times a number."""
    number = Number(s.sizes.number(scale, s.precision))
    if s.is_number(ref):
        return Number(f"{bracketed(number.text)} * {bracketed(s.number(ref).text)}")
    if s.blocks and not s.above and operation.out and ref.labels:
        own = s.scratch([s.extents[operation.dims[x]] for x in ref.labels], s.precision_of(operation))
        s.add("multiply", [s.floating(ref), number], out=Seen(own))
    else:
        own = s.array("float", len(ref.labels), named=False)
        s.add("multiply", [s.floating(ref), number], result=own)
    return Seen(own)


class _Sum:
    """Where the calls of a sum write: all to one place, once its axes and its precision are those of the result."""

    accumulates = False

    def __init__(self, s: Scheduler, operation: Operation, over: Sequence[Ref], calls: int) -> None:
        self.s, self.operation = s, operation
        self.target: Array | None = None
        self.lender: Array | None = None
        if s.above or not operation.out:
            return
        if s.blocks:
            self.target = s.destination(operation, over) if calls == 1 else s.own(operation, over)
        else:
            self.lender = s.destination(operation, over)

    def write(self, verb: str, reads: Sequence[Operand]) -> Array:
        s, operation = self.s, self.operation
        if self.target is not None:
            s.add(verb, reads, out=Seen(self.target))
            return self.target
        made = s.array("float", len(operation.out))
        s.add(verb, reads, result=made, out=None if self.lender is None else Seen(self.lender))
        self.lender = None
        if self.accumulates and s.memory is Memory.LENT and operation.out:
            self.target = made
        return made
