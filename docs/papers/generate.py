"""Writes README.md (the table) and derivations.md beside it: ``python docs/papers/generate.py``."""

from __future__ import annotations

from pathlib import Path

import einstan as es
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

[derivations.md](derivations.md) has the steps of the proofs that Jiang's text leaves "TO DO".

*This page is written by `python docs/papers/generate.py`; a test keeps it true.*

"""


def reports() -> list[es.Report]:
    return [es.check((HERE / f"{name}.ein").read_text(encoding="utf-8"), f"{name}.ein") for name in TEXTS]


def readme(checked: list[es.Report]) -> str:
    texts = "".join(f"- {name}: {text}\n" for name, text in TEXTS.items())
    return f"{HEAD}{texts}\n{table(checked)}"


# ---- derivations -----------------------------------------------------------------------------------------------------

DERIVED = (
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


def derivations() -> str:
    """The steps of every proof that Jiang leaves to do, about a formula."""
    lines = [
        "# Derivations for Jiang's \"Proof: TO DO\"", "",
        "Each step follows from the one before, by the same calculus that checks claims (`Derivation.check`).",
        "", "*This page is written by `python docs/papers/generate.py`; a test keeps it true.*", "",
    ]  # fmt: skip
    for title, text, of, wrt in DERIVED:
        made = es.Program(text).derivation(of, wrt)
        assert all(made.check()), title
        lines += [f"## {title}", "", "```", text, "", str(made), "```", ""]
        lines += [f"$$\n{part.latex()}\n$$\n" for part in made]
    lines += ["## Not derived", "", *(f"- {text}" for text in LEFT_OPEN)]
    return "\n".join(line.rstrip() for line in "\n".join(lines).splitlines()) + "\n"


if __name__ == "__main__":
    (HERE / "derivations.md").write_text(derivations(), encoding="utf-8")
    (HERE / "README.md").write_text(readme(reports()), encoding="utf-8")
