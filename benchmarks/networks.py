"""What contraction paths are compared on: a dozen contractions, and the library's layers in small networks."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import by_hand
import numpy as np
from by_hand import Arrays


@dataclass(frozen=True)
class Contraction:
    """One product summed over indices, as text, with a size for each lower-case index."""

    name: str
    text: str
    sizes: Mapping[str, int]
    backward: bool = False  # whether the derived gradients are compared too


@dataclass(frozen=True)
class Small:
    """Members of a network with the scalar L, the arrays that it reads, and what they give, written by hand."""

    name: str
    members: Callable[[], tuple[Any, ...]]
    arrays: Arrays
    wrt: tuple[str, ...]
    answer: Callable[[Arrays], Arrays]


# ---- a dozen contractions --------------------------------------------------------------------------------------------


def contractions(quick: bool) -> list[Contraction]:
    half = 2 if quick else 1
    return [
        Contraction(
            "bilinear form",
            "Z[b,k] = X[b,I] W[k,I,J] Y[b,J]",
            {"b": 64 // half, "i": 64 // half, "j": 64, "k": 32 // half},
            backward=True,
        ),
        Contraction(
            "CP", "T[i,j,k] = A[i,R] B[j,R] C[k,R]", dict.fromkeys("ijk", 64 // half) | {"r": 32}, backward=True
        ),
        Contraction(
            "Tucker",
            "T[i,j,k] = G[A,B,C] U[i,A] V[j,B] W[k,C]",
            dict.fromkeys("ijk", 40 // half) | dict.fromkeys("abc", 12),
            backward=True,
        ),
        Contraction(
            "matrix chain",
            "Z[a,g] = A[a,B] B[B,C] C[C,D] D[D,E] E[E,F] F[F,g]",
            dict(zip("abcdefg", (10, 200, 30, 400, 20, 300, 5), strict=True)),
            backward=True,
        ),
        tensor_train(16, physical=2, bond=8),
        matrix_product_overlap(6 if quick else 10, physical=2, bond=16),
        lattice(3 if quick else 4, bond=3 if quick else 4),
        Contraction(
            "linear attention",
            "O[q,d] = X[q,A] Q[A,E] K[B,E] M[S,B] N[S,C] V[C,d]",
            {"q": 256 // half, "s": 256 // half, "a": 64, "b": 64, "c": 64, "e": 16, "d": 16},
            backward=True,
        ),
        Contraction(
            "batched products",
            "Z[b,i,l] = A[b,i,J] B[b,J,K] C[b,K,l]",
            {"b": 32 // half, "i": 48, "j": 8, "k": 96, "l": 48},
            backward=True,
        ),
        regular_graph(10 if quick else 24, bond=2 if quick else 4),
        Contraction(
            "hyperedge",
            "Z[i,j] = A[i,H] B[j,H] C[H,M] D[M,N] E[N]",
            {"i": 200 // half, "j": 200 // half, "h": 64, "m": 100, "n": 50},
            backward=True,
        ),
        Contraction(
            "trace", "t = A[I,J] B[J,K] C[K,L] D[L,I] E[P,P]", {"i": 96 // half, "j": 12, "k": 96, "l": 24, "p": 64}
        ),
    ]


def small_contractions() -> list[Contraction]:
    """Operands of a few entries, of which a call takes as long as the library needs to decide what to do."""
    eight = dict.fromkeys("abcdefgijkq", 8)

    def small(name: str, text: str) -> Contraction:
        return Contraction(f"small {name}", text, eight, backward=True)

    return [
        small("matrix chain of six", "Z[a,g] = A[a,B] B[B,C] C[C,D] D[D,E] E[E,F] F[F,g]"),
        tensor_train(8, physical=2, bond=4, name="small tensor train of 8"),
        small("bilinear form", "Z[b,k] = X[b,I] W[k,I,J] Y[b,J]"),
        small("batched products", "O[b,q,d] = Q[b,q,E] M[b,K,E] V[b,K,d]"),
        small("matrix product", "Z[i,j] = X[i,K] W[K,j]"),
        small("row times matrix", "z[j] = x[K] W[K,j]"),
        small("outer product", "Z[i,j] = x[i] y[j]"),
        small("inner product", "z = x[I] y[I]"),
    ]


def tensor_train(length: int, physical: int, bond: int, name: str = "tensor train") -> Contraction:
    """The full tensor of a train: one core per axis."""
    cores = [_access(f"G{k}", [f"L{k}"] * (k > 1) + [f"p{k}"] + [f"L{k + 1}"] * (k < length)) for k in _count(length)]
    left = _access("T", [f"p{k}" for k in _count(length)])
    sizes = {f"p{k}": physical for k in _count(length)} | {f"l{k}": bond for k in _count(length + 1)}
    return Contraction(name, f"{left} = {' '.join(cores)}", sizes, backward=True)


def matrix_product_overlap(length: int, physical: int, bond: int) -> Contraction:
    """The inner product of two matrix product states."""
    cores = []
    for k in _count(length):
        for name, letter in (("A", "L"), ("B", "M")):
            bonds = [f"{letter}{k}"] * (k > 1), [f"{letter}{k + 1}"] * (k < length)
            cores.append(_access(f"{name}{k}", [*bonds[0], f"P{k}", *bonds[1]]))
    sizes = {f"p{k}": physical for k in _count(length)}
    sizes |= {f"{letter}{k}": bond for k in _count(length + 1) for letter in "lm"}
    return Contraction("MPS overlap", f"s = {' '.join(cores)}", sizes, backward=True)


def lattice(side: int, bond: int) -> Contraction:
    """A square patch of a PEPS, physical axes already contracted: a tensor per site, a bond to each neighbour."""
    sites: list[str] = []
    sizes: dict[str, int] = {}
    for row in _count(side):
        for column in _count(side):
            legs = [f"H{row}x{column - 1}"] * (column > 1) + [f"H{row}x{column}"] * (column < side)
            legs += [f"V{row - 1}x{column}"] * (row > 1) + [f"V{row}x{column}"] * (row < side)
            sites.append(_access(f"T{row}x{column}", legs))
            sizes |= {leg.lower(): bond for leg in legs}
    return Contraction("PEPS patch", f"s = {' '.join(sites)}", sizes, backward=True)


def regular_graph(vertices: int, bond: int, degree: int = 3, seed: int = 0) -> Contraction:
    """A random regular graph without loops and double edges: a tensor per vertex, an index per edge."""
    draw = random.Random(seed)
    while True:
        stubs = [vertex for vertex in range(vertices) for _ in range(degree)]
        draw.shuffle(stubs)
        edges = [tuple(sorted(pair)) for pair in zip(stubs[::2], stubs[1::2], strict=True)]
        if len(set(edges)) == len(edges) and all(a != b for a, b in edges):
            break
    tensors = [
        _access(f"T{vertex}", [f"E{number}" for number, edge in enumerate(edges) if vertex in edge])
        for vertex in range(vertices)
    ]
    sizes = {f"e{number}": bond for number in range(len(edges))}
    return Contraction(f"random {degree}-regular graph", f"s = {' '.join(tensors)}", sizes, backward=True)


def _count(length: int) -> range:
    return range(1, length + 1)


def _access(name: str, indices: list[str]) -> str:
    return f"{name}[{','.join(indices)}]"


# ---- the library's layers --------------------------------------------------------------------------------------------


def small_networks(quick: bool) -> list[Small]:
    """Each layer with a scalar behind it, attention as one equation, and the digits network."""
    rng = np.random.default_rng(0)
    n, k, j = (64, 32, 16) if quick else (256, 128, 64)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape)

    def labels(rows: int, classes: int) -> np.ndarray:
        return np.eye(classes)[rng.integers(classes, size=rows)]

    def network(*names: str, scalar: str = "") -> Callable[[], tuple[Any, ...]]:
        def members() -> tuple[Any, ...]:
            from einstan import layers

            return (*(getattr(layers, name)() for name in names), *((scalar,) if scalar else ()))

        return members

    widths = (64, 64, 32, 10)
    digits = {"X": normal(32, 64), "Y": labels(32, 10)}
    for number, (rows, columns) in enumerate(pairwise(widths), 1):
        digits[f"W{number}"] = normal(rows, columns) / np.sqrt(rows)
        digits[f"b{number}"] = normal(columns)

    return [
        Small(
            "dense",
            network("dense", scalar="L = G[N,J] Z[N,J]"),
            {"X": normal(n, k), "W": normal(k, j), "b": normal(j), "G": normal(n, j)},
            ("X", "W", "b"),
            by_hand.dense,
        ),
        *(
            Small(
                name,
                network(name, scalar="L = G[N,J] A[N,J]"),
                {"Z": normal(n, j), "G": normal(n, j)},
                ("Z",),
                getattr(by_hand, name),
            )
            for name in ("relu", "sigmoid", "tanh", "softplus", "gelu", "gelu_tanh")
        ),
        Small(
            "softmax",
            network("softmax", scalar="L = G[N,C] S[N,C]"),
            {"Z": normal(n, j), "G": normal(n, j)},
            ("Z",),
            by_hand.softmax,
        ),
        Small(
            "softmax, cross-entropy",
            network("softmax", "cross_entropy"),
            {"Z": normal(n, j), "Y": labels(n, j)},
            ("Z",),
            by_hand.softmax_cross_entropy,
        ),
        Small(
            "mean squared error",
            network("mean_squared_error"),
            {"O": normal(n, j), "Y": normal(n, j)},
            ("O",),
            by_hand.mean_squared_error,
        ),
        Small(
            "binary cross-entropy",
            network("binary_cross_entropy"),
            {"P": rng.uniform(0.1, 0.9, (n, j)), "Y": rng.integers(2, size=(n, j)).astype(float)},
            ("P",),
            by_hand.binary_cross_entropy,
        ),
        Small(
            "attention",
            lambda: ("O[q,d] = softmax[K](Q[q,E] M[K,E] / sqrt(|E|)) V[K,d]", "L = G[N,D] O[N,D]"),
            {"Q": normal(n, j), "M": normal(k, j), "V": normal(k, j), "G": normal(n, j)},
            ("Q", "M", "V"),
            by_hand.attention,
        ),
        Small(
            "causal attention",
            network("causal_attention", scalar="L = G[N,D] O[N,D]"),
            {"Q": normal(n, j), "M": normal(n, j), "V": normal(n, j), "G": normal(n, j)},
            ("Q", "M", "V"),
            by_hand.causal_attention,
        ),
        Small(
            "log-softmax",
            network("log_softmax", scalar="L = G[N,C] A[N,C]"),
            {"Z": normal(n, j), "G": normal(n, j)},
            ("Z",),
            by_hand.log_softmax,
        ),
        Small(
            "layer norm",
            network("layer_norm", scalar="L = G[N,J] Y[N,J]"),
            {"X": normal(n, j), "g": normal(j), "b": normal(j), "G": normal(n, j)},
            ("X", "g", "b"),
            by_hand.layer_norm,
        ),
        Small(
            "cosine similarity",
            network("cosine_similarity", scalar="L = G[N] c[N]"),
            {"X": normal(n, j), "Y": normal(n, j), "G": normal(n)},
            ("X", "Y"),
            by_hand.cosine_similarity,
        ),
        Small(
            "embedding",
            network("embedding", scalar="L = G[N,D] H[N,D]"),
            {"E": normal(k, j), "T": rng.integers(k, size=n), "G": normal(n, j)},
            ("E",),
            by_hand.embedding,
        ),
        Small("huber", huber_members, {"O": normal(n, j), "Y": normal(n, j)}, ("O",), by_hand.huber),
        Small(
            "kl divergence",
            network("kl_divergence", scalar="L = D"),
            {"P": rng.dirichlet(np.ones(j), n), "Q": rng.dirichlet(np.ones(j), n)},
            ("Q",),
            by_hand.kl_divergence,
        ),
        Small(
            "digits 64-64-32-10",
            digits_members,
            digits,
            tuple(name for name in digits if name[0] in "Wb"),
            by_hand.digits,
        ),
    ]


def huber_members() -> tuple[Any, ...]:
    from einstan import layers

    return (layers.huber()(),)


def digits_members() -> tuple[Any, ...]:
    """dense–relu–dense–relu–dense–softmax–cross-entropy, as the command line trains it."""
    from einstan.layers import cross_entropy, dense, relu, softmax

    return (
        dense("Z1", X="X", W="W1", b="b1"),
        relu("A1", Z="Z1"),
        dense("Z2", X="A1", W="W2", b="b2"),
        relu("A2", Z="Z2"),
        dense("Z3", X="A2", W="W3", b="b3"),
        softmax("S", Z="Z3"),
        cross_entropy("L", S="S", Y="Y"),
    )
