"""What a short text or a small file can ask for is bounded, and says so: the short form of the scripts beside this."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

import einstan as es
from einstan.language import parse_document
from einstan.language.effort import UNLIMITED, EffortError, Spent, effort, spend
from einstan.language.errors import DataError, EinstanError
from einstan.library import tables
from einstan.library.cli import main
from einstan.library.escape import code_in_markdown, in_latex, in_markdown, link_in_markdown, visible
from einstan.machine.sizes import memory
from tests.faults.damaged import bomb, damaged, read, whole_files
from tests.faults.hostile import DOCUMENTS, WAYS
from tests.faults.limits import limited

SHORT = 60  # seconds of the processor after which a test has failed; none takes a tenth of that
HOSTILE = [
    ("check", "tower"), ("check", "large exponent"), ("check", "5,000 digits"), ("check", "200 sums"),
    ("check", "20 squares"), ("check", "20 pairs of functions"), ("check", "200 squares"), ("check", "huge strides"),
    ("check", "26 indices summed"), ("check", "extents of a milliard"), ("check", "40 brackets nested"),
    ("check", "definitions in a cycle"), ("derivative", "20 squares"),
    ("canonical", "30 brackets of 30"), ("backward", "5,000 tensors"), ("latex", "200 matrices"),
    ("source", "20 squares"),
]  # fmt: skip


@pytest.mark.parametrize(("way", "name"), HOSTILE, ids=str)
def test_hostile_documents_end(way: str, name: str) -> None:
    found = limited(lambda: WAYS[way](DOCUMENTS[name]), SHORT, 4 << 30)
    assert found.ours, found.said


def test_what_doubles_is_decided() -> None:
    report = es.check(DOCUMENTS["200 sums"])
    assert [line.outcome.verdict for line in report.claims if line.outcome] == ["proved"]


# ---- effort ----------------------------------------------------------------------------------------------------------


def test_a_claim_that_takes_too_long_says_so() -> None:
    text = DOCUMENTS["8 softmax"]
    (line,) = es.check(text, seconds=0.05).claims
    assert line.outcome is not None
    assert (line.outcome.verdict, line.outcome.reason) == ("undecided", "took longer than 0.05 s")


def test_claims_after_one_that_was_given_up_are_judged() -> None:
    text = DOCUMENTS["8 softmax"] + "\nclaim x[i,k] + x[i,k] = 2 x[i,k]"
    assert [line.outcome.verdict for line in es.check(text, seconds=0.2).claims if line.outcome] == [
        "undecided",
        "proved",
    ]


def test_seconds_are_positive() -> None:
    with pytest.raises(EinstanError, match="positive"):
        es.check("A = 1", seconds=0)


def test_an_allowance_is_part_of_the_one_around_it() -> None:
    with pytest.raises(EffortError), effort(100), effort(1000):
        spend(101)
    with effort(100):
        with pytest.raises(EffortError), effort(10):
            spend(11)
        spend(80)
        with pytest.raises(Spent):  # the eleven count
            spend(10)
        with pytest.raises(Spent):  # and so does every further one
            spend(1)


def test_seconds_alone_are_an_allowance() -> None:
    def endless() -> None:
        while True:
            spend(1)

    with pytest.raises(EffortError, match="took longer than"), effort(UNLIMITED, 0.01):
        endless()


def test_no_rule_takes_the_end_of_an_allowance_for_an_answer() -> None:
    def careless() -> str:
        try:
            spend(2)
        except Exception:
            return "zero"
        return "one"

    with pytest.raises(EffortError), effort(1):
        careless()


# ---- data ------------------------------------------------------------------------------------------------------------


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    for name, content in whole_files().items():
        assert read(tmp_path, name, content)
    accepted = sum(read(tmp_path, *case) for case in damaged(150, seed=0))
    assert 0 < accepted < 150


def test_an_archive_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb(tmp_path / "t.npz", 2**26)
    monkeypatch.setattr(memory, "machine_memory", lambda: 2**26)
    with pytest.raises(DataError, match=r"t.npz and the numbers made of them would take 268 MB"):
        tables.read_table(tmp_path / "t.npz")


@pytest.mark.skipif(os.name != "posix", reason="pipes with a name")
@pytest.mark.parametrize("ending", ["npz", "csv"])
def test_only_regular_files_are_opened(ending: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"pipe.{ending}")
    (tmp_path / f"folder.{ending}").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(DataError, match="cannot be read"):
            tables.read_table(tmp_path / f"{name}.{ending}")


@pytest.mark.parametrize("block", [40, 97, 2**24])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quoted", [False, True])
def test_blocks_are_one_table(
    block: int, end: str, quoted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BLOCK", block)
    rows = [[f"{k / 7:.4f}", f" {-k}e2", "nan" if k < 0 else ".5", f"c{k % 3}"] for k in range(40)]
    lines = ["a,b,c,label", "", *(",".join(row) for row in rows), ",,,"]
    if quoted:
        lines[30] = lines[30].replace("c", '"c').join(["", '"'])
    (tmp_path / "t.csv").write_bytes(("\ufeff" + end.join(lines)).encode())
    table = tables.read_csv(tmp_path / "t.csv")
    expected = [[float(cell) for cell in row[:-1]] for row in csv.reader(",".join(row) for row in rows)]
    assert table.features.tolist() == expected
    assert [table.classes[k] for k in table.labels] == [row[-1] for row in rows]


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("1_000", "line 3, column 1 (a): '1_000' is not a number"),
        ("١", "line 3, column 1 (a): '١' is not a number"),
        ("", "line 3, column 1 (a): '' is not a number"),
        ("1,2", "line 3: 3 values, where the first row has 2"),
        ("inf", "X holds 1 value that is not finite"),
    ],
)
@pytest.mark.parametrize("quote", ["", '"'])
def test_cells_that_are_no_numbers(cell: str, problem: str, quote: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"a,label\n1,{quote}x{quote}\n{cell},y\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        tables.read_table(tmp_path / "t.csv")
    assert caught.value.problem.endswith(problem)


# ---- what is written -------------------------------------------------------------------------------------------------


def test_what_stands_in_a_file_is_no_command_for_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{k},{k % 3},{'[/x]' if k % 2 else 'b' + chr(27) + '[31m'}\n" for k in range(60))
    (tmp_path / "[bold]t.csv").write_text(rows, encoding="utf-8")
    assert main(["train", "--data", str(tmp_path / "[bold]t.csv"), "--hidden", "4", "--epochs", "1"]) == 0
    (tmp_path / "d.ein").write_text(
        "A[i] = x[i]  # \x1b[2J\nclaim A[i] = \x1b x[i]\nclaim A[i] = x[i]  # \x9b", "utf-8"
    )
    assert main(["check", str(tmp_path / "d.ein"), str(tmp_path / "no\x1b.ein")]) == 2
    assert main(["check", str(tmp_path / "d.ein")]) == 1
    with pytest.raises(SystemExit):
        main(["check", "--no\x1b[1m"])
    said = "".join(capsys.readouterr())
    assert all(text in said for text in ("[/x]", "[bold]t.csv", "\\u001b[31m", "\\u009b"))
    assert not {"\x1b", "\x9b"} & set(said)


def test_a_byte_order_mark_is_no_part_of_a_document() -> None:
    assert len(parse_document("\ufeffA = 1\nB = A").equations) == 2
    assert es.check("\ufeffA = 1\nclaim A = 1").ok


def test_names_are_escaped_where_they_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a|b](http:x)_`c`.ein").write_text("A = 1\nclaim A = 1", encoding="utf-8")
    assert main(["check", "--table", *map(str, tmp_path.iterdir())]) == 0
    assert "| [a\\|b\\](http:x)\\_\\`c\\`](a%7Cb%5D%28http%3Ax%29_%60c%60.ein) | 2 |" in capsys.readouterr().out
    assert visible("a\tb\n\u202e\x00") == "a\tb\n\\u202e\\u0000"
    assert in_markdown("<b>*\n") == "\\<b\\>\\* "
    assert code_in_markdown("`a``b") == "``` `a``b ```"
    assert link_in_markdown("a", "a b") == "[a](a%20b)"
    assert in_latex("\x1b%α") == r"\textbackslash{}u001b\%\ensuremath{α}"
