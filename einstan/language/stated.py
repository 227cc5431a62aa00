"""One line to its statements: an equation, a claim about each step of a chain, an assumption."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise

from einstan.language.chains import chained, clauses_of, ranged
from einstan.language.errors import EinstanError, NotationError, ScopeError
from einstan.language.given import read_convention, read_given
from einstan.language.lines import by_itself
from einstan.language.numbering import LONGEST, labelled
from einstan.language.remarks import led
from einstan.language.scope import bind_equation, parse_relation, with_left_read
from einstan.language.statement import WORD, Claim, Statement, is_comparison, name_of
from einstan.language.surface import Ref, Relation, only_part, walk
from einstan.language.syntax import read_expression, read_relation
from einstan.language.term import Partial


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
    word = WORD.match(code)
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
    clauses = clauses_of(stated, code)
    if ends and kind == "equation" and _names_derivative(sides[1], known):
        text, tree = read_relation(ranged(f"{sides[0]} = {last}", clauses, last=True), known)
        yield Statement(kind, with_left_read(text, bind_equation(text, tree, asked=True)), line, code, comment)
        return
    for left, right in pairwise(sides):
        head = left is sides[0]
        text = ranged(f"{left} = {right}", clauses, last=right is last)
        step = read_statement(kind if head else "claim", text, 0, line, comment if head else "", known)
        if step.kind == "equation" and name_of(step) in defined:
            step = read_statement("claim", text, 0, line, comment, known)
        yield step


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
    if " = " not in line or ": " in line or WORD.match(line) or (word[0] in "cC" and line.startswith("∂")):
        return repair
    return f"{before}{chr(10) * bool(before)}{word}{line}"


def _names_derivative(text: str, known: Collection[str]) -> bool:
    _, tree = read_expression(text, known)
    return any(isinstance(node, Ref) and isinstance(node.name, Partial) for node in walk(tree))


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


def _is_definition(left: object, tree: Relation) -> bool:
    """Whether a claim has one tensor with plain small indices on the left, and so the scope of an equation."""
    if not isinstance(left, Ref):
        return False
    slots = [only_part(slot) for slot in left.slots]
    names = [slot.name for slot in slots if isinstance(slot, Ref) and not slot.slots and isinstance(slot.name, str)]
    return len(names) == len(slots) == len(set(names)) and all(name == name[:1].lower() + name[1:] for name in names)
