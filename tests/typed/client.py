"""What a program that uses Einstan looks like to a type checker: every public name, and nothing that is Any."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import einstan as es
from einstan.layers import cross_entropy, dense, relu, softmax

Array = NDArray[np.float64]


def equations() -> str:
    attend = es.parse("O[q,d] = softmax[K](Q[q,E] M[K,E] / sqrt(|E|)) V[K,d]")
    partial: es.Equation = attend.partial("V")
    program = es.Program("Z[n,j] = X[n,K] W[K,j]\nL = 1/2 Z[N,J]^2")
    backward: es.Program = program.backward("L", wrt=["W"])
    steps = program.derivation("L", wrt="W")
    proved: bool = all(bool(proof) for proof in steps.check())
    code: str = backward.source(target="jax")
    return "\n".join([str(partial), attend.latex(), str(backward), str(steps), str(proved), code])


def checked(text: str) -> list[str]:
    report: es.Report = es.check(text, seconds=1.0)
    return [f"{line.number} {line.mark} {line.holds}" for line in report.claims]


def network() -> es.Network:
    return es.Network(
        dense("H", X="X", W="W1", b="b1", j=8),
        relu("A", Z="H"),
        dense("Z", X="A", W="W2", b="b2"),
        softmax("S", Z="Z"),
        cross_entropy("L", S="S", Y="Y"),
    )


def trained(X: Array, Y: Array) -> tuple[float, dict[str, Array]]:
    net = network()
    params = net.init(seed=0, X=X, Y=Y)
    step = net.value_and_grad("L", wrt=net.params).compile()
    loss: float
    gradients: dict[str, Array]
    loss, gradients = step(params, X=X, Y=Y)
    history: es.History = es.fit(net, "L", {"X": X, "Y": Y}, epochs=3, optimiser=es.Adam(0.01))
    losses: list[float] = history["loss"]
    return loss + losses[-1], {name: gradients[name] for name in history.params}


def composed() -> str:
    chain = dense(j=8) >> relu >> "L = A[N,J]^2"
    return str(es.compose(chain, "M = 2 L"))


def refused(text: str) -> str:
    try:
        return str(es.parse(text).einsum)
    except es.EinstanError as error:
        return f"{error.problem}: {', '.join(error.repair)}"


def minimum(X: Array, y: Array) -> Array:
    logistic = es.Program("Z[n] = X[n,K] w[K]\nL = sum[N](softplus(Z[N]) - y[N] Z[N]) + 1/2 w[K]^2")
    found = es.optimize.newton(logistic, "L", {"w": np.zeros(2)}, {"X": X, "y": y})
    return found.params["w"]
