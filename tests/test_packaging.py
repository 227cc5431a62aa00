"""Packaging: the list of packages is complete, and a wheel and an editable install both have ``einstan.layers``."""

import subprocess
import sys
import tomllib
import venv
import zipfile
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


def copied(tmp_path):
    """The tree without what is not part of it, so that building leaves nothing behind here."""
    source = tmp_path / "source"
    names = ["pyproject.toml", "README.md", "LICENSE", "einstan", "layers", "docs/page"]
    (source / "docs").mkdir(parents=True)
    for name in names:
        if (ROOT / name).exists():
            subprocess.run(["cp", "-a", ROOT / name, source / name], check=True)
    if not (source / "README.md").exists():
        (source / "README.md").write_text("Einstan\n")
    return source


def python_of(tmp_path):
    """A bare environment that sees the libraries of this one, but not its einstan."""
    venv.create(tmp_path / "bare", system_site_packages=False, with_pip=False, symlinks=True)
    site = next((tmp_path / "bare").glob("lib/python*/site-packages"))
    return tmp_path / "bare" / "bin" / "python", site


USE = (
    "from pathlib import Path; import einstan, einstan.layers, einstan.library.checkpoint;"
    "print(Path(einstan.layers.__file__).exists(), sorted(einstan.layers.__all__)[0], einstan.__version__)"
)


@pytest.mark.slow
def test_wheel(tmp_path):
    source = copied(tmp_path)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", source],
        check=True, capture_output=True,
    )  # fmt: skip
    wheel = next((tmp_path / "dist").glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        files = {Path(name) for name in archive.namelist()}
        python, site = python_of(tmp_path)
        archive.extractall(site)
    for path in (ROOT / "layers").glob("*.py"):
        assert Path("einstan/layers") / path.name in files
    for package in packages_in_the_tree() - {"einstan.layers", "einstan.page"}:
        for path in (ROOT / Path(*package.split("."))).glob("*.py"):
            assert path.relative_to(ROOT) in files
    assert Path("einstan/py.typed") in files
    for path in (ROOT / "docs" / "page").iterdir():
        assert Path("einstan/page") / path.name in files
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (site / "others.pth").write_text("\n".join(libraries))
    done = subprocess.run([python, "-c", USE], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.split() == ["True", "attention", einstan.__version__]


@pytest.mark.slow
def test_editable_install(tmp_path):
    source = copied(tmp_path)
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", target,
         "-e", source],
        check=True, capture_output=True,
    )  # fmt: skip
    program = f"import site; site.addsitedir({str(target)!r}); {USE}; print(einstan.layers.__file__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)
    first, where = done.stdout.splitlines()
    assert first.split() == ["True", "attention", einstan.__version__]
    if Path(where).is_relative_to(source):  # unless this very tree is installed in front of it
        assert Path(where).resolve().parent == source / "layers"
