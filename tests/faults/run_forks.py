"""Forks beside threads, and objects sent to other processes, for as long as you like.

python tests/faults/run_forks.py --minutes 2 [--numba]       children forked while threads specialise, parse, derive
python tests/faults/run_forks.py --send spawn fork loky      every object that a user holds, there and back
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

for pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(pool, "1")
ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))

from tests.faults.forks import all_locks_held, compiled, everything, forked, forks  # noqa: E402
from tests.faults.held import HELD, answered, same  # noqa: E402


def sent(way: str) -> int:
    """How many objects come to other numbers in another process, or after they have come back."""
    items = [(name, held.make()) for name, held in HELD.items()]
    expected = {name: held.asked(held.make()) for name, held in HELD.items()}
    if way == "loky":
        from joblib import Parallel, delayed

        found: Any = Parallel(n_jobs=2, backend="loky")(delayed(answered)(item) for item in items)
    else:
        with multiprocessing.get_context(way).Pool(2) as pool:
            found = pool.map(answered, items)
    wrong = [n for n, there, back in found if not (same(there, expected[n]) and same(HELD[n].asked(back), expected[n]))]
    sys.stdout.write(f"{way:6} {len(found)} objects sent, {len(wrong)} wrong {wrong or ''}\n")
    return len(wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--numba", action="store_true", help="fork while numba compiles, too")
    parser.add_argument("--send", nargs="*", default=[], choices=("spawn", "fork", "loky"))
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    bad = sum(sent(way) for way in given.send)
    ends: list[str] = []
    until = time.monotonic() + 60 * given.minutes
    while time.monotonic() < until:
        with all_locks_held():
            ends.append(forked(everything))
        ends += forks(8)
        if given.numba:
            worker = threading.Thread(target=compiled)
            worker.start()
            time.sleep(0.3)
            ends.append(forked(compiled))
            worker.join()
    if ends:
        sys.stdout.write(f"{len(ends)} forks: {ends.count('done')} done, {ends.count('hangs')} hang\n")
        for end in sorted({*ends} - {"done", "hangs"})[:3]:
            sys.stdout.write(f"{end}\n")
    return int(bad + len(ends) - ends.count("done") > 0)


if __name__ == "__main__":
    sys.exit(main())
