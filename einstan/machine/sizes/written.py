"""Refusals of lines that nobody wrote, as a program is run by them, said of the program as it was written"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from einstan.calculus.program import Program
from einstan.language.errors import EinstanError
from einstan.language.index import names_in


@contextmanager
def as_written(program: Program, again: Callable[[Program], object]) -> Iterator[None]:
    """What is refused here with a name that the origin of the program does not have is done ``again`` with that, where
    it is refused as well."""
    try:
        yield
    except EinstanError as error:
        origin = program.origin
        own = set() if origin is None else set(map(str, program.ranks)) - set(map(str, origin.ranks))
        if origin is not None and not own.isdisjoint(names_in(str(error))):
            again(origin)
        raise
