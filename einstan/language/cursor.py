"""A place in the tokens of a text, and what every rule of the grammar asks of it.

The grammar is one recursive descent in storeys, each a class on top of the one below: `Cursor`; `References`, a tensor
with its label and slots; `Differentials`, what looks like a derivative and is none; `Derivatives`; `Reductions`;
`Atoms`, all else that can be a factor; `Factors`, each with its power (in `einstan.language.powers`); `Parser`,
products, sums and relations (in `einstan.language.syntax`).  Each rule is a task, so that brackets may nest as deep as
memory allows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from einstan.language.cases import listed
from einstan.language.einsums import of_einsum
from einstan.language.entries import of_bracket
from einstan.language.errors import NotationError, Span, too_deep
from einstan.language.extremes import extreme
from einstan.language.foreign import around, assigned, comparison, positive_part, run_on, scientific
from einstan.language.integrals import SIGNS as INTEGRALS
from einstan.language.integrals import integral, limit
from einstan.language.letters import normal
from einstan.language.misread import TRANSPOSED
from einstan.language.norms import inner_products
from einstan.language.sets import of_set
from einstan.language.signs import grouped_digits, instead
from einstan.language.species import SIGNS as SPECIES
from einstan.language.species import concentrations
from einstan.language.surface import BINDERS, DEFINED, Expression, Ref, Surface, Task, Term, instead_of
from einstan.language.term import RELATIONS
from einstan.language.threads import cached_property
from einstan.language.tokens import Token, tokens
from einstan.language.typeset import half, labels_in_names, lowered_indices, marks_in_names

DEEPEST = 2000  # levels of brackets, signs and exponents; what is made of a term may be some times as deep
GOING_ON = ("+", "-", "*", "/", "=")  # with which a line goes on with the one above, or in the next
INDENTED = "a line that goes on with the one above is indented"
_BROADCAST = re.compile(r"\.(?=[*/^+=(-])(?!\d)")
_KEYWORD = re.compile(r"\s*,\s*(?:axis|dim|axes|keepdims?|dtype)\s*=\s*(?:\([^()]*\)|[-\w.]+)")
_LISTED = re.compile(r"\^\{\s*([(\[]?[^{}()\[\],]+(?:,[^{}()\[\],]+)+[)\]]?)\s*\}")
_ANGLES = re.compile(r"<([^<>=,|]+,[^<>=,|]+)>")
_BELOW_POWER = re.compile(r"([²³])(_\{[^{}]*\}|_\w)")
_ABOVE = re.compile(r"\^\s*\{[^{}]*$")
LOOKS: tuple[tuple[tuple[str, ...], Callable[[str], NotationError | None]], ...] = (
    # what is refused before a text is taken apart: what stands in it, and what looks closer
    (("_+", "_{+}"), positive_part),
    (("_",), run_on),
    (("x 10", "x10", " x ", "10−", "10–"), scientific),
    (("->",), of_einsum),
    (INTEGRALS, integral),
    (("lim",), limit),
    (("arg",), extreme),
    (("∈", "\\in", " in ", "= {", "={", "= \\{", "=\\{", "∩", "∪", "\\cap", "\\cup"), of_set),
    (SPECIES, concentrations),
    (("_1/2", "_{1/2", "_{\\", "_½"), half),
)
CLOSING = {"(": ")", "[": "]", "{": "}", "⌊": "⌋", "|": "|", "\\left|": "\\right|"}


class Cursor:
    """The tokens of a text, the position among them, and the brackets that are open there."""

    def __init__(self, text: str) -> None:
        self.text = normal(text)
        for signs, look in LOOKS:
            for sign in signs:
                if sign in text:
                    if (error := look(self.text)) is not None:
                        raise error
                    break
        self.tokens = tokens(self.text)
        self.position = 0
        self.open: list[Token] = []
        self.scalars: list[Ref] = []  # names without slots
        self.on_left = False  # of a relation
        self.tower = 0  # signs and exponents that are open, which nest without a bracket

    # ---- rules of a storey above, which the ones below need ------------------------------------------------------

    def expression(self) -> Task[Expression]:
        raise NotImplementedError

    def term(self) -> Task[Term]:
        raise NotImplementedError

    def factor(self, spliced: bool) -> Task[list[tuple[Surface, bool]]]:
        raise NotImplementedError

    def starts_factor(self) -> bool:
        raise NotImplementedError

    def parenthesised(self, binder: Token | None = None) -> Task[Expression]:
        raise NotImplementedError

    def arguments(self) -> Task[tuple[Expression, ...]]:
        raise NotImplementedError

    # ---- looking at tokens ---------------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def ahead(self, distance: int) -> Token:
        return self.tokens[min(self.position + distance, len(self.tokens) - 1)]

    def is_index(self, name: str) -> bool:
        """Whether a name stands in a slot, or a binder binds it."""
        return name in self._indices

    @cached_property
    def _indices(self) -> set[str]:
        """The names that stand in a slot, or behind a comma."""
        found = (k for k, token in enumerate(self.tokens) if token.kind == "name" and k)
        opening = ((k, self.tokens[max(k - 2, 0)].text + self.tokens[k - 1].text) for k in found)
        slots = (k for k, before in opening if before[-1:] in ("[", ",", "_") or before.endswith("_{"))
        return {self.tokens[k].text for k in slots}

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

    # ---- brackets ------------------------------------------------------------------------------------------------

    def enter(self) -> Token:
        opening = self.advance()
        self.open.append(opening)
        if len(self.open) + self.tower > DEEPEST:
            self.refuse_depth(opening)
        return opening

    def climb(self, token: Token) -> None:
        """One more sign or exponent is open."""
        self.tower += 1
        if len(self.open) + self.tower > DEEPEST:
            self.refuse_depth(token)

    def refuse_depth(self, token: Token) -> NoReturn:
        raise too_deep(self.text, (token.start, token.end), DEEPEST)

    def close(self) -> int:
        opening = self.open.pop()
        if not self.take(CLOSING[opening.text]):
            if self.token.kind == "end" or self.at(")", "]", "}", "\\right|", "="):
                problem = f"the bracket {opening.text} is not closed"
                if self.at("=") and (line := _KEYWORD.sub("", self.text)) != self.text:  # softmax(x, axis=-1)
                    self.fail("an argument has no name", None, line)
                self.fail(problem, (opening.start, opening.end), self.closed(opening))
            self.unexpected()
        return self.last_end

    def rounded(self) -> str:
        """The text with round brackets for the ``[a + b]`` that opens here, where it is no comparison."""
        depth, place = 0, self.position
        while self.tokens[place].kind != "end":
            text = self.tokens[place].text
            depth += (text == "[") - (text == "]")
            if not depth:
                inside = self.text[self.token.end : self.tokens[place].start]
                return f"{self.text[: self.token.start]}({inside}){self.text[self.tokens[place].end :]}"
            if text in RELATIONS or text == "=":
                break
            place += 1
        return ""

    def closed(self, opening: Token) -> str | tuple[()]:
        """The text with the bracket closed where it must be at the latest: in the place of another that closes here, in
        front of a sign =, or at the end with all that are open."""
        closing = CLOSING[opening.text]
        if self.token.kind == "end":
            return self.text.rstrip() + closing + "".join(CLOSING[each.text] for each in reversed(self.open))
        before, behind = self.text[: self.token.start].rstrip(), self.text[self.token.end :]
        if self.at("="):
            return f"{before}{closing} ={behind}" if not self.open else ()
        waited = self.token.text in (CLOSING[each.text] for each in self.open)  # by a bracket around
        return f"{before}{closing}{self.token.text * waited}{behind}"

    # ---- refusals ------------------------------------------------------------------------------------------------

    def fail(self, problem: str, span: Span | None = None, repair: str | tuple[str, ...] = ()) -> NoReturn:
        span = (self.token.start, self.token.end) if span is None else span
        raise NotationError(problem, text=self.text, span=span, repair=repair)

    def without_operator(self) -> str:
        """The text without the sign in front of a closing bracket: ``(a + )``, and ``(-)`` with its brackets."""
        place = self.position
        while self.tokens[place - 1].text in (*GOING_ON, ",") and self.tokens[place - 1] is not self.open[-1]:
            place -= 1
        empty = self.tokens[place - 1] is self.open[-1]
        start = self.open[-1].start if empty else self.tokens[place - 1].end
        return f"{self.text[:start].rstrip()}{self.text[self.token.end if empty else self.token.start :]}"

    def unexpected(self) -> NoReturn:
        if self.token.kind == "end":
            going_on = self.tokens[self.position - 1].text in GOING_ON
            hint = INDENTED if going_on else ()
            self.fail("the equation ends too early", (len(self.text), len(self.text) + 1), hint)
        if self.at(")", "]", "}") and self.open and CLOSING[self.open[-1].text] == self.token.text:
            self.fail(f"nothing stands in front of the bracket {self.token.text}", None, self.without_operator())
        if self.at(")", "]", "}"):
            line = f"{self.text[: self.token.start].rstrip()}{self.text[self.token.end :]}"
            self.fail(f"the bracket {self.token.text} was never opened", None, line)
        before = self.tokens[self.position - 1]
        if self.at("=") and self.token.glued and before.text in ("+", "-", "*", "/"):
            raise assigned(self.text, before, self.token.end)
        if self.at(",") and _ABOVE.search(self.text[: self.token.start]) and (line := lowered_indices(self.text)):
            self.fail("indices stand below the line, also those that a metric lowers", None, line)
        if self.at(",", "[") and (line := listed(self.text)):
            self.fail("entries that are written out have an index", None, line)
        if self.at(","):
            self.refuse_listed()
        if self.at(",") and self.ahead(1).text == "where":
            line = f"{self.text[: self.token.start]}{self.text[self.token.end :]}"
            self.fail("'where' stands behind an equation without a comma", None, line)
        if self.at("[", "_") and self.token.glued and before.text == ")":
            start = self.tokens[around(self.tokens, self.position - 1)].start
            lines = of_bracket(self.text, start, before.end) or "p[k] = softmax[k](z[k])\nL = -log(p[0])"
            self.fail("slots stand behind the name of a tensor, and a line of its own gives one", None, lines)
        if self.at("[") and (line := self.rounded()):
            self.fail("brackets around a part of a formula are round", None, line)
        if self.at("[", "{") and (repair := comparison(self.text, self.tokens, self.position)):
            self.fail("an indicator is written 1[...]", None, repair)
        if self.at(*RELATIONS) and not self.at("=="):
            repair = inner_products(_ANGLES.sub(r"⟨\1⟩", self.text))  # <x, y>
            repair = repair or comparison(self.text, self.tokens, around(self.tokens, self.position))
            self.fail(f"{self.token.text} compares, and stands in a bracket 1[...]", None, repair or "1[x > 0]")
        if self.text.startswith("...", self.token.start):
            span = (self.token.start, self.token.start + 3)
            self.fail("... is not part of the notation", span, instead(self.text, "…", *span))
        start, behind = self.token.start, self.ahead(1)
        if self.at(".") and behind.kind == "name" and before.kind == "number":
            self.fail(
                "a number is written without a point behind it",
                None,
                f"{self.text[:start]} {self.text[behind.start :]}",
            )
        if self.at(".") and (line := _BROADCAST.sub("", self.text)) != self.text:  # a .* b, relu.(x)
            self.fail("a point stands in front of no sign", None, line)
        if self.at("_") and before.kind == "power" and (line := _BELOW_POWER.sub(r"\2\1", self.text)) != self.text:
            self.fail("a subscript stands in front of the power", None, line)
        if self.at("=") and before.text == "*":  # y* = x
            name = self.text[: before.start].rstrip()
            self.fail("a star is part of a name", (0, before.end), f"{name}_star {self.text[start:]}")
        if self.at(".") and not self.token.glued and not behind.glued:
            words = "x[K] y[K] for the inner product of x and y"
            self.fail(
                "a point is no product", None, (f"{self.text[:start].rstrip()} {self.text[behind.start :]}", words)
            )
        if self.at(".") and behind.kind == "name":
            example = "[K](x[K])" if behind.text in (*BINDERS, *DEFINED) else "(x[i])"
            hint = TRANSPOSED[0] if behind.text == "T" else f"a function stands in front: {behind.text}{example}"
            self.fail(f".{behind.text} belongs to arrays of a library", (start, behind.end), hint)
        if self.at("{") and self.token.glued and before.kind == "name":
            self.fail("slots stand in x[i] or x_{i}", None, f"{self.text[:start]}_{self.text[start:]}")
        braced = before.text == "{" and self.tokens[self.position - 2].text == "^" and self.at("*")
        if braced or (before.text == "^" and self.at("*", "+")):
            line = marks_in_names(self.text) if self.at("*") else self.text
            other = "another name, such as x_star"
            self.fail("a mark above the line is part of a name", None, other if line == self.text else line)
        self.fail(f"{self.token.text!r} is not expected here", None, grouped_digits(self.text, self.token.start) or ())

    def refuse_listed(self) -> None:
        """``2^{a,b}``, and ``x^{(a,b)}``, whose label is one word."""
        above = _LISTED.search(self.text)
        if above is None or not above.start() < self.token.start < above.end():
            return
        inside = above[1]
        listed, problem = [" * ", " + "], "a power has one exponent"
        if inside[0] in "([":
            listed, problem = [""], "a label above a name is one word"
        start, end = above.span(1)
        lines = (re.sub(r"\s*,\s*", sign, inside) for sign in listed)
        self.fail(problem, above.span(), tuple(f"{self.text[:start]}{each}{self.text[end:]}" for each in lines))

    def refuse_word(self, token: Token, wanted: str) -> NoReturn:
        problem = f"{token.text} is a word of the notation and cannot be {wanted}"
        labelled = self.text if token.raw else labels_in_names(self.text)  # x_{\\text{in}}
        repair = instead_of(token.text, self.text) if labelled == self.text else labelled
        self.fail(problem, (token.start, token.end), repair or ())

    def finish(self) -> None:
        if self.token.kind != "end":
            self.unexpected()
