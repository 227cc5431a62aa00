"""Damaged data files: bits that flip, ends that are missing, sizes that lie; none may raise what is not ours.

python tests/faults/damaged.py --minutes 5
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import numpy as np  # noqa: E402

from einstan.language.errors import EinstanError  # noqa: E402
from einstan.library.tables import read_table  # noqa: E402


def whole_files() -> dict[str, bytes]:
    """Files that can be read, by their names; the last letters of each are its ending."""
    generator = np.random.default_rng(0)
    arrays = {"X": generator.normal(size=(12, 3)), "y": np.arange(12) % 3}
    found: dict[str, bytes] = {}
    for name, save in (("stored.npz", np.savez), ("small.npz", np.savez_compressed)):
        file = io.BytesIO()
        save(file, **arrays)  # type: ignore[arg-type]
        found[name] = file.getvalue()
    numbers = zip(arrays["X"].tolist(), arrays["y"].tolist(), strict=True)
    rows = ["a,b,c,label", *(",".join(map(repr, row)) + f",{label}" for row, label in numbers)]
    found["plain.csv"] = "\n".join(rows).encode()
    quoted = ('"' + row.replace(",", '","') + '"' for row in rows)
    found["quoted.csv"] = "\r\n".join(quoted).encode()
    return found


def damaged(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Names and contents: bytes flipped, cut out, doubled, or the end missing."""
    chance, whole = random.Random(seed), list(whole_files().items())
    for _ in range(count):
        name, content = chance.choice(whole)
        data = bytearray(content)
        for _ in range(chance.choice((1, 1, 1, 2, 8))):
            at = chance.randrange(len(data)) if len(data) > 8 else 0
            match chance.randrange(5):
                case 0:
                    data[at] ^= 1 << chance.randrange(8)
                case 1:
                    data[at] = chance.randrange(256)
                case 2:
                    del data[at + 1 : at + chance.randrange(2, 9)]
                case 3:
                    data[at:at] = data[at : at + 8]
                case 4:
                    del data[max(at, 1) :]
        yield name, bytes(data)


def bomb(path: Path, size: int) -> None:
    """A small archive of one large array of zeros."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (size // 8, 1)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("X.npy", "y.npy"):
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(header.getvalue())
                for _ in range(size // 2**20):
                    member.write(bytes(2**20))


def read(folder: Path, name: str, content: bytes) -> bool:
    """Whether a file is read; else it is refused."""
    path = folder / name
    path.write_bytes(content)
    try:
        read_table(path)
    except EinstanError:
        return False
    return True


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--minutes", type=float, default=5)
    end, tried, accepted = time.monotonic() + 60 * options.parse_args().minutes, 0, 0
    with TemporaryDirectory() as folder:
        while time.monotonic() < end:
            for case in damaged(100, seed=tried):
                accepted += read(Path(folder), *case)
                tried += 1
    print(f"{tried} damaged files: {tried - accepted} refused, {accepted} read, no other error")  # noqa: T201
