r"""Text to tokens, for the bracket spelling and for the LaTeX-like one.

A LaTeX command becomes the token of its plain spelling (``\leq`` is ``<=``, ``\alpha`` is ``α``, ``\mathbf{W}`` is
``W``, ``\hat{y}`` is ``y_hat``); commands that only lay out the page (``\left``, ``\,``) vanish.

A name is a letter followed by letters and digits.  An underscore belongs to it where two or more letters, or digits,
or a slot bracket follow (``y_hat``, ``W_1``, ``W_q[i]``); else it opens a subscript (``b_j``, ``Z_{n,j}``).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from einstan.language.cases import over, set_by_tex
from einstan.language.commands import (
    ABOVE,
    ACCENTS,
    BELOW,
    BOLD,
    COMMANDS,
    EXPECTED,
    FONTS,
    FRACTIONS,
    GREEK,
    HALVES,
    LABELS,
    MARKS,
    MARKS_ABOVE,
    ONES,
    RAISED,
    SIGNED,
    SIGNS,
    SILENT,
    TRANSPOSES,
    WIDE,
    WORDS,
)
from einstan.language.entries import of_matrices, of_rows
from einstan.language.errors import NotationError
from einstan.language.signs import SET_BY_TEX, instead
from einstan.language.typeset import SWITCHES, accented, fonts, labels_in_names, marks_in_names


@dataclass(frozen=True, slots=True)
class Token:
    """``glued`` tells that nothing stands between this token and the one before; ``raw`` that a name is written bare in
    the text, ``bold`` that it is set in bold; ``big`` that it is a sum sign, which reaches to the end of its term."""

    kind: str
    text: str
    start: int
    end: int
    glued: bool = False
    raw: bool = True
    big: bool = False
    bold: bool = False


_RAISED = re.compile(f"[{ABOVE}]+")
_DRAWN = re.compile(r"\\mathbb\s*\{\s*([EV])\s*\}\s*[\[(]\s*([^\W\d_]\w*)\s*[\])]")
_SOLVED = re.compile(r"\s*(\w+)\s*=\s*(\w+)\s*\\\s*(\w+)\s*")
_ROOT = re.compile(rf"([{ABOVE}]+)√(\([^()]*\)|\w+)")
_LOWERED = re.compile(f"[{BELOW}]+")
_NUMBER = re.compile(r"([0-9]+(\.[0-9]+|\.(?![.\w])|\.(?=[eE][+−–-]?[0-9]))?|\.[0-9]+)([eE][+−–-]?[0-9]+)?")
_COMMAND = re.compile(r"\\([A-Za-z]+\*?|.|\n)")
_FONT = re.compile(r"\s*\{((?:[^{}\\]|\\_|\\[A-Za-z]+)*)\}")
_STRETCHED = re.compile(r"\\(left|right)\s*([\[\]])")
_ELL = re.compile(r"\\ell(?![A-Za-z])([ ]+(?=\w)|(?=\d))?")
_L = re.compile(r"(?<![A-Za-z\\])l(?![A-Za-z])")
_ACCENTED = re.compile(r"\s*([^\W\d_]|\\[A-Za-z]+)")
_OPERATED = re.compile(r"\s*(?:_\{[^{}]*\}|_\\?\w+)?\s*(?:\\left|\\[bB]igg?l?)?\s*[\[(]")
_LABEL = re.compile(r"\s*\{[^{}]*\}")
_BEFORE = re.compile(r"\$\$?|\\[\[(]")
_BEHIND = re.compile(r"[.,]?\s*(\$\$?|\\[\])])\s*[.,]?\s*|[.,](\s|\\(tag|label)\s*\{[^{}]*\}|\\(notag|nonumber))*")
LONG = 2000  # letters, more than a person writes in a line
_TAGGED = re.compile(r"(\\(tag|label)\s*\{[^{}]*\}|\\(notag|nonumber)|\s)*$")
_ASSIGNS = re.compile(
    r":=|[←≔≕≝≜≐]|\\(?:leftarrow|gets|coloneqq|coloneq|triangleq|eqdef|doteq|defeq)(?![A-Za-z])|\\(?:stackrel|overset)\s*\{[^=]*\}\s*\{=\}"
)
_AXIS = re.compile(r"\.[0-9]")
_LONG_MARKS = ("**", "<=", ">=", "==", "!=")
_SHORT_MARKS = "[](){},|.=<>+-*/^_"
_ALIGNED = re.compile(r"&\s*(=|[+-]|$|\\|\n)|(?<==)&|(?<=^)&")  # beside what an alignment sets below each other
_ALONE = frozenset("[](){},|+-/")  # with which no longer mark begins


def tokens(text: str) -> list[Token]:
    """The tokens of the text, closed by an ``end`` token."""
    found: list[Token] = []
    position, final = 0, len((_TAGGED.sub("", text) if "\\" in text and len(text) < LONG else text).rstrip()) - 1
    round_ones: list[bool] = []  # of the stretched brackets that are open, whether each is a round one
    while position < len(text):
        letter = text[position]
        if letter in _ALONE and not (position == final and letter == ","):  # nearly half of all tokens
            glued = bool(found) and found[-1].end == position
            found.append(Token("mark", letter, position, position + 1, glued))
            position += 1
            continue
        if letter.isspace() or (letter == "~" and "\\" in text) or (letter == "&" and _ALIGNED.match(text, position)):
            position += 1
            continue
        glued = bool(found) and found[-1].end == position
        if letter in "\\$.," and (end := _set_apart(text, position)):
            position = end
            continue
        bracket = _STRETCHED.match(text, position) if letter == "\\" else None
        if bracket:  # \\left[ a + b \\right]
            mark = _stretched(text, bracket, found, round_ones)
            position = bracket.end()
            found.append(Token("mark", mark, position - 1, position, glued))
            continue
        made, position = _token(text, position)
        if made:
            if made.text in ("_", "^") and found and found[-1].text == "}":
                _unbrace(found)
            found.append(Token(made.kind, made.text, made.start, made.end, glued, made.raw, made.big, made.bold))
            if made.text == "**":
                found[-1] = Token("mark", "^", made.start, made.end, glued)
    return [*found, Token("end", "", len(text), len(text))]


def _unbrace(found: list[Token]) -> None:
    """``{x}_i``, whose braces set nothing."""
    opening = found[-3] if len(found) > 2 else found[-1]
    if opening.text != "{" or found[-2].kind != "name":
        return
    before = found[-4] if len(found) > 3 else None
    if before is not None and (before.text in ("_", "^", "}") or before.kind == "command"):
        return
    if before is None or not (opening.glued and before.kind == "name"):
        found[-3:] = found[-2:-1]


def _set_apart(text: str, start: int) -> int:
    """Where what sets a formula apart ends: dollar signs and ``\\[`` around it, the point or comma behind it."""
    around = _BEFORE.match(text, start) if not text[:start].strip("$ \n\\[(") else None
    ends = _BEHIND.fullmatch(text, start)
    return around.end() if around else (len(text) if ends else 0)


def _stretched(text: str, bracket: re.Match[str], found: list[Token], round_ones: list[bool]) -> str:
    """``\\left[`` opens ``1[...]`` and slots with a comma; elsewhere it is a round bracket, as is the ``\\right]`` to
    it.  Behind a name it may be either, ``k \\left[ a + b \\right]``."""
    if bracket[2] == "]":
        return ")" if round_ones and round_ones.pop() else "]"
    before = found[-1] if found else Token("end", "", 0, 0)
    subscript = len(found) > 1 and found[-2].text == "_"
    named = before.kind == "name" and before.text not in WORDS and not subscript
    if named and (error := _slots_or_product(text, bracket, before)):
        raise error
    round_ones.append(not named and not (before.kind == "number" and before.text == "1"))
    return "(" if round_ones[-1] else "["


def _slots_or_product(text: str, opening: re.Match[str], before: Token) -> NotationError | None:
    depth, inside = 0, ""
    for mark in _STRETCHED.finditer(text, opening.start()):
        depth += 1 if mark[2] == "[" else -1
        if not depth:
            inside = text[opening.end() : mark.start()]
            break
    if "," in inside or depth:
        return None
    head, name, behind = text[: opening.start()].rstrip(), text[before.start : before.end], text[mark.end() :]
    repairs = f"{head} \\left({inside}\\right){behind}", f"{head}[{inside.strip()}]{behind}"
    span = (before.start, mark.end())
    return NotationError(f"{name} has slots here, or is multiplied", text=text, span=span, repair=repairs)


def _token(text: str, start: int) -> tuple[Token | None, int]:
    letter = text[start]
    if letter == "\\":
        return _command(text, start)
    if (letter.isascii() and letter.isdigit()) or (letter == "." and _is_fraction(text, start)):
        matched = _NUMBER.match(text, start)
        assert matched is not None
        written = matched.group()
        digits = written if written.isascii() else re.sub("[−–]", "-", written)  # 1.6e−19
        return Token("number", digits, start, matched.end()), matched.end()
    if letter == "𝟙":
        return Token("number", "1", start, start + 1), start + 1
    if letter in "∑∏":
        return Token("name", {"∑": "sum", "∏": "prod"}[letter], start, start + 1, big=True), start + 1
    if letter in "²³⁴⁵⁶⁷⁸⁹" and (root := _ROOT.match(text, start)) and not re.search(r"[\w)\]}]$", text[:start]):
        order = "".join(RAISED[each] for each in root[1])
        line = f"{text[:start]}{root[2]}^(1/{order}){text[root.end() :]}"
        raise NotationError("a root of another order is a power", text=text, span=root.span(), repair=line)
    if letter in "²³":
        return Token("power", {"²": "2", "³": "3"}[letter], start, start + 1), start + 1
    if letter == "∂":
        return Token("command", "partial", start, start + 1), start + 1
    if letter in HALVES and not text[start - 1 : start].isalpha():
        return Token("number", HALVES[letter], start, start + 1), start + 1
    if letter == "√":
        return Token("name", "sqrt", start, start + 1), start + 1
    if letter in SIGNS:
        return Token("mark", SIGNS[letter], start, start + 1), start + 1
    if text.startswith("d²", start) and text[start + 2 : start + 3].isalpha():
        end = name_end(text, start + 2)
        return Token("name", "d2" + text[start + 2 : end], start, end), end
    if letter.isalpha():
        end = name_end(text, start)
        if is_name(text[start:end]):
            return Token("name", text[start:end], start, end), end
    for mark in _LONG_MARKS:
        if text.startswith(mark, start):
            return Token("mark", mark, start, start + 2), start + 2
    if letter in _SHORT_MARKS:
        return Token("mark", letter, start, start + 1), start + 1
    refuse_assignment(text, start)
    repair: str | tuple[str, ...] = instead(text, letter, start, start + 1)
    if letter in BELOW:
        repair = _LOWERED.sub(lambda found: _in_line(text, found), text)
    elif letter in "⁺⁻" and not (text[start + 1 : start + 2] in ABOVE and text[start + 1 : start + 2]):  # P⁻
        word = {"⁺": "plus", "⁻": "minus"}[letter]
        repair = re.sub(rf"(?<=\w){letter}(?![{ABOVE}])", f"_{word}", text)
    elif letter in ABOVE:
        repair = _RAISED.sub(lambda found: f"^{''.join(RAISED[each] for each in found[0])}", text)
    raise NotationError(
        f"the character {letter!r} is not part of the notation", text=text, span=(start, start + 1), repair=repair
    )


def _in_line(text: str, found: re.Match[str]) -> str:
    """``x₁`` as ``x1``, apart from the letter behind it; of ``‖x‖₂`` it is below the line."""
    digits = "".join(str(BELOW.index(each)) for each in found[0])
    below = "_" if text[: found.start()].endswith(("‖", "∥", "|", ")", "]")) else ""
    return f"{below}{digits}{' ' if text[found.end() :][:1].isalpha() else ''}"


def refuse_assignment(text: str, start: int) -> None:
    """``y := x`` and what else says that y is defined."""
    sign = _ASSIGNS.match(text, start)
    if sign:
        repair = f"{text[:start].rstrip()} = {text[sign.end() :].lstrip()}"
        problem = f"an equation is written with =, not with {sign[0]}"
        raise NotationError(problem, text=text, span=sign.span(), repair=repair)


def _is_fraction(text: str, start: int) -> bool:
    """Whether a point begins a number, as in ``.5``, and does not name an axis, as in ``X.0``."""
    before, after = text[max(start - 1, 0) : start], text[start + 1 : start + 2]
    return after.isascii() and after.isdigit() and not (before.isalnum() or (before and before in ")]}_."))


def name_end(text: str, start: int) -> int:
    """Where the name that begins at ``start`` ends."""

    def word(position: int) -> int:
        while position < len(text) and (text[position].isalpha() or text[position] in "0123456789"):
            position += 1
        return position

    end = word(start)
    while text.startswith("_", end):
        after = word(end + 1)
        label = text[end + 1 : after]
        follows = text[after : after + 1]
        is_label = len(label) >= 2 or label.isdigit()
        if is_label or (label and (follows in ("[", "_") or _AXIS.match(text, after))):
            end = after
        else:
            break
    return end


def is_name(name: str) -> bool:
    """Whether this can name a tensor or an index.  Names go into generated code, so what Python would read as another
    name (by its normal form) or as special (``__import__``) is none."""
    return name.isidentifier() and "__" not in name and unicodedata.normalize("NFKC", name) == name


def _command(text: str, start: int) -> tuple[Token | None, int]:
    matched = _COMMAND.match(text, start)
    command = matched.group(1).rstrip("*") if matched else ""
    end = matched.end() if matched else start + 1
    if command in ("left", "right") and text[end : end + 1] == "|":
        return Token("mark", f"\\{command}|", start, end + 1), end + 1
    spaced = command == " " and text[start - 1 : start].isspace() and text.count("\\") == 1 and "$" not in text
    if spaced or (len(command) == 1 and command.isalpha() and _SOLVED.fullmatch(text)):
        raise solved(text, start)
    if command in SILENT:
        return None, end
    if command in MARKS:
        return Token("mark", MARKS[command], start, end), end
    if command in GREEK:
        return Token("name", GREEK[command], start, end, raw=False), end
    if command in ("sum", "prod"):
        return Token("name", command, start, end, big=True), end
    if command in WORDS:
        return Token("name", command, start, end), end
    if command in COMMANDS or command in FRACTIONS:
        return Token("command", "frac" if command in FRACTIONS else command, start, end), end
    if command in LABELS:
        inside = _LABEL.match(text, end)
        return None, inside.end() if inside else end
    if command in SIGNED:
        raise NotationError(
            f"{text[start:end]} is not part of the notation", text=text, span=(start, end),
            repair=instead(text, SIGNED[command], start, end),
        )  # fmt: skip
    if command in ONES:
        inside = _FONT.match(text, end)
        if inside and inside.group(1).strip() == "1":
            return Token("number", "1", start, inside.end()), inside.end()
    accent = WIDE.get(command, command)
    set_so = command in FONTS or accent in ACCENTS
    if set_so and (line := accented(text, end)):  # \\hat{y_i}
        problem = f"{text[start:end]} is set on a letter, and its subscript stands behind it"
        raise NotationError(problem, text=text, span=(start, end), repair=line)
    if set_so or command == "mathbb":
        inside = _FONT.match(text, end)
        name = inside.group(1).replace("\\_", "_").strip() if inside else ""
        if name.startswith("\\"):
            name = GREEK.get(name[1:], "")
        if inside and command == "mathbb" and name in EXPECTED and _OPERATED.match(text, inside.end()):
            raise NotationError(
                f"{name} is an operator here, and no tensor", text=text, span=(start, inside.end()),
                repair=drawn_from(text) or f"{EXPECTED[name]}, over what is drawn",
            )  # fmt: skip
        if inside and is_name(name):
            if accent in ACCENTS:
                name = f"{name}_{accent}"
            return Token("name", name, start, inside.end(), raw=False, bold=command in BOLD), inside.end()
        if line := of_matrices(text):  # \\hat{\\mathbf{y}}
            raise NotationError("what is in bold has no indices", text=text, span=(start, end), repair=line)
    refuse_assignment(text, start)
    if command in MARKS_ABOVE and text[:start].rstrip("{ ").endswith("^") and (line := marks_in_names(text)) != text:
        raise NotationError("a mark above the line is part of a name", text=text, span=(start, end), repair=line)
    if command in TRANSPOSES:
        primed = marks_in_names(text) if command == "prime" else text
        named = [primed] if primed != text else []
        raise NotationError(
            "a prime is a transpose, or part of a name" if named else "a transpose is another order of the indices",
            text=text, span=(start, end),
            repair=(*named, of_rows(text) or of_matrices(text) or "A[j,i] for A[i,j]; x[I] A[I,J] x[J] for x^T A x"),
        )  # fmt: skip
    if accent in ACCENTS and (letter := _ACCENTED.match(text, end)):  # \\hat y
        repair = f"{text[:start]}\\{command}{{{letter[1]}}}{text[letter.end() :]}"
        raise NotationError("an accent has its letter in braces", text=text, span=(start, letter.end()), repair=repair)
    if command in (*FONTS, *SWITCHES) and (line := fonts(text)) != text:
        line = labels_in_names(line) if text[:start].rstrip("{ ").endswith("_") else line
        raise NotationError("a font has its letters in braces", text=text, span=(start, end), repair=line)
    meant: str | tuple[str, ...] = over(text) if command == "over" else set_by_tex(text, command) or ()
    if command == "hbar":
        meant = re.sub(r"\\hbar(?![A-Za-z])[ ]?", lambda found: "ħ ", text)
    if command == "ell" and not _L.search(text):
        meant = _ELL.sub(lambda found: "l " if found[1] else "l", text)
    if command in ("bmod", "mod", "in"):
        meant = instead(text, "∈" if command == "in" else "mod", start, end)
    raise NotationError(
        f"{text[start:end]} is not part of the notation",
        text=text,
        span=(start, end),
        repair=meant
        or SET_BY_TEX.get(command)
        or "leave out what only lays out the page; functions are written relu(x) or \\operatorname{relu}(x)",
    )


def drawn_from(text: str) -> str:
    r"""The text with ``\mathbb{E}[x]`` as ``mean[N](x[N])``, of one name alone."""
    line = _DRAWN.sub(lambda found: f"{'mean' if found[1] == 'E' else 'var'}[N]({found[2]}[N])", text)
    return line if line != text and "\\mathbb" not in line and not re.search(r"(?<!\w)N(?!\w|\])", text) else ""


def solved(text: str, start: int) -> NotationError:
    """``x = A \\ b``, which solves in other languages, and would be a product."""
    whole = _SOLVED.fullmatch(text)
    line = f"claim {whole[2]}[i,K] {whole[1]}[K] = {whole[3]}[i]" if whole else "A[i,K] x[K] = b[i], as an assumption"
    return NotationError("\\ is no division here", text=text, span=(start, start + 1), repair=line)


def respelled(text: str, old: str, new: str) -> str:
    """The text with one name spelled otherwise, for repairs."""
    pieces, position = [], 0
    for token in tokens(text):
        if token.kind == "name" and token.text == old:
            subscript = len(new) > 1 and text[token.start - 1 : token.start] == "_"  # x_N2 would be a name
            pieces += [text[position : token.start], f"{{{new}}}" if subscript else new]
            position = token.end
    return "".join([*pieces, text[position:]])
