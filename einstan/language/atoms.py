# What a task waits for comes back as Any.
# mypy: disable-error-code="no-any-return"
r"""Atoms: what can be a factor by itself, apart from tensors and derivatives.

    atom        number | tensor [ slots ] | f(x, y) | sum[K](x) | |n| | 1[i <= j] | δ[i,p] | (expression)
                dZ[i]/dX[p] | \sqrt{x} | \sum_K term

A word that is no function is refused where a bracket follows it directly: ``rleu(x)`` is a slip, ``b (x)`` a product.
"""

from __future__ import annotations

import keyword
import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import NoReturn

from einstan.language.bare import with_brackets
from einstan.language.errors import NotationError, Span
from einstan.language.foreign import comparison, conjoined, rooted, run_together
from einstan.language.functions import FUNCTIONS, SPELLINGS
from einstan.language.greek import sum_sign
from einstan.language.index import is_capital
from einstan.language.norms import norms
from einstan.language.own import parameters_of, visible
from einstan.language.reductions import Reductions
from einstan.language.signs import OPERATIONS, grouped_digits, instead
from einstan.language.surface import (
    APPLIED,
    BINDERS,
    CALLABLE,
    DEFINED,
    RESERVED,
    Bracket,
    Call,
    Expression,
    Kronecker,
    Number,
    Pad,
    Power,
    Ref,
    Size,
    Surface,
    Task,
    only_part,
)  # fmt: skip
from einstan.language.term import RELATIONS, Partial
from einstan.language.tokens import Token, is_name, respelled
from einstan.language.typeset import conditions_in_names
from einstan.language.unknown import INSTEAD, dotted_name, not_number, not_operator, put_in, unknown_call

_LOGARITHMS = ("log10", "log2")
SHORT = 4  # characters of a number that need no look
DIGITS = 300


class Atoms(Reductions):
    """The rules for one atom."""

    def atom(self) -> Task[Surface]:
        token = self.token
        if token.kind == "number":
            return (yield self.number())
        if self.at("("):
            return (yield self.parenthesised())
        if self.at("{"):
            return (yield self.grouped())
        if self.at("⌊"):
            self.enter()
            argument = yield self.expression()
            return Call((token.start, self.close()), "floor", (argument,))
        if self.at("|"):
            return self.size()
        if self.at("\\left|"):
            return (yield self.absolute())
        if token.kind == "command" and token.text == "sqrt":
            self.advance()
            if not self.at("{"):
                repair = rooted(self.text, token.start, token.end) or "sqrt(x)"
                self.fail("a root is written \\sqrt{x} or sqrt(x)", repair=repair)
            self.enter()
            argument = yield self.expression()
            return Call((token.start, self.close()), "sqrt", (argument,))
        if token.kind == "command" and token.text == "partial":
            return (yield self.derivative())
        if token.kind == "name":
            return (yield self.named())
        self.unexpected()

    def number(self) -> Task[Surface]:
        token = self.advance()
        opens_slots = self.at("[") or (self.at("_") and self.ahead(1).text == "{")
        if opens_slots and token.text == "1" and self.token.glued:
            return (yield self.iverson(token.start))
        if opens_slots and self.token.glued:
            self.fail("an indicator is written 1[...]", (token.start, self.token.end))
        if token.text == "0" and self.token.glued and _BASED.fullmatch(self.token.text):
            span = (token.start, self.token.end)
            value = int(self.text[slice(*span)], 0)
            repair = f"{self.text[: span[0]]}{value}{self.text[span[1] :]}"
            self.fail("a number is written in decimal digits", span, repair)
        if self.token.glued and self.token.kind == "name" and self.ahead(1).text not in ("[", "_", "("):
            error = None if self.token.text in self.around else self.run_together(token)
            if error is not None:
                raise error
        if len(token.text) > 1 and token.text[0] == "0" and token.text.isdigit():
            plain = _ZEROS.sub("", self.text)
            what = "a date is an input" if _DATE.search(self.text) else "a number does not begin with 0"
            self.fail(what, (token.start, token.end), plain)
        if self.token.kind == "number" and (together := grouped_digits(self.text, token.end)):
            apart = f"{self.text[: token.end]} *{self.text[token.end :]}"
            readings = together if self.token.text.startswith("0") else (together, apart)
            self.fail("a number is written without blanks", (token.start, self.token.end), readings)
        return Number((token.start, token.end), self.value(token))

    def run_together(self, number: Token) -> NotationError | None:
        """``4ac``, unless ac is a word of the notation."""
        word = self.token.text
        if word in CALLABLE or word in visible() or (word[0] == "d" and len(word) == 2 and word[1] in self.known):
            return None
        return run_together(self.text, number, self.token, self.tokens)

    def value(self, token: Token) -> Fraction:
        """The value of a number, if a float can hold it: what is larger would be worked out in vain."""
        text = token.text
        if len(text) > SHORT and not _fits(text):
            problem = f"a number has at most {DIGITS} digits and lies between 1e-{DIGITS} and 1e{DIGITS}"
            self.fail(problem, (token.start, token.end), "scale what it multiplies, or use the logarithm")
        return Fraction(text)

    def parenthesised(self, binder: Token | None = None) -> Task[Expression]:
        start = self.enter().start
        if self.at(")"):
            self.fail("there is nothing between the brackets", (start, self.token.end))
        inside: Expression = yield self.expression()
        if binder is not None and self.at(","):
            yield self.refuse_several(binder, start, inside)
        if self.scalars and only_part(inside) is self.scalars[-1]:
            self.scalars.pop()  # in brackets of its own a name says that it means a number
        return Expression((start, self.close()), inside.terms)

    def grouped(self) -> Task[Expression]:
        """``{a + b}``, a bracket that TeX does not show."""
        start = self.token.start
        if repair := comparison(self.text, self.tokens, self.position):
            self.fail("an indicator is written 1[...]", None, repair)
        self.enter()
        inside: Expression = yield self.expression()
        return Expression((start, self.close()), inside.terms)

    def size(self) -> Size:
        start = self.advance().start
        name = ""
        while (
            self.token.kind in ("name", "number")
            or self.at(".", "/", "^", "(", ")")
            or ("(" in name and self.at("+", "-"))
        ):
            if self.token.kind == "name" and self.token.text in keyword.kwlist:
                self.refuse_word(self.token, "an index")
            if self.token.kind == "name" and name and not self.token.glued and (meant := self.bars(start)):  # |a b|
                self.fail("an extent is written |n|; an absolute value is abs(x)", (start, self.token.end), meant)
            name += self.advance().text
        label, _, axis = name.partition(".") if "." in name else (name, "", "")
        good = axis.isdigit() if axis else is_name(name)
        if not name or not good or not all(is_name(unlabelled(part)) for part in label.split("/")):
            problem = "an extent is written |n|, or |X.0| for an axis; an absolute value is abs(x)"
            self.fail(problem, (start, self.token.end), self.bars(start) or "abs(x)")
        if not self.take("|", "\\right|"):
            if (conditioned := conditions_in_names(self.text)) != self.text:  # P_{k|k-1}
                self.fail("a condition below the line is part of a name", (start, self.token.end), conditioned)
            expected = _EXPECTED.search(self.text, 0, start + 1)
            problem = "the bar | is not closed: |n| is an extent, abs(x) an absolute value"
            repair = "mean[N](x[N]), over what is drawn" if expected else self.bars(start)
            self.fail(problem, (start, self.token.end), repair)
        return Size((start, self.last_end), name)

    def bars(self, start: int) -> str | tuple[()]:
        """What ``|x[i]|`` and ``||x[I]||`` are here."""
        matched = _NORM.match(self.text, start) or _ABSOLUTE.match(self.text, start)
        if matched is None:
            return ()
        if matched.re is _ABSOLUTE:
            return f"{self.text[:start]}abs({matched[1]}){self.text[matched.end() :]}"
        return norms(self.text.replace("||", "‖")) or _NORMED

    def capitals(self, inside: str) -> str:
        """The capitals of a text."""
        return ",".join(filter(is_capital, dict.fromkeys(self.letters(inside))))

    def absolute(self) -> Task[Surface]:
        if self.ahead(1).kind == "name" and self.ahead(2).text in ("\\right|", "."):
            return self.size()
        start = self.enter().start
        argument = yield self.expression()
        return Call((start, self.close()), "abs", (argument,))

    def iverson(self, start: int) -> Task[Surface]:
        self.take("_")
        self.enter()
        if self.at("]", "}"):
            self.fail("there is nothing in the brackets", (start, self.token.end), ("1[K]", "1[i <= j]"))
        both = conjoined(self.text, start) if "and" in self.text or "&" in self.text else ""
        if both:
            word = max(self.text.find("and", start), start)
            self.fail("brackets in which all hold stand side by side", (word, word + 3), both)
        operands = [(yield self.expression())]
        relations = []
        while self.at("=", *RELATIONS):
            relations.append("==" if self.token.text == "=" else self.token.text)
            self.advance()
            operands.append((yield self.expression()))
        while self.at(","):
            if relations:
                self.refuse_commas(start, None)
            self.advance()
            operands.append((yield self.expression()))
            if self.at(*RELATIONS):
                self.refuse_commas(start, None)
        return Bracket((start, self.close()), tuple(operands), tuple(relations))

    def refuse_commas(self, start: int, span: Span | None) -> NoReturn:
        """``1[x > 0, y > 0]`` and ``1[x > 0 and y > 0]`` as a product."""
        self.fail("a comma between relations: write a product of indicators", span, conjoined(self.text, start) or ())

    # ---- what begins with a name ---------------------------------------------------------------------------------

    def named(self) -> Task[Surface]:
        token = self.token
        name = token.text
        start = token.start
        if name in ("δ", "delta"):
            return (yield self.kronecker())
        if name in BINDERS or (name in DEFINED and self.is_called()):
            return (yield self.binder())
        if name == "pad":
            return (yield self.pad())
        function = SPELLINGS.get(name, name)
        following = self.ahead(1)
        applied = following.text == "(" and following.kind == "mark"
        parameters = parameters_of(function)
        if parameters is not None and (name != "σ" or (applied and self.is_sigmoid())):
            self.advance()
            if not parameters and self.at("[", "_"):
                other = respelled(self.text, name, "π1" if function == "pi" else f"{name}1")
                self.fail(f"{name} is a number and cannot be a tensor", (token.start, token.end), other)
            if not parameters:
                return Call((start, token.end), function, ())
            if not applied:
                self.refuse_function(token, parameters)
            arguments = yield self.arguments()
            expected = len(parameters)
            if len(arguments) != expected:
                word = "argument" if expected == 1 else "arguments"
                problem = f"{name} takes {expected} {word}, not {len(arguments)}"
                self.fail(problem, (start, self.last_end), f"{name}({', '.join(parameters)})")
            span = (start, self.last_end)
            return Power(span, *arguments) if function == "pow" else Call(span, function, arguments)
        if name[0] == "d" and "d" not in self.around:
            self.refuse_differential()
        if applied and following.glued and name in ("Σ", "Π") and token.raw:
            raise sum_sign(self.text, token, token.end, over=False)
        if applied and (following.glued or name in RESERVED) and (name not in RESERVED or name in INSTEAD):
            raise unknown_call(self.text, (token.start, token.end), name, following.start, (*CALLABLE, *visible()))
        if name in RESERVED:
            self.refuse_word(token, "a tensor")
        if name in OPERATIONS and not (following.text in ("[", "_", "^") or name in self.around or self.on_left):
            repair = (*instead(self.text, name, start, token.end), f"another name for a number, such as {name}1")
            self.fail(f"{name} would be a number here", (start, token.end), repair)
        if "π" in name and _OF_PI.fullmatch(name) and token.raw and following.text not in ("[", "_", "("):
            parts = " ".join(filter(None, re.split("(π)", name)))
            readings = (
                f"{self.text[:start]}{parts}{self.text[token.end :]}",
                f"another name, such as {name.replace('π', 'p')}",
            )
            self.fail(f"{name} is one name, or the product {parts}", (start, token.end), readings)
        in_front = following.kind in ("name", "command") and following.text != "where"
        if name in _LOGARITHMS and following.text == "[" and following.glued:  # log10[H]
            self.refuse_logarithm(token)
        if name in APPLIED and in_front and name not in self.around:
            raise not_number(self.text, (start, token.end), name)
        if self.text.startswith("\\operatorname", token.start):
            raise not_operator(self.text, (token.start, token.end), name, (*CALLABLE, *visible()))
        if following.text == "." and following.glued and self.ahead(2).kind == "name":
            self.refuse_dotted(token)
        return (yield self.derivative()) if self.is_derivative() else (yield self.reference())

    def refuse_logarithm(self, token: Token) -> None:
        self.advance()
        line = self.rounded()
        if not line.startswith("(", line.find(")", token.end) + 1):  # log10[K](x[K]) is a call
            call = put_in(line, (token.start, token.end), INSTEAD[token.text])
            repairs = (call or line, "another name for a tensor")
            self.fail(f"{token.text} is a function and cannot be a tensor", (token.start, token.end), repairs)
        self.position -= 1

    def is_sigmoid(self) -> bool:
        """Whether the σ in front of a bracket is the function: glued to it, in a text that has no number σ.  With a
        blank it is a number where the text or the program has one; what could be either is refused."""
        token = self.token
        apart = self.text[token.end : token.end + 1].isspace()
        numbers = (
            one.text == "σ" and one.kind == "name" and not (two.text == "(" and two.kind == "mark")
            for one, two in zip(self.tokens, self.tokens[1:], strict=False)
        )
        number = "σ" in self.around or any(numbers)
        if apart != number:  # a blank and no number, or glued beside one
            self.refuse_sigma(token)
        return not apart

    def refuse_sigma(self, token: Token) -> NoReturn:
        before, rest = self.text[: token.start], self.text[token.end :].lstrip()
        times = "\\sigma \\cdot" if self.text[token.start] == "\\" else "σ *"
        self.fail(
            "σ in front of a bracket is the sigmoid or a number", (token.start, token.end),
            (f"{before}sigmoid{rest}", f"{before}{times} {rest}"),
        )  # fmt: skip

    def arguments(self) -> Task[tuple[Expression, ...]]:
        opening = self.enter()
        if self.at(")"):
            self.fail("there is nothing between the brackets", (opening.start, self.token.end))
        found = [(yield self.expression())]
        while self.take(","):
            found.append((yield self.expression()))
        self.close()
        return tuple(found)

    def refuse_function(self, token: Token, parameters: tuple[str, ...]) -> NoReturn:
        example = f"{token.text}({', '.join(parameters)})"
        if self.on_left and self.at("="):
            other = respelled(self.text, token.text, f"{token.text}1")
            self.fail(f"{token.text} is a function and cannot be a tensor", (token.start, token.end), other)
        base = self.ahead(1 + (self.ahead(1).text == "{")).text
        if self.at("_") and f"{token.text}{base}" in INSTEAD:
            spelled = _OTHER_BASE.sub(lambda found: f"log({found[2] or found[3]}) / log({found[1]})", self.text)
            self.fail(
                f"{token.text} is of base e here",
                (token.start, token.end),
                spelled if spelled != self.text else INSTEAD[f"{token.text}{base}"],
            )
        if self.at("[", "_"):
            other = respelled(self.text, token.text, f"{token.text}1")
            applied = self.rounded() if self.at("[") else ""  # exp[-x_i]
            repairs = (other,) if self.on_left else (applied or example, other)
            self.fail(f"{token.text} is a function and cannot be a tensor", (token.start, token.end), repairs)
        readings = (
            with_brackets(self.text, self.tokens, self.position - 1, _takes_arguments)
            if len(parameters) == 1
            else [*instead(self.text, token.text, token.start, token.end)]
        )
        before, inverse = self.text[: token.start], f"arc{token.text}"
        if inverse in FUNCTIONS and readings and (power := _INVERSE.match(readings[0], token.start)):
            readings.insert(0, f"{before}{inverse}{power[1]}{readings[0][power.end() :]}")
        problem = f"the function {token.text} needs brackets around its argument"
        self.fail(problem, (token.start, token.end), tuple(readings) or example)

    def refuse_dotted(self, token: Token) -> NoReturn:
        words = [token.text]
        distance = 1
        while self.ahead(distance).text == "." and self.ahead(distance + 1).kind == "name":
            words.append(self.ahead(distance + 1).text)
            distance += 2
        span = (token.start, self.ahead(distance - 1).end)
        raise dotted_name(self.text, span, words, (*CALLABLE, *visible()))

    def kronecker(self) -> Task[Surface]:
        token = self.advance()
        slots = yield self.slots()
        if len(slots) != 2:
            problem = f"{token.text} is the Kronecker delta and has two slots, not {len(slots)}"
            other = "δ[i,p]; a tensor needs another name"
            self.fail(problem, (token.start, self.last_end), (*self.deltas(token, len(slots)), other))
        return Kronecker((token.start, self.last_end), *slots)

    def deltas(self, token: Token, count: int) -> tuple[str, ...]:
        """The text with ``δ(i,j)`` as ``δ[i,j]``, a pulse ``δ[n-1]`` as ``1[n-1 == 0]``, and a number δ as δ1."""
        if count:
            pulses = re.sub(r"(?:δ|delta|\\delta)\s*(?:\[([^\[\],]+)\]|_\{([^{},]+)\})", _pulse, self.text)
            error = respelled(self.text, token.text, "err")  # δ_j, as in backpropagation
            if count > 1 or pulses == self.text or self.on_left:
                return (error,) if count == 1 else ()
            return (pulses,) if re.search(r"1\[[^\[\]]*[+-][^\[\]]* == 0\]", pulses) else (pulses, error)
        if called := _DELTAS.search(self.text, token.start):
            return (_DELTAS.sub(r"\1[\2]", self.text),) if called.start() == token.start else ()
        return (respelled(self.text, token.text, "δ1" if token.text == "δ" else "delta1"),)

    def pad(self) -> Task[Surface]:
        token = self.advance()
        problem = "pad holds one access and reads zero outside of its tensor"
        if not self.at("("):
            self.fail(problem, (token.start, token.end), "pad(X[i+J-1])")
        (argument, *more) = yield self.arguments()
        access = only_part(argument)
        if more or not isinstance(access, Ref) or not access.slots or isinstance(access.name, Partial):
            self.fail(problem, (token.start, self.last_end), "pad(X[i+J-1])")
        return Pad((token.start, self.last_end), access)


_BASED = re.compile(r"[xX][0-9a-fA-F]+|[bB][01]+|[oO][0-7]+")  # of 0x1F, 0b101, 0o17, behind the 0
_OTHER_BASE = re.compile(r"\\?log_\{?(2|10)\}?\s*(?:\(([^()]*)\)|(?<![\w(])(?=\w)(\w+))")
_ABSOLUTE = re.compile(r"\|([^|]*[^|\s(+*/-]\s*)\|(?!\|)")
_EXPECTED = re.compile(r"(?<!\w)(?:E|P|Pr|Var|Cov|\\mathbb\{E\})\s*[\[(][^\[\]()|]*\|$")  # E[y|x]
_NORM = re.compile(r"\|\|([^|]+)\|\|(?:_\{?[2F]\}?)?(?!_)")
# Of sin^-1(x), as brackets are put into it.
_INVERSE = re.compile(r"\\?\w+(\((?:[^()]|\([^()]*\))*\))\s*\^\s*(?:-1|\{-1\}|\(-1\))")
_OF_PI = re.compile(r"(?=.*[^\W\d_π]|.*π.*π)[^\W_]+")  # πr, kπ
_ZEROS = re.compile(r"(?<![\w.])0+(?=\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DELTAS = re.compile(r"(δ|(?<![A-Za-z])delta)\(\s*([^()]*,[^()]*?)\s*\)")

_NORMED = "norm[K](x[K]), and its square x[K]^2"


def _pulse(found: re.Match[str]) -> str:
    return f"1[{(found[1] or found[2]).strip()} == 0]"


def _fits(number: str) -> bool:
    """Whether a float holds a number, or one near it."""
    try:
        return len(number) <= DIGITS and -DIGITS <= Decimal(number).adjusted() <= DIGITS
    except InvalidOperation:  # its exponent alone is too long
        return False


def _takes_arguments(name: str) -> bool:
    """Whether a name without a bracket behind it is a function that lacks one: σ is a number there."""
    return name in APPLIED or (name != "σ" and bool(parameters_of(SPELLINGS.get(name, name))))


def unlabelled(name: str) -> str:
    """A name without the labels in brackets, ``X`` of ``X^(2)``."""
    return re.sub(r"\^\([A-Za-z0-9]+([+-][A-Za-z0-9]+)?\)", "", name)
