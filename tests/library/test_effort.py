"""What is short to write and long to work out is given up with a reason, in every question alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import pytest

import einstan as es
from einstan.language import effort
from einstan.language.effort import EffortError, answered, once, spend
from einstan.language.errors import EinstanError
from einstan.language.node import preorder
from einstan.library.command_derive import partials

DEEP = 320
SHAPES = {
    "functions": "Z[i] = " + "sin(" * DEEP + "x[i]" + ")" * DEEP,
    "signs": "Z[i] = " + "-(" * DEEP + "x[i]" + ")" * DEEP,
    "squares": "Z[i] = " + "(" * DEEP + "x[i]" + "^2 + 1)" * DEEP,
    "terms": "Z[i] = " + " + ".join(f"sin({k} x[i])" for k in range(1, DEEP)),
    "definitions": "\n".join(
        ["A0[i] = x[i]", *(f"A{k + 1}[i] = sin(A{k}[i]) + x[i]" for k in range(100)), "Z[i] = A100[i]"]
    ),
}
QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "partial": lambda p: p.partial("Z", "x"),
    "backward": lambda p: p.backward("L"),
    "jvp": lambda p: p.jvp("Z", ["x"]),
    "vjp": lambda p: p.vjp("Z", "x"),
    "jacobian": lambda p: p.jacobian("Z", "x"),
}


# What people write, and what it took before nothing was worked out twice for one question: more than is allowed.
ORDINARY: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "a softmax in a softmax": (
        "f[i] = log(softplus(softmax[i](v[i] + softmax[i](w[i]))))\nL = f[I]^2",
        lambda p: p.hvp("L", {"w": "tw"}),
    ),
    "hyperbolic distances": (
        "nu[i] = 1 - sum[D](u[i,D]^2)\nnv[i] = 1 - sum[D](v[i,D]^2)\n"
        "d[i,j] = arccosh(1 + 2 sum[D]((u[i,D] - v[j,D])^2) / (nu[i] nv[j]))\nL = sum[I,J](d[I,J]^2)",
        lambda p: p.hvp("L", {"u": "tu", "v": "tv"}),
    ),
}


@pytest.mark.parametrize("case", ORDINARY)
def test_what_is_ordinary_is_far_from_the_allowance(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effort, "QUESTION", effort.QUESTION // 2)
    text, question = ORDINARY[case]
    assert len(str(question(es.Program(text)))) > 1000


def test_the_partials_of_a_long_sum_are_short_questions() -> None:
    program = es.Program("L = " + " + ".join(f"x{k}^2" for k in range(400)))
    with effort.effort(100 * 400):
        assert [str(each) for each in partials(program, ())[:2]] == ["dL/dx0 = 2 x0", "dL/dx1 = 2 x1"]


def test_nothing_is_worked_out_twice_for_one_question() -> None:
    asked: list[int] = []

    @once
    def square(number: int) -> int | None:
        asked.append(number)
        return number**2 or None

    def inner() -> None:
        assert [square(3), square(0), square(3), square(0)] == [9, None, 9, None]

    answered(inner)
    assert asked == [3, 0]
    answered(inner)
    assert asked == [3, 0] * 2
    inner()  # no question: nothing says for how long it would be remembered
    assert asked == [3, 0] * 2 + [3, 0, 3, 0]
    with effort.effort(100):
        answered(inner)
        inner()
    assert asked == [3, 0] * 2 + [3, 0, 3, 0] + [3, 0]


def test_what_a_question_made_lives_until_it_is_answered() -> None:
    text = "L[i] = x[i] + 1234567 y[i] sin(z[i])"

    def made() -> list[Any]:
        return [ref(node) for node in preorder(es.parse(text).rhs)]

    def inner() -> list[Any]:
        found = made()
        assert all(node() is not None for node in found)
        return found

    assert any(node() is None for node in answered(inner))


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_deep_term_is_worked_out_or_refused(shape: str, question: str) -> None:
    program = es.Program(SHAPES[shape] + "\nL = sum[I](Z[I])")
    refusal = None
    try:
        str(QUESTIONS[question](program))
    except EinstanError as error:
        refusal = error
    assert refusal is None or any("an equation each" in repair for repair in refusal.repair), refusal


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_has_an_allowance(question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = es.Program("Z[i] = " + "tanh(sin(" * 40 + "x[i]" + "))" * 40 + "\nL = sum[I](Z[I])")
    for name in ("QUESTION", "EQUATION", "LETTER"):
        monkeypatch.setattr(effort, name, 0)
    with pytest.raises(EffortError, match="an equation each"):
        str(QUESTIONS[question](program))


def test_the_claims_of_a_document_do_not_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"Z{k}[i] = sin(x[i])^{k}\nclaim Z{k}[i] = sin(x[i])^{k - 1} sin(x[i])" for k in range(2, 40)]
    monkeypatch.setattr(effort, "QUESTION", 20)
    assert es.check("\n".join(lines)).ok


def test_a_question_within_another_has_no_allowance_of_its_own() -> None:
    def inner() -> None:
        spend(effort.QUESTION // 2 + 1)

    def outer() -> None:
        answered(inner)
        answered(inner)

    answered(inner)
    answered(inner)
    with pytest.raises(EffortError):
        answered(outer)
    answered(inner)
