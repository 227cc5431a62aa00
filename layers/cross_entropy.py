"""Cross-entropy: the mean over rows of minus the logarithm of what the true class was given.

Examples:
    >>> from einstan.layers import cross_entropy
    >>> print(cross_entropy.partial("S"))
    dL/dS[n,c] = -Y[n,c] / (|n| S[n,c])
"""

from einstan.library.layer import Layer

cross_entropy = Layer(
    """
    L = -1/|N| Y[N,C] log(S[N,C])
    assume sum[C](Y[n,C]) = 1
    """,
    partials=(
        "dL/dS[n,c] = -Y[n,c] / (|n| S[n,c])",
        "dL/dY[n,c] = -log(S[n,c]) / |n|",
    ),
    source="Jiang, A deep mathematical understanding of DNNs, section 3 (Loss), over a batch",
)
