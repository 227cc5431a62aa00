r"""A side of a formula to its tree.

    expression  term { (+|-) term }
    term        factor { [\cdot|\times|\odot|\circ|*|/] factor }
    factor      atom { ^ exponent | _ subscript | ' }
    atom        number, name, \frac, \sqrt, \sum, \nabla, norm, brackets, function with or without brackets, cases

What a name is, a header says or the formulas before: ``f(x)`` is a value, a product or a function of x by that alone.
"""

from __future__ import annotations

import re
from dataclasses import replace

from einstan.language.commands import EXPECTED, FRACTIONS, GREEK, WIDE
from einstan.papers.brackets import Brackets
from einstan.papers.dots import letters_for, listed
from einstan.papers.header import Header
from einstan.papers.labels import is_transpose
from einstan.papers.names import parts_of
from einstan.papers.sides import plain
from einstan.papers.signs import (
    ACCENTS,
    DOTS,
    FONTS,
    FUNCTIONS,
    GREEK_NAMES,
    HEAD,
    MARKS,
    MEAN,
    NOT_READ,
    OPERATORS,
    SIGNS,
    STARTS,
    TRANSPOSES,
)
from einstan.papers.tex import Token, Tokens, group, tokens_of, written
from einstan.papers.tree import (
    Addition,
    Call,
    Compared,
    Derivative,
    Entry,
    Group,
    Listed,
    Node,
    Number,
    Power,
    Product,
    Reduction,
    Symbol,
    Transposed,
)

_ADDED = re.compile(r"(?:the )?sum of (?:all |the )*(columns|rows)(?: of)?")


class Parser(Brackets):
    """The whole grammar."""

    def expression(self) -> Node:
        terms: list[tuple[int, Node | None]] = []
        typed: list[Tokens] = []
        sign = -1 if self.at("-", "−") else 1
        self.k += self.at("+", "-", "−")
        while True:
            start = self.k
            if terms and self.command(*DOTS):
                self.k += 1
                terms.append((sign, None))
            else:
                terms.append((sign, self.term()))
            typed.append(self.tokens[start : self.k])
            if not self.at("+", "-", "−"):
                break
            sign = 1 if self.at("+") else -1
            self.k += 1
        told = self.without_dots(terms, typed)
        return told[0][1] if len(told) == 1 and told[0][0] == 1 else Addition(tuple(told))

    def without_dots(self, terms: list[tuple[int, Node | None]], typed: list[Tokens]) -> list[tuple[int, Node]]:
        r"""Terms with ``x_1 + x_2 + \dots + x_n`` among them as the sum that it is."""
        dots = [k for k, (_, node) in enumerate(terms) if node is None]
        if not dots:
            return [(sign, node) for sign, node in terms if node is not None]
        letter = next(letters_for(self.tokens, self.header.axes))
        last = dots[-1] + 1
        for first in range(dots[0] - 1, -1, -1):
            found = listed(typed[first : last + 1], letter)
            if found is None or len({sign for sign, _ in terms[first : last + 1]}) > 1:
                continue
            below = tokens_of(f"{letter} = 1", self.token.line)
            total = Reduction("sum", tuple(below), tuple(tokens_of(found[1])), self.inner(found[0]))
            kept = [*terms[:first], (terms[first][0], total), *terms[last + 1 :]]
            return [(sign, node) for sign, node in kept if node is not None]
        raise self.fail("dots leave out what a sum would say", r"\sum_{k=1}^{n} x_k")

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

    def multiplies(self) -> bool:
        """Whether another factor comes next."""
        token = self.token
        signs = OPERATORS if token.kind == "command" else MARKS if token.kind == "mark" else ()
        return token.text in signs or self.starts()

    def factor(self, transposes: bool = True) -> Node:
        start = self.k
        found = self.atom()
        while True:
            if self.at("^"):
                if not transposes and is_transpose(group(self.tokens, self.k + 1)[0]):
                    return found
                found = self.raised(found, start)
            elif self.at("'"):
                found = self.primed(found)
            elif self.at("_"):
                self.k += 1
                inside, self.k = group(self.tokens, self.k)
                one = isinstance(found, Listed) or (isinstance(found, Group) and len(found.items) == 1)
                if one and written(inside) == "+":  # [x]_+, the positive part
                    of = found.items[0] if isinstance(found, Group) else found
                    found = Call(Symbol("max"), (Number("0"), of))
                else:
                    found = Entry(found, parts_of(inside))
            elif isinstance(found, Derivative) and self.at("(") and self.holds_a_name():
                self.evaluated(found, start)
            elif isinstance(found, Symbol) and self.at("[", "{") and self.expects(found):
                raise self.fail(f"{found}[...] is an expectation, or a product", (MEAN, rf"{found} \cdot [...]"), start)
            elif isinstance(found, Symbol) and (self.at("[") or self.command("{")) and self.header.is_function(found):
                found = Call(found, (self.bracketed(*("[", "]") if self.at("[") else ("{", "\\}")),))
            elif isinstance(found, Symbol) and self.at("("):
                called = self.called(found, start)
                if called is None:
                    return found
                found = called
            else:
                return found

    def expects(self, symbol: Symbol) -> bool:
        """Whether a name in front of a bracket may be that of an expectation."""
        return symbol.base in EXPECTED and not self.header.knows_symbol(symbol)

    def primed(self, found: Node) -> Node:
        """``x'`` is a name, ``f'(x)`` a derivative, and ``A'`` may be a transpose."""
        count = 0
        while self.take("'"):
            count += 1
        if isinstance(found, Symbol) and count == 1 and found.name in self.header.transposed:
            return Transposed(found)
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
            raise self.fail("an exponent is empty", "x^{2}", start)
        behind = text[:1] == "(" and inside[-2].is_mark(")") and is_transpose(inside[-1:])
        if isinstance(found, Symbol) and behind:  # W^{(l)T}
            return Transposed(replace(found, label="".join("l" if t.text == "ell" else t.text for t in inside[1:-2])))
        if is_transpose(inside[1:]) and inside[0].is_mark("-", "−"):  # A^{-T}
            return Transposed(Power(found, Number("-1")))
        if len(inside) > 1 and inside[-1].is_command(*TRANSPOSES):
            raise self.fail("a label and a transpose in one exponent", rf"{found}^{{(l)\top}}", start)
        if text == "T" and "T" in self.header.uppers:
            raise self.fail("T is how many there are, and ^T a transpose or a power", r"x^\top", start)
        if is_transpose(inside) and not (text == "T" and self.header.knows("T")):
            return Transposed(found, letter=text == "T")
        if text == "prime" and isinstance(found, Symbol):
            return replace(found, primes=found.primes + 1)
        if text == "+":
            says = (r"\max(0, x)", r"\tilde{x}, which is a name of its own")
            raise self.fail("the positive part, what holds behind, or a pseudo-inverse", says, start)
        if text in ("-", "−"):
            says = (r"\max(0, -x)", r"\tilde{x}, which is a name of its own")
            raise self.fail("what holds before, the negative part, or a generalized inverse", says, start)
        if text == "-1" and not isinstance(found, Number):
            return Power(found, Number("-1"))
        if text in ("ast", "star", "*", "H", "C", "circ", "perp", "dagger", "prime"):
            said = r"x^\top, where all is real" if text in ("H", "dagger") else r"\tilde{x}, which is a name of its own"
            raise self.fail(f"^{{{written(inside)}}} is a mark, a conjugate or a complement", said, start)
        self.refuse_raised_index(found, inside, start)
        letters = list(dict.fromkeys(str(t) for t in inside if t.kind == "letter" or t.is_command("ell")))
        if isinstance(found, Symbol) and letters and self.at("_") and not found.below:  # z^l_j
            said = f"{found}^{{{written(inside)}}} with an index behind it is a name with a label, or a power"
            typed = rf"{found.typed}_{{i}}^{{{written(inside)}}}, where it is a power"
            raise self.fail(said, (HEAD + f"labels {', '.join(letters)}", typed), start)
        if isinstance(found, Symbol) and found.base == "e" and not found.below and not self.header.knows("e"):
            if text.isdigit():
                said = f"e^{text} is exp({text}), or a power of an e that nobody declared"
                raise self.fail(said, (rf"\exp({text})", HEAD + "given e"), start)
            return Call(Symbol("exp"), (self.inner(inside),))
        return Power(found, self.inner(inside))

    def refuse_raised_index(self, found: Node, exponent: Tokens, start: int) -> None:
        r"""Refuse ``x^\mu y_\mu``, which is summed over μ where it is an index."""
        signs = {letter: sign for sign, letter in self.header.indices.items()}
        back = [replace(t, kind="command", text=signs[t.text]) if t.text in signs else t for t in self.tokens]
        greek = [signs.get(token.text, token.text) for token in exponent]
        below = {t.text for k, t in enumerate(back) if k and _is_below(back, k)}
        summed = any(token.is_command("sum") for token in back)
        if not greek or not all(name in GREEK for name in greek) or summed or not {*greek} & below:
            return
        if self.header.knows(GREEK[greek[0]]):
            return
        line = written(back).replace("^", "_")
        sums = " ".join(rf"\sum_{{\{name}}}" for name in greek if name in below)
        said = rf"^\{greek[0]} is an index that stands above, or a power"
        power = [HEAD + rf"given \{greek[0]}"] * (greek[0] not in self.header.indices)
        raise self.fail(said, (f"{sums} {line}", *power), start)

    def atom(self) -> Node:
        token = self.token
        if token.kind == "number":
            self.k += 1
            if self.token.kind == "number" or (self.at("{") and self.ahead().is_mark(",")):
                behind = self.ahead(0 if self.token.kind == "number" else 3).text  # of 1{,}000
                read = f"{token.text}{behind}", rf"{token.text} \cdot {behind}"
                read = (read[0].replace(".", ""), read[1]) if behind[:1] == "." else read
                read = read if self.token.kind == "number" else (read[0], f"{token.text}.{behind}")
                raise self.fail("two numbers side by side", (f"{read[0]}, without a blank", read[1]))
            mantissa, letter, power = token.text.partition("e" if "e" in token.text else "E")
            if letter and self.header.knows(letter):
                product = f"{mantissa} {letter} {power}" if power[0] in "+-" else rf"{mantissa} {letter} \cdot {power}"
                said = f"{token.text} is a number, or {letter} stands in it"
                raise self.fail(said, (rf"{mantissa} \cdot 10^{{{power}}}", product.replace("-", "- ")), self.k - 1)
            if token.text == "1" and (self.at("[") or (self.at("_") and self.indicates())):
                return self.indicator()
            return Number(token.text)
        if token.kind == "mark":
            return self.marked(token)
        if token.kind == "letter":
            self.refuse_words()
            return self.differential() or self.name()
        if token.kind == "end":
            raise self.unexpected()
        if token.text in ("frac", *FRACTIONS):
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
        if token.text in FONTS and (word := _word(group(self.tokens, self.k + 1)[0])) in NOT_READ:
            raise self.fail(*NOT_READ[word])
        if token.text in ("text", "mbox", "textrm", "operatorname", "mathrm") and not self.is_name():
            return self.added_up()
        if token.text in GREEK_NAMES or token.text in FONTS or token.text in ACCENTS or token.text in WIDE:
            return self.quotient() if token.text == "partial" else self.name()
        raise self.unexpected()

    def added_up(self) -> Node:
        r"""``\text{sum of columns of } A``, a column, and the row that is the sum of rows."""
        inside, end = group(self.tokens, self.k + 1)
        said = _ADDED.fullmatch(plain(inside).lower())
        if said is None:
            raise self.unexpected()
        self.k = end
        matrix, ones = self.factor(), Symbol("1")
        if isinstance(matrix, Number):
            raise self.fail("the columns of a number", r"A \mathbf{1}, of a matrix A")
        return Product((("", matrix), ("", ones)) if said[1] == "columns" else (("", Transposed(ones)), ("", matrix)))

    def marked(self, token: Token) -> Node:
        if token.text == "(":
            return self.bracketed("(", ")")
        if token.text == "[":
            return self.bracketed("[", "]")
        if token.text == "{":
            inside, self.k = group(self.tokens, self.k)
            over = next((k for k, each in enumerate(inside) if each.is_command("over")), None)
            if over is not None:
                return self.fraction(inside[:over], inside[over + 1 :])
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


def _is_below(tokens: Tokens, place: int) -> bool:
    """Whether a token is in a subscript."""
    while place and not tokens[place - 1].is_mark("_", "^"):
        if tokens[place - 1].is_mark("}") or not (
            tokens[place - 1].is_mark("{") or tokens[place - 1].kind == "command"
        ):
            return False
        place -= 1
    return place > 0 and tokens[place - 1].is_mark("_")


def _word(tokens: Tokens) -> str:
    """Letters that are set as one word, with or without a blank in it."""
    return "".join(token.text for token in tokens if token.kind == "letter").lower()


def parse(tokens: Tokens, header: Header, defining: bool = False) -> Node:
    """The tree of a side; of a left one that may define a name."""
    parser = Parser(tokens, header)
    parser.defining = defining
    return parser.whole()


def compared(tokens: Tokens, header: Header) -> Compared:
    """The tree of a comparison."""
    return Parser(tokens, header).compared(tokens)
