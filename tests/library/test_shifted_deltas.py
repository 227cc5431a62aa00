"""How far the indices of derived equations run, against differences of the values."""

from __future__ import annotations

import numpy as np
import pytest

import einstan as es


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("e[i] = a[i+1] + a[i+2]\nf[i] = e[i] + pad(e[i-1])", (3, 5)),
        ("e[i] = a[i+1] + a[i+2]\nf[i] = pad(e[i-2]) + e[i]", (3, 5)),
        ("e[i] = a[i+1] a[i+2]\nf[i] = e[i] + pad(e[i-1])", (3, 5)),
    ],
)
def test_a_delta_of_shifted_reads_does_not_make_the_axis_longer(text: str, shape: tuple[int, int]) -> None:
    program, a = es.Program(text), np.array([1.0, -2, 3, 0.5, 5])
    jacobian = np.asarray(program.derivative("f", "a")(a=a).dense())
    step = 1e-6 * np.eye(5)
    f = program.compile(outputs=["f"])
    columns = [(f(a=a + h)["f"] - f(a=a - h)["f"]) / 2e-6 for h in step]
    assert jacobian.shape == shape
    assert np.allclose(jacobian, np.stack(columns, 1), atol=1e-8)
