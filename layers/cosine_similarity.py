"""Cosine similarity: of every row of X with the row of Y beside it.

Examples:
    >>> from einstan.layers import cosine_similarity
    >>> print(cosine_similarity.partial("X"))
    dc[n]/dX[m,k] = δ[n,m] (Y[n,k] / (a[n] b[n]) - c[n] X[n,k] / a[n]^2)
"""

from einstan.library.layer import Layer

cosine_similarity = Layer(
    """
    a[n] = sqrt(X[n,K]^2)
    b[n] = sqrt(Y[n,K]^2)
    c[n] = X[n,K] Y[n,K] / (a[n] b[n])
    """,
    partials=(
        "dc[n]/dX[m,k] = δ[n,m] (Y[n,k] / (a[n] b[n]) - c[n] X[n,k] / a[n]^2)",
        "dc[n]/dY[m,k] = δ[n,m] (X[n,k] / (a[n] b[n]) - c[n] Y[n,k] / b[n]^2)",
    ),
    source="Salton, Wong and Yang (1975), A vector space model for automatic indexing, section 1",
)
