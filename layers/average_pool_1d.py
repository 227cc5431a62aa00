"""Average pooling along one axis: the mean of every window."""

from einstan.library.layer import Layer
from einstan.library.sliding import Padding, Sizes, along, guarded, once_for_each, stated


@once_for_each
def average_pool_1d(
    window: Sizes, stride: Sizes | None = None, dilation: Sizes = 1, padding: Padding = "valid"
) -> Layer:
    """``Y[n,i,p] = mean over r of X[n,i, s p + d r - low]``

    X has the shape (samples, channels, length); the window moves by its own size unless a stride is given.  Zeros that
    stand around are counted.

    Examples:
        >>> from einstan.layers import average_pool_1d
        >>> average_pool_1d(window=2).equation(X=np.arange(4.0).reshape(1, 1, 4))
        array([[[0.5, 2.5]]])
    """
    (axis,) = axes = along(1, window if stride is None else stride, dilation, padding, window)
    at = axis.slot("p", "R", "")
    extents = [("p", axis.positions("|X.2|", ""))] if axis.pads else []
    size = ("R", str(axis.kernel))
    return Layer(
        f"Y[n,i,p] = mean[R]({guarded(f'X[n,i,{at}]', axes)}){stated([*extents, size])}",
        partials=(f"dY[n,i,p]/dX[m,j,u] = 1/{axis.kernel} δ[n,m] δ[i,j] sum[R](δ[{at},u]){stated([size])}",),
        source="Goodfellow, Bengio and Courville (2016), Deep Learning, section 9.3",
        name="average_pool_1d",
    )
