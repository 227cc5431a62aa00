"""What lists, proofs and remarks put around a line of a document: refused with the line that is meant.

- claim y = x, 1. y = x, => y = x, Lemma 2: y = x     in front of it
claim dx[j] = 2 x[j] (chain rule)                     behind it
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from einstan.language.errors import NotationError
from einstan.language.foreign import PROSE, STATEMENTS
from einstan.language.tokens import GREEK

_LED = re.compile(
    rf"(?:[-–*+]\s+(?={'|'.join(STATEMENTS)})|[*•·∴⇒⟹]\s*|=>\s*|\\(?:therefore|implies|Rightarrow)\b\s*|\(?\d+[.)]\s+"
    r"|(theorem|lemma|proposition|corollary|fact|proof|assumption|definition|eqn?|equation|step|line)\.?\s*"
    r"(?:\(?[A-Z]?[\d.]*\)?[:.]|\(?[A-Z]?\d[\d.]*\)?)\s+"
    r"|[\[(][\w.]{1,5}'*[\])][:.]?\s+|(?:\d[\d.]*[a-z]?|[a-z])[:)]\s+)(?=[^\s=])",
    re.IGNORECASE,
)
_REMARK = re.compile(r"\s+\(([^\W\d_]{2,}(?:\s+[^\W\d_]+)*)\)\s*\.?\s*$")


def led(text: str) -> NotationError | None:
    """``- claim y = x``, ``1. y = x``, ``=> y = x`` and ``Lemma 2: y = x``, as lists and proofs are set."""
    found = _LED.match(text)
    if found is None:
        return None
    repair = f"{PROSE.get((found[1] or '').lower(), '')}{text[found.end() :]}"
    what = f"{found[0].strip()!r} in front of a line is no part of it"
    return NotationError(what, text=text, span=(0, len(found[0].rstrip())), repair=repair)


def remarked(text: str, counts: Mapping[str, int]) -> NotationError | None:
    """``dx[j] = 2 x[j]  (chain rule)``, which would be a product with numbers that stand nowhere else."""
    found = _REMARK.search(text)
    words = found[1].split() if found is not None else []
    if found is None or any(counts[word] > 1 or word in GREEK or len(word) < 2 for word in words):
        return None
    before, span = text[: found.start()], (found.start(1) - 1, found.end(1) + 1)
    return NotationError(
        f"({found[1]}) is a remark, or {'a product of numbers' if words[1:] else 'a factor'}", text=text, span=span,
        repair=(f"{before}  # {found[1]}", f"{before} * {' * '.join(words)}"),
    )  # fmt: skip
