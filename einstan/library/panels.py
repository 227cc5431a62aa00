"""What a page shows of a text, panel by panel, as plain data: for a browser that runs this package by itself.

Examples:
    >>> found = answer("backward", {"text": "L = 1/2 x[N]^2"})
    >>> found["shown"]["equations"]
    [{'text': 'dx[n] = x[n]', 'latex': '\\\\mathrm{dx}_{n} = x_{n}'}]

Of a text of several parts the first that defines something is shown; every part is checked.  What is wrong in a text is
part of the answer, with its place in the text, in the words that a person is told everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from einstan.language import latex, parse_document, reading, sums_inside, term
from einstan.language.effort import UNLIMITED, effort
from einstan.language.errors import EinstanError, NotationError
from einstan.language.index import lowered
from einstan.language.statement import Document
from einstan.library.api import Program
from einstan.library.statement_latex import typeset
from einstan.machine.sizes.extents import indices_of
from einstan.machine.sizes.guards import index_tensors

SECONDS = 20.0  # for a panel
LOOKS = ("good", "open", "bad")
LINE = re.compile(r"line (\d+): ")
Shown = dict[str, Any]

if TYPE_CHECKING:
    from einstan.library.check import Line


def answer(panel: str, given: Mapping[str, Any]) -> Shown:
    """``{"shown": ...}``, or ``{"error": ...}`` with its place, or ``{"missing": "numpy"}`` where that is not there."""
    try:
        with effort(UNLIMITED, SECONDS):
            return {"shown": PANELS[panel](**given)}
    except EinstanError as error:
        return {"error": told(error, str(given.get("text", "")))}
    except ModuleNotFoundError as error:
        return {"missing": error.name}
    except RecursionError:
        return {"error": told(NotationError("nested too deep", repair="name a part of it: an equation each"), "")}


def answer_json(panel: str, given: str) -> str:
    """The same from JSON to JSON."""
    return json.dumps(answer(panel, json.loads(given)), ensure_ascii=False)


# ---- the panels ------------------------------------------------------------------------------------------------------


def read(text: str) -> Shown:
    """The lines as they are read and typeset, what is wrong with them, and the names that can be asked about."""
    document = parse_document(text, forgiving=True)
    refused = {id(s.error): s for s in reversed(document.statements)}.values()  # one of two lines is told once
    errors = [told(s.error, text, s.line) for s in reversed(refused) if s.error is not None]
    program = Program(())
    if not errors:
        try:
            program = program_of(text)
        except EinstanError as error:
            errors = [told(error, text)]
    lines = []
    for statement in document.statements:
        if statement.error is None and statement.kind not in ("rule", "note"):
            content = statement.content
            read_as = reading(content) if isinstance(content, term.Equation) and sums_inside(content) else ""
            lines.append({
                "line": statement.line, "kind": statement.kind, "latex": typeset(statement), "text": str(content),
                "reading": read_as, "comment": statement.comment,
            })  # fmt: skip
    return {"lines": lines, "errors": errors, "letters": letters_of(program), **names_of(program)}


def partials(text: str, of: str = "") -> Shown:
    """The partial-derivative tensors of a tensor, through all equations between, each with its einsum strings."""
    from einstan.library.einsum import einsum

    program, name = asked(text, of)
    wrt = reached(program, name)
    found = [equation for other in wrt for equation in program.partial(name, other)]
    return {"of": name, "equations": [shown(e) | {"einsum": str(einsum(e))} for e in found]}


def backward(text: str, of: str = "", wrt: Iterable[str] = ()) -> Shown:
    """The backward pass of a scalar; of a tensor with indices that for a cotangent of it, which is given."""
    program, name = asked(text, of)
    return {"of": name, "given": given_of(program, name), "equations": [*map(shown, passed(program, name, wrt))]}


def derivation(text: str, of: str = "", wrt: str = "") -> Shown:
    """The steps to one derivative, as on paper: rows of a left side, a right side and a reason, chain after chain."""
    program, name = asked(text, of)
    wrt = wrt or reached(program, name)[-1]
    chains = [
        [{"left": latex(s.equation.lhs), "right": right_side(s.equation), "text": str(s.equation), "reason": s.reason}
         for s in chain]
        for part in program.derivation(name, wrt) for chain in part.chains
    ]  # fmt: skip
    return {"of": name, "wrt": wrt, "chains": chains}


def steps(text: str, of: str = "", wrt: str = "") -> Shown:
    """How each row of a derivation follows from the one before: ``proved``, ``verified`` by numbers, or neither."""
    program, name = asked(text, of)
    found = program.derivation(name, wrt or reached(program, name)[-1])
    proofs = iter(found.check())
    words = ("proved" if proof.proved else "verified" if proof else "" for proof in proofs)
    return {"holds": [[None, *(next(words) for _ in chain[1:])] for part in found for chain in part.chains]}


def verdicts(text: str) -> Shown:
    """The report of the checker, with every line typeset; and for each line of the text the mark of the worst that it
    claims, since a chain claims several things."""
    from einstan.library.check import check

    report = check(text, progress=False)
    lines: list[Shown] = []
    marks: dict[int, Shown] = {}
    for line, data in zip(report.lines, report.json()["lines"], strict=True):
        if line.statement.kind in ("note", "rule"):
            continue
        readable = line.statement.error is None
        lines.append({**data, "mark": line.mark, "details": line.details(), "look": look(line),
                      "latex": typeset(line.statement) if readable else ""})  # fmt: skip
        if line.outcome is not None:
            worst = marks.get(line.number)
            if worst is None or LOOKS.index(look(line)) > LOOKS.index(worst["look"]):
                marks[line.number] = {"mark": line.mark, "look": look(line)}
    return {"ok": report.ok, "counts": report.counts, "summary": report.summary(), "lines": lines, "marks": marks}


def look(line: Line) -> str:
    """How a verdict looks: good where it is what the text says, and so is a ``refute`` that is refuted."""
    verdict = line.outcome.verdict if line.outcome is not None else ""
    if verdict in ("undecided", "kink"):
        return "open"
    return "good" if line.holds and verdict != "unreadable" else "bad"


def graph(text: str, of: str = "", backwards: bool = False) -> Shown:
    """The computation graph as a text for Graphviz, and in words."""
    from einstan.library.dot import dot
    from einstan.library.graph import graph as graph_of

    program, name = asked(text, of)
    scalar = not program[name].indices
    drawn = graph_of(program, (), name if backwards and scalar else None)
    words = [f"{e.source} → {e.target}" for e in drawn.edges if not e.backward]
    return {"dot": dot(drawn), "words": words, "scalar": scalar}


def source(text: str, of: str = "", target: str = "numpy", what: str = "backward") -> Shown:
    """Source code for NumPy, ``torch`` or ``jax``: of the ``forward`` pass, of the ``backward`` pass with what it needs
    of the forward one, or a ``function`` of that library with its derived derivatives."""
    program, name = asked(text, of)
    if what == "forward":
        code = program.source(target=target, outputs=[name])
    elif what == "function":
        code = program.source(target=target, outputs=name, autograd=True)
    else:
        code = passed(program, name).source(target=target)
    plain = target == "torch" and find_spec("numpy") is None
    return {"code": code, "note": "PyTorch's own kernels are looked for with NumPy, which is not here" if plain else ""}


def paths(text: str, of: str = "", sizes: str = "") -> Shown:
    """Contraction orders of the equation of a tensor for some sizes: a row for each optimizer; and the plan of all
    equations with the backward pass."""
    from einstan.library.comparison import compare
    from einstan.library.stated_sizes import known, sizes_of

    program, name = asked(text, of)
    equation, given = program[name], sizes_of(sizes)
    alone, whole = Program((equation,)), passed(program, name)
    found = compare(equation, known(of_these(given, alone), letters_of(alone), str(equation)), run=False)
    return {**found.data(), "plan": str(whole.plan(of_these(given, whole)))}


PANELS: dict[str, Callable[..., Shown]] = {
    "read": read, "partials": partials, "backward": backward, "derivation": derivation, "steps": steps,
    "verdicts": verdicts, "graph": graph, "source": source, "paths": paths,
}  # fmt: skip


# ---- what they ask ---------------------------------------------------------------------------------------------------


def program_of(text: str) -> Program:
    """The first part that defines something, as a program, without its claims."""
    parts = parse_document(text).parts
    part = next((part for part in parts if part.equations), Document(()))
    return Program(part.equations, part.assumptions)


def asked(text: str, of: str) -> tuple[Program, str]:
    """The program, and the tensor that is asked about: where none is named the last scalar, or the last tensor."""
    program = program_of(text)
    if not program.equations:
        raise NotationError("there is no equation", text=text, repair="Z[n,j] = X[n,K] W[K,j] + b[j]")
    scalars = [e for e in program if not e.indices]
    name = of or str((scalars or program.equations)[-1].name)
    return program, str(program[name].name)


def reached(program: Program, name: str) -> list[str]:
    """The tensors that a tensor depends on, in the order in which they are read; those in slots are positions."""
    found: dict[str, None] = {}
    waiting = [name]
    positions = set(map(str, index_tensors(program.equations)))
    while waiting:
        for other in map(str, program.reads.get(waiting.pop(0), ())):
            if other not in found and other not in positions:
                found[other] = None
                waiting.append(other)
    if not found:
        raise NotationError(f"{name} reads no tensor", text=str(program[name]), repair="name one on the right side")
    return list(found)


def passed(program: Program, name: str, wrt: Iterable[str] = ()) -> Program:
    chosen = list(wrt) or None
    return program.vjp(name, chosen) if program[name].indices else program.backward(name, chosen)


def given_of(program: Program, name: str) -> str:
    """The cotangent that a pass starts from, where that is not 1."""
    return f"d{name}" if program[name].indices else ""


def names_of(program: Program) -> Shown:
    """The tensors that are defined, and for each those that it depends on."""
    tensors = {}
    for equation in program:
        try:
            wrt = reached(program, str(equation.name))
        except NotationError:
            wrt = []
        tensors[str(equation.name)] = {"scalar": not equation.indices, "wrt": wrt}
    return {"tensors": tensors}


def letters_of(program: Iterable[term.Equation]) -> list[str]:
    """The letters of indices, each of which has a size."""
    return list(dict.fromkeys(lowered(index.name) for equation in program for index in indices_of(equation)))


def of_these(sizes: dict[str, int], program: Program) -> dict[str, int]:
    """The sizes that are of letters of a program, or of axes of its tensors, W.0."""
    letters, tensors = letters_of(program.whole), {*map(str, program.whole.ranks), *map(str, program.whole.inputs)}
    return {key: n for key, n in sizes.items() if key.lower() in letters or key.rpartition(".")[0] in tensors}


def shown(equation: term.Equation) -> Shown:
    return {"text": str(equation), "latex": latex(equation, sums=True)}


def right_side(equation: term.Equation) -> str:
    return latex(equation, sums=True).split(" = ", 1)[1]


# ---- errors ----------------------------------------------------------------------------------------------------------


def told(error: EinstanError, text: str, line: int = 0) -> Shown:
    """An error with its place in a text, from a letter to the one behind: of what it underlines, or of its line; and
    with each repair, of several readings too, that can be put in the place of what it is about."""
    if not line and (found := LINE.match(error.problem)):
        line = int(found[1])
    begin, end = place(error.text, text, line)
    start, stop = error.span if error.span is not None and text[begin:end] == error.text else (0, end - begin)
    pastes = [x for x in error.repair if stands_alone(x)] if text[begin:end] == error.text else []
    return {
        "problem": LINE.sub("", error.problem), "report": LINE.sub("", str(error), count=1), "line": line,
        "start": begin + start, "end": begin + max(stop, start + 1), "from": begin, "to": end, "pastes": pastes,
    }  # fmt: skip


def place(part: str, text: str, line: int) -> tuple[int, int]:
    """Where a part stands in a text, at its line or below, or in the lines that end there; else that line."""
    begin = sum(len(x) + 1 for x in text.split("\n")[: line - 1]) if line else 0
    for at in (text.find(part, begin), text.rfind(part, 0, begin + len(part)) if "\n" in part else -1):
        if part and at >= 0:
            return at, at + len(part)
    return begin, begin + len(text[begin:].partition("\n")[0] if line else "")


def stands_alone(repair: str) -> bool:
    """Whether a repair is a line that can be read, and no advice."""
    try:
        return any(s.content is not None for s in parse_document(repair).statements)
    except EinstanError:
        return False
