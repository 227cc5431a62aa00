"""The identities of functions: each is true, and used from the left to the right."""

import math
from itertools import groupby

import pytest

from einstan.calculus.identities import IDENTITIES
from einstan.calculus.simplify import simplify
from einstan.language import parse, parse_expression
from einstan.machine.meaning.loops import evaluate
from einstan.machine.meaning.numbers import EXACT, FLOATS, DomainError

POINTS = (-2.3, -0.7, -0.2, 0.1, 0.6, 1.4, 3.1)


def value(side, x, numbers):
    try:
        given = {"x": x} if "x" in side.replace("exp", "") else {}
        return float(evaluate(parse(f"y = {side}"), given, numbers=numbers).flat[0])
    except DomainError:
        return math.nan


@pytest.mark.parametrize("text", IDENTITIES)
def test_it_is_true(text):
    left, right = text.split(" = ")
    pairs = [(value(left, x, n), value(right, x, n)) for x in POINTS for n in (FLOATS, EXACT)]
    known = [(a, b) for a, b in pairs if math.isfinite(a)]
    assert len(known) > 2
    assert all(a == pytest.approx(b, rel=1e-9, abs=1e-12) for a, b in known)


@pytest.mark.parametrize("text", IDENTITIES)
def test_it_is_used(text):
    left, right = map(parse_expression, text.split(" = "))
    assert simplify(left) is simplify(right)


def test_those_of_one_function_stand_together():
    names = [text.partition("(")[0] for text in IDENTITIES]
    assert [name for name, _ in groupby(names)] == list(dict.fromkeys(names))
