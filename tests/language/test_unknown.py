"""Calls of what is no function: each of the usual ones of other libraries is refused with what to write instead."""

from __future__ import annotations

import pytest

from einstan.language import NotationError, parse, parse_expression, written
from einstan.language.surface import CALLABLE
from einstan.language.unknown import INSTEAD, LIBRARIES

# What is said in words rather than as one expression.
SAID = {
    *("gamma", "Gamma", "Γ", "polygamma"),
    *("einsum", "matmul", "mm", "bmm", "tensordot", "diag", "diagonal", "det", "slogdet", "logdet", "erfinv"),
    *("concat", "concatenate", "hstack", "cat", "reshape", "ravel", "flatten", "arange", "range", "linspace"),
    *("inv", "inverse", "pinv", "solve", "argmax", "argmin", "median", "quantile", "sort", "argsort", "topk"),
}


@pytest.mark.parametrize("name", INSTEAD)
@pytest.mark.parametrize("call", ["{}(x[i])", "{}[K](x[i,K])", "a {}(x[i], 1)", "tanh({}(x[i]))"])
def test_it_is_refused_with_what_to_write(name: str, call: str) -> None:
    text = f"y[i] = {call.format(name)}"
    if name == "where" and "[K]" in call:
        text = text.replace("where[K]", "where")
    with pytest.raises(NotationError) as caught:
        written(text)
    start, end = caught.value.span  # type: ignore[misc]
    assert text[start:end] == name
    repair = caught.value.repair[0]
    if repair.startswith("y[i] = "):
        written(repair)
    else:
        assert repair == INSTEAD[name]


@pytest.mark.parametrize("name", sorted(set(INSTEAD) - SAID))
def test_what_to_write_is_read(name: str) -> None:
    parse_expression(INSTEAD[name])


def test_nothing_that_is_known_is_refused() -> None:
    assert not set(INSTEAD) & set(CALLABLE)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("call", "repair"),
    [("exp", "y = exp(x)"), ("linalg.tanh", "y = tanh(x)"), ("matmul", "Z[i,j] = X[i,K] W[K,j]"), ("nonsense", None)],
)
def test_a_name_of_a_library(library: str, call: str, repair: str | None) -> None:
    with pytest.raises(NotationError, match="belongs to a library") as caught:
        written(f"y = {library}.{call}(x)")
    assert caught.value.repair == ((repair,) if repair else ())


@pytest.mark.parametrize(
    ("glued", "apart"),
    [
        ("Y[i] = X[i](Y[i] + 1)", "Y[i] = X[i] (Y[i] + 1)"),
        ("Y[i] = b(X[i] + 1)", "Y[i] = b (X[i] + 1)"),
        ("Y[i] = 1[i > 0] T[i](X[i] + 1)", "Y[i] = 1[i > 0] T[i] (X[i] + 1)"),
        ("Y[i] = Z^(2)[i](X[i] + 1)", "Y[i] = Z^(2)[i] (X[i] + 1)"),
    ],
)
def test_a_product_has_a_blank(glued: str, apart: str) -> None:
    with pytest.raises(NotationError) as caught:
        written(glued)
    assert caught.value.repair == (apart,)
    assert str(parse(apart)) == apart


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Y[i] = X_{i}(Y_{i} + 1)", "Y[i] = X[i] (Y[i] + 1)"),  # in LaTeX a blank says nothing
        ("Y[i] = 1[i > 0](X[i] + 1)", "Y[i] = 1[i > 0] (X[i] + 1)"),
        ("Y[i] = |i|(X[i] + 1)", "Y[i] = |i| (X[i] + 1)"),
        ("Y[i] = 2(X[i] + 1)(X[i] - 1)", "Y[i] = 2 (X[i] + 1) (X[i] - 1)"),
        ("Y[i] = X[i]^2(X[i] - 1)", "Y[i] = X[i]^2 (X[i] - 1)"),
        ("Y[i] = exp(X[i])(X[i] - 1)", "Y[i] = exp(X[i]) (X[i] - 1)"),
        ("Y[i] = δ[i,0](X[i] - 1)", "Y[i] = δ[i,0] (X[i] - 1)"),
    ],
)
def test_what_is_no_call_stays_a_product(text: str, printed: str) -> None:
    assert str(parse(text)) == printed
    assert parse(printed) is parse(text)
