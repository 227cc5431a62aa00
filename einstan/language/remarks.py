"""What lists, proofs and remarks put around a line of a document: refused with the line that is meant.

- claim y = x, 1. y = x, => y = x, Lemma 2: y = x     in front of it
claim dx[j] = 2 x[j] (chain rule), ... by symmetry    behind it
y[i] = x[i] for all i, claim y = x for x > 0          and what says where it holds
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from einstan.language.cases import DENIED
from einstan.language.commands import GREEK
from einstan.language.errors import NotationError
from einstan.language.foreign import PROSE, STATEMENTS
from einstan.language.functions import FUNCTIONS
from einstan.language.numbering import behind_factor
from einstan.language.surface import CALLABLE, RESERVED

_BULLETS = (
    rf"[-–*+]\s+(?={'|'.join(STATEMENTS)})|[*•·∴⇒⟹]\s*|=>\s*|\\(?:therefore|implies|Rightarrow|item)\b\s*"
    r"|\\(?:textbf|emph|textit)\s*\{[^{}]*\}\s*"
)
_NUMBERS = r"\(?\d+[.)]\s+|[\[(][\w.]{1,5}'*[\])][:.]?\s+|(?:\d[\d.]*[a-z]?|[a-z])[:.)]\s+"
_PHRASES = r"[^\W\d_]{2,},\s+|(?:we\s+(?:have|get|find|obtain)|it\s+follows\s+that|that\s+is|note\s+that),?\s+"
_WORDS = "theorem|lemma|proposition|corollary|fact|proof|assumption|definition|eqn?|equation|step|line"
_HEADED = (
    rf"(?P<word>{_WORDS})\.?\s*(?:\(?[A-Z]?[\d.]*\)?[:.]|\(?[A-Z]?\d[\d.]*\)?)(?:\s*\([^()=]*\)[:.]?)?\s+"
    r"|(?P<supposed>suppose|assuming)\s+(?:that\s+)?"
)
_LED = re.compile(rf"(?:{_BULLETS}|{_NUMBERS}|{_PHRASES}|{_HEADED})(?=[^\s=])", re.IGNORECASE)
_MARKDOWN = re.compile(r"(\*\*|`)([^*`]+)\1:?")
_WORD = r"[^\W\d_]{2,}"
_BEHIND = re.compile(  # (chain rule), by symmetry, -- a remark, {symmetry}, (see 3)
    r"(?:\s+|\s*\\q?quad\s*)((?:(?:--+|<-+|←|//|%|[;,]|[-–−](?=\s))\s*)?(?:\\text\s*)?)"
    rf"(?:\(((?=[^()]*{_WORD})[^\W\d_]+(?:\s+[^\W\d_]+)*"
    rf"|(?=[^()]*{_WORD}\s+{_WORD})[^\W\d_][^()=\[\]\d]*)\.?\)"
    rf"|(?P<open>[({{])?\s*({_WORD}(?:[\s,]+(?:[^\W\d_]+|\d+(?:\.\d+)*))*)\s*(?(open)[)}}]))\s*\.?\s*$"
)
_WORDS_OF_REMARKS = (
    "of the by from since because using to at with for on both sides above below see again rule law theorem lemma "
    "definition defn property identity inequality expansion symmetry linearity linear constant fixed independent "
    "trivially clearly similarly analogously likewise unless whenever"
)
_TELLS = frozenset(_WORDS_OF_REMARKS.split())  # which no formula has beside its names

_SOME = r"(?<=[\s,(])\w+\s*=\s*\w+\s*(?:,\s*(?:\.{3}|…|\\[lc]?dots)|\.\.|:)"  # i = 1, ..., n, i = 1..n
LONG = 4  # letters of a word that is no name
_COMMENTS = ("//", "/*", "(*", "<!--", ";", '"', "%", "--")
_COMMENT = re.compile(
    r"\s+(//|/\*|\(\*|<!--|;|\"|%|--)\s*([^\W\d_][^\W_]*(?:[ ,.'’-]+[^\W_]+)*[.!]?)\s*(?:\*/|\*\)|-->|\")?$"
)
_QUANTIFIED = re.compile(
    r"[\s,(]*(?:\\(?:q?quad|text)(?![A-Za-z])\{?\s*)*"
    r"(?:\b(for|when(?:ever)?|if|where|unless|since|assuming(?:\s+that)?|provided(?:\s+that)?)\b"
    rf"|∀|\\?\bforall(?![A-Za-z\[(])|(?={_SOME}))(?!\s*\()(.*)$",
    re.DOTALL,
)
_SIGNS = (
    "for",
    "when",
    "if",
    "where",
    "unless",
    "since",
    "assuming",
    "provided",
    "∀",
    "..",
    ":",
    "…",
    "dots",
)  # one of which is in every such line
_COMPREHENSION = re.compile(r"\b(sum|prod|max|min|mean)\(\s*([^=]+?)\s+for\s+(\w+)\s+in\s+(?:[^()]|\([^()]*\))*\)")
_CLAIMS = re.compile(r"\s*(?:claim|refute)\b", re.IGNORECASE)
_STATES = re.compile(
    r"(?!.*\bwhere\b)\s*(?:(?:claim|refute)\b|(?:d|∂|\\partial\s*)\w+(?:\[[^\]]*\])?\s*/\s*(?:d|∂|\\partial))", re.I
)
_UNLESS = re.compile(r"([^<>≤≥≠=!]+?)\s*(<=|>=|==|!=|[=<>≤≥≠])\s*([^<>≤≥≠=!]+)")
_COMPARES = re.compile(r"[<>≤≥≠]|!=|==|\\(?:leq?|geq?|neq?|lt|gt)\b")


def led(text: str) -> NotationError | None:
    """``- claim y = x``, ``1. y = x``, ``=> y = x`` and ``Lemma 2: y = x``, as lists and proofs are set."""
    if (marked := _MARKDOWN.fullmatch(text)) is not None:  # **y = x^2**, **Forward:**
        repair = marked[2] if "=" in marked[2] else f"# {marked[2]}"
        return NotationError(f"{marked[1]} is no part of a line", text=text, span=marked.span(1), repair=repair)
    found = _LED.match(text)
    if found is None:
        return None
    word = "assumption" if found["supposed"] else (found["word"] or "").lower()
    repair = f"{PROSE.get(word, '')}{text[found.end() :]}"
    what = f"{found[0].strip()!r} in front of a line is no part of it"
    return NotationError(what, text=text, span=(0, len(found[0].rstrip())), repair=repair)


def remarked(text: str, counts: Mapping[str, int]) -> NotationError | None:
    """``dx[j] = 2 x[j]  (chain rule)``, and behind a claim ``by symmetry`` without brackets: a product with numbers
    that no other line has."""
    found = _BEHIND.search(text, text.find("=") + 1)
    if found is None or not behind_factor(text, found.start()) or not (found[2] or _STATES.match(text)):
        return None
    written = found[2] or found[4]
    words = re.findall(r"[^\W\d_]+", written)
    known = [counts[word] > 1 or word in GREEK or word in FUNCTIONS or len(word) < 2 for word in words]
    if any(word[0] == "d" and counts[word[1:]] for word in words):
        return None  # a gradient, or a differential
    tells = any(word in _TELLS and counts[word] < 2 for word in words)
    signed = found[1].strip() in ("-", "–", "−")
    if (any(known) and not tells) or (signed and not (tells and words[1:])):
        return None
    remark, before = found[0].strip().rstrip("."), text[: found.start()]
    if found[4] and not found["open"] and any(known):  # those in front are factors: a b with c fixed
        first = next(place for place, each in enumerate(known) if not each)
        place = re.search(rf"\b{words[first]}\b", text[found.start(4) :])
        assert place is not None
        written = remark = text[found.start(4) + place.start() :].strip().rstrip(".")
        before, words = text[: found.start(4) + place.start()].rstrip(), words[first:]
    start = text.index(remark, found.start())
    joint = " - " if signed else " * "
    product = [f"{before}{joint}{' * '.join(words)}"] if words == re.findall(r"[^\s,]+", written) else []
    product = [] if any(word in RESERVED for word in words) else product
    return NotationError(
        f"{remark} is a remark, or {'a product of numbers' if words[1:] else 'a factor'}", text=text,
        span=(start, start + len(remark)),
        repair=(f"{before}  # {written}", *product),
    )  # fmt: skip


def commented(text: str, counts: Mapping[str, int]) -> NotationError | None:
    """``y = x // doubled`` and ``y = x /* doubled */``, comments of other languages."""
    found = _COMMENT.search(text, text.find("=") + 1) if any(sign in text for sign in _COMMENTS) else None
    if found is None:
        return None
    words = re.findall(r"[^\W\d_]+", found[2])
    closed = found[1] in ("/*", "(*", "<!--")
    known = any(counts.get(word, 0) > 1 or word in CALLABLE for word in words)
    if not closed and (known or max(map(len, words)) < LONG or "=" in found[2]):
        return None
    line = f"{text[: found.start()]}  # {found[2].strip()}"
    return NotationError("a comment begins with #", text=text, span=(found.start(1), len(text)), repair=line)


def quantified(text: str, document: bool) -> NotationError | None:
    """``y[i] = x[i] for all i``, which every equation says, and ``y = x for x > 0``, which is an assumption."""
    if not any(sign in text for sign in _SIGNS):
        return None
    found = _QUANTIFIED.search(text, text.find("=") + 1)
    if found is None or "|" in found[2] or "else" in found[2]:
        return None
    if (over := _COMPREHENSION.sub(r"\1[\3](\2)", text)) != text:
        return NotationError(
            "a sum has its index in front", text=text, span=(found.start(), len(text)), repair=over,
        )  # fmt: skip
    word, holds = found[1] or "for", found[2].strip(" ,()}")
    if word == "unless" and (denied := _UNLESS.fullmatch(holds)):
        holds = f"{denied[1]} {DENIED[denied[2]]} {denied[3]}"
    compares = _COMPARES.search(holds) is not None
    if (not compares and word != "for") or (word in ("if", "where") and not _CLAIMS.match(text)):
        return None  # a name, an extent, or what other languages write for 1[x > 0]
    line, written = text[: found.start()], found[0].strip(" \n,()")
    start = text.index(written, found.start())
    if compares:
        problem, repair = "an equation holds everywhere, or where an assumption does", f"assume {holds}\n{line}"
    else:
        problem, repair = "an equation holds for every value of its indices", f"{line}  # {written}"
    repairs = (repair,) if document else () if compares else (line,)
    return NotationError(problem, text=text, span=(start, start + len(written)), repair=repairs)
