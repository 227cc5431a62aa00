# What a task waits for comes back as Any.
# mypy: disable-error-code="no-any-return"
"""MathML, which browsers typeset by themselves: the same surface tree as in brackets and in LaTeX.

The notation is kept: a capital is summed, and a sum sign stands only where the text has ``sum[K](..)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from einstan.language.commands import ACCENTS
from einstan.language.functions import FUNCTIONS
from einstan.language.latex import signed
from einstan.language.layout import surface_of
from einstan.language.node import Node
from einstan.language.surface import (
    Binder,
    Bracket,
    Call,
    Expression,
    Kronecker,
    Letter,
    Minus,
    Number,
    Pad,
    Power,
    Ref,
    Relation,
    Size,
    Surface,
    Task,
    Term,
    every,
    only_part,
    run,
)  # fmt: skip
from einstan.language.term import Partial
from einstan.language.writer import number

RELATIONS = {"<": "&lt;", "<=": "≤", ">": "&gt;", ">=": "≥", "==": "=", "!=": "≠"}
BIG = {"sum": "∑", "prod": "∏"}
ACCENT_MARKS = {"hat": "^", "bar": "¯", "tilde": "~", "vec": "→", "dot": "˙", "ddot": "¨", "check": "ˇ", "breve": "˘"}
_LABELLED = re.compile(r"(.+)\^\((\w+(?:[+-]\w+)?)\)")
_NUMBERED = re.compile(r"(\D)_?(\d+)")
TIMES = "<mo>&#x2062;</mo>"  # a product without a sign
APPLY = "<mo>&#x2061;</mo>"
# Fonts with the measures that formulas need; a browser that has none of them takes its own.
FONTS = "'Latin Modern Math', 'STIX Two Math', 'Cambria Math', 'STIX Math', 'DejaVu Math TeX Gyre', math"
THIN = '<mspace width="0.17em"/>'


def mathml(node: Node, display: bool = False, sums: bool = False) -> str:
    """A ``<math>`` element for an equation or an expression, with ``sums`` with a sign for every sum."""
    return wrapped(row_of(node, sums), display)


def wrapped(row: str, display: bool = False) -> str:
    """The content of one formula as an element."""
    kind = ' display="block"' if display else ""
    return f'<math displaystyle="true"{kind}><mrow>{row}</mrow></math>'


def row_of(node: Node, sums: bool = False) -> str:
    """The content of a formula, to stand beside others in one element."""
    surface, _ = surface_of(signed(node) if sums else node, every_sum=sums)
    return run(_written(surface))


def operator(text: str) -> str:
    return f"<mo>{text}</mo>"


def where(stated: Sequence[tuple[str, str]]) -> str:
    """The end of a formula that states extents, each with what it is."""
    text = operator(",").join(f"{size}{operator('=')}{form}" for size, form in stated)
    return f'<mspace width="1.5em"/><mtext>where</mtext><mspace width="0.4em"/>{text}' if stated else ""


def _row(parts: Iterable[str]) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _fenced(content: str, left: str = "(", right: str = ")") -> str:
    return f"<mrow><mo>{left}</mo>{content}<mo>{right}</mo></mrow>"


def _written(node: Surface) -> Task[str]:
    match node:
        case Relation():
            return (yield _relation(node))
        case Expression():
            terms = yield every(_term(term, first=k == 0) for k, term in enumerate(node.terms))
            return _row(terms)  # a sign stands in the row of its neighbours, so that it is spaced as theirs
        case Term():
            return (yield _term(node, first=True))
        case Ref():
            return (yield _reference(node))
        case Number():
            return _number(number(node.value))
        case Letter():
            return symbol(node.name)
        case Size():
            return _fenced(symbol(node.name), "|", "|")
        case Minus():
            return _row((operator("−"), (yield _part(node.operand))))
        case Power():
            return f"<msup>{(yield _part(node.base, tight=True))}{(yield _bare(node.exponent))}</msup>"
        case Call():
            return (yield _call(node))
        case Binder():
            return (yield _binder(node))
        case Bracket():
            return (yield _bracket(node))
        case Kronecker():
            return f"<msub><mi>δ</mi>{(yield _slots((node.left, node.right)))}</msub>"
        case Pad():
            return f"<mi>pad</mi>{APPLY}{_fenced((yield _reference(node.access)))}"
    raise AssertionError(node)


def _number(text: str) -> str:
    top, slash, bottom = text.partition("/")
    if slash:
        return f"<mfrac><mn>{top}</mn><mn>{bottom}</mn></mfrac>"
    digits, e, exponent = text.partition("e")
    if not e:
        return f"<mn>{text}</mn>"
    front = "" if digits == "1" else f"<mn>{digits}</mn><mo>·</mo>"
    sign, power = (operator("−") if exponent.startswith("-") else ""), exponent.lstrip("+-")
    return _row((front, f"<msup><mn>10</mn>{_row((sign, f'<mn>{power}</mn>'))}</msup>"))


def _relation(node: Relation) -> Task[str]:
    left = yield _written(node.left)
    right = yield _written(node.right)
    stated = []
    for size, expression in node.where:
        stated.append(((yield _written(size)), (yield _written(expression))))
    return f"{left}{operator('=')}{right}{where(stated)}"


def _bare(node: Surface) -> Task[str]:
    """What stands where its place already brackets it: an exponent, a numerator, a denominator."""
    return (yield _written(node))


def _part(node: Surface, tight: bool = False) -> Task[str]:
    content = yield _written(node)
    loose = isinstance(node, Expression) or (isinstance(node, Binder) and node.operation in BIG)
    return (
        _fenced(content)
        if loose
        or (tight and (isinstance(node, Power | Minus) or (isinstance(node, Call) and node.function == "sqrt")))
        else content
    )


def _term(node: Term, first: bool) -> Task[str]:
    """A product; parts that divide gather what stands before them into a fraction."""
    sign = operator("−") if node.sign < 0 else "" if first else operator("+")
    runs: list[tuple[list[Surface], list[Surface]]] = [([], [])]
    for part, divides in node.parts:
        if not divides and runs[-1][1]:
            runs.append(([], []))
        runs[-1][divides].append(part)
    written = []
    for above, below in runs:
        if not below:
            written.append((yield _factors(above)))
            continue
        top = (yield _alone(above)) if above else "<mn>1</mn>"
        written.append(f"<mfrac>{top}{(yield _alone(below))}</mfrac>")
    return sign + _row((THIN.join(written),))


def _alone(parts: list[Surface]) -> Task[str]:
    """A numerator or denominator: brackets are not needed around its only part."""
    if len(parts) == 1:
        return _row(((yield _bare(parts[0])),))
    return _row(((yield _factors(parts)),))


def _factors(parts: list[Surface]) -> Task[str]:
    written: list[str] = []
    for position, part in enumerate(parts):
        if position:
            digits = isinstance(part, Number | Bracket) and isinstance(parts[position - 1], Number)
            written.append(operator("·") if digits else TIMES + THIN)
        final = position == len(parts) - 1 and isinstance(part, Binder)
        written.append((yield _written(part) if final else _part(part)))
    return "".join(written)


def _call(node: Call) -> Task[str]:
    arguments = yield every(_written(argument) for argument in node.arguments)
    if node.function == "sqrt":
        return f"<msqrt>{arguments[0]}</msqrt>"
    if node.function == "abs":
        return _fenced(arguments[0], "|", "|")
    if node.function == "pi":
        return "<mi>π</mi>"
    name = {"sigmoid": "σ", "maximum": "max", "minimum": "min"}.get(node.function, node.function)
    assert node.function in FUNCTIONS
    return f"<mi>{name}</mi>{APPLY}{_fenced(operator(',').join(arguments))}"


def _binder(node: Binder) -> Task[str]:
    letters = operator(",").join(symbol(letter.name) for letter in node.letters)
    one_term = len(node.body.terms) == 1 and node.body.terms[0].sign > 0
    content = yield _written(node.body)
    if node.operation in BIG:
        body = content if one_term else _fenced(content)
        return f"<mrow><munder><mo>{BIG[node.operation]}</mo><mrow>{letters}</mrow></munder>{body}</mrow>"
    return f"<mrow><munder><mi>{node.operation}</mi><mrow>{letters}</mrow></munder>{APPLY}{_fenced(content)}</mrow>"


def _bracket(node: Bracket) -> Task[str]:
    operands = yield every(_written(operand) for operand in node.operands)
    if not node.relations:
        return f"<msub><mn>𝟏</mn><mrow>{operator(',').join(operands)}</mrow></msub>"
    inside = [operands[0]]
    for relation, operand in zip(node.relations, operands[1:], strict=True):
        inside += [operator(RELATIONS[relation]), operand]
    return f"<mn>𝟏</mn>{_fenced(''.join(inside), '[', ']')}"


def _reference(node: Ref) -> Task[str]:
    if isinstance(node.name, Partial):
        return (yield _partial(node, node.name))
    if not node.slots:
        return symbol(node.name)
    slots = yield _slots(node.slots)
    labelled = _LABELLED.fullmatch(node.name)
    if labelled:
        label = _fenced(f"<mn>{escape(labelled.group(2))}</mn>")
        return f"<msubsup>{on_the_line(labelled.group(1))}{slots}{label}</msubsup>"
    return f"<msub>{on_the_line(node.name)}{slots}</msub>"


def _slots(slots: tuple[Expression, ...]) -> Task[str]:
    written = []
    for slot in slots:
        only = only_part(slot)
        written.append((yield _written(slot if only is None else only)))
    return _row((operator(",").join(written),))


def _partial(node: Ref, name: Partial) -> Task[str]:
    above = yield _reference(Ref(node.span, name.of, node.slots[: name.rank]))
    below = []
    start = name.rank
    for tensor, rank in name.wrt:
        denominator = yield _reference(Ref(node.span, tensor, node.slots[start : start + rank]))
        below.append(f"<mo>∂</mo>{denominator}")
        start += rank
    order = len(name.wrt)
    sign = f"<msup><mo>∂</mo><mn>{order}</mn></msup>" if order > 1 else "<mo>∂</mo>"
    return f"<mfrac>{_row((sign, above))}{_row((THIN.join(below),))}</mfrac>"


def on_the_line(name: str) -> str:
    """A name that has slots below it, where no number stands beside them: Z2 of n and j."""
    numbered = _NUMBERED.fullmatch(name)
    if not numbered:
        return symbol(name)
    return f"<mrow><mi>{escape(numbered.group(1))}</mi><mn>{numbered.group(2)}</mn></mrow>"


def symbol(name: str) -> str:
    """A name: one letter leans, a word stands; ``W1`` without slots its number below, ``y_hat`` its accent on it."""
    labelled = _LABELLED.fullmatch(name)
    if labelled:
        return f"<msup>{symbol(labelled.group(1))}{_fenced(f'<mn>{escape(labelled.group(2))}</mn>')}</msup>"
    stem, _, accent = name.rpartition("_")
    if accent in ACCENTS and stem:
        return f"<mover>{symbol(stem)}<mo>{ACCENT_MARKS[accent]}</mo></mover>"
    numbered = _NUMBERED.fullmatch(name)
    if numbered:
        return f"<msub><mi>{escape(numbered.group(1))}</mi><mn>{numbered.group(2)}</mn></msub>"
    return f"<mi>{escape(name)}</mi>"
