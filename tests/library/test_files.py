"""The layer of files: what is read is regular, what is written is whole, and what a stranger made is measured first."""

import io
import os
import socket
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from einstan.language.errors import DataError
from einstan.library import files, npz
from tests.faults.disk import BROKEN, FULL, READ_ONLY, Disk

ROOT = Path(__file__).parents[2]
ARRAYS = {
    "X": np.arange(6.0).reshape(2, 3), "F": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "one": np.array(3),
    "none": np.zeros((0, 4), np.float32), "texts": np.array(["a", "bcd"]), "big": np.arange(3, dtype=">i4"),
    "bytes": np.array([b"a"]), "flags": np.array([True, False]), "half": np.ones(2, np.float16),
}  # fmt: skip


# ---- writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666])
def test_permissions_are_kept(tmp_path, mode):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(mode)
    files.write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("fault", [FULL, BROKEN, READ_ONLY])
@pytest.mark.parametrize("lasting", [False, True])
def test_whichever_call_fails_the_file_is_the_old_or_the_new_one(tmp_path, monkeypatch, fault, lasting):
    path, at, refused = tmp_path / "a", 0, 0
    while True:
        at += 1
        path.write_bytes(b"old " * 100)
        disk = Disk(fault, at, lasting)
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", disk)
            try:
                files.write_file(path, b"new " * 100)
            except DataError:
                refused += 1
        assert path.read_bytes() in (b"old " * 100, b"new " * 100)
        if disk.calls < at:
            break
        files.write_file(path, b"new " * 100)
        assert os.listdir(tmp_path) == ["a"]  # the next has removed what was left
    assert refused >= 6


def test_what_a_killed_run_has_left_is_removed_and_what_is_written_is_not(tmp_path):
    path = tmp_path / "a"
    left = tmp_path / ".a.0123abcd.tmp"
    others = {".b.0123abcd.tmp", ".a.0123abcd.tmp.txt", ".a.tmp"}
    for name in (left.name, *others):
        (tmp_path / name).write_bytes(b"x")

    def twice(file):
        file.write(b"first")
        files.write_file(path, b"second")  # while the first is being written

    files.write_file(path, twice)
    assert path.read_bytes() == b"first"
    assert {entry.name for entry in tmp_path.iterdir()} == {"a", *others}


def test_what_is_protected_or_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(DataError, match="cannot be written: it is a "):
            files.write_file(tmp_path / name, b"")
        assert not (tmp_path / name).is_file()


@pytest.mark.parametrize("where", ["file/inside", "nowhere/a", "folder", "a" * 300, "a\0b", "/proc/a", "/dev/full"])
def test_where_nothing_can_be_written_is_found_before(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"cannot be written|is a directory"):
        files.refuse_unwritable("--save", where, regular=True)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_full_disk_is_found_before(tmp_path):
    program = (
        "import resource; from einstan.library.files import refuse_unwritable\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); refuse_unwritable('--save', 'a')"
    )
    space = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=space, capture_output=True, text=True, check=False)
    assert "--save a cannot be written: File too large" in done.stderr
    assert not os.listdir(tmp_path)


# ---- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_what_numpy_writes_is_read(tmp_path, compressed):
    path = tmp_path / "a.npz"
    (np.savez_compressed if compressed else np.savez)(path, **ARRAYS)
    with npz.opened(path) as archive:
        assert list(archive.sizes) == list(ARRAYS)
        for name, array in ARRAYS.items():
            found = archive[name]
            assert (found.dtype, found.shape) == (array.dtype, array.shape)
            assert found.flags.f_contiguous == array.flags.f_contiguous
            assert found.tobytes() == array.tobytes()
            assert found.flags.writeable


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path, kind in {
            tmp_path / "pipe": "pipe", tmp_path / "socket": "socket", tmp_path: "directory", "/dev/zero": "device",
        }.items():  # fmt: skip
            with pytest.raises(DataError, match=f"cannot be read: it is a {kind}"), npz.opened(path):
                pass


def member(text, data=b"", version=1):
    width = "<H" if version == 1 else "<I"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(width, len(text)) + text.encode() + data


def header(shape="(3,)", dtype="<f8", more=""):
    return f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, {more}}}"


HOSTILE = {
    "huge": member(header("(1000000000000,)")),
    "huge and empty": member(header("(0, 99999999999999999999)")),
    "overflow": member(header("(4294967296, 4294967296)")),
    "digits": member(header(f"({'9' * 5000},)")),
    "negative": member(header("(-3,)"), bytes(24)),
    "wide": member(header("(1,)", "<U999999999")),
    "no width": member(header("(1000000000,)", "<U0")),
    "objects": member(header("(1,)", "|O"), bytes(8)),
    "deep": member("(" * 9000),
    "deep minus": member("-" * 9000 + "1"),
    "blanks": member("{" + " " * 60000),
    "code": member("__import__('os').abort()"),
    "no end": member("{'descr': '<f8'", bytes(24)),
    "long": member(header(), bytes(25)),
    "short": member(header(), bytes(23)),
    "long header": b"\x93NUMPY\2\0\xff\xff\xff\xff",
    "later": member(header(), bytes(24), version=9),
    "axes": member(header("(" + "1," * 90 + ")", "<f8"), bytes(8)),
    "unknown": member(header("(3,)", "<f7"), bytes(21)),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_members_are_refused(tmp_path, case):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", HOSTILE[case])
    with pytest.raises(DataError, match="is damaged"), npz.opened(path) as archive:
        archive["X"]


def test_sizes_are_asked_before_anything_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, X=np.zeros(4_000_000))
    monkeypatch.setattr("einstan.machine.sizes.memory.available_memory", lambda: 2**20)
    with npz.opened(path) as archive, pytest.raises(DataError, match="would take 32 MB, more than is available"):
        archive["X"]
    with pytest.raises(DataError, match="is not a run"), npz.opened(path, "a run", compressed=False):
        pass


def test_a_directory_that_says_it_is_endless_is_not_read(tmp_path):
    path = tmp_path / "a.npz"
    with open(path, "wb") as file:
        file.write(b"PK")
        file.seek(2**31)
        end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, 2**31 - 100, 10, 0)
        file.write(end)
        file.truncate()
    with pytest.raises(DataError, match="is damaged") as caught, npz.opened(path):
        pass
    assert caught.value.inferred == (f"its directory is {2**31 - 100} bytes long",)


def test_two_members_of_one_name_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    array = io.BytesIO()
    np.save(array, np.ones(2))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", array.getvalue())
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("X.npy", array.getvalue())
    with pytest.raises(DataError, match="damaged") as caught, npz.opened(path):
        pass
    assert caught.value.inferred == ("'X' is there twice",)
