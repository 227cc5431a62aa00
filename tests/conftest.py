"""The random tests draw the same examples in every run; ``EINSTAN_EXPLORE=1`` draws new ones, and takes all rows on
all routes.

Of long tables whose rows are dear a share is run every day, the others on the days that follow (the marker
``in_turn``).

The comparisons of routes and of passes draw new programs every day: the header says their seed, and ``EINSTAN_SEED``
gives another, or that of another day.

Memory that compiled code lays out beforehand is full of NaN, so that what is read before it is written is seen.

Every process computes with one thread: there are as many of them as processors, and threads that wait for each other
spin.

What is not installed is skipped; with EINSTAN_NO_SKIP set, a skip is a failure.  Of tests that are marked ``numba`` the
README's environment runs none, and the one with numba nothing else but those and the oracles.
"""

import builtins
import os
import re
import signal
from collections import Counter
from datetime import date
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if os.environ.get("EINSTAN_EXPLORE") else "repeatable")
TODAY = date.today().toordinal() * 10**4  # fresh every day, so that a run that is red today is red again
for pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # read when NumPy is loaded: by the workers
    os.environ.setdefault(pool, "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background, also for commands that tests interrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("EINSTAN_CACHE", "")  # what numba compiles is compiled
os.environ.setdefault("EINSTAN_SEED", str(TODAY))  # before the workers start, which inherit it


def pytest_report_header() -> str:
    return f"routes and passes: EINSTAN_SEED={os.environ['EINSTAN_SEED']}"


def compiled_with_nan(text: str, name: str, mode: str) -> object:
    """`compile` of generated code, in which fresh memory is no zeros by chance."""
    text = text.replace("np.empty(size + 64, np.uint8)", "np.full(size + 64, 255, np.uint8)")
    text = re.sub(r"np\.empty\((\([^()]*\)), (np\.float\d+)\)", r"np.full(\1, np.nan, \2)", text)
    return builtins.compile(text, name, mode)


@pytest.fixture(autouse=True)
def memory_is_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    from einstan.machine.run import specialisation

    monkeypatch.setattr(specialisation, "builtins", SimpleNamespace(compile=compiled_with_nan))


@pytest.fixture
def own_functions_are_gone_afterwards():
    """What a test defines for every thread."""
    from einstan.language import own
    from einstan.language.functions import FUNCTIONS
    from einstan.machine.backends.numpy import CALLS, HELPERS, OWN, UFUNCS
    from einstan.machine.meaning.numbers import FLOAT_FUNCTIONS, RATIONAL

    tables = (FUNCTIONS, CALLS, HELPERS, OWN, UFUNCS, FLOAT_FUNCTIONS, RATIONAL)
    before = [dict(table) for table in tables]
    kept = own._everywhere
    yield
    own._everywhere = kept
    for table, was in zip(tables, before, strict=True):
        table.clear()
        table.update(was)


def pytest_collection_modifyitems(config, items):
    if not os.environ.get("EINSTAN_EXPLORE") and not any("::" in asked for asked in config.args):
        leave_for_other_days(config, items)
    if find_spec("numba") is None:
        for item in items:
            if item.get_closest_marker("numba"):
                item.add_marker(pytest.mark.skip(reason="numba is not installed"))


def leave_for_other_days(config, items):
    """Every n-th row of what is marked ``in_turn(n)`` is left, the first one of them by the day."""
    day = int(os.environ["EINSTAN_SEED"]) // 10**4
    seen, others = Counter(), []
    for item in items:
        if (turn := item.get_closest_marker("in_turn")) is not None:
            test = item.nodeid.partition("[")[0]
            seen[test] += 1
            if (seen[test] + day) % turn.args[0]:
                others.append(item)
    if others:
        gone = set(others)
        items[:] = [item for item in items if item not in gone]
        config.hook.pytest_deselected(items=others)


STRICT = bool(os.environ.get("EINSTAN_NO_SKIP"))


def _no_skip(report):
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, where nothing may be: {report.longrepr}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    _no_skip(outcome.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    outcome = yield
    _no_skip(outcome.get_result())
