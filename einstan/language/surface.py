"""The surface tree: an equation as it is spelled, before its capitals are bound.

Every node knows its span in the text, so that an error can put a caret under it.  The parser makes this tree from text,
the scope rule reads it, and the printer makes it from terms: text and terms meet here.  A tree may be as deep as memory
allows, because everything that walks it is a `Task`, run without Python's stack.

    Expression(terms)             a + b - c; in brackets where it is a part of a product
    Term(sign, parts)             a b / c: the parts of a product, each with whether it divides
    Number  Ref  Size  Call       1.702   X[i,K]   |n|   exp(u)
    Power  Minus                  x^2   a * -b
    Binder(operation, letters)    sum[K](..), max[K](..), softmax[k](..)
    Bracket  Kronecker  Pad       1[i <= j]   δ[i,p]   pad(X[i+J-1])
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any, TypeVar, cast

from einstan.language.cases import chosen
from einstan.language.errors import Span
from einstan.language.functions import FUNCTIONS, SPELLINGS, WRITTEN_OUT
from einstan.language.term import REDUCTIONS, Name

Value = TypeVar("Value")
Task = Generator[Any, Any, Value]

BINDERS = ("sum", *REDUCTIONS, "softmax")
DEFINED = ("var", "std", "norm")  # reductions where they are called, and else names as good as any
CALLABLE = (*FUNCTIONS, *WRITTEN_OUT, *SPELLINGS, *BINDERS, *DEFINED, "pad")
# Names that cannot be tensors.  ``σ`` is a function only where it is applied: papers use it for a deviation too.
# Words of Python and of mathematics read as prose are none either: ``X[i] if 1 else 0`` is no product of four tensors.
WORDS = ("delta", "δ", "pad", "where", "claim", "refute", "assume", "given", "convention", "inf", "nan", "infinity")
RESERVED = frozenset({*FUNCTIONS, *SPELLINGS, *BINDERS, *WORDS, *keyword.kwlist} - {"σ"})
_OPERATORS = (
    "tr Tr trace diag det slogdet logdet inv pinv transpose grad argmax argmin cumsum cumprod median sort "
    "argsort log2 log10 lg cot csc cosec sech csch coth ceil ceiling round rint trunc logit softmin erfinv "
    "rank Rank Var Cov cov Corr corr dim ker adj vec sup lim sinc gelu log_2 log_10 lb"
)
APPLIED = frozenset(_OPERATORS.split())  # in front of what they are of, where they are no numbers: tr A, logit p
NOWHERE = (0, 0)
_TURNED = re.compile(r"T(?:[^\W\d_]\d?(?:_\w)?)?")

# What is written instead of a word that is no name.
INSTEAD = {
    **dict.fromkeys(("if", "else", "elif"), "a condition is a factor: 1[x > 0] y + 1[x <= 0] z"),
    **dict.fromkeys(("and", "or", "not"), "a product of brackets holds where all hold: 1[x > 0] 1[y > 0]"),
    **dict.fromkeys(("is", "in"), "brackets compare: 1[i == j], 1[0 <= i < 3]"),
    **dict.fromkeys(("True", "False", "None"), "a number: 1 or 0"),
    **dict.fromkeys(("inf", "nan", "infinity"), "1[c] u is 0 where c is false; log(1[c]) masks a logit"),
}


_CASES = re.compile(r"([^=]*)=(?!=)(.*)(?<!\w)if(?!\w)(.*)(?<!\w)else(?!\w)(.*)", re.DOTALL)


def instead_of(word: str, text: str = "") -> str:
    """What to write where a word of Python stands as a name; nothing for most of the other reserved words."""
    cases = _CASES.fullmatch(text) if word == "if" else None
    if cases is not None and (line := chosen(cases[1], cases[3], cases[2], cases[4])):
        return line
    if word == "lambda":
        return re.sub(r"(?<![\w\\])lambda(?!\w)", "λ", text) or "λ"
    return INSTEAD.get(word) or (f"another name, such as {word}1" if word in keyword.kwlist else "")


def run(task: Task[Value]) -> Value:
    """Run a task whose every ``yield`` waits for another task: recursion that the stack does not limit."""
    waiting: list[Callable[[Any], Any]] = []
    send, value = task.send, None
    while True:
        try:
            inner = send(value)
        except StopIteration as finished:
            value = finished.value
            if not waiting:
                return value  # type: ignore[no-any-return]
            send = waiting.pop()
        else:
            waiting.append(send)
            send, value = inner.send, None


def every(tasks: Iterable[Task[Value]]) -> Task[list[Value]]:
    """One task after the other."""
    results = []
    for task in tasks:
        results.append((yield task))  # noqa: PERF401  a comprehension cannot wait
    return results


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Surface:
    span: Span


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Number(Surface):
    value: Fraction


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Letter(Surface):
    """An index behind ``sum``, ``max``, ``softmax``."""

    name: str


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Ref(Surface):
    """A tensor with its slots.  Without slots it is a scalar, or an index inside a slot or an Iverson bracket."""

    name: Name
    slots: tuple[Expression, ...] = ()


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Size(Surface):
    """``|n|``, or ``|X.0|`` for an axis."""

    name: str


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Call(Surface):
    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Power(Surface):
    base: Surface
    exponent: Surface


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Minus(Surface):
    operand: Surface


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Binder(Surface):
    operation: str
    letters: tuple[Letter, ...]
    body: Expression


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Bracket(Surface):
    """``1[i <= j]``; without relations the operands are the slots of a tensor of ones."""

    operands: tuple[Expression, ...]
    relations: tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Kronecker(Surface):
    left: Expression
    right: Expression


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Pad(Surface):
    access: Ref


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Term(Surface):
    sign: int
    parts: tuple[tuple[Surface, bool], ...]


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Expression(Surface):
    terms: tuple[Term, ...]


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Relation(Surface):
    """``left = right where |i| = ...``: an equation, a claim or an assumption."""

    left: Expression
    right: Expression
    where: tuple[tuple[Size, Expression], ...]


_BELOW: dict[type, Callable[[Any], tuple[Surface, ...]]] = {
    Ref: lambda node: node.slots,
    Call: lambda node: node.arguments,
    Power: lambda node: (node.base, node.exponent),
    Minus: lambda node: (node.operand,),
    Binder: lambda node: (*node.letters, node.body),
    Bracket: lambda node: node.operands,
    Kronecker: lambda node: (node.left, node.right),
    Pad: lambda node: (node.access,),
    Term: lambda node: tuple([part for part, _ in node.parts]),
    Expression: lambda node: node.terms,
    Relation: lambda node: (node.left, node.right, *(part for pair in node.where for part in pair)),
    **dict.fromkeys((Number, Letter, Size), lambda node: ()),
}


def below(node: Surface) -> tuple[Surface, ...]:
    """The nodes directly below, in reading order."""
    return _BELOW[type(node)](node)


def walk(*roots: Surface) -> Iterator[Surface]:
    """Every node below the roots, in reading order."""
    stack = list(reversed(roots))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(_BELOW[type(node)](node)[::-1])


def only_part(expression: Expression) -> Surface | None:
    """The one part of an expression that is nothing else: ``x`` but not ``-x``, ``x y``, ``1/x`` or ``x + y``."""
    if len(expression.terms) == 1:
        term = expression.terms[0]
        if term.sign > 0 and len(term.parts) == 1 and not term.parts[0][1]:
            return term.parts[0][0]
    return None


def alone(*parts: Surface, sign: int = 1) -> Expression:
    """An expression of one product."""
    span = (parts[0].span[0], parts[-1].span[1])
    return Expression(span, (Term(span, sign, tuple((part, False) for part in parts)),))


def looks_called(node: Surface) -> bool:
    """Whether a tensor in front of a bracket would be read as a call: ``σ (x)``, ``var[n] (x)``."""
    return isinstance(node, Ref) and (node.name in DEFINED or (node.name == "σ" and not node.slots))


def looks_applied(node: Surface, behind: Surface) -> bool:
    """Whether the number of such a name would be read as an operator: ``tr * A``, ``Δ * x``."""
    base = behind.base if isinstance(behind, Power) else behind
    if isinstance(base, Number) and isinstance(node, Ref) and node.name == "x" and not node.slots:
        return True  # 2 x 10^3, where x is a times
    is_bare = isinstance(node, Ref) and (node.name in APPLIED or node.name == "Δ") and not node.slots
    return is_bare and not isinstance(base, Expression | Number | Size)


def looks_turned(name: object) -> bool:
    """Whether the power of such a name looks like a transpose, alone or glued to what stands behind it: ``X^TX``."""
    return isinstance(name, str) and _TURNED.fullmatch(name) is not None


def is_pi(node: Surface) -> bool:
    """Whether this is pi or a power of it, which looks like a part of the number below the line: ``1/2 pi``."""
    base = node.base if isinstance(node, Power) else node
    return isinstance(base, Call) and base.function == "pi"


def is_numeric(node: Surface, worded: set[Surface] | None = None) -> bool:
    """Whether this is a number times extents, as in ``1/2 X[i]`` and ``1/(|N| |J|) (..)``.

    ``worded`` are nodes that are known to be more, for whoever asks for what is nested again and again.
    """
    known: set[Surface] = set() if worded is None else worded
    path: list[tuple[Surface, Iterator[Surface]]] = [(node, iter(()))]
    while path:
        part = path[-1][0]
        if part in known or isinstance(part, Ref | Binder | Bracket | Kronecker | Pad):
            known.update(each for each, _ in path)
            return False
        path[-1] = (part, iter(below(part)))
        while path and (following := next(path[-1][1], None)) is None:
            path.pop()
        if path:
            path.append((cast(Surface, following), iter(())))
    return True


def runs_on(divisor: Surface, after: Surface) -> bool:
    """Whether what stands beside a divisor looks like a part of it: ``1/k T``, ``1/s[i] sqrt(2 pi)``, ``1/|N| |M|``;
    in ``1/k x[i]`` the quotient is a coefficient."""
    under, beside = (node.base if isinstance(node, Power) else node for node in (divisor, after))
    if isinstance(under, Size):
        return isinstance(beside, Size)
    scalar = isinstance(beside, Ref) and not beside.slots and isinstance(beside.name, str)
    return isinstance(under, Ref) and (scalar or (is_numeric(beside) and not isinstance(beside, Expression)))


def has_no_index(node: Surface) -> bool:
    """Whether this is made of numbers, extents, scalars and single entries, ``a[0]``, alone."""
    inside = (Binder, Bracket, Kronecker, Pad)
    slots = (part.slots for part in walk(node) if isinstance(part, Ref))
    return not any(isinstance(part, inside) for part in walk(node)) and all(map(is_numeric, chain.from_iterable(slots)))


def looks_like_derivative(numerator: str, denominators: tuple[str, ...], known: frozenset[str] = frozenset()) -> bool:
    """Whether ``dA/dB`` is a partial derivative: ``dZ[..]/dX[..]`` and ``dx/dy`` are; ``data[i]/dist[j]`` is a quotient
    unless tensors called ``ata`` and ``ist`` are known."""
    return all(name in known or not _is_word(name) for name in (numerator, *denominators))


def _is_word(name: str) -> bool:
    return name == name.lower() and sum(character.isalpha() for character in name) >= 2
