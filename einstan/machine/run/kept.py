"""Compiled loops that are kept between processes.

numba keeps what it has compiled beside the file that a function stands in.  So each text of loops is written to a file
that is named after it, in the user's cache; a process that makes the same loops again finds them compiled.  Nothing is
read from such a file: what is run is the text at hand.  ``EINSTAN_CACHE`` names another folder, or none if it is empty;
where the folder cannot be written to, or others may write to it, loops are compiled in every process.
"""

from __future__ import annotations

import builtins
import ctypes
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from einstan.machine.backends.arrays import np
from einstan.machine.backends.numpy import blas_gemm

FOLDER = "EINSTAN_CACHE"
PREFIX = "einstan_loops_"
MOST = 200  # texts that are kept, those that were made last


def kernels(text: str, keep: bool = True) -> dict[str, Any]:
    """What a text of loops defines; the functions are compiled when they are called first, or found compiled, but if
    nothing is to ``keep``: then what was kept of them is damaged, and gone."""
    name = f"{PREFIX}{sha256(text.encode()).hexdigest()[:32]}"
    if not keep:
        _forget(name)
    elif name in sys.modules:
        return vars(sys.modules[name])
    place = _place(name, text) if keep else None
    module = ModuleType(name)
    module.__dict__.update(np=np, njit=_njit(place is not None), blas_gemm=_gemm)
    exec(builtins.compile(text, str(place or "<einstan loops>"), "exec"), vars(module))
    if place is not None:
        sys.modules[name] = module  # where numba looks for what it finds compiled
    return vars(module)


def _njit(keeps: bool) -> Callable[..., Any]:
    """numba's decorator; what is written into others is not kept by itself."""
    import numba

    return lambda **options: numba.njit(cache=keeps and "forceinline" not in options, **options)


def _gemm(kind: str) -> Any:
    """The product of matrices of the BLAS by a name: its address is another one in every process."""
    import llvmlite.binding as llvm
    from numba import types

    real = types.float32 if kind == "float32" else types.float64
    number, size, pointer = types.int32, types.int64, types.voidptr
    places = (number, number, number, size, size, size, real, pointer, size, pointer, size, real, pointer, size)
    name = f"einstan_{kind}_gemm"
    llvm.add_symbol(name, ctypes.cast(blas_gemm(kind), ctypes.c_void_p).value)
    return types.ExternalFunction(name, types.void(*places))


def is_of_cache(error: BaseException) -> bool:
    """Whether an error comes of keeping what was compiled, or of finding it."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__") == "numba.core.caching" for frame, _ in frames)


def folder() -> Path | None:
    """Where compiled loops are kept."""
    asked = os.environ.get(FOLDER)
    if asked is not None:
        return Path(asked) if asked else None
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA")
    elif sys.platform == "darwin":
        home = str(Path.home() / "Library" / "Caches")
    else:
        home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "einstan" if home else None


def _place(name: str, text: str) -> Path | None:
    """The file of a text, which is written if there is none."""
    with suppress(OSError, RuntimeError):  # no home, no room, no right
        if (home := folder()) is None:
            return None
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = home.stat()
        if hasattr(os, "getuid") and (state.st_uid != os.getuid() or state.st_mode & 0o022):
            return None  # what numba finds there is run
        place = home / f"{name}.py"
        if not place.exists():
            _forget_old(home)
            with tempfile.NamedTemporaryFile("w", dir=home, suffix=".part", delete=False, encoding="utf-8") as file:
                file.write(text)
            Path(file.name).replace(place)
        return place
    return None


def _forget_old(home: Path) -> None:
    """Make room for one more text, and for what was compiled of it."""
    texts = sorted(home.glob(f"{PREFIX}*.py"), key=lambda path: path.stat().st_mtime)
    for text in texts[: max(0, len(texts) + 1 - MOST)]:
        _delete(home, text.stem)


def _forget(name: str) -> None:
    sys.modules.pop(name, None)
    with suppress(OSError, RuntimeError):
        if (home := folder()) is not None:
            _delete(home, name)


def _delete(home: Path, name: str) -> None:
    for made in (*home.glob(f"__pycache__/{name}.*"), home / f"{name}.py"):
        made.unlink(missing_ok=True)
