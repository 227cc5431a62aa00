"""The benchmarks run, write what can be read again, and refuse to time a wrong answer."""

import importlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
RESULTS = sorted((BENCHMARKS / "results").glob("*.json"))

# script, the options that make it short, and one of its contenders
SCRIPTS = [
    ("bench_paths", ("--only", "bilinear form"), "left to right"),
    ("bench_derive", (), "einstan"),
    ("bench_step", (), "einstan"),
    ("bench_memory", ("--only", "bilinear form"), "einstan"),
    ("bench_hvp", (), "einstan"),
    ("bench_targets", (), "NumPy, derived"),
    ("bench_conv", (), "einstan"),
    ("bench_embedding", (), "einstan"),
    ("bench_check", (), "einstan"),
    ("bench_bands", (), "einstan"),
    ("bench_einsum", (), "einstan"),
    ("bench_hessian", ("--only", "x'Ax"), "einstan"),
    ("bench_transformer", (), "einstan"),
]

# script, one of its cases, and the contender that is asked last: the frameworks before it are checked too
FRAMEWORKS = [
    ("bench_hessian", "x'Ax, 64", "autograd"),
    ("bench_hessian", "per-example norms", "jax"),
    ("bench_hvp", "batch 32, 16 directions", "PyTorch"),
    ("bench_transformer", "B4 T32 E64 H4 N1, float32", "JAX, jitted"),
    ("bench_targets", "perceptron, n = 32", "JAX, grad"),
]


def run(script: str, *options: str, plant: str = "") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "EINSTAN_BENCH_PLANT"}
    if plant:
        environment["EINSTAN_BENCH_PLANT"] = plant
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{script}.py"), *options],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("script", [script for script, _, _ in SCRIPTS])
def test_runs_and_writes_json(script, tmp_path):
    answer = run(script, "--quick", "--json", str(tmp_path / "results.json"))
    assert answer.returncode == 0, answer.stderr + answer.stdout
    written = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert written["benchmark"] == script.removeprefix("bench_")
    assert written["machine"]["threads"] == 1
    assert written["results"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results.json"]


@pytest.mark.slow
@pytest.mark.parametrize(("script", "options", "contender"), SCRIPTS)
def test_a_wrong_answer_is_refused(script, options, contender, tmp_path):
    answer = run(script, "--quick", *options, "--json", str(tmp_path / "results.json"), plant=contender)
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"refused: {contender}: "), answer.stderr
    assert "differs from the reference by" in answer.stderr
    assert not list(tmp_path.iterdir()), "nothing is written for a wrong answer"


@pytest.mark.slow
@pytest.mark.parametrize(("script", "case", "contender"), FRAMEWORKS)
def test_a_wrong_answer_of_a_framework_is_refused(script, case, contender):
    if missing := [package for package in ("autograd", "jax", "torch") if find_spec(package) is None]:
        pytest.skip(f"no {', '.join(missing)}")
    answer = run(script, "--only", case, plant=contender)
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith(f"refused: {contender}: "), answer.stderr


def test_a_gpu_is_asked_for_and_there_is_none():
    torch = pytest.importorskip("torch", exc_type=ImportError)
    if torch.cuda.is_available():
        pytest.skip("there is a GPU: see test_a_transformer_on_a_gpu")
    answer = run("bench_transformer", "--device", "cuda", "--quick")
    assert answer.returncode == 1
    assert "needs a GPU that PyTorch can use" in answer.stderr


@pytest.mark.slow
def test_a_transformer_on_a_gpu():
    torch = pytest.importorskip("torch", exc_type=ImportError)
    if not torch.cuda.is_available():
        pytest.skip("no GPU that PyTorch can use")
    answer = run("bench_transformer", "--device", "cuda", "--quick")
    assert answer.returncode == 0, answer.stderr + answer.stdout
    assert "einstan, PyTorch" in answer.stdout


@pytest.mark.slow
def test_digits_are_counted_and_shown_on_a_page(tmp_path):
    answer = run(
        "bench_digits", "--quick", "--json", str(tmp_path / "digits.json"), "--page", str(tmp_path / "page.md")
    )
    assert answer.returncode == 0, answer.stderr + answer.stdout  # nothing is lost
    written = json.loads((tmp_path / "digits.json").read_text("utf-8"))["results"]
    assert {row["group"] for row in written["rows"]} == {"formula", "layer", "breadth", "program"}
    assert max(row["gradient"] or 0 for row in written["rows"]) < written["factor"]
    assert "| layer | layer_norm, X |" in (tmp_path / "page.md").read_text("utf-8")


class Scripted:
    """A worker that answers as it is told, and writes down what it was asked."""

    def __init__(self, name, prepared, seconds):
        self.name, self.prepared, self.seconds, self.turns = name, prepared, list(seconds), 0

    def ask(self, do, **_):
        if do == "prepare":
            return self.prepared
        self.turns += 1
        return {"seconds": self.seconds.pop(0)} if self.seconds else {"failed": "the process ended"}


def test_slow_contenders_have_three_turns_and_the_failed_a_reason(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    workers = importlib.import_module("workers")
    quick = Scripted("quick", {"error": 1e-9, "slow": False}, [3.0, 1.0, 2.0, 5.0, 4.0])
    slow = Scripted("slow", {"error": None, "slow": True}, [9.0] * 5)
    dies = Scripted("dies", {"error": 0.0, "slow": False}, [1.0])
    refuses = Scripted("refuses", {"failed": "ValueError: too many operands"}, ())
    found, failed = workers.in_turns([quick, slow, dies, refuses], {}, rounds=5)
    assert {name: (time.median, time.runs, error) for name, (time, error) in found.items()} == {
        "quick": (3.0, 5, 1e-9),
        "slow": (9.0, 3, None),
    }
    assert failed == {"dies": "the process ended", "refuses": "ValueError: too many operands"}
    assert (quick.turns, slow.turns, dies.turns, refuses.turns) == (5, 3, 2, 0)
    wrong = Scripted("wrong", {"wrong": "wrong: x differs"}, ())
    with pytest.raises(workers.common.WrongAnswerError, match="wrong: x differs"):
        workers.in_turns([wrong], {}, rounds=5)


def test_rows_are_lost_to_rivals_alone(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    contest, timing = importlib.import_module("contest"), importlib.import_module("common").timing
    times = {"ours": [2.0, 2.1, 2.2], "ours, fast": [1.0, 1.1, 1.2], "rival": [1.0, 1.05, 1.1], "less": [0.1, 0.1, 0.1]}
    rows = [{"case": "A", "contender": name, "time": timing(found), "error": None} for name, found in times.items()]
    lost = contest.slower(rows, ("ours", "ours, fast"), no_rivals=("less",))
    assert lost == [("A", "ours", "2.00 times as slow as rival")]


def test_paths_are_compared_on_every_network_and_layer(tmp_path):
    answer = run("bench_paths", "--quick", "--only", "no such case")
    assert answer.returncode == 2
    cases = [line.strip() for line in answer.stderr.splitlines()[1:]]
    assert len([case for case in cases if not case.startswith("layer:") and "backward" not in case]) == 12
    assert len([case for case in cases if case.endswith("forward and backward")]) >= 3
    layers = {path.stem for path in (BENCHMARKS.parent / "layers").glob("[a-z]*.py")}
    layers = {layer for layer in layers if not layer.endswith(("_1d", "_2d"))}  # bench_conv.py times what slides
    named = " ".join(case.replace(" ", "_").replace("-", "_") for case in cases if case.startswith("layer:"))
    assert [layer for layer in sorted(layers) if layer not in named] == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.array([1.0, 2.0 + 1e-6]), "differs from the reference by 5e-07, allowed is 1e-09"),
        (np.array([1.0, np.nan]), "differs from the reference by nan"),
        (np.array([[1.0, 2.0]]), "has the shape (1, 2), the reference (2,)"),
    ],
)
def test_what_is_refused(answer, message, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    common = importlib.import_module("common")
    assert common.check("A", "x", np.array([1.0, 2.0 + 1e-12]), np.array([1.0, 2.0]), 1e-9) < 1e-9
    with pytest.raises(common.WrongAnswerError) as refused:
        common.check("A", "x", answer, np.array([1.0, 2.0]), 1e-9)
    assert message in str(refused.value)


def test_the_reference_is_the_nested_loop(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    by_hand = importlib.import_module("by_hand")
    text = by_hand.Text.read("Z[b,k] = X[b,I] W[k,I,J] X[b,J]")
    rng = np.random.default_rng(0)
    X, W, G = (rng.integers(-4, 5, shape).astype(float) for shape in ((2, 3), (4, 3, 3), (2, 4)))
    loops = np.zeros((2, 4))
    gradient = np.zeros_like(X)
    for b, k, i, j in np.ndindex(2, 4, 3, 3):
        loops[b, k] += X[b, i] * W[k, i, j] * X[b, j]
        gradient[b, i] += G[b, k] * W[k, i, j] * X[b, j]
        gradient[b, j] += G[b, k] * W[k, i, j] * X[b, i]
    assert (text.value({"X": X, "W": W}) == loops).all()
    assert (text.gradients({"X": X, "W": W}, G)["X"] == gradient).all()


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.name)
def test_results_beside_the_scripts_can_be_read(path):
    written = json.loads(path.read_text("utf-8"))
    assert (BENCHMARKS / f"bench_{written['benchmark']}.py").exists()
    assert {"processor", "threads", "python", "versions"} <= set(written["machine"])


def test_the_readme_shows_the_results():
    page = (BENCHMARKS / "README.md").read_text("utf-8")
    assert [script for script, _, _ in SCRIPTS if f"({script}.py)" not in page] == []
    assert [path.stem for path in RESULTS if f"<!-- {path.stem} -->" not in page] == []
    command = [sys.executable, str(BENCHMARKS / "report.py"), "--check"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
