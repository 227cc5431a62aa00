"""A report as one page: MathML, which browsers typeset, and a few rules of style; no network and no script."""

from __future__ import annotations

from collections.abc import Iterable

from einstan.language.mathml import FONTS, mathml, operator, row_of, where, wrapped
from einstan.language.matrices import MATHML
from einstan.language.statement import Claim, Convention, Given, Statement
from einstan.language.term import Equation
from einstan.library.check import Line, Report
from einstan.library.escape import in_html

INK = "#1d2330"

# Every rule is about what stands inside, so that a report in a notebook leaves the notebook as it is.
RULES = {
    "": f"font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; color: {INK}; "
    "background: #fff",
    "h1": "font-size: 1.5rem; margin: 2.5rem 0 0.25rem",
    "h2": "font-size: 1rem; margin: 1.75rem 0 0.5rem; color: #44506a",
    "p": "margin: 0.25rem 0",
    "p.summary": "color: #44506a; margin-bottom: 1.25rem",
    "hr": "border: 0; border-top: 1px solid #dfe3ea; margin: 1rem 0",
    ".line": "display: grid; grid-template-columns: 2.5rem 6.5rem 1fr; gap: 0.75rem; padding: 0.35rem 0; "
    "align-items: baseline",
    ".line > *": "min-width: 0",
    ".number": "color: #8a93a6; text-align: right; font-size: 0.8rem",
    ".mark": "font-size: 0.8rem; font-weight: 600",
    ".proved": "color: #12703f",
    ".verified": "color: #2b6b8f",
    ".kink": "color: #6a5b00",
    ".refuted": "color: #b3261e",
    ".undecided": "color: #8a6100",
    ".unreadable": "color: #b3261e",
    ".kind": "color: #8a93a6; font-weight: 400",
    ".formula": "overflow-x: auto; overflow-y: hidden; padding: 0.1rem 0",
    "math": f"font-family: {FONTS}; font-size: 1.1rem",
    ".comment": "color: #5b6579; font-size: 0.85rem",
    ".wrong": "background: #fdf0ef; border-radius: 6px",
    ".details": "grid-column: 3; font-size: 0.85rem",
    "pre": "font: 0.82rem/1.45 ui-monospace, monospace; margin: 0.15rem 0; white-space: pre-wrap; background: none; "
    "color: inherit; padding: 0",
}


def style() -> str:
    return "\n" + "".join(f".einstan {selector} {{ {rule}; }}\n".replace("  ", " ") for selector, rule in RULES.items())


def page(reports: Iterable[Report]) -> str:
    """A whole page for several reports."""
    parts = [body(report) for report in reports]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Einstan: claims checked</title>\n'
        f"<style>{style()}</style>\n</head>\n<body>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def body(report: Report) -> str:
    """The lines of one report."""
    head = f"<h1>{in_html(report.name)}</h1>" if report.name else ""
    lines = [head, f'<p class="summary">{in_html(report.summary())}</p>']
    inside = "\n".join([*filter(None, lines), *filter(None, map(_line, report.lines))])
    return f'<div class="einstan">\n{inside}\n</div>'


def _line(line: Line) -> str:
    statement = line.statement
    if statement.kind == "note":
        return _note(statement.comment)
    if statement.kind == "rule":
        return "<hr>"
    outcome = line.outcome
    if outcome is None:
        mark = f'<span class="kind">{in_html({"equation": "definition"}.get(statement.kind, statement.kind))}</span>'
    else:
        mark = f'<span class="{outcome.verdict}">{line.mark} {outcome.verdict}</span>'
    comment = f'<div class="comment">{in_html(statement.comment)}</div>' if statement.comment else ""
    matrices = line.matrices(MATHML)
    formula = wrapped(matrices) if matrices else typeset(statement)
    wrong = " wrong" if outcome is not None and outcome.verdict in ("refuted", "unreadable") else ""
    return (
        f'<div class="line{wrong}"><span class="number">{line.number}</span><span class="mark">{mark}</span>'
        f'<div><div class="formula">{formula}</div>{comment}</div>{_details(line)}</div>'
    )


def _note(comment: str) -> str:
    if not comment:
        return ""
    if comment.startswith("----"):
        return f"<h2>{in_html(comment.strip('- '))}</h2>"
    return f'<p class="comment">{in_html(comment)}</p>'


def _details(line: Line) -> str:
    details = line.details()
    return f'<div class="details"><pre>{in_html(chr(10).join(details))}</pre></div>' if details else ""


def typeset(statement: Statement) -> str:
    """The statement in MathML."""
    content = statement.content
    match content:
        case Equation():
            return mathml(content, sums=True)
        case Claim(lhs=lhs, rhs=rhs) as claim:
            stated = [(row_of(extent, sums=True), row_of(form)) for extent, form in claim.stated]
            return wrapped(row_of(lhs, sums=True) + operator("=") + row_of(rhs, sums=True) + where(stated))
        case Given(lhs=lhs, arguments=arguments):
            inside = operator(",").join(row_of(argument) for argument in arguments)
            return wrapped(f"{row_of(lhs)}{operator('=')}{row_of(lhs)}{operator('(')}{inside}{operator(')')}")
        case Convention(function=function, parameter=parameter, partial=partial):
            name = f"<msup><mi>{function}</mi><mo>′</mo></msup>"
            argument = f"{operator('(')}<mi>{in_html(parameter)}</mi>{operator(')')}"
            return wrapped(f"{name}{argument}{operator('=')}{row_of(partial)}")
        case _:
            return f"<code>{in_html(statement.text)}</code>"
