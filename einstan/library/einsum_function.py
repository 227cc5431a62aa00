"""Einsum strings as functions, with their gradients as einsum strings.

    multiply = es.einsum("bij,bjk->bik")
    multiply(A, B)                             the same as es.einsum("bij,bjk->bik", A, B)
    multiply.gradients                         dA  'bik,bjk->bij'  dT, B
                                               dB  'bij,bik->bjk'  A, dT

In the gradient of an operand, the operand and the result change places.  A letter that only this operand has is an axis
of ones, and one that stands twice in it stands twice in its gradient: the gradient of a diagonal is a diagonal matrix.

A gradient of complex operands is the string as it stands, no operand conjugated: that of JAX, for which the derivative
of ``z w`` with respect to z is w.  PyTorch's is its conjugate.  An operand of real numbers has a real gradient.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from einstan.language import display
from einstan.language.arguments import ArgumentError, shown, whole
from einstan.language.errors import DataError, DifferentiationError, nearest
from einstan.language.guesses import Guessed
from einstan.library.einsum_call import (
    array,
    called,
    contract,
    functions,
    letters,
    numbered,
    optimizer,
    remember,
    sizes_of,
)
from einstan.library.einsum_equation import EinsumText, equation_of
from einstan.library.einsum_steps import compiled, source
from einstan.library.einsum_text import Label, Subscripts, expanded, read, tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from einstan.library.api import Equation


@overload
def einsum(subscripts: str, /) -> EinsumFunction: ...
@overload
def einsum(subscripts: str, operand: ArrayLike, /, *operands: ArrayLike, **options: Any) -> NDArray[Any]: ...
@overload
def einsum(operand: ArrayLike, labels: Sequence[Any], /, *others: Any, **options: Any) -> NDArray[Any]: ...
def einsum(
    *operands: Any,
    out: Any = None,
    dtype: Any = None,
    order: Any = "K",
    casting: Any = "safe",
    optimize: Any = "auto",
    memory_limit: Any = None,
    **others: Any,
) -> Any:
    """An einsum of arrays; without arrays the einsum itself, an `EinsumFunction`, which has an equation and gradients.

    Takes what ``numpy.einsum`` and ``opt_einsum.contract`` take: a string and arrays, ``"bij,bjk->bik", A, B``, or
    arrays and lists of labels, ``A, [0, 1], B, [1, 2], [0, 2]``; an ellipsis; a string without an arrow; axes of
    extent 1 that go with any other.  ``"i->ii"`` writes on a diagonal.  ``out``, ``dtype``, ``order`` and ``casting``
    are NumPy's.  ``optimize`` is what `Program.plan` takes, a path of ``numpy.einsum_path``, or True and False, where
    False goes from the left to the right.  ``memory_limit``, ``use_blas`` and ``backend`` are those of opt_einsum: how
    many entries an intermediate result may have, and what changes no value here.

    Examples:
        >>> es.einsum("ij,jk->ik", np.eye(2), np.ones((2, 2)))
        array([[1., 1.],
               [1., 1.]])
        >>> print(es.einsum("ij,jk->ik").equation)
        T[i,k] = A[i,J] B[J,k]
    """
    if len(operands) < 2:
        if operands and isinstance(operands[0], str):
            return EinsumFunction(read(operands[0]))
        raise ArgumentError(
            "an einsum has a string",
            repair=("es.einsum('ij,jk->ik', A, B)", "es.einsum('ij,jk->ik'), a function with gradients"),
        )
    return contract(operands, out, dtype, order, casting, optimize, memory_limit, **others)


class EinsumFunction(Guessed):
    """An einsum as a function of arrays.

    Examples:
        >>> f = es.einsum("...j,jk")
        >>> f.string, f.with_axes(3, 2).string
        ('...j,jk->...k', 'abj,jk->abk')
        >>> print(f.with_axes(2, 2).equation)
        T[a,k] = A[a,J] B[J,k]
        >>> f(np.eye(2), np.ones((2, 2)))
        array([[1., 1.],
               [1., 1.]])
    """

    def __init__(self, subscripts: Subscripts) -> None:
        self.subscripts = subscripts

    def __call__(self, *arrays: ArrayLike, **options: Any) -> NDArray[Any]:
        """The value; ``options`` are those of `einsum`.

        Examples:
            >>> es.einsum("ij,j->i")(np.eye(2), [1.0, 2.0])
            array([1., 2.])
        """
        if not arrays:
            expanded(self.subscripts, [])
        found: NDArray[Any] = contract((self.subscripts.text, *arrays), **options)
        return found

    def __str__(self) -> str:
        return str(self.subscripts)

    def __repr__(self) -> str:
        return f"es.einsum('{self.subscripts.text}')"

    def _repr_latex_(self) -> str:
        return self.equation._repr_latex_()

    @property
    def string(self) -> str:
        """The string without blanks and with its arrow.

        Examples:
            >>> es.einsum(" ij, jk ").string
            'ij,jk->ik'
        """
        return str(self.subscripts)

    @property
    def equation(self) -> Equation:
        """The einsum as an equation, of which everything can be asked that equations answer.

        Examples:
            >>> print(es.einsum("ij,jk->ik").equation)
            T[i,k] = A[i,J] B[J,k]
        """
        return _parsed(equation_of(self.subscripts))

    @property
    def gradients(self) -> Gradients:
        """The gradient of every operand: einsum strings, and a function of arrays.

        Examples:
            >>> gradients = es.einsum("ij,jk->ik").gradients
            >>> gradients[0].string
            'ik,jk->ij'
        """
        return Gradients(self.subscripts)

    def with_axes(self, *ranks: int) -> EinsumFunction:
        """The same for operands of so many axes: a letter for every axis of an ellipsis.

        Examples:
            >>> es.einsum("...j,jk").with_axes(3, 2).string
            'abj,jk->abk'
        """
        counts = [whole("an operand's axes", rank) for rank in ranks]
        return EinsumFunction(read(str(lettered(expanded(self.subscripts, counts)))))

    def source(self, *arrays: Any, optimize: Any = "auto") -> str:
        """The NumPy code that is called for arrays like these.

        Examples:
            >>> print(es.einsum("ij,jk->ik").source(np.eye(2), np.ones((2, 2))))
            def einsum(a0, a1):
                return np.dot(a0, a1)
        """
        given = [array(x, k, letters(self.subscripts, k)) for k, x in enumerate(arrays)]
        opened = expanded(self.subscripts, [x.ndim for x in given])
        sizes_of(opened, [x.shape for x in given])
        dtypes = [x.dtype for x in given]
        return source(*numbered(opened), [x.shape for x in given], dtypes, np.result_type(*dtypes), optimizer(optimize))


@dataclass(frozen=True)
class Gradient:
    """The gradient of one operand: an einsum of the others and of the cotangent of the result.

    Examples:
        >>> gradient = es.einsum("ij,jk->ik").gradients[1]
        >>> gradient.string
        'ij,ik->jk'
        >>> print(gradient.equation)
        dB[j,k] = A[I,j] dT[I,k]
    """

    name: str
    subscripts: Subscripts
    operands: tuple[str, ...]

    @property
    def string(self) -> str:
        """The einsum string, that of B in ``'ij,jk->ik'`` is ``'ij,ik->jk'``.

        Examples:
            >>> es.einsum("ij,jk->ik").gradients[1].string
            'ij,ik->jk'
        """
        return str(self.subscripts)

    @property
    def equation(self) -> Equation:
        """The same as an equation.

        Examples:
            >>> print(es.einsum("ij,jk->ik").gradients[1].equation)
            dB[j,k] = A[I,j] dT[I,k]
        """
        count = len(self.operands)
        if self.operands[-1].startswith("1["):  # the equation finds out what no operand has
            count -= 1
        own = Subscripts(self.subscripts.operands[:count], self.subscripts.output, self.string)
        return _parsed(equation_of(own, self.operands[:count], f"d{self.name}"))

    def __str__(self) -> str:
        return f"d{self.name}  '{self.string}'  {', '.join(self.operands)}"

    def __repr__(self) -> str:
        return f"<Gradient {self}>"

    def _repr_latex_(self) -> str:
        return self.equation._repr_latex_()


class Gradients:
    """The gradients of an einsum, one per operand: by number or by name, and called with arrays all at once.

    Examples:
        >>> gradients = es.einsum("ij,jk->ik").gradients
        >>> print(gradients)
        dA  'ik,jk->ij'  dT, B
        dB  'ij,ik->jk'  A, dT
        >>> gradients(np.eye(2), np.ones((2, 2)), cotangent=np.ones((2, 2)))
        (array([[2., 2.],
               [2., 2.]]), array([[1., 1.],
               [1., 1.]]))
    """

    def __init__(self, subscripts: Subscripts) -> None:
        self.subscripts = subscripts
        count = len(subscripts.operands)
        self.names = tuple(tensor(k, count) for k in range(count))

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Gradient]:
        return iter([self[k] for k in range(len(self))])

    def __getitem__(self, operand: int | str) -> Gradient:
        number = self._number(operand)
        written = lettered(self.subscripts)
        operands = list(written.operands)
        operands[number], output = written.output, written.operands[number]
        called = [*self.names[:number], "dT", *self.names[number + 1 :]]
        known = {label for own in operands for label in own}
        ones = tuple(label for label in dict.fromkeys(output) if label not in known)
        if ones:
            operands.append(ones)
            called.append(f"1[{','.join('...' if x is ... else str(x) for x in ones)}]")
        return Gradient(self.names[number], Subscripts(tuple(operands), output), tuple(called))

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head = ["gradient", "einsum", "operands"]
        return display.shown(display.table(head, [[f"d{g.name}", g.string, ", ".join(g.operands)] for g in self], head))

    @overload
    def __call__(self, *arrays: Any, cotangent: Any = None, wrt: int | str, optimize: Any = "auto") -> NDArray[Any]: ...
    @overload
    def __call__(
        self, *arrays: Any, cotangent: Any = None, wrt: Sequence[int | str] | None = None, optimize: Any = "auto"
    ) -> tuple[NDArray[Any], ...]: ...
    def __call__(self, *arrays: Any, cotangent: Any = None, wrt: Any = None, optimize: Any = "auto") -> Any:
        """The gradients for these arrays: a tuple, or one array where ``wrt`` is one operand.

        ``cotangent`` is the gradient of whatever is differentiated with respect to the result; none is needed for a
        result without axes.  Every gradient has the shape and the dtype of its operand.

        Examples:
            >>> es.einsum("i,i->").gradients([1.0, 2.0], [3.0, 4.0], wrt=0)
            array([3., 4.])
        """
        given = [array(x, k, letters(self.subscripts, k)) for k, x in enumerate(arrays)]
        one = isinstance(wrt, int | str)
        numbers = range(len(self)) if wrt is None else [self._number(x) for x in ([wrt] if one else _list(wrt))]
        above = self._cotangent(given, cotangent)
        found = tuple(self._gradient(given, above, number, optimizer(optimize)) for number in numbers)
        return found[0] if one else found

    def _number(self, operand: Any) -> int:
        if isinstance(operand, str) and operand in self.names:
            return self.names.index(operand)
        if isinstance(operand, int) and not isinstance(operand, bool) and -len(self) <= operand < len(self):
            return operand % len(self)
        raise ArgumentError(
            f"there is no operand {shown(operand)}",
            text=self.subscripts.text,
            inferred=f"the operands are {', '.join(self.names)}",
            repair=nearest(operand, self.names) or f"wrt='{self.names[0]}', or its number, 0",
        )

    def _cotangent(self, arrays: Sequence[NDArray[Any]], cotangent: Any) -> NDArray[Any]:
        opened = expanded(self.subscripts, [x.ndim for x in arrays])
        sizes = sizes_of(opened, [x.shape for x in arrays])
        shape = tuple(sizes[x] for x in opened.output)
        if cotangent is None and not shape:
            return np.ones((), np.result_type(*[x.dtype for x in arrays]))
        found = np.zeros(0) if cotangent is None else array(cotangent, len(arrays))
        if cotangent is None or found.shape != shape or found.dtype.kind not in "biufc":
            text = "no cotangent is given" if cotangent is None else f"the cotangent has shape {found.shape}"
            raise DataError(
                f"{text}, and the result has {shape}",
                text=self.subscripts.text,
                inferred=", ".join(f"{x}={sizes[x]}" for x in opened.output),
                repair=f"cotangent=np.ones({shape}) gives the gradients of the sum of the result",
            )
        return found

    def _gradient(self, arrays: Sequence[NDArray[Any]], cotangent: NDArray[Any], number: int, optimize: Any) -> Any:
        own = arrays[number]
        if own.dtype.kind not in "fc":
            raise DifferentiationError(
                f"{self.names[number]} holds {own.dtype}, by which nothing can be differentiated",
                text=self.subscripts.text,
                span=self.subscripts.span(number),
                repair=f"{self.names[number]}.astype(float), or name the operands to differentiate by: wrt=...",
            )
        given = [*arrays]
        given[number] = cotangent
        key = (self.subscripts, number, own.shape, optimize, *[(x.shape, x.dtype) for x in given])
        function = functions.get(key)
        if function is None:
            function = self._planned(given, own, number, optimize)
            remember(key, function)
        result = np.asarray(called(function, given))
        if own.dtype.kind == "f" and result.dtype.kind == "c":
            result = result.real
        alone = not any(np.may_share_memory(result, x) for x in given)
        return result.astype(own.dtype, copy=not alone)

    def _planned(self, given: Sequence[NDArray[Any]], own: NDArray[Any], number: int, optimize: Any) -> Any:
        ranks = [x.ndim for x in given]
        ranks[number] = own.ndim
        opened = expanded(self.subscripts, ranks)
        operands = list(opened.operands)
        operands[number], output = opened.output, opened.operands[number]
        dtypes = [x.dtype for x in given]
        target = np.result_type(*dtypes, own.dtype)
        numbers = numbered(Subscripts(tuple(operands), output))
        return compiled(source(*numbers, [x.shape for x in given], dtypes, target, optimize, own.shape), target)


def lettered(subscripts: Subscripts) -> Subscripts:
    """The same with a letter for each label that is none: numbers of lists, and axes of an ellipsis."""
    labels = dict.fromkeys(x for own in (*subscripts.operands, subscripts.output) for x in own)
    if all(x is ... or (isinstance(x, str) and len(x) == 1) for x in labels):
        return subscripts
    letters = _free(labels)
    called = {x: x if x is ... or (isinstance(x, str) and len(x) == 1) else next(letters) for x in labels}
    operands = tuple(tuple(called[x] for x in own) for own in subscripts.operands)
    return Subscripts(operands, tuple(called[x] for x in subscripts.output))


def _free(taken: Iterable[Label]) -> Iterator[str]:
    """Letters that are free: Latin ones, then those that opt_einsum takes."""
    taken = set(taken)
    yield from (x for x in string.ascii_letters if x not in taken)
    yield from (chr(k) for k in range(0x4E00, 0xA000) if chr(k) not in taken)


def _list(wrt: Any) -> list[Any]:
    try:
        return list(wrt)
    except TypeError:
        raise ArgumentError(f"wrt = {shown(wrt)} names no operand", repair="wrt=0, or wrt=('A', 'B')") from None


def _parsed(written: EinsumText) -> Equation:
    from einstan.library.api import parse  # the notation: not needed where arrays are multiplied

    return parse(written.equation)
