"""Named arrays as one vector and back."""

import numpy as np

from einstan.optimize.layout import Layout

ARRAYS = {"W": np.arange(6.0).reshape(2, 3), "b": np.array(7.0), "e": np.zeros((0, 4)), "v": np.array([8.0, 9.0])}


def test_there_and_back():
    layout = Layout.of(ARRAYS)
    assert layout.size == 9
    vector = layout.pack(ARRAYS)
    np.testing.assert_array_equal(vector, [0, 1, 2, 3, 4, 5, 7, 8, 9])
    for name, array in layout.unpack(vector).items():
        np.testing.assert_array_equal(array, ARRAYS[name])
        assert array.shape == ARRAYS[name].shape


def test_rows():
    layout = Layout.of(ARRAYS)
    matrix = np.arange(27.0).reshape(3, 9)
    arrays = layout.unpack_rows(matrix)
    assert {name: array.shape for name, array in arrays.items()} == {
        "W": (3, 2, 3), "b": (3,), "e": (3, 0, 4), "v": (3, 2),
    }  # fmt: skip
    np.testing.assert_array_equal(layout.pack_rows(arrays), matrix)


def test_nothing():
    assert Layout({}).pack({}).shape == (0,)
