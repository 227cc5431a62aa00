"""Levels: a program with some of its values at hand, and its derivatives, which are levels again.

The backward pass of a level is the program of inputs and cotangents that `api.Program.vjp` derives, its tangents that
of `api.Program.jvp`.  The first level keeps values for its backward pass, all others compute what they need again.  A
level is derived when it is first needed, for those inputs and outputs that it is needed for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from einstan.calculus.program import Program
from einstan.language.errors import DifferentiationError
from einstan.language.term import Name
from einstan.language.threads import cached_property
from einstan.library import api
from einstan.library.foreign_function import Pass, kept, pulled, pushed
from einstan.machine.run.compiled import Compiled
from einstan.machine.run.hosted import Halves, Hosted

if TYPE_CHECKING:
    from einstan.library.to_torch import TorchFunction


class Level:
    """The ``names`` of a program as a function of ``inputs`` and of the values ``held``, which ``source`` defines."""

    def __init__(
        self,
        function: TorchFunction,
        program: api.Program,
        names: tuple[Name, ...],
        inputs: tuple[str, ...],
        held: tuple[Name, ...] = (),
        source: Program | None = None,
    ) -> None:
        self.function, self.program, self.names, self.inputs = function, program, names, inputs
        self.held, self.source = held, source
        self.given = (*inputs, *map(str, held))
        self.is_first = program is function.base

    @cached_property
    def alone(self) -> Compiled:
        """The outputs from the inputs."""
        return self.function.value if self.is_first else self.function.compiled(self.program, self.names)

    @cached_property
    def value(self) -> Compiled:
        """The outputs from the inputs and from what of the values at hand the program defines in the same way."""
        if self.source is None:
            return self.alone
        known = self.program.known.defined  # what is held of these is in the program as it was when that was made
        whole = Pass(self.program, {}, {name: str(name) for name in self.names}).whole(
            name for name in self.held if name in known
        )
        alike = _alike(whole, self.source)
        return self.function.rest(whole, self.names, [name for name in self.held if name in alike], self.program)

    @cached_property
    def run(self) -> Placed:
        """The outputs of everything that is given."""
        return Placed(self.value, self.given)

    def ahead(self, moved: tuple[str, ...]) -> Ahead:
        """The outputs, and what is kept of the way to them for the gradients by some inputs."""
        return self.function.once((self, "ahead", moved), lambda: self._ahead(moved))

    def _ahead(self, moved: tuple[str, ...]) -> Ahead:
        with suppress(DifferentiationError):  # which is told where the derivative is asked for
            derived = pulled(self.program, self.names, moved)
            if derived.wanted:
                whole = derived.whole(self.names)
                names = tuple(kept(derived, whole))
                made = self.function.rest(whole, (*self.names, *names), (), self.program)
                return Ahead(self, Placed(made, self.given), names, whole)
        return self.bare

    def joint(self, moved: tuple[str, ...]) -> Joint | None:
        """The outputs, and their gradients by some inputs, planned together; nothing, where that is not to be had."""
        found: tuple[Joint, ...] = self.function.once((self, "joint", moved), lambda: tuple(self._joint(moved)))
        return found[0] if found else None

    def _joint(self, moved: tuple[str, ...]) -> Iterator[Joint]:
        with suppress(DifferentiationError):  # which is told where the derivative is asked for
            derived = pulled(self.program, self.names, moved)
            if derived.given.keys() == {*self.names} and tuple(derived.wanted) == moved:
                names = (*self.names, *derived.wanted.values())
                made = self.function.rest(derived.whole(self.names), names, (), self.program)
                inputs = {*self.inputs, *derived.given.values()}
                assert isinstance(made, Hosted)
                if not made.any_size and made.outputs == names and inputs.issuperset(made.texts) and not made.unread:
                    yield Joint(self, made, moved, {name: derived.given[name] for name in self.names})

    @cached_property
    def bare(self) -> Ahead:
        """The outputs, of which nothing is kept."""
        return Ahead(self, self.run, (), self.source)

    def pulled(self, ahead: Ahead, moved: tuple[str, ...], seeded: tuple[Name, ...]) -> Derived:
        """The gradients by some inputs from the cotangents of some outputs."""
        key = (self, "pulled", ahead.kept, moved, seeded)
        return self.function.once(key, lambda: self._derived(ahead, pulled(self.program, seeded, moved)))

    def pushed(self, ahead: Ahead, moved: tuple[str, ...]) -> Derived:
        """The tangents of the outputs where some inputs move."""
        key = (self, "pushed", ahead.kept, moved)
        return self.function.once(key, lambda: self._derived(ahead, pushed(self.program, self.names, moved)))

    def _derived(self, ahead: Ahead, made: Pass) -> Derived:
        inputs = (*self.inputs, *made.given.values())
        names: tuple[Name, ...] = tuple(made.wanted.values())
        level = Level(self.function, made.program, names, inputs, (*self.held, *ahead.kept), ahead.source)
        return Derived(level, made.given, {str(name): wanted for name, wanted in made.wanted.items()})


@dataclass(frozen=True, eq=False)
class Ahead:  # no tuple, of which ``torch.func`` would see the parts
    """The outputs of a level and, behind them, the values that are ``kept`` and are none; ``source`` has their
    equations."""

    level: Level
    run: Placed
    kept: tuple[Name, ...]
    source: Program | None

    @property
    def made(self) -> Compiled:
        return self.run.made

    @cached_property
    def places(self) -> list[int]:
        """Where among the outputs is what is kept."""
        return [self.made.outputs.index(name) for name in self.kept]


@dataclass(frozen=True, eq=False)
class Derived:
    """A derivative as a level; by output its cotangent, or by input its direction; by input its gradient, or by output
    its tangent."""

    level: Level
    given: dict[Name, str]
    wanted: dict[str, str]


@dataclass(frozen=True, eq=False)
class Joint:
    """The outputs of a level and their gradients by the inputs that ``moved``, from the cotangents that are ``given``
    by output, planned as one program: what is kept for the gradients is whatever its plan has."""

    level: Level
    made: Hosted
    moved: tuple[str, ...]
    given: dict[Name, str]

    def halves(self, tensors: Sequence[Any]) -> Halves | None:
        """The outputs as a function of tensors, and the gradients of these, of the cotangents and of what was kept."""
        return self.made.halves(self.level.inputs, tensors, self.given, self.alone)

    @property
    def alone(self) -> Hosted:
        """The outputs by themselves."""
        assert isinstance(self.level.alone, Hosted)
        return self.level.alone


class Placed:
    """A compiled program that takes tensors of these ``names`` in their order, of which it needs not all."""

    def __init__(self, made: Compiled, names: tuple[str, ...]) -> None:
        self.made = made
        self.used = [(k, name) for k, name in enumerate(names) if name in made.texts or name in made.unread]
        self.told = not made.unread.isdisjoint(names)
        self.order = [names.index(text) for text in made.texts] if set(made.texts) <= set(names) else None
        self.latest: tuple[list[Any], Compiled] = [], made  # shapes, and the program that is told sizes by them

    def __call__(self, tensors: Sequence[Any]) -> tuple[Any, ...]:
        if self.order is None:
            return self.made.call({name: tensors[k] for k, name in self.used}, {})
        made = self.made
        if self.told:
            known, made = self.latest
            shapes = [tensors[k].shape for k, _ in self.used]
            if shapes != known:
                made = self.made.told({name: tensors[k] for k, name in self.used}, {})
                self.latest = shapes, made
        return made.called([tensors[k] for k in self.order])


def _alike(program: Program, other: Program) -> set[Name]:
    """The tensors that two programs define by the same equations, of the same inputs."""
    found: set[Name] = set()
    for equation in program:  # in the order of evaluation
        same = other.defined.get(equation.name)
        read = program.reads[equation.name]
        known = all(name in found or not (name in program.defined or name in other.defined) for name in read)
        if known and same is not None and same.digest == equation.digest:
            found.add(equation.name)
    return found
