"""The elementwise functions: one row each, with its partials written in the notation.

A partial is an expression in the parameters of its row; the calculus parses it and puts the arguments in.  The column
``kink`` states the convention where the derivative does not exist.  To add a function, add a row here and its NumPy
and exact evaluations in `einstan.machine`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Function:
    """A row of the table: name, parameters, partials in this notation, LaTeX with ``{0}`` for the argument."""

    name: str
    parameters: tuple[str, ...]
    partials: tuple[str, ...]
    latex: str
    kink: str = ""


ROWS = (
    # name, parameters, partials, LaTeX, convention at a kink
    Function("exp", ("x",), ("exp(x)",), r"\exp({0})"),
    Function("log", ("x",), ("1 / x",), r"\log({0})"),
    Function("sqrt", ("x",), ("1 / (2 sqrt(x))",), r"\sqrt{{{0}}}"),
    Function("sin", ("x",), ("cos(x)",), r"\sin({0})"),
    Function("cos", ("x",), ("-sin(x)",), r"\cos({0})"),
    Function("tan", ("x",), ("1 + tan(x)^2",), r"\tan({0})"),
    Function("arctan", ("x",), ("1 / (1 + x^2)",), r"\arctan({0})"),
    Function("sinh", ("x",), ("cosh(x)",), r"\sinh({0})"),
    Function("cosh", ("x",), ("sinh(x)",), r"\cosh({0})"),
    Function("tanh", ("x",), ("1 - tanh(x)^2",), r"\tanh({0})"),
    Function("sigmoid", ("x",), ("sigmoid(x) (1 - sigmoid(x))",), r"\sigma({0})"),
    Function("softplus", ("x",), ("sigmoid(x)",), r"\operatorname{{softplus}}({0})"),
    Function("erf", ("x",), ("2 / sqrt(pi) exp(-x^2)",), r"\operatorname{{erf}}({0})"),
    Function("relu", ("x",), ("1[x > 0]",), r"\operatorname{{relu}}({0})", "relu'(0) = 0"),
    Function("abs", ("x",), ("sign(x)",), r"\left|{0}\right|", "abs'(0) = 0"),
    Function("sign", ("x",), ("0",), r"\operatorname{{sign}}({0})", "constant on both sides of its jump"),
    Function("floor", ("x",), ("0",), r"\operatorname{{floor}}({0})", "constant between its jumps"),
    Function(
        "maximum",
        ("x", "y"),
        ("1[x > y] + 1/2 1[x == y]", "1[y > x] + 1/2 1[x == y]"),
        r"\max({0}, {1})",
        "ties share the derivative equally",
    ),
    Function(
        "minimum",
        ("x", "y"),
        ("1[x < y] + 1/2 1[x == y]", "1[y < x] + 1/2 1[x == y]"),
        r"\min({0}, {1})",
        "ties share the derivative equally",
    ),
    Function("pow", ("x", "y"), ("y x^(y - 1)", "x^y log(x)"), r"{0}^{{{1}}}"),
    Function("pi", (), (), r"\pi"),
)

FUNCTIONS = {row.name: row for row in ROWS}

# Functions whose value is finite wherever their arguments are, however large these may be.
TOTAL = frozenset({"sin", "cos", "arctan", "tanh", "sigmoid", "softplus", "erf", "relu", "abs", "sign", "floor",
                   "maximum", "minimum", "pi"})  # fmt: skip

# Other spellings, as papers use them; the printer writes the name of the row.
SPELLINGS = {"ReLU": "relu", "σ": "sigmoid", "ln": "log", "π": "pi", "atan": "arctan", "sgn": "sign"}
