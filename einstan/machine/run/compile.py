"""From a program to a function of arrays: of NumPy's, or of another library's tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from einstan.calculus.program import Program
from einstan.language.arguments import ArgumentError, bound, one_of
from einstan.language.term import Equation, Name
from einstan.machine.paths.paths import Optimizer
from einstan.machine.run.compiled import Compiled
from einstan.machine.run.hosted import LIBRARIES, Hosted
from einstan.machine.run.spread import Spread


@bound
def compile(
    program: Program | Equation,
    outputs: Iterable[Name] | None = None,
    optimize: Optimizer = "auto",
    dtype: Any = None,
    *,
    sizes: Mapping[str, int] | None = None,
    memory_limit: int | None = None,
    function: str = "step",
    any_size: bool = False,
    reuse_buffers: bool = False,
    fast: bool | None = None,
    backend: str = "numpy",
    mesh: Any = None,
    shard: Mapping[str, Any] | None = None,
    shard_params: Any = None,
    alike: Iterable[tuple[Name, Name]] = (),
    params: Iterable[Name] = (),
    kernels: bool = True,
    context: Program | None = None,
    given: Iterable[tuple[Name, Name]] = (),
    behind: Iterable[Name] = (),
    infinite: Iterable[Name] = (),
) -> Compiled:
    """A program as a function of NumPy arrays; see `Compiled`.

    With ``backend="torch"`` or ``"jax"`` it is a function of that library's tensors, in its own code, so that autograd,
    ``torch.compile``, ``jit``, ``vmap`` and ``grad`` can read it; see `einstan.machine.run.hosted`.  PyTorch's kernels
    stand for what they compute (`einstan.machine.passes.recognised`), as long as nothing differentiates the code;
    with ``kernels=False`` it is as it was derived.

    With ``mesh`` and ``shard`` it runs on many devices of JAX, each with its parts of the tensors; see
    `einstan.machine.run.spread`.

    ``outputs`` are the tensors to return (by default all that the program defines), ``optimize`` as in `plan`,
    ``dtype`` a floating-point type that all inputs are converted to, ``sizes`` extents that no array gives.

    Every tuple of shapes and dtypes has code of its own, with its memory laid out; ``any_size=True`` makes code that
    reads sizes from the arrays.  With ``reuse_buffers=True`` results lie in memory that a later call of the same thread
    writes again, but never one that is given them.  Several threads may call one compiled program.

    ``fast=True`` compiles loops with numba (`einstan.machine.kernels.fused`) at the first call of each specialisation;
    by default this is done where numba is installed, by another thread, once a specialisation has run for as long as
    that takes (so results may change by a few ulps then); ``fast=False`` never does it.  What is compiled is kept on
    disk (`einstan.machine.run.kept`).

    ``context`` is the program that this one is derived from: its arrays may be given too, for the sizes that they tell,
    and those in ``given``: directions and cotangents, each with its tensor, of which it has the shape.  ``behind`` are
    its tensors of which this is a derivative: arrays are refused for which those would be.  ``alike`` are gradients and
    what they are of, ``params`` those tensors that are learned: both for ``shard_params``.
    ``infinite`` are inputs that may be infinite where others are finite, since they have been computed of them.
    """
    options = dict(locals())
    for name in ("program", "backend", "kernels"):
        del options[name]
    spread = {name: options.pop(name) for name in ("mesh", "shard", "shard_params", "alike", "params")}
    one_of("backend", backend, ("numpy", *LIBRARIES))
    if mesh is not None or shard is not None or shard_params is not None:
        if backend != "jax":
            raise ArgumentError(f"a mesh of devices is for JAX, and the backend is {backend!r}", repair='backend="jax"')
        return Spread(program, **spread, **options)
    return Compiled(program, **options) if backend == "numpy" else Hosted(program, backend, kernels, **options)
