"""Checkpoints: named arrays and a page of JSON in one ``.npz`` file that is never half written.

A file is written beside its destination, flushed to the disk, and then renamed over it: whenever a crash comes, the
destination is either the old file or the new one.  Nothing is pickled, so loading a file runs no code from it.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from einstan.language.errors import DataError
from einstan.library.files import named, open_regular, reason, write_file

FORMAT = "einstan checkpoint"
VERSION = 1
META = "meta"

# What a damaged or foreign file can raise inside zipfile and NumPy's reader.
DAMAGE = (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, MemoryError)


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write the arrays and the JSON-like ``meta``; whatever goes wrong, a file that was there stays whole."""
    page = json.dumps({"format": FORMAT, "version": VERSION, **meta}).encode()
    contents = {META: np.frombuffer(page, dtype=np.uint8), **arrays}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # what np.savez writes, without its limits on names
        for name, array in contents.items():
            if array.dtype.hasobject:
                raise DataError(
                    f"{name} holds Python objects, which a checkpoint does not", repair="convert it to numbers"
                )
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(f"{name}.npy", member.getvalue())
    write_file(path, buffer.getvalue())


def load_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the meta page of a checkpoint.

    Raises `DataError` for a file that is not one, is damaged, or was written by a later version.
    """
    try:
        with open_regular(path) as file:
            raw = file.read()
    except (OSError, ValueError) as problem:
        raise DataError(
            f"{named(path)} cannot be read: {reason(problem)}",
            repair="give a file that --save or einstan.save wrote",
        ) from problem
    if not raw.startswith(b"PK"):
        raise DataError(
            f"{path} is not a checkpoint",
            inferred="it is not an .npz file",
            repair="give a file that --save or einstan.save wrote",
        )
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            # Each member is read to its end before it is looked at, which is when zipfile compares its checksum.
            arrays = {name.removesuffix(".npy"): _array(archive.read(name)) for name in archive.namelist()}
    except DAMAGE as problem:
        raise DataError(
            f"{path} is damaged", inferred=str(problem), repair="use an earlier checkpoint; this one cannot be trusted"
        ) from problem
    return arrays, _meta(path, arrays.pop(META, None))


def _array(member: bytes) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(member), allow_pickle=False)


def _meta(path: str | os.PathLike[str], page: np.ndarray | None) -> dict[str, Any]:
    try:
        meta = json.loads(page.tobytes()) if page is not None else None
    except ValueError:
        meta = None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise DataError(
            f"{path} is not a checkpoint",
            inferred="it is an .npz file of something else",
            repair="give a file that --save or einstan.save wrote; data goes to --data",
        )
    if not isinstance(meta.get("version"), int) or meta["version"] > VERSION:
        raise DataError(
            f"{path} was written by a later version of einstan",
            inferred=f"its format is version {meta.get('version')}, and this program reads up to {VERSION}",
            repair="update einstan",
        )
    return meta
