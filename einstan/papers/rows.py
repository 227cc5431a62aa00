r"""A display to its formulas: rows, several formulas in one row, numbers, remarks, and the sides of each.

(3) \quad z &= W x + b, \\              the number 3; z = W x + b
  &= ... \quad \text{by (2)} \\         goes on with the last side of the row before
\Rightarrow \frac{dL}{dx} &= ...        a formula of its own
\forall i, \quad y_i = ...              what holds for every i has i free
x = y \in \mathbb{R}^m                  where something lies is no part of it
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from einstan.papers.problem import UnreadError
from einstan.papers.sides import (
    EQUAL,
    FAR,
    JOINS,
    NEAR,
    PLACES,
    WORDS,
    Formula,
    depths_of,
    mapped,
    plain,
    quantified,
    relation_at,
    sides_of,
    without_places,
)
from einstan.papers.signs import MARKS, OPERATORS
from einstan.papers.source import Display
from einstan.papers.tex import Token, Tokens, closing, environment, group, tokens_of, written

WRAPPERS = ("aligned", "alignedat", "gathered", "split", "array")
SPACES = (
    ",", ";", "!", ":", " ", ">", "thinspace", "medspace", "thickspace", "enspace", "displaystyle", "textstyle",
    "limits", "nolimits", "nonumber", "notag", "hfill", "allowbreak", "break", "medskip", "smallskip", "bigskip",
    "mathstrut", "qedhere", "noindent",
)  # fmt: skip
SIZES = (
    "left", "right", "middle", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "Biggl",
    "Biggr", "bigm", "Bigm",
)  # fmt: skip
BRACED = (
    "underbrace", "overbrace", "overset", "stackrel", "underset", "boxed", "mathop", "mathrel", "mathbin", "mathord",
    "mathstrut", "ensuremath", "substack", "mathclap", "smash",
)  # fmt: skip
SPELLINGS = {
    "nicefrac": "frac", "sfrac": "frac", "lbrace": "{", "rbrace": "}",
    "longleftarrow": "leftarrow", "varnothing": "emptyset", "colonequals": "coloneqq",
}  # fmt: skip
FOLLOWS = ("Rightarrow", "implies", "Longrightarrow", "therefore", "iff", "Leftrightarrow", "Longleftrightarrow")
CONDITIONS = (
    "if", "for", "when", "unless", "otherwise", "whenever", "provided", "assuming", "only", "almost", "iff", "else",
    "approximately", "up", "near", "except", "but", "as", "limit", "expectation", "probability", "order", "small",
    "large", "asymptotically", "roughly", "about",
)  # fmt: skip
HENCE = r"two rows, of which the second begins with \Rightarrow, where both hold"
AT_MOST = ("le", "leq", "leqslant")


def formulas_of(display: Display) -> list[Formula]:
    """The formulas of a display, in their order."""
    found: list[Formula] = []
    numbered = ""
    for row in _rows(_unwrapped(list(display.tokens))):
        label, row = _label(row)
        row = _angles(row)
        numbered = label or numbered
        first, begun = len(found), False
        set_in = bool(row) and row[0].is_mark("&")
        around: list[Tokens] = []  # what is said in front of a row: for all p != q
        for piece in _pieces(row):
            last = found[-1] if found else None
            if piece and piece[0].is_command("forall"):
                if _is_range(piece[1:]):
                    continue
                piece, conditions = quantified(piece)
                around += conditions
                if not piece:
                    continue
            kind, piece = _kind(piece)
            if kind == "remark":
                if last is not None:
                    last.remarks.append(plain(piece))
            elif kind == "condition" and last is not None:
                for formula in found[min(first, len(found) - 1) :]:  # all of the row, as far as anybody can tell
                    formula.hold_where(piece)
            elif piece:
                if not begun and last is not None and last.sides and _continues(piece, last, set_in):
                    _continue(last, piece)
                else:
                    found.append(_formula(piece, "" if begun else numbered))
                    found[-1].conditions += around
                begun = True
        if _concludes(row):
            for formula in found[first:]:
                formula.problem = formula.problem or UnreadError("a conclusion beside what it follows from", "", HENCE)
        numbered = ""
    return [formula for formula in found if formula.sides or formula.problem]


# ---- rows ------------------------------------------------------------------------------------------------------------


def _unwrapped(tokens: list[Token]) -> list[Token]:
    r"""The tokens without ``aligned`` and its like around rows, wherever they stand, and without spaces and sizes."""
    found: list[Token] = []
    k = 0
    while k < len(tokens):
        token = tokens[k]
        if token.kind != "command" and token.text != "{":
            found.append(token)
            k += 1
            continue
        if token.is_command("begin"):
            name, start, end, k = environment(tokens, k)
            if name in WRAPPERS:
                start = group(tokens, start)[1] if name in ("alignedat", "array") else start
                if len(found) == 1 and found[0].is_command("{"):  # a brace in front of equations
                    found.pop()
                if within := _within(name, found, tokens[k:]):
                    found[-1:] = [found[-1]] * (within != "cases")
                    found += [*_opening(token, within), *_unwrapped(tokens[start:end]), *_closing(token, within)]
                    continue
                inside = _unwrapped(tokens[start:end])
                found += [Token("command", "\\", token.line), *inside] if _has_row(found) else inside
            else:
                found += [*_opening(token, name), *_unwrapped(tokens[start:end]), *_closing(token, name)]
            continue
        if token.is_command("hspace", "vspace", "phantom", "hphantom", "color", "textcolor", "label"):
            k = group(tokens, k + 1)[1]
            if token.text == "textcolor":
                continue
            continue
        if token.text in BRACED and token.kind == "command":
            braced, k = group(tokens, k + 1)
            first = _unwrapped(list(braced))
            if token.is_command("underbrace", "overbrace"):  # and what is said of it
                found += [*tokens_of("{", token.line), *first, *tokens_of("}", token.line)]
                k = group(tokens, k + 1)[1] if k < len(tokens) and tokens[k].is_mark("_", "^") else k
            elif token.is_command("overset", "stackrel", "underset"):
                braced, k = group(tokens, k)
                found += _unwrapped(list(braced))
                if token.is_command("underset"):
                    found += [*tokens_of("_{", token.line), *first, *tokens_of("}", token.line)]
            else:
                found += first
            continue
        if token.is_mark("{") and k + 2 < len(tokens) and tokens[k + 2].is_mark("}") and _joins(tokens[k + 1]):
            found.append(tokens[k + 1])  # {\cdot} and {=}, set with other blanks
            k += 3
            continue
        if token.kind == "command" and token.text in SPELLINGS:
            token = replace(token, text=SPELLINGS[token.text])
        if token.is_command(*SIZES) and token.text in ("left", "right", "middle") and k + 1 < len(tokens):
            if tokens[k + 1].is_mark("."):
                k += 1  # a bracket that is not there
            k += 1
            continue
        if not token.is_command(*SPACES, *SIZES):
            found.append(token)
        k += 1
    return found


def _within(name: str, before: Tokens, behind: Tokens) -> str:
    r"""What rows are inside of a formula: ``cases`` behind a brace that nothing closes, a matrix in brackets; nothing
    where they are formulas of their own."""
    inside = bool(before) and not before[-1].is_command("\\", *FAR) and not before[-1].is_mark("&", ",")
    if inside and before[-1].is_command("{"):
        rest = [token for token in behind if not token.is_command(*SIZES)]
        return "" if rest and rest[0].is_command("}") else "cases"
    brackets = inside and (before[-1].is_mark("(", "[", "|") or before[-1].is_command("|"))
    return "array" * (name == "array" and inside) if not brackets else "matrix"


def _joins(token: Token) -> bool:
    """Whether a sign stands between two."""
    signs = OPERATORS if token.kind == "command" else MARKS if token.kind == "mark" else ()
    return token.text in signs or token.is_mark("+", "-", "=") or bool(relation_at([token], 0))


def _has_row(found: Sequence[Token]) -> bool:
    return bool(found) and any(token.is_mark("=") for token in found)


def _opening(token: Token, name: str) -> list[Token]:
    return tokens_of(f"\\begin{{{name}}}", token.line)


def _closing(token: Token, name: str) -> list[Token]:
    return tokens_of(f"\\end{{{name}}}", token.line)


def _rows(tokens: Tokens) -> Iterator[list[Token]]:
    row: list[Token] = []
    k = 0
    while k < len(tokens):
        token = tokens[k]
        if token.is_mark("{"):
            end = min(closing(tokens, k) + 1, len(tokens))
        elif token.is_command("begin"):
            end = environment(tokens, k)[3]
        elif token.is_command("\\", "newline", "cr"):
            yield row
            row, end = [], k + 1
            if end < len(tokens) and tokens[end].is_mark("["):  # \\[2pt]
                close = next((j for j in range(end, min(end + 8, len(tokens))) if tokens[j].is_mark("]")), None)
                length = written(tokens[end + 1 : close]) if close else ""
                end = close + 1 if close and length.endswith(("pt", "em", "ex", "cm", "mm", "in")) else end
        else:
            end = k + 1
        if not token.is_command("\\", "newline", "cr"):
            row += tokens[k:end]
        k = end
    yield row


def _label(row: list[Token]) -> tuple[str, list[Token]]:
    r"""The number of a row, ``\tag{3}`` or ``(3) \quad`` in front of it or behind it, and the row without it."""
    label, found = "", list[Token]()
    k = 0
    while k < len(row):
        if row[k].is_command("tag"):
            inside, k = group(row, k + 1)
            label = written(inside)
            continue
        found.append(row[k])
        k += 1
    while found and found[0].is_command(*FAR):
        found = found[1:]
    while found and found[-1].is_command(*FAR):
        found = found[:-1]
    if len(found) > 3 and _numbers(found[:3]) and found[3].is_command(*FAR):
        return label or found[1].text, found[4:]
    if len(found) > 2 and found[0].kind == "number" and found[1].is_mark(")"):
        cut = 3 if found[2].is_mark(".") else 2
        return label or found[0].text, [*found[cut + 1 :]] if found[cut].is_command(*FAR) else found[cut:]
    behind = found[-4:]
    if len(behind) == 4 and behind[0].is_command(*FAR) and _numbers(behind[1:]):
        return label or behind[2].text, found[:-4]
    return label, found


def _numbers(tokens: Tokens) -> bool:
    """``(3)``."""
    return tokens[0].is_mark("(") and tokens[1].kind == "number" and tokens[2].is_mark(")")


def _pieces(row: list[Token]) -> Iterator[list[Token]]:
    """The formulas of one row: parted by wide spaces, by ``⇒``, by commas between two relations, and by ``&`` where no
    sign stands beside it."""
    depths = depths_of(row)
    cuts = [0]
    for k, token in enumerate(row):
        if depths[k] <= 0 and (
            token.is_command(*FAR, *FOLLOWS)
            or (token.is_mark(",", ";") and _parts(row, depths, k))
            or (_between(row, k) and _begins(row[k + 1 :]))
        ):
            cuts.append(k)
    for start, end in zip(cuts, [*cuts[1:], len(row)], strict=True):
        piece = list(row[start:end])
        while piece and (piece[0].is_command(*FAR, *FOLLOWS) or piece[0].is_mark(",", ";", "&", ".", ":")):
            piece = piece[1:]
        while piece and (piece[-1].is_command(*FAR) or piece[-1].is_mark(",", ";", ".", "&", ":")):
            piece = piece[:-1]
        open_ = depths_of(piece)
        yield [token for k, token in enumerate(piece) if open_[k] > 0 or not token.is_mark("&") or _between(piece, k)]


def _between(row: Tokens, place: int) -> bool:
    """Whether ``&`` stands between two that no sign joins."""
    return row[place].is_mark("&") and _is_operand(row[:place][::-1]) and _is_operand(row[place + 1 :])


def _is_operand(tokens: Tokens) -> bool:
    """Whether what is next is no sign, and not nothing."""
    token = next((each for each in tokens if not each.is_mark("&")), None)
    return token is not None and not (_joins(token) or token.is_mark(",", ";", ":", ".") or token.is_command(*FAR))


def _begins(rest: Tokens) -> bool:
    """Whether a formula begins here, or words."""
    end = next((k for k, token in enumerate(rest) if _between(rest, k)), len(rest))
    depths = depths_of(rest)
    return rest[0].is_command(*WORDS, "forall") or any(depths[k] <= 0 and relation_at(rest, k) for k in range(end))


def _concludes(row: list[Token]) -> bool:
    """Whether ``⇒`` stands between two formulas of a row: the second follows from the first, or holds where it does."""
    depths = depths_of(row)
    arrow = next((k for k, token in enumerate(row) if depths[k] <= 0 and token.is_command(*FOLLOWS)), 0)
    return any(relation_at(row, k) for k in range(arrow) if depths[k] <= 0)


def _parts(row: list[Token], depths: list[int], place: int) -> bool:
    """Whether a comma parts two formulas, or one and where it holds: both sides of it have a relation."""
    ends = [k for k in range(place + 1, len(row)) if depths[k] <= 0 and row[k].is_mark(",", ";")]
    before = any(depths[k] <= 0 and relation_at(row, k) for k in range(place))
    behind = range(place + 1, min([*ends, len(row)]))
    if any(depths[k] <= 0 and (relation_at(row, k) or row[k].is_command(*PLACES, "forall")) for k in behind):
        return before
    return False


# ---- one formula -----------------------------------------------------------------------------------------------------


def _kind(piece: list[Token]) -> tuple[str, list[Token]]:
    r"""What a piece of a row is: nothing special, with the words in front of it gone; a ``remark``, `\text{by (2)}``,
    ``- \text{def of correlation}``, ``i = 1, \ldots, n``; or a ``condition``, ``\text{if } x > 0``, ``i \neq j``."""
    rest = [token for token in piece if not token.is_mark("-", "–", ".", "(", ")")]
    if not rest:
        return "remark", piece
    related = [token for k, token in enumerate(piece) if relation_at(piece, k)]
    if rest[0].is_command(*WORDS):
        inside, end = group(rest, 1)
        words = plain(inside).lower().strip(" ,.:;")
        behind = rest[end:]
        if behind and (words in ("where", "with") or words.startswith("for")) and _is_range(behind):
            return "remark", piece
        if behind and words in JOINS:
            return _kind(behind)
        if any(word in CONDITIONS for word in words.split()) and not words.startswith(
            ("for all", "for each", "for any", "for every")
        ):
            return "condition", piece
        if related and not _names(inside):  # as n goes to infinity
            return "condition", piece
        return ("", piece) if _names(inside) and behind else ("remark", piece)
    if _is_range(rest):
        return "remark", piece
    equal = [token for token in related if token.is_mark("=") or token.is_command(*EQUAL)]
    if (related and not equal) or (not related and any(token.is_command(*PLACES) for token in piece)):
        return ("condition", piece) if not _whole(piece) else ("", piece)
    return "", piece


def _is_range(piece: Tokens) -> bool:
    r"""``i = 1, \ldots, n``, ``1 \le i \le n``: what an index does anyway."""
    dots = [k for k, token in enumerate(piece) if token.is_command("ldots", "dots", "cdots", "dotsc")]
    if dots:
        index = piece[0].kind == "letter" or piece[0].is_command("ell")
        plain_ = all(
            t.kind in ("letter", "number") or t.is_mark(",", "=", "-") or t.is_command("ell") for t in _but(piece, dots)
        )
        return index and piece[1].is_mark("=") and piece[dots[0] - 1].is_mark(",") and plain_
    shape = "".join("<" if t.is_command(*AT_MOST) else "x" if t.kind == "letter" else t.text for t in piece)
    return shape in ("1<x<x", "0<x<x") or (shape.startswith(("1<x<x_", "1<x<x{")))


def _but(piece: Tokens, places: Sequence[int]) -> list[Token]:
    return [token for k, token in enumerate(piece) if k not in places]


def _whole(piece: Tokens) -> bool:
    """Whether a piece stands by itself as a formula that the reader refuses, and is no condition of the one before."""
    return piece[0].is_command("exists") or any(token.is_command(*NEAR) for token in piece)


def _continues(piece: Tokens, last: Formula, set_in: bool) -> bool:
    """Whether a row goes on with the formula before it: it begins with a relation, or with a sign and has no equation
    of its own, ``-c &= d``."""
    if relation_at(piece, 0) or (bool(last.relations) and not last.sides[-1]):
        return True
    signed = piece[0].is_mark("+", "-", "−") or piece[0].is_command("cdot", "times")
    return signed and (set_in or len(sides_of(piece)[0]) == 1)


def _continue(formula: Formula, piece: list[Token]) -> None:
    if formula.problem is not None:
        return
    piece, formula.problem = without_places(piece)
    if relation_at(piece, 0):
        _into(formula, [], piece)
    else:
        sides, relations = sides_of(piece)
        formula.sides[-1] = [*formula.sides[-1], *sides[0]]
        formula.sides += sides[1:]
        formula.relations += relations


def _formula(piece: list[Token], label: str) -> Formula:
    formula = Formula(piece[0].line, label=label)
    piece, formula.problem = without_places(piece)
    if relation_at(piece, 0):
        formula.goes_on = True
        _into(formula, [[]], piece)
    else:
        _into(formula, [], piece)
    return formula


def _into(formula: Formula, before: list[Tokens], piece: Tokens) -> None:
    sides, relations = sides_of(mapped(piece))
    if formula.sides and not sides[0]:
        sides = sides[1:]
    formula.sides += sides
    formula.relations += relations


def _angles(tokens: list[Token]) -> list[Token]:
    """``< A, B >`` where an operand stands as an inner product: no comparison begins or ends there."""
    found = list(tokens)
    first = group(tokens, 1)[1] if tokens and tokens[0].is_command(*WORDS) else 0
    for k, token in enumerate(tokens):
        before = tokens[k - 1] if k > first else None
        operand = before is None or before.is_mark("=", "+", "-", "(", "[", "&") or before.is_command(*FAR)
        if not (token.is_mark("<") and operand):
            continue
        close = next((j for j in range(k + 1, len(tokens)) if tokens[j].is_mark(">")), None)
        inside = tokens[k + 1 : close] if close else []
        if close and any(t.is_mark(",") for t in inside) and not any(t.is_mark("<", "=") for t in inside):
            found[k] = Token("command", "langle", token.line, token.start, token.end)
            found[close] = Token("command", "rangle", token.line, tokens[close].start, tokens[close].end)
    return found


def _names(tokens: Tokens) -> bool:
    """Whether letters in text face are a name, relu or softmax, and no words: nothing but letters, and few."""
    return all(token.kind == "letter" for token in tokens) and len(tokens) < 10 and " " not in plain(tokens)
