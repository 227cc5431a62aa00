"""The language: terms, their two spellings, and exact printing.

Examples:
    >>> from einstan.language import latex, parse
    >>> equation = parse("Z[n,j] = X[n,K] W[K,j] + b[j]")
    >>> print(equation)
    Z[n,j] = X[n,K] W[K,j] + b[j]
    >>> parse(latex(equation)) is equation
    True
"""

from __future__ import annotations

from einstan.language.document import parse_document
from einstan.language.errors import (
    ClaimError,
    DataError,
    DifferentiationError,
    EinstanError,
    ExtentError,
    NotationError,
    ProgramError,
    ScopeError,
)  # fmt: skip
from einstan.language.index import Affine, Index, affine, slot
from einstan.language.latex import latex
from einstan.language.node import Node, install_printer
from einstan.language.scope import parse, parse_expression, written
from einstan.language.show import reading, show, show_with_spans, sums_inside, well_named
from einstan.language.statement import Claim, Document, Statement
from einstan.language.term import (
    Add,
    Apply,
    Const,
    Delta,
    Equation,
    Expr,
    Extent,
    Indexed,
    Iverson,
    Mul,
    Name,
    Partial,
    Position,
    Reduce,
    Sum,
)  # fmt: skip

install_printer(show)

__all__ = [
    "Add", "Affine", "Apply", "Claim", "ClaimError", "Const", "DataError", "Delta", "DifferentiationError", "Document",
    "EinstanError", "Equation", "Expr", "Extent", "ExtentError", "Index", "Indexed", "Iverson", "Mul", "Name", "Node",
    "NotationError", "Partial", "Position", "ProgramError", "Reduce", "ScopeError", "Statement", "Sum", "affine",
    "latex", "parse", "parse_document", "parse_expression", "reading", "show", "show_with_spans", "slot", "sums_inside",
    "well_named", "written",
]  # fmt: skip
