r"""Labels of statements and numbers of equations, which would be factors: refused with the line, the label its comment.

claim 2. dx[j] = 2 x[j], assume (A1) x[i] > 0, Claim 2: y = x    in front of it
y[i] = x[i]  (2), \quad [3], (eq. 2), by (2), ∎                  behind it
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from einstan.language.errors import NotationError
from einstan.language.foreign import STATEMENTS
from einstan.language.species import concentrations
from einstan.language.surface import CALLABLE

_NUMBER = r"\d+(?:\.\d+)*"
_NAME = r"[a-z]|[ivx]{2,5}|[A-Z]\d*"  # (a), (iv), (A1)
_LABEL = rf"(?:{_NUMBER}[a-z]?|{_NAME}|\*+|†+)'*"
_NO = r"(?:no\b\.?|nr\b\.?|№)\s*"
LONGEST = 2000  # letters of a line that a person wrote, with words around it
_FORMS = (  # of a label in front, each with whether it could be a factor
    (rf"[\[(]{_LABEL}[\])][.:]?(?=\s)|{_LABEL}\.(?=\s)", True),
    (rf"(?:(?<=[A-Z]\w{{4}} )|(?<=[A-Z]\w{{5}} )){_NUMBER}(?=\s)", True),  # Claim 2 y = x
    (rf"{_NO}{_LABEL}[.:]?(?=\s)|{_LABEL}[:)](?=\s)|(?<=\w)[_-]?\d+[.:]?(?=\s)", False),
    (r"[^=:\[\]|]*[^=:\[\]|\s]\s*:(?=\s)", False),
)
_FRONT = [
    (re.compile(rf"(?i:({'|'.join(STATEMENTS)}))(?![^\W\d_])\.?\s*({form})\s*(?=[^\s*/^=+])"), doubtful)
    for form, doubtful in _FORMS
]
_THAT = re.compile(rf"({'|'.join(STATEMENTS)})\s+(that)\s+(?=[^\s*/^=+-])", re.IGNORECASE)
_HIDDEN = re.compile(rf"({_LABEL})[.:]?\s+(\S.*)", re.DOTALL)
_GAP = r"(?:\s*[.,;])?(?:\s|&|\\q?quad\b|\\hfill\b|\\[,;:!]|~|\.{3,}|…|<-+|←)+"
_CITED = (
    r"(?:eqn?s?|equation|lemma|theorem|thm|proposition|corollary|definition|assumption|step|line)\b\.?\s*"
    rf"[\[(]?{_LABEL}\b.*"
)
_RULES = r"(?:the|definition|chain|product|quotient|power|sum)\b.*"
_CITES = rf"(?:by|from|see|using|via|cf|since|because)\b\.?\s+(?:[\[(]{_LABEL}[\])]|{_NUMBER}\b|{_CITED}|{_RULES})"
_END = r"\s*[.,;]?\s*(?==(?!=)|$)"
_CITING = re.compile(rf"{_GAP}(?:[\[(]({_CITED}|{_CITES})[\])]|({_CITES})){_END}", re.IGNORECASE)
_TOLD = re.compile(r",\s+((?:where|with|since|because|as|which|and|i\.e\.|e\.g\.)\s+(?!\|)[^|]*[^|\s.])\s*\.?\s*$")
_SET = re.compile(r"(?:[\s,]|\\q?quad\b)*\\text(?:rm|it|normal)?\s*\{([^{}]*[\s(][^{}]*)\}\s*\.?\s*$")
_MARKED = re.compile(r"\s+(?://|%|-{2,}|—|;)\s*([^\W\d_]{2,}(?:\s+[^\W\d_]{2,})+[^=]*)$")  # of other languages
_COUNTED = re.compile(rf"({_GAP})(?:\\eqno\s*)?(?:\\text\s*\{{\s*)?[\[(]\s*({_LABEL})\s*[\])](?:\s*\}})?{_END}")
_ENDED = re.compile(
    rf"(?:\s*[.,;])?\s*(?:(?<!\w)(?:QED|qed|[Qq]\.\s?[Ee]\.\s?[Dd])|[∎□■◻◼✓✔]|\\(?:qed|square|blacksquare|Box)\b){_END}"
)
_ENDS = re.compile(r"[Qq]|[∎□■◻◼✓✔]|\\(?:square|blacksquare|Box)")  # one of which is in what ends a proof
_INITIALS = {word[0] for word in STATEMENTS}
_BASE = r"(?:[kcmnuμ]?m|[km]?g|[kMG]?N|k?J|[kM]?W|k?V|C|mol|rad|[kMG]?eV|[kM]?Pa|L)"
_UNDER = r"(?:s|h|min|m|cm|km|kg|g|mol|L|C)"
_RAISED = r"(?:\^\{?-?\d\}?|[²³])?"
_LONG = r"(?:kg|mg|[kMG]?Hz|[kMG]?eV|[kcmn]m|[mn]s|k?Pa|mol|rad|[kM]W|k[JN]|mV|mA)"
_UNITS = re.compile(
    rf"([\w.)\]}}])\s+({_BASE}{_RAISED}(?:\s+{_BASE}{_RAISED})?\s?/\s?{_UNDER}{_RAISED}|(?<=\d\s){_LONG})$"
)
_FACTOR = re.compile(r"(?:([^\W\d]\w*)|[\w\])}|])$")  # the end of one
_BELOW = re.compile(r"/\s*[^\s/]+$")
_MULTIPLIED = re.compile(rf"{_NUMBER}|{_NAME}")
_NAMES = re.compile(r"[^\W\d]\w*")


def labelled(text: str, comment: str = "") -> NotationError | None:
    """``claim 2. y = x``, ``Claim (main result): y = x``, and ``claim #2 y = x``, which is a word with a comment."""
    if text.lower() in STATEMENTS and (found := _HIDDEN.fullmatch(comment)):
        problem = "# begins a comment, and what stands behind it is not read"
        written = f"{text} #{comment}"
        return NotationError(problem, text=written, span=(len(text) + 1, len(written)),
                             repair=f"{text.lower()} {found[2]}  # {found[1]}")  # fmt: skip
    if text[:1].lower() not in _INITIALS:
        return None
    if (found := _THAT.match(text)) is not None:
        problem, repair = "that is no part of a statement", f"{found[1]} {text[found.end() :]}"
        return NotationError(problem, text=text, span=found.span(2), repair=repair)
    for pattern, doubtful in _FRONT:
        found = pattern.match(text)
        if found is None:
            continue
        word, label, body = found[1].lower(), found[2].rstrip(" :."), text[found.end() :]
        repairs, factor = [f"{word} {body}  # {label}"], label.strip("[()]")
        if doubtful and _MULTIPLIED.fullmatch(factor) and word in ("claim", "refute", "assume"):
            repairs.append(f"{word} {factor} * {body}")
        problem = f"{label} is the label of a statement{', or a factor' * (len(repairs) > 1)}"
        return NotationError(problem, text=text, span=found.span(2), repair=repairs)
    return None


def numbered(text: str, counts: Mapping[str, int] | None = None) -> NotationError | None:
    """``y[i] = x[i]  (2)``, and what cites or ends a proof, at the end of each side of a chain.  A name in brackets,
    one blank behind, is a factor where it has several ``counts``, in the document or in the text alone."""
    begin = text.find("=") + 1
    if (other := concentrations(text) or _unit(text, begin, counts)) is not None:
        return other
    patterns = (*((_SET,) if "\\text" in text else ()), _MARKED, _TOLD, _CITING)
    last = max(text.rfind("("), text.rfind("["))  # in which a number stands, and no slots, unless another side follows
    may_count = text.find("=", begin) >= 0 or (last > 0 and not (text[last - 1].isalnum() or text[last - 1] in ")]}_"))
    patterns += (*((_COUNTED,) if may_count else ()), *((_ENDED,) if _ENDS.search(text) else ()))
    for pattern in patterns:
        found = pattern.search(text, begin)
        if found is not None and behind_factor(text, found.start()):
            if pattern in (_SET, _MARKED, _TOLD, _CITING):
                return _behind(
                    text, found, next(filter(None, found.groups())), "is a remark, and no part of an equation", counts
                )
            if pattern is _ENDED:
                return _behind(text, found, "", "ends a proof, and is no part of an equation", counts)
            label = found[2]
            if found[1] == " " and _NAMES.fullmatch(label):
                below = _BELOW.search(text, 0, found.start()) is not None
                if below or (Counter(_NAMES.findall(text)) if counts is None else counts)[label] > 1:
                    continue
            return _behind(text, found, f"({label})", "is the number of an equation, or a factor", counts)
    return None


def _unit(text: str, begin: int, counts: Mapping[str, int] | None) -> NotationError | None:
    """``v = 5 m/s`` and ``E = 13.6 eV``, which would be products, where no other formula has these names."""
    found = _UNITS.search(text, max(begin, len(text) - 40)) if text[-1:].isalnum() or text[-1:] in "}²³" else None
    if found is None:
        return None
    names = _NAMES.findall(found[2])
    if any(len(re.findall(rf"(?<!\w){name}(?!\w)", text)) > 1 or (counts or {}).get(name, 0) > 1 for name in names):
        return None
    remark = "" if counts is None else f"  # {found[2]}"
    return NotationError(
        f"{found[2]} is a unit, or a factor", text=text, span=found.span(2),
        repair=(f"{text[: found.end(1)]}{remark}", f"{text[: found.end(1)]} * {found[2]}"),
    )  # fmt: skip


def multiplied(text: str) -> str:
    """A line as it is printed, whose last factors may look like a unit, with the sign in front of them: ``5 * m/s``."""
    error = _unit(text, max(text.find("="), 0), None)
    return error.repair[-1] if error is not None else text


def behind_factor(text: str, place: int) -> bool:
    """Whether a whole factor ends at a place: what stands there in brackets is no argument and no divisor."""
    last = _FACTOR.search(text, 0, place)
    return last is not None and last[1] not in CALLABLE


def _behind(
    text: str, found: re.Match[str], label: str, problem: str, counts: Mapping[str, int] | None
) -> NotationError:
    """Refused with the line without it, in a document as a comment, and with the factor that it could be."""
    before, behind = text[: found.start()], text[found.end() :]
    behind = f" {behind}" if behind else ""
    written = found[0].strip(" \n.,;")
    start = text.index(written, found.start())
    repairs = [f"{before}{behind}" if behind or not label or counts is None else f"{before}  # {label}"]
    if found.re is _COUNTED and _MULTIPLIED.fullmatch(found[2]) and found[2] != "1":
        repairs.append(f"{before} * {found[2]}{behind}")
    return NotationError(f"{written} {problem}", text=text, span=(start, start + len(written)), repair=repairs)
