# What a task waits for comes back as Any.
# mypy: disable-error-code="no-any-return"
r"""Factors: an atom with its power, a sign in front of it, and LaTeX's fractions; what stands above is looked at.

    factor      - factor  |  atom [ ^ factor ]             ^ binds tighter than -, and to the right
                \frac{x}{y}

``x^-1/2``, ``A^T[i,j]``, ``x^{old}`` and ``f^{-1}(x)`` are looked at: each may be a power, and mean another thing.
"""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction
from typing import NoReturn

from einstan.language.atoms import Atoms
from einstan.language.entries import of_matrices
from einstan.language.errors import Span
from einstan.language.factors import literal, unwrapped
from einstan.language.foreign import braced
from einstan.language.labels import MARKS_ABOVE, marked
from einstan.language.misread import exponential, second_derivative, transposed
from einstan.language.surface import (
    CALLABLE,
    RESERVED,
    Bracket,
    Expression,
    Kronecker,
    Minus,
    Number,
    Power,
    Ref,
    Surface,
    Task,
    Term,
    looks_turned,
    only_part,
    walk,
)  # fmt: skip
from einstan.language.term import Partial
from einstan.language.threads import cached_property
from einstan.language.tokens import Token, is_name

_VALUE = re.compile(r"\(\s*([^\W\d_]\w*)\s*\)")
_TURNED_ALL = re.compile(r"\^T(?=[^\W\d_](?:\d|_\w)?(?!\w))")
_SMALL = re.compile(r"\s*([-−]\s*[0-9]+|[01])")  # exponents behind which a quotient looks like a part of them
_ROOT = re.compile(r"(?<=[\^*])\s*([-−]\s*[0-9]+|[01])/([0-9]+)(?![0-9.])")
_INVERSE = re.compile(r"\s*(?:-|−|\{\s*[-−])\s*1\s*\}?")
_DEFINES_T = re.compile(r"\s*T\s*=")  # which it then does not read


class Factors(Atoms):
    """The rules for one factor."""

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each token stands in the text."""
        return Counter(token.text for token in self.tokens)

    def refuse_increment(self) -> None:
        """``a ++ b`` and ``a -- b``, which other languages read otherwise, behind the first sign."""
        before = self.tokens[self.position - 1]
        if self.at("-") and self.token.glued and before.text == "-" and not self.ahead(1).glued:
            left, right = self.text[: before.start], self.text[self.token.end :]
            self.fail("-- is one sign or none", (before.start, self.token.end), (f"{left}-{right}", f"{left}+{right}"))
        if self.at("-") and self.token.glued and before.text == "+" and not self.ahead(1).glued and not before.glued:
            left, right = self.text[: before.start], self.text[self.token.end :]
            self.fail("+- is one sign, or two equations", (before.start, self.token.end), f"{left}-{right}")
        if self.at("+") and self.token.glued and before.text == "+":
            start, end = self.token.start - 1, self.token.end
            repair = f"{self.text[:start]}+{self.text[end:]}"
            self.fail("++ is one sign or none", (start, end), repair)

    def factor(self, spliced: bool) -> Task[list[tuple[Surface, bool]]]:
        """One factor as parts of a product: a fraction that is not raised to a power has several."""
        while self.take("+"):
            self.refuse_increment()
        start = self.token.start
        if self.at("-"):
            above = self.ahead(-1).text == "^"
            self.climb(self.advance())
            (operand, _), *_ = yield self.factor(False)
            self.tower -= 1
            if not above:
                self.refuse_power_of_one(start, operand)
            return [(Minus((start, self.last_end), operand), False)]
        if self.token.kind == "command" and self.token.text == "frac":
            parts = yield self.fraction()
            raised = self.at("^") or self.token.kind == "power"
            if spliced and not raised:
                return parts
            span = (start, self.last_end)
            base: Surface = parts[0][0] if len(parts) == 1 else Expression(span, (Term(span, 1, tuple(parts)),))
        else:
            base = yield self.atom()
        if self.token.kind == "power":
            digit = self.advance()
            exponent = Number((digit.start, digit.end), Fraction(digit.text))
            if "d" not in self.around:
                second_derivative(self.text, base, exponent, (start, digit.end))
            base = Power((start, digit.end), base, exponent)
        elif self.at("^"):
            if isinstance(base, Ref) and isinstance(base.name, Partial):
                self.refuse_power_of_derivative(start, base.name)
            inside = only_part(base) if isinstance(base, Expression) else None
            if isinstance(inside, Ref) and "^(" in str(inside.name) and "^{" in self.text[slice(*inside.span)]:
                base = inside  # TeX sets one thing above a name, and its label is in brackets under a power
            begin = self.advance()
            if self.at("+"):  # A^+, x^+: nobody writes the sign of a positive exponent
                self.unexpected()
            self.climb(begin)
            exponent = yield self.exponent()
            self.tower -= 1
            self.refuse_slots_behind(start, begin, base, exponent)
            self.refuse_sub_behind(start, begin, exponent)
            self.refuse_word_above(start, base, exponent)
            self.refuse_inverse_at(start, base, exponent)
            if self.at("/"):
                self.refuse_root(start, begin.end)
            self.refuse_inverse_of_entry(start, begin.end, base)
            base = self.raised((start, self.last_end), base, exponent)
        return [(base, False)]

    def refuse_slots_behind(self, start: int, begin: Token, base: Surface, exponent: Surface) -> None:
        """``A^-1[i,J]`` and ``A^T[i,j]``, where the slots are those of A."""
        above = exponent.operand if isinstance(exponent, Minus) else exponent
        inverse = isinstance(above, Bracket) and not above.relations
        turned = isinstance(above, Ref) and above.slots and above.name in ("T", "H") and self.is_raised(above.name)
        if not isinstance(base, Ref) or base.slots or not (inverse or turned):
            return
        self.refuse_matrix(start, str(base.name), "inverse" if inverse else "transpose")

    def refuse_word_above(self, start: int, base: Surface, exponent: Surface) -> None:
        """``x^{old}``, which would be a power of a number called old."""
        name = str(exponent.name) if isinstance(exponent, Ref) and not exponent.slots else ""
        if name in MARKS_ABOVE and isinstance(base, Ref) and base.name != "e" and not self.on_left:
            begin, end = exponent.span
            if self.text[begin - 1 : begin] == "{" and self.text[end : end + 1] == "}":
                begin, end = begin - 1, end + 1
            power = f"{self.text[:begin]}({name}){self.text[end:]}"
            problem = f"{name} is a label, or a number that is an exponent"
            self.fail(problem, (start, self.last_end), (marked(self.text, name), power))

    def refuse_inverse_at(self, start: int, base: Surface, exponent: Surface) -> None:
        """``f^{-1}(x)``, the value of an inverse at x, and ``X^TX``, whose power is a T alone to TeX."""
        value = _VALUE.match(self.text, self.last_end)
        inverse = isinstance(exponent, Minus) and isinstance(exponent.operand, Number) and exponent.operand.value == 1
        if value and inverse and isinstance(base, Ref) and not base.slots and value[1] not in (*CALLABLE, *RESERVED):
            before, written, behind = self.text[:start], self.text[start : self.last_end], self.text[value.end() :]
            readings = f"{before}{base.name}_inv{behind}", f"{before}{written} * {value[1]}{behind}"
            problem = f"{written}({value[1]}) is the value of an inverse, or a product"
            self.fail(problem, (start, value.end()), readings)
        name = str(exponent.name) if isinstance(exponent, Ref) and not exponent.slots else ""
        bare = len(name) > 1 and self.text[exponent.span[0] - 1] == "^"
        if bare and looks_turned(name) and self.counts[name] == 1:
            apart = _TURNED_ALL.sub("^T ", self.text)
            power = f"{self.text[: exponent.span[0]]}({name}){self.text[exponent.span[1] :]}"
            problem = f"the power {name} is a transpose and a factor, or the power of a number {name}"
            self.fail(problem, exponent.span, (of_matrices(apart) or apart, power))

    def refuse_inverse_of_entry(self, start: int, above: int, base: Surface) -> None:
        """``A[i,J]^-1 b[J]``, where the inverse of a matrix has its slots below, and ``(A[i,J] + δ[i,J])^-1``; in round
        brackets, ``A[i,J]^(-1)``, the exponent is a number's."""
        entry = unwrapped(base)
        of_matrix = isinstance(entry, Ref) and len(entry.slots) == 2 and all(map(is_index, entry.slots))
        of_sum = isinstance(entry, Expression) and any(isinstance(part, Kronecker) for part in walk(entry))
        if not _INVERSE.fullmatch(self.text[above : self.last_end]) or self.on_left or not (of_matrix or of_sum):
            return
        written = self.text[start:above].rstrip("^* ")
        inverse = "an input that is assumed to be the inverse, with B[i,K] in place of the power"
        reciprocal = f"{self.text[:start]}(1 / {written}){self.text[self.last_end :]}"
        problem = f"{self.text[start : self.last_end]} is an entry of the inverse, or the inverse of an entry"
        self.fail(problem, (start, self.last_end), (reciprocal, inverse))

    def refuse_power_of_one(self, start: int, power: Surface) -> None:
        """``-1^k``, which is -1 for every k, and (-1)^k to who writes it; the sign stands at ``start``."""
        base = unwrapped(power.base) if isinstance(power, Power) else None
        if not isinstance(power, Power) or not isinstance(base, Number) or base.value != 1:
            return
        if literal(power.exponent) is not None:
            return
        end = power.base.span[1]
        before, behind = self.text[:start], self.text[end:]
        readings = f"{before}(-1){behind}", f"{before}-1 * 1{behind}"
        self.fail(f"{self.text[start : power.span[1]]} is a power of -1, or of 1", (start, power.span[1]), readings)

    def is_raised(self, name: str) -> bool:
        """Whether a name stands in exponents alone."""
        pairs = zip(self.tokens, self.tokens[1:], strict=False)
        return all(before.text in ("^", "{") for before, token in pairs if token.text == name)

    def refuse_matrix(self, start: int, name: str, what: str, entries: str = "") -> NoReturn:
        """A power of a matrix, for which a power of its ``entries`` would be read."""
        repairs = {
            "inverse": f"an input B, assumed to be the inverse: {name}[i,K] B[K,j] is δ[i,j]",
            "transpose": f"the other order of its slots: {name}[j,i] for {name}[i,j]",
        }
        repair = (repairs[what], f"of each entry: {entries}") if entries else repairs[what]
        self.fail(f"this is a power, and not the {what} of {name}", (start, self.last_end), repair)

    def refuse_power_of_derivative(self, start: int, name: Partial) -> NoReturn:
        """``dL/dx^2``, which may be a second derivative too; the cursor stands at the sign."""
        spelled, token = self.text[start : self.last_end], self.ahead(1)
        before, behind = self.text[:start], self.text[token.end :]
        repairs = [f"({spelled})^2"]
        if token.kind == "number":
            power = f"{before}({spelled})^{token.text}{behind}"
            repairs = [f"claim {power}" if self.on_left else power]
        if token.text in ("2", "3") and spelled.startswith("d"):
            below, order = spelled.rpartition("/d")[2], int(token.text)
            derived = f"∂{spelled[1:].rpartition('/d')[0]}/{f'∂{below}' * order}"
            repairs += [f"{before}{derived}{behind}"] if len(name.wrt) == 1 else []
        self.fail("a power of a derivative needs brackets", None, tuple(repairs))

    def refuse_sub_behind(self, start: int, begin: Token, exponent: Surface) -> None:
        """``Z^n_j`` and ``x^2_i``, where TeX sets the subscript below Z, and Z^n_j may be ``Z_{n,j}`` too."""
        before, base = self.text[:start], self.text[start : begin.start].strip()
        if self.at("_"):
            power, place = self.text[begin.end : self.last_end].strip(), self.position + 1
        elif isinstance(exponent, Ref) and exponent.slots and self.tokens[self.position - 2].text == "_":
            if self.tokens[self.position - 4] is not begin:
                return
            power, place = str(exponent.name), self.position - 1
        else:
            return
        sub, _, closing = (
            self.text[self.tokens[place].start :].partition("}")
            if self.tokens[place].text == "{"
            else (self.tokens[place].text, "", self.text[self.tokens[place].end :])
        )
        sub, inner = sub.strip("{ "), power.strip("{ }")
        if inner in ("-1", "T", "\\top") and not self.on_left:
            entries = f"1 / {base}_{{{sub}}}" if inner == "-1" else ""
            self.refuse_matrix(start, base, "inverse" if inner == "-1" else "transpose", entries)
        repairs = [] if self.on_left else [f"{before}{base}_{{{sub}}}^{power}{closing}"]
        if "_" in base and repairs:  # x_i^a_i
            repairs = [f"{before}{base}^{{{inner}_{{{sub}}}}}{closing}"]
        if is_name(inner) and "_" not in base:
            slot = f"{before}{base}_{{{inner},{sub}}}{closing}"
            repairs.insert(0, marked(self.text, inner) if len(inner) > 1 else slot)
        self.fail(
            "a subscript stands in front of the power", (start, self.tokens[place].end), tuple(repairs),
        )  # fmt: skip

    def raised(self, span: Span, base: Surface, exponent: Surface) -> Surface:
        if ("T" not in self.around or _DEFINES_T.match(self.text)) and not self.is_index("T"):
            transposed(self.text, exponent, span)
        if "d" not in self.around:
            second_derivative(self.text, base, exponent, span)
        made = None
        if isinstance(base, Ref) and base.name == "e" and not base.slots and "e" not in self.around:
            made = exponential(self.text, self.tokens, exponent, span)
        return made or Power(span, base, exponent)

    def refuse_root(self, start: int, begin: int) -> None:
        """Refuse ``x^-1/2``, which looks like a root and would be half of 1/x; ``x^2/2`` is half of a square."""
        below = self.ahead(1)
        exponent = self.text[begin : self.last_end]
        whole = _SMALL.fullmatch(exponent) and self.token.glued and below.glued and below.text.isdigit()
        if not whole:
            return
        before, base, behind = self.text[:start], self.text[start : self.last_end], self.text[below.end :]
        power = f"{self.text[start:begin]}({exponent.strip()}/{below.text})"
        half = f"({base})/{below.text}"
        alike = _ROOT.search(before) or _ROOT.search(behind)  # the others of the text are meant as this one is
        once = f"{before}({half}){behind}" if behind.strip() else before + half
        roots = f"{_ROOT.sub(_bracketed, before)}{power}{_ROOT.sub(_bracketed, behind)}"
        self.fail(f"{base}/{below.text} has two readings", (start, below.end), (roots, half if alike else once))

    def exponent(self) -> Task[Surface]:
        if not self.at("{"):
            ((exponent, _),) = yield self.factor(False)
            return exponent
        start = self.enter().start
        inside: Expression = yield self.expression()
        span = (start, self.close())
        term = inside.terms[0]
        if len(inside.terms) == 1 and len(term.parts) == 1 and not term.parts[0][1]:
            part = term.parts[0][0]
            return part if term.sign > 0 else Minus(span, part)
        return Expression(span, inside.terms)

    def fraction(self) -> Task[list[tuple[Surface, bool]]]:
        r"""``\frac{a}{b}`` as parts of a product, or one derivative."""
        start = self.advance().start
        if not self.at("{"):
            repair = braced(self.text, start, self.last_end, 2)
            self.fail("a fraction is written \\frac{a}{b}", (start, self.last_end), repair)
        behind = self.last_end
        self.enter()
        if self.is_differential():
            return [((yield self.partial_fraction(start)), False)]
        numerator: Expression = yield self.expression()
        end = self.close()
        if not self.at("{"):
            self.fail("a fraction is written \\frac{a}{b}", (start, end), braced(self.text, start, behind, 2))
        self.enter()
        divisor: Expression = yield self.expression()
        self.close()
        only = only_part(divisor)
        below_part: Surface = divisor if only is None else only
        if len(numerator.terms) == 1 and numerator.terms[0].sign > 0:
            return [*numerator.terms[0].parts, (below_part, True)]
        return [(numerator, False), (below_part, True)]


def is_index(slot: Expression) -> bool:
    """Whether a slot is nothing but a name."""
    only = only_part(slot)
    return isinstance(only, Ref) and not only.slots


def _bracketed(found: re.Match[str]) -> str:
    return f"({found[1]}/{found[2]})"
