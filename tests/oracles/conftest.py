"""Oracles that are not installed are skipped; with EINSTAN_NO_SKIP set, a skip is a failure."""

import os

import pytest

STRICT = bool(os.environ.get("EINSTAN_NO_SKIP"))


def _no_skip(report):
    if STRICT and report.skipped:
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
