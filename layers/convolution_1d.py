"""Convolution along one axis, of a batch with channels: the kernel is turned round."""

from einstan.library.initialise import he_first
from einstan.library.layer import Layer
from einstan.library.sliding import Padding, Sizes, along, guarded, once_for_each, stated


@once_for_each
def convolution_1d(
    stride: Sizes = 1, dilation: Sizes = 1, padding: Padding = "valid", kernel: Sizes | None = None
) -> Layer:
    """``Y[n,j,p] = sum over i, r of X[n,i, s p + d (k-1-r) - low] W[j,i,r], plus b[j]``

    X has the shape (samples, channels in, length), W (channels out, channels in, entries), b (channels out,).  The
    options are those of `einstan.library.sliding.along`; a proved layer is kept for each choice of them.

    Examples:
        >>> from einstan.layers import convolution_1d
        >>> print(convolution_1d().equation)
        Y[n,j,p] = X[n,I,p-R+|W.2|-1] W[j,I,R] + b[j]
    """
    (axis,) = axes = along(1, stride, dilation, padding, kernel)
    at, to = (axis.flipped("p", offset, "|W.2|") for offset in "Rr")
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
        name="convolution_1d",
    )
