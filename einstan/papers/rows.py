r"""A display to its formulas: rows, several formulas in one row, numbers, remarks, and the sides of each.

    (3) \quad z &= W x + b, \\              the number 3; z = W x + b
      &= ... \quad \text{by (2)} \\         goes on with the last side of the row before
    \Rightarrow \frac{dL}{dx} &= ...        a formula of its own
    \forall i, \quad y_i = ...              what holds for every i has i free
    x = y \in \mathbb{R}^m                  where something lies is no part of it
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from einstan.papers.problem import Unread
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
FAR = ("quad", "qquad")
FOLLOWS = ("Rightarrow", "implies", "Longrightarrow", "therefore", "iff", "Leftrightarrow", "Longleftrightarrow")
PLACES = ("in", "subset", "subseteq")
WORDS = ("text", "textrm", "textit", "textbf", "mbox", "textnormal", "intertext", "textsf", "emph")
EQUAL = ("equiv", "triangleq", "coloneqq", "coloneq", "doteq")
COMPARE = ("le", "leq", "ge", "geq", "lt", "gt", "neq", "ne", "leqslant", "geqslant", "ll", "gg")
NEAR = ("approx", "simeq", "sim", "propto", "cong", "to", "rightarrow", "mapsto", "leftarrow", "gets", "longrightarrow")
JOINS = ("and", "where", "with", "so", "hence", "thus", "i.e.", "that is", "therefore", "then", "so that")
CONDITIONS = (
    "if", "for", "when", "unless", "otherwise", "whenever", "provided", "assuming", "only", "almost", "iff", "else",
    "approximately", "up", "near", "except", "but",
)
CONDITION = "% einstan: assume x[i] > 0, and the formula alone"
_HIDDEN = ("cases", "bmatrix", "pmatrix", "matrix", "vmatrix", "Bmatrix", "smallmatrix", "rcases", "dcases")


@dataclass
class Formula:
    """One formula: ``sides`` joined by ``relations``, each with the line where it begins.  ``goes_on`` is whether the
    first side is the last one of the formula before; ``problem`` why it cannot be read."""

    line: int
    sides: list[Tokens] = field(default_factory=list)
    relations: list[Token] = field(default_factory=list)
    label: str = ""
    remarks: list[str] = field(default_factory=list)
    goes_on: bool = False
    problem: Unread | None = None
    conditions: list[Tokens] = field(default_factory=list)  # comparisons under which alone it holds

    @property
    def text(self) -> str:
        pieces = [written(side) for side in self.sides]
        for k, relation in enumerate(self.relations):
            pieces[k] += f" {relation} "
        return "".join(pieces).strip()


def formulas_of(display: Display) -> list[Formula]:
    """The formulas of a display, in their order."""
    found: list[Formula] = []
    numbered = ""
    for row in _rows(_angles(_unwrapped(list(display.tokens)))):
        label, row = _label(row)
        numbered = label or numbered
        around: list[Tokens] = []  # what is said in front of a row: for all p != q
        for k, piece in enumerate(_pieces(row)):
            last = found[-1] if found else None
            if piece and piece[0].is_command("forall"):
                piece, conditions = _quantified(piece)
                around += conditions
                if not piece:
                    continue
            kind, piece = _kind(piece)
            if kind == "remark" and last is not None:
                last.remarks.append(_plain(piece))
            elif kind == "condition":
                condition = _comparison(piece)
                if last is not None and condition:
                    last.conditions.append(condition)
                elif last is not None and last.problem is None:
                    last.problem = Unread("it holds under a condition, which stands beside it", written(piece), CONDITION)
            elif piece and kind == "":
                if k == 0 and last is not None and last.sides and _continues(piece, last):
                    _continue(last, piece)
                else:
                    found.append(_formula(piece, "" if k else numbered))
                    found[-1].conditions += around
        numbered = ""
    return [formula for formula in found if formula.sides or formula.problem]


# ---- rows ------------------------------------------------------------------------------------------------------------


def _unwrapped(tokens: list[Token]) -> list[Token]:
    r"""The tokens without ``aligned`` and its like around rows, wherever they stand, and without spaces and sizes."""
    found: list[Token] = []
    k = 0
    while k < len(tokens):
        token = tokens[k]
        if token.is_command("begin"):
            name, start, end, k = environment(tokens, k)
            if name in WRAPPERS:
                start = group(tokens, start)[1] if name in ("alignedat", "array") else start
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
        if token.is_command(*SIZES) and token.text in ("left", "right", "middle") and k + 1 < len(tokens):
            if tokens[k + 1].is_mark("."):
                k += 1  # a bracket that is not there
            k += 1
            continue
        if not token.is_command(*SPACES, *SIZES):
            found.append(token)
        k += 1
    return found


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
    if len(found) > 3 and found[0].is_mark("(") and found[1].kind == "number" and found[2].is_mark(")"):
        if found[3].is_command(*FAR):
            return label or found[1].text, found[4:]
    if len(found) > 2 and found[0].kind == "number" and found[1].is_mark(")"):
        cut = 3 if found[2].is_mark(".") else 2
        return label or found[0].text, [*found[cut + 1 :]] if found[cut].is_command(*FAR) else found[cut:]
    behind = found[-4:]
    if len(behind) == 4 and behind[0].is_command(*FAR) and behind[1].is_mark("(") and behind[3].is_mark(")"):
        if behind[2].kind == "number":
            return label or behind[2].text, found[:-4]
    return label, found


def _depths(tokens: Tokens) -> list[int]:
    """How many brackets are open before each token; of those in environments too."""
    depth, found = 0, []
    for token in tokens:
        closes = token.is_mark("}", ")", "]") or token.is_command("}", "end", "rangle", "rVert", "rvert", "rrbracket")
        opens = token.is_mark("{", "(", "[") or token.is_command("{", "begin", "langle", "lVert", "lvert", "llbracket")
        depth -= closes
        found.append(depth)
        depth += opens
    return found


def _pieces(row: list[Token]) -> Iterator[list[Token]]:
    """The formulas of one row: parted by wide spaces, by ``⇒``, and by commas between two relations."""
    depths = _depths(row)
    cuts = [0]
    for k, token in enumerate(row):
        if depths[k] <= 0 and (token.is_command(*FAR, *FOLLOWS) or (token.is_mark(",", ";") and _parts(row, depths, k))):
            cuts.append(k)
    for start, end in zip(cuts, [*cuts[1:], len(row)], strict=True):
        piece = list(row[start:end])
        while piece and (piece[0].is_command(*FAR, *FOLLOWS) or piece[0].is_mark(",", ";", "&", ".", ":")):
            piece = piece[1:]
        while piece and (piece[-1].is_command(*FAR) or piece[-1].is_mark(",", ";", ".", "&", ":")):
            piece = piece[:-1]
        open_ = _depths(piece)
        yield [token for k, token in enumerate(piece) if open_[k] > 0 or not token.is_mark("&")]


def _parts(row: list[Token], depths: list[int], place: int) -> bool:
    """Whether a comma parts two formulas, or one and where it holds: both sides of it have a relation."""
    ends = [k for k in range(place + 1, len(row)) if depths[k] <= 0 and row[k].is_mark(",", ";")]
    before = any(depths[k] <= 0 and _relation(row, k) for k in range(place))
    behind = range(place + 1, min([*ends, len(row)]))
    if any(depths[k] <= 0 and (_relation(row, k) or row[k].is_command(*PLACES, "forall")) for k in behind):
        return before
    return False


# ---- one formula -----------------------------------------------------------------------------------------------------


def _kind(piece: list[Token]) -> tuple[str, list[Token]]:
    r"""What a piece of a row is: nothing special, with the words in front of it gone; a ``remark``, `\text{by (2)}``,
    ``- \text{def of correlation}``, ``i = 1, \ldots, n``; or a ``condition``, ``\text{if } x > 0``, ``i \neq j``."""
    rest = [token for token in piece if not token.is_mark("-", "–", ".", "(", ")")]
    if not rest:
        return "remark", piece
    related = [token for k, token in enumerate(piece) if _relation(piece, k)]
    if rest[0].is_command(*WORDS):
        inside, end = group(rest, 1)
        words = _plain(inside).lower().strip(" ,.:;")
        behind = rest[end:]
        if behind and words in JOINS:
            return _kind(behind)
        if any(word in CONDITIONS for word in words.split()) and not words.startswith(("for all", "for each", "for any", "for every")):
            return "condition", piece
        return ("", piece) if related or (_names(inside) and behind) else ("remark", piece)
    if _is_range(piece):
        return "remark", piece
    equal = [token for token in related if token.is_mark("=") or token.is_command(*EQUAL)]
    if (related and not equal) or (not related and any(token.is_command(*PLACES) for token in piece)):
        return ("condition", piece) if not _whole(piece) else ("", piece)
    return "", piece


def _is_range(piece: Tokens) -> bool:
    r"""``i = 1, \ldots, n``, ``1 \le i \le n``: what an index does anyway."""
    dots = any(token.is_command("ldots", "dots", "cdots", "dotsc") for token in piece)
    if dots and len(piece) > 2 and piece[0].kind == "letter" or (dots and piece[0].is_command("ell")):
        return piece[1].is_mark("=")
    shape = "".join("<" if t.is_command("le", "leq", "leqslant") else t.text if t.kind != "letter" else "x" for t in piece)
    return shape in ("1<x<x", "0<x<x") or (shape.startswith(("1<x<x_", "1<x<x{")))


def _whole(piece: Tokens) -> bool:
    """Whether a piece stands by itself as a formula that the reader refuses, and is no condition of the one before."""
    return piece[0].is_command("exists") or any(token.is_command(*NEAR) for token in piece)


def _plain(tokens: Tokens) -> str:
    """Words as they are read, with a blank where the text has one."""
    pieces, end = list[str](), 0
    for token in tokens:
        if not token.is_mark("{", "}", "-") and not token.is_command(*WORDS):
            pieces.append(f" {token.text}" if token.start > end or token.text == " " else token.text)
        end = token.end
    return " ".join("".join(pieces).split())


def _continues(piece: Tokens, last: Formula) -> bool:
    return _relation(piece, 0) > 0 or piece[0].is_mark("+", "-") or piece[0].is_command("cdot", "times") or (
        bool(last.sides) and bool(last.relations) and not last.sides[-1]
    )


def _continue(formula: Formula, piece: list[Token]) -> None:
    if formula.problem is not None:
        return
    piece, formula.problem = _without_places(piece)
    if _relation(piece, 0):
        _into(formula, [], piece)
    else:
        sides, relations = _sides(piece)
        formula.sides[-1] = [*formula.sides[-1], *sides[0]]
        formula.sides += sides[1:]
        formula.relations += relations


def _formula(piece: list[Token], label: str) -> Formula:
    formula = Formula(piece[0].line, label=label)
    piece, formula.problem = _without_places(piece)
    if _relation(piece, 0):
        formula.goes_on = True
        _into(formula, [[]], piece)
    else:
        _into(formula, [], piece)
    return formula


def _into(formula: Formula, before: list[Tokens], piece: Tokens) -> None:
    sides, relations = _sides(_mapped(piece))
    if formula.sides and not sides[0]:
        sides = sides[1:]
    formula.sides += sides
    formula.relations += relations


def _mapped(piece: Tokens) -> Tokens:
    r"""``f: \begin{cases} U \to V \\ x \mapsto g(x) \end{cases}`` as f = g(x): what the map is at x."""
    colon = next((k for k, d in enumerate(_depths(piece)) if d <= 0 and piece[k].is_mark(":")), None)
    arrow = next((k for k in range(len(piece) - 1, 0, -1) if piece[k].is_command("mapsto")), None)
    if colon is None or arrow is None or colon + 1 >= len(piece) or piece[colon + 1].is_mark("="):
        return piece
    if not (piece[colon + 1].is_command("begin") or piece[colon + 1].is_command("{")):
        return piece
    end = len(piece)
    if piece[colon + 1].is_command("begin"):
        _, _, end, behind = environment(piece, colon + 1)
        if behind < len(piece) or sum(token.is_command("mapsto") for token in piece) > 1:
            return piece
    return [*piece[:colon], Token("mark", "=", piece[colon].line), *piece[arrow + 1 : end]]


def _angles(tokens: list[Token]) -> list[Token]:
    """``< A, B >`` where an operand stands as an inner product: no comparison begins or ends there."""
    found = list(tokens)
    for k, token in enumerate(tokens):
        before = tokens[k - 1] if k else None
        operand = before is None or before.is_mark("=", "+", "-", "(", "[", "&") or before.is_command(*FAR, "\\", "}")
        operand = operand or (before is not None and before.is_mark("}", ")") and k < 8 and not any(t.is_mark("=") for t in tokens[:k]))
        if not (token.is_mark("<") and operand):
            continue
        close = next((j for j in range(k + 1, len(tokens)) if tokens[j].is_mark(">")), None)
        inside = tokens[k + 1 : close] if close else []
        if close and any(t.is_mark(",") for t in inside) and not any(t.is_mark("<", "=") for t in inside):
            found[k] = Token("command", "langle", token.line, token.start, token.end)
            found[close] = Token("command", "rangle", token.line, tokens[close].start, tokens[close].end)
    return found


def _sides(piece: Tokens) -> tuple[list[Tokens], list[Token]]:
    depths = _depths(piece)
    sides: list[Tokens] = []
    relations: list[Token] = []
    start = k = 0
    while k < len(piece):
        width = _relation(piece, k) if depths[k] <= 0 else 0
        if width:
            sides.append(piece[start:k])
            relations.append(piece[k + width - 1])
            start = k = k + width
        else:
            k += 1
    return [*sides, piece[start:]], relations


def _relation(tokens: Tokens, place: int) -> int:
    """How many tokens the relation at a place has; 0 where there is none."""
    token = tokens[place] if place < len(tokens) else Token("end", "", 0)
    if token.is_mark(":") and place + 1 < len(tokens) and tokens[place + 1].is_mark("="):
        return 2
    named = token.is_command(*EQUAL, *COMPARE, *NEAR)
    return int(token.is_mark("=", "<", ">", "≤", "≥", "≈", "≠", "←", "→", "≡") or named)


def _quantified(piece: list[Token]) -> tuple[list[Token], list[Tokens]]:
    r"""A formula without ``\forall i, j \in \{1, ..., n\},`` in front of it, and what that says apart from which letters
    there are: ``p \neq q``."""
    conditions: list[Tokens] = []
    while piece and piece[0].is_command("forall"):
        depths = _depths(piece)
        ends = [k for k in range(len(piece)) if depths[k] <= 0 and piece[k].is_mark(",", ":")]
        # Letters may be parted by commas, i, j: the quantifier ends where no letter alone is behind.
        end = next((k for k in ends if not _is_letter_list(piece, k, ends)), len(piece))
        said = piece[1:end]
        if not any(token.is_command(*PLACES) for token in said) and any(_relation(said, k) for k in range(len(said))):
            conditions.append(said)
        piece = piece[end + 1 :]
        while piece and piece[0].is_command(*FAR):
            piece = piece[1:]
    return piece, conditions


def _is_letter_list(piece: Tokens, comma: int, ends: Sequence[int]) -> bool:
    behind = comma + 1
    return (
        behind < len(piece)
        and piece[behind].kind == "letter"
        and (behind + 1 in ends or (behind + 1 < len(piece) and piece[behind + 1].is_command(*PLACES, "neq", "ne")))
    )


def _comparison(piece: Tokens) -> Tokens:
    r"""``\\text{if } x > 0`` and ``i \neq j`` as the comparison alone; nothing where words say more than that."""
    rest = list(piece)
    while rest and rest[0].is_command(*WORDS):
        inside, end = group(rest, 1)
        if _plain(inside).lower().strip(" ,.:;") not in ("if", "for", "when", "where", "whenever", "provided"):
            return []
        rest = rest[end:]
    if any(token.is_command(*WORDS, *PLACES, "forall", "exists") for token in rest):
        return []
    return rest if any(_relation(rest, k) for k in range(len(rest))) else []


def _without_places(piece: list[Token]) -> tuple[list[Token], Unread | None]:
    r"""A formula without ``\in \mathbb{R}^m`` behind it, and words in it as a reason not to read it."""
    depths = _depths(piece)
    place = next((k for k, t in enumerate(piece) if depths[k] <= 0 and t.is_command(*PLACES)), None)
    related = [k for k in range(len(piece)) if depths[k] <= 0 and _relation(piece, k)]
    if place is not None:
        if not any(k < place for k in related):
            return piece, Unread("it says where something lies, and is no equation", written(piece))
        if any(k > place for k in related):
            return piece, Unread("it says where something lies in the middle of an equation", written(piece))
        piece = piece[:place]
    k = 0
    kept: list[Token] = []
    while k < len(piece):
        token = piece[k]
        if token.is_command("text", "mbox", "textrm") and _depths(piece)[k] <= 0:
            inside, end = group(piece, k + 1)
            if not kept and _plain(inside).lower().strip(",. :") in (*JOINS, "similarly", "similary"):
                k = end
                continue
            kept += piece[k:end]
            k = end
            continue
        kept.append(token)
        k += 1
    return kept, None


def _names(tokens: Tokens) -> bool:
    """Whether letters in text face are a name, relu or softmax, and no words: nothing but letters, and few."""
    return all(token.kind == "letter" for token in tokens) and len(tokens) < 10 and " " not in _plain(tokens)
