"""A sample of mutants: no false claim holds, no true one is refuted.  ``tests/checking/mutants.py`` makes more."""

import os

import pytest

from einstan.machine.evidence import verify
from tests.checking.mutants import Case, Tried, cases, is_false, made, verdict, wrong

SEED = int(os.environ.get("EINSTAN_SEED", "0"))
COUNT = 100


def said(count, true):
    return [(tried, verdict(tried)[0]) for tried in made(count, SEED, true)]


def told(tried, outcome):
    return f"EINSTAN_SEED={SEED}: {tried.kind}, {tried.case.source}\n{tried.case.text}\nclaim {tried.claim}\n{outcome}"


@pytest.mark.slow
def test_no_claim_that_is_false_by_one_slip_holds():
    for tried, outcome in said(COUNT, true=False):
        assert not wrong(tried, outcome), told(tried, outcome)


@pytest.mark.slow
def test_no_true_claim_that_is_written_otherwise_is_refuted():
    found = said(COUNT, true=True)
    for tried, outcome in found:
        assert not wrong(tried, outcome), told(tried, outcome)
    holding = [outcome.verdict in ("proved", "verified") for _, outcome in found]
    assert sum(holding) >= 0.97 * len(found)


@pytest.mark.slow
def test_numpy_calls_no_true_claim_false():
    for case in list(cases())[SEED % 5 :: 5]:
        assert not is_false(case, case.claim, SEED), case


SLIPS = [
    ("y[i] = P[i,J] H[J,K] x[K]\nassume P[i,j] = P[j,i]", "y[i] = P[i,J] H[K,J] x[K]"),
    ("assume A[i,j] = A[j,i]", "A[i,J] A[J,i] = A[i,i]^2"),
    ("assume A[i,J] A[j,J] = δ[i,j]", "A[i,j] = A[j,i]"),
]


@pytest.mark.parametrize(("text", "claim"), SLIPS)
def test_extents_of_one_would_be_found_out(text, claim, monkeypatch):
    """A slip that points of one entry hide, where a matrix is its own transpose, is one of those looked for."""
    tried = Tried(Case("made", text, claim), "slots exchanged", claim, true=False)
    assert not wrong(tried, verdict(tried)[0])
    sizes = verify.small_sizes
    monkeypatch.setattr(verify, "small_sizes", lambda *a: (dict.fromkeys(chosen, 1) for chosen in sizes(*a)))
    monkeypatch.setattr(verify, "edges", lambda *a: ())
    assert wrong(tried, verdict(tried)[0])
