"""Elementwise operations as ufunc calls, into memory of our own where an operand is read for the last time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from einstan.language.term import MINUS_ONE, ONE, Const, Expr, is_reciprocal
from einstan.machine.backends.numpy import CALLS, HELPERS
from einstan.machine.operations import COMPARISONS, Operation, Ref
from einstan.machine.spelling import bracketed
from einstan.machine.writer import Variable, Writer


class Elementwise(Writer):
    """Rules for ``map``."""

    def do_map(self, value: int, operation: Operation, constant: bool) -> Variable:
        function, *details = operation.detail
        if function == "add":
            return self.addition(value, operation, details[0], constant)
        if function == "scale":
            return self.assign(value, operation, self.scaling(operation, details[0], constant), constant)
        texts = [self.aligned(ref, operation.out, self.floating(ref)) for ref in operation.operands]
        if function in COMPARISONS:
            plain = [self.aligned(ref, operation.out) for ref in operation.operands]
            return self.assign(value, operation, f"np.{COMPARISONS[function]}({plain[0]}, {plain[1]})", constant)
        if function == "log" and self.variables[operation.operands[0].value].type == "bool":
            # the logarithm of an indicator is 0 or minus infinity: a mask, of which NumPy would warn
            seen = self.aligned(operation.operands[0], operation.out)
            number = f"np.{self.precision}"
            return self.assign(value, operation, f"np.where({seen}, {number}(0), {number}(-np.inf))", constant)
        if function == "select":
            seen = self.aligned(operation.operands[0], operation.out)
            self.helpers["select"] = None
            return self.assign(value, operation, CALLS["select"].format(seen, texts[1]), constant)
        out = "" if constant else self.target(operation)
        if function == "pow" and details:
            return self.assign(value, operation, self.power(texts[0], details[0], out, constant), constant)
        template = CALLS[function]
        if template.split("(")[0] in HELPERS:
            self.helpers[template.split("(")[0]] = None
        return self.assign(value, operation, template.format(*texts, out=out), constant)

    def power(self, base: str, exponent: Expr, out: str, constant: bool) -> str:
        number = exponent.value if isinstance(exponent, Const) else None
        if number == -1:
            return f"np.divide(1, {base}{out})"
        if number == 2:
            return f"np.square({base}{out})"
        if number == Fraction(1, 2):
            return f"np.sqrt({base}{out})"
        if number == Fraction(-1, 2):
            return f"np.divide(1, np.sqrt({base}){out})"
        if number == 3 and base.isidentifier():
            return f"{base} * {base} * {base}"
        text = self.number(exponent, constant)
        if number is None or number.denominator != 1 or number < 0:
            text = f"float({text})"  # NumPy refuses negative integers here
        return f"np.power({base}, {text}{out})"

    def scaling(self, operation: Operation, coefficient: Expr, constant: bool) -> str:
        ref = operation.operands[0]
        out = "" if constant else self.target(operation)
        text = self.floating(ref)
        if coefficient is MINUS_ONE:
            return f"np.negative({text}{out})"
        if is_reciprocal(coefficient):
            below = coefficient.arguments[0]
            if self.evaluate(below) != 0:
                return f"np.divide({text}, {self.number(below, constant)}{out})"
        return f"np.multiply({text}, {self.number(coefficient, constant)}{out})"

    def addition(self, value: int, operation: Operation, coefficients: Sequence[Expr], constant: bool) -> Variable:
        """A sum of terms with coefficients, a term of full size first; it goes into memory of our own if there is any.

        An array is written into only if it has the precision of the result, and only if no other term reads it.
        """
        terms = list(zip(coefficients, operation.operands, strict=True))
        final = self.precision_of(operation)

        def lends(ref: Ref) -> bool:
            once = sum(other.value == ref.value for other in operation.operands) == 1
            return once and not constant and self.dying(operation, ref)

        def is_full(ref: Ref) -> bool:
            return set(ref.labels) == set(operation.out) and self.variables[ref.value].type == "float"

        # First what can be overwritten, then what needs no change of sign, then what is there.
        first = min(terms, key=lambda t: (not is_full(t[1]), not lends(t[1]) or t[0] is not ONE, t[0] is not ONE))
        terms.remove(first)
        (scale, ref), full = first, is_full(first[1]) and bool(operation.out) and not constant
        text, precision = self.aligned(ref, operation.out, self.floating(ref)), self.variables[ref.value].precision
        into = text if lends(ref) else ""
        held: Variable | None = None
        if scale is not ONE or not terms:
            held = self.assign(value, operation, self.scaled_text(text, scale, into, constant), constant, full)
            text = held.text
            if not constant:
                self.names.setdefault(value, text)  # one name: another would keep the memory from being given back
            into = text if full and precision == final else ""
        for scale, ref in terms:
            verb, other = "np.add", self.aligned(ref, operation.out, self.floating(ref))
            if scale is MINUS_ONE:
                verb = "np.subtract"
            elif scale is not ONE:
                other = f"{bracketed(self.number(scale, constant))} * {other}"
            elif not into and lends(ref):
                into = self.variables[ref.value].text
            precision = max(precision, self.variables[ref.value].precision, key=_bits)
            out = f", out={into}" if into else ""
            held = self.assign(value, operation, f"{verb}({text}, {other}{out})", constant)
            text = held.text
            if not constant:
                self.names.setdefault(value, text)
            into = text if full and precision == final else ""
        assert held is not None
        return held

    def scaled_text(self, text: str, scale: Expr, into: str, constant: bool) -> str:
        out = f", out={into}" if into else ""
        if scale is MINUS_ONE:
            return f"np.negative({text}{out})"
        return f"np.multiply({text}, {self.number(scale, constant)}{out})"


def _bits(precision: str) -> int:
    return int(precision[5:] or 0)
