"""Checkpoints: what goes in comes out, a crash leaves the old file whole, and a damaged file is refused."""

import os
import zipfile

import numpy as np
import pytest

from einstan.language.errors import DataError
from einstan.library import checkpoint, files
from einstan.library.state import State, load, save
from tests.faults.disk import FULL, Disk

ARRAYS = {
    "W": np.arange(6.0).reshape(2, 3),
    "θ": np.array([np.nan, np.inf, -0.0]),
    "file": np.array(3, dtype=np.int64),
    "empty": np.zeros((0, 4), dtype=np.float32),
}


def a_run(value=1.0):
    generator = np.random.default_rng(3)
    generator.random(5)
    params = {"W": np.full((2, 2), value), "b": np.zeros(2)}
    return State(
        params, {"step": np.array(7), "v.W": np.ones((2, 2))}, generator, 2,
        [{"loss": 0.1 + 0.2, "epoch": k} for k in (1, 2)],
        {"W": np.eye(2), "b": np.ones(2)}, 1, 0.25, 1, {"note": [1, 2]},
    )  # fmt: skip


def same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].dtype == right[name].dtype
        assert left[name].tobytes() == right[name].tobytes()
        assert left[name].shape == right[name].shape


def test_round_trip(tmp_path):
    path = tmp_path / "a.npz"
    checkpoint.save_arrays(path, ARRAYS, {"epoch": 3})
    arrays, meta = checkpoint.load_arrays(path)
    same(arrays, ARRAYS)
    assert meta["epoch"] == 3


def test_a_run_comes_back_whole(tmp_path):
    run = a_run()
    expected = run.snapshot()
    save(tmp_path / "run", run)  # no ending is added
    back = load(tmp_path / "run")
    for part in ("params", "optimiser", "best"):
        same(getattr(back, part), getattr(run, part))
    for part in ("epoch", "rows", "best_epoch", "best_score", "waited", "notes"):
        assert getattr(back, part) == getattr(run, part)
    assert (back.generator.random(9) == expected.generator.random(9)).all()


def test_parameters_alone(tmp_path):
    save(tmp_path / "p.npz", {"W": np.eye(3)})
    back = load(tmp_path / "p.npz")
    same(back.params, {"W": np.eye(3)})
    assert back.best is None
    assert back.optimiser == {}


class CrashError(Exception):
    pass


def crash(*arguments, **keywords):
    raise CrashError


@pytest.mark.parametrize("broken", ["replace", "fsync", "write", "interrupt"])
def test_a_crash_while_saving_leaves_the_old_file_whole(tmp_path, monkeypatch, broken):
    path = tmp_path / "run.npz"
    a_run(1.0).save(path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        if broken == "write":
            patch.setattr(files, "os", Disk(FULL, 8))
        elif broken == "interrupt":
            patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        else:
            patch.setattr(os, broken, crash)
        with pytest.raises((CrashError, DataError, KeyboardInterrupt)):
            a_run(2.0).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.npz"]
    a_run(2.0).save(path)
    assert load(path).params["W"][0, 0] == 2.0


def test_a_link_goes_on_pointing_to_its_file(tmp_path):
    (tmp_path / "link.npz").symlink_to(tmp_path / "real.npz")
    a_run().save(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert (tmp_path / "real.npz").is_file()


def test_every_damaged_byte_is_noticed_or_harmless(tmp_path):
    path = tmp_path / "run.npz"
    checkpoint.save_arrays(path, {"W": np.arange(3.0)}, {"epoch": 1})
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            arrays, _ = checkpoint.load_arrays(path)
        except DataError:
            continue
        for array in arrays.values():
            assert array.tobytes() == np.arange(3.0).tobytes(), f"byte {position} was changed unnoticed"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            checkpoint.load_arrays(path)


def foreign(path, kind):
    if kind == "text":
        path.write_text("not an archive")
    elif kind == "npz":
        np.savez(path, X=np.eye(2), y=np.zeros(2))
    elif kind == "pickle":
        np.savez(path, meta=np.array([object()], dtype=object))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("hello.txt", "hello")
    elif kind == "later":
        checkpoint.save_arrays(path, {}, {"version": 99})
    elif kind == "no run":
        checkpoint.save_arrays(path, {}, {})
    return path


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("missing", "{path} cannot be read: No such file or directory"),
        ("text", "{path} is not a checkpoint"),
        ("npz", "{path} is not a checkpoint"),
        ("pickle", "{path} is damaged"),
        ("zip", "{path} is damaged"),
        ("later", "{path} was written by a later version of einstan"),
        ("no run", "{path} is a checkpoint without a training run"),
    ],
)
def test_foreign_files_are_refused(tmp_path, kind, problem):
    path = foreign(tmp_path / "f.npz", kind)
    with pytest.raises(DataError) as caught:
        load(path)
    assert caught.value.problem == problem.format(path=path)


def test_objects_are_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        checkpoint.save_arrays(tmp_path / "o.npz", {"W": np.array([{}])}, {})
    assert caught.value.problem == "W holds Python objects, which a checkpoint does not"
    assert not os.listdir(tmp_path)
