"""Programs as functions of JAX: plain code that it differentiates, or with the rule that is derived here.

    f = program.to_jax("Z", rule="jvp")
    jax.grad(lambda params: f(params, X=X).sum())(params)

A rule is derived for those arrays that a derivative is asked by, when it is first asked: by `api.Program.jvp` it is
one program that gives values and tangents; by `api.Program.vjp` two, what rests on no cotangent and what does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

from einstan.language.arguments import ArgumentError, blamed_methods, shown
from einstan.language.errors import DifferentiationError, EinstanError
from einstan.language.term import Name, tensors
from einstan.library import api
from einstan.library.assumptions import check_assumption
from einstan.library.foreign_function import Arrays, ForeignFunction, Result, is_real, kept, pulled, pushed
from einstan.library.jax_text import written
from einstan.machine.run.compiled import Compiled

RULES = ("plain", "jvp", "vjp")


@blamed_methods()
class Function(ForeignFunction[Result]):
    """``f(X, W, b)``, in the order of ``f.inputs``, or by name, ``f(params, X=X)``: an array of JAX, or where several
    ``outputs`` were asked for a tuple of them.

    What JAX does with functions is done with it: ``jit``, ``grad``, ``vmap``, ``scan``, ``checkpoint``.  With
    ``rule="vjp"`` there is no forward mode (``jvp``, ``jacfwd``, ``linearize``) but over its own reverse mode, as in
    ``hessian``.

    Raises `DifferentiationError` where a derivative is asked by an array that is not in ``wrt``.

    Examples:
        >>> import jax
        >>> f = es.Program("L = 1/2 x[N]^2").to_jax("L", rule="jvp")
        >>> print(jax.grad(f)(jax.numpy.array([1.0, 2.0])), f.jax is None)
        [1. 2.] False
        >>> "einstan" in f.source()
        False
    """

    backend = "jax"

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
        super().__init__(program, outputs, wrt, options)
        self.rule = rule

    def __call__(self, *arrays: Any, **named: Any) -> Result:
        ordered = self.arranged(arrays, named)
        if self.rule != "plain":
            self._refuse_broken(ordered)
        if self.wrt is not None:
            ordered = {name: a if name in self.wrt else self._held(name)(a) for name, a in ordered.items()}
        names = tuple(ordered)
        try:
            found = self.once(names, lambda: self._function(names))(*ordered.values())
        except EinstanError:
            self.value(ordered)  # which says it of the lines that somebody wrote
            raise
        except TypeError as error:
            if self.rule != "vjp" or "forward-mode" not in str(error):
                raise
            raise DifferentiationError(
                'rule="vjp" has reverse mode alone, and forward mode is asked for',
                text=str(self.program),
                inferred="jvp, jacfwd and linearize go forward",
                repair='rule="jvp", which has both',
            ) from error
        return cast(Result, found[0] if isinstance(self.outputs, str) else found)

    @property
    def jax(self) -> Any:
        """What needs JAX."""
        return self.library

    def _refuse_broken(self, arrays: Arrays) -> None:
        """Refuse data for which an assumption is not true, on which a rule rests; what is traced cannot be seen."""
        there = {name: a for name, a in arrays.items() if not isinstance(a, self.jax.core.Tracer)}
        for assumption in self.program.known.assumptions:
            if {str(name) for name in tensors(assumption.lhs, assumption.rhs)} <= there.keys():
                check_assumption(assumption, there)

    def _held(self, name: str) -> Any:
        """The array itself, by which no derivative is to be had."""

        def refuse(primals: Any, tangents: Any) -> Any:
            raise self.unannounced(name, f"jax.lax.stop_gradient({name})")

        def make() -> Any:
            held = self.jax.custom_jvp(lambda array: array)
            held.defjvp(refuse)
            return held

        return self.once(("held", name), make)

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

    def pushed(self, moved: tuple[str, ...]) -> Pushed:
        """What gives values and tangents where these inputs move."""
        return self.once(("pushed", moved), lambda: self._pushed(moved))

    def _pushed(self, moved: tuple[str, ...]) -> Pushed:
        made, directions, tangents = pushed(self.base, self.names, moved)
        if not tangents:
            return Pushed(self.value, {}, {})
        along = {str(name): direction for name, direction in directions.items()}
        return Pushed(self.compiled(made, (*self.names, *tangents.values())), along, tangents)

    def pulled(self, moved: tuple[str, ...]) -> Pulled:
        """What gives values, and what of these gives the cotangents of these inputs."""
        return self.once(("pulled", moved), lambda: self._pulled(moved))

    def _pulled(self, moved: tuple[str, ...]) -> Pulled:
        derived = pulled(self.base, self.names, moved)
        if not derived.wanted:
            return Pulled(self.value, self.value, (), {}, {})
        made, seeds, gradients = derived
        whole = derived.whole(self.names)
        names = kept(derived, whole)
        front = self.rest(whole, (*self.names, *names), (), self.base)
        back = self.rest(whole, gradients.values(), names, made)
        return Pulled(front, back, tuple(map(str, names)), seeds, gradients)

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
    gradients: dict[Name, str]
