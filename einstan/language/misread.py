r"""What papers and LaTeX write and this notation would read as something else: refused, with what to write.

e^{-x}                 the exponential, unless e is declared; of a number it is refused
x^T, x^\top            a transpose is an order of indices
\mathbf{Z}             a matrix without its indices
Z_nj = X_nk W_kj       names, and no tensors with slots
\frac{1}{N} x_n        N beside the index n: an extent, or a number of that name
\frac{1}{N} x_N        an index as a divisor is zero at first: its extent is meant
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from einstan.language.entries import of_matrices, of_rows
from einstan.language.errors import NotationError, Span
from einstan.language.factors import literal
from einstan.language.glued import one_name
from einstan.language.index import is_capital, lowered, names_in
from einstan.language.occurrences import evidence, index_refs
from einstan.language.surface import (
    CALLABLE,
    Call,
    Expression,
    Letter,
    Minus,
    Number,
    Power,
    Ref,
    Relation,
    Surface,
    Term,
    alone,
    only_part,
    walk,
)  # fmt: skip
from einstan.language.term import Partial
from einstan.language.tokens import Token, respelled

TRANSPOSED = ("A transpose is another order of the indices: A[j,i] for A[i,j], x[I] A[I,J] x[J] for x^T A x",)
_D = r"(?:\\mathrm\s*\{\s*d\s*\}|\\partial|∂|d)"
_TENSOR = r"\\?[^\W\d_](?:(?![²³⁴])\w)*(?:\[[^\[\]]*\]|_\{[^{}]*\})?"
_ORDER = r"(?:\s*\^\s*\{\s*\d\s*\}|\s*\^\s*\d|[²³⁴])?"
_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*(?:\\mathrm\s*\{\s*)?$")
_HIGHER = re.compile(rf"\s*({_TENSOR})\s*(?:/|\}}\s*\{{)\s*\(?")
_BELOW = re.compile(rf"\s*(?:\\,)?\s*{_D}\s*({_TENSOR})({_ORDER})")
_SUBSCRIPTED_SIGN = re.compile(rf"_(\{{[^{{}}]*\}}|\w)\s*({_TENSOR})")
_RUN_TOGETHER = re.compile(r"[^\W\d_](?:d[^\W\d_])+")  # the xdy of dxdy
_LOWERED = str.maketrans("²³⁴", "234", "^{} ")
_LABEL = re.compile(r"\\?\w+_(?:([A-Z])|\\(?:mathrm|text|rm)\s*\{([A-Z])\})")  # k_B, k_\\mathrm{B}
_LABELLED_DERIVATIVE = re.compile(r"([d∂])([^\W\d_]+)_([A-Z])(?=\s*/)")
_LOWERED_LABEL = re.compile(r"[^\W\d_]+_[a-z]")
_ONE_LABEL = re.compile(r"[^\W\d_]+_[A-Za-z]")
_ENTRY = re.compile(r"\\?\w+_(\d+)")
_OPERATORS = {
    **dict.fromkeys(("E", "P"), "mean[N](x[N]), over what is drawn"),
    **dict.fromkeys(("Pr", "Prob"), "mean[N](1[x[N] > 0]), over what is drawn"),
    "Var": "var[N](x[N])",
    "Cov": "mean[N]((x[N] - mean[M](x[M])) (y[N] - mean[M](y[M])))",
}
MARKS_ABOVE = (  # which papers set above a name, and nobody raises a number to
    "old", "new", "prev", "next", "pred", "true", "obs", "ref", "init", "target", "test", "train", "out", "opt", "star",
    "eff", "tot", "total", "curr", "last",
)  # fmt: skip
COUNTING = "ijklmnst"  # letters of indices that are numbers, too: a_n = n^2
_REFLECTED = re.compile(r"[\[,]\s*([A-Z])\s*(?:-\s*1\s*)?-\s*([a-z])\s*(?:-\s*1\s*)?[\],]")
_IN_SLOTS = re.compile(r"_([a-z])(?!\w)|(?<=[\[{,])\s*([a-z])(?=\s*[,\]}])")
_VECTOR = re.compile(rf"(?<![\w\\])(?!(?:{'|'.join(CALLABLE)})(?!\w))[^\W\d_ΣΠ²³½][^\W²³]*(?![\w(\[])")
_RUN_OF_INDICES = re.compile(r"_([a-z]{2})(?!\w)")
_SUMMED = re.compile(r"([ΣΠ])_\{?\s*([^\W\d_])(?!\w)")
_EXPECTED = re.compile(r"(?<!\w)(E|Var)\s*(?:\[([^\[\]|;,∂]+)\]|\(((?:[^()|;,∂]|\([^()|;,∂]*\))+)\))")
_OPERATED = re.compile(r"(?<!\w)(?:E|P|Pr|Var|Cov)\s*[\[(]")
_PLAIN = re.compile(r"[^\W\d_²³½][^\W²³]*(?![\w(\[])")
_WAVE = re.compile(r"(?:exp\s*\(|\be\^)[^=]*(?:\bpi\b|π|\\pi)")
_SUBSCRIPTED = re.compile(r"([A-Za-z])_([a-z]{2})")


def exponential(text: str, tokens: Sequence[Token], exponent: Surface, span: Span) -> Surface | None:
    """``e^{-x[i]}`` as ``exp(-x[i])``; nothing where e stands for itself in the text too."""
    places = [k for k, token in enumerate(tokens) if token.text == "e" and token.kind == "name"]
    if any(not _raised(tokens, k) and not _is_slot(tokens, k) for k in places):
        return None
    inner = exponent.operand if isinstance(exponent, Minus) else exponent
    written = text[slice(*exponent.span)]
    written = written[1:-1] if written.startswith("{") else written
    if any(_is_slot(tokens, k) for k in places):
        above, below = text[: span[0]], text[span[1] :]
        raise NotationError(
            "e is an index here, and its power or the exponential is meant", text=text, span=span,
            repair=(f"{above}exp({written}){below}", f"{above}(e){text[span[0] + 1 :]}"),
        )  # fmt: skip
    if isinstance(inner, Number):
        above, below = text[: span[0]], text[span[1] :]
        raise NotationError(
            "e to the power of a number is the exponential of it, or the power of a parameter e", text=text, span=span,
            repair=(f"{above}exp({written}){below}", f"{respelled(above, 'e', 'eps')}eps^{written}{below}"),
        )  # fmt: skip
    return Call(span, "exp", (exponent if isinstance(exponent, Expression) else alone(exponent),))


def _raised(tokens: Sequence[Token], place: int) -> bool:
    return tokens[place + 1].text == "^"


def _is_slot(tokens: Sequence[Token], place: int) -> bool:
    before, behind = tokens[place - 1].text, tokens[place + 1].text
    opened = before == "{" and tokens[place - 2].text == "_"
    return place > 0 and (before in ("[", "_") or opened or (before == "," and behind in (",", "]", "}")))


def transposed(text: str, exponent: Surface, span: Span) -> None:
    if isinstance(exponent, Ref) and exponent.name == "T" and not exponent.slots:
        before, behind = text[: exponent.span[0]], text[exponent.span[1] :]
        if before.endswith("{"):  # its own braces, and none around
            before, behind = before[:-1], behind.removeprefix("}")
        raise NotationError(
            "the power T is a transpose, or the power of a number T", text=text, span=span,
            repair=(of_rows(text) or of_matrices(text) or TRANSPOSED[0], f"{before}(T){behind}"),
        )  # fmt: skip


def second_derivative(text: str, base: Surface, exponent: Surface, span: Span) -> None:
    r"""``d^2 g/dx^2``, ``d^2 g/(dx dy)``, ``\frac{d^2 g}{dx\,dy}``: a power of a number d, or a derivative."""
    if not (isinstance(base, Ref) and base.name == "d" and not base.slots and isinstance(exponent, Number)):
        return
    found = _HIGHER.match(text, span[1])
    below, end = denominators(text, found.end()) if found else ([], 0)
    if found is None or not below:
        return
    closing = re.compile(r"\s*[)}]").match(text, end) if found[0].rstrip()[-1] in "({" else None
    end = closing.end() if closing else end
    spelled = f"∂{found[1].strip()}/{''.join(f'∂{name}' for name in below)}"
    start = _FRACTION.search(text, 0, span[0])
    begin, order = start.start() if start else span[0], exponent.value
    what = "a second derivative" if order == 2 else f"a derivative of order {order}"
    raise NotationError(
        f"d^{order} is the power of a number d, and not {what}", text=text, span=span,
        repair=(f"{text[:begin]}{spelled}{text[end:]}", "another name for a number, such as d0"),
    )  # fmt: skip


def denominators(text: str, start: int) -> tuple[list[str], int]:
    """The names below the line of a derivative, ``dx dy^2`` as x, y, y, and where they end."""
    found: list[str] = []
    while below := _BELOW.match(text, start):
        name, order, start = below[1], below[2], below.end()
        names = name.split("d") if _RUN_TOGETHER.fullmatch(name) else [name]
        found += names[:-1] + names[-1:] * (int("0" + order.translate(_LOWERED)) or 1)
    return found, start


def subscripted(text: str, start: int, end: int) -> str:
    r"""The text with ``\partial_x f`` as ``∂f/∂x``, and ``∂_{xy} f`` as ``∂f/∂x∂y``."""
    found = _SUBSCRIPTED_SIGN.match(text, end)
    if found is None:
        return ""
    below = "".join(f"∂{name}" for name in re.findall(r"\\?[^\W\d_]+" if "\\" in found[1] else r"[^\W\d_]", found[1]))
    return f"{text[:start]}∂{found[2]}/{below}{text[found.end() :]}"


def sum_sign(text: str, token: Token, end: int, over: bool) -> NotationError:
    """``Σ_K X[n,K]`` and ``Σ[K] (X[n,K] + 1)``: the Greek letter, which names a tensor, for the sign, which is ``over``
    an index; ``Σ2 x`` is a number."""
    sign, word, name = {"Σ": ("∑", "sum", "Sigma"), "Π": ("∏", "prod", "Pi")}[token.text[0]]
    span = (token.start, token.end)
    before, behind = text[: span[0]], text[span[0] + 1 :]
    meant = f"{before}{sign}{behind}" if over else _over_letters(text, token.text, sign)
    number = [] if over else [f"{before}{name}{' ' * behind.startswith(('|', '('))}{behind}"]
    factor = f"{text[:end]} * {text[end:].lstrip()}" if text[end - 1] == "]" else f"{word}[K](...)"
    return NotationError(
        f"the letter {token.text[0]} names a tensor, and the sign is {sign}", text=text, span=span,
        repair=tuple(filter(None, (meant, *number, factor if over or not meant else ""))),
    )  # fmt: skip


def with_slot(text: str, letter: str) -> str:
    """A part of a text in which every name without slots has one."""
    return _VECTOR.sub(rf"\g<0>[{letter}]", text)


def _over_letters(text: str, letter: str, sign: str) -> str:
    """``Σ m_i r_i²`` with what it is over, the letters that the left side lacks, and ``Σ p log p`` with an index of its
    own; nothing where it stands alone, or has a number, Σ2."""
    left, equals, right = text.partition("=")
    if len(letter) > 1 or not equals or not re.search(rf"{letter}\s*[\w(|\\]", right):
        return ""
    right = _RUN_OF_INDICES.sub(lambda found: f"_{{{','.join(found[1])}}}", right)
    summed = dict.fromkeys(each for found in _IN_SLOTS.findall(right) for each in found if each)
    over = [each for each in summed if not re.search(rf"[_\[{{,]\s*{each}(?!\w)", left)]
    start = right.index(letter)
    if not over:
        free = next((each for each in "KNIJ" if not re.search(rf"(?<!\w){each}(?!\w)", text)), "")
        if not free or summed or re.search(r"[\w)\]]\s*$", right[:start]):
            return ""
        over, right = [free], right[:start] + with_slot(right[start:], free)
    below = over[0] if len(over) == 1 else f"{{{','.join(over)}}}"
    return f"{left}=" + re.sub(rf"{letter}(?!\w)\s*", f"{sign}_{below} ", right)


def greek_sums(text: str, span: Span) -> NotationError:
    """``Σ_i x_i`` with all of the signs that are meant."""
    return NotationError(
        "the letters Σ and Π name tensors, and the signs are ∑ and ∏", text=text, span=span,
        repair=re.sub(r"[ΣΠ](?=_)", lambda letter: "∑" if letter[0] == "Σ" else "∏", text),
    )  # fmt: skip


def bold(text: str, token: Token, name: str) -> NotationError:
    span = (token.start, token.end)
    written = text[slice(*span)]
    return NotationError(
        f"{name} in bold has no indices", text=text, span=span,
        inferred="without slots it would be a number",
        repair=(of_matrices(text) or f"{written}_{{i,j}}, {name}[i,j]", f"{name} if it is a number"),
    )  # fmt: skip


def without_slots(text: str, tree: Surface, scalars: Sequence[Ref], declared: Collection[str]) -> None:
    """Refuse scalars that a reader takes for tensors, or for the number of values of an index."""
    suspects = [ref for ref in scalars if ref.name not in declared]
    subscripted = {str(ref.name): ref for ref in scalars if _SUBSCRIPTED.fullmatch(str(ref.name))}
    if isinstance(tree, Relation) and len(subscripted) > 2:
        _run_together(text, tree, subscripted)
    for ref in suspects:
        if ref.name in ("i", "j") and _WAVE.search(text) and ref.name not in evidence(tree):
            raise _imaginary(text, str(ref.name), ref.span)
    capitals = {id(ref): ref for ref in suspects if len(str(ref.name)) == 1 and is_capital(str(ref.name))}
    if capitals:
        indices = evidence(tree)
        for ref in _divisors(tree):
            if id(ref) in capitals and lowered(str(ref.name)) in indices and ref.name not in indices:
                raise _counted(text, str(ref.name), ref.span)


def _divisors(tree: Surface) -> Iterator[Ref]:
    """The names below the line."""
    for node in walk(tree):
        if isinstance(node, Term):
            yield from (part for below, under in node.parts if under for part in walk(below) if isinstance(part, Ref))


def _run_together(text: str, tree: Relation, names: dict[str, Ref]) -> None:
    """``Z_nj = X_nk W_kj``: the letters of the left side come back on the right, in names of the same form."""
    left = {str(node.name) for node in walk(tree.left) if isinstance(node, Ref)} & names.keys()
    slots = {name: name.partition("_")[2] for name in names}
    right = {letter for name in names.keys() - left for letter in slots[name]}
    if left and all(set(slots[name]) <= right for name in left):
        free, repaired = {letter for name in left for letter in slots[name]}, text
        free.update(node.name for node in walk(tree) if isinstance(node, Letter))
        free.update(letter for _, letter in _SUMMED.findall(text))
        for name, letters in slots.items():
            indices = ",".join(letter if letter in free else letter.upper() for letter in letters)
            repaired = respelled(repaired, name, f"{name.partition('_')[0]}[{indices}]")
        first = min(names.values(), key=lambda ref: ref.span)
        raise NotationError(
            f"{first.name} is one name here, a number without slots", text=text, span=first.span,
            inferred="its letters look like indices", repair=repaired,
        )  # fmt: skip


def _imaginary(text: str, name: str, span: Span) -> NotationError:
    """``exp(-2 pi i k N / |N|)``, of which no number here is the imaginary unit."""
    return NotationError(
        f"{name} is a number here, and not the imaginary unit", text=text, span=span,
        inferred="numbers are real: a real and an imaginary part are an equation each, with cos and with sin",
        repair=respelled(text, name, f"{name}0"),
    )  # fmt: skip


def _counted(text: str, name: str, span: Span) -> NotationError:
    start, end = span
    return NotationError(
        f"{name} is a number beside the index {lowered(name)}", text=text, span=span,
        inferred=f"how many values {lowered(name)} takes is written |{lowered(name)}|",
        repair=(f"{text[:start]}|{lowered(name)}|{text[end:]}", f"another name for a number, such as {name}0"),
    )  # fmt: skip


def labels(text: str, tree: Relation, tokens: Sequence[Token]) -> None:
    r"""Refuse what TeX sets below the line as a label and would be an index here: ``k_B T``, a sum over B, and the
    entry ``\beta_0`` beside ``\beta_j``."""
    names = Counter(token.text for token in tokens if token.kind == "name")
    if not _OPERATORS.keys().isdisjoint(names):
        _refuse_expectation(text, tree, names)
    _refuse_reflected(text, names)
    if "_" not in text:
        return
    _refuse_letters_of_sums(text)
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


def _refuse_letters_of_sums(text: str) -> None:
    """``claim S = Σ_i x_i``, whose Σ would be a tensor: its letter stands on that side alone."""
    for found in _SUMMED.finditer(text):
        left, _, right = text.partition("=")
        other = right if found.start() < len(left) else left
        if found[2] not in names_in(other.replace("_", " ")):
            raise greek_sums(text, found.span(1))


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
    below = {id(ref) for ref in _divisors(tree)}
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


def _refuse_expectation(text: str, tree: Relation, names: Counter[str]) -> None:
    """``E[X] - E[Y]`` and ``Cov[X,Y]``, which would be sums over letters that nothing else has."""

    def is_drawn(node: Ref) -> bool:
        letters = [str(part.name) if isinstance(part := only_part(slot), Ref) else "" for slot in node.slots]
        return bool(letters) and all(is_capital(letter) and names[letter] == 1 for letter in letters)

    def is_value(node: Ref) -> bool:
        parts = (part for slot in node.slots for part in walk(slot))
        return any(
            isinstance(part, Power)
            or (isinstance(part, Ref) and isinstance(part.name, Partial))
            or (isinstance(part, Term) and sum(isinstance(factor, Ref) for factor, _ in part.parts) > 1)
            for part in parts
        )

    for name in _OPERATORS:
        read = [node for node in walk(tree) if isinstance(node, Ref) and node.name == name]
        drawn = any(map(is_value, read)) or (
            all(map(is_drawn, read))
            and (  # the energies E[N] are summed
                len(read) > 1
                or len(name) > 1
                or any(str(part.name) in "XYZ" for ref in read for part in index_refs(ref.slots))
            )
        )
        if read and drawn:
            raise NotationError(
                f"{name} is an operator on random variables, or a tensor that is summed", text=text, span=read[0].span,
                repair=(expected(text) or _OPERATORS[name], f"another name for a tensor, such as {name}0"),
            )  # fmt: skip


def expected(text: str) -> str:
    """The text with ``E[X^2]`` as ``mean[N](X[N]^2)``, over what is drawn; nothing where another of them stays."""
    if re.search(r"(?<!\w)N(?!\w)", text):
        return ""

    def meant(found: re.Match[str]) -> str:
        inside = found[2] or found[3]
        drawn = [name for name in names_in(inside) if name[0].isupper()] or names_in(inside)
        inside = _PLAIN.sub(lambda name: f"{name[0]}[N]" if name[0] in drawn else name[0], inside)
        return f"{'mean' if found[1] == 'E' else 'var'}[N]({inside})"

    line = _EXPECTED.sub(meant, text)
    return line if line != text and not _OPERATED.search(line) else ""


def _two_names(text: str, ref: Ref, reading: str, label: str, spelled: str) -> NotationError:
    start, end = ref.span
    name = one_name(f"{str(ref.name).partition('_')[0]}{label}")
    return NotationError(
        f"{text[start:end]} is a name with a label, or {reading}", text=text, span=ref.span,
        repair=tuple(f"{text[:start]}{each}{text[end:]}" for each in (name, spelled)),
    )  # fmt: skip


def divides_by_index(part: Surface, under: bool, indices: Collection[str]) -> Ref | None:
    """The index that a divisor is, or has as a factor; ``n^-1`` divides too."""
    negative = isinstance(part, Power) and (exponent := literal(part.exponent)) is not None and exponent < 0
    stack = [part] if under or negative else []
    while stack:
        match stack.pop():
            case Ref(slots=()) as ref if ref.name in indices:
                return ref
            case Expression(terms=(term,)):
                stack.extend(factor for factor, divides in term.parts if not divides)
            case Minus(operand=base) | Power(base=base):
                stack.append(base)
    return None


def divided_by_index(text: str, name: str, span: Span, part: Span | None = None) -> NotationError:
    """``x[i] / N``, and ``x[i] / (K w[K])``, where the ``part`` that divides may be meant as a sum."""
    start, end = span
    count = f"|{name}|"
    repairs = [f"{text[:start]}{count}{text[end:]}"]
    inside = _unbracketed(text, part) if part is not None else span
    if len(re.findall(rf"(?<!\w){name}(?!\w)", text[slice(*inside)])) > 1 and part is not None and is_capital(name):
        before, begin, stop, behind = text[: part[0]], *inside, text[part[1] :]
        summed = (f"{text[begin:start]}{each}{text[end:stop]}" for each in (count, name))
        repairs = [f"{before}sum[{name}]({each}){behind}" for each in summed]
    return NotationError(
        f"the index {name} divides, and its first value is 0", text=text, span=span,
        inferred=f"how many values {name} takes is written |{name}|", repair=repairs,
    )  # fmt: skip


def _unbracketed(text: str, span: Span) -> Span:
    start, end = span
    return (start + 1, end - 1) if text[start] == "(" and text[end - 1] == ")" else span
