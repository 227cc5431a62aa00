r"""Names as they are set: fonts, accents, labels, primes and subscripts, differentials and differences."""

from __future__ import annotations

from itertools import pairwise

from einstan.language.commands import WIDE
from einstan.papers.cursor import Cursor
from einstan.papers.labels import named, text_of, worded
from einstan.papers.problem import UnreadError
from einstan.papers.sides import depths_of
from einstan.papers.signs import (
    ACCENTS,
    ENGLISH,
    FONTS,
    FUNCTIONS,
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

    def refuse_words(self) -> None:
        """Letters side by side that spell a function, ``log x``, or that nobody has declared: TeX sets a product."""
        before = self.tokens[self.k - 1] if self.k else None
        run = [self.token]
        while self.ahead(len(run)).kind == "letter" and self.ahead(len(run)).start == run[-1].end:
            run.append(self.ahead(len(run)))
        word = "".join(token.text for token in run)
        if len(run) < 2 or any(len(token.text) > 1 for token in run):
            return
        if before is not None and before.kind == "letter" and before.end == run[0].start and before.line == run[0].line:
            return  # in the middle of it
        brackets = self.ahead(len(run)).is_mark("(", "[") or self.ahead(len(run)).is_command("{")
        spelled = word if word in (*FUNCTIONS, "det", "tr", "arg", "softmax", "sigmoid", "relu", "ReLU") else word[:3]
        if (len(spelled) > 2 and spelled in (*FUNCTIONS, "det", "softmax", "sigmoid", "relu", "ReLU")) or (
            brackets and spelled in (*FUNCTIONS, "tr")
        ):
            typed = rf"\{spelled}" if spelled in (*FUNCTIONS, "det") else rf"\operatorname{{{spelled}}}"
            said = f"{spelled} in letters is a product of them, or the function"
            raise self.fail(said, (f"{typed}{word[len(spelled) :]}", " ".join(word)))
        known = [*self.header.axes, *self.header.extents, *self.header.uppers, *self.header.functions, "d", "e"]
        known += [naming.sign.base for naming in self.header.namings]
        if word not in self.header.values and not any(token.text in known for token in run):
            said = f"{word} is one name, or a product of letters that nobody declared"
            raise self.fail(said, (HEAD + f"word {word}", HEAD + f"given {', '.join(dict.fromkeys(word))}"))

    def name(self) -> Symbol:
        base, font = self.base()
        return self.decorated(Symbol(base, font))

    def name_only(self) -> Symbol:
        if self.token.kind == "letter" or (
            self.token.kind == "command"
            and any(self.token.text in names for names in (GREEK_NAMES, FONTS, ACCENTS, WIDE))
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
                inside, end = group(self.tokens, self.k + 1)
                words, below = self.words(parts_of(inside))
                if not (below or words):
                    raise self.fail("a subscript is empty", "x_{i}")
                self.k = end
                for word in words:
                    base, label = named(base, label, word)
            elif self.at("'") and not primes and Symbol(base, "", label).name not in self.header.transposed:
                while self.take("'"):
                    primes += 1
            elif self.at("^") and (found := self.label()):
                raised = group(self.tokens, self.k + 1)[0]
                there = Symbol(base, symbol.font, label, below, primes)
                labelled = Symbol(base, symbol.font, found[0], below, primes)
                bare = bool(found[0]) and not (raised[0].is_mark("(", "[") or raised[0].is_command("langle"))
                if bare and self.header.is_number_symbol(there) and not self.header.is_number_symbol(labelled):
                    exponent = written(raised)
                    raise self.fail(
                        f"{there} is a number: ^{exponent} is a power of it, or a label",
                        (rf"({there.typed})^{{{exponent}}}", HEAD + rf"given {there.typed}^{{({exponent})}}"),
                    )
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

    def words(self, parts: tuple[Part, ...]) -> tuple[list[str], tuple[Part, ...]]:
        r"""What of a subscript belongs to the name, ``\text{max}``, ``\mathcal{B}``, ``t-1`` where t is a label, and
        what is an index."""
        words: list[str] = []
        below: list[Part] = []
        for part in parts:
            word = worded(part)
            if not word and self.is_label(part):
                word = text_of(part)
            (words if word else below).append(word or part)  # type: ignore[arg-type]
        return words, tuple(below)

    def is_label(self, tokens: Tokens) -> bool:
        """Whether it is made of letters that a comment calls labels."""
        bare = [token for token in tokens if not token.is_mark("{", "}", "|") and not token.is_command("mid", "vert")]
        angled = len(bare) > 2 and bare[0].is_command("langle") and bare[-1].is_command("rangle")
        inside = bare[1:-1] if angled else bare
        letters = self.header.label_letters
        if written(tokens) in letters:
            return True
        fits = [text_of([t]) in letters or t.is_mark("+", "-") or t.text.isdigit() for t in inside]
        return angled or (all(fits) and any(text_of([t]) in letters for t in inside))

    def label(self) -> tuple[str, str, int] | None:
        """What stands above a name as a label or as a mark of it, and the place behind."""
        inside, end = group(self.tokens, self.k + 1)
        if (len(inside) == 1 and inside[0].is_command("star", "ast")) or (len(inside) == 1 and inside[0].is_mark("*")):
            return "", "star", end
        ends = "".join(token.text for token in (*inside[:1], *inside[-1:]))
        if len(inside) > 2 and ends in ("()", "[]") and all(depths_of(inside)[1:-1]):  # (a + b) (c) is a product
            return text_of(inside[1:-1]), "", end
        if inside and self.is_label(inside):
            return text_of(inside), "", end
        word = worded(tuple(inside))
        if len(word) > 1:
            return "", word, end
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
            raise self.fail("the gradient with respect to a difference", r"\frac{\partial L}{\partial \Delta x}")
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
            raise self.fail("Δ in front of a bracket", "a difference: f(x + h) - f(x), each with a name of its own")
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
        raise UnreadError(
            "what stands in a font or below an accent is no name",
            written(tokens),
            r"\hat{x}_i for \hat{x_i}, or a sign of its own: \newcommand{\xi}{...}",
        )
    return "".join(GREEK_NAMES[t.text] if t.kind == "command" else t.text for t in tokens), ""
