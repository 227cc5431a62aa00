"""Mean squared error: over all entries.

Examples:
    >>> from einstan.layers import mean_squared_error
    >>> print(mean_squared_error.partial("O"))
    dL/dO[n,j] = 2/(|n| |j|) (O[n,j] - Y[n,j])
"""

from einstan.library.layer import Layer

mean_squared_error = Layer(
    "L = 1/(|N| |J|) (O[N,J] - Y[N,J])^2",
    partials=(
        "dL/dO[n,j] = 2/(|n| |j|) (O[n,j] - Y[n,j])",
        "dL/dY[n,j] = 2/(|n| |j|) (Y[n,j] - O[n,j])",
    ),
    source="Park (2022), Gradients in a deep neural network and their Python implementations, section 1, as a mean",
)
