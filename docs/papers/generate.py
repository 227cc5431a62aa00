"""Writes README.md (the table), derivations.md and figures/ beside it: ``python docs/papers/generate.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import einstan as es
from einstan.library.check import Line
from einstan.library.draw import graph_of
from einstan.library.escape import code_in_markdown, in_markdown
from einstan.library.pictures import rendered
from einstan.library.report_table import table

HERE = Path(__file__).parent
TEXTS = {
    "neoh": "Stanley Neoh, *Mathematics of Neural Networks*, May 2023. Samples are rows.",
    "park": "Young Ho Park, *Gradients in a deep neural network and their Python implementations*, 2022. "
    "Samples are columns.",
    "kumar": "Navdeep Kumar, *Proofs for Neural Network Library*, March 2020. Infinite tensors.",
    "jiang": "J. Jiang, *A deep mathematical understanding of DNNs*. One sample, row vectors.",
    "zhao": "Zheguang Zhao, *Mathematics for Deep Learning*, February 2019.",
}
HEAD = """\
# Five texts, checked line by line

Each document says, in the order of its text, every displayed formula that the notation can say, with its number or
section. A formula that is wrong as printed stands there as printed, behind the word `refute`, with the reason in its
comment; its correction follows. What cannot be said is listed at the end. A line is *proved* by the rules of the
calculus, *verified* where it holds at random points alone, *refuted* where numbers show that it is wrong; definitions
are the lines that claims rest on.

    python -m einstan check docs/papers/*.ein
    python -m einstan check docs/papers/*.ein --html papers.html

[derivations.md](derivations.md) has the steps of the proofs that Jiang's text leaves "TO DO", and of the theorems of
Park, Kumar and Neoh. [park_listings.py](park_listings.py) has Park's four Python listings, beside networks of layers in
his convention that compute the same; [neoh_ranks.py](neoh_ranks.py) has Neoh's formulas for tensors of any rank, a
document for each choice of ranks, and [kumar_library.py](kumar_library.py) has Kumar's layers, each with its three
passes as one call. Zhao's figures, drawn from the functions that they show, are at the end.

*This page is written by `python docs/papers/generate.py`; a test keeps it true.*

"""


def reports() -> list[es.Report]:
    return [es.check((HERE / f"{name}.ein").read_text(encoding="utf-8"), f"{name}.ein") for name in TEXTS]


def typed_reports() -> list[es.Report]:
    """The same texts as they are typed."""
    names = [f"{name}.md" for name in TEXTS]
    return [es.check_paper((HERE / "typed" / name).read_text(encoding="utf-8"), "md", name) for name in names]


def written_reports() -> list[es.Report]:
    """Derivations of other texts, written from the mathematics, in LaTeX."""
    names = [f"{name}.tex" for name in WRITTEN]
    return [es.check_paper((HERE / "written" / name).read_text(encoding="utf-8"), "tex", name) for name in names]


def readme(checked: list[es.Report], typed: list[es.Report], written: list[es.Report]) -> str:
    texts = "".join(f"- {name}: {text}\n" for name, text in TEXTS.items())
    pictures = "\n".join(f"![{title}](figures/{name}.svg)\n\n{title}.\n" for name, (title, _, _) in FIGURES.items())
    tables = f"{table(checked)}\n{TYPED}{typed_table(typed)}\n{OTHERS}{written_table(written)}"
    return f"{HEAD}{texts}\n{tables}\n## Zhao's figures\n\n{pictures}"


# ---- as they are typed -----------------------------------------------------------------------------------------------

TYPED = """\
## As they are typed

[typed/](typed/readings.md) has the displayed formulas of the five texts as they stand there, in their order, each part
with a header that says what the formulas cannot: how many axes a name has, what it is called here, which signs mean
what. They are read, and judged, by

    python -m einstan check docs/papers/typed/*.md

What is not read is named with its reason; nothing is guessed. [Every reading](typed/readings.md) is beside its formula.

"""


def typed_table(typed: list[es.Report]) -> str:
    """One row for each text: its displayed formulas, and what became of their steps."""
    head = (
        "text",
        "displays",
        "read",
        "in part",
        "not read",
        "definitions",
        "proved",
        "verified",
        "refuted",
        "unread steps",
    )
    rows = [_cells(report) for report in typed]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for report, row in zip(typed, rows, strict=True):
        name = report.name.removesuffix(".md")
        lines.append(f"| [{name}](typed/{report.name}) | {' | '.join(map(str, row))} |")
    sums = (str(sum(column)) for column in zip(*rows, strict=True))
    return "\n".join([*lines, f"| all | {' | '.join(sums)} |"]) + "\n"


WRITTEN = {
    "attention": "attention and its backward pass, with a causal mask, and one row in two blocks",
    "norms": "layer, batch, group and RMS normalisation",
    "recurrent": "a long short-term memory and a gated recurrent unit",
    "gaussian": "Gaussian processes: a kernel, what is predicted, and the marginal likelihood of two and of any "
    "number of observations",
    "losses": "regression, a neuron, logistic and hinge losses, low-rank updates, preferences, the focal loss, "
    "a Gaussian against the standard one, diffusion",
}
OTHERS = """\
## Other derivations

[written/](written) has derivations that many texts have, in LaTeX, with comments for a header: every formula proved, or
verified at points, and the slips that circulate refuted, each with its reason.

"""


def written_table(written: list[es.Report]) -> str:
    lines = ["| document | has | definitions | proved | verified | slips refuted |", "|---|---|---|---|---|---|"]
    totals = [0] * 4
    for report in written:
        name = report.name.removesuffix(".tex")
        row = [report.definitions, *(report.counts[verdict] for verdict in ("proved", "verified", "refuted"))]
        totals = [a + b for a, b in zip(totals, row, strict=True)]
        lines.append(f"| [{name}](written/{report.name}) | {WRITTEN[name]} | {' | '.join(map(str, row))} |")
    return "\n".join([*lines, f"| all | | {' | '.join(map(str, totals))} |"]) + "\n"


def _cells(report: es.Report) -> list[int]:
    read, partly, unread = report.displays.values()
    verdicts = [report.counts.get(verdict, 0) for verdict in ("proved", "verified", "refuted", "unreadable")]
    return [read + partly + unread, read, partly, unread, report.definitions, *verdicts]


def readings(typed: list[es.Report]) -> str:
    """Every formula of the five texts beside what is read of it."""
    lines = ["# The formulas as they are typed, and as they are read", "", *READ_HEAD]
    for report in typed:
        lines += [f"## {report.name.removesuffix('.md')}", "", "| line | as typed | read as | |", "|---|---|---|---|"]
        for line in report.lines:
            if line.formula and line.display:
                lines.append(f"| {line.number} | {code_in_markdown(line.formula)} | {' | '.join(_read_as(line))} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


READ_HEAD = [
    "A refuted step is wrong as printed, and its reason is given; what is not read has its reason too.", "",
    "*This page is written by `python docs/papers/generate.py`; a test keeps it true.*", "",
]  # fmt: skip


def _read_as(line: Line) -> tuple[str, str]:
    if line.problem:
        return f"not read: {in_markdown(line.problem)}", ""
    code = code_in_markdown(line.statement.code)
    if line.outcome is None:
        return code, "given" if line.statement.kind == "given" else "definition"
    said = f": {in_markdown(line.statement.comment)}" if line.statement.kind == "refute" else ""
    return code, f"{line.outcome.verdict}{said}"


# ---- figures ---------------------------------------------------------------------------------------------------------

SINE = es.parse("f = sin(z)")
HELIX = es.parse("x[i] = δ[i,0] cos(t) + δ[i,1] sin(t) + δ[i,2] t    where |i| = 3")
NORM = es.parse("z = sqrt(sum[I](x[I]^2))")
FIGURES: dict[str, tuple[str, Any, dict[str, int]]] = {
    "zhao-1": ("Figure 1: f(z), a function of one number", SINE, {}),
    "zhao-2": ("Figure 2: its derivative, again a function of one number", SINE.partial("z"), {}),
    "zhao-3": ("Figure 3: a vector-valued function, one node for each component", HELIX, {}),
    "zhao-4": ("Figure 4: a real-valued function of several variables", NORM, {"x.0": 3}),
    "zhao-5": ("Figure 5: the composition of both, their graphs joined: `helix >> norm`", HELIX >> NORM, {}),
}


def figures() -> dict[str, bytes]:
    """The pictures, by name, as SVG."""
    return {name: rendered(graph_of(what, extents=e, scalars=True), "svg") for name, (_, what, e) in FIGURES.items()}


# ---- derivations -----------------------------------------------------------------------------------------------------

JIANG = (
    ("3, the Jacobian of ReLU", "R[j] = relu(z[j])", "R", "z"),
    ("3, the Jacobian of SoftMax", "S[j] = exp(z[j]) / sum[K](exp(z[K]))", "S", "z"),
    ("3, the gradient of cross-entropy", "E = -h[J] log(y[J])", "E", "y"),
    (
        "3, the gradient of cross-entropy after SoftMax, S(z) - ŷ",
        "S[j] = exp(z[j]) / sum[K](exp(z[K]))\nE = -h[J] log(S[J])\nassume h[J] = 1", "E", "z",
    ),
    ("4, dense layer: ∂L/∂y", "L[j] = y[K] W[j,K] + b[j]", "L", "y"),
    ("4, dense layer: ∂L/∂W, of which dL_j/dw is the row j", "L[j] = y[K] W[j,K] + b[j]", "L", "W"),
    ("4, dense layer: ∂L/∂b", "L[j] = y[K] W[j,K] + b[j]", "L", "b"),
    *(
        (
            f"4, upstream: ∂(F ∘ ReLU ∘ L)/∂{wrt}, for an F with the value F(0) and the slope G at one point",
            "L[j] = y[K] W[j,K] + b[j]\nR[j] = relu(L[j])\nF = F0 + G[J] R[J]", "F", wrt,
        )
        for wrt in ("y", "W", "b")
    ),
)  # fmt: skip
LEFT_OPEN = (
    "2, D(R^m) ⊂ D_pw(R^m) ⊂ C(R^m): a statement about sets of functions, not a formula",
    "2, the derivative of g ∘ f: the chain rule, which the calculus uses and does not derive; see jiang.ein",
)
FLOW = "z[i] = W[i,J] x[J] + b[i]"
LAYER = "Z[i,k] = W[i,J] A[J,k] + b[i]\nJ = 1/|K| G[I,K] Z[I,K]"
PARK = (
    ("Theorem 4.1, (7): ∂z/∂x = W", FLOW, "z", "x"),
    ("Theorem 4.1, (8): ∂z/∂b = I", FLOW, "z", "b"),
    ("Theorem 4.1, (9): ∂a/∂z = diag(g'(z)), for the sigmoid", "a[i] = sigmoid(z[i])", "a", "z"),
    ("Theorem 4.1, (10): ∇_W S = (∇_z S) x^T, for an S with the slope g", FLOW + "\nS = g[I] z[I]", "S", "W"),
    (
        "Theorem 5.1: δ of the layer before, for an S with the slope g",
        "a[i] = sigmoid(u[i])\nz[i] = W[i,J] a[J] + b[i]\nS = g[I] z[I]", "S", "u",
    ),
    ("Theorem 5.4, (21) and (22): dZ = 1/N Δ, dA = W^T dZ, where Δ is G", LAYER, "J", "A"),
    ("Theorem 5.4, (24): dW = dZ A^T", LAYER, "J", "W"),
    ("Theorem 5.4, (25): db is the sum of the columns of dZ", LAYER, "J", "b"),
    ("Theorem 6.1, 1: identity and L² loss", "L = 1/2 (z[I] - y[I])^2", "L", "z"),
    (
        "Theorem 6.1, 2: sigmoid and binary cross-entropy",
        "a = sigmoid(z)\nL = -(y log(a) + (1 - y) log(1 - a))", "L", "z",
    ),
    (
        "Theorem 6.1, 3: softmax and cross-entropy, with Σ y_i = 1",
        "o[i] = exp(z[i]) / sum[K](exp(z[K]))\nL = -y[I] log(o[I])\nassume y[I] = 1", "L", "z",
    ),
    ("(36): dZ = 1/N (A - Y)", "A[i,k] = exp(Z[i,k]) / sum[M](exp(Z[M,k]))\nJ = -1/|K| Y[I,K] log(A[I,K])\n"
     "assume sum[I](Y[I,k]) = 1", "J", "Z"),
)  # fmt: skip
SLIDE = "y[i] = pad(x[i+J]) w[J]    where |i| = |x.0|\nL = g[I] y[I]"
KUMAR = (
    ("3.1: dL/dx = dy (x - y*)", "y = 1/2 (x[I] - s[I])^2", "y", "x"),
    ("4.2: dL/dx = w^T dL/dy, for an L with the slope g", "y[i] = w[i,J] x[J]\nL = g[I] y[I]", "L", "x"),
    ("4.3: dL/dw = dL/dy x^T", "y[i] = w[i,J] x[J]\nL = g[I] y[I]", "L", "w"),
    ("5: dL/dx = dL/dy", "y[i] = x[i] + w[i]\nL = g[I] y[I]", "L", "x"),
    ("7.2: dL/dx = dL/dy ⊗ w", SLIDE, "L", "x"),
    ("7.3: dL/dw = x ⊙ dL/dy", SLIDE, "L", "w"),
)
NEOH = (
    ("6, the layer before: ∂L/∂Z", "X[a,j] = tanh(U[a,j])\nZ[a,i] = X[a,J] W[J,i] + b[i]\nL = G[A,I] Z[A,I]", "L", "U"),
    ("7, the second derivatives of least squares", "Z[a,i] = X[a,J] W[J,i]\nL = 1/2 (Z[A,I] - Y[A,I])^2", "L", "W"),
)  # fmt: skip
DERIVED = {
    'Jiang: every "Proof: TO DO" about a formula': JIANG,
    "Park: Theorems 4.1, 5.1, 5.4, 6.1": PARK,
    "Kumar: backward and gradient passes": KUMAR,
    "Neoh: a layer, and the Hessian": NEOH,
}


def derivations() -> str:
    """The steps of every proof that Jiang leaves to do, about a formula, and of the theorems of the others."""
    lines = [
        "# Derivations", "",
        "Each line follows from the one before, by the same calculus that checks claims (`Derivation.check`).",
        "", "*This page is written by `python docs/papers/generate.py`; a test keeps it true.*", "",
    ]  # fmt: skip
    for text, derived in DERIVED.items():
        lines += [f"## {text}", ""]
        for title, program, of, wrt in derived:
            lines += _derivation(title, es.Program(program), of, wrt)
        if derived is JIANG:
            lines += ["### Not derived", "", *(f"- {reason}" for reason in LEFT_OPEN), ""]
    return "\n".join(line.rstrip() for line in "\n".join(lines).splitlines()) + "\n"


def _derivation(title: str, program: es.Program, of: str, wrt: str) -> list[str]:
    if title.startswith("7, the second"):
        gradient = program.partial(of, wrt)
        made = gradient.derivation(str(gradient.equations[0].name), wrt)
    else:
        made = program.derivation(of, wrt)
    assert all(made.check()), title
    assumed = [f"assume {assumption}" for assumption in program.assumptions]
    block = [*assumed, *([""] if assumed else []), str(made)]
    return [f"### {title}", "", "```", *block, "```", "", *(f"$$\n{part.latex()}\n$$\n" for part in made)]


if __name__ == "__main__":
    (HERE / "derivations.md").write_text(derivations(), encoding="utf-8")
    typed = typed_reports()
    (HERE / "README.md").write_text(readme(reports(), typed, written_reports()), encoding="utf-8")
    (HERE / "typed" / "readings.md").write_text(readings(typed), encoding="utf-8")
    for figure, picture in figures().items():
        (HERE / "figures" / f"{figure}.svg").write_bytes(picture)
