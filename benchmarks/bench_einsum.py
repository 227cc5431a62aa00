"""How fast is one call of einsum from its string: Einstan beside NumPy and opt_einsum?

Every contender gets the same string and arrays at every call.  A row that Einstan loses by more than a tenth is marked.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import common

TOLERANCE = 1e-10
ROWS = {  # what is contracted, and its sizes
    "matrix product": ("ij,jk->ik", {"i": 256, "j": 256, "k": 256}),
    "small matrix product": ("ij,jk->ik", {"i": 4, "j": 4, "k": 4}),
    "batched": ("bij,bjk->bik", {"b": 32, "i": 64, "j": 64, "k": 64}),
    "chain": ("ij,jk,kl,l->i", {"i": 200, "j": 200, "k": 200, "l": 200}),
    "bilinear": ("ni,ijk,nj->nk", {"n": 64, "i": 32, "j": 32, "k": 32}),
    "attention scores": ("bqhd,bkhd->bhqk", {"b": 4, "q": 64, "k": 64, "h": 4, "d": 32}),
    "trace of a product": ("ij,ji->", {"i": 300, "j": 300}),
    "diagonal": ("ii->i", {"i": 500}),
    "transpose and sum": ("ijk->kj", {"i": 64, "j": 64, "k": 64}),
    "outer": ("i,j->ij", {"i": 500, "j": 500}),
}


def run() -> int:
    parser = common.arguments(__doc__ or "", "python benchmarks/bench_einsum.py --json einsum.json")
    options = parser.parse_args()
    common.limit_threads(options.threads)
    import numpy as np
    import opt_einsum

    import einstan as es

    record, rng = common.machine(), np.random.default_rng(0)
    print(common.one_line(record))
    rows: list[dict[str, Any]] = []
    for name, (spec, sizes) in ROWS.items():
        arrays = [rng.standard_normal([sizes[k] for k in own]) for own in spec.partition("->")[0].split(",")]
        calls = {
            "einstan": partial(es.einsum, spec, *arrays),
            "numpy": partial(np.einsum, spec, *arrays, optimize=True),
            "opt_einsum": partial(opt_einsum.contract, spec, *arrays),
        }
        right = np.einsum(spec, *arrays)
        for contender, call in calls.items():
            common.check(contender, name, np.asarray(call()), right, TOLERANCE)
        times = common.interleaved(calls, budget=0.05 if options.quick else 1.5, rounds=3 if options.quick else 30)
        rows += [{"case": name, "spec": spec, "contender": each, "seconds": t.median} for each, t in times.items()]
    by_case = {name: {r["contender"]: r["seconds"] for r in rows if r["case"] == name} for name in ROWS}
    lost = [n for n, each in by_case.items() if each["einstan"] > 1.1 * min(each.values())]
    common.table(
        "einsum from its string",
        ("case", "string", "einstan", "numpy", "opt_einsum", ""),
        [
            (name, ROWS[name][0], *(common.seconds(s) for s in each.values()), "lost" if name in lost else "")
            for name, each in by_case.items()
        ],
    )
    print(f"lost by more than a tenth: {', '.join(lost) or 'none'}", file=sys.stderr)
    common.write_json(options.json, "einsum", record, {"rows": rows, "lost": lost})
    return 0


if __name__ == "__main__":
    common.main_guard(run)
