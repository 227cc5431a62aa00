"""Documents for the benchmark of the checker: parts in the manner of papers, whose claims are true or false by hand.

A part is one of the texts below, with letters, tensors and depth drawn anew, so that no two parts are one text.  Every
claim has a right side that is true and one with a slip of the pen; which of the two is written is drawn too, and the
document remembers it.  Nothing here asks the library what is true.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Definitions, and claims as (left side, true right side, wrong right side).
Rows = list[tuple[str, str, str]]
Part = tuple[list[str], Rows]
LETTERS = ("n", "j", "k"), ("i", "p", "q"), ("s", "u", "v"), ("a", "b", "c")
SHARE = 0.3  # of claims that are false


@dataclass(frozen=True)
class Made:
    """A document, and for every line that is a claim whether it is true."""

    text: str
    true: dict[int, bool]


def dense(n: str, j: str, k: str, number: int, _: random.Random) -> Part:
    N, J, K = n.upper(), j.upper(), k.upper()
    Z, X, W, b = f"Z^({number})", f"X^({number})", f"W^({number})", f"b^({number})"
    m, q = f"{n}2", f"{j}2"
    return [f"{Z}[{n},{j}] = {X}[{n},{K}] {W}[{K},{j}] + {b}[{j}]", f"given L({Z}[{N},{J}])"], [
        (f"d{Z}[{n},{j}]/d{X}[{m},{k}]", f"δ[{n},{m}] {W}[{k},{j}]", f"{W}[{k},{j}]"),
        (f"d{Z}[{n},{j}]/d{W}[{k},{q}]", f"{X}[{n},{k}] δ[{q},{j}]", f"{X}[{n},{k}] δ[{q},{j}] / |{k}|"),
        (f"d{Z}[{n},{j}]/d{b}[{q}]", f"δ[{j},{q}]", f"-δ[{j},{q}]"),
        (f"dL/d{X}[{n},{k}]", f"dL/d{Z}[{n},{J}] {W}[{k},{J}]", f"dL/d{Z}[{n},{J}] {W}[{k},{J}] / |{n}|"),
        (f"dL/d{W}[{k},{j}]", f"{X}[{N},{k}] dL/d{Z}[{N},{j}]", f"{X}[{N},{k}] dL/d{Z}[{N},{J}] 1[{j}]"),
        (f"dL/d{b}[{j}]", f"dL/d{Z}[{N},{j}]", f"1/|{N}| dL/d{Z}[{N},{j}]"),
    ]


def classifier(n: str, j: str, k: str, number: int, _: random.Random) -> Part:
    N, J, K = n.upper(), j.upper(), k.upper()
    S, Z, Y = f"S{number}", f"Z{number}", f"Y{number}"
    return [
        f"{S}[{n},{j}] = exp({Z}[{n},{j}]) / sum[{K}](exp({Z}[{n},{K}]))",
        f"L = -1/|{N}| {Y}[{N},{J}] log({S}[{N},{J}])",
        f"assume sum[{J}]({Y}[{n},{J}]) = 1",
    ], [
        (f"d{S}[{n},{j}]/d{Z}[{n},{k}]", f"{S}[{n},{j}] (δ[{j},{k}] - {S}[{n},{k}])",
         f"{S}[{n},{j}] (1 - {S}[{n},{k}])"),
        (f"dL/d{S}[{n},{j}]", f"-{Y}[{n},{j}] / (|{n}| {S}[{n},{j}])", f"-{Y}[{n},{j}] / {S}[{n},{j}]"),
        (f"dL/d{Z}[{n},{j}]", f"({S}[{n},{j}] - {Y}[{n},{j}]) / |{n}|", f"({S}[{n},{j}] - {Y}[{n},{j}])"),
        (f"sum[{J}]({S}[{n},{J}])", f"1[{n}]", f"2 1[{n}]"),
    ]  # fmt: skip


def activation(n: str, j: str, k: str, number: int, draw: random.Random) -> Part:
    A, Z, N, J = f"A{number}", f"Z{number}", n.upper(), j.upper()
    name, slope, slip = draw.choice([
        ("sigmoid({z})", "{a} (1 - {a})", "{a} (1 + {a})"),
        ("tanh({z})", "1 - {a}^2", "1 - {a}"),
        ("relu({z})", "1[{z} > 0]", "1[{z} < 0]"),
        ("exp(-{z}^2)", "-2 {z} {a}", "-{z} {a}"),
        ("{z} / (1 + {z}^2)", "(1 - {z}^2) / (1 + {z}^2)^2", "(1 - {z}^2) / (1 + {z}^2)"),
        ("log(1 + exp({z}))", "1 - exp(-{a})", "exp(-{a})"),
        ("sqrt(1 + {z}^2)", "{z} / {a}", "{a} / {z}"),
    ])  # fmt: skip
    z, a = f"{Z}[{n},{j}]", f"{A}[{n},{j}]"
    df, no = slope.format(z=z, a=a), slip.format(z=z, a=a)
    return [f"{a} = {name.format(z=z)}", f"L = 1/2 ({A}[{N},{J}] - Y[{N},{J}])^2"], [
        (f"d{A}[{n},{j}]/d{Z}[{n},{k}]", f"δ[{j},{k}] ({df})", f"δ[{j},{k}] ({no})"),
        (f"dL/d{A}[{n},{j}]", f"{a} - Y[{n},{j}]", f"2 ({a} - Y[{n},{j}])"),
        (f"dL/d{Z}[{n},{j}]", f"({df}) ({a} - Y[{n},{j}])", f"({no}) ({a} - Y[{n},{j}])"),
    ]


def chain(n: str, j: str, k: str, number: int, draw: random.Random) -> Part:
    """A network of two or three layers in columns, and its backward pass."""
    depth = draw.randint(2, 3)
    N, J, K = n.upper(), j.upper(), k.upper()
    lines, rows = [], []
    for layer in range(1, depth + 1):
        lines += [
            f"Z^({layer})[{j},{n}] = W^({layer})[{j},{K}] A^({layer - 1})[{K},{n}] + b^({layer})[{j}]",
            f"A^({layer})[{j},{n}] = tanh(Z^({layer})[{j},{n}])",
        ]
        rows += [
            (f"claim dW^({layer})[{j},{k}]", f"dZ^({layer})[{j},{N}] A^({layer - 1})[{k},{N}]",
             f"1/|{N}| dZ^({layer})[{j},{N}] A^({layer - 1})[{k},{N}]"),
            (f"claim db^({layer})[{j}]", f"dZ^({layer})[{j},{N}]", f"-dZ^({layer})[{j},{N}]"),
            (f"claim dA^({layer - 1})[{k},{n}]", f"W^({layer})[{J},{k}] dZ^({layer})[{J},{n}]",
             f"W^({layer})[{J},{k}] dZ^({layer})[{J},{n}] A^({layer - 1})[{k},{n}]"),
            (f"claim dZ^({layer})[{j},{n}]", f"(1 - A^({layer})[{j},{n}]^2) dA^({layer})[{j},{n}]",
             f"A^({layer})[{j},{n}] dA^({layer})[{j},{n}]"),
        ]  # fmt: skip
    lines.append(f"L{number} = 1/(2 |{N}|) (A^({depth})[{J},{N}] - Y[{J},{N}])^2")
    return lines, rows


def correlation(n: str, j: str, k: str, number: int, _: random.Random) -> Part:
    N, J, K = n.upper(), j.upper(), k.upper()
    y, x, w, u = f"y{number}", f"x{number}", f"w{number}", f"u{number}"
    return [
        f"{y}[{n}] = pad({x}[{n}+{J}]) {w}[{J}] where |{n}| = |{x}.0|",
        f"L = {y}[{N}] {u}[{N}]",
    ], [
        (f"dL/d{w}[{j}]", f"{u}[{N}] pad({x}[{N}+{j}])", f"{u}[{N}] pad({x}[{N}-{j}])"),
        (f"dL/d{x}[{k}]", f"pad({u}[{k}-{J}]) {w}[{J}]", f"pad({u}[{k}+{J}]) {w}[{J}]"),
        (f"claim {u}[{N}] {y}[{N}]", f"{w}[{J}] {u}[{K}] pad({x}[{K}+{J}])", f"{w}[{J}] {x}[{K}] pad({u}[{K}+{J}])"),
    ]


def quadratic(n: str, j: str, k: str, number: int, _: random.Random) -> Part:
    N, J, K = n.upper(), j.upper(), k.upper()
    q, x, A, B = f"q{number}", f"x{number}", f"A{number}", f"B{number}"
    return [f"{q} = {x}[{N}] {A}[{N},{J}] {x}[{J}]", f"T = {A}[{N},{J}] {B}[{J},{N}]"], [
        (f"d{q}/d{x}[{k}]", f"{A}[{k},{J}] {x}[{J}] + {x}[{N}] {A}[{N},{k}]", f"2 {A}[{k},{J}] {x}[{J}]"),
        (f"d{q}/d{x}[{k}]d{x}[{j}]", f"{A}[{k},{j}] + {A}[{j},{k}]", f"{A}[{k},{j}] - {A}[{j},{k}]"),
        (f"d{q}/d{A}[{n},{j}]", f"{x}[{n}] {x}[{j}]", f"{x}[{n}] {x}[{n}] 1[{j}]"),
        (f"dT/d{A}[{n},{j}]", f"{B}[{j},{n}]", f"{B}[{n},{j}]"),
        ("claim T", f"{B}[{K},{N}] {A}[{N},{K}]", f"{A}[{K},{N}] {B}[{K},{N}]"),
    ]  # fmt: skip


KINDS: tuple[Callable[[str, str, str, int, random.Random], Part], ...] = (
    dense, classifier, activation, chain, correlation, quadratic,
)  # fmt: skip


def parts(seed: int) -> Iterator[Part]:
    draw = random.Random(seed)
    number = 0
    while True:
        for kind in draw.sample(KINDS, len(KINDS)):
            number += 1
            yield kind(*draw.choice(LETTERS), number, draw)


def document(claims: int, seed: int = 0) -> Made:
    """A document with so many claims."""
    draw = random.Random(seed)
    lines: list[str] = []
    true: dict[int, bool] = {}
    for definitions, rows in parts(seed):
        lines += [*(["---"] if lines else []), *definitions]
        for left, right, wrong in rows:
            holds = draw.random() >= SHARE
            word = "claim " if "/d" not in left and not left.startswith("claim ") else ""
            start = word + left
            if not holds:
                start = "refute " + start.removeprefix("claim ")
            lines.append(f"{start} = {right if holds else wrong}")
            true[len(lines)] = holds
            if len(true) == claims:
                return Made("\n".join(lines), true)
    raise AssertionError("parts never end")
