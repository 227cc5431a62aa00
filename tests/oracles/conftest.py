"""What needs PyTorch or JAX.  The models are no tests: they are what `test_models` trains."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
collect_ignore_glob = ["models/*.py"]


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.oracle)
