"""The page on PyTorch and JAX is true."""

import pytest

from tests.test_docs import test_examples_print_what_the_document_says as examples

pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("jax", exc_type=ImportError)
pytest.importorskip("optax", exc_type=ImportError)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of PyTorch about itself
def test_examples_print_what_the_page_says() -> None:
    examples("docs/frameworks.md")
