"""Compiled loops are found again by other processes, and what is damaged of them is compiled anew."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.numba
PROGRAM = """
import numba
from numba.core import event
import numpy as np
from einstan import Program

class Compilations(event.Listener):
    count = 0
    def on_start(self, event):
        Compilations.count += 1
    def on_end(self, event):
        pass

rng = np.random.default_rng(0)
X, W = rng.normal(size=(40, 50)), rng.normal(size=(50, 30))
made = Program("Z[n,j] = tanh(X[n,K] W[K,j])").compile(fast=True)
with event.install_listener("numba:compile", Compilations()):
    found = made(X=X, W=W)["Z"]
np.testing.assert_allclose(found, np.tanh(X @ W), rtol=1e-12)
assert "einstan_float64_gemm" not in made.source()
print(Compilations.count)
"""


def compilations(folder):
    environment = {**os.environ, "EINSTAN_CACHE": str(folder), "PYTHONWARNINGS": "error"}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)


def test_what_one_process_compiles_the_next_one_finds(tmp_path):
    folder = tmp_path / "loops"
    first = compilations(folder)
    assert first > 0 == compilations(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    for damaged in folder.glob("__pycache__/*.nbc"):
        damaged.write_bytes(b"")
    assert [compilations(folder) for _ in range(3)] == [first, first, 0]  # in memory, then on disk again, then found


@pytest.mark.parametrize("reason", ["no folder", "no right", "others may write"])
def test_where_nothing_can_be_kept_loops_are_compiled(tmp_path, reason):
    folder = {"no folder": "", "no right": Path("/proc/none"), "others may write": tmp_path}[reason]
    tmp_path.chmod(0o777)
    assert compilations(folder) > 0
    assert not list(tmp_path.iterdir())


def test_a_folder_holds_so_many_texts(tmp_path, monkeypatch):
    from einstan.machine.run import kept

    tmp_path.chmod(0o700)
    monkeypatch.setenv("EINSTAN_CACHE", str(tmp_path))
    monkeypatch.setattr(kept, "MOST", 3)
    for number in range(5):
        assert kept.kernels(f"@njit()\ndef one():\n    return {number}\n")["one"]() == number
        os.utime(max(tmp_path.glob("*.py"), key=lambda path: path.stat().st_mtime), (number, number))
    assert len(list(tmp_path.glob("*.py"))) == 3
    assert len(list(tmp_path.glob("__pycache__/*.nbi"))) == 3
