"""Transposed convolution along two axes: every input entry lays the kernel, times itself, into the output."""

from einstan.library.initialise import he_second
from einstan.library.layer import Layer
from einstan.library.sliding import Padding, Sizes, along, each, once_for_each, stated


@once_for_each
def transposed_convolution_2d(
    stride: Sizes = 1, dilation: Sizes = 1, padding: Padding = "valid", more: Sizes = 0, kernel: Sizes | None = None
) -> Layer:
    """``Y[n,j,p,q] = sum over i, a, c, r, s of X[n,i,a,c] W[i,j,r,s] δ[a + r, p] δ[c + s, q], plus b[j]``

    The transpose of `correlation_2d` with the same options as a linear map of its input.  X has the shape (samples,
    channels in, height, width), W (channels in, channels out, rows, columns), b (channels out,).  With a stride,
    several sizes have the same number of windows: ``more`` rows and columns are added at the end.

    Examples:
        >>> from einstan.layers import transposed_convolution_2d
        >>> X, W, b = np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)), np.zeros(1)
        >>> transposed_convolution_2d().equation(X=X, W=W, b=b)
        array([[[[1., 2., 1.],
                 [2., 4., 2.],
                 [1., 2., 1.]]]])
    """
    rows, columns = along(2, stride, dilation, padding, kernel)
    below, beside = each("more", more, 2, least=0)
    down, across = rows.slot("A", "R", "|W.2|"), columns.slot("C", "S", "|W.3|")
    back = rows.slot("a", "R", "|W.2|"), columns.slot("c", "S", "|W.3|")
    to = rows.slot("A", "r", "|W.2|"), columns.slot("C", "s", "|W.3|")
    height = rows.entries_of_transpose("|X.2|", "|W.2|", below)
    width = columns.entries_of_transpose("|X.3|", "|W.3|", beside)
    return Layer(
        f"Y[n,j,p,q] = X[n,I,A,C] W[I,j,R,S] δ[{down},p] δ[{across},q] + b[j]{stated([('p', height), ('q', width)])}",
        partials=(
            f"dY[n,j,p,q]/dX[m,i,a,c] = δ[n,m] W[i,j,R,S] δ[{back[0]},p] δ[{back[1]},q]",
            f"dY[n,j,p,q]/dW[i,k,r,s] = δ[j,k] X[n,i,A,C] δ[{to[0]},p] δ[{to[1]},q]",
            "dY[n,j,p,q]/db[k] = δ[j,k]",
        ),
        parameters={"W": he_second, "b": "zeros"},
        source="Dumoulin and Visin (2016), A guide to convolution arithmetic for deep learning, section 4",
        name="transposed_convolution_2d",
    )
