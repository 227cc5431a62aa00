"""One tree for a product and its gradients: FLOPs, and that the results are those of the nested loops."""

import itertools

import numpy as np
import pytest

from einstan.calculus.backward import backward, joined
from einstan.calculus.program import Program
from einstan.language import parse
from einstan.language.errors import DataError
from einstan.machine.graph.flatten import flatten
from einstan.machine.paths.families import families
from einstan.machine.paths.paths import contraction_steps
from einstan.machine.paths.trees import Shape, exact, flops, from_path, improved, turned
from einstan.machine.plan.plan import plan
from einstan.machine.run.compile import compile


def train(length, left=True):
    """A tensor train with a cotangent, and all its gradients."""
    slots = ",".join(f"p{k}" for k in range(length))
    cores = [
        f"G{k}[" + ",".join([f"L{k}"] * (k > 0) + [f"p{k}"] + [f"L{k + 1}"] * (k + 1 < length)) + "]"
        for k in range(length)
    ]
    forward = parse(f"T[{slots}] = {' '.join(cores)}")
    equations = [forward, parse(f"loss = C[{slots.upper()}] T[{slots.upper()}]")]
    names = [f"G{k}" for k in range(length)]
    shapes = {f"G{k}": (5,) * (k > 0) + (2,) + (5,) * (k + 1 < length) for k in range(length)} | {"C": (2,) * length}
    whole = joined(Program(equations), backward(Program(equations), "loss", names))
    return Program([forward]), whole, ["T", *(f"d{name}" for name in names)], shapes


@pytest.mark.parametrize("length", [4, 7, 12])
def test_all_gradients_cost_three_times_the_forward_path(length):
    forward, whole, outputs, shapes = train(length)
    first = plan(forward, shapes={name: shape for name, shape in shapes.items() if name != "C"}).flops
    made = plan(whole, outputs=outputs, shapes=shapes)
    assert made.flops <= 3.1 * first
    assert made.separate_flops > made.flops
    assert plan(whole, outputs=outputs, shapes=shapes, share=False).flops >= made.flops


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("y = x[I] A[I,J] x[J]", {"x": (3,), "A": (3, 3)}),
        ("y[b] = x[b,I] A[I,J] x[b,J] w[b]", {"x": (4, 3), "A": (3, 3), "w": (4,)}),
        ("y[i,j] = A[i,H] B[j,H] C[H,M] D[M,N] E[N]",
         {"A": (2, 3), "B": (4, 3), "C": (3, 2), "D": (2, 5), "E": (5,)}),
        ("y[i] = A[i,J] B[J,K] C[K] / (D[i,K] F[J])", {"A": (2, 3), "B": (3, 2), "C": (2,), "D": (2, 2), "F": (3,)}),
        ("y = A[I,J] B[J,K] C[K,I] + 2 A[I,J] B[J,K] A[I,K]", {"A": (3, 2), "B": (2, 2), "C": (2, 3)}),
    ],
)  # fmt: skip
def test_gradients_are_those_of_differences(text, sizes):
    """Repeated operands, batches, hyperedges, divisors, sums: against central differences of a direct einsum-free
    evaluation of the forward equation alone."""
    equation = parse(text)
    equations = [equation]
    letters = [index.name for index in equation.indices]
    generator = np.random.default_rng(0)
    data = {name: generator.uniform(0.5, 1.5, shape) for name, shape in sizes.items()}
    value = compile(equation)
    loss, cotangent = "y", np.ones(())
    if letters:
        slots = ",".join(letter.upper() for letter in letters)
        equations.append(parse(f"loss = Q[{slots}] y[{slots}]"))
        cotangent, loss = generator.uniform(0.5, 1.5, value(data)["y"].shape), "loss"
    whole = joined(Program(equations), backward(Program(equations), loss, list(sizes)))
    given = data | ({"Q": cotangent} if letters else {})
    found = compile(whole, [f"d{name}" for name in sizes])(given)
    for name, array in data.items():
        for at in np.ndindex(array.shape):
            sides = []
            for step in (1e-6, -1e-6):
                moved = array.copy()
                moved[at] += step
                sides.append(float(np.sum(cotangent * value({**data, name: moved})["y"])))
            assert found[f"d{name}"][at] == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-6, abs=1e-7)


def test_a_product_and_its_gradients_are_one_family():
    _, whole, outputs, _ = train(5)
    flat = flatten(whole, outputs)
    contractions = {k: op for k, op in enumerate(flat.graph.operations) if op.kind == "contract"}
    (family,) = families(contractions)
    assert len(family.members) == 5


def brute_force(shape):
    """The least FLOPs over every order, by trying all of them."""

    def best(live, steps, count):
        if len(live) == 1:
            return flops(shape, steps)
        found = []
        for one, other in itertools.combinations(live, 2):
            rest = [k for k in live if k not in (one, other)]
            found.append(best([*rest, count], [*steps, (one, other)], count + 1))
        return min(found)

    count = len(shape.operands)
    return best(list(range(count)), [], count)


@pytest.mark.parametrize("seed", range(12))
def test_the_exact_search_is_exact(seed):
    generator = np.random.default_rng(seed)
    operands = tuple(frozenset(map(int, generator.choice(6, size=generator.integers(1, 4)))) for _ in range(5))
    everything = frozenset().union(*operands)
    out = frozenset(label for label in everything if generator.random() < 0.3)
    shape = Shape(operands, out, {label: int(generator.integers(2, 7)) for label in everything})
    found = exact(shape)
    assert flops(shape, found) == brute_force(shape)
    written = from_path([(0, 1)] * 4, 5)
    assert flops(shape, found) <= flops(shape, improved(shape, written)) <= flops(shape, written)


def test_a_tree_turned_round():
    # ((0 1) 2) seen from operand 0, with a new operand 2 in the place of the result: (new, 2), then 1.
    assert turned([(0, 1), (3, 2)], [None, 0, 1], [2], 3) == [(2, 1), (3, 0)]


def test_two_thousand_operands():
    count = 2000
    labels = tuple((k, k + 1) for k in range(count))
    shapes = tuple((2 + k % 5, 2 + (k + 1) % 5) for k in range(count))
    steps = contraction_steps(labels, shapes, (0, count), "auto")
    assert len(steps) == count - 1


def test_best_says_what_won():
    _, whole, outputs, shapes = train(6)
    made = plan(whole, outputs=outputs, shapes=shapes, optimize="best")
    assert ", the best of auto, greedy" in made.optimizer
    assert made.flops <= plan(whole, outputs=outputs, shapes=shapes).flops


def deep(layers=4):
    """Layers of tanh, large enough that dead arrays are given back before the end."""
    lines = [f"A{k + 1}[n,j] = tanh(A{k}[n,K] W{k}[K,j])" for k in range(layers)]
    program = Program([parse(line) for line in (*lines, f"L = A{layers}[N,J]^2")])
    wrt = [f"W{k}" for k in range(layers)]
    shapes = {"A0": (4096, 64)} | dict.fromkeys(wrt, (64, 64))
    return joined(program, backward(program, "L", wrt)), ["L", *(f"d{name}" for name in wrt)], shapes


def test_peak_memory_is_what_a_call_takes_and_a_limit_recomputes():
    program, outputs, shapes = deep()
    generator = np.random.default_rng(0)
    data = {name: generator.standard_normal(shape) / 8 for name, shape in shapes.items()}
    made = plan(program, outputs=outputs, shapes=shapes)
    assert made.peak_memory == pytest.approx(made.measure(data), rel=0.02)
    limit = int(0.85 * made.peak_memory)
    less = plan(program, outputs=outputs, shapes=shapes, memory_limit=limit)
    assert less.recomputed
    assert less.flops > made.flops
    assert less.measure(data) <= 1.02 * limit
    kept = compile(program, outputs)(data)
    again = compile(program, outputs, memory_limit=limit)(data)
    for name in outputs:
        assert np.allclose(kept[name], again[name], rtol=1e-12)
    with pytest.raises(DataError, match="would take"):
        plan(program, outputs=outputs, shapes=shapes, memory_limit=10_000)
