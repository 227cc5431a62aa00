r"""A side of a formula to its tree.

    expression  term { (+|-) term }
    term        factor { [\cdot|\times|\odot|\circ|*|/] factor }
    factor      atom { ^ exponent | _ subscript | ' }
    atom        number, name, \frac, \sqrt, \sum, \nabla, norm, brackets, function with or without brackets, cases

What a name is, a header says or the formulas before: ``f(x)`` is a value, a product or a function of x by that alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NoReturn

from einstan.language.commands import GREEK, WIDE
from einstan.papers.header import Header
from einstan.papers.problem import Unread
from einstan.papers.tex import Token, Tokens, closing, environment, group, written
from einstan.papers.tree import (
    Absolute,
    Addition,
    Call,
    Cases,
    Compared,
    Derivative,
    Entry,
    Fraction,
    Gradient,
    Group,
    Indicator,
    Inner,
    Node,
    Norm,
    Number,
    Part,
    Power,
    Product,
    Reduction,
    Symbol,
    Transposed,
    Written,
)  # fmt: skip

FONTS = {
    **dict.fromkeys(("mathbf", "boldsymbol", "bm", "vec", "pmb", "bf", "mathbfit"), "bold"),
    **dict.fromkeys(("mathcal", "mathscr", "cal"), "script"),
    **dict.fromkeys(("mathrm", "text", "operatorname", "textrm", "mathit", "textit", "mathsf", "mathtt", "rm"), "upright"),
    **dict.fromkeys(("mathbb", "mathds", "mathbbm"), "double"),
    "mathfrak": "fraktur",
}
ACCENTS = ("hat", "bar", "tilde", "dot", "ddot", "check", "breve")
FUNCTIONS = (
    "exp", "log", "ln", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "max", "min",
)  # fmt: skip
SIGNS = {"sum": "sum", "prod": "prod", "max": "max", "min": "min"}
OPERATORS = {
    "cdot": "·", "times": "×", "odot": "⊙", "circ": "∘", "otimes": "⊗", "ast": "*", "star": "⋆", "oslash": "⊘", "div": "/",
    "bullet": "·",
}  # fmt: skip
MARKS = {"·": "·", "×": "×", "⊙": "⊙", "∘": "∘", "⊗": "⊗", "*": "*", "∗": "*", "/": "/"}
COMPARED = {
    "le": "<=", "leq": "<=", "leqslant": "<=", "ge": ">=", "geq": ">=", "geqslant": ">=", "lt": "<", "gt": ">",
    "ne": "!=", "neq": "!=", "<": "<", ">": ">", "≤": "<=", "≥": ">=", "≠": "!=", "=": "==",
}  # fmt: skip
MATRICES = ("matrix", "bmatrix", "pmatrix", "vmatrix", "Bmatrix", "Vmatrix", "smallmatrix")
DOTS = ("dots", "ldots", "cdots", "dotsc", "dotsb", "vdots", "ddots")
OTHERWISE = ("otherwise", "else", "elsewhere")
WORDS = ("if", "for", "when", "where", "and")
GREEK_NAMES = GREEK | {"ell": "ℓ", "partial": "∂"}
NOT_READ = {
    "int": "an integral: the notation has sums alone", "lim": "a limit: derivatives are derived by rules",
    "mathbb": "an expectation, or a name in double strokes: write what is averaged, mean[N](...)",
    "forall": "a statement about all of something, and no formula", "exists": "a statement that something exists",
    "mapsto": "a map, and no formula: write f(x) = ...", "arg": "where an extreme is, and not its value",
    "binom": "a binomial coefficient", "cup": "a set", "cap": "a set", "bigcup": "a set", "emptyset": "a set",
    "sup": "a supremum: max is the largest entry", "inf": "an infimum: min is the smallest entry",
    "det": "a determinant", "vdots": "formulas that are left out", "infty": "infinity is no number here",
    "triangleq": "a definition sign",
}  # fmt: skip


class Parser:
    def __init__(self, tokens: Tokens, header: Header) -> None:
        self.tokens = _worded([token for token in tokens if not token.is_mark("~")], header.words)
        self.header = header
        self.k = 0

    # ---- the cursor --------------------------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        return self.tokens[self.k] if self.k < len(self.tokens) else Token("end", "", 0)

    def ahead(self, distance: int = 1) -> Token:
        place = self.k + distance
        return self.tokens[place] if place < len(self.tokens) else Token("end", "", 0)

    def at(self, *marks: str) -> bool:
        return self.token.is_mark(*marks)

    def command(self, *names: str) -> bool:
        return self.token.is_command(*names)

    def take(self, *marks: str) -> bool:
        if self.at(*marks):
            self.k += 1
            return True
        return False

    def fail(self, reason: str, repair: str | Sequence[str] = (), start: int | None = None) -> NoReturn:
        part = self.tokens[self.k if start is None else start : max(self.k + 1, (start or 0) + 1)]
        raise Unread(reason, written(part), repair)

    def inner(self, tokens: Tokens) -> Node:
        return parse(tokens, self.header)

    # ---- sums and products -------------------------------------------------------------------------------------------

    def whole(self) -> Node:
        if self.token.kind == "end":
            raise Unread("a side of the equation is empty")
        found = self.expression()
        if self.token.kind != "end":
            self.unexpected()
        return found

    def unexpected(self) -> NoReturn:
        token = self.token
        if token.kind == "command" and token.text in NOT_READ:
            self.fail(NOT_READ[token.text])
        if token.kind == "command" and token.text in DOTS:
            self.fail("dots leave out what a sum would say", r"\sum_{k=1}^{n} x_k")
        if token.is_mark(":"):
            self.fail("it tells from where to where a map goes, and is no equation")
        if token.kind == "command" and token.text in ("text", "mbox", "textrm"):
            inside = group(self.tokens, self.k + 1)[0]
            raise Unread(f"words stand in the formula: {written(inside)}", "", r"\quad \text{...} beside the formula")
        self.fail(f"{token} is not read" if token.kind != "end" else "the formula ends too early")

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
                    self.fail("a sign stands behind an operator", "brackets around -x")
            elif not self.starts():
                return factors[0][1] if len(factors) == 1 else Product(tuple(factors))
            factors.append((sign, self.factor()))

    def starts(self) -> bool:
        token = self.token
        if token.kind in ("number", "letter"):
            return True
        if token.kind == "mark":
            return token.text in "([{|∑∏∇∂δ" and not (token.text == "|" and self.closes_bar)
        return token.kind == "command" and (
            token.text in GREEK_NAMES or token.text in FONTS or token.text in ACCENTS or token.text in WIDE
            or token.text in FUNCTIONS or token.text in SIGNS
            or token.text in ("frac", "dfrac", "tfrac", "cfrac", "sqrt", "nabla", "langle", "|", "Vert", "lVert", "lvert", "{",
                              "begin", "lbrack", "partial", "ell", "Vert", "vert")
            and not (token.text in ("|", "Vert", "vert") and self.closes_bar)
        )  # fmt: skip

    closes_bar = False  # whether a bar here would close a norm

    # ---- factors -----------------------------------------------------------------------------------------------------

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
                found = Entry(found, _parts(inside))
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
        self.fail("a prime stands behind what is no name", "^T for a transpose")

    def raised(self, found: Node, start: int) -> Node:
        self.k += 1
        inside, self.k = group(self.tokens, self.k)
        text = "".join(token.text for token in inside)
        if not inside:
            self.fail("an exponent is empty", start=start)
        if text in ("top", "intercal", "mathsfT", "mathrmT", "tr", "trp", "dagger") or (
            text in ("T", "t", "mathsf{T}", "mathrm{T}", "text{T}", "intercal{}") and not self.header.is_number(text)
        ):
            return Transposed(found)
        if text in ("prime",):
            self.k -= 0
            return Symbol(found.base, found.font, found.label, found.below, 1) if isinstance(found, Symbol) else found
        if text in ("-1", "-{1}", "dagger", "+") and not isinstance(found, Number):
            return Power(found, Number("-1")) if text != "+" else self.fail("a pseudo-inverse", start=start)
        if text in ("ast", "star", "*", "H", "C", "circ", "perp"):
            self.fail(f"^{{{written(inside)}}} is a mark, a conjugate or a complement", NAMED, start)
        if isinstance(found, Symbol) and found.base == "e" and not found.below and not self.header.knows("e"):
            return Call(Symbol("exp"), (self.inner(inside),))
        return Power(found, self.inner(inside))

    def called(self, symbol: Symbol, start: int) -> Node | None:
        """``f(x)``, ``f(x, y)`` behind a name; nothing where it is a product."""
        if self.header.is_function(symbol):
            return Call(symbol, self.arguments())
        if self.header.is_value(symbol):
            self.skip_arguments()
            return symbol
        if symbol.primes and not self.header.knows_symbol(symbol):
            self.fail(f"{symbol}(...) is the derivative of a function that nobody declared", HEAD + f"function {symbol.base}", start)
        if self.header.knows_symbol(symbol) or symbol.below or self.header.is_gradient(symbol.base):
            if self.holds_a_name():
                self.fail(f"{symbol}(...) is a value, or a product", (HEAD + f"value {symbol.base}", rf"{symbol} \cdot x"), start)
            return None
        self.fail(
            f"{symbol}(...) is the value of a function, or a product",
            (HEAD + f"function {symbol.base}", HEAD + f"value {symbol.base}", HEAD + f"given {symbol.base}"), start,
        )

    def holds_a_name(self) -> bool:
        """Whether the bracket here holds names alone, as a value's does: ``L(x, y)``."""
        inside = Parser(self.tokens[self.k + 1 :], self.header)
        try:
            inside.name_only()
            while inside.take(","):
                inside.name_only()
        except Unread:
            return False
        return inside.at(")")

    def evaluated(self, derivative: Derivative, start: int) -> None:
        r"""``\frac{dS}{dz}(z)``: the derivative at z, or a product with it."""
        above = derivative.above
        if not (isinstance(above, Symbol) and self.header.is_value(above)):
            self.fail("a derivative at a point, or a product", (HEAD + "value S", r"\frac{dS}{dz} \cdot (z)"), start)
        self.skip_arguments()

    def skip_arguments(self) -> None:
        self.k += 1
        depth = 1
        while depth and self.token.kind != "end":
            depth += self.at("(") - self.at(")")
            self.k += 1

    def arguments(self) -> tuple[Node, ...]:
        self.k += 1
        found = [self.expression()]
        while self.take(","):
            found.append(self.expression())
        if not self.take(")"):
            self.unexpected()
        return tuple(found)

    # ---- atoms -------------------------------------------------------------------------------------------------------

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
            self.fail("the formula ends too early")
        if token.text in ("frac", "dfrac", "tfrac", "cfrac"):
            self.k += 1
            above, self.k = group(self.tokens, self.k)
            if self.token.kind == "number" and len(self.token.text) > 1:
                self.fail("TeX sets one digit below the line, and the others behind it", r"\frac{a}{12}")
            below, self.k = group(self.tokens, self.k)
            return self.fraction(above, below)
        if token.text == "sqrt":
            self.k += 1
            if self.at("["):
                self.fail("a root of another order", "x^{1/3}")
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
        if token.text == "Delta" and self.header.differences:
            return self.difference()
        if token.text in ("text", "mbox", "textrm", "operatorname", "mathrm") and not self.is_name():
            self.unexpected()
        if token.text in GREEK_NAMES or token.text in FONTS or token.text in ACCENTS or token.text in WIDE:
            if token.text == "partial":
                self.fail("a derivative is written with a fraction", r"\frac{\partial L}{\partial x}")
            return self.name()
        self.unexpected()

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
            self.fail("< and > compare", r"\langle x, y \rangle for an inner product")
        self.unexpected()

    def bracketed(self, opening: str, closing_mark: str) -> Node:
        self.k += 1
        closes, self.closes_bar = self.closes_bar, False
        items = [self.compared_or_expression()]
        while self.take(","):
            items.append(self.compared_or_expression())
        self.closes_bar = closes
        if not (self.take(closing_mark) or (closing_mark.startswith("\\") and self.take_command(closing_mark[1:]))):
            if self.token.kind == "end":
                self.fail(f"the bracket {opening} is not closed")
            self.unexpected()
        return Group(opening, tuple(items))

    def compared_or_expression(self) -> Node:
        if self.command(*DOTS):
            self.unexpected()
        return self.expression()

    def take_command(self, name: str) -> bool:
        if self.command(name):
            self.k += 1
            return True
        return False

    # ---- names -------------------------------------------------------------------------------------------------------

    def is_name(self) -> bool:
        """Whether a font holds one word."""
        inside = group(self.tokens, self.k + 1)[0]
        return bool(inside) and all(t.kind in ("letter", "number") or t.text in GREEK_NAMES for t in inside)

    def name(self) -> Symbol:
        base, font = self.base()
        return self.decorated(Symbol(base, font))

    def base(self) -> tuple[str, str]:
        token = self.token
        self.k += 1
        if token.kind == "letter" or token.kind == "mark":
            return token.text, ""
        if token.text in FONTS:
            inside, self.k = group(self.tokens, self.k)
            base, font = _base(inside)
            return base, FONTS[token.text] if FONTS[token.text] != "upright" or font == "" else font
        if token.text in ACCENTS or token.text in WIDE:
            inside, self.k = group(self.tokens, self.k)
            base, font = _base(inside)
            return f"{base}_{WIDE.get(token.text, token.text)}", font
        return GREEK_NAMES[token.text], ""

    def decorated(self, symbol: Symbol) -> Symbol:
        """The name with its label above, ``^{(l)}``, ``[\\ell]``, its star, and its subscripts."""
        base, label, below, primes = symbol.base, symbol.label, symbol.below, symbol.primes
        while True:
            if self.at("_") and not below:
                self.k += 1
                inside, self.k = group(self.tokens, self.k)
                below = _parts(inside)
                if not below:
                    self.fail("a subscript is empty")
            elif self.at("'") and not primes:
                while self.take("'"):
                    primes += 1
            elif self.at("^") and (found := self.label()):
                mark, self.k = found[1], found[2]
                if mark:
                    base = f"{base}_{mark}"
                else:
                    label = found[0]
            elif self.at("[") and (end := self.header.label_behind(self.tokens, self.k)):
                label = "".join(token.text if token.text != "ell" else "l" for token in self.tokens[self.k + 1 : end])
                self.k = end + 1
            else:
                return Symbol(base, symbol.font, label, below, primes)

    def label(self) -> tuple[str, str, int] | None:
        """What stands above a name as a label or as a mark of it, and the place behind."""
        inside, end = group(self.tokens, self.k + 1)
        if len(inside) == 1 and inside[0].is_command("star", "ast") or (len(inside) == 1 and inside[0].is_mark("*")):
            return "", "star", end
        if len(inside) > 2 and (
            (inside[0].is_mark("(") and inside[-1].is_mark(")")) or (inside[0].is_mark("[") and inside[-1].is_mark("]"))
        ):
            return "".join("l" if t.text == "ell" else t.text for t in inside[1:-1]), "", end
        text = "".join(t.text for t in inside)
        if inside and text in self.header.marks:
            return "", text, end
        return None

    def differential(self) -> Node | None:
        """``dZ`` as the name of a gradient, where the header says so."""
        if self.token.text != "d" or self.header.knows("d"):
            return None
        behind = self.ahead()
        named = behind.kind == "letter" or (behind.kind == "command" and (behind.text in FONTS or behind.text in GREEK_NAMES))
        if not named:
            return None
        if not self.header.gradients:
            self.fail("dx is the gradient of the loss with respect to x, or a differential", HEAD + "gradients d")
        self.k += 1
        if self.command("Delta") and self.header.differences:
            self.fail("the gradient with respect to a difference")
        symbol = self.name()
        return Symbol(f"d{symbol.base}", symbol.font, symbol.label, symbol.below, symbol.primes)

    def difference(self) -> Node:
        r"""``\Delta x`` as one name."""
        self.k += 1
        if self.at("("):
            self.fail("Δ in front of a bracket")
        if not (self.token.kind == "letter" or self.token.kind == "command"):
            return self.decorated(Symbol("Δ"))
        symbol = self.name()
        return Symbol(f"Δ{symbol.base}", symbol.font, symbol.label, symbol.below, symbol.primes)

    # ---- fractions and derivatives -----------------------------------------------------------------------------------

    def fraction(self, above: Tokens, below: Tokens) -> Node:
        if self.is_derivative(above, below):
            return self.derivative(above, below)
        return Fraction(self.inner(above), self.inner(below))

    def is_derivative(self, above: Tokens, below: Tokens) -> bool:
        if not above or not below:
            self.fail("a fraction has an empty half")
        if below[0].is_command("partial"):
            return True
        if below[0].is_command("mathrm") and "".join(t.text for t in below[:4]) == "mathrm{d}":
            return True
        d = below[0].kind == "letter" and below[0].text == "d" and len(below) > 1 and not self.header.knows("d")
        if not d:
            return False
        if not (above[0].kind == "letter" and above[0].text == "d"):
            self.fail("d is a number below the line, or a differential", HEAD + "given d")
        return True

    def derivative(self, above: Tokens, below: Tokens) -> Node:
        sign = 4 if below[0].is_command("mathrm") else 1
        head = above[sign:] if not above[0].is_command("mathrm") or sign == 4 else above[1:]
        order = 1
        if head and head[0].is_mark("^"):
            inside, end = group(head, 1)
            order = int(inside[0].text) if len(inside) == 1 and inside[0].kind == "number" else 0
            head = head[end:]
        variables: list[Node] = []
        rest: Sequence[Token] = below
        while rest:
            if rest[0].is_command("partial") or (rest[0].kind == "letter" and rest[0].text == "d"):
                rest = rest[1:]
            elif rest[0].is_command("mathrm") and sign == 4:
                rest = rest[4:]
            else:
                self.fail(f"below the line of a derivative stands {written(rest)}", r"\frac{\partial L}{\partial x}")
            if rest and rest[0].is_mark("("):
                self.fail("a derivative by several at once", "a derivative by each, or a vector of them")
            inner = Parser(rest, self.header)
            variable: Node = inner.difference() if inner.command("Delta") and self.header.differences else inner.name_only()
            times = 1
            if inner.at("^"):
                inside, inner.k = group(inner.tokens, inner.k + 1)
                times = int(inside[0].text) if len(inside) == 1 and inside[0].kind == "number" else 0
            variables += [variable] * times
            rest = inner.tokens[inner.k :]
        if not order or len(variables) != order:
            self.fail("the order of a derivative and what is below its line do not agree")
        if head:
            transposed = len(head) > 1 and head[-2].is_mark("^") and head[-1].text in ("T", "top")
            head = head[:-2] if transposed else head
            found: Node = Derivative(self.inner(head), tuple(variables))
            return Transposed(found) if transposed else found
        of = self.factor()  # \frac{d}{dx} f
        return Derivative(of, tuple(variables))

    def name_only(self) -> Symbol:
        if self.token.kind == "letter" or (
            self.token.kind == "command" and (self.token.text in GREEK_NAMES or self.token.text in FONTS or self.token.text in ACCENTS)
        ):
            return self.name()
        self.unexpected()

    def gradient(self) -> Node:
        self.k += 1
        if not self.at("_"):
            self.fail("∇ does not say by what", r"\nabla_{x} L")
        inside, self.k = group(self.tokens, self.k + 1)
        wrt = Parser(inside, self.header)
        variable = wrt.name_only()
        if wrt.token.kind != "end":
            wrt.unexpected()
        if self.at("^"):
            self.fail("∇ with an exponent", r"\frac{\partial^2 L}{\partial x_i \partial x_j}")
        return Gradient(variable, self.factor_without_power())

    def factor_without_power(self) -> Node:
        """What ∇ stands in front of."""
        start = self.k
        found = self.atom()
        if isinstance(found, Symbol) and self.at("("):
            return self.called(found, start) or found
        return found

    # ---- sums, functions, norms --------------------------------------------------------------------------------------

    def reduction(self, sign: str) -> Node:
        start = self.k
        self.k += 1
        below: Part = ()
        above: Part = ()
        while self.at("_", "^"):
            mark = self.token.text
            inside, self.k = group(self.tokens, self.k + 1)
            below, above = (tuple(inside), above) if mark == "_" else (below, tuple(inside))
        if not below:
            self.fail("a sum does not say over which index", r"\sum_k", start)
        if sign in ("max", "min"):
            return Reduction(sign, below, above, self.factor())
        if self.at("+", "-", "−") or self.token.kind == "end":
            self.fail("a sum of nothing", start=start)
        return Reduction(sign, below, above, self.term())

    def function(self) -> Node:
        start, name = self.k, self.token.text
        self.k += 1
        power: Node | None = None
        if self.at("_"):
            self.fail("a logarithm to another base, or a function with an index", r"\frac{\log x}{\log 2}", start)
        if self.at("^"):
            inside, self.k = group(self.tokens, self.k + 1)
            power = self.inner(inside)
            if not isinstance(power, Number):
                self.fail(f"{name} with an exponent", start=start)
        symbol = Symbol(name)
        if self.at("(", "["):
            group_ = self.bracketed(self.token.text, ")" if self.at("(") else "]")
            assert isinstance(group_, Group)
            found: Node = Call(symbol, group_.items)
            if self.at("^"):
                self.fail(f"{name}(x)^n is a power of the function or of x", rf"(\{name}(x))^n", start)
        elif self.command("{") or name in ("max", "min"):
            group_ = self.bracketed("{", "\\}") if self.command("{") else self.unexpected()
            assert isinstance(group_, Group)
            found = Call(symbol, group_.items)
        else:
            argument = self.factor()
            if isinstance(argument, Reduction):
                return Call(symbol, (argument,))
            if self.starts() and not self.is_function_next():
                self.fail(f"{name} without brackets in front of a product", rf"\{name}(a b) or (\{name} a) b", start)
            found = Call(symbol, (argument,))
        return Power(found, power) if power is not None else found

    def is_function_next(self) -> bool:
        return self.token.kind == "command" and self.token.text in FUNCTIONS

    def inner_product(self) -> Node:
        self.k += 1
        left = self.expression()
        if not (self.take(",") or self.take("|")):
            self.unexpected()
        right = self.expression()
        if not self.take_command("rangle"):
            self.unexpected()
        return Inner(left, right)

    def norm(self) -> Node:
        start = self.k
        self.k += 2 if self.at("|") else 1
        closes, self.closes_bar = self.closes_bar, True
        body = self.expression()
        self.closes_bar = closes
        if self.at("|") and self.ahead().is_mark("|"):
            self.k += 2
        elif self.command("|", "Vert", "rVert"):
            self.k += 1
        else:
            self.fail("a norm is not closed", start=start)
        kind = ""
        if self.at("_"):
            inside, self.k = group(self.tokens, self.k + 1)
            kind = written(inside)
        return Norm(body, kind)

    def absolute(self) -> Node:
        start = self.k
        self.k += 1
        closes, self.closes_bar = self.closes_bar, True
        body = self.expression()
        self.closes_bar = closes
        if not (self.take("|") or self.take_command("rvert") or self.take_command("vert")):
            self.fail("an absolute value is not closed", start=start)
        return Absolute(body)

    # ---- cases and indicators ----------------------------------------------------------------------------------------

    def environment(self) -> Node:
        name, start, end, behind = environment(self.tokens, self.k)
        inside = self.tokens[start:end]
        self.k = behind
        if name in MATRICES:
            return self.matrix(name, inside)
        if name not in ("cases", "dcases", "rcases"):
            raise Unread(f"the environment {name} is not read", name)
        return Cases(tuple(self.case(row) for row in _rows(inside) if row))

    def matrix(self, name: str, inside: Tokens) -> Node:
        if name in ("vmatrix", "Vmatrix"):
            raise Unread("a determinant, or a norm", name)
        if any(token.is_command(*DOTS) for token in inside):
            return Written()
        rows = [_cells(row) for row in _rows(inside) if row]
        if not rows or len({len(row) for row in rows}) > 1 or any(not cell for row in rows for cell in row):
            raise Unread("a matrix whose rows differ in length", name)
        return Written(tuple(tuple(self.inner(cell) for cell in row) for row in rows))

    def case(self, row: list[Token]) -> tuple[Node, Compared | None]:
        words = [k for k, t in enumerate(row) if t.is_command("text", "mbox", "textrm", "mathrm")]
        depth, cut = 0, None
        for k, token in enumerate(row):
            depth += token.is_mark("(", "{", "[") - token.is_mark(")", "}", "]")
            if depth == 0 and (token.is_mark(",", "&") or token.is_command("quad", "qquad")):
                cut = k
                break
        cut = cut if cut is not None else words[0] if words else None
        if cut is None:
            raise Unread("a case does not say when it holds", written(row), r"x, & x > 0 \\ 0, & \text{otherwise}")
        condition = [t for t in row[cut:] if not t.is_mark(",", "&") and not t.is_command("quad", "qquad")]
        condition = condition[:-1] if condition and condition[-1].is_mark(".", ";") else condition
        if condition and condition[0].is_command("text", "mbox", "textrm", "mathrm"):
            inside, end = group(condition, 1)
            word = "".join(t.text for t in inside if t.kind == "letter").lower()
            if word in OTHERWISE:
                return self.inner(row[:cut]), None
            if word not in WORDS:
                raise Unread("a case says in words when it holds", written(condition), r"x, & x > 0")
            condition = condition[end:]
        return self.inner(row[:cut]), compared(condition, self.header)

    def is_one(self) -> bool:
        inside, end = group(self.tokens, self.k + 1)
        if len(inside) == 1 and inside[0].text in ("1", "I"):
            behind = self.tokens[end] if end < len(self.tokens) else Token("end", "", 0)
            return behind.is_mark("[", "(", "{") or behind.is_command("{") or behind.is_mark("_")
        return False

    def indicates(self) -> bool:
        inside = group(self.tokens, self.k + 1)[0]
        return any(token.text in COMPARED for token in inside)

    def indicator(self) -> Node:
        if self.token.kind == "command":
            self.k = group(self.tokens, self.k + 1)[1]
        if self.at("_"):
            inside, self.k = group(self.tokens, self.k + 1)
            if inside and inside[0].is_command("{"):
                inside = inside[1:-1]
            return Indicator(compared(inside, self.header))
        start = self.k
        closing_mark = {"[": "]", "(": ")"}.get(self.token.text, "}")
        depth = 0
        while self.k < len(self.tokens):
            depth += self.at("[", "(", "{") or self.command("{")
            depth -= self.at("]", ")", "}") or self.command("}")
            self.k += 1
            if not depth:
                break
        inside = self.tokens[start + 1 : self.k - 1]
        if not inside or self.tokens[self.k - 1].text != closing_mark:
            self.fail("an indicator is not closed", start=start)
        return Indicator(compared(inside, self.header))


NAMED = "% einstan: name x^* = x_star"
HEAD = "% einstan: "


def _worded(tokens: list[Token], words: Collection[str]) -> list[Token]:
    """Letters side by side that the header calls one word, as one letter."""
    for word in words:
        k = 0
        while k + len(word) <= len(tokens):
            run = tokens[k : k + len(word)]
            if "".join(t.text for t in run) == word and all(t.kind == "letter" for t in run):
                tokens = [*tokens[:k], replace(run[0], text=word, end=run[-1].end), *tokens[k + len(word) :]]
            k += 1
    return tokens


def parse(tokens: Tokens, header: Header) -> Node:
    """The tree of a side."""
    return Parser(tokens, header).whole()


def compared(tokens: Tokens, header: Header) -> Compared:
    sides: list[Node] = []
    signs: list[str] = []
    start = depth = 0
    for k, token in enumerate(tokens):
        depth += token.is_mark("(", "[", "{") - token.is_mark(")", "]", "}")
        if not depth and token.text in COMPARED and token.kind != "letter":
            sides.append(parse(tokens[start:k], header))
            signs.append(COMPARED[token.text])
            start = k + 1
    if not signs:
        if any(token.is_command("in") for token in tokens):
            raise Unread("a condition is written with <, =, and not with a set", written(tokens), r"-a \leq x \leq 0")
        raise Unread("a condition does not compare", written(tokens), "x > 0")
    return Compared((*sides, parse(tokens[start:], header)), tuple(signs))


def _parts(tokens: Tokens) -> tuple[Part, ...]:
    """What stands between the commas of a subscript."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += token.is_mark("{", "(", "[") - token.is_mark("}", ")", "]")
        if token.is_mark(",") and not depth:
            parts.append([])
        else:
            parts[-1].append(token)
    return tuple(tuple(part) for part in parts if part)


def _base(tokens: Tokens) -> tuple[str, str]:
    """The name in a font or below an accent."""
    if tokens and tokens[0].kind == "command" and (tokens[0].text in FONTS or tokens[0].text in ACCENTS or tokens[0].text in WIDE):
        inside, end = group(tokens, 1)
        if end == len(tokens):
            base, font = _base(inside)
            if tokens[0].text in FONTS:
                return base, FONTS[tokens[0].text]
            return f"{base}_{WIDE.get(tokens[0].text, tokens[0].text)}", font
    if not tokens or not all(t.kind in ("letter", "number") or t.text in GREEK_NAMES for t in tokens):
        raise Unread("what stands in a font or below an accent is no name", written(tokens))
    return "".join(GREEK_NAMES[t.text] if t.kind == "command" else t.text for t in tokens), ""


def _cells(row: list[Token]) -> list[list[Token]]:
    cells: list[list[Token]] = [[]]
    depth = 0
    for token in row:
        depth += token.is_mark("{") - token.is_mark("}")
        if token.is_mark("&") and not depth:
            cells.append([])
        else:
            cells[-1].append(token)
    return cells


def _rows(tokens: Tokens) -> list[list[Token]]:
    rows: list[list[Token]] = [[]]
    k = 0
    while k < len(tokens):
        if tokens[k].is_mark("{"):
            end = closing(tokens, k) + 1
            rows[-1] += tokens[k:end]
            k = end
        elif tokens[k].is_command("\\"):
            rows.append([])
            k += 1
        else:
            rows[-1].append(tokens[k])
            k += 1
    return rows
