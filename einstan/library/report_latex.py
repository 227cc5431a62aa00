"""A report as a LaTeX document, for LuaLaTeX or XeLaTeX (comments may hold any letter)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from einstan.library.check import Line, Report
from einstan.library.escape import in_latex
from einstan.library.statement_latex import typeset

HEAD = r"""\documentclass{article}
\usepackage{amsmath,unicode-math}
\usepackage[margin=2.5cm]{geometry}
\setlength{\parindent}{0pt}
\newenvironment{details}{\par\small\ttfamily\raggedright\hangindent=8em}{\par}
\begin{document}
"""
MARKS = {
    "proved": r"\checkmark",
    "verified": r"\checkmark",
    "kink": r"\approx",
    "refuted": r"\times",
    "undecided": "?",
    "unreadable": "!",
}


def document(reports: Iterable[Report]) -> str:
    """A document of several reports."""
    body = "\n".join(_report(report) for report in reports)
    return f"{HEAD}{body}\n\\end{{document}}\n"


def _report(report: Report) -> str:
    head = [rf"\section*{{{in_latex(report.name)}}}"] if report.name else []
    return "\n".join([*head, in_latex(report.summary()), "", *(text for line in report.lines if (text := _line(line)))])


def _line(line: Line) -> str:
    statement = line.statement
    if statement.kind == "note":
        title = statement.comment.startswith("----")
        return rf"\subsection*{{{in_latex(statement.comment.strip('- '))}}}" if title else in_latex(statement.comment)
    if statement.kind == "rule":
        return r"\medskip\hrule\medskip"
    mark = f"\\tag*{{${MARKS[line.outcome.verdict]}$ {line.outcome.verdict}}}" if line.outcome else ""
    comment = f"{in_latex(statement.comment)}\n" if statement.comment else ""
    details = line.details()
    below = "".join(f"\n\\begin{{details}}{_spaced(in_latex(text))}\\end{{details}}" for text in details)
    below += "\n\n\\medskip\n" if details else ""
    return f"{comment}\\[ {line.matrices() or typeset(statement)} {mark} \\]{below}"


def _spaced(text: str) -> str:
    """Blanks that stand in a row are kept, since they line up what is below each other."""
    return re.sub(r"  +", lambda found: r"\ " * len(found.group()), text)
