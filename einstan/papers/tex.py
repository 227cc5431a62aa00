r"""TeX's tokens, each with the line on which it stands, and its macros without arguments put in.

\frac{1}{N} x_i     command frac, open, number 1, close, open, letter N, close, letter x, mark _, letter i
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from einstan.papers.signs import FONTS

_TOKEN = re.compile(
    r"(?P<space>\s+)|\\(?P<command>[A-Za-z]+|\S|\s)\*?"
    r"|(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)|(?P<letter>[^\W\d_])|(?P<mark>.)",
    re.DOTALL,
)
_OF_POWERS = re.compile(r"(?P<number>[\d.]+)|(?P<letter>[eE])|(?P<mark>[+-])")  # of 1.5e-3
MOST = 20_000  # tokens of a formula, with its macros put in


@dataclass(frozen=True)
class Token:
    """``kind`` is command, number, letter, mark or end."""

    kind: str
    text: str
    line: int = field(compare=False)  # the same wherever it stands
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)

    def is_mark(self, *texts: str) -> bool:
        return self.kind == "mark" and self.text in texts

    def is_command(self, *texts: str) -> bool:
        return self.kind == "command" and self.text in texts

    def __str__(self) -> str:
        return f"\\{self.text}" if self.kind == "command" else self.text


Tokens = Sequence[Token]


@dataclass(frozen=True)
class Macro:
    """What a command of the text stands for: tokens, with ``#1`` and its like for its arguments."""

    body: Tokens
    arguments: int = 0
    first: Tokens | None = None  # the first argument where a call has none in brackets


def tokens_of(text: str, line: int = 1, macros: Mapping[str, Macro] | None = None) -> list[Token]:
    """The tokens of a text that begins on a line; a macro's stand where it was called."""
    return list(_expanded(_tokens(text, line), macros or {}))


def _tokens(text: str, line: int) -> Iterator[Token]:
    """The tokens of a text; TeX takes one digit where braces lack, so ``\\frac12`` is a half and ``x^12`` is x^1 2."""
    single = 0
    for found in _found(text):
        kind = found.lastgroup or "mark"
        if kind != "space":
            written = found[kind]
            start = found.start()
            while kind == "number" and single and len(written) > 1 and written[0].isdigit():
                yield Token(kind, written[0], line, start, start + 1)
                written, single, start = written[1:], single - 1, start + 1
            yield Token(kind, " " if written.isspace() else written, line, start, found.end())
            single = (
                _TAKES.get(written, 0) if kind in ("command", "mark") else max(single - 1, 0) if kind == "number" else 0
            )
        line += found[0].count("\n")


def _found(text: str) -> Iterator[re.Match[str]]:
    """The tokens of a text; of ``x^2e-3`` and ``\\frac12e3`` the digits are one number each, which no e continues."""
    for found in _TOKEN.finditer(text):
        behind = _SINGLE.search(text, 0, found.start()) if found.lastgroup == "number" else None
        if behind and not found[0].replace(".", "").isdigit():
            yield from _OF_POWERS.finditer(text, *found.span())
        else:
            yield found


_SINGLE = re.compile(r"(?:[\^_]|\\[tdc]?frac\s*\d?|\\sqrt)\s*$")
_TAKES = {"frac": 2, "tfrac": 2, "dfrac": 2, "cfrac": 2, "sqrt": 1, "^": 1, "_": 1}


def _expanded(tokens: Iterator[Token], macros: Mapping[str, Macro]) -> Iterator[Token]:
    """The tokens with macros put in.  A macro inside itself stays a command, and so does one that lacks arguments."""
    waiting = [(token, frozenset[str]()) for token in tokens][::-1]  # each with the macros that it came out of
    made = 0
    while waiting:
        token, inside = waiting.pop()
        made += 1
        macro = macros.get(token.text) if token.kind == "command" and token.text not in inside else None
        found = _arguments(waiting, macro) if macro is not None and made < MOST else None
        if macro is None or found is None:
            yield token
            continue
        inside |= {token.text}
        body: list[tuple[Token, frozenset[str]]] = []
        k = 0
        while k < len(macro.body):
            each, behind = macro.body[k], macro.body[k + 1 : k + 2]
            if each.is_mark("#") and behind and behind[0].text.isdigit() and int(behind[0].text) <= len(found):
                body += found[int(behind[0].text) - 1]
                k += 2
                continue
            body.append((replace(each, line=token.line, start=token.start, end=token.end), inside))
            k += 1
        waiting += body[::-1]


def _arguments(
    waiting: list[tuple[Token, frozenset[str]]], macro: Macro
) -> list[list[tuple[Token, frozenset[str]]]] | None:
    """Take the arguments of a macro from what is ahead, each one token or what is in braces."""
    found = []
    if macro.first is not None:
        found.append([(token, frozenset[str]()) for token in macro.first])
        if waiting and waiting[-1][0].is_mark("["):
            close = next((k for k in range(len(waiting) - 1, -1, -1) if waiting[k][0].is_mark("]")), None)
            if close is None:
                return None
            found[0] = waiting[close + 1 : -1][::-1]
            del waiting[close:]
    while len(found) < macro.arguments:
        if not waiting:
            return None
        if not waiting[-1][0].is_mark("{"):
            found.append([waiting.pop()])
            continue
        depth, end = 0, len(waiting) - 1
        while end >= 0:
            depth += waiting[end][0].is_mark("{") - waiting[end][0].is_mark("}")
            if not depth:
                break
            end -= 1
        found.append(waiting[max(end, 0) + 1 : -1][::-1])
        del waiting[max(end, 0) :]
    return found


def written(tokens: Tokens) -> str:
    """Tokens as a text that TeX reads in the same way, with blanks where they were typed."""
    pieces = []
    for token, behind in zip(tokens, [*tokens[1:], Token("end", "", 0)], strict=False):
        apart = token.kind == "command" and token.text.isalpha() and behind.kind == "letter"
        typed = behind.kind != "end" and (behind.start > token.end or behind.line > token.line)
        pieces.append(f"{token} " if apart or typed else str(token))
    return "".join(pieces).strip()


def closing(tokens: Tokens, place: int) -> int:
    """The place of the brace that closes the one at a place; the end where none does."""
    depth = 0
    for k in range(place, len(tokens)):
        depth += tokens[k].is_mark("{") - tokens[k].is_mark("}")
        if not depth:
            return k
    return len(tokens)


def group(tokens: Tokens, place: int) -> tuple[Tokens, int]:
    """What is in the braces at a place, or the one token there, a font with what it sets, and the place behind it."""
    if place < len(tokens) and tokens[place].is_mark("{"):
        end = closing(tokens, place)
        return tokens[place + 1 : end], end + 1
    if place + 1 < len(tokens) and tokens[place].is_command(*FONTS) and tokens[place + 1].is_mark("{"):
        end = closing(tokens, place + 1) + 1
        return tokens[place:end], end
    return tokens[place : place + 1], place + 1


def environment(tokens: Tokens, place: int) -> tuple[str, int, int, int]:
    r"""Of the ``\begin`` at a place: the name, where the inside begins, where it ends, and the place behind its end."""
    name, start = group(tokens, place + 1)
    depth, k = 1, start
    while k < len(tokens):
        if tokens[k].is_command("begin", "end"):
            depth += 1 if tokens[k].text == "begin" else -1
            if not depth:
                return "".join(t.text for t in name).rstrip("*"), start, k, group(tokens, k + 1)[1]
        k += 1
    return "".join(t.text for t in name).rstrip("*"), start, len(tokens), len(tokens)
