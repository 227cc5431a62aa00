"""Convolution along two axes, of a batch with channels: the kernel is turned round."""

from einstan.library.initialise import he_first
from einstan.library.layer import Layer
from einstan.library.sliding import Padding, Sizes, along, guarded, once_for_each, stated


@once_for_each
def convolution_2d(
    stride: Sizes = 1, dilation: Sizes = 1, padding: Padding = "valid", kernel: Sizes | None = None
) -> Layer:
    """``Y[n,j,p,q] = sum over i, r, s of X[n,i, p + k-1-r, q + l-1-s] W[j,i,r,s], plus b[j]``

    X has the shape (samples, channels in, height, width), W (channels out, channels in, rows, columns), b (channels
    out,).  The options are those of `einstan.library.sliding.along`; a proved layer is kept for each choice of them.

    Examples:
        >>> from einstan.layers import convolution_2d
        >>> print(convolution_2d().equation)
        Y[n,j,p,q] = X[n,I,p-R+|W.2|-1,q-S+|W.3|-1] W[j,I,R,S] + b[j]
    """
    rows, columns = axes = along(2, stride, dilation, padding, kernel)
    at = f"{rows.flipped('p', 'R', '|W.2|')},{columns.flipped('q', 'S', '|W.3|')}"
    to = f"{rows.flipped('p', 'r', '|W.2|')},{columns.flipped('q', 's', '|W.3|')}"
    above, beside = at.split(",")
    pads = rows.pads or columns.pads
    height, width = rows.positions("|X.2|", "|W.2|"), columns.positions("|X.3|", "|W.3|")
    extents = stated([("p", height), ("q", width)] if pads else [])
    return Layer(
        f"Y[n,j,p,q] = {guarded(f'X[n,I,{at}]', axes)} W[j,I,R,S] + b[j]{extents}",
        partials=(
            f"dY[n,j,p,q]/dX[m,i,u,v] = δ[n,m] W[j,i,R,S] δ[{above},u] δ[{beside},v]",
            f"dY[n,j,p,q]/dW[k,i,r,s] = δ[j,k] {guarded(f'X[n,i,{to}]', axes)}",
            "dY[n,j,p,q]/db[k] = δ[j,k]",
        ),
        parameters={"W": he_first, "b": "zeros"},
        source="Kumar (2020), Proofs for Neural Network Library, section 6, with channels, stride and dilation",
        name="convolution_2d",
    )
