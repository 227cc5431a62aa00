"""Errors, exactly: what is wrong, where, what was inferred, and a repair.  Every repair of a whole equation parses.

The table is messages.txt, a block each; `test_every_refusal_has_a_row` keeps it complete.
"""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import pytest

import einstan.language as language
from einstan.language import EinstanError, ScopeError, parse_document, parse_expression, written
from einstan.language.errors import nearest, underlined

TABLE = Path(__file__).with_name("messages.txt").read_text(encoding="utf-8")
ROWS = [block for block in re.split(r"\n\n+", TABLE.strip()) if not block.startswith("#")]
TEXTS = [row.splitlines()[1][2:] for row in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=TEXTS)
def test_message(row: str) -> None:
    kind, message = row.split(": ", 1)
    with pytest.raises(EinstanError) as caught:
        written(row.splitlines()[1][2:])
    assert str(caught.value) == message
    assert type(caught.value) is getattr(language, kind)
    assert str(pickle.loads(pickle.dumps(caught.value))) == message


@pytest.mark.parametrize("text", TEXTS)
def test_a_repair_that_is_an_equation_parses(text: str) -> None:
    with pytest.raises(EinstanError) as caught:
        written(text)
    for repair in caught.value.repair:
        if "\n" in repair or re.match(r"(claim|assume|refute) ", repair):
            parse_document(repair)
        elif " = " in repair:
            written(repair)


def test_the_texts_of_the_table_are_distinct() -> None:
    assert len(set(TEXTS)) == len(TEXTS) > 100


# ---- documents and expressions ---------------------------------------------------------------------------------------

DOCUMENTS = [
    (
        "Z = x\nW = 2\n\nZ = y",
        "ProgramError: line 4: Z is defined twice",
        """
  Z = y
  ^
  inferred: the first definition is in line 1
  repair:   claim Z = y""",
    ),
    (
        "given Z[i](X[i])\nZ[i] = X[i]",
        "ProgramError: line 2: Z is defined twice",
        """
  Z[i] = X[i]
  ^
  inferred: the first definition is in line 1
  repair:   claim Z[i] = X[i]""",
    ),
    (
        "Z[i] = W[i]\ndW[i] = Z[i]",
        "ProgramError: line 2: dW is the gradient with respect to W and cannot be defined",
        """
  dW[i] = Z[i]
  ^^
  repair:   claim dW[i] = Z[i]
            or give the tensor another name""",
    ),
    (
        "Z = x\nassume Z = y where |i| = 3",
        "NotationError: line 2: only an equation or a claim has 'where', not an assumption",
        """
  assume Z = y where |i| = 3
                     ^^^""",
    ),
    (
        "claim A[i] B[i] = c[i] where |j| = 2",
        "ScopeError: line 1: the equation has no index j",
        """
  claim A[i] B[i] = c[i] where |j| = 2
                               ^^^
  repair:   claim A[i] B[i] = c[i] where |i| = 2""",
    ),
    (
        "Z[n] = relu(\n  X[n]\n  + Y[n,j])",
        "ScopeError: line 1: the index j is free on the right but is not on the left",
        """
    + Y[n,j])
          ^
  inferred: the left side has n; a capital is summed
  repair:   Z[n] = relu(
              X[n]
              + Y[n,J])
            Z[n] = relu(
              X[n]
              + sum[K](1[K == j] Y[n,K]))""",
    ),
]


@pytest.mark.parametrize(("text", "problem", "rest"), DOCUMENTS, ids=[row[1] for row in DOCUMENTS])
def test_message_of_a_document(text: str, problem: str, rest: str) -> None:
    with pytest.raises(EinstanError) as caught:
        parse_document(text)
    assert f"{type(caught.value).__name__}: {caught.value}" == problem + rest


def test_an_expression_has_the_same_messages() -> None:
    with pytest.raises(ScopeError) as caught:
        parse_expression("2 + log(P[N])")
    assert caught.value.repair == ("2 + sum[N](log(P[N]))", "2 + log(sum[N](P[N]))")


# ---- the table is complete -------------------------------------------------------------------------------------------

GRAMMAR = [
    "tokens", "cursor", "references", "differentials", "derivatives", "reductions", "atoms", "misread", "labels",
    "greek", "divisors", "expectations", "powers", "syntax",
    "refusals", "environment", "binding", "scope", "foreign", "spoken", "glued",
]  # fmt: skip
RAISERS = {"fail", "NotationError", "ScopeError"}


def patterns(source: str) -> list[str]:
    """Every problem that a module can report, as a regular expression; what is filled in is ``.*``."""

    def pattern(node: ast.expr) -> str | None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return re.escape(node.value)
        if isinstance(node, ast.JoinedStr):
            return "".join(re.escape(v.value) if isinstance(v, ast.Constant) else ".*" for v in node.values)
        return None

    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and node.args:
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                found += [pattern(node.args[0])] if name in RAISERS else []
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "problem":
                found.append(pattern(node.value))
    return [text for text in found if text is not None]


@pytest.mark.parametrize("module", GRAMMAR)
def test_every_refusal_has_a_row(module: str) -> None:
    source = Path(language.__file__).with_name(f"{module}.py").read_text(encoding="utf-8")
    problems = [row.splitlines()[0].split(": ", 1)[1] for row in ROWS]
    missing = [p for p in patterns(source) if not any(re.fullmatch(p, problem) for problem in problems)]
    assert not missing


def test_the_search_for_refusals_finds_them() -> None:
    source = "def f(self):\n    self.fail('a {', 1)\n    problem = f'b {x} c'\n    raise ScopeError(problem)\n"
    assert sorted(patterns(source)) == [r"a\ \{", r"b\ .*\ c"]


# ---- the parts of a message ------------------------------------------------------------------------------------------


def test_the_caret_stands_under_its_line() -> None:
    assert underlined("one\ntwo three\nfour", (8, 13)) == ["two three", "    ^^^^^"]
    assert underlined("one", (3, 4)) == ["one", "   ^"]
    assert underlined("one", (90, 99)) == ["one", "   ^"]
    assert underlined("one two\nthree", (4, 13)) == ["one two", "    ^^^"]
    assert underlined("one\ntwo", None) == ["one", "two"]


def test_the_nearest_name() -> None:
    assert nearest("W11", ["W1", "b1"]) == "did you mean W1?"
    assert nearest("Q", ["W1", "b1"]) == ""


@pytest.mark.parametrize(
    ("line", "place", "below"),
    [
        ("Z[i] = X[i] ?", "?", " " * 12 + "^"),
        ("Ω[i] = X[i] ?", "?", " " * 12 + "^"),
        ("X\u0302[i] = Y ?", "?", " " * 9 + "^"),
        ("長[i] = Y ?", "?", " " * 10 + "^"),
        ("a = 長短 b", "長短", "    ^^^^"),
    ],
)
def test_the_caret_stands_under_its_place_in_the_columns_of_a_terminal(line: str, place: str, below: str) -> None:
    start = line.index(place)
    assert underlined(line, (start, start + len(place))) == [line, below]
