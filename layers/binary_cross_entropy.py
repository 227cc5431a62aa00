"""Binary cross-entropy: every entry is a yes or no of its own.

Examples:
    >>> from einstan.layers import binary_cross_entropy
    >>> print(binary_cross_entropy.partial("P"))
    dL/dP[n,j] = (P[n,j] - Y[n,j]) / (|n| |j| P[n,j] (1 - P[n,j]))
"""

from einstan.library.layer import Layer

binary_cross_entropy = Layer(
    "L = -1/(|N| |J|) (Y[N,J] log(P[N,J]) + (1 - Y[N,J]) log(1 - P[N,J]))",
    partials=(
        "dL/dP[n,j] = (P[n,j] - Y[n,j]) / (|n| |j| P[n,j] (1 - P[n,j]))",
        "dL/dY[n,j] = (log(1 - P[n,j]) - log(P[n,j])) / (|n| |j|)",
    ),
    source="Park (2022), Gradients in a deep neural network and their Python implementations, section 1",
)
