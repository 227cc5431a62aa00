"""``einstan derive``: partial derivatives with their einsum strings, or the backward pass of a scalar."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from rich.console import Console

from einstan.calculus.backward import backward
from einstan.calculus.partial import partial
from einstan.calculus.program import Program
from einstan.language import latex, parse_document, reading, sums_inside
from einstan.language.effort import EQUATION, LETTER, QUESTION, effort
from einstan.language.errors import DifferentiationError, NotationError, nearest
from einstan.language.statement import Document
from einstan.language.term import Equation
from einstan.library.einsum import einsum
from einstan.library.texts import is_file, read


def run(options: argparse.Namespace, console: Console) -> int:
    text = read_text(options.text)
    with effort(max(QUESTION, LETTER * len(text))):
        document = parse_document(text)
    with effort(max(QUESTION, EQUATION * len(document.equations))):
        return _derived(document, text, options, console)


def _derived(document: Document, text: str, options: argparse.Namespace, console: Console) -> int:
    if not document.equations:
        raise NotationError("there is no equation", text=text, repair='write one, "Z[i,j] = X[i,K] W[K,j]"')
    program = Program(document.equations, document.assumptions)
    shown = _in_latex if options.latex else _in_text
    lines: list[str] = [line for equation in program for line in shown(equation)]
    if not options.latex:
        lines += [f"assume {assumption}" for assumption in program.assumptions]
    if options.loss:
        derivation = backward(program, options.loss, options.wrt or None)
        lines += ["", *(line for equation in derivation for line in shown(equation))]
    else:
        for derived in partials(program, options.wrt):
            lines += ["", *shown(derived)]
            if not options.latex:
                lines += [f"    {line}" for line in str(einsum(derived)).splitlines()]
    console.print("\n".join(lines), markup=False)
    return 0


def _in_latex(equation: Equation) -> list[str]:
    return [latex(equation)]


def _in_text(equation: Equation) -> list[str]:
    """The equation, and how it is read where one may ask for the place of a sum."""
    return [str(equation), *([f"    read as  {reading(equation)}"] if sums_inside(equation) else [])]


def read_text(given: str) -> str:
    """The text of a file where there is one of this name, else the argument itself, ``;`` ending a line."""
    if "=" in given and not is_file(given):
        return "\n".join(part.strip() for part in given.split(";"))
    what = "is neither an equation nor a file that can be read"
    return read(given, what, 'write an equation, "Z[i,j] = X[i,K] W[K,j]", or the name of a file of equations')


def partials(program: Program, wrt: Iterable[str]) -> list[Equation]:
    """The partial of every equation with respect to each of the tensors that it reads."""
    names = tuple(wrt)
    read = {str(name) for reads in program.reads.values() for name in reads}
    for name in names:
        if name not in read:
            raise DifferentiationError(
                f"no equation reads {name}",
                text=str(program),
                inferred=f"they read {', '.join(sorted(read)) or 'no tensor'}",
                repair=nearest(name, read) or "differentiate with respect to one of these",
            )
    return [
        partial(equation, name)
        for equation in program
        for name in (names or program.reads[equation.name])
        if name in program.reads[equation.name]
    ]
