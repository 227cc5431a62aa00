"""Sliding windows in plain NumPy, one position and one offset at a time: slow, and sharing no code with the library.

``axes`` has for every spatial axis ``(stride, dilation, before, after)``, the last two being zeros laid around.
"""

import itertools

import numpy as np


def places(lengths, kernel, axes):
    """Every position of the window, every offset in it, and where they meet in the input; None outside of it."""
    counts = [
        (n + before + after - d * (k - 1) - 1) // s + 1
        for n, k, (s, d, before, after) in zip(lengths, kernel, axes, strict=True)
    ]
    for position in itertools.product(*map(range, counts)):
        for offset in itertools.product(*map(range, kernel)):
            at = tuple(s * p + d * r - b for p, r, (s, d, b, _) in zip(position, offset, axes, strict=True))
            inside = all(0 <= x < n for x, n in zip(at, lengths, strict=True))
            yield position, offset, at if inside else None


def shape_of(lengths, kernel, axes):
    return tuple(max(p[k] for p, _, _ in places(lengths, kernel, axes)) + 1 for k in range(len(axes)))


def correlate(X, W, b, axes):
    Y = np.zeros((len(X), len(W), *shape_of(X.shape[2:], W.shape[2:], axes))) + b.reshape(-1, *[1] * len(axes))
    for position, offset, at in places(X.shape[2:], W.shape[2:], axes):
        if at is not None:
            Y[(..., *position)] += X[(..., *at)] @ W[(..., *offset)].T
    return Y


def correlate_gradients(C, X, W, b, axes):
    found = {"X": np.zeros_like(X), "W": np.zeros_like(W), "b": C.sum(axis=(0, *range(2, C.ndim)))}
    for position, offset, at in places(X.shape[2:], W.shape[2:], axes):
        if at is not None:
            found["X"][(..., *at)] += C[(..., *position)] @ W[(..., *offset)]
            found["W"][(..., *offset)] += C[(..., *position)].T @ X[(..., *at)]
    return found


def turned(W):
    """The kernel the other way round along every spatial axis."""
    return W[(slice(None), slice(None), *[slice(None, None, -1)] * (W.ndim - 2))]


def convolve(X, W, b, axes):
    return correlate(X, turned(W), b, axes)


def convolve_gradients(C, X, W, b, axes):
    found = correlate_gradients(C, X, turned(W), b, axes)
    return {**found, "W": turned(found["W"])}


def transposed(X, W, b, axes, more):
    lengths = [
        s * (n - 1) + d * (k - 1) + 1 - before - after + extra
        for n, k, (s, d, before, after), extra in zip(X.shape[2:], W.shape[2:], axes, more, strict=True)
    ]
    Y = np.zeros((len(X), W.shape[1], *lengths)) + b.reshape(-1, *[1] * len(axes))
    for position, offset, at in places(lengths, W.shape[2:], axes):
        if at is not None and all(p < n for p, n in zip(position, X.shape[2:], strict=True)):
            Y[(..., *at)] += X[(..., *position)] @ W[(..., *offset)]
    return Y


def transposed_gradients(C, X, W, b, axes, more):
    found = {"X": np.zeros_like(X), "W": np.zeros_like(W), "b": C.sum(axis=(0, *range(2, C.ndim)))}
    for position, offset, at in places(C.shape[2:], W.shape[2:], axes):
        if at is not None and all(p < n for p, n in zip(position, X.shape[2:], strict=True)):
            found["X"][(..., *position)] += C[(..., *at)] @ W[(..., *offset)].T
            found["W"][(..., *offset)] += X[(..., *position)].T @ C[(..., *at)]
    return found


def pool(X, window, axes, best):
    Y = np.full((*X.shape[:2], *shape_of(X.shape[2:], window, axes)), -np.inf if best else 0.0)
    for position, _, at in places(X.shape[2:], window, axes):
        if best:
            Y[(..., *position)] = np.maximum(Y[(..., *position)], X[(..., *at)])
        elif at is not None:
            Y[(..., *position)] += X[(..., *at)] / np.prod(window)
    return Y


def pool_gradients(C, X, window, axes, best):
    found = np.zeros_like(X)
    Y = pool(X, window, axes, best)
    for position, _, at in places(X.shape[2:], window, axes):
        if at is not None:
            share = (X[(..., *at)] == Y[(..., *position)]) if best else 1 / np.prod(window)
            found[(..., *at)] += C[(..., *position)] * share
    return {"X": found}
