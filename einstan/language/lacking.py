r"""Reductions over a letter that what they run over does not have: what may be meant, each as a text to paste.

\sum_i u_I v_I             \sum_I u_I v_I
mean[k](x[N])              mean[N](x[N])
y[n] = softmax[n](a)       y[n] = softmax[n](a[n])
k[i] = sum[I](u[i])        k = sum[I](u[I]), k[i] = |i| (u[i])
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from einstan.language.errors import Span
from einstan.language.factors import index_names
from einstan.language.index import capitalised, is_capital, lowered
from einstan.language.occurrences import bare_names
from einstan.language.surface import Binder, Ref, Surface, only_part, walk
from einstan.language.tokens import respelled

Edit = tuple[Span, str]


def dependent(text: str, node: Binder, name: str, roots: Sequence[Surface]) -> Iterator[str]:
    """The texts in which what the reduction runs over has the letter; the others of the text are meant as this one."""
    others = [each for each in walk(*roots) if isinstance(each, Binder) and each is not node and lacking(each)]
    alike = [node, *(each for each in others if not within(each.span, node.span))]
    if run_in(node):  # and those of the others
        run = {name: entry for each in (node, *others) for name, entry in run_in(each).items()}
        yield re.sub(r"(?<![\w\\])[^\W\d_]+(?![\w\[])", lambda found: run.get(found[0], found[0]), text)
        return
    yield edited(text, [edit for each in alike for edit in renamed(each)])
    small = lowered(name)
    inside, start = text[slice(*node.body.span)], node.body.span[0]
    if is_capital(name) and small in index_names(node.body):
        yield edited(text, [edit for each in alike for edit in raised(text, each)])
        left, equals, right = text.partition("=")
        behind = start - len(left) - 1
        body = respelled(inside, small, name)
        yield f"{without_slot(left, small)}{equals}{right[:behind]}{body}{right[behind + len(inside) :]}"
        if node.operation == "sum":
            yield edited(text, [(node.span, f"|{small}| {inside if inside.startswith('(') else f'({inside})'}")])
    if node.operation == "softmax" and is_capital(name) and small in index_names(node.body):
        yield edited(text, [(letter.span, small) for letter in node.letters])
    capitals = list(filter(is_capital, dict.fromkeys(index_names(node.body))))
    if node.operation == "softmax" and len(capitals) == 1:
        yield edited(text, [(node.body.span, respelled(inside, capitals[0], name))])
    only = only_part(node.body)
    if isinstance(only, Ref) and not renamed(node):
        spelled = text[slice(*only.span)]
        slotted = f"{spelled[:-1]},{name}{spelled[-1]}" if only.slots else f"{spelled}[{name}]"
        yield edited(text, [(only.span, slotted)])


def lacking(node: Binder) -> list[str]:
    """The letters of a reduction that nothing in its body has, neither in a slot nor as a number."""
    names = bare_names(node.body)
    return [letter.name for letter in node.letters if letter.name not in names]


def run_in(node: Binder) -> dict[str, str]:
    """The numbers of a reduction that end with a letter of it, ``xi`` in ``sum[i](xi^2)``, each with its entry."""
    numbers = {str(ref.name) for ref in walk(node.body) if isinstance(ref, Ref) and not ref.slots}
    letters = lacking(node)
    return {
        name: f"{name[0]}[{letter}]"
        for name in sorted(numbers)
        for letter in letters
        if name[1:] == letter and name[0].isalpha()
    }


def within(span: Span, other: Span) -> bool:
    return other[0] <= span[0] and span[1] <= other[1]


def renamed(node: Binder) -> list[Edit]:
    """The letters as the body has them: in the other case, else the capitals that stand there."""
    names = dict.fromkeys(index_names(node.body))
    missing = [letter for letter in node.letters if letter.name not in names]
    if all(capitalised(letter.name) in names for letter in missing):
        return [(letter.span, capitalised(letter.name)) for letter in missing]
    capitals = [name for name in names if is_capital(name)]
    if len(missing) == len(node.letters) and len(capitals) >= len(missing):
        *plain, last = missing
        found = [(letter.span, capital) for letter, capital in zip(plain, capitals, strict=False)]
        return [*found, (last.span, ",".join(capitals[len(plain) :]))]
    return []


def raised(text: str, node: Binder) -> list[Edit]:
    """The body with the capitals that are bound, for small letters."""
    start, end = node.body.span
    inside = text[start:end]
    for letter in node.letters:
        if is_capital(letter.name):
            inside = respelled(inside, lowered(letter.name), letter.name)
    return [((start, end), inside)]


def edited(text: str, edits: Sequence[Edit]) -> str:
    for (start, end), new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def without_slot(left: str, name: str) -> str:
    """A left side with one index less."""
    fewer = re.sub(rf"(?<=[\[{{,])\s*{re.escape(name)}\s*(,|(?=[\]}}]))", "", left)
    return re.sub(r"(?:,\s*)?(?=[\]}])", "", fewer, count=1).replace("[]", "").replace("_{}", "")
