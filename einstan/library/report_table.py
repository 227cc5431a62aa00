"""Reports as a table in Markdown: one row for each document, then what was found wrong and what was left out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from einstan.language.arguments import checked, require
from einstan.library.check import MARKS, SAID, SELDOM, Line, Report
from einstan.library.escape import code_in_markdown, in_markdown, link_in_markdown


@checked
def table(reports: Iterable[Report]) -> str:
    """The table and its lists.  Every formula of a document is a definition, a claim or listed as not expressible.

    Examples:
        >>> from einstan.library.report_table import table
        >>> print(table([es.check("y = x^2\\ndy/dx = 2 x", name="square.ein")]))
        | text | formulas | definitions | proved | verified | refuted | undecided | not expressible |
        |---|---|---|---|---|---|---|---|
        | [square](square.ein) | 2 | 1 | 1 | 0 | 0 | 0 | 0 |
        | all | 2 | 1 | 1 | 0 | 0 | 0 | 0 |
    """
    given = list(reports)
    require("reports", given, list[Report])
    lists = (*_unreadable(given), *_refuted(given), *_at_kinks(given), *_verified(given), *_left_out(given))
    return "\n".join([*_rows(given), "", *lists]).rstrip() + "\n"


def _rows(reports: list[Report]) -> list[str]:
    verdicts = [v for v in MARKS if v not in SELDOM or any(v in report.counts for report in reports)]
    head = ("text", "formulas", "definitions", *(SAID.get(v, v) for v in verdicts), "not expressible")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    totals = [0] * (len(verdicts) + 3)
    for report in reports:
        counts = (report.counts.get(verdict, 0) for verdict in verdicts)
        cells = [report.definitions, *counts, len(report.not_expressible)]
        numbers = [sum(cells), *cells]
        totals = [a + b for a, b in zip(totals, numbers, strict=True)]
        name = PurePath(report.name)
        lines.append(f"| {link_in_markdown(name.stem, name.name)} | " + " | ".join(map(str, numbers)) + " |")
    return [*lines, "| all | " + " | ".join(map(str, totals)) + " |"]


def _unreadable(reports: list[Report]) -> list[str]:
    lines = ["## Unreadable", ""]
    for report in reports:
        found = [line for line in report.lines if line.outcome and line.outcome.verdict == "unreadable"]
        lines += [f"- {_place(report, line)}: {_code(line)}: {in_markdown(line.problem)}" for line in found]
    return [*lines, ""] if len(lines) > 2 else []


def _refuted(reports: list[Report]) -> list[str]:
    lines = ["## Refuted", ""]
    for report in reports:
        for line in report.claims:
            outcome = line.outcome
            if outcome is None or outcome.verdict != "refuted" or outcome.counterexample is None:
                continue
            example = outcome.counterexample
            values = [code_in_markdown(f"{name} = {value}") for name, value in example.arrays.items()]
            at = [code_in_markdown(f"{name} = {value}") for name, value in example.at.items()]
            where = ", ".join([*values, *(["at " + ", ".join(at)] if at else [])])
            lines.append(f"- {_place(report, line)}: {in_markdown(line.statement.comment)}\\")
            lines.append(f"  {_code(line)}\\")
            left, right = code_in_markdown(example.left), code_in_markdown(example.right)
            lines.append(f"  for example {where}: left {left}, right {right}.")
    return [*lines, ""] if len(lines) > 2 else []


def _at_kinks(reports: list[Report]) -> list[str]:
    lines = ["## Equal but at kinks", ""]
    for report in reports:
        found = [(line, line.outcome) for line in report.claims if line.outcome and line.outcome.verdict == "kink"]
        lines += [f"- {_place(report, line)}: {_code(line)}: {in_markdown(outcome.reason)}" for line, outcome in found]
    return [*lines, ""] if len(lines) > 2 else []


def _verified(reports: list[Report]) -> list[str]:
    lines = ["## Verified by numbers alone", ""]
    for report in reports:
        for line in report.claims:
            if line.outcome and line.outcome.verdict == "verified":
                reason = f"{line.outcome.points} points, {line.outcome.arithmetic}; the calculus leaves a difference"
                lines.append(f"- {_place(report, line)}: {_code(line)} ({reason})")
    return [*lines, ""] if len(lines) > 2 else []


def _left_out(reports: list[Report]) -> list[str]:
    lines = ["## Not expressible", ""]
    for report in reports:
        for text in report.not_expressible:
            formula, _, reason = text.partition(" | ")
            parts = (PurePath(report.name).stem, formula.strip(), reason.strip())
            lines.append("- {}, {}: {}".format(*map(in_markdown, parts)))
    return [*lines, ""] if len(lines) > 2 else []


def _place(report: Report, line: Line) -> str:
    return f"{in_markdown(PurePath(report.name).stem)}, line {line.number}"


def _code(line: Line) -> str:
    return code_in_markdown(line.statement.code)
