"""Writes breadth.md beside it, every formula of the table in ``tests/breadth/rows.py``: ``python docs/breadth.py``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import einstan as es
from einstan.language import DifferentiationError

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "breadth.md"
HEAD = """\
# The breadth of the calculus

{count} formulas with their first and second derivatives, as Einstan prints them. Every line parses again, names the
forward values, and agrees with second-order jets written by hand and with PyTorch to 1e-9: value, first and second
derivatives (`tests/breadth/`, `tests/oracles/test_breadth.py`). Where a second derivative is missing, the first does
not depend on that tensor: asking for it is an error, and the oracle's value is zero. Of the two orders of a mixed
derivative one is shown.

The longest line has {longest} characters: {name}. {wide} of {lines} lines are longer than 120.

*This page is written by `python docs/breadth.py`; a test keeps it true.*
"""


def rows() -> tuple:
    """The table of formulas that the tests check."""
    sys.path.insert(0, str(ROOT))
    try:
        module: ModuleType = importlib.import_module("tests.breadth.rows")
    finally:
        sys.path.remove(str(ROOT))
    return tuple(module.ROWS)


def derived(row) -> tuple[list[str], list[str]]:
    """The first and the second derivatives, each mixed one once."""
    program, first, second = es.Program(row.text), [], []
    for position, a in enumerate(row.wrt):
        gradient = program.partial(row.of, a)
        first.append(str(gradient))
        for b in row.wrt[position:]:
            try:
                second.append(str(gradient.partial(str(gradient.equations[0].name), b)))
            except DifferentiationError:
                continue
    return first, second


def page() -> str:
    parts, lines = [], []
    for row in rows():
        first, second = derived(row)
        lines += [(len(line), row.name) for line in (*first, *second)]
        blocks = [row.text, "\n".join(first), *(["\n".join(second)] if second else [])]
        parts.append(f"\n## {row.name[0].upper()}{row.name[1:]}\n\n```text\n" + "\n\n".join(blocks) + "\n```\n")
    longest, name = max(lines)
    wide = sum(length > 120 for length, _ in lines)
    head = HEAD.format(count=len(parts), longest=longest, name=name, wide=wide, lines=len(lines))
    return head + "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
