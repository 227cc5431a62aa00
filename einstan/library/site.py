"""The page of docs/page as a folder that any server can serve: its own files, this package, and what it runs on.

    write_site("public")        index.html, einstan.zip, pyodide/, katex/, viz/, files.json

What is not ours comes from packages of npm, which its client fetches into a cache once: Pyodide, which is Python for
browsers, KaTeX for formulas, and Graphviz for graphs.  A browser keeps them: the page then works without a network.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path

import einstan
from einstan.language.errors import DataError
from einstan.library.files import write_out

# The packages of npm with their versions, where their files go, and which of them are taken.
PACKAGES = {
    "pyodide": ("314.0.8", "pyodide", ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip",
                                       "pyodide-lock.json")),
    "katex": ("0.19.1", "katex", ("dist/katex.mjs", "dist/katex.min.css", "dist/fonts/*.woff2")),
    "@viz-js/viz": ("3.31.0", "viz", ("dist/viz.js",)),
}  # fmt: skip
OWN = Path(__file__).parent.parent / "page"
LARGEST = 10**8  # bytes of a package, unpacked: more is not what it is taken for
WITHOUT = {"pyodide": "nothing runs", "katex": "no formula is typeset", "@viz-js/viz": "no graph is drawn"}


def write_site(folder: str | os.PathLike[str], packages: str | None = None, numpy: str | None = None) -> list[str]:
    """Write the page into a folder; returns what was done, in words.

    ``packages`` is a folder of unpacked packages, ``node_modules``, instead of those that npm fetches; ``numpy`` a
    wheel of NumPy for Pyodide, without which PyTorch's kernels are not looked for.  Raises `DataError` where a package
    is missing.
    """
    place, said = Path(folder), []
    contents = dict(own_files())
    contents["einstan.zip"] = zipped()
    for name, (version, target, wanted) in PACKAGES.items():
        if packages is not None:
            found, source = dict(taken(Path(packages) / name, wanted)), f"from {packages}"
        else:
            found, source = fetched(name, version, wanted)
        if len(found) < len(wanted):
            raise DataError(f"{name} lacks some of {', '.join(wanted)}", repair=f"npm install {name}@{version}")
        said.append(f"{name} {version}, {source}" if packages is None else f"{name}, {source}")
        contents |= {f"{target}/{path.removeprefix('dist/')}": data for path, data in found.items()}
    wheel = ""
    if numpy is not None:
        wheel = f"pyodide/{Path(numpy).name}"
        contents[wheel] = bytes_of(Path(numpy))
    said.append("NumPy for Pyodide, " + (f"from {numpy}" if numpy else "not here: --numpy takes it"))
    listed = {
        "version": einstan.__version__, "numpy": wheel,
        "files": {name: len(data) for name, data in sorted(contents.items())},
    }  # fmt: skip
    contents["files.json"] = json.dumps(listed, indent=1).encode()
    for name, data in contents.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        write_out(place / name, data)
    return said


def own_files() -> Iterator[tuple[str, bytes]]:
    """The files of docs/page."""
    found = [path for path in sorted(OWN.iterdir()) if path.is_file()] if OWN.is_dir() else []
    if not found:
        raise DataError(f"{OWN} has no page", repair="install einstan anew")
    for path in found:
        yield path.name, path.read_bytes()


def zipped() -> bytes:
    """This package and opt_einsum, as they are imported here, in an archive that is the same for the same files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for root in (Path(einstan.__file__).parent, *others("opt_einsum")):
            for path in modules(root):
                entry = zipfile.ZipInfo(f"{root.name}/{path.relative_to(root).as_posix()}")
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def modules(root: Path) -> list[Path]:
    """The modules of a package, through links of folders too."""
    walked = os.walk(root, followlinks=True)
    return sorted(
        Path(folder) / name for folder, _, names in walked if "tests" not in Path(folder).parts
        for name in names if name.endswith(".py")
    )  # fmt: skip


def others(*names: str) -> Iterator[Path]:
    for name in names:
        if (spec := find_spec(name)) is not None and spec.origin is not None:
            yield Path(spec.origin).parent


# ---- packages of npm -------------------------------------------------------------------------------------------------


def fetched(name: str, version: str, wanted: Iterable[str]) -> tuple[dict[str, bytes], str]:
    """The wanted files of a package, from the cache, where npm puts it if it is not there."""
    archive = cache() / f"{name.replace('@', '').replace('/', '-')}-{version}.tgz"
    source = f"in {archive.parent}"
    if not archive.is_file():
        npm(name, version, archive)
        source = f"fetched by npm into {archive.parent}"
    try:
        with tarfile.open(archive) as opened:
            members = [(m, m.name.partition("/")[2]) for m in opened if m.isfile() and m.size <= LARGEST]
            kept = [(m, path) for m, path in members if any(fnmatch(path, pattern) for pattern in wanted)]
            files = {path: file.read() for m, path in kept if (file := opened.extractfile(m)) is not None}
            return files, source
    except (OSError, tarfile.TarError, EOFError) as problem:
        raise DataError(f"{archive} cannot be read: {problem}", repair=f"delete {archive}") from problem


def npm(name: str, version: str, archive: Path) -> None:
    """Have npm fetch a package, which compares it with the checksum that was published."""
    command = shutil.which("npm")
    instead = f"or give a folder that has it: npm install {name}@{version}; einstan page --packages node_modules"
    if command is None:
        raise DataError(
            f"{name} is not here, and there is no npm that could fetch it: without it {WITHOUT[name]}",
            repair=("install Node.js, which has npm", instead),
        )
    archive.parent.mkdir(parents=True, exist_ok=True)
    asked = [command, "pack", f"{name}@{version}", "--silent", "--pack-destination", str(archive.parent)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode or not archive.is_file():
        why = (done.stderr or done.stdout).strip().splitlines() or ["npm says nothing"]
        raise DataError(
            f"npm could not fetch {name} {version}: without it {WITHOUT[name]}",
            inferred=why[-3:], repair=("look whether there is a network", instead),
        )  # fmt: skip


def taken(folder: Path, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """The wanted files of a package that lies unpacked in a folder."""
    for pattern in wanted:
        for path in sorted(folder.glob(pattern)):
            yield path.relative_to(folder).as_posix(), bytes_of(path)


def bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}", repair="name a file") from problem


def cache() -> Path:
    """Where the system wants to have what can be fetched again."""
    if sys.platform == "darwin":
        usual = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        usual = Path(os.environ.get("LOCALAPPDATA") or Path.home())
    else:
        usual = Path.home() / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or usual) / "einstan"
