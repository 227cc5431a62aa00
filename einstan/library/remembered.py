"""Verdicts remembered in a file, so that of a document with one changed line one claim is judged.

A verdict is remembered by the digest of everything that it may rest on:

- the claim as it is printed, with the ranges that it states, and whether it is expected to be wrong;
- every definition and ``given`` of its part that a chain of names ties to it, in their order, as they are printed:
  printing is exact, so that blanks, comments and spellings do not count and everything else does.  All that is tied to
  it, for a definition that a claim does not read may still tell the length of an axis, or that a tensor is a label, of
  what it reads.  Of a claim on ``dW`` the whole part, whose scalar is the one whose gradient that is;
- every assumption and convention of its part, for what contradicts itself proves everything;
- the functions of a user's own that can be called, as they are defined; where there is one of which only the partials
  are told, which code computes, nothing is remembered;
- the seconds that were allowed;
- the code: every file of this package, its version, and those of Python, NumPy and opt_einsum, which draw and compute.

So is what a line was read as, by its text, its comment, the names of its document and the functions of a user's own: a
line that stayed is not read again.  What is undecided is not remembered: more time, or another machine, may decide it.
Line numbers, names of files and other claims are no part of it: nothing of a verdict speaks of them.  The file is a
page of JSON with a checksum.  One of other code is made anew; one that is damaged, or something else, is refused and
left as it is.  A checksum is no signature: the file is one's own, as the verdicts in it are.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import einstan
from einstan.language.effort import QUESTION, effort
from einstan.language.errors import DataError, EinstanError
from einstan.language.functions import BUILTIN, FUNCTIONS
from einstan.language.own import visible
from einstan.language.plain import plain, statement_of
from einstan.language.stated import read_statements
from einstan.language.statement import Claim, Document, Given, Statement
from einstan.language.term import Equation, Partial, tensors
from einstan.library.files import Path as FilePath
from einstan.library.files import named, one_at_a_time, open_regular, reason, refuse_unwritable, write_file
from einstan.library.judgements import Counterexample, Outcome

KEPT = 20_000  # verdicts of a file; the first that nobody asked for are forgotten
BYTES = 100_000_000  # of a file
REMEMBERED = ("proved", "verified", "kink", "refuted")
TEXTS = ("reason", "arithmetic", "left", "right", "slip")
KIND = "verdicts of einstan check"

Lines = dict[str, list[Any]]  # what was read, as plain data
Value = TypeVar("Value")


class Remembered:
    """The verdicts in a file, and those that come to it; `save` writes it where any has come."""

    def __init__(self, path: FilePath, seconds: float | None) -> None:
        self.path = path
        self.found, self.lines = loaded_all(path)
        refuse_unwritable("remember", path)
        self.new: dict[str, Outcome] = {}
        self.read_now: Lines = {}
        self.first_read: dict[str, Statement] = {}
        own = {name: str(function) for name, function in visible().items()}
        self.blind = bool(FUNCTIONS.keys() - BUILTIN)  # a row of the table that code computes
        self.start = [seconds, sorted(own.items())]
        self.around: tuple[Collection[str], str] = (), ""

    def read(
        self, code: str, line: int, comment: str, names: Collection[str], defined: Collection[str], ends: bool = False
    ) -> Iterable[Statement]:
        """The statements of a line, as `read_statements` reads it among these names: what was read once is not read
        again.  A chain is, whose steps rest on what is ``defined``."""
        if self.around[0] is not names:
            self.around = names, digest([self.start[1], sorted(names), ends])
        key = digest([self.around[1], code, comment])
        held = None if self.blind else self.read_now.get(key) or self.lines.get(key)
        if held is not None:
            try:
                found = statement_of(held, line, code, comment)
            except (ValueError, TypeError, KeyError, IndexError, EinstanError):
                pass  # it is of another making, and read anew
            else:
                self.read_now[key] = held
                return [found]
        read = list(read_statements(code, line, comment, names, defined, ends))
        if len(read) == 1 and not self.blind:
            self.first_read[key] = read[0]
        return read

    def part(self, document: Document) -> Resting:
        """What the claims of a part rest on."""
        return Resting(self.start, document)

    def get(self, part: Resting, claim: Statement) -> Outcome | None:
        if self.blind:
            return None
        key = part.key(claim)
        found = self.new.get(key) or self.found.get(key)
        if found is not None:
            self.found.pop(key, None)
            self.new[key] = found
        return found

    def put(self, part: Resting, claim: Statement, outcome: Outcome) -> None:
        if not self.blind and outcome.verdict in REMEMBERED:
            self.new[part.key(claim)] = outcome

    def save(self) -> None:
        """Whole or not at all, with what others have put there meanwhile."""
        with one_at_a_time(self.path):
            self._save()

    def _save(self) -> None:
        there, lines = loaded_all(self.path)
        for key, statement in self.first_read.items():
            with suppress(EinstanError):  # too long to be printed
                if (line := plain(statement)) is not None:
                    self.read_now[key] = line
        if self.new.keys() <= there.keys() and self.read_now.keys() <= lines.keys():
            return
        verdicts = {key: asdict(one) for key, one in latest(there, self.new).items()}
        held = {"verdicts": verdicts, "lines": latest(lines, self.read_now)}
        text = json.dumps({"kind": KIND, "code": code(), "checksum": digest(held), **held}, ensure_ascii=False)
        write_file(self.path, text.encode())


def latest(there: dict[str, Value], new: dict[str, Value]) -> dict[str, Value]:
    """What there was and what has come, without the first that nobody asked for where these are too many."""
    kept = {**{key: one for key, one in there.items() if key not in new}, **new}
    return {key: kept[key] for key in list(kept)[-KEPT:]}


class Resting:
    """What each claim of a part rests on, by the names that tie statements together."""

    def __init__(self, start: list[Any], document: Document) -> None:
        self.start = start
        told = [s for s in document.statements if s.kind in ("equation", "given", "assume", "convention")]
        self.lines = [printed(statement) for statement in told]
        self.always = [statement.kind in ("assume", "convention") for statement in told]
        self.names = [names_of(*each) for each in zip(told, self.lines, strict=True)]
        self.known = frozenset[str]().union(*self.names)

    def key(self, claim: Statement) -> str:
        own = printed(claim)
        reached = names_of(claim, own)
        if any(name[1:] in self.known for name in reached if name.startswith("d")):
            reached = self.known
        tied = [False] * len(self.names)
        while new := [k for k, names in enumerate(self.names) if not tied[k] and not names.isdisjoint(reached)]:
            reached = reached.union(*(self.names[k] for k in new))
            for k in new:
                tied[k] = True
        rests = [line for k, line in enumerate(self.lines) if tied[k] or self.always[k]]
        return digest([*self.start, *rests, *own])


_EXTENT = re.compile(r"\|([^|.\s]+)\.\d+\|")


def names_of(statement: Statement, line: Sequence[str]) -> frozenset[str]:
    """The tensors that a statement speaks of, which is printed as ``line``; of a derivative both its names."""
    content = statement.content
    match content:
        case Equation() | Claim():
            found = {*tensors(content.rhs), *(tensors(content.lhs) if isinstance(content, Claim) else [content.name])}
        case Given():
            found = {*tensors(content.lhs, *content.arguments)}
        case _:
            found = set()
    told = set(_EXTENT.findall(" ".join(line)))
    for name in found:
        told |= {name.of, *(each for each, _ in name.wrt)} if isinstance(name, Partial) else {str(name)}
    return frozenset(told)


_DEEP = re.compile(rb"(?:[\[{]\s*){20}")


def loaded(path: FilePath) -> dict[str, Outcome]:
    """The verdicts in a file."""
    return loaded_all(path)[0]


def loaded_all(path: FilePath) -> tuple[dict[str, Outcome], Lines]:
    """The verdicts in a file, and the lines; none where there is no file, or one of other code.  Raises `DataError`."""
    try:
        with open_regular(path) as file:
            held = file.read(BYTES + 1)
    except FileNotFoundError:
        return {}, {}
    except (OSError, ValueError) as problem:
        raise DataError(f"{named(path)} cannot be read: {reason(problem)}", repair="name another file") from problem
    try:
        if _DEEP.search(held):  # which a reader of JSON may not survive where Python's stack has been let grow
            raise ValueError
        page = json.loads(held)
        if page["kind"] != KIND:
            raise ValueError
        if page["code"] != code():
            return {}, {}
        sound = {name: page[name] for name in ("verdicts", "lines")}
        if len(held) > BYTES or page["checksum"] != digest(sound) or not isinstance(page["lines"], dict):
            raise ValueError
        return {key: outcome_of(told) for key, told in page["verdicts"].items()}, page["lines"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise DataError(
            f"{named(path)} does not hold remembered verdicts, or is damaged",
            repair=("name another file", "or remove it: it is made anew"),
        ) from problem


def outcome_of(told: dict[str, Any]) -> Outcome:
    """An outcome of its fields; a ValueError or a TypeError where one is not what it should be."""
    example = told["counterexample"]
    found = Outcome(**{**told, "counterexample": None, "difference": (), "under": ()})
    many = [*told["difference"], *told["under"], *(getattr(found, name) for name in TEXTS)]
    if found.verdict not in REMEMBERED or type(found.points) is not int or not all(type(t) is str for t in many):
        raise ValueError
    if example is not None:
        matter = example["matter"]
        example = Counterexample(**{**example, "matter": None if matter is None else tuple(matter)})
        if not all(isinstance(held, dict) for held in (example.sizes, example.arrays, example.at)):
            raise ValueError
    under, difference = tuple(told["under"]), tuple(told["difference"])
    return replace(found, difference=difference, under=under, counterexample=example)


def printed(statement: Statement) -> list[str]:
    """A statement without its comment; as it was typed where what was read has no text."""
    try:
        with effort(QUESTION, apart=True):
            return [statement.kind, str(replace(statement, comment="")), ""]
    except EinstanError:
        return [statement.kind, "", statement.text]


def digest(content: dict[str, Any] | Sequence[Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@cache
def code() -> str:
    """What judges: every file of this package, and what it computes with."""
    root = Path(einstan.__file__).parent
    files = [[path.relative_to(root).as_posix(), sha256(path.read_bytes()).hexdigest()] for path in root.rglob("*.py")]
    versions = [einstan.__version__, platform.python_version(), version("numpy"), version("opt_einsum")]
    return digest([*versions, sorted(files) or os.urandom(16).hex()])  # none can be read in an archive
