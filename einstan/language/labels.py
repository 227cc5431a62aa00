r"""Labels: what TeX sets below or above a name, which is a part of the name and no index.

k_B T, v_f - v_i, d_k                        kB T, vf - vi, dk, or entries
\sum_i (h^{(i)} - y^{(i)})^2                 \sum_i (h_{i} - y_{i})^2, whose sum is over the label
G = K ω_n^2 / (s^2 + 2 ζ ω_n s + ω_n^2)      G = K omegan^2 / (s^2 + 2 ζ omegan s + omegan^2)
N_e = 4 N_m N_f / (N_m + N_f)                Ne = 4 Nm Nf / (Nm + Nf)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from einstan.language.divisors import divisors_in
from einstan.language.errors import NotationError
from einstan.language.expectations import OPERATORS, refuse_expectation
from einstan.language.glued import as_one, one_name
from einstan.language.greek import refuse_letters_of_sums
from einstan.language.occurrences import evidence
from einstan.language.surface import (
    Number,
    Ref,
    Relation,
    Surface,
    Term,
    only_part,
    walk,
)  # fmt: skip
from einstan.language.term import Partial
from einstan.language.tokens import Token
from einstan.language.typeset import plain_name

_LABEL = re.compile(r"\\?\w+_(?:([A-Z])|\\(?:mathrm|text|rm)\s*\{([A-Z])\})")  # k_B, k_\\mathrm{B}
_LABELLED_DERIVATIVE = re.compile(r"([d∂])([^\W\d_]+)_([A-Z])(?=\s*/)")
_LOWERED_LABEL = re.compile(r"[^\W\d_]+_[a-z]")
_ONE_LABEL = re.compile(r"[^\W\d_]+_[A-Za-z]")
_ENTRY = re.compile(r"\\?\w+_(\d+)")
_LABEL_ABOVE = re.compile(r"\^\(([^\W\d]\w*)(?:[+-]\w+)?\)$")
MARKS_ABOVE = (  # which papers set above a name, and nobody raises a number to
    "old", "new", "prev", "next", "pred", "true", "obs", "ref", "init", "target", "test", "train", "out", "opt", "star",
    "eff", "tot", "total", "curr", "last",
)  # fmt: skip
COUNTING = "ijklmnst"  # letters of indices that are numbers, too: a_n = n^2
_REFLECTED = re.compile(r"[\[,]\s*([A-Z])\s*(?:-\s*1\s*)?-\s*([a-z])\s*(?:-\s*1\s*)?[\],]")


_LETTER_BELOW = re.compile(
    r"(?<![\w\\])(?!\\?(?:sum|prod|mean|max|min)_)(\\?[^\W\d_]+)_(?:([A-Za-z])(?!\w)|\{([A-Za-z])\})"
)


def as_labels(text: str, several: bool = False) -> str:
    """The text with ``ω_n`` as one name, where its letter stands below this name alone, or below ``several``."""
    below: dict[str, list[str]] = {}
    for found in _LETTER_BELOW.finditer(text):
        below.setdefault(found[2] or found[3], []).append(found[1])
    own = {
        letter: bases[0]
        for letter, bases in below.items()
        if (several or len(set(bases)) == 1) and len(re.findall(rf"(?<![^\W_]){letter}(?![^\W_])", text)) == len(bases)
    }

    def one(found: re.Match[str]) -> str:
        letter = found[2] or found[3]
        behind = text[found.end() :]
        apart = " " if behind[:1].isalnum() else ""
        return f"{as_one(one_name(plain_name(found[1]) + letter), behind)}{apart}" if letter in own else found[0]

    return _LETTER_BELOW.sub(one, text)


def beside_others(text: str, letter: str) -> bool:
    """Whether a letter stands below one name alone, which has another below it elsewhere: ``s_T`` beside ``s_j``."""
    bases = {found[1] for found in _LETTER_BELOW.finditer(text) if letter in (found[2], found[3])}
    below = {found[2] or found[3] for found in _LETTER_BELOW.finditer(text) if found[1] in bases}
    alone = f"_{letter}" not in as_labels(text).replace("{", "")
    return len(bases) == 1 and len(below) > 1 and alone


def with_others(text: str) -> bool:
    """Whether a name has several letters below it, ``r_p - r_f``."""
    found = {(one[1], one[2] or one[3]) for one in _LETTER_BELOW.finditer(text)}
    return len({base for base, _ in found}) < len(found)


def labels_as_slots(text: str, letter: str) -> str:
    r"""The text with a ``letter`` that stands above names in brackets as their first slot: ``x^{(i)}_j`` as x_{i,j}."""
    above = rf"\s*{letter}(?:\s*[+-]\s*\w+)?\s*"
    slots = r"_\{[^{}]*\}|_\w(?!\w)|\[[^\[\]]*\]"
    raised = re.compile(rf"({slots})?\^(?:\{{\s*[(\[]({above})[)\]]\s*\}}|\(({above})\))({slots})?")

    def slotted(found: re.Match[str]) -> str:
        label = (found[2] or found[3]).replace(" ", "")
        others = (each.lstrip("_").strip("{}[]").strip() for each in (found[1], found[4]) if each)
        inside = ",".join((label, *others))
        return f"[{inside}]" if "[" in (found[1] or found[4] or "") else f"_{{{inside}}}"

    return raised.sub(slotted, text)


def refuse_labels_of_indices(text: str, tree: Surface) -> None:
    r"""Refuse ``\sum_i h^{(i)}``, whose h would be the same for every i: a label counts nothing."""
    if "^{" not in text and "^(" not in text:
        return
    indices = evidence(tree)
    for ref in walk(tree):
        if not isinstance(ref, Ref) or not isinstance(ref.name, str):
            continue
        label = _LABEL_ABOVE.search(ref.name)
        if label is not None and label[1] in indices:
            raise NotationError(
                f"{label[1]} is an index here, and {ref.name} a name with a label", text=text, span=ref.span,
                inferred="a label is a part of the name, and the same for every value of an index",
                repair=labels_as_slots(text, label[1]),
            )  # fmt: skip


def labels(text: str, tree: Relation, tokens: Sequence[Token]) -> None:
    r"""Refuse what TeX sets below the line as a label and would be an index here: ``k_B T``, a sum over B, and the
    entry ``\beta_0`` beside ``\beta_j``."""
    names = Counter(token.text for token in tokens if token.kind == "name")
    if not OPERATORS.keys().isdisjoint(names):
        refuse_expectation(text, tree, names)
    _refuse_reflected(text, names)
    if "_" not in text:
        return
    refuse_letters_of_sums(text)
    _refuse_ends(text, tree, names)
    _refuse_labelled_left(text, tree, names)
    products = [
        [part for part, _ in node.parts if not isinstance(part, Number)]
        for node in walk(tree.right)
        if isinstance(node, Term)
    ]
    for ref in (part for parts in products if len(parts) > 1 for part in parts if isinstance(part, Ref)):
        label = _LABEL.fullmatch(text[slice(*ref.span)])
        letter = (label[1] or label[2]) if label else ""
        if letter and names[letter] == 1:
            raise _two_names(text, ref, f"a sum over {letter}", letter, f"sum[{letter}]({ref.name}[{letter}])")
    _refuse_labelled_derivative(text, tree, names)
    read = [node for node in walk(tree.right) if isinstance(node, Ref) and len(node.slots) == 1]
    _refuse_mixed(text, tree, read)
    indexed = {ref.name for ref in read if not isinstance(only_part(ref.slots[0]), Number)}
    for ref in read:
        entry = _ENTRY.fullmatch(text[slice(*ref.span)])
        if entry and ref.name in indexed:
            raise _two_names(text, ref, f"an entry of {ref.name}", entry[1], f"{ref.name}[{entry[1]}]")
    lowered = {ref.name for ref in read if ref.name in indexed and "[" not in text[slice(*ref.span)]}
    for ref in (node for node in walk(tree.right) if isinstance(node, Ref) and not node.slots):
        name, _, number = str(ref.name).partition("_")
        if number.isdigit() and name in lowered:  # w_0 beside w_k
            raise _two_names(text, ref, f"an entry of {name}", number, f"{name}[{number}]")


def _refuse_ends(text: str, tree: Relation, names: Counter[str]) -> None:
    """``v_f - v_i``, a final and an initial value: letters that stand below one name alone."""
    found: dict[str, dict[str, Ref]] = {}
    counts = Counter[str]()
    for ref in walk(tree):
        if isinstance(ref, Ref) and (label := _ONE_LABEL.fullmatch(text[slice(*ref.span)].strip())):
            found.setdefault(str(ref.name), {})[label[0][-1]] = ref
            counts[label[0]] += 1
    for name, refs in found.items():
        own = [counts[f"{name}_{letter}"] for letter in refs]
        if any(re.search(rf"_[ijklmn]*{letter}[ijklmn]+(?!\w)|_[ijklmn]+{letter}(?!\w)", text) for letter in refs):
            continue  # x_i A_ij x_j
        if len(refs) < 2 or sum(own) < names[name] or any(names[x] > n for x, n in zip(refs, own, strict=True)):
            continue
        joined, slotted = text, text
        for letter in refs:
            other = f"{name}_{letter}1" if name == "d" else one_name(f"{name}{letter}")
            joined = re.sub(rf"(?<!\w){name}_{letter}(?!\w)", other, joined)
            slotted = re.sub(rf"(?<!\w){name}_{letter}(?!\w)", f"{name}[{letter}]", slotted)
        first = next(iter(refs.values()))
        raise NotationError(
            f"{text[slice(*first.span)]} is a name with a label, or an entry of {name}", text=text, span=first.span,
            repair=(joined,) if isinstance(only_part(tree.left), Ref) else (joined, slotted),
        )  # fmt: skip


def _refuse_reflected(text: str, names: Counter[str]) -> None:
    """``x[N-n]``, where N is meant as how many values n takes, and would be summed."""
    found = _REFLECTED.search(text)
    if found is not None and found[1].lower() == found[2] and names[found[1]] == 1:
        before, behind, (start, end) = text[: found.start() + 1], text[found.end() - 1 :], found.span()
        raise NotationError(
            f"the index {found[1]} is summed, and |{found[2]}| is how many values {found[2]} takes", text=text,
            span=found.span(1), inferred="indices begin at 0",
            repair=(f"{before}|{found[2]}|-1-{found[2]}{behind}", f"sum[{found[1]}](x[{text[start + 1 : end - 1]}])"),
        )  # fmt: skip


def _refuse_labelled_left(text: str, tree: Relation, names: Counter[str]) -> None:
    """``F_g = m g``, whose g is a number and no index: on the right it stands in no slot."""
    left = only_part(tree.left)
    label = _LOWERED_LABEL.fullmatch(text[slice(*left.span)].strip()) if isinstance(left, Ref) else None
    letter = label[0][-1] if label else ""
    if not isinstance(left, Ref) or not letter or letter in COUNTING or names[letter] < 2:
        return
    slots = (slot for node in walk(tree.right) if isinstance(node, Ref) for slot in node.slots)
    if not any(isinstance(part, Ref) and part.name == letter for slot in slots for part in walk(slot)):
        raise _two_names(text, left, f"an entry of {left.name}", letter, f"{left.name}[{letter}]")


def _refuse_labelled_derivative(text: str, tree: Relation, names: Counter[str]) -> None:
    """``-dΦ_B/dt``, the flux of a field B, which would be the sum of a derivative over B."""
    for ref in walk(tree.right):
        if not isinstance(ref, Ref) or not isinstance(ref.name, Partial):
            continue
        start, end = ref.span
        found = _LABELLED_DERIVATIVE.match(text, start, end)
        if found is None or names[found[3]] > 1:
            continue
        one = f"{found[1]}{one_name(found[2] + found[3])}{text[found.end() : end]}"
        summed = f"sum[{found[3]}]({found[1]}{found[2]}[{found[3]}]{text[found.end() : end]})"
        raise NotationError(
            f"{found[2]}_{found[3]} is a name with a label, or a sum over {found[3]}", text=text, span=ref.span,
            repair=tuple(f"{text[:start]}{each}{text[end:]}" for each in (one, summed)),
        )  # fmt: skip


def _refuse_mixed(text: str, tree: Relation, read: Sequence[Ref]) -> None:
    """``S[q,k] = Q[q,D] M[k,D] / sqrt(d_k)``: where all else has its slots in brackets, d_k is a name with a label."""
    below = {id(ref) for ref in divisors_in(tree)}
    low = [ref for ref in read if id(ref) in below and _LOWERED_LABEL.fullmatch(text[slice(*ref.span)])]
    slotted = [node for node in walk(tree) if isinstance(node, Ref) and node.slots]
    if (
        len(low) == 1
        and len(slotted) > 2
        and all("[" in text[slice(*ref.span)] for ref in slotted if ref is not low[0])
    ):
        _, letter = text[slice(*low[0].span)].split("_")
        raise _two_names(text, low[0], f"an entry of {low[0].name}", letter, f"{low[0].name}[{letter}]")


def marked(text: str, mark: str) -> str:
    r"""The text with what stands above names as a label: ``\theta^{new}_i`` beside ``\theta^{old}_i``, which are words,
    and ``x^{k+1}`` beside ``x^k``, which have one letter."""
    letter = re.split(r"[+-]", mark)[0]
    own = re.escape(letter) if len(letter) == 1 else r"[A-Za-z]{2,}"
    return re.sub(rf"\^(?:\{{\s*({own}(?:[+-]\d+)?)\s*\}}|({own})(?!\w))", lambda m: f"^{{({m[1] or m[2]})}}", text)


def _two_names(text: str, ref: Ref, reading: str, label: str, spelled: str) -> NotationError:
    start, end = ref.span
    name = one_name(f"{str(ref.name).partition('_')[0]}{label}")
    return NotationError(
        f"{text[start:end]} is a name with a label, or {reading}", text=text, span=ref.span,
        repair=tuple(f"{text[:start]}{each}{text[end:]}" for each in (name, spelled)),
    )  # fmt: skip
