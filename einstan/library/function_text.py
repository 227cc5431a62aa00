"""A function of PyTorch or JAX as text: the functions of which it consists, below each other on one page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from einstan.machine.run.compiled import Compiled
from einstan.machine.run.hosted import Hosted
from einstan.machine.targets.source import Source


class Part(NamedTuple):
    """The text of a function, and what it is given, by name."""

    function: str
    text: str
    given: tuple[str, ...]
    source: Source

    def checks(self, words: Mapping[str, str]) -> list[str]:
        """The lines of a function that refuse tensors of other shapes or dtypes than it was made for."""
        named = {own: words[str(name)] for name, own in self.source.names.items()}
        lines = (re.sub(r"(?<=^fits\()\w+", lambda own: named[own[0]], line) for line in self.source.checks)
        return [f"    {line}" for line in lines]

    def call(self, words: Mapping[str, str]) -> str:
        return f"{self.function}({', '.join(words[name] for name in self.given)})"


def part(made: Compiled, function: str) -> Part:
    """The code of a compiled program for arrays of any sizes, as a function of another name."""
    assert isinstance(made, Hosted)
    source = made.general(function)
    return Part(function, source.text, tuple(map(str, source.arguments)), source)


def page(library: str, parts: Iterable[Part], lines: Iterable[str] = ()) -> str:
    """Functions one below the other, and below them lines: what several need stands there once."""
    lines = list(lines)
    imports: dict[str, None] = {f"import {library}": None} if lines else {}
    texts: dict[str, None] = {}
    parts = list(parts)
    if any("fits(" in line for line in lines):
        texts[parts[0].source.fits] = None
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
