"""TeX's commands, and the letters and signs of Unicode, as what they are here."""

from __future__ import annotations

import unicodedata

EXPECTED = {"E": "mean[N](x[N])", "V": "var[N](x[N])", "P": "mean[N](1[x[N] > 0])"}  # of probability, in double strokes
GREEK = {
    unicodedata.name(letter).split()[-1].lower().replace("lamda", "lambda"): letter
    for letter in "αβγδεζηθικλμνξορστυφχψω"
}
GREEK |= {
    name.capitalize(): letter.upper()
    for name, letter in GREEK.items()
    if name in {"gamma", "delta", "theta", "lambda", "xi", "sigma", "upsilon", "phi", "psi", "omega"}
}
GREEK |= {"varepsilon": "ε", "varphi": "φ", "vartheta": "θ", "pi": "π", "Pi": "Π"}
LETTERS_IN_LATEX = {letter: name for name, letter in reversed(GREEK.items())}

MARKS = {
    "cdot": "*", "times": "*", "le": "<=", "leq": "<=", "ge": ">=", "geq": ">=", "ne": "!=", "neq": "!=",
    "lt": "<", "gt": ">", "vert": "|", "lvert": "\\left|", "rvert": "\\right|", "lfloor": "⌊", "rfloor": "⌋",
    "{": "(", "}": ")", "lbrack": "[", "rbrack": "]", "equiv": "==",
}  # fmt: skip
WORDS = ("exp", "log", "ln", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "max", "min")
SILENT = (
    "left", "right", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "big", "Big", "displaystyle", "textstyle",
    "quad", "qquad", "limits", "nolimits", ",", ";", "!", ":", " ", "\n",
)  # fmt: skip
FONTS = ("mathrm", "mathbf", "mathit", "mathsf", "mathcal", "boldsymbol", "bm", "text", "textrm", "operatorname")
BOLD = ("mathbf", "boldsymbol", "bm")
TRANSPOSES = ("top", "intercal", "dagger", "prime")
MARKS_ABOVE = ("star", "ast")  # x^*, which are a part of the name
ACCENTS = ("hat", "bar", "tilde", "vec", "dot", "ddot", "check", "breve")  # which are a part of the name: y_hat
WIDE = {"widehat": "hat", "widetilde": "tilde", "overline": "bar", "overrightarrow": "vec"}
COMMANDS = ("frac", "sqrt", "partial")
ONES = ("mathbb", "mathbf", "mathds", "mathbbm", "bm")  # in which an indicator's 1 is set
FRACTIONS = ("dfrac", "tfrac", "cfrac")
LABELS = ("tag", "label", "notag", "nonumber")  # what numbers an equation
SIGNED = {
    "langle": "⟨", "rangle": "⟩", "odot": "⊙", "otimes": "⊗", "circ": "∘", "nabla": "∇", "infty": "∞",
    **dict.fromkeys(("|", "Vert", "lVert", "rVert"), "∥"),
    **dict.fromkeys(("ldots", "cdots", "dots", "dotsc", "dotsb"), "…"), "pm": "±", "mp": "∓",
    **dict.fromkeys(("approx", "simeq", "sim", "doteq"), "≈"),
}  # fmt: skip
HALVES = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4"}
SIGNS = {
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "≡": "==",
    "·": "*",
    "×": "*",
    "−": "-",
    "⋅": "*",
    "∗": "*",
    "∙": "*",
    "÷": "/",
    "–": "-",
    "⌊": "⌊",
    "⌋": "⌋",
}

BELOW = "₀₁₂₃₄₅₆₇₈₉"
ABOVE = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"
RAISED = dict(zip(ABOVE, "0123456789-", strict=True))
