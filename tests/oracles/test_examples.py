"""The examples in docstrings that need PyTorch or JAX."""

import pytest

from tests import examples

FILES = [
    pytest.param(library, module, path, id=f"{library}-{module}")
    for module, path in examples.files().items()
    for library in ("torch", "jax")
    if examples.docstrings(path, library)
]


@pytest.mark.parametrize(("library", "module", "path"), FILES)
def test_examples(library, module, path):
    pytest.importorskip(library, exc_type=ImportError)
    examples.run(module, path, library)
