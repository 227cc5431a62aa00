"""``es.check(text)``: a document of definitions and claims, judged line by line."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from os import PathLike
from textwrap import dedent
from typing import Any

from einstan.language import parse_document, reading
from einstan.language.arguments import ArgumentError, checked, shown
from einstan.language.collecting import collecting_seldom
from einstan.language.effort import LETTER, QUESTION, UNLIMITED, EffortError, effort
from einstan.language.errors import ClaimError, EinstanError
from einstan.language.functions import FUNCTIONS
from einstan.language.guesses import Guessed
from einstan.language.matrices import LATEX, Spelling, as_matrices
from einstan.language.scope import parse_expression
from einstan.language.show import read_as
from einstan.language.stated import read_statements
from einstan.language.statement import Claim, Convention, Document, Statement, unreadable
from einstan.language.term import Equation
from einstan.library.alike import Alike, Setting
from einstan.library.claims import STEPS
from einstan.library.judgements import Outcome
from einstan.library.live import Live
from einstan.library.part import Part, chosen_partial
from einstan.library.remembered import Remembered
from einstan.library.slips import Slips, Unread, misspelled
from einstan.machine.evidence.verify import compare

MARKS = {"proved": "✓", "verified": "✓", "kink": "≈", "refuted": "✗", "undecided": "?", "unreadable": "!"}
SELDOM = ("kink", "unreadable")  # of which a report speaks only where there are some
SAID = {"kink": "equal but at kinks"}
SECONDS = 3  # of the processor for a claim, beside its steps: which are few where each takes long
LEAST = 1 / 64  # of all that, for the next claim after many that were given up
SCHEMA = 1  # of the reports as JSON
EVIDENCE = {
    "proved": "proof",
    "verified": "numbers",
    "kink": "numbers",
}  # of a refuted claim: a counterexample or a proof
NOT_EXPRESSIBLE = "not expressible: "


@dataclass(frozen=True)
class Line:
    """A statement, and for a claim what became of it.

    Examples:
        >>> line = es.check("y = x^2\\ndy/dx = x").claims[0]
        >>> line.number, line.mark, line.holds, line.problem, line.reading, line.without
        (2, '✗', False, '', '', ())
        >>> print(*line.details(), sep="\\n")
        left:          2 x
        right:         x
        left - right:  x
        left is 2 times right
        for example:   x = 1
                       left 2, right 1
    """

    statement: Statement
    outcome: Outcome | None = None
    unread: tuple[int, ...] = ()  # the lines of assumptions that it would have, and that cannot be read
    formula: str = ""  # of a paper, as it is typed there
    display: int = 0  # the number of the displayed formula that it is in
    axes: tuple[str, ...] | None = None  # of a formula without indices: the letters that its axes have here
    row: bool = False  # whether its one axis is that of a row

    @property
    def number(self) -> int:
        """The number of the line, counted from 1.

        Examples:
            >>> report = es.check("y = x^2\\ndy/dx = 2 x\\nclaim y = 2 x")
            >>> [line.number for line in report.lines]
            [1, 2, 3]
        """
        return self.statement.line

    @property
    def mark(self) -> str:
        """The sign of the verdict, ✓ or ✗ among them; empty where nothing is judged.

        Examples:
            >>> report = es.check("y = x^2\\ndy/dx = 2 x\\nclaim y = 2 x")
            >>> [line.mark for line in report.lines]
            ['', '✓', '✗']
        """
        return MARKS[self.outcome.verdict] if self.outcome else ""

    @property
    def holds(self) -> bool:
        """Whether a claim is true, or refuted where the document says that it is wrong; other lines hold.  One that is
        true but at a kink is neither without the other, and its note says which is where.

        Examples:
            >>> report = es.check("y = x^2\\ndy/dx = 2 x\\nclaim y = 2 x")
            >>> [line.holds for line in report.claims]
            [True, False]
        """
        if self.outcome is None:
            return True
        wanted = ("refuted", "kink") if self.statement.kind == "refute" else ("proved", "verified", "kink")
        return self.outcome.verdict in wanted

    @property
    def problem(self) -> str:
        """What is wrong with a line that cannot be read.

        Examples:
            >>> print(es.check("y = x^").lines[0].problem)
            the equation ends too early
        """
        return self.statement.error.problem if self.statement.error is not None else ""

    @property
    def reading(self) -> str:
        """The statement with every sum written out, where one may ask for the place of a sum."""
        match self.statement.content:
            case Equation() as equation:
                return read_as(equation)
            case Claim() as claim:
                return claim.read_as
        return ""

    def matrices(self, spelling: Spelling = LATEX) -> str:
        """The statement without indices, typeset, where its formula came so and is one of matrices; else nothing.

        Examples:
            >>> paper = es.check_paper("% einstan: given x[k], W[j,k]\\n$$ z = W x $$")
            >>> print(paper.lines[0].matrices())
            \\mathbf{z} = \\mathbf{W} \\mathbf{x}
        """
        return "" if self.axes is None else as_matrices(self.statement.content, self.axes, self.row, spelling)

    def __str__(self) -> str:
        if self.outcome is None:
            shown = self.statement.code if self.formula else self.reading
            said = {"given": "given", "assume": "assumed"}.get(self.statement.kind, "defined")
            word = said if self.formula else "read as"
            return f"{self.number:4}    {word:9} {shown}"
        code = self.statement.code
        comment = f"  # {self.statement.comment}" if self.statement.comment else ""
        word = self.outcome.verdict
        lines = [f"{self.number:4}  {self.mark} {word:{max(9, len(word))}} {code}{comment}"]
        if not self.holds:
            wanted = "it was expected to be wrong" if self.statement.kind == "refute" else ""
            lines += [f"{'':18}{wanted}"] if wanted else []
        return "\n".join(lines + [f"{'':18}{detail}" for detail in self.details()])

    def details(self) -> list[str]:
        """What a report says below a claim that is not proved; of one that does not hold, also which assumptions could
        not be read.

        Examples:
            >>> report = es.check("y = x^2\\ndy/dx = 2 x\\nclaim y = 2 x")
            >>> print(*report.lines[2].details(), sep="\\n")
            left:          y
            right:         2 x
            left - right:  y - 2 x
            for example:   x = 1
                           left 1, right 2
        """
        typed = [f"as typed:      {self.formula}"] if self.formula and self.mark in "✗?≈!" else []
        typed = typed if self.formula != self.statement.text else []
        judged = [f"judged without line {n}, an assumption that cannot be read" for n in self.without]
        return [*typed, *self._details(), *judged]

    @property
    def without(self) -> tuple[int, ...]:
        """The lines of the assumptions that may be what is lacking here, and that cannot be read."""
        return self.unread if self.outcome and self.outcome.verdict in ("refuted", "undecided", "kink") else ()

    def _details(self) -> list[str]:
        outcome = self.outcome
        if outcome is None:
            return []
        if outcome.verdict == "unreadable":
            return outcome.reason.splitlines()
        read = [f"read as:       {self.reading}"] if self.reading else []
        if outcome.verdict == "proved":
            return read
        if outcome.verdict in ("undecided", "verified"):
            return [*read, outcome.reason]
        if outcome.verdict == "kink":
            return [*read, outcome.reason, *_example(outcome)]
        found = [*read, f"left:          {outcome.left}", f"right:         {outcome.right}"]
        difference = " + ".join(outcome.difference).replace(" + -", " - ")
        found += [f"left - right:  {difference}"] if difference else []
        found += [said for said in (outcome.reason, outcome.slip) if said]
        found += [f"{'' if k else 'it holds if:':14} {line}" for k, line in enumerate(outcome.under)]
        return found + _example(outcome)


def _example(outcome: Outcome) -> list[str]:
    lines = str(outcome.counterexample or "").splitlines()
    return [f"{'for example:' if k == 0 else '':14} {text}" for k, text in enumerate(lines)]


@dataclass(frozen=True)
class Report(Guessed):
    """The lines of a document with their outcomes.  It is true where every claim holds.

    Examples:
        >>> report = es.check("y = x^2\\ndy/dx = 2 x\\ndy/dx = x")
        >>> report.ok, report.counts, [claim.mark for claim in report.claims]
        (False, {'proved': 1, 'verified': 0, 'refuted': 1, 'undecided': 0}, ['✓', '✗'])
        >>> report.definitions, report.displays, report.not_expressible
        (1, {}, ())
        >>> print(report.summary())
        2 claims: 1 proved, 1 refuted; line 3 should not be so
        >>> report.json()["schema"], report.latex().splitlines()[0], report.html().splitlines()[0]
        (1, '\\\\documentclass{article}', '<!doctype html>')
    """

    lines: tuple[Line, ...]
    name: str = ""

    @property
    def claims(self) -> tuple[Line, ...]:
        """The lines that are judged.

        Examples:
            >>> report = es.check("y = x^2\\ndy/dx = 2 x\\nclaim y = 2 x")
            >>> [line.mark for line in report.claims]
            ['✓', '✗']
        """
        return tuple(line for line in self.lines if line.outcome is not None and not line.problem)

    @property
    def ok(self) -> bool:
        """Whether every claim holds and every line can be read.

        Examples:
            >>> report = es.check("y = x^2\\ndy/dx = 2 x\\nclaim y = 2 x")
            >>> report.ok
            False
        """
        return all(line.holds for line in self.lines)

    def __bool__(self) -> bool:
        return self.ok

    @property
    def counts(self) -> dict[str, int]:
        """How many claims are proved, verified, refuted, undecided, and if there are any, true but at a kink; and how
        many lines cannot be read.

        Examples:
            >>> report = es.check("y = x^2\\ndy/dx = 2 x\\nclaim y = 2 x")
            >>> report.counts
            {'proved': 1, 'verified': 0, 'refuted': 1, 'undecided': 0}
        """
        found = Counter(line.outcome.verdict for line in self.lines if line.outcome)
        return {verdict: found[verdict] for verdict in MARKS if verdict not in SELDOM or found[verdict]}

    @property
    def not_expressible(self) -> tuple[str, ...]:
        """The formulas that the document says it leaves out, each with its reason."""
        comments = [line.statement.comment for line in self.lines if line.statement.kind == "note"]
        return tuple(c.removeprefix(NOT_EXPRESSIBLE) for c in comments if c.startswith(NOT_EXPRESSIBLE))

    @property
    def definitions(self) -> int:
        """How many lines define a tensor.

        Examples:
            >>> report = es.check("y = x^2\\ndy/dx = 2 x\\nclaim y = 2 x")
            >>> report.definitions
            1
        """
        return sum(line.statement.kind in ("equation", "given") for line in self.lines)

    @property
    def displays(self) -> dict[str, int]:
        """Of a paper, how many displayed formulas are read, read in part, and not read; nothing of a document."""
        found: dict[int, set[bool]] = {}
        for line in self.lines:
            if line.display:
                found.setdefault(line.display, set()).add(line.outcome is None or line.outcome.verdict != "unreadable")
        kinds = Counter("partly" if len(read) > 1 else "read" if True in read else "unread" for read in found.values())
        return {kind: kinds[kind] for kind in ("read", "partly", "unread")} if found else {}

    def summary(self) -> str:
        """The last line of the printed report.

        Examples:
            >>> report = es.check("y = x^2\\ndy/dx = 2 x\\nclaim y = 2 x")
            >>> report.summary()
            '2 claims: 1 proved, 1 refuted; line 3 should not be so'
        """
        total = len(self.claims)
        expected = sum(line.holds and line.statement.kind == "refute" for line in self.claims)
        parts = [f"{count} {SAID.get(verdict, verdict)}" for verdict, count in self.counts.items() if count]
        text = f"{total} claim{'s' * (total != 1)}: {', '.join(parts)}" if total else "no claims"
        if expected:
            text += f" ({expected} as expected)"
        if displays := self.displays:
            read, partly, unread = displays.values()
            text += f"; {read + partly + unread} displays: {read} read, {partly} in part, {unread} not"
        failing = [str(line.number) for line in self.lines if not line.holds]
        return text + (f"; line{'s' * (len(failing) > 1)} {', '.join(failing)} should not be so" if failing else "")

    def __str__(self) -> str:
        head = [f"{self.name}"] if self.name else []
        said = (line for line in self.lines if line.outcome is not None or line.reading or line.formula)
        return "\n".join([*head, *map(str, said), self.summary()])

    def __repr__(self) -> str:
        return str(self)  # what a console is asked for

    def json(self) -> dict[str, Any]:
        """The report as plain data: the schema is in docs/papers.md, and its number changes with it.

        Examples:
            >>> report = es.check("y = x^2\\ndy/dx = 2 x\\nclaim y = 2 x")
            >>> report.json()["ok"]
            False
        """
        return {
            "schema": SCHEMA, "name": self.name, "ok": self.ok, "counts": self.counts, "displays": self.displays,
            "lines": [_json(line) for line in self.lines], "not_expressible": list(self.not_expressible),
        }  # fmt: skip

    def latex(self) -> str:
        """A document of LaTeX with every line typeset.

        Examples:
            >>> report = es.check("y = x^2\\ndy/dx = 2 x\\nclaim y = 2 x")
            >>> report.latex().splitlines()[0]
            '\\\\documentclass{article}'
        """
        from einstan.library.report_latex import document

        return document([self])

    def html(self) -> str:
        """One page, typeset in MathML, that needs no network.

        Examples:
            >>> report = es.check("y = x^2\\ndy/dx = 2 x\\nclaim y = 2 x")
            >>> report.html()[:15]
            '<!doctype html>'
        """
        from einstan.library.report_html import page

        return page([self])

    def _repr_html_(self) -> str:
        from einstan.library.report_html import body, style

        return f"<style>{style()}</style>{body(self)}"


@checked
def check(
    text: str,
    name: str = "",
    seconds: float | None = None,
    remember: str | PathLike[str] | None = None,
    progress: bool | None = None,
) -> Report:
    """Judge every claim of a document.

    A claim is a derivative (``dZ[n,j]/dX[m,p] = ...``, the total derivative through the definitions), a gradient
    (``claim dW[p,q] = ...``), or any equality of two expressions.  A line that begins with ``refute`` is expected to be
    wrong.  A line that cannot be read is a verdict of its own, and all others are judged without it.

    One claim takes at most ``seconds`` of the processor, else it is undecided.  Without them it is a fixed number of
    steps, three seconds or less, that decides, and less for each claim after one that was given up.

    ``remember`` names a file of verdicts: what is in it and rests on the same lines is not judged again, and what is
    judged is put there.  See `einstan.library.remembered`.

    ``progress``: True shows one line on a terminal or in a notebook, False never; None when it takes long.

    Examples:
        >>> print(es.check("Z[n,j] = X[n,K] W[K,j]\\ndZ[n,j]/dW[p,q] = 2 X[n,p] δ[j,q]"))
           2  ✗ refuted   dZ[n,j]/dW[p,q] = 2 X[n,p] δ[j,q]
                          left:          X[n,p] δ[j,q]
                          right:         2 X[n,p] δ[j,q]
                          left - right:  -δ[j,q] X[n,p]
                          right is 2 times left
                          for example:   X = [[1]]
                                         at n = 0, j = 0, p = 0, q = 0: left 1, right 2
        1 claim: 1 refuted; line 2 should not be so
    """
    if seconds is not None and not seconds > 0:
        raise ArgumentError(f"seconds are a positive number, not {shown(seconds)}", repair="seconds=10")
    return Report(tuple(judged_lines(dedent(text), seconds, remember, progress)), name)


def judged_lines(
    text: str | Sequence[tuple[int, str, str]],
    seconds: float | None,
    remember: str | PathLike[str] | None = None,
    progress: bool | None = None,
) -> list[Line]:
    """The lines of a document, which is a text or has been parted into lines already, with their outcomes."""
    lines: list[Line] = []
    memory = None if remember is None else Remembered(remember, seconds)
    known, allowance = Alike(), Allowance(seconds)
    letters = len(text) if isinstance(text, str) else sum(len(code) for _, code, _ in text)
    with collecting_seldom(), effort(max(QUESTION, LETTER * letters), apart=True):
        read = read_statements if memory is None else memory.read
        parts = parse_document(text, forgiving=True, read=read).parts
        with Live(progress, sum(len(part.statements) for part in parts)) as live:
            for part in parts:
                for line in _checked(part, known, allowance, memory):
                    lines.append(line)
                    live.tell(f"line {line.number}", len(lines))
    if memory is not None:
        memory.save()
    return lines


@dataclass
class Allowance:
    """What the next claim of a document may take: a quarter after each that was given up, so that what a document
    takes does not grow with the number of those; or as many seconds as are asked for."""

    seconds: float | None
    given_up: int = 0

    def question(self) -> AbstractContextManager[None]:
        if self.seconds is not None:
            return effort(UNLIMITED, self.seconds, apart=True)
        share = max(0.25**self.given_up, LEAST)
        return effort(STEPS * share, SECONDS * share, apart=True)

    def spent_on(self, kind: str, claim: Claim, part: Part, setting: Setting, known: Alike) -> Outcome:
        """What becomes of a claim."""
        outcome: Outcome | None = None
        try:
            with self.question():
                outcome = known.judge(claim, part, setting)
                if outcome.verdict == "refuted" and kind == "claim" and not outcome.reason:
                    outcome = replace(outcome, under=known.under(claim, part, setting))
        except EffortError as error:
            self.given_up += 1
            outcome = outcome or Outcome("undecided", error.problem)
        except ArithmeticError as error:  # of the digits of one claim, which take no other along
            outcome = outcome or Outcome("undecided", str(error))
        return outcome


def _checked(document: Document, known: Alike, allowance: Allowance, memory: Remembered | None) -> Iterable[Line]:
    slip = misspelled(document)
    document = Document(tuple(unreadable(s, slip[s.line]) if s.line in slip else s for s in document.statements))
    document, part = _readable(document)
    setting, slips, unread = Setting(document), Slips(document, part), Unread(document)
    resting = memory.part(document) if memory is not None else None
    for statement in document.statements:
        content, outcome = statement.content, None
        if statement.error is not None:
            outcome = Outcome("unreadable", str(statement.error))
        elif isinstance(content, Claim) and statement.kind in ("claim", "refute"):
            asked = unread.of(statement) or slips.of(statement)
            outcome = Outcome("undecided", asked) if asked else None
            if outcome is None and memory is not None and resting is not None:
                outcome = memory.get(resting, statement)
            if outcome is None:
                outcome = allowance.spent_on(statement.kind, content, part, setting, known)
                if memory is not None and resting is not None:
                    memory.put(resting, statement, outcome)
            if outcome.verdict == "refuted" and statement.kind == "claim" and (asked := slips.meant(statement, part)):
                outcome = Outcome("undecided", asked)
        yield Line(statement, outcome, unread.assumed)


def _readable(document: Document) -> tuple[Document, Part]:
    """The part as a program, without the statements that do not go together with those above them."""
    statements, chosen = list(document.statements), set()
    for place, statement in enumerate(statements):
        if isinstance(statement.content, Convention):
            try:
                if statement.content.function in chosen:
                    said = f"there is a convention for {statement.content.function}' above"
                    raise ClaimError(said, text=statement.text, repair="keep one of them")
                chosen.add(statement.content.function)
                _check_convention(statement, statement.content)
            except EinstanError as error:
                statements[place] = unreadable(statement, error)
    while True:
        try:
            return Document(tuple(statements)), Part(Document(tuple(statements)))
        except EinstanError:
            place = bisect_left(range(len(statements)), True, key=lambda k: _fails(statements[: k + 1]) is not None)
            found = _fails(statements[: place + 1])
            if found is None:
                raise
            statements[place] = unreadable(statements[place], found)


def _fails(statements: Sequence[Statement]) -> EinstanError | None:
    try:
        Part(Document(tuple(statements)))
    except EinstanError as error:
        return error
    return None


def _check_convention(statement: Statement, convention: Convention) -> None:
    """A convention may choose a value where there is no derivative, and nowhere else."""
    (parameter,) = FUNCTIONS[convention.function].parameters
    derived = FUNCTIONS[convention.function].partials[0]
    chosen = chosen_partial(convention)
    try:
        agree = compare(parse_expression(f"{derived} + 0 {parameter}"), parse_expression(f"{chosen} + 0 {parameter}"))
    except EinstanError as error:
        raise error from None
    if not (agree or agree.isolated):
        problem = ClaimError(
            "a convention agrees with the derivative wherever there is one", text=statement.text,
            inferred=f"{convention.function}'({parameter}) = {derived}",
        )  # fmt: skip
        raise problem


def _evidence(outcome: Outcome) -> str:
    """What a verdict rests on: a ``proof``, ``numbers``, a ``counterexample``, or nothing."""
    if outcome.verdict == "refuted":
        return "counterexample" if outcome.counterexample is not None else "proof"
    return EVIDENCE.get(outcome.verdict, "")


def _json(line: Line) -> dict[str, Any]:
    statement, outcome = line.statement, line.outcome
    found: dict[str, Any] = {"line": statement.line, "kind": statement.kind, "text": statement.text}
    if statement.comment:
        found["comment"] = statement.comment
    if line.formula:
        found |= {"formula": line.formula, "display": line.display}
    if isinstance(statement.content, Equation):
        found["reading"] = reading(statement.content)
    elif isinstance(statement.content, Claim):
        found["reading"] = statement.content.written(reading)
    if statement.error is not None:
        found["problem"] = statement.error.problem
        found["repair"] = [repair for repair in statement.error.repair if repair]
    if outcome is not None:
        found |= {"verdict": outcome.verdict, "holds": line.holds}
        if evidence := _evidence(outcome):
            found["evidence"] = evidence
        if outcome.left:
            found |= {"left": outcome.left, "right": outcome.right}
        if outcome.reason:
            found["how" if outcome.verdict == "proved" else "reason"] = outcome.reason
        if outcome.verdict == "verified":
            found |= {"points": outcome.points, "arithmetic": outcome.arithmetic}
        if line.without:
            found["judged_without_lines"] = list(line.without)
        if outcome.slip:
            found["slip"] = outcome.slip
        if outcome.under:
            found["holds_if"] = list(outcome.under)
        if outcome.difference:
            found["difference"] = list(outcome.difference)
        if outcome.counterexample is not None:
            example = outcome.counterexample
            found["counterexample"] = {
                "sizes": dict(example.sizes), "arrays": dict(example.arrays), "at": dict(example.at),
                "left": example.left, "right": example.right,
            }  # fmt: skip
    return found
