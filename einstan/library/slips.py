"""Slips of the pen: a line that speaks of a name which is nowhere else, and nearly one that is, is asked about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from einstan.calculus.partial import partial
from einstan.language.commands import GREEK
from einstan.language.errors import EinstanError, NotationError
from einstan.language.functions import FUNCTIONS
from einstan.language.show import show
from einstan.language.statement import Claim, Document, Given, Statement
from einstan.language.term import Equation, Indexed, Name, Partial, accesses, tensors
from einstan.library.claims import holds
from einstan.library.part import Part

_DEFINED = re.compile(r"(?:given\s+)?(?!(?:claim|refute|assume|convention)\b)([^\W\d_]\w*)(?=[^=]*=|.*\()")
_WORD = re.compile(r"[^\W\d_]\w*")
_JUDGED = re.compile(
    r"\s*(?:claim|refute|assume|convention)\b|[^=]*(?:∂|\\partial|\bd\w+(?:\[[^\]]*\])?\s*/\s*d)", re.I
)
_RELATION = re.compile(
    r"[=:<>~≔≡←≈∝]|\\(?:equiv|approx|leftarrow|gets|triangleq|coloneqq|sim)(?![A-Za-z])|\b(?:is|as)\b(?=.*[\d^*/+\[(])"
)
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_ACCENTED = re.compile(r"\\([A-Za-z]+)[\s{]+([^\W\d_]+)")
_OF = re.compile(r"([^\W\d_]\w*)(?:\[[^\[\]]*\]|\([^()]*\))")  # y(x), y[i]
LONGEST = 60  # letters of a name in which one may be a slip


class Slips:
    """What to ask of the claims of a document: ``dx[i] = ...`` where there is an X and no x.  A name that another line
    has too, or that is near to none, is an input of its own."""

    def __init__(self, document: Document, part: Part) -> None:
        known = set(map(str, part.program.ranks)) if part.program.defined else set()
        self.names = known | {f"d{name}" for name in known}
        self.defined = {str(name): part.program[name] for name in part.program.defined}
        defined = set(self.defined)
        self.ends = defined.difference(*(map(str, tensors(part.program[name].rhs)) for name in part.program.defined))
        self.lines = Counter(name for statement in document.statements for name in _names(statement))
        self.alike = _Alike(self.names)

    def of(self, claim: Statement) -> str:
        """The question, if there is one."""
        name, partials = self.differential(claim)
        if name in self.ends and not self.defined[name].indices:
            return _total(name, ", by itself 1,", partials)
        for name in _names(claim) if self.names else ():
            if name in self.names or self.lines[name] > 1:
                continue
            close = self.alike.near(name)
            if close:
                return (
                    f"{name} stands in no other line: did you mean {close[0]}? (an input of its own: given {name}(...))"
                )
        return ""

    def meant(self, claim: Statement, part: Part) -> str:
        """The question about a wrong claim: on a gradient, which as a total differential would hold, or on a name that
        no other line has, ``y = z = x^2``."""
        name, partials = self.differential(claim)
        if name and all(holds(Claim(each.lhs, each.rhs), part) for each in partials):
            return _total(name, "", partials)
        return self.undefined(claim)

    def undefined(self, claim: Statement) -> str:
        """The question about a side that is a tensor of which nothing is known: a claim defines nothing."""
        content = claim.content
        if not isinstance(content, Claim) or not self.names:
            return ""
        for side, other in ((content.lhs, content.rhs), (content.rhs, content.lhs)):
            name = str(side.tensor) if isinstance(side, Indexed) and isinstance(side.tensor, str) else ""
            if name and name not in self.names and self.lines[name] < 2 and name not in map(str, tensors(other)):
                line = f"{show(side)} = {show(other)}"
                return f"{name} stands in no other line, and a claim defines nothing; as a definition: {line}"
        return ""

    def differential(self, claim: Statement) -> tuple[str, list[Equation]]:
        """The z of ``dz[i] = 2 x[i] dx[i]``, and what that says of its partials, where the right side reads the d of
        what z rests on: a gradient rests on those of what is behind it."""
        content = claim.content
        equation = content.equation if isinstance(content, Claim) else None
        if equation is None:
            return "", []
        name = str(equation.name)
        read = [other for other in map(str, tensors(equation.rhs)) if other[:1] == "d" and other[1:] in self.names]
        if name[:1] != "d" or name in self.defined or name[1:] not in self.defined or not read:
            return "", []
        before = self._before(name[1:])
        if not all(other[1:] in before and other not in self.defined for other in read):
            return "", []
        try:
            return name[1:], [_coefficient(equation, other) for other in read]
        except EinstanError:  # a product of them
            return "", []

    def _before(self, name: str) -> set[str]:
        """What a tensor rests on."""
        found: set[str] = set()
        queue = [name]
        while queue:
            equation = self.defined.get(queue.pop())
            new = {*map(str, tensors(equation.rhs))} - found if equation is not None else set()
            found |= new
            queue += new
        return found


def _coefficient(equation: Equation, differential: str) -> Equation:
    """``dz[i]/dx[p] = 2 x[i] δ[i,p]`` of ``dz[i] = 2 x[i] dx[i]``."""
    found = partial(equation, differential)
    name, rank = str(equation.name)[1:], len(equation.indices)
    derivative = Partial(name, rank, ((differential[1:], len(found.indices) - rank),))
    return Equation(derivative, found.indices, found.rhs)


def _total(name: str, itself: str, partials: Sequence[Equation]) -> str:
    lines = ", ".join(map(str, partials))
    return f"d{name} is the gradient of {name}{itself} or a total differential, which claims {lines}"


def misspelled(document: Document) -> dict[int, EinstanError]:
    """By line, the definitions that read what is nowhere else and nearly the name of a tensor that is defined and that
    nothing reads: ``L = z[N]^2`` below ``Z[n] = ...``.  What is read elsewhere, or said to be given, is meant."""
    lines = [statement for statement in document.statements if isinstance(statement.content, Equation)]
    ranks = {str(s.content.name): len(s.content.indices) for s in lines if isinstance(s.content, Equation)}
    counted = Counter(name for statement in document.statements for name in _names(statement))
    unread = _Alike(name for name in ranks if counted[name] == 1)
    found: dict[int, EinstanError] = {}
    for statement in lines:
        content = statement.content
        assert isinstance(content, Equation)
        for name, rank in accesses(content.rhs):
            if not isinstance(name, str) or name in ranks or counted[name] > 1 or _is_derived(name):
                continue
            close = [other for other in unread.near(name) if ranks[other] == rank and other != str(content.name)]
            if close:
                start = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", statement.text)
                span = start.span() if start else (0, len(statement.text))
                repaired = f"{statement.text[: span[0]]}{close[0]}{statement.text[span[1] :]}"
                found[statement.line] = NotationError(
                    f"{name} stands in no other line: did you mean {close[0]}?", text=statement.text, span=span,
                    inferred=f"nothing reads {close[0]}",
                    repair=(repaired, f"an input of its own: given {name}{_slots(rank)}(...)"),
                )  # fmt: skip
    return found


def _is_derived(name: str) -> bool:
    """Whether a name may be that of a cotangent or a tangent."""
    return len(name) > 1 and name[0] in "dt"


def _slots(rank: int) -> str:
    return f"[{','.join('ijklmnpq'[:rank])}]" if rank else ""


class _Alike:
    """Names by what they share with those that are `near`: of thousands only these few are compared."""

    def __init__(self, names: Iterable[str]) -> None:
        self._sharing: dict[str, list[str]] = {}
        for name in names:
            for key in _keys(name):
                self._sharing.setdefault(key, []).append(name)

    def near(self, name: str) -> list[str]:
        return sorted({other for key in _keys(name) for other in self._sharing.get(key, ()) if near(name, other)})


def _keys(name: str) -> set[str]:
    """What two names share that are `near`: the same in small letters, or without a letter of one or of both."""
    shorter = (name[:k] + name[k + 1 :] for k in range(len(name))) if len(name) <= LONGEST else ()
    return {name, name.lower(), *shorter}


def near(name: str, other: str) -> bool:
    """Whether two names are one but for case, or for one letter of several."""
    if name.lower() == other.lower():
        return True
    shorter, longer = sorted((name, other), key=len)
    if len(shorter) < 3 or len(longer) > len(shorter) + 1 or shorter[0] != longer[0]:
        return False
    same = 0
    while same < len(shorter) and shorter[same] == longer[same]:
        same += 1
    if not longer[same : same + 1].isalpha() or longer[same - 1] == "_":  # W_1 and W_2, W_q and W_k
        return False
    return shorter[same + (len(longer) == len(shorter)) :] == longer[same + 1 :]


class Unread:
    """What the unreadable lines of a document would have defined: of claims that rest on it nothing is known."""

    def __init__(self, document: Document) -> None:
        self.lines: dict[str, int] = {}
        lost = (s for s in document.statements if s.error is not None)
        self.assumed = tuple(s.line for s in lost if s.text[: len("assume")].lower() == "assume")
        self.mentioned: set[str] = set()
        for statement in document.statements:
            if statement.error is not None and (defined := _may_define(statement.text)):
                for name in defined:
                    self.lines.setdefault(name, statement.line)
                self.mentioned |= set(_WORD.findall(statement.code))
        self.reads = {
            str(statement.content.name): _names(statement)
            for statement in (document.statements if self.lines else ())
            if isinstance(statement.content, Equation)
        }

    def of(self, claim: Statement) -> str:
        """Why the claim is left open, if it is."""
        queue = list(_names(claim)) if self.lines else []
        seen: set[str] = set()
        while queue:
            name = queue.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in self.lines and name not in self.reads:
                return f"line {self.lines[name]}, which would say what {name} is, cannot be read"
            if name[:1] == "d" and name not in self.reads and name[1:] in self.mentioned:  # a gradient of what is lost
                return f"line {min(self.lines.values())}, on which {name} may rest, cannot be read"
            queue += self.reads.get(name, ())
        return ""


def _may_define(text: str) -> set[str]:
    """The names that a line may be about: ``let y = x``, ``1) y = x``, ``\\hat y := x``, ``y is x^2``."""
    if _JUDGED.match(text):
        return set()
    left, *right = _RELATION.split(text, maxsplit=1)
    defined = _DEFINED.match(text)
    if not right:
        return {defined[1]} if defined else set()
    left = _OF.sub(lambda found: found[0] if found[1] in FUNCTIONS else found[1], left)
    left = _COMMAND.sub(lambda found: GREEK.get(found[1], found[0]), left)
    accented = {f"{letter}_{accent}" for accent, letter in _ACCENTED.findall(left)}
    words = set(_WORD.findall(left))
    return words | accented | {word.partition("_")[0] for word in words}


def _names(statement: Statement) -> set[str]:
    match statement.content:
        case Claim(lhs=lhs, rhs=rhs):
            return set(_plain(tensors(lhs, rhs)))
        case Equation(name=name, rhs=rhs):
            return set(_plain((name, *tensors(rhs))))
        case Given(lhs=lhs, arguments=arguments):
            return set(_plain((lhs.tensor, *(argument.tensor for argument in arguments))))
        case _:
            return set()


def _plain(names: Iterable[Name]) -> Iterable[str]:
    for name in names:
        if isinstance(name, Partial):
            yield from (name.of, *(tensor for tensor, _ in name.wrt))
        else:
            yield name
