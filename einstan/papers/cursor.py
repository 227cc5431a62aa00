r"""A place in the tokens of a side, and what every rule of the grammar asks of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from einstan.papers.header import Header
from einstan.papers.problem import UnreadError
from einstan.papers.signs import (
    DOTS,
    FONTS,
    HEAD,
    NO_SIGN,
    NOT_READ,
)
from einstan.papers.tex import Token, Tokens, group, written
from einstan.papers.tree import (
    Node,
)

END = Token("end", "", 0)


class Cursor:
    """A place in the tokens of a side, and what every rule of the grammar asks of it."""

    def __init__(self, tokens: Tokens, header: Header) -> None:
        kept = [token for token in tokens if not token.is_mark("~")]
        if header.indices:
            kept = list(_lettered(kept, header))
        self.tokens = _worded(kept, header.words)
        self.header = header
        self.k = 0
        self.closes_bar = False  # whether a bar here would close a norm
        self.defining = False  # whether this is the left side of what may define a name

    @property
    def token(self) -> Token:
        return self.tokens[self.k] if self.k < len(self.tokens) else END

    def ahead(self, distance: int = 1) -> Token:
        place = self.k + distance
        return self.tokens[place] if place < len(self.tokens) else END

    def at(self, *marks: str) -> bool:
        return self.token.is_mark(*marks)

    def command(self, *names: str) -> bool:
        return self.token.is_command(*names)

    def take(self, *marks: str) -> bool:
        if self.at(*marks):
            self.k += 1
            return True
        return False

    def take_command(self, name: str) -> bool:
        if self.command(name):
            self.k += 1
            return True
        return False

    def fail(self, reason: str, repair: str | Sequence[str], start: int | None = None) -> UnreadError:
        part = self.tokens[self.k if start is None else start : max(self.k + 1, (start or 0) + 1)]
        return UnreadError(reason, written(part), repair)

    def inner(self, tokens: Tokens) -> Node:
        return type(self)(tokens, self.header).whole()

    def whole(self) -> Node:
        if self.token.kind == "end":
            raise UnreadError("a side of the equation is empty", "", "what stands on that side")
        found = self.expression()
        if self.token.kind != "end":
            raise self.unexpected()
        return found

    def unexpected(self) -> UnreadError:
        token = self.token
        if token.kind == "command" and token.text in NOT_READ:
            return self.fail(*NOT_READ[token.text])
        if token.kind == "command" and token.text in DOTS:
            return self.fail(
                "dots leave out what a sum would say",
                (r"\sum_{k=1}^{n} x_k", r"\prod_{k=1}^{n} x_k", "[x_k], a vector"),
            )
        if token.is_mark(":"):
            return self.fail("it tells from where to where a map goes, and is no equation", "f(x) = ...")
        if token.kind == "command" and token.text in ("text", "mbox", "textrm", "mathrm", "operatorname"):
            inside = group(self.tokens, self.k + 1)[0]
            return UnreadError(
                f"words stand in the formula: {written(inside)}", "", r"\quad \text{...} beside the formula"
            )
        if token.is_mark(",") and self.k and self.ahead(-1).kind == self.ahead().kind == "number":  # 1,000
            numbers = f"{self.ahead(-1)}{self.ahead()}", f"{self.ahead(-1)}.{self.ahead()}"
            return self.fail("a comma in a number", (*numbers, NO_SIGN[","]))
        if token.kind == "end":
            return self.fail("the formula ends too early", "what stands behind its last sign")
        if token.kind == "command" and token.text.isalpha():
            said = rf"\newcommand{{\{token.text}}}{{...}}, which says what \{token.text} stands for"
            return self.fail(f"{token} is not read", (said, HEAD + f"skip {token} is not read"))
        return self.fail(f"{token} is not read", NO_SIGN.get(token.text, f"a formula without {token}"))

    # What the rules for sums and products add.

    def expression(self) -> Node:
        raise NotImplementedError

    def factor(self, transposes: bool = True) -> Node:
        raise NotImplementedError

    def multiplies(self) -> bool:
        raise NotImplementedError

    def term(self) -> Node:
        raise NotImplementedError

    def atom(self) -> Node:
        raise NotImplementedError

    def bracketed(self, opening: str, closing_mark: str) -> Node:
        raise NotImplementedError

    def starts(self) -> bool:
        raise NotImplementedError

    def vector(self, opening: str, closing_mark: str) -> Node | None:
        raise NotImplementedError


def _lettered(tokens: Tokens, header: Header) -> Iterator[Token]:
    """Greek indices by their letters here, which nothing else may have but words."""
    k = 0
    while k < len(tokens):
        token = tokens[k]
        if token.kind == "command" and FONTS.get(token.text) == "upright":
            end = group(tokens, k + 1)[1]
            yield from tokens[k:end]
            k = end
            continue
        if token.kind == "letter" and token.text in header.indices.values() and token.end - token.start == 1:
            said = f"{token.text} is what a Greek index is called here, and stands in the text"
            sign = next(sign for sign, letter in header.indices.items() if letter == token.text)
            raise UnreadError(said, token.text, HEAD + rf"indices \{sign} = a, a letter that is free")
        is_index = token.kind == "command" and token.text in header.indices
        yield replace(token, kind="letter", text=header.indices[token.text]) if is_index else token
        k += 1


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
