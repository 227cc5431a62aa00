"""Contenders in processes of their own, which take turns: no two pools of threads meet, and none runs beside another.

A script starts itself once for each contender.  A process answers requests, a line of JSON each: to prepare a case and
check its answer, to run for a while, to stop.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import common

WORKER = "EINSTAN_BENCH_WORKER"
SPIN = 0.13  # seconds: the threads of OpenBLAS look for work for 2^28 cycles, on a processor that the next one needs
SLOW = 0.5  # seconds of a call: such a contender has the fewest turns
FEWEST = 3  # turns
SURROUNDINGS = {
    "JAX_PLATFORMS": "cpu",
    # glibc gives freed memory back or keeps it, depending on what a process did before, and asking for it anew can take
    # half of the time: here it is kept, but for blocks of more than 32 MB.
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}
Made = tuple[Callable[[], object], float | None]  # one call, and the error of its answer where there is one


# ---- one process -----------------------------------------------------------------------------------------------------


class Worker:
    """A contender in a process of its own."""

    def __init__(self, script: str, name: str, threads: int, source: Path | None = None) -> None:
        self.name = name
        path = {} if source is None else {"PYTHONPATH": str(source)}
        self.process = subprocess.Popen(
            [sys.executable, script, "--threads", str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **SURROUNDINGS, **path, WORKER: name},
        )  # fmt: skip

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        return json.loads(answer) if answer else {"failed": "the process ended"}

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@contextmanager
def processes(
    script: str, threads: Mapping[str, int], sources: Mapping[str, Path | None] | None = None
) -> Iterator[list[Worker]]:
    """A process for each contender, by name with its threads and the checkout whose einstan it takes, if not this one;
    all have ended when the block does."""
    started: list[Worker] = []
    try:
        started += (Worker(script, name, count, (sources or {}).get(name)) for name, count in threads.items())
        yield started
    finally:
        for worker in started:
            worker.close()


def answer_requests(
    make: Callable[[Mapping[str, Any]], Made], held: Callable[[Callable[[], object]], int | None] | None = None
) -> int:
    """The life of a worker: ``make`` prepares a case and checks it, ``held`` says how many bytes a call holds."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches every process: one of them is enough to say so
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print is no answer
    call: Callable[[], object] | None = None
    repeats = 1
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "prepare":
            call = None  # what the case before holds is free before memory is asked for
            try:
                call, error = make(request)
                quickest = common.timed(call)[1]
                slow = quickest > SLOW
                if not slow:
                    quickest = min(quickest, *(common.timed(call)[1] for _ in range(2)))
                repeats = max(1, round(request["turn"] / max(quickest, 1e-7)))
                answer: dict[str, Any] = {"error": error, "slow": slow}
            except common.WrongAnswerError as wrong:
                answer = {"wrong": str(wrong)}
            except Exception as failed:
                answer = {"failed": f"{type(failed).__name__}: {failed}".splitlines()[0]}
        elif request["do"] == "hold":
            assert call is not None
            answer = {"bytes": None if held is None else held(call)}
        else:
            assert call is not None
            for _ in range(math.ceil(repeats / 4) if repeats > 1 else 0):
                call()  # the others had the caches in between, and few calls do not fill them
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            answer = {"seconds": (time.perf_counter() - start) / repeats}
        print(json.dumps(answer), file=answers, flush=True)
    return 0


# ---- all of them -----------------------------------------------------------------------------------------------------


def in_turns(
    workers: Sequence[Worker], request: Mapping[str, Any], rounds: int, budget: float = math.inf
) -> tuple[dict[str, tuple[common.Timing, float | None]], dict[str, str]]:
    """Times and errors by contender, A B A B, and why others did not run.

    ``rounds`` of turns, or as many, but at least three, as begin within ``budget`` seconds.  A contender that takes
    more than half a second a call has three turns, which the budget does not count.  On more than one thread each waits
    until the threads of the one before have gone to sleep.
    """
    errors: dict[str, float | None] = {}
    times: dict[str, list[float]] = {}
    failed: dict[str, str] = {}
    slow: set[str] = set()
    for worker in workers:
        answer = worker.ask(do="prepare", **request)
        if "wrong" in answer:
            raise common.WrongAnswerError(answer["wrong"])
        if "failed" in answer:
            failed[worker.name] = answer["failed"]
            continue
        errors[worker.name], times[worker.name] = answer["error"], []
        if answer["slow"]:
            slow.add(worker.name)
    spins = int(os.environ.get(common.POOLS[0], "1")) > 1
    spent = 0.0
    for turn in range(rounds):
        if turn >= FEWEST and spent > budget:
            break
        for worker in workers:
            if worker.name in failed or (turn >= FEWEST and worker.name in slow):
                continue
            begin = time.perf_counter()
            if spins:
                time.sleep(SPIN)
            answer = worker.ask(do="run")
            if "failed" in answer:
                failed[worker.name] = answer["failed"]
                del times[worker.name]
                continue
            times[worker.name].append(answer["seconds"])
            spent += 0.0 if worker.name in slow else time.perf_counter() - begin
    return {name: (common.timing(found), errors[name]) for name, found in times.items()}, failed
