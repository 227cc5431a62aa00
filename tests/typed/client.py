# pyright: strict
"""What a program that uses Einstan looks like to a type checker: every public name, and the types that it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import einstan as es
from einstan import layers, optimize
from einstan.language.own import OwnFunction
from einstan.layers import cross_entropy, dense, relu, softmax
from einstan.library.derivations import Derivations
from einstan.library.derivative import Derivative
from einstan.library.einsum import Einsum
from einstan.library.einsum_function import EinsumFunction
from einstan.library.evaluated import CompiledDerivative, CompiledGradients
from einstan.library.factored import FactoredTensor
from einstan.library.layer import Instance, Layer
from einstan.library.network import Evaluator, ValueAndGrad
from einstan.library.per_example import PerExample
from einstan.library.plan import Plan
from einstan.library.step import Step
from einstan.machine.run.compiled import Compiled

Array = NDArray[np.float64]
Anything = NDArray[Any]  # whose precision is that of what is given
TEXT = "Z[n] = X[n,K] w[K]\nL = 1/|N| (Z[N] - y[N])^2"
X, y = np.eye(4), np.ones(4)
START, DATA = {"w": np.zeros(4)}, {"X": X, "y": y}
LAYERS: tuple[Layer, ...] = (
    layers.attention, layers.binary_cross_entropy, layers.causal_attention, layers.cosine_similarity,
    layers.cross_entropy, layers.dense, layers.embedding, layers.gelu, layers.gelu_tanh, layers.kl_divergence,
    layers.layer_norm, layers.log_softmax, layers.mean_squared_error, layers.relu, layers.sigmoid, layers.softmax,
    layers.softplus, layers.tanh,
)  # fmt: skip


def of_sizes() -> tuple[Layer, ...]:
    return (
        layers.average_pool_1d(2), layers.average_pool_2d(2), layers.convolution_1d(stride=2), layers.convolution_2d(),
        layers.correlation_1d(), layers.correlation_2d(), layers.huber(threshold=2), layers.max_pool_1d(2),
        layers.max_pool_2d(2), layers.transposed_convolution_1d(), layers.transposed_convolution_2d(),
    )  # fmt: skip


def equations() -> str:
    attend = es.parse("O[q,d] = softmax[K](Q[q,E] M[K,E] / sqrt(|E|)) V[K,d]")
    assert_type(attend, es.Equation)
    assert_type(es.Equation("y[i] = x[i]^2"), es.Equation)
    assert_type(es.Equation.of(attend), es.Equation)
    assert_type(attend.partial("V"), es.Equation)
    assert_type(attend.program, es.Program)
    assert_type(attend.derivation("V"), Derivations)
    assert_type(attend.einsum, Einsum)
    assert_type(attend.einsum.string, str)
    sizes = {"q": 2, "d": 2, "k": 2, "e": 2}
    assert_type(attend.plan(sizes), Plan)
    assert_type(attend.compile(), Compiled)
    line = es.parse("y[i] = A[i,J] x[J]")
    value: Array = line(A=X, x=y)
    assert_type(line.loops(A=X, x=y).shape, tuple[int, ...])
    return "\n".join([attend.latex(), attend.reading(), attend.source(target="jax"), str(value.shape)])


def programs(folder: Path) -> str:
    program = es.Program(TEXT)
    backward = program.backward("L", wrt=["w"])
    assert_type(backward, es.Program)
    assert_type(program["Z"], es.Equation)
    assert_type(program.partial("L", "w"), es.Program)
    assert_type(program.derivative("L", "w"), Derivative)
    assert_type(program.jacobian("Z", "w"), Derivative)
    assert_type(program.hessian("L", "w"), Derivative)
    assert_type(program.per_example("L"), PerExample)
    assert_type(program.jvp("Z", {"w": "v"}), es.Program)
    assert_type(program.vjp({"Z": "c"}, "w"), es.Program)
    assert_type(program.hvp("L", {"w": "v"}), es.Program)
    assert_type(program.gauss_newton("L", "Z", {"w": "v"}), es.Program)
    assert_type(program.draw(folder / "program.mmd"), Path)
    steps = program.derivation("L", wrt="w")
    proved: bool = all(bool(proof) for proof in steps.check())
    compiled = backward.compile()
    assert_type(compiled(START, **DATA), dict[str, Anything])
    dw: Array = compiled(START, **DATA)["dw"]
    assert_type(compiled.plan.flops, int)
    text = [str(backward), str(steps), program.reading(), program.latex(), backward.source(), compiled.source()]
    return "\n".join([*text, str(proved), str(dw.shape)])


def planned(folder: Path) -> str:
    plan = es.Program(TEXT).backward("L").plan({"n": 100, "k": 10})
    assert_type(plan, Plan)
    assert_type(plan.flops, int)
    assert_type(plan.largest_intermediate, int)
    assert_type(plan.measure(), int)
    assert_type(plan.draw(folder / "plan.mmd"), Path)
    assert_type(plan.plot(folder / "plan.svg"), Path)
    assert_type(plan.to_dict(), dict[str, Any])
    return plan.to_json()


def derivatives() -> float:
    hessian = es.Program(TEXT).hessian("L", "w")
    assert_type(hessian.equation, es.Equation)
    assert_type(hessian.program, es.Program)
    assert_type(hessian.einsum, Einsum)
    assert_type(hessian.plan({"n": 4, "k": 4}), Plan)
    assert_type(hessian.compile(), CompiledDerivative)
    assert_type(hessian.latex() + hessian.source(), str)
    dense_one: Array = hessian.dense(START, **DATA)
    H = hessian(START, **DATA)
    assert_type(H, FactoredTensor)
    assert_type(H @ H, FactoredTensor)
    product: Array = H @ y
    assert_type(H.T, FactoredTensor)
    assert_type(H.sum(), FactoredTensor)
    assert_type(H.cholesky(), FactoredTensor)
    assert_type(H.blocks().array.ndim, int)
    each = es.Program(TEXT).per_example("L")
    assert_type(each.gradient("w"), Derivative)
    assert_type(each.norms("w"), es.Program)
    assert_type(each.gradients("w").compile(), CompiledGradients)
    assert_type(each.gradients("w")(START, **DATA), dict[str, FactoredTensor])
    return H.trace() + float(dense_one.sum() + product.sum() + H.solve(y).sum() + H.diagonal().sum())


def einsums() -> str:
    f = es.einsum("ij,jk->ik")
    assert_type(f, EinsumFunction)
    assert_type(f.equation, es.Equation)
    assert_type((f(X, X), es.einsum("ij,jk", X, X), es.einsum(X, [0, 1]))[0], Anything)
    assert_type(f.gradients[0].equation, es.Equation)
    first: Array = f.gradients(X, X, cotangent=X, wrt=0)
    both = f.gradients(X, X, cotangent=X)
    return f"{f.string} {f.gradients[1].string} {f.source(X, X)} {first.shape} {len(both)}"


def checked(text: str) -> list[str]:
    report = es.check(text, seconds=1.0, progress=False)
    assert_type(report, es.Report)
    assert_type(es.check_paper("$$ y = x^2 $$", "md"), es.Report)
    assert_type(report.ok, bool)
    assert_type(report.counts, dict[str, int])
    assert_type(report.definitions, int)
    assert_type(report.displays, dict[str, int])
    assert_type(report.not_expressible, tuple[str, ...])
    assert_type(report.json(), dict[str, Any])
    assert_type([report.latex(), report.html(), report.summary()], list[str])
    return [f"{line.number} {line.mark} {line.holds}" for line in report.claims]


def network() -> es.Network:
    return es.Network(
        dense("H", X="X", W="W1", b="b1", j=8),
        relu("A", Z="H"),
        dense("Z", X="A", W="W2", b="b2"),
        softmax("S", Z="Z"),
        cross_entropy("L", S="S", Y="Y"),
    )


def trained(X: Array, Y: Array, folder: Path) -> tuple[float, dict[str, Array]]:
    net, data = network(), {"X": X, "Y": Y}
    params = net.init(seed=0, X=X, Y=Y)
    made = net.value_and_grad("L", wrt=net.params)
    assert_type(made, ValueAndGrad)
    assert_type(made.plan({"n": 8, "k": 2, "c": 3}), Plan)
    assert_type(made.source(), str)
    assert_type(made.outputs, tuple[str, ...])
    step = made.compile()
    assert_type(step, Step)
    loss, gradients = step(params, X=X, Y=Y)
    assert_type(loss, float)
    assert_type(step.plan, Plan)
    assert_type(step.source(), str)
    saved = folder / "run.npz"
    error = es.Metric("error", ("S", "Y"), mean_error, larger_is_better=False)
    metrics = [es.accuracy("S", "Y"), error]
    history = es.fit(net, "L", data, epochs=3, optimiser=es.Adam(0.01), metrics=metrics, callbacks=[Told()])
    assert_type(history, es.History)
    losses: list[float] = history["loss"]
    assert_type(history.epochs, list[int])
    assert_type(history.best_epoch, int)
    assert_type(history.plot(folder / "losses.svg"), Path)
    assert_type(history.rows[0], dict[str, float])
    es.save(saved, history.params)
    state = es.load(saved)
    assert_type(state, es.State)
    assert_type(es.State.load(saved), es.State)
    assert_type(state.snapshot().page(), dict[str, Any])
    state.save(saved)
    return loss + losses[-1], {name: gradients[name] for name in history.params}


def mean_error(S: Array, Y: Array) -> float:
    return float(np.abs(S - Y).mean())


class Told(es.Callback):
    def on_start(self, state: es.State, epochs: int) -> None:
        super().on_start(state, epochs)

    def on_epoch_end(self, state: es.State) -> bool | None:
        return super().on_epoch_end(state)

    def on_pause(self, state: es.State) -> bool:
        return super().on_pause(state)

    def on_end(self, state: es.State, reason: str) -> None:
        super().on_end(state, reason)


def optimisers() -> dict[str, Array]:
    params: dict[str, Array] = dict(START)
    every: tuple[es.SGD | es.Momentum | es.Adam, ...] = (es.SGD(0.1), es.Momentum(0.1), es.Adam(0.1))
    for optimiser in every:
        params, state = optimiser.update(params, {"w": y}, optimiser.init(params))
        assert_type(optimiser.rule.equations, tuple[str, ...])
        assert "step" in state
    return params


def networks(folder: Path) -> str:
    net = es.Network(TEXT, parameters={"w": "zeros"})
    changed = (net.replace("Z", "Z[n] = X[n,K]^2 w[K]"), net.without("L"), net.part("Z", "L"), net.renamed({"w": "v"}))
    assert_type(changed, tuple[es.Network, es.Network, es.Network, es.Network])
    assert_type(net.output, str)
    assert_type(net.has("Z"), bool)
    assert_type(net.backward("L"), es.Program)
    assert_type(net.partial("L", "w"), es.Program)
    assert_type(net.jvp("Z"), es.Program)
    assert_type(net.vjp("Z"), es.Program)
    assert_type(net.hvp("L"), es.Program)
    assert_type(net.gauss_newton("L", "Z"), es.Program)
    assert_type(net.derivative("L", "w"), Derivative)
    assert_type(net.jacobian("Z", "w"), Derivative)
    assert_type(net.hessian("L", "w"), Derivative)
    assert_type(net.per_example("L"), PerExample)
    assert_type(net.derivation("L", "w"), Derivations)
    assert_type(net.draw(folder / "net.mmd"), Path)
    assert_type(net.plan({"n": 4, "k": 4}), Plan)
    evaluator = net.evaluator("Z")
    assert_type(evaluator, Evaluator)
    values: dict[str, Array] = evaluator(START, X=X)
    one: Array = net.evaluate("Z", START, X=X)
    net.check_assumptions({"X": X})
    return f"{net.latex()} {one.shape} {list(values)}"


def layer() -> str:
    gate = es.Layer("G[n,j] = X[n,j] sigmoid(1.702 X[n,j])")
    assert_type(gate.equation, es.Equation)
    assert_type(gate.partial("X"), es.Equation)
    assert_type(gate.derived("X"), es.Equation)
    assert_type(gate.einsum, Einsum)
    assert_type(gate("G", X="Z"), Instance)
    assert_type(gate.inputs, tuple[str, ...])
    return gate.latex()


def composed() -> str:
    chain = dense(j=8) >> relu >> "L = A[N,J]^2"
    return str(es.compose(chain, "M = 2 L"))


def own() -> str:
    assert_type(es.function("halfsine(x) = sin(x / 2)"), OwnFunction)
    with es.functions("cube(x) = x^3"):
        return str(es.parse("y[i] = cube(x[i])"))


def refused(text: str) -> str:
    try:
        return str(es.parse(text).einsum)
    except es.EinstanError as error:
        return f"{error.problem}: {', '.join(error.repair)} {len(error.report()) > 0}"


def diverged() -> int:
    net = es.Network("L = 1/|N| (X[N,K] w[K])^2", parameters={"w": "ones"})
    try:
        return es.fit(net, "L", {"X": X}, optimiser=es.SGD(1e200), epochs=3).best_epoch
    except es.TrainingError as error:
        return error.history.best_epoch


def minimum(X: Array, y: Array) -> Array:
    logistic = es.Program("Z[n] = X[n,K] w[K]\nL = sum[N](softplus(Z[N]) - y[N] Z[N]) + c/2 w[K]^2")
    start: dict[str, Array | float] = {"w": np.zeros(2)}
    data: dict[str, Array | float] = {"X": X, "y": y, "c": 1}
    found = [
        optimize.newton(logistic, "L", start, data),
        optimize.newton_cg(logistic, "L", start, data),
        optimize.gauss_newton(logistic, "L", ["Z", "w"], start, data),
        optimize.levenberg_marquardt(logistic, "L", ["Z", "w"], start, data),
        optimize.alternating(logistic, "L", ["w"], start, data),
        optimize.root(es.parse("r[k] = w[k]^2 - 2"), "r", {"w": np.ones(2)}),
    ]
    assert_type(found, list[optimize.Result])
    assert_type((found[0].converged, found[0].loss, found[0].reason), tuple[bool, float, str])
    flat = optimize.flat(logistic, "L", start, data)
    system = optimize.flat_system(logistic, "Z", start, data)
    assert_type((flat, system), tuple[optimize.Flat, optimize.FlatSystem])
    assert_type(flat.fun(flat.x0), float)
    hessian: Array = flat.hess(flat.x0)
    jacobian: Array = system.jac(system.x0)
    hessian += jacobian.T @ jacobian
    objective = optimize.Objective(logistic, "L", start, data)
    assert_type(objective.value(start), float)
    gradient: dict[str, Array] = objective.value_and_gradient(start)[1]
    assert hessian.shape == (2, 2)
    assert gradient["w"].shape == (2,)
    return found[0].params["w"]
