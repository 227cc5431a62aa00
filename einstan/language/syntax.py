# What a task waits for comes back as Any.
# mypy: disable-error-code="no-any-return"
r"""Text to surface tree: products, sums and relations, with a span on every node.

    relation    expression = expression [ where |i| = expression , ... ]
    expression  term { (+|-) term }
    term        [+|-] factor { [*|/] factor }              side by side is a product
    factor      - factor  |  atom [ ^ factor ]             ^ binds tighter than -, and to the right
    atom        in `einstan.language.atoms`; tensors in `references`, derivatives in `derivatives`, powers in `powers`

``a / b c`` has two readings and is refused, unless the quotient is a coefficient: a number over anything, ``1/2 X[i]``,
``1/|N| X[N]``, ``1/r[n] (q[n,j])``, or what has no index over a number with a slash without blanks, ``l/2 (x[i])``,
``al/|R| X[R]``.  A number is one of extents too; with none above or below, ``a/b x[i]``, it is refused, whether a and b
are scalars or entries.  ``1/2s``, ``1/2|N|`` and ``1/2 pi`` look like quotients by
2s, by 2 |N| and by 2 pi, and are refused too; so do ``1/k T``, a scalar beside a scalar, and ``1/|N| |M|``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NoReturn

from einstan.language.cursor import GOING_ON, INDENTED
from einstan.language.divisors import divided_by_index
from einstan.language.errors import NotationError
from einstan.language.factors import unwrapped
from einstan.language.foreign import STATEMENTS, equals, floor_division, prose, statement
from einstan.language.glued import ANY, as_one, candidates, glued, in_pass, is_pair, raised
from einstan.language.index import names_in
from einstan.language.labels import labels, refuse_labels_of_indices
from einstan.language.layers import layered, refused_layers
from einstan.language.misread import without_slots
from einstan.language.occurrences import evidence
from einstan.language.own import visible
from einstan.language.powers import Factors
from einstan.language.surface import (
    CALLABLE,
    RESERVED,
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
    only_part,
    run,
    runs_on,
    walk,
)  # fmt: skip
from einstan.language.term import RELATIONS
from einstan.language.tokens import Token, respelled
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
    refuse_labels_of_indices(parser.text, relation)
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
    refuse_labels_of_indices(parser.text, expression)
    return parser.text, expression


def _parser(text: str, known: Collection[str]) -> Parser:
    parser = Parser(text, known)
    error = refused_layers(parser.text, layered((parser.text,), known)) if "^(" in parser.text else None
    if error is not None:
        raise error
    return parser


_ORDERED = ("<", ">", "<=", ">=")
_VECTOR = re.compile(r"[^\W\d_]\d*")  # a name of one letter
_ONE_GLUED = re.compile(r"[-+−]1(?=\s+[^\s*/·×⋅+−)\]}=,-])")
_EXPONENT = re.compile(r"\^([^\W\d_]\d*[-+]1)(?![\w.^])")
_WIDE = re.compile(r"\s+/\s+")
_STEP = re.compile(r"(?:\\Delta(?![A-Za-z])|Δ)\s*(\w+)")


def is_one(part: Surface, under: bool) -> bool:
    """Whether this is a divisor that is left away: ``x / (1)``."""
    return under and isinstance(number := unwrapped(part), Number) and number.value == 1


class Parser(Factors):
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
        stated = self.text[: clause.start]
        is_number = token.text in names_in(stated) and token.text not in self.letters(stated)
        if sign.text == "=" and "," not in behind and is_number:
            repairs = [f"{self.text[token.start :].strip()}\n{self.text[: clause.start].strip()}"]  # where a = 2
        if sign.text in _ORDERED:
            left, _, right = self.text[: clause.start].rstrip().partition("=")
            holds = self.text[token.start :].strip()
            repairs = [f"{left}= 1[{holds}] ({right.strip()})"]
            repairs += [f"{before}|{token.text}| = {behind.strip()}"] if sign.text == "<" else []
        self.fail("'where' states extents", None, tuple(repairs))

    # ---- sums and products ---------------------------------------------------------------------------------------

    def expression(self) -> Task[Expression]:
        terms = [(yield self.term())]
        if terms[0].sign < 0:
            self.refuse_power_of_one(terms[0].span[0], terms[0].parts[0][0])
        over_one: tuple[Token, list[int]] | None = None  # a / with a 1 behind it that ends a term, and other ends
        while self.at("+", "-"):
            slash, one, sign = self.ahead(-2), self.ahead(-1), self.token
            if slash.text == "/" and one.text == "1" and over_one is None:
                over_one = (slash, [])
            terms.append((yield self.term()))
            self.refuse_one_behind(terms[-2], sign, terms[-1])
            self.refuse_tight_sum(terms[-2], sign, terms[-1])
            if over_one is not None:
                over_one[1].append(self.last_end)
        if over_one is not None:
            self.refuse_over_one(*over_one)
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
                return Term((start, self.last_end), sign, tuple(part for part in parts if not is_one(*part)))

    def refuse_over_one(self, slash: Token, ends: list[int]) -> NoReturn:
        """``1/1+exp(-x)``: nobody divides by 1, and the terms behind it are below the line too, the next or all."""
        one = self.text.index("1", slash.end)
        sums = [
            f"{self.text[:one]}({self.text[one:end]}){self.text[end:]}" for end in dict.fromkeys((ends[0], ends[-1]))
        ]
        undivided = f"{self.text[: slash.start].rstrip()}{self.text[one + 1 :]}"
        self.fail("a sum divides, or 1, which changes nothing", (slash.start, ends[0]), (*sums, undivided))

    def refuse_one_behind(self, left: Term, sign: Token, right: Term) -> None:
        """``1/|N|-1 (x[N] - m)^2`` and ``2^n-1 x``: nobody writes a factor 1, and 1 is glued to what it goes with."""
        one, *others = right.parts
        found = _ONE_GLUED.match(self.text, sign.start)
        if not found or not sign.glued or one[1] or not isinstance(one[0], Number) or not others or others[0][1]:
            return
        last, raised = left.parts[-1][0], False
        while isinstance(last, Power | Minus):
            raised = raised or isinstance(last, Power)
            last = last.exponent if isinstance(last, Power) else last.operand
        start, end = last.span[0], found.end()
        if "{" in self.text[left.span[0] : end]:  # \frac{1}{a}-1 x: the braces of TeX close in front of the sign
            start, raised = left.span[0], False
        before, behind = self.text[:start], self.text[end:]
        if raised:  # x^a-1 (1 - x)^b-1: the others of the text are meant as this one is
            behind = _EXPONENT.sub(r"^(\1)", behind)
        within = f"{before}({self.text[start:end]}){behind}"
        apart = f"{self.text[: sign.start]} {sign.text} {self.text[end - 1 :]}"
        problem = f"{self.text[start:end]} is one factor, or a term ends in front of the sign"
        self.fail(problem, (start, end), (within, apart))

    def refuse_tight_sum(self, left: Term, sign: Token, right: Term) -> None:
        """``x+1 / y`` and ``x / a+b``, whose blanks make one factor of the sum, and whose signs make two terms."""
        above, below = self.wide(right), self.wide(left)
        if not sign.glued or self.text[sign.end : sign.end + 1].isspace() or not (above or below):
            return
        start = below[-1].end() if below else left.span[0]
        end = above[0].start() if above else right.span[1]
        within = f"{self.text[:start]}({self.text[start:end]}){self.text[end:]}"
        apart = f"{self.text[: sign.start]} {sign.text} {self.text[sign.end :]}"
        self.fail(f"{self.text[start:end]} is one factor, or two terms", (start, end), (within, apart))

    def wide(self, term: Term) -> list[re.Match[str]]:
        """The signs of quotients that have blanks around them."""
        ends = {part.span[0] for part, under in term.parts if under}
        return [slash for slash in _WIDE.finditer(self.text, *term.span) if slash.end() in ends]

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


__all__ = ["read_expression", "read_relation"]
