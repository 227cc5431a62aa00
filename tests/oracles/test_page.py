"""The pages that compute with PyTorch and JAX are true."""

import pytest

from tests.test_docs import run_examples

pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("jax", exc_type=ImportError)
pytest.importorskip("optax", exc_type=ImportError)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of PyTorch about itself
@pytest.mark.parametrize("name", ["docs/start.md", "docs/frameworks.md", "docs/tutorials/engineer.md"])
def test_examples_print_what_the_page_says(name: str) -> None:
    assert run_examples(name) > 0
