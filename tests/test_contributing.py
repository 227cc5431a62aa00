"""CONTRIBUTING.md says how to add a function, a layer, an identity, a rewrite or a pass: it is done so in a copy."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(
    r"^\*\*An? (\w+)\*\*(.*?)```(?:python|text)\n(.*?)```\n\n```pycon\n(.*?)```", re.DOTALL | re.MULTILINE
)
AFTER = {
    "function": "DEFINITIONS = (",
    "rewrite": "RULES.update(\n    {",
    "identity": '"cosh(-x) = cosh(x)",',
    "pass": "Callable[[Flat, Extents, bool], Flat]] = {",
}
LOOK = """
import doctest, json, sys
import numpy as np
import einstan as es
texts = json.loads(sys.stdin.read())
runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
for name, text in texts.items():
    runner.run(doctest.DocTestParser().get_doctest(text, {"es": es, "np": np}, name, "CONTRIBUTING.md", 0))
assert "gated" in es.layers.__all__
y = es.parse("y[i] = squareplus(x[i])")
assert np.allclose(y(x=np.ones(2)), y.loops(x=np.ones(2)).tolist())
assert "torch.sqrt" in y.source(target="torch") and "jnp.sqrt" in y.source(target="jax")
z = es.parse("z[i] = abs(relu(x[i])) + abs(x[i])")
assert z(x=np.array([-3.0, 2.0])).tolist() == [3, 4]
sys.exit(runner.failures)
"""


def test_what_it_says_is_done(tmp_path):
    blocks = BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert [name for name, *_ in blocks] == ["function", "layer", "identity", "rewrite", "pass"]
    for folder in ("einstan", "layers", "docs/page"):
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    file = ""
    for name, said, code, _ in blocks:
        assert len(code.strip().splitlines()) <= 5
        named = re.findall(r"`([\w/]+\.py)`", said)
        file = named[0] if named else file  # "there" is the file before
        if name == "layer":
            (tmp_path / file).write_text(code, encoding="utf-8")
            continue
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert text.count(AFTER[name]) == 1
        put = f"{AFTER[name]}\n{code.rstrip()}"
        (tmp_path / file).write_text(text.replace(AFTER[name], put), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", LOOK], input=json.dumps({name: text for name, _, _, text in blocks}), text=True,
        capture_output=True, check=False, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
