"""Max pooling along one axis: the largest entry of every window; entries that tie share the derivative equally."""

from einstan.library.layer import Layer
from einstan.library.sliding import Sizes, along, once_for_each


@once_for_each
def max_pool_1d(window: Sizes, stride: Sizes | None = None, dilation: Sizes = 1) -> Layer:
    """``Y[n,i,p] = max over r of X[n,i, s p + d r]``

    X has the shape (samples, channels, length); the window moves by its own size unless a stride is given.  There is no
    padding: zeros could be the largest entries.

    Examples:
        >>> from einstan.layers import max_pool_1d
        >>> max_pool_1d(window=2).equation(X=np.arange(4.0).reshape(1, 1, 4))
        array([[[1., 3.]]])
    """
    (axis,) = along(1, window if stride is None else stride, dilation, "valid", window)
    at, to = axis.slot("p", "R", ""), axis.slot("p", "S", "")
    size = f"|R| = {axis.kernel}, |S| = {axis.kernel}"
    return Layer(
        f"Y[n,i,p] = max[R](X[n,i,{at}]) where |R| = {axis.kernel}",
        partials=(
            "dY[n,i,p]/dX[m,j,u] = δ[n,m] δ[i,j] 1[X[n,i,u] == Y[n,i,p]] "
            f"sum[R](δ[{at},u]) / sum[S](1[X[n,i,{to}] == Y[n,i,p]]) where {size}",
        ),
        source="Goodfellow, Bengio and Courville (2016), Deep Learning, section 9.3",
        name="max_pool_1d",
    )
