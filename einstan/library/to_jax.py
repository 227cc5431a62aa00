"""Programs as functions of JAX: plain code that it differentiates, or with the rule that is derived here.

    f = program.to_jax("Z", rule="jvp")
    jax.grad(lambda params: f(params, X=X).sum())(params)

A rule is derived for those arrays that a derivative is asked by, when it is first asked: by `api.Program.jvp` it is
one program that gives values and tangents; by `api.Program.vjp` two, what rests on no cotangent and what does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from einstan.calculus.alone import told_alone
from einstan.calculus.passes import pass_name, reached, values_read
from einstan.calculus.program import Program
from einstan.calculus.stable import runnable
from einstan.language.arguments import ArgumentError, blamed_methods, passing, shown
from einstan.language.errors import DifferentiationError, MissingError, nearest
from einstan.language.rebuilt import Rebuilt
from einstan.language.term import Name, tensors
from einstan.language.threads import cached_property
from einstan.library import api
from einstan.library.assumptions import check_assumption
from einstan.library.jax_text import written
from einstan.machine.run.compile import compile as compile_program
from einstan.machine.run.compiled import Compiled
from einstan.machine.run.handed import together
from einstan.machine.run.hosted import Hosted

RULES = ("plain", "jvp", "vjp")
Arrays = dict[str, Any]


@blamed_methods()
class Function(Rebuilt):
    """``f(X, W, b)``, in the order of ``f.inputs``, or by name, ``f(params, X=X)``: an array of JAX, or where several
    ``outputs`` were asked for a tuple of them.

    What JAX does with functions is done with it: ``jit``, ``grad``, ``vmap``, ``scan``, ``checkpoint``.  With
    ``rule="vjp"`` there is no forward mode (``jvp``, ``jacfwd``, ``linearize``) but over its own reverse mode, as in
    ``hessian``.

    Raises `DifferentiationError` where a derivative is asked by an array that is not in ``wrt``.
    """

    def __init__(
        self,
        program: api.Program,
        outputs: str | Iterable[str] | None = None,
        wrt: str | Iterable[str] | None = None,
        rule: str = "plain",
        **options: Any,
    ) -> None:
        if rule not in RULES:
            raise ArgumentError(f"rule = {shown(rule)} is not known", repair='rule="plain", "jvp" or "vjp"')
        self.program, self.rule, self.options = program, rule, options
        every = [str(equation.name) for equation in program.equations] if outputs is None else several(outputs)
        self.outputs: str | tuple[str, ...] = outputs if isinstance(outputs, str) else tuple(every)
        self.names: tuple[Name, ...] = tuple(map(program._name, every))
        self.value = self._compiled(program, self.names)
        self.inputs = self.value.texts
        self.wrt: tuple[str, ...] | None = None if wrt is None else tuple(several(wrt))
        for name in self.wrt or ():
            if name not in self.inputs:
                raise MissingError(
                    f"{name} is no input of {', '.join(every)}",
                    inferred=f"these rest on {', '.join(self.inputs) or 'no tensor'}",
                    repair=nearest(name, self.inputs) or "name one of these",
                )
        entering = values_read(program.known)
        self.behind = {name: {name, *reached(entering, name)} for name in self.names}
        self._made: dict[Any, Any] = {}

    def __call__(self, *arrays: Any, **named: Any) -> Any:
        given: Arrays = dict(named)
        placed = [each for each in arrays if not isinstance(each, Mapping)]
        if len(placed) > len(self.inputs):
            told = f"{len(placed)} arrays are given, and there are {len(self.inputs)} inputs"
            raise ArgumentError(told, inferred=f"they are {', '.join(self.inputs)}", repair="give them by name")
        for each in (dict(zip(self.inputs, placed, strict=False)), *(a for a in arrays if isinstance(a, Mapping))):
            given = together(given, each)
        ordered = dict(zip(self.inputs, self.value.gather(given, {}), strict=True))
        ordered |= {name: array for name, array in given.items() if name not in ordered}  # which tell sizes
        if self.rule != "plain":
            self._refuse_broken(ordered)
        if self.wrt is not None:
            ordered = {name: a if name in self.wrt else self._held(name)(a) for name, a in ordered.items()}
        names = tuple(ordered)
        try:
            found = self._once(names, lambda: self._function(names))(*ordered.values())
        except TypeError as error:
            if self.rule != "vjp" or "forward-mode" not in str(error):
                raise
            raise DifferentiationError(
                'rule="vjp" has reverse mode alone, and forward mode is asked for',
                text=str(self.program),
                inferred="jvp, jacfwd and linearize go forward",
                repair='rule="jvp", which has both',
            ) from error
        return found[0] if isinstance(self.outputs, str) else found

    @cached_property
    def jax(self) -> Any:
        assert isinstance(self.value, Hosted)
        return self.value.library

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What is made when it is first asked for; where two threads make it, either will do."""
        found = self._made.get(key)
        return self._made.setdefault(key, make()) if found is None else found

    def _compiled(self, program: api.Program, outputs: Iterable[Name], **options: Any) -> Compiled:
        return program.compile(outputs=tuple(outputs), backend="jax", **{**self.options, **options})

    def _refuse_broken(self, arrays: Arrays) -> None:
        """Refuse data for which an assumption is not true, on which a rule rests; what is traced cannot be seen."""
        there = {name: a for name, a in arrays.items() if not isinstance(a, self.jax.core.Tracer)}
        for assumption in self.program.known.assumptions:
            if {str(name) for name in tensors(assumption.lhs, assumption.rhs)} <= there.keys():
                check_assumption(assumption, there)

    def _held(self, name: str) -> Any:
        """The array itself, by which no derivative is to be had."""

        def refuse(primals: Any, tangents: Any) -> Any:
            raise DifferentiationError(
                f"a derivative by {name} is asked for, which is not in wrt",
                text=str(self.program),
                inferred=f"wrt is {', '.join(self.wrt or ()) or 'empty'}",
                repair=(f"wrt={[*(self.wrt or ()), name]!r}", f"or jax.lax.stop_gradient({name})"),
            )

        def make() -> Any:
            held = self.jax.custom_jvp(lambda array: array)
            held.defjvp(refuse)
            return held

        return self._once(("held", name), make)

    # ---- the function of arrays --------------------------------------------------------------------------------------

    def _function(self, names: tuple[str, ...]) -> Callable[..., tuple[Any, ...]]:
        """The outputs as a function of the arrays of these names, in their order."""

        def values(*given: Any) -> tuple[Any, ...]:
            return self._ordered(self.value(dict(zip(names, given, strict=True))))

        made = {"plain": lambda names, values: values, "jvp": self._pushing, "vjp": self._pulling}
        return made[self.rule](names, values)

    def _ordered(self, found: Arrays) -> tuple[Any, ...]:
        return tuple([found[str(name)] for name in self.names])

    def _pushing(self, names: tuple[str, ...], values: Callable[..., Any]) -> Any:
        """It as a ``jax.custom_jvp``."""
        jax = self.jax

        def rule(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
            moved = {
                name: tangent
                for name, array, tangent in zip(names, primals, tangents, strict=True)
                if type(tangent) is not jax.custom_derivatives.SymbolicZero and is_real(array)
            }
            made, directions, wanted = self.pushed(tuple(moved))
            along = {direction: moved[name] for name, direction in directions.items()}
            found = made({**dict(zip(names, primals, strict=True)), **along})
            out = self._ordered(found)
            return out, tuple(
                found[wanted[name]].astype(value.dtype) if name in wanted else jax.numpy.zeros_like(value)
                for name, value in zip(self.names, out, strict=True)
            )

        function = jax.custom_jvp(values)
        function.defjvp(rule, symbolic_zeros=True)
        return function

    def _pulling(self, names: tuple[str, ...], values: Callable[..., Any]) -> Any:
        """It as a ``jax.custom_vjp``."""
        jax = self.jax

        def forward(*given: Any) -> tuple[Any, Any]:
            arrays = {name: each.value for name, each in zip(names, given, strict=True)}
            moved = tuple(n for n, each in zip(names, given, strict=True) if each.perturbed and is_real(each.value))
            pulled = self.pulled(moved)
            found = pulled.front(arrays)
            marks = dict.fromkeys(moved)  # a tree without leaves: names that are known while it is traced
            return self._ordered(found), (marks, arrays, {name: found[name] for name in pulled.kept})

        def backward(held: Any, cotangents: Sequence[Any]) -> tuple[Any, ...]:
            marks, arrays, kept = held
            pulled = self.pulled(tuple(name for name in names if name in marks))
            found: Arrays = {}
            if pulled.seeds:
                seeds = {
                    pulled.seeds[name]: jax.numpy.zeros(c.aval.shape, c.aval.dtype) if is_zero(c) else c
                    for name, c in zip(self.names, cotangents, strict=True)
                    if name in pulled.seeds
                }
                used = {*pulled.back.texts, *pulled.back.unread}
                found = pulled.back({n: array for n, array in {**arrays, **kept, **seeds}.items() if n in used})
            gradients = {name: found[d].astype(arrays[name].dtype) for name, d in pulled.gradients.items()}
            return tuple(gradients.get(name) for name in names)

        def is_zero(cotangent: Any) -> bool:
            return type(cotangent) is jax.custom_derivatives.SymbolicZero

        function = jax.custom_vjp(values)
        function.defvjp(forward, backward, symbolic_zeros=True)
        return function

    # ---- what is derived ---------------------------------------------------------------------------------------------

    def _moving(self, moved: Iterable[str]) -> tuple[list[str], list[Name]]:
        """Those of some inputs that an output rests on, and the outputs that rest on them."""
        used = [name for name in moved if any(name in below for below in self.behind.values())]
        return used, [name for name, below in self.behind.items() if not below.isdisjoint(used)]

    def _letter(self, usual: str) -> str:
        """A letter that makes no name which is taken."""
        taken = set(map(str, self.program.known.ranks))
        letters = (usual, *(f"{usual}{k}" for k in range(2, len(taken) + 3)))
        free = (each for each in letters if each not in self.program.letters)
        return next(each for each in free if taken.isdisjoint(f"{each}{name}" for name in taken))

    def pushed(self, moved: tuple[str, ...]) -> Pushed:
        """What gives values and tangents where these inputs move."""
        return self._once(("pushed", moved), lambda: self._pushed(moved))

    def _pushed(self, moved: tuple[str, ...]) -> Pushed:
        used, moving = self._moving(moved)
        if not moving:
            return Pushed(self.value, {}, {})
        letter = self._letter("t")
        directions = {name: f"{letter}{name}" for name in used}
        made = self.program.jvp(map(str, moving), directions, letter=letter)
        wanted = {name: str(pass_name(letter, name)) for name in moving}
        return Pushed(self._compiled(made, (*self.names, *wanted.values())), directions, wanted)

    def pulled(self, moved: tuple[str, ...]) -> Pulled:
        """What gives values, and what of these gives the cotangents of these inputs."""
        return self._once(("pulled", moved), lambda: self._pulled(moved))

    def _pulled(self, moved: tuple[str, ...]) -> Pulled:
        used, moving = self._moving(moved)
        if not moving:
            return Pulled(self.value, self.value, (), {}, {})
        letter, own = self._letter("d"), self._letter("c")  # dA is more than cA where another output rests on A
        seeds = {name: f"{own}{name}" for name in moving}
        made = self.program.vjp({str(name): seed for name, seed in seeds.items()}, used, letter=letter)
        gradients = {name: str(pass_name(letter, name)) for name in used}
        whole = runnable(made._for((*self.names, *gradients.values())))
        behind: set[Name] = {*seeds.values(), *gradients.values()}
        for equation in whole:  # in the order of evaluation
            if not behind.isdisjoint(whole.reads[equation.name]):
                behind.add(equation.name)
        front = Program(e for e in whole if e.name not in behind)
        back = Program(told_alone(Program(e for e in whole if e.name in behind), whole))
        kept = [name for name in back.inputs if name in front.defined]

        def compiled(part: Program, outputs: Iterable[Name], of: api.Program) -> Compiled:
            own = {"backend": "jax", "context": whole, "given": of.given, "behind": of.of}
            return passing(compile_program, self.options, part, tuple(outputs), **own)

        ahead = compiled(front, dict.fromkeys((*self.names, *kept)), self.program)
        return Pulled(ahead, compiled(back, gradients.values(), made), tuple(map(str, kept)), seeds, gradients)

    def source(self) -> str:
        """The function as text for arrays of any sizes, with its rule; it runs without einstan."""
        return written(self)


class Pushed(NamedTuple):
    """Values and tangents; by input the name of its direction, by output that of its tangent."""

    made: Compiled
    directions: dict[str, str]
    tangents: dict[Name, str]


class Pulled(NamedTuple):
    """What rests on no cotangent, and what does; the values that the one keeps for the other, by output the name of its
    cotangent, by input that of its gradient."""

    front: Compiled
    back: Compiled
    kept: tuple[str, ...]
    seeds: dict[Name, str]
    gradients: dict[str, str]


def several(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(map(str, names))


def is_real(array: Any) -> bool:
    return "float" in str(getattr(array, "dtype", "float"))
