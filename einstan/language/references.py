# What a task waits for comes back as Any.
# mypy: disable-error-code="no-any-return"
r"""Tensors as they are spelled: a name, its label and its slots, in brackets or as LaTeX's subscript.

    reference   name [ label ] slots [ label ]
    label       ^(2) | ^{(2)} | ^{(l-1)} | ^{[l]}
    slots       [ expression , ... ]  |  _{ expression , ... }  |  _i

A label belongs to the name of a tensor: ``Z^(2)[i,j]`` (no blanks, a slot bracket behind it) and ``Z^{(2)}_{i,j}``;
``x^(2)`` without slots stays a power, unless numbers may count layers there (`layers`); ``x^{(2)}`` in LaTeX's braces
is always a label.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NoReturn

from einstan.language.cursor import CLOSING, Cursor
from einstan.language.foreign import slots_again
from einstan.language.glued import alphabets, one_name
from einstan.language.greek import sum_sign
from einstan.language.index import is_capital
from einstan.language.limits import without_limits
from einstan.language.misread import bold
from einstan.language.own import visible
from einstan.language.surface import BINDERS, CALLABLE, RESERVED, Expression, Number, Ref, Task, alone, only_part
from einstan.language.tokens import Token, respelled
from einstan.language.typeset import labels_in_names
from einstan.language.unknown import INSTEAD, unknown_call


class References(Cursor):
    """The rules for one tensor."""

    def reference(self) -> Task[Ref]:
        token = self.advance()
        name = token.text + self.numbered(token) + self.label(slots_follow=True)
        bracketed = self.at("[") or name in INSTEAD
        slots = yield self.slots()
        if token.raw and name[:1] in ("Σ", "Π") and self.sums(slots) and self.at("("):
            raise sum_sign(self.text, token, self.last_end, self.sums(slots))
        if slots and bracketed and self.at("(") and self.token.glued:
            raise unknown_call(self.text, (token.start, token.end), name, self.token.start, (*CALLABLE, *visible()))
        if slots and bracketed and self.at("[") and self.token.glued:
            raise slots_again(self.text, self.tokens, self.position)
        if slots and not bracketed and self.at("(") and self.token.glued:
            self.refuse_value_at(token)
        if self.at("^") and self.ahead(1).text == "{":
            name += self.label(slots_follow=False)
        if name.endswith(")") and not slots and self.at("(") and self.token.glued:  # f^{(2)}(x)
            self.refuse_value_at(token)
        if (
            token.raw
            and name[:1] in ("Σ", "Π")
            and (not slots or (self.sums(slots) and (not bracketed or self.at("("))))
        ):
            raise sum_sign(self.text, token, self.last_end, self.sums(slots))
        if token.bold and not slots:
            raise bold(self.text, token, name)
        found = Ref((token.start, self.last_end), name, slots)
        if not slots:
            self.scalars.append(found)
        return found

    def refuse_value_at(self, name: Token) -> None:
        """``E_e(x)``, which is the value at x of what has this name; nobody writes a product with x so."""
        found = _ARGUMENT.match(self.text, self.token.start)
        if found is None or self.ahead(1).text in (*CALLABLE, *RESERVED):
            return
        written, before, behind = (
            self.text[name.start : self.last_end],
            self.text[: name.start],
            self.text[found.end() :],
        )
        apart = " " if behind[:1].isalnum() else ""
        readings = (f"{before}{written}{apart}{behind}", f"{before}{written} * {found[1]}{apart}{behind}")
        problem = f"{written}({found[1]}) is a value at {found[1]}, or a product"
        self.fail(problem, (name.start, found.end()), readings)

    def numbered(self, token: Token) -> str:
        r"""``\epsilon_0`` is a name, as ``q_0`` is, where the letter has nothing but numbers below it."""
        if token.raw or token.bold or not (self.at("_") and self.ahead(1).kind == "number"):
            return ""
        here = [k for k, other in enumerate(self.tokens) if other.text == token.text]
        if not all(self.tokens[k + 1].text == "_" and self.tokens[k + 2].kind == "number" for k in here):
            return ""
        self.position += 2
        return f"_{self.tokens[self.position - 1].text}"

    @staticmethod
    def sums(slots: tuple[Expression, ...]) -> bool:
        """Whether subscripts are capitals alone, as below a sum sign."""
        parts = [only_part(slot) for slot in slots]
        return bool(parts) and all(isinstance(part, Ref) and is_capital(str(part.name)) for part in parts)

    def label(self, slots_follow: bool) -> str:
        """``^(2)`` directly behind a name and before its slots, or LaTeX's ``^{(2)}``, ``^{(l-1)}`` and ``^{[l]}``."""
        if not self.at("^"):
            return ""
        if slots_follow and self.token.glued and self.ahead(1).text == "(":
            inside, length = self.layer(2)
            closing, behind = self.ahead(2 + length), self.ahead(3 + length)
            glued = all(self.ahead(k).glued for k in range(1, 4 + length))
            if inside and glued and closing.text == ")" and behind.text in ("[", "_") and behind.kind == "mark":
                self.position += 3 + length
                return f"^({inside})"
        if self.ahead(1).text == "{" and self.ahead(2).text in ("(", "["):
            inside, length = self.layer(3)
            if (
                inside
                and self.ahead(3 + length).text == CLOSING[self.ahead(2).text]
                and self.ahead(4 + length).text == "}"
            ):
                self.position += 5 + length
                return f"^({inside})"
        return ""

    def layer(self, distance: int) -> tuple[str, int]:
        """What a label holds, and how many tokens it has: ``2``, ``l``, ``l-1``."""
        first, sign, second = (self.ahead(distance + k) for k in range(3))
        if first.kind not in ("name", "number"):
            return "", 0
        if sign.text in ("+", "-") and second.kind in ("name", "number"):
            return f"{first.text}{sign.text}{second.text}", 3
        return first.text, 1

    def slots(self) -> Task[tuple[Expression, ...]]:
        """What stands in ``[...]``, ``_{...}`` or ``_i``; nothing where there is no bracket."""
        if self.take("_"):
            if not self.at("{"):
                token = self.advance()
                span = (token.start, token.end)
                if token.kind == "name" and token.text in RESERVED:
                    self.refuse_word(token, "an index")
                if token.kind == "name" and len(token.text) > 1 and token.raw and token.text.isascii():
                    self.refuse_letters(token)
                if token.kind == "name":
                    return (alone(Ref(span, token.text)),)
                if token.kind == "number" and len(token.text) > 1:
                    self.refuse_digits(token)
                if token.kind == "number":
                    return (alone(Number(span, Fraction(token.text))),)
                self.position -= token.kind != "end"
                self.refuse_trailing()
            opening = self.enter()
            subscript = True
        elif self.at("["):
            opening = self.enter()
            subscript = False
        else:
            return ()
        found = []
        while True:
            if self.at("]", "}", ","):
                self.fail("a slot is empty", (opening.start, self.token.end), "a scalar is written without brackets: L")
            token, behind = self.token, self.ahead(1)
            ends = behind.kind == "mark" and behind.text in (",", "]")
            if ends and not subscript and token.kind == "name" and token.text not in RESERVED:
                if not token.text.isascii() and token.raw and (letters := alphabets(token.text)):
                    spelled = (",".join(letters), one_name(token.text))
                    lines = tuple(respelled(self.text, token.text, each) for each in spelled)
                    self.fail(f"{token.text} is one index, or {' and '.join(letters)}", None, lines)
                self.position += 1  # an index alone, as nearly all slots are
                found.append(alone(Ref((token.start, token.end), token.text)))
                if not self.take(","):
                    break
                continue
            beside = subscript and token.kind == "name" and behind.kind == "name" and self.ahead(2).text in (",", "}")
            if beside and len(token.text) == len(behind.text) == 1:  # y_{i j}
                repair = _PARTED.sub(lambda found: f"_{{{','.join(_EACH.findall(found[1]))}}}", self.text)
                self.fail("indices are parted by commas", (token.start, behind.end), repair)
            if subscript and len(token.text) > 1 and token.text.isupper() and not token.raw and behind.text == "}":
                self.fail(f"{token.text} is no index", None, self.labelled())
            if subscript and self.is_run_of_letters():
                several = _LETTERS.sub(lambda found: f"_{{{','.join(found[1])}}}", self.text)
                several = several if several != self.text else f"several indices are written {','.join(token.text)}"
                capital = self.on_left and token.text.isupper()  # D_{KL}
                readings = [*([] if capital else [several]), f"one index is written \\mathrm{{{token.text}}}"]
                readings += [self.labelled()] if len(token.text) > 2 or token.text.isupper() else []
                self.fail(f"the subscript {token.text} is one index or several", None, tuple(readings))
            if subscript and token.kind == "name" and token.text in (*BINDERS, *CALLABLE) and behind.text == "}":
                self.fail(f"{token.text} is no index", None, self.labelled())
            if subscript and token.kind == "number" and self.is_run_of_digits():
                self.refuse_digits(token)
            found.append((yield self.expression()))
            if self.at("=") and (subscript or self.tokens[self.position - 3].text in ("sum", "prod", "mean")):
                self.fail("a sum runs over the whole axis and has no limits", None, without_limits(self.text))
            if not self.take(","):
                break
        self.close()
        return tuple(found)

    def labelled(self) -> str:
        """``V_max`` for ``V_{max}``."""
        line = labels_in_names(self.text)
        return line if line != self.text else "a label is part of the name: V_max"

    def refuse_trailing(self) -> NoReturn:
        """``x_[i]``, as Python's programmers tell a name from a word of the language, and ``x_*``."""
        name, mark = self.tokens[self.position - 2], self.tokens[self.position - 1]
        if self.at("*", "+", "-") and self.token.glued and name.kind == "name" and self.starred():
            start, end = name.start, self.token.end
            word = {"*": "star", "+": "plus", "-": "minus"}[self.token.text]
            written = self.text[start:end]
            repair = self.text.replace(written, f"{name.text}_{word}")
            self.fail("a mark below the line is part of a name", (start, end), repair)
        if name.kind != "name" or self.token.kind == "command" or self.at("_"):
            self.unexpected()
        repair = re.sub(rf"(?<!\w){re.escape(name.text)}_(?!\w)", f"{name.text}1", self.text)
        self.fail("a name does not end with _", (name.start, mark.end), repair)

    def starred(self) -> bool:
        """Whether the sign here ends a name, and has no operand behind it."""
        behind = self.ahead(1)
        return not behind.glued or behind.kind == "end" or behind.text in (")", "]", "}", ",")

    def is_run_of_letters(self) -> bool:
        """Whether a subscript is spelled like ``ij``, which is one name here and two indices in papers."""
        token = self.token
        if token.kind != "name" or not token.raw:
            return False
        written = token.text.isascii() or bool(alphabets(token.text))
        return written and sum(map(str.isalpha, token.text)) > 1 and self.ahead(1).text in (",", "}")

    def is_run_of_digits(self) -> bool:
        """Whether a slot of a subscript is spelled like ``12`` or ``2i``, which may be two slots."""
        name = self.ahead(1)
        if name.kind == "name" and name.glued:
            return self.ahead(2).text in (",", "}")
        return self.token.text.isdigit() and len(self.token.text) > 1 and name.text in (",", "}")

    def refuse_letters(self, token: Token) -> None:
        r"""``\alpha_ij`` and ``\sum_mX_{m}``, where TeX's subscript is one letter; ``\alpha_i1`` has an index i1."""
        if not token.text[1].isalpha():
            return
        before, behind = self.text[: token.start], self.text[token.start + 1 :]
        repairs = [f"{before}{{{token.text[0]}}} {behind}"]
        if token.text.isalpha() and len(token.text) < 4 and self.tokens[self.position - 3].text not in BINDERS:
            repairs.insert(0, f"{before}{{{','.join(token.text)}}}{self.text[token.end :]}")
        self.fail(f"the subscript {token.text} is one letter to TeX", (token.start, token.end), tuple(repairs))

    def refuse_digits(self, token: Token) -> NoReturn:
        """``A_{11} A_{22} - A_{12} A_{21}``: the others of the text are meant as this one is."""
        slot = re.compile(r"(\d+[^\W\d_]?\w*)").match(self.text, token.start)
        if slot is None:  # ½
            self.fail("a subscript is an index", (token.start, token.end))
        if self.on_left and slot[1].isdigit() and "/" not in self.text[: slot.start()]:  # RT_{60}
            name = re.sub(r"_(?:\{(\d+)\}|(\d+))", r"\1\2", self.text)
            self.fail(f"{slot[1]} is part of the name, and no entry is defined alone", slot.span(1), name)
        self.fail(
            f"the subscript {slot[1]} is one slot or several", slot.span(1),
            (_SUBSCRIPT.sub(_several, self.text), _SUBSCRIPT.sub(_one, self.text)),
        )  # fmt: skip


_LETTERS = re.compile(r"_\{([^\W\d_]{2,})\}")
_ARGUMENT = re.compile(r"\(\s*(\\?[^\W\d_][^\W_]*(?:_\w|_\{[^{}]*\}|\[[^\[\]]*\])?)\s*\)")
_PARTED = re.compile(r"_\{\s*(\w(?:\s+\w)+|(?:\\[A-Za-z]+\s*|\w(?!\w)\s*){2,})\}")
_EACH = re.compile(r"\\[A-Za-z]+|\w")
_SUBSCRIPT = re.compile(r"_(?:\{([\w\s,]*)\}|(\d\d+))")
_DIGITS = re.compile(r"(?<!\w)(\d+)([^\W\d_]\w*)?(?!\w)")


def _several(found: re.Match[str]) -> str:
    """``_{2i,13}`` as ``_{2,i,1,3}``."""
    slots = (found[1] or found[2] or "").split(",")
    parts = [
        [*slot[1], *([slot[2]] if slot[2] else [])] if (slot := _DIGITS.fullmatch(each.strip())) else [each]
        for each in slots
    ]
    return f"_{{{','.join(part for each in parts for part in each)}}}"


def _one(found: re.Match[str]) -> str:
    """``_{2i,13}`` as ``[2i,13]``; what has no digits to tell apart stays."""
    inside = found[1] or found[2] or ""
    return f"[{inside}]" if any(len(each[0]) > 1 for each in _DIGITS.finditer(inside)) else found[0]
