"""The calculus on random terms and graphs: see `tests.calculus.properties` for what each name promises."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from tests.calculus.properties import PROPERTIES, RejectedError, every_function_has_its_derivative

EXAMPLES = {
    "backward_is_the_gradient": 40,
    "passes_are_products_with_the_jacobian": 40,
    "orders_of_composition_agree": 30,
    "forms_keep_the_value": 80,
    "second_derivatives_are_right_and_symmetric": 60,
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the oracle may overflow; then the example is rejected
@pytest.mark.parametrize("name", PROPERTIES)
def test_property(name: str) -> None:
    @settings(
        max_examples=EXAMPLES.get(name, 100),
        deadline=None,
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    @given(st.integers(0, 2**32))
    def check(seed: int) -> None:
        try:
            PROPERTIES[name](Random(seed))
        except RejectedError:
            reject()

    check()


def test_every_function_has_its_derivative() -> None:
    every_function_has_its_derivative()
