"""The command line on files and flags of every wrong kind: one line of ours and exit code 2, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import einstan as es
from einstan.language import parse_document
from einstan.language.errors import DataError
from einstan.library.cli import main
from einstan.library.texts import MOST, read

FILES: dict[str, bytes] = {
    "bom.ein": b"\xef\xbb\xbfZ[i] = X[i]\r\nclaim Z[i] = X[i]\r\n",
    "empty.ein": b"",
    "binary.ein": bytes(range(256)) * 4,
    "latin.ein": b"Z[i] = \xe9[i]",
    "zeros.ein": b"\0\0\0",
    "deep.ein": b"Z[i] = " + b"(" * 50_000 + b"x[i]" + b")" * 50_000,
    "header.csv": b"x,y\n",
    "empty.csv": b"",
    "empty.npz": b"",
    "binary.npz": bytes(range(256)),
    "binary.csv": bytes(range(256)),
    "long.csv": b"1," * 200_000 + b"a\n",
}

COMMANDS: list[tuple[int, list[str]]] = [
    *((2, [command, name]) for command in ("derive", "paths") for name in FILES if name != "bom.ein"),
    *(
        (2, [command, name])
        for command in ("check", "derive", "paths")
        for name in (".", "nope", "nope/nope", "a\0b", "")
    ),
    *((2, ["check", name]) for name in ("binary.ein", "latin.ein")),
    *((1, ["check", name]) for name in ("zeros.ein", "deep.ein")),
    *((2, ["train", "--epochs", "1", "--data", name]) for name in [*FILES, ".", "nope.csv"]),
    *((2, ["predict", name, "header.csv"]) for name in [*FILES, ".", "nope.npz"]),
    (0, ["check", "bom.ein"]),
    (0, ["derive", "bom.ein"]),
    (2, ["check", "bom.ein", "--html", "."]),
    (2, ["check", "bom.ein", "--html", "nope/x.html"]),
    (2, ["check", "bom.ein", "--latex", "."]),
    (2, ["train", "--resume", "nope.npz"]),
    (2, ["train", "--resume", "binary.npz"]),
    (2, ["train", "--resume", "."]),
    (2, ["train", "--save", "."]),
    (2, ["train", "--save", os.devnull]),
    (2, ["paths", "ab,bc->ac", "--sizes", "a=2,b=2,c=2", "--plot", "."]),
    (2, ["derive", "Z[i] = X[i]", "--wrt", "Q"]),
    (2, ["derive", "Z[i] = X[i]", "--loss", "Z"]),
    (2, ["paths", ". ..,a->a"]),
    (2, ["paths", "...ij,jk->ik", "--sizes", "i=3"]),
    (2, ["paths", "a;b,c->a", "--sizes", "a=2,b=2,c=2"]),
    (2, ["paths", "a!b,c->a", "--sizes", "a=2,b=2,c=2"]),
    (2, ["paths", "ab,bc->ac", "--sizes", "a=2,b=2,c=2", "--optimizers", "foo"]),
    (0, ["paths", "ii", "--sizes", "i=3"]),
    (2, ["paths", "ij,jk->ik", "--sizes", "i=99999999999,j=99999999999,k=9999999999"]),
    (0, ["paths", "ab,->", "--sizes", "a=2,b=3", "--no-run"]),
    (0, ["paths", "ab,->ab", "--sizes", "a=2,b=3", "--no-run"]),
    (0, ["paths", " ij , jk ", "--sizes", "i=2,j=3,k=2", "--no-run"]),
]


@pytest.mark.parametrize(
    ("code", "arguments"), COMMANDS, ids=lambda what: " ".join(what) if isinstance(what, list) else ""
)
def test_wrong_files_and_flags(
    code: int, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in FILES.items():
        if name in arguments:
            (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    found = main(arguments)
    error = capsys.readouterr().err
    assert found == code, error
    assert "Traceback" not in error
    assert error.startswith("einstan: ") or code < 2
    assert len(error) < 4000


def test_what_cannot_be_drawn_does_not_lose_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paths", "ii->i", "--sizes", "i=10", "--plot", str(tmp_path / "p.png")]) == 0
    assert (tmp_path / "p.png").stat().st_size
    assert main(["paths", "ij,jk->ik", "--sizes", "i=2,j=2,k=2", "--plot", str(tmp_path / "p.nope")]) == 2
    shown = capsys.readouterr()
    assert "greedy" in shown.out or "auto" in shown.out
    assert "p.nope cannot be drawn" in shown.err


def test_a_byte_order_mark_is_no_letter() -> None:
    assert str(parse_document("\ufeffZ[i] = X[i]")) == "Z[i] = X[i]"


def run(arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = f"{sys.executable} -m einstan {arguments}"
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.skipif(os.name != "posix", reason="pipes of a shell")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("derive 'Z[i] = X[i]' | true; exit ${PIPESTATUS[0]}", 0),
        ("derive 'Z[i] = X[i]' >&-", 0),
        ("derive 'Z[i] = X[i]' > /dev/full", 2),
        ("derive 'Z[i] = δ[i,i] X[i]' --wrt X", 0),
    ],
)
def test_outputs_that_are_closed(arguments: str, code: int) -> None:
    done = run(arguments, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupt_is_told_in_one_line(tmp_path: Path) -> None:
    """The interrupt comes while a document is read from a pipe that nobody fills."""
    os.mkfifo(tmp_path / "pipe.ein")
    command = [sys.executable, "-m", "einstan", "check", str(tmp_path / "pipe.ein")]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    writer = os.open(tmp_path / "pipe.ein", os.O_WRONLY)  # waits until the reader is there
    time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    _, error = running.communicate(timeout=60)
    os.close(writer)
    assert running.returncode == 130
    assert error == "einstan: interrupted\n"


def test_what_is_no_regular_file_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.npz"
    os.mkfifo(pipe)
    with pytest.raises(DataError, match="no regular file"):
        es.save(pipe, {"W": np.ones(2)})
    assert pipe.is_fifo()


def test_a_text_without_an_end_is_read_only_so_far(tmp_path: Path) -> None:
    long = tmp_path / "long.ein"
    long.write_bytes(b"\xce\xb4" * MOST)
    with pytest.raises(DataError, match="longer than"):
        read(str(long), "cannot be read", "name a document")


@pytest.mark.parametrize("flag", ["--data", "--plot", "--save", "--resume"])
def test_an_empty_text_names_no_file(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", flag, ""])
    assert stopped.value.code == 2
    assert "the name of no file" in capsys.readouterr().err
