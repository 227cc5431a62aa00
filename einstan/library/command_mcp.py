"""``einstan mcp``: derive, hessian, check and einsum-path as tools of a program, over the Model Context Protocol.

A tool takes texts and gives texts, which can be pasted back, and JSON.  Nothing that is given names a file, and none is
read or written.  What is wrong in what was given is the error of a tool, in the words that a person is told.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, Literal, TypedDict

from rich.console import Console

import einstan
from einstan.language import latex, reading, term
from einstan.language.arguments import ArgumentError, shown
from einstan.language.effort import UNLIMITED, effort
from einstan.language.errors import DataError, EinstanError, NotationError
from einstan.library.api import Program
from einstan.library.check import check as check_document
from einstan.library.cli import NO_MEMORY, TOO_DEEP
from einstan.library.command_paths import instance
from einstan.library.comparison import WRITTEN_OUT, Row, compare, operands_of
from einstan.library.einsum import einsum
from einstan.library.papers import check_paper
from einstan.library.stated_sizes import sizes_of
from einstan.machine.sizes.extents import as_program

LETTERS = 200_000  # of a text: a paper of a hundred pages
SECONDS, MOST = 10.0, 60.0  # of the processor for an answer, or for one claim; who waits for one gives up soon after

NOTATION = """\
Einstan reads tensor equations and derives, proves and refutes. An equation a line:
  Z[n,j] = X[n,K] W[K,j] + b[j]    an index with a capital is summed, where it stands in two factors of a product
  A[n,j] = relu(Z[n,j])            exp, log, tanh, sigmoid, sqrt, ...; softmax[j](Z[n,j])
  L = 1/|N| sum[N,J]((A[N,J] - Y[N,J])^2)    sum, mean, max, logsumexp over what they name; |N| is an extent
Indices left of = are lower case, and those on the right are the same ones or sums. A product is written with a blank,
X[i] W[j], and a name and its bracket without. δ[i,j] is Kronecker's delta, 1[i <= j] is 1 or 0.
  assume sum[J](Y[n,J]) = 1        may be used
  given S(Z[N,J])                  S is some function of Z
A line whose left side is a derivative is a claim, and so is one behind `claim`; `refute` says that it is wrong:
  dL/dA[n,j] = 2 (A[n,j] - Y[n,j]) / |n|
  claim dW[k,j] = X[N,k] dZ[N,j]   dW is the gradient of the text's scalar with respect to W
Check every step of a derivation as a claim. A claim is proved, verified (by numbers), refuted (with a counterexample)
or undecided, which is no proof. Look at `reading`, which has every sum written out. An error says what to write."""


class Derived(TypedDict):
    program: str  # as it is read, with every sum written out
    derived: str  # equations, to be pasted below the program
    latex: list[str]  # of each of them
    einsum: list[str]  # of each of them: the einsum string of every term, with its operands


def derive(text: str, of: str = "", wrt: list[str] | None = None, seconds: float = SECONDS) -> Derived:
    """Differentiate equations. text: one equation a line. of: the tensor that is differentiated (default: that of the
    last equation). Of a scalar it is the backward pass, an equation for the gradient dX of every tensor X on the way;
    of a tensor with indices the partial-derivative tensors dZ[..]/dX[..], through all equations between. wrt: the names
    of the tensors by which (default: all that matter). seconds: of the processor."""
    with allowed(text, seconds):
        program = program_of(text)
        asked = of or str(program.equations[-1].name)
        if not program[asked].indices:
            return answer(program, program.backward(asked, wrt))
        names = wrt or [str(name) for name in program.reads[asked]]
        return answer(program, (e for name in names for e in program.partial(asked, name)))


def hessian(text: str, of: str, wrt: str, wrt2: str = "", seconds: float = SECONDS) -> Derived:
    """Second derivatives as equations whose Kronecker deltas stay factors. text: one equation a line. of: the tensor
    that is differentiated, a scalar mostly. wrt, wrt2: the names of the tensors by which, twice by wrt without wrt2.
    seconds: of the processor."""
    with allowed(text, seconds):
        program = program_of(text)
        found = program.hessian(of, wrt, wrt2 or None).program
        return answer(program, (e for e in found if e.name not in program.defined))


def check(text: str, kind: Literal["ein", "tex", "md"] = "ein", seconds: float | None = None) -> dict[str, Any]:
    """Judge claimed formulas line by line: proved, verified by numbers, refuted with a counterexample, or undecided
    with the reason. text: equations, assumptions and claims, one a line; or a paper. kind: ein, or of a paper tex or
    md, whose displayed formulas are read in order: what defines a name first is a definition, what follows are claims.
    seconds: of the processor for one claim (default: so many steps, three seconds or less). The result is the report of
    `einstan check --json`: `ok`, `counts`, and for each of `lines` its `verdict`, `reading`, `counterexample`, `slip`,
    `repair`."""
    bounded(text, seconds)
    return (check_document(text, "", seconds) if kind == "ein" else check_paper(text, kind, "", seconds)).json()


def einsum_path(text: str, sizes: str, seconds: float = SECONDS) -> dict[str, Any]:
    """Compare the orders in which an einsum can be contracted: FLOPs, memory and planning time of every optimizer,
    forward and with all gradients, and the `path`, the pairwise einsums of the cheapest. Nothing is computed. text: an
    einsum string, ij,jk,kl->il, or an equation, Z[i,l] = A[i,J] B[J,K] C[K,l]. sizes: of every index, i=64, j=512;
    ...=8x9 for an ellipsis. seconds: of the processor."""
    with allowed(text, seconds):
        equation, extents = instance(text, sizes_of(sizes))
        if (count := operands_of(as_program(equation))) > WRITTEN_OUT:
            raise DataError(f"{count} factors, of at most {WRITTEN_OUT}", repair="einstan paths has no such bound")
        found = compare(equation, extents, run=False)
        return {**found.data(), "path": [step for step, _ in min(found.rows, key=cost).forward.steps]}


TOOLS: dict[str, Callable[..., Any]] = {
    "derive": derive, "check": check, "hessian": hessian, "einsum-path": einsum_path,
}  # fmt: skip


def cost(row: Row) -> tuple[int, int]:
    return row.forward.flops or 0, row.forward.peak or 0


def program_of(text: str) -> Program:
    program = Program(text)
    if not program.equations:
        raise NotationError("there is no equation", text=text, repair='write one, "Z[i,j] = X[i,K] W[K,j]"')
    return program


def answer(program: Program, derived: Iterable[term.Equation]) -> Derived:
    equations = list(derived)
    given = [reading(e) for e in program] + [f"assume {assumption}" for assumption in program.assumptions]
    return {
        "program": "\n".join(given),
        "derived": "\n".join(map(str, equations)),
        "latex": [latex(e) for e in equations],
        "einsum": [str(einsum(e)) for e in equations],
    }


def allowed(text: str, seconds: float) -> AbstractContextManager[None]:
    """What is worked out for a text of bounded length takes no longer."""
    bounded(text, seconds)
    return effort(UNLIMITED, seconds)


def bounded(text: str, seconds: float | None) -> None:
    if len(text) > LETTERS:
        raise ArgumentError(f"a text of {len(text):,} letters, of at most {LETTERS:,}", repair="give it in parts")
    if seconds is not None and not 0 < seconds <= MOST:
        said = f"seconds are a positive number of at most {MOST:g}, not {shown(seconds)}"
        raise ArgumentError(said, repair=f"seconds={MOST:g}")


# ---- the server ------------------------------------------------------------------------------------------------------


def run(options: argparse.Namespace, console: Console) -> int:
    server().run("stdio")
    return 0


def server() -> Any:
    """The tools as a server of the protocol, an ``MCPServer``."""
    try:
        from mcp.server import MCPServer
        from mcp.types import ToolAnnotations
    except ImportError as error:
        raise DataError(
            "einstan mcp needs the SDK of the Model Context Protocol, mcp 2 or newer, which is not installed",
            repair="pip install 'einstan[mcp]'",
        ) from error
    made = MCPServer("einstan", instructions=NOTATION, version=einstan.__version__, log_level="ERROR")
    harmless = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
    for name, tool in TOOLS.items():
        made.add_tool(in_words(tool), name, annotations=harmless)
    return made


def in_words(tool: Callable[..., Any]) -> Callable[..., Any]:
    """The tool, whose errors are what a person is told, and no crash."""
    from mcp.server.mcpserver.exceptions import ToolError

    @wraps(tool)
    def told(*given: Any, **named: Any) -> Any:
        try:
            return tool(*given, **named)
        except EinstanError as problem:
            raise ToolError(str(problem)) from problem
        except RecursionError as problem:
            raise ToolError(TOO_DEEP) from problem
        except MemoryError as problem:
            raise ToolError(NO_MEMORY) from problem

    return told
