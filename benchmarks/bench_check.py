"""How long does checking take: documents of 10, 100 and 1,000 claims, and the five papers?

The documents are made by `claims.py`: parts in the manner of papers, with true claims and slips of the pen, which of
the two is known from how they were written.  Every document is checked in a process of its own, so that nothing is
remembered from one to the next; what is measured is the processor's time of the check, on one thread, without the
start of Python and the imports.  A verdict that is not the known one is refused, and so is a paper whose claims do not
come out as its document says.  The seconds are targets, met or missed, and change nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import common
from common import WrongAnswerError

PAPERS = Path(__file__).resolve().parent.parent / "docs" / "papers"
COUNTS, REPEATS = (10, 100, 1000), 3
QUICK_COUNTS, QUICK_REPEATS = (10, 30), 1
FIVE = "the five papers"
TARGETS = {"1000 claims": 8.0, FIVE: 4.0}  # seconds


# ---- one document, in a process of its own ---------------------------------------------------------------------------


def one(case: str) -> dict[str, Any]:
    """The seconds to check a case, and how many claims of each verdict there are."""
    from claims import document

    import einstan as es

    if case == FIVE:
        texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(PAPERS.glob("*.ein"))}
        known: dict[int, bool] | None = None
    else:
        made = document(int(case.split()[0]))
        texts, known = {case: made.text}, made.true
    check = es.check  # imported when it is first asked for, which is not timed

    def work() -> list[es.Report]:
        return [check(text, name) for name, text in texts.items()]

    reports, seconds = common.timed(work, clock=time.process_time)
    verify(reports, known)
    counts = {verdict: sum(report.counts[verdict] for report in reports) for verdict in reports[0].counts}
    return {"case": case, "claims": sum(counts.values()), "counts": counts, "seconds": seconds}


def verify(reports: Any, known: dict[int, bool] | None) -> None:
    """Every verdict is the known one."""
    planted = os.environ.get(common.PLANT) == "einstan"
    for report in reports:
        for line in report.claims:
            true = line.statement.kind != "refute" if known is None else known[line.number]
            holds = (line.outcome.verdict in ("proved", "verified")) != planted
            if line.outcome.verdict == "undecided" or holds != true:
                raise WrongAnswerError(
                    f"einstan: {report.name}, line {line.number}, is {'true' if true else 'false'}, and the verdict "
                    f"{line.outcome.verdict!r} differs from the reference by being wrong: {line.statement.text}"
                )


def in_fresh_process(case: str, threads: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", case, "--threads", str(threads)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        *_, last = answer.stderr.strip().splitlines() or [""]
        if last.startswith("refused: "):
            raise WrongAnswerError(last.removeprefix("refused: "))
        sys.exit(f"{answer.stderr}the process that checks {case} ended with status {answer.returncode}")
    result: dict[str, Any] = json.loads(answer.stdout)
    return result


# ---- all documents ---------------------------------------------------------------------------------------------------


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_check.py --json check.json")
    parser.add_argument("--one", metavar="CASE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    common.limit_threads(options.threads)
    if options.one is not None:
        print(json.dumps(one(options.one)))
        return 0
    record = common.machine()
    print(common.one_line(record))
    counts, repeats = (QUICK_COUNTS, QUICK_REPEATS) if options.quick else (COUNTS, REPEATS)
    cases = [*(f"{count} claims" for count in counts), *([] if options.quick else [FIVE])]
    found: dict[str, list[dict[str, Any]]] = {case: [] for case in cases}
    with common.progress(len(cases) * repeats, "check") as done:
        for _ in range(repeats):  # in turn, so that a slow minute is shared
            for case in cases:
                found[case].append(in_fresh_process(case, options.threads))
                done(case)
    rows = []
    for case, runs in found.items():
        time_ = common.timing([run["seconds"] for run in runs])
        target = TARGETS.get(case)
        rows.append({
            "case": case, "claims": runs[0]["claims"], **runs[0]["counts"], "time": time_,
            "each": time_.median / runs[0]["claims"], "wanted": target,
            "met": None if target is None else time_.median < target,
        })  # fmt: skip
    columns = ("document", "claims", "proved", "verified", "refuted", "seconds", "quartiles", "a claim", "wanted")
    common.table("checking documents", columns, [
        (row["case"], str(row["claims"]), str(row["proved"]), str(row["verified"]), str(row["refuted"]),
         common.seconds(row["time"].median),
         f"{common.seconds(row['time'].low)} to {common.seconds(row['time'].high)}", common.seconds(row["each"]),
         "" if row["wanted"] is None else f"under {row['wanted']:g} s: {'met' if row['met'] else 'missed'}")
        for row in rows
    ])  # fmt: skip
    common.write_json(options.json, "check", record, {"rows": rows})
    return 0


if __name__ == "__main__":
    common.main_guard(run)
