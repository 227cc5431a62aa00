"""Chains ``a = b = c``: their sides, and what is said behind them of the letters of each step."""

from __future__ import annotations

import re

from einstan.language.cursor import Cursor
from einstan.language.index import names_in

Clauses = list[tuple[str, str, bool]]  # a letter, what is said of it, and whether a step has it at all


def clauses_of(stated: str, code: str) -> Clauses:
    """``|J| = 2, |K| = |x.0| - 1``, as the last side of a chain says it of all of them."""
    chain = names_in(code.partition(" where ")[0])
    parts = re.split(r",\s*(?=\|\s*\w+\s*\|\s*=)", stated) if stated.strip() else []
    letters = [re.match(r"\s*\|\s*(\w+)\s*\|\s*=", part) for part in parts]
    return [
        (found[1] if found else "", part.strip(), found is not None and found[1] in chain)
        for found, part in zip(letters, parts, strict=True)
    ]


def ranged(text: str, clauses: Clauses, last: bool) -> str:
    """A step of a chain with what is said of its letters; what no step has is said of the last."""
    own = set(names_in(text))
    here = [clause for letter, clause, known in clauses if letter in own or (last and not known)]
    return f"{text} where {', '.join(here)}" if here else text


def chained(text: str) -> list[str]:
    """The sides of ``a = b = c``."""
    if text.count("=") < 2:
        return [text]
    sides, depth, start = [], 0, 0
    for token in Cursor(text).tokens:
        if token.kind == "name" and token.text == "where" and not depth:
            break
        depth += {"[": 1, "(": 1, "{": 1, "]": -1, ")": -1, "}": -1}.get(token.text, 0) if token.kind == "mark" else 0
        if token.kind == "mark" and token.text == "=" and not depth:
            sides.append(text[start : token.start].strip())
            start = token.end
    return [*sides, text[start:].strip()]
