"""Generated code, and what its function takes and returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from einstan.language.term import Name
from einstan.machine.backends.numpy import helper_source


@dataclass
class Source:
    """The text, and what is known of it."""

    text: str
    function: str
    arguments: tuple[Name, ...]
    results: tuple[Name, ...]
    memory: int = 0  # bytes that a call writes to beside its results; prepare() makes them
    prepares: bool = False
    any_size: bool = False  # whether the code is that of arrays of other sizes too
    presumes: bool = False  # whether it calls ``careful`` with its arguments, where a bracket hides what is not finite
    contiguous: bool = False  # whether it takes arrays that lie in one piece alone
    views: frozenset[str] = frozenset()  # names that prepare() binds to views of its memory
    kernels: str = ""  # the part of the text that numba compiles, without the line that imports it
    measured: int | None = None  # bytes that a call of it was seen to hold at its peak
    signature: tuple[str, ...] = ()  # the lines that begin the function
    checks: tuple[str, ...] = ()  # lines that refuse arrays which the code was not made for
    fits: str = ""  # the function that they call, where it is not NumPy's

    @property
    def names(self) -> dict[Name, str]:
        """What the arguments are called in the text."""
        given = self.signature[0].partition("(")[2].rpartition(")")[0]
        return dict(zip(self.arguments, given.split(", "), strict=True)) if self.arguments else {}

    def exported(self, labels: Sequence[str] = ()) -> str:
        """The code for somebody else to run: it refuses arrays that it was not made for, and ``labels`` are lines that
        refuse positions which it does not read itself."""
        lines = self.text.split("\n")
        at = next(k for k, line in enumerate(lines) if line.strip() == self.signature[0])
        indent = lines[at][: -len(self.signature[0])] + "    "
        behind = at + len(self.signature)
        lines[behind:behind] = [indent + check for check in (*self.checks, *labels)]
        top = next(k for k, line in enumerate(lines) if line in ("def prepare():", self.signature[0]))
        helpers = [self.fits or helper_source("fits")] if self.checks else []
        helpers += [helper_source("inside")] if labels and "\ndef inside(" not in self.text else []
        lines[top:top] = [line for helper in helpers for line in (*helper.split("\n"), "", "")]
        return "\n".join(lines)
