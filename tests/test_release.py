"""A release is one command: it writes the version where it stands, packages, commits and tags, or leaves all alone."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WRITTEN = ("pyproject.toml", "einstan/__init__.py", "CHANGELOG.md", "CITATION.cff")

pytestmark = pytest.mark.skipif(not (shutil.which("git") and shutil.which("bash")), reason="needs git and bash")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A repository of its own, where packages are good as long as nobody says otherwise."""
    for name in (*WRITTEN, ".ci/release", ".gitignore"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    packages(tmp_path, "touch dist/einstan.whl")
    for key in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{key}_NAME", "Somebody")
        monkeypatch.setenv(f"GIT_{key}_EMAIL", "somebody@example.org")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def packages(tree, command):
    (tree / ".ci" / "package").write_text(f"#!/usr/bin/env bash\nset -e\nmkdir dist\n{command}\n")
    (tree / ".ci" / "package").chmod(0o755)


def git(tree, *words):
    return subprocess.run(["git", *words], cwd=tree, check=True, capture_output=True, text=True).stdout.strip()


def commit(tree):
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", "what is here")


def release(tree, *words):
    done = subprocess.run([".ci/release", *words], cwd=tree, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_release(tree):
    code, told = release(tree, "7.8.9")
    assert (code, told) == (0, "dist/ holds version 7.8.9, which is tagged v7.8.9\n")
    texts = {name: (tree / name).read_text(encoding="utf-8") for name in WRITTEN}
    day = git(tree, "log", "-1", "--format=%cd", "--date=format:%Y-%m-%d")
    assert '\nversion = "7.8.9"\n' in texts["pyproject.toml"]
    assert '\n__version__ = "7.8.9"\n' in texts["einstan/__init__.py"]
    assert f"\n## 7.8.9 ({day})\n" in texts["CHANGELOG.md"]
    assert f"\nversion: 7.8.9\ndate-released: {day}\n" in texts["CITATION.cff"]
    assert git(tree, "describe", "--tags") == "v7.8.9"
    assert git(tree, "status", "--porcelain") == ""
    assert git(tree, "diff", "--name-only", "HEAD~1").split() == sorted(WRITTEN)


@pytest.mark.parametrize(
    ("words", "before", "told"),
    [
        ([], None, "say which version"),
        (["1.2"], None, "say which version"),
        (["1.2.3", "--now"], None, "there is no option --now"),
        (["1.2.3"], lambda tree: (tree / "new.py").touch(), "changes that are not committed"),
        (["1.2.3"], lambda tree: git(tree, "tag", "v1.2.3"), "1.2.3 is there already"),
        (["1.2.3"], lambda tree: (packages(tree, "false"), commit(tree)), "packages are not good; nothing has changed"),
    ],
)
def test_no_release(tree, words, before, told):
    if before is not None:
        before(tree)
    at, state = git(tree, "rev-parse", "HEAD"), git(tree, "status", "--porcelain")
    code, said = release(tree, *words)
    assert (code, told in said) == (1, True)
    assert (git(tree, "rev-parse", "HEAD"), git(tree, "status", "--porcelain")) == (at, state)
    assert not (tree / "dist").exists()


def test_nothing_is_released_twice(tree):
    assert release(tree, "7.8.9")[0] == 0
    assert "no heading" in release(tree, "7.9.0")[1]
