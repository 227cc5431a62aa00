"""Claims that are one claim but for names: judged once, and told in the names of each."""

from __future__ import annotations

from fractions import Fraction

import pytest

import einstan as es
from einstan.language import parse, parse_document
from einstan.library import alike
from einstan.library.alike import Alike, Renaming, Setting
from einstan.library.claims import judge
from einstan.library.part import Part

LAYERS = """
Z^({k})[n,j] = X^({k})[n,K] W^({k})[K,j] + b^({k})[j]
given L{k}(Z^({k})[N,J])
dL{k}/dW^({k})[k,j] = X^({k})[N,k] dL{k}/dZ^({k})[N,j]
dL{k}/db^({k})[j] = 1/|N| dL{k}/dZ^({k})[N,j]
"""
OTHER_LETTERS = """
U[s,t] = A[s,V] M[V,t] + c[t]
given E(U[S,T])
dE/dM[v,t] = A[S,v] dE/dU[S,t]
dE/dc[t] = 1/|S| dE/dU[S,t]
"""


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The claims that are worked out, as they are."""
    found: list[str] = []
    right = alike.decided

    def counted(claim: object, part: Part) -> object:
        found.append(str(claim))
        return right(claim, part)  # type: ignore[arg-type]

    monkeypatch.setattr(alike, "decided", counted)
    return found


def test_layers_and_letters_are_judged_once(decided: list[str]) -> None:
    text = "\n---\n".join([LAYERS.format(k=1), LAYERS.format(k=2), OTHER_LETTERS])
    report = es.check(text)
    assert [line.outcome.verdict for line in report.claims if line.outcome] == ["proved", "refuted"] * 3
    assert len(decided) == 2


def test_a_refutation_is_told_in_the_names_of_its_claim() -> None:
    report = es.check("\n---\n".join([LAYERS.format(k=1), OTHER_LETTERS]))
    outcome = report.claims[-1].outcome
    assert outcome is not None
    assert outcome.counterexample is not None
    assert "dE/dU[S,t]" in outcome.left
    assert set(outcome.counterexample.at) == {"t"}
    assert not any(name.startswith("T") for name in outcome.counterexample.arrays)
    assert outcome == _direct(OTHER_LETTERS)[-1]


@pytest.mark.parametrize("text", [LAYERS.format(k=3), OTHER_LETTERS])
def test_the_outcome_is_that_of_the_claim_by_itself(text: str) -> None:
    assert [line.outcome for line in es.check(text).claims] == _direct(text)


def _direct(text: str) -> list[object]:
    (document,) = parse_document(text.strip()).parts
    part = Part(document)
    return [judge(claim, part) for claim in document.claims]


def test_what_differs_is_not_taken_for_alike(decided: list[str]) -> None:
    """dX belongs to X, an extent to its axis, and a number is no name."""
    report = es.check("""
    y = X[N] X[N]
    claim dX[n] = 2 X[n]
    claim dX[n] = 3 X[n]
    ---
    y = X[N] X[N]
    claim dX[n] = 2 dZ[n]
    ---
    y = X[N] B[N]
    claim dX[n] = 2 X[n]
    """)
    verdicts = [line.outcome.verdict for line in report.claims if line.outcome]
    assert verdicts[:2] == ["proved", "refuted"]
    assert verdicts[2:] != ["proved", "proved"]
    assert "proved" not in verdicts[2:]
    assert len(decided) == 4


@pytest.mark.parametrize(
    "text",
    [
        "dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]",
        "Y[i] = X[2i+R-1] W[R] where |i| = |X.0| - |W.0|",
        "S[n,c] = 1/|N2| softmax[c](Z[n,c]) sum[N2](A^(0)[N2,c])",
        "g[row] = dL/dA^(2)[row,Row2] * dX[Row2]",
    ],
)
def test_there_and_back(text: str) -> None:
    equation = parse(text)
    names = Renaming({}, {})
    there = names.renamed(equation)
    assert there is not equation
    assert names.inverse().renamed(there) is equation


def test_a_name_that_nobody_gave_is_refused_on_the_way_back() -> None:
    names = Renaming({}, {})
    names.renamed(parse("y[i] = x[i]"))
    with pytest.raises(KeyError):
        names.inverse().renamed(parse("y[i] = x[i]"))


def test_an_undecided_claim_is_judged_by_its_own_names() -> None:
    (document,) = parse_document("y[i] = x[i]\ndy[i]/dq[j] = x[i]").parts
    (claim,) = document.claims
    outcome = Alike().judge(claim, Part(document), Setting(document))
    assert outcome.verdict == "undecided"
    assert "q" in outcome.reason
    assert "T" not in outcome.reason


def test_numbers_of_a_counterexample_are_fractions_to_paste() -> None:
    (line,) = es.check("y = x[N] x[N]\nrefute dx[n] = x[n]").claims
    assert line.outcome is not None
    assert line.outcome.counterexample is not None
    assert Fraction(line.outcome.counterexample.left) != Fraction(line.outcome.counterexample.right)
