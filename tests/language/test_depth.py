"""Long, deep and shared: a text of a thousand layers, terms deeper than Python's stack, graphs with 2³⁰ paths."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from einstan.language import Apply, Equation, Expr, Index, Indexed, Mul, latex, parse, parse_document, slot
from einstan.language.dims import localised
from einstan.language.errors import EinstanError, NotationError, ProgramError
from einstan.language.node import fold, postorder, rewrite
from einstan.language.term import substitute
from einstan.machine.graph.flatten import flatten
from einstan.machine.meaning.loops import evaluate

DEPTH = 1000


@contextmanager
def short_stack() -> Iterator[None]:
    """Python's stack cut to a hundred frames more than there are, a tenth of `DEPTH`: recursion would fail at once."""
    limit, frames, frame = sys.getrecursionlimit(), 0, sys._getframe()
    while frame is not None:
        frames, frame = frames + 1, frame.f_back  # type: ignore[assignment]
    sys.setrecursionlimit(frames + 100)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def test_the_short_stack_is_short() -> None:
    def down(depth: int) -> int:
        return depth and 1 + down(depth - 1)

    assert down(DEPTH // 2) == DEPTH // 2
    with short_stack(), pytest.raises(RecursionError):
        down(DEPTH // 2)


def test_a_program_of_a_thousand_layers_parses_and_prints() -> None:
    layers = (
        f"Z{k}[n,j] = A{k - 1}[n,K] W{k}[K,j] + b{k}[j]\nA{k}[n,j] = tanh(Z{k}[n,j])" for k in range(1, DEPTH + 1)
    )
    text = "\n".join(layers)
    document = parse_document(text)
    assert len(document.equations) == 2 * DEPTH
    assert str(document) == text


def test_the_same_in_one_equation() -> None:
    text = "A[n,j] = " + "tanh(" * DEPTH + "X[n,j]" + "".join(f" + b{k}[j])" for k in range(DEPTH))
    with short_stack():
        equation = parse(text)
        printed, again = str(equation), parse(latex(equation))
    assert printed == text
    assert again is equation


def test_a_shared_graph_compares_pickles_and_is_walked_at_once() -> None:
    term: Expr = Indexed("x")
    other: Expr = Indexed("x")
    for _ in range(30):
        term, other = Apply("exp", (Mul((term, term)),)), Apply("exp", (Mul((other, other)),))
    assert term is other
    assert sum(1 for _ in postorder(term)) == 61
    assert rewrite(term, lambda node: node) is term
    assert substitute(term, {Index("i", "X.0"): Index("j", "X.1")}) is term
    pickled = pickle.dumps(term)
    assert len(pickled) < 5000
    assert pickle.loads(pickled) is term


def test_a_deep_chain() -> None:
    i, j = Index("i", "X.0"), Index("j", "X.1")
    with short_stack():
        term: Expr = Indexed("X", (slot(i), slot(j)))
        for _ in range(DEPTH):
            term = Apply("relu", (term,))
        heights = fold(term, lambda node, values: 1 + max(values, default=0))
        moved = substitute(term, {i: Index("m", "X.0")})
        equation = Equation("Z", (i, j), term)
        text = str(equation)
        again = parse(text)
    assert term.free == (i, j)
    assert heights == DEPTH + 3
    assert [index.name for index in moved.free] == ["m", "j"]
    assert text.count("relu(") == DEPTH
    assert again is localised(equation)


@pytest.mark.parametrize(
    "text",
    [
        "Z[i] = " + " + ".join(f"x{n}[i]" for n in range(DEPTH)),
        "Z[i] = " + " ".join(f"x{n}[i]" for n in range(DEPTH)),
        "Z[i] = " + " + ".join(f"A{n}[i,K] b[K]" for n in range(DEPTH // 4)),
        "Z[i] = " + "(1 + x[i] " * DEPTH + "y" + ")" * DEPTH,
        "Z[i] = X[" + "T[" * 150 + "i" + "]" * 150 + "]",
        "Z[i] = " + "-" * DEPTH + "x[i]",
        "Z[i] = " + "x[i]^" * DEPTH + "2",
        "Z[i] = " + "".join(f"sum[K{n}](A[i,K{n}] " for n in range(150)) + "y" + ")" * 150,
    ],
    ids=["terms", "factors", "sums", "brackets", "gathers", "signs", "powers", "scopes"],
)
def test_long_and_deep_texts(text: str) -> None:
    with short_stack():
        equation = parse(text)
        again = parse(str(equation))
    assert again is equation


@pytest.mark.parametrize("opening", ["(", "T[", "relu(", "sum[K](", "-(", "x^(", r"\frac{"])
def test_deep_unbalanced_text_is_an_error_and_not_a_crash(opening: str) -> None:
    with short_stack(), pytest.raises(NotationError):
        parse("Z = " + opening * DEPTH)


TOO_DEEP = 50_000


@pytest.mark.in_turn(2)
@pytest.mark.parametrize(
    ("opening", "inside", "closing"),
    [
        ("(", "x[i]", ")"),
        ("(1 + x[i] ", "y", ")"),
        ("sin(", "x[i]", ")"),
        ("-(", "x[i]", ")"),
        ("x[i]^", "2", ""),
        ("x[i]^-", "2", ""),
        ("x^{", "2", "}"),
        (r"\frac{1}{1+", "x_i", "}"),
        (r"\sqrt{", "x_i", "}"),
        (r"\left(", "x_i", r"\right)"),
        (r"\left|", "x_i + 1", r"\right|"),
        ("1[0 < ", "x[i]", "]"),
        ("T[", "i", "]"),
        ("softmax[i](", "x[i]", ")"),
        ("max[K](A[i,K] + ", "y", ")"),
        ("maximum(x[i], ", "y", ")"),
        ("pad(", "x[i]", ")"),
        ("δ[i,", "i", "]"),
    ],
    ids=repr,
)
def test_what_is_nested_too_deep_is_refused(opening: str, inside: str, closing: str) -> None:
    depth = TOO_DEEP if opening in ("(", "T[") else TOO_DEEP // 10
    text = "Z[i] = x[i] " + opening * depth + inside + closing * depth
    with short_stack(), pytest.raises(EinstanError) as caught:
        parse(text)
    assert len(str(caught.value)) < 400
    if opening != "pad(":
        assert caught.value.problem == "nested deeper than 2000 levels"


@pytest.mark.parametrize(
    "text",
    [
        "Z[i] = " + "-" * TOO_DEEP + "x[i]",
        "Z[i] = " + " + ".join(["x[i]"] * TOO_DEEP),
        "Z[i] = " + " ".join(["x[i]"] * TOO_DEEP),
        "Z[i] = " + "2 * -" * 5000 + "x[i]",
    ],
    ids=["signs", "terms", "factors", "negative factors"],
)
def test_what_is_wide_is_read(text: str) -> None:
    assert parse(text).indices[0].name == "i"


def test_a_term_too_deep_for_the_stack_is_refused_by_what_goes_down_it() -> None:
    x: Expr = Indexed("x")
    term = x
    for _ in range(TOO_DEEP):
        term = Apply("exp", (term,))
    equation = Equation("Z", (), term)
    for attempt in (lambda: flatten(equation), lambda: evaluate(equation, {"x": 0.5})):
        with pytest.raises(ProgramError, match="nested deeper than 6000 levels"):
            attempt()


def test_a_deep_chain_pickles() -> None:
    chain: Expr = Indexed("x")
    for _ in range(5000):
        chain = Apply("tanh", (chain,))
    assert pickle.loads(pickle.dumps(chain)) is chain
