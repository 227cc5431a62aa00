"""Tensors that are averaged over exchanges of their axes: against the dense mean, and symmetric to the last bit."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from einstan.library.factored import FactoredTensor
from einstan.library.factored_parts import Part
from einstan.library.symmetric import averages, exchanges, mirror, numbered, overlapping, same_factors


def relabelled(axes):
    names = {}
    return tuple(names.setdefault(x, len(names)) for x in axes)


@st.composite
def sums_of_structures(draw):
    """The group of a derivative, its shape, and parts with random deltas."""
    lead = draw(st.lists(st.sampled_from([0, 1, 2]), max_size=1))
    own = draw(st.lists(st.sampled_from([0, 1, 2, 2, 3, 3]), min_size=1, max_size=2))
    others = draw(st.lists(st.sampled_from([1, 2]), max_size=1))
    order = draw(st.integers(2, 3))
    tensors, shape = [], [*lead]
    for k in range(order):
        tensors.append(("W", len(own)))
        shape += own
        if k == 0 and others:
            tensors.append(("b", 1))
            shape += others
    group = exchanges(len(lead), tensors)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    structures, cores = [], []
    for _ in range(draw(st.integers(0, 3))):
        axes = []
        for k, n in enumerate(shape):
            same = [j for j in range(k) if shape[j] == n]
            axes.append(axes[draw(st.sampled_from(same))] if same and draw(st.booleans()) else k)
        axes = relabelled(axes)
        if axes not in structures:
            sizes = dict(zip(axes, shape, strict=True))
            structures.append(axes)
            cores.append(rng.normal(size=[sizes[x] for x in range(len(sizes))]))
    return group, tuple(shape), structures, cores


def tensor_of(shape, parts, mirrors=()):
    made = tuple(Part(axes, ((core, tuple(range(core.ndim))),)) for axes, core in parts)
    return FactoredTensor.of_cores(tuple(f"i{k}" for k in range(len(shape))), shape, made, 0, mirrors)


@given(sums_of_structures())
def test_averages(drawn):
    group, shape, structures, cores = drawn
    found = averages(structures, (), group)
    parts = []
    for average in found:
        core = average.of(dict(enumerate(cores)))
        parts.append((average.axes, core))
        parts += [(axes, core.transpose(order)) for axes, order in average.images]
    made = tensor_of(shape, parts, group if overlapping(len(found), found) else ())
    given_as = tensor_of(shape, zip(structures, cores, strict=True)).dense()
    expected = sum((given_as.transpose(order) for order in group), np.zeros(shape)) / len(group)
    dense = made.dense()
    np.testing.assert_allclose(dense, expected, rtol=1e-12, atol=1e-12)
    for order in group:
        assert (dense == dense.transpose(order)).all()
        assert (made.transpose(*order).dense() == dense).all()
        assert ((made * 3.0).dense() == (made * 3.0).dense().transpose(order)).all()


def test_the_exchanges_are_a_group():
    group = exchanges(1, [("W", 2), ("b", 1), ("W", 2), ("W", 2)])
    assert len(group) == 6
    assert group[0] == tuple(range(8))
    assert all(tuple(a[k] for k in b) in group for a, b in itertools.product(group, group))
    assert all(order[0] == 0 and order[3] == 3 for order in group)


def test_a_structure_turned():
    assert numbered((0, 1, 0, 2), (2, 3, 0, 1)) == ((0, 1, 0, 2), (0, 2, 1))
    assert numbered((0, 0, 1), (2, 0, 1)) == ((0, 1, 1), (1, 0))


@given(
    st.sampled_from([(1, 1), (2, 2), (65, 65), (130, 130), (3, 2, 3, 2), (40, 3, 40, 3), (70, 2, 1, 70, 2, 1)]),
    st.booleans(),
)
def test_mirror(shape, turned):
    """Symmetric to the last bit, and what was symmetric but for rounding is changed by rounding alone."""
    half = len(shape) // 2
    n = int(np.prod(shape[:half]))
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(n, n))
    matrix = (matrix + matrix.T) * (1 + 1e-14 * rng.random((n, n)))
    array = matrix.reshape(shape)
    if turned:  # not in C order
        order = range(2 * half - 1, -1, -1)
        array = np.ascontiguousarray(array.transpose(*order)).transpose(*order)
    before = array.copy()
    mirror(array)
    found = array.reshape(n, n)
    assert (found == found.T).all()
    np.testing.assert_allclose(array, before, rtol=1e-13)


def test_factors_that_change_places():
    """Two that are one array may change places; what is multiplied to their product must be symmetric itself."""
    axes, order = (0, 1, 2, 3), (2, 3, 0, 1)
    pair = [(0, (0, 1, 2)), (0, (2, 3, 0))]
    assert same_factors(axes, pair, order, lambda *_: False)
    assert not same_factors(axes, [*pair, (1, (0, 2))], order, lambda *_: False)
    assert same_factors(axes, [*pair, (1, (0, 2))], order, lambda number, way: (number, way) == (1, (1, 0)))
    assert not same_factors(axes, [pair[0], (1, (0, 2)), pair[1]], order, lambda *_: True)  # (a w) b is not (b w) a
    assert not same_factors(axes, [(0, (0, 1, 2)), (1, (2, 3, 0))], order, lambda *_: True)
