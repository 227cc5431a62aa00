"""Transposed convolution along one axis: every input entry lays the kernel, times itself, into the output."""

from einstan.library.initialise import he_second
from einstan.library.layer import Layer
from einstan.library.sliding import Padding, Sizes, along, each, once_for_each, stated


@once_for_each
def transposed_convolution_1d(
    stride: Sizes = 1, dilation: Sizes = 1, padding: Padding = "valid", more: Sizes = 0, kernel: Sizes | None = None
) -> Layer:
    """``Y[n,j,p] = sum over i, a, r of X[n,i,a] W[i,j,r] δ[s a + d r - low, p], plus b[j]``

    The transpose of `correlation_1d` with the same options as a linear map of its input.  X has the shape (samples,
    channels in, length), W (channels in, channels out, entries), b (channels out,).  With a stride, several lengths
    have the same number of windows: ``more`` entries are added at the end.

    Examples:
        >>> from einstan.layers import transposed_convolution_1d
        >>> print(transposed_convolution_1d(stride=2).equation)
        Y[n,j,p] = X[n,I,A] W[I,j,R] δ[2A+R,p] + b[j] where |p| = 2 |X.2| + |W.2| - 2
    """
    (axis,) = along(1, stride, dilation, padding, kernel)
    (extra,) = each("more", more, 1, least=0)
    at, to = (axis.slot(a, r, "|W.2|") for a, r in ("AR", "Ar"))
    back = axis.slot("a", "R", "|W.2|")
    extent = stated([("p", axis.entries_of_transpose("|X.2|", "|W.2|", extra))])
    return Layer(
        f"Y[n,j,p] = X[n,I,A] W[I,j,R] δ[{at},p] + b[j]{extent}",
        partials=(
            f"dY[n,j,p]/dX[m,i,a] = δ[n,m] W[i,j,R] δ[{back},p]",
            f"dY[n,j,p]/dW[i,k,r] = δ[j,k] X[n,i,A] δ[{to},p]",
            "dY[n,j,p]/db[k] = δ[j,k]",
        ),
        parameters={"W": he_second, "b": "zeros"},
        source="Dumoulin and Visin (2016), A guide to convolution arithmetic for deep learning, section 4",
        name="transposed_convolution_1d",
    )
