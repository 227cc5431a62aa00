"""Levels of derivatives as functions that PyTorch differentiates.

Eagerly a level keeps values for its derivative, which is a level again.  PyTorch's compiler reads a backward pass as
code without a derivative of its own: what is kept would be a constant in it, and a second derivative wrong without a
word.  There nothing is kept, and the backward pass is the derived program of inputs and cotangents, which the compiler
can differentiate to any order, and of which it computes once what the forward pass has too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from operator import index  # of a size: a number that the compiler knows
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import finalize

import torch
from torch._functorch.utils import unwrap_dead_wrappers
from torch.autograd import Function, forward_ad

from einstan.language.errors import EinstanError
from einstan.library.assumptions import check_assumption, holds
from einstan.library.foreign_function import Arrays
from einstan.library.levels import Ahead, Derived, Joint
from einstan.machine.run.compiled import Compiled
from einstan.machine.run.hosted import Halves, Hosted

if TYPE_CHECKING:
    from einstan.library.to_torch import TorchFunction

Tensor = Any


def called(function: TorchFunction, given: Arrays) -> tuple[Tensor, ...]:
    """The outputs of a function for tensors and numbers by name."""
    kind = next((a.device.type for a in given.values() if isinstance(a, torch.Tensor)), "cpu")
    if torch.is_autocast_enabled(kind):
        given = lowered(function, given, torch.get_autocast_dtype(kind))
    if torch.compiler.is_compiling():
        return traced(function, given)
    with without_autocast(kind):
        return eager(function, given)


def lowered(function: TorchFunction, given: Arrays, dtype: Any) -> Arrays:
    """What is given, with its floats in the dtype of ``torch.autocast``, or in that which was asked for."""
    if function.value.dtype is not None:
        return given
    return {n: a.to(dtype) if isinstance(a, torch.Tensor) and a.is_floating_point() else a for n, a in given.items()}


def without_autocast(kind: str) -> AbstractContextManager[Any]:
    """All that is computed has one dtype."""
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


# ---- eagerly ---------------------------------------------------------------------------------------------------------


@torch.compiler.disable
def eager(function: TorchFunction, given: Arrays) -> tuple[Tensor, ...]:
    arrays, transformed = taken(function, given), is_transformed()
    if not transformed:
        refuse_broken(function, arrays)
    may_move = [name for name, a in arrays.items() if a.requires_grad or (transformed and a.is_floating_point())]
    level = function.level(tuple(arrays))
    if not (transformed or (may_move and torch.is_grad_enabled())):
        return level.run(tuple(arrays.values()))
    if function.wrt is not None:
        apart = [name for name in may_move if name not in function.wrt]
        arrays |= {name: Held.apply(function, name, arrays[name]) for name in apart}
        may_move = [name for name in may_move if name in function.wrt]
    try:
        joint = None if transformed or function.twice_asked else level.joint(tuple(may_move))
        if joint is not None and (halves := joint.halves(tuple(arrays.values()))) is not None:
            made: tuple[Tensor, ...] = Joined.apply(joint, halves, *arrays.values())
            return made
        found: tuple[Tensor, ...] = Derivable.apply(level.ahead(tuple(may_move)), *arrays.values())
    except EinstanError:
        level.run(tuple(arrays.values()))  # which says it of the lines that somebody wrote
        raise
    return found[: len(level.names)]


def taken(function: TorchFunction, given: Arrays) -> Arrays:
    """What is given as tensors of one dtype and on one device; tensors that were taken as they are once are again."""
    tensors = [given[name] for name in function.inputs]
    try:
        key = tuple([(a.dtype, a.ndim, a.device) for a in tensors])
    except AttributeError:  # numbers are among them
        key = None
    if key in function.known:
        return given
    found = function.hosted.taken(tensors)
    if key is not None and all(one is other for one, other in zip(found, tensors, strict=True)):
        function.known.add(key)
    return given | dict(zip(function.inputs, found, strict=True))


def refuse_broken(function: TorchFunction, arrays: Arrays) -> None:
    """Refuse data for which an assumption is not true, on which derivatives rest; it is looked at where it lies."""
    with torch.no_grad():
        for assumption, made in function.checks:
            if not holds(made.called([arrays[name] for name in made.texts])[0]):
                check_assumption(assumption, arrays)


def is_transformed() -> bool:
    """Whether derivatives may be asked for of which tensors do not tell: by ``torch.func``, or forwards."""
    return bool(torch._C._are_functorch_transforms_active()) or forward_ad._current_level >= 0


class Light(Function):
    """A function that is called often."""

    @classmethod
    def apply(cls, *given: Any) -> Any:
        """As that of all functions, without its look at default values, which costs as much as a small product."""
        if torch._C._are_functorch_transforms_active():
            return super().apply(*given)
        return super(Function, cls).apply(*unwrap_dead_wrappers(given))


class Derivable(Light):
    """A level, with the levels that are its derivatives."""

    generate_vmap_rule = True

    @staticmethod
    def forward(ahead: Ahead, *tensors: Tensor) -> tuple[Tensor, ...]:
        return apart_from(ahead.run(tensors), tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ahead, *tensors = inputs
        ctx.ahead = ahead
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*output[len(ahead.level.names) :])
        held = (*tensors, *(output[k] for k in ahead.places))
        ctx.save_for_backward(*held)
        if is_transformed():
            ctx.save_for_forward(*held)
            ctx.outputs = [(each.shape, each.dtype, each.device) for each in output[: len(ahead.level.names)]]

    @staticmethod
    @torch.compiler.disable
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        ahead, needs = ctx.ahead, ctx.needs_input_grad[1:]
        level, wrt = ahead.level, ahead.level.function.wrt
        seeds = {name: c for name, c in zip(level.names, cotangents, strict=False) if c is not None}
        moved = (name for name, need in zip(level.inputs, needs, strict=False) if need)
        if level.is_first and wrt is not None:
            moved = (name for name in moved if name in wrt)
        derived, held = level.pulled(ahead, tuple(moved), tuple(seeds)), ctx.saved_tensors
        found = over_batch(lambda given: applied(ahead, derived, held, given), seeds)
        return (None, *(found.get(name) for name in level.given))

    @staticmethod
    @torch.compiler.disable
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
        ahead = ctx.ahead
        level = ahead.level
        along: dict[Any, Tensor] = {n: t for n, t in zip(level.inputs, tangents, strict=False) if t is not None}
        derived = level.pushed(ahead, tuple(along))
        found = applied(ahead, derived, ctx.saved_tensors, along)
        for name, (shape, dtype, device) in zip(level.names, ctx.outputs, strict=True):
            if str(name) not in found:  # None would stand for no tangent at all, which ``torch.func`` takes ill
                found[str(name)] = torch.zeros(shape, dtype=dtype, device=device)
        return tuple(found.get(str(name)) for name in ahead.made.outputs)


class Joined(Light):
    """A level with its first derivative, which is planned with it; a second one is that of `Derivable`."""

    @staticmethod
    def forward(ctx: Any, joint: Joint, halves: Halves, *tensors: Tensor) -> tuple[Tensor, ...]:
        try:
            found, kept = halves.forward(*[tensors[k] for k in halves.places])
        except IndexError as error:
            raise joint.made.misread(str(error)) from error
        flat = [part for each in kept for part in (each if isinstance(each, tuple) else (each,))]
        ctx.joint, ctx.halves, ctx.widths = joint, halves, [len(e) if isinstance(e, tuple) else 0 for e in kept]
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *flat)
        return apart_from(found, tensors)

    @staticmethod
    @torch.compiler.disable
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        joint, needs, held = ctx.joint, ctx.needs_input_grad[2:], ctx.saved_tensors
        level, wrt = joint.level, joint.level.function.wrt
        tensors, rest = held[: len(level.inputs)], iter(held[len(level.inputs) :])
        moved = tuple([n for n, need in zip(level.inputs, needs, strict=True) if need and (wrt is None or n in wrt)])
        batched = any(c is not None and torch._C._functorch.is_legacy_batchedtensor(c) for c in cotangents)
        if torch.is_grad_enabled() or batched or moved != joint.moved or any(c is None for c in cotangents):
            level.function.twice_asked |= torch.is_grad_enabled()
            seeds = {name: c for name, c in zip(level.names, cotangents, strict=True) if c is not None}
            derived = level.pulled(level.bare, moved, tuple(seeds))
            made = over_batch(lambda given: applied(level.bare, derived, tensors, given), seeds)
        else:
            kept = [tuple([next(rest) for _ in range(n)]) if n else next(rest) for n in ctx.widths]
            with without_autocast(tensors[0].device.type):
                found = ctx.halves.backward(*[tensors[k] for k in ctx.halves.places], *cotangents, *kept)
            made = dict(zip(joint.moved, apart_from(found, (*tensors, *cotangents)), strict=True))
        return (None, None, *(made.get(name) for name in level.inputs))


def apart_from(found: Iterable[Tensor], tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Results, with views of those that are given, which PyTorch does not take as they are, and of those that are there
    twice: what is kept has no derivative, and an output that is the same tensor would have none either.  Those that
    rest on nothing get the dtype and the device of what is given."""
    like = next((tensor for tensor in tensors if tensor.is_floating_point()), None)
    seen, apart = {*map(id, tensors)}, []
    if like is not None:
        dtype, device = like.dtype, like.device
        found = [each if each.dtype is dtype and each.device == device else each.to(like) for each in found]
    for each in found:
        apart.append(each.view_as(each) if id(each) in seen else each)
        seen.add(id(each))
    return tuple(apart)


def applied(ahead: Ahead, derived: Derived, held: Sequence[Tensor], given: dict[Any, Tensor]) -> dict[str, Tensor]:
    """A derivative at the tensors that a level held: by input its gradient, or by output its tangent."""
    level, function = derived.level, derived.level.function
    if not derived.wanted:
        return {}
    count = len(ahead.level.inputs)
    tensors = (*held[:count], *(given[tensor] for tensor in derived.given), *held[count:])  # as `Level.given` has them
    with without_autocast(tensors[0].device.type):
        if ahead.level.is_first and not function.double_backward:
            with torch.no_grad():
                found = apart_from(level.run(tensors), tensors)
            if torch.is_grad_enabled():
                found = Once.apply(function, len(found), *found, *tensors)
        elif is_transformed() or (torch.is_grad_enabled() and any(t.requires_grad for t in tensors)):
            found = Derivable.apply(level.bare, *tensors)
        else:
            found = apart_from(level.run(tensors), tensors)
    return dict(zip(derived.wanted, found, strict=True))


def over_batch(apply: Callable[[dict[Any, Tensor]], dict[str, Tensor]], given: dict[Any, Tensor]) -> dict[str, Tensor]:
    """What a function gives, for cotangents of ``is_grads_batched`` too, which most operations do not take: these are
    mapped over anew by ``torch.func``."""
    batched = {name: tensor for name, tensor in given.items() if torch._C._functorch.is_legacy_batchedtensor(tensor)}
    if not batched:
        return apply(given)
    level = torch._C._vmapmode_increment_nesting() - 1  # that of the batch
    torch._C._vmapmode_decrement_nesting()
    apart = {name: torch._remove_batch_dim(tensor, level, 0, 0) for name, tensor in batched.items()}
    found = torch.func.vmap(lambda own: apply({**given, **own}))(apart)
    return {name: torch._add_batch_dim(tensor, 0, level) for name, tensor in found.items()}


class Held(Function):
    """A tensor by which no derivative is to be had."""

    generate_vmap_rule = True

    @staticmethod
    def forward(function: TorchFunction, name: str, tensor: Tensor) -> Tensor:
        return tensor.view_as(tensor)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.error = inputs[0].unannounced(inputs[1], f"{inputs[1]}.detach()")

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise ctx.error

    jvp = backward


class Once(Function):
    """The first of some tensors, as first derivatives of which no second may be had by any of them."""

    generate_vmap_rule = True

    @staticmethod
    def forward(function: TorchFunction, count: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.view_as(tensor) for tensor in tensors[:count])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.error = inputs[0].twice()

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise ctx.error

    jvp = backward


# ---- for PyTorch's compiler ------------------------------------------------------------------------------------------

codes = ModuleType("codes")  # what the compiler reads, under names that it is told, as long as its function lives
numbers = count()


def traced(function: TorchFunction, given: Arrays) -> tuple[Tensor, ...]:
    """The outputs, of code that is planned while the compiler reads this: to it the names of code are constants."""
    kinds = dtypes(function, tuple(given), described(function, given.values()))
    arrays = {n: as_tensor(a, kinds[k]) if k < len(kinds) else a for k, (n, a) in enumerate(given.items())}
    if function.wrt is not None and torch.is_grad_enabled():
        refuse_others(function, tuple(n for n, a in arrays.items() if n not in function.wrt and a.requires_grad))
    tensors = tuple(arrays.values())
    if torch._C._are_functorch_transforms_active():  # which the compiler reads through plain code alone
        found: tuple[Tensor, ...] = getattr(codes, values(function, tuple(arrays), described(function, tensors)))(
            *tensors
        )
        return found
    return Compilable.apply(function, tuple(arrays), *tensors)


def as_tensor(array: Any, kind: str) -> Tensor:
    dtype = getattr(torch, kind)
    return array.to(dtype) if isinstance(array, torch.Tensor) else torch.tensor(array, dtype=dtype)


def described(function: TorchFunction, arrays: Iterable[Any]) -> tuple[Any, ...]:
    """What code is made for: shapes and dtypes, with ``any_size`` ranks and dtypes; numbers as they are."""
    return tuple([
        (tuple([1 if function.any_size else index(size) for size in a.shape]), a.dtype)
        if isinstance(a, torch.Tensor) else a
        for a in arrays
    ])  # fmt: skip


def empty(names: tuple[str, ...], known: tuple[Any, ...]) -> Arrays:
    """Tensors without entries that look like those which were described."""
    return {
        name: torch.empty(each[0], dtype=each[1], device="meta") if isinstance(each, tuple) else each
        for name, each in zip(names, known, strict=True)
    }


@torch.compiler.assume_constant_result
def dtypes(function: TorchFunction, names: tuple[str, ...], known: tuple[Any, ...]) -> tuple[str, ...]:
    """The dtypes in which the inputs are computed with."""
    arrays = empty(names, known)
    taken = function.hosted.taken([arrays[name] for name in function.inputs])
    return tuple(str(array.dtype).rpartition(".")[2] for array in taken)


@torch.compiler.assume_constant_result
def refuse_others(function: TorchFunction, names: tuple[str, ...]) -> None:
    if names:
        raise function.unannounced(names[0], f"{names[0]}.detach()")


@torch.compiler.assume_constant_result
def values(function: TorchFunction, names: tuple[str, ...], known: tuple[Any, ...]) -> str:
    """The name of the code of the outputs."""
    return function.once((names, known), lambda: named(function, function.value, empty(names, known)))


@torch.compiler.assume_constant_result
def gradients(
    function: TorchFunction, names: tuple[str, ...], needs: tuple[bool, ...], known: tuple[Any, ...]
) -> tuple[str, tuple[int | None, ...]]:
    """The name of the code of gradients from inputs and cotangents, and the place of each input's among its results."""
    level = function.level(names)
    moved = tuple(name for name, need in zip(names, needs, strict=True) if need)
    derived = level.pulled(level.bare, moved, level.names)
    own = {str(of): cotangent for of, cotangent in derived.given.items()}
    inputs = (*names, *(own.get(str(name), f"no {name}") for name in level.names))
    order = list(derived.wanted)
    places = tuple(order.index(name) if name in order else None for name in names)
    if not order:
        return "", places
    key = ("gradients", names, moved, known)
    return function.once(key, lambda: named(function, derived.level.alone, empty(inputs, known))), places


def named(function: TorchFunction, made: Compiled, arrays: Arrays) -> str:
    """The name of the code of a program for tensors like these, which takes them all, in their order."""
    assert isinstance(made, Hosted)
    used = {name: a for name, a in arrays.items() if name in made.texts or name in made.unread}
    if made.any_size:
        source = made.general(made.function)
        space: dict[str, Any] = {}
        exec(source.text, space)
    else:
        told = made.told(used, {})
        found = told.specialise(tuple((tuple(a.shape), a.dtype) for a in told.gather(used, {})))
        source, space = found.source, found.space
    words = {name: f"a{k}" for k, name in enumerate(arrays)}
    given = ", ".join(words[str(name)] for name in source.arguments)
    name = f"code{next(numbers)}"
    finalize(function, vars(codes).pop, name, None)
    setattr(codes, name, eval(f"lambda {', '.join(words.values())}: {source.function}({given})", space))
    return name


class Compilable(Function):
    """A function as the compiler can differentiate it: from the inputs alone."""

    generate_vmap_rule = True

    @staticmethod
    def forward(function: TorchFunction, names: tuple[str, ...], *tensors: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast(tensors[0].device.type, enabled=False):
            found: tuple[Tensor, ...] = getattr(codes, values(function, names, described(function, tensors)))(*tensors)
            return found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.function, ctx.names, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        tensors = (*ctx.saved_tensors, *cotangents)
        name, places = gradients(ctx.function, ctx.names, ctx.needs_input_grad[2:], described(ctx.function, tensors))
        if not name:
            return (None, None, *places)
        with torch.enable_grad(), torch.autocast(tensors[0].device.type, enabled=False):
            found = getattr(codes, name)(*tensors)  # without enable_grad these would be constants to the compiler
            return (None, None, *[None if k is None else found[k] for k in places])
