"""What can be composed: ``f >> g`` is the function that does f first and then g."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from einstan.language.guesses import Guessed

if TYPE_CHECKING:
    from einstan.library.network import Network


class Composable(Guessed):
    """Equations, layers, their uses and networks: ``dense(j=64) >> relu >> dense(j=10)`` is a network.

    Examples:
        >>> from einstan.layers import dense, relu
        >>> print(dense(j=64) >> relu >> dense(j=10))
        Z[n,j] = X[n,K] W[K,j] + b[j]
        A[n,j] = relu(Z[n,j])
        Z2[n,j] = A[n,K] W2[K,j] + b2[j]
    """

    __slots__ = ()

    def __rshift__(self, other: Any) -> Network:
        """This, then ``other``, which reads what this defines; see `einstan.library.compose.compose`.

        Examples:
            >>> print(es.parse("A[n] = relu(Z[n])") >> es.parse("L = A[N]^2"))
            A[n] = relu(Z[n])
            L = A[N]^2
        """
        from einstan.library.compose import compose

        return compose(self, other)

    def __rrshift__(self, other: Any) -> Network:
        from einstan.library.compose import compose

        return compose(other, self)
