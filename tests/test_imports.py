"""The house: imports only go down the floors, and the symbolic floors load no NumPy."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("language", "papers", "calculus", "machine", "library", "optimize", "layers")  # from the ground up


def modules():
    """Every module of the package with its floor; ``layers`` is read at the top of the tree."""
    for floor in FLOORS:
        start = ROOT / "layers" if floor == "layers" else ROOT / "einstan" / floor
        yield from ((floor, path) for path in sorted(start.rglob("*.py")))


def imported(path):
    """Every module named in an import statement outside ``if TYPE_CHECKING``, relative ones made absolute."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def violations(floor, names):
    above = FLOORS[FLOORS.index(floor) + 1 :]
    return [name for name in names for other in above if (name + ".").startswith(f"einstan.{other}.")]


def test_there_are_modules_on_every_floor():
    assert {floor for floor, _ in modules()} == set(FLOORS)


@pytest.mark.parametrize(("floor", "path"), [pytest.param(f, p, id=f"{f}/{p.stem}") for f, p in modules()])
def test_imports_only_go_down(floor, path):
    found = violations(floor, imported(path))
    if path.name == "command_train.py":  # the command trains the layers of the house, as any user's program does
        found = [name for name in found if not name.startswith("einstan.layers")]
    assert found == []


def test_an_import_that_goes_up_is_found(tmp_path):
    """Test the tester."""
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from einstan import machine\n")
    assert violations("calculus", imported(wrong)) == ["einstan.machine"]
    wrong.write_text("import einstan.library.network\n")
    assert violations("machine", imported(wrong)) == ["einstan.library.network"]
    wrong.write_text("from einstan.language.term import Expr\n")
    assert violations("machine", imported(wrong)) == []


@pytest.mark.parametrize(
    "module", ["einstan", "einstan.language", "einstan.papers", "einstan.calculus", "einstan.machine"]
)
def test_nothing_symbolic_loads_numpy(module):
    floor = ROOT / Path(*module.split("."))
    symbolic = module in ("einstan.language", "einstan.papers", "einstan.calculus")
    inner = [f"{module}.{path.stem}" for path in sorted(floor.glob("[!_]*.py"))] if symbolic else []
    program = (
        f"import sys, {', '.join([module, *inner])}\n"
        "heavy = {'numpy', 'opt_einsum', 'rich', 'sklearn', 'matplotlib', 'torch', 'jax'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_loads_no_optional_library():
    program = (
        "import sys, einstan, einstan.layers\n"
        "for name in einstan.__all__: getattr(einstan, name)\n"
        "for name in einstan.layers.__all__: getattr(einstan.layers, name)\n"
        "for name in einstan.optimize.__all__: getattr(einstan.optimize, name)\n"
        "optional = {'sklearn', 'scipy', 'matplotlib', 'torch', 'jax', 'cotengra', 'rich', 'mcp'}\n"
        "print(sorted(optional & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


# The rooms of the fourth floor, from the ground up.
ROOMS = ("sizes", "meaning", "backends", "graph", "points", "evidence", "passes", "schedule", "kernels", "paths",
         "targets", "plan", "run")  # fmt: skip


def test_rooms_of_the_machine_are_entered_from_above_alone():
    """Between folders and inside them, imports inside of functions counted."""
    machine = ROOT / "einstan" / "machine"
    assert {path.name for path in machine.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(ROOMS)
    assert [path.name for path in machine.glob("*.py")] == ["__init__.py"]
    for room in ROOMS:
        own: dict[str, set[str]] = {}
        for path in (machine / room).glob("*.py"):
            below = [name.split(".") for name in imported(path) if name.startswith("einstan.machine.")]
            above = [".".join(name) for name in below if ROOMS.index(name[2]) > ROOMS.index(room)]
            assert above == [], f"{room}/{path.name} reads what is above it"
            own[path.stem] = {name[3] for name in below if name[2] == room and len(name) > 3}
        list(graphlib.TopologicalSorter(own).static_order())  # raises where modules go in a circle
