r"""Random formulas, set as TeX by the rules of precedence that readers know: each is read as the number that it is.

A formula is its text, its value, how tight its outermost sign binds, and whether it ends in a sum, which reaches on.
"""

import random
from dataclasses import dataclass

import numpy as np
import pytest

import einstan as es
from einstan.papers import read_paper

HEADER = r"% einstan: given x[i], y[i], z[i], A[i,i], B[i,i], a, b, c | function \sigma = sigmoid"
SUM, PRODUCT, ATOM = 0, 1, 2
DRAW = np.random.default_rng(5).uniform
GIVEN = {name: DRAW(0.4, 0.9, 4) for name in "xyz"} | {name: DRAW(0.4, 0.9, (4, 4)) for name in "AB"}
GIVEN |= {"a": 1.3, "b": 0.7, "c": 0.45}
BRACKETS = ["(%s)", r"\left(%s\right)", r"\bigl(%s\bigr)", r"\left[%s\right]", r"\left\{%s\right\}"]


@dataclass
class Set:
    text: str
    value: np.ndarray
    level: int = ATOM
    reaches: bool = False


class Formulas:
    """Formulas of numbers, of entries with a free index, of vectors and of matrices, by chance."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.one_of = self.chance.choice

    def bracketed(self, text):
        return self.one_of(BRACKETS) % text

    def tight(self, one, level):
        loose = one.level < level or (level < ATOM and one.text.startswith("-"))
        return self.bracketed(one.text) if loose else one.text

    def added(self, one, other):
        minus = self.chance.random() < 0.5
        value = one.value - other.value if minus else one.value + other.value
        return Set(f"{one.text} {'-' if minus else '+'} {self.tight(other, PRODUCT)}", value, SUM)

    def product(self, one, other, value, signs=(" ", r"\,", r" \cdot ")):
        left = self.bracketed(one.text) if one.reaches else self.tight(one, PRODUCT)
        right = self.tight(other, PRODUCT)
        sign = r" \cdot " if right[:1].isdigit() else self.one_of(signs)
        return Set(left + sign + right, value, PRODUCT, other.reaches and other.level >= PRODUCT)

    def called(self, one, name):
        return Set(rf"\{name}\left({one.text}\right)", getattr(np, name)(one.value))

    def quotient(self, one, other):
        return Set(
            rf"\{self.one_of(['frac', 'dfrac', 'tfrac'])}{{{one.text}}}{{{other.text}}}", one.value / other.value
        )

    def hadamard(self, one, other):
        return Set(rf"({self.tight(one, ATOM)} \odot {self.tight(other, ATOM)})", one.value * other.value)

    def named(self, names):
        name = self.one_of(names)
        return Set(self.one_of([name, rf"\mathbf{{{name}}}"]), GIVEN[name])

    def number(self, deep):
        if deep <= 0:
            name = self.one_of("abc")
            return Set(name, GIVEN[name])
        one, other, vector = self.number(deep - 1), self.number(deep - 1), self.vector(deep - 1)
        index = self.one_of("ijk")
        entry = self.entry(index, deep - 1)
        base = rf"\left(|{one.text}| + 0.3\right)"
        turned = self.tight(vector, ATOM) + self.one_of([r"^\top ", r"^T ", r"^{\top} "])
        column = self.named("xyz")
        return self.one_of([
            lambda: self.added(one, other),
            lambda: self.product(one, other, one.value * other.value),
            lambda: self.quotient(one, Set(base, abs(one.value) + 0.3)),
            lambda: Set(f"{base}^{{{other.text}}}", (abs(one.value) + 0.3) ** other.value),
            lambda: self.called(one, self.one_of(["tanh", "cos", "sin"])),
            lambda: Set(f"e^{{-{base}}}", np.exp(-abs(one.value) - 0.3)),
            lambda: Set(turned + column.text, vector.value @ column.value, PRODUCT),
            lambda: Set(rf"\|{vector.text}\|^2", vector.value @ vector.value),
            lambda: Set(rf"\operatorname{{tr}}\left({(m := self.matrix(deep - 1)).text}\right)", np.trace(m.value)),
            lambda: Set(rf"\sum_{{{index}=1}}^{{n}} {self.tight(entry, PRODUCT)}", entry.value.sum(), PRODUCT, True),
            lambda: Set(rf"\max_{index} {self.bracketed(entry.text)}", entry.value.max()),
            lambda: Set(f"-{self.tight(one, PRODUCT)}", -one.value, SUM),
            lambda: Set(rf"\max\left({one.text}, {other.text}\right)", max(one.value, other.value)),
        ])()  # fmt: skip

    def entry(self, index, deep):
        name = self.one_of("xyz")
        if deep <= 0:
            return Set(f"{name}_{index}", GIVEN[name])
        one, other, matrix, inner = (
            self.entry(index, deep - 1),
            self.entry(index, deep - 1),
            *map(self.one_of, ("AB", "pqr")),
        )
        row = rf"\sum_{inner} {matrix}_{{{index}{inner}}} {name}_{inner}"
        return self.one_of([
            lambda: self.added(one, other),
            lambda: self.product(one, other, one.value * other.value),
            lambda: Set(rf"\sigma\left({one.text}\right)", 1 / (1 + np.exp(-one.value))),
            lambda: Set(row, GIVEN[matrix] @ GIVEN[name], PRODUCT, True),
            lambda: Set(f"{name}_{index}^2", GIVEN[name] ** 2),
            lambda: Set(f"{matrix}_{{{index}{index}}}", np.diag(GIVEN[matrix])),
        ])()  # fmt: skip

    def vector(self, deep):
        if deep <= 0:
            return self.named("xyz")
        one, other = self.vector(deep - 1), self.vector(deep - 1)
        matrix, number = self.matrix(deep - 1), self.number(deep - 2)
        return self.one_of([
            lambda: self.added(one, other),
            lambda: self.product(matrix, one, matrix.value @ one.value, " "),
            lambda: self.product(number, one, number.value * one.value),
            lambda: self.hadamard(one, other),
            lambda: self.called(one, "tanh"),
        ])()  # fmt: skip

    def matrix(self, deep):
        if deep <= 0:
            return self.named("AB")
        one, other = self.matrix(deep - 1), self.matrix(deep - 1)
        vector, column = self.vector(deep - 1), self.named("xyz")
        outer = rf"{self.tight(vector, ATOM)} {column.text}^\top"
        return self.one_of([
            lambda: self.added(one, other),
            lambda: self.product(one, other, one.value @ other.value, " "),
            lambda: Set(self.tight(one, ATOM) + self.one_of([r"^\top", "^T"]), one.value.T),
            lambda: Set(outer, np.outer(vector.value, column.value), PRODUCT),
            lambda: self.hadamard(one, other),
        ])()  # fmt: skip


KINDS = {"number": "q", "entry": "q_i", "vector": "q", "matrix": "q"}


@pytest.mark.parametrize("kind", KINDS)
def test_random_formulas_are_read_as_meant(kind):
    formulas, read = Formulas(kind), 0
    for deep in (1, 2, 3) * 5:
        right = formulas.entry("i", deep) if kind == "entry" else getattr(formulas, kind)(deep)
        paper = read_paper(f"{HEADER}\n\\[ {KINDS[kind]} = {right.text} \\]")
        if paper.unread:
            continue
        read += 1
        program = es.Program("\n".join(item.code for item in paper.items if item.formula))
        found = program.compile()(**{name: GIVEN[name] for name in map(str, program.inputs)})["q"]
        np.testing.assert_allclose(found, np.broadcast_to(right.value, np.shape(found)), rtol=1e-7, err_msg=right.text)
    assert read >= 13
