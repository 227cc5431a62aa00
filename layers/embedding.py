"""Embedding: the row of a table for every token; T holds whole numbers, and its derivative is refused.

Examples:
    >>> from einstan.layers import embedding
    >>> print(embedding.partial("E"))
    dH[n,d]/dE[p,q] = δ[T[n],p] δ[d,q]
"""

from einstan.library.layer import Layer

embedding = Layer(
    "H[n,d] = E[T[n],d]",
    partials=("dH[n,d]/dE[p,q] = δ[T[n],p] δ[d,q]",),
    parameters={"E": "normal"},
    source="Bengio, Ducharme, Vincent and Jauvin (2003), A neural probabilistic language model, section 2",
)
