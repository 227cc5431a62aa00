"""The page as a folder: what lies in it, what is said where something is missing, and how its address holds a text."""

import base64
import json
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from urllib.request import urlopen

import pytest

from einstan.language.errors import DataError
from einstan.library import site
from einstan.library.cli import main
from einstan.library.command_page import fragment_of, server_of
from einstan.library.site import PACKAGES, fetched, modules, write_site

ROOT = Path(__file__).parents[2]


@pytest.fixture
def packages(tmp_path):
    """A node_modules whose files say only what they are."""
    for name, (_, _, wanted) in PACKAGES.items():
        for pattern in wanted:
            path = tmp_path / "node_modules" / name / pattern.replace("*", "KaTeX")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pattern)
    return str(tmp_path / "node_modules")


def test_a_site_lists_its_files(tmp_path, packages):
    write_site(tmp_path / "site", packages)
    listed = json.loads((tmp_path / "site" / "files.json").read_text())
    for name, size in listed["files"].items():
        assert (tmp_path / "site" / name).stat().st_size == size
    assert {path.name for path in (ROOT / "docs" / "page").iterdir()} <= set(listed["files"])
    assert {"einstan.zip", "pyodide/pyodide.mjs", "katex/katex.min.css", "viz/viz.js"} <= set(listed["files"])
    assert listed["numpy"] == ""


def test_the_package_in_it_is_whole(tmp_path, packages):
    write_site(tmp_path / "site", packages)
    with zipfile.ZipFile(tmp_path / "site" / "einstan.zip") as archive:
        archive.extractall(tmp_path / "lib")
    for path in [*(ROOT / "einstan").rglob("*.py"), *(ROOT / "layers").glob("*.py")]:
        inside = path.relative_to(ROOT).as_posix()
        inside = inside if inside.startswith("einstan/") else f"einstan/{inside}"
        assert (tmp_path / "lib" / inside).read_bytes() == path.read_bytes()
    assert (tmp_path / "lib" / "opt_einsum" / "__init__.py").is_file()
    program = (
        "import sys; sys.modules['numpy'] = None; import einstan; from einstan.library.panels import answer;"
        "print(einstan.__file__, answer('backward', {'text': 'L = 1/2 x[N]^2'})['shown']['equations'][0]['text'])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'lib')!r}); {program}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == f"{tmp_path / 'lib' / 'einstan' / '__init__.py'} dx[n] = x[n]"


def test_the_same_files_are_the_same_archive():
    assert site.zipped() == site.zipped()
    assert len(modules(ROOT / "einstan")) == len(set(modules(ROOT / "einstan")))


def test_numpy_lies_beside_pyodide(tmp_path, packages):
    wheel = tmp_path / "numpy-2-cp314-cp314-pyemscripten_wasm32.whl"
    wheel.write_bytes(b"a wheel")
    write_site(tmp_path / "site", packages, str(wheel))
    listed = json.loads((tmp_path / "site" / "files.json").read_text())
    assert listed["numpy"] == f"pyodide/{wheel.name}"
    assert (tmp_path / "site" / listed["numpy"]).read_bytes() == b"a wheel"


def test_a_package_that_lacks_a_file(tmp_path, packages):
    (Path(packages) / "katex" / "dist" / "katex.mjs").unlink()
    with pytest.raises(DataError, match="katex lacks some of") as error:
        write_site(tmp_path / "site", packages)
    assert "npm install katex@" in str(error.value)


def test_without_npm(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["page", "--write", str(tmp_path / "site")]) == 2
    told = capsys.readouterr().err
    assert "pyodide is not here, and there is no npm that could fetch it: without it nothing runs" in told
    assert "einstan page --packages node_modules" in told


def test_npm_that_fails_says_why(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'there is no network' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(DataError, match="npm could not fetch katex") as error:
        fetched("katex", "0.0.1", ["dist/katex.mjs"])
    assert "there is no network" in str(error.value)


def test_a_broken_archive_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "einstan").mkdir()
    (tmp_path / "einstan" / "katex-0.0.1.tgz").write_bytes(b"not one")
    with pytest.raises(DataError, match=r"delete .*katex-0\.0\.1\.tgz"):
        fetched("katex", "0.0.1", ["dist/katex.mjs"])


def test_the_address_holds_the_text():
    text = "Z[n] = x[n]  # δ 𝜎\n" * 3
    name, _, data = fragment_of(text).partition("=")
    assert name == "#z"
    assert zlib.decompress(base64.urlsafe_b64decode(data + "=="), -15).decode() == text


def test_the_server_says_what_a_file_is(tmp_path):
    for name in ("a.mjs", "b.wasm", "c.html"):
        (tmp_path / name).write_text("")
    with server_of(str(tmp_path), 0) as server:
        import threading

        threading.Thread(target=server.serve_forever, daemon=True).start()
        kinds = {}
        for name in ("a.mjs", "b.wasm", "c.html"):
            with urlopen(f"http://127.0.0.1:{server.server_address[1]}/{name}") as answer:
                kinds[name] = answer.headers["Content-Type"]
        server.shutdown()
    assert kinds == {"a.mjs": "text/javascript", "b.wasm": "application/wasm", "c.html": "text/html"}


def test_a_port_that_is_taken(tmp_path):
    with server_of(str(tmp_path), 0) as server, pytest.raises(DataError, match="--port 0"):
        server_of(str(tmp_path), server.server_address[1])
