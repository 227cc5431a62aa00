"""The elementwise functions: one row each, with its partials written in the notation.

A partial is an expression in the parameters of its row; the calculus parses it and puts the arguments in.  The column
``kink`` states the convention where the derivative does not exist.  To add a function that others make up, add its
definition to `DEFINITIONS`; one that nothing else makes up is a row here and its NumPy and exact evaluations in
`einstan.machine`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from einstan.language.errors import ProgramError


@dataclass(frozen=True)
class Function:
    """A row of the table: name, parameters, partials in this notation, LaTeX with ``{0}`` for the argument."""

    name: str
    parameters: tuple[str, ...]
    partials: tuple[str, ...]
    latex: str
    kink: str = ""
    closed: str = ""  # the same by other functions, which is what a proof compares
    domain: str = ""  # where it has a real value; nothing where that is everywhere

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, tuple(vars(self).values())


def called(name: str, parameters: int = 1) -> str:
    """LaTeX of a call for which TeX has no command."""
    arguments = ", ".join(f"{{{k}}}" for k in range(parameters))
    return rf"\operatorname{{{{{name}}}}}({arguments})"


ROWS = (
    # name, parameters, partials, LaTeX, convention at a kink
    Function("exp", ("x",), ("exp(x)",), r"\exp({0})"),
    Function("expm1", ("x",), ("exp(x)",), called("expm1"), closed="exp(x) - 1"),
    Function("log", ("x",), ("1 / x",), r"\log({0})", domain="x > 0"),
    Function("log1p", ("x",), ("1 / (1 + x)",), called("log1p"), closed="log(1 + x)", domain="x > -1"),
    Function("sqrt", ("x",), ("1 / (2 sqrt(x))",), r"\sqrt{{{0}}}", domain="x >= 0"),
    Function("cbrt", ("x",), ("1 / (3 cbrt(x)^2)",), called("cbrt")),
    Function("sin", ("x",), ("cos(x)",), r"\sin({0})"),
    Function("cos", ("x",), ("-sin(x)",), r"\cos({0})"),
    Function("tan", ("x",), ("1 + tan(x)^2",), r"\tan({0})"),
    Function("arctan", ("x",), ("1 / (1 + x^2)",), r"\arctan({0})"),
    Function("arcsin", ("x",), ("1 / sqrt((1 - x) (1 + x))",), r"\arcsin({0})", domain="-1 <= x <= 1"),
    Function(
        "arccos",
        ("x",),
        ("-1 / sqrt((1 - x) (1 + x))",),
        r"\arccos({0})",
        closed="π / 2 - arcsin(x)",
        domain="-1 <= x <= 1",
    ),
    Function(
        "arctan2", ("y", "x"), ("x / (x^2 + y^2)", "-y / (x^2 + y^2)"), called("arctan2", 2), "arctan2(0, -1) = pi"
    ),
    Function("sinh", ("x",), ("cosh(x)",), r"\sinh({0})"),
    Function("cosh", ("x",), ("sinh(x)",), r"\cosh({0})"),
    Function("tanh", ("x",), ("1 - tanh(x)^2",), r"\tanh({0})"),
    Function("arcsinh", ("x",), ("1 / sqrt(1 + x^2)",), called("arcsinh")),
    Function("arccosh", ("x",), ("1 / sqrt((x - 1) (x + 1))",), called("arccosh"), domain="x >= 1"),
    Function("arctanh", ("x",), ("1 / ((1 - x) (1 + x))",), called("arctanh"), domain="-1 < x < 1"),
    Function("sigmoid", ("x",), ("sigmoid(x) (1 - sigmoid(x))",), r"\sigma({0})"),
    Function("softplus", ("x",), ("sigmoid(x)",), r"\operatorname{{softplus}}({0})"),
    Function("erf", ("x",), ("2 / sqrt(pi) exp(-x^2)",), r"\operatorname{{erf}}({0})"),
    Function("erfc", ("x",), ("-2 / sqrt(pi) exp(-x^2)",), called("erfc"), closed="1 - erf(x)"),
    Function("lgamma", ("x",), ("digamma(x)",), called("lgamma"), domain="all but 0, -1, -2, ..."),
    Function("digamma", ("x",), ("trigamma(x)",), called("digamma"), domain="all but 0, -1, -2, ..."),
    Function("trigamma", ("x",), (), called("trigamma"), domain="all but 0, -1, -2, ..."),
    Function("relu", ("x",), ("1[x > 0]",), r"\operatorname{{relu}}({0})", "relu'(0) = 0"),
    Function("silu", ("x",), ("sigmoid(x) (1 + x (1 - sigmoid(x)))",), called("silu"), closed="x sigmoid(x)"),
    Function(
        "elu",
        ("x",),
        ("exp(minimum(x, 0))",),
        called("elu"),
        "elu''(0) = 0",
        closed="relu(x) + exp(minimum(x, 0)) - 1",
    ),
    Function("softsign", ("x",), ("1 / (1 + abs(x))^2",), called("softsign"), closed="x / (1 + abs(x))"),
    Function(
        "clip",
        ("x", "a", "b"),
        ("1[a < x] 1[x < b]", "1[x <= a] 1[a < b]", "1 - 1[x < b] 1[a < b]"),
        called("clip", 3),
        "its derivative by x is 0 at both ends",
        closed="minimum(maximum(x, a), b)",
    ),
    Function("abs", ("x",), ("sign(x)",), r"\left|{0}\right|", "abs'(0) = 0"),
    Function("sign", ("x",), ("0",), r"\operatorname{{sign}}({0})", "constant on both sides of its jump"),
    Function("floor", ("x",), ("0",), r"\operatorname{{floor}}({0})", "constant between its jumps"),
    Function(
        "mod",
        ("x", "y"),
        ("1", "-floor(x / y)"),
        called("mod", 2),
        "straight between its jumps",
        closed="x - y floor(x / y)",
        domain="y != 0",
    ),
    Function(
        "maximum",
        ("x", "y"),
        ("1[x > y] + 1/2 1[x == y]", "1[y > x] + 1/2 1[x == y]"),
        r"\max({0}, {1})",
        "ties share the derivative equally; maximum(x, 0) is relu(x)",
    ),
    Function(
        "minimum",
        ("x", "y"),
        ("1[x < y] + 1/2 1[x == y]", "1[y < x] + 1/2 1[x == y]"),
        r"\min({0}, {1})",
        "ties share the derivative equally; minimum(x, 0) is -relu(-x)",
    ),
    Function("pow", ("x", "y"), ("y x^(y - 1)", "x^y log(x)"), r"{0}^{{{1}}}", domain="x > 0, or y whole"),
    Function("pi", (), (), r"\pi"),
)

# Functions that are others put together, a line each and nothing anywhere else: they are written out where they are
# called, so that their values, derivatives, proofs and code are those of what they say.
DEFINITIONS = (
    "hardtanh(x) = clip(x, -1, 1)",
    "hardsigmoid(x) = clip(x / 6 + 1/2, 0, 1)",
    "hardswish(x) = x clip(x / 6 + 1/2, 0, 1)",
    "mish(x) = x tanh(softplus(x))",
)

FUNCTIONS = {row.name: row for row in ROWS}
WRITTEN_OUT = {text.partition("(")[0]: text for text in DEFINITIONS}
BUILTIN = frozenset(FUNCTIONS)  # those of this file; a user's own may come to the table, see `einstan.language.own`


def _received(name: str, parameters: tuple[str, ...], partials: tuple[str, ...], *others: str) -> Function:
    """A row that comes from another process: that of the table here, which holds what computes it."""
    row = FUNCTIONS.get(name)
    if row != Function(name, parameters, partials, *others):
        call = f"{name}({', '.join(parameters)})"
        raise ProgramError(
            f"{call} is {'another' if row else 'no'} function in this process",
            inferred=f"what is received calls one with the partials {', '.join(partials)}",
            repair=f'es.function("{call}", partials={list(partials)}, numpy="..."), in this process too, before',
        )
    return row


# Functions whose value is finite wherever their arguments are, however large these may be.
TOTAL = frozenset({"sin", "cos", "arctan", "arctan2", "tanh", "arcsinh", "cbrt", "sigmoid", "softplus", "erf", "erfc",
                   "relu", "silu", "elu", "softsign", "clip", "abs", "sign", "floor", "maximum", "minimum",
                   "pi"})  # fmt: skip

# Functions that are infinite only where their arguments are very large.
GROWING = frozenset({"exp", "expm1", "exp2", "sinh", "cosh", "erfcx", "logsumexp"})

# Other spellings, as papers and libraries use them; the printer writes the name of the row.
SPELLINGS = {
    "ReLU": "relu", "σ": "sigmoid", "expit": "sigmoid", "swish": "silu", "SiLU": "silu", "ELU": "elu", "clamp": "clip",
    "ln": "log", "π": "pi", "sgn": "sign", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2",
    "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "gammaln": "lgamma", "loggamma": "lgamma",
}  # fmt: skip
