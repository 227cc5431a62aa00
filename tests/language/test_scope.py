"""Where a capital is summed: formulas of many fields with the reading that their author means, or the refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from einstan.calculus.canonical import canonical
from einstan.calculus.proof import prove
from einstan.language import EinstanError, Extent, ScopeError, Sum, parse
from einstan.language.node import preorder
from einstan.language.scope import parse_sides
from einstan.language.show import reading, show
from einstan.language.surface import Call, Expression, Power, Ref, Relation, Size, Surface, Term, below
from einstan.language.syntax import read_relation
from einstan.language.term import Expr

CASES = [
    (case["equation"], case["reading"], case["note"])
    for case in json.loads((Path(__file__).parent / "notation_cases.json").read_text("utf-8"))
]
DECLARED = ("e", "T")  # numbers here
CLEAR = "clear to a reader"  # and refused all the same, for what looks like it is not
READ = [text for text, reading, note in CASES if reading != "refused" and CLEAR not in note]


def right(text: str) -> str:
    return text.partition("=")[2].partition(" where ")[0]


@cache
def read(text: str) -> tuple[str, ...] | None:
    """Both sides in canonical form, or nothing where the text is refused."""
    try:
        sides = parse_sides(text, DECLARED)
    except ScopeError:
        return None
    return tuple(show(canonical(side)) for side in sides)


@pytest.mark.parametrize(("text", "reading", "note"), CASES, ids=[text for text, _, _ in CASES])
def test_a_formula_is_read_as_its_author_means_it(text: str, reading: str, note: str) -> None:
    found = read(text)
    if found is None:
        assert reading == "refused" or CLEAR in note
    else:
        assert reading != "refused"
        assert found == read(reading) or prove(*parse_sides(f"{right(text)} = {right(reading)}"))


@pytest.mark.parametrize("text", [text for text, reading, note in CASES if reading == "refused" or CLEAR in note])
def test_a_refusal_spells_readings_that_can_be_pasted(text: str) -> None:
    if read(text) is not None:
        return
    with pytest.raises(ScopeError) as caught:
        parse_sides(text, DECLARED)
    readings = [read(repair) for repair in caught.value.repair]
    assert readings
    assert None not in readings
    assert len(set(readings)) == len(readings)


@pytest.mark.parametrize("text", READ)
def test_what_is_printed_is_read_back_as_the_same_object(text: str) -> None:
    for side in parse_sides(text, DECLARED):
        assert _reparsed(side) == show(side)


def _reparsed(side: Expr) -> str:
    return show(parse_sides(f"0 = {show(side)}")[1])


@pytest.mark.parametrize("text", READ)
def test_the_reading_writes_every_sum_out_and_means_the_same(text: str) -> None:
    _, side = parse_sides(text, DECLARED)
    written = parse_sides(f"0 = {reading(side)}")[1]
    assert reading(written) == reading(side)
    assert show(canonical(written)) == show(canonical(side)) or prove(*parse_sides(f"{right(text)} = {reading(side)}"))


def bracketed(text: str) -> Iterator[str]:
    """The text with brackets that are not needed, around each of its factors and products in turn."""
    _, tree = read_relation(text, DECLARED)
    stack: list[Surface] = [tree.right]
    while stack:
        node = stack.pop()
        if isinstance(node, Ref | Size):
            pass
        elif isinstance(node, Expression | Term | Power | Call | Relation):
            stack.extend(below(node))
        if isinstance(node, Ref | Power | Call | Expression):
            start, end = node.span
            yield f"{text[:start]}({text[start:end]}){text[end:]}"


@pytest.mark.parametrize("text", [text for text in READ if "/d" not in text])
def test_brackets_that_are_not_needed_never_change_a_value(text: str) -> None:
    plain = read(text)
    for other in bracketed(text):
        try:
            found = read(other)
        except EinstanError:  # a name before a bracket is a function
            continue
        assert found in (plain, None), other


# The implicit spelling, and the one with every sum written out: down to the object.
BINDINGS = [
    ("Z[n,j] = X[n,K] W[K,j] + b[j]", "Z[n,j] = sum[K](X[n,K] W[K,j]) + b[j]"),
    ("db[j] = dZ[N,j] 1[N]", "db[j] = sum[N](dZ[N,j] 1[N])"),
    ("L = X[K]^2", "L = sum[K](X[K]^2)"),
    ("L = 1 / (X[K] Y[K])", "L = 1 / (sum[K](X[K] Y[K]))"),
    ("Z[i] = (A[i,K] B[K]) C[i]", "Z[i] = sum[K](A[i,K] B[K]) C[i]"),
    ("Z[i] = A[i,K] B[K] C[i]", "Z[i] = sum[K](A[i,K] B[K] C[i])"),
    ("Z[i] = (A[i,K] + B[i,K]) C[i]", "Z[i] = sum[K]((A[i,K] + B[i,K]) C[i])"),
    ("Z[i] = A[i,K] B[K] + C[i,K] D[K]", "Z[i] = sum[K](A[i,K] B[K]) + sum[K](C[i,K] D[K])"),
    ("Z[i] = A[K,L] B[L,K,i]", "Z[i] = sum[K,L](A[K,L] B[L,K,i])"),
    ("Z[i] = A[L,K] B[L,K,i]", "Z[i] = sum[L,K](A[L,K] B[L,K,i])"),
    ("m = mean[N](A[N,K])", "m = sum[K](mean[N](A[N,K]))"),
    ("Z[i] = 1[X[i,K] > 0] A[i,K]", "Z[i] = sum[K](1[X[i,K] > 0] A[i,K])"),
    ("Z[p] = 1[0 <= p-I < |w.0|] w[p-I] y[I]", "Z[p] = sum[I](1[0 <= p-I < |w.0|] w[p-I] y[I])"),
]


@pytest.mark.parametrize(("implicit", "explicit"), BINDINGS)
def test_sums_stand_where_they_are_written(implicit: str, explicit: str) -> None:
    assert parse(implicit) is parse(explicit)


@pytest.mark.parametrize(
    ("text", "outside", "inside"),
    [
        ("L = log(P[N])", "L = sum[N](log(P[N]))", "L = log(sum[N](P[N]))"),
        ("L = a / (b[K])", "L = sum[K](a / (b[K]))", "L = a / (sum[K](b[K]))"),
        ("L = 2 log(|N| P[N])", "L = sum[N](2 log(|N| P[N]))", "L = 2 log(sum[N](|N| P[N]))"),
        ("L = c - exp(P[N])", "L = c - sum[N](exp(P[N]))", "L = c - exp(sum[N](P[N]))"),
        ("L = max[J](A[J,K])", "L = sum[K](max[J](A[J,K]))", "L = max[J](sum[K](A[J,K]))"),
        ("L = log(softmax[K](X[K]))", "L = sum[K](log(softmax[K](X[K])))", "L = log(sum[K](softmax[K](X[K])))"),
        ("T = log(A[N,N])", "T = sum[N](log(A[N,N]))", "T = log(sum[N](A[N,N]))"),
        ("L = 2 (c + x[N] - z[N])", "L = sum[N](2 (c + x[N] - z[N]))", "L = 2 (c + sum[N](x[N]) - sum[N](z[N]))"),
        ("P[i] = E[i] / E[I]", "P[i] = sum[I](E[i] / E[I])", "P[i] = E[i] / sum[I](E[I])"),
    ],
)
def test_two_readings_are_refused_with_both_spelled_out(text: str, outside: str, inside: str) -> None:
    with pytest.raises(ScopeError) as caught:
        parse(text)
    assert caught.value.repair == (outside, inside)
    assert parse(outside) is not parse(inside)


def test_a_term_may_lack_a_free_index_and_so_may_the_right_side() -> None:
    assert str(parse("dZ[n,j]/db[q] = δ[j,q]")) == "dZ[n,j]/db[q] = δ[j,q]"
    assert str(parse("Z[n,j] = b[j]")) == "Z[n,j] = b[j]"
    assert str(parse("Z[n,j] = X[n,j] + b[j] + c")) == "Z[n,j] = X[n,j] + b[j] + c"


def test_the_two_letters_of_one_spelling_may_run_over_different_axes() -> None:
    first, second = parse("Z[i] = A[i,K] B[K] + C[i,K] D[K]").rhs.terms
    assert isinstance(first, Sum)
    assert first.indices[0].dim == "A.1"
    assert second.indices[0].dim == "C.1"


@pytest.mark.parametrize(
    ("text", "dim"),
    [
        ("L = |N| X[N]", "X.0"),
        ("L = 1/|N| sum[N](X[N])", "X.0"),
        ("L = |n| X[N]", "X.0"),
        ("Y[i] = |i| X[J]", "Y.0"),
        ("Y[i] = |X.0| X[J]", "X.0"),
        ("Y[i] = |w.0| w[i]", "Y.0"),
        ("Y[i] = |Q| x[i]", "Q"),
    ],
)
def test_extents_lead_to_an_axis(text: str, dim: str) -> None:
    extents = [node for node in preorder(parse(text).rhs) if isinstance(node, Extent)]
    assert [extent.index.dim for extent in extents] == [dim]
