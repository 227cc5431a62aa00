r"""Names as they are set: fonts, accents, labels, primes and subscripts, differentials and differences."""

from __future__ import annotations

from itertools import pairwise

from einstan.language.commands import WIDE
from einstan.papers.cursor import Cursor
from einstan.papers.problem import UnreadError
from einstan.papers.signs import (
    ACCENTS,
    ENGLISH,
    FONTS,
    GREEK_NAMES,
    HEAD,
)
from einstan.papers.tex import Token, Tokens, group, written
from einstan.papers.tree import (
    Derivative,
    Node,
    Part,
    Symbol,
)


class Names(Cursor):
    """Names as they are set: fonts, accents, labels, primes and subscripts, differentials and differences."""

    def is_name(self) -> bool:
        """Whether a font holds one word."""
        inside = group(self.tokens, self.k + 1)[0]
        spaced = any(a.end < b.start for a, b in pairwise(inside) if a.line == b.line)
        word = "".join(t.text for t in inside).lower()
        spaced = spaced or word in ENGLISH
        return (
            bool(inside) and not spaced and all(t.kind in ("letter", "number") or t.text in GREEK_NAMES for t in inside)
        )

    def name(self) -> Symbol:
        base, font = self.base()
        return self.decorated(Symbol(base, font))

    def name_only(self) -> Symbol:
        if self.token.kind == "letter" or (
            self.token.kind == "command"
            and (self.token.text in GREEK_NAMES or self.token.text in FONTS or self.token.text in ACCENTS)
        ):
            return self.name()
        raise self.unexpected()

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
        if token.text not in GREEK_NAMES:
            self.k -= 1
            raise self.unexpected()
        return GREEK_NAMES[token.text], "variant" if token.text.startswith("var") else ""

    def decorated(self, symbol: Symbol) -> Symbol:
        """The name with its label above, ``^{(l)}``, ``[\\ell]``, its star, and its subscripts."""
        base, label, below, primes = symbol.base, symbol.label, symbol.below, symbol.primes
        while True:
            if self.at("_") and not below:
                self.k += 1
                inside, self.k = group(self.tokens, self.k)
                below = parts_of(inside)
                if not below:
                    raise self.fail("a subscript is empty")
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
        if (len(inside) == 1 and inside[0].is_command("star", "ast")) or (len(inside) == 1 and inside[0].is_mark("*")):
            return "", "star", end
        if len(inside) > 2 and (
            (inside[0].is_mark("(") and inside[-1].is_mark(")")) or (inside[0].is_mark("[") and inside[-1].is_mark("]"))
        ):
            return "".join("l" if t.text == "ell" else t.text for t in inside[1:-1]), "", end
        if inside and written(inside) in self.header.label_letters:
            return written(inside).strip("\\{}"), "", end
        return None

    def differential(self) -> Node | None:
        """``dZ`` as the name of a gradient, where the header says so."""
        if self.token.text != "d" or self.header.knows("d"):
            return None
        behind = self.ahead()
        named = behind.kind == "letter" or (
            behind.kind == "command" and (behind.text in FONTS or behind.text in GREEK_NAMES)
        )
        if not named:
            return None
        start = self.k
        self.k += 1
        if self.command("Delta") and self.header.differences:
            raise self.fail("the gradient with respect to a difference")
        symbol = self.name()
        if self.at("/") and self.ahead().text == "d" and self.ahead(2).kind in ("letter", "command"):  # dL/dx
            self.k += 2
            return Derivative(symbol, (self.name_only(),))
        if not self.header.gradients:
            self.k = start
            raise self.fail("dx is the gradient of the loss with respect to x, or a differential", HEAD + "gradients L")
        return Symbol(f"d{symbol.base}", symbol.font, symbol.label, symbol.below, symbol.primes)

    def difference(self) -> Symbol:
        r"""``\Delta x`` as one name."""
        self.k += 1
        if self.at("("):
            raise self.fail("Δ in front of a bracket")
        if not (self.token.kind == "letter" or self.token.kind == "command"):
            return self.decorated(Symbol("Δ"))
        symbol = self.name()
        return Symbol(f"Δ{symbol.base}", symbol.font, symbol.label, symbol.below, symbol.primes)


def parts_of(tokens: Tokens) -> tuple[Part, ...]:
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
    if (
        tokens
        and tokens[0].kind == "command"
        and (tokens[0].text in FONTS or tokens[0].text in ACCENTS or tokens[0].text in WIDE)
    ):
        inside, end = group(tokens, 1)
        if end == len(tokens):
            base, font = _base(inside)
            if tokens[0].text in FONTS:
                return base, FONTS[tokens[0].text]
            return f"{base}_{WIDE.get(tokens[0].text, tokens[0].text)}", font
    if not tokens or not all(t.kind in ("letter", "number") or t.text in GREEK_NAMES for t in tokens):
        raise UnreadError("what stands in a font or below an accent is no name", written(tokens))
    return "".join(GREEK_NAMES[t.text] if t.kind == "command" else t.text for t in tokens), ""
