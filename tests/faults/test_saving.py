"""Real faults: bits that flip, processes that are killed, disks that are full or gone, and files that a stranger made.

`kill.py` is the long form: ``python tests/faults/kill.py --minutes 30``.
"""

import json
import os
import shutil
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from einstan.language.errors import DataError, EinstanError
from einstan.layers import cross_entropy, dense, softmax
from einstan.library import callbacks, checkpoint, files, training
from einstan.library.callbacks import Saver
from einstan.library.cli import main
from einstan.library.metrics import Metric
from einstan.library.network import Network
from einstan.library.optimisers import SGD, Adam, Momentum
from einstan.library.state import History, State, load
from einstan.library.training import Interrupted, fit
from tests.faults.disk import BROKEN, FULL, Disk
from tests.faults.flips import flipped, small_run, told

HERE = Path(__file__).parent
EVERY = 37  # of the bits: all of them take minutes


# ---- bits ------------------------------------------------------------------------------------------------------------


def test_no_flipped_bit_changes_a_run_unnoticed(tmp_path):
    path = tmp_path / "run.npz"
    small_run().save(path)
    count = flipped(path, range(0, 8 * path.stat().st_size, EVERY))
    assert count["refused"] > 300


def test_a_file_of_the_first_version_loads_and_its_bits_are_watched_too(tmp_path):
    path = tmp_path / "run.npz"
    shutil.copy(HERE / "version1.npz", path)
    old = replace(small_run(), epoch=3, rows=[{"epoch": 3, "loss": 0.1 + 0.2}], best_epoch=2)  # with one row
    assert told(load(path)) == told(old)
    assert flipped(path, range(5, 8 * path.stat().st_size, EVERY))["refused"] > 200


def test_a_flip_that_is_not_noticed_is_found(tmp_path, monkeypatch):
    """Test the tester."""
    path = tmp_path / "run.npz"
    small_run().save(path)
    runs = iter(np.arange(100))
    monkeypatch.setattr(State, "load", lambda path: State({"W": np.array(next(runs))}))
    with pytest.raises(AssertionError, match="bit 0 of"):
        flipped(path, [0])


# ---- kills -----------------------------------------------------------------------------------------------------------


def test_no_kill_loses_more_than_is_said():
    command = [sys.executable, str(HERE / "kill.py"), "--kills", "6", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ": 6 kills in " in done.stdout


# ---- saves that fail -------------------------------------------------------------------------------------------------


DATA = {"X": np.random.default_rng(0).standard_normal((30, 2)), "Y": np.eye(3)[np.arange(30) % 3]}


def network(j=None):
    sizes = {} if j is None else {"j": j}
    return Network(dense("Z", X="X", W="W", b="b", **sizes), softmax("S", Z="Z"), cross_entropy("L", S="S", Y="Y"))


def at(epoch, do):
    return lambda state: do() if state.epoch == epoch else None


def test_where_nothing_can_be_saved_is_found_before_training(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere" / "run.npz", "/dev/full"):
        with pytest.raises(DataError):
            fit(network(), "L", DATA, epochs=1, callbacks=[Saver(place), at(1, pytest.fail)])


@pytest.mark.parametrize("fault", [FULL, BROKEN])
def test_a_save_that_fails_is_reported_and_tried_again(tmp_path, monkeypatch, fault):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    reports = []
    saver = Saver("run.npz", report=reports.append)
    breaks = at(2, lambda: monkeypatch.setattr(files, "os", Disk(fault, 0, lasting=True)))
    mended = at(4, lambda: monkeypatch.setattr(files, "os", os))
    history = fit(network(), "L", DATA, epochs=6, callbacks=[breaks, mended, saver])
    assert len(reports) == 1  # though two epochs could not be saved
    assert "run.npz cannot be written" in reports[0]
    assert "the run cannot be saved elsewhere either" in reports[0]
    assert saver.saved == "run.npz"
    assert os.listdir("temporary") == []
    assert told(load("run.npz")) == told(history.state)


def test_a_run_whose_folder_goes_away_is_rescued(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    rescued = tmp_path / "run.npz.rescue"
    saver = Saver("runs/run.npz", report=(reports := []).append)
    gone = at(2, lambda: shutil.rmtree("runs"))
    history = fit(network(), "L", DATA, epochs=3, callbacks=[gone, saver])
    assert saver.saved == str(rescued)
    assert str(rescued) in reports[0]
    assert told(load(rescued)) == told(history.state)
    (tmp_path / "runs").mkdir()
    saver.on_end(history.state, "")
    assert told(load("runs/run.npz")) == told(history.state)
    assert not rescued.exists()


def test_a_rescue_leaves_that_of_another_run_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [replace(small_run(), total=float(k)) for k in range(3)]
    savers = [Saver(f"gone{k}/run.npz", report=str) for k in range(3)]
    for _ in range(2):  # the second time each replaces its own
        for saver, run in zip(savers, runs, strict=True):
            saver.on_end(run, "")
    assert [Path(saver.saved).name for saver in savers] == ["run.npz.rescue", "run-2.npz.rescue", "run-3.npz.rescue"]
    assert [load(saver.saved).total for saver in savers] == [0, 1, 2]
    assert len(os.listdir()) == 3


def test_a_save_that_fails_is_a_warning_where_nobody_else_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saver = Saver("run.npz")
    monkeypatch.setattr(files, "os", Disk(FULL, 0, lasting=True))
    with pytest.warns(RuntimeWarning, match="No space left"):
        saver.on_end(small_run(), "")


@pytest.mark.parametrize("minutes", [0, 1])
def test_a_saver_saves_the_best_epoch_and_every_minute(tmp_path, monkeypatch, minutes):
    monkeypatch.setattr(callbacks, "MINUTE", 60.0 * minutes)
    saved = []
    monkeypatch.setattr(State, "save", lambda state, path: saved.append(state.epoch))
    scores = iter([1.0, 3.0, 2.0, 5.0, 4.0])
    rigged = Metric("score", ("S",), lambda _: next(scores), True)
    fit(
        network(), "L", DATA, epochs=5, validation=DATA, metrics=[rigged], callbacks=[Saver(tmp_path / "a", every=None)]
    )
    assert saved == ([1, 2, 4, 5] if minutes else [1, 2, 3, 4, 5, 5])


def test_a_long_epoch_is_saved_within_and_carried_on_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(callbacks, "MINUTE", 0.0)
    monkeypatch.setattr(training, "PAUSE", 0.0)
    path, options = tmp_path / "run", {"epochs": 3, "batch": 7, "optimiser": Adam(0.1)}
    whole = told(fit(network(), "L", DATA, **options).state)
    seen = []

    def killed(state, place):
        save(state, place)
        seen.append((state.epoch, state.begun))
        if len(seen) == stop:
            raise KeyboardInterrupt

    save = State.save
    for count in (1, 3, 5, 8, 12):
        stop = count
        seen.clear()
        with monkeypatch.context() as patch:
            patch.setattr(State, "save", killed)
            with pytest.raises(Interrupted):
                fit(network(), "L", DATA, callbacks=[Saver(path)], **options)
        assert seen[:5] == [(0, 7), (0, 14), (0, 21), (0, 28), (0, 30)][:count] + seen[count:5]
        found = fit(network(), "L", DATA, resume=path, **options).state
        assert without_seconds(told(found)) == without_seconds(whole)
    run = load(path)
    run.begun = 31
    with pytest.raises(DataError, match="after row 31 of an epoch, and there are 30 rows"):
        fit(network(), "L", DATA, resume=run, **options)


def without_seconds(run):
    arrays, page = run
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in page["rows"]]
    return arrays, {**page, "rows": rows}


def test_all_callbacks_are_told_of_the_end_and_the_saver_is(tmp_path):
    class Broken(callbacks.Callback):
        def on_end(self, state, reason):
            raise OSError("the terminal is gone")

    with pytest.raises(OSError, match="terminal"):
        fit(network(), "L", DATA, epochs=2, callbacks=[Broken(), Saver(tmp_path / "a", every=None)])
    assert load(tmp_path / "a").epoch == 2


def test_a_run_that_can_be_saved_nowhere_still_tells_its_scores(tmp_path):
    np.savez(tmp_path / "data.npz", X=DATA["X"], y=np.arange(30) % 3)
    # No bytecode is written, of which half would be kept.
    command = f"ulimit -f 1; {sys.executable} -m einstan train --data data.npz --hidden '' --epochs 3 --save run.npz"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), "TMPDIR": str(tmp_path),
                               "PYTHONDONTWRITEBYTECODE": "1"})  # fmt: skip
    assert done.returncode == 2
    assert "run.npz cannot be written: File too large; the run cannot be saved elsewhere either" in done.stderr
    assert "Traceback" not in done.stderr
    assert "test accuracy" in done.stdout
    assert "saved to" not in done.stdout


# ---- runs that do not fit --------------------------------------------------------------------------------------------


def rewritten(path, arrays=None, **meta):
    """A checkpoint with right checksums of which something is changed."""
    small_run().save(path)
    old, page = checkpoint.load_arrays(path)
    page.pop("version")
    page.pop("format")
    changed = {name: array for name, array in (old | (arrays or {})).items() if array is not None}
    checkpoint.save_arrays(path, changed, {name: value for name, value in (page | meta).items() if value != "lost"})


def generator(kind="PCG64", **changes):
    state = dict(getattr(np.random, kind)(1).state)
    inner = {name: changes.get(name, value) for name, value in state["state"].items()}
    return {**state, "state": inner, **{name: value for name, value in changes.items() if name in state}}


DEEP: list = []
for _ in range(300):
    DEEP = [DEEP]
FIELDS = [
    {"epoch": -5}, {"epoch": 1.5}, {"epoch": True}, {"epoch": None}, {"epoch": "3"}, {"epoch": float("nan")},
    {"epoch": 10**400},
    {"epoch": "lost"}, {"rows": {}}, {"rows": [1]}, {"rows": [{"loss": "low"}]}, {"rows": [{"loss": [1]}]},
    {"rows": [{"loss": True}]}, {"rows": "lost"}, {"rows": []}, {"rows": [{}]}, {"rows": [{"epoch": 1}]},
    {"rows": [{"epoch": 2, "loss": 1.0}]}, {"rows": [{"epoch": 1.0, "loss": 1.0}]},
    {"rows": [{"epoch": 1, "loss": float("nan")}]}, {"rows": [{"epoch": 1, "loss": 2**64}]},
    {"rows": [{"epoch": 1, "loss": 1.0, "rate": float("inf")}]}, {"rows": [{"epoch": 1, "loss": 1.0}] * 2},
    {"epoch": 2, "rows": [{"epoch": 1, "loss": 1.0}, {"epoch": 2}]}, {"epoch": 2**40}, {"best_epoch": 2**31},
    {"waited": 2}, {"best_epoch": -1}, {"best_score": float("nan")},
    {"best_score": float("inf")}, {"best_score": 10**400}, {"best_score": "good"}, {"waited": -1}, {"waited": 0.5},
    {"notes": []}, {"notes": "lost"}, {"has_best": 1}, {"has_best": False}, {"has_best": "lost"}, {"rows": DEEP},
    {"generator": None}, {"generator": {}}, {"generator": {"bit_generator": "test"}},
    {"generator": {"bit_generator": "seed"}}, {"generator": {"bit_generator": ["PCG64"]}},
    {"generator": {"bit_generator": "RandomState"}}, {"generator": generator(state=-1)},
    {"generator": generator(inc=2**128)}, {"generator": generator(has_uint32=2)},
    {"generator": generator(uinteger=1.0)}, {"generator": generator("MT19937", pos=625)},
    {"generator": generator("MT19937", pos=-1)},
    {"generator": generator("MT19937", key=[1, 2])}, {"generator": generator("Philox", buffer_pos=10**6)},
    {"generator": generator("Philox", buffer=[1, 2, 3, -4])}, {"generator": {**generator(), "more": 1}},
    {"arrays_": {"best/W": np.ones((1, 3))}}, {"arrays_": {"best/W": None}}, {"arrays_": {"best/U": np.ones(2)}},
    {"arrays_": {"other": np.ones(2)}},
]  # fmt: skip


@pytest.mark.parametrize("change", FIELDS, ids=lambda change: str(change)[:60])
def test_a_field_that_no_run_has_is_refused(tmp_path, change):
    path = tmp_path / "run.npz"
    change = dict(change)
    rewritten(path, change.pop("arrays_", None), **change)
    with pytest.raises(DataError) as caught:
        load(path)
    assert caught.value.problem == f"{path} is a checkpoint without a training run"
    assert caught.value.inferred
    assert len(str(caught.value)) < 600


def test_a_column_that_begins_late_is_nan_before():
    history = History(State({}, epoch=2, rows=[{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5, "val_loss": 2.0}]))
    assert np.isnan(history["val_loss"][0])
    assert history["val_loss"][1] == 2.0
    history.state.page()


@pytest.mark.parametrize("kind", ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_every_generator_comes_back(tmp_path, kind):
    run = small_run()
    run.generator = np.random.Generator(getattr(np.random, kind)(5))
    run.generator.integers(0, 100, 7, dtype=np.uint32)
    run.save(tmp_path / "run")
    assert (load(tmp_path / "run").generator.random(9) == run.generator.random(9)).all()


def signed(page):
    """A page of JSON, or a text of this kind, with its checksum."""
    rest = (page if isinstance(page, str) else json.dumps(page))[1:]
    return np.frombuffer((checkpoint.SIGNED % zlib.crc32(rest.encode()) + rest).encode(), np.uint8)


HEAD = '"format": "einstan checkpoint", "version": 2'
PAGES = {
    "deep": signed("{" + HEAD + ', "notes": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "digits": signed("{" + HEAD + ', "epoch": ' + "9" * 5000 + "}"),
    "no list": signed("{" + HEAD + "}"),
    "wrong list": signed("{" + HEAD + ', "arrays": [1]}'),
    "another list": signed("{" + HEAD + ', "arrays": {"params/W": {}}}'),
    "more listed": signed("{" + HEAD + ', "arrays": {"params/W": {}, "params/V": {}}}'),
    "no checksum": np.frombuffer(("{" + HEAD + ', "arrays": {}}').encode(), np.uint8),
    "no text": np.arange(200, dtype=np.uint8),
    "numbers": np.ones(3),
    "a list": np.frombuffer(b"[1]", np.uint8),
    "version": signed('{"format": "einstan checkpoint", "version": -1}'),
    "version true": signed('{"format": "einstan checkpoint", "version": true}'),
}


@pytest.mark.parametrize("case", PAGES)
def test_a_hostile_page_is_refused(tmp_path, case):
    np.savez(tmp_path / "run.npz", **{"params/W": np.ones(2), "meta": PAGES[case]})
    with pytest.raises(DataError, match=r"is not a checkpoint|is damaged|later version"):
        load(tmp_path / "run.npz")


def test_what_json_does_not_hold_is_refused_when_it_is_saved(tmp_path):
    run = small_run()
    for notes in ({"a": {1, 2}}, {"a": object()}, {"a": _nested(100_000)}):
        run.notes = notes
        with pytest.raises(DataError, match="what JSON does not"):
            run.save(tmp_path / "run")
    run.notes = {"a": np.float32(0.5), "b": np.arange(3), "c": float("nan")}
    run.save(tmp_path / "run")
    assert str(load(tmp_path / "run").notes) == "{'a': 0.5, 'b': [0, 1, 2], 'c': nan}"


def _nested(depth):
    found = []
    for _ in range(depth):
        found = [found]
    return found


CHANGED = {
    "another width": lambda run: run.params.update(W=np.zeros((2, 4)), b=np.zeros(4)),
    "another rank": lambda run: run.params.update(W=np.zeros(2)),
    "another shape": lambda run: run.params.update(b=np.zeros(7)),
    "whole numbers": lambda run: run.params.update(b=np.zeros(3, int)),
    "no number": lambda run: run.params.update(b=np.full(3, np.nan)),
    "one too few": lambda run: run.params.pop("b"),
    "momentum of another shape": lambda run: run.optimiser.update({"v.b": np.zeros(1)}),
    "momentum of whole numbers": lambda run: run.optimiser.update({"v.b": np.zeros(3, int)}),
    "momentum that is infinite": lambda run: run.optimiser.update({"v.b": np.full(3, np.inf)}),
    "momentum of one too few": lambda run: run.optimiser.pop("v.b"),
    "momentum of another precision": lambda run: run.optimiser.update({"v.b": np.zeros(3, np.float32)}),
    "a step that is none": lambda run: run.optimiser.update(step=np.array(0.5)),
    "a step before the first": lambda run: run.optimiser.update(step=np.array(-2)),
    "an epoch before the first": lambda run: setattr(run, "epoch", -5),
    "half an epoch": lambda run: setattr(run, "epoch", 1.5),
    "best of another shape": lambda run: setattr(run, "best", {"W": np.zeros(1), "b": np.zeros(3)}),
    "no array": lambda run: run.params.update(b=[1.0, 2.0, 3.0]),
    "another generator": lambda run: setattr(run, "generator", None),
}


@pytest.mark.parametrize("case", CHANGED)
@pytest.mark.parametrize("by_file", [False, True])
def test_a_run_that_does_not_fit_is_not_carried_on(tmp_path, case, by_file):
    run = fit(network(), "L", DATA, epochs=1, optimiser=Momentum(0.1)).state
    CHANGED[case](run)
    resume = run
    if by_file:
        try:
            run.save(tmp_path / "run")
        except EinstanError:
            return
        resume = tmp_path / "run"
    with pytest.raises(EinstanError) as caught:
        fit(network(), "L", DATA, epochs=2, optimiser=Momentum(0.1), resume=resume)
    assert len(str(caught.value)) < 600


def test_a_width_that_the_network_fixes():
    run = fit(network(3), "L", DATA, epochs=1, optimiser=SGD(0.1)).state
    fit(network(3), "L", DATA, epochs=2, optimiser=SGD(0.1), resume=run)
    with pytest.raises(EinstanError):
        fit(network(4), "L", {**DATA, "Y": np.eye(4)[np.arange(30) % 4]}, epochs=2, optimiser=SGD(0.1), resume=run)
    with pytest.raises(DataError, match="was not made by Adam"):
        fit(network(3), "L", DATA, epochs=2, optimiser=Adam(0.1), resume=run)


RECIPES = [
    {"activation": "__doc__"}, {"activation": "dense"}, {"hidden": [0]}, {"hidden": "64"}, {"hidden": [True]},
    {"epochs": 1.5}, {"lr": "fast"}, {"lr": float("nan")}, {"lr": -1}, {"batch": 0}, {"optimiser": "lbfgs"},
    {"optimiser": ["sgd"]}, {"smoothing": 1}, {"validation": -0.5}, {"patience": 0}, {"seed": -1}, {"dtype": "object"},
    {"data": 5}, {"fingerprint": None}, {"epochs": 10**400},
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    np.savez(folder / "data.npz", X=DATA["X"], y=np.arange(30) % 3)
    options = ["--data", str(folder / "data.npz"), "--hidden", "2", "--epochs", "1", "--save", str(folder / "run.npz")]
    assert main(["train", *options]) == 0
    return folder / "run.npz"


@pytest.mark.parametrize("change", RECIPES, ids=lambda change: str(change)[:60])
def test_a_recipe_that_is_none_is_refused(trained, tmp_path, change, capsys):
    run = load(trained)
    run.notes["recipe"].update(change)
    run.save(tmp_path / "run.npz")
    assert main(["train", "--resume", str(tmp_path / "run.npz"), "--epochs", "2"]) == 2
    assert f"run.npz holds no run of this command\n  inferred: recipe.{next(iter(change))}" in capsys.readouterr().err


def test_a_recipe_of_more_layers_than_there_are_is_refused(trained, tmp_path, capsys):
    run = load(trained)
    run.notes["recipe"]["hidden"] = [2] * 10**5
    run.save(tmp_path / "run.npz")
    assert main(["train", "--resume", str(tmp_path / "run.npz"), "--epochs", "2"]) == 2
    assert "not those of so many layers" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--save", "--plot"])
def test_the_data_is_not_written_over(trained, option, capsys):
    data = str(trained.parent / "data.npz")
    assert main(["train", "--data", data, option, data]) == 2
    assert "would be written over the data" in capsys.readouterr().err


def test_a_pipe_as_a_run_is_refused_at_once(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    assert main(["train", "--resume", str(tmp_path / "pipe")]) == 2
    assert "cannot be read: it is a pipe, and no regular file" in capsys.readouterr().err
