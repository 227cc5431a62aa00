"""Random programs on all routes for as long as one likes:

    python tests/routes/explore.py --minutes 60 [--seed N] [--programs N] [--routes WORDS] [--out findings.txt]
    python tests/routes/explore.py --routes fast --more 100        # by numba a tenth of the programs, and nothing else

Every program has a seed of its own, which is printed with what it finds: ``--seed N --programs 1 --everything`` runs
that one program on every route.  Ends with 1 if there was a finding.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # each process has one core

from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: E402
from rich.table import Table  # noqa: E402

from tests.routes.generator import made  # noqa: E402
from tests.routes.routes import ROUTES  # noqa: E402
from tests.routes.run import Finding, Route, Run, chosen, on  # noqa: E402
from tests.routes.shrink import shrunk  # noqa: E402

BATCH = 10
Told = tuple[int, Counter[str], Counter[str], Counter[str], list[tuple[int, Finding]]]


def explored(seeds: list[int], routes: list[str], everything: bool, seconds: float, more: float = 1.0) -> Told:
    """Some programs: how many, numbers and seconds for each route, and the findings, made small."""
    compared: Counter[str] = Counter()
    ran: Counter[str] = Counter()
    spent: Counter[str] = Counter()
    found: list[tuple[int, Finding]] = []
    for seed in seeds:
        case = made(seed)
        run = Run(case)
        for each in taken(case, routes, everything, more):
            start = time.process_time()
            finding, count = on(run, each)
            spent[each.name] += time.process_time() - start
            compared[each.name] += count
            ran[each.name] += 1
            if finding is not None:
                found.append((seed, shrunk(finding, each, seconds) if seconds else finding))
    return len(seeds), compared, ran, spent, found


def taken(case, routes: list[str], everything: bool, more: float) -> list[Route]:
    wanted = [each for each in ROUTES.values() if not routes or any(word in each.name for word in routes)]
    return chosen(case, wanted, everything, more)


def batches(seed: int, programs: int | None, end: float) -> Iterator[list[int]]:
    start = seed
    while time.monotonic() < end and (programs is None or start < seed + programs):
        stop = start + BATCH if programs is None else min(start + BATCH, seed + programs)
        yield list(range(start, stop))
        start = stop


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--minutes", type=float, default=60)
    asked.add_argument("--seed", type=int, default=random.randrange(1 << 40))
    asked.add_argument("--programs", type=int)
    asked.add_argument("--routes", nargs="*", default=[], help="words of the names of routes")
    asked.add_argument("--processes", type=int, default=2)
    asked.add_argument("--out", type=Path, default=Path("findings.txt"))
    asked.add_argument("--everything", action="store_true", help="every route on every program")
    asked.add_argument("--more", type=float, default=1.0, help="so many times as often, each route that is taken")
    asked.add_argument("--shrink", type=float, default=10, help="seconds to make a finding small")
    given = asked.parse_args()
    console, end = Console(), time.monotonic() + 60 * given.minutes
    console.print(f"seed {given.seed}")
    programs, findings = 0, 0
    compared: Counter[str] = Counter()
    ran: Counter[str] = Counter()
    spent: Counter[str] = Counter()
    kinds: Counter[tuple[str, str]] = Counter()
    options = (given.routes, given.everything, given.shrink, given.more)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool, Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=60 * given.minutes)
        running: list = []
        work = batches(given.seed, given.programs, end)
        more = True
        while more or running:
            while more and len(running) < 2 * given.processes:
                seeds = next(work, None)
                more = seeds is not None
                if seeds is not None:
                    running.append(pool.apply_async(explored, (seeds, *options)))
            time.sleep(0.02)
            for job in [job for job in running if job.ready()]:
                running.remove(job)
                count, numbers, times, seconds, found = job.get()
                programs += count
                compared += numbers
                ran += times
                spent += seconds
                for seed, finding in found:
                    findings += 1
                    kinds[finding.route, finding.kind] += 1
                    with given.out.open("a") as file:
                        file.write(f"seed {seed}\n{finding}\n\n")
                done = min(60 * given.minutes, 60 * given.minutes - (end - time.monotonic()))
                bar.update(task, completed=done, description=f"{programs} programs, {findings} findings")
    console.print(told(programs, compared, ran, spent, kinds))
    console.print(f"{programs} programs, {sum(compared.values())} comparisons, {findings} findings")
    if findings:
        console.print(f"written to {given.out}")
    return 1 if findings else 0


def told(
    programs: int, compared: Counter[str], ran: Counter[str], spent: Counter[str], kinds: Counter[tuple[str, str]]
) -> Table:
    table = Table("route", "programs", "comparisons", "ms", "findings")
    for name in sorted(ran, key=lambda name: -ran[name]):
        wrong = ", ".join(f"{count} {kind}" for (route, kind), count in kinds.items() if route == name)
        table.add_row(name, str(ran[name]), str(compared[name]), f"{1e3 * spent[name] / ran[name]:.1f}", wrong)
    return table


if __name__ == "__main__":
    sys.exit(main())
