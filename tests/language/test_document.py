"""Documents: statements with their lines, texts and comments; they print back."""

from __future__ import annotations

import pytest

from einstan.language import Claim, Equation, NotationError, ProgramError, ScopeError, parse, parse_document

TEXT = """\
# a dense layer
Z[n,j] = X[n,K] W[K,j] + b[j]  # forward

dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]
dZ[n,j]/db[q] = δ[j,q]
claim dW[p,q] = X[N,p] dZ[N,q]
claim A[i,K] B[K,j] = C[i,j]
assume sum[J](Y[n,J]) = 1  # a distribution"""


def test_kinds_lines_and_comments() -> None:
    document = parse_document(TEXT)
    kinds = [(statement.kind, statement.line) for statement in document.statements]
    assert kinds == [
        ("note", 1), ("equation", 2), ("note", 3), ("claim", 4), ("claim", 5), ("claim", 6), ("claim", 7),
        ("assume", 8),
    ]  # fmt: skip
    assert document.statements[1].comment == "forward"
    assert document.statements[1].text == "Z[n,j] = X[n,K] W[K,j] + b[j]"
    assert document.equations == (parse("Z[n,j] = X[n,K] W[K,j] + b[j]"),)
    assert len(document.claims) == 4
    assert len(document.assumptions) == 1


def test_prints_back() -> None:
    printed = str(parse_document(TEXT))
    assert printed == TEXT.replace("sum[J](Y[n,J])", "Y[n,J]")
    assert str(parse_document(printed)) == printed


def test_a_claim_about_one_tensor_is_an_equation_too() -> None:
    derivative, _, gradient, general = parse_document(TEXT).claims
    assert derivative.equation is parse("dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]")
    assert gradient.equation is parse("dW[p,q] = X[N,p] dZ[N,q]")
    assert isinstance(general, Claim)
    assert general.equation is None
    assert [index.name for index in general.lhs.free] == ["i", "j"]
    assert set(general.lhs.free) == set(general.rhs.free)


def test_statements_go_on() -> None:
    document = parse_document("Z[n] = relu(\nX[n]\n)\nY[n] = Z[n]\n    + 1  # one\nV = 2")
    assert [s.line for s in document.statements] == [1, 4, 6]
    assert [str(s) for s in document.statements] == ["Z[n] = relu(X[n])", "Y[n] = Z[n] + 1  # one", "V = 2"]


def test_an_empty_document() -> None:
    assert parse_document("").statements == ()


def test_tensors_of_the_document_decide_what_is_a_derivative() -> None:
    document = parse_document("ata[i] = x[i]\nist[j] = x[j]\nclaim Q[i,j] = data[i]/dist[j]")
    assert "∂ata[i]/∂ist[j]" in str(document)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (
            "Z = x\n\nZ = y",
            ProgramError,
            "line 3: Z is defined twice\n  Z = y\n  ^\n  inferred: the first definition is in line 1\n"
            "  repair:   claim Z = y",
        ),
        (
            "Z[i] = W[i]\ndW[i] = Z[i]",
            ProgramError,
            "line 2: dW is the gradient with respect to W and cannot be defined\n  dW[i] = Z[i]\n  ^^\n"
            "  repair:   claim dW[i] = Z[i]\n            or give the tensor another name",
        ),
        (
            "Z = x\nY = (x",
            NotationError,
            "line 2: the bracket ( is not closed\n  Y = (x\n      ^\n  repair:   Y = (x)",
        ),
        (
            "Z[i] = X[i,j]",
            ScopeError,
            "line 1: the index j is free on the right but is not on the left\n  Z[i] = X[i,j]\n             ^\n"
            "  inferred: the left side has i; a capital is summed\n  repair:   Z[i] = X[i,J]",
        ),
    ],
)
def test_errors_name_the_line(text: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        parse_document(text)
    assert str(caught.value) == message


def test_equations_are_equations() -> None:
    assert all(isinstance(equation, Equation) for equation in parse_document(TEXT).equations)


@pytest.mark.parametrize("half", ["+ z", "* z", "- z", "= x"])
def test_half_a_statement_is_not_judged(half: str) -> None:
    document = parse_document(f"y = x\n{half}\nclaim y = 3 x", forgiving=True)
    assert [statement.kind for statement in document.statements] == ["unreadable", "unreadable", "claim"]
    assert parse_document(f"y = x\n  {half}\nclaim y = 3 x", forgiving=True).statements[0].kind != "unreadable"
