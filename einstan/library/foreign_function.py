"""What functions of PyTorch and of JAX share: which tensors they take and give, and the derived programs behind them.

A derivative is a program too. Where some of its values are at hand, since a forward pass has kept them, the rest of it
is compiled alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from einstan.calculus import program as calculus
from einstan.calculus.alone import told_alone
from einstan.calculus.backward import with_extents
from einstan.calculus.contractions import contractions_named
from einstan.calculus.finite import infinite_tensors
from einstan.calculus.passes import needed, pass_name, reached, values_read
from einstan.calculus.program import Program
from einstan.calculus.signs import signs_of_values
from einstan.calculus.stable import runnable
from einstan.language.arguments import ArgumentError, passing
from einstan.language.errors import DifferentiationError, EinstanError, MissingError, listed, nearest
from einstan.language.rebuilt import Rebuilt
from einstan.language.term import Equation, Name
from einstan.language.threads import cached_property
from einstan.library import api
from einstan.machine.run.compile import compile as compile_program
from einstan.machine.run.compiled import Compiled
from einstan.machine.run.handed import together
from einstan.machine.run.hosted import Hosted

Arrays = dict[str, Any]
Result = TypeVar("Result")  # a tensor, or a tuple of them
AS_WRITTEN = "as written"  # the program whose contractions have been named, for errors


class ForeignFunction(Rebuilt, Generic[Result]):
    """``f(X, W, b)``, in the order of ``f.inputs``, or by name, ``f(params, X=X)``.

    Examples:
        >>> import jax
        >>> f = es.parse("Z[n,j] = X[n,K] W[K,j]").to_jax()
        >>> f.inputs, f.outputs, f.hosted is None
        (('X', 'W'), 'Z', False)
    """

    backend = ""

    def __init__(
        self,
        program: api.Program,
        outputs: str | Iterable[str] | None,
        wrt: str | Iterable[str] | None,
        options: Mapping[str, Any],
    ) -> None:
        self.program, self.options = program, options
        every = [str(equation.name) for equation in program.equations] if outputs is None else several(outputs)
        self.outputs: str | tuple[str, ...] = outputs if isinstance(outputs, str) else tuple(every)
        self.names: tuple[Name, ...] = tuple(map(program._name, every))
        self.value = self.compiled(program, self.names)
        self.base = program if program.forward is not None else _for(program, self.names)  # which is differentiated
        self.inputs = self.value.texts
        self.wrt: tuple[str, ...] | None = None if wrt is None else tuple(several(wrt))
        for name in self.wrt or ():
            if name not in self.inputs and name not in self.value.unread:
                raise MissingError(
                    f"{name} is no input of {', '.join(every)}",
                    inferred=f"these rest on {', '.join(self.inputs) or 'no tensor'}",
                    repair=nearest(name, self.inputs) or "name one of these",
                )
        self._made: dict[Any, Any] = {}

    def __repr__(self) -> str:
        outputs = self.outputs if isinstance(self.outputs, str) else ", ".join(self.outputs)
        return f"<{type(self).__name__} of {self.backend}: {outputs} as a function of {', '.join(self.inputs)}>"

    # ---- arrays ------------------------------------------------------------------------------------------------------

    def arranged(self, arrays: tuple[Any, ...], named: Mapping[str, Any]) -> Arrays:
        """The arrays by name, those of ``inputs`` first and in their order; behind them what tells sizes alone."""
        given: Arrays = dict(named)
        placed = [each for each in arrays if not isinstance(each, Mapping)]
        if len(placed) > len(self.inputs):
            told = f"{len(placed)} arrays are given, and there are {len(self.inputs)} inputs"
            raise ArgumentError(told, inferred=f"they are {listed(self.inputs)}", repair="give them by name")
        for each in (dict(zip(self.inputs, placed, strict=False)), *(a for a in arrays if isinstance(a, Mapping))):
            given = together(given, each)
        ordered = dict(zip(self.inputs, self.value.gather(given, {}), strict=True))
        return ordered | {name: array for name, array in given.items() if name not in ordered}

    @property
    def hosted(self) -> Hosted:
        """The code for this library."""
        assert isinstance(self.value, Hosted)
        return self.value

    @cached_property
    def library(self) -> Any:
        return self.hosted.library

    def unannounced(self, name: str, apart: str) -> DifferentiationError:
        """The error that a derivative is asked for by what is not in ``wrt``."""
        return DifferentiationError(
            f"a derivative by {name} is asked for, which is not in wrt",
            text=str(self.program),
            inferred=f"wrt is {', '.join(self.wrt or ()) or 'empty'}",
            repair=(f"wrt={[*(self.wrt or ()), name]!r}", f"or {apart}"),
        )

    # ---- programs ----------------------------------------------------------------------------------------------------

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What is made when it is first asked for; where two threads make it, either will do."""
        found = self._made.get(key)
        return self._made.setdefault(key, make()) if found is None else found

    def compiled(self, program: api.Program, outputs: Iterable[Name]) -> Compiled:
        return program.compile(outputs=tuple(outputs), backend=self.backend, **self.options)

    def rest(self, whole: Program, outputs: Iterable[Name], held: Collection[Name], of: api.Program) -> Compiled:
        """The part of a program that gives these outputs where the values that are ``held`` are given too; ``of`` is
        the pass that it belongs to."""
        wanted = tuple(dict.fromkeys(outputs))
        reads = {name: () if name in held and name not in wanted else read for name, read in whole.reads.items()}
        keep = {*wanted, *reached(reads, *wanted)} - (set(held) - set(wanted))
        part = Program(told_alone(Program(_told(of, [e for e in whole if e.name in keep])), whole))
        known, reads = {**of.known.defined, **whole.defined}, {**of.known.reads, **whole.reads}
        sized = [name for name in part.inputs if name in known and name not in held]
        if sized:  # what tells an extent is defined, so that what it reads tells it
            more = {*sized, *reached(reads, *sized)} & known.keys() - set(part.defined)
            part = Program((*(equation for name, equation in known.items() if name in more), *part))
        own = {"backend": self.backend, "context": whole, "given": of.given, "behind": of.of}
        own["infinite"] = infinite_tensors(whole) & set(held)
        return passing(compile_program, self.options, part, wanted, **own)


def _for(program: api.Program, names: Iterable[Name]) -> api.Program:
    """The lines that some tensors need, so that no derivative of them asks for what others read; what they contract on
    the way has names, so that a backward pass finds it among what is kept."""
    lines = needed(program.equations, names)
    lines = contractions_named(Program(lines, program.assumptions))
    if lines == list(program.equations):
        return program
    made = api.Program(lines, program.assumptions)
    made.notes[AS_WRITTEN] = program
    return made


def _told(of: api.Program, equations: list[Equation]) -> list[Equation]:
    """Lines of a pass, of which those that define gradients have the extents of their tensors."""
    if of.forward is None:
        return equations
    own = [e for e in equations if e.name not in of.forward.defined]
    behind = calculus.Program(e for e in of.forward if e.name in {each.name for each in equations})
    tensor_of: dict[Name, Name] = {pass_name(of.letters[-1], name): name for name in of.forward.ranks}
    told = {e.name: e for e in with_extents(own, behind, tensor_of)}
    return [told.get(e.name, e) for e in equations]


class Pass(NamedTuple):
    """A derived program; by tensor the name of its direction or cotangent, and by tensor that of its tangent or
    gradient."""

    program: api.Program
    given: dict[Name, str]
    wanted: dict[Name, str]

    def whole(self, outputs: Iterable[Name] = ()) -> Program:
        """All that is computed for what is wanted, and for these outputs of the program that it is derived from."""
        return signs_of_values(runnable(self.program._for((*outputs, *self.wanted.values()))))


def pushed(program: api.Program, outputs: Iterable[Name], moved: Iterable[str]) -> Pass:
    """The tangents of those outputs that rest on tensors which move."""
    used, moving = _moving(program, outputs, moved)
    letter = _letter(program, "t")
    directions: dict[Name, str] = {name: f"{letter}{name}" for name in used}
    made = _as_written(program, lambda p: p.jvp(map(str, moving), directions, letter=letter)) if moving else program
    return Pass(made, directions, {name: pass_name(letter, name) for name in moving})


def pulled(program: api.Program, outputs: Iterable[Name], moved: Iterable[str]) -> Pass:
    """The gradients by those of some tensors that an output rests on, from a cotangent of each such output."""
    used, moving = _moving(program, outputs, moved)
    letter, own = _letter(program, "d"), _letter(program, "c")  # dA is more than cA where an output rests on A
    seeds: dict[Name, str] = {name: f"{own}{name}" for name in moving}
    made = _as_written(program, lambda p: p.vjp(seeds, used, letter=letter)) if moving else program
    return Pass(made, seeds, {name: pass_name(letter, name) for name in used})


def _as_written(program: api.Program, derive: Callable[[api.Program], api.Program]) -> api.Program:
    """What is derived of a program; an error says it of the lines that somebody wrote."""
    try:
        return derive(program)
    except EinstanError:
        if AS_WRITTEN in program.notes:
            derive(program.notes[AS_WRITTEN])
        raise


def kept(derived: Pass, whole: Program) -> list[Name]:
    """The values of the forward pass that what rests on cotangents reads."""
    behind: set[Name] = {*derived.given.values(), *derived.wanted.values()}
    for equation in whole:  # in the order of evaluation
        if not behind.isdisjoint(whole.reads[equation.name]):
            behind.add(equation.name)
    read = (name for equation in whole if equation.name in behind for name in whole.reads[equation.name])
    return [name for name in dict.fromkeys(read) if name in whole.defined and name not in behind]


def _moving(program: calculus.Program, outputs: Iterable[Name], moved: Iterable[str]) -> tuple[list[str], list[Name]]:
    """Those of some tensors that an output rests on, and the outputs that rest on them."""
    entering = values_read(getattr(program, "known", program))
    behind = {name: {name, *reached(entering, name)} for name in outputs}
    used = [name for name in moved if any(name in below for below in behind.values())]
    return used, [name for name, below in behind.items() if not below.isdisjoint(used)]


def _letter(program: api.Program, usual: str) -> str:
    """A letter that makes no name which is taken."""
    taken = set(map(str, program.known.ranks))
    letters = (usual, *(f"{usual}{k}" for k in range(2, len(taken) + 3)))
    free = (each for each in letters if each not in program.letters)
    return next(each for each in free if taken.isdisjoint(f"{each}{name}" for name in taken))


def several(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(map(str, names))


def is_real(array: Any) -> bool:
    return "float" in str(getattr(array, "dtype", "float"))
