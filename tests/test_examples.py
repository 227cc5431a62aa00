"""The examples in docstrings do what they say."""

import pytest

from tests import examples

FILES = examples.files()


@pytest.mark.parametrize("module", FILES)
def test_examples(module, tmp_path, monkeypatch, own_functions_are_gone_afterwards):
    monkeypatch.chdir(tmp_path)
    examples.run(module, FILES[module])


def test_an_example_that_is_wrong_is_seen(tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text('def f():\n    """Text.\n\n    Examples:\n        >>> 2 * 2\n        5\n    """\n')
    with pytest.raises(AssertionError, match=r"line 5, in einstan\s+Failed example:\s+2 \* 2\s+Expected:\s+5\s"):
        examples.run("einstan", path)
