"""What a reader from outside wrote, each with what it is read as, or with the repairs of its refusal.

The table is misread.txt: a text, then `= ` and what it means, or `> ` and a repair a line, `~ ` where it is words.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from einstan.calculus.canonical import canonical
from einstan.language import EinstanError, Equation, parse_document
from einstan.language.show import show

BLOCKS = [
    block.splitlines()
    for block in Path(__file__).with_name("misread.txt").read_text("utf-8").strip().split("\n\n")
    if not block.startswith("#")
]
ROWS = [(lines[0].replace("⏎", "\n"), [line.replace("⏎", "\n") for line in lines[1:]]) for lines in BLOCKS]
DEEPEST = 6  # repairs of repairs


def meaning(text: str) -> str:
    found = []
    for statement in parse_document(text).statements:
        content = statement.content
        if isinstance(content, Equation):
            left = ",".join(index.name for index in content.indices)
            found.append(f"[{left}] = {show(canonical(content.rhs))}")
        else:
            found.append(str(statement))
    return "\n".join(found)


@pytest.mark.parametrize(("text", "rows"), ROWS, ids=[text for text, _ in ROWS])
def test_a_text_is_read_as_it_is_meant_or_refused_with_what_is_meant(text: str, rows: list[str]) -> None:
    if rows[0].startswith("= "):
        assert meaning(text) == meaning(rows[0][2:])
        return
    with pytest.raises(EinstanError) as caught:
        parse_document(text)
    pasted = {is_pasted(repair): None for repair in caught.value.repair}
    assert pasted
    assert [("> " if is_pasted(repair) else "~ ") + repair for repair in caught.value.repair] == rows
    readings = [meaning(repair) for repair in ends(text)]
    assert len(set(readings)) == len(readings)


def is_pasted(repair: str) -> bool:
    """Whether a repair is a whole text and not words."""
    return " = " in repair and ": " not in repair


def ends(text: str, seen: tuple[str, ...] = ()) -> list[str]:
    """The texts that are read at last where repairs, and those of what they repair, are pasted: none leads back."""
    assert text not in seen
    assert len(seen) < DEEPEST
    try:
        parse_document(text)
    except EinstanError as error:
        found = [end for repair in error.repair if is_pasted(repair) for end in ends(repair, (*seen, text))]
        return list(dict.fromkeys(found))
    return [text]


def test_a_repair_of_several_lines_stands_under_its_label():
    error = EinstanError("a problem", repair=("h = log(f)\ng = ∂h/∂x",))
    assert str(error).splitlines()[-2:] == ["  repair:   h = log(f)", "            g = ∂h/∂x"]
