"""What needs PyTorch, JAX or a client of the Model Context Protocol.  The models are no tests: they are what
`test_models` trains; and a program that has a process of its own is not imported by another."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
collect_ignore_glob = ["models/*.py", "*on_mesh.py"]


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.oracle)
