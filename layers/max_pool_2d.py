"""Max pooling along two axes: the largest entry of every window; entries that tie share the derivative equally."""

from einstan.library.layer import Layer
from einstan.library.sliding import Sizes, along, once_for_each


@once_for_each
def max_pool_2d(window: Sizes, stride: Sizes | None = None, dilation: Sizes = 1) -> Layer:
    """``Y[n,i,p,q] = max over r, s of X[n,i, p + r, q + s]``

    X has the shape (samples, channels, height, width); the window moves by its own size unless a stride is given.
    There is no padding: zeros could be the largest entries.

    Examples:
        >>> from einstan.layers import max_pool_2d
        >>> max_pool_2d(window=2).equation(X=np.arange(16.0).reshape(1, 1, 4, 4))
        array([[[[ 5.,  7.],
                 [13., 15.]]]])
    """
    rows, columns = along(2, window if stride is None else stride, dilation, "valid", window)
    down, across = rows.slot("p", "R", ""), columns.slot("q", "S", "")
    other = f"{rows.slot('p', 'T', '')},{columns.slot('q', 'U', '')}"
    sizes = f"|R| = {rows.kernel}, |S| = {columns.kernel}"
    return Layer(
        f"Y[n,i,p,q] = max[R,S](X[n,i,{down},{across}]) where {sizes}",
        partials=(
            "dY[n,i,p,q]/dX[m,j,u,v] = δ[n,m] δ[i,j] 1[X[n,i,u,v] == Y[n,i,p,q]] "
            f"sum[R](δ[{down},u]) sum[S](δ[{across},v]) / sum[T,U](1[X[n,i,{other}] == Y[n,i,p,q]]) "
            f"where {sizes}, |T| = {rows.kernel}, |U| = {columns.kernel}",
        ),
        source="Goodfellow, Bengio and Courville (2016), Deep Learning, section 9.3",
        name="max_pool_2d",
    )
