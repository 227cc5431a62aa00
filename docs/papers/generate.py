"""Writes README.md (the table) and derivations.md beside it: ``python docs/papers/generate.py``."""

from __future__ import annotations

from pathlib import Path

import einstan as es
from einstan.library.report_table import table

HERE = Path(__file__).parent
TEXTS = {
    "neoh": "Stanley Neoh, *Mathematics of Neural Networks*, May 2023. Samples are rows.",
    "park": "Young Ho Park, *Gradients in a deep neural network and their Python implementations*, 2022. Samples are columns.",
    "kumar": "Navdeep Kumar, *Proofs for Neural Network Library*, March 2020. Infinite tensors.",
    "jiang": "J. Jiang, *A deep mathematical understanding of DNNs*. One sample, row vectors.",
    "zhao": "Zheguang Zhao, *Mathematics for Deep Learning*, February 2019.",
}
HEAD = """\
# Five texts, checked line by line

Each document says, in the order of its text, every displayed formula that the notation can say, with its number or
section. A formula that is wrong as printed stands there as printed, behind the word `refute`, with the reason in its
comment; its correction follows. What cannot be said is listed at the end.

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


if __name__ == "__main__":
    (HERE / "README.md").write_text(readme(reports()), encoding="utf-8")
