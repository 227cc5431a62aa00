"""Huber loss: half the square of a small error, and a straight line beyond the threshold."""

from fractions import Fraction

from einstan.language.arguments import HUGE, ArgumentError, number
from einstan.library.layer import Layer
from einstan.library.sliding import once_for_each


@once_for_each
def huber(threshold: float = 1) -> Layer:
    """``L = mean of r^2/2 where |r| <= h, else h (|r| - h/2)``, with ``r = O - Y`` and the threshold ``h > 0``.

    Examples:
        >>> from einstan.layers import huber
        >>> loss = es.Network(huber(threshold=2)("L", O="O", Y="Y"))
        >>> print(loss.evaluate("L", {}, O=np.array([[1.0, 4.0]]), Y=np.zeros((1, 2))))
        3.25
    """
    number("threshold", threshold, 0, HUGE)
    h = Fraction(str(threshold))
    if h <= 0:
        raise ArgumentError(f"the threshold of a Huber loss is positive, not {threshold}", repair="huber(threshold=1)")
    times = "" if h == 1 else f"{h} "
    return Layer(
        f"""
        r[n,j] = O[n,j] - Y[n,j]
        L = 1/(|N| |J|) (1/2 1[abs(r[N,J]) <= {h}] r[N,J]^2 + {times}1[abs(r[N,J]) > {h}] (abs(r[N,J]) - {h / 2}))
        """,
        partials=(
            f"dL/dO[n,j] = (1[abs(r[n,j]) <= {h}] r[n,j] + {times}1[abs(r[n,j]) > {h}] sign(r[n,j])) / (|n| |j|)",
            f"dL/dY[n,j] = -(1[abs(r[n,j]) <= {h}] r[n,j] + {times}1[abs(r[n,j]) > {h}] sign(r[n,j])) / (|n| |j|)",
        ),
        source="Huber (1964), Robust estimation of a location parameter, section 4, as a mean",
        name="huber",
    )
