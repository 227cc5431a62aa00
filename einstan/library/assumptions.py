"""Assumptions checked on data: ``assume sum[C](Y[n,C]) = 1`` is a promise that arrays can break."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from einstan.calculus.program import Assumption, Program
from einstan.language.errors import DataError
from einstan.language.term import MINUS_ONE, Equation, Expr, Sum, add, mul, power, tensors
from einstan.library.data import plain_array
from einstan.machine.backends.arrays import np
from einstan.machine.run.compile import compile as compile_program
from einstan.machine.run.compiled import Compiled
from einstan.machine.run.handed import entries, namespace


def check_assumption(assumption: Assumption, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise `DataError` at the first place where the arrays break the assumption; silent where they cannot tell."""
    needed, sides = _compiled(assumption.lhs, assumption.rhs)
    if not needed or not all(name in arrays for name in needed):
        return
    given = {name: _floats(name, arrays[name]) for name in needed}
    left, right = sides.call(given, {})
    tolerance = max(_tolerance(array.dtype) for array in given.values())
    if np.abs(left - right).max(initial=0) <= tolerance:  # what holds is told quickly: this runs at every step
        return
    left, right = np.broadcast_arrays(left, right)
    wrong = ~(np.abs(left - right) <= tolerance * np.maximum(1, np.abs(right)))
    if not wrong.any():
        return
    first = np.unravel_index(int(wrong.argmax()), wrong.shape)
    indices = _free(assumption)
    place = ", ".join(f"{index.name} = {int(k)}" for index, k in zip(indices, first, strict=True))
    place = f"at {place} " if place else ""
    raise DataError(
        "the data breaks an assumption",
        text=f"assume {(shown := _shown(assumption.lhs))} = {_shown(assumption.rhs)}",
        span=(len("assume "), len("assume ") + len(shown)),
        inferred=(
            f"{place}the left side is {left[first]:.6g} and the right side {right[first]:.6g}",
            f"{int(wrong.sum())} of {wrong.size} places are wrong",
        ),
        repair=f"correct {', '.join(needed)}, or leave the assumption out: the gradients then hold for any values",
    )


def excess(assumption: Assumption, name: str) -> Equation:
    """How far an assumption is from true, as an equation: the sum of the squares of left minus right."""
    difference = add((assumption.lhs, mul((MINUS_ONE, assumption.rhs))))
    square = power(difference, 2)
    free = _free(assumption)
    return Equation(name, (), Sum(free, square) if free else square)


def holds(found: Any) -> bool:
    """Whether what `excess` gives is no more than rounding; if not, `check_assumption` has the last word.  A value that
    is traced cannot be looked at, and passes."""
    try:
        return float(found) <= (_LIMITS.get(found.dtype) or _limit(found))
    except (TypeError, RuntimeError):  # JAX's jit, and PyTorch's vmap
        return True


def _shown(side: Expr) -> str:
    """One side of an assumption; a sum that is not written otherwise is spelled out."""
    if isinstance(side, Sum):
        return f"sum[{','.join(index.name for index in side.indices)}]({side.body})"
    return str(side)


def _floats(name: str, array: np.ndarray) -> np.ndarray:
    array = plain_array(name, entries(array))
    return array if array.dtype.kind == "f" else array.astype(float)


@lru_cache(maxsize=8)
def _tolerance(dtype: Any, space: Any = np) -> float:
    """Sums of values that were one before rounding must pass: 2e-10 in float64, 4e-4 in float32."""
    return 64 * float(space.finfo(dtype).eps) ** 0.75


_LIMITS: dict[Any, float] = {}  # by dtype, of any library: looked up at every step


def _limit(found: Any) -> float:
    return _LIMITS.setdefault(found.dtype, _tolerance(found.dtype, namespace(found)) ** 2)


@lru_cache(maxsize=64)
def _compiled(lhs: Expr, rhs: Expr) -> tuple[tuple[str, ...], Compiled]:
    """The tensors that an assumption is about, and its two sides as one compiled program."""
    indices = tuple(dict.fromkeys((*lhs.free, *rhs.free)))
    sides = [Equation("left", indices, lhs), Equation("right", indices, rhs)]
    names = tuple(str(name) for name in tensors(lhs, rhs))
    return names, compile_program(Program(sides), ("left", "right"))


def _free(assumption: Assumption) -> tuple[Any, ...]:
    return tuple(dict.fromkeys((*assumption.lhs.free, *assumption.rhs.free)))
