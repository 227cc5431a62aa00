"""Threads for as long as you like: every mode, eight threads, and how many calls were wrong.

python tests/faults/run_threads.py --calls 10000 [--threads 8] [--mode plain ...]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

for pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(pool, "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from tests.faults.modes import COMPILED, DEAR, MODES, wrong  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--calls", type=int, default=10_000, help="of each mode; of those that are dear a twentieth")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--mode", action="append", help="one of the modes; all of them unless told otherwise")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    sys.setswitchinterval(1e-5)
    modes = {**MODES, **(COMPILED if find_spec("numba") else {})}
    total = 0
    for name in given.mode or modes:
        calls = given.calls // 20 if name in DEAR else given.calls
        start = time.perf_counter()
        found = wrong(modes[name], given.threads, calls)
        total += len(found)
        sys.stdout.write(f"{name:22} {calls:6} calls  {len(found):5} wrong  {time.perf_counter() - start:6.1f} s\n")
        sys.stdout.flush()
        for line in found[:3]:
            sys.stdout.write(f"    {line[:300]}\n")
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main())
