"""What the two passes over a program share: which equations matter, and the names and sizes of what they define.

The backward pass names a cotangent ``dU`` for a tensor ``U``, the tangent pass a tangent ``tU``.  A second pass over
the equations of a first one has a number in its letter, ``t2U``.  Several directions at once stand in one more index,
which comes first: ``tU[r,u]``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from einstan.calculus.naming import Behind, derived_equation
from einstan.calculus.program import Program
from einstan.calculus.ranges import Ranges
from einstan.calculus.simplify import simplify
from einstan.language.arguments import shown
from einstan.language.atoms import unlabelled
from einstan.language.dims import axis, loose
from einstan.language.errors import ProgramError, nearest
from einstan.language.index import Affine, Index, fresh_name, is_capital, lowered
from einstan.language.node import Node, fold, preorder
from einstan.language.place import at
from einstan.language.surface import RESERVED
from einstan.language.term import Equation, Expr, Extent, Indexed, Name, Partial, substitute, tensors
from einstan.language.tokens import is_name, name_end

# ---- which equations matter ------------------------------------------------------------------------------------------


def dependencies(program: Program, name: Name) -> set[Name]:
    """Every tensor that a tensor depends on."""
    return reached(program.reads, name)


def values_read(equations: Iterable[Equation]) -> dict[Name, tuple[Name, ...]]:
    """The tensors of which each equation reads more than a size."""
    return {equation.name: tuple(tensors(equation.rhs)) for equation in equations}


def reached(reads: Mapping[Name, Sequence[Name]], *names: Name) -> set[Name]:
    found: set[Name] = set()
    queue = list(names)
    while queue:
        for read in reads.get(queue.pop(), ()):
            if read not in found:
                found.add(read)
                queue.append(read)
    return found


def between(
    forward: Sequence[Equation], reads: Mapping[Name, Sequence[Name]], wrt: Iterable[Name], of: Iterable[Name]
) -> set[Name]:
    """The tensors that depend on one of ``wrt`` and that one of ``of`` depends on, both ends included."""
    depends = set(wrt)
    for equation in forward:
        if any(read in depends for read in reads[equation.name]):
            depends.add(equation.name)
    ends = tuple(of)
    return depends & (reached(reads, *ends) | set(ends))


def needed(equations: Sequence[Equation], wanted: Iterable[Name]) -> list[Equation]:
    """The equations that define the wanted tensors, and those that these read."""
    by_name = {e.name: e for e in equations}
    keep: set[Name] = set()
    queue = list(wanted)
    reads = Program(equations).reads
    while queue:
        name = queue.pop()
        if name in by_name and name not in keep:
            keep.add(name)
            queue.extend(reads[name])
    return [e for e in equations if e.name in keep]


# ---- what they define ------------------------------------------------------------------------------------------------


def batch_index(letter: str | None, given: Mapping[Name, Name], scalars: set[str]) -> tuple[Index, ...]:
    """The index over directions or cotangents, or none; its dimension is the first axis of those that are given."""
    if letter is None:
        return ()
    # No name of the language has a dash, so nothing captures it on the way.
    return (Index(f"{fresh_name(letter, scalars)}'", axis(str(next(iter(given.values()))), 0)),)


def pass_name(letter: str, tensor: Name) -> str:
    """``tZ`` for the tangent of ``Z``, and ``tdLdW`` for that of ``dL/dW``."""
    return letter + str(tensor).replace("/", "")


def cotangent_names(
    program: Program,
    forward: Sequence[Equation],
    wanted: Iterable[Name],
    of: Iterable[Name],
    letter: str = "d",
) -> dict[Name, str]:
    """The name of the cotangent of every tensor between, ``dS`` for ``S``.

    Where ``forward`` takes a logarithm or a quotient early, an equation reads what is behind a tensor in its place.  If
    others still read that tensor, its cotangent is the gradient through these alone, and has a name that claims no
    more: ``dS2[n,c] = 2 S[n,c]`` where the loss also holds ``log(S[n,c])``.
    """
    wanted, of = tuple(wanted), tuple(of)
    live = between(forward, values_read(forward), wanted, of)
    names = {name: pass_name(letter, name) for name in (*live, *wanted)}
    meant = between(program.equations, program.reads, wanted, of)
    pairs = [(old, new) for old, new in zip(program.resolved_all(), forward, strict=True) if new.name in meant]
    # How often each reads what: like factors are one factor in both.
    counted = {new.name: (_reads(simplify(old.rhs)), _reads(new.rhs)) for old, new in pairs if new is not old}
    passed_by: set[Name] = set()
    for name, (before, after) in counted.items():
        if behind := after - before:
            passed_by |= between(program.equations, program.reads, behind, [name]) - {name, *behind}
    if not passed_by:
        return names
    taken = {str(name) for name in program.ranks} | {pass_name(letter, name) for name in program.ranks}
    partly: set[Name] = set()
    for name in [e.name for e in reversed(forward) if e.name in passed_by & live - {*wanted}]:
        readers = [old.name for old, _ in pairs if name in tensors(old.rhs)]
        lost = [other for other, (before, after) in counted.items() if after[name] < before[name]]
        if lost or any(other not in {*live, *of} or other in partly for other in readers):
            partly.add(name)
            names[name] = fresh_name(names[name], taken)
            taken.add(names[name])
    return names


def _reads(expr: Expr) -> Counter[Name]:
    """How often an expression reads each tensor."""

    def rule(node: Node, counts: tuple[Counter[Name], ...]) -> Counter[Name]:
        own = Counter([node.tensor]) if isinstance(node, Indexed) else Counter()
        return sum(counts, own)

    return fold(expr, rule)


def pass_equation(
    name: Name,
    tensor: Name,
    batch: tuple[Index, ...],
    indices: tuple[Index, ...],
    rhs: Expr,
    stated: Sequence[Behind] = (),
    sized: bool = True,
    ranges: Ranges | None = None,
) -> Equation:
    """The equation of a tangent or cotangent of ``tensor``, with letters to read.

    With ``sized`` an index that no plain slot of the right side has runs as far as in the tensor, and says so:
    ``tZ[n,j] = tb[j] where |n| = |Z.0|``.
    """
    taken = {index.name for index in indices}
    letters = tuple(Index(fresh_name(index.name.rstrip("'"), taken), index.dim) for index in batch)
    value: Expr = substitute(rhs, dict(zip(batch, letters, strict=True)))
    plain: set[Index | None] = set()
    if sized or letters:
        plain = plainly_read(value) - {index for index, _ in loose(Equation(name, (*letters, *indices), value))}
    where = [
        (index, Affine(((Extent(Index(_axis(tensor, position, index))), 1),)))
        for position, index in enumerate(indices)
        if sized and index not in plain
    ]
    where += [(index, Affine(((Extent(Index(index.dim)), 1),))) for index in letters if index not in plain]
    if ranges is not None:
        ranges.learn(name, (*letters, *indices))
    return derived_equation(name, (*letters, *indices), value, stated, where, ranges, tied=True)


def plainly_read(expr: Expr) -> set[Index | None]:
    """The free indices that stand by themselves in a slot, so that its tensor tells how far they run."""
    read = {form.index for node in preorder(expr) if isinstance(node, Indexed) for form in node.slots}
    return read & set(expr.free)


def _axis(tensor: Name, position: int, index: Index) -> str:
    """The axis that an index runs over; those of a derivative are those of other tensors, which have names to print."""
    return axis(tensor, position) if isinstance(tensor, str) else index.dim


def require_some(names: Collection[Name], what: str) -> None:
    """Refuse a derivative of nothing, or along nothing."""
    if not names:
        raise ProgramError(f"no {what} are named", repair="name at least one tensor")


def require_letters(letter: str, batch: str | None = None) -> None:
    """What a pass puts before the names of tensors, and the index over directions, must be names themselves."""
    for name, text in (("letter", letter), ("batch", batch or "r")):
        if not is_name(text):
            raise ProgramError(f"{name} = {shown(text)} is no name", repair=f'{name}="{name[0]}"')
    if batch is not None and is_capital(batch):
        raise ProgramError(f"batch = {shown(batch)} is an index that is summed", repair=f'batch="{lowered(batch)}"')


def require_tensors(names: Iterable[Name]) -> None:
    """The directions and cotangents of a pass are tensors of the equations that it prints."""
    for name in names:
        text = unlabelled(str(name)) if isinstance(name, str | Partial) else ""
        whole = is_name(text) and text[0] != "_" and name_end(f"{text}[", 0) == len(text)
        if not whole or name in RESERVED:
            raise ProgramError(f"{shown(name)} is no name of a tensor", repair="a name such as V")


def refuse_collisions(program: Program, letter: str, kind: str, names: Iterable[Name]) -> None:
    """A tensor of the program that has the name of a tangent or cotangent is refused."""
    for name in names:
        made = pass_name(letter, name)
        if made in program.ranks:
            raise ProgramError(
                f"{made} is the {kind} {name}, and a tensor of the program has that name",
                **at(program.defined.get(made), made),
                inferred=f"{name} is a tensor of the program too",
                repair=f"give the tensor {made} another name",
            )


def refuse_given(program: Program, tensor: Name, given: Name, kind: str) -> None:
    """A direction or cotangent is a new tensor: one of the program would be captured."""
    if given in program.ranks:
        raise ProgramError(
            f"{given} is to be the {kind} {tensor}, and a tensor of the program has that name",
            **at(program.defined.get(given), given),
            inferred=f"the program has {', '.join(map(str, program.ranks))}",
            repair=f"name it otherwise, and give the values of {given} to it at the call",
        )


def require_tensor(program: Program, name: Name) -> None:
    """A tensor that the program reads or defines."""
    if name not in program.ranks:
        known = [str(n) for n in program.ranks]
        raise ProgramError(
            f"there is no tensor {name}",
            inferred="the tensors are " + ", ".join(known),
            repair=nearest(str(name), known) or "differentiate with respect to one of these",
        )


def require_defined(program: Program, name: Name) -> None:
    """A tensor that an equation defines."""
    if name not in program.defined:
        known = [str(defined) for defined in program.defined]
        raise ProgramError(
            f"no equation defines {name}",
            inferred="defined are " + ", ".join(known),
            repair=nearest(str(name), known) or "differentiate one of these",
        )
