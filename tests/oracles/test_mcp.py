"""The tools for assistants, called by the client of the protocol's own SDK."""

import asyncio
import json
import os
import re
import sys
from inspect import signature
from pathlib import Path

import pytest

import einstan as es
from einstan.language import reading
from einstan.library.command_mcp import LETTERS, NOTATION, TOOLS, server

pytest.importorskip("mcp.server.mcpserver", exc_type=ImportError)

from mcp import Client, StdioServerParameters

ROOT = Path(__file__).parents[2]
SOFTMAX = """Z[n,c] = X[n,K] W[K,c] + b[c]
S[n,c] = exp(Z[n,c]) / sum[K](exp(Z[n,K]))
L = -1/|N| Y[N,C] log(S[N,C])
assume sum[C](Y[n,C]) = 1"""
PAPER = r"\begin{align} L &= \frac12 \sum_{i=1}^n x_i^2 \\ \frac{\partial L}{\partial x_j} &= 2 x_j \end{align}"


def talk(conversation, served=None):
    """What is said to a client of the server, in this process unless another is served."""

    async def talking():
        async with Client(served or server()) as client:
            return await conversation(client)

    return asyncio.run(talking())


def called(tool, **given):
    return talk(lambda client: client.call_tool(tool, given))


def answered(tool, **given):
    result = called(tool, **given)
    assert not result.is_error, result.content[0].text
    assert json.loads(result.content[0].text) == result.structured_content  # for clients that read texts alone
    return result.structured_content


def test_the_tools_say_what_they_take():
    tools = {tool.name: tool for tool in talk(lambda client: client.list_tools()).tools}
    assert set(tools) == set(TOOLS) == {"derive", "check", "hessian", "einsum-path"}
    for tool in tools.values():
        taken = tool.input_schema["properties"]
        assert all(f"{name}: " in tool.description or f"{name}, " in tool.description for name in taken), tool.name
        assert tool.annotations.read_only_hint
        assert not tool.annotations.open_world_hint
    assert tools["check"].input_schema["properties"]["kind"]["enum"] == ["ein", "tex", "md"]


def test_the_server_says_how_to_write():
    """Lines of the text are a document whose claims hold."""

    async def conversation(client):
        return client.instructions, client.server_info

    said, info = talk(conversation)
    assert (said, info.name, info.version) == (NOTATION, "einstan", es.__version__)
    lines = [line[2:].split("   ")[0] for line in said.splitlines() if line.startswith("  ")]
    assert len(lines) == 7
    report = es.check("\n".join(line for line in lines if "given" not in line))
    assert [line.mark for line in report.claims] == ["✓", "✓"]
    assert report
    assert es.check(next(line for line in lines if "given" in line)).lines[0].statement.kind == "given"


# The tool, what it is given, and of what it derives the lines that can be pasted below the program.
DERIVED = [
    ("derive", {"text": SOFTMAX, "wrt": ["W", "b"]},
     ["dZ[n,c] = (S[n,c] - Y[n,c]) / |n|", "dW[k,c] = X[N,k] dZ[N,c]", "db[c] = dZ[N,c]"]),
    ("derive", {"text": SOFTMAX, "of": "Z", "wrt": ["W"]}, ["dZ[n,c]/dW[k,p] = X[n,k] δ[c,p]"]),
    ("derive", {"text": "H[i] = x[i]^2\nZ[i] = H[i] + x[i]", "wrt": ["x"]}, ["dZ[i]/dx[p] = (2 x[i] + 1) δ[i,p]"]),
    ("derive", {"text": "Z[i,j] = X[i,K] W[K,j]"},
     ["dZ[i,j]/dX[p,k] = δ[i,p] W[k,j]", "dZ[i,j]/dW[k,q] = X[i,k] δ[j,q]"]),
    ("hessian", {"text": "L = 1/2 M[I,J] (X[I,J] - U[I,K] V[J,K])^2", "of": "L", "wrt": "U"},
     ["dL/dU[i,k]dU[p,l] = M[i,J] δ[i,p] V[J,l] V[J,k]"]),
    ("hessian", {"text": "z[n] = X[n,K] w[K]\nL = sum[N](b log(1 + exp(z[N])))", "of": "L", "wrt": "w", "wrt2": "b"},
     ["dL/dw[k]db = X[N,k] sigmoid(z[N])"]),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "given", "lines"), DERIVED, ids=[f"{n}-{row[0]}" for n, row in enumerate(DERIVED)])
def test_what_is_derived_can_be_pasted_back(tool, given, lines):
    found = answered(tool, **given)
    assert found["derived"].splitlines() == lines
    read = [line for line in found["program"].splitlines() if "assume" not in line]
    assert [reading(es.parse(line)) for line in read] == read
    assert [es.parse(text) for text in found["latex"]] == [es.parse(line) for line in lines]
    assert found["einsum"] == [str(es.parse(line).einsum) for line in lines]
    report = answered("check", text=f"{found['program']}\n{found['derived']}")
    assert report["counts"] == {"proved": len(lines), "verified": 0, "refuted": 0, "undecided": 0}


WRONG = "Z[n,j] = X[n,K] W[K,j]\nL = 1/2 Z[N,J]^2\nclaim dW[k,j] = 2 X[N,k] dZ[N,j]"
MARKDOWN = "<!-- einstan: given x[i] -->\n$$ f = \\sum_i x_i^2 $$\n$$ \\frac{\\partial f}{\\partial x_j} = 2 x_j $$"


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        (WRONG, "ein", es.check(WRONG)),
        (PAPER, "tex", es.check_paper(PAPER, "tex")),
        (MARKDOWN, "md", es.check_paper(MARKDOWN, "md")),
        ("", "ein", es.check("")),
        ("Z[n] = = 2", "ein", es.check("Z[n] = = 2")),
    ],
    ids=["ein", "tex", "md", "empty", "unreadable"],
)
def test_a_text_is_judged_as_on_the_command_line(text, kind, expected):
    assert answered("check", text=text, kind=kind, seconds=20) == expected.json()


def test_a_refuted_step_has_its_counterexample():
    line = answered("check", text=PAPER, kind="tex")["lines"][-1]
    assert line["verdict"] == "refuted"
    assert line["counterexample"]["sizes"] == {"j": 1}
    assert line["reason"] == "right is 2 times left"


def test_the_path_of_an_einsum():
    found = answered("einsum-path", text="ij,jk,kl->il", sizes="i=6, j=400, k=6, l=4")
    assert found["path"] == ["iJ,JK->iK", "iK,Kl->il"]
    assert found["equation"] == "T[i,l] = A[i,J] B[J,K] C[K,l]"
    costs = {row["optimizer"]: row["forward"]["flops"] for row in found["optimizers"]}
    assert costs["optimal"] == min(costs.values()) == 2 * 6 * 400 * 6 + 2 * 6 * 6 * 4
    assert all("running" not in row["forward"] for row in found["optimizers"])
    assert answered("einsum-path", text="Z[i] = A[i,J] x[J]", sizes="i=2,j=3")["path"] == ["J,iJ->i"]
    assert answered("einsum-path", text="...ij,...jk", sizes="...=8x9 i=2 j=3 k=4")["sizes"]["j"] == 3


ERRORS = [
    ("derive", {"text": "L = log(P[N])"},
     "the sum over N may stand in more than one place\n  L = log(P[N])\n          ^^^^\n"
     "  inferred: N stands once, inside a function or a power\n"
     "  repair:   L = sum[N](log(P[N]))\n            L = log(sum[N](P[N]))"),
    ("derive", {"text": ""}, "there is no equation"),
    ("derive", {"text": "L = x[I]^2", "of": "M"}, "no equation defines M"),
    ("derive", {"text": "L = x[I]^2", "wrt": ["z"]}, "z"),
    ("derive", {"text": "L = x[I]^2", "seconds": 1e9},
     "seconds are a positive number of at most 60, not 1000000000.0\n  repair:   seconds=60"),
    ("derive", {"text": "L = x[I]^2", "seconds": "nan"}, "seconds are a positive number of at most 60, not nan"),
    ("check", {"text": "L = x[I]^2", "seconds": -1}, "seconds are a positive number of at most 60, not -1"),
    ("check", {"text": "L = x[I]^2", "kind": "pdf"}, "Input should be 'ein', 'tex' or 'md'"),
    ("check", {"text": " " * (LETTERS + 1)}, "a text of 200,001 letters, of at most 200,000"),
    ("check", {}, "Field required"),
    ("hessian", {"text": "L = x[I]^2", "of": "L", "wrt": "W"}, "W"),
    ("einsum-path", {"text": "ij,jk->ik", "sizes": "i=2,j=3"}, "there is no size for k"),
    ("einsum-path", {"text": "ij,jk->ik", "sizes": "i=2,j=x"}, "'j=x' is not a size"),
    ("einsum-path", {"text": "ij,jk->iz", "sizes": "i=2,j=3,k=4"}, "z cannot stand behind the arrow"),
    ("einsum-path", {"text": ",".join(["ij"] * 41) + "->", "sizes": "i=2,j=3"}, "41 factors, of at most 40"),
    ("integrate", {}, "Unknown tool: integrate"),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "given", "said"), ERRORS, ids=[f"{n}-{row[0]}" for n, row in enumerate(ERRORS)])
def test_errors_are_words(tool, given, said, caplog):
    result = called(tool, **given)
    assert result.is_error
    (content,) = result.content
    assert said in content.text
    assert "Traceback" not in content.text
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    ("tool", "error", "said"),
    [("derive", RecursionError(), "nested too deep"), ("hessian", MemoryError(), "not enough memory"),
     ("check", ZeroDivisionError("secret"), "Error executing tool check")],
)  # fmt: skip
def test_what_nobody_foresaw_is_no_traceback(monkeypatch, tool, error, said):
    def broken(text: str) -> dict[str, str]:
        raise error

    monkeypatch.setitem(TOOLS, tool, broken)
    result = called(tool, text="")
    assert result.is_error
    assert said in result.content[0].text
    assert "secret" not in result.content[0].text


def test_work_is_bounded():
    lines = ["y0 = exp(x) z"] + [f"y{k + 1} = y{k} sin(y{k}) + y{k}^2" for k in range(40)]
    result = called("hessian", text="\n".join(lines), of="y40", wrt="x", seconds=0.2)
    assert result.is_error
    assert "took longer than 0.2 s" in result.content[0].text


def test_no_text_is_the_name_of_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.ein").write_text("L = x[I]^2")
    for tool, more in {"derive": {}, "einsum-path": {"sizes": "i=2"}, "hessian": {"of": "L", "wrt": "x"}}.items():
        assert called(tool, text="net.ein", **more).is_error
    (line,) = answered("check", text="net.ein")["lines"]
    assert line["verdict"] == "unreadable"
    assert [path.name for path in tmp_path.iterdir()] == ["net.ein"]


def test_calls_at_once_are_answered_each():
    async def conversation(client):
        texts = [f"y[i] = {k} x[i]^2\nclaim dy[i]/dx[j] = {2 * k} x[i] δ[i,j]" for k in range(2, 8)]
        return await asyncio.gather(*(client.call_tool("check", {"text": text}) for text in texts))

    assert [result.structured_content["ok"] for result in talk(conversation)] == [True] * 6


def test_over_the_standard_streams(tmp_path):
    """The command as a program starts it: nothing but messages is written, and it ends when they do."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    started = StdioServerParameters(
        command=sys.executable, args=["-m", "einstan", "mcp"], env=environment, cwd=str(tmp_path)
    )

    async def conversation(client):
        good = await client.call_tool("check", {"text": WRONG})
        bad = await client.call_tool("derive", {"text": "L = log(P[N])"})
        return good, bad, await client.call_tool("einsum-path", {"text": "ij,jk->ik", "sizes": "i=2,j=3,k=4"})

    good, bad, path = talk(conversation, started)
    assert good.structured_content == es.check(WRONG).json()
    assert bad.is_error
    assert "repair:   L = sum[N](log(P[N]))" in bad.content[0].text
    assert path.structured_content["path"] == ["iJ,Jk->ik"]
    assert list(tmp_path.iterdir()) == []


def test_the_page_shows_what_the_tools_answer():
    """Every example of the page, a call and its answer."""
    page = (ROOT / "docs" / "assistants.md").read_text(encoding="utf-8")
    for name, tool in TOOLS.items():
        assert f"| `{name}` | `{'`, `'.join(signature(tool).parameters)}` |" in page
    examples = re.findall(r"`([a-z-]+)` of\n\n```json\n(.*?)```\n\n[^`]*\n\n```(json|text)\n(.*?)```", page, re.DOTALL)
    assert [name for name, *_ in examples] == ["derive", "check", "derive"]
    for name, given, form, expected in examples:
        result = called(name, **json.loads(given))
        assert result.is_error == (form == "text")
        if form == "text":
            assert result.content[0].text == expected.strip()
        else:
            assert json.loads(expected).items() <= result.structured_content.items()
