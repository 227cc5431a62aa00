"""Random programs: every way to a number gives the same number, the one that the program means.

The seed is fresh every day, stands in the header, and ``EINSTAN_SEED`` gives another.  A failure prints the program's
own seed, its text and its data; ``python tests/routes/explore.py --seed N --programs 1`` runs it alone, made small.
"""

import os

import pytest

from tests.routes.generator import made
from tests.routes.routes import ROUTES
from tests.routes.rows import ROWS
from tests.routes.run import Run, chosen, on, possible
from tests.routes.shrink import shrunk

SEED = int(os.environ["EINSTAN_SEED"])
CHUNKS, PROGRAMS = 50, 40


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_route_gives_what_the_program_means(chunk):
    for seed in range(SEED + chunk * PROGRAMS, SEED + (chunk + 1) * PROGRAMS):
        case = made(seed)
        run = Run(case)
        for each in chosen(case, ROUTES.values()):
            finding, _ = on(run, each)
            if finding is not None:
                small = shrunk(finding, each, seconds=5)
                raise AssertionError(f"seed {seed} (EINSTAN_SEED={SEED})\n{small}\n\nmade from\n{case.text}")


@pytest.mark.numba
@pytest.mark.parametrize("seed", range(SEED, SEED + 8))
def test_programs_by_numba(seed):
    case = made(seed)
    for name in ("compile(fast=True)", "backward.compile(fast=True)"):
        finding, _ = on(Run(case), ROUTES[name])
        assert finding is None, str(finding)


@pytest.mark.in_turn(2)
@pytest.mark.numba
@pytest.mark.parametrize("row", ROWS[::2], ids=lambda row: row.name)
def test_rows_by_numba(row):
    finding, _ = on(Run(row), ROUTES["backward.compile(fast=True)"])
    assert finding is None, str(finding)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rows(row):
    """All routes of a row share what is derived; every disagreement is told, not the first alone."""
    run = Run(row)
    apart = ("fast", "backend")  # which have tests of their own
    taken = [each for each in ROUTES.values() if possible(row, each) and row.on(each.name)]
    taken = [each for each in taken if not any(word in each.name for word in apart)]
    findings = [finding for each in taken if (finding := on(run, each)[0]) is not None]
    assert not findings, "\n\n".join(map(str, findings))
