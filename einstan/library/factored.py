"""A tensor that keeps its deltas: a sum of products, each with a structure of equal indices.

``ddL[i,j,p,q] = δ[i,p] C[i,j,q]`` is stored as the core C and the fact that axes 0 and 2 are one: as an einsum whose
output repeats a letter, ``ijq->ijiq``.  Axes that carry one label are joined by deltas, two or three or more of them;
a label that only factors have is summed.  Zeros are never stored, and nothing is multiplied by an identity.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from einstan.language import display
from einstan.language.arguments import blamed_methods, shown
from einstan.language.errors import DataError, nearest
from einstan.language.guesses import Guessed
from einstan.library.data import plain_array, require_numbers
from einstan.library.factored_dense import dense, dtype_of
from einstan.library.factored_links import span
from einstan.library.factored_parts import Part, collected, contracted, merged, subscripts
from einstan.library.labelled import Labels
from einstan.library.symmetric import mended
from einstan.machine.sizes.memory import available_memory, fits, human_bytes

if TYPE_CHECKING:
    from scipy.sparse import coo_array, csc_array, csr_array
    from scipy.sparse.linalg import LinearOperator

    from einstan.language.term import Equation as TermEquation
    from einstan.library.api import Equation
    from einstan.library.blocks import Blocks
    from einstan.library.einsum import Einsum

Order = Labels
SMALL = 1 << 23  # entries of a dense form that is written without asking how much memory is free


@blamed_methods("of_cores")
class FactoredTensor(Guessed):
    """``FactoredTensor(names, shape, parts, rows)``: a sum of parts over axes that have names.

    The first ``rows`` axes are those of the numerator; ``H @ v`` contracts the others.  Evaluating a Jacobian or
    Hessian of `einstan.library.derivative` makes one; ``dense()`` or ``numpy.asarray`` writes the zeros too.

    Examples:
        >>> H = es.Program("L = 1/2 (X[N,K] W[K,J])^2").hessian("L", "W")(X=np.ones((3, 2)), W=np.ones((2, 4)))
        >>> H
        <FactoredTensor [k,j,l,q] 2 x 4 x 2 x 4: kjl->kjlj; 128 bytes, dense 512 bytes>
        >>> H.shape, H.ndim, H.size, H.dtype, H.nbytes, H.dense_nbytes
        ((2, 4, 2, 4), 4, 64, dtype('float64'), 128, 512)
        >>> print(H.equation, H.einsum.string, sep="\\n")
        dL/dW[k,j]dW[l,q] = X[N,l] δ[j,q] X[N,k]
        Nl,jq,Nk->kjlq
        >>> H.subscripts(H.parts[0]), H.axis("q"), H.T.names, (H @ np.ones((2, 4))).shape
        ('kjl->kjlj', 3, ('l', 'q', 'k', 'j'), (2, 4))
        >>> float((H + 2 * H).trace()), float(H.scaled(0.5).trace()), H.like(H.parts).dense().shape
        (72.0, 12.0, (2, 4, 2, 4))
    """

    __array_ufunc__ = None  # so that ``array @ H`` and ``2.0 * H`` come here
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, names: Sequence[str], shape: Sequence[int], parts: Iterable[Part], rows: int | None = None
    ) -> None:
        self.names, self.shape = tuple(names), tuple(int(n) for n in shape)
        self.parts = tuple(_in_floats(part.numbered()) for part in parts)
        self.rows = len(self.shape) // 2 if rows is None else rows
        self.mirrors: tuple[Order, ...] = ()
        self.origin: TermEquation | None = None
        if len(self.names) != len(self.shape) or len(set(self.names)) < len(self.names):
            raise DataError(
                f"{len(self.shape)} axes need as many different names",
                inferred=f"given are {', '.join(self.names)}",
                repair="name every axis once",
            )
        for part in self.parts:
            self._check(part)

    @classmethod
    def of_cores(
        cls,
        names: tuple[str, ...],
        shape: tuple[int, ...],
        parts: tuple[Part, ...],
        rows: int,
        mirrors: tuple[Order, ...] = (),
        origin: TermEquation | None = None,
    ) -> FactoredTensor:
        """The same without looking at it: for parts whose labels are numbered, as the cores of a derivative are.

        ``mirrors`` are orders of the axes under which it is symmetric, where adding up its parts may not be exactly;
        ``origin`` is the equation that it is a value of.

        Examples:
            >>> H = es.Program("L = sum[N](x[N]^3)").hessian("L", "x")(x=[1.0, 2.0])
            >>> H.of_cores(H.names, H.shape, H.parts, H.rows).trace() == H.trace()
            np.True_
        """
        made = cls.__new__(cls)
        made.names, made.shape, made.parts, made.rows, made.mirrors = names, shape, parts, rows, mirrors
        made.origin = origin
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Its arrays, each once and with its axes as they lie in memory: pickles keep no other order."""
        arrays = {id(array): array for part in self.parts for array, _ in part.factors}
        place = {key: k for k, key in enumerate(arrays)}
        parts = [(p._replace(factors=()), [(place[id(a)], labels) for a, labels in p.factors]) for p in self.parts]
        return _restored, ({**vars(self), "parts": parts}, [_in_memory(array) for array in arrays.values()])

    def _check(self, part: Part) -> None:
        known: dict[int, int] = {}
        sized = ((part.axes, self.shape), *((labels, array.shape) for array, labels in part.factors))
        for labels, shape in sized:
            if len(labels) != len(shape):
                raise DataError(
                    f"a part has {len(labels)} labels for {len(shape)} axes", repair="give each axis a label"
                )
            for label, size in zip(labels, shape, strict=True):
                if known.setdefault(label, size) != size:
                    raise DataError(
                        f"axes that are joined have the extents {known[label]} and {size}",
                        inferred=self.subscripts(part),
                        repair="join axes of one extent",
                    )
        loose = part.linked - known.keys() - span(part.links).keys()
        if loose:
            raise DataError(
                "a label that no axis and no factor has needs a link that says how far it runs",
                inferred=self.subscripts(part),
                repair="add Link(((label, 1),), 0, extent)",
            )

    # ---- what it is --------------------------------------------------------------------------------------------------

    @property
    def ndim(self) -> int:
        """How many axes there are.

        Examples:
            >>> H = es.Program("L = sum[N](x[N]^3)").hessian("L", "x")(x=[1.0, 2.0])
            >>> H.ndim
            2
        """
        return len(self.shape)

    @property
    def size(self) -> int:
        """Entries of the dense form.

        Examples:
            >>> H = es.Program("L = sum[N](x[N]^3)").hessian("L", "x")(x=[1.0, 2.0])
            >>> H.size
            4
        """
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the entries.

        Examples:
            >>> H = es.Program("L = sum[N](x[N]^3)").hessian("L", "x")(x=[1.0, 2.0])
            >>> H.dtype
            dtype('float64')
        """
        return dtype_of(self.parts)

    @property
    def nbytes(self) -> int:
        """Bytes that are held: those of the factors, each array once.

        Examples:
            >>> H = es.Program("L = sum[N](x[N]^3)").hessian("L", "x")(x=[1.0, 2.0])
            >>> H.nbytes
            16
        """
        held = {id(array): array.nbytes for part in self.parts for array, _ in part.factors}
        return sum(held.values())

    @property
    def dense_nbytes(self) -> int:
        """Bytes that `dense` would need.

        Examples:
            >>> H = es.Program("L = sum[N](x[N]^3)").hessian("L", "x")(x=[1.0, 2.0])
            >>> H.dense_nbytes
            32
        """
        return self.size * self.dtype.itemsize

    @property
    def equation(self) -> Equation | None:
        """The equation that it is a value of; None where it was made by operations on other tensors.

        Examples:
            >>> H = es.Program("L = sum[N](x[N]^3)").hessian("L", "x")(x=[1.0, 2.0])
            >>> print(H.equation)
            dL/dx[n]dx[m] = 6 x[n] δ[n,m]
        """
        from einstan.library.api import Equation

        return None if self.origin is None else Equation.of(self.origin)

    @property
    def einsum(self) -> Einsum | None:
        """The einsum string of every term of `equation`, with its operands.

        Examples:
            >>> H = es.Program("L = sum[N](x[N]^3)").hessian("L", "x")(x=[1.0, 2.0])
            >>> print(H.einsum)
            'n,nm->nm'  x[n], δ[n,m]  times 6
        """
        equation = self.equation
        return None if equation is None else equation.einsum

    def subscripts(self, part: Part) -> str:
        """The einsum of a part, in the names of the axes: ``'ijq->ijiq'``."""
        return subscripts(part, self.names)

    def __repr__(self) -> str:
        shown = " + ".join(self.subscripts(part) for part in self.parts) or "zero"
        shape = " x ".join(map(str, self.shape)) or "a scalar"
        sizes = f"{human_bytes(self.nbytes)}, dense {human_bytes(self.dense_nbytes)}"
        return f"<FactoredTensor [{','.join(self.names)}] {shape}: {shown}; {sizes}>"

    def _repr_html_(self) -> str:
        """Its equation, and where it has entries: as a matrix, its axes cut down to a few places each."""
        from einstan.library.factored_picture import picture

        lines = [] if self.origin is None else [self.origin]
        return display.shown(display.equations(lines), picture(self), display.note(repr(self)[1:-1]))

    def axis(self, which: str | int) -> int:
        """The position of an axis, by its name or by itself.

        Examples:
            >>> H = es.Program("L = sum[N](x[N]^3)").hessian("L", "x")(x=[1.0, 2.0])
            >>> H.axis(H.names[1])
            1
        """
        if isinstance(which, int | np.integer):
            which = int(which)
            if not -self.ndim <= which < self.ndim:
                raise DataError(f"there is no axis {which}", inferred=f"the axes are {', '.join(self.names)}")
            return which % self.ndim
        if which not in self.names:
            raise DataError(
                f"no axis is named {which if isinstance(which, str) else shown(which)}",
                inferred=f"the axes are {', '.join(self.names)}",
                repair=nearest(which, self.names) or "name one of these",
            )
        return self.names.index(which)

    def like(self, parts: Iterable[Part]) -> FactoredTensor:
        """Other parts with the same axes."""
        return FactoredTensor(self.names, self.shape, parts, self.rows)

    # ---- dense -------------------------------------------------------------------------------------------------------

    def dense(self, limit: int | None = None, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """All entries: zeros, on whose strided diagonals the cores are written.

        Raises `DataError` where that needs more than ``limit`` bytes (by default, the free memory of this machine).
        ``out`` is overwritten and returned.

        Examples:
            >>> J = es.Program("y[i] = x[i]^2").jacobian("y", "x")(x=[1.0, 2.0])
            >>> J.dense()
            array([[2., 0.],
                   [0., 4.]])
        """
        if out is not None or limit is not None or self.size > SMALL:
            self.refuse_large(limit, out)
        try:
            found: NDArray[Any] = dense(self.parts, self.shape, out)
        except MemoryError:  # more than the machine has was allowed
            self.refuse_large(min(available_memory(), self.dense_nbytes - 1))
            raise
        return mended(found, self.mirrors) if self.mirrors else found

    def refuse_large(self, limit: int | None = None, out: NDArray[Any] | None = None) -> None:
        """The error for a dense form that would not fit.

        Examples:
            >>> J = es.Program("y[i] = x[i]^2").jacobian("y", "x")(x=np.ones(1000))
            >>> J.refuse_large(limit=10**6)
            Traceback (most recent call last):
                ...
            einstan.language.errors.DataError: the dense form needs 8 MB, and 1 MB are free
              inferred: factored it is held in 8 kB: <FactoredTensor [i,p] 1000 x 1000: i->ii; 8 kB, dense 8 MB>
              repair:   use it as it is: H @ v, H.solve(g), H.diagonal(), H.blocks(), H.to_scipy()
                        or allow it: dense(limit=8000000)
        """
        if out is not None or (limit is None and fits(self.dense_nbytes)):
            return
        allowed = available_memory() if limit is None else limit
        if self.dense_nbytes > allowed:
            raise DataError(
                f"the dense form needs {human_bytes(self.dense_nbytes)}, and {human_bytes(allowed)} are free",
                inferred=f"factored it is held in {human_bytes(self.nbytes)}: {self!r}",
                repair=(
                    "use it as it is: H @ v, H.solve(g), H.diagonal(), H.blocks(), H.to_scipy()",
                    f"or allow it: dense(limit={self.dense_nbytes})",
                ),
            )
        if out is not None and (out.shape != self.shape or out.dtype != self.dtype):
            raise DataError(
                f"out has shape {out.shape} and dtype {out.dtype}", repair=f"give {self.shape} {self.dtype}"
            )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a factored tensor has no dense array that could be shared; ask for a copy")
        found = self.dense()
        return found if dtype is None else found.astype(dtype, copy=False)

    # ---- linear operations -------------------------------------------------------------------------------------------

    def scaled(self, number: float) -> FactoredTensor:
        """Every entry times a number.

        Examples:
            >>> H = es.Program("L = sum[N](x[N]^3)").hessian("L", "x")(x=[1.0, 2.0])
            >>> H.scaled(2).diagonal()
            array([12., 24.])
        """
        scaled = self.like(p._replace(scale=p.scale * number) for p in self.parts)
        scaled.mirrors = self.mirrors
        return scaled

    def __mul__(self, number: Any) -> FactoredTensor:
        return self.scaled(float(number)) if np.ndim(number) == 0 else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, number: Any) -> FactoredTensor:
        return self.scaled(1 / float(number)) if np.ndim(number) == 0 else NotImplemented

    def __neg__(self) -> FactoredTensor:
        return self.scaled(-1.0)

    def __add__(self, other: Any) -> FactoredTensor:
        """The sum of tensors of one shape; parts of one structure that are cores become one core.

        Examples:
            >>> H = es.Program("L = sum[N](x[N]^3)").hessian("L", "x")(x=[1.0, 2.0])
            >>> (H + H).diagonal()
            array([12., 24.])
        """
        if isinstance(other, np.ndarray):
            other = as_factored(other)
        if not isinstance(other, FactoredTensor):
            return NotImplemented
        if other.shape != self.shape:
            raise DataError(f"shapes {self.shape} and {other.shape} cannot be added", repair="add tensors of one shape")
        return self.like(collected((*self.parts, *other.parts), self.shape))

    __radd__ = __add__

    def __sub__(self, other: Any) -> FactoredTensor:
        return self + (-other)

    def __rsub__(self, other: Any) -> FactoredTensor:
        return -self + other

    def transpose(self, *order: str | int) -> FactoredTensor:
        """The axes in another order, by names or positions; without any, those of rows and columns change places.

        Examples:
            >>> J = es.Program("y[i] = A[i,J] x[J]").jacobian("y", "x")(A=np.ones((2, 3)), x=np.ones(3))
            >>> J.transpose().names, J.transpose().shape
            (('j', 'i'), (3, 2))
        """
        if not order:
            order = (*range(self.rows, self.ndim), *range(self.rows))
            rows = self.ndim - self.rows
        else:
            rows = self.rows
        axes = [self.axis(which) for which in order]
        if sorted(axes) != list(range(self.ndim)):
            raise DataError("a transposition names every axis once", inferred=f"the axes are {', '.join(self.names)}")
        parts = (p._replace(axes=tuple(p.axes[k] for k in axes)) for p in self.parts)
        turned = FactoredTensor([self.names[k] for k in axes], [self.shape[k] for k in axes], parts, rows)
        turned.mirrors = tuple(tuple(axes.index(mirror[k]) for k in axes) for mirror in self.mirrors)
        return turned

    @property
    def T(self) -> FactoredTensor:
        """Rows and columns exchanged.

        Examples:
            >>> J = es.parse("y[i] = A[i,J] x[J]").program.jacobian("y", "x")(A=np.ones((2, 3)), x=np.ones(3))
            >>> J.T.shape
            (3, 2)
        """
        return self.transpose()

    def joined(self, *pairs: tuple[str | int, str | int]) -> FactoredTensor:
        """The diagonal along pairs of axes: the second axis of each pair goes, and the first stands for both.

        Examples:
            >>> J = es.Program("y[i,j] = x[i,j]^2").jacobian("y", "x")(x=np.ones((2, 3)))
            >>> J.names, J.joined(("i", "p"), ("j", "q")).names
            (('i', 'j', 'p', 'q'), ('i', 'j'))
        """
        axes = [(self.axis(a), self.axis(b)) for a, b in pairs]
        gone = {b for _, b in axes}
        if len(gone) < len(axes) or any(a == b for a, b in merged(axes).items()):  # twice, or in a circle
            named = ", ".join(f"({self.names[a]}, {self.names[b]})" for a, b in axes)
            raise DataError(
                "of every pair the first axis stays and the second goes, once",
                inferred=f"the pairs are {named}",
                repair="leave out a pair that follows from the others, or that joins an axis with itself",
            )
        keep = [k for k in range(self.ndim) if k not in gone]
        parts = []
        for part in self.parts:
            same = merged([(part.axes[a], part.axes[b]) for a, b in axes])
            part = part.renamed(same)
            parts.append(part._replace(axes=tuple(part.axes[k] for k in keep)))
        rows = sum(k < self.rows for k in keep)
        return FactoredTensor([self.names[k] for k in keep], [self.shape[k] for k in keep], parts, rows)

    def sum(self, *axes: str | int) -> FactoredTensor:
        """The sum along axes, or of all entries, as a tensor of the axes that are left.

        Examples:
            >>> J = es.Program("y[i] = x[i]^2").jacobian("y", "x")(x=[1.0, 2.0])
            >>> J.sum("i").dense(), J.sum().dense()
            (array([2., 4.]), array(6.))
        """
        positions = {self.axis(a) for a in axes} if axes else set(range(self.ndim))
        keep = [k for k in range(self.ndim) if k not in positions]
        parts = []
        for part in self.parts:
            left = part._replace(axes=tuple(part.axes[k] for k in keep))
            parts.append(left.without({part.axes[k]: self.shape[k] for k in positions}))
        rows = sum(k < self.rows for k in keep)
        return FactoredTensor([self.names[k] for k in keep], [self.shape[k] for k in keep], parts, rows)

    # ---- products ----------------------------------------------------------------------------------------------------

    def dot(self, other: Any, over: Sequence[str | int], into: Sequence[str | int] | None = None) -> FactoredTensor:
        """Contracted with an array or a factored tensor over axes of this one.

        ``over`` are axes of this tensor; they meet the axes ``into`` of the other, by default its first ones.  The
        result has the axes that are left, of this one and then of the other.

        Examples:
            >>> J = es.Program("y[i] = x[i]^2").jacobian("y", "x")(x=[1.0, 2.0])
            >>> J.dot(J, over=["p"], into=["i"]).dense()
            array([[ 4.,  0.],
                   [ 0., 16.]])
        """
        if not isinstance(other, FactoredTensor):
            other = as_factored(plain_array("the array", other), self.names)
        mine = [self.axis(a) for a in over]
        yours = [other.axis(a) for a in into] if into is not None else list(range(len(mine)))
        if len(set(mine)) < len(mine) or len(set(yours)) < len(yours):
            raise DataError(
                "an axis is contracted twice",
                inferred=f"named are {', '.join(self.names[k] for k in mine)} of this tensor, and "
                f"{', '.join(other.names[k] for k in yours)} of the other",
                repair="name every axis once; joined() takes a diagonal",
            )
        if [self.shape[k] for k in mine] != [other.shape[k] for k in yours if k < other.ndim]:
            raise DataError(
                f"axes of the extents {[self.shape[k] for k in mine]} meet an array of shape {other.shape}",
                inferred=f"contracted are {', '.join(self.names[k] for k in mine)}",
                repair="give an array whose first axes are these, or name the axes that meet",
            )
        kept = [k for k in range(self.ndim) if k not in mine]
        rest = [k for k in range(other.ndim) if k not in yours]
        parts = [contracted(p, q, (mine, yours), (kept, rest), self.shape) for p in self.parts for q in other.parts]
        names = [self.names[k] for k in kept]
        for k in rest:
            name = other.names[k]
            while name in names:
                name += "'"
            names.append(name)
        shape = [self.shape[k] for k in kept] + [other.shape[k] for k in rest]
        return FactoredTensor(names, shape, parts, len([k for k in kept if k < self.rows]))

    @overload
    def __matmul__(self, other: FactoredTensor) -> FactoredTensor: ...
    @overload
    def __matmul__(self, other: NDArray[Any] | Sequence[Any]) -> NDArray[Any]: ...
    def __matmul__(self, other: Any) -> Any:
        """Columns of this one with rows of the other.  With an array the result is an array; axes of the array beyond
        the columns are carried along, so that ``H @ V`` is a product with many vectors.

        Examples:
            >>> H = es.Program("L = sum[N](x[N]^3)").hessian("L", "x")(x=[1.0, 2.0])
            >>> H @ np.ones(2)
            array([ 6., 12.])
        """
        columns = range(self.rows, self.ndim)
        if isinstance(other, FactoredTensor):
            return self.dot(other, tuple(columns), tuple(range(other.rows)))
        return self.dot(other, tuple(columns)).dense()

    def __rmatmul__(self, other: Any) -> NDArray[Any]:
        """``v @ H``: the last axes of an array with the rows.

        Examples:
            >>> H = es.Program("L = sum[N](x[N]^3)").hessian("L", "x")(x=[1.0, 2.0])
            >>> np.ones(2) @ H
            array([ 6., 12.])
        """
        array = plain_array("the array", other)
        first = array.ndim - self.rows
        if first < 0:
            raise DataError(
                f"an array of shape {array.shape} meets rows of the extents {list(self.shape[: self.rows])}",
                inferred=f"the rows are {', '.join(self.names[: self.rows])}",
                repair="give an array whose last axes are these",
            )
        left = as_factored(array, self.names)
        return left.dot(self, tuple(range(first, array.ndim)), tuple(range(self.rows))).dense()

    def diagonal(self) -> NDArray[Any]:
        """The entries whose rows and columns are equal, in the shape of the rows.

        Examples:
            >>> es.Program("L = x[N]^3").hessian("L", "x")(x=[1.0, 2.0]).diagonal()
            array([ 6., 12.])
        """
        square(self, "diagonal")
        return self.joined(*((k, self.rows + k) for k in range(self.rows))).dense()

    def trace(self) -> float:
        """The sum of the diagonal; what the deltas say is counted, not added up.

        Examples:
            >>> float(es.Program("L = x[N]^3").hessian("L", "x")(x=[1.0, 2.0]).trace())
            18.0
        """
        square(self, "trace")
        whole = self.joined(*((k, self.rows + k) for k in range(self.rows)))
        found: Any = whole.sum(*range(whole.ndim)).dense()[()]
        return found

    # ---- what stands in other modules --------------------------------------------------------------------------------

    def blocks(self) -> Blocks:
        """The blocks of a block-diagonal matrix, as one array; see `einstan.library.blocks.blocks`.

        Examples:
            >>> H = es.Program("L = 1/2 (X[N,K] W[K,J])^2").hessian("L", "W")(X=np.eye(2), W=np.ones((2, 4)))
            >>> H.blocks()
            <Blocks [j,k,l] 4 x 2 x 2: one for each j>
        """
        from einstan.library.blocks import blocks

        return blocks(self)

    def solve(self, g: Any) -> NDArray[Any]:
        """The x with ``H @ x = g``, block by block; see `einstan.library.blocks.solve`.

        Examples:
            >>> H = es.Program("L = 1/2 (X[N,K] W[K,J])^2").hessian("L", "W")(X=2 * np.eye(2), W=np.ones((2, 3)))
            >>> H.solve(np.ones((2, 3)))
            array([[0.25, 0.25, 0.25],
                   [0.25, 0.25, 0.25]])
        """
        from einstan.library.blocks import solve

        return solve(self, g)

    def cholesky(self) -> FactoredTensor:
        """The lower triangular L with ``L L' = H``, block by block; see `einstan.library.blocks.cholesky`.

        Examples:
            >>> H = es.Program("L = 1/2 (X[N,K] W[K,J])^2").hessian("L", "W")(X=2 * np.eye(2), W=np.ones((2, 3)))
            >>> H.cholesky().diagonal()
            array([[2., 2., 2.],
                   [2., 2., 2.]])
        """
        from einstan.library.blocks import cholesky

        return cholesky(self)

    @overload
    def to_scipy(self, form: Literal["operator"] = "operator") -> LinearOperator: ...
    @overload
    def to_scipy(self, form: Literal["csr"]) -> csr_array: ...
    @overload
    def to_scipy(self, form: Literal["csc"]) -> csc_array: ...
    @overload
    def to_scipy(self, form: Literal["coo"]) -> coo_array: ...
    def to_scipy(self, form: str = "operator") -> Any:
        """A ``LinearOperator``, or with ``"csr"``, ``"csc"`` or ``"coo"`` a sparse array.

        Examples:
            >>> J = es.Program("y[i] = x[i+1] - x[i]").jacobian("y", "x")(x=np.ones(4))
            >>> J.to_scipy("csr").nnz
            6
        """
        from einstan.library.sparse import to_scipy

        return to_scipy(self, form)

    def __getitem__(self, key: Any) -> FactoredTensor:
        from einstan.library.indexing import indexed

        return indexed(self, key)


# ---- pickled ---------------------------------------------------------------------------------------------------------


def _in_memory(array: NDArray[Any]) -> tuple[NDArray[Any], tuple[int, ...]]:
    """The array without gaps and with its axes as they lie in memory, and the order that they had."""
    order = sorted(range(array.ndim), key=lambda k: -abs(array.strides[k]))
    lying = array.transpose(order)
    return lying if lying.flags.c_contiguous else lying.copy("C"), tuple(order.index(k) for k in range(array.ndim))


def _restored(attributes: dict[str, Any], lying: Sequence[tuple[NDArray[Any], tuple[int, ...]]]) -> FactoredTensor:
    made = FactoredTensor.__new__(FactoredTensor)
    arrays = [array.transpose(order) for array, order in lying]
    parts = [
        part._replace(factors=tuple([(arrays[k], labels) for k, labels in factors]))
        for part, factors in attributes["parts"]
    ]
    vars(made).update(attributes, parts=tuple(parts))
    return made


# ---- pieces ----------------------------------------------------------------------------------------------------------


def as_factored(array: NDArray[Any], taken: Sequence[str] = ()) -> FactoredTensor:
    """An array of numbers as a tensor of one part, its axes named apart from those that are taken."""
    require_numbers("the array", array, "biufc")
    names: list[str] = []
    for k in range(array.ndim):
        name = f"x{k}"
        while name in taken:
            name += "'"
        names.append(name)
    axes = tuple(range(array.ndim))
    return FactoredTensor(names, array.shape, [Part(axes, ((array, axes),))])


def _in_floats(part: Part) -> Part:
    """The part with factors of whole numbers and truths as floats: a scale would be lost in them."""
    if all(array.dtype.kind in "fc" for array, _ in part.factors):
        return part
    factors = tuple((a if a.dtype.kind in "fc" else a.astype(float), labels) for a, labels in part.factors)
    return part._replace(factors=factors)


def square(tensor: FactoredTensor, what: str) -> None:
    rows, columns = tensor.shape[: tensor.rows], tensor.shape[tensor.rows :]
    if rows != columns:
        raise DataError(
            f"a {what} needs as many columns as rows",
            inferred=f"the rows are {','.join(tensor.names[: tensor.rows])} of extents {rows}, the columns "
            f"{','.join(tensor.names[tensor.rows :])} of extents {columns}",
            repair="put the axes in order with transpose",
        )
