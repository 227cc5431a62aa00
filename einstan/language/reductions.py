# What a task waits for comes back as Any.
# mypy: disable-error-code="no-any-return"
r"""Sums and other reductions as they are spelled, and how far each reaches.

    sum[K](x)^2          a call, which ends with its bracket: the square of a sum
    \sum_k (x_k)^2       a sign, which reaches to the end of its product: a sum of squares

What is spelled like both is refused with both: ``∑[N](x[N])^2``, ``sum_n(x_n)^2``, ``sum[N] (x[N])^2``; and so is
``\prod_n p_n a``, where what has no n may stand beside the product.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from typing import NoReturn

from einstan.language.derivatives import Derivatives
from einstan.language.errors import Span
from einstan.language.greek import with_slot
from einstan.language.index import capitalised, is_capital
from einstan.language.limits import without_limits
from einstan.language.occurrences import bare_names
from einstan.language.surface import (
    Binder,
    Call,
    Expression,
    Letter,
    Power,
    Ref,
    Surface,
    Task,
    Term,
    only_part,
)
from einstan.language.tokens import Token, respelled

_ONE_NAME = re.compile(r"\(\s*([^\W\d_]\w*)\s*\)")
_SUMMANDS = re.compile(r"[+=,]|(?<![\[(^ ])-|- ")
_BARS = re.compile(r"\|([^|]+)\|(\^\w+|[²³])?")
_BRACED = re.compile(r"\s*\\?\{([^{}]*?)\\?\}")
_DEFINED = re.compile(r"\s*(\w+)\s*=\s*(\w+)")
_LINEAR = ("sum", "mean")
_SIGNS = (*_LINEAR, "prod", "max", "min")  # on paper signs that reach over a product; a logsumexp is a function


class Reductions(Derivatives):
    """The rules for one reduction."""

    @staticmethod
    def letters(inside: str) -> list[str]:
        """The indices that stand alone in the slots of a text."""
        return re.findall(r"(?<=[\[,_{])\s*([^\W\d_][^\W_]*)(?=\s*[,\]}]|(?<=_.)\b)", inside)

    def is_called(self) -> bool:
        """Whether a round bracket is glued to the name that stands here, or to its slots.  A blank between them could
        mean either, and is refused."""
        behind = 1
        if self.ahead(1).text in ("[", "_"):
            behind += self.ahead(1).text == "_"
            depth = 0
            while self.ahead(behind).kind != "end":
                depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(self.ahead(behind).text, 0)
                behind += 1
                if not depth:
                    break
        opening = self.ahead(behind)
        if opening.text != "(" or opening.kind != "mark":
            return False
        if not opening.glued and self.token.raw:
            before, rest = self.text[: opening.start].rstrip(), self.text[opening.start :]
            problem = f"{self.token.text} in front of a bracket is a reduction or a tensor"
            self.fail(problem, (self.token.start, opening.end), (before + rest, f"{before} * {rest}"))
        return True

    def binder(self) -> Task[Surface]:
        token = self.advance()
        if token.text in ("max", "min") and self.at("("):
            function = {"max": "maximum", "min": "minimum"}[token.text]
            arguments = yield self.arguments()
            if len(arguments) != 2:
                problem = f"{token.text}(x, y) takes two arguments"
                repair = self.over_all(token, self.last_end)
                if len(arguments) > 2:
                    first, *others = (self.text[slice(*argument.span)] for argument in arguments)
                    nested = reduce(lambda left, right: f"{token.text}({left}, {right})", others, first)
                    repair = (f"{self.text[: token.start]}{nested}{self.text[self.last_end :]}",)
                self.fail(problem, (token.start, self.last_end), repair)
            return Call((token.start, self.last_end), function, arguments)
        above = self.tokens[self.position - 2].text in ("{", "^")  # x^{max}
        alone = not self.at("(", "[", "_", "{", "|") and not self.starts_factor()
        if alone and not above and not token.big:  # mean = ...
            other = respelled(self.text, token.text, f"{token.text}1")
            self.fail(f"{token.text} is a reduction and cannot be a tensor", (token.start, token.end), other)
        slots = yield self.slots()
        letters = []
        for slot in slots:
            part = only_part(slot)
            if not isinstance(part, Ref) or part.slots or not isinstance(part.name, str):
                problem = f"{token.text} runs over whole axes, and {self.text[slice(*slot.span)]} is not an index"
                self.fail(problem, slot.span, f"{token.text}[K](x)")
            letters.append(Letter(part.span, part.name))
        if not letters:
            if self.at("^") and self.ahead(1).kind != "end":
                self.fail("a sum runs over the whole axis and has no limits", None, without_limits(self.text))
            braced = _BRACED.match(self.text, token.end)  # max{0, x}
            if braced:
                round_ones = f"{self.text[: token.end]}({braced[1]}){self.text[braced.end() :]}"
                self.fail("brackets around arguments are round", braced.span(), round_ones)
            if self.at("("):
                yield self.parenthesised(token)
            repair = self.over_all(token, self.last_end)
            self.fail(f"{token.text} of which index?", (token.start, token.end), repair)
        if self.at("^") and token.big:  # \\sum_i^n
            self.fail("a sum runs over the whole axis and has no limits", None, without_limits(self.text))
        if token.text == "softmax" and len(letters) > 1:
            self.fail("softmax runs over one index", (token.start, self.last_end), "softmax[k](x)")
        if token.big and (self.starts_factor() or self.at("{")):
            called = self.at("(") and self.token.glued and self.tokens[self.position - 1].text == "]"
            term = yield self.term()
            self.refuse_sign(token, [letter.name for letter in letters], term, called)
            body = Expression(term.span, (term,))
            inside = only_part(body)
            body = (
                inside if isinstance(inside, Expression) else body
            )  # \sum_K (a + b): the brackets are those of sum[K](a + b)
        elif self.at("("):
            subscript = self.tokens[self.position - 1].text != "]"
            apart = token.raw and (subscript or self.text[self.token.start - 1].isspace())
            body = yield self.parenthesised(token)
            if apart and token.text in _SIGNS:
                head = f"{token.text}[{','.join(letter.name for letter in letters)}]" if subscript else ""
                yield self.reach(token, body, head, [letter.name for letter in letters])
        else:
            start, end = token.start, self.last_end
            written = f"{self.text[start:end]}(x)"
            if self.at("["):
                written = self.rounded()
            elif self.starts_factor() or self.at("-"):
                meant = self.text[(yield self.term()).span[0] : self.last_end]
                written = f"{self.text[:end]}({meant}){self.text[self.last_end :]}"
            self.fail(f"{token.text} needs brackets around what it runs over", (start, end), written)
        return Binder((token.start, self.last_end), token.text, tuple(letters), body)

    def refuse_several(self, token: Token, start: int, first: Expression) -> Task[None]:
        """``max[N](x[N], 0)``, of which both or one may stand below the maximum, and ``sum(x[i], i)``."""
        self.advance()
        second: Expression = yield self.expression()
        end = self.close()
        one, other = (self.text[slice(*each.span)] for each in (first, second))
        before, head, behind = self.text[: token.start], self.text[token.start : start], self.text[end:]
        repairs = []
        if token.text in ("max", "min") and head != token.text:
            pair = {"max": "maximum", "min": "minimum"}[token.text]
            repairs = [f"{head}({pair}({one}, {other}))", f"{pair}({head}({one}), {other})"]
        elif head == token.text:  # an index among the arguments
            repairs = [
                f"{head}[{index}]({body})"
                for index, body in ((one, other), (other, one))
                if index in self.letters(body)
            ]
        self.fail(
            f"{head} takes one argument", (token.start, end), tuple(f"{before}{each}{behind}" for each in repairs)
        )

    def over_all(self, token: Token, end: int) -> tuple[str, ...]:
        """``softmax(Z[n,c])`` with an index that is not contracted in it, a capital or one of the left side; ``sum(x[I]
        y[I])`` with the capitals of what is in the brackets, or ``max(x[n,c])`` with those that the left side lacks."""
        before, inside, behind = self.text[: token.end], self.text[token.end : end].lstrip(), self.text[end:]
        left, stand = self.letters(self.text.partition("=")[0]), self.letters(inside)
        found = list(dict.fromkeys(stand))
        if not inside:  # ∑ x_i
            lacking = [letter for letter in dict.fromkeys(self.letters(behind)) if letter not in left]
            if token.big:
                return (f"{before}_{{{','.join(lacking)}}} {behind.lstrip()}" if lacking else f"{token.text}[K](x[K])",)
            inside, behind = behind.strip(), ""
            if not lacking or _SUMMANDS.search(inside):
                return (f"{token.text}[K](x[K])",)
            bars = _BARS.fullmatch(inside)  # sum |x[n]|^2
            inside = f"(abs({bars[1]}){bars[2]})" if bars else f"({inside})"
            return (f"{before}[{','.join(lacking)}]{inside}",)
        normed = [letter for letter in found if is_capital(letter) and stand.count(letter) == 1]
        normed += [letter for letter in reversed(left) if letter in found]
        if token.text == "softmax":
            lacking = [letter for letter in found if letter not in left and letter in self.letters(behind)]
            texts = [
                f"{before}[{capitalised(letter)}]{respelled(f'{inside}{behind}', letter, capitalised(letter))}"
                for letter in lacking
                if not is_capital(letter)
            ]  # softmax(Q[q,E] M[k,E]) V[k,d]
            texts += [f"{before}[{letter}]{inside}{behind}" for letter in normed]
            if texts:
                return tuple(texts)
        capitals = [letter for letter in found if is_capital(letter)]
        if not capitals:
            lacking = [letter for letter in found if letter not in left]
            for letter in lacking:
                inside = respelled(inside, letter, capitalised(letter))
            capitals = [capitalised(letter) for letter in lacking]
        if not found and (named := _ONE_NAME.fullmatch(inside)):  # mean(x)
            if token.text == "softmax" and (whole := _DEFINED.fullmatch(before)) and not behind.strip():
                return (f"{whole[1]}[k] = {whole[2]}[k]({named[1]}[k])",)
            if named[1] in self.letters(self.text) and behind.strip():  # sum(j) A[i,j] B[j]
                return (f"{before}[{named[1]}]({behind.strip()})",)
            capitals, inside = ["K"], f"({named[1]}[K])"
        elif not found and inside.startswith("(") and token.text != "softmax":  # sum((y - z)^2)
            letter = next(each for each in "KNIJ" if not re.search(rf"(?<!\w){each}(?!\w)", self.text))
            capitals, inside = [letter], with_slot(inside, letter)
        written = f"{before}[{','.join(capitals)}]{inside}{behind}"
        return (written if capitals else f"{token.text}[K](x[K])",)

    def reach(self, token: Token, body: Expression, head: str, letters: Sequence[str]) -> Task[None]:
        """``sum[I] (u)^2`` is the sum of the squares on paper, and as a call it is the square of the sum: with a blank
        it is refused, and so is ``sum_i(u_i)^2``, of which the ``head`` is spelled anew.  So is ``max[I] (u) v``; a sum
        of ``(u) v`` is the same either way."""
        if self.token.kind == "power":
            self.advance()
        elif self.take("^"):
            yield self.factor(False)
        elif token.text not in _LINEAR and (self.take("*") or self.take("/") or self.starts_factor()):
            yield self.term()
        else:
            return
        head = head or self.text[token.start : body.span[0]].rstrip()
        position, end = self.position, self.last_end
        if self.take("*") or self.take("/") or self.starts_factor():  # sum_i (O_i - E_i)^2 / E_i
            yield self.term()
            again = [letter for letter in letters if letter in self.letters(self.text[end : self.last_end])]
            if again:
                self.refuse_reach(token, head, body.span, "the bracket", again)
            self.position = position
        self.refuse_reach(token, head, body.span, "the bracket")

    def refuse_sign(self, token: Token, letters: list[str], term: Term, called: bool) -> None:
        """``∑[N](x[N])^2``, a sign that is spelled like a call, and ``\\prod_n p_n a``; in ``\\sum_n (x_n - a)^2`` and
        ``\\prod_n a p_n`` the sign reaches over all of it."""
        having = [any(letter in bare_names(part) for letter in letters) for part, _ in term.parts]
        head, first = f"{token.text}[{','.join(letters)}]", term.parts[0][0]
        base = first.base if isinstance(first, Power) else first
        if called and isinstance(base, Expression) and (base is not first or any(having[1:])):
            self.refuse_reach(token, head, base.span, "the bracket", letters if any(having[1:]) else ())
        if token.text != "prod" or not any(having):
            return
        parts, known = [part for part, _ in term.parts], set(letters)
        while isinstance(inner := parts[-1], Binder) and self.text[inner.body.span[0]] != "(" and having[-1]:
            known.update(letter.name for letter in inner.letters)  # \\prod_n \\sum_m X_{n,m} a
            parts[-1:] = [part for part, _ in inner.body.terms[-1].parts]
            having = [not known.isdisjoint(bare_names(part)) for part in parts]
        last = len(having) - 1 - having[::-1].index(True)
        end = parts[last].span[1]
        end += self.text[end : self.last_end].partition("\\frac")[0].rfind("}") + 1  # of the fraction that it stands in
        if self.text[end : self.last_end].strip():
            self.refuse_reach(token, head, (term.span[0], end), "what has its index")

    def refuse_reach(self, token: Token, head: str, first: Span, what: str, again: Sequence[str] = ()) -> NoReturn:
        """A sign that may run over its first part alone, or over all that follows, which has letters ``again``."""
        start, end = first
        before, behind = self.text[: token.start], self.text[self.last_end :]
        alone, rest = self.text[start:end], self.text[end : self.last_end]
        if not (alone.startswith("(") and self.text.find(")", start) == end - 1) and what != "the bracket":
            alone = f"({alone})"
        own, around = head + alone, {*self.letters(self.text.partition("=")[0])}
        for letter in again:
            own = respelled(own, letter, f"{letter}2")
        texts = [f"{before}{head}({self.text[start : self.last_end]}){behind}", f"{before}{own}{rest}{behind}"]
        free = [letter for letter in again if not is_capital(letter) and letter not in around]
        self.fail(
            f"{token.text} may run over {what} alone or over all that follows", (token.start, self.last_end),
            tuple(texts[:1] if free else texts),
        )  # fmt: skip
