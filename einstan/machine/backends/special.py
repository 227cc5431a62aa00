"""Elementwise functions that NumPy does not have, each one a text that runs with ``import numpy as np`` alone."""

from __future__ import annotations

from typing import Any

from einstan.machine.backends.arrays import np

Array = Any


def silu(x: Array) -> Array:
    """x sigmoid(x), without overflow."""
    z = np.exp(-np.abs(x))
    return x * (np.maximum(z, np.greater_equal(x, 0)) / (1 + z))


def elu(x: Array) -> Array:
    """x where it is positive, else exp(x) - 1."""
    made: Array = np.where(np.greater(x, 0), x, np.expm1(np.minimum(x, 0)))
    return made[()]


def softsign(x: Array) -> Array:
    """x / (1 + |x|)."""
    return x / (1 + np.abs(x))


def cody(y: Array, most: float) -> tuple[Array, Array, Array, Array]:
    """erf(y) / y for small y; and t, which is y within 15/32 and ``most``, with exp(t²) erfc(t) as two parts of a
    quotient: the rational approximations of W. J. Cody, Math. Comp. 23 (1969) 631-637."""
    s = np.minimum(y, 0.5) ** 2
    p = (
        ((1.85777706184603153e-1 * s + 3.16112374387056560) * s + 1.13864154151050156e2) * s + 3.77485237685302021e2
    ) * s + 3.20937758913846947e3
    q = (
        ((s + 2.36012909523441209e1) * s + 2.44024637934444173e2) * s + 1.28261652607737228e3
    ) * s + 2.84423683343917062e3
    near = p / q
    t = np.minimum(np.maximum(y, 0.46875), most)
    p, q = 2.15311535474403846e-8 * t, t
    for a, b in (
        (5.64188496988670089e-1, 1.57449261107098347e1),
        (8.88314979438837594, 1.17693950891312499e2),
        (6.61191906371416295e1, 5.37181101862009858e2),
        (2.98635138197400131e2, 1.62138957456669019e3),
        (8.81952221241769090e2, 3.29079923573345963e3),
        (1.71204761263407058e3, 4.36261909014324716e3),
        (2.05107837782607147e3, 3.43936767414372164e3),
    ):
        p, q = (p + a) * t, (q + b) * t
    return near, t, p + 1.23033935479799725e3, q + 1.23033935480374942e3


def erf(x: Array) -> Array:
    """The error function, by `cody`."""
    x = np.asarray(x)
    y = np.abs(x)
    near, t, above, below = cody(y, 6)
    far = np.copysign(1 - np.exp(-t * t) * above / below, x)
    return np.where(y <= 0.46875, x * near, np.where(np.isnan(x), x, far))[()]


def erfc(x: Array) -> Array:
    """1 - erf(x), by `cody`, and beyond 4 by a series in 1/x."""
    x = np.asarray(x)
    kind = x.dtype if x.dtype.kind == "f" else np.float64
    x = x.astype(np.promote_types(kind, np.float64))
    y = np.abs(x)
    near, t, above, below = cody(y, 4)
    middle = above / below
    t = np.minimum(np.maximum(y, 4), 30)
    s = 1 / (t * t)
    p = 1.63153871373020978e-2 * s
    q = s
    for a, b in (
        (3.05326634961232344e-1, 2.56852019228982242),
        (3.60344899949804439e-1, 1.87295284992346725),
        (1.25781726111229246e-1, 5.27905102951428412e-1),
        (1.60837851487422766e-2, 6.05183413124413191e-2),
    ):
        p, q = (p + a) * s, (q + b) * s
    far = (5.6418958354775628695e-1 - s * (p + 6.58749161529837803e-4) / (q + 2.33520497626869185e-3) / s * s) / t
    t = np.minimum(y, 30)
    whole = np.trunc(16 * t) / 16  # exp(-t²) with the digits that rounding of t² would cost
    tail = np.exp(-whole * whole) * np.exp(-(t - whole) * (t + whole)) * np.where(y <= 4, middle, far)
    made = np.where(y <= 0.46875, 1 - x * near, np.where(x < 0, 2 - tail, tail))
    return np.where(np.isnan(x), x, made).astype(kind)[()]


def lgamma(x: Array) -> Array:
    """log |Γ(x)|: by Stirling's series from 8 on; in [3/2, 5/2] by the Taylor series at 2, to which Γ(x+1) = x Γ(x)
    leads from [1/2, 8]; below by Γ(x) Γ(1-x) = π / sin(πx)."""
    x = np.asarray(x)
    kind = x.dtype if x.dtype.kind == "f" else np.float64
    x = x.astype(np.promote_types(kind, np.float64))
    y = np.where(x < 0.5, 1 - x, x)
    t = np.minimum(y, 8)
    steps = np.floor(t - 0.5) - 1
    sign = np.where(steps < 0, -1, 1)
    product = np.where(steps < 0, t, 1)
    for k in range(1, 8):
        product = product * np.where(k <= steps, t - k, 1)
    z = t - (steps + 2)
    near = np.full_like(z, 5.731367241678862e-10)
    for a in (
        *(-1.1921401405860912e-09, 2.4836745438024785e-09, -5.183475041970047e-09, 1.0838659214896955e-08),
        *(-2.2711094608943164e-08, 4.7698101693639804e-08, -1.0043224823968099e-07, 2.1207184805554665e-07),
        *(-4.492469198764566e-07, 9.55141213040742e-07, -2.039215753801366e-06, 4.374866789907488e-06),
        *(-9.439488275268397e-06, 2.050721277567069e-05, -4.492623673813314e-05, 9.945751278180853e-05),
        *(-0.00022315475845357939, 0.0005096695247430425, -0.001192753911703261, 0.0028905103307415234),
        *(-0.007385551028673986, 0.020580808427784546, -0.0673523010531981, 0.3224670334241132, 0.42278433509846713),
    ):
        near = near * z + a
    near = near * z + sign * np.log(product)
    t = np.maximum(y, 8)
    s = 1 / t
    series = np.full_like(s, 0.17964437236883057)
    for a in (
        *(-0.029550653594771242, 0.00641025641025641, -0.0019175269175269176, 0.0008417508417508417),
        *(-0.0005952380952380953, 0.0007936507936507937, -0.002777777777777778, 0.08333333333333333),
    ):
        series = series * (s * s) + a
    far = (t - 0.5) * (np.log(t) - 1) + (0.41893853320467274 + series * s)
    made = np.where(y < 8, near, far)
    turn = np.where(np.isfinite(x) & (x < 0.5), x, 0.5)
    sine = np.abs(np.sin(np.pi * (turn - np.round(turn))))
    below = np.where(np.isfinite(x), 1.1447298858494002 - np.log(sine) - made, -x)  # log π
    return np.where(x < 0.5, below, made).astype(kind)[()]


def digamma(x: Array) -> Array:
    """The derivative of log Γ: by its asymptotic series from 8 on, to which ψ(x+1) = ψ(x) + 1/x leads from 1/2; below
    by ψ(1-x) - ψ(x) = π / tan(πx)."""
    x = np.asarray(x)
    kind = x.dtype if x.dtype.kind == "f" else np.float64
    x = x.astype(np.promote_types(kind, np.float64))
    y = np.where(x < 0.5, 1 - x, x)
    total = np.zeros_like(y)
    for _ in range(8):
        total = total + np.where(y < 8, 1 / y, 0)
        y = np.where(y < 8, y + 1, y)
    s = 1 / y
    series = np.full_like(s, 43867 / 14364)
    for a in (-3617 / 8160, 1 / 12, -691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12):
        series = series * (s * s) + a
    made = np.log(y) - s / 2 - series * (s * s) - total
    low = np.isfinite(x) & (x < 0.5)
    turn = np.where(low, x, 0.25)
    angle = np.pi * (turn - np.round(turn))
    pole = angle == 0
    below = made - np.pi / np.tan(np.where(pole, 1, angle))
    below = np.where(pole, np.where(x == 0, -np.inf, np.nan), below)
    return np.where(low, below, np.where(x < 0, np.nan, made)).astype(kind)[()]


def trigamma(x: Array) -> Array:
    """The derivative of ψ: by its asymptotic series from 8 on, to which ψ'(x+1) = ψ'(x) - 1/x² leads from 1/2; below by
    ψ'(1-x) + ψ'(x) = (π / sin(πx))²."""
    x = np.asarray(x)
    kind = x.dtype if x.dtype.kind == "f" else np.float64
    x = x.astype(np.promote_types(kind, np.float64))
    y = np.where(x < 0.5, 1 - x, x)
    total = np.zeros_like(y)
    for _ in range(8):
        total = total + np.where(y < 8, 1 / np.minimum(y, 8) ** 2, 0)
        y = np.where(y < 8, y + 1, y)
    s = 1 / y
    series = np.full_like(s, 43867 / 798)
    for a in (-3617 / 510, 7 / 6, -691 / 2730, 5 / 66, -1 / 30, 1 / 42, -1 / 30, 1 / 6):
        series = series * (s * s) + a
    made = s + s * s / 2 + series * (s * s * s) + total
    low = np.isfinite(x) & (x < 0.5)
    turn = np.where(low, x, 0.5)
    sine = np.sin(np.pi * (turn - np.round(turn)))
    below = np.where(sine == 0, np.inf, (np.pi / np.where(sine == 0, 1, sine)) ** 2 - made)
    return np.where(low, below, np.where(x < 0, np.nan, made)).astype(kind)[()]
