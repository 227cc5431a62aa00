"""What an iteration tells: rows as a table, notes with their iterations, and a line on a terminal."""

import io

import pytest
from rich.console import Console

from einstan.optimize import report as reports
from einstan.optimize.report import Report


def test_the_table():
    with Report(False) as report:
        report.add(iteration=0, loss=12.5, gradient=3.0)
        report.note(["singular"])
        report.add(iteration=1, loss=0.25, gradient=1e-9, step=0.5, backtracks=2)
        report.note(["singular", "indefinite"])
        report.add(iteration=2, loss=0.125, gradient=0.0, step=0.25, backtracks=0)
    result = report.result({"x": 1}, 0.125, 0.0, True, "the gradient vanishes")
    assert str(result) == (
        "iteration   loss  gradient  step  backtracks\n"
        "        0   12.5         3\n"
        "        1   0.25     1e-09   0.5           2\n"
        "        2  0.125         0  0.25           0\n"
        "iterations 1-2: singular\n"
        "iteration 2: indefinite\n"
        "converged: the gradient vanishes"
    )
    assert result.iterations == 2
    assert result.rows[1] == {"iteration": 1, "loss": 0.25, "gradient": 1e-9, "step": 0.5, "backtracks": 2}


@pytest.mark.parametrize(
    ("numbers", "text"), [([3], "iteration 3"), ([1, 2, 3], "iterations 1-3"), ([1, 2, 5, 5], "iterations 1-2, 5")]
)
def test_spans(numbers, text):
    assert reports._spans(numbers) == text


@pytest.mark.parametrize("progress", [None, False])
def test_no_line_at_once(monkeypatch, progress):
    output = io.StringIO()
    with Report(progress) as report:
        report.console = Console(file=output, force_terminal=True)
        report.add(iteration=7, loss=0.5)
    assert output.getvalue() == ""


def test_a_line_on_a_terminal():
    output = io.StringIO()
    with Report(True) as report:
        report.console = Console(file=output, force_terminal=True)
        report.add(iteration=7, loss=0.5)
    assert "iteration 7  loss 0.5" in output.getvalue()
