"""Documents: lines of equations, claims and assumptions, with comments.

    Z[n,j] = X[n,K] W[K,j]              # an equation
    dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]     # a derivative on the left is a claim
    claim A[i,K] B[K,j] = C[i,j]        # so is a line that says so
    refute dZ[n,j]/db[q] = δ[n,q]       # a claim that is expected to be wrong
    assume sum[J](Y[n,J]) = 1           # what may be used
    assume x[i] > 0                     # so is a comparison: 1[x[i] > 0] = 1
    given S(Z[N,J])                     # S is any differentiable function of Z, without a formula
    convention relu'(x) = 1[x >= 0]     # another partial where a function has no derivative
    ---                                 # a new part, with definitions of its own
    dL/dx[i] = g[J] A[J,i] = b[i]       # a chain claims each of its steps
    dW[p,j] = X[N,p] dZ[N,j]            # a claim too, where a scalar rests on W: its gradient

A word may begin with a capital and end with a colon or a point.  A statement goes on where the next line is indented,
and while a bracket is open, unless the next line is an equation by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from textwrap import dedent

from einstan.language.errors import EinstanError, NotationError
from einstan.language.given import given_called
from einstan.language.layers import layered, refused_layers
from einstan.language.lines import Line, in_normal_form, logical_lines
from einstan.language.numbering import LONGEST, numbered
from einstan.language.remarks import commented, quantified, remarked
from einstan.language.stated import read_statements
from einstan.language.statement import Document, Given, Statement, as_claim, unreadable
from einstan.language.term import Equation
from einstan.language.together import apart, claims_of_gradients, once_defined
from einstan.language.told import names_told

_RULE = re.compile(r"-{3,}")


def parse_document(
    text: str | Sequence[Line], known: Collection[str] = (), gradients: bool = False, forgiving: bool = False,
    read: Callable[..., Iterable[Statement]] = read_statements,
) -> Document:  # fmt: skip
    """The statements of a text, or of its lines.  Errors are those of its statements, with the line in front; where the
    reading is ``forgiving``, such a line is a statement that says so.  ``read`` reads a line, and may know it already.

    With ``gradients`` equations may define them, ``dX`` where there is an X; whoever asks checks that they are what
    they are called (`collisions`).
    """
    statements: list[Statement] = []
    first: dict[str, Statement] = {}

    def refused(error: EinstanError, line: int, code: str, comment: str) -> None:
        if not forgiving:
            raise at_line(error, line) from None
        statements.append(Statement("unreadable", None, line, code, comment, error))

    if isinstance(text, str):
        lines = list(logical_lines(dedent(text.removeprefix("\ufeff"))))  # a byte-order mark, which some editors write
    else:
        lines = list(text)
    if not all(code.isascii() for _, code, _ in lines):  # letters of one line are compared with those of the others
        lines = list(in_normal_form(lines, refused))
    layers = layered((code for _, code, _ in lines), known)
    counts, names = names_told([code for _, code, _ in lines], known)
    for line, code, comment in lines:
        if not code:
            statements.append(Statement("note", None, line, "", comment))
            continue
        if _RULE.fullmatch(code):
            statements.append(Statement("rule", None, line, code, comment))
            first = {}
            continue
        try:
            if (error := beside(code, counts) or refused_layers(code, layers)) is not None:
                raise error
            for statement in read(code, line, comment, names, first, ends=gradients):
                if isinstance(statement.content, Equation | Given):
                    statement = once_defined(statement, first, () if gradients else {*names, *counts})
                statements.append(statement)
        except EinstanError as error:
            refused(given_called(error, code, line, first), line, code, comment)
    document = Document(tuple(sorted(statements, key=lambda statement: statement.line)))
    if not gradients:
        claimed = {id(s): as_claim(s) for part in document.parts for s in claims_of_gradients(part, known)}
        document = Document(tuple(claimed.get(id(s), s) for s in document.statements))
    clashing = {id(s): (s, problem) for s, problem in apart(document, known, gradients)}
    if clashing and not forgiving:
        statement, problem = next(iter(clashing.values()))
        raise at_line(problem, statement.line)
    found: list[Statement] = []
    for statement in document.statements:
        if id(statement) in clashing:
            statement = unreadable(*clashing[id(statement)])
            if found and found[-1].error is statement.error and found[-1].line == statement.line:  # another step
                continue
        found.append(statement)
    return Document(tuple(found))


def beside(code: str, counts: Mapping[str, int]) -> NotationError | None:
    """What stands behind a line and is no part of it."""
    if len(code) > LONGEST:
        return None
    return numbered(code, counts) or remarked(code, counts) or quantified(code, True) or commented(code, counts)


def at_line(error: EinstanError, line: int) -> EinstanError:
    """The error with its line in front."""
    problem = f"line {line}: {error.problem}"
    return type(error)(problem, text=error.text, span=error.span, inferred=error.inferred, repair=error.repair)


__all__ = ["parse_document"]
