"""Is the peak memory that a plan predicts what a call takes?

For every network of bench_paths.py, forward and with its gradients, and for the library's layers: the predicted peak
against what Python's own accounting of memory measures.  A prediction that is more than a tenth
off is a row that is lost; the accounting counts Python's objects too, so cases of less than 64 kB are not judged.
"""

from __future__ import annotations

import sys

import common
from bench_paths import TOLERANCE, cases

ALLOWED = 0.1
JUDGED = 64_000  # bytes from which arrays, and not Python's objects, decide


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_memory.py --json memory.json")
    parser.add_argument("--only", metavar="NAME", help="the cases whose name contains this")
    options = parser.parse_args()
    common.limit_threads(options.threads)
    from einstan.machine.compile import compile as compile_program
    from einstan.machine.plan import plan

    record = common.machine()
    print(common.one_line(record))
    chosen = [case for case in cases(options.quick) if (options.only or "").lower() in case.name.lower()]
    if not chosen:
        print(f"no case is named {options.only!r}", file=sys.stderr)
        return 2
    rows, lines, lost = [], [], []
    with common.progress(len(chosen), "memory") as done:
        for case in chosen:
            answer = compile_program(case.program, case.outputs)(**case.arrays)
            for output in case.outputs:
                what = f"{output} of {case.name}"
                common.check("einstan", what, answer[output], case.expected[output], TOLERANCE)
            made = plan(
                case.program, outputs=case.outputs, shapes={name: array.shape for name, array in case.arrays.items()}
            )
            measured = made.measure(case.arrays)
            ratio = made.peak_memory / measured
            rows.append({"case": case.name, "predicted": made.peak_memory, "measured": measured, "ratio": ratio})
            lines.append((case.name, f"{made.peak_memory:,}", f"{measured:,}", f"{ratio:.3f}"))
            if measured >= JUDGED and abs(ratio - 1) > ALLOWED:
                lost.append((case.name, "prediction", f"{ratio:.3f} of what was measured"))
            done(case.name)
    common.table("peak memory, bytes", ("case", "predicted", "measured", "ratio"), lines)
    if lost:
        common.table("rows lost", ("case", "what", "by"), lost)
    else:
        print("no row is lost")
    common.write_json(options.json, "memory", record, {"rows": rows, "lost": lost})
    return 0


if __name__ == "__main__":
    common.main_guard(run)
