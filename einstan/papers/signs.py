"""What TeX's commands are in a formula, and what is written again and again in a repair."""

from __future__ import annotations

from einstan.language.commands import GREEK

FONTS = {
    **dict.fromkeys(("mathbf", "boldsymbol", "bm", "vec", "pmb", "bf", "mathbfit"), "bold"),
    **dict.fromkeys(("mathcal", "mathscr", "cal"), "script"),
    **dict.fromkeys(
        ("mathrm", "text", "operatorname", "textrm", "mathit", "textit", "mathsf", "mathtt", "rm"), "upright"
    ),
    **dict.fromkeys(("mathbb", "mathds", "mathbbm"), "double"),
    "mathfrak": "fraktur",
}
ACCENTS = ("hat", "bar", "tilde", "dot", "ddot", "check", "breve")
FUNCTIONS = (
    "exp", "log", "ln", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "max", "min",
)  # fmt: skip
SIGNS = {"sum": "sum", "prod": "prod", "max": "max", "min": "min"}
TRANSPOSES = ("top", "intercal", "mathsf{T}", "mathrm{T}", "text{T}", "mathtt{T}")
STARTS = (
    "frac", "dfrac", "tfrac", "cfrac", "sqrt", "nabla", "langle", "|", "Vert", "lVert", "lvert", "vert", "{", "begin",
    "lbrack", "partial",
)  # fmt: skip
OPERATORS = {
    "cdot": "·", "times": "×", "odot": "⊙", "circ": "∘", "otimes": "⊗", "ast": "*", "star": "⋆", "oslash": "⊘",
    "div": "/", "bullet": "·",
}  # fmt: skip
MARKS = {"·": "·", "×": "×", "⊙": "⊙", "∘": "∘", "⊗": "⊗", "*": "*", "∗": "*", "/": "/"}
COMPARED = {
    "le": "<=", "leq": "<=", "leqslant": "<=", "ge": ">=", "geq": ">=", "geqslant": ">=", "lt": "<", "gt": ">",
    "ne": "!=", "neq": "!=", "<": "<", ">": ">", "≤": "<=", "≥": ">=", "≠": "!=", "=": "==",
}  # fmt: skip
MATRICES = ("matrix", "bmatrix", "pmatrix", "vmatrix", "Bmatrix", "Vmatrix", "smallmatrix")
DOTS = ("dots", "ldots", "cdots", "dotsc", "dotsb", "vdots", "ddots")
OTHERWISE = ("otherwise", "else", "elsewhere")
ENGLISH = (
    "if",
    "for",
    "where",
    "when",
    "and",
    "or",
    "otherwise",
    "else",
    "is",
    "of",
    "the",
    "as",
    "with",
    "const",
    "since",
)
WORDS = ("if", "for", "when", "where", "and")
GREEK_NAMES = GREEK | {"ell": "ell", "partial": "∂"}  # ℓ alone would be l in the normal form of names
NOT_READ = {
    "int": "an integral: the notation has sums alone", "lim": "a limit: derivatives are derived by rules",
    "mathbb": "an expectation, or a name in double strokes: write what is averaged, mean[N](...)",
    "forall": "a statement about all of something, and no formula", "exists": "a statement that something exists",
    "mapsto": "a map, and no formula: write f(x) = ...", "arg": "where an extreme is, and not its value",
    "binom": "a binomial coefficient", "cup": "a set", "cap": "a set", "bigcup": "a set", "emptyset": "a set",
    "sup": "a supremum: max is the largest entry", "inf": "an infimum: min is the smallest entry",
    "det": "a determinant", "vdots": "formulas that are left out", "infty": "infinity is no number here",
    "triangleq": "a definition sign",
}  # fmt: skip
NAMED = "% einstan: name x^* = x_star"
HEAD = "% einstan: "
AT = "a name for the value there: v = f(x + h), and its formula"
