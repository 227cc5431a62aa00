"""Average pooling along two axes: the mean of every window."""

from einstan.library.layer import Layer
from einstan.library.sliding import Padding, Sizes, along, guarded, once_for_each, stated


@once_for_each
def average_pool_2d(
    window: Sizes, stride: Sizes | None = None, dilation: Sizes = 1, padding: Padding = "valid"
) -> Layer:
    """``Y[n,i,p,q] = mean over r, s of X[n,i, p + r, q + s]``

    X has the shape (samples, channels, height, width); the window moves by its own size unless a stride is given.
    Zeros that stand around are counted.

    Examples:
        >>> from einstan.layers import average_pool_2d
        >>> average_pool_2d(window=2).equation(X=np.arange(16.0).reshape(1, 1, 4, 4))
        array([[[[ 2.5,  4.5],
                 [10.5, 12.5]]]])
    """
    rows, columns = axes = along(2, window if stride is None else stride, dilation, padding, window)
    down, across = rows.slot("p", "R", ""), columns.slot("q", "S", "")
    extents = [("p", rows.positions("|X.2|", "")), ("q", columns.positions("|X.3|", ""))]
    sizes = [("R", str(rows.kernel)), ("S", str(columns.kernel))]
    share = f"1/{(rows.kernel or 1) * (columns.kernel or 1)}"
    return Layer(
        f"Y[n,i,p,q] = mean[R,S]({guarded(f'X[n,i,{down},{across}]', axes)})"
        f"{stated([*(extents if rows.pads or columns.pads else []), *sizes])}",
        partials=(
            f"dY[n,i,p,q]/dX[m,j,u,v] = {share} δ[n,m] δ[i,j] sum[R](δ[{down},u]) sum[S](δ[{across},v]){stated(sizes)}",
        ),
        source="Goodfellow, Bengio and Courville (2016), Deep Learning, section 9.3",
        name="average_pool_2d",
    )
