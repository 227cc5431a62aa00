# What a task waits for comes back as Any.
# mypy: disable-error-code="no-any-return"
r"""Text to surface tree: products, sums and relations, with a span on every node.

    relation    expression = expression [ where |i| = expression , ... ]
    expression  term { (+|-) term }
    term        [+|-] factor { [*|/] factor }              side by side is a product
    factor      - factor  |  atom [ ^ factor ]             ^ binds tighter than -, and to the right
                \frac{x}{y}
    atom        in `einstan.language.atoms`; tensors in `references`, derivatives in `derivatives`

``a / b c`` has two readings and is refused, unless the quotient is a coefficient: a number over anything, ``1/2 X[i]``,
``1/|N| X[N]``, ``1/r[n] (q[n,j])``, or what has no index over a number with a slash without blanks, ``l/2 (x[i])``,
``al/|R| X[R]``.  A number is one of extents too; with none above or below, ``a/b x[i]``, it is refused, whether a and b
are scalars or entries.  ``1/2s``, ``1/2|N|`` and ``1/2 pi`` look like quotients by
2s, by 2 |N| and by 2 pi, and are refused too; so do ``1/k T``, a scalar beside a scalar, and ``1/|N| |M|``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from fractions import Fraction
from typing import NoReturn

from einstan.language.atoms import Atoms
from einstan.language.cursor import GOING_ON, INDENTED
from einstan.language.entries import of_matrices
from einstan.language.errors import NotationError, Span
from einstan.language.foreign import STATEMENTS, braced, equals, floor_division, prose, statement
from einstan.language.glued import ANY, as_one, candidates, glued, in_pass, is_pair, raised
from einstan.language.index import names_in
from einstan.language.layers import layered, refused_layers
from einstan.language.misread import (
    MARKS_ABOVE,
    divided_by_index,
    exponential,
    labels,
    marked,
    second_derivative,
    transposed,
    without_slots,
)
from einstan.language.occurrences import evidence
from einstan.language.own import visible
from einstan.language.surface import (
    CALLABLE,
    RESERVED,
    Bracket,
    Expression,
    Minus,
    Number,
    Power,
    Ref,
    Relation,
    Size,
    Surface,
    Task,
    Term,
    has_no_index,
    is_numeric,
    is_pi,
    looks_turned,
    only_part,
    run,
    runs_on,
    walk,
)  # fmt: skip
from einstan.language.term import RELATIONS, Partial
from einstan.language.threads import cached_property
from einstan.language.tokens import Token, is_name, respelled
from einstan.language.unknown import unknown_call


def read_relation(
    text: str, known: Collection[str] = (), kind: str = "claim", asked: bool = True
) -> tuple[str, Relation]:
    """``left = right where ...``, of a statement of a ``kind``; the text comes back in the normal form that the spans
    refer to.  A person is ``asked`` about names that may be products."""
    parser = _parser(text, known)
    parser.kind = kind
    relation = run(parser.relation())
    if parser.scalars:
        without_slots(parser.text, relation, parser.scalars, known)
    labels(parser.text, relation, parser.tokens)
    if asked and (error := _glued(parser, relation)) is not None:
        raise error
    return parser.text, relation


def _glued(parser: Parser, tree: Relation) -> NotationError | None:
    """The refusal of letters that may be a product; what the program or the document has is looked at there."""
    apart = {token.text for token in parser.tokens if token.kind == "name"}
    return _products(parser.text, tree, apart, parser.around)


def _products(text: str, tree: Surface, apart: Collection[str], around: Collection[str]) -> NotationError | None:
    left = only_part(tree.left) if isinstance(tree, Relation) else None
    defined = left.name if isinstance(left, Ref) else ""
    own = [word for word in apart if len(word) > 1 and word not in around and not in_pass(word, defined)]
    words, pairs = candidates(own, {*apart, *around}), [word for word in own if is_pair(word)]
    if not words and not pairs:
        return None
    names = {str(ref.name): len(ref.slots) for ref in walk(tree) if isinstance(ref, Ref) and isinstance(ref.name, str)}
    names.pop(defined, None)  # type: ignore[arg-type]
    read = {name: rank for name, rank in names.items() if name in words}
    known = dict.fromkeys(around, ANY) | names
    error = glued(text, read, known, evidence(tree)) if read else None
    return error or raised(text, [name for name in pairs if names.get(name) == 0])


def told_one(text: str, tree: Surface) -> str:
    """An equation as it is read alone: a name that may be a product there is set as one, ``\\mathrm{mv}``."""
    names = set(names_in(text))
    while (error := _products(text, tree, names, ())) is not None and error.span is not None:
        name = text[slice(*error.span)]
        text = respelled(text, name, f"\\mathrm{{{name}}}")
        names.discard(name)
    return text


def read_expression(text: str, known: Collection[str] = ()) -> tuple[str, Expression]:
    parser = _parser(text, known)
    expression = run(parser.expression())
    parser.finish()
    return parser.text, expression


def _parser(text: str, known: Collection[str]) -> Parser:
    parser = Parser(text, known)
    error = refused_layers(parser.text, layered((parser.text,), known)) if "^(" in parser.text else None
    if error is not None:
        raise error
    return parser


_VALUE = re.compile(r"\(\s*([^\W\d_]\w*)\s*\)")
_TURNED_ALL = re.compile(r"\^T(?=[^\W\d_](?:\d|_\w)?(?!\w))")
_STEP = re.compile(r"(?:\\Delta(?![A-Za-z])|Δ)\s*(\w+)")


class Parser(Atoms):
    """The whole grammar."""

    kind = "claim"  # what the relation may be: a claim, an assumption

    # ---- relations -----------------------------------------------------------------------------------------------

    def relation(self) -> Task[Relation]:
        if self.token.text in STATEMENTS and self.token.kind == "name":
            raise statement(self.text, self.token, any(t.text in _ORDERED for t in self.tokens))
        if self.at("="):
            self.fail("an equation begins with what it defines", None, INDENTED)
        self.on_left = True
        left = yield self.expression()
        self.on_left = False
        if not self.take("="):
            if self.at("==") or (self.at("<") and self.ahead(1).text == "-" and self.ahead(1).glued):
                raise equals(self.text, (self.token.start, self.token.end + self.at("<")))
            if self.at(*RELATIONS):
                problem = f"{self.token.text} stands in a bracket, 1[...], which is 1 where it holds"
                self.fail(problem, None, f"{self.kind} 1[{self.text.strip()}] = 1")
            if self.token.kind != "end":
                self.unexpected()
            behind = f"  {self.text}" if self.text[:1] in GOING_ON else ()
            self.fail("an equation needs a =", (len(self.text), len(self.text) + 1), behind)
        prose(self.text, left, self.tokens)
        right = yield self.expression()
        if self.at(*RELATIONS):
            before, compared = self.text[: right.span[0]], self.text[right.span[0] :].strip()
            self.fail(f"{self.token.text} compares, and stands in a bracket 1[...]", None, f"{before}1[{compared}]")
        where = yield self.where()
        if self.at("="):
            self.fail("an equation has one =", repair="1[a == b] compares")
        self.finish()
        return Relation((0, len(self.text)), left, right, where)

    def where(self) -> Task[tuple[tuple[Size, Expression], ...]]:
        """The extents that an equation states: ``where |i| = |X.0| + 2, |j| = 3``; none without such a clause."""
        found: list[tuple[Size, Expression]] = []
        if self.token.kind != "name" or self.token.text != "where":
            return ()
        clause = self.advance()
        if self.at("("):
            raise unknown_call(self.text, (clause.start, clause.end), "where", self.token.start, ())
        while True:
            if not self.at("|", "\\left|"):
                self.refuse_where(clause)
            size = self.size()
            if self.at(*_ORDERED):
                start, end = self.token.start, self.token.end
                self.fail("'where' states an extent with =", None, f"{self.text[:start]}={self.text[end:]}")
            if any(size.name == other.name for other, _ in found):
                self.fail(f"the extent |{size.name}| is stated twice", size.span)
            if not self.take("=", "=="):
                self.unexpected()
            found.append((size, (yield self.expression())))
            if not self.take(","):
                return tuple(found)

    def refuse_where(self, clause: Token) -> NoReturn:
        """``where i = 3`` is an extent without its bars, ``where i < 3`` one too, or a condition."""
        token, sign = self.token, self.ahead(1)
        if token.kind != "name":
            self.fail("'where' states extents")
        before, behind = self.text[: token.start], self.text[sign.end :]
        if sign.kind != "mark":  # where L is the loss
            remark = f"{self.text[: clause.start].rstrip()}  # {self.text[clause.start :].strip()}"
            self.fail("'where' states extents", (clause.start, len(self.text.rstrip())), remark)
        repairs = [f"{before}|{token.text}|{self.text[token.end :]}"]
        if sign.text in _ORDERED:
            left, _, right = self.text[: clause.start].rstrip().partition("=")
            holds = self.text[token.start :].strip()
            repairs = [f"{left}= 1[{holds}] ({right.strip()})"]
            repairs += [f"{before}|{token.text}| = {behind.strip()}"] if sign.text == "<" else []
        self.fail("'where' states extents", None, tuple(repairs))

    # ---- sums and products ---------------------------------------------------------------------------------------

    def expression(self) -> Task[Expression]:
        terms = [(yield self.term())]
        while self.at("+", "-"):
            terms.append((yield self.term()))
        return Expression((terms[0].span[0], terms[-1].span[1]), tuple(terms))

    def term(self) -> Task[Term]:
        sign, start = 1, self.token.start
        while self.at("+", "-"):
            sign = -sign if self.advance().text == "-" else sign
            self.refuse_increment()
        first = self.token.start
        parts: list[tuple[Surface, bool]] = list((yield self.factor(True)))
        slashed = False  # whether the last part stands directly behind a /
        tight = True  # whether no / of the last quotient has blanks around it
        while True:
            if self.at("*"):
                self.refuse_cross(parts[-1][0])
                self.advance()
                parts += yield self.factor(True)
                slashed, tight = False, True
            elif self.at("/"):
                glued = self.advance().glued
                if self.at("/") and self.token.glued:
                    place = (self.tokens[self.position - 1].start, self.advance().end)
                    yield self.factor(False)
                    raise floor_division(self.text, first, place, self.last_end)
                tight = tight and glued and self.token.glued
                divisors = yield self.factor(False)
                parts += [(divisor, True) for divisor, _ in divisors]
                slashed = True
            elif self.starts_factor():
                begin = self.token.start
                self.refuse_run_of_letters()
                self.refuse_mixed(parts[-1])
                glued = self.token.glued and (self.token.kind == "name" or self.at("|"))
                following = yield self.factor(True)
                joined = glued or (isinstance(parts[-1][0], Number) and is_pi(following[0][0]))
                if slashed:
                    beside = joined or runs_on(parts[-1][0], following[0][0])
                    if beside or not self.is_coefficient(parts, tight):
                        self.refuse_quotient(first, parts, begin)
                parts += following
                slashed, tight = False, True
            else:
                return Term((start, self.last_end), sign, tuple(parts))

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each token stands in the text."""
        return Counter(token.text for token in self.tokens)

    def refuse_run_of_letters(self) -> None:
        """``mv`` of ``\\frac{1}{2}mv^2``, a product of letters in TeX."""
        before, token, letters = self.tokens[self.position - 1], self.token, self.token.text
        if token.kind == "number" and token.glued and before.kind == "name" and not before.raw:
            self.refuse_number_behind(before, token)
        if before.text == "Δ" and token.kind == "name" and "Δ" not in self.around:
            self.refuse_difference(before)
        plain = token.kind == "name" and token.raw and letters.isascii() and letters.isalpha() and 1 < len(letters) < 4
        if before.text != "}" or not token.glued or not plain or self.ahead(1).text in ("[", "_", "("):
            return
        if letters in CALLABLE or letters in visible() or self.counts[letters] > 1:
            return
        start, end = self.text[: token.start], self.text[token.end :]
        repairs = f"{start}{' '.join(letters)}{end}", f"{start} {as_one(letters, end)}{end}"
        self.fail(f"{letters} is a product of letters, or a number called {letters}", None, repairs)

    def refuse_mixed(self, before: tuple[Surface, bool]) -> None:
        """``2 1/2``, which is two and a half, or 2 times 1/2."""
        whole, above, slash, below = self.tokens[self.position - 1], self.token, self.ahead(1), self.ahead(2)
        if not isinstance(before[0], Number) or before[1] or not all(t.kind == "number" for t in (whole, above)):
            return
        half = "/" in above.text  # ½
        fraction = slash.text == "/" and slash.glued and below.glued and below.text.isdigit() and above.text.isdigit()
        if not whole.text.isdigit() or not (half or fraction):
            return
        end = above.end if half else below.end
        start, written = whole.start, self.text[above.start : end]
        head, behind = self.text[:start], self.text[end:]
        readings = f"{head}({whole.text} + {written}){behind}", f"{head}{whole.text} * {written}{behind}"
        problem = f"{self.text[start:end]} is a mixed number, or a product"
        self.fail(problem, (start, end), readings)

    def refuse_difference(self, sign: Token) -> NoReturn:
        """``\\Delta x^2``, the square of a step Δx."""
        name = self.token
        span = (sign.start, name.end)
        one = _STEP.sub(lambda found: f"Δ{found[1]}", self.text)
        product = f"{self.text[: sign.end]} * {self.text[name.start :]}"
        self.fail(f"{self.text[slice(*span)]} is one name, or a product", span, (one, product))

    def refuse_number_behind(self, name: Token, number: Token) -> NoReturn:
        """``\\alpha2 x`` and ``\\alpha0_i``, where a label is set small."""
        above, below = self.text[: name.start], self.text[number.end :]
        repairs = [f"{above}{name.text}{number.text}{below}"]
        if self.ahead(1).text not in ("_", "["):
            repairs.append(f"{above}{self.text[name.start : name.end]} * {number.text}{below}")
        span = (name.start, number.end)
        self.fail(f"{self.text[slice(*span)]} is one name, or a product", span, tuple(repairs))

    def refuse_cross(self, left: Surface) -> None:
        """``r × F``, the cross product of vectors, or a product of numbers; the cursor stands at the sign."""
        sign, right = self.token, self.ahead(1)
        written = self.text[sign.start : sign.end]
        if written not in ("×", "\\times") or not isinstance(left, Ref) or right.kind != "name":
            return
        if not all(_VECTOR.fullmatch(str(name)) for name in (left.name, right.text)):
            return
        end = self.ahead(self.behind(1) - 1).end
        slots = self.text[right.end : end].strip()
        if slots != self.text[slice(*left.span)].removeprefix(str(left.name)) or "," in slots:
            return
        before, after = self.text[: sign.start].rstrip(), self.text[sign.end :].lstrip()
        self.fail(
            f"{written} is a product of numbers, or the cross product of vectors", None,
            (f"{before} * {after}", f"ε[i,J,K] {left.name}[J] {right.text}[K], with an input ε[i,j,k] of signs"),
        )  # fmt: skip

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

    def starts_factor(self) -> bool:
        token = self.token
        if token.kind == "name":
            return token.text != "where"
        if self.at("{"):
            return not token.glued or self.tokens[self.position - 1].kind != "name"
        return token.kind in ("number", "command") or self.at("(", "|", "\\left|", "⌊")

    @staticmethod
    def is_coefficient(parts: list[tuple[Surface, bool]], tight: bool) -> bool:
        """Whether what stands above the line at the end of the parts is a number, ``1 / 2``, ``1/|N|/|J|``, or without
        an index above numbers and ``tight``, ``l/2``; in ``p^2/2 m`` people mean 2 m below the line."""
        count = len(parts)
        while count and parts[count - 1][1]:
            count -= 1
        above, below = parts[max(count - 1, 0)][0], parts[count:]
        plain = tight and has_no_index(above) and not isinstance(above, Power)
        return is_numeric(above) or (plain and all(is_numeric(part) for part, _ in below))

    def refuse_quotient(self, start: int, parts: list[tuple[Surface, bool]], begin: int) -> NoReturn:
        divisor = parts[-1][0].span
        end = self.last_end
        above, below, after = self.text[: divisor[0]], self.text[slice(*divisor)], self.text[begin:end]
        rest = self.text[end:]
        under = parts[-1][0]
        if isinstance(under, Ref) and not under.slots and self.is_index(below):
            raise divided_by_index(self.text, below, divisor)
        self.fail(
            "a / b c has two readings",
            (start, end),
            (
                f"{above}({below} {after}){rest}",
                *(f"{above}({below} {self.text[begin:more]}){self.text[more:]}" for more in self.scalars_behind()),
                f"{above[:start]}({above[start:]}{below}) {after}{rest}",
            ),
        )

    def scalars_behind(self) -> list[int]:
        """Where each of the scalars ends that follow here, of which the divisor may be meant to have several."""
        ends, distance = [], 0
        while self.ahead(distance).kind == "name" and self.ahead(distance).text not in RESERVED:
            following = self.ahead(distance + 1)
            if following.text in ("[", "_", "(", "^", "/") or following.kind == "power":
                break
            ends.append(self.ahead(distance).end)
            distance += 1
        return ends

    # ---- powers and fractions ------------------------------------------------------------------------------------

    def factor(self, spliced: bool) -> Task[list[tuple[Surface, bool]]]:
        """One factor as parts of a product: a fraction that is not raised to a power has several."""
        while self.take("+"):
            self.refuse_increment()
        start = self.token.start
        if self.at("-"):
            self.climb(self.advance())
            (operand, _), *_ = yield self.factor(False)
            self.tower -= 1
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
            entries = f"{base}_{{{sub}}}^{{{inner}}}" if inner == "-1" else ""
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


_ORDERED = ("<", ">", "<=", ">=")
_DEFINES_T = re.compile(r"\s*T\s*=")  # which it then does not read
_VECTOR = re.compile(r"[^\W\d_]\d*")  # a name of one letter
_SMALL = re.compile(r"\s*([-−]\s*[0-9]+|[01])")  # exponents behind which a quotient looks like a part of them
_ROOT = re.compile(r"(?<=[\^*])\s*([-−]\s*[0-9]+|[01])/([0-9]+)(?![0-9.])")


def _bracketed(found: re.Match[str]) -> str:
    return f"({found[1]}/{found[2]})"


__all__ = ["read_expression", "read_relation"]
