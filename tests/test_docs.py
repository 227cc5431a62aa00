"""The documents are true: their examples run and print what they say, and the files that they name exist."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"]


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md"])
def test_examples_print_what_the_document_says(name: str) -> None:
    """The examples of one document run in order, in one namespace."""
    space: dict[str, object] = {}
    count = 0
    for code, expected in EXAMPLE.findall((ROOT / name).read_text(encoding="utf-8")):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, f"{name}, example {count + 1}", "exec"), space)
        assert printed.getvalue() == expected
        count += 1
    assert count > 0 or name != "README.md"


def modules() -> set[str]:
    """Every module of the package, as a path from the root; the layers stand at the top."""
    found = [*(ROOT / "einstan").glob("*.py"), *(ROOT / "layers").glob("*.py")]
    for floor in ("language", "calculus", "machine", "library"):
        found += (ROOT / "einstan" / floor).rglob("*.py")
    return {path.relative_to(ROOT).as_posix() for path in found if path.name not in ("__init__.py", "__main__.py")}


def test_the_architecture_names_every_module_and_no_other() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:einstan|layers)/[\w/]+\.py)`", text))
    table = re.findall(r"^\| `(\w+(?:/\w+)*)` \|", text, re.MULTILINE)
    floors = ("einstan/language", "einstan/calculus", "einstan/machine", "einstan/library", "layers")
    known = modules()
    for entry in table:
        matches = [f"{floor}/{entry}.py" for floor in floors if f"{floor}/{entry}.py" in known]
        assert matches, f"ARCHITECTURE.md names {entry}, which is no module"
        named.update(matches)
    assert known - named == set()
    assert named - known == set()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_and_path_leads_somewhere(name: str) -> None:
    document = ROOT / name
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{name} links to {target}"


def test_the_readme_has_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "python3 -m venv .venv && .venv/bin/pip install -e '.[demo]' && .venv/bin/python -m einstan train" in text
    assert "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest" in text
