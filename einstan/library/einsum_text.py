"""An einsum as it is written, a string or lists of labels, and what stands in it: the labels of every operand and of
the result, each with its place.

    'bij,bjk->bik'                       A, [0, 1, 2], B, [0, 2, 3], [0, 1, 3]

Read as NumPy and opt_einsum read it: any letter or digit is a label, capitals are letters like others, blanks do not
count, and without an arrow the result has the labels that occur once, sorted, behind the axes of an ellipsis.  An
ellipsis stands for the axes that no letter names, counted from the last; in the result it may be left out, and they are
summed.  Beyond what those two take a label may stand twice in the result: ``i->ii`` is the matrix with that diagonal.
"""

from __future__ import annotations

import string
import unicodedata
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from einstan.language.arguments import ArgumentError, shown
from einstan.language.errors import DataError, NotationError, Span
from einstan.language.letters import normal

Label = Hashable  # a letter, what a list of labels has, the Ellipsis, or an Axis of it
Labels = tuple[Label, ...]
ARROWS = "→⟶⇒⟹↦"
REPAIR = "a letter for each axis, a comma between operands, -> before the result: 'ik,kj->ij'"
SUBLISTS = ("es.einsum(A, [0, 1], B, [1, 2], [0, 2])", "es.einsum('ij,jk->ik', A, B)")
TENSORS = "ABCDEFGHIJKLMNOPQRSUVWXYZ"  # what the operands are called; the result is T


@dataclass(frozen=True)
class Axis:
    """One of the axes of an ellipsis, counted from the last: -1, -2, ..."""

    number: int

    def __str__(self) -> str:
        return f"axis {self.number} of the ellipsis"


@dataclass(frozen=True)
class Subscripts:
    """The labels of the operands and of the result; ``places`` has where each of them stands in ``text``, the operands
    before the result.

    Examples:
        >>> subscripts = es.einsum("...j,jk").subscripts
        >>> subscripts.operands, subscripts.output, subscripts.has_ellipsis
        (((Ellipsis, 'j'), ('j', 'k')), (Ellipsis, 'k'), True)
    """

    operands: tuple[Labels, ...]
    output: Labels
    text: str = field(default="", compare=False)
    places: tuple[tuple[Span, ...], ...] = field(default=(), compare=False)
    explicit: bool = field(default=True, compare=False)

    def __str__(self) -> str:
        return f"{','.join(map(spelled, self.operands))}->{spelled(self.output)}"

    @property
    def has_ellipsis(self) -> bool:
        """Whether axes are left to the operands."""
        return any(... in labels for labels in (*self.operands, self.output))

    def span(self, operand: int, label: Label | None = None) -> Span | None:
        """Where an operand stands, or a label in it."""
        if operand >= len(self.places):
            return None
        spans, labels = self.places[operand], (*self.operands, self.output)[operand]
        if label is not None:
            label = ... if isinstance(label, Axis) else label
            return spans[labels.index(label)]
        return (spans[0][0], spans[-1][1]) if labels else spans[-1]


def spelled(labels: Labels) -> str:
    return "".join("..." if label is ... else str(label) for label in labels)


def tensor(number: int, count: int) -> str:
    """What an operand is called: A, B, C, ..., or A1, A2, ... where there are many."""
    return TENSORS[number] if count <= len(TENSORS) else f"A{number + 1}"


# ---- strings ---------------------------------------------------------------------------------------------------------


def read(text: str) -> Subscripts:
    """The labels of an einsum string."""
    normal(text)  # two letters that Python reads as one, or that look alike, are one axis to nobody
    arrow = _arrow(text)
    end = len(text) if arrow is None else arrow[0]
    commas = [-1, *(k for k in range(end) if text[k] == ","), end]
    parts = [_labels(text, a + 1, b) for a, b in pairwise(commas)]
    operands = tuple(labels for labels, _ in parts)
    if arrow is None:
        return Subscripts(operands, implicit(operands), text, tuple(spans for _, spans in parts), explicit=False)
    output, last = _labels(text, arrow[1], len(text))
    found = Subscripts(operands, output, text, (*(spans for _, spans in parts), last))
    _refuse_unknown(found)
    return found


def _arrow(text: str) -> Span | None:
    """Where the arrow stands, in which there may be blanks."""
    first = min((text.index(mark) for mark in "->" if mark in text), default=None)
    if first is None:
        if sum(map(text.count, ARROWS)) == 1:  # opt_einsum may have made labels of them where it has thousands
            place = next(k for k, letter in enumerate(text) if letter in ARROWS)
            repair = repr(f"{text[:place]}->{text[place + 1 :]}")
            raise NotationError("the arrow of an einsum is ->", text=text, span=(place, place + 1), repair=repair)
        return None
    last = text.find(">", first)
    if text[first : last + 1].replace(" ", "") != "->" or any(mark in text[last + 1 :] for mark in "->"):
        wrong = next((k for k in range(last + 1, len(text)) if text[k] in "->"), first) if last >= 0 else first
        raise NotationError("an einsum has one arrow, ->", text=text, span=(wrong, wrong + 1), repair=REPAIR)
    return first, last + 1


def _labels(text: str, start: int, end: int) -> tuple[Labels, tuple[Span, ...]]:
    """The labels between two places; where there are none, the place where they would be."""
    labels: list[Label] = []
    spans: list[Span] = []
    k = start
    while k < end:
        letter = text[k]
        if letter == ".":
            span = _dots(text, k, end)
            if ... in labels:
                raise NotationError(
                    "there are two ellipses in one operand" if end < len(text) or "->" not in text.replace(" ", "")
                    else "there are two ellipses in the result",
                    text=text, span=span, repair="one ellipsis stands for all axes that no letter names",
                )  # fmt: skip
            labels.append(...)
            spans.append(span)
            k = span[1]
            continue
        if letter != " ":
            if not (letter.isalpha() or letter in string.digits or _symbol(letter)):
                raise NotationError(f"{letter!r} cannot stand for an axis", text=text, span=(k, k + 1), repair=REPAIR)
            labels.append(letter)
            spans.append((k, k + 1))
        k += 1
    return tuple(labels), tuple(spans) or ((start, max(end, start + 1)),)


def _symbol(letter: str) -> bool:
    """Whether opt_einsum may have made a label of it: it takes what comes from À on, multiplication signs too."""
    return letter >= "À" and unicodedata.category(letter)[0] not in "ZC"


def _dots(text: str, start: int, end: int) -> Span:
    """The three dots that begin at a place, blanks between them or not."""
    count, k = 0, start
    while k < end and text[k] in ". " and count < 3:
        count += text[k] == "."
        k += 1
    if count < 3:
        raise NotationError(
            "an ellipsis has three dots", text=text, span=(start, max(text.rfind(".", start, k) + 1, start + 1)),
            repair="write ... for all axes that no letter names",
        )  # fmt: skip
    return start, k


# ---- lists of labels -------------------------------------------------------------------------------------------------


def read_sublists(arguments: Sequence[Any]) -> tuple[Subscripts, list[Any]]:
    """The labels of ``A, [0, 1], B, [1, 2], [0, 2]``, and the arrays between them."""
    count = len(arguments) // 2
    if not count:
        raise ArgumentError("a list of labels goes with each array", repair=SUBLISTS)
    names = [tensor(k, count) for k in range(count)]
    explicit = len(arguments) % 2 == 1
    pieces, places, found = ["es.einsum("], [], []
    for number, labels in enumerate([*arguments[1 : 2 * count : 2], *([arguments[-1]] if explicit else [])]):
        pieces.append(f"{names[number]}, " if number < count else "")
        own, spans = _sublist(labels, pieces)
        found.append(own)
        places.append(spans)
        pieces.append(", ")
    text = "".join(pieces)[:-2] + ")"
    for number, (own, spans) in enumerate(zip(found, places, strict=True)):
        if own.count(...) > 1:
            raise NotationError(
                f"there are two ellipses in {names[number] if number < count else 'the result'}",
                text=text, span=spans[len(own) - 1 - own[::-1].index(...)], repair="leave one of them",
            )  # fmt: skip
    operands = tuple(found[:count])
    output = found[-1] if explicit else implicit(operands)
    subscripts = Subscripts(operands, output, text, tuple(places), explicit)
    _refuse_unknown(subscripts)
    return subscripts, list(arguments[: 2 * count : 2])


def _sublist(labels: Any, pieces: list[str]) -> tuple[Labels, tuple[Span, ...]]:
    """One list of labels, spelled behind the ``pieces`` of the text before it."""
    start = len("".join(pieces))
    try:
        own = tuple(_plain(label) for label in labels)
        hash(own)
        strange = isinstance(labels, str)
    except TypeError:
        strange = True
    if strange:
        text = "".join(pieces) + shown(labels)
        raise ArgumentError(
            f"{shown(labels)} is not a list of labels", text=text, span=(start, len(text)), repair=SUBLISTS
        )
    spans, texts = [], []
    at = start + 1
    for label in own:
        texts.append("..." if label is ... else repr(label))
        spans.append((at, at + len(texts[-1])))
        at += len(texts[-1]) + 2
    pieces.append(f"[{', '.join(texts)}]")
    return own, tuple(spans) or ((start, start + 2),)


def _plain(label: Any) -> Label:
    """NumPy's integers are integers."""
    found: Label = label.item() if getattr(label, "shape", None) == () else label
    return found


# ---- what both have --------------------------------------------------------------------------------------------------


def implicit(operands: tuple[Labels, ...]) -> Labels:
    """The labels of a result that is not written: those that occur once, sorted, behind the ellipsis."""
    count = Counter(label for labels in operands for label in labels)
    dots = (...,) if count.pop(..., 0) else ()
    once = [label for label, times in count.items() if times == 1]
    try:
        return (*dots, *sorted(once))  # type: ignore[type-var]
    except TypeError:
        raise ArgumentError(
            f"the labels {', '.join(map(shown, once))} have no order", repair="give the labels of the result too"
        ) from None


def _refuse_unknown(subscripts: Subscripts) -> None:
    """Every label of the result is one of an operand; an ellipsis that no operand has stands for no axis."""
    known = {label for labels in subscripts.operands for label in labels}
    if not subscripts.explicit:
        return
    for label, span in zip(subscripts.output, subscripts.places[-1], strict=False):
        if label not in known and label is not ...:
            raise NotationError(
                f"{label} cannot stand behind the arrow: no operand has it",
                text=subscripts.text,
                span=span,
                inferred=f"the operands have {', '.join(str(x) for x in dict.fromkeys(_all(subscripts)) if x != ...)}",
                repair="name each axis of the result by a letter of an operand",
            )


def _all(subscripts: Subscripts) -> list[Label]:
    return [label for labels in subscripts.operands for label in labels]


def expanded(subscripts: Subscripts, ranks: Sequence[int]) -> Subscripts:
    """The same for operands of so many axes, with the axes of each ellipsis one by one."""
    _refuse_number(subscripts, len(ranks))
    count = len(ranks)
    operands: list[Labels] = []
    longest = 0
    for number, (labels, rank) in enumerate(zip(subscripts.operands, ranks, strict=True)):
        named = sum(label is not ... for label in labels)
        if rank < named or (rank > named and ... not in labels):
            _refuse_rank(subscripts, number, rank, named, count)
        longest = max(longest, rank - named)
        operands.append(_opened(labels, rank - named))
    return Subscripts(
        tuple(operands), _opened(subscripts.output, longest), subscripts.text, subscripts.places, subscripts.explicit
    )


def _opened(labels: Labels, count: int) -> Labels:
    if ... not in labels:
        return labels
    at = labels.index(...)
    return (*labels[:at], *(Axis(k - count) for k in range(count)), *labels[at + 1 :])


def _refuse_number(subscripts: Subscripts, count: int) -> None:
    wanted = len(subscripts.operands)
    if count != wanted:
        raise DataError(
            f"the string names {wanted} operand{'s' if wanted != 1 else ''}, and {count} {_are(count)} given",
            text=subscripts.text,
            span=subscripts.span(min(count, wanted - 1)),
            repair=f"give {', '.join(tensor(k, wanted) for k in range(wanted))}",
        )


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _refuse_rank(subscripts: Subscripts, number: int, rank: int, named: int, count: int) -> None:
    name, axes = tensor(number, count), f"{rank} axis" if rank == 1 else f"{rank} axes"
    labels = subscripts.operands[number]
    repair: str | tuple[str, ...] = f"give {name} {named} axes, or take letters away"
    if rank > named:
        operands = [("..." if k == number else "") + spelled(x) for k, x in enumerate(subscripts.operands)]
        whole = f"{','.join(operands)}->{'' if ... in subscripts.output else '...'}{spelled(subscripts.output)}"
        repair = (f"'{whole}' keeps the other axes", "or write a letter for each axis")
    letters = spelled(labels) or "nothing"
    raise DataError(
        f"{name} has {axes}, and {letters} names {named}",
        text=subscripts.text,
        span=subscripts.span(number),
        inferred="an ellipsis stands for none or more axes" if ... in labels else (),
        repair=repair,
    )
