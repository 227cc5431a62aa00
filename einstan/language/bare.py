"""Functions without brackets, as papers write them: ``log p[n]``, ``exp -x``, ``sin^2 t``; what may be meant, to paste.

It is made of the tokens alone, since what follows may be refused itself: ``exp x[i] / sum[J](exp x[J])``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from einstan.language.tokens import Token

MOST = 100  # functions in a text that is written out
OPENING = {"(": ")", "[": "]", "{": "}", "|": "|", "\\left|": "\\right|"}


def with_brackets(text: str, tokens: Sequence[Token], place: int, is_function: Callable[[str], bool]) -> list[str]:
    """The text with brackets around what the function at ``place`` may be of: what follows directly, without its power
    and with it, or all of the product."""
    if sum(token.kind == "name" and is_function(token.text) for token in tokens) > MOST:
        return []
    reader = _Reader(text, tokens, is_function)
    start, power = reader.power(place + 1)
    atom = reader.atom(reader.signs(start))
    if atom == reader.signs(start):
        return []
    ends = dict.fromkeys((atom, reader.factor(start), reader.product(start)))
    written = (f"{reader.applied(place, start, end)}{power}{reader.bracketed(end, len(tokens) - 1)}" for end in ends)
    return list(dict.fromkeys(f"{text[: tokens[place].start]}{each}" for each in written))


class _Reader:
    """Where parts of a text end, as places among its tokens."""

    def __init__(self, text: str, tokens: Sequence[Token], is_function: Callable[[str], bool]) -> None:
        self.text, self.tokens, self.is_function = text, tokens, is_function

    def at(self, place: int, *marks: str) -> bool:
        return self.tokens[place].kind == "mark" and self.tokens[place].text in marks

    def is_bare(self, place: int) -> bool:
        token = self.tokens[place]
        return token.kind == "name" and self.is_function(token.text) and not self.at(place + 1, "(", "[", "_")

    def signs(self, place: int) -> int:
        while self.at(place, "+", "-"):
            place += 1
        return place

    def power(self, place: int) -> tuple[int, str]:
        """Behind a power that a function has itself, ``sin^2 t``, and that power."""
        if self.tokens[place].kind == "power":
            return place + 1, f"^{self.tokens[place].text}"
        if not self.at(place, "^"):
            return place, ""
        end = self.exponent(place + 1)
        return end, self.slice(place, end)

    def exponent(self, place: int) -> int:
        """Behind what stands in a power: ``2`` of ``sin^2(t)``."""
        place = self.signs(place)
        end = place + 1 if self.tokens[place].kind in ("name", "number") else self.atom(place)
        return self.closed(end) if self.at(end, "[") and self.tokens[end].glued else end

    def atom(self, place: int) -> int:
        """Behind a number, a name with its slots and brackets, a bracket, or a function with what follows it."""
        if self.is_bare(place):
            return self.factor(self.power(place + 1)[0])
        kind = self.tokens[place].kind
        if kind == "mark" and self.tokens[place].text in OPENING:
            return self.closed(place)
        if kind not in ("name", "number", "command"):
            return place
        if kind == "number" and self.tokens[place + 1].kind == "name" and self.tokens[place + 1].glued:
            return self.atom(place + 1)  # 2θ
        sign = self.tokens[place].big  # which reaches to the end of its term
        place += 1
        while self.at(place, "[", "(", "{", "_") and (self.tokens[place].glued or self.at(place, "_")):
            place = place + 1 if self.at(place, "_") else self.closed(place)
            if self.at(place - 1, "_") and self.tokens[place].kind in ("name", "number"):
                place += 1
        return self.product(place) if sign else place

    def factor(self, place: int) -> int:
        end = self.atom(self.signs(place))
        while self.at(end, "^") or self.tokens[end].kind == "power":
            end = end + 1 if self.tokens[end].kind == "power" else self.exponent(end + 1)
        return end

    def product(self, place: int) -> int:
        end = self.factor(place)
        while True:
            token = self.tokens[end]
            behind = end + 1 if self.at(end, "*", "/") else end
            starts = token.kind in ("name", "number", "command") or self.at(end, "*", "/", "(", "|", "\\left|")
            further = self.factor(behind) if starts and token.text != "where" else end
            if further <= behind:
                return end
            end = further

    def closed(self, place: int) -> int:
        """Behind the bracket that opens here."""
        waiting = [OPENING[self.tokens[place].text]]
        place += 1
        while waiting and self.tokens[place].kind != "end":
            text = self.tokens[place].text
            if text == waiting[-1]:
                waiting.pop()
            elif self.tokens[place].kind == "mark" and text in OPENING:
                waiting.append(OPENING[text])
            place += 1
        return place

    def slice(self, start: int, end: int) -> str:
        return self.text[self.tokens[start].start : self.tokens[end - 1].end] if end > start else ""

    def applied(self, place: int, start: int, end: int) -> str:
        inside = self.bracketed(start, end).strip()
        whole = self.at(start, "(", "{") and self.closed(start) == end
        if whole and self.at(start, "{"):
            inside = f"({inside[1:-1]})"
        return f"{self.slice(place, place + 1)}{inside if whole else f'({inside})'}"

    def bracketed(self, start: int, end: int) -> str:
        """A part of the text, in which every function has brackets around what follows it."""
        return "".join(self.pieces(start, end))

    def pieces(self, start: int, end: int) -> Iterator[str]:
        before = self.tokens[start - 1].end if start else 0
        place = start
        while place < end:
            if self.is_bare(place):
                inner, power = self.power(place + 1)
                behind = min(self.factor(inner), end)
                if behind > inner:
                    yield self.text[before : self.tokens[place].start] + self.applied(place, inner, behind) + power
                    place, before = behind, self.tokens[behind - 1].end
                    continue
            place += 1
        yield self.text[before : self.tokens[end - 1].end if end < len(self.tokens) - 1 else len(self.text)]
