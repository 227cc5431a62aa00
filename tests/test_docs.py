"""The pages are true: their examples run and print what they say, and the files that they name exist.

Of a page, its ``python`` runs in order, in one namespace and one empty folder, and prints what a ``text`` behind it
says.  An ``ein``, ``latex`` or ``markdown`` with a title is a file of that name.  In a ``console``, what follows ``$``
is a command, and what follows that is its output, in which ``...`` stands for anything.
"""

import ast
import contextlib
import importlib
import importlib.util
import inspect
import io
import re
import shlex
import tempfile
from collections.abc import Iterator
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, DocTestParser, OutputChecker
from pathlib import Path
from types import FunctionType

import pytest

import einstan
from einstan import optimize
from einstan.language.threads import cached_property
from einstan.library.cli import main
from tests import examples

ROOT = Path(__file__).parents[1]
OUTSIDE = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "benchmarks/README.md"]
PAGES = [*OUTSIDE, *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))]
TYPED = "docs/papers/typed/"  # texts of others
BLOCK = re.compile(
    r'^```(\w+)(?: title="([^"\n]+)")?\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?', re.MULTILINE | re.DOTALL
)
RUNS = ("python", "console")
ELSEWHERE = {  # what a page needs besides einstan, and the test that runs it with that
    "docs/start.md": "tests/oracles/test_page.py",
    "docs/frameworks.md": "tests/oracles/test_page.py",
    "docs/tutorials/engineer.md": "tests/oracles/test_page.py",
    "docs/scale.md": "tests/oracles/test_mesh.py",
    "docs/functions.md": "tests/library/test_own_functions.py",
}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[tuple[str, str, str, str]]:
    """The blocks of a page: the language, the title, the content, and the text that follows."""
    return BLOCK.findall(read(name))


def commands(console: str) -> Iterator[tuple[str, str]]:
    """The commands of a console, each with its output."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def run_command(command: str) -> str:
    printed = io.StringIO()
    name, *arguments = shlex.split(command, comments=True)
    assert name == "einstan", f"only einstan is run: {command}"
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        main(arguments)
    return printed.getvalue()


def run_examples(name: str) -> int:
    """Run the examples of one page; how many there are."""
    space: dict[str, object] = {}
    count = 0
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for language, title, content, expected in blocks(name):
            if title:
                Path(title).write_text(content, encoding="utf-8")
            if language == "python":
                count += 1
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed):
                    exec(compile(content, f"{name}, example {count}", "exec"), space)
                assert printed.getvalue() == expected
            elif language == "console":
                for command, output in commands(content):
                    count += 1
                    said = run_command(command)
                    same = OutputChecker().check_output(output, said, ELLIPSIS | NORMALIZE_WHITESPACE)
                    assert same, f"{name}, $ {command}\n{said}"
    return count


EXAMPLES = [name for name in PAGES if any(language in RUNS for language, *_ in blocks(name))]


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in ELSEWHERE])
def test_examples_print_what_the_page_says(name: str) -> None:
    assert run_examples(name) > 0


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_run_elsewhere_is(name: str) -> None:
    assert name in EXAMPLES
    assert Path(name).name in read(ELSEWHERE[name])


FLOORS = [
    "einstan/language", "einstan/papers", "einstan/calculus", "einstan/machine", "einstan/library", "einstan/optimize",
    "layers",
]  # fmt: skip


@pytest.mark.parametrize("floor", FLOORS)
def test_the_architecture_names_every_module_and_no_other(floor: str) -> None:
    section = re.search(rf"^### [^\n]*\(`{floor}/`\)\n(.*?)(?=^##)", read("ARCHITECTURE.md"), re.MULTILINE | re.DOTALL)
    assert section, f"ARCHITECTURE.md has no section for {floor}"
    named = re.findall(r"^\| `([\w/]+)` \|", section.group(1), re.MULTILINE)
    modules = (path.relative_to(ROOT / floor) for path in (ROOT / floor).rglob("*.py"))
    assert sorted(named) == sorted(m.with_suffix("").as_posix() for m in modules if m.name != "__init__.py")


@pytest.mark.parametrize("name", [name for name in PAGES if not name.startswith(TYPED)])
def test_every_link_and_path_leads_somewhere(name: str) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", read(name), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (ROOT / name).parent.joinpath(target).exists(), f"{name} links to {target}"


def test_the_readme_is_short_and_has_the_two_commands() -> None:
    text = read("README.md")
    assert len(text.splitlines()) <= 250
    assert "python3 -m venv .venv && .venv/bin/pip install -e '.[demo]' && .venv/bin/python -m einstan train" in text
    assert "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest" in text


def test_the_page_of_layers_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("layers_page", ROOT / "docs" / "layers.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert read("docs/layers.md") == generate.page(), "run python docs/layers.py"


def test_every_public_name_is_in_the_reference() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
    named = set(re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE))
    for module in (einstan, optimize):
        for name in module.__all__:
            value = getattr(module, name)
            homes = {f"{module.__name__}.{name}", f"{getattr(value, '__module__', '')}.{name}"}
            assert homes & named or name == "__version__", f"docs/reference has no ::: {min(homes)}"


def test_what_is_in_the_reference_has_an_example() -> None:
    for path in sorted((ROOT / "docs" / "reference").glob("*.md")):
        if path.name == "options.md":  # the functions behind methods, which have the examples
            continue
        for name in re.findall(r"^::: ([\w.]+)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            module, _, last = name.rpartition(".")
            if last == "NetworkModule" and importlib.util.find_spec("torch") is None:
                continue  # a module of PyTorch
            value = getattr(importlib.import_module(module), last)
            assert ">>>" in (inspect.getdoc(value) or ""), f"{name} has no example"


def test_what_docstrings_name_in_other_modules_is_there() -> None:
    for path in sorted((ROOT / "einstan").rglob("*.py")):
        for name in re.findall(r"(?<!`)`(einstan\.[\w.]+)`(?!`)", path.read_text(encoding="utf-8")):
            parts, inner = name.split("."), list[str]()  # nothing is imported, since that may need PyTorch
            while not (ROOT / "/".join(parts)).is_dir() and not (ROOT / "/".join(parts)).with_suffix(".py").is_file():
                inner.insert(0, parts.pop())
            home = (ROOT / "/".join(parts)).with_suffix(".py")
            text = home.read_text(encoding="utf-8") if inner and home.is_file() else ""
            for one in inner:
                defined = re.search(rf"^ *(?:(?:def|class) {one}\b|{one}\b.* = )", text, re.MULTILINE)
                assert defined, f"{path.relative_to(ROOT)} names {name}"


SHOWN = re.compile(r"^::: ([\w.]+)\n((?: {4}.*\n)*)", re.MULTILINE)
MEMBERS = (property, classmethod, FunctionType, cached_property)


def test_whatever_is_in_the_reference_is_used_in_an_example() -> None:
    used = set()
    for path in examples.files().values():
        for library in ("", "torch", "jax"):
            for example in (e for _, x in examples.docstrings(path, library) for e in DocTestParser().get_examples(x)):
                used |= {node.attr for node in ast.walk(ast.parse(example.source)) if isinstance(node, ast.Attribute)}
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
    unused = set()
    for name, options in SHOWN.findall(pages):
        module, _, last = name.rpartition(".")
        cls = getattr(importlib.import_module(module), last) if last != "NetworkModule" else None  # which is PyTorch's
        homes = cls.__mro__ if inspect.isclass(cls) and "inherited" in options else (cls,)
        hidden = "|".join(("^_", *re.findall(r'"!([^"]+)"', options)))
        for home in (each for each in homes if inspect.isclass(each) and each.__module__.startswith("einstan")):
            there = {
                key
                for key, value in vars(home).items()
                if isinstance(value, MEMBERS) and ">>>" not in (value.__doc__ or ">>>")
            }
            unused |= {f"{home.__name__}.{key}" for key in there - used if not re.search(hidden, key)}
    assert unused == set()
