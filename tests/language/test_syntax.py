"""The notation, a row per rule: what a text means, and which spellings mean the same."""

from __future__ import annotations

import keyword
import re
import unicodedata
from fractions import Fraction

import pytest

from einstan.language import (
    Add,
    Affine,
    Apply,
    Const,
    Delta,
    EinstanError,
    Equation,
    Extent,
    Index,
    Indexed,
    Iverson,
    Mul,
    NotationError,
    Partial,
    Reduce,
    Sum,
    latex,
    parse,
    parse_document,
    parse_expression,
)  # fmt: skip
from einstan.language.term import tensors
from einstan.language.tokens import is_name

# ---- two spellings of one equation -----------------------------------------------------------------------------------

SAME = [
    # 1. names, both spellings, Greek letters and their ASCII twins
    ("Z[n,j] = X[n,K] W[K,j] + b[j]", "Z_{n,j} = X_{n,K} W_{K,j} + b_j"),
    ("Z[row,j] = X[row,Col] W[Col,j]", r"Z_{\mathrm{row},j} = X_{\mathrm{row},\mathrm{Col}} W_{\mathrm{Col},j}"),
    ("Z^(2)[i,j] = A^(1)[i,j]", "Z^{(2)}_{i,j} = A_{i,j}^{(1)}"),
    ("D[i,p] = δ[i,p]", "D[i,p] = delta[i,p]"),
    ("D[i,p] = δ[i,p]", r"D_{i,p} = \delta_{i,p}"),
    ("y = α x", r"y = \alpha x"),
    ("y = α x", r"y = \alpha x"),
    ("y = y_hat W", r"y = \hat{y} \mathrm{W}"),
    ("y[i] = exp(-x[i])", r"y_i = e^{-x_i}"),
    ("y[i] = exp(x[i])", "y[i] = e^x[i]"),
    ("a^(l)[i] = W^(l)[i,J] a^(l-1)[J]", r"a_i^{(l)} = W_{i,J}^{(l)} a_J^{(l-1)}"),
    ("a^(l)[i] = W^(l)[i,J] a^(l-1)[J]", r"a_i^{[l]} = W_{i,J}^{[l]} a_J^{[l-1]}"),
    ("y[i] = (e)^(-x[i]) + e", "y[i] = e^(-x[i]) + e"),
    ("y[n] = x[n] / (N)", "y[n] = x[n] (1 / (N))"),
    ("y = 2 pi x", r"y = 2 \pi x"),
    ("y = 2 pi x", "y = 2 π x"),
    # 2. products, quotients, powers
    ("y = a b", "y = a * b"),
    ("y = a b", r"y = a \cdot b"),
    ("y = a / (b c)", r"y = \frac{a}{b c}"),
    ("y = (a / b) c", r"y = \frac{a}{b} c"),
    ("y = 1/2 x", r"y = \frac{1}{2} x"),
    ("Z[n,j] = (1 / r[n]) q[n,j]", "Z[n,j] = 1/r[n] (q[n,j])"),
    ("y[i] = (l / 2) x[i]", "y[i] = l/2 (x[i])"),
    ("y[i] = (l / 2) x[i]", "y[i] = l/2(x[i])"),
    ("y[i] = (al / |R|) X[i,R] w[R]", "y[i] = al/|R| X[i,R] w[R]"),
    ("y[i] = (a[0] / 2) x[i]", "y[i] = a[0]/2 x[i]"),
    ("y[i] = 2 (a / |i|) x[i]", "y[i] = 2 a/|i| x[i]"),
    ("y[i] = (|i| / b) x[i]", "y[i] = |i|/b x[i]"),
    ("y[i] = (1 / (2 s^2)) (x[i] - m)^2", "y[i] = 1/(2 s^2) (x[i] - m)^2"),
    ("y[i] = (1 / sqrt(d)) x[i]", "y[i] = 1/sqrt(d) x[i]"),
    ("y[i] = (1 / a / b) x[i]", "y[i] = 1/a/b x[i]"),
    ("y[i] = (1 / a) (x[i] / c)", "y[i] = 1/a x[i]/c"),
    ("y[i] = (1 / (k T)) x[i]", "y[i] = 1/(k T) x[i]"),
    ("y = (x^2) / 2", "y = x^2/2"),
    ("y[i] = 1/2 x[i]", "y[i] = .5 x[i]"),
    ("y[i] = 5 x[i]", "y[i] = 5. x[i]"),
    ("y[i] = x[i]^(1/2) + 1/4", "y[i] = x[i]^.5 + .25"),
    ("y = 5", "y = 5."),
    ("y = -1/200 x", "y = -5.e-3 x"),
    ("y = x^2", "y = x**2"),
    ("y = x^2", "y = x²"),
    ("y = x^2", "y = x^(2)"),
    ("y = x^2", "y = pow(x, 2)"),
    ("y = x^(2^3)", "y = x^2^3"),
    ("y = -(x^2)", "y = -x^2"),
    ("y = 1/x", "y = x^-1"),
    ("y = (a / b) / c", "y = a / b / c"),
    ("y = sqrt(x + 1)", r"y = \sqrt{x + 1}"),
    # 3. sums
    ("Z[i] = sum[K](A[i,K] B[K])", "Z[i] = A[i,K] B[K]"),
    ("Z[i] = sum[K](A[i,K] B[K])", r"Z_i = \sum_K A_{i,K} B_K"),
    ("Z[i] = sum[k](A[i,k] B[k])", r"Z_i = \sum_{k} A_{i,k} B_k"),
    ("Z[i] = sum[k](A[i,k] B[k]) + c[i]", r"Z_i = ∑_{k} A_{i,k} B_k + c_i"),
    ("y = maximum(a, b)", r"y = \max(a, b)"),
    ("y = max[K](a[K])", r"y = \max_{K}(a_K)"),
    ("S[n,j] = softmax[j](Z[n,j])", r"S_{n,j} = \operatorname{softmax}_{j}(Z_{n,j})"),
    # 5. indicators, deltas, extents
    ("M[i,j] = 1[i <= j]", "M[i,j] = 1[i ≤ j]"),
    ("M[i,j] = 1[i <= j]", r"M_{i,j} = \mathbb{1}[i \le j]"),
    ("M[i,j] = 1[i != j]", r"M_{i,j} = 1[i \neq j]"),
    ("M[i,j] = 1[i == j]", "M[i,j] = 1[i = j]"),
    ("L = -1/|N| Y[N,J] log(S[N,J])", r"L = -\frac{1}{\left|N\right|} Y_{N,J} \log(S_{N,J})"),
    # 6. index arithmetic
    ("Y[i] = X[2i+R]", "Y[i] = X[2*i + R]"),
    # 8. functions
    ("A[n] = relu(Z[n])", r"A_n = \operatorname{relu}\left(Z_n\right)"),
    ("A[n] = sigmoid(Z[n])", r"A_n = \sigma(Z_n)"),
    ("A[n] = log(Z[n])", r"A_n = \ln(Z_n)"),
    ("A[n] = abs(Z[n])", r"A_n = \left|Z_n\right|"),
    # 9. derivatives
    ("dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]", "∂Z[n,j]/∂X[m,p] = δ[n,m] W[p,j]"),
    ("dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]", r"\frac{\partial Z_{n,j}}{\partial X_{m,p}} = \delta_{n,m} W_{p,j}"),
    ("dL/dW[p,q]dW[r,s] = 0", "d2L/dW[p,q] dW[r,s] = 0"),
    ("dL/dW[p,q]dW[r,s] = 0", "d²L/dW[p,q] dW[r,s] = 0"),
    ("dL/dW[p,q]dW[r,s] = 0", r"\frac{\partial^2 L}{\partial W_{p,q} \partial W_{r,s}} = 0"),
    ("dL/dx = 0", r"\frac{dL}{dx} = 0"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_give_the_same_object(one: str, other: str) -> None:
    assert parse(one) is parse(other)


# ---- what is meant ---------------------------------------------------------------------------------------------------


def rhs(text: str) -> object:
    return parse(text).rhs


def scalar(name: str) -> Indexed:
    return Indexed(name)


x, y, z = scalar("x"), scalar("y"), scalar("z")


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("1/2", Const(Fraction(1, 2))),
        ("1.702", Const("1.702")),
        ("1e-5", Const("1e-5")),
        ("-x", Mul((Const(-1), x))),
        ("-2 x", Mul((Const(-2), x))),
        ("x - 2 y", Add((x, Mul((Const(-2), y))))),
        ("x / y", Mul((x, Apply("pow", (y, Const(-1)))))),
        ("1 / y", Apply("pow", (y, Const(-1)))),
        ("x / (y z)", Mul((x, Apply("pow", (Mul((y, z)), Const(-1)))))),
        ("x^2", Apply("pow", (x, Const(2)))),
        ("-x^2", Mul((Const(-1), Apply("pow", (x, Const(2)))))),
        ("x^-2", Apply("pow", (x, Const(-2)))),
        ("x (y z)", Mul((x, y, z))),
        ("x + (y + z)", Add((x, y, z))),
        ("x - (y + z)", Add((x, Mul((Const(-1), Add((y, z))))))),
        ("pi", Apply("pi", ())),
        ("ReLU(x)", Apply("relu", (x,))),
        ("min(x, y)", Apply("minimum", (x, y))),
        ("1[x > 0]", Iverson((x, Const(0)), (">",))),
        ("1[0 < x <= y]", Iverson((Const(0), x, y), ("<", "<="))),
        ("1/2 1[x == y]", Mul((Const(Fraction(1, 2)), Iverson((x, y), ("==",))))),
        ("dL/dx", Indexed(Partial("L", 0, (("x", 0),)))),
        ("dL / (dx)", Mul((scalar("dL"), Apply("pow", (scalar("dx"), Const(-1)))))),
        ("∂loss/∂weight", Indexed(Partial("loss", 0, (("weight", 0),)))),
        ("data / dist", Mul((scalar("data"), Apply("pow", (scalar("dist"), Const(-1)))))),
        ("x^(2)", Apply("pow", (x, Const(2)))),
        ("|X.0|", Extent(Index("X.0"))),
    ],
)
def test_expressions(text: str, term: object) -> None:
    assert parse_expression(text) is term


def test_known_tensors_decide_what_is_a_derivative() -> None:
    quotient = parse("Q[i,j] = data[i]/dist[j]")
    derivative = parse("Q[i,j] = data[i]/dist[j]", known=("ata", "ist"))
    assert isinstance(quotient.rhs, Mul)
    assert derivative.rhs.tensor == Partial("ata", 1, (("ist", 1),))
    assert str(derivative) == "Q[i,j] = ∂ata[i]/∂ist[j]"


def test_slots_are_affine_forms() -> None:
    equation = parse("Y[i] = X[2i+R-1] W[R] V[|W.0|-1-i]")
    assert isinstance(equation.rhs, Sum)
    first, _, last = equation.rhs.body.factors
    i, r = equation.indices[0], equation.rhs.indices[0]
    assert first.slots[0] is Affine(((i, 2), (r, 1)), -1)
    assert last.slots[0].terms[1] == (i, -1)
    assert last.slots[0].constant == -1


def test_gather_deltas_ones_and_reductions() -> None:
    gather = rhs("G[n,d] = E[T[n],d]")
    assert gather.slots[0].terms[0][0].tensor == "T"
    assert isinstance(rhs("D[i,p] = δ[i,p]"), Delta)
    assert rhs("O[i] = 1[i,K]").body.is_ones
    assert rhs("m = mean[K](x[K])") == Reduce("mean", (Index("K", "x.0"),), rhs("m = mean[K](x[K])").body)


def test_where_states_extents() -> None:
    equation = parse("Y[i] = pad(X[i+J-1]) W[J] where |i| = |X.0| + |W.0| - 1")
    ((index, form),) = equation.where
    assert index is equation.indices[0]
    assert form.constant == -1
    assert [atom.index.name for atom, _ in form.terms] == ["X.0", "W.0"]
    ((index, form),) = parse("Y[i] = max[R](X[2i+R]) where |R| = 2").where
    assert (index.name, form) == ("R", Affine((), 2))


def test_pad_is_one_range_guard_per_slot_that_is_not_plain() -> None:
    padded = parse("Y[i,c] = pad(X[i+J-1,c]) W[J]")
    assert padded is parse("Y[i,c] = 1[0 <= i+J-1 < |X.0|] X[i+J-1,c] W[J]")


def test_second_derivatives_name_both_denominators() -> None:
    equation = parse("dL/dW[p,q]dW[r,s] = A[p,q] A[r,s]")
    assert equation.name == Partial("L", 0, (("W", 2), ("W", 2)))
    assert len(equation.indices) == 4


def test_a_gradient_alone_is_a_plain_tensor() -> None:
    assert parse("dW[p,q] = X[N,p] dZ[N,q]").name == "dW"


def test_result_is_an_equation() -> None:
    assert isinstance(parse("T = A[I,I]"), Equation)


# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["match", "case", "type", "print", "len", "np", "self", "for2", "in_1", "if_not"])
def test_words_of_python_that_are_no_keywords_are_names_like_others(word: str) -> None:
    capital = word[0].upper() + word[1:]
    small = word[0].lower() + word[1:]
    for text in (f"Z[{small}] = X[{small},{capital}] W[{capital}]", f"{word}[i] = {word}_1[i] {word}_hat"):
        assert str(parse(text)) == text
        assert parse(latex(parse(text))) is parse(text)


@pytest.mark.parametrize("word", keyword.kwlist)
def test_keywords_are_no_names(word: str) -> None:
    """``X[i] if 1 else 0`` is no product with tensors called if and else."""
    places = ("{}[i] = X[i]", "Z[i] = {} X[i]", "Z[i] = {}[i]", "Z[{}] = X[{}]", "Z[i] = X[i] |{}|",
              "Z = sum[{}](x[{}])", "Z = x + \\mathrm{{{}}}")  # fmt: skip
    for text in (place.replace("{{{}}}", f"{{{word}}}").replace("{}", word) for place in places):
        with pytest.raises(EinstanError, match=f"{word} is a word of the notation"):
            parse(text)


@pytest.mark.parametrize(
    ("spelled", "name"),
    [("\u212a", "K"), ("ｘ", "x"), ("𝐱", "x"), ("ﬁ", "fi"), ("e\u0301", "é"), ("µ", "μ"), ("ϕ", "φ")],
)
def test_names_are_read_in_the_normal_form_of_python(spelled: str, name: str) -> None:
    assert parse(f"Z[i] = {spelled}1[i]") is parse(f"Z[i] = {name}1[i]")
    assert unicodedata.normalize("NFKC", spelled) == name
    if not unicodedata.combining(spelled[-1]):
        with pytest.raises(NotationError, match="are one name, spelled in two ways"):
            parse(f"Z[i] = {spelled}1[i] {name}1[i]")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("K", "Κ"),
        ("K", "К"),
        ("Κ", "К"),
        ("A", "Α"),
        ("o", "ο"),
        ("a", "а"),
        ("x", "х"),
        ("Φ", "Ф"),
        ("X", "Χ"),
        ("T", "Т"),
    ],
)
def test_letters_that_look_the_same_are_refused(one: str, other: str) -> None:
    for text in (f"Z[i] = A[i,{one}] B[{other},i]", f"{one}[i] = {other}[i]", f"Z = {one}{other}"):
        with pytest.raises(NotationError) as caught:
            parse(text)
        assert {f"U+{ord(one):04X}", f"U+{ord(other):04X}"} <= set(re.findall("U\\+[0-9A-F]{4}", str(caught.value)))
    with pytest.raises(NotationError, match="looks like another"):
        parse_document(f"Z[i] = {one}[i]\nY[i] = {other}[i]")
    assert str(parse(f"Z[i] = {other}[i] b[i]")) == f"Z[i] = {other}[i] b[i]"


def test_greek_beside_latin_that_looks_different_is_welcome() -> None:
    text = "Z[i] = α[i] a[i] + ν[i] v[i] + Σ[i,K] S[K] + ρ p + κ k1 + ω w + η n1"
    assert str(parse(text)) == text


HOSTILE = [
    "__import__", "__class__", "x__", "x__y", "os.system", "x;y", "x y()", "'x'", '"x"', "x\\n", "x`", "x!", "{x}",
    "$x", "x@y", "x:=y", "x=y", "lambda: x", "ｘ", "𝐱", "ﬁ", "x#", "x\u200b", "x\u202e", "²x", "x\0",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_what_is_no_name_cannot_become_one(name: str) -> None:
    """Names go into generated code, so a name holds letters, digits and single underscores of one normal form."""
    places = ("Z[i] = {}[i]", "{}[i] = x[i]", "Z[{}] = x[{}]", r"Z = \mathrm{{{}}}_{{K}}")
    for text in (place.replace("{}", name).replace("{{", "{").replace("}}", "}") for place in places):
        try:
            equation = parse(text)
        except EinstanError:
            continue
        names = {str(equation.name), *map(str, tensors(equation.rhs)), *(index.name for index in equation.indices)}
        assert name not in names
        assert all(is_name(name) for name in names)
