"""The lists of functions, of reductions, and of what is written otherwise, as Markdown: made from the tables that read
them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from einstan.language.functions import DEFINITIONS, ROWS, SPELLINGS, Function
from einstan.language.unknown import INSTEAD

_WORD = re.compile(r"(?!assume)[A-Za-z]{2,}[,;:]?")  # of a sentence
_SIGNS = re.compile(r"^(.*[\[(|/^<>=+].*?)([,;:]?)$")  # which words have none of

# What runs over an axis: its spelling, what it means, and what is said of its derivative.
REDUCTIONS = {
    "sum": ("sum[K](x[K])", "x[0] + x[1] + ...", ""),
    "mean": ("mean[K](x[K])", "sum[K](x[K]) / |K|", ""),
    "max": ("max[K](x[K])", "the largest entry", "ties share the derivative equally"),
    "min": ("min[K](x[K])", "the smallest entry", "ties share the derivative equally"),
    "logsumexp": ("logsumexp[K](x[K])", "log(sum[K](exp(x[K]))), without overflow", ""),
    "prod": ("prod[K](x[K])", "x[0] x[1] ...", "right at entries that are 0"),
    "softmax": ("softmax[k](x[k])", "exp(x[k]) / sum[J](exp(x[J])), without overflow; k stays free", ""),
    "var": ("var[K](x[K])", "mean[K]((x[K] - mean[J](x[J]))^2), over the whole population", ""),
    "std": ("std[K](x[K])", "sqrt(var[K](x[K]))", "none where it is 0: NaN"),
    "norm": ("norm[K](x[K])", "sqrt(sum[K](x[K]^2))", "none where it is 0: NaN"),
}


def functions_table() -> str:
    """A line for every elementwise function."""
    spellings: dict[str, list[str]] = {}
    for other, name in SPELLINGS.items():
        spellings.setdefault(name, []).append(other)
    return _table(
        ("function", "partial derivatives", "where", "convention", "also"),
        (
            (_code(_call(row)), _partials(row), _code(row.domain), row.kink, _codes(spellings.get(row.name, ())))
            for row in ROWS
        ),
    )


def definitions_table() -> str:
    """A line for every function that is written out where it is called."""
    return _table(("function", "is"), (tuple(map(_code, text.split(" = "))) for text in DEFINITIONS))


def reductions_table() -> str:
    """A line for everything that runs over an axis."""
    rows = REDUCTIONS.values()
    return _table(
        ("reduction", "is", "derivative"), ((_code(text), _with_code(meaning), said) for text, meaning, said in rows)
    )


def instead_table() -> str:
    """A line for what other libraries have and what is written here, calls with one answer together."""
    names: dict[str, list[str]] = {}
    for name, answer in INSTEAD.items():
        names.setdefault(answer, []).append(name)
    return _table(
        ("called elsewhere", "written here"), ((_codes(own), _with_code(answer)) for answer, own in names.items())
    )


def _call(row: Function) -> str:
    if row.name == "pow":
        return "x^y"
    return f"{row.name}({', '.join(row.parameters)})" if row.parameters else row.name


def _partials(row: Function) -> str:
    if not row.parameters:
        return ""
    missing = len(row.parameters) - len(row.partials)
    return ", ".join([*map(_code, row.partials), *["cannot be differentiated"] * missing])


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _with_code(text: str) -> str:
    """Words and formulas, these as code: what is between words, up to a comma outside of brackets."""
    runs: list[list[str]] = [[]]
    for word in text.split():
        if _WORD.fullmatch(word):
            runs += [[word], []]
            continue
        runs[-1].append(word)
        run = " ".join(runs[-1])
        if word[-1] in ",;:" and all(run.count(a) == run.count(b) for a, b in ("()", "[]")):
            runs.append([])
    return " ".join(_SIGNS.sub(r"`\1`\2", " ".join(run)) for run in runs if run)


def _codes(names: Iterable[str]) -> str:
    return ", ".join(map(_code, names))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
