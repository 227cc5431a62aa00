"""Verdicts that are remembered: as they were, where everything that they rest on is the same, and nowhere else."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import einstan as es
from einstan.language.stated import read_statements
from einstan.library import check as checking
from einstan.library import remembered
from einstan.library.cli import main
from einstan.library.judgements import Counterexample, Outcome
from einstan.library.remembered import KIND, code, digest, loaded

ROOT = Path(__file__).parents[2]
TEXT = """Z[n,c] = X[n,K] W[K,c] + b[c]
S[n,c] = 3 Z[n,c]
L = 1/2 (S[N,C] - Y[N,C])^2
assume a[k]^2 = a[k]
convention relu'(x) = 1[x >= 0]
dL/dZ[n,c] = 3 (S[n,c] - Y[n,c])
claim dW[k,c] = X[N,k] dZ[N,c]
claim db[c] = dZ[N,c] + 1
refute db[c] = 2 dZ[N,c]
R[n] = relu(X[n,K] a[K])
"""
CLAIMS = 4
EXAMPLE = Counterexample({"X.0": 1}, {"X": "[[1]]"}, {"k": 0}, "1", "2", ("X",))


@pytest.fixture
def judged(monkeypatch):
    """The claims that are judged, not remembered: here without a look at them, since it is asked which they are."""
    found = []

    def spent_on(self, kind, claim, *_):
        found.append(str(claim))
        return Outcome("refuted" if kind == "refute" else "proved", "told", counterexample=EXAMPLE)

    monkeypatch.setattr(checking.Allowance, "spent_on", spent_on)
    return found


@pytest.fixture
def file(tmp_path, judged):
    """A file in which the verdicts of the text are."""
    path = tmp_path / "verdicts.json"
    es.check(TEXT, remember=path)
    assert len(judged) == CLAIMS
    judged.clear()
    return path


def test_a_report_is_what_it_was(tmp_path, monkeypatch):
    """Every field of verdicts: proved, true but at a kink, refuted with all that is said of it."""
    text = "y[i] = x[i]^2\nf = relu(z)\ndy[i]/dx[p] = 2 x[i] δ[i,p]\ndf/dz = 1[z >= 0]\nrefute y[i] = x[i]\n"
    once = es.check(text, remember=tmp_path / "v")
    monkeypatch.setattr(checking.Allowance, "spent_on", None)
    again = es.check(text, remember=tmp_path / "v")
    assert [line.outcome for line in again.lines] == [line.outcome for line in once.lines]
    assert (again.json(), str(again)) == (once.json(), str(once))


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n\n" + TEXT,
        TEXT.replace("X[n,K] W[K,c] + b[c]", "X[n,K] * W[K,c]  +  b[c]   # dense"),
        TEXT.replace("X[N,k] dZ[N,c]", "X_{N,k} dZ_{N,c}"),
        TEXT.replace("claim dW[k,c] = X[N,k] dZ[N,c]\n", ""),
        TEXT.replace("claim db", "claim  db") + "note[i] = = broken\n",
        "q = z^2\nclaim dq/dz = 2 z\n---\n" + TEXT,
    ],
    ids=["comment", "blanks", "latex", "less", "unreadable", "part"],
)
def test_what_rests_on_the_same_is_not_judged_again(file, judged, text):
    es.check(text, remember=file)
    assert [claim for claim in judged if "dq" not in claim] == []


# What is changed of the text, and how many claims rest on it.
CHANGES = {
    "a claim": (("claim db[c] = dZ[N,c] + 1", "claim db[c] = dZ[N,c]"), 1),
    "a range of a claim": (("dZ[N,c] + 1", "dZ[N,c] + 1 where |c| = 3"), 1),
    "what is expected": (("refute db", "claim db"), 1),
    "a definition": (("= 3 Z[n,c]", "= 2 Z[n,c]"), CLAIMS),
    "a definition that no claim reads": (("relu(X[n,K] a[K])", "relu(X[n,K] a[K]) + 1"), CLAIMS),
    "a line that comes": (("L = ", "G = X[0,0]\nL = "), CLAIMS),
    "the order of lines": (("refute", "G = X[0,0]\nrefute"), CLAIMS),
    "an assumption": (("= a[k]", "= 1"), CLAIMS),
    "an assumption that goes": (("assume a[k]^2 = a[k]\n", ""), CLAIMS),
    "an assumption that compares": (("assume", "assume a[k] > 0\nassume"), CLAIMS),
    "a convention": (("1[x >= 0]", "1[x > 0]"), CLAIMS),
    "what is given": (("S[n,c] = 3 Z[n,c]", "given S[n,c](Z[n,C])"), CLAIMS),
    "a name": (("b[c]", "B0[c]"), CLAIMS),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_rests_on_something_else_is_judged_again(file, judged, change):
    (old, new), count = CHANGES[change]
    assert old in TEXT
    text = TEXT.replace(old, new)
    es.check(text, remember=file)
    assert len(judged) == count


APART = """y = x^2
claim dy/dx = 2 x
Z[n,c] = X[n,K] W[K,c]
claim dZ[n,c]/dW[k,p] = X[n,k] δ[c,p]
T[n] = E[n] a
G[n] = X[n,0]
"""


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [
        ("x^2", "2 x^2", 1),  # the other claim reads nothing of it
        ("X[n,0]", "X[n,1]", 1),  # X has more columns then: an axis of the claim on Z is longer
        ("E[n] a", "E[n] a^2", 0),
        ("T[n]", "R[n]", 0),
        ("E[n] a", "E[n] y", 1),
        ("X[n,K] W", "2 X[n,K] W", 1),
        ("claim dy", "M = 3 N0\nclaim dy", 0),
        ("T[n] = E[n] a", "assume a > 0", 2),  # what contradicts itself proves everything
        ("dy/dx = 2 x", "dx = 2 x", 1),
    ],
)
def test_a_changed_definition_judges_what_is_tied_to_it(tmp_path, judged, old, new, count):
    es.check(APART, remember=tmp_path / "v")
    judged.clear()
    assert old in APART
    es.check(APART.replace(old, new), remember=tmp_path / "v")
    assert len(judged) == count


def test_seconds_are_a_part_of_it(file, judged):
    es.check(TEXT, seconds=9, remember=file)
    assert len(judged) == CLAIMS


def test_a_function_of_ones_own_is_a_part_of_it(tmp_path):
    text = "Y[i] = half(x[i])\nclaim dY[i]/dx[p] = 1/2 δ[i,p]\n"
    for body, verdict in {"x / 2": "proved", "x / 3": "refuted"}.items():
        with es.functions(f"half(x) = {body}"):
            (line,) = es.check(text, remember=tmp_path / "v").claims
            assert line.outcome.verdict == verdict


def test_beside_a_function_that_code_computes_nothing_is_remembered(
    tmp_path, judged, own_functions_are_gone_afterwards
):
    es.function("twice(x)", partials=["2"], numpy="2 * x")
    for _ in range(2):
        es.check("y = twice(x)\nclaim dy/dx = 2", remember=tmp_path / "v")
    assert len(judged) == 2


@pytest.mark.parametrize("what", ["platform.python_version", "version", "einstan.__version__"])
def test_the_code_is_a_part_of_it(file, judged, monkeypatch, what):
    code.cache_clear()
    monkeypatch.setattr(f"einstan.library.remembered.{what}", (lambda *_: "9") if "__" not in what else "9")
    try:
        es.check(TEXT, remember=file)
        assert len(judged) == CLAIMS
    finally:
        code.cache_clear()


def test_every_file_of_the_code_is_a_part_of_it(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    for name in ("__init__.py", "inner/a.py"):
        (tmp_path / name).write_text("")
    monkeypatch.setattr(remembered.einstan, "__file__", str(tmp_path / "__init__.py"))
    found = set()
    for change in (lambda: None, lambda: (tmp_path / "inner/a.py").write_text("1"),
                   lambda: (tmp_path / "inner/a.py").rename(tmp_path / "inner/b.py"),
                   lambda: (tmp_path / "b.py").write_text("")):  # fmt: skip
        change()
        found.add(code.__wrapped__())
    assert len(found) == 4


def test_what_is_undecided_is_judged_again(tmp_path, monkeypatch):
    text = "f = x[I]^2\nclaim df/dx[i] = 2 x[i]"
    monkeypatch.setattr(checking, "STEPS", 1)
    assert es.check(text, remember=tmp_path / "v").counts["undecided"] == 1
    monkeypatch.undo()
    assert es.check(text, remember=tmp_path / "v").counts["proved"] == 1


def change(**fields):
    return lambda page: {**page, **fields}


def first(**fields):
    """A verdict that says something else, whether or not the checksum is that of the page."""

    def changed(page):
        (key, outcome), *others = page["verdicts"].items()
        verdicts = {key: {**outcome, **fields}, **dict(others)}
        return {**page, "verdicts": verdicts, "checksum": remembered.digest(verdicts)}

    return changed


FOREIGN = {
    "empty": lambda page: None,
    "another page": lambda page: {"a": 1},
    "a list": lambda page: [1],
    "another kind": change(kind="a recipe"),
    "a verdict that was changed": lambda page: json.loads(json.dumps(page).replace('"refuted"', '"proved"')),
    "no checksum": lambda page: {key: page[key] for key in page if key != "checksum"},
    "an unknown verdict": first(verdict="true"),
    "undecided": first(verdict="undecided"),
    "a number for a text": first(reason=1),
    "an unknown field": first(more=""),
    "no list": first(difference=3),
    "a counterexample that is none": first(counterexample=[1]),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_of_something_else_is_refused_and_left(file, judged, kind):
    page = FOREIGN[kind](json.loads(file.read_text()))
    text = "" if page is None else json.dumps(page)
    file.write_text(text)
    with pytest.raises(es.EinstanError) as caught:
        es.check(TEXT, remember=file)
    assert "verdicts.json does not hold remembered verdicts, or is damaged" in str(caught.value).splitlines()[0]
    assert file.read_text() == text
    assert judged == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b'{"kind": "verdicts of einstan check"}', b"\0"])
def test_bytes_of_any_kind_are_refused(tmp_path, content):
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(es.EinstanError, match="does not hold remembered verdicts"):
        es.check(TEXT, remember=tmp_path / "v")


def test_a_file_of_other_code_is_made_anew(file, judged):
    page = json.loads(file.read_text())
    file.write_text(json.dumps({**page, "code": "0"}))
    es.check(TEXT, remember=file)
    assert len(judged) == CLAIMS
    assert json.loads(file.read_text()) == page


def test_only_what_is_a_file_is_read(tmp_path):
    with pytest.raises(es.EinstanError, match="cannot be read: it is a directory"):
        es.check(TEXT, remember=tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(es.EinstanError, match="cannot be read: it is a pipe"):
        es.check(TEXT, remember=tmp_path / "pipe")
    with pytest.raises(es.EinstanError, match="cannot be written"):
        es.check(TEXT, remember=tmp_path / "nowhere" / "v")


def test_a_file_is_written_whole_and_only_where_something_is_new(file, monkeypatch):
    before, number = file.read_bytes(), file.stat().st_ino
    es.check(TEXT, remember=file)
    assert file.stat().st_ino == number
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "no space is left")))
    with pytest.raises(es.EinstanError, match="no space is left"):
        es.check(TEXT + "claim L = L\n", remember=file)
    assert file.read_bytes() == before


def test_what_others_put_there_meanwhile_stays(file, monkeypatch):
    early = remembered.Remembered(file, None)
    es.check("q = z^2\nclaim dq/dz = 2 z", remember=file)
    count = len(loaded(file))
    assert count == CLAIMS + 1
    early.new["0" * 64] = next(iter(early.found.values()))
    early.save()
    assert len(loaded(file)) == count + 1


def test_of_many_that_write_at_once_none_is_lost(file):
    one = next(iter(loaded(file).values()))
    early = [remembered.Remembered(file, None) for _ in range(6)]
    for number, each in enumerate(early):
        each.new[f"{number}" * 64] = one
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda each: each.save(), early))
    assert len(loaded(file)) == CLAIMS + 6


def test_a_file_does_not_grow_for_ever(file, judged, monkeypatch):
    monkeypatch.setattr(remembered, "KEPT", CLAIMS)
    es.check("q = z^2\nclaim dq/dz = 2 z", remember=file)
    assert len(loaded(file)) == CLAIMS
    judged.clear()
    es.check("q = z^2\nclaim dq/dz = 2 z", remember=file)
    assert judged == []  # it is the oldest that went


PAPER = r"\begin{align} L &= \frac12 \sum_{i=1}^n x_i^2 \\ \frac{\partial L}{\partial x_j} &= x_j \end{align}"


READ = """A[i,j] = pad(B[2 i - j]) + softmax[j](C[i,j]) where |i| = 3
M[i] = max[K](X[i,K]^(1/2)) 1[i <= 2] + |i| x[T[i]] / 3
refute dA[i,j]/dB[p] = δ[p,i] 1[j < 2]
claim sum[I](M[I] sum[J](X[I,J])^2) = -0.5 where |I| = |M.0|
assume x[i] > 0
claim dx = = 1
u[i] = x[i] = y[i]
"""


def test_what_was_read_once_is_read_as_the_same(tmp_path, monkeypatch):
    """Every line that stayed, from its plain data; what cannot be, and chains, are read anew."""
    once = es.check(READ, remember=tmp_path / "v")
    anew = []
    monkeypatch.setattr(remembered, "read_statements", lambda code, *a: anew.append(code) or read_statements(code, *a))
    again = es.check(READ.replace("-0.5", "-0.25"), remember=tmp_path / "v")
    assert [line.statement for line in again.lines[:3]] == [line.statement for line in once.lines[:3]]
    assert anew == [READ.splitlines()[3].replace("-0.5", "-0.25"), *READ.splitlines()[5:]]
    assert str(again) == str(es.check(READ.replace("-0.5", "-0.25")))


@pytest.mark.parametrize("held", [[], ["claim", 0, [], "", ""], ["claim", 0, [["open", "x"]], "", ""], 3])
def test_what_no_line_was_read_as_is_read_anew(tmp_path, held):
    memory = remembered.Remembered(tmp_path / "v", None)
    memory.lines = dict.fromkeys([digest([digest([[], ["x", "y"], False]), "y = 2 x", ""])], held)
    (read,) = memory.read("y = 2 x", 1, "", {"x", "y"}, ())
    assert str(read) == "y = 2 x"
    assert memory.first_read


def test_a_paper_with_one_changed_line_is_as_without_memory(tmp_path):
    source = (ROOT / "docs" / "papers" / "written" / "losses.tex").read_text("utf-8")
    source = "% einstan: " + source.split("\n% einstan: part | ")[1]
    changed = source.replace(r"\frac{2}{N}", r"\frac{1}{N}", 1)
    assert changed != source
    es.check_paper(source, remember=tmp_path / "v")
    with_memory, without = es.check_paper(changed, remember=tmp_path / "v"), es.check_paper(changed)
    assert (with_memory.json(), str(with_memory)) == (without.json(), str(without))
    assert with_memory.latex() == without.latex()


def test_on_the_command_line(tmp_path, monkeypatch, capsys, judged):
    monkeypatch.chdir(tmp_path)
    Path("a.ein").write_text(TEXT)
    Path("b.tex").write_text(PAPER)
    outputs = []
    for _ in range(2):
        code = main(["check", "a.ein", "b.tex", "--remember", "v.json", "--json"])
        outputs.append((code, capsys.readouterr()))
    assert outputs[0] == outputs[1]
    assert len(judged) == CLAIMS + 1
    assert json.loads(Path("v.json").read_text())["kind"] == KIND
    assert main(["check", "a.ein", "--remember", "no/v.json"]) == 2
    assert "--remember no/v.json cannot be written" in capsys.readouterr().err
