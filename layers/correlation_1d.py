"""Correlation along one axis, of a batch with channels: the window is laid over the input as it is."""

from einstan.library.initialise import he_first
from einstan.library.layer import Layer
from einstan.library.sliding import Padding, Sizes, along, guarded, once_for_each, stated


@once_for_each
def correlation_1d(
    stride: Sizes = 1, dilation: Sizes = 1, padding: Padding = "valid", kernel: Sizes | None = None
) -> Layer:
    """``Y[n,j,p] = sum over i, r of X[n,i, s p + d r - low] W[j,i,r], plus b[j]``

    X has the shape (samples, channels in, length), W (channels out, channels in, entries), b (channels out,).  The
    options are those of `einstan.library.sliding.along`; a proved layer is kept for each choice of them.

    Examples:
        >>> from einstan.layers import correlation_1d
        >>> print(correlation_1d(stride=2).equation)
        Y[n,j,p] = X[n,I,2p+R] W[j,I,R] + b[j]
    """
    (axis,) = axes = along(1, stride, dilation, padding, kernel)
    at, to = (axis.slot("p", offset, "|W.2|") for offset in "Rr")
    extent = stated([("p", axis.positions("|X.2|", "|W.2|"))] if axis.pads else [])
    return Layer(
        f"Y[n,j,p] = {guarded(f'X[n,I,{at}]', axes)} W[j,I,R] + b[j]{extent}",
        partials=(
            f"dY[n,j,p]/dX[m,i,u] = δ[n,m] W[j,i,R] δ[{at},u]",
            f"dY[n,j,p]/dW[k,i,r] = δ[j,k] {guarded(f'X[n,i,{to}]', axes)}",
            "dY[n,j,p]/db[k] = δ[j,k]",
        ),
        parameters={"W": he_first, "b": "zeros"},
        source="Kumar (2020), Proofs for Neural Network Library, section 6, with channels, stride and dilation",
        name="correlation_1d",
    )
