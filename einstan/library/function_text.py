"""A function of PyTorch or JAX as text: the functions of which it consists, below each other on one page."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from einstan.machine.run.compiled import Compiled
from einstan.machine.run.hosted import Hosted


class Part(NamedTuple):
    """The text of a function, and what it is given, by name."""

    function: str
    text: str
    given: tuple[str, ...]

    def call(self, words: Mapping[str, str]) -> str:
        return f"{self.function}({', '.join(words[name] for name in self.given)})"


def part(made: Compiled, function: str) -> Part:
    """The code of a compiled program for arrays of any sizes, as a function of another name."""
    assert isinstance(made, Hosted)
    source = made.general(function)
    return Part(function, source.text, tuple(map(str, source.arguments)))


def page(library: str, parts: Iterable[Part], lines: Iterable[str] = ()) -> str:
    """Functions one below the other, and below them lines: what several need stands there once."""
    lines = list(lines)
    imports: dict[str, None] = {f"import {library}": None} if lines else {}
    texts: dict[str, None] = {}
    for each in parts:
        rows = each.text.split("\n")
        for node, after in pairwise((*ast.parse(each.text).body, None)):
            assert node is not None
            text = "\n".join(rows[node.lineno - 1 : len(rows) if after is None else after.lineno - 1]).strip("\n")
            (imports if isinstance(node, ast.Import) else texts)[text] = None
    if lines:
        texts["\n".join(lines)] = None
    return "\n".join(sorted(imports)) + "\n\n\n" + "\n\n\n".join(texts) + "\n"


def tupled(names: Iterable[str]) -> str:
    """``a, b`` as it stands on either side of an assignment; ``a,`` for one."""
    found = list(names)
    return ", ".join(found) + ("," if len(found) == 1 else "")
