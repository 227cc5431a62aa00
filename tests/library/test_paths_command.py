"""``einstan paths`` as a user runs it, and pictures of plans."""

import json
import math
import tracemalloc

import numpy as np
import pytest

import einstan as es
from einstan.library import command_paths
from einstan.library.cli import main
from einstan.library.comparison import COTANGENT, with_gradients
from einstan.library.einsum_equation import equation_of
from einstan.library.staged import staged
from einstan.machine.run.compile import compile


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command_paths, "PATIENCE", math.inf)  # no line on standard error, however busy the machine is

    def call(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = ended.code
        return code, *capsys.readouterr()

    return call


def test_an_einsum_string(run):
    code, out, err = run("paths", "ij,jk,kl->il", "--sizes", "i=6,j=40,k=6,l=40", "--optimizers", "auto,greedy")
    assert (code, err) == (0, "")
    assert "T[i,l] = A[i,J] B[J,K] C[K,l]" in out
    assert out.count("auto") == 2
    assert "forward and all gradients" in out


def test_json_and_plot(run, tmp_path):
    pytest.importorskip("matplotlib")
    arguments = ("Z[b,k] = X[b,I] W[k,I,J] Y[b,J]", "--sizes", "b=8,i=9,j=10,k=4", "--optimizers", "auto,dp")
    code, out, _ = run("paths", *arguments, "--json", "--plot", "paths.png")
    (found,) = json.loads(out)
    assert code == 0
    assert [row["optimizer"] for row in found["optimizers"]] == ["auto", "dp"]
    forward, gradients = found["optimizers"][0]["forward"], found["optimizers"][0]["gradients"]
    assert (
        forward["flops"] == 2 * 8 * 4 * 9 * 10 + 2 * 8 * 4 * 10
        or forward["flops"] == 2 * 8 * 4 * 9 * 10 + 2 * 8 * 4 * 9
    )
    assert gradients["flops"] <= 3.1 * forward["flops"]
    assert (tmp_path / "paths.png").read_bytes().startswith(b"\x89PNG")


def test_a_file_of_instances(run, tmp_path):
    (tmp_path / "nets.txt").write_text("# two\nij,jk->ik with i=2, j=3, k=4\nZ[i] = A[i,J] x[J] with i=2, j=3\n")
    code, out, _ = run("paths", "nets.txt", "--json", "--no-run")
    assert code == 0
    assert [entry["equation"] for entry in json.loads(out)] == ["T[i,k] = A[i,J] B[J,k]", "Z[i] = A[i,J] x[J]"]


@pytest.mark.parametrize("text", ["ij,jk->ik", "Z[i] = exp(A[i,J] B[J,K] C[K,i])", ",".join(["ij"] * 50) + "->"])
def test_without_a_run_nothing_is_allocated(run, text):
    tracemalloc.start()
    try:
        code, out, _ = run("paths", text, "--sizes", "i=3000,j=3000,k=3000", "--optimizers", "greedy", "--no-run")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert code == 0
    assert "forward and all gradients" in out
    assert most < 8 * 3000 * 3000 / 4  # a matrix of these is 72 MB


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ij,jk->ik", "--sizes", "i=2,j=3"), "there is no size for k"),
        (("ij,jk->ik", "--sizes", "i=2,j=3"), "repair:   give --sizes i=2,j=3,k=64"),
        (("ij,jk->iz", "--sizes", "i=2,j=3,k=4"), "z cannot stand behind the arrow: no operand has it"),
        (
            ("...ij,...jk", "--sizes", "i=2,j=3,k=4"),
            "there are no sizes for the axes of the ellipsis\n  ...ij,...jk\n  ^^^",
        ),
        (("a;b,c", "--sizes", "a=2,b=3,c=4"), "';' cannot stand for an axis\n  a;b,c\n   ^"),
        (("ij,jk", "--sizes", "i=2,j=3x3,k=4"), "'j=3x3' is not a size"),
        (("y[i] = x[T[i]] a[i]", "--sizes", "i=10"), "repair:   give sizes={'x.0': ...}"),
        (("nofile.txt",), "neither an equation, nor an einsum string, nor a file"),
        (("ij,jk,kl->il", "--sizes", "i=2,j=3,k=4,l=5", "--optimizers", "dq"), "there is no optimizer 'dq'"),
    ],
)
def test_refusals(run, arguments, message):
    code, out, err = run("paths", *arguments)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("text", "sizes", "equation"),
    [
        ("ii", "i=3", "T = A[I,I]"),
        ("ij", "i=3,j=2", "T[i,j] = A[i,j]"),
        ("i->ii", "i=3", "T[i,x1] = A[i] δ[i,x1]"),
        (" b ij , b jk -> b ik ", "b=2, i = 3, j=2, k=2", "T[b,i,k] = A[b,i,J] B[b,J,k]"),
        ("...ij,...jk", "i=2,j=3,k=4,...=5x6", "T[a,b,i,k] = A[a,b,i,J] B[a,b,J,k]"),
        ("...a,a", "a=2,...=4", "T[b] = A[b,A] B[A]"),
        ("Aα,α->A", "A=2,α=3", "T[a] = A[a,X1] B[X1]"),
        ("i,j->ij", "i=0,j=2", "T[i,j] = A[i] B[j]"),
    ],
)
def test_strings_of_every_kind_are_compared_and_drawn(run, tmp_path, text, sizes, equation):
    pytest.importorskip("matplotlib")
    code, out, err = run("paths", text, "--sizes", sizes, "--json", "--plot", "paths.png")
    assert (code, err) == (0, "")
    assert [entry["equation"] for entry in json.loads(out)] == [equation]
    assert (tmp_path / "paths.png").exists()


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("F[n,d] = E[T[n],d] W[d,K] v[K]", "n=9,d=3,k=4,E.0=2"),
        ("y[i] = x[mod(i,3)] z[floor(i/2)]", "i=4,x.0=3,z.0=2"),
        ("L = lgamma(x[I]) y[I]", "i=4"),
    ],
)
def test_what_is_read_at_values_is_compared_too(run, text, sizes):
    code, out, err = run("paths", text, "--sizes", sizes, "--json")
    assert (code, err) == (0, "")
    assert all(row["gradients"] for entry in json.loads(out) for row in entry["optimizers"])


def test_what_takes_long_says_how_far_it_is(run, monkeypatch):
    monkeypatch.setattr(command_paths, "PATIENCE", -1)
    code, _, err = run("paths", "ij,jk,kl", "--sizes", "i=2,j=2,k=2,l=2", "--optimizers", "auto,greedy", "--no-run")
    assert code == 0
    assert [line.rsplit(" in ", 1)[0] for line in err.splitlines()] == ["auto: 0 of 2 done", "greedy: 1 of 2 done"]


def test_letters_of_an_einsum_string():
    assert equation_of("iI,Ij->j").equation == "T[j] = A[I,X1] B[X1,j]"
    assert equation_of("ij,jk").equation == "T[i,k] = A[i,J] B[J,k]"
    assert equation_of("ii->").equation == "T = A[I,I]"
    assert equation_of("t,->").equation == "T = A[X1] B"


def test_pictures_of_a_plan(tmp_path):
    pytest.importorskip("matplotlib")
    made = es.parse("Z[i,l] = A[i,J] B[J,K] C[K,l]").plan({"i": 2, "j": 3, "k": 4, "l": 5})
    text = made.draw(tmp_path / "plan.dot").read_text()
    assert text.count(" -> ") == 4
    assert "peripheries=" in text
    assert made.plot(tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(made.to_json())["flops"] == made.flops


def chain(count):
    """A product of matrices of extents 2, 3, 2, 3, ...: its FLOPs from the left, and its sizes."""
    factors = [f"A{k}[{'i' if k == 0 else 'I'}{k},{'I' if k + 1 < count else 'i'}{k + 1}]" for k in range(count)]
    sizes = {f"i{k}": 2 + k % 2 for k in range(count + 1)}
    return f"Z[i0,i{count}] = {' '.join(factors)}", sizes


def test_more_operands_than_there_are_letters(run, tmp_path):
    text, sizes = chain(90)
    (tmp_path / "long.txt").write_text(f"{text} with {', '.join(f'{k}={v}' for k, v in sizes.items())}\n")
    code, out, err = run("paths", "long.txt", "--optimizers", "auto,greedy", "--json")
    assert (code, err) == (0, "")
    (found,) = json.loads(out)
    assert found["note"] == "the gradients are those of the steps of each path"
    for row in found["optimizers"]:
        assert row["gradients"]["flops"] == 3 * row["forward"]["flops"]


def test_the_steps_of_a_long_product_are_its_value_and_its_gradients():
    text, sizes = chain(50)
    equation = es.parse(text)
    rng = np.random.default_rng(0)
    arrays = {f"A{k}": rng.standard_normal((sizes[f"i{k}"], sizes[f"i{k + 1}"])) for k in range(50)}
    steps = staged(equation.plan(sizes), equation)
    assert len(steps.equations) == 49
    product = np.linalg.multi_dot([arrays[f"A{k}"] for k in range(50)])
    np.testing.assert_allclose(es.Program(steps.equations).compile()(arrays)["Z"], product, rtol=1e-9)
    whole, outputs, _ = with_gradients(steps, equation)
    cotangent = rng.standard_normal(product.shape)
    found = compile(whole, outputs)({**arrays, COTANGENT: cotangent})
    left, right = np.eye(2), [np.eye(product.shape[1])]
    for k in range(49, 0, -1):
        right.append(arrays[f"A{k}"] @ right[-1])
    for k in range(50):
        np.testing.assert_allclose(found[f"dA{k}"], left.T @ cotangent @ right[49 - k].T, rtol=1e-8)
        left = left @ arrays[f"A{k}"]


def test_what_is_no_product_has_no_steps():
    equation = es.parse("Z[i] = exp(A[i,J] B[J])")
    assert staged(equation.plan({"i": 2, "j": 3}), equation) is None
