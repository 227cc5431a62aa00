"""What scripts share whose contenders take turns on cases: the command line, processes, tables, lost rows, JSON.

A script says which cases there are, how a contender is made, and what is wanted.  Each contender runs in a process of
its own, on as many threads as the command line says; it prepares a case, and checks its answer, before any is timed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import common
import workers

Row = dict[str, Any]  # a contender on a case, as it is written: case, contender, time, error, and what the script adds
Lost = tuple[str, str, str]  # case, contender, by how much
QUICK_ROUNDS, QUICK_BUDGET = 5, 1.0
BEFORE = ", before"  # behind a contender's name: the same from another checkout


@dataclass(frozen=True)
class Case:
    """``request`` is what a process needs to prepare it, ``about`` what the script needs to judge it."""

    name: str
    request: Mapping[str, Any]
    contenders: Sequence[str]
    title: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


class Contest(ABC):
    """A script; what differs from one to another is said by a class below this one."""

    columns: Sequence[str] = ()  # of its tables, behind contender, median and quartiles
    needs: Mapping[str, str] = {}  # the package that a contender needs beside NumPy
    ours: Sequence[str] = ()  # the contenders whose rows can be lost
    no_rivals: Sequence[str] = ()  # contenders that do less than the others, and cannot win a row
    turn = 0.01  # seconds of one contender before the next has its turn
    rounds, budget = 30, 20.0  # of turns for a case, and seconds

    def __init__(self, script: str, question: str | None) -> None:
        self.script, self.question = script, question or ""
        self.name = Path(script).stem.removeprefix("bench_")
        self.options = argparse.Namespace()

    # ---- what a script says ------------------------------------------------------------------------------------------

    def arguments(self, parser: argparse.ArgumentParser) -> None:  # noqa: B027  a script may have none
        """Options of its own."""

    @abstractmethod
    def cases(self) -> Sequence[Case]:
        """What is measured, in order."""

    @abstractmethod
    def make(self, name: str, request: Mapping[str, Any]) -> workers.Made:
        """In the process of a contender: its call, once its answer is right, and the error of that."""

    def held(self, name: str, call: Callable[[], object]) -> int | None:
        """In the same process: how many bytes its call holds at the peak; None where nobody asks."""
        return None

    def threads(self, name: str) -> int:
        return int(self.options.threads)

    def judge(self, case: Case, rows: Sequence[Row]) -> list[Lost]:
        """Adds to the rows of a case what its columns show; which of them are lost."""
        return slower(rows, self.ours, self.no_rivals)

    def cells(self, row: Row) -> Sequence[str]:
        """What stands in the columns."""
        return ()

    def closing(self, rows: Sequence[Row]) -> Mapping[str, Any]:
        """What all rows together say: it is printed here, and written beside them."""
        return {}

    # ---- what is done with it ----------------------------------------------------------------------------------------

    def available(self, names: Iterable[str]) -> list[str]:
        """Those of the contenders that are installed; a quick run starts no framework."""
        needs = {name: self.needs.get(name) for name in names}
        return [name for name, need in needs.items() if not need or (common.installed(need) and not self.options.quick)]

    def run(self) -> int:
        parser = common.arguments(self.question, f"python benchmarks/bench_{self.name}.py --json {self.name}.json")
        parser.add_argument("--only", metavar="TEXT", default="", help="the cases whose name contains this")
        parser.add_argument(
            "--against",
            metavar="CHECKOUT",
            type=Path,
            help="time einstan beside that of another checkout alone",
        )
        self.arguments(parser)
        self.options = parser.parse_args()
        common.limit_threads(self.options.threads)
        if (contender := os.environ.get(workers.WORKER)) is not None:
            name = contender.removesuffix(BEFORE)
            return workers.answer_requests(partial(self.make, name), partial(self.held, name))
        record = common.machine()
        record["versions"] |= {need: common.installed(need) for need in self.needs.values() if common.installed(need)}
        print(common.one_line(record))
        known = self.cases()
        if self.options.against:
            known = [replace(case, contenders=self.twice(case.contenders)) for case in known]
        cases = [case for case in known if self.options.only.lower() in case.name.lower()]
        if not cases:
            names = [case.name for case in known]
            print(f"no case is named {self.options.only!r}; there are:", *names, sep="\n  ", file=sys.stderr)
            return 2
        begin = time.perf_counter()
        rows, lost = self.measure(cases)
        closing = {} if self.options.against else self.closing(rows)
        results: dict[str, Any] = {"rows": rows, **closing, "lost": lost}
        if lost:
            common.table("rows lost", ("case", "contender", "by"), lost)
        else:
            print("no row is lost")
        results["seconds"] = round(time.perf_counter() - begin, 1)
        print(f"in {results['seconds']:.0f} s")
        common.write_json(self.options.json, self.name, record, results)
        return 0

    def measure(self, cases: Sequence[Case]) -> tuple[list[Row], list[Lost]]:
        """Every contender on every case."""
        quick = self.options.quick
        rounds, budget = (QUICK_ROUNDS, QUICK_BUDGET) if quick else (self.rounds, self.budget)
        names = dict.fromkeys(name for case in cases for name in case.contenders)
        rows: list[Row] = []
        lost: list[Lost] = []
        with (
            common.progress(len(cases), self.name) as done,
            workers.processes(
                self.script, {name: self.threads(name) for name in names}, {n: self.source(n) for n in names}
            ) as started,
        ):
            for case in cases:
                running = [worker for worker in started if worker.name in case.contenders]
                found, failed = workers.in_turns(running, {**case.request, "turn": self.turn}, rounds, budget)
                held = [
                    {"case": case.name, "contender": name, "time": timing, "error": error}
                    for name, (timing, error) in found.items()
                ]
                for row in held:
                    (worker,) = (each for each in running if each.name == row["contender"])
                    row["bytes"] = worker.ask(do="hold").get("bytes")
                lost += self.compared(held) if self.options.against else self.judge(case, held)
                rows += held
                self.show(case, held)
                for name, reason in failed.items():
                    print(f"{name} did not run: {reason}")
                done(case.name)
        return rows, lost

    def show(self, case: Case, rows: Sequence[Row]) -> None:
        lines = []
        for row in rows:
            timing = row["time"]
            quartiles = f"{common.seconds(timing.low)} to {common.seconds(timing.high)}"
            cells = (row["over before"],) if self.options.against else self.cells(row)
            lines.append((row["contender"], common.seconds(timing.median), quartiles, *cells))
        columns = ("over before",) if self.options.against else self.columns
        common.table(case.title or case.name, ("contender", "median", "quartiles", *columns), lines)

    # ---- one checkout beside another ---------------------------------------------------------------------------------

    def twice(self, contenders: Iterable[str]) -> list[str]:
        """Each of ours, and the same from the other checkout."""
        return [name for mine in contenders if mine in self.ours for name in (mine, mine + BEFORE)]

    def source(self, name: str) -> Path | None:
        """The checkout from which a contender takes einstan, where it is not this one."""
        return self.options.against.resolve() if self.options.against and name.endswith(BEFORE) else None

    def compared(self, rows: Sequence[Row]) -> list[Lost]:
        """The rows that have become slower than in the other checkout."""
        before = {row["contender"].removesuffix(BEFORE): row for row in rows if row["contender"].endswith(BEFORE)}
        lost: list[Lost] = []
        for row in rows:
            other = before.get(row["contender"])
            row["over before"] = f"{row['time'].median / other['time'].median:.2f}" if other else ""
            if other and row["time"].slower_than(other["time"]):
                lost.append((row["case"], row["contender"], f"{row['over before']} times as slow as before"))
        return lost


OURS, FAST = "einstan", "einstan, numba"


class Beside(Contest):
    """Einstan with NumPy alone and with loops that numba compiles, and what each takes over every other contender."""

    ours: Sequence[str] = (OURS, FAST)
    columns: Sequence[str] = ("einstan over it", "with numba over it")

    def judge(self, case: Case, rows: Sequence[Row]) -> list[Lost]:
        times = medians(rows)
        for row in rows:
            row["ratios"] = {mine: times[mine] / times[row["contender"]] for mine in self.ours if mine in times}
        return super().judge(case, rows)

    def cells(self, row: Row) -> Sequence[str]:
        return [f"{row['ratios'][mine]:.2f}" if mine in row["ratios"] else "" for mine in self.ours]


def medians(rows: Iterable[Row]) -> dict[str, float]:
    """Seconds by contender, of one case."""
    return {row["contender"]: row["time"].median for row in rows}


def slower(rows: Sequence[Row], ours: Sequence[str], no_rivals: Sequence[str] = ()) -> list[Lost]:
    """The rows of ours that a rival has won."""
    rivals = [row for row in rows if row["contender"] not in (*ours, *no_rivals)]
    return [
        (mine["case"], mine["contender"],
         f"{mine['time'].median / rival['time'].median:.2f} times as slow as {rival['contender']}")
        for mine in rows if mine["contender"] in ours
        for rival in rivals if mine["time"].slower_than(rival["time"])
    ]  # fmt: skip


def error(row: Row) -> str:
    """The error of an answer, as a cell."""
    return "" if row["error"] is None else f"{row['error']:.0e}"
