"""Programs on a mesh of devices: what the machine asks of the calculus, and layouts as JAX has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from einstan.calculus.passes import pass_name
from einstan.calculus.program import Program
from einstan.language.arguments import ArgumentError
from einstan.language.errors import DataError
from einstan.language.term import Name
from einstan.machine.sizes.specs import Specs, counted, partition, specs_of

ASKED = ("shard", "shard_params")


def gradients_of(program: Program, letters: Iterable[str]) -> tuple[tuple[Name, Name], ...]:
    """The cotangents and tangents of a program by name, ``dW`` and ``tZ``, each with its tensor."""
    pairs = ((pass_name(letter, name), name) for letter in letters for name in program.ranks)
    return tuple((one, other) for one, other in pairs if program.ranks.get(one) == program.ranks[other])


def on_mesh(program: Program, options: Mapping[str, Any], **known: Any) -> dict[str, Any]:
    """The options of a plan, with layouts in the place of a mesh and letters."""
    options = dict(options)
    mesh = options.pop("mesh", None)
    asked = {name: options.pop(name) for name in ASKED if name in options}
    if mesh is None and not asked:
        return options
    if mesh is None:
        raise ArgumentError("shard says where on a mesh, and there is none", repair='mesh={"data": 8}')
    return {**options, "specs": specs_of(program, counted(mesh), **{"shard": None, **asked}, **known)}


def partition_specs(specs: Specs) -> dict[str, Any]:
    """Layouts as JAX has them, by the names of tensors."""
    try:
        made = import_module("jax").sharding.PartitionSpec
    except ImportError as error:
        raise DataError("layouts are objects of JAX", repair="pip install 'einstan[jax]'") from error
    return {str(name): made(*partition(spec)) for name, spec in specs.kept.items()}
