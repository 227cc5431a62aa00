"""Paths that are known without a search: chains, pieces that nothing connects, operands of the same labels."""

from random import Random

import pytest

from einstan.machine.paths import paths
from einstan.machine.paths.chains import chained
from einstan.machine.paths.trees import Shape, exact, flops


def random_chain(seed):
    """Operands in a row under shuffled numbers, some with labels of the result, some with labels of their own."""
    random = Random(seed)
    count = random.randrange(8, 13)
    operands, out = [], {end for end in (0, count) if random.random() < 0.5}
    for k in range(count):
        labels = {k, k + 1}
        if random.random() < 0.3:
            labels.add(100 + k)
        if random.random() < 0.3:
            labels.add(200 + k)
            out.add(200 + k)
        operands.append(frozenset(labels))
    random.shuffle(operands)
    sizes = {label: random.choice((1, 2, 3, 4, 8, 20)) for labels in operands for label in sorted(labels)}
    return Shape(tuple(operands), frozenset(out), sizes)


@pytest.mark.parametrize("seed", range(60))
def test_a_chain_has_the_tree_of_the_exact_search(seed):
    shape = random_chain(seed)
    steps = chained(shape)
    assert flops(shape, steps) == flops(shape, exact(shape, work=10**9))
    assert sorted(node for step in steps for node in step) == list(range(2 * len(shape.operands) - 2))


@pytest.mark.parametrize(
    "operands",
    [
        [{0, 1}, {1, 2}, {2, 0}],  # a ring
        [{0, 1}, {1, 2}, {1, 3}],  # three share a label
        [{0, 1}, {0, 2}, {0, 3}],
        [{0, 1}, {2, 3}],  # two pieces
        [{0, 1}, {1, 2}, {3, 4}, {4, 5}, {5, 3}],  # a chain beside a ring
    ],
)
def test_what_is_no_chain(operands):
    assert chained(Shape(tuple(map(frozenset, operands)), frozenset(), dict.fromkeys(range(9), 2))) is None


def test_a_label_of_the_result_that_two_share_makes_no_chain():
    operands = frozenset({0, 1}), frozenset({1, 2}), frozenset({2, 3})
    assert chained(Shape(operands, frozenset({1}), dict.fromkeys(range(4), 2))) is None


def test_no_search_goes_over_operands_of_the_same_labels(monkeypatch):
    def searched(*_):
        raise AssertionError("a search")

    for name in ("search", "exact", "improved"):
        monkeypatch.setattr(paths, name, searched)
    steps = paths.contraction_steps(((0, 1),) * 40, ((3, 4),) * 40, (0, 1), "auto")
    assert len(steps) == 39
    long = tuple((k, k + 1) for k in range(60))
    apart = (*long, *((k + 100, k + 101) for k, _ in long))
    for labels, out in ((long, (0, 60)), (apart, (0, 100))):
        steps = paths.contraction_steps(labels, ((2, 2),) * len(labels), out, "auto")
        assert sorted(node for step in steps for node in step) == list(range(2 * len(labels) - 2))


@pytest.mark.parametrize("seed", range(40))
def test_operands_that_are_merged_first_cost_no_more(seed):
    random = Random(seed)
    kinds = [frozenset({0, *random.sample(range(1, 5), random.randrange(4))}) for _ in range(3)]
    operands = tuple(random.choice(kinds) for _ in range(random.randrange(8, 10)))
    held = sorted(frozenset().union(*operands))
    out = frozenset(random.sample(held, random.randrange(len(held))))
    shape = Shape(operands, out, {label: random.choice((2, 3, 5)) for label in range(5)})
    assert flops(shape, paths.merged(shape, exact)) <= flops(shape, exact(shape, work=10**9))
