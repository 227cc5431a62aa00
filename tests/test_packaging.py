"""Packaging: the list of packages is complete; what they hold is looked at in .ci/package, as it is installed."""

import tomllib
from pathlib import Path

import pytest

import einstan

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def packages_in_the_tree():
    start = ROOT / "einstan"
    inner = {path.parent for path in start.rglob("__init__.py") if "layers" not in path.relative_to(start).parts}
    names = {".".join(path.relative_to(ROOT).parts) for path in inner}
    return names | {"einstan.layers", "einstan.page"}


def test_the_package_list_is_complete():
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == packages_in_the_tree()
    assert len(PROJECT["tool"]["setuptools"]["packages"]) == len(packages_in_the_tree())


def test_every_directory_with_modules_is_a_package():
    for path in [*(ROOT / "einstan").rglob("*.py"), *(ROOT / "layers").rglob("*.py")]:
        assert (path.parent / "__init__.py").is_file(), path


def test_versions_agree():
    assert PROJECT["project"]["version"] == einstan.__version__
    assert f"\nversion: {einstan.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "target"), [("layers", "../layers"), ("page", "../docs/page")])
def test_the_links_in_the_package(name, target):
    link = ROOT / "einstan" / name
    assert link.is_symlink()
    assert str(link.readlink()) == target


def test_layers_come_from_the_top_of_the_tree():
    from einstan import layers

    assert Path(layers.__file__).resolve().parent == ROOT / "layers"
    exported = set(layers.__all__)
    assert exported == {path.stem for path in (ROOT / "layers").glob("[!_]*.py")}
