"""Programs that failed once, with their data and what they mean in plain NumPy: run on every route.

The functions take arrays of complex numbers, and imaginary parts give their derivatives (`tests.routes.meant`).  They
share no code with the package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tests.routes.meaning import FUNCTIONS, Meaning
from tests.routes.meant import Meant

Array = Any
AGAIN = ("hessian of two", "newton")  # which make a Hessian once more
IN_TURN = (  # what derives or proves more than the others do
    *AGAIN, "hessian", "claims", "derivation", "partial of a partial", "orders of a derivative", "products, batched",
    "str(hvp.whole) again", "hvp of one", "hvp of all, batched",
)  # fmt: skip


@dataclass(frozen=True)
class RowLine:
    text: str

    @property
    def name(self) -> str:
        return re.match(r"\w+", self.text)[0]

    @property
    def free(self) -> tuple[str, ...]:
        slots = re.match(r"\w+\[(.*?)\]", self.text)
        return tuple(slots[1].split(",")) if slots else ()

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class Row(Meant):
    """``meaning(**arrays)`` gives every tensor that a line defines."""

    name: str
    text: str
    arrays: Mapping[str, Any]
    meaning: Callable[..., dict[str, Array]]
    by: str = ""  # the inputs to differentiate by
    loss: str = "L"
    features: frozenset[str] = frozenset()
    dtype: str = "float64"
    data_seed: int = 0
    sizes: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys("abcd", 0))
    overflows: bool = False
    unproved: bool = False  # derived by steps that no rule proves: where ranges meet
    long: tuple[str, ...] = ()  # routes that take many seconds: sums over many indices, large second derivatives
    measure: float = 0.0  # what errors are small beside, where the largest number on the way is not that

    @cached_property
    def lines(self) -> tuple[RowLine, ...]:
        return tuple(RowLine(line.strip()) for line in self.text.strip().splitlines())

    @cached_property
    def by_name(self) -> dict[str, RowLine]:
        return {line.name: line for line in self.lines}

    @cached_property
    def data(self) -> dict[str, Array]:
        return {name: np.asarray(a) if np.asarray(a).dtype.kind == "i" else np.asarray(a, self.dtype)
                for name, a in self.arrays.items()}  # fmt: skip

    @cached_property
    def integers(self) -> set[str]:
        return {name for name, a in self.data.items() if a.dtype.kind == "i"}

    @cached_property
    def floats(self) -> tuple[str, ...]:
        return tuple(name for name in self.data if name not in self.integers)

    @cached_property
    def wrt(self) -> tuple[str, ...]:
        return tuple(self.by.split())

    @cached_property
    def ranks(self) -> dict[str, int]:
        return {**{n: a.ndim for n, a in self.data.items()}, **{line.name: len(line.free) for line in self.lines}}

    def with_sizes(self, sizes: Mapping[str, int], seed: int) -> Row:
        return self

    def behind(self, name: str) -> set[str]:
        """Those whose values it varies with, here."""
        return {wrt for wrt in self.wrt if np.any(self.jacobians[name][wrt])}

    def evaluated(self, given: Mapping[str, Array]) -> Meaning:
        found = Meaning((), {})
        count = max([1, *(len(given[name]) for name in self.floats)])
        with np.errstate(all="ignore"):
            rows = [
                self.meaning(**{n: a[0 if n in self.integers else k] for n, a in given.items()}) for k in range(count)
            ]
        found.tensors = {line.name: np.array([row[line.name] for row in rows]) + 0j for line in self.lines}
        finite = [np.abs(a[np.isfinite(a)]).max(initial=0) for a in found.tensors.values()]
        found.largest = max(1.0, *finite)
        return found

    def on(self, route: str) -> bool:
        """Whether a route may be taken: one line after another, and by loops, large exponentials are infinite.

        What takes long is taken with ``EINSTAN_EXPLORE=1`` alone, or by every third row, others every day.
        """
        if self.overflows and route in ("loops in floats", "backward by loops", "Equation(...)"):
            return False
        if os.environ.get("EINSTAN_EXPLORE"):
            return True
        day = int(os.environ.get("EINSTAN_SEED", "0")) // 10**4
        return route not in self.long and (route not in IN_TURN or (len(self.name) + len(self.text) + day) % 3 == 0)

    def scale(self, what: str) -> float:
        return self.measure or super().scale(what)

    def __repr__(self) -> str:
        return f"row {self.name!r}"


def absolute(z: Array) -> Array:
    return FUNCTIONS["abs"](np.asarray(z))


def regression(X: Array, w: Array, y: Array) -> dict[str, Array]:
    Z = X @ w
    return {"Z": Z, "e": y - Z, "L": ((y - Z) ** 2).mean()}


def bell(b: Array, y: Array) -> dict[str, Array]:
    Z = np.exp(-(b**2))
    return {"U": b**2, "Z": Z, "e": y - Z, "L": ((y - Z) ** 2).sum()}


def shifted(x: Array) -> dict[str, Array]:
    y = np.concatenate([[0], x[:-1]])
    return {"y": y, "L": (y**2).sum()}


def repulsion(x: Array) -> dict[str, Array]:
    total = sum(1 / absolute(x[i] - x[j]) for i in range(len(x)) for j in range(len(x)) if i != j)
    return {"L": total}


def repulsion_by_name(x: Array) -> dict[str, Array]:
    return {"V": 1 / absolute(x[:, None] - x[None, :]), "L": repulsion(x)["L"] / 2}


def masked_differences(x: Array, y: Array, m: Array) -> dict[str, Array]:
    d = np.where(m.real > 0, np.append(x[1:], 0) - x, 0)
    return {"r": 1 / y, "d": d, "L": (d**2 / y).sum()}


def masked_window(y: Array, c: Array) -> dict[str, Array]:
    f = np.sin(y[1:])
    H = f**2
    V = np.where(c.real > 0, np.append(H[1:], 0) - H, 0)
    return {"f": f, "H": H, "V": V, "L": (V**2).sum()}


def windows(v: Array, Q: Array, c: Array) -> dict[str, Array]:
    f = np.array([sum(v[2 * j + k] * Q[k] for k in range(len(Q))) for j in range(len(c))])
    return {"f": f, "L": (f * c).sum()}


def autoregression(x: Array, a: Array, b: Array) -> dict[str, Array]:
    e = x[2:] - a * x[1:-1] - b * x[:-2]
    return {"e": e, "L": (e**2).mean()}


def entry(p: Array) -> dict[str, Array]:
    return {"e": 2 * p, "L": np.exp(2 * p[0])}


def difference_of_squares(x: Array, s: Array) -> dict[str, Array]:
    products = (x - s) * (x + s)
    return {"L": products[np.argmax(products.real)]}


def scaled_maximum(a: Array, x: Array) -> dict[str, Array]:
    return {"L": (a * x)[np.argmax((a * x).real)]}


def signs(u: Array, c: Array) -> dict[str, Array]:
    U = np.sign(u.real) + 0j
    return {"U": U, "L": (U * c).sum()}


def ones_elsewhere(x: Array) -> dict[str, Array]:
    B = (x.real > 0) + 0j
    y = B[1:-1] + B[2:]
    return {"B": B, "y": y, "m": np.maximum(B[:-1].real, B[1:].real), "L": (y * x[2:]).sum()}


def softmax_of_a_diagonal(h: Array) -> dict[str, Array]:
    power = np.exp(h.T + np.diag(h)[:, None])
    U = power / power.sum(axis=0) + h
    return {"U": U, "L": U.sum()}


def spread(x: Array) -> dict[str, Array]:
    return {"L": np.log(((x - x.mean()) ** 2).mean())}


def softened(weights: Array, powers: Array) -> Array:
    """``weights exp(powers)`` over its sum along the last axis; what has no weight is left out."""
    counted = weights.real != 0
    top = np.where(counted, powers.real, -np.inf).max(axis=-1, keepdims=True)
    parts = weights * np.exp(np.where(counted, powers - top, 0))
    return parts / parts.sum(axis=-1, keepdims=True)


def lagged(x: Array, z: Array, y: Array) -> dict[str, Array]:
    c = np.array([x[j] * z[0] + x[j + 1] * z[1] for j in range(len(x) - 1)])
    return {"c": c, "L": (y[1 : 1 + len(c)] * c).sum()}


def rough(x: Array, y: Array) -> dict[str, Array]:
    first = (x[1:] - x[:-1]) ** 2
    return {"L": first.sum() + ((x[2:] - 2 * x[1:-1] + x[:-2]) ** 2).mean() + np.sin(y[1:]).sum()}


def weighted_softmax(M: Array, Z: Array, C: Array) -> dict[str, Array]:
    S = softened(M, Z)
    return {"S": S, "L": (S * C).sum()}


def attention_by_names(Q: Array, K: Array, C: Array) -> dict[str, Array]:
    A = softened(np.ones((len(Q), len(K))), Q @ K.T)
    return {"E": np.exp(Q @ K.T), "A": A, "L": (A * C).sum()}


def running_logsumexp(x: Array) -> dict[str, Array]:
    tops = np.maximum.accumulate(x.real)
    y = np.array([top + np.log(np.exp(x[: i + 1] - top).sum()) for i, top in enumerate(tops)])
    return {"y": y, "L": (y**2).sum()}


def first_window(c: Array, w: Array, v: Array, s: Array) -> dict[str, Array]:
    Z = np.array([(c[i : i + len(w)] * w * v).sum() * s for i in range(len(c) - len(w) + 1)])
    return {"Z": Z, "L": np.cos(Z[0])}


def others_of_a_shift(c: Array) -> dict[str, Array]:
    S = np.concatenate([[0, 0], c[:-2]])
    e = S.sum() - S
    return {"S": S, "e": e, "L": (e**2).mean()}


def summed_windows(b: Array, c: Array) -> dict[str, Array]:
    h = np.array([c[m] * b[m + 1 : m + 1 + len(b) - len(c)].sum() for m in range(len(c))])
    return {"h": h, "L": h.sum()}


def driven(y: Array, x: Array, a: Array, b: Array) -> dict[str, Array]:
    e = y - a * x[2:] - b * x[:-2]
    return {"e": e, "L": (e**2).sum()}


def of_differences(W: Array) -> Array:
    with np.errstate(all="ignore"):
        return 1 / (W[:, None] - W[None, :])


def neighbours(W: Array) -> dict[str, Array]:
    Z = of_differences(W)
    G = np.array([*Z.diagonal(1), 0])
    return {"Z": Z, "G": G, "L": (G**2).sum()}


def every_other(W: Array) -> dict[str, Array]:
    V = W - W[1]
    with np.errstate(all="ignore"):
        Z = 1 / V
    return {"V": V, "Z": Z, "G": Z[::2], "L": Z[::2].sum()}


def differences(x: Array) -> dict[str, Array]:
    d = np.diff(x)
    return {"d": d, "L": (d**2).sum()}


def shorter_differences(x: Array) -> dict[str, Array]:
    d = np.diff(x)[:2]
    return {"d": d, "L": (d**2).sum()}


def second_differences(u: Array) -> dict[str, Array]:
    D = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
    return {"D": D, "L": (D**2).sum()}


def transformed(x: Array, c: Array) -> dict[str, Array]:
    k, n = len(c), len(x)
    y = np.cos(2 * np.pi * np.outer(np.arange(k), np.arange(n)) / n) @ x
    return {"y": y, "L": (c * y**2).sum()}


def discounted(g: Array, x: Array) -> dict[str, Array]:
    return {"L": (g ** np.arange(len(x)) * x**2).sum()}


def trend(y: Array, a: Array, b: Array) -> dict[str, Array]:
    return {"L": ((y - a - b * np.arange(len(y))) ** 2).sum()}


def placed(x: Array, w: Array) -> dict[str, Array]:
    t, d = np.arange(x.shape[0])[:, None], np.arange(x.shape[1])
    y = x + np.sin(w * t / 10000 ** (2 * d / x.shape[1]))
    return {"y": y, "L": (y**3).sum()}


def delayed(x: Array, w: Array) -> dict[str, Array]:
    y = np.array([sum(np.exp(-w * (i - j)) * x[j] for j in range(i + 1)) for i in range(len(x))])
    return {"y": y, "L": (y**2).sum()}


def joined(a: Array, b: Array) -> dict[str, Array]:
    c = np.concatenate([a, b])
    return {"c": c, "L": (c**3 * np.arange(len(c))).sum()}


def stacked(A: Array, B: Array) -> dict[str, Array]:
    c = np.concatenate([A, B], axis=1)
    return {"c": c, "L": (c[:, 1:] * c[:, :-1]).sum()}


def padded_twice(v: Array, c: Array, x: Array, w: Array) -> dict[str, Array]:
    def turned(a: Array) -> Array:
        return np.array([a[2 - n] if 0 <= 2 - n < len(a) else 0 for n in range(len(v))])

    e = v * turned(c) / FUNCTIONS["softplus"](x.sum() * turned(w))
    return {"e": e, "L": (e**2).sum()}


def after_the_first(W: Array, a: Array) -> dict[str, Array]:
    with np.errstate(all="ignore"):
        Z = 1 / (W - W[0])
    S = Z[1:] * a
    return {"Z": Z, "S": S, "L": (S**2).sum()}


def two_logarithms(W: Array) -> dict[str, Array]:
    with np.errstate(all="ignore"):
        Z = np.log(W - W[2] + 0j)
    Z[2] = complex(-np.inf, np.nan)
    return {"Z": Z, "L": Z[0] * Z[1]}


def shifted_sums(x: Array) -> dict[str, Array]:
    S = x + np.concatenate([[0], x[:-1]])
    return {"e": x, "S": S, "H": S[1:], "L": (S[1:] ** 2).sum()}


def chained(x: Array) -> dict[str, Array]:
    d = np.diff(x)
    return {"d": d, "k": d[1:] * d[:-1], "L": ((d[1:] * d[:-1]) ** 2).sum()}


def autocorrelation(x: Array) -> dict[str, Array]:
    c = np.array([(x[k : len(x) - 2 + k] * x[: len(x) - 2]).sum() for k in range(3)])
    return {"c": c, "L": (c**2).sum()}


def pulled_to_one(function: Callable[[Array], Array], x: Array) -> dict[str, Array]:
    s = function(x[1:] - x[:-1])
    return {"s": s, "L": ((s - 1) ** 2).sum()}


def differences_put_together(y: Array, w: Array) -> dict[str, Array]:
    S = np.concatenate([y, w])
    return {"S": S, "U": S[1:] - S[:-1], "L": ((S[1:] - S[:-1]) ** 3).sum()}


def beside_neighbours(a: Array, v: Array) -> dict[str, Array]:
    f = a[1:] * a[:-1]
    L1 = 2 * (f**2).mean()
    return {"S": np.outer(a, np.ones(len(v))), "f": f, "L1": L1, "L2": np.sinh(L1)}


def largest_of_products(v: Array, b: Array, w: Array) -> dict[str, Array]:
    entries = v * np.array([b[i : i + len(w)] for i in range(len(v))]) * w
    U = 1 + 3 * np.array([row[np.argmax(row.real)] for row in entries])
    return {"U": U, "L": (U**2).sum()}


def largest_of_rows(a: Array) -> dict[str, Array]:
    f = np.array([row[np.argmax(row.real)] for row in a])
    S = f + np.array([0, f[0]])
    return {"f": f, "S": S, "L": S[0] * S[1]}


def two_of_a_column(y: Array) -> dict[str, Array]:
    with np.errstate(all="ignore"):
        Z = 1 / (y[:, None] - y[None, :])
    return {"Z": Z, "L": 1 / (y[2] - y[0]) + 1 / (y[1] - y[0])}


def least_compared(b: Array, c: Array) -> dict[str, Array]:
    f = b[:, None] * (np.exp(b) / np.exp(b).sum())
    h = np.array([row[np.argmin(row.real)] for row in f])
    H = f * (f == h[:, None])
    V = np.exp(H) / np.exp(H).sum(1, keepdims=True)
    return {"f": f, "h": h, "H": H, "V": V, "L": (V * c).sum()}


def weighed_mean(y: Array, a: Array) -> dict[str, Array]:
    S = np.exp(y) / np.exp(y).sum(1, keepdims=True)
    return {"S": S, "L": (S * a).mean()}


def put_together(w: Array, a: Array) -> dict[str, Array]:
    H = np.concatenate([w, a])
    S = H + H.sum()
    return {"H": H, "h": H.sum(), "S": S, "L": np.sin(S).sum() + (w**2).sum()}


def first_of_products(a: Array, w: Array) -> dict[str, Array]:
    f = w * np.log(1 + np.exp(a)).sum()
    return {"f": f, "L": np.exp(f[0])}


def after_thirds(w: Array, z: Array) -> dict[str, Array]:
    U = w * ((w + np.arange(3) + 1 / 3).real > np.real(z))
    return {"U": U, "L": (U**2).sum()}


def windows_of_products(w: Array, X: Array) -> dict[str, Array]:
    Z = np.array([w[2 * i + 1 : 2 * i + 4].sum() for i in range(3)])
    e = Z[1:] * Z[:-1]
    V = FUNCTIONS["erf"](e).sum() * np.ones(2)
    return {"Z": Z, "e": e, "V": V, "L": (X * V).sum()}


def shifted_exponentials(x: Array, b: Array) -> dict[str, Array]:
    S = 1 / (1 + np.exp(-x))
    U = np.exp(-(S**2))
    h = b - U
    V = h - np.concatenate([[0], h[:-1]])
    return {"S": S, "U": U, "h": h, "V": V, "L": np.log(np.exp(V).sum())}


def two_axes(y: Array, w: Array) -> dict[str, Array]:
    U = 1 / (w[:, None] + w[None, :])
    f = np.concatenate([[0, 0], y[:-2]])
    e = U.sum() + w[:, None] + f[None, :]
    return {"U": U, "Z": U.sum(), "f": f, "e": e, "L": (e**2).sum()}


def compared_and_shifted(y: Array, w: Array, z: Array) -> dict[str, Array]:
    h = y[:-1] * w[0] + y[1:] * w[1]
    shifted = np.concatenate([np.zeros(1), h[:-1]])
    left = np.where(shifted == z, shifted, 0)
    return {"h": h, "H": shifted, "f": shifted, "S": left, "L": np.sin(left[0])}


def largest_and_traced(y: Array, x: Array) -> dict[str, Array]:
    top = y[np.arange(len(y)), y.real.argmax(axis=1)]
    h = top / np.exp(x)
    return {"h": h, "L": (h * np.diag(y)).sum()}


def kronecker(A: Array, B: Array, C: Array) -> dict[str, Array]:
    K = np.kron(A, B)
    return {"K": K, "L": (C * K).sum()}


def in_rows(x: Array) -> dict[str, Array]:
    y = x.reshape(2, 3)
    return {"y": y, "L": (y[:, 1:] * y[:, :-1]).sum()}


def in_a_row(x: Array) -> dict[str, Array]:
    y = x.reshape(-1)
    return {"y": y, "L": (y**2 * np.arange(len(y))).sum()}


def of_groups(x: Array, w: Array) -> dict[str, Array]:
    groups = x.reshape(len(x), 2, 2)
    m = groups.mean(2)
    v = ((groups - m[..., None]) ** 2).mean(2)
    y = (x - np.repeat(m, 2, axis=1)) / np.sqrt(np.repeat(v, 2, axis=1) + 0.1)
    return {"m": m, "v": v, "y": y, "L": (w * y**2 + y).sum()}


def rotated(x: Array, w: Array) -> dict[str, Array]:
    half = x.shape[1] // 2
    angle = np.arange(x.shape[0])[:, None] / 10.0 ** (np.arange(2 * half) % half)
    y = x * np.cos(angle) + np.concatenate([-x[:, half:], x[:, :half]], axis=1) * np.sin(angle)
    return {"y": y, "L": (w * y**2).sum()}


def round_about(x: Array) -> dict[str, Array]:
    y = np.roll(x, -1) - x
    return {"y": y, "L": (y**3).sum()}


def repeated(x: Array, c: Array) -> dict[str, Array]:
    y = np.repeat(x, 2)
    return {"y": y, "L": (c * y**2).sum()}


def below_an_index(u: Array, y: Array) -> dict[str, Array]:
    i = np.arange(len(y)) + 0.5
    U = np.where(u.real < i, u, i) * (0.5 + absolute(u)) ** 2 + y
    return {"U": U, "L": (U**2).sum() / 2}


def shares_of_a_shift(u: Array, v: Array) -> dict[str, Array]:
    e = np.concatenate([[0, 0], u])[: len(u)]
    Z = e @ v
    return {"e": e, "Z": Z, "L": np.log(np.exp(Z).sum())}


def turned_neighbours(b: Array, y: Array) -> dict[str, Array]:
    h = np.tril(np.exp(b))
    f = h.sum(1)
    e = f[1:] * f[:-1]
    H = e + np.arctan(e @ y)
    return {"h": h, "f": f, "e": e, "H": H, "L": (H**2).sum()}


def neighbours_of_exponentials(c: Array, y: Array) -> dict[str, Array]:
    f = np.exp(c)
    e = f[1:] * f[:-1]
    return {"f": f, "e": e, "L": np.arctan(e @ y)}


def least_portions(b: Array, v: Array) -> dict[str, Array]:
    turned = np.array([b[2 - i] if 0 <= 2 - i < len(b) else 0 for i in range(len(v))])
    S = np.exp(v + turned[:, None]) / np.exp(v + turned[:, None]).sum(axis=0)
    U = np.array([row[np.argmin(row.real)] for row in S])
    return {"U": U, "L": (np.arange(len(U)) * U).sum()}


def padded_and_shifted(a: Array, b: Array) -> dict[str, Array]:
    e = np.concatenate([a, np.zeros(len(b))])
    u = np.concatenate([np.zeros(2), e[:-2]])
    return {"e": e, "U": u, "L": np.log(np.exp(u).sum()) + np.tanh(u).sum() / 4 + b.sum()}


def shares_of_shares(a: Array, b: Array, w: Array) -> dict[str, Array]:
    A, B = np.exp(a) / np.exp(a).sum(), np.exp(b) / np.exp(b).sum()
    return {"o": np.outer(A * B, np.ones(len(w))), "L": len(w) * (A * B).sum()}


def alike_alone(x: Array, a: Array, b: Array) -> dict[str, Array]:
    V = of_differences(x)
    return {"V": V, "L": np.where(a[:, None].real == b[None, :].real, V, 0).sum()}


def weighed_by_a_step(y: Array, U: Array) -> dict[str, Array]:
    H = (U.real <= y.real) + 0j
    power = np.exp(H + y)
    return {"H": H, "h": power / power.sum(), "L": ((power / power.sum()) ** 2).sum()}


def shares_of_rows(a: Array, b: Array, x: Array, X: Array) -> dict[str, Array]:
    e = np.exp(b) * np.exp(-x[:, None, :, None] - X[None, :, None, :]).sum((0, 1))
    S = a * e / e.sum(1, keepdims=True)
    return {"S": S, "L": np.sinh(S).sum()}


def overdispersed(X: Array, w: Array, r: Array) -> dict[str, Array]:
    m = np.exp(X @ w)
    return {"m": m, "L": -(r * np.log(r / (r + m))).sum()}


def softmax_of_a_window(v: Array, a: Array) -> dict[str, Array]:
    V = v[1:] * v[:-1]
    z = np.exp(V) / np.exp(V).sum()
    return {"V": V, "z": z, "L1": (z * a).sum(), "L2": (z * a).sum(), "L": 0.3 * (z * a).sum()}


def shares_of_a_window(v: Array, a: Array) -> dict[str, Array]:
    V = v[1:] * v[:-1]
    z = V / (V**2).sum()
    return {"V": V, "z": z, "L": (z * a).sum()}


def made_of_shares(c: Array, X: Array, a: Array) -> dict[str, Array]:
    H = (X * c).T
    return {"H": H, "L": H.sum() + 0 * a.sum()}


def convolved(x: Array, w: Array) -> dict[str, Array]:
    y = np.array([(x[i : i + len(w)] * w[::-1]).sum() for i in range(len(x) - len(w) + 1)])
    return {"y": y, "L": np.sin(y).sum()}


def backwards(x: Array, y: Array) -> dict[str, Array]:
    v = ((x[::-1][None, :] - y[:, None]) * x).sum(1)[None, :] + y[:, None]
    return {"v": v, "L": (v**2).sum()}


def silu_of_a_gather(x: Array, T: Array) -> dict[str, Array]:
    b = np.exp(FUNCTIONS["silu"](x[T]))
    return {"b": b, "L": np.sin(b).sum() + x.sum()}


def diagonal_above(B: Array, x: Array, s: Array) -> dict[str, Array]:
    v = s / (2 + np.sin(np.array([*B.diagonal(1), 0]) + x))
    return {"v": v, "L": (v**2).sum()}


def wrapped(C: Array, y: Array) -> dict[str, Array]:
    v = y * np.array([C[h + 1, (h + 1) % len(y)] if h + 1 < len(C) else 0 for h in range(len(y))])
    return {"v": v, "L": (np.sin(v) + np.sin(v[0]) * y).sum()}


def chosen_below(A: Array, U: Array, y: Array) -> Array:
    return np.array([A[i + 1, (U[i] + 1) % 3] if i + 1 < len(A) else 0 for i in range(len(y))])


def chosen_beside(A: Array, B: Array, U: Array, y: Array) -> dict[str, Array]:
    v = FUNCTIONS["softplus"](np.array([*B.diagonal(-1), B[0, -1]]) + chosen_below(A, U, y)) + y
    return {"v": v, "L": (v**2).sum()}


def chosen_to_the_right(A: Array, B: Array, U: Array, y: Array) -> dict[str, Array]:
    chosen = np.array([B[i, U[i] + 1] if U[i] + 1 < len(B) else 0 for i in range(len(y))])
    v = FUNCTIONS["silu"](A.diagonal() * chosen)
    return {"v": v, "L": (v**2).sum() + y.sum()}


def turned_back(x: Array, y: Array) -> dict[str, Array]:
    v = np.array([((x[::-1] - y[h]) * x).sum() for h in range(len(y))])
    return {"v": v, "L": (v**2).sum() + (x[::-1] * x**2).sum()}


def two_of_one_length(x: Array, S: Array, y: Array) -> dict[str, Array]:
    v = FUNCTIONS["silu"](np.log(2 + np.sin(x[S])))
    u = np.log(np.exp(np.outer(v, x)).sum(axis=1)) + y[:, None]
    return {"v": v, "u": u, "L": np.sin(u).sum()}


def diagonal_and_back(C: Array, p: Array, x: Array) -> dict[str, Array]:
    u = (p[::-1] * p).sum()
    return {"v": C.diagonal(), "u": u, "L": (C.diagonal() ** 2).sum() + u**2}


ROWS = [
    Row("a Kronecker product",
        "K[p,q] = A[floor(p/|B.0|), floor(q/|B.1|)] B[mod(p,|B.0|), mod(q,|B.1|)]"
        " where |p| = |A.0| |B.0|, |q| = |A.1| |B.1|\nL = C[P,Q] K[P,Q]",
        {"A": [[1.0, 2], [0.5, -1]], "B": [[1.0, -2, 0.25]], "C": [[1.0, 2, 3, -1, 0.5, 2], [0.5, 1, 1, 2, -2, 1]]},
        kronecker, "A B C", long=("claims",)),
    Row("a vector in rows", "y[i,j] = x[3i+j] where |i| = 2, |j| = 3\nL = sum[I,J](y[I,J] y[I,J+1])",
        {"x": [1.0, 2, 0.5, -1, 3, 0.25]}, in_rows, "x", features=frozenset({"window"}),
        unproved=True),
    Row("a matrix in a row", "y[k] = x[floor(k/|x.1|), mod(k,|x.1|)] where |k| = |x.0| |x.1|\nL = K y[K]^2",
        {"x": [[1.0, 2, 0.5], [-1, 3, 0.25]]}, in_a_row, "x"),
    Row("norms of groups",
        "m[n,g] = 1/2 sum[K](1[floor(K/2) == g] x[n,K]) where |g| = |x.1| / 2\n"
        "v[n,g] = 1/2 sum[K](1[floor(K/2) == g] (x[n,K] - m[n,g])^2) where |g| = |x.1| / 2\n"
        "y[n,k] = (x[n,k] - m[n,floor(k/2)]) / sqrt(v[n,floor(k/2)] + 0.1)\nL = w[N,K] y[N,K]^2 + sum[N,K](y[N,K])",
        {"x": [[1.0, 2, 0.5, -1], [3, 0.25, 1, 1.5]], "w": [[1.0, -1, 2, 0.5], [1, 1, 0.5, 2]]}, of_groups, "x w",
        unproved=True, long=("claims", "derivation", *AGAIN)),
    Row("a rotary embedding",
        "y[t,d] = x[t,d] cos(t / 10^mod(d, |d|/2)) + (1[d >= |d|/2] x[t,d-|d|/2]"
        " - 1[d < |d|/2] x[t,d+|d|/2]) sin(t / 10^mod(d, |d|/2)) where |d| = |x.1|\nL = w[T,D] y[T,D]^2",
        {"x": [[1.0, 2, 0.5, -1], [3, 0.25, 1, 1.5]], "w": [[1.0, -1, 2, 0.5], [1, 1, 0.5, 2]]}, rotated, "x w"),
    Row("round about", "y[i] = x[mod(i+1, |x.0|)] - x[i]\nL = y[I]^3", {"x": [1.0, 2, 0.5, -1]}, round_about, "x"),
    Row("every entry twice", "y[k] = x[floor(k/2)] where |k| = 2 |x.0|\nL = c[K] y[K]^2",
        {"x": [1.0, 2, 0.5], "c": [1.0, -1, 2, 0.5, 1, 1]}, repeated, "x c"),
    Row("every entry twice in single precision", "y[k] = x[floor(k/2)] where |k| = 2 |x.0|\nL = c[K] y[K]^2",
        {"x": [1.0, 2, 0.5], "c": [1.0, -1, 2, 0.5, 1, 1]}, repeated, "x c", dtype="float32"),
    Row("differences of neighbours", "d[i] = x[i+1] - x[i]\nL = d[I]^2", {"x": [1.0, 3, 2, 5]}, differences, "x",
        features=frozenset({"window"})),
    Row("total variation", "L = sum[I](abs(x[I+1] - x[I]))", {"x": [1.0, 3, 2, 5]},
        lambda x: {"L": absolute(x[1:] - x[:-1]).sum()}, "x", features=frozenset({"window"}),
        unproved=True),
    Row("fewer differences than there are", "d[i] = x[i+1] - x[i] where |i| = |x.0| - 2\nL = d[I]^2",
        {"x": [1.0, 3, 2, 5]}, shorter_differences, "x", features=frozenset({"window"})),
    Row("the beginning of a vector", "y[i] = x[i] where |i| = 3\nL = y[I]^2", {"x": [1.0, 3, 2, 5]},
        lambda x: {"y": x[:3], "L": (x[:3] ** 2).sum()}, "x", features=frozenset({"window"})),
    Row("a Laplacian", "D[i,j] = u[i+2,j+1] + u[i,j+1] + u[i+1,j+2] + u[i+1,j] - 4 u[i+1,j+1]\nL = D[I,J]^2",
        {"u": [[1.0, 3, 2, 5], [0.5, -1, 2, 4], [2, 2, 0, 1]]}, second_differences, "u",
        features=frozenset({"window"})),
    Row("a cosine transform", "y[k] = cos(2 pi k I / |I|) x[I] where |k| = 3\nL = c[K] y[K]^2",
        {"x": [1.0, 0.5, -2, 3, 0.25], "c": [1.0, 2, -1]}, transformed, "x c"),
    Row("a cosine transform in single precision", "y[k] = cos(2 pi k I / |I|) x[I] where |k| = 3\nL = c[K] y[K]^2",
        {"x": [1.0, 0.5, -2, 3, 0.25], "c": [1.0, 2, -1]}, transformed, "x c", dtype="float32"),
    Row("a discounted sum", "L = g^T x[T]^2", {"g": 0.9, "x": [1.0, 0.5, -2, 3]}, discounted, "g x"),
    Row("a discounted sum that counts its first term alone", "L = g^T x[T]^2", {"g": 0.0, "x": [1.0, 0.5, -2, 3]},
        discounted, "g x"),
    Row("a straight line through a series", "L = (y[T] - a - b T)^2", {"y": [1.0, 1.5, 2.5, 2], "a": 0.5, "b": 0.25},
        trend, "a b y"),
    Row("places added", "y[t,d] = x[t,d] + sin(w t / 10000^(2 d / |d|))\nL = y[T,D]^3",
        {"x": [[1.0, 0.5], [-2, 3], [0.5, 1]], "w": 0.5}, placed, "x w"),
    Row("a memory that fades", "y[i] = sum[J](1[J <= i] exp(-w (i - J)) x[J]) where |i| = |x.0|\nL = y[I]^2",
        {"x": [1.0, 0.5, -2, 3], "w": 0.5}, delayed, "x w", features=frozenset({"guard"})),
    Row("one vector behind another",
        "c[i] = pad(a[i]) + pad(b[i-|a.0|]) where |i| = |a.0| + |b.0|\nL = sum[I](I c[I]^3)",
        {"a": [1.0, 0.5], "b": [-2.0, 3, 0.25]}, joined, "a b", features=frozenset({"pad"})),
    Row("one matrix beside another",
        "c[n,i] = pad(A[n,i]) + pad(B[n,i-|A.1|]) where |i| = |A.1| + |B.1|\nL = sum[N,I](c[N,I] c[N,I+1])",
        {"A": [[1.0, 0.5], [2, -1]], "B": [[-2.0, 3, 0.25], [1, 1, -1]]}, stacked, "A B", features=frozenset({"pad"}),
        unproved=True),
    Row("regression", "Z[n] = X[n,K] w[K]\ne[n] = y[n] - Z[n]\nL = e[N]^2 / |N|",
        {"X": [[1, 2], [0.5, -1], [2, 0.25]], "w": [0.5, -1], "y": [1, 2, -0.5]}, regression, "w"),
    Row("a bell fitted", "U[i] = b[i]^2\nZ[i] = exp(-U[i])\ne[i] = y[i] - Z[i]\nL = e[I]^2",
        {"b": [0.5, -1, 0.25], "y": [1, 2, -0.5]}, bell, "b"),
    Row("shifted by padding", "y[i] = pad(x[i-1]) where |i| = |x.0|\nL = y[I]^2", {"x": np.arange(6.0)}, shifted, "x"),
    Row("autoregression", "e[t] = x[t+2] - a x[t+1] - b x[t]\nL = e[T]^2 / |T|",
        {"x": [1.0, 3, 2, 5, 4, 7, -1], "a": 0.3, "b": -0.2}, autoregression, "a b x"),
    Row("repulsion", "L = sum[I,J](1[I != J] / abs(x[I] - x[J]))", {"x": [0.0, 1, 3]}, repulsion, "x",
        features=frozenset({"guard"})),
    Row("repulsion by a name", "V[i,j] = 1 / abs(x[i] - x[j])\nL = 1/2 sum[I,J](1[I != J] V[I,J])", {"x": [0.0, 1, 3]},
        repulsion_by_name, "x", features=frozenset({"guard"})),
    Row("squared differences of what is there, each in its unit",
        "r[i] = 1 / y[i]\nd[i] = 1[m[i] > 0] (pad(x[i+1]) - x[i])\nL = r[I] d[I]^2",
        {"x": [1.0, 2, 4], "y": [0.5, 2, 1], "m": [0.0, 1, 1]}, masked_differences, "x y",
        features=frozenset({"pad", "guard"})),
    Row("an entry of sums of neighbours that a mask leaves",
        "e[m] = H[m]\nf[m] = 1[x[m] <= 1] (pad(e[m-1]) + e[m])\nL = sinh(f[1])",
        {"x": [1.125, -1.4375], "H": [-0.5625, 0.5]},
        lambda x, H: {"e": H, "f": np.array([0, H.sum()]), "L": np.sinh(H.sum())}, "H",
        features=frozenset({"pad", "guard", "entry"})),
    Row("masked differences of a window",
        "f[i] = sin(y[i+1])\nH[m] = f[m]^2\nV[m] = 1[c[m] > 0] (pad(H[m+1]) - H[m])\nL = sum[J](V[J]^2)",
        {"y": [-1.6875, -0.9375, 0.5], "c": [0.125, -1]}, masked_window, "y",
        features=frozenset({"pad", "guard", "window"}), unproved=True),
    Row("windows with a stride", "f[j] = sum[K](v[2j+K] Q[K])\nL = sum[J](f[J] c[J])",
        {"v": [0.0, 1, 2, 3], "Q": [0.5], "c": [1.0, 1.0]}, windows, "Q v c",
        features=frozenset({"window"})),
    Row("one entry", "e[n] = 2 p[n]\nL = exp(e[0])", {"p": [1.0, 2, 3]}, entry, "p", features=frozenset({"entry"})),
    Row("a maximum of products", "L = max[I]((x[I] - s) (x[I] + s))", {"x": [0.3, -1.7, 0.9], "s": 0.7},
        difference_of_squares, "x s"),
    Row("a maximum of products again", "L = max[I]((x[I] - s) (x[I] + s))", {"x": [1.3, 0.7, -0.9], "s": 0.35},
        difference_of_squares, "x s"),
    Row("a maximum of a scaled vector", "L = max[N](a x[N])", {"a": 0.7, "x": [0.3, 1.1, -0.2]}, scaled_maximum, "a x"),
    Row("what is constant on both sides of a jump", "U[i] = sign(u[i])\nL = sum[K](U[K] c[K])",
        {"u": [0.5, -2.0], "c": [1.0, 3]}, signs, "u c"),
    Row("a softmax of a diagonal",
        "U[i,j] = softmax[i](h[j,i] + h[i,i]) + h[i,j]\nL = sum[N,P](U[N,P])",
        {"h": [[-1.4375, -1.375], [-1.3125, 0.25]]}, softmax_of_a_diagonal, "h"),
    Row("zeros and ones read at other places",
        "B[i] = 1[x[i] > 0]\ny[i] = B[i+1] + B[i+2]\nm[i] = max[J](B[i+J]) where |J| = 2\nL = sum[I](y[I] x[I+2])",
        {"x": [1.0, 2.0, 3.0, -1.0, 2.0]}, ones_elsewhere, "x"),
    Row("the spread of what is far from zero", "L = log(mean[I]((x[I] - mean[J](x[J]))^2))",
        {"x": [1e6, 1e6 + 1.5, 1e6 - 0.75, 1e6 + 0.25]}, spread, "x", measure=10.0),
    Row("a softmax with weights, one of them zero",
        "S[n,c] = M[n,c] exp(Z[n,c]) / sum[K](M[n,K] exp(Z[n,K]))\nL = sum[N,J](S[N,J] C[N,J])",
        {"M": [[0.0, 1, 1]], "Z": [[1000.0, 1, 2]], "C": [[1.0, 2, -3]]}, weighted_softmax, "Z C",
        overflows=True, measure=1.0),
    Row("attention whose exponentials have a name",
        "E[q,k] = exp(Q[q,D] K[k,D])\nA[q,k] = E[q,k] / sum[J](E[q,J])\nL = sum[N,J](A[N,J] C[N,J])",
        {"Q": [[30.0, 10.0], [0.5, 1]], "K": [[30.0, 0.25], [29.9921875, 0.5]], "C": [[1.0, 2], [0.5, -1]]},
        attention_by_names, "Q K C", overflows=True, measure=1000.0),
    Row("logarithms of running sums of exponentials",
        "y[i] = log(sum[J](1[J <= i] exp(x[J]))) where |i| = |x.0|\nL = y[I]^2",
        {"x": [710.0, 2.0, -1000.0, 5.0]}, running_logsumexp, "x", overflows=True, measure=1000.0),
    Row("a sum of exponentials over examples", "L = sum[K](exp(h[K]))", {"h": [0.5, -2.0]},
        lambda h: {"L": np.exp(h).sum()}, "h"),
    Row("lines that the loss does not rest on", "other[n] = u[n] v[n]\nL = mean[N](y[N]^2)",
        {"u": [1.0, 2.0], "v": [3.0, 0.5], "y": [0.5, -1.5]},
        lambda u, v, y: {"other": u * v, "L": (y**2).mean()}, "y"),
    Row("one entry of a window", "Z[i] = sum[M](c[i+M] w[M] v[M]) s\nL = cos(Z[0])",
        {"c": [1.6875, -1.4375, -1.25, -0.3125], "w": [0.75, 1.0625], "v": [0.5, -2.0], "s": 0.5}, first_window,
        "c w v s", features=frozenset({"window", "entry"})),
    Row("all others of a shifted vector", "S[l] = pad(c[l-2]) where |l| = |c.0|\n"
        "e[i] = sum[N](1[N != i] S[N]) where |i| = |S.0|\nL = mean[K](e[K]^2)", {"c": [0.5, -1.25, 2.0, 0.75]},
        others_of_a_shift, "c", features=frozenset({"pad", "guard"})),
    Row("as many terms as there are results", "Z[i] = c[K]^2 where |i| = |c.0|, |K| = |Z.0|\nL = mean[I](Z[I])",
        {"c": [0.5, -1.25, 2.0]}, lambda c: {"Z": np.repeat((c**2).sum(), len(c)), "L": (c**2).sum()}, "c"),
    Row("windows as long as what is left", "h[m] = c[m] sum[N](b[m+N+1])\nL = sum[K](h[K])",
        {"b": [-1.375, -1.625, -1.0625, -0.5, -0.3125], "c": [1.5, -0.6875]}, summed_windows, "b c",
        features=frozenset({"window"})),
    Row("two lags and a target", "e[t] = y[t] - a x[t+2] - b x[t]\nL = sum[T](e[T]^2)",
        {"x": [1.0, 3, 2, 5, 4], "y": [0.5, -1, 2], "a": 0.3, "b": -0.2}, driven, "a b x y",
        features=frozenset({"window"})),
    Row("an entry of what is infinite elsewhere", "Z[l,k] = 1 / (W[l] - W[k])\nL = Z[1,3]",
        {"W": [1.5, 0.25, -1.375, 0.125]}, lambda W: {"Z": of_differences(W), "L": of_differences(W)[1, 3]}, "W",
        features=frozenset({"entry", "guard"})),
    Row("two entries of what is infinite elsewhere", "Z[l,k] = 1 / (W[l] - W[k])\nL = Z[1,3]^2 + Z[3,1]",
        {"W": [1.5, 0.25, -1.375, 0.125]},
        lambda W: {"Z": of_differences(W), "L": of_differences(W)[1, 3] ** 2 + of_differences(W)[3, 1]}, "W",
        features=frozenset({"entry", "guard"})),
    Row("neighbours in what is infinite elsewhere",
        "Z[l,k] = 1 / (W[l] - W[k])\nG[i] = pad(Z[i,i+1]) where |i| = |Z.0|\nL = G[I]^2",
        {"W": [1.5, 0.25, -1.375, 0.125]}, neighbours, "W", features=frozenset({"pad", "guard"})),
    Row("every other of what is infinite elsewhere",
        "V[l] = W[l] - W[1]\nZ[l] = 1 / V[l]\nG[i] = Z[2i]\nL = sum[I](G[I])",
        {"W": [1.5, 0.25, -1.375, 0.125]}, every_other, "W", features=frozenset({"entry", "guard"})),
    Row("two tensors padded, the first one longer",
        "e[n] = v[n] pad(c[-n+2]) / softplus(sum[K](x[K] pad(w[-n+2])))\nL = e[N]^2",
        {"v": [0.5, -1.5, 2.0, 0.25], "c": [1.0, -0.5, 0.75], "x": [0.5, -1.25], "w": [0.375, 1.5]}, padded_twice,
        "v c x w", features=frozenset({"pad"})),
    Row("all but the first of what is infinite there", "Z[l] = 1 / (W[l] - W[0])\nS[i] = Z[i+1] a\nL = S[I]^2",
        {"W": [1.0, 2.0, 4.5], "a": 0.5}, after_the_first, "W a", features=frozenset({"entry", "guard"})),
    Row("two logarithms of three", "Z[l] = log(W[l] - W[2])\nL = Z[0] Z[1]", {"W": [3.5, 2.75, 1.0]},
        two_logarithms, "W", features=frozenset({"entry", "guard"})),
    Row("a momentum of what is measured from its largest part",
        "h[k] = max[N](y[k,N]) / abs(exp(x))\nL = sum[J](h[J] y[J,J])",
        {"y": [[0.5, -1.25], [2.0, 0.75]], "x": 0.375}, largest_and_traced, "y x"),
    Row("a tangent of what a comparison and a shift leave",
        "h[i] = y[i+M] w[M]\nH[i] = pad(h[i-1]) where |i| = |h.0|\nf[i] = H[i]\n"
        "S[i] = 1[f[i] == z] f[i]\nL = sin(S[0])",
        {"y": [1.5, -0.5, 2.0], "w": [0.75, 1.25], "z": 0.5}, compared_and_shifted, "y w",
        features=frozenset({"shift", "guard", "window"})),
    Row("a shift of what has another name", "e[i] = x[i]\nS[i] = e[i] + pad(e[i-1])\nH[n] = S[n+1]\nL = H[N]^2",
        {"x": [-1.25, 0.6875, 2.0]}, shifted_sums, "x", features=frozenset({"shift"})),
    Row("differences of differences", "d[i] = x[i+1] - x[i]\nk[i] = d[i+1] d[i]\nL = k[I]^2",
        {"x": [0.5, 1.25, -1.0, 2.0, 0.75]}, chained, "x", features=frozenset({"window"}), unproved=True),
    Row("an autocorrelation", "c[k] = x[T+k] x[T] where |k| = 3\nL = c[K]^2", {"x": [0.5, 1.25, -1.0, 2.0, 0.75]},
        autocorrelation, "x", features=frozenset({"window"}), unproved=True, long=("derivation",)),
    Row("a step of what is shifted under a sum of exponentials",
        "S[m] = sigmoid(x[m])\nU[i] = exp(-S[i]^2)\nh[i] = b[i] - U[i]\nV[l] = h[l] - pad(h[l-1])\n"
        "L = logsumexp[I](V[I])",
        {"x": [0.5, -1.0, 0.25], "b": [1.0, 0.5, -2.0]}, shifted_exponentials, "x b", features=frozenset({"pad"})),
    Row("a guarded cotangent that sizes alone make", "Z[i] = x[i+1]\nS[k] = Z[k] |x.0|\nL = sum[K](S[K])",
        {"x": [0.5, -1.0, 2.0]}, lambda x: {"Z": x[1:], "S": 3 * x[1:], "L": 3 * x[1:].sum()}, "x",
        features=frozenset({"shift"})),
    Row("a gradient that another line holds", "S[i,j] = sigmoid(w[i,j])\nL = sum[I,P](softplus(w[I,P]))",
        {"w": [[0.5, -1.0]]}, lambda w: {"S": 1 / (1 + np.exp(-w)), "L": np.log(1 + np.exp(w)).sum()}, "w"),
    Row("sums over two axes under one letter",
        "U[i,j] = 1 / (w[i] + w[j])\nZ = sum[I,J](U[I,J])\nf[l] = pad(y[l-2]) where |l| = |y.0|\n"
        "e[i,j] = Z + w[i] + f[j]\nL = sum[M,I](e[M,I]^2)",
        {"y": [-0.5, 2.0, 1.0], "w": [0.5, 1.5]}, two_axes, "y w", features=frozenset({"shift"})),
    Row("a Hessian of what is made of differences", "s[i] = tanh(x[i+1] - x[i])\nL = sum[I]((s[I] - 1)^2)",
        {"x": [-1.5, 0.25, 1.0, 0.5]}, lambda x: pulled_to_one(np.tanh, x), "x", features=frozenset({"window"}),
        unproved=True),
    Row("a Hessian of lengths that have a name", "s[i] = sqrt((x[i+1] - x[i])^2 + 1)\nL = sum[I]((s[I] - 1)^2)",
        {"x": [-1.5, 0.25, 1.0, 0.5]}, lambda x: pulled_to_one(lambda d: np.sqrt(d * d + 1), x), "x",
        features=frozenset({"window"}), unproved=True),
    Row("a cotangent of sizes, printed beside its tensor", "S[i,l] = exp(y[i,l]) / sum[K](exp(y[i,K]))\n"
        "L = mean[K,P](S[K,P] a)", {"y": [[-0.25, 0.5, 1.0], [2.0, 0.0, -1.0]], "a": 0.75}, weighed_mean, "y a"),
    Row("a curved loss of a band", "f[i] = x[i+1] x[i]\nS = sum[J](f[J]^2)\nL = S^3", {"x": [1.0, -0.5, 0.75, 1.25]},
        lambda x: {"f": x[1:] * x[:-1], "S": ((x[1:] * x[:-1]) ** 2).sum(), "L": ((x[1:] * x[:-1]) ** 2).sum() ** 3},
        "x", features=frozenset({"window"}), unproved=True),
    Row("a partial of differences of what is put together",
        "S[l] = pad(y[l]) + pad(w[l-|y.0|]) where |l| = |y.0| + |w.0|\nU[i] = S[i+1] - S[i]\nL = sum[I](U[I]^3)",
        {"y": [-1.375], "w": [-0.75, 0.5625, 0.25]}, differences_put_together, "y w", features=frozenset({"pad"}),
        unproved=True, long=AGAIN),
    Row("a product of one number", "f[l] = a where |l| = |v.0|\nL = prod[J](f[J]) v[0]",
        {"a": -1.5, "v": [0.5, 1.0, 2.0]},
        lambda a, v: {"f": a * np.ones(3), "L": a**3 * v[0]}, "a v", features=frozenset({"entry"})),
    Row("a cotangent whose sizes a direction tells", "f[i,j] = a[i,j]\nL = sum[I,K](f[I,K] w[I])",
        {"a": [[0.5, 1.0, -2.0], [1.5, 0.25, 3.0]], "w": [1.0, -0.5]},
        lambda a, w: {"f": a, "L": (a * w[:, None]).sum()}, "a w"),
    Row("a product with an entry before the first", "f[i] = max[M](a[i,M])\nS[i] = f[i] + pad(f[i-1])\nL = S[0] S[1]",
        {"a": [[0.5, 1.0, -2.0], [1.5, 0.25, 3.0]]}, largest_of_rows, "a", features=frozenset({"pad", "entry"}),
        unproved=True),
    Row("two entries of a column of what is infinite elsewhere", "Z[l,m] = 1 / (y[l] - y[m])\nL = Z[2,0] + Z[1,0]",
        {"y": [1.25, 1.5625, -1.75]}, two_of_a_column, "y", features=frozenset({"entry", "guard"}), unproved=True),
    Row("a largest entry compared again below exponentials",
        "f[i,j] = b[i] softmax[j](b[j])\nh[i] = min[J](f[i,J])\nH[i,j] = 1[f[i,j] == h[i]] f[i,j]\n"
        "V[i,j] = softmax[j](H[i,j])\nL = V[I,J] c[I,J]",
        {"b": [-1.0, 1.6875], "c": [[0.5, 1.5], [-1.0, 2.0]]}, least_compared, "b c", unproved=True),
    Row("a scalar beside the one that is derived", "L2 = tanh(h[0])\nL = a - L2", {"h": [-0.25, 0.5], "a": 0.75},
        lambda h, a: {"L2": np.tanh(h[0]), "L": a - np.tanh(h[0])}, "h a", features=frozenset({"entry"})),
    Row("a partial of what is put together", "H[i] = pad(w[i]) + pad(a[i-|w.0|]) where |i| = |w.0| + |a.0|\n"
        "h = sum[M](H[M])\nS[i] = H[i] + h\nL = sum[I](sin(S[I])) + sum[K](w[K]^2)",
        {"w": [-1.375, -0.75, 0.5625], "a": [0.6875]}, put_together, "w a", features=frozenset({"pad"}), unproved=True),
    Row("a band that reads a cotangent in part of its range", "f[i] = x[i+1] x[i]\nL = sum[K](f[K]^2)",
        {"x": [-1.5, 2.0, 3.0, 0.5]}, lambda x: {"f": x[1:] * x[:-1], "L": ((x[1:] * x[:-1]) ** 2).sum()}, "x",
        features=frozenset({"window"}), unproved=True),
    Row("a size that no index of a core has", "f[i] = w[i] sum[I](log(1 + exp(a[I])))\nL = exp(f[0])",
        {"a": [-1.75, 0.5], "w": [-0.6875, 1.0]}, first_of_products, "a w", features=frozenset({"entry"})),
    Row("a comparison with an index and a fraction", "U[i] = w[i] 1[w[i] + i + 1/3 > z[i]]\nL = U[I]^2",
        {"w": [0.5, -0.75, 0.25], "z": [0.75, 0.75, 0.75]}, after_thirds, "w"),
    Row("a difference of exponentials", "L = sum[K](log(exp(z[K]+1) - exp(z[K])))", {"z": [1.0, 2.5, -3.0]},
        lambda z: {"L": np.log(np.exp(z + 1) - np.exp(z)).sum()}, "z"),
    Row("an update behind what exponentials weigh in part of its range",
        "Z[i] = sum[J](w[2i+J+1]) where |J| = 3\ne[k] = Z[k+1] Z[k]\nV[i] = sum[I](erf(e[I])) where |i| = |e.0|\n"
        "L = sum[M](X[M] V[M])",
        {"w": [1.5, -1.6875, -0.25, -0.6875, 0.125, -1.1875, -1.4375, 1.0625], "X": [0.5625, 1.1875]},
        windows_of_products, "w X", features=frozenset({"window", "shift"}), unproved=True),
    Row("a Hessian of neighbours beside what runs over their axis",
        "S[i,n] = a[i] where |n| = |v.0|\nf[i] = a[i+1] a[i]\nL1 = sum[J](2/|J| f[J]^2)\nL2 = sinh(L1)",
        {"a": [0.8125, -0.9375], "v": [-1.375, -1.5625]}, beside_neighbours, "a", loss="L2",
        features=frozenset({"window"}), unproved=True),
    Row("shares of sums over a row, weighed",
        "S[i,j] = a[i,j] softmax[j](b[j] + logsumexp[M,N](-x[M,i] - X[N,j]))\nL = sum[M,P](sinh(S[M,P]))",
        {"a": [[0.5, -1.25], [1.5, 0.75]], "b": [-0.9375, 0.25], "x": [[-0.75, 1.125], [0.1875, -1.75]],
         "X": [[0.375, -0.5], [1.0, 0.625], [-0.25, 0.875]]},
        shares_of_rows, "a b x X", unproved=True, long=AGAIN),
    Row("the largest of products of three", "U[i] = 1 + 3 max[K](v[i,K] b[i+K] w[K])\nL = U[I]^2",
        {"v": [[0.3, -1.1, 0.7], [1.3, 0.2, -0.9]], "b": [0.7, 1.9, -0.6, 1.1], "w": [1.7, -0.3, 1.3]},
        largest_of_products, "v b w", features=frozenset({"window"}), unproved=True),
    Row("a core that reads no axis", "U[i] = minimum(u, i + 1/2) (1/2 + abs(u))^2 + y[i]\nL = sum[I](1/2 U[I]^2)",
        {"u": 0.875, "y": [0.875, 0.6875, -0.5]}, below_an_index, "u y"),
    Row("how far from their mean what is read under a guard is",
        "e[i] = pad(u[i-2]) where |i| = |u.0|\nZ[i] = e[P] v[P,i]\nL = logsumexp[P](Z[P])",
        {"u": [-0.5, 1.0, 0.25], "v": [[0.375, 1.625], [0.5, -1.0], [1.0, 0.75]]}, shares_of_a_shift, "u v",
        features=frozenset({"pad"})),
    Row("a range of a letter that two sums bind",
        "f[i] = exp(c[i])\ne[i] = f[i+1] f[i]\nL = arctan(sum[P](e[P] y[P]))",
        {"c": [-1.4375, 0.5], "y": [1.25]}, neighbours_of_exponentials, "c y", features=frozenset({"window"}),
        unproved=True, long=AGAIN),
    Row("the least of portions, found again by a pass alone",
        "U[i] = min[K](softmax[i](v[i,K] + pad(b[-i+2])))\nL = sum[I](I U[I])",
        {"b": [1.25, 0.3125], "v": [[1.375, 1.1875], [1.0625, 0.9375]]}, least_portions, "b",
        features=frozenset({"pad"}), unproved=True, long=AGAIN),
    Row("a softmax under another one", "o[i,j] = softmax[i](b[i] + w[j]) softmax[i](a[i])\nL = sum[I,P](o[I,P])",
        {"a": [1.0625, 1.3125], "b": [-1.25, -0.375], "w": [-1.25]}, shares_of_shares, "a b w"),
    Row("what is equal hides what is not", "V[i,j] = 1 / (x[i] - x[j])\nL = sum[I,J](1[a[I] == b[J]] V[I,J])",
        {"x": [1.5, 0.25, -1.375], "a": [0.5, 1.0, 2.0], "b": [1.0, 0.5, 0.5]}, alike_alone, "x",
        features=frozenset({"guard"})),
    Row("what is compared and otherwise cancels",
        "H[i] = 1[U[i] <= y]\nh[i] = softmax[i](H[i] + y)\nL = h[I]^2",
        {"y": 1.625, "U": [0.5625, 2.0]}, weighed_by_a_step, "y"),
    Row("sums of several lengths over one letter",
        "L = sum[I]((x[I+1] - x[I])^2) + mean[I]((x[I+2] - 2 x[I+1] + x[I])^2) + sum[I](sin(y[I+1]))",
        {"x": [0.5, -1.25, 2.0, 0.75, 1.5], "y": [1.0, -0.5, 0.25]}, rough, "x y",
        features=frozenset({"window"}), unproved=True),
    Row("exponentials that a delta keeps inside of a shorter axis",
        "h[i,j] = 1[j <= i] exp(b[i,j])\nf[i] = sum[K](h[i,K])\ne[i] = f[i+1] f[i]\n"
        "H[l] = e[l] + arctan(e[P] y[P,l])\nL = H[I]^2",
        {"b": [[-1.4375, -1.5], [1.0625, -1.25]], "y": [[1.25]]}, turned_neighbours, "b y",
        features=frozenset({"window"}), unproved=True,
        long=("hessian", "hessian of two", "hvp of all, batched", "partial of a partial", "newton")),
    Row("the largest of sums of two apart",
        "L = max[I](x[I] + x[I+2])^2 + mean[I](x[I+1])", {"x": [0.5, -1.25, 2.0, 0.75]},
        lambda x: {"L": np.sort(x[2:] + x[:-2])[-1] ** 2 + x[1:].mean()}, "x", features=frozenset({"window"}),
        unproved=True),
    Row("a cotangent beside what is longer", "c[j] = x[I+j] z[I]\nL = sum[J](y[J+1] c[J])",
        {"x": [0.5, -1.25, 2.0, 0.75, 1.5], "z": [1.0, -0.5], "y": [0.5, 1.0, -2.0, 0.25, 1.5, 3.0]}, lagged, "x z y",
        features=frozenset({"window"})),
    Row("a sum of what is read in two places, its range stated", "L = sum[I](a y[I+1] + x[I+2]) where |I| = |x.0| - 2",
        {"a": 0.75, "y": [0.5, 1.0, -2.0, 0.25, 1.5], "x": [1.0, 2.0, 0.5, -1.0]},
        lambda a, y, x: {"L": (a * y[1:3] + x[2:]).sum()}, "a y x", features=frozenset({"window"})),
    Row("an axis that is padded twice",
        "e[i] = pad(a[i]) where |i| = |a.0| + |b.0|\nU[l] = pad(e[l-2]) where |l| = |e.0|\n"
        "L = logsumexp[K](U[K]) + 1/4 sum[N](tanh(U[N])) + sum[M](b[M])",
        {"a": [0.8125, -0.5], "b": [0.8125, 0.4375]}, padded_and_shifted, "a b", features=frozenset({"pad"}),
        unproved=True),
    Row("a number that decides in a loop",
        "m[n] = exp(X[n,K] w[K])\nL = -sum[N](r log(r/(r+m[N])))",
        {"X": [[1.0, 0.5], [-0.25, 1.0], [0.75, -1.0]], "w": [0.5, -0.25], "r": 1.5}, overdispersed, "w r"),
    Row("a convolution", "y[i] = x[i+R] w[|w.0|-1-R]\nL = sum[I](sin(y[I]))",
        {"x": [0.5, -1.25, 2.0, 0.75, 1.5], "w": [1.0, -0.5]}, convolved, "x w", features=frozenset({"window"}),
        unproved=True),
    Row("a softmax of a window, and two losses of it",
        "V[m] = v[m+1] v[m]\nz[l] = softmax[l](V[l])\nL1 = z[I] a[I]\nL2 = 1 L1\nL = L1 - 7/10 L2",
        {"v": [-0.625, 1.5, 1.1875, -0.125, 1.0625], "a": [0.125, -1.0, -0.5625, 0.3125]}, softmax_of_a_window, "v a",
        features=frozenset({"window"})),
    Row("shares of a window", "V[m] = v[m+1] v[m]\nz[l] = V[l] / sum[K](V[K]^2)\nL = z[I] a[I]",
        {"v": [-0.625, 1.5, 1.1875, -0.125, 1.0625], "a": [0.125, -1.0, -0.5625, 0.3125]}, shares_of_a_window, "v a",
        features=frozenset({"window"})),
    Row("shares of a whole", "H[k,l] = X[l,k] sum[P](c[l,k] softmax[P](a[P]))\nL = sum[N,K](H[N,K])",
        {"c": [[0.5, -1.25]], "X": [[1.5, 0.25]], "a": [0.75, 2.0]}, made_of_shares, "a c X"),
    Row("a sum that runs backwards", "v[k,h] = sum[J]((x[|x.0|-1-J] - y[h]) x[J]) + y[k]\nL = v[K,H]^2",
        {"x": [0.5, -1.25, 2.0], "y": [1.0, 0.25]}, backwards, "x y", unproved=True),
    Row("a chosen entry in a range that two tensors tell",
        "b[i] = exp(silu(x[T[i]])) where |i| = |x.0|\nL = sum[I](sin(b[I])) + sum[I](x[I])",
        {"x": [0.25, -0.5, 1.0], "T": np.array([2, 0, 2])}, silu_of_a_gather, "x", unproved=True, long=AGAIN),
    Row("a diagonal that is read outside, and its name",
        "v[j] = s / (2 + sin(pad(B[j,j+1]) + x[j]))\nL = v[J]^2",
        {"B": [[0.5, -1.25, 0.75], [1.5, 0.25, 1.0], [-0.5, 0.375, 2.0]], "x": [0.25, -0.5, 1.0], "s": 0.75},
        diagonal_above, "B x s", features=frozenset({"pad"}), unproved=True),
    Row("what wraps round in a row below the last",
        "v[h] = pad(C[h+1,mod(h+1,|y.0|)]) y[h]\nL = sum[H](sin(v[H]) + sin(v[0]) y[H])",
        {"C": [[0.5, -1.25, 0.75], [1.5, 0.25, 1.0], [-0.5, 0.375, 2.0]], "y": [0.25, -0.5, 1.0]},
        wrapped, "C y", features=frozenset({"pad", "entry"}), unproved=True),
    Row("a chosen entry below the last row, beside what wraps round",
        "v[i] = softplus(B[mod(i+1,|y.0|),i] + pad(A[i+1,mod(U[i]+1,3)])) + y[i]\nL = v[I]^2",
        {"A": [[0.5, -1.25, 0.75], [1.5, 0.25, 1.0], [-0.5, 0.375, 2.0]], "U": np.array([2, 0, 1]),
         "B": [[1.0, 0.5, -0.25], [0.75, 1.25, 0.5], [2.0, -1.5, 0.25]], "y": [0.25, -0.5, 1.0]},
        chosen_beside, "A B y", features=frozenset({"pad"}), unproved=True),
    Row("the square of a chosen entry below the last row",
        "v[i] = pad(A[i+1,mod(U[i]+1,3)])^2 + y[i]\nL = v[I]^2",
        {"A": [[0.5, -1.25, 0.75], [1.5, 0.25, 1.0], [-0.5, 0.375, 2.0]], "U": np.array([2, 0, 1]),
         "y": [0.25, -0.5, 1.0]},
        lambda A, U, y: {"v": (v := chosen_below(A, U, y) ** 2 + y), "L": (v**2).sum()}, "A y",
        features=frozenset({"pad"}), unproved=True),
    Row("read backwards beside forwards",
        "v[h] = sum[J]((x[|x.0|-1-J] - y[h]) x[J])\nL = v[H]^2 + sum[I](x[|x.0|-1-I] x[I]^2)",
        {"x": [0.5, -1.25, 0.75, 2.0], "y": [0.25, -0.5]}, turned_back, "x y", features=frozenset({"window"}),
        unproved=True),
    Row("ranges that are stated by one axis",
        "v[k] = silu(log(2 + sin(x[S[k]]))) where |k| = |y.0|\n"
        "u[k,h] = logsumexp[J](x[J] v[h]) + y[k] where |h| = |y.0|\nL = sum[K,H](sin(u[K,H]))",
        {"x": [0.5, -1.25, 0.75], "S": np.array([2, 0]), "y": [0.25, -0.5]}, two_of_one_length, "x y",
        unproved=True, long=("claims", "derivation", *AGAIN)),
    Row("a size that what is asked for does not read",
        "v[k] = C[k,k]\nu = sum[J](p[|x.0|-1-J] p[J])\nL = v[K]^2 + u^2",
        {"C": [[0.5, -1.25], [1.5, 0.25]], "p": [0.5, 1.0, -2.0], "x": [0.25, 1.0, 2.0]}, diagonal_and_back, "C p",
        features=frozenset({"window"}), unproved=True),
    Row("a chosen entry to the right, in a range of another length",
        "v[i] = silu(A[i,i] pad(B[i,U[i]+1])) where |i| = |y.0|\nL = v[I]^2 + y[I]",
        {"A": [[0.5, -1.25], [1.5, 0.25]], "B": [[1.0, 0.5], [0.75, 1.25]], "U": np.array([1, 0]), "y": [0.25, -0.5]},
        chosen_to_the_right, "A B y", features=frozenset({"pad"}), unproved=True),
]  # fmt: skip
