"""The documents are true: their examples run and print what they say, and the files that they name exist."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
DOCUMENTS = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/README.md",
    "docs/optimize.md",
    "docs/hessians.md",
    "docs/speed.md",
    "docs/einsum.md",
    "docs/frameworks.md",
    "docs/scale.md",
    "docs/papers.md",
    "docs/assistants.md",
    "docs/page.md",
]


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "ARCHITECTURE.md",
        "docs/optimize.md",
        "docs/hessians.md",
        "docs/speed.md",
        "docs/einsum.md",
        "docs/papers.md",
    ],
)
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
    assert count > 0 or name == "ARCHITECTURE.md"


FLOORS = [
    "einstan/language", "einstan/papers", "einstan/calculus", "einstan/machine", "einstan/library", "einstan/optimize",
    "layers",
]  # fmt: skip


@pytest.mark.parametrize("floor", FLOORS)
def test_the_architecture_names_every_module_and_no_other(floor: str) -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = re.search(rf"^### [^\n]*\(`{floor}/`\)\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL)
    assert section, f"ARCHITECTURE.md has no section for {floor}"
    named = re.findall(r"^\| `([\w/]+)` \|", section.group(1), re.MULTILINE)
    modules = (path.relative_to(ROOT / floor) for path in (ROOT / floor).rglob("*.py"))
    assert sorted(named) == sorted(m.with_suffix("").as_posix() for m in modules if m.name != "__init__.py")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_and_path_leads_somewhere(name: str) -> None:
    document = ROOT / name
    text = re.sub(r"```.*?```|`[^`\n]*`", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{name} links to {target}"


def test_the_readme_has_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "python3 -m venv .venv && .venv/bin/pip install -e '.[demo]' && .venv/bin/python -m einstan train" in text
    assert "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest" in text
