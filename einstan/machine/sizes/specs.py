"""Where a tensor lies on a mesh of devices: for each of its axes the mesh axes that it is cut along, told by letters.

    shard = {"n": "data", "h": "model"}
    X[n,k]      ("data", None)          each device along "data" holds its rows
    W[k,h]      (None, "model")         its columns along "model"
    b[j]        (None,)                 the whole of it everywhere

A tensor has the letters of the equation that defines it, an input those of the first one that reads it, a gradient and
the state of an optimiser those of their tensor.  Tensors that one equation combines entry by entry lie alike.
Parameters may be kept in smaller parts than their letters say (``shard_params``): then their gradients and the state of
an optimiser are, too, and whatever computes with other tensors gathers them first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from einstan.calculus.program import Program
from einstan.language.arguments import ArgumentError, shown
from einstan.language.dims import UnionFind, axis
from einstan.language.errors import ExtentError, ProgramError, Span, nearest
from einstan.language.index import lowered
from einstan.language.node import preorder
from einstan.language.place import Place, at
from einstan.language.term import Equation, Indexed, Name
from einstan.machine.sizes.refusals import reader_of

Axes = tuple[str, ...]  # of a mesh, along which one axis of a tensor is cut, the coarsest first
Spec = tuple[Axes, ...]  # of all axes of a tensor
Asked = Mapping[str, Any]
OTHERS = "*"  # in shard_params: all parameters that are not named


@dataclass(frozen=True)
class Specs:
    """``kept`` is where tensors lie; ``used`` says so by letters alone, where those are not kept in smaller parts."""

    mesh: Mapping[str, int]  # how many devices stand along each axis
    letters: Mapping[str, Axes]
    asked: Any  # how parameters are to be kept
    spelled: Mapping[Name, tuple[str, ...]]  # the letters of all axes
    kept: Mapping[Name, Spec]
    used: Mapping[Name, Spec]

    def of(self, name: Name, rank: int) -> Spec:
        """How a tensor lies: whole, where no letters say."""
        return self.kept.get(name, ((),) * rank)

    def without(self, gone: Iterable[str]) -> Specs:
        """The same for devices that share nothing along some mesh axes, since there is one alone."""
        out = set(gone)

        def kept(axes: Axes) -> Axes:
            return tuple(each for each in axes if each not in out)

        letters = {letter: kept(axes) for letter, axes in self.letters.items()}
        both = ({n: tuple(map(kept, spec)) for n, spec in specs.items()} for specs in (self.kept, self.used))
        return Specs(self.mesh, letters, self.asked, self.spelled, *both)

    def devices(self, axes: Axes) -> int:
        return math.prod(self.mesh[each] for each in axes)


def specs_of(
    program: Program,
    mesh: Mapping[str, int] | None,
    shard: Asked | None,
    shard_params: Any = None,
    alike: Iterable[tuple[Name, Name]] = (),
    params: Iterable[Name] = (),
    context: Program | None = None,
) -> Specs:
    """The layout of every tensor of a program.

    ``shard`` has mesh axes by index letters; ``shard_params`` is a mesh axis for all ``params``, or says it for each by
    name, ``{"b": None, "W": {"j": "data"}, "*": "data"}``: not at all, along a letter, and for all others that are not
    on that mesh axis already along their first axis that is whole.  ``alike`` are pairs of tensors of one shape:
    gradients and what they are of.  ``context`` is the program as somebody wrote it, of which ``program`` is made:
    tensors of neither have no letters of their own and lie as it happens.

    Raises `ArgumentError` for a letter, a parameter or a mesh axis that does not exist, `ProgramError` where two
    indices of a tensor are on one mesh axis, or one dimension on two.
    """
    letters = {letter: _axes(letter, where) for letter, where in _mapping("shard", shard).items()}
    alike = tuple(alike)
    own = _spelled(program if context is None else context, program, alike)
    _refuse_unknown(program, letters, mesh, own)
    _refuse_two(program, letters, own)
    groups = _groups(program, alike)
    used = {name: tuple(letters.get(letter, ()) for letter in spelling) for name, spelling in own.items()}
    told: dict[str, Spec] = {}
    for name, spec in used.items():
        if any(spec):
            told.setdefault(groups.find(str(name)), spec)
    used = {name: spec if any(spec) else told.get(groups.find(str(name)), spec) for name, spec in used.items()}
    for name, spec in used.items():
        _refuse_twice(program, name, spec, own[name], letters)
    stored = {
        groups.find(str(name)): (name, spec)
        for name, spec in _stored(program, mesh, shard_params, tuple(params), used, own).items()
    }
    kept = {name: stored.get(groups.find(str(name)), (name, spec))[1] for name, spec in used.items()}
    return Specs(mesh or {}, letters, shard_params, own, kept, used)


# ---- letters ---------------------------------------------------------------------------------------------------------


def _spelled(context: Program, program: Program, alike: Iterable[tuple[Name, Name]]) -> dict[Name, tuple[str, ...]]:
    """The letter of each axis of each tensor, "" where no index runs along it alone; of what is ``alike`` those of the
    other tensor."""
    found: dict[Name, list[str]] = {}
    for equation in context.equations:
        found[equation.name] = [index.name for index in equation.indices]
    for equation in context.equations:
        for access in _accesses(equation):
            if access.tensor not in context.defined:
                own = found.setdefault(access.tensor, [""] * len(access.slots))
                for k, form in enumerate(access.slots):
                    if form.index is not None:
                        own[k] = own[k] or lowered(form.index.name)
    of = {one: other for one, other in alike if program.ranks.get(one) == program.ranks.get(other) is not None}

    def first(name: Name) -> Name:
        return first(of[name]) if name in of else name

    return {name: tuple(found[first(name)]) for name in program.ranks if first(name) in found}


def _accesses(equation: Equation) -> Iterator[Indexed]:
    return (node for node in preorder(equation.rhs) if isinstance(node, Indexed))


def _groups(program: Program, alike: Iterable[tuple[Name, Name]]) -> UnionFind:
    """Tensors that lie alike: combined entry by entry, or said to be of one shape."""
    groups = UnionFind()
    for equation in program.equations:
        read = [access for access in _accesses(equation) if access.slots]
        same = all(tuple(form.index for form in access.slots) == equation.indices for access in read)
        if equation.indices and same:
            for access in read:
                groups.union(str(access.tensor), str(equation.name))
    for one, other in alike:
        if program.ranks.get(one) == program.ranks.get(other) is not None:
            groups.union(str(one), str(other))
    return groups


def _stored(
    program: Program,
    mesh: Mapping[str, int] | None,
    asked: Any,
    params: tuple[Name, ...],
    used: Mapping[Name, Spec],
    own: Mapping[Name, tuple[str, ...]],
) -> dict[Name, Spec]:
    """How parameters are kept that are cut into smaller parts: along the letters that are given, or along their first
    axis that is not cut yet."""
    by_name = dict(asked) if isinstance(asked, Mapping) else {OTHERS: asked}
    others = by_name.pop(OTHERS, None)
    if others is not None:
        if not params:
            raise ArgumentError(
                "shard_params does not say of which parameters, and this program has no gradients that would",
                repair=f"shard_params={{{str(next(iter(program.inputs), 'W'))!r}: {shown(others)}}}",
            )
        there = {name: {each for axes in used[name] for each in axes} & set(_axes(OTHERS, others)) for name in params}
        by_name = {**{str(name): others for name in params if not there[name]}, **by_name}
    known = {str(name): name for name in program.inputs if name in program.ranks}
    found = {}
    for text, where in by_name.items():
        if text not in known:
            raise _unknown("shard_params", by_name, text, "is no input of the program", known)
        name = known[text]
        spec = list(used[name])
        letters = where
        if not isinstance(where, Mapping):
            free = next((k for k, axes in enumerate(spec) if not axes), 0)
            letters = {} if where is None or not spec else {own[name][free]: where}  # a number is everywhere
        for letter, axes in letters.items():
            if letter not in own[name]:
                raise _unknown("shard_params", {text: dict(where)}, letter, f"is no index of {text}", own[name])
            k = own[name].index(letter)
            _refuse_missing(mesh, _axes(text, axes), slot_place(program, name, k))
            spec[k] = (*spec[k], *(each for each in _axes(text, axes) if each not in spec[k]))
        _refuse_twice(program, name, tuple(spec), own[name], {})
        found[name] = tuple(spec)
    return found


# ---- what is refused -------------------------------------------------------------------------------------------------


def refuse_uneven(program: Program, specs: Specs, shapes: Mapping[Name, tuple[int, ...]]) -> None:
    """Refuse an axis of which a mesh axis would not get equal parts."""
    own = specs.spelled
    for name, shape in shapes.items():
        for k, (axes, extent) in enumerate(zip(specs.kept[name], shape, strict=True)):
            count = specs.devices(axes)
            if extent % count:
                raise ExtentError(
                    f"axis {k} of {name} has {extent} entries, which {count} devices do not divide",
                    **slot_place(program, name, k),
                    inferred=f"it is cut along {' and '.join(axes)}, {count} devices",
                    repair=_even(specs, name, k, shape, own[name]),
                )


def _even(specs: Specs, name: Name, k: int, shape: tuple[int, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """Sizes that do, and other ways to keep a parameter."""
    axes, used = specs.kept[name][k], specs.used[name]
    count = specs.devices(axes)
    low = shape[k] // count * count
    sizes = f"|{_named(own, k)}| = {' or '.join(str(each) for each in (low, low + count) if each)}"
    if axes == used[k]:
        return sizes, f"or no mesh axis for {_named(own, k)}: it is whole everywhere then"
    more = axes[len(used[k]) :]
    fits = (j for j, size in enumerate(shape) if j != k and own[j] and size % specs.devices((*used[j], *more)) == 0)
    other = next(({own[j]: _said(more)} for j in fits), None)
    asked = dict(specs.asked) if isinstance(specs.asked, Mapping) else {OTHERS: specs.asked}
    others = {OTHERS: asked.pop(OTHERS)} if OTHERS in asked else {}
    return f"shard_params={_told({**asked, str(name): other, **others})}", f"or {sizes}"


def slot_place(program: Program, name: Name, k: int) -> Place:
    """The slot of a tensor in the equation that defines it, or first reads it."""
    place = at(program.defined.get(name) or reader_of(program, name), name)
    if place["span"] is None:
        return place
    begin, end = place["span"]
    return Place(text=place["text"], span=_slot(place["text"], begin, end, k))


def _slot(text: str, begin: int, end: int, k: int) -> Span:
    """The k-th slot of the access that stands there."""
    depth, start, number = 0, begin, 0
    for position in range(begin, end):
        letter = text[position]
        if depth == 1 and letter in ",]":
            if number == k:
                return start, position
            number, start = number + 1, position + 1
        depth += (letter in "[(") - (letter in "])")
        if letter == "[" and depth == 1:
            start = position + 1
    return begin, end


def _mapping(what: str, asked: Any) -> Mapping[str, Any]:
    if asked is None:
        return {}
    if not isinstance(asked, Mapping) or not all(isinstance(letter, str) for letter in asked):
        raise ArgumentError(f"{what} = {shown(asked)} has no letters", repair=f'{what}={{"n": "data"}}')
    return asked


def _axes(letter: str, where: Any) -> Axes:
    axes = (where,) if isinstance(where, str) else tuple(where) if isinstance(where, tuple | list) else ()
    if not axes or not all(isinstance(each, str) for each in axes) or len(set(axes)) < len(axes):
        raise ArgumentError(
            f"{letter} is laid out on {shown(where)}",
            inferred="the name of an axis of the mesh is meant, or several",
            repair=f'{{"{letter}": "data"}}',
        )
    return axes


def _unknown(what: str, asked: Mapping[Any, Any], wrong: Any, told: str, known: Iterable[str]) -> ArgumentError:
    wrong = wrong if isinstance(wrong, str) else shown(wrong)
    text = f"{what}={_told(asked)}"
    start = text.find(repr(wrong))
    known = [each for each in known if each]
    return ArgumentError(
        f"{wrong} {told}",
        text=text,
        span=(start + 1, start + 1 + len(wrong)) if start >= 0 else None,
        inferred="there are " + ", ".join(known) if known else "there are none",
        repair=f"{lowered(wrong)!r}" if lowered(wrong) in known else nearest(wrong, known) or "name one of these",
    )


def _refuse_unknown(
    program: Program,
    letters: Mapping[str, Axes],
    mesh: Mapping[str, int] | None,
    own: Mapping[Name, tuple[str, ...]],
) -> None:
    places: dict[str, tuple[Name, int]] = {}
    for name, spelling in own.items():
        for k, letter in enumerate(spelling):
            places.setdefault(letter, (name, k))
    for letter, axes in letters.items():
        if letter not in places:
            asked = {each: _said(a) for each, a in letters.items()}
            raise _unknown("shard", asked, letter, "is no index of a tensor", places)
        _refuse_missing(mesh, axes, slot_place(program, *places[letter]))


def _said(axes: Axes) -> str | Axes:
    return axes[0] if len(axes) == 1 else axes


def _refuse_missing(mesh: Mapping[str, int] | None, axes: Axes, place: Place) -> None:
    if mesh is None:
        return
    for each in axes:
        if each not in mesh:
            raise ArgumentError(
                f"the mesh has no axis {each!r}",
                **place,
                inferred="its axes are " + ", ".join(f"{name!r} ({count} devices)" for name, count in mesh.items()),
                repair=nearest(each, mesh) or "name one of these",
            )


def _refuse_two(program: Program, letters: Mapping[str, Axes], own: Mapping[Name, tuple[str, ...]]) -> None:
    """Refuse one dimension on two mesh axes, by two letters that run along it."""
    first: dict[str, str] = {}
    for name, spelling in own.items():
        for k, letter in enumerate(spelling):
            dim = program.dims.find(axis(name, k))
            other = first.setdefault(dim, letter) if letter in letters else letter
            if letter in letters and letters[other] != letters[letter]:
                raise ProgramError(
                    f"{other} and {letter} are one dimension, and it would be on two mesh axes",
                    **slot_place(program, name, k),
                    inferred=f"{other} is on {_said(letters[other])!r}, {letter} on {_said(letters[letter])!r}",
                    repair=_without(letters, letter),
                )


def _refuse_twice(program: Program, name: Name, spec: Spec, own: tuple[str, ...], letters: Mapping[str, Axes]) -> None:
    """Refuse two indices of a tensor on one mesh axis."""
    taken: dict[str, int] = {}
    for k, axes in enumerate(spec):
        for each in axes:
            if each in taken:
                raise ProgramError(
                    f"two indices of {name} are on the mesh axis {each!r}",
                    **slot_place(program, name, k),
                    inferred=f"{_named(own, taken[each])} is on {each!r} already, so {_named(own, k)} cannot be",
                    repair=_without(letters, own[k]) or f"another mesh axis for {_named(own, k)}, or none",
                )
            taken[each] = k


def _told(asked: Mapping[Any, Any]) -> str:
    """A dictionary as text, whatever a stranger puts into it."""
    return f"{{{', '.join(f'{shown(key)}: {shown(value)}' for key, value in asked.items())}}}"


def _without(letters: Mapping[str, Axes], letter: str) -> str:
    """What to ask for instead, without a letter that was asked for."""
    others = {one: _said(axes) for one, axes in letters.items() if one != letter}
    return f"shard={others!r}" if letter in letters else ""


def _named(own: tuple[str, ...], k: int) -> str:
    return own[k] or f"axis {k}"


def counted(mesh: Any) -> dict[str, int]:
    """The devices along each axis of a mesh of JAX, or of one that is described, ``{"data": 8}``."""
    found = getattr(mesh, "shape", mesh)
    counts = dict(found) if isinstance(found, Mapping) else {}
    if not counts or not all(isinstance(a, str) and isinstance(n, int) and n > 0 for a, n in counts.items()):
        raise ArgumentError(
            f"mesh = {shown(mesh)} is no mesh of devices", repair='mesh={"data": 8}, or jax.make_mesh((8,), ("data",))'
        )
    return counts


def partition(spec: Spec) -> tuple[Any, ...]:
    """The arguments of a ``jax.sharding.PartitionSpec``."""
    return tuple(_said(axes) if axes else None for axes in spec)


def dim_of(dim: str, axes: Axes) -> str:
    """The dimension of what one device holds of an axis."""
    return f"{dim} on {' and '.join(axes)}" if axes else dim
