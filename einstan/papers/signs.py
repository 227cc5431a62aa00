"""What TeX's commands are in a formula, and what is written again and again in a repair."""

from __future__ import annotations

from einstan.language import commands
from einstan.language.commands import GREEK

FONTS = {
    **dict.fromkeys(("mathbf", "boldsymbol", "bm", "vec", "pmb", "bf", "mathbfit", "textbf", "symbf"), "bold"),
    **dict.fromkeys(("mathcal", "mathscr", "cal"), "script"),
    **dict.fromkeys(("mathrm", "text", "operatorname", "textrm", "mathit", "textit", "mathsf", "mathtt"), "upright"),
    **dict.fromkeys(("rm", "textsf", "texttt", "mathnormal", "textnormal", "sf", "it", "mbox"), "upright"),
    **dict.fromkeys(("mathbb", "mathds", "mathbbm"), "double"),
    "mathfrak": "fraktur",
}  # fmt: skip
ACCENTS = tuple(accent for accent in commands.ACCENTS if accent not in FONTS)  # \vec is a font here
FUNCTIONS = commands.WORDS
SIGNS = {"sum": "sum", "prod": "prod", "max": "max", "min": "min"}
TRANSPOSES = ("top", "intercal")
STARTS = (
    "frac", *commands.FRACTIONS, "sqrt", "nabla", "langle", "|", "Vert", "lVert", "lvert", "vert", "{", "begin",
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
    "if", "for", "where", "when", "and", "or", "otherwise", "else", "is", "of", "the", "as", "with", "const", "since",
)  # fmt: skip
WORDS = ("if", "for", "when", "where", "and")
GREEK_NAMES = GREEK | {"ell": "ell", "partial": "∂"}  # ℓ alone would be l in the normal form of names
MEAN = r"\frac{1}{N} \sum_{n=1}^{N} x_n, where it is a mean of samples"
INPUT = "a name for what it makes, v, with % einstan: given v"
NOT_READ = {  # the reason, and what to write
    "int": ("an integral: the notation has sums alone", r"\sum_{k} w_k f_k, a sum with its weights"),
    "lim": ("a limit: derivatives are derived by rules", r"\frac{\partial L}{\partial x}"),
    "mathbb": ("an expectation, or a name in double strokes", MEAN),
    "forall": ("a statement about all of something, and no formula", "y_i = ..., which is for all i"),
    "exists": ("a statement that something exists", INPUT),
    "mapsto": ("a map, and no formula", "f(x) = ..."),
    "arg": ("where an extreme is, and not its value", r"\nabla_x L = 0, which holds there"),
    "argmin": ("where an extreme is, and not its value", r"\nabla_x L = 0, which holds there"),
    "argmax": ("where an extreme is, and not its value", r"\nabla_x L = 0, which holds there"),
    "binom": ("a binomial coefficient", INPUT),
    **dict.fromkeys(("cup", "cap", "bigcup", "bigcap", "emptyset"), ("a set", r"\sum_k \mathbb{1}[...] x_k")),
    "sup": ("a supremum: max is the largest entry", r"\max_k x_k"),
    "inf": ("an infimum: min is the smallest entry", r"\min_k x_k"),
    "det": ("a determinant", (INPUT, "of two by two: A_{1,1} A_{2,2} - A_{1,2} A_{2,1}")),
    "infty": ("infinity is no number here", r"\sum_{k=1}^{K}, or a large number with a name"),
    "pm": ("two values in one formula", "a formula for each sign"),
    "mp": ("two values in one formula", "a formula for each sign"),
    "mid": ("a bar, as of what is conditional", (INPUT, r"% einstan: value p, where p(x \mid y) is one")),
    "parallel": ("two bars, as between two distributions", r"% einstan: value D, where D(p \parallel q) is one"),
    **dict.fromkeys(("lfloor", "lceil"), ("a number that is rounded", INPUT)),
    **dict.fromkeys(("bmod", "pmod", "mod", "%"), ("what is left of a division", INPUT)),
    **dict.fromkeys(("oplus", "oslash", "wedge", "vee", "ltimes", "boxplus"), ("a sign with many meanings", INPUT)),
}  # fmt: skip
NO_SIGN = {
    "!": "a factorial as an input, % einstan: given F", ";": "a comma, or a formula of its own behind it",
    ",": "a formula of its own for each", ".": "5.0, a digit behind the point",
    "|": r"\lvert x \rvert, or % einstan: value p, where p(x | y) is one",
    ":": "f(x) = ..., or a formula of its own", "-": "brackets around what has the sign", "&": "one & in a row",
    **dict.fromkeys("<>=", r"\mathbb{1}[x > 0], for a bracket that is 1 where it holds"),
    "−": "brackets around what has the sign", "+": "brackets around what has the sign",
}  # fmt: skip
WRITTEN = {  # functions that have no one formula, or none here, each by what may be meant
    "std": r"\sqrt{\frac{1}{N} \sum_{i=1}^{N} (x_i - \bar{x})^2}, of what is in its brackets",
    "var": r"\frac{1}{N} \sum_{i=1}^{N} (x_i - \bar{x})^2, of what is in its brackets",
    "LeakyReLU": r"\max(x, a x), with % einstan: given a",
    "GELU": r"\frac{x}{2} \left(1 + \mathrm{erf}\left(\frac{x}{\sqrt{2}}\right)\right)",
}
HEAD = "% einstan: "
AT = "a name for the value there: v = f(x + h), and its formula"
