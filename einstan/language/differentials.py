r"""What looks like a derivative and would be a product with a number d: refused, with the derivative to write.

d l/d x[n], d/dx[n] l                           dl/dx[n]
d log(f)/dx, d(x^2)/dx, ∂(x^2)/∂x, dlog(f)/dx    g = log(f), and dg/dx in a line behind it
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NoReturn

from einstan.language.index import is_capital
from einstan.language.references import References
from einstan.language.surface import CALLABLE, RESERVED, looks_like_derivative
from einstan.language.threads import cached_property
from einstan.language.typeset import plain_name


class Differentials(References):
    """Refuses them; ``around`` are the tensors of the program around the text."""

    def __init__(self, text: str, around: Collection[str] = ()) -> None:
        super().__init__(text)
        self.around = around

    @cached_property
    def known(self) -> frozenset[str]:
        """The names of the program and of the text; many in a long program, so they are joined only when asked for."""
        return frozenset(self.around) | {token.text for token in self.tokens if token.kind == "name"}

    def means_derivative(self, above: str, below: str) -> bool:
        """Whether the names leave no other reading.  Where T is a tensor of the program, ``dT`` is none of its own, so
        that ``dT/dspeed[i]`` is a derivative unless something else is called dspeed."""
        if looks_like_derivative(above, (below,), self.known):
            return True
        return above in self.around and f"d{below}" not in self.around

    def refuse_differential(self) -> None:
        """Refuse what begins with the d or ∂ here, unless a tensor d or an index d is in the text."""
        token = self.token
        pairs = zip(self.tokens, self.tokens[1:], strict=False)
        if any(one.text == "d" and one.kind == "name" and two.text in ("[", "_") for one, two in pairs):
            return
        if token.text not in ("d", "partial") and token.text[1:] not in CALLABLE:
            return
        self.refuse_of_expression()
        if token.text == "d" and not self.is_index("d"):
            self.refuse_apart()
            if not token.raw and self.ahead(1).kind == "name" and _ROMAN.match(self.text, token.start):
                letters = _ROMAN.sub(lambda found: f"d{plain_name(found[1])}", self.text)
                self.fail(
                    f"{token.text} {self.ahead(1).text} is a differential, or a product with a number d",
                    (token.start, self.ahead(1).end), (letters, _ROMAN.sub(r"d \1", self.text)),
                )  # fmt: skip

    def refuse_of_expression(self) -> None:
        """``d log(f)/dx`` and ``\\frac{\\partial \\log(f)}{\\partial x}``; what is a name with its slots is none."""
        token = self.token
        place, depth = self.position + 1, 0
        while self.tokens[place].kind != "end" and self.tokens[place].text != "=":
            text = self.tokens[place].text
            if not depth and (
                text == "/" or text in (")", "]", "}", ",") or (text in ("+", "-") and place > 1 + self.position)
            ):
                break
            depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
            place += 1
        braced = self.tokens[place].text == "}" and self.tokens[place + 1].text == "{"
        if not braced and self.tokens[place].text != "/":
            return
        begin = token.start + 1 if token.text[1:] in CALLABLE else token.end
        above = self.text[begin : self.tokens[place].start].strip()
        first = self.tokens[place + 1 + braced]
        apart = first.text in ("d", "partial")
        below = self.tokens[place + 2 + braced] if apart else first
        name = below.text if apart else below.text[1:]
        if below.kind != "name" or not name or above.startswith(("^", "²", "³")) or f"d{name}" in self.around:
            return
        if not apart and not (first.text[0] == "d" and self.means_derivative("l", name)):
            return
        after = self.behind(place + 1 + braced + apart - self.position)
        end = self.ahead(after - 1).end
        under = self.text[below.start + (not apart) : end]
        start, end = token.start, self.ahead(after).end if braced else end
        if braced:
            start = self.tokens[self.position - 2].start
        distance, stop = 1, place - self.position
        if above and self.is_named(1, stop):
            return
        if not above:
            bracketed = self.tokens[self.position - 1].text == "(" and self.ahead(after + braced).text == ")"
            if not self.operand(after + braced + bracketed):
                return
            distance = after + braced + bracketed
            stop = self.product_end(distance)
            end = self.ahead(stop - 1).end
            above = self.text[self.ahead(distance).start : end]
            start = self.tokens[self.position - 1].start if bracketed else start
        before, rest = "", above
        if not self.is_named(distance, stop):
            given = next(letter for letter in ("g", "h", "f1", "g1", "h1", "g_1") if letter not in self.known)
            slots = ",".join(name for name in dict.fromkeys(_LETTERS.findall(above)) if not is_capital(name))
            rest = f"{given}[{slots}]" if slots else given
            before = f"{rest} = {_unwrapped(above)}\n"
        spelled = f"{before}{self.text[:start]}∂{rest}/∂{under}{self.text[end:]}"
        if token.text == "partial":
            self.fail(f"{self.text[start:end]} is a derivative of what has no name", (start, end), spelled)
        self.fail(
            f"{self.text[start:end]} is a derivative, or a product with a number d", (start, end),
            (spelled, "another name for a number, such as d0"),
        )  # fmt: skip

    def product_end(self, distance: int) -> int:
        """Where the product ends that begins so far ahead."""
        depth = 0
        while (token := self.ahead(distance)).kind != "end":
            if not depth and (token.text in ("+", "-", "=", ",", ")", "]", "}", "where")):
                break
            depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
            distance += 1
        return distance

    def is_named(self, distance: int, stop: int) -> bool:
        """Whether a tensor with its label and slots is all that stands between two distances."""
        token = self.ahead(distance)
        if token.kind != "name" or token.text in RESERVED or self.behind(distance) != stop:
            return False
        texts = [self.ahead(k).text for k in range(distance, stop)]
        if "^" not in texts:
            return all(self.ahead(k).kind != "power" for k in range(distance, stop))
        behind = texts[texts.index("^") + 1 :]
        return behind[:2] in (["{", "("], ["{", "["]) or (behind[0] == "(" and ("[" in behind or "_" in behind))

    def refuse_apart(self) -> None:
        """Refuse ``d l/d x[n]``, where a number d would be multiplied and divided by; the cursor is at the d above."""
        begin, above = self.token, self.ahead(1)
        if above.kind != "name":
            return
        line = self.behind(1)
        braced = self.ahead(line).text == "}" and self.ahead(line + 1).text == "{"
        if not braced and self.ahead(line).text != "/":
            return
        first = self.ahead(line + 1 + braced)
        if first.kind != "name" or not first.text.startswith("d"):
            return
        apart = first.text == "d"  # d l/d x, and not d l/dx
        last = line + 1 + braced + apart
        below = self.ahead(last)
        name = below.text if apart else below.text[1:]
        if below.kind != "name" or not name or below.text == "where":
            return
        if not apart and not self.means_derivative(above.text, name):
            return
        end = self.ahead(self.behind(last) - 1).end
        numerator = self.text[above.start : self.ahead(line - 1).end]
        denominator = self.text[below.start : end] if apart else name + self.text[below.end : end]
        if braced:
            start, end = self.tokens[self.position - 2].start, self.ahead(self.behind(last)).end
            self.refuse_written(start, f"\\frac{{\\partial {numerator}}}{{\\partial {denominator}}}", end)
        plain = self.on_left or looks_like_derivative(above.text, (name,), frozenset(self.around))
        sign = "d" if plain and numerator[0].isalpha() and denominator[0].isalpha() else "∂"
        self.refuse_written(begin.start, f"{sign}{numerator}/{sign}{denominator}", end)

    def behind(self, distance: int) -> int:
        """How far ahead the name ends that stands ``distance`` ahead, with its slots, subscripts and label."""
        depth, distance = 0, distance + 1
        while self.ahead(distance).kind != "end":
            token, before = self.ahead(distance), self.ahead(distance - 1).text
            opens = token.text in ("[", "{", "(") and (depth or token.text == "[" or before in ("_", "^"))
            if not depth and not opens and token.text not in ("_", "^") and before not in ("_", "^"):
                break
            depth += bool(opens) - (token.text in ("]", "}", ")"))
            distance += 1
        return distance

    def operand(self, distance: int) -> bool:
        """Whether something follows there that an operator could stand in front of."""
        token = self.ahead(distance)
        return (token.kind in ("name", "command") and token.text != "where") or token.text == "("

    def refuse_written(self, start: int, spelled: str, end: int) -> NoReturn:
        self.fail(
            f"{self.text[start:end]} is a derivative, or a product with a number d", (start, end),
            (f"{self.text[:start]}{spelled}{self.text[end:]}", "another name for a number, such as d0"),
        )  # fmt: skip


_LETTERS = re.compile(r"(?:(?<=[\[,_])|(?<=_\{))\s*([^\W\d_][^\W_]*)(?=\s*[,\]}]|(?<=_.)\b)")
_ROMAN = re.compile(r"\\(?:mathrm|text|rm|operatorname)\s*\{\s*d\s*\}\s*(\\?[^\W\d_]+)")  # \mathrm{d}x


def _unwrapped(text: str) -> str:
    """A text without the brackets around all of it."""
    inside = text[1:-1]
    return inside if text[0] == "(" and text[-1] == ")" and "(" not in inside else text
