"""Arrays in an ``.npz`` file, read as what a stranger may have made: no size is believed before it is compared.

A member is read only if it is no larger than what the file says and the memory holds, its header is one line of three
entries, and its data is as long as its shape says; its checksum is compared before the array is given away.  Nothing is
unpickled and no text is evaluated.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

import numpy as np

from einstan.language.errors import DataError, EinstanError
from einstan.library.files import Path, named, open_regular, reason
from einstan.machine.sizes.memory import fits, human_bytes

LONGEST = 2**16  # of a header
PIECE = 2**22  # bytes that are read at once
MAGIC = b"\x93NUMPY"
HEADER = re.compile(  # every run is possessive, so that no header takes long
    r"\s*+\{(?:\s*+'(?:descr'\s*+:\s*+'(?P<dtype>[<>|=]?[biufcSU][1-9]\d{0,8})'"
    r"|fortran_order'\s*+:\s*+(?P<fortran>True|False)|shape'\s*+:\s*+\((?P<shape>[\d,\s]*+)\))\s*+,?){3}\s*+\}\s*+"
)
# What a damaged or foreign file can raise inside zipfile.
DAMAGE = (
    ValueError, KeyError, EOFError, IndexError, OverflowError, TypeError, NotImplementedError, RuntimeError, OSError,
    zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip


class DamageError(ValueError):
    """A member that is not what it says."""


@dataclass
class Archive:
    """An open ``.npz`` file: what it holds, how large that is, and each array when it is asked for."""

    path: Path
    archive: zipfile.ZipFile
    sizes: dict[str, int]  # bytes of each array with its header, as the file says

    def __getitem__(self, name: str) -> np.ndarray:
        """The array of this name; `DataError` where it is damaged, holds no numbers or texts, or is too large."""
        with _damage(self.path):
            if not fits(self.sizes[name]):
                raise DataError(
                    f"{name} in {named(self.path)} would take {human_bytes(self.sizes[name])}, more than is available",
                    repair="give a smaller file",
                )
            with self.archive.open(f"{name}.npy") as member:
                array = _array(name, member, self.sizes[name])
                if member.read(1):  # the end is where the checksum is compared
                    raise DamageError(f"{name} is longer than its shape")
                return array

    def require_all(self) -> None:
        """Refuse an archive that has lost a member: those that it lists fill it without a gap.

        Of members as a plain ``writestr`` stores them; the directory of an archive has no checksum of its own."""
        place = 0
        for info in sorted(self.archive.infolist(), key=lambda info: info.header_offset):
            if info.header_offset != place:
                raise damaged(self.path, f"something is missing before {info.filename[:100]!r}")
            long = 20 if info.file_size * 1.05 > zipfile.ZIP64_LIMIT else 0
            place += 30 + len(info.filename.encode()) + long + info.compress_size
        if place != self.archive.start_dir:
            raise damaged(self.path, "something is missing at its end")


@contextmanager
def opened(
    path: Path, what: str = "an .npz file", repair: str = "np.savez('file.npz', X=X, y=y)", compressed: bool = True
) -> Iterator[Archive]:
    """The ``.npz`` file at ``path``, which is to be ``what``.

    Raises `DataError` where there is none, it is no regular file or no archive, a name is there twice, or, unless
    ``compressed`` is true, a member is not stored as it is.
    """
    try:
        file = open_regular(path)
    except (OSError, ValueError) as problem:  # a name that holds a zero byte is a ValueError
        raise DataError(f"{named(path)} cannot be read: {reason(problem)}", repair=repair) from problem
    with file:
        with _damage(path):
            if file.read(2) != b"PK":
                raise DataError(f"{named(path)} is not {what}", inferred="it is not an .npz file", repair=repair)
            archive = zipfile.ZipFile(_Sparing(file))
        with archive:
            with _damage(path):
                if not compressed and any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                    raise DataError(f"{named(path)} is not {what}", inferred="it is compressed", repair=repair)
                sizes = _sizes(archive, file)
            yield Archive(path, archive, sizes)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except EinstanError:
        raise
    except MemoryError as problem:
        raise DataError(f"there is not enough memory to read {named(path)}", repair="give a smaller file") from problem
    except DAMAGE as problem:
        raise damaged(path, str(problem)[:300] or type(problem).__name__) from problem


def damaged(path: Path, why: str) -> DataError:
    return DataError(f"{named(path)} is damaged", inferred=why, repair="use an earlier one; this one cannot be trusted")


class _Sparing:
    """A file that is read in pieces; the directory of an archive is one of them, and says itself how long it is."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def read(self, size: int = -1) -> bytes:
        if size > PIECE:
            raise DamageError(f"its directory is {size} bytes long")
        return self.file.read(PIECE if size < 0 else size)  # the rest of a file is asked for near its end alone


def _sizes(archive: zipfile.ZipFile, file: BinaryIO) -> dict[str, int]:
    whole = file.seek(0, io.SEEK_END)
    sizes: dict[str, int] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename:
            raise DamageError(f"{info.filename[:100]!r} is no array")
        if not name.isprintable() or len(name) > 1000:  # it may stand in an error, and reach a terminal
            raise DamageError(f"{name[:100]!r} is the name of no array")
        if name in sizes:
            raise DamageError(f"{name[:100]!r} is there twice")
        stored = info.compress_type == zipfile.ZIP_STORED
        if not stored and info.compress_type != zipfile.ZIP_DEFLATED:
            raise DamageError(f"{name[:100]!r} is compressed in a way that NumPy does not use")
        if stored and info.file_size != info.compress_size:
            raise DamageError(f"{name[:100]!r} has two sizes")
        sizes[name] = info.file_size
    if sum(info.compress_size for info in archive.infolist()) > whole:
        raise DamageError("what it holds is larger than it is")
    return sizes


def _array(name: str, member: IO[bytes], size: int) -> np.ndarray:
    dtype, fortran, shape, start = _header(name, member)
    count = math.prod(shape)
    if count * dtype.itemsize != size - start:
        raise DamageError(f"{name} has shape {str(shape)[:100]}, and its data is {size - start} bytes long")
    data = np.empty(count, dtype)
    room = data.view(np.uint8).data if data.size else memoryview(b"")
    while room:
        got = member.read(min(len(room), PIECE))
        if not got:
            raise DamageError(f"{name} is shorter than its shape")
        room[: len(got)] = got
        room = room[len(got) :]
    return data.reshape(shape[::-1]).transpose() if fortran else data.reshape(shape)


def _header(name: str, member: IO[bytes]) -> tuple[np.dtype, bool, tuple[int, ...], int]:
    """What the header of an array says, and where its data begins."""
    begin = member.read(8)
    width = {1: 2, 2: 4, 3: 4}.get(begin[6] if len(begin) == 8 and begin.startswith(MAGIC) else 0)
    if width is None:
        raise DamageError(f"{name} is no array")
    length = int.from_bytes(member.read(width), "little")
    if length > LONGEST:
        raise DamageError(f"{name} has a header of {length} bytes")
    text = member.read(length).decode("latin1")
    found = HEADER.fullmatch(text)
    if found is None or None in found.groups():
        kind = "Python objects" if "'|O'" in text else "something else"
        raise DamageError(f"{name} holds {kind}, where numbers or texts are read")
    shape = tuple(int(size) for size in found["shape"].split(",") if size.strip())
    return np.dtype(found["dtype"]), found["fortran"] == "True", shape, 8 + width + length
