"""One statement of a document in LaTeX, with every sum written out."""

from __future__ import annotations

from einstan.language import latex
from einstan.language.statement import Claim, Convention, Given, Statement
from einstan.language.term import Equation
from einstan.library.escape import in_latex


def typeset(statement: Statement) -> str:
    """The statement in LaTeX, without dollar signs."""
    match statement.content:
        case Equation() as equation:
            return latex(equation, sums=True)
        case Claim(lhs=lhs, rhs=rhs) as claim:
            stated = ", ".join(f"{latex(extent, sums=True)} = {latex(form)}" for extent, form in claim.stated)
            tail = rf" \quad\text{{where}}\quad {stated}" if stated else ""
            return f"{latex(lhs, sums=True)} = {latex(rhs, sums=True)}{tail}"
        case Given(lhs=lhs, arguments=arguments):
            return f"{latex(lhs)} = {latex(lhs)}({', '.join(map(latex, arguments))})"
        case Convention(function=function, parameter=parameter, partial=partial):
            return rf"\operatorname{{{function}}}'({parameter}) = {latex(partial)}"
        case _:
            return rf"\text{{{in_latex(statement.text)}}}"
