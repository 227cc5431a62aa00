"""Contenders in processes of their own, which wait for each other and take turns: A B A B.

So no two pools of threads meet, and what one leaves in its process slows no other.  A worker is the script itself,
started again with the name of a contender in its environment; it prepares a case, checks the answer, and runs it when
it is asked to.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import common

WORKER = "EINSTAN_BENCH_WORKER"
TURN = 0.03  # seconds of one contender before the next has its turn

Call = Callable[[], Any]
Prepare = Callable[[str, Mapping[str, Any]], Call | None]  # of a contender and a case: None where it does not take part


def asked() -> str | None:
    """The contender that this process is to be, or None where it is the one that asks."""
    return os.environ.get(WORKER)


def serve(name: str, prepare: Prepare) -> int:
    """Answer requests, a line of JSON each: to prepare a case, which checks its answer, or to run for a while."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print is no answer
    call: Call | None = None
    repeats = 1
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {}
        if "case" in request:
            call = None
            try:
                call = prepare(name, request["case"])
                answer = {"takes part": call is not None}
            except common.WrongAnswerError as error:
                answer = {"wrong": str(error)}
            except Exception as error:
                answer = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
            if call is not None:
                quickest = min(common.timed(call)[1] for _ in range(3))
                repeats = max(1, round(request["turn"] / max(quickest, 1e-7)))
        elif call is not None:
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            answer = {"seconds": (time.perf_counter() - start) / repeats}
        print(json.dumps(answer), file=answers, flush=True)
    return 0


class Worker:
    """A contender in a process of its own."""

    def __init__(self, name: str, script: str, threads: int) -> None:
        self.name = name
        pools = dict.fromkeys(common.POOLS, str(threads))
        self.process = subprocess.Popen(
            [sys.executable, script, "--threads", str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **pools, WORKER: name},
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
        try:
            self.process.stdin.close()
            self.process.wait(timeout=10)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def measured(
    workers: Sequence[Worker], case: Mapping[str, Any], *, budget: float, rounds: int, turn: float = TURN
) -> tuple[dict[str, common.Timing], list[tuple[str, str]]]:
    """Times by contender, and which could not run and why.  Raises `WrongAnswerError` for a wrong answer."""
    running, failed = [], []
    for worker in workers:
        answer = worker.ask(case=case, turn=turn)
        if "wrong" in answer:
            raise common.WrongAnswerError(answer["wrong"])
        if "failed" in answer:
            failed.append((worker.name, answer["failed"]))
        elif answer["takes part"]:
            running.append(worker)
    times: dict[str, list[float]] = {worker.name: [] for worker in running}
    begin = time.perf_counter()
    for done in range(rounds):
        if done >= 3 and time.perf_counter() - begin > budget:
            break
        for worker in running:
            times[worker.name].append(worker.ask()["seconds"])
    return {name: common.timing(found) for name, found in times.items()}, failed
