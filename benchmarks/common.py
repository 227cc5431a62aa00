"""What the benchmarks share: interleaved timing, refusing wrong answers, the record of the machine, tables, JSON.

The rules that every script keeps:

- an answer is compared with an independent reference before it is timed; a wrong one ends the run (`WrongAnswerError`);
- contenders are timed interleaved, A B A B, so that all of them share a slow minute of the machine; medians and
  quartiles are reported;
- the thread pools are limited before NumPy is loaded, by the environment and a fresh start of the script;
- tables go to standard output, progress to standard error, and the record says on what it was measured.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if find_spec("einstan") is None:  # run from a checkout that is not installed
    sys.path.insert(0, str(ROOT))

PLANT = "EINSTAN_BENCH_PLANT"  # names a contender whose answers are spoilt: the test of the tester
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


# ---- the command line ------------------------------------------------------------------------------------------------


def arguments(description: str, example: str) -> argparse.ArgumentParser:
    """The options that every script has."""
    parser = argparse.ArgumentParser(
        description=description, epilog=f"example:\n  {example}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer and smaller cases and few repetitions, in seconds")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the results and the record of the machine")
    parser.add_argument("--threads", metavar="N", type=int, default=1, help="threads of the BLAS library (default 1)")
    return parser


def limit_threads(count: int) -> None:
    """Start this script again with the thread pools limited, unless they are: the libraries read it when loaded.

    XLA has no variable for it: its pool has as many threads as the process may use processors, so that is limited too.
    """
    if count < 1:
        sys.exit("--threads must be at least 1")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])
    wanted = dict.fromkeys(POOLS, str(count))
    if any(os.environ.get(pool) != value for pool, value in wanted.items()):
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **wanted})


def torch() -> Any:
    """PyTorch, on as many threads as the BLAS library."""
    import torch

    torch.set_num_threads(int(os.environ.get(POOLS[0], "1")))
    return torch


def jax() -> Any:
    """JAX, which keeps float64; its threads share the processors that `limit_threads` left."""
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def main_guard(run: Callable[[], int]) -> None:
    """Run a script: its exit status, 1 with one line for a wrong answer, 130 when it is interrupted."""
    try:
        sys.exit(run())
    except WrongAnswerError as error:
        print(f"refused: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was written", file=sys.stderr)
        sys.exit(130)


# ---- answers ---------------------------------------------------------------------------------------------------------


class WrongAnswerError(Exception):
    """A contender computes something else than the reference; there is nothing to time."""


def spoilt(contender: str, answer: Any) -> Any:
    """The answer, made wrong by a thousandth where the environment names the contender."""
    return answer * 1.001 + 1e-3 if os.environ.get(PLANT) == contender else answer


def check(contender: str, what: str, answer: Any, reference: Any, tolerance: float) -> float:
    """The largest error relative to the reference's largest entry; raises `WrongAnswerError` above the tolerance."""
    import numpy as np

    found, expected = np.asarray(spoilt(contender, answer)), np.asarray(reference)
    if found.shape != expected.shape:
        raise WrongAnswerError(f"{contender}: {what} has the shape {found.shape}, the reference {expected.shape}")
    scale = float(max(np.max(expected, initial=0.0), -np.min(expected, initial=0.0))) or 1.0
    apart = np.asarray(np.subtract(found, expected, dtype=np.float64))  # of half a gigabyte: one copy, and no more
    error = float(np.max(np.abs(apart, out=apart), initial=0.0)) / scale
    if not error <= tolerance:  # NaN is refused too
        raise WrongAnswerError(
            f"{contender}: {what} differs from the reference by {error:.2g}, allowed is {tolerance:.2g}"
        )
    return error


# ---- timing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timing:
    """Seconds per call: the median, the quartiles, and how many times were measured."""

    median: float
    low: float
    high: float
    runs: int

    def slower_than(self, other: Timing) -> bool:
        """Slower by more than both spreads (the quartiles do not overlap) and by more than a twentieth."""
        return self.low > other.high and self.median > 1.05 * other.median

    def __str__(self) -> str:
        return f"{seconds(self.median)} ({seconds(self.low)} to {seconds(self.high)})"


def timing(times: Sequence[float]) -> Timing:
    ordered = sorted(times)

    def quantile(share: float) -> float:
        position = share * (len(ordered) - 1)
        below = int(position)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (position - below) * (ordered[above] - ordered[below])

    return Timing(quantile(0.5), quantile(0.25), quantile(0.75), len(ordered))


def interleaved(
    contenders: Mapping[str, Callable[[], object]],
    *,
    budget: float,
    rounds: int,
    least: int = 3,
    turn_seconds: float = 2e-3,
    calibration: int = 3,
) -> dict[str, Timing]:
    """Time the contenders in turn: A B A B.

    Each turn repeats the call for about ``turn_seconds``, so that neither the clock nor what the one before left in the
    caches decides; there are at most ``rounds`` turns, and no more than ``least`` once ``budget`` seconds are spent.
    """
    clock = time.perf_counter
    repeats: dict[str, int] = {}
    for name, call in contenders.items():
        quickest = min(timed(call)[1] for _ in range(calibration))
        repeats[name] = max(1, min(10_000, round(turn_seconds / max(quickest, 1e-7))))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    begin = clock()
    for turn in range(rounds):
        if turn >= least and clock() - begin > budget:
            break
        for name, call in contenders.items():
            count = repeats[name]
            start = clock()
            for _ in range(count):
                call()
            times[name].append((clock() - start) / count)
    return {name: timing(found) for name, found in times.items()}


def timed(
    call: Callable[[], Any], repeat: int = 1, clock: Callable[[], float] = time.perf_counter
) -> tuple[Any, float]:
    """The result of a call and the median of its seconds."""
    times = []
    result = None
    for _ in range(repeat):
        start = clock()
        result = call()
        times.append(clock() - start)
    return result, timing(times).median


# ---- where it was measured -------------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """Processor, cores, threads, and the versions of what takes part."""
    packages = ("numpy", "opt_einsum", "cotengra", "torch", "scipy")
    versions = {name: installed(name) for name in packages if installed(name)}
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": int(os.environ.get(POOLS[0], "0")),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "blas": _blas(),
        "versions": versions,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,  # of the machine before the start
        "commit": _commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def installed(package: str) -> str:
    """The version of a package, empty where it is not there; nothing is imported."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def one_line(record: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return (
        f"{record['processor']}, {record['cores']} cores, {record['threads']} thread(s); {record['system']}; "
        f"Python {record['python']}, {versions}; {record['blas']}"
    )


def _processor() -> str:
    try:
        fields = dict(
            line.split(":", 1) for line in Path("/proc/cpuinfo").read_text("utf-8").split("\n\n")[0].splitlines()
        )
        known = {key.strip(): value.strip() for key, value in fields.items()}
        return f"{known['model name']} (family {known['cpu family']}, model {known['model']})"
    except (OSError, KeyError, ValueError):
        return platform.processor() or platform.machine()


def _blas() -> str:
    import numpy as np

    try:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    except (TypeError, KeyError):
        return "BLAS unknown"


def _commit() -> str:
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True
        )
        return answer.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


# ---- what is shown ---------------------------------------------------------------------------------------------------


def seconds(value: float | None) -> str:
    """``12.3 µs``, ``1.20 ms``, ``3.4 s``: three digits."""
    if value is None:
        return ""
    for scale, unit in ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s")):
        if value < 1000 * scale or unit == "s":
            return f"{value / scale:.3g} {unit}" if value < 1000 * scale else f"{value:.0f} s"
    raise AssertionError("there is a last unit")


def count(value: float | None) -> str:
    """``1,234`` up to a hundred thousand, then ``1.23e+06``."""
    return "" if value is None else f"{value:,.0f}" if value < 1e5 else f"{value:.3g}"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> None:
    """A table on standard output; by rich where it is installed.  The first and the last column are words."""
    body = [[str(cell) for cell in row] for row in rows]
    if find_spec("rich") is not None:
        from rich import box
        from rich.console import Console
        from rich.table import Table

        shown = Table(title=title, box=box.SIMPLE, title_justify="left", title_style="bold", pad_edge=False)
        for number, column in enumerate(columns):
            words = number in (0, len(columns) - 1)
            shown.add_column(column, justify="left" if words else "right", overflow="fold" if words else "ellipsis")
        for row in body:
            shown.add_row(*(cell.replace("[", r"\[") for cell in row))
        console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
        console.print(shown)
        if note:
            console.print(note, markup=False)
        return
    widths = [max(len(row[k]) for row in [list(columns), *body]) for k in range(len(columns))]
    print(f"\n{title}")
    for row in [list(columns), ["-" * width for width in widths], *body]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if note:
        print(note)


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[str], None]]:
    """A bar on standard error, where that is a terminal and rich is there.  Call what it gives once per case done."""
    if not sys.stderr.isatty() or find_spec("rich") is None:
        yield lambda _name: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda name: bar.update(task, advance=1, description=f"{what}: {name}")


def write_json(path: Path | None, name: str, record: Mapping[str, Any], results: Any) -> None:
    """The results with the record of the machine, to a temporary file that then takes the name."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"benchmark": name, "machine": record, "results": results}, indent=1, default=_plain)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(text + "\n", "utf-8")
    unfinished.replace(path)


def _plain(value: Any) -> Any:
    if isinstance(value, Timing):
        return {key: _digits(part) for key, part in asdict(value).items()}
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _digits(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
