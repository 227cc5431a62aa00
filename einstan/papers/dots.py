r"""What dots leave out, as one entry with letters for what changes.

x_1, x_2, \dots, x_n                  x_k for all k
a_{11} & \cdots & a_{1n} \\ ...       a_{kj}
d_1 & & \\ & \ddots & \\ & & d_n      d_k where k = j, and 0 elsewhere

An entry is read where the first and the last one differ in numbers alone, 1 in the one and the same letter in the
other, and where all that stand between them say the same.  Everything else is left to who wrote it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from einstan.papers.signs import DOTS
from einstan.papers.tex import Token, Tokens

Cells = Sequence[Sequence[Tokens]]
LETTERS = "kjipqrsuvw"


def are_dots(tokens: Tokens) -> bool:
    return len(tokens) == 1 and tokens[0].is_command(*DOTS)


def side_by_side(tokens: Tokens) -> list[Tokens]:
    r"""``a_1 a_2 \dots a_n``, columns with blanks between them, parted where they are equally long."""
    tokens = single(tokens)
    dots = [k for k, token in enumerate(tokens) if token.is_command(*DOTS)]
    width = len(tokens) - dots[0] - 1 if len(dots) == 1 else 0
    if not width or dots[0] % width:
        return []
    return [*(tokens[k : k + width] for k in range(0, dots[0], width)), [tokens[dots[0]]], tokens[dots[0] + 1 :]]


def single(tokens: Tokens) -> list[Token]:
    """The tokens with the digits of ``a_{11}`` apart, and without braces around one of them or around all."""
    if len(tokens) > 2 and tokens[0].is_mark("(") and tokens[-1].is_mark(")"):
        depths = [0]
        for token in tokens:
            depths.append(depths[-1] + token.is_mark("(") - token.is_mark(")"))
        if 0 not in depths[1:-1]:
            tokens = tokens[1:-1]
    found: list[Token] = []
    for token in tokens:
        digits = token.text if token.kind == "number" and token.text.isdigit() and _below(found) else ""
        found += [replace(token, text=digit) for digit in digits] if len(digits) > 1 else [token]
    bare: list[Token] = []
    k = 0
    while k < len(found):
        if found[k].is_mark("{") and k + 2 < len(found) and found[k + 2].is_mark("}"):
            bare.append(found[k + 1])
            k += 3
        else:
            bare.append(found[k])
            k += 1
    return bare


def _below(tokens: Tokens) -> bool:
    """Whether what comes next stands first in a subscript with braces."""
    return len(tokens) > 1 and tokens[-1].is_mark("{") and tokens[-2].is_mark("_")


def changes(first: Tokens, last: Tokens) -> tuple[tuple[int, ...], str] | None:
    """Where two entries differ, 1 in the first and one letter in the last, and which letter that is."""
    if len(first) != len(last):
        return None
    places = tuple(k for k, (one, other) in enumerate(zip(first, last, strict=True)) if one != other)
    letters = {last[k].text for k in places if last[k].kind == "letter"}
    if not all(first[k].text == "1" and last[k].kind == "letter" for k in places) or len(letters) != 1:
        return None
    return places, letters.pop()


def filled(entry: Tokens, places: Collection[int], text: str) -> list[Token]:
    """An entry with a number or a letter at some places."""
    kind = "number" if text.isdigit() else "letter"
    return [replace(t, kind=kind, text=text) if k in places else t for k, t in enumerate(entry)]


def letters_for(tokens: Tokens, taken: Collection[str]) -> Iterator[str]:
    """Letters that stand nowhere in a formula and are no names of its text."""
    used = {token.text for token in tokens} | {*taken}
    return (letter for letter in LETTERS if letter not in used)


def listed(entries: Sequence[Tokens], letter: str) -> tuple[list[Token], str] | None:
    """Of entries in a row, some of which are dots: the entry at a letter, and up to where it runs."""
    cells = [single(entry) for entry in entries]
    if len(cells) < 3 or not any(map(are_dots, cells)) or are_dots(cells[0]) or are_dots(cells[-1]):
        return None
    found = changes(cells[0], cells[-1])
    if found is None:
        return None
    places, upper = found
    before = next(k for k, cell in enumerate(cells) if are_dots(cell))
    for k, cell in enumerate(cells[1:-1], 1):
        said = str(k + 1) if k < before else cell[places[0]].text if len(cell) > places[0] else ""
        if not are_dots(cell) and (list(cell) != filled(cells[0], places, said) or not said):
            return None
    return filled(cells[0], places, letter), upper


def arranged(rows: Cells, row: str, column: str) -> tuple[list[Token], list[Token] | None, tuple[str, str]] | None:
    """Of a matrix with dots: the entry at the letters of its row and its column, or that of the diagonal and the one
    beside it; and up to where the rows and columns run."""
    cells = [[single(cell) for cell in each] for each in rows]
    if len(cells) < 3 or len({len(each) for each in cells}) != 1 or len(cells[0]) < 3:
        return None
    first, right, down, last = cells[0][0], cells[0][-1], cells[-1][0], cells[-1][-1]
    along, across = changes(first, right), changes(first, down)
    if along and across and not {*along[0]} & {*across[0]}:
        entry = filled(filled(first, along[0], column), across[0], row)
        found = entry, None, (across[1], along[1])
        return found if _agree(cells, entry, None, row, column, found[2]) else None
    diagonal = changes(first, last)
    if diagonal is None:
        return None
    upper = diagonal[1]
    beside = _beside(right, down, upper, row, column)
    entry = filled(first, diagonal[0], row)
    if beside is None or not _agree(cells, entry, beside, row, column, (upper, upper)):
        return None
    return entry, beside, (upper, upper)


def _beside(right: Tokens, down: Tokens, upper: str, row: str, column: str) -> list[Token] | None:
    """What stands beside a diagonal, of the entries at the ends of the first row and of the first column: 0 where they
    are empty."""
    if (not right and not down) or [t.text for t in (*right, *down)] == ["0", "0"]:
        return [Token("number", "0", 0)]
    if len(right) != len(down):
        return None
    found = list(right)
    for k, (one, other) in enumerate(zip(right, down, strict=True)):
        if one == other:
            continue
        match one.text, other.text:
            case ("1", text) if text == upper:
                found[k] = replace(one, kind="letter", text=row)
            case (text, "1") if text == upper:
                found[k] = replace(one, kind="letter", text=column)
            case _:
                return None
    return found


def _agree(cells: Cells, entry: Tokens, beside: Tokens | None, row: str, column: str, uppers: tuple[str, str]) -> bool:
    """Whether every cell that is not left out is what the entry says there."""

    def numbers(count: int, dotted: Sequence[bool], upper: str) -> list[str]:
        stop = next((k for k, each in enumerate(dotted) if each), count - 1)
        return [str(k + 1) if k < stop else upper if k == count - 1 else "" for k in range(count)]

    dotted_rows = [all(are_dots(cell) or not cell for cell in each) for each in cells]
    dotted_columns = [all(are_dots(each[k]) or not each[k] for each in cells) for k in range(len(cells[0]))]
    for i, at_row in enumerate(numbers(len(cells), dotted_rows, uppers[0])):
        for j, at_column in enumerate(numbers(len(cells[0]), dotted_columns, uppers[1])):
            cell = list(cells[i][j])
            if are_dots(cell) or not (at_row and at_column):
                continue
            source = entry if beside is None or at_row == at_column else beside
            there = []
            for token in source:
                text = {row: at_row, column: at_column}.get(token.text, token.text) if token.kind == "letter" else ""
                kind = "number" if text.isdigit() else "letter"
                there.append(replace(token, kind=kind, text=text) if text else token)
            empty = not cell and [t.text for t in source] == ["0"]
            if cell != there and not empty:
                return False
    return True
