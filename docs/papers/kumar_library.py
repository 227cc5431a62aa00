"""Kumar's library: its layers, each with its three passes as one call: ``python docs/papers/kumar_library.py``.

Navdeep Kumar, Proofs for Neural Network Library (March 2020).  A layer has a forward pass, y of x and of its weights w;
a backward pass, dL/dx of dL/dy; and a gradient pass, dL/dw of dL/dy.  Here a layer is its forward equation; what the
text proves of it is declared and proved again, and the other two passes are derived.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import einstan as es

mse = es.Layer("y = 1/2 (x[I] - s[I])^2", partials=("dy/dx[i] = x[i] - s[i]",))  # 3; s is the label y*
linear = es.Layer(  # 4
    "y[i] = w[i,J] x[J]",
    partials=("dy[i]/dx[j] = w[i,j]", "dy[i]/dw[p,q] = δ[i,p] x[q]"),
    parameters={"w": "he"},
)
add = es.Layer(  # 5
    "y[i] = x[i] + w[i]",
    partials=("dy[i]/dx[j] = δ[i,j]", "dy[i]/dw[j] = δ[i,j]"),
    parameters={"w": "zeros"},
)
correlation = es.Layer(  # 7, with a finite input that is zero outside
    "y[i] = pad(x[i+J]) w[J] where |i| = |x.0|",
    partials=("dy[i]/dx[p] = pad(w[p-i])", "dy[i]/dw[j] = pad(x[i+j])"),
    parameters={"w": "he"},
)
LAYERS = {"mse": mse, "linear": linear, "add": add, "correlation": correlation}

SLIPS = {  # declarations that are refused, each with its layer and what is wrong with it
    "dy/dx[i] = 2 (x[i] - s[i])": (mse, "the 1/2 forgotten"),
    "dy/dx[i] = s[i] - x[i]": (mse, "the sign of the label's gradient"),
    "dy[i]/dx[j] = w[j,i]": (linear, "w for its transpose: dx = w dy"),
    "dy[i]/dw[p,q] = δ[i,q] x[p]": (linear, "x dy^T for dy x^T, as the trace in 4.3 may suggest"),
    "dy[i]/dw[j] = x[i] δ[i,j]": (add, "the gradient of a product"),
    "dy[i]/dx[p] = pad(w[p+i])": (correlation, "dy ⊙ w for dy ⊗ w, as printed in 7.2"),
    "dy[i]/dw[j] = pad(x[i-j])": (correlation, "x ⊗ dy for x ⊙ dy"),
}


class Passes(NamedTuple):
    """What the three passes give; the gradient is None where a layer has no weights."""

    forward: np.ndarray
    backward: np.ndarray
    gradient: np.ndarray | None


def equations(layer: es.Layer) -> tuple[str, es.Program]:
    """The forward equation, and those of the other two passes."""
    net = es.Network(layer())
    return str(net), net.vjp("y", ["x", *net.params])


def passes(layer: es.Layer, dy: np.ndarray, **arrays: np.ndarray) -> Passes:
    """All three passes of a layer: y, dL/dx of dL/dy, and dL/dw of dL/dy."""
    net = es.Network(layer())
    params = {name: array for name, array in arrays.items() if name in net.params}
    data = {name: array for name, array in arrays.items() if name not in params}
    found = equations(layer)[1].compile()(**arrays, dy=np.asarray(dy))
    return Passes(net.evaluate("y", params, **data), found["dx"], found.get("dw"))


def refused(partial: str, layer: es.Layer) -> str:
    """Why a layer with this partial is refused."""
    try:
        es.Layer(str(layer.equation), partials=(partial,))
    except es.EinstanError as error:
        return str(error)
    raise AssertionError(f"{partial} is taken")


def main() -> None:
    for name, layer in LAYERS.items():
        forward, others = equations(layer)
        print(f"{name}\n{forward}\n{others}\n")
    for partial, (layer, reason) in SLIPS.items():
        print(f"{reason}: {refused(partial, layer).splitlines()[0]}, {partial}")


if __name__ == "__main__":
    main()
