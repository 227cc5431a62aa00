"""What the scope of an equation refuses: each error with the place, what was inferred, and a repair to paste.

A repair is made from the user's own text, with a letter changed or a sum written out, so that the rest of it stays as
it was spelled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress

from einstan.language.errors import EinstanError, NotationError, ScopeError, Span
from einstan.language.glued import one_name
from einstan.language.holds import Ambiguity
from einstan.language.index import Affine, capitalised, fresh_name, lowered, names_in
from einstan.language.labels import as_labels, beside_others, with_others
from einstan.language.lacking import dependent, without_slot
from einstan.language.readings import SIGNS, caret, has, readings
from einstan.language.surface import (
    Binder,
    Bracket,
    Call,
    Expression,
    Letter,
    Ref,
    Relation,
    Size,
    Surface,
    Term,
    below,
    only_part,
    walk,
)
from einstan.language.tokens import respelled
from einstan.language.typeset import labels_in_names
from einstan.language.unknown import INSTEAD

Read = Callable[[str], object] | None  # reads a repair, where repairs are asked for

_ACCESS = re.compile(r"[^\W\d_]\w*\[([^\[\]]*)\]")
_SUM_SIGN = re.compile(r"(?:\\sum|∑|\\prod|∏)_(\{[^{}]*\}|\w)\s*")
_SLOTTED = re.compile(r"([^\W\d]\w*)\[([^\[\]]*)\]")
_INDICES_BELOW = re.compile(r"(?<=[^\W\d])_(?!in|min|nil)([ijklmn]{2,3})(?!\w)")  # A_ij
_IN_SLOTS = re.compile(r"\[[^\[\]]*\]|_\{[^{}]*\}|_\w(?!\w)|\|[^|]*\|")
_ENTRY = re.compile(r"(?:\\[A-Za-z]+|(?<![\w\\])[^\W\d_])_\{?(\d+)\}?(?![\w,])")
_SIZES, _SIZED = re.compile(r"(\|\w+\|) is ambiguous: .*"), re.compile(r"\|[\w.]+\|")
MOST = 8  # readings that are spelled out
LETTERS = "jklmnpqrstuv"  # for a second index on the left

# ---- sums ------------------------------------------------------------------------------------------------------------


def ambiguous(
    text: str, cases: Sequence[Ambiguity], indices: set[str], read: Read, roots: Sequence[Surface] = ()
) -> ScopeError:
    """A capital that a careful author may mean to be summed in several places, and the texts that ``read`` reads."""
    case = cases[0]
    left, equals, right = text.partition("=")
    small = f"{left}{equals}{respelled(right, case.name, lowered(case.name))}" if equals else text
    texts = [*readings(text, cases, indices)] if read is not None else []
    if "as a number" in case.why:  # which it may be
        texts.append(_with_another_index(text, case.name))
    one = [*together(text, case, roots), *counted(text, case)]
    if beside_others(text, case.name):  # s_T^2 beside s_j
        texts.append(as_labels(text))
    return ScopeError(
        f"the sum over {case.name} may stand in more than one place", text=text, span=caret(case).span,
        inferred=case.why,
        repair=(readable(texts, read) and readable([*texts, *one], read))
        or readable([*one, *texts], read, sizes=True)
        or readable([small], read),
    )  # fmt: skip


def ranges_apart(text: str, apart: Sequence[tuple[str, Term, Term]], root: Expression, read: Read) -> ScopeError:
    """``-J s[I] s[I+1] - h s[I]``: a sum each, as far as it goes, or one over the range that both have."""
    name, shorter, longer = apart[0]
    own = {id(term): term for each in apart for term in each[1:]}
    each_its_own = text
    for term in sorted(own.values(), key=lambda term: term.span, reverse=True):
        letters = ",".join(dict.fromkeys(each for each, *terms in apart if term in terms))
        start, end = term.parts[0][0].span[0], term.span[1]
        each_its_own = f"{each_its_own[:start]}sum[{letters}]({each_its_own[start:end]}){each_its_own[end:]}"
    brackets = (node for node in walk(root) if isinstance(node, Expression))
    around = next((node for node in brackets if all(term in node.terms for term in own.values())), None)
    texts = [each_its_own]
    if around is not None:
        letters = ",".join(dict.fromkeys(each for each, *_ in apart))
        start, end = around.span
        having = [term for term in around.terms if any(has(term, each) for each, *_ in apart)]
        spelled = " ".join(_signed(text, term) for term in having).removeprefix("+ ")
        rest = "".join(f" {_signed(text, term)}" for term in around.terms if term not in having)
        texts.append(f"{text[:start]}sum[{letters}]({spelled}){rest}{text[end:]}")
    return ScopeError(
        f"the ranges of {name} differ, and its sums may have one", text=text, span=longer.span,
        inferred=f"{text[slice(*shorter.span)].lstrip('+- ')} ends before {text[slice(*longer.span)].lstrip('+- ')}",
        repair=readable(texts, read),
    )  # fmt: skip


def together(text: str, case: Ambiguity, roots: Sequence[Surface]) -> Iterator[str]:
    """``log(t[D]) + s[D]^2 - 1`` in one sum; of ``log(t[D]) + s[D]^2 - |D|`` the terms that have the index."""
    sides = [side for root in roots for side in ((root.left, root.right) if isinstance(root, Relation) else (root,))]
    whole = (each for each in sides if isinstance(each, Expression) and any(term is case.top for term in each.terms))
    root = next(whole, None)
    having = [term for term in root.terms if has(term, case.name)] if root is not None else []
    if root is None or len(having) < 2:
        return
    start, end = root.span
    rest = [term for term in root.terms if term not in having]
    sized = [term for term in rest if any(isinstance(n, Size) and n.name == case.name for n in walk(term))]
    if rest and not sized:
        yield f"{text[:start]}sum[{case.name}]({text[start:end]}){text[end:]}"
    elif sized:
        spelled = [" ".join(_signed(text, term) for term in terms) for terms in (having, rest)]
        yield f"{text[:start]}sum[{case.name}]({spelled[0].removeprefix('+ ')}) {spelled[1]}{text[end:]}"


def counted(text: str, case: Ambiguity) -> Iterator[str]:
    """``N/2 log(s)`` beside ``x[N]``, where the number is how many there are."""
    spans: list[Span] = []
    stack: list[Surface] = [case.top]
    while stack:
        node = stack.pop()
        spans += [node.span] if isinstance(node, Ref) and node.name == case.name and not node.slots else []
        stack.extend(() if isinstance(node, Ref) else below(node))
    for start, end in sorted(spans, reverse=True):
        text = f"{text[:start]}|{case.name}|{text[end:]}"
    if spans:
        yield text


def _signed(text: str, term: Term) -> str:
    written = text[slice(*term.span)]
    return written if written[:1] in SIGNS else f"+ {written}"


def readable(texts: Iterable[str], read: Read, sizes: bool = False) -> tuple[str, ...]:
    """Those of the texts that are read, one for each meaning; with ``sizes`` also where ``|D|`` is that of several
    sums, and that of an axis has to be said."""
    meant: dict[object, str] = {}
    for text in texts if read is not None else ():
        assert read is not None
        try:
            meant.setdefault(read(text), text)
        except EinstanError as error:
            size = _SIZES.fullmatch(error.problem) if sizes else None
            axis = _SIZED.search(error.repair[0]) if size is not None and error.repair else None
            if size is not None and axis is not None:
                with suppress(EinstanError):
                    said = text.replace(size[1], axis[0])
                    meant.setdefault(read(said), said)
        if len(meant) == MOST:
            break
    return tuple(meant.values())


def bound_again(text: str, node: Binder, letter: Letter, indices: set[str], beside: Term | None) -> ScopeError:
    """A binder shadows an index that it cannot mean: ``sum[K](A[i,K] sum[K](B[K]))``.  In ``sum[K](a[K] - m) b[K]``,
    where the product ``beside`` it has that index as well, the sum may be meant to run over all of it."""
    (start, end), opening = node.span, node.body.span[0]
    inner = respelled(text[start:end], letter.name, fresh_name(capitalised(letter.name), indices))
    repairs = [text[:start] + inner + text[end:]]
    left, equals, right = text.partition("=")
    outside = text[len(left) : start] + text[end:]
    if equals and start > len(left) and beside is None and respelled(outside, letter.name, "") == outside:
        shorter = without_slot(left, letter.name)
        repairs = [shorter + equals + right] if shorter != left else repairs  # it stands on the left, and nowhere else
    if beside is not None:
        end = beside.span[1]
        repairs.insert(0, f"{text[:opening]}({text[opening:end]}){text[end:]}")
    return ScopeError(
        f"the index {letter.name} is bound again inside its own scope", text=text, span=letter.span, repair=repairs
    )


def not_bound(
    text: str, name: str, span: Span, left: Sequence[str], indices: set[str], normed: bool = False,
    *, bound: bool = False, read: Read = None,
) -> ScopeError:  # fmt: skip
    """An index of the right side that neither the left side has nor a sum binds; a softmax is ``normed`` over it.
    Where its capital is ``bound`` around it, that one may be meant: ``sum[I](u[i])``."""
    if re.search(rf"[ΣΠ]_\{{?\s*{name}\b", text):  # the Greek letters, which name tensors
        return ScopeError(
            "the letters Σ and Π name tensors, and the signs are ∑ and ∏", text=text, span=span,
            repair=re.sub(r"[ΣΠ](?=_)", lambda letter: "∑" if letter[0] == "Σ" else "∏", text),
        )  # fmt: skip
    names = ", ".join(left)
    inferred = f"the left side has {names}" if names else "the left side has no indices"
    capitals = [capitalised(name)] if bound else []
    capitals.append(fresh_name(capitalised(name), indices - {name}))
    slots = readable(_derivative_with_slots(text, left, indices), read)
    if slots:
        return ScopeError(
            f"the index {name} is free on the right but is not on the left", text=text, span=span,
            inferred="a derivative has the indices of both, of what it is of and of what it is by", repair=slots,
        )  # fmt: skip
    digits = re.fullmatch(r"([^\W\d_]+)([0-9]+)", name)
    if digits and "_{" in text:  # A_{i1}
        capitals.insert(0, ",".join((digits[1], *digits[2])))
    if (entries := _run_together(text, left)) != text and any(
        name in run[1] for run in _INDICES_BELOW.finditer(text.rpartition("=")[2])
    ):
        return ScopeError(
            f"the index {name} is free on the right but is not on the left", text=text, span=span,
            inferred="A_ij is one name, and A_{i,j} an entry of A", repair=readable([entries], read) or entries,
        )  # fmt: skip
    run = re.compile(r"_([a-z]{2,3})(?![a-z0-9_])")
    if any(name in found[1] for found in run.finditer(text.partition("=")[0])):  # dL/dA_ij = z_i y_j
        return ScopeError(
            f"the index {name} is free on the right but is not on the left", text=text, span=span,
            inferred=inferred, repair=run.sub(lambda found: f"_{{{','.join(found[1])}}}", text),
        )  # fmt: skip
    own = re.compile(rf"(?<![\w\\])(\\?[^\W\d_]+)_\{{?{name}\}}?(?![\w,])")
    if re.search(rf"(?<![\w\\{{,\[_]){name}(?:_|\[)", text) and own.search(text):  # i_t = σ(W_i x_t + b_i)
        return ScopeError(
            f"{name} is a tensor, and an index or a label too", text=text, span=span,
            repair=own.sub(lambda found: f"{found[1]}{name}", text),
        )  # fmt: skip
    if (over := re.search(rf"(?<!\w)({'|'.join(OVER_AN_AXIS)})_{name}\s+({_OPERAND})", text)) is not None:  # var_i x_i
        other, before, behind = OVER_AN_AXIS[over[1]], text[: over.start()], text[over.end() :]
        return ScopeError(
            f"{over[1]} would be a tensor here", text=text, span=over.span(1), inferred=inferred,
            repair=f"{before}{other}_{name}({over[2]}){behind}" if other else INSTEAD[over[1]],
        )  # fmt: skip
    label = re.compile(rf"(?<!\w)(?!\\?(?:sum|prod)_)(\\?[^\W\d_]+)_{name}(?!\w)")
    if label.search(text) and not label.search(one := as_labels(text)) and not bound:  # E_a, a number
        readings = [one, label.sub(rf"\g<1>_{capitals[-1]}", text)]
        return ScopeError(
            f"the index {name} is free on the right but is not on the left", text=text, span=span, inferred=inferred,
            repair=readings[::-1] if left else readings,
        )  # fmt: skip
    if normed:
        capitals = [capitalised(name)]
    repairs = [_with_slot(text, name)] if normed else []
    repairs += [respelled(text, name, capital) for capital in capitals]
    signs = [found for found in _SUM_SIGN.finditer(text) if found.end() < span[0]]
    if not bound and any(name in found[1] for found in signs):  # \\sum_i x_i^2 + y_i
        wider = [f"{text[: found.end()]}({text[found.end() :].strip()})" for found in signs]
        repairs = [*readable(wider, read)] or repairs
    if (spelled := labels_in_names(text)) != text and re.search(rf"\\(?:text|mathrm)\w*\s*\{{\s*{name}\s*\}}", text):
        repairs = [spelled]  # E_{\\text{kin}}
    meant = readable(repairs, read)
    if not meant and read is not None:  # y = x[i,j], of which no letter is on the left
        free = [other for other in indices if other == lowered(other) and other not in left]
        every = text
        for other in free:
            every = respelled(every, other, fresh_name(capitalised(other), indices - {other}))
        repairs = [*readable([every], read)] or repairs
    labels = () if normed or meant else readable(_labelled(text, name, span, indices), read)
    if not left and not bound and label.search(text) and with_others(text):  # (r_p - r_f) / σ_p
        labels = (*labels, as_labels(text, several=True))
    return ScopeError(
        f"the index {name} is free on the right but is not on the left", text=text, span=span,
        inferred=f"{inferred}; a capital is summed", repair=(*(meant if len(repairs) > 1 else repairs), *labels),
    )  # fmt: skip


OVER_AN_AXIS = {  # what runs over an axis, and how it is written here
    **{name: name for name in ("var", "std", "norm")},
    **dict.fromkeys(("avg", "average"), "mean"),
    **dict.fromkeys(("median", "cumsum", "cumprod", "argsort", "quantile"), ""),
}
_OPERAND = r"\\?[^\W\d_][^\W_]*(?:\[[^\[\]]*\]|_\{[^{}]*\}|_\w)?"
_FRACTION = r"[d∂][^\W\d]\w*(?:\[[^\]]*\])?\s*/\s*[d∂][^\W\d]\w*"
_BARE_DERIVATIVE = re.compile(rf"\s*(?:(?:claim|refute)\s+)?(?:{_FRACTION}|[d∂][A-Z]\w*)(?=\s*=)")


def _run_together(text: str, left: Collection[str]) -> str:
    """``y_i = A_ij x_j`` with the letters below A apart, and those summed that the left side lacks."""
    signs = {letter for sign in _SUM_SIGN.finditer(text) for letter in names_in(sign[1].strip("{}"))}
    apart = _INDICES_BELOW.sub(lambda found: f"_{{{','.join(found[1])}}}", text)
    for letter in dict.fromkeys("".join(run[1] for run in _INDICES_BELOW.finditer(text))):
        if letter not in left and letter not in signs:
            apart = respelled(apart, letter, capitalised(letter))
    return apart


def _derivative_with_slots(text: str, left: Sequence[str], indices: set[str]) -> Iterator[str]:
    """``dL/dW = X[N,k] dZ[N,j]``, whose W has the indices that are free on the right."""
    if bare := _BARE_DERIVATIVE.match(text):
        places = {one: re.search(rf"(?<!\w){one}(?!\w)", text[bare.end() :]) for one in indices - set(left)}
        found = {one: place.start() for one, place in places.items() if place and one == lowered(one)}
        if found:
            yield f"{text[: bare.end()]}[{','.join(sorted(found, key=found.__getitem__))}]{text[bare.end() :]}"


def _labelled(text: str, name: str, span: Span, indices: set[str]) -> Iterator[str]:
    """``log(p[y])`` of a label y, a number: the sum of the entries of p at which the index is y."""
    if (found := _access_at(text, span)) is not None:
        capital = fresh_name("K", indices)
        entry = f"{text[found.start() : span[0]]}{capital}{text[span[1] : found.end()]}"
        yield f"{text[: found.start()]}sum[{capital}](1[{capital} == {name}] {entry}){text[found.end() :]}"


def not_depending(text: str, node: Binder, name: str, roots: Sequence[Surface], read: Read) -> ScopeError:
    r"""``\sum_i u_I v_I``, which would be |i| times an inner product, ``mean[k](x[N])`` and ``k[i] = sum[I](u[i])``."""
    return ScopeError(
        f"{node.operation}[{name}] of what does not depend on {name}", text=text, span=node.span,
        repair=readable(dependent(text, node, name, roots), read),
    )  # fmt: skip


def _with_slot(text: str, name: str) -> str:
    """The text with one more index on the left."""
    left, equals, right = text.partition("=")
    left = left.rstrip()
    if subscript := re.search(r"_(?:(\w)|\{([^{}]*)\})$", left):
        return f"{left[: subscript.start()]}_{{{subscript[1] or subscript[2]},{name}}} {equals}{right}"
    return f"{left[:-1]},{name}] {equals}{right}" if left.endswith("]") else f"{left}[{name}] {equals}{right}"


# ---- tensors, slots and extents --------------------------------------------------------------------------------------


def ranks_differ(text: str, node: Ref, elsewhere: int) -> ScopeError:
    here = _slots(len(node.slots))
    problem = f"{node.name} has {here} here and {_slots(elsewhere)} elsewhere in the equation"
    if (labelled := labels_in_names(text)) != text:
        return ScopeError(problem, text=text, span=node.span, repair=labelled)
    digits = _ENTRY.sub(lambda entry: f"{node.name}{entry[1]}", text)  # \\theta_0 beside \\theta
    if digits != text and elsewhere == 0:
        return ScopeError(problem, text=text, span=node.span, repair=digits)
    other = ""
    if not (node.slots and elsewhere) and isinstance(node.name, str):  # a number of the same name
        fresh = fresh_name(f"{node.name}0", set(names_in(text)))
        other = re.sub(rf"(?<![\w\\]){node.name}(?![\w\[(^.]|_)", fresh, text)
    elif isinstance(node.name, str):  # p[i] beside p[i,j]
        fresh = fresh_name(f"{node.name}1", set(names_in(text)))
        less = min(len(node.slots), elsewhere)
        other = _SLOTTED.sub(
            lambda m: f"{fresh}[{m[2]}]" if m[1] == node.name and m[2].count(",") + 1 == less else m[0], text
        )
    return ScopeError(problem, text=text, span=node.span, repair=other if other not in ("", text) else ())


def not_affine(text: str, node: Expression) -> NotationError:
    """A slot that is no affine form; ``a[abs(i-j)]`` reads a on both sides of its beginning."""
    repairs = ["X[2i+R-1], X[floor(i/2)] or X[mod(i,2)]; an integer tensor may stand in a slot too: X[T[n]]"]
    absolute, found = only_part(node), _access_at(text, node.span)
    if found is not None and isinstance(absolute, Call) and absolute.function == "abs":
        form = text[slice(*absolute.arguments[0].span)]
        one, other = (
            f"{text[found.start() : node.span[0]]}{each}{text[node.span[1] : found.end()]}"
            for each in (form, f"-({form})")
        )
        halves = f"(1[{form} >= 0] {one} + 1[{form} < 0] {other})"
        repairs.insert(0, f"{text[: found.start()]}{halves}{text[found.end() :]}")
    elif re.fullmatch(r"[^\W\d_]\w*\s*/\s*\d+", text[slice(*node.span)]):
        start, end = node.span
        repairs.insert(0, f"{text[:start]}floor({text[start:end]}){text[end:]}")
    return NotationError(
        f"{text[slice(*node.span)]} is not a sum of indices with whole-number coefficients",
        text=text, span=node.span, repair=repairs,
    )  # fmt: skip


def _access_at(text: str, span: Span) -> re.Match[str] | None:
    """The access in brackets that a slot is in."""
    return next((found for found in _ACCESS.finditer(text) if found.start(1) <= span[0] < found.end(1)), None)


def value_alone(text: str, node: Bracket, operand: Expression) -> ScopeError:
    """``1[b[n]]``: ones along an axis have an index alone in their bracket, and what holds is compared."""
    (start, end), (begin, stop) = operand.span, node.span
    value = text[start:end]
    repairs = [f"{text[:start]}{value} != 0{text[end:]}"]
    repairs += [f"{text[:begin]}{value}{text[stop:]}"] if len(node.operands) == 1 else []
    return ScopeError(
        f"{value} stands alone in a bracket, which holds a relation or an index", text=text, span=operand.span,
        inferred="1[i] is 1 for every i", repair=repairs,
    )  # fmt: skip


def _with_another_index(text: str, name: str) -> str:
    """``y = J x[J]`` as ``y = J x[J2]``: in slots, and where it is bound."""
    other = fresh_name(name, {name, *names_in(text)})
    renamed = re.compile(rf"(?<!\w){name}(?!\w)")
    return _IN_SLOTS.sub(lambda slots: renamed.sub(other, slots[0]), text)


def two_meanings(text: str, name: str, span: Span, number: bool = True) -> ScopeError:
    """``y = J x[J]`` beside a ``number`` J: with another index J is the number."""
    line = _with_another_index(text, name)
    return ScopeError(
        f"{name} is an index here, and the tensor {name} too", text=text, span=span,
        inferred=f"{name} alone may be the value of the index, or the tensor",
        repair=(*((line,) if number and line != text else ()), "give one of the two another name"),
    )  # fmt: skip


def extent_of_tensor(text: str, node: Size, rank: int) -> ScopeError:
    """``x[i] / |x|``: the length of an axis, a norm or an absolute value."""
    start, end = node.span
    meant = [f"|{node.name}.0|", f"norm[K]({node.name}[K])"] if rank else [f"abs({node.name})"]
    return ScopeError(
        f"|{node.name}| is an extent, and {node.name} a tensor", text=text, span=node.span,
        repair=[f"{text[:start]}{each}{text[end:]}" for each in meant],
    )  # fmt: skip


def no_such_axis(text: str, node: Size, tensor: str, rank: int) -> ScopeError:
    start, end = node.span
    have = f"{tensor} has {_slots(rank)}, the first of which is {tensor}.0" if rank else f"{tensor} is a number"
    return ScopeError(
        f"{have}: there is no |{node.name}|", text=text, span=node.span,
        repair=[f"{text[:start]}|{tensor}.{k}|{text[end:]}" for k in range(rank)],
    )  # fmt: skip


def check_stated(text: str, own: Collection[str], name: str, node: Expression, indices: Collection[str]) -> None:
    """Refuse an extent that is stated by its ``own``, or by one of the indices or a number, which is no size."""
    for part in walk(node):
        if isinstance(part, Size) and part.name in own:
            raise ScopeError(f"the extent |{name}| is stated by itself", text=text, span=node.span)
        if isinstance(part, Ref):
            start, end = part.span
            sized = [f"{text[:start]}|{part.name}|{text[end:]}"] if part.name in indices and not part.slots else []
            raise ScopeError(
                f"an extent is stated by whole numbers and extents, and {part.name} is none", text=text, span=part.span,
                repair=(*sized, f"the size in the call, sizes={{{name!r}: ...}}"),
            )  # fmt: skip


def refuse_negative(text: str, name: str, node: Expression, form: Affine) -> None:
    """Refuse an extent that is negative whatever the sizes are."""
    if form.constant < 0 and all(coefficient < 0 for _, coefficient in form.terms):
        raise ScopeError(
            f"the extent |{name}| would be negative", text=text, span=node.span,
            inferred="an extent is how many values an index takes",
        )  # fmt: skip


def several_axes(text: str, node: Size, count: int, axes: Sequence[str]) -> ScopeError:
    kind = "axes" if axes else "ranges"
    return ScopeError(
        f"|{node.name}| is ambiguous: {node.name} stands for {count} different {kind}", text=text, span=node.span,
        repair=" or ".join(f"|{axis}|" for axis in axes[:4]) or f"give each sum over {node.name} a letter of its own",
    )  # fmt: skip


def _slots(count: int) -> str:
    return f"{count} slot{'s' * (count != 1)}"


# ---- left sides ------------------------------------------------------------------------------------------------------


def left_not_read(text: str, name: str, right: Sequence[str]) -> ScopeError:
    """An index of the left side that no term of the right side has."""
    start = text.find(name, min(k for k in (text.find("["), text.find("_"), text.find("=")) if k >= 0))
    span = (start, start + len(name)) if start >= 0 else (0, text.index("="))  # it may be spelled otherwise, \\alpha
    left, _, rest = text.partition("=")
    has = f"the right side has {', '.join(right)}" if right else "the right side has no free index"
    repairs = [f"{left.rstrip()} = ({rest.strip()}) 1[{name}]"]
    if (labelled := labels_in_names(text)).partition("=")[0] != left:
        repairs = [labelled]
    runs = [run[1] for run in _INDICES_BELOW.finditer(rest)]
    if any(name in run for run in runs):  # y_i = \\sum_j A_ij x_j
        repairs = [_run_together(text, re.findall(r"(?<![^\W_])[a-z](?![^\W_])", left))]
    label = re.fullmatch(rf"\s*([^\W\d_]+)_{name}\s*", left)
    if label is not None and not runs and not re.search(rf"(?<![^\W_]){name}(?![^\W_])", rest):  # E_k, an energy
        repairs.insert(0, f"{label[1]}{name} ={rest}")
    return ScopeError(
        f"the index {name} is on the left but not on the right", text=text, span=span, inferred=has, repair=repairs
    )


def left_not_plain(text: str, slot: Expression) -> ScopeError:
    form = text[slice(*slot.span)]
    repairs = [f"name the slot j and put δ[j, {form}] on the right"]
    later = re.fullmatch(r"([a-z])\s*([+-])\s*(\d)", form)
    if later is not None and f"_{{{form}}}" in text:  # \\theta_{t+1} = \\theta_t - \\eta g_t, a step
        counted = re.compile(rf"_(?:\{{({later[1]}(?:[+-]\d)?)\}}|({later[1]})(?!\w))")
        repairs.insert(0, counted.sub(lambda found: f"^{{({found[1] or found[2]})}}", text))
    elif later is not None and (step := _as_step(text, later[1], form)):
        repairs.insert(0, step)
    return ScopeError(
        f"a slot on the left is a plain index, and {form} is none", text=text, span=slot.span, repair=repairs,
    )  # fmt: skip


def capital_on_left(text: str, name: str, span: Span, indices: set[str]) -> ScopeError:
    small = fresh_name(lowered(name), indices)
    problem = f"the capital {name} is summed and cannot stand on the left"
    left, equals, right = text.partition("=")
    below = re.compile(rf"([^\W\d_]+)_\{{?{name}\}}?(?!\w)")
    repairs = [respelled(text, name, small)]
    if below.search(left):
        if not re.search(rf"[\[_{{,]\s*{name}(?!\w)", right):  # v_L = L di/dt
            repairs = []
        spelled = text if repairs else below.sub(lambda found: one_name(found[1] + name), left) + equals + right
        if not below.search(one := as_labels(spelled, several=True)):  # F_D = 1/2 ρ v^2 C_D A
            repairs.append(one)
    return ScopeError(problem, text=text, span=span, repair=repairs)


def _as_step(text: str, letter: str, form: str) -> str:
    """``S[t+1] = S[t] + r[t]`` as ``S1 = S + r``; nothing where t stands elsewhere too."""
    left, equals, right = text.partition("=")

    def without(slots: re.Match[str]) -> str:
        kept = [each for each in slots[2].split(",") if each.strip() not in (letter, form)]
        return f"{slots[1]}[{','.join(kept)}]" if kept else slots[1]

    left = _SLOTTED.sub(lambda slots: without(slots).replace(slots[1], f"{slots[1]}1", 1), left)
    line = f"{left}{equals}{_SLOTTED.sub(without, right)}"
    return "" if re.search(rf"(?<!\w){letter}(?!\w)", line) else line


def twice_on_left(text: str, name: str, span: Span, relation: Relation, indices: set[str]) -> ScopeError:
    """``D[i,i] = x[i]`` gives a diagonal, which ``D[i,j] = δ[i,j] x[i]`` says for all of D."""
    other = next((letter for letter in LETTERS if letter not in indices), fresh_name(name, indices))
    middle = relation.right.span[0]
    right = text[middle:] if len(relation.right.terms) == 1 else f"({text[middle:]})"
    repaired = f"{text[: span[0]]}{other}{text[span[1] : middle]}δ[{name},{other}] {right}"
    return ScopeError(f"the index {name} stands twice on the left", text=text, span=span, repair=repaired)
