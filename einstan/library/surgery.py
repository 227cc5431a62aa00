"""Networks as graphs whose parts can be replaced, taken out, and taken by themselves (Zhao 2019, section 1).

    net.replace("A", gelu)                 another layer in the place of the one that defines A
    net.without("A")                       what read A reads what A was computed from
    net.part("H", "Z")                     the network that computes Z from H

Every change makes a new network, which is checked as any other.  Nothing is left open: a tensor that is read and that
nothing defines any longer is an error, and so is a tensor that was not there before, unless it is said to be an input.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from einstan.calculus.passes import dependencies
from einstan.calculus.program import Program
from einstan.language.errors import ProgramError, nearest
from einstan.language.place import at
from einstan.language.term import Name, tensors
from einstan.library.compose import Member, Part, chain_of, equations_of, names_of, renamed_member, slots
from einstan.library.initialise import Initialiser
from einstan.library.layer import Layer
from einstan.library.network import Network
from einstan.library.rename import renamed_assumption, require_name
from einstan.machine.sizes.refusals import reader_of


def replace(network: Network, name: str, member: Any, inputs: Iterable[str] = ()) -> Network:
    """The network with ``member`` in the place of the one that defines ``name``.

    The new one defines the same tensor, with as many indices.  A bare layer, and a tensor that a use of a layer does
    not name, read what the old one read, where that is one tensor.  ``inputs`` are the tensors that the network is to
    read from outside from now on.  Raises `ProgramError` where the new one defines another tensor, has another rank,
    does not define what others read of the old one, or reads what neither the network nor ``inputs`` has.
    """
    old = _part(network, name)
    if isinstance(member, Network):
        raise ProgramError(
            "a network cannot stand in the place of one tensor",
            text=str(member),
            repair="compose networks: net.part(to=...) >> other",
        )
    (new,) = chain_of(member(name) if isinstance(member, Layer) else member)
    if new.output in new.letters:
        own = {n for n in new.letters if n in new.learned or n in new.program.defined}
        new = _renamed(new, {n: name if n == new.output else f"{n}{name}" for n in own})
    if new.output != old.output:
        raise ProgramError(
            f"the replacement defines {new.output}, and is to stand in the place of {old.output}",
            **at(new.program.defined[new.output], new.output),
            inferred=f"replaced is {old.program.defined[old.output]}",
            repair=f"let it define {old.output}",
        )
    if new.program.ranks[name] != old.program.ranks[name]:
        raise ProgramError(
            f"the replacement of {name} has {slots(new.program.ranks[name])}, and {name} has {old.program.ranks[name]}",
            **at(new.program.defined[name], name),
            inferred=f"replaced is {old.program.defined[name]}",
            repair=f"define {old.program.defined[name].lhs} = ...",
        )
    new = _plugged(network, old, new)
    learned = {**network.initialisers, **new.learned}
    others = [m for m in network.members if m not in old.members]
    _refuse_holes(network, old, new, others)
    _refuse_newcomers(network, old, new, inputs)
    kept = [m for member in network.members for m in (new.members if member in old.members else (member,))]
    return _made(network, kept, learned, new)


def without(network: Network, *names: str) -> Network:
    """The network without the members that define ``names``.

    What reads such a tensor reads instead what that member computed it from, which must be one tensor with as many
    indices; a tensor that nothing reads is left out.  Raises `ProgramError` where a hole would be left.
    """
    for name in names:
        part = _part(network, name)
        others = [member for member in network.members if member not in part.members]
        readers = [e for e in equations_of(others) if {str(n) for n in _reads(e)} & set(map(str, part.program.defined))]
        if readers:
            inner = [n for e in readers for n in map(str, _reads(e)) if n in part.program.defined and n != name]
            source = _one_source(part)
            if inner or source is None:
                raise _hole(inner[0] if inner else name, readers[0], part, source_of=None if inner else part)
            others = [renamed_member(member, {name: source}) for member in others]
        network = _made(network, others, network.initialisers)
    return network


def part(network: Network, start: str | Iterable[str] = (), to: str | Iterable[str] | None = None) -> Network:
    """The sub-network that computes the tensors ``to`` (the output, where none is named) from the tensors ``start``.

    Whatever else they depend on, other than through ``start``, belongs to it.  A layer that is cut in two goes on as
    equations.  Raises `ProgramError` for a tensor of ``start`` on which no tensor of ``to`` depends.
    """
    starts = (start,) if isinstance(start, str) else tuple(start)
    ends = (network.output,) if to is None else (to,) if isinstance(to, str) else tuple(to)
    if not ends:
        raise ProgramError("a part leads to a tensor, and none is named", repair=f'to="{network.output}"')
    for name in (*starts, *ends):
        _require(network, name, network.program.ranks if name in starts else network.program.defined)
    for name in starts:
        if not any(name in dependencies(network.program, end) and name != end for end in ends):
            raise ProgramError(
                f"{' and '.join(ends)} {'does' if len(ends) == 1 else 'do'} not depend on {name}",
                text=str(network.program.defined.get(ends[0])),
                inferred=f"{ends[0]} is computed from {', '.join(_above(network.program, ends[0]))}",
                repair="start from one of these",
            )
    keep: set[Name] = set()
    queue: list[Name] = list(ends)
    while queue:
        found = queue.pop()
        if found not in keep and found in network.program.defined and (found not in starts or found in ends):
            keep.add(found)
            queue.extend(network.program.reads[found])
    members: list[Member] = []
    for member in network.members:
        equations = equations_of([member])
        kept = [equation for equation in equations if equation.name in keep]
        members += [member] if len(kept) == len(equations) else kept
    return _made(network, members, network.initialisers)


def renamed(network: Network, names: Mapping[str, str]) -> Network:
    """The network with other names for tensors, all at once.

    Raises `ProgramError` for a tensor that it does not have, and where two tensors would have one name.
    """
    for old, new in names.items():
        _require(network, old, network.program.ranks)
        require_name(new)
    all_names = {name: names.get(name, name) for name in names_of(network.program)}
    for name, new in all_names.items():
        other = next(n for n in all_names if all_names[n] == new)
        if other != name:
            raise ProgramError(
                f"{other} and {name} would both be called {new}",
                **at(reader_of(network.program, name), name),
                repair="rename each to a name of its own",
            )
    return Network(
        *(renamed_member(member, names) for member in network.members),
        parameters={all_names[name]: network.initialisers[name] for name in network.params},
        assumptions=[renamed_assumption(assumption, names) for assumption in network.stated],
    )


# ---- what is replaced ------------------------------------------------------------------------------------------------


def _part(network: Network, name: str) -> Part:
    """The member that defines a tensor as its output."""
    _require(network, name, network.program.defined)
    for member in network.members:
        if any(equation.name == name for equation in equations_of([member])):
            (found,) = chain_of(member)
            if found.output == name:
                return found
            raise ProgramError(
                f"{name} is computed on the way to {found.output}, inside one layer",
                **at(network.program.defined[name], name),
                repair=f"name {found.output}, the output of that layer",
            )
    raise AssertionError(name)


def _require(network: Network, name: str, known: Iterable[Name]) -> None:
    names = [str(n) for n in known]
    if name not in names:
        defined = names == [str(n) for n in network.program.defined]
        raise ProgramError(
            f"the network {'defines' if defined else 'has'} no tensor {name}",
            inferred=f"it {'defines' if defined else 'has'} {', '.join(names)}",
            repair=nearest(name, names) or "name one of these",
        )


def _plugged(network: Network, old: Part, new: Part) -> Part:
    """The new part, reading what the old one read where nobody named what it reads."""
    learned = {str(name) for name in network.params}
    unnamed = [name for name in new.open if name in new.letters]
    if not unnamed:
        return new
    before = [name for name in map(str, old.program.inputs) if name not in learned]
    if len(unnamed) == len(before) == 1:
        names = {unnamed[0]: before[0]}
    elif set(unnamed) <= set(before):
        names = {}
    else:
        raise ProgramError(
            f"it is not clear what the replacement reads as {unnamed[0]}",
            **at(reader_of(new.program, unnamed[0]), unnamed[0]),
            inferred=f"the old one reads {', '.join(before) or 'only what it learns'}",
            repair=f'name it in the use of the layer: {unnamed[0]}="{before[0] if before else "X"}"',
        )
    return _renamed(new, names)


def _renamed(part: Part, names: Mapping[str, str]) -> Part:
    """A part that is one use of a layer, with other names."""
    (part,) = chain_of(renamed_member(part.members[0], names))
    return part


def _refuse_holes(network: Network, old: Part, new: Part, others: Iterable[Member]) -> None:
    gone = {name for name in old.program.defined if name not in new.program.defined}
    for equation in equations_of(others):
        for name in _reads(equation):
            if name in gone:
                raise _hole(str(name), equation, old)


def _hole(name: str, reader: Any, part: Part, source_of: Part | None = None) -> ProgramError:
    why = f"{name} was defined by {part.program.defined[name]}"
    if source_of is not None:
        read = ", ".join(source_of.open) or "nothing that it does not learn"
        why = f"{part.program.defined[name]} is computed from {read}: no one tensor with as many indices"
    return ProgramError(
        f"{name} would be left open: it is read, and nothing would define it",
        **at(reader, name),
        inferred=why,
        repair=(
            f'net.replace("{name}", ...) puts another tensor in its place'
            if name == part.output
            else f"let the replacement define {name} too",
            f"or change what reads {name} first",
        ),
    )


def _refuse_newcomers(network: Network, old: Part, new: Part, inputs: Iterable[str]) -> None:
    """Tensors that the network did not have: parameters of the new part may be new, all else must be announced."""
    expected = {*names_of(network.program), *inputs, *new.learned}
    for name in new.open:
        if name not in expected:
            raise ProgramError(
                f"the replacement reads {name}, which the network does not have",
                **at(reader_of(new.program, name), name),
                inferred=f"the network has {', '.join(names_of(network.program))}",
                repair=(
                    *filter(None, [nearest(name, names_of(network.program))]),
                    f'inputs=["{name}"] makes it an input of the network',
                ),
            )
    others = set(names_of(network.program)) - set(map(str, old.program.defined))
    for name in map(str, new.program.defined):
        if name in others:
            raise ProgramError(
                f"the replacement defines {name}, which the network has already",
                **at(new.program.defined[name], name),
                inferred=f"it is used by {reader_of(network.program, name)}",
                repair="give the inner tensor of the replacement another name",
            )


def _one_source(part: Part) -> str | None:
    """The tensor that a member reads and does not learn, where it is one and has as many indices as its output."""
    ranks = part.program.ranks
    found = [name for name in part.open if ranks[name] == ranks[part.output]]
    return found[0] if len(part.open) == len(found) == 1 else None


def _above(program: Program, name: str) -> list[str]:
    behind = dependencies(program, name)
    return [n for n in names_of(program) if n in behind] or ["nothing"]


def _reads(equation: Any) -> list[Name]:
    return list(Program([equation]).reads[equation.name])


def _made(
    network: Network, members: Iterable[Member], learned: Mapping[str, Initialiser], new: Part | None = None
) -> Network:
    """A network of these members, with what of the old one still concerns them."""
    members = list(members)
    program = Program(equations_of(members))
    has = set(names_of(program))
    stated = [*network.stated, *(new.assumptions if new is not None else ())]
    kept = [a for a in stated if {str(name) for name in (*tensors(a.lhs), *tensors(a.rhs))} <= has]
    parameters = {name: first for name, first in learned.items() if name in program.inputs}
    return Network(*members, parameters=parameters, assumptions=kept)
