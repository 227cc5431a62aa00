r"""A side of a formula to its tree.

    expression  term { (+|-) term }
    term        factor { [\cdot|\times|\odot|\circ|*|/] factor }
    factor      atom { ^ exponent | _ subscript | ' }
    atom        number, name, \frac, \sqrt, \sum, \nabla, norm, brackets, function with or without brackets, cases

What a name is, a header says or the formulas before: ``f(x)`` is a value, a product or a function of x by that alone.
"""

from __future__ import annotations

from dataclasses import replace

from einstan.language.commands import WIDE
from einstan.papers.brackets import Brackets
from einstan.papers.header import Header
from einstan.papers.names import parts_of
from einstan.papers.signs import (
    ACCENTS,
    FONTS,
    FUNCTIONS,
    GREEK_NAMES,
    MARKS,
    NAMED,
    OPERATORS,
    SIGNS,
    STARTS,
    TRANSPOSES,
)
from einstan.papers.tex import Token, Tokens, group, written
from einstan.papers.tree import (
    Addition,
    Call,
    Compared,
    Derivative,
    Entry,
    Group,
    Node,
    Number,
    Power,
    Product,
    Symbol,
    Transposed,
)


class Parser(Brackets):
    """The whole grammar."""

    def expression(self) -> Node:
        terms: list[tuple[int, Node]] = []
        sign = 1
        if self.at("+", "-", "−"):
            sign = -1 if not self.at("+") else 1
            self.k += 1
        terms.append((sign, self.term()))
        while self.at("+", "-", "−"):
            sign = 1 if self.at("+") else -1
            self.k += 1
            terms.append((sign, self.term()))
        return terms[0][1] if len(terms) == 1 and terms[0][0] == 1 else Addition(tuple(terms))

    def term(self) -> Node:
        factors: list[tuple[str, Node]] = [("", self.factor())]
        while True:
            sign = ""
            if self.token.kind == "command" and self.token.text in OPERATORS:
                sign = OPERATORS[self.token.text]
            elif self.token.kind == "mark" and self.token.text in MARKS:
                sign = MARKS[self.token.text]
            if sign:
                self.k += 1
                if self.at("-", "−"):
                    raise self.fail("a sign stands behind an operator", "brackets around -x")
            elif not self.starts():
                return factors[0][1] if len(factors) == 1 else Product(tuple(factors))
            factors.append((sign, self.factor()))

    def starts(self) -> bool:
        token = self.token
        if token.kind in ("number", "letter"):
            return True
        if token.kind == "mark":
            return token.text in "([{|∑∏∇∂δ" and not (token.text == "|" and self.closes_bar)
        if token.kind != "command" or (token.text in ("|", "Vert", "vert") and self.closes_bar):
            return False
        return any(token.text in signs for signs in (GREEK_NAMES, FONTS, ACCENTS, WIDE, FUNCTIONS, SIGNS, STARTS))

    def factor(self) -> Node:
        start = self.k
        found = self.atom()
        while True:
            if self.at("^"):
                found = self.raised(found, start)
            elif self.at("'"):
                found = self.primed(found)
            elif self.at("_"):
                self.k += 1
                inside, self.k = group(self.tokens, self.k)
                found = Entry(found, parts_of(inside))
            elif isinstance(found, Derivative) and self.at("(") and self.holds_a_name():
                self.evaluated(found, start)
            elif isinstance(found, Symbol) and self.at("("):
                called = self.called(found, start)
                if called is None:
                    return found
                found = called
            else:
                return found

    def primed(self, found: Node) -> Node:
        """``x'`` is a name, ``f'(x)`` a derivative, and ``A'`` may be a transpose."""
        count = 0
        while self.take("'"):
            count += 1
        if isinstance(found, Symbol) and not found.primes:
            symbol = Symbol(found.base, found.font, found.label, found.below, count)
            if self.at("_") or self.at("^"):
                return self.decorated(symbol)
            return symbol
        raise self.fail("a prime stands behind what is no name", "^T for a transpose")

    def raised(self, found: Node, start: int) -> Node:
        self.k += 1
        inside, self.k = group(self.tokens, self.k)
        text = "".join(token.text for token in inside)
        if not inside:
            raise self.fail("an exponent is empty", start=start)
        if isinstance(found, Symbol) and text[:1] == "(" and text[-2:] == ")T":  # W^{(l)T}
            return Transposed(replace(found, label="".join("l" if t.text == "ell" else t.text for t in inside[1:-2])))
        if text == "T" and "T" in self.header.uppers:
            raise self.fail("T is how many there are, and ^T a transpose or a power", r"x^\top", start)
        if text in TRANSPOSES or (text == "T" and not self.header.knows("T")):
            return Transposed(found, letter=text == "T")
        if text == "prime" and isinstance(found, Symbol):
            return replace(found, primes=found.primes + 1)
        if text == "+":
            raise self.fail("the positive part, or a pseudo-inverse", r"\max(0, x)", start)
        if text == "-1" and not isinstance(found, Number):
            return Power(found, Number("-1"))
        if text in ("ast", "star", "*", "H", "C", "circ", "perp", "dagger", "prime"):
            raise self.fail(f"^{{{written(inside)}}} is a mark, a conjugate or a complement", NAMED, start)
        if isinstance(found, Symbol) and found.base == "e" and not found.below and not self.header.knows("e"):
            return Call(Symbol("exp"), (self.inner(inside),))
        return Power(found, self.inner(inside))

    def atom(self) -> Node:
        token = self.token
        if token.kind == "number":
            self.k += 1
            if token.text == "1" and (self.at("[") or (self.at("_") and self.indicates())):
                return self.indicator()
            return Number(token.text)
        if token.kind == "mark":
            return self.marked(token)
        if token.kind == "letter":
            return self.differential() or self.name()
        if token.kind == "end":
            raise self.fail("the formula ends too early")
        if token.text in ("frac", "dfrac", "tfrac", "cfrac"):
            self.k += 1
            above, self.k = group(self.tokens, self.k)
            if self.token.kind == "number" and len(self.token.text) > 1:
                raise self.fail("TeX sets one digit below the line, and the others behind it", r"\frac{a}{12}")
            below, self.k = group(self.tokens, self.k)
            return self.fraction(above, below)
        if token.text == "sqrt":
            self.k += 1
            if self.at("["):
                raise self.fail("a root of another order", "x^{1/3}")
            inside, self.k = group(self.tokens, self.k)
            return Call(Symbol("sqrt"), (self.inner(inside),))
        if token.text in SIGNS and (token.text in ("sum", "prod") or self.ahead().is_mark("_")):
            return self.reduction(SIGNS[token.text])
        if token.text in FUNCTIONS:
            return self.function()
        if token.text == "nabla":
            return self.gradient()
        if token.text == "langle":
            return self.inner_product()
        if token.text in ("|", "Vert", "lVert"):
            return self.norm()
        if token.text in ("lvert", "vert"):
            return self.absolute()
        if token.text == "begin":
            return self.environment()
        if token.text in ("mathbb", "mathds", "mathbbm", "mathbf", "bm") and self.is_one():
            return self.indicator()
        if token.text == "{":
            return self.bracketed("{", "\\}")
        if token.text == "lbrack":
            return self.bracketed("[", "\\rbrack")
        if token.text == "Delta" and self.header.differences and self.header.naming(Symbol("Δ")) is None:
            return self.difference()
        if token.text in ("text", "mbox", "textrm", "operatorname", "mathrm") and not self.is_name():
            raise self.unexpected()
        if token.text in GREEK_NAMES or token.text in FONTS or token.text in ACCENTS or token.text in WIDE:
            return self.quotient() if token.text == "partial" else self.name()
        raise self.unexpected()

    def marked(self, token: Token) -> Node:
        if token.text == "(":
            return self.bracketed("(", ")")
        if token.text == "[":
            return self.bracketed("[", "]")
        if token.text == "{":
            inside, self.k = group(self.tokens, self.k)
            return Group("{", (self.inner(inside),))
        if token.text == "|":
            if self.ahead().is_mark("|"):
                return self.norm()
            return self.absolute()
        if token.text == "δ":
            return self.name()
        if token.text in ("<", ">"):
            raise self.fail("< and > compare", r"\langle x, y \rangle for an inner product")
        raise self.unexpected()


def parse(tokens: Tokens, header: Header) -> Node:
    """The tree of a side."""
    return Parser(tokens, header).whole()


def compared(tokens: Tokens, header: Header) -> Compared:
    """The tree of a comparison."""
    return Parser(tokens, header).compared(tokens)
