"""Errors that show the equation, a caret under the place, what was inferred, and the repair.

    the index k is free on the right but is not on the left
      Z[n,j] = X[n,k] W[k,j]
                   ^
      inferred: the left side has n, j; a capital is summed
      repair:   Z[n,j] = X[n,K] W[K,j]

A repair is something to paste: where one equation is meant, the whole of it.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

Span = tuple[int, int]


class EinstanError(ValueError):
    """The base of all errors of this package.

    ``problem`` is one sentence; ``text`` the source it is about, of which ``span`` (start, end) is underlined;
    ``inferred`` what was worked out on the way; ``repair`` what to write instead.

    Examples:
        >>> try:
        ...     es.parse("y[i] = x[j]")
        ... except es.EinstanError as error:
        ...     print(error.report())
        the index j is free on the right but is not on the left
          y[i] = x[j]
                   ^
          inferred: the left side has i; a capital is summed
          repair:   y[i] = x[J]
    """

    def __init__(
        self,
        problem: str,
        *,
        text: str = "",
        span: Span | None = None,
        inferred: str | Iterable[str] = (),
        repair: str | Iterable[str] = (),
    ) -> None:
        self.problem = _said(problem)
        self.text = _said(text)
        self.span = span
        self.inferred = _lines(inferred)
        self.repair = _lines(repair)
        super().__init__(self.report())

    def report(self) -> str:
        """The whole text: the problem, the place under a caret, what was inferred, and the repair.

        Examples:
            >>> try:
            ...     es.parse("y[i] = x[j]")
            ... except es.EinstanError as error:
            ...     print(error.report())
            the index j is free on the right but is not on the left
              y[i] = x[j]
                       ^
              inferred: the left side has i; a capital is summed
              repair:   y[i] = x[J]
        """
        lines = [self.problem]
        if self.text:
            lines += [f"  {line}" for line in underlined(self.text, self.span)]
        lines += labelled("inferred: ", self.inferred) + labelled("repair:   ", self.repair)
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.report()

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.problem, self.text, self.span, self.inferred, self.repair), vars(self)


def _said(value: object) -> str:
    """An error is made of texts; it never fails itself, whatever it is about."""
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _lines(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (_said(value),)
    try:
        return tuple(map(_said, value))
    except TypeError:  # an array without axes
        return (_said(value),)


def _restore(
    kind: type[EinstanError],
    problem: str,
    text: str,
    span: Span | None,
    inferred: tuple[str, ...],
    repair: tuple[str, ...],
) -> EinstanError:
    return kind(problem, text=text, span=span, inferred=inferred, repair=repair)


class NotationError(EinstanError):
    """The text is not an equation: unbalanced brackets, an unknown character, ``a / b c``.

    Examples:
        >>> try:
        ...     es.parse("y[i] = x[i")
        ... except es.EinstanError as error:
        ...     print(error)
        the bracket [ is not closed
          y[i] = x[i
                  ^
          repair:   y[i] = x[i]
    """


class ScopeError(EinstanError):
    """An index or tensor is used in a way that its equation does not allow.

    Examples:
        >>> try:
        ...     es.parse("y[i] = x[i] sum[I](v[I] sum[I](u[I]))")
        ... except es.EinstanError as error:
        ...     print(error)
        the index I is bound again inside its own scope
          y[i] = x[i] sum[I](v[I] sum[I](u[I]))
                                      ^
          repair:   y[i] = x[i] sum[I](v[I] sum[I2](u[I2]))
    """


class ProgramError(EinstanError):
    """Equations that do not fit together: a tensor defined twice, a cycle, an undefined tensor.

    Examples:
        >>> try:
        ...     es.Program("a = 2 b\\nb = 3 a")
        ... except es.EinstanError as error:
        ...     print(error)
        the equations form a cycle: a reads b reads a
          a = 2 b
                ^
          inferred: b = 3 a
          repair:   give the result another name than the tensor it is computed from
    """


class MissingError(ProgramError, KeyError):
    """A tensor that a program does not define, or a column that a history has not, where it is asked for by
    ``program[name]``.

    Examples:
        >>> try:
        ...     es.Program("y[i] = 2 x[i]")["z"]
        ... except es.EinstanError as error:
        ...     print(error)
        no equation defines z
          inferred: defined are y
          repair:   name one of these
    """


class DifferentiationError(EinstanError):
    """What was asked for has no derivative: it is never answered with a zero.

    Examples:
        >>> es.parse("y[i] = E[T[i]]").partial("T")
        Traceback (most recent call last):
            ...
        einstan.language.errors.DifferentiationError: T is read as an integer in a slot and has no derivative there
          E[T[i]]
          inferred: T[i] chooses which entry is read
          repair:   differentiate with respect to a tensor that enters by its values
    """


class ClaimError(EinstanError):
    """A declared partial or a claim that is not true.

    Examples:
        >>> try:
        ...     es.Layer("y[i] = x[i]^2", partials=["dy[i]/dx[p] = 3 x[i] δ[i,p]"])
        ... except es.EinstanError as error:
        ...     print(error)
        this is not the derivative
          dy[i]/dx[p] = 3 x[i] δ[i,p]
                        ^^^^^^^^^^^^^
          inferred: derived:  dy[i]/dx[p] = 2 x[i] δ[i,p]
                    derived minus declared:  -δ[i,p] x[i]
                    for example, with x = [1]
                    at i = 0, p = 0: derived 2, declared 3
          repair:   declare the derived partial, or leave it out
    """


class ExtentError(EinstanError):
    """Sizes that disagree, or that cannot be inferred.

    Examples:
        >>> try:
        ...     es.parse("y = a[I] b[I]")(a=[1.0, 2.0], b=[1.0, 2.0, 3.0])
        ... except es.EinstanError as error:
        ...     print(error)
        I has two sizes: 2 from a.0 and 3 from b.0
          y = a[I] b[I]
                   ^^^^
          inferred: I runs over a.0 and b.0
          repair:   give arrays of which these axes have one size
    """


class DataError(EinstanError):
    """Arrays that cannot be used: wrong rank or dtype, missing, not finite, too large.

    Examples:
        >>> try:
        ...     es.parse("y[n] = E[T[n]]")(E=[1.0, 2.0], T=[0, 5])
        ... except es.EinstanError as error:
        ...     print(error)
        E[T[n]] reads outside E: slot 0 is 5, but E.0 has size 2
          y[n] = E[T[n]]
                 ^^^^^^^
          inferred: T[n] is 5, and E.0 has the positions 0 to 1
          repair:   give T with positions that E has
                    say that E is zero outside: y[n] = 1[0 <= T[n] < |E.0|] E[T[n]]
    """


def too_deep(text: str, span: Span, levels: int) -> NotationError:
    """What is nested too deep is shown at the level at which it is too much: the whole of such a text says nothing."""
    begin = max(span[0] - 30, 0)
    return NotationError(
        f"nested deeper than {levels} levels",
        text=text[begin : span[1] + 30].replace("\n", " "),
        span=(span[0] - begin, span[1] - begin),
        repair="name a part of it: an equation each",
    )


WIDEST = 1000  # letters of a line that is shown


def underlined(text: str, span: Span | None) -> list[str]:
    """The line of ``text`` that holds the span, with carets below it; the whole text without a span."""
    if span is None:
        return text.splitlines() or [""]
    start = min(max(span[0], 0), len(text))
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    line = text[first : len(text) if last < 0 else last]
    column = start - first
    if len(line) > WIDEST:  # of a text that no person wrote, what stands around the place
        begin = max(column - WIDEST // 2, 0)
        line, column = line[begin : begin + WIDEST], column - begin
    width = max(1, min(span[1] - start, max(len(line) - column, 1)))
    return [line, " " * columns(line[:column]) + "^" * max(1, columns(line[column : column + width]))]


def columns(text: str) -> int:
    """The columns of a terminal that a text takes: two for a wide letter, none for an accent that combines."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(x) or unicodedata.category(x) == "Cf"
        else 1 + (unicodedata.east_asian_width(x) in "WF")
        for x in text
    )


def labelled(label: str, lines: Iterable[str]) -> list[str]:
    """Lines under one label: the label in front of the first, blanks in front of the others."""
    blanks = " " * len(label)
    shown = (line.replace("\n", f"\n  {blanks}") for line in lines)  # a repair may be several lines
    return [f"  {label if number == 0 else blanks}{line}" for number, line in enumerate(shown)]


def listed(names: Iterable[object], most: int = 12) -> str:
    """``W1, W2, W3 and 9 more``: what is known, of which an error names the first."""
    told = list(map(str, names))
    more = len(told) - most
    return ", ".join(told) if more < 2 else f"{', '.join(told[:most])} and {more} more"


def nearest(name: object, known: Iterable[str]) -> str:
    """``did you mean W1?`` where a known name is close, else nothing."""
    if not isinstance(name, str):  # any key may be looked for
        return ""
    close = difflib.get_close_matches(name, list(map(str, known)), n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else ""
