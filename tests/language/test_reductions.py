"""Deviations and norms, which are written out where they are called; and tensors of their names."""

from __future__ import annotations

import pytest

from einstan.language import NotationError, ScopeError, latex, parse, written

ROWS = [
    ("v[n] = var[K](x[n,K])", "v[n] = mean[K]((x[n,K] - mean[K2](x[n,K2]))^2)"),
    ("s[n] = std[K](x[n,K])", "s[n] = sqrt(mean[K]((x[n,K] - mean[K2](x[n,K2]))^2))"),
    ("r[n] = norm[K](x[n,K])", "r[n] = sqrt(sum[K](x[n,K]^2))"),
    ("v = var[I,J](A[I,J])", "v = mean[I,J]((A[I,J] - mean[I2,J2](A[I2,J2]))^2)"),
    ("r = norm[I,J](A[I,J] - B[I,J])", "r = sqrt(sum[I,J]((A[I,J] - B[I,J])^2))"),
    ("r[n] = norm[J](X[n,K] W[K,J])", "r[n] = sqrt(sum[J](sum[K](X[n,K] W[K,J])^2))"),
    ("s[n] = \\operatorname{std}_K(x_{n,K})", "s[n] = sqrt(mean[K]((x[n,K] - mean[K2](x[n,K2]))^2))"),
    ("s[n] = \\operatorname{std}_{K} \\left(x_{n,K}\\right)", "s[n] = sqrt(mean[K]((x[n,K] - mean[K2](x[n,K2]))^2))"),
    (
        "y[i] = (x[i] - mean[J](x[J])) / std[J](x[J])",
        "y[i] = (x[i] - mean[J](x[J])) / sqrt(mean[J]((x[J] - mean[J2](x[J2]))^2))",
    ),
    # names of tensors
    ("y[i] = x[i] / std[i]", "y[i] = x[i] / std[i]"),
    ("y[i] = std[i] * (x[i] + norm)", "y[i] = std[i] * (x[i] + norm)"),
    ("y[i] = var[i] x[i]", "y[i] = var[i] x[i]"),
    ("y[i] = (x[i] + 1) var[i]^2 (x[i] - 1)", "y[i] = (x[i] + 1) var[i]^2 (x[i] - 1)"),
]


@pytest.mark.parametrize(("text", "meant"), ROWS)
def test_it_is_written_out(text: str, meant: str) -> None:
    equation = parse(text)
    assert parse(meant) is equation
    assert parse(str(equation)) is equation
    assert parse(latex(equation)) is equation


@pytest.mark.parametrize("name", ["var", "std", "norm"])
def test_what_could_be_either_is_refused(name: str) -> None:
    with pytest.raises(NotationError, match="a reduction or a tensor") as caught:
        written(f"y[n] = {name}[n] (x[n] + 1)")
    assert caught.value.repair == (f"y[n] = {name}[n](x[n] + 1)", f"y[n] = {name}[n] * (x[n] + 1)")
    with pytest.raises(NotationError, match=f"{name} of which index"):
        written(f"y = {name}(x[K])")
    with pytest.raises(ScopeError, match="bound again"):
        written(f"y[n] = {name}[n](x[n])")
    with pytest.raises((NotationError, ScopeError), match="does not depend on K"):
        written(f"y[n] = {name}[K](x[n])")
    with pytest.raises((NotationError, ScopeError), match="binds an index twice"):
        written(f"y = {name}[K,K](x[K])")
