r"""Formulas of other papers: nothing raises, every refusal says what to write, and a comment that it offers helps."""

from pathlib import Path

import pytest

from einstan.papers import read_paper
from einstan.papers.signs import HEAD

CASES = Path(__file__).with_name("strangers.txt").read_text(encoding="utf-8").split("\n@@ ")[1:]
TOLD = ("skip", "value", "define")  # which say that something is left out, or what it is where it is read


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.partition("\n")[0])
def test_every_refusal_says_what_to_write(case):
    text = case.partition("\n")[2]
    for item in read_paper(text).unread:
        repairs = item.problem.repair
        assert repairs, item
        assert all(repairs), item
        assert not all(repair.startswith(f"{HEAD}skip") for repair in repairs), item
        for repair in repairs:
            said = repair.removeprefix(HEAD)
            if said == repair or said.startswith(TOLD) or "goes on from" in item.problem.reason:
                continue
            again = read_paper(f"{repair}\n{text}".replace(": part", f": part | {said}")).unread
            before = [other.formula for other in read_paper(text).unread]
            assert not [
                other for other in again if other.formula.startswith("einstan:") and other.formula not in before
            ]
            same = (item.formula, item.line + 1, item.problem.reason, item.problem.part)
            assert same not in [(o.formula, o.line, o.problem.reason, o.problem.part) for o in again], repair
