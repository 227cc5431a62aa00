"""The examples in docstrings: every line after ``>>>`` in ``einstan/`` and ``layers/``, with ``es`` and ``np`` at hand.

They are found in the text, so that none is hidden by a decorator, an overload or a link.  What an example writes is in
a folder of its own.  Those that import PyTorch or JAX are run where these are installed.
"""

from __future__ import annotations

import ast
import doctest
import re
from importlib import import_module
from pathlib import Path

import numpy as np

import einstan as es

ROOT = Path(__file__).parent.parent
ELSEWHERE = re.compile(r"^ *>>> import (torch|jax)\b", re.MULTILINE)
HELD = ast.Module, ast.ClassDef, ast.FunctionDef


def files() -> dict[str, Path]:
    """Module name to its file, of those that have examples."""
    paths = [*(ROOT / "einstan").rglob("*.py"), *(ROOT / "layers").glob("*.py")]  # links are not followed
    own = [path.relative_to(ROOT) for path in paths if ">>>" in path.read_text(encoding="utf-8")]
    dotted = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in own}
    return {f"einstan.{name}" if name.startswith("layers") else name: path for name, path in dotted.items()}


def docstrings(path: Path, library: str = "") -> list[tuple[int, str]]:
    """Line and text of every docstring of a file that has examples: of those that import a library, or of those that
    import neither."""
    held = (node for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))) if isinstance(node, HELD))
    texts = [(node.body[0].lineno - 1, ast.get_docstring(node, clean=False) or "") for node in held if node.body]
    needs = {text: found[1] if (found := ELSEWHERE.search(text)) else "" for _, text in texts}
    return [(line, text) for line, text in texts if ">>>" in text and needs[text] == library]


def run(module: str, path: Path, library: str = "") -> None:
    """Run these examples of a file."""
    runner, told = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE), [""]
    for line, text in docstrings(path, library):
        names = vars(import_module(module)) | {"es": es, "np": np}
        runner.run(doctest.DocTestParser().get_doctest(text, names, module, str(path), line), out=told.append)
    assert not runner.failures, "\n".join(told)
