r"""LaTeX out, and back in: ``parse(latex(e)) is e``."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from einstan.language import Equation, latex, parse, well_named
from einstan.language.mathml import mathml
from tests.language.test_show import FIXED
from tests.strategies import raw_equations

WRITTEN = [
    ("Z[n,j] = X[n,K] W[K,j] + b[j]", r"Z_{n,j} = X_{n,K} W_{K,j} + b_{j}"),
    ("L = -1/|N| Y[N,J] log(S[N,J])", r"L = -\frac{1}{\left|N\right|} Y_{N,J} \log(S_{N,J})"),
    ("dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]", r"\frac{\partial Z_{n,j}}{\partial X_{m,p}} = \delta_{n,m} W_{p,j}"),
    (
        "dL/dW[p,q]dW[r,s] = A[p,q] A[r,s]",
        r"\frac{\partial^2 L}{\partial W_{p,q} \partial W_{r,s}} = A_{p,q} A_{r,s}",
    ),
    ("dZ[n,c] = (S[n,c] - Y[n,c]) / |n|", r"\mathrm{dZ}_{n,c} = \frac{S_{n,c} - Y_{n,c}}{\left|n\right|}"),
    ("H = (x[J] y[J]) / s", r"H = \frac{\left(x_{J} y_{J}\right)}{s}"),
    ("S[j] = exp(Z[j]) / sum[K](exp(Z[K]))", r"S_{j} = \frac{\exp(Z_{j})}{\sum_{K} \exp(Z_{K})}"),
    ("M[i,j] = 1[i <= j] 1[j != 2]", r"M_{i,j} = \mathbb{1}[i \le j] \cdot \mathbb{1}[j \ne 2]"),
    ("loss_total = Z^(2)[I] y_hat[I] α", r"\mathrm{loss\_total} = Z^{(2)}_{I} \hat{y}_{I} \alpha"),
    (
        "Z2[n,j1] = X1^(3)[n,K2] b12[j1]^2 x1",
        r"\mathit{Z2}_{n,j1} = \mathit{X1}^{(3)}_{n,K2} \mathit{b12}_{j1}^{2} \mathit{x1}",
    ),
    ("L = (1 - a^(2)[I]^2) g[I]", r"L = \left(1 - \left(a^{(2)}_{I}\right)^{2}\right) g_{I}"),
    ("y[i] = softmax[i](x[i])^2", r"y_{i} = \operatorname{softmax}_{i}\left(x_{i}\right)^{2}"),
    ("Y[n,d] = E[T[n],d]", r"Y_{n,d} = E_{T_{n},d}"),
    ("y = sqrt(x) abs(x[K] x[K])", r"y = \sqrt{x} \left|x_{K} x_{K}\right|"),
]
WRITTEN = [row for row in WRITTEN if "abs(" not in row[0]]


@pytest.mark.parametrize(("text", "written"), WRITTEN)
def test_latex(text: str, written: str) -> None:
    assert latex(parse(text)) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Z[n,j] = X[n,K] W[K,j] + b[j]", r"Z_{n,j} = \sum_{k} X_{n,k} W_{k,j} + b_{j}"),
        ("L = -1/|N| Y[N,J] log(S[N,J])", r"L = -\frac{1}{\left|n\right|} \sum_{n,j} Y_{n,j} \log(S_{n,j})"),
        (
            "O[q,d] = softmax[K](Q[q,E] M[K,E]) V[K,d]",
            r"O_{q,d} = \sum_{k} \operatorname{softmax}_{k}\left(\sum_{e} Q_{q,e} M_{k,e}\right) V_{k,d}",
        ),
        ("z[k] = A[k,K]", r"z_{k} = \sum_{k2} A_{k,k2}"),
    ],
)
def test_sum_signs_over_small_letters(text: str, written: str) -> None:
    assert latex(parse(text), sums=True) == written


@pytest.mark.parametrize("text", FIXED)
def test_latex_parses_back(text: str) -> None:
    equation = parse(text)
    assert parse(latex(equation)) is equation


@settings(max_examples=100, deadline=None)
@given(raw_equations())
def test_latex_of_random_equations_parses_back(raw: Equation) -> None:
    equation = well_named(raw)
    assert parse(latex(equation)) is equation


SIZED = [
    ("y[n] = 1/|K| x[n+K] where |K| = 3", "y[n] = 1/|k| sum[k](x[n+k]) where |k| = 3"),
    ("y[i] = x[floor(i/2)] where |i| = 2 |x.0|", "y[i] = x[floor(i / 2)] where |i| = 2 |x.0|"),
    ("v = max[K](1/|J| sum[J](x[K,J])) where |J| = 4", "v = max[k](1/|j| sum[j](x[k,j])) where |j| = 4"),
    # the letters of the sums change places, and the size goes with its own
    (
        "y[i] = z[i] (v[J] - sum[J2](z[J2] 1[J2 != J])) v[J] / |J|",
        "y[i] = sum[j2](z[i] (v[j2] - sum[j](z[j] 1[j != j2])) v[j2] / |j2|)",
    ),
]


@pytest.mark.parametrize(("text", "written"), SIZED)
def test_sizes_have_the_letters_of_the_sums_that_are_written(text: str, written: str) -> None:
    assert str(parse(latex(parse(text), sums=True))) == written


def test_a_number_in_a_name_is_no_slot_in_mathml() -> None:
    assert "<msub><mrow><mi>Z</mi><mn>2</mn></mrow><mrow><mi>n</mi>" in mathml(parse("Z2[n] = x1"))
    assert mathml(parse("Z2[n] = x1")).count("<msub><mi>x</mi><mn>1</mn></msub>") == 1
