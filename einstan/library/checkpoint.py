"""Checkpoints: named arrays and a page of JSON in one ``.npz`` file that is never half written.

The page lists every array with its shape, its dtype and a checksum, and carries a checksum of its own: whatever is
lost or changed on the way is noticed before anything is used.  Nothing is pickled, and nothing in a file says what is
called, so loading a file runs no code from it.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from einstan.language.errors import DataError
from einstan.library import npz
from einstan.library.files import Path, named, write_file

FORMAT = "einstan checkpoint"
VERSION = 2  # version 1 has no checksums, and no list of its arrays
META = "meta"
REPAIR = "give a file that --save or einstan.save wrote"
SIGNED = '{"crc": "%08x", '  # how a page begins: with the checksum of all that follows


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write the arrays and the JSON-like ``meta``; whatever goes wrong, a file that was there stays whole.

    Raises `DataError` for what no such file holds, and where it cannot be written.
    """
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "biufc":
            kind = "Python objects" if array.dtype.hasobject else str(array.dtype)
            raise DataError(f"{name} holds {kind}, which a checkpoint does not", repair="convert it to numbers")
        if zipfile.ZipInfo(name).filename != name or name == META or not name.isprintable() or len(name) > 1000:
            raise DataError(f"{named(name)} is no name in a checkpoint", repair="use letters and digits")
    listed = {name: _described(array) for name, array in arrays.items()}
    try:
        rest = json.dumps({"format": FORMAT, "version": VERSION, "arrays": listed, **meta}, default=_plain)[1:]
    except (TypeError, ValueError, RecursionError) as problem:
        raise DataError(
            "the notes hold what JSON does not", inferred=str(problem), repair="keep texts, numbers, lists and dicts"
        ) from problem
    page = (SIGNED % zlib.crc32(rest.encode()) + rest).encode()
    contents = {META: np.frombuffer(page, dtype=np.uint8), **arrays}
    write_file(path, lambda file: _write(file, contents))


def _write(file: BinaryIO, contents: Mapping[str, np.ndarray]) -> None:
    """What np.savez writes, without its limits on names."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in contents.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _described(array: np.ndarray) -> dict[str, Any]:
    fortran = array.flags.fnc  # its bytes are written as they lie, so that products are the same to the last bit
    lying = array.T if fortran else np.ascontiguousarray(array)
    data = lying.reshape(-1).view(np.uint8)
    return {"shape": list(array.shape), "dtype": array.dtype.str, "fortran": fortran, "crc": zlib.crc32(data.data)}


def _plain(value: Any) -> Any:
    """Numbers and arrays of NumPy, as JSON has them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is none of texts, numbers, lists and dicts")


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the meta page of a checkpoint, all of it as it was written.

    Raises `DataError` for a file that is not one, is damaged, or was written by a later version.
    """
    with npz.opened(path, "a checkpoint", REPAIR, compressed=False) as archive:
        if META not in archive.sizes:
            raise _foreign(path)
        meta = _meta(path, archive[META].tobytes())
        arrays = {name: archive[name] for name in archive.sizes if name != META}
        if meta["version"] == 1:
            archive.require_all()
        else:
            _compare(path, meta.pop("arrays", None), arrays)
    return arrays, meta


def _meta(path: Path, page: bytes) -> dict[str, Any]:
    try:
        meta = json.loads(page)
    except (ValueError, RecursionError):
        meta = None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise _foreign(path)
    version = meta.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise DataError(
            f"{named(path)} was written by a later version of einstan",
            inferred=f"its format is version {str(version)[:20]}, and this program reads up to {VERSION}",
            repair="update einstan",
        )
    start = len(SIGNED % 0)
    if version > 1 and page[:start] != (SIGNED % zlib.crc32(page[start:])).encode():
        raise npz.damaged(path, "its page is not what was written")
    meta.pop("crc", None)
    return meta


def _compare(path: Path, listed: Any, arrays: Mapping[str, np.ndarray]) -> None:
    if not isinstance(listed, dict) or listed.keys() != arrays.keys():
        raise npz.damaged(path, "the arrays in it are not those that it lists")
    for name, array in arrays.items():
        if listed[name] != _described(array):
            raise npz.damaged(path, f"{name[:100]} is not what was written")


def _foreign(path: Path) -> DataError:
    return DataError(
        f"{named(path)} is not a checkpoint",
        inferred="it is an .npz file of something else",
        repair=f"{REPAIR}; data goes to --data",
    )
