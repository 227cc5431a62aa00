"""What the page shows, as the browser asks for it: every panel of every example, errors with their place, no NumPy."""

import ast
import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from einstan.library.panels import PANELS, answer, answer_json

ROOT = Path(__file__).parents[2]
EXAMPLES = {one["name"]: one for one in json.loads((ROOT / "docs/page/examples.json").read_text(encoding="utf-8"))}
DENSE = "Z[n,j] = X[n,K] W[K,j] + b[j]\nL = 1/2 (Z[N,J] - Y[N,J])^2"


def shown(panel, **given):
    found = answer(panel, given)
    assert list(found) == ["shown"], found
    return json.loads(json.dumps(found["shown"]))


def lines(found):
    return [equation["text"] for equation in found["equations"]]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_read_and_has_its_panel(name):
    text = "\n".join(EXAMPLES[name]["lines"])
    assert shown("read", text=text)["errors"] == []
    assert EXAMPLES[name]["panel"] in PANELS
    report = shown("verdicts", text=text)
    assert all("verdict" in line for line in report["lines"] if line["kind"] == "claim")
    assert report["ok"] == (name != "A wrong derivation")


def test_the_backward_pass():
    assert lines(shown("backward", text=DENSE, wrt=["W"])) == ["dZ[n,j] = Z[n,j] - Y[n,j]", "dW[k,j] = X[N,k] dZ[N,j]"]
    assert shown("backward", text=DENSE)["given"] == ""


def test_without_a_scalar_it_starts_from_a_cotangent():
    found = shown("backward", text="Z[n,j] = X[n,K] W[K,j]")
    assert (found["of"], found["given"]) == ("Z", "dZ")
    assert lines(found) == ["dX[n,k] = dZ[n,J] W[k,J]", "dW[k,j] = X[N,k] dZ[N,j]"]


def test_partials_have_their_einsum_strings():
    first = shown("partials", text=DENSE, of="Z")["equations"][0]
    assert first["text"] == "dZ[n,j]/dX[m,k] = δ[n,m] W[k,j]"
    assert first["einsum"] == "'nm,kj->njmk'  δ[n,m], W[k,j]"


def test_a_derivation_and_its_proofs():
    given = {"text": DENSE, "wrt": "W"}
    chains, proofs = shown("derivation", **given)["chains"], shown("steps", **given)["holds"]
    assert [len(chain) for chain in chains] == [len(chain) for chain in proofs]
    assert all(chain[0] is None and set(chain[1:]) <= {"proved"} for chain in proofs)
    assert chains[-1][-1]["text"] == "dW[k,j] = X[N,k] dZ[N,j]"
    assert chains[-1][-1]["reason"] == "deltas used up"


MARKS = {
    "claim x[i] + x[i] = 2 x[i]": ("✓", "good"),
    "claim x[i] + x[i] = 3 x[i]": ("✗", "bad"),
    "refute x[i] + x[i] = 3 x[i]": ("✗", "good"),
    "refute x[i] + x[i] = 2 x[i]": ("✓", "bad"),
    "claim x[i] + x[i] = 3 x[i] = x[i] + 2 x[i]": ("✗", "bad"),  # a chain, of which the last step is right
    "claim x[i] + x[i] = 2 x[i] = 2 x[i] + 1": ("✗", "bad"),
    "claim x[i] = x[i": ("!", "bad"),
}


@pytest.mark.parametrize("claim", MARKS)
def test_a_line_has_the_mark_of_the_worst_that_it_claims(claim):
    marks = shown("verdicts", text=f"y[i] = x[i]\n{claim}")["marks"]
    assert marks == {"2": dict(zip(("mark", "look"), MARKS[claim], strict=True))}


def test_positions_are_not_differentiated_by():
    text = "x[n,d] = E[T[n],d]\nL = 1/2 x[N,D]^2"
    assert shown("read", text=text)["tensors"]["L"]["wrt"] == ["x", "E"]


def test_the_graph():
    found = shown("graph", text=DENSE, backwards=True)
    assert found["words"][0] == "X → Z"
    assert '"dZ"' in found["dot"]
    assert '"dZ"' not in shown("graph", text=DENSE)["dot"]


@pytest.mark.parametrize(
    ("target", "what"),
    [*product(("numpy", "torch", "jax"), ("forward", "backward")), ("torch", "function"), ("jax", "function")],
)
def test_code_is_python_with_a_function(target, what):
    tree = ast.parse(shown("source", text=DENSE, target=target, what=what)["code"])
    assert any(isinstance(node, ast.FunctionDef) for node in tree.body)


def test_paths():
    found = shown("paths", text="Z[i,l] = A[i,J] B[J,K] C[K,l]", sizes="i=4, j=8, k=2, l=8")
    assert {row["optimizer"] for row in found["optimizers"]} >= {"auto", "greedy", "dp"}
    assert min(row["forward"]["flops"] for row in found["optimizers"]) < found["naive_flops"]
    assert "FLOPs" in found["plan"]


def test_sizes_of_other_equations_are_passed_over():
    text = "P[q,k] = softmax[k](Q[q,E] M[k,E])\nO[q,d] = P[q,K] V[K,d]"
    found = shown("paths", text=text, of="P", sizes="q=4, k=8, e=2, d=8")
    assert found["sizes"] == {"q": 4, "k": 8, "e": 2}
    rows = "E[n,d] = W[t[n],d]\nL = 1/2 E[N,D]^2"  # of an axis that no letter reads the size is that of its place
    for of in "EL":
        assert "FLOPs" in shown("paths", text=rows, of=of, sizes="n=4, d=8, W.0=3")["plan"]
    assert (
        "there is no size for e" in answer("paths", {"text": text, "of": "P", "sizes": "q=4, k=8"})["error"]["problem"]
    )


# Each text with what is underlined, and what the button puts in the place of the line.
WRONG = {
    "a free index": ("# a\nZ[n,j] = X[n,k] W[k,j]", 2, "k", "Z[n,j] = X[n,K] W[K,j]"),
    "a bracket": ("Z[n] = x[n]\nY[i] = Z[i,", 2, "[", None),
    "a claim": ("Z[n] = x[n]\nclaim dZ[n]/dx[m] = δ[n,m", 2, "[", None),
    "an unknown function": ("Z[n] = foo(x[n])", 1, "foo", None),
    "twice": ("Z[n] = x[n]\nZ[n] = y[n]", 2, None, None),
    "a cycle": ("a[n] = b[n]\nb[n] = a[n]", 0, None, None),
    "a line that goes on": ("y = 2 x\n+ z", 1, "x", "y = 2 x\n  + z"),
    "an equation that is set in": ("y = x + 1\n  z &= y^2", 1, None, "y = x + 1\nz &= y^2"),
    "two lines that are others": ("given f(x)\ny[n] = f(x[n])", 2, "f(x[n])", "given f[n](x[n])\ny[n] = f[n]"),
    "letters that are two units in a browser": ("# 𝜎𝜎\nZ[n] = x[n,j]", 2, "j", "Z[n] = x[n,J]"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_has_its_place(name):
    text, line, underlined, repair = WRONG[name]
    (error, *_) = shown("read", text=text)["errors"]
    assert error["line"] == line
    assert 0 <= error["from"] <= error["start"] < error["end"] <= len(text) + 1
    if underlined is not None:
        assert text[error["start"] : error["end"]] == underlined
    if repair is not None:
        mended = text[: error["from"]] + error["pastes"][0] + text[error["to"] :]
        assert error["pastes"][0] == repair
        assert all(other["line"] != line for other in shown("read", text=mended)["errors"])
        assert len([other for other in shown("read", text=text)["errors"] if other["pastes"]]) == 1  # an edit, a button


def test_each_reading_can_be_put_in():
    (error,) = shown("read", text="L = log(P[N])")["errors"]
    assert error["pastes"] == ["L = sum[N](log(P[N]))", "L = log(sum[N](P[N]))"]


def test_an_error_is_part_of_the_answer():
    found = answer("backward", {"text": "Z[n,j] = X[n,k] W[k,j]"})
    assert found["error"]["report"].startswith("the index k is free on the right")
    assert "there is no equation" in answer("backward", {"text": "# nothing"})["error"]["problem"]
    assert "no equation defines Q" in answer("partials", {"text": DENSE, "of": "Q"})["error"]["problem"]


def test_parts_of_a_document():
    text = "---\n# only words\n---\n" + DENSE + "\n---\nZ[n] = x[n]"
    assert shown("read", text=text)["errors"] == []
    assert lines(shown("backward", text=text, wrt="W"))[-1] == "dW[k,j] = X[N,k] dZ[N,j]"


def test_from_json_to_json():
    assert json.loads(answer_json("read", json.dumps({"text": ""}))) == {
        "shown": {"lines": [], "errors": [], "letters": [], "tensors": {}}
    }


WITHOUT = """
import json, sys
sys.modules["numpy"] = sys.modules["rich"] = None
from einstan.library.panels import answer
for panel, given in json.load(sys.stdin):
    print(json.dumps(answer(panel, given)))
"""


def test_every_panel_works_without_numpy():
    """In a browser there may be none; what is shown is the same, but for PyTorch's kernels and the peak of a plan."""
    softmax = "\n".join(EXAMPLES["Softmax and cross-entropy"]["lines"])
    asked = [(panel, {"text": softmax}) for panel in PANELS if panel != "paths"]
    asked += [("source", {"text": softmax, "target": "jax"})]
    alike = len(asked)
    asked += [("source", {"text": softmax, "target": "torch", "what": what}) for what in ("backward", "function")]
    asked += [("paths", {"text": softmax, "sizes": "n=8, c=4, k=2"})]
    chain = " ".join(f"A{k}[{'i' if k == 0 else f'K{k}'},{'j' if k == 9 else f'K{k + 1}'}]" for k in range(10))
    asked += [
        (
            "paths",
            {
                "text": f"Z[i,j] = {chain}",
                "sizes": ", ".join(f"{x}=8" for x in ["i", "j", *(f"k{k}" for k in range(1, 10))]),
            },
        )
    ]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], input=json.dumps(asked), capture_output=True, text=True, check=True, cwd=ROOT
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert all("shown" in one for one in found), [list(one) for one in found]
    assert found[:alike] == [json.loads(json.dumps(answer(*one))) for one in asked[:alike]]
    assert "kernels" in found[alike]["shown"]["note"]
