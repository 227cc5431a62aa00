"""The command line: what it prints, what it refuses, and that an interruption loses nothing."""

import io
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import einstan
from einstan.library.cli import main
from einstan.library.state import load

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = ended.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def table(tmp_path):
    """Three clouds of points that are easy to tell apart, with string labels."""
    generator = np.random.default_rng(0)
    labels = np.arange(90) % 3
    points = generator.standard_normal((90, 2)) * 0.3 + 3 * np.eye(3, 2)[labels]
    rows = [f"{x:.6f},{y:.6f},{'abc'[label]}" for (x, y), label in zip(points, labels, strict=True)]
    path = tmp_path / "clouds.csv"
    path.write_text("\n".join(["x,y,kind", *rows]))
    np.savez(tmp_path / "clouds.npz", X=points, y=labels)
    return path


# ---- train -----------------------------------------------------------------------------------------------------------


def test_digits_reach_97_percent(run):
    code, out, err = run("train", "--seed", 0)
    assert (code, err) == (0, "")
    lines = [line.strip() for line in out.splitlines()]
    assert "handwritten digits: 1295 for train, 359 for test, 143 for validation; network 64–64–32–10" in lines
    for line in (
        "Z1[n,j] = X[n,K] W1[K,j] + b1[j]",
        "S[n,c] = exp(Z3[n,c]) / sum[K](exp(Z3[n,K]))",
        "dZ3[n,c] = (S[n,c] - Y[n,c]) / |n|",
        "dW3[k,j] = A2[N,k] dZ3[N,j]",
        "dZ2[n,j] = 1[Z2[n,j] > 0] dA2[n,j]",
    ):
        assert line in lines
    (last,) = [line for line in lines if line.startswith("test accuracy")]
    assert float(last.split()[2]) >= 97
    assert any(line.startswith("epoch   40/40  loss") for line in lines)


def test_ones_own_data(run, table, tmp_path):
    code, out, _ = run("train", "--data", table, "--hidden", "8", "--epochs", 30, "--plot", "loss.png")
    assert code == 0
    assert "test accuracy 100.00 %" in out
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = run("train", "--data", tmp_path / "clouds.npz", "--hidden", "", "--epochs", 30, "--lr", 0.5,
                       "--optimiser", "sgd", "--validation", 0, "--smoothing", 0, "--dtype", "float32")  # fmt: skip
    assert code == 0
    assert "test accuracy 100.00 %" in out


def test_a_regression(run, tmp_path):
    generator = np.random.default_rng(0)
    points = generator.standard_normal((120, 2))
    rows = [f"{x:.6f},{100 + 10 * x - 5 * y:.6f},{y:.6f}" for x, y in points]
    (tmp_path / "prices.csv").write_text("\n".join(["a,price,b", *rows]))
    common = ("train", "--data", "prices.csv", "--label", "price", "--hidden", "", "--lr", "0.5")
    code, out, err = run(*common, "--epochs", 40, "--save", "prices.npz")
    assert (code, err) == (0, "")
    assert "L = 1/(|N| |J|) (S[N,J] - Y[N,J])^2" in out
    assert "dS[n,j] = 2 (S[n,j] - Y[n,j]) / (|n| |j|)" in out
    (last,) = [line for line in out.splitlines() if line.startswith("test error")]
    assert float(last.split()[2]) < 0.5
    assert last.endswith(("R² 1.000)", "R² 0.999)"))
    assert run("train", "--resume", "prices.npz", "--epochs", 41)[0] == 0
    assert "--label b is not what prices.npz was made with" in refused(
        run, "--resume", "prices.npz", "--label", "b", "--epochs", 42
    )
    (tmp_path / "same.csv").write_text("1,0.5\n" * 20)
    assert "same.csv: all values are 0.5, so there is nothing to learn" in refused(run, "--data", "same.csv")
    assert "--label is a column of --data" in refused(run, "--label", "b")


# ---- predict ---------------------------------------------------------------------------------------------------------


def test_what_was_learned_of_other_rows(run, table, tmp_path):
    assert run("train", "--data", table, "--hidden", "8", "--epochs", 30, "--patience", 5, "--save", "run.npz")[0] == 0
    lines = table.read_text().splitlines()
    code, out, err = run("predict", "run.npz", table)
    assert (code, err) == (0, "")
    head, *rows = out.splitlines()
    assert head == "class,probability"
    assert [row[0] for row in rows] == [line[-1] for line in lines[1:]]
    assert all(0.4 < float(row.partition(",")[2]) <= 1 for row in rows)
    bare = ["\n".join(line.rpartition(",")[0] for line in part) for part in (lines, lines[1:])]
    for name, text in zip(("named.csv", "bare.csv"), bare, strict=True):  # without the label, with and without names
        (tmp_path / name).write_text(text)
        assert run("predict", "run.npz", name)[1] == out
    assert run("predict", "run.npz", "clouds.npz", "--output", "found.csv")[1] == ""
    assert (tmp_path / "found.csv").read_text().splitlines()[1][0] == rows[0][0]


def test_values_of_other_rows(run, tmp_path):
    (tmp_path / "t.csv").write_text("a,y,b\n" + "\n".join(f"{k},{2 * k + 0.5},{-k}" for k in range(60)))
    common = ("train", "--data", "t.csv", "--label", "y", "--hidden", "", "--epochs", 60, "--lr", 0.5)
    assert run(*common, "--save", "run.npz")[0] == 0
    (tmp_path / "others.csv").write_text("a,b\n10,-10\n25,-25\n")
    head, *values = run("predict", "run.npz", "others.csv")[1].splitlines()
    assert head == "value"
    assert np.allclose(list(map(float, values)), [20.5, 50.5], atol=0.2)
    for text in ("b,a\n-10,10\n-25,25\n", "y, b ,a\n0,-10,10\n0,-25,25\n", 'b,y,a\n-10,"0",10\n-25,0,25\n'):
        (tmp_path / "turned.csv").write_text(text)  # columns are found by their names
        assert run("predict", "run.npz", "turned.csv")[1].splitlines() == [head, *values]
    for text in ("a,c\n10,-10\n", "b,b\n10,-10\n", "price,a\n10,-10\n"):
        (tmp_path / "others.csv").write_text(text)
        told = "the columns of others.csv are not those that were learned"
        assert told in run("predict", "run.npz", "others.csv")[2]


def test_predict_refuses(run, table, tmp_path):
    run("train", "--data", table, "--hidden", "8", "--epochs", 1, "--save", "run.npz")
    (tmp_path / "one.csv").write_text("1\n2\n")
    (tmp_path / "four.csv").write_text("1,2,3,4\n")
    (tmp_path / "word.csv").write_text("x,y\n1,2\n1,b\n")
    np.savez(tmp_path / "wide.npz", X=np.ones((2, 5)))
    np.savez(tmp_path / "other.npz", Z=np.ones((2, 2)))
    state = load(tmp_path / "run.npz")
    del state.notes["measures"]
    state.save(tmp_path / "older.npz")
    for saved, data, told in (
        ("run.npz", "one.csv", "one.csv has 1 column, and 2 features were learned"),
        ("run.npz", "four.csv", "four.csv has 4 columns, and 2 features were learned"),
        ("run.npz", "word.csv", "word.csv, line 3, column 2 (y): 'b' is not a number"),
        ("run.npz", "wide.npz", "wide.npz has 5 columns, and 2 features were learned"),
        ("run.npz", "other.npz", "other.npz does not hold X"),
        ("run.npz", "nope.csv", "nope.csv cannot be read"),
        ("run.npz", "text.txt", "text.txt has the ending .txt"),
        ("older.npz", table, "older.npz holds no run of this command\n  inferred: measures = None"),
        ("clouds.npz", table, "clouds.npz is not a checkpoint"),
    ):
        code, _, err = run("predict", saved, data)
        assert (code, told in err) == (2, True), err
        assert "Traceback" not in err


def test_five_epochs_and_five_more_are_ten(run, table):
    common = ("train", "--data", table, "--hidden", "8")
    assert run(*common, "--epochs", 5, "--save", "half.npz")[0] == 0
    assert run("train", "--resume", "half.npz", "--epochs", 10)[0] == 0
    assert run(*common, "--epochs", 10, "--save", "whole.npz")[0] == 0
    half, whole = load("half.npz"), load("whole.npz")
    assert half.epoch == 10
    for part in ("params", "optimiser", "best"):
        left, right = getattr(half, part), getattr(whole, part)
        assert all(left[name].tobytes() == right[name].tobytes() for name in right)
    assert [row["loss"] for row in half.rows] == [row["loss"] for row in whole.rows]


def test_early_stopping(run, table):
    code, out, _ = run("train", "--data", table, "--hidden", "8", "--epochs", 500, "--patience", 2, "--lr", 1)
    assert code == 0
    assert "stopped: no better val_loss for 2 epochs" in out


def refused(run, *arguments):
    code, _, err = run("train", *arguments)
    assert code == 2
    assert "Traceback" not in err
    return err


def test_train_refuses(run, table, tmp_path, monkeypatch):
    run("train", "--data", table, "--hidden", "8", "--epochs", 2, "--save", "run.npz")
    assert refused(run, "--resume", "run.npz", "--hidden", "9", "--epochs", 4) == (
        "einstan: --hidden 9 is not what run.npz was made with\n"
        "  inferred: it was made with --hidden 8\n"
        "  repair:   leave out --hidden, or begin a new run without --resume\n"
    )
    assert "run.npz has already done 2 epochs of 2" in refused(run, "--resume", "run.npz")
    assert "clouds.npz is not the data that the run was made with" in refused(
        run, "--resume", "run.npz", "--epochs", 4, "--data", "clouds.npz"
    )
    assert "clouds.npz is not a checkpoint" in refused(run, "--resume", "clouds.npz")
    assert "missing.csv cannot be read" in refused(run, "--data", "missing.csv")
    assert "there is no writable directory nowhere" in refused(run, "--save", "nowhere/a.npz")
    assert "there is no writable directory nowhere" in refused(run, "--plot", "nowhere/a.png")
    assert "'64,x' is not a list of positive whole numbers" in refused(run, "--hidden", "64,x")
    assert "'-1' is not a positive number" in refused(run, "--lr=-1")
    (tmp_path / "nan.csv").write_text("1,2,a\nnan,3,b\n")
    assert "X holds 1 value that is not finite" in refused(run, "--data", "nan.csv")
    (tmp_path / "few.csv").write_text("1,2,a\n2,3,b\n")
    assert "few.csv is too small" in refused(run, "--data", "few.csv")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert refused(run, "--plot", "loss.png") == (
        "einstan: --plot needs matplotlib, which is not installed\n  repair:   pip install 'einstan[plot]'\n"
    )


LONG = "9" * 5000
WRONG = {
    "--epochs": ("0", "-1", "1e3", "1.5", "x", "", LONG, "²", "1_000"),
    "--hidden": ("0", "-3", "8,0", "8,,8", "8,", ",", "8;8", "a", LONG),
    "--smoothing": ("1", "2", "-0.1", "nan", "inf", "x", ""),
    "--validation": ("1", "2", "-0.1", "nan", "inf", "x", ""),
    "--lr": ("0", "-1", "nan", "inf", "1e999", "1e-400", "x", ""),
    "--batch": ("0", "-1", "1.5", "x", "", LONG),
    "--patience": ("0", "-1", "1.5", "x", "", LONG),
    "--seed": ("-1", "1.5", "x", "", LONG),
    "--optimiser": ("lbfgs", ""),
    "--dtype": ("int8", ""),
}


@pytest.mark.parametrize(
    ("option", "value"), [(o, v) for o, values in WRONG.items() for v in values], ids=lambda text: text[:12]
)
def test_values_of_options_of_train(run, option, value):
    err = refused(run, f"{option}={value}")
    assert f"argument {option}: " in err
    assert max(map(len, err.splitlines())) < 200


@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "", LONG], ids=lambda value: value[:5])
def test_documents_judged_at_once_are_counted(run, value):
    code, _, err = run("check", "text", f"--jobs={value}")
    assert code == 2
    assert "argument --jobs: " in err


@pytest.mark.parametrize("command", [("check",), ("derive",), ("paths",), ("train", "--data"), ("train", "--resume")])
def test_a_device_without_content(run, command):
    code, _, err = run(*command, os.devnull)
    assert code == (0 if command == ("check",) else 2)
    assert "Traceback" not in err


@pytest.mark.parametrize("option", ["--html", "--latex"])
def test_a_report_is_written_all_at_once(run, tmp_path, monkeypatch, option):
    (tmp_path / "paper.ein").write_text("Z[i] = 2 X[i]\nclaim Z[i] = X[i] + X[i]\n")
    (tmp_path / "report").write_text("the report before")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "no space is left")))
    code, _, err = run("check", "paper.ein", option, "report")
    assert code == 2
    assert "report cannot be written: no space is left" in err
    assert (tmp_path / "report").read_text() == "the report before"
    assert sorted(path.name for path in tmp_path.iterdir() if "report" in path.name) == ["report"]


def test_digits_without_scikit_learn(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert refused(run) == (
        "einstan: the handwritten digits come with scikit-learn, which is not installed\n"
        "  repair:   pip install 'einstan[demo]'\n"
        "            or train on your own data: --data file.npz or --data file.csv\n"
    )


def test_a_run_that_diverges_saves_the_last_good_epoch(run, table):
    err = refused(run, "--data", table, "--hidden", "8,8", "--lr", "1e200", "--save", "bad.npz")
    assert "no longer finite in epoch" in err or "the loss is" in err
    assert "is in bad.npz" in err
    assert all(np.isfinite(array).all() for array in load("bad.npz").params.values())


@pytest.mark.slow
@pytest.mark.parametrize("saved", ["mine.npz", None])
def test_interrupted(tmp_path, saved):
    arguments = ["train", "--epochs", "100000", *(["--save", saved] if saved else [])]
    process = subprocess.Popen(
        [sys.executable, "-m", "einstan", *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("epoch"):
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    path = saved or "einstan-run.npz"
    assert f"the run is in {path}" in out
    assert f"carry on with: einstan train --resume {path}" in out
    state = load(tmp_path / path)
    assert state.epoch >= 1
    assert len(state.rows) == state.epoch


# ---- derive ----------------------------------------------------------------------------------------------------------


def test_derive(run, tmp_path):
    code, out, _ = run("derive", "Z[i,j] = X[i,K] W[K,j]", "--wrt", "X")
    assert code == 0
    assert out == ("Z[i,j] = X[i,K] W[K,j]\n\ndZ[i,j]/dX[p,k] = δ[i,p] W[k,j]\n    'ip,kj->ijpk'  δ[i,p], W[k,j]\n")
    code, out, _ = run("derive", "Z[i,j] = X[i,K] W[K,j]")
    assert out.count("dZ[i,j]/d") == 2
    (tmp_path / "net.ein").write_text("Z[n] = X[n,K] w[K]  # a line\nL = 1/2 (Z[N] - Y[N])^2\n")
    code, out, _ = run("derive", "net.ein", "--loss", "L", "--wrt", "w")
    assert out == ("Z[n] = X[n,K] w[K]\nL = 1/2 (Z[N] - Y[N])^2\n\ndZ[n] = Z[n] - Y[n]\ndw[k] = X[N,k] dZ[N]\n")
    code, out, _ = run("derive", "Z[i,j] = X[i,K] W[K,j]", "--wrt", "X", "--latex")
    assert "\\frac" in out
    assert "δ" not in out


DERIVE_ERRORS = {
    ("Z[i,j] = X[i,K] W[K,j]", "--wrt", "Q"): "no equation reads Q",
    ("Z[i,j] = X[i,k] W[K,j]",): "the index k is free on the right but is not on the left",
    ("nofile",): "nofile is neither an equation nor a file that can be read: No such file or directory",
    ("Z[i] = X[i]", "--loss", "Q"): "no equation defines Q",
}


@pytest.mark.parametrize("arguments", DERIVE_ERRORS)
def test_derive_errors(run, arguments):
    code, _, err = run("derive", *arguments)
    assert code == 2
    assert DERIVE_ERRORS[arguments] in err.splitlines()[0]
    assert "Traceback" not in err


# ---- the rest --------------------------------------------------------------------------------------------------------


def test_help_shows_an_example_for_each_command(run):
    for command in ("train", "derive", "check", "paths", "mcp"):
        code, out, _ = run(command, "--help")
        assert code == 0
        assert f"example:\n  einstan {command} " in out


def test_what_mcp_lacks(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    assert run("mcp") == (
        2,
        "",
        "einstan: einstan mcp needs the SDK of the Model Context Protocol, mcp 2 or newer, which is not installed\n"
        "  repair:   pip install 'einstan[mcp]'\n",
    )


def test_version(run):
    assert run("--version")[:2] == (0, f"einstan {einstan.__version__}\n")


def test_the_module_runs():
    done = subprocess.run(
        [sys.executable, "-m", "einstan", "--version"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == f"einstan {einstan.__version__}\n"


# ---- the standard input, and files of every kind ---------------------------------------------------------------------


@pytest.fixture
def typed(monkeypatch):
    """What is typed into the standard input."""

    def call(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return call


def test_a_dash_is_the_standard_input(run, typed, tmp_path):
    typed(b"\xef\xbb\xbfy[i] = x[i]^2\r\nclaim dy[i]/dx[j] = 2 x[i] \xce\xb4[i,j]\r\n")
    code, out, err = run("check", "-")
    assert (code, err) == (0, "")
    assert out.startswith("the standard input\n   2  ✓ proved")
    typed(b"y[i] = x[i]\nclaim y[i] = 2 x[i]\n")
    assert run("check", "-")[0] == 1
    typed(b"Z[n] = X[n,K] w[K]\n")
    assert "dZ[n]/dw[k] = X[n,k]" in run("derive", "-", "--wrt", "w")[1]
    typed(b"ij,jk->ik with i=2, j=3, k=4\n")
    assert "T[i,k] = A[i,J] B[J,k]" in run("paths", "-", "--no-run")[1]
    typed(b"")
    code, _, err = run("check", "-", "-")
    assert code == 2
    assert "the standard input can be read once" in err


def test_a_closed_standard_input(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    code, _, err = run("check", "-")
    assert code == 2
    assert "the standard input cannot be read: the standard input is closed" in err


FILES = {
    "binary": bytes(range(256)), "utf16": "Z[i] = X[i]".encode("utf-16"), "zero": b"Z[i] = X[i]\0\n", "empty": b"",
}  # fmt: skip
NAMES = ("missing", "folder", "loop", "text/inside", "", "a\0b", "\ud800", "x" * 5000, *FILES)
COMMANDS = {
    "check": ("check", "{}"), "derive": ("derive", "{}"), "paths": ("paths", "{}"),
    "data": ("train", "--data", "{}", "--epochs", "1"), "resume": ("train", "--resume", "{}"),
}  # fmt: skip
OUTPUTS = {
    "html": ("check", "text", "--html", "{}"), "latex": ("check", "text", "--latex", "{}"),
    "plot": ("paths", "ij,jk->ik", "--sizes", "i=2,j=2,k=2", "--no-run", "--plot", "{}"),
    "save": ("train", "--data", "text", "--save", "{}"), "training plot": ("train", "--data", "text", "--plot", "{}"),
}  # fmt: skip


@pytest.fixture
def files(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "text").write_text("Z[i] = X[i]\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
def test_a_file_that_is_none(run, command, name):
    code, _, err = run(*(part.format(name) for part in COMMANDS[command]))
    if (command, name) == ("check", "empty"):
        assert code == 0
        return
    if (command, name) == ("check", "zero"):  # its one line is unreadable
        assert code == 1
        return
    assert code == 2
    assert "einstan" in err
    assert "Traceback" not in err


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("command", OUTPUTS)
@pytest.mark.parametrize("name", ["folder", "loop", "text/inside", "nowhere/a.png", "", "a\0b", "\ud800", "x" * 5000],
                         ids=lambda name: ascii(name)[:20])  # fmt: skip
def test_what_cannot_be_written_is_found_before_the_work(run, monkeypatch, command, name):
    monkeypatch.setattr("einstan.library.command_check.judged", None)  # the work
    monkeypatch.setattr("einstan.library.command_paths.compare", None)
    monkeypatch.setattr("einstan.library.command_train.fit", None)
    code, out, err = run(*(part.format(name) for part in OUTPUTS[command]))
    assert (code, out) == (2, "")
    assert "Traceback" not in err


VALUES = ("", ",", "-1", "1.5x", "nan", "1e999", "9" * 5000, "\0", "\ud800", "💥", "i=-1", "=")
OPTIONS = {
    "sizes": ("paths", "ij,jk->ik", "--no-run", "--sizes={}"), "einsum": ("paths", "--", "{}"),
    "optimizers": ("paths", "ij,jk->ik", "--sizes", "i=2,j=2,k=2", "--optimizers={}"),
    "equation": ("derive", "--", "{}"), "wrt": ("derive", "Z[i] = X[i]", "--wrt={}"),
    "loss": ("derive", "L = X[I]", "--loss={}"), "jobs": ("check", "text", "--jobs={}"), "command": ("{}",),
    **{o: ("train", f"--{o}={{}}") for o in ("activation", "batch", "lr", "optimiser", "seed", "dtype", "patience")},
}  # fmt: skip


RIGHT = (("einsum", ","), ("einsum", "i=-1"), ("equation", "i=-1"))  # a product of two numbers, and the tensor i


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:20])
def test_a_wrong_value(run, option, value):
    if (option, value) in RIGHT:
        return
    code, out, err = run(*(part.format(value) for part in OPTIONS[option]))
    assert (code, out) == (2, "")
    assert "Traceback" not in err


@pytest.mark.parametrize("sizes", ["i=0,j=0,k=0", "i=1,j=1,k=1", "i=0,j=3,k=100000"])
@pytest.mark.parametrize("einsum", ["ij,jk->ik", "ii->i", "i,i->", "Z[i] = exp(X[i])", "L = log(sum[I](X[I] Y[I]))"])
def test_paths_of_no_or_one_entry_warn_of_nothing(run, einsum, sizes):
    code, out, err = run("paths", einsum, "--sizes", sizes)
    assert (code, err) == (0, "")
    assert "forward" in out


def test_the_exit_codes_are_told(run):
    assert "exit codes: 0 done, 1 a claim is not as expected, 2 what" in run("--help")[1]


def test_an_interrupt_while_modules_are_loaded_is_quiet(monkeypatch):
    class Interrupting:
        @staticmethod
        def find_spec(name, *_):
            if name == "einstan.library.cli":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "einstan.library.cli")
    monkeypatch.delattr("einstan.library.cli")
    monkeypatch.setattr(sys, "meta_path", [Interrupting, *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("einstan", run_name="__main__")
    assert ended.value.code == 130


def test_a_regression_does_not_diverge_at_the_usual_rate(tmp_path, capsys):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 3))
    rows = np.column_stack([X, X @ [1.0, 2.0, -1.0] + 0.1 * generator.normal(size=60)])
    np.savetxt(tmp_path / "line.csv", rows, delimiter=",", header="a,b,c,price", comments="")
    assert main(["train", "--data", str(tmp_path / "line.csv"), "--epochs", "30"]) == 0
    assert float(re.search(r"R² (-?[\d.]+)", capsys.readouterr().out)[1]) > 0.95
