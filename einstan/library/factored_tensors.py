"""Factored tensors of PyTorch or JAX: cores that are tensors of these, whose equal axes are never written out.

What is done with them here is code of the library, so that its compilers and derivatives read it: products with
tensors, the diagonal, the dense form.  For everything else ``numpy()`` gives a `FactoredTensor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from einstan.language.errors import DataError
from einstan.library.derivative import Cores
from einstan.library.factored import FactoredTensor
from einstan.library.factored_parts import Part, merged
from einstan.library.labelled import Labels
from einstan.machine.plan.costs import symbol

Tensor = Any
Held = TypeVar("Held")  # the class of the tensors of a library


class Piece(NamedTuple):
    """A product of tensors: a label for each axis of what it is a part of, where one label on two axes is a delta."""

    axes: Labels
    factors: tuple[tuple[Tensor, Labels], ...]


class HostedTensor(Generic[Held]):
    """A sum of products of tensors of ``backend`` over axes that have names; the first ``rows`` are the numerator's.

    ``H.dense()`` writes the zeros, ``H @ v`` contracts the other axes with the first ones of v, ``v @ H`` the rows with
    its last ones, and ``H.diagonal()`` has the shape of the rows.  ``H.numpy()`` is the same of arrays of NumPy.
    """

    def __init__(
        self, backend: str, names: Sequence[str], shape: Sequence[int], pieces: Sequence[Piece], rows: int
    ) -> None:
        self.backend, self.names, self.shape, self.rows = backend, tuple(names), tuple(shape), rows
        self.pieces = tuple(pieces)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.shape)) or "a scalar"
        return f"<HostedTensor [{','.join(self.names)}] {shape}, of {self.backend}>"

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def cores(self) -> tuple[Held, ...]:
        """The tensors that it is made of, each once."""
        return tuple({id(tensor): tensor for piece in self.pieces for tensor, _ in piece.factors}.values())

    def with_cores(self, cores: Sequence[Held]) -> HostedTensor[Held]:
        """The same structure with other cores, in the order of `cores`."""
        new = {id(old): each for old, each in zip(self.cores, cores, strict=True)}
        pieces = [Piece(p.axes, tuple((new[id(tensor)], labels) for tensor, labels in p.factors)) for p in self.pieces]
        return HostedTensor(self.backend, self.names, self.shape, pieces, self.rows)

    def numpy(self) -> FactoredTensor:
        """The same, of arrays of NumPy."""
        parts = [
            Part(piece.axes, tuple((_array(tensor), labels) for tensor, labels in piece.factors))
            for piece in self.pieces
        ]
        return FactoredTensor(self.names, self.shape, parts, self.rows)

    def dense(self) -> Held:
        """All entries, zeros included."""
        return self._total([(piece, piece.axes) for piece in self.pieces], self.shape)

    def __matmul__(self, other: Held) -> Held:
        return self._times(other, range(self.rows, self.ndim), range(self.rows), 0)

    def __rmatmul__(self, other: Tensor) -> Held:
        return self._times(other, range(self.rows), range(self.rows, self.ndim), other.ndim - self.rows)

    def diagonal(self) -> Held:
        """The entries whose rows and columns are equal, in the shape of the rows."""
        if self.shape[: self.rows] != self.shape[self.rows :]:
            raise DataError(
                f"a diagonal needs rows and columns of one shape, not {self.shape[: self.rows]} and "
                f"{self.shape[self.rows :]}",
                repair="take the diagonal of a Hessian",
            )
        made = []
        for piece in self.pieces:
            same = merged(list(zip(piece.axes[: self.rows], piece.axes[self.rows :], strict=True)))
            renamed = [(t, tuple(same.get(x, x) for x in labels)) for t, labels in piece.factors]
            axes = tuple(same.get(x, x) for x in piece.axes)
            made.append((Piece(axes, tuple(renamed)), axes[: self.rows]))
        return self._total(made, self.shape[: self.rows])

    def _times(self, other: Tensor, over: range, kept: range, first: int) -> Tensor:
        """A product with a tensor, whose axes from ``first`` on meet the axes ``over``; its others come behind what is
        kept of this one, or before where they stand before."""
        wanted = tuple(self.shape[k] for k in over)
        if first < 0 or tuple(other.shape[first : first + len(over)]) != wanted:
            raise DataError(
                f"axes of the extents {list(wanted)} meet a tensor of shape {tuple(other.shape)}",
                inferred=f"the axes are {', '.join(self.names[k] for k in over)}",
                repair="give a tensor with these axes",
            )
        others = [n for k, n in enumerate(other.shape) if not first <= k < first + len(over)]
        made = []
        for piece in self.pieces:
            fresh = 1 + max((x for _, labels in piece.factors for x in labels), default=0) + max(piece.axes, default=0)
            extra = tuple(range(fresh, fresh + len(others)))
            met = tuple(piece.axes[k] for k in over)
            labels = (*extra[:first], *met, *extra[first:])
            mine = tuple(piece.axes[k] for k in kept)
            out = (*extra[:first], *mine, *extra[first:])
            made.append((Piece(piece.axes, (*piece.factors, (other, labels))), out))
        sizes = [self.shape[k] for k in kept]
        return self._total(made, (*others[:first], *sizes, *others[first:]), other)

    def _total(self, made: Sequence[tuple[Piece, Labels]], shape: Sequence[int], like: Tensor = None) -> Any:
        """The sum of pieces, each with the axes that it has in the result."""
        found = [self._made(piece, out, tuple(shape)) for piece, out in made]
        if not found:
            library = import_module("torch" if self.backend == "torch" else "jax.numpy")
            return library.zeros(tuple(shape), **({} if like is None else {"dtype": like.dtype}))
        total = found[0]
        for each in found[1:]:
            total = total + each
        return total

    def _made(self, piece: Piece, out: Labels, shape: tuple[int, ...]) -> Tensor:
        """A piece with these axes: a product over their labels, on a diagonal where one label has two axes."""
        library = import_module("torch" if self.backend == "torch" else "jax.numpy")
        held = dict.fromkeys(x for _, labels in piece.factors for x in labels)
        sizes, once = dict(zip(out, shape, strict=True)), tuple(dict.fromkeys(out))
        names = {label: symbol(k) for k, label in enumerate(dict.fromkeys((*held, *out)))}
        spelled = [[names[x] for x in labels] for _, labels in piece.factors]
        core = tuple(x for x in once if x in held)
        text = ",".join("".join(each) for each in spelled) + "->" + "".join(names[x] for x in core)
        made = library.einsum(text, *(tensor for tensor, _ in piece.factors))
        if core != once:  # it is the same along the others
            made = made.reshape([sizes[x] if x in held else 1 for x in once])
            made = library.broadcast_to(made, [sizes[x] for x in once])
        if once == out:
            return made
        embed = import_module(f"einstan.machine.backends.{self.backend}").embed
        letters = {label: chr(ord("a") + k) for k, label in enumerate(once)}
        axes = "".join(letters[x] for x in out) + "->" + "".join(letters[x] for x in once)
        return embed(made, shape, axes)


class HostedAssembly:
    """How tensors that are cores become a `HostedTensor`."""

    def __init__(self, backend: str, apart: Cores, outputs: Sequence[str], shape: tuple[int, ...]) -> None:
        if any(term.ties for term in apart.terms):
            raise DataError(
                "bands are kept by NumPy alone",
                inferred=f"{apart.equation} ties its indices by index arithmetic",
                repair=("compiled.dense(...), which writes them out", "or a product with a vector: jvp, vjp, hvp"),
            )
        name: Any = apart.equation.name
        self.backend, self.shape = backend, shape
        self.rows = name.rank + sum(rank for _, rank in name.wrt[:-1])
        self.names = tuple(index.name for index in apart.equation.indices)
        at = {core: k for k, core in enumerate(outputs)}
        self.terms = [(term.axes, [(at[core], labels) for core, labels in term.factors]) for term in apart.terms]

    def __call__(self, tensors: Sequence[Tensor]) -> HostedTensor[Any]:
        pieces = [Piece(axes, tuple((tensors[k], labels) for k, labels in factors)) for axes, factors in self.terms]
        return HostedTensor(self.backend, self.names, self.shape, pieces, self.rows)


def _array(tensor: Tensor) -> np.ndarray:
    return np.asarray(tensor.detach().cpu() if hasattr(tensor, "detach") else tensor)
