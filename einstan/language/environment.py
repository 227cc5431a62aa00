"""What the names of one text stand for: indices with a dimension each, tensors with a rank, extents.

Every index of the left side and of a binder gets a dimension of its own (``K#3``): which of them are equal is not known
before the whole term is bound.  `Names.resolved` then gives ``|N|`` the dimension of N, and `localised` names each
dimension by its first axis.
"""

from __future__ import annotations

from collections.abc import Callable

from einstan.language.dims import join_alike, redimensioned, relate
from einstan.language.errors import ScopeError, Span
from einstan.language.index import Index, capitalised, is_capital, swapped
from einstan.language.occurrences import evidence
from einstan.language.refusals import extent_of_tensor, no_such_axis, not_bound, ranks_differ, several_axes
from einstan.language.surface import Ref, Size, Surface, walk
from einstan.language.term import Equation, Extent, Name

Environment = dict[str, Index]


class Names:
    """The names of one text; with ``any_free`` a lower-case index need not be on a left side."""

    def __init__(self, text: str, roots: tuple[Surface, ...], *, any_free: bool) -> None:
        self.text = text
        self.roots = roots
        self.any_free = any_free
        self.indices = evidence(*roots)
        self.spelled: dict[str, list[Index]] = {}
        self.copies: dict[Index, list[Index]] = {}
        self.free: Environment = {}
        self.left_names: tuple[str, ...] = ()
        self.ranks: dict[Name, int] = {}
        self.sizes: dict[str, tuple[Size, Environment]] = {}
        self.derived = False  # whether the text is one that was printed, in which a sum may be over what its body lacks
        self.shared = False  # whether one letter is sized for several axes, each where it is bound
        self.read: Callable[[str], object] | None = None  # reads a repair, if repairs are asked for
        self._count = 0
        self.check_tensors()

    def fail(self, problem: str, span: Span, repair: str | tuple[str, ...] = (), inferred: str = "") -> ScopeError:
        return ScopeError(problem, text=self.text, span=span, repair=repair, inferred=inferred or ())

    def check_tensors(self) -> None:
        for node in walk(*self.roots):
            if isinstance(node, Ref) and (node.slots or node.name not in self.indices):
                rank = self.ranks.setdefault(node.name, len(node.slots))
                if rank != len(node.slots):
                    raise ranks_differ(self.text, node, rank)

    # ---- indices -------------------------------------------------------------------------------------------------

    def new_index(self, letter: str, name: str = "") -> Index:
        """An index that the text calls by a letter, under a name of its own where another has it."""
        self._count += 1
        index = Index(name or letter, f"{name or letter}#{self._count}")
        for spelling in {letter, index.name}:
            self.spelled.setdefault(spelling, []).append(index)
        return index

    def copied(self, index: Index, name: str) -> Index:
        """An index that nobody wrote and that runs as another does."""
        self._count += 1
        self.copies.setdefault(index, []).append(Index(name, f"{name}#{self._count}"))
        return self.copies[index][-1]

    def index(self, name: str, span: Span, env: Environment, normed: bool = False) -> Index:
        """The index that a name in a slot stands for, or that a softmax is normed over."""
        if name in env:
            return env[name]
        if self.any_free and not is_capital(name):
            env[name] = self.free.setdefault(name, self.free.get(name) or self.new_index(name))
            return env[name]
        bound = capitalised(name) in env
        raise not_bound(self.text, name, span, self.left_names, self.indices, normed, bound=bound, read=self.read)

    # ---- extents -------------------------------------------------------------------------------------------------

    def extent(self, node: Size, env: Environment) -> Extent:
        name = node.name
        if "." in name:
            tensor, _, place = name.rpartition(".")
            if self.ranks.get(tensor, int(place) + 1) <= int(place):
                raise no_such_axis(self.text, node, tensor, self.ranks[tensor])
            return Extent(Index(name))
        letters = {name, swapped(name)}
        if not letters & self.indices and name in self.ranks:
            raise extent_of_tensor(self.text, node, self.ranks[name])
        around = {letter: env[letter] for letter in letters if letter in env}
        place = f"|{name}|" + ",".join(index.dim for index in around.values())
        self.sizes[place] = node, around
        letter = name if name in self.indices else swapped(name)
        called = around[letter].name if letter in around else letter  # another name, where a sum around has the letter
        return Extent(Index(called if letter == name else swapped(called), place))

    def resolved(self, equation: Equation) -> Equation:
        """Give every ``|N|`` the dimension of the index N, or of n where there is no N; where several are called so,
        that of the one whose scope it stands in."""
        classes = relate(equation)
        if self.sizes:
            join_alike(equation, classes)
        new_dim: dict[str, str] = {}
        for place, (node, around) in self.sizes.items():
            letter = node.name if node.name in self.spelled else swapped(node.name)
            found = self.spelled.get(letter, [])
            dims = {classes.find(index.dim): index.dim for index in found}
            axes = [axis for axis in classes.members() if classes.find(axis) in dims and "." in axis]
            if len(dims) > 1:
                if letter not in around:
                    raise several_axes(self.text, node, len(dims), axes)
                dims = {letter: around[letter].dim}
                self.shared = True
            new_dim[place] = next(iter(dims.values()), node.name)
        resolved = redimensioned(equation, new_dim) if new_dim else equation
        assert isinstance(resolved, Equation)
        return resolved
