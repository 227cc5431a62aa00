"""Composition: ``f >> g`` joins the output of f with the input of g, and is a network (Zhao 2019, section 5).

    net = dense(j=64) >> relu >> dense(j=10) >> softmax >> cross_entropy
    net = dense("H", X="X") >> "A[n,j] = H[n,j] sigmoid(H[n,j])" >> dense("Z", j=10)

The input of g is the one tensor that it reads and does not learn; where there are several, it is the one with the name
of f's output, and where there is none of that name, ``compose(f, g, at="Q")`` says which.

A layer has letters, and a use of it, an equation and a network have names.  A letter that is taken is numbered (two
``dense`` in a row are ``Z W b`` and ``Z2 W2 b2``), so nothing is captured or shared by accident; equal names are one
tensor, as in any network.  All names follow from the parts in their order, so composing is associative.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from textwrap import dedent
from typing import Any

from einstan.calculus.program import Assumption, Program
from einstan.language import parse_document
from einstan.language.arguments import checked, shown
from einstan.language.errors import ProgramError, nearest
from einstan.language.place import at as place
from einstan.language.term import Equation, Name
from einstan.library.initialise import Initialiser
from einstan.library.layer import Instance, Layer
from einstan.library.network import Network
from einstan.library.rename import renamed, renamed_assumption
from einstan.machine.sizes.refusals import reader_of

Member = Instance | Equation


@dataclass(frozen=True)
class Part:
    """One part of a chain, in its own names: ``at`` is the tensor that it reads from the part before."""

    members: tuple[Member, ...]
    assumptions: tuple[Assumption, ...]
    learned: Mapping[str, Initialiser]
    output: str
    letters: frozenset[str]  # the names that nobody gave
    network: bool = False
    at: str | None = None

    @property
    def program(self) -> Program:
        return Program(equations_of(self.members))

    @property
    def names(self) -> tuple[str, ...]:
        return names_of(self.program)

    @property
    def open(self) -> tuple[str, ...]:
        """The tensors that it reads and neither defines nor learns."""
        return tuple(str(name) for name in self.program.inputs if name not in self.learned)


@checked
def compose(f: Any, g: Any, at: str | None = None) -> Network:
    """The network that does f and then g: the output of f is what g reads as ``at``.

    f and g are layers, uses of layers, equations, their text, or networks.  Raises `ProgramError` where it is not clear
    what g reads from f, where the two tensors have different ranks, where both networks learn a parameter of one name,
    and where a name is defined twice.

    Examples:
        >>> from einstan.layers import dense
        >>> print(es.compose(dense, "L = 1/2 (Z[N,J] - Y[N,J])^2", at="Z"))
        Z[n,j] = X[n,K] W[K,j] + b[j]
        L = 1/2 (Z[N,J] - Y[N,J])^2
    """
    first, second = chain_of(f), chain_of(g)
    output = f.output if isinstance(f, Network) else first[-1].output
    joined = _input(second[0], output, at)
    _same_rank(first[-1], output, second[0], joined)
    return _network((*first, replace(second[0], at=joined), *second[1:]))


def chain_of(what: Any) -> tuple[Part, ...]:
    """What is composed, as the parts of a chain."""
    match what:
        case Layer():
            return chain_of(what())
        case Instance():
            return (Part((what,), (), what.parameters, what.output, what.letters),)
        case Network():
            if what.chain:
                return what.chain
            return (Part(what.members, what.stated, what.initialisers, what.output, frozenset(), network=True),)
        case Equation():
            return (Part((what,), (), {}, str(what.name), frozenset()),)
        case str():
            document = parse_document(dedent(what).strip())
            if document.equations:
                output = str(document.equations[-1].name)
                return (Part(document.equations, document.assumptions, {}, output, frozenset()),)
    raise ProgramError(
        f"{shown(what)} cannot be composed",
        inferred="layers, uses of layers, equations, their text and networks can",
        repair='dense(j=64) >> relu >> "L = 1/2 A[N,J]^2"',
    )


# ---- where two parts meet --------------------------------------------------------------------------------------------


def _input(part: Part, output: str, at: str | None) -> str:
    """The tensor that a part reads from the part before."""
    found = part.open
    if at is not None:
        if at in found:
            return at
        raise ProgramError(
            f"the right side reads no {at} from outside",
            text=_text(part),
            inferred=f"it reads {', '.join(found) or 'nothing that it does not learn'}",
            repair=nearest(at, found) or "name one of these",
        )
    if len(found) == 1:
        return found[0]
    if output in found:
        return output
    if not found:
        raise ProgramError(
            f"the right side reads nothing that {output} could be",
            text=_text(part),
            inferred="all that it reads, it learns" if part.program.inputs else "it reads no tensor",
            repair="compose the other way round, or put both into one Network",
        )
    given = [name for name in found if name in part.letters]
    raise ProgramError(
        f"the right side reads {', '.join(found[:-1])} and {found[-1]}; which of them is {output} is not clear",
        text=_text(part),
        inferred=f"the left side gives {output}, and none of them has this name",
        repair=(
            f'compose(left, right, at="{found[0]}")',
            *([f'or name it where the layer is used: {given[0]}="{output}"'] if given else []),
        ),
    )


def _same_rank(before: Part, output: str, part: Part, joined: str) -> None:
    given, read = before.program.ranks[before.output], part.program.ranks.get(joined, -1)
    if read in (given, -1):
        return
    raise ProgramError(
        f"{output} has {slots(given)} on the left, and {joined} has {slots(read)} on the right",
        **place(reader_of(part.program, joined), joined),
        inferred=f"the left side defines {before.program[before.output]}",
        repair="compose tensors with equally many indices",
    )


def slots(rank: int) -> str:
    return f"{rank} slot{'' if rank == 1 else 's'}"


def _text(part: Part) -> str:
    return "\n".join(map(str, equations_of(part.members)))


# ---- names -----------------------------------------------------------------------------------------------------------


def _network(chain: tuple[Part, ...]) -> Network:
    """The network of a chain: letters that are taken are numbered, and every part reads the output of the one
    before."""
    _refuse_two_meanings(chain)
    asked = {name for part in chain for name in part.open if name not in part.letters and name != part.at}
    given = {name for part in chain for name in part.names if name not in (*part.letters, *part.open)}
    taken: set[str] = set()
    members: list[Member] = []
    assumptions: list[Assumption] = []
    learned: dict[str, Initialiser] = {}
    output = ""
    for part in chain:
        letters = [name for name in part.names if name in part.letters and name != part.at]
        numbered = _numbered(letters, taken | given)
        _refuse_letters_of_others(part, numbered, asked - given, chain)
        names = {name: name for name in part.names} | numbered
        if part.at is not None:
            names[part.at] = output
        members += [renamed_member(member, names) for member in part.members]
        assumptions += [renamed_assumption(assumption, names) for assumption in part.assumptions]
        learned |= {names[name]: first for name, first in part.learned.items() if name in names}
        taken |= set(names.values())
        output = names[part.output]
    network = Network(*members, parameters=learned, assumptions=assumptions)
    network.chain, network._output = chain, output
    return network


def _numbered(letters: Iterable[str], taken: set[str]) -> dict[str, str]:
    """New names for the letters of one part: those that are taken get the first number that is free for all."""
    letters = list(letters)
    clashing = [letter for letter in letters if letter in taken]
    others = taken | (set(letters) - set(clashing))
    number = 2
    while any(_with_number(letter, number) in others for letter in clashing):
        number += 1
    return {letter: _with_number(letter, number) if letter in clashing else letter for letter in letters}


def _with_number(letter: str, number: int) -> str:
    """``W2``; ``W1_2`` after a digit; ``Z2^(1)`` before a label."""
    head, mark, label = letter.partition("^")
    return f"{head}{'_' if head[-1].isdigit() else ''}{number}{mark}{label}"


def _refuse_letters_of_others(part: Part, numbered: Mapping[str, str], asked: set[str], chain: Iterable[Part]) -> None:
    """A name that one part reads, and that a letter of another part happens to have."""
    for letter, name in numbered.items():
        if name in asked:
            reader = next(p for p in chain if p is not part and name in p.open and name not in p.letters)
            raise ProgramError(
                f"{name} is read by name, and it is the letter of a tensor that nobody named",
                **place(reader_of(reader.program, name), name),
                inferred=f"{letter} of {reader_of(part.program, letter)} would be called {name}",
                repair=(
                    "if this tensor is meant, name it where its layer is used: "
                    + (f'"{name}"' if letter == part.output else f'{letter}="{name}"'),
                    f"if another is meant, do not call it {name}",
                ),
            )


def _refuse_two_meanings(chain: Iterable[Part]) -> None:
    """A parameter that two networks have under one name: nobody can tell whether they are to share it."""
    owner: dict[str, Part] = {}
    for part in (part for part in chain if part.network):
        for name in part.learned:
            if name in owner:
                raise ProgramError(
                    f"both networks learn a parameter {name}",
                    **place(reader_of(part.program, name), name),
                    inferred=f"the other: {reader_of(owner[name].program, name)}",
                    repair=(
                        f'right.renamed({{"{name}": "{_with_number(name, 2)}"}}) has one of its own',
                        "Network(left, right) shares it",
                    ),
                )
            owner[name] = part


# ---- members ---------------------------------------------------------------------------------------------------------


def equations_of(members: Iterable[Member]) -> tuple[Equation, ...]:
    return tuple(
        equation for member in members for equation in (member.equations if isinstance(member, Instance) else (member,))
    )


def names_of(program: Program) -> tuple[str, ...]:
    """All its tensors, in the order of evaluation."""
    found: dict[Name, None] = {}
    for equation in program:
        found |= dict.fromkeys((*program.reads[equation.name], equation.name))
    return tuple(map(str, found))


def renamed_member(member: Member, names: Mapping[str, str]) -> Member:
    return member.renamed(names) if isinstance(member, Instance) else renamed(member, names)
