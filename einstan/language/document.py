"""Documents: lines of equations, claims and assumptions, with comments.

    Z[n,j] = X[n,K] W[K,j]              # an equation
    dZ[n,j]/dX[m,p] = δ[n,m] W[p,j]     # a derivative on the left is a claim
    claim A[i,K] B[K,j] = C[i,j]        # so is a line that says so
    refute dZ[n,j]/db[q] = δ[n,q]       # a claim that is expected to be wrong
    assume sum[J](Y[n,J]) = 1           # what may be used
    assume x[i] > 0                     # so is a comparison: 1[x[i] > 0] = 1
    given S(Z[N,J])                     # S is any differentiable function of Z, without a formula
    convention relu'(x) = 1[x >= 0]     # another partial where a function has no derivative
    ---                                 # a new part, with definitions of its own
    dL/dx[i] = g[J] A[J,i] = b[i]       # a chain claims each of its steps
    dW[p,j] = X[N,p] dZ[N,j]            # a claim too, where a scalar rests on W: its gradient

A word may begin with a capital and end with a colon or a point.  A statement goes on where the next line is indented,
and while a bracket is open, unless the next line is an equation by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from textwrap import dedent

from einstan.language.cursor import Cursor
from einstan.language.dims import localised
from einstan.language.errors import EinstanError, NotationError, ProgramError, ScopeError
from einstan.language.functions import FUNCTIONS, SPELLINGS
from einstan.language.index import Affine, Index, names_in
from einstan.language.layers import layered, refused_layers
from einstan.language.letters import normal, refuse_lowered
from einstan.language.node import holds, preorder
from einstan.language.numbering import LONGEST, labelled, numbered
from einstan.language.refusals import two_meanings
from einstan.language.remarks import led, quantified, remarked, said
from einstan.language.scope import bind_equation, parse_expression, parse_relation, with_left_read
from einstan.language.show import show
from einstan.language.signs import OPERATIONS
from einstan.language.spoken import unknown_extents
from einstan.language.surface import Ref, Relation, looks_like_derivative, only_part, walk
from einstan.language.syntax import read_expression, read_relation
from einstan.language.term import RELATIONS, Equation, Expr, Extent, Indexed, Mul, Name, Partial, Position, Sum, tensors

WORDS = ("claim", "refute", "assume", "given", "convention")
_WORD = re.compile(rf"({'|'.join(WORDS)})(?:\s*:\s*|\.\s+|\s+)", re.IGNORECASE)
_INDENTED = re.compile(rf"\s+{_WORD.pattern}(?=\S)", re.IGNORECASE)
_ALONE = re.compile(
    r"(?<=[\w\])}|])\n\s+(?=(?:[^\W\d]\w*(?:\[[^\[\]=]*\])?(?:/[^\W\d]\w*(?:\[[^\[\]=]*\])?)?|\\frac\{[^=]*\})\s*=(?!=))"
)
_COMPARE = ("<", ">", "!", "≤", "≥", "≠", "\\")
_EQUATION = re.compile(r"[^\W\d][^=<>!]*\s=\s")
_DEFINED = re.compile(r"\s*(\w+)\s*=")
_NAME = re.compile(r"(?<![/\w.])(?<!/ )(?<!\}\{)[^\W\d_]\w*")  # what divides may be part of a derivative
_D = r"(?<!\w)d\w+(?:\[[^\[\]]*\])?"
_QUOTIENT = (
    re.compile(  # which may be a derivative, and tells nothing of numbers: d[i]/dx dy, df/(dx dy), \frac{df}{dx}
        rf"{_D}\s*/\s*(?:\((?:\s*{_D})+\s*\)|{_D}(?:\s+{_D}(?!\w|\s*[/(]))*)"
        r"|\\[dt]?frac\s*\{\s*d\w+\s*\}\s*\{(?:\s*(?:\\,)?\s*d\w+)+\s*\}"
    )
)
_ENVIRONMENT = re.compile(r"\\(begin|end)\{(aligned|align\*?|gathered|gather\*?|split|equation\*?)\}")
_SET_APART = re.compile(r"\s*(?:\$\$|\\\[|\\\])\s*")  # alone in a line, around formulas
_ROW = re.compile(r"\\\\(?:\[[^\]]*\])?[ \t]*")
_NO_FUNCTION = re.compile(r"(\w+) is not a (?:function|reduction)")
_GOES_ON = re.compile(r"(?:[+*/=×·⋅]|[-−–](?!\s*(?:claim|refute)\b)|&\s*=|\\cdot\b|\\times\b)(?!=)")
_RULE = re.compile(r"-{3,}")
_CONVENTION = re.compile(r"(\w+)'\s*\(([^()]*)\)\s*=\s*(.+)", re.DOTALL)


@dataclass(frozen=True)
class Claim:
    """``lhs = rhs`` for every value of the free indices of both sides, and the extents that the line states."""

    lhs: Expr
    rhs: Expr
    where: tuple[tuple[Index, Affine], ...] = ()

    @property
    def stated(self) -> list[tuple[Extent, Affine]]:
        """The extents that the line states, each letter once."""
        return [
            (Extent(index), form) for index, form in {index.name: (index, form) for index, form in self.where}.values()
        ]

    @property
    def equation(self) -> Equation | None:
        """The claim as a definition of its left side, where that is one tensor with plain slots, each index once."""
        if not isinstance(self.lhs, Indexed):
            return None
        indices = [slot.index for slot in self.lhs.slots]
        plain = tuple(index for index in indices if index is not None)
        if len(plain) < len(indices) or len({index.name for index in plain}) < len(plain):
            return None
        if any(index not in plain for index in self.rhs.free):
            return None
        return localised(Equation(self.lhs.tensor, plain, self.rhs, self.where))

    def __str__(self) -> str:
        if self.where and self.equation is not None:
            return str(self.equation)
        return self.written(show)

    def written(self, side: Callable[[Expr], str]) -> str:
        """The claim, each side in the words of a printer."""
        stated = ", ".join(f"{show(extent)} = {show(form)}" for extent, form in self.stated)
        return f"{side(self.lhs)} = {side(self.rhs)}{' where ' * bool(stated)}{stated}"


@dataclass(frozen=True)
class Given:
    """``given Z[i,j](X[i,K], b[j])``: Z[i,j] is some differentiable function of the entries named, and of no others.

    ``arguments`` are accesses: a small index is one of the function's own, a capital runs over its axis.  ``capitals``
    are the indices that do.
    """

    lhs: Indexed
    arguments: tuple[Indexed, ...]
    capitals: tuple[Index, ...]

    def __str__(self) -> str:
        return f"{show(self.lhs)}({', '.join(map(show, self.arguments))})"


@dataclass(frozen=True)
class Convention:
    """``convention relu'(x) = 1[x >= 0]``: the partial of a function of one argument, chosen where it has none."""

    function: str
    parameter: str
    partial: Expr

    def __str__(self) -> str:
        return f"{self.function}'({self.parameter}) = {show(self.partial)}"


@dataclass(frozen=True)
class Statement:
    """One statement: ``kind`` is ``equation``, one of `WORDS`, ``rule`` for the line between two parts, ``note`` for a
    line that has only a comment, or ``unreadable``, with the ``error``.

    ``line`` counts from 1; ``text`` is the source without its comment.
    """

    kind: str
    content: Equation | Claim | Given | Convention | None
    line: int
    text: str = ""
    comment: str = ""
    error: EinstanError | None = None

    @property
    def code(self) -> str:
        """The source in one line, without the word in front of it."""
        return " ".join(_WORD.sub("", self.text, count=1).split())

    def __str__(self) -> str:
        if self.error is not None:
            return self.text
        word = f"{self.kind} " if self.kind in WORDS else ""
        if self.kind == "claim" and isinstance(self.content, Claim) and _is_partial(self.content):
            word = ""
        if self.kind == "assume" and isinstance(self.content, Claim) and is_comparison(self.code):
            return _with_comment(f"assume {show(self.content.lhs)[2:-1]}", self.comment)
        code = f"{word}{self.content}" if self.content is not None else "---" if self.kind == "rule" else ""
        return _with_comment(code, self.comment)


def _with_comment(code: str, comment: str) -> str:
    comment = f"# {comment}" if comment else ""
    return f"{code}  {comment}" if code and comment else code or comment


@dataclass(frozen=True)
class Document:
    statements: tuple[Statement, ...]

    def __str__(self) -> str:
        return "\n".join(str(statement) for statement in self.statements)

    @property
    def equations(self) -> tuple[Equation, ...]:
        return tuple(s.content for s in self.statements if isinstance(s.content, Equation))

    @property
    def claims(self) -> tuple[Claim, ...]:
        return self._of_kind("claim")

    @property
    def assumptions(self) -> tuple[Claim, ...]:
        return self._of_kind("assume")

    @property
    def parts(self) -> tuple[Document, ...]:
        """The stretches between the rules.  What a part defines, assumes or is given holds in it alone."""
        found: list[list[Statement]] = [[]]
        for statement in self.statements:
            if statement.kind == "rule":
                found.append([])
            found[-1].append(statement)
        return tuple(Document(tuple(part)) for part in found)

    def _of_kind(self, kind: str) -> tuple[Claim, ...]:
        return tuple(s.content for s in self.statements if s.kind == kind and isinstance(s.content, Claim))


def parse_document(
    text: str, known: Collection[str] = (), gradients: bool = False, forgiving: bool = False
) -> Document:
    """The statements of a text.  Errors are those of its statements, with the line in front; where the reading is
    ``forgiving``, such a line is a statement that says so.

    With ``gradients`` equations may define them, ``dX`` where there is an X; whoever asks checks that they are what
    they are called (`collisions`).
    """
    statements: list[Statement] = []
    first: dict[str, Statement] = {}

    def refused(error: EinstanError, line: int, code: str, comment: str) -> None:
        if not forgiving:
            raise at_line(error, line) from None
        statements.append(Statement("unreadable", None, line, code, comment, error))

    lines = list(logical_lines(dedent(text.removeprefix("\ufeff"))))  # a byte-order mark, which some editors write
    if not text.isascii():  # letters of one line are compared with those of the others
        lines = list(_in_normal_form(lines, refused))
    layers = layered((code for _, code, _ in lines), known)
    told = [_QUOTIENT.sub(" ", code) for _, code, _ in lines]
    counts = Counter(name for code in told for name in _NAME.findall(code))
    names = {*known, *counts}
    names -= undeclared(names - set(known), [code for _, code, _ in lines])
    names -= {f"d{name}" for code in told for name in names_in(code) if name not in names}  # differentials
    for line, code, comment in lines:
        if not code:
            statements.append(Statement("note", None, line, "", comment))
            continue
        if _RULE.fullmatch(code):
            statements.append(Statement("rule", None, line, code, comment))
            first = {}
            continue
        try:
            if (error := beside(code, counts) or refused_layers(code, layers)) is not None:
                raise error
            for statement in read_statements(code, line, comment, names, first, ends=gradients):
                if isinstance(statement.content, Equation | Given):
                    statement = once_defined(statement, first, () if gradients else names)
                statements.append(statement)
        except EinstanError as error:
            refused(given_called(error, code, first), line, code, comment)
    document = Document(tuple(sorted(statements, key=lambda statement: statement.line)))
    if not gradients:
        claimed = {id(s): as_claim(s) for part in document.parts for s in claims_of_gradients(part, known)}
        document = Document(tuple(claimed.get(id(s), s) for s in document.statements))
    refused_later: dict[int, tuple[Statement, EinstanError]] = {}
    for part in document.parts:
        clashing = () if gradients else collisions(part, known)
        refused_later.update((id(s), (s, collided(s, part))) for s in clashing)
        refused_later.update((id(s), (s, problem)) for s, problem in defined_again(part))
        refused_later.update((id(s), (s, problem)) for s, problem in doubtful(part))
        refused_later.update((id(s), (s, problem)) for s, problem in speaking(part, known))
        refused_later.update((id(s), (s, problem)) for s, problem in of_other_rank(part))
    refused_later.update((id(s), (s, problem)) for s, problem in gone_on(document.statements))
    if refused_later and not forgiving:
        statement, problem = next(iter(refused_later.values()))
        raise at_line(problem, statement.line)
    later = {key: problem for key, (_, problem) in refused_later.items()}
    return Document(tuple(unreadable(s, later[id(s)]) if id(s) in later else s for s in document.statements))


def gone_on(statements: Sequence[Statement]) -> Iterator[tuple[Statement, NotationError]]:
    """Statements of which a half stands in the next line, ``+ z``, which was not set in: they are not judged by one."""
    for statement, half in pairwise(s for s in statements if s.kind not in ("note", "rule")):
        if half.error is not None and statement.error is None and _GOES_ON.match(half.text):
            yield statement, NotationError(
                f"it goes on in line {half.line}, which begins with an operator", text=statement.text,
                span=(len(statement.text) - 1, len(statement.text)), repair=f"{statement.text}\n  {half.text}",
            )  # fmt: skip


Line = tuple[int, str, str]


def _in_normal_form(lines: Sequence[Line], refused: Callable[[EinstanError, int, str, str], None]) -> Iterator[Line]:
    """The lines as they are read; one with a letter that looks like another one's is refused."""
    before = ""
    for line, code, comment in lines:
        try:
            refuse_lowered(code)
            normal(f"{before}\n{code}")
        except EinstanError as error:
            refused(error, line, code, comment)
        else:
            before = f"{before}\n{code}" if not code.isascii() or not before else f"{before} {code}"
            yield line, normal(code), comment


def beside(code: str, counts: Mapping[str, int]) -> NotationError | None:
    """What stands behind a line and is no part of it."""
    if len(code) > LONGEST:
        return None
    return numbered(code, counts) or remarked(code, counts) or said(code, counts) or quantified(code, True)


def unreadable(statement: Statement, error: EinstanError) -> Statement:
    """The statement as one that cannot be read."""
    return Statement("unreadable", None, statement.line, statement.text, statement.comment, error)


def undeclared(names: Collection[str], codes: Collection[str]) -> set[str]:
    """Single letters that no line defines or gives slots, ``e`` in ``e^{-x}`` and ``N`` in ``1/N``, and words such as
    the ``choose`` in ``n choose k``."""
    letters = {name for name in names if len(name) == 1 or name in OPERATIONS}
    defined = {found.group(1) for code in codes if (found := _DEFINED.match(code))}
    given = {name for code in codes if code.startswith("given ") for name in _NAME.findall(code)}
    slotted = {name for name in letters if any(f"{name}[" in code or f"{name}_" in code for code in codes)}
    return letters - defined - given - slotted


def is_cotangent(name: str, names: Collection[Name]) -> bool:
    """Whether a number is called as the gradient with respect to a tensor of another text is, ``dS`` in a backward pass
    that is read without the lines before it."""
    of = name[1:]
    return name.startswith("d") and of[:1].isalpha() and of not in names and looks_like_derivative(of, ())


def collisions(part: Document, known: Collection[str] = ()) -> Iterator[Statement]:
    """The equations that define the gradient with respect to a tensor of the same part: ``dW`` where there is a W."""
    names = {*known, *_tensors(part.statements)}
    for statement in part.statements:
        if isinstance(statement.content, Equation | Given) and may_claim(statement, names):
            yield statement


def may_claim(statement: Statement, names: Collection[str]) -> bool:
    """Whether an equation has the name of a gradient: ``dW`` where there is a W."""
    name = _name_of(statement)
    return name.startswith("d") and name[1:] in names


def claims_of_gradients(part: Document, known: Collection[str] = ()) -> Iterator[Statement]:
    """Of those equations the ones that say what the gradient is: a scalar rests on the tensor, and none on a ``dX``."""
    lines = [s for s in collisions(part, known) if isinstance(s.content, Equation)]
    named = {_name_of(statement) for statement in lines}
    if not named:
        return
    reads = {e.name: tensors(e.rhs) for e in part.equations if e.name not in named}
    queue = [e.name for e in part.equations if e.name in reads and not e.indices]
    queue = [name for name in queue if not is_cotangent(str(name), reads)]
    behind = set(queue)
    while queue:
        new = {*reads.get(queue.pop(), ())} - behind
        behind |= new
        queue += new
    if behind.isdisjoint(named):
        yield from (statement for statement in lines if _name_of(statement)[1:] in behind)


def as_claim(statement: Statement) -> Statement:
    """An equation as the claim that it holds."""
    equation = statement.content
    assert isinstance(equation, Equation)
    return replace(statement, kind="claim", content=Claim(equation.lhs, equation.rhs, equation.where))


def logical_lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, code and comment of every statement and of every line without one."""
    number, code = 0, ""
    comments: list[str] = []
    lines = list(rows(text))
    for place, (position, line) in enumerate(lines):
        body, _, comment = line.partition("#")
        open_bracket = _is_open(code) and not _EQUATION.match(body)
        goes_on = bool(code) and bool(body.strip()) and (body[0].isspace() or open_bracket)
        goes_on = goes_on and not _INDENTED.match(body)
        waits = not body.strip() and (_is_open(code) or _goes_on_behind(lines[place + 1 :]))
        if code and not goes_on and not waits:
            yield number, code, "; ".join(comments)
            code, comments = "", []
        if goes_on:
            code += "\n" + body.rstrip()
        elif body.strip():
            number, code = position, body.strip()
        if code:
            comments += [comment.strip()] if comment.strip() else []
        else:
            yield position, "", comment.strip()
    if code:
        yield number, code, "; ".join(comments)


def by_itself(code: str) -> NotationError | None:
    """An indented line ``z = x`` behind ``y = 2 x``, which would be a factor of it."""
    found = _ALONE.search(code)
    if found is None or _is_open(code[: found.start()]):
        return None
    before, behind = code[: found.start()], code[found.end() :]
    return NotationError(
        "an indented line goes on with the one before, and this is an equation by itself", text=code,
        span=(found.end(), len(code)), repair=(f"{before}\n{behind}", f"{before} * {behind}"),
    )  # fmt: skip


def _goes_on_behind(lines: Sequence[tuple[int, str]]) -> bool:
    """Whether the next line with a text is indented and begins with a sign: ``  + b`` behind a comment or nothing."""
    following = next((body for _, line in lines if (body := line.partition("#")[0]).strip()), "")
    return following[:1].isspace() and following.strip()[0] in "+-−*/"


def rows(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers; of what stands in LaTeX's environments the rows, without what aligns them."""
    for position, line in enumerate(text.splitlines(), start=1):
        if _SET_APART.fullmatch(line):
            continue
        if "\\" not in line:
            yield position, line
            continue
        for row in _ROW.split(_ENVIRONMENT.sub("", line)):
            if row.strip() or row == line:
                yield position, row


def _is_open(code: str) -> bool:
    return sum(code.count(mark) for mark in "([{") > sum(code.count(mark) for mark in ")]}")


def read_statements(
    code: str, line: int, comment: str, known: Collection[str], defined: Collection[str] = (), ends: bool = False
) -> Iterator[Statement]:
    """The statement of a line, or of a chain ``a = b = c`` those of its steps; the first may define a tensor.

    Where a program is read, a derivation ``dW[k,j] = dZ[N,J] dZ[N,J]/dW[k,j] = ... = X[N,k] dZ[N,j]`` defines by what
    it ``ends`` with, which names no derivative.
    """
    if "\n" in code and (error := by_itself(code)) is not None:
        raise error
    if len(code) <= LONGEST and (error := led(code) or labelled(code, comment)) is not None:
        raise error
    word = _WORD.match(code)
    start = word.end() if word else 0
    kind = word.group(1).lower() if word else "equation"
    sides = chained(code[start:]) if kind in ("equation", "claim", "refute") else []
    if len(sides) < 3:
        try:
            yield read_statement(kind, code, start, line, comment, known)
        except EinstanError as problem:
            raise worded(problem, code, start) from None
        return
    *sides, last = sides
    last, _, stated = last.partition(" where ")
    sides.append(last)
    clauses = _clauses(stated, code)
    if ends and kind == "equation" and _names_derivative(sides[1], known):
        text, tree = read_relation(ranged(f"{sides[0]} = {last}", clauses, last=True), known)
        yield Statement(kind, with_left_read(text, bind_equation(text, tree, asked=True)), line, code, comment)
        return
    for left, right in pairwise(sides):
        head = left is sides[0]
        text = ranged(f"{left} = {right}", clauses, last=right is last)
        step = read_statement(kind if head else "claim", text, 0, line, comment if head else "", known)
        if step.kind == "equation" and _name_of(step) in defined:
            step = read_statement("claim", text, 0, line, comment, known)
        yield step


Clauses = list[tuple[str, str, bool]]  # a letter, what is said of it, and whether a step has it at all


def _clauses(stated: str, code: str) -> Clauses:
    """``|J| = 2, |K| = |x.0| - 1``, as the last side of a chain says it of all of them."""
    chain = names_in(code.partition(" where ")[0])
    parts = re.split(r",\s*(?=\|\s*\w+\s*\|\s*=)", stated) if stated.strip() else []
    letters = [re.match(r"\s*\|\s*(\w+)\s*\|\s*=", part) for part in parts]
    return [
        (found[1] if found else "", part.strip(), found is not None and found[1] in chain)
        for found, part in zip(letters, parts, strict=True)
    ]


def ranged(text: str, clauses: Clauses, last: bool) -> str:
    """A step of a chain with what is said of its letters; what no step has is said of the last."""
    own = set(names_in(text))
    here = [clause for letter, clause, known in clauses if letter in own or (last and not known)]
    return f"{text} where {', '.join(here)}" if here else text


def worded(error: EinstanError, code: str, start: int) -> EinstanError:
    """The error of what stands behind a word, with the word in front of it and of what is to be pasted."""
    if not start or error.span is None or not code.endswith(error.text):
        return error
    shift, word = len(code) - len(error.text), code[:start]
    if shift != start:
        return error
    repairs = [_worded(each, word) for each in error.repair]
    span = (error.span[0] + shift, error.span[1] + shift)
    return type(error)(error.problem, text=code, span=span, inferred=error.inferred, repair=repairs)


def _worded(repair: str, word: str) -> str:
    """A repair with the word in front of its last line, if it is to be pasted and has none."""
    before, _, line = repair.rpartition("\n")
    if " = " not in line or ": " in line or _WORD.match(line) or (word[0] in "cC" and line.startswith("∂")):
        return repair
    return f"{before}{chr(10) * bool(before)}{word}{line}"


def is_comparison(text: str) -> bool:
    """Whether a text compares and is no equation: ``x[i] > 0``, of which an assumption says that it holds."""
    depth, marks = 0, list[str]()
    for token in Cursor(text).tokens if any(sign in text for sign in _COMPARE) else ():
        if token.kind == "mark":
            depth += {"[": 1, "(": 1, "{": 1, "]": -1, ")": -1, "}": -1}.get(token.text, 0)
            marks += [] if depth else [token.text]
    return "=" not in marks and "==" not in marks and "<-" not in text and any(mark in RELATIONS for mark in marks)


def _names_derivative(text: str, known: Collection[str]) -> bool:
    _, tree = read_expression(text, known)
    return any(isinstance(node, Ref) and isinstance(node.name, Partial) for node in walk(tree))


def chained(text: str) -> list[str]:
    """The sides of ``a = b = c``."""
    if text.count("=") < 2:
        return [text]
    sides, depth, start = [], 0, 0
    for token in Cursor(text).tokens:
        if token.kind == "name" and token.text == "where" and not depth:
            break
        depth += {"[": 1, "(": 1, "{": 1, "]": -1, ")": -1, "}": -1}.get(token.text, 0) if token.kind == "mark" else 0
        if token.kind == "mark" and token.text == "=" and not depth:
            sides.append(text[start : token.start].strip())
            start = token.end
    return [*sides, text[start:].strip()]


def read_statement(kind: str, code: str, start: int, line: int, comment: str, known: Collection[str]) -> Statement:
    """One statement of a kind, whose relation begins at ``start``."""
    body = code[start:]
    if kind == "assume" and is_comparison(body):
        body = f"1[{body}] = 1"
    if kind == "given":
        return Statement(kind, read_given(body, known), line, code, comment)
    if kind == "convention":
        return Statement(kind, read_convention(body), line, code, comment)
    text, tree = read_relation(body, known, kind if kind in ("assume", "refute") else "claim")
    left = only_part(tree.left)
    if kind == "equation" and isinstance(left, Ref) and isinstance(left.name, Partial):
        kind = "claim"
    if kind == "equation":
        return Statement(kind, with_left_read(text, bind_equation(text, tree, asked=True)), line, code, comment)
    defines = kind in ("claim", "refute") and _is_definition(left, tree)
    if tree.where and kind == "assume":
        problem = "only an equation or a claim has 'where', not an assumption"
        raise NotationError(problem, text=text, span=tree.where[0][0].span)
    if defines:
        try:
            equation = bind_equation(text, tree, by_hand=True)
        except ScopeError:
            if kind == "claim" or tree.where:
                raise
        else:
            return Statement(kind, Claim(equation.lhs, equation.rhs, equation.where), line, code, comment)
    return Statement(kind, Claim(*parse_relation(body, known)), line, code, comment)


def read_given(text: str, known: Collection[str]) -> Given:
    """``Z[i,j](X[i,K], b[j])``, the arguments read as the factors of one product, in which every capital is bound."""
    repair = "given Z[i,j](X[i,K], b[j])"
    start, depth = len(text.rstrip()), 0
    while start:  # back to the bracket that the last one closes: a name may have a label in brackets, X^(2)
        start -= 1
        depth += (text[start] == ")") - (text[start] == "(")
        if not depth:
            break
    if text[start : start + 1] != "(" or start == 0:
        raise NotationError("'given' names a tensor and, in brackets, what it depends on", text=text, repair=repair)
    inside = text[start + 1 : text.rindex(")")]
    product = re.sub(r",(?![^\[]*\])", " *", inside)
    try:
        equation = bind_equation(*read_relation(f"{text[:start]} = {product}", known))
    except ScopeError as error:
        raise _given_of(text[:start].rstrip(), inside, error) from None
    rhs = equation.rhs
    capitals, body = (rhs.indices, rhs.body) if isinstance(rhs, Sum) else ((), rhs)
    arguments = body.factors if isinstance(body, Mul) else (body,)
    accesses = tuple(a for a in arguments if isinstance(a, Indexed) and all(slot.index for slot in a.slots))
    if len(accesses) < len(arguments):
        raise NotationError("'given' lists tensors with plain indices", text=text, repair=repair)
    return Given(equation.lhs, accesses, capitals)


def _given_of(left: str, inside: str, error: ScopeError) -> EinstanError:
    """``given phi(x[n])``: of each n, or of all entries."""
    letters = dict.fromkeys(re.findall(r"(?<=[\[,])\s*([a-z]\w*)\s*(?=[\],])", inside))
    own = set(names_in(left))
    new = [letter for letter in letters if letter not in own]
    if not new:
        return error
    name, _, slots = left.partition("[")
    each = f"given {name}[{','.join([*filter(None, [slots.rstrip(']')]), *new])}]({inside})"
    every = re.sub(rf"(?<=[\[,])(\s*)({'|'.join(new)})(?=\s*[\],])", lambda m: m[1] + m[2].capitalize(), inside)
    return ScopeError(
        error.problem, text=f"given {left}({inside})", repair=(each, f"given {left}({every})"),
        inferred=f"{left} is one for each {', '.join(new)}, or rests on all of them",
    )  # fmt: skip


def given_called(error: EinstanError, code: str, first: Mapping[str, Statement]) -> EinstanError:
    """``y = phi(x)`` behind ``given phi(x)``, whose name stands for its value at what it is given of."""
    found = _NO_FUNCTION.fullmatch(error.problem)
    content = first[found[1]].content if found is not None and found[1] in first else None
    call = re.search(rf"(?<!\w){found[1]}\s*\(([^()]*)\)", code) if found is not None else None
    if not isinstance(content, Given) or call is None:
        return error
    asked = re.sub(r"\s", "", call[1]).lower()
    meant = ",".join(show(argument) for argument in content.arguments).lower()
    letters = ",".join(dict.fromkeys(re.findall(r"(?<=[\[,])[a-z]\w*(?=[\],])", call[1])))
    slots = show(content.lhs) if asked == meant else f"{content.lhs.tensor}[{letters}]" if letters else ""
    line = f"{code[: call.start()]}{slots}{code[call.end() :]}"
    repair = line if asked == meant else f"given {slots}({call[1]})\n{line}" if slots else ()
    problem = f"{content.lhs.tensor} is given, and its name alone is its value"
    return NotationError(problem, text=code, span=call.span(), repair=repair)


def read_convention(text: str) -> Convention:
    matched = _CONVENTION.fullmatch(text.strip())
    if matched is None or SPELLINGS.get(matched.group(1), matched.group(1)) not in FUNCTIONS:
        raise NotationError(
            "'convention' states the partial of a function", text=text, repair="convention relu'(x) = 1[x >= 0]"
        )
    function, parameter, partial = matched.groups()
    row = FUNCTIONS[SPELLINGS.get(function, function)]
    if len(row.parameters) != 1:
        raise NotationError(f"{function} takes {len(row.parameters)} arguments, and a convention is for one", text=text)
    return Convention(row.name, parameter.strip(), parse_expression(partial))


def _is_definition(left: object, tree: Relation) -> bool:
    """Whether a claim has one tensor with plain small indices on the left, and so the scope of an equation."""
    if not isinstance(left, Ref):
        return False
    slots = [only_part(slot) for slot in left.slots]
    names = [slot.name for slot in slots if isinstance(slot, Ref) and not slot.slots and isinstance(slot.name, str)]
    return len(names) == len(slots) == len(set(names)) and all(name == name[:1].lower() + name[1:] for name in names)


def once_defined(statement: Statement, first: dict[str, Statement], names: Collection[str] = ()) -> Statement:
    """A definition; one that says again what stands above, as a derivation does, is a claim that holds.  Of gradients
    with respect to tensors of these ``names`` it is known later whether the lines are claims."""
    name = _name_of(statement)
    above = first.setdefault(name, statement)
    if above is statement:
        return statement
    if above.content is statement.content:  # equal terms are one object
        return as_claim(statement)
    if may_claim(statement, names):
        return statement
    raise ProgramError(
        f"{name} is defined twice", text=statement.text, span=(0, len(name)),
        inferred=f"the first definition is in line {above.line}", repair=f"claim {statement.text}",
    )  # fmt: skip


def defined_again(part: Document) -> Iterator[tuple[Statement, EinstanError]]:
    """What is defined above already, and is no claim."""
    first: dict[str, Statement] = {}
    for statement in part.statements:
        if isinstance(statement.content, Equation | Given):
            try:
                once_defined(statement, first)
            except ProgramError as error:
                yield statement, error


def collided(statement: Statement, part: Document | None = None) -> EinstanError:
    """``dW`` is the gradient with respect to W where there is a W, so no equation may define it; a number ``dx`` beside
    ``x[i]`` is none, and has another name."""
    name, content = _name_of(statement), statement.content
    sides = (side for each in (part.statements if part is not None else ()) for side in _sides(each))
    ranks = {str(node.tensor): len(node.slots) for node in preorder(*sides) if isinstance(node, Indexed)}
    rank = len(content.indices) if isinstance(content, Equation) else ranks.get(name[1:], 0)
    repairs = [f"claim {statement.text}"] if ranks.get(name[1:], rank) == rank else []
    return ProgramError(
        f"{name} is the gradient with respect to {name[1:]} and cannot be defined", text=statement.text,
        span=(0, len(name)), repair=(*repairs, f"{'or ' * bool(repairs)}give the tensor another name"),
    )  # fmt: skip


def doubtful(part: Document) -> Iterator[tuple[Statement, EinstanError]]:
    """What has a name that is an index there and a number in another line: alone, it may be either."""
    contents = [(statement, _sides(statement)) for statement in part.statements]
    if not any(holds(side, Position) for _, sides in contents for side in sides):
        return
    nodes = preorder(*(side for _, sides in contents for side in sides))
    numbers = {str(node.tensor) for node in nodes if isinstance(node, Indexed) and not node.slots}
    for statement, sides in contents:
        both = (n.index.name for n in preorder(*sides) if isinstance(n, Position) and n.index.name in numbers)
        if (name := next(both, None)) is not None:
            yield statement, two_meanings(statement.text, name, (0, len(statement.text)))


def of_other_rank(part: Document) -> Iterator[tuple[Statement, EinstanError]]:
    """``c dt/dx`` beside ``t[n] = n dt``: a derivative of t would have its slot, so dt and dx are numbers."""
    ranks = {str(e.name): len(e.indices) for e in part.equations}
    for statement in part.statements:
        for name in {*map(_partial, tensors(*_sides(statement)))} - {None}:
            assert name is not None
            shown = f"{name}"
            if ranks.get(name.of, name.rank) == name.rank or shown not in statement.text:
                continue
            start = statement.text.index(shown)
            above, below = shown.split("/")
            line = f"{statement.text[:start]}{above} / ({below}){statement.text[start + len(shown) :]}"
            problem = f"{shown} is a derivative of {name.of}, which has slots, or a quotient of numbers"
            span = (start, start + len(shown))
            yield statement, NotationError(problem, text=statement.text, span=span, repair=line)


def _partial(name: Name) -> Partial | None:
    return name if isinstance(name, Partial) else None


def speaking(part: Document, known: Collection[str] = ()) -> Iterator[tuple[Statement, EinstanError]]:
    """The equations that speak of the extent of an index which no line has."""
    equations = [s for s in part.statements if isinstance(s.content, Equation)]
    read = set(known)
    for statement in part.statements:
        if not isinstance(statement.content, Equation):
            read |= set(_NAME.findall(statement.text)) - set(map(str, tensors(*_sides(statement))))
    found = dict(unknown_extents([(s.text, s.content) for s in equations if isinstance(s.content, Equation)], read))
    yield from ((s, found[s.text]) for s in equations if s.text in found)


def _sides(statement: Statement) -> tuple[Expr, ...]:
    content = statement.content
    return (content.lhs, content.rhs) if isinstance(content, Equation | Claim) else ()


def at_line(error: EinstanError, line: int) -> EinstanError:
    """The error with its line in front."""
    problem = f"line {line}: {error.problem}"
    return type(error)(problem, text=error.text, span=error.span, inferred=error.inferred, repair=error.repair)


def _name_of(statement: Statement) -> str:
    """The tensor that an equation or a `given` defines."""
    content = statement.content
    assert isinstance(content, Equation | Given)
    return str(content.name if isinstance(content, Equation) else content.lhs.tensor)


def _tensors(statements: Sequence[Statement]) -> set[str]:
    found: set[str] = set()
    for statement in statements:
        if isinstance(statement.content, Equation):
            found |= {str(statement.content.name), *map(str, tensors(statement.content.rhs))}
        elif isinstance(statement.content, Given):
            found |= set(map(str, tensors(statement.content.lhs, *statement.content.arguments)))
    return found


def _is_partial(claim: Claim) -> bool:
    return isinstance(claim.lhs, Indexed) and isinstance(claim.lhs.tensor, Partial)


__all__ = ["Claim", "Convention", "Document", "Given", "Index", "Statement", "parse_document"]
