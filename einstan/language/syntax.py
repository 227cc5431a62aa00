# What a task waits for comes back as Any.
# mypy: disable-error-code="no-any-return"
r"""Text to surface tree: the grammar, with a span on every node.

    relation    expression = expression [ where |i| = expression , ... ]
    expression  term { (+|-) term }
    term        [+|-] factor { [*|/] factor }              side by side is a product
    factor      - factor  |  atom [ ^ factor ]             ^ binds tighter than -, and to the right
    atom        number | tensor [ slots ] | f(x, y) | sum[K](x) | |n| | 1[i <= j] | δ[i,p] | (expression)
                dZ[i]/dX[p] | \frac{x}{y} | \sqrt{x} | \sum_K term
    slots       [ expression , ... ]  |  _{ expression , ... }  |  _i

``a / b c`` has two readings and is refused, except behind a number or an extent: ``1/|N| X[N]`` is a number times X.
A label belongs to the name of a tensor: ``Z^(2)[i,j]`` (no blanks, a slot bracket behind it) and ``Z^{(2)}_{i,j}``;
``x^(2)`` without slots stays a power, ``x^{(2)}`` in LaTeX's braces is always a label.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from fractions import Fraction
from typing import NoReturn

from einstan.language.errors import NotationError, Span, nearest
from einstan.language.functions import FUNCTIONS, SPELLINGS
from einstan.language.surface import (
    BINDERS,
    NOWHERE,
    RESERVED,
    Binder,
    Bracket,
    Call,
    Expression,
    Kronecker,
    Letter,
    Minus,
    Number,
    Pad,
    Power,
    Ref,
    Relation,
    Size,
    Surface,
    Task,
    Term,
    alone,
    is_numeric,
    looks_like_derivative,
    only_part,
    run,
)  # fmt: skip
from einstan.language.term import RELATIONS, Partial
from einstan.language.tokens import Token, is_name, tokens

CLOSING = {"(": ")", "[": "]", "{": "}", "|": "|", "\\left|": "\\right|"}
_ORDER = re.compile(r"d([2-9])(.+)")


def read_relation(text: str, known: Collection[str] = ()) -> tuple[str, Relation]:
    """``left = right where ...``; the text comes back in the normal form that the spans refer to."""
    parser = Parser(text, known)
    return parser.text, run(parser.relation())


def read_expression(text: str, known: Collection[str] = ()) -> tuple[str, Expression]:
    parser = Parser(text, known)
    expression = run(parser.expression())
    parser.finish()
    return parser.text, expression


class Parser:
    """A recursive descent over the tokens, each rule a task, so that brackets may nest as deep as memory allows."""

    def __init__(self, text: str, known: Collection[str] = ()) -> None:
        self.text = unicodedata.normalize("NFC", text)
        self.tokens = tokens(self.text)
        self.position = 0
        self.on_left = False
        self.known = frozenset(known) | {token.text for token in self.tokens if token.kind == "name"}
        self.open: list[Token] = []

    # ---- looking at tokens ---------------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def ahead(self, distance: int) -> Token:
        return self.tokens[min(self.position + distance, len(self.tokens) - 1)]

    def advance(self) -> Token:
        token = self.token
        self.position += token.kind != "end"
        return token

    def at(self, *marks: str) -> bool:
        return self.token.kind == "mark" and self.token.text in marks

    def take(self, *marks: str) -> bool:
        if self.at(*marks):
            self.position += 1
            return True
        return False

    @property
    def last_end(self) -> int:
        return self.tokens[self.position - 1].end

    def enter(self) -> Token:
        self.open.append(self.advance())
        return self.open[-1]

    def close(self) -> int:
        opening = self.open.pop()
        if not self.take(CLOSING[opening.text]):
            if self.token.kind == "end" or self.at(")", "]", "}", "\\right|", "="):
                self.fail(f"the bracket {opening.text} is not closed", (opening.start, opening.end))
            self.unexpected()
        return self.last_end

    def fail(self, problem: str, span: Span | None = None, repair: str | tuple[str, ...] = ()) -> NoReturn:
        span = (self.token.start, self.token.end) if span is None else span
        raise NotationError(problem, text=self.text, span=span, repair=repair)

    def unexpected(self) -> NoReturn:
        if self.token.kind == "end":
            self.fail("the equation ends too early", (len(self.text), len(self.text) + 1))
        if self.at(")", "]", "}"):
            self.fail(f"the bracket {self.token.text} was never opened")
        self.fail(f"{self.token.text!r} is not expected here")

    def finish(self) -> None:
        if self.token.kind != "end":
            self.unexpected()

    # ---- relations, sums, products -------------------------------------------------------------------------------

    def relation(self) -> Task[Relation]:
        self.on_left = True
        left = yield self.expression()
        self.on_left = False
        if not self.take("="):
            if self.token.kind != "end":
                self.unexpected()
            self.fail("an equation needs a =", (len(self.text), len(self.text) + 1))
        right = yield self.expression()
        where = []
        if self.token.kind == "name" and self.token.text == "where":
            self.advance()
            while True:
                if not self.at("|", "\\left|"):
                    token = self.token
                    repaired = f"{self.text[: token.start]}|{token.text}|{self.text[token.end :]}"
                    self.fail("'where' states extents", None, repaired if token.kind == "name" else ())
                size = self.size()
                if not self.take("=", "=="):
                    self.unexpected()
                where.append((size, (yield self.expression())))
                if not self.take(","):
                    break
        if self.at("="):
            self.fail("an equation has one =", repair="1[a == b] compares")
        self.finish()
        return Relation((0, len(self.text)), left, right, tuple(where))

    def expression(self) -> Task[Expression]:
        terms = [(yield self.term())]
        while self.at("+", "-"):
            terms.append((yield self.term()))
        return Expression((terms[0].span[0], terms[-1].span[1]), tuple(terms))

    def term(self) -> Task[Term]:
        sign, start = 1, self.token.start
        while self.at("+", "-"):
            sign = -sign if self.advance().text == "-" else sign
        parts: list[tuple[Surface, bool]] = list((yield self.factor(True)))
        slashed = False  # whether the last part stands directly behind a /
        while True:
            if self.take("*"):
                parts += yield self.factor(True)
                slashed = False
            elif self.take("/"):
                divisors = yield self.factor(False)
                parts += [(divisor, True) for divisor, _ in divisors]
                slashed = True
            elif self.starts_factor():
                begin = self.token.start
                following = yield self.factor(True)
                if slashed and not self.is_coefficient(parts):
                    self.refuse_quotient(parts, begin)
                parts += following
                slashed = False
            else:
                return Term((start, self.last_end), sign, tuple(parts))

    def starts_factor(self) -> bool:
        token = self.token
        if token.kind == "name":
            return token.text != "where"
        return token.kind in ("number", "command") or self.at("(", "|", "\\left|")

    @staticmethod
    def is_coefficient(parts: list[tuple[Surface, bool]]) -> bool:
        """Whether the quotient at the end of the parts is a number or an extent: ``1/2``, ``1/|N|/|J|``."""
        count = len(parts)
        while count and parts[count - 1][1]:
            count -= 1
        return all(is_numeric(part) for part, _ in parts[max(count - 1, 0) :])

    def refuse_quotient(self, parts: list[tuple[Surface, bool]], begin: int) -> NoReturn:
        divisor = parts[-1][0].span
        end = self.last_end
        above, below, after = self.text[: divisor[0]], self.text[slice(*divisor)], self.text[begin:end]
        start = parts[0][0].span[0]
        rest = self.text[end:]
        self.fail(
            "a / b c has two readings",
            (start, end),
            (f"{above}({below} {after}){rest}", f"{above[:start]}({above[start:]}{below}) {after}{rest}"),
        )

    def factor(self, spliced: bool) -> Task[list[tuple[Surface, bool]]]:
        """One factor as parts of a product: a fraction that is not raised to a power has several."""
        start = self.token.start
        if self.take("-"):
            (operand, _), *_ = yield self.factor(False)
            return [(Minus((start, self.last_end), operand), False)]
        if self.take("+"):
            return (yield self.factor(spliced))
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
            base = Power((start, digit.end), base, Number((digit.start, digit.end), Fraction(digit.text)))
        elif self.at("^"):
            if isinstance(base, Ref) and isinstance(base.name, Partial):
                spelled = self.text[start : self.last_end]
                self.fail("a power of a derivative needs brackets", None, f"({spelled})^2")
            self.advance()
            exponent = yield self.exponent()
            base = Power((start, self.last_end), base, exponent)
        return [(base, False)]

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

    # ---- atoms ---------------------------------------------------------------------------------------------------

    def atom(self) -> Task[Surface]:
        token = self.token
        if token.kind == "number":
            return (yield self.number())
        if self.at("("):
            return (yield self.parenthesised())
        if self.at("|"):
            return self.size()
        if self.at("\\left|"):
            return (yield self.absolute())
        if token.kind == "command" and token.text == "sqrt":
            self.advance()
            if not self.at("{"):
                self.fail("a root is written \\sqrt{x} or sqrt(x)", repair="sqrt(x)")
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
        return Number((token.start, token.end), Fraction(token.text))

    def parenthesised(self) -> Task[Expression]:
        start = self.enter().start
        if self.at(")"):
            self.fail("there is nothing between the brackets", (start, self.token.end))
        inside: Expression = yield self.expression()
        return Expression((start, self.close()), inside.terms)

    def size(self) -> Size:
        start = self.advance().start
        name = ""
        while self.token.kind in ("name", "number") or self.at(".", "/", "^", "(", ")"):
            name += self.advance().text
        label, _, axis = name.partition(".") if "." in name else (name, "", "")
        good = axis.isdigit() if axis else is_name(name)
        if not name or not good or not all(is_name(_unlabelled(part)) for part in label.split("/")):
            problem = "an extent is written |n|, or |X.0| for an axis; an absolute value is abs(x)"
            self.fail(problem, (start, self.token.end), "abs(x)")
        if not self.take("|", "\\right|"):
            self.fail("the bar | is not closed: |n| is an extent, abs(x) an absolute value", (start, self.token.end))
        return Size((start, self.last_end), name)

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
        operands = [(yield self.expression())]
        relations = []
        while self.at("=", *RELATIONS):
            relations.append("==" if self.token.text == "=" else self.token.text)
            self.advance()
            operands.append((yield self.expression()))
        while self.at(","):
            if relations:
                inside = self.text[operands[0].span[0] : self.last_end]
                self.fail("a comma between relations: write a product of indicators", None, f"1[{inside}] 1[j <= k]")
            self.advance()
            operands.append((yield self.expression()))
            if self.at(*RELATIONS):
                self.fail("a comma between relations: write a product of indicators", None, "1[i <= j] 1[j <= k]")
        return Bracket((start, self.close()), tuple(operands), tuple(relations))

    def slots(self) -> Task[tuple[Expression, ...]]:
        """What stands in ``[...]``, ``_{...}`` or ``_i``; nothing where there is no bracket."""
        if self.take("_"):
            if not self.at("{"):
                token = self.advance()
                span = (token.start, token.end)
                if token.kind == "name":
                    return (alone(Ref(span, token.text)),)
                if token.kind == "number":
                    return (alone(Number(span, Fraction(token.text))),)
                self.position -= token.kind != "end"
                self.unexpected()
            opening = self.enter()
            subscript = True
        elif self.at("["):
            opening = self.enter()
            subscript = False
        else:
            return ()
        found = []
        while True:
            if self.at("]", "}", ","):
                self.fail("a slot is empty", (opening.start, self.token.end), "a scalar is written without brackets: L")
            token = self.token
            if subscript and self.is_run_of_letters():
                commas = ",".join(token.text)
                readings = (f"several indices are written {commas}", f"one index is written \\mathrm{{{token.text}}}")
                self.fail(f"the subscript {token.text} is one index or several", None, readings)
            found.append((yield self.expression()))
            if subscript and self.at("="):
                self.fail("a sum runs over the whole axis and has no limits", None, "\\sum_{k} x_{k}")
            if not self.take(","):
                break
        self.close()
        return tuple(found)

    def is_run_of_letters(self) -> bool:
        """Whether a subscript is spelled like ``ij``, which is one name here and two indices in papers."""
        token = self.token
        written = token.kind == "name" and token.raw and token.text.isascii()
        return written and sum(map(str.isalpha, token.text)) > 1 and self.ahead(1).text in (",", "}")

    def arguments(self) -> Task[tuple[Expression, ...]]:
        opening = self.enter()
        if self.at(")"):
            self.fail("there is nothing between the brackets", (opening.start, self.token.end))
        found = [(yield self.expression())]
        while self.take(","):
            found.append((yield self.expression()))
        self.close()
        return tuple(found)

    # ---- what begins with a name ---------------------------------------------------------------------------------

    def named(self) -> Task[Surface]:
        token = self.token
        name = token.text
        start = token.start
        if name in ("δ", "delta"):
            return (yield self.kronecker())
        if name in BINDERS:
            return (yield self.binder())
        if name == "pad":
            return (yield self.pad())
        function = SPELLINGS.get(name, name)
        following = self.ahead(1)
        applied = following.text == "(" and following.kind == "mark"
        if function in FUNCTIONS and (name != "σ" or applied):
            self.advance()
            if not FUNCTIONS[function].parameters:
                return Call((start, token.end), function, ())
            if not applied:
                self.refuse_function(token, function)
            arguments = yield self.arguments()
            expected = len(FUNCTIONS[function].parameters)
            if len(arguments) != expected:
                word = "argument" if expected == 1 else "arguments"
                problem = f"{name} takes {expected} {word}, not {len(arguments)}"
                self.fail(problem, (start, self.last_end), f"{name}({', '.join(FUNCTIONS[function].parameters)})")
            return Call((start, self.last_end), function, arguments)
        if name in RESERVED:
            self.fail(f"{name} is a word of the notation and cannot be a tensor", (start, token.end))
        if applied and following.glued:
            self.refuse_unknown(token)
        return (yield self.derivative()) if self.is_derivative() else (yield self.reference())

    def refuse_function(self, token: Token, function: str) -> NoReturn:
        example = f"{token.text}({', '.join(FUNCTIONS[function].parameters)})"
        if self.at("[", "_"):
            self.fail(f"{token.text} is a function and cannot be a tensor", (token.start, token.end), example)
        self.fail(f"the function {token.text} needs brackets around its argument", (token.start, token.end), example)

    def refuse_unknown(self, token: Token) -> NoReturn:
        words = [*FUNCTIONS, *SPELLINGS, *BINDERS]
        guess = nearest(token.text, words)
        repair = [guess] if guess else []
        repair.append(f"a product is written with a blank: {token.text} (...)")
        self.fail(f"{token.text} is not a function", (token.start, token.end), tuple(repair))

    def kronecker(self) -> Task[Surface]:
        token = self.advance()
        slots = yield self.slots()
        if len(slots) != 2:
            problem = f"{token.text} is the Kronecker delta and has two slots, not {len(slots)}"
            self.fail(problem, (token.start, self.last_end), "δ[i,p]; a tensor needs another name")
        return Kronecker((token.start, self.last_end), *slots)

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

    def binder(self) -> Task[Surface]:
        token = self.advance()
        if token.text in ("max", "min") and self.at("("):
            function = {"max": "maximum", "min": "minimum"}[token.text]
            arguments = yield self.arguments()
            if len(arguments) != 2:
                problem = f"{token.text}(x, y) takes two arguments"
                self.fail(problem, (token.start, self.last_end), f"{token.text}[K](x)")
            return Call((token.start, self.last_end), function, arguments)
        slots = yield self.slots()
        letters = []
        for slot in slots:
            part = only_part(slot)
            if not isinstance(part, Ref) or part.slots or not isinstance(part.name, str):
                problem = f"{token.text} runs over whole axes, and {self.text[slice(*slot.span)]} is not an index"
                self.fail(problem, slot.span, f"{token.text}[K](x)")
            letters.append(Letter(part.span, part.name))
        if not letters:
            self.fail(f"{token.text} of which index?", (token.start, token.end), f"{token.text}[K](x)")
        if token.text == "softmax" and len(letters) > 1:
            self.fail("softmax runs over one index", (token.start, self.last_end), "softmax[k](x)")
        if token.big and self.starts_factor():
            term = yield self.term()
            body = Expression(term.span, (term,))
        elif self.at("("):
            body = yield self.parenthesised()
        else:
            spelled = self.text[token.start : self.last_end]
            problem = f"{token.text} needs brackets around what it runs over"
            self.fail(problem, (token.start, self.last_end), f"{spelled}(x)")
        return Binder((token.start, self.last_end), token.text, tuple(letters), body)

    # ---- tensors and derivatives ---------------------------------------------------------------------------------

    def reference(self) -> Task[Ref]:
        token = self.advance()
        name = token.text + self.label(slots_follow=True)
        slots = yield self.slots()
        if self.at("^") and self.ahead(1).text == "{":
            name += self.label(slots_follow=False)
        return Ref((token.start, self.last_end), name, slots)

    def label(self, slots_follow: bool) -> str:
        """``^(2)`` directly behind a name and before its slots, or LaTeX's ``^{(2)}``."""
        first, second = self.ahead(1), self.ahead(2)
        if not self.at("^"):
            return ""
        if slots_follow and self.token.glued and first.text == "(" and second.kind in ("name", "number"):
            closing, behind = self.ahead(3), self.ahead(4)
            glued = all(token.glued for token in (first, second, closing, behind))
            if glued and closing.text == ")" and behind.text in ("[", "_") and behind.kind == "mark":
                self.position += 4
                return f"^({second.text})"
        inside = self.ahead(3)
        brackets = first.text, second.text, self.ahead(4).text, self.ahead(5).text
        if brackets == ("{", "(", ")", "}") and inside.kind in ("name", "number"):
            self.position += 6
            return f"^({inside.text})"
        return ""

    def is_derivative(self) -> bool:
        """Whether a derivative begins here, seen from the names around the slash alone."""
        numerator = self.token.text
        if not numerator.startswith("d") or len(numerator) < 2 or not is_name(_order(numerator)[1]):
            return False
        before = self.position
        depth = 0
        self.position += 1
        while self.token.kind != "end":
            if self.at("[", "(", "{"):
                depth += 1
            elif self.at("]", ")", "}"):
                depth -= 1
                if depth < 0:
                    break
            elif depth == 0 and not self.at("_", "^") and self.tokens[self.position - 1].text not in ("_", "^"):
                break
            self.position += 1
        divided = self.at("/") and self.ahead(1).kind == "name"
        denominator = self.ahead(1).text if divided else ""
        self.position = before
        if not denominator.startswith("d") or len(denominator) < 2 or not is_name(denominator[1:]):
            return False
        if self.on_left:
            return True
        names = _order(numerator)[1], denominator[1:]
        return looks_like_derivative(names[0], (names[1],), self.known)

    def derivative(self) -> Task[Surface]:
        """``dZ[n,j]/dX[m,p]``, ``∂Z[n,j]/∂X[m,p]``, ``dL/dW[p,q]dW[r,s]``."""
        start = self.token.start
        order, above = yield self.differential(numerator=True)
        if not self.take("/"):
            self.fail("a derivative is written ∂Z[i]/∂X[p]", (start, self.last_end))
        below = yield self.differentials(order)
        return self.partial(start, above, below)

    def differential(self, numerator: bool = False) -> Task[tuple[int, Ref]]:
        """``dZ[n,j]`` or ``∂Z[n,j]``: the order of the derivative and Z with its slots."""
        if self.token.kind == "command":
            self.advance()
            order = 0
            if self.at("^") and numerator:
                braced = self.ahead(1).text == "{"
                order = int(self.ahead(2 if braced else 1).text or 0)
                self.position += 4 if braced else 2
            elif self.token.kind == "power" and numerator:
                order = int(self.advance().text)
            if self.token.kind != "name":
                self.unexpected()
            return order, (yield self.reference())
        spelled = self.token.text
        order, name = _order(spelled) if numerator else (0, spelled[1:])
        ref: Ref = yield self.reference()
        return order, Ref(ref.span, name + str(ref.name)[len(spelled) :], ref.slots)

    def differentials(self, order: int) -> Task[list[Ref]]:
        found = [(yield self.differential())[1]]
        while True:
            token = self.token
            if token.kind == "command" and token.text == "partial":
                pass
            elif token.kind == "name" and token.text.startswith("d") and is_name(token.text[1:]):
                if not token.glued and not (order and len(found) < order):
                    break
            else:
                break
            found.append((yield self.differential())[1])
        if order and len(found) != order:
            self.fail(f"a derivative of order {order} has {order} denominators, not {len(found)}", found[0].span)
        return found

    def partial(self, start: int, above: Ref, below: list[Ref]) -> Ref:
        assert isinstance(above.name, str)
        wrt = tuple((str(ref.name), len(ref.slots)) for ref in below)
        slots = above.slots + tuple(slot for ref in below for slot in ref.slots)
        return Ref((start, self.last_end), Partial(above.name, len(above.slots), wrt), slots)

    def fraction(self) -> Task[list[tuple[Surface, bool]]]:
        r"""``\frac{a}{b}`` as parts of a product, or one derivative."""
        start = self.advance().start
        if not self.at("{"):
            self.fail("a fraction is written \\frac{a}{b}", (start, self.last_end))
        self.enter()
        if self.is_differential():
            order, above = yield self.differential(numerator=True)
            self.close()
            if not self.at("{"):
                self.fail("a fraction is written \\frac{a}{b}", (start, self.last_end))
            self.enter()
            below = yield self.differentials(order)
            self.close()
            return [(self.partial(start, above, below), False)]
        numerator: Expression = yield self.expression()
        end = self.close()
        if not self.at("{"):
            self.fail("a fraction is written \\frac{a}{b}", (start, end))
        self.enter()
        divisor: Expression = yield self.expression()
        self.close()
        only = only_part(divisor)
        below_part: Surface = divisor if only is None else only
        if len(numerator.terms) == 1 and numerator.terms[0].sign > 0:
            return [*numerator.terms[0].parts, (below_part, True)]
        return [(numerator, False), (below_part, True)]

    def is_differential(self) -> bool:
        r"""Whether the fraction that opens here is ``\frac{\partial Z}{\partial X}`` or ``\frac{dZ}{dX}``."""
        if self.token.kind == "command":
            if self.token.text != "partial":
                return False
            depth, position = 1, self.position
            while depth and self.tokens[position].kind != "end":
                depth += {"{": 1, "}": -1}.get(self.tokens[position].text, 0)
                position += 1
            return self.tokens[min(position + 1, len(self.tokens) - 1)].text == "partial"
        names = self.token.text, self.ahead(3).text
        simple = self.ahead(1).text == "}" and self.token.raw and all(n.startswith("d") and n[1:] for n in names)
        return simple and looks_like_derivative(names[0][1:], (names[1][1:],), self.known)


def _order(name: str) -> tuple[int, str]:
    """``d2L`` as (2, L), ``dL`` as (0, L)."""
    matched = _ORDER.fullmatch(name)
    return (int(matched.group(1)), matched.group(2)) if matched else (0, name[1:])


def _unlabelled(name: str) -> str:
    return re.sub(r"\^\([A-Za-z0-9]+\)", "", name)


__all__ = ["NOWHERE", "read_expression", "read_relation"]
