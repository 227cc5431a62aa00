"""Do the tables of README.md say what was measured?  They are written from results/*.json, never by hand.

Each part between ``<!-- paths -->`` and ``<!-- end -->`` is replaced by the tables of results/paths.json, and so on.
With ``--check`` nothing is written; the exit status is 1 if the page is not what the results give.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from common import count, one_line, seconds

HERE = Path(__file__).resolve().parent
OPTIMIZERS = ("left to right", "greedy", "optimal", "dp", "random-greedy-128", "auto", "cotengra, 32 trials")
DEFAULT = "einstan (default)"


def paths(results: Any) -> Iterable[str]:
    """FLOPs of every optimizer over the best, and what the default's order took to run."""
    head = ("case", "best FLOPs", *OPTIMIZERS, "einstan", "planning, dp", "run, einstan", "fastest")
    rows, alike = [], []
    for case in results["cases"]:
        found = {row["optimizer"]: row for row in case["rows"]}
        if DEFAULT not in found:
            time = case["rows"][0]["time"]["median"]
            alike.append(f"{case['case'].removeprefix('layer: ')} {seconds(time)}")
            continue
        best = min(row["flops"] for row in case["rows"] if "flops" in row)
        ratios = [ratio(found.get(name)) for name in (*OPTIMIZERS, DEFAULT)]
        ran = [row for row in case["rows"] if "time" in row]
        fastest = min(ran, key=lambda row: row["time"]["median"])
        default = found[DEFAULT]["time"]["median"]
        name = "the same" if fastest["time"] == found[DEFAULT]["time"] else fastest["optimizer"]
        times = (seconds(found["dp"].get("planning")), seconds(default))
        rows.append((case["case"], count(best), *ratios, *times, f"{seconds(fastest['time']['median'])}, {name}"))
    yield from markdown(head, rows)
    yield ""
    if alike:
        yield "Cases in which every product has two factors, so that all optimizers agree: " + "; ".join(alike) + "."
        yield ""
    yield from gradients(results)
    yield from lost(results["lost"], ("case", "contender", "by"))


def gradients(results: Any) -> Iterable[str]:
    """What networks and their gradients cost: FLOPs counted, and time beside other libraries."""
    counted = [
        (row["case"], count(row["forward"]), f"{row['over_forward']:.2f}", f"{row['separate']:.3g}")
        for row in results.get("gradients", ())
    ]
    if counted:
        yield "### The gradients of all operands, FLOPs"
        yield ""
        columns = ("network", "forward", "forward and gradients, over forward", "a path for each, over one tree")
        yield from markdown(columns, counted)
        yield ""
    times = results.get("times", ())
    for what, title in (("forward", "One contraction"), ("gradients", "The gradients of all operands")):
        cases: dict[str, dict[str, Any]] = {}
        for row in times:
            if row["what"] == what:
                cases.setdefault(row["case"], {})[row["contender"]] = row
        if not cases:
            continue
        names = list(dict.fromkeys(name for held in cases.values() for name in held if name != "einstan"))
        over = ("over forward",) if what == "gradients" else ()
        yield f"### {title}, time"
        yield ""
        yield from markdown(
            ("network", "einstan", "quartiles", *over, *(f"{name} / einstan" for name in names)),
            [timed(case, held, names, bool(over)) for case, held in cases.items()],
        )
        yield ""
    missing = sorted({(row["contender"], row["reason"]) for row in results.get("not_run", ())})
    for contender, reason in missing:
        cases_ = [row["case"] for row in results["not_run"] if (row["contender"], row["reason"]) == (contender, reason)]
        yield f"- {contender}, not run for {', '.join(cases_)}: {reason}."
    if missing:
        yield ""


def timed(case: str, held: Any, names: Sequence[str], over: bool) -> tuple[str, ...]:
    """One network: what it takes, and how many times as long the others take, with their median."""
    ours = held["einstan"]
    time = ours["time"]
    mine = (seconds(time["median"]), f"{seconds(time['low'])} to {seconds(time['high'])}")
    ratios = [
        f"{held[name]['ratio']:.2f} ({seconds(held[name]['time']['median'])})" if name in held else "" for name in names
    ]
    return (case, *mine, *((f"{ours['over_forward']:.2f}",) if over else ()), *ratios)


def ratio(row: Any) -> str:
    if row is None:
        return ""
    return f"{row['ratio']:.3g}" if "ratio" in row else "not tried"


def derive(results: Any) -> Iterable[str]:
    for kind, what in (("depths", "layers"), ("widths", "branches")):
        if kind not in results:
            continue
        stages = list(results[kind][0]["seconds"])
        rows = [
            (
                str(row["depth"]),
                *(seconds(row["seconds"][stage]["median"]) for stage in stages),
                str(row["equations"]),
                str(row["longest"]),
            )
            for row in results[kind]
        ]
        yield from markdown((what, *stages, "equations", "longest, characters"), rows)
        yield ""
    words = {(True, True): "holds", (True, False): "**fails**", (False, True): "met", (False, False): "**missed**"}
    checks = [(c["what"], c["measured"], c["wanted"], words[c["check"], c["held"]]) for c in results["checks"]]
    yield from markdown(("check or target", "measured", "wanted", "verdict"), checks)


def step(results: Any) -> Iterable[str]:
    """The median of every contender at every size, over that of the expert; and what is to be reached."""
    cases = list(dict.fromkeys(row["case"] for row in results["rows"]))
    by_case = {(row["case"], row["contender"]): row for row in results["rows"]}
    for dtype in dict.fromkeys(case.rpartition(", ")[2] for case in cases):
        sizes = [case for case in cases if case.endswith(dtype)]
        contenders = dict.fromkeys(row["contender"] for row in results["rows"] if row["case"] in sizes)
        rows = []
        for name in contenders:
            found = [by_case.get((case, name)) for case in sizes]
            cells = [f"{row['ratio']:.2f} ({seconds(row['time']['median'])})" if row else "" for row in found]
            rows.append((name, *cells))
        yield from markdown((dtype, *(case.rpartition(", ")[0] for case in sizes)), rows)
        yield ""
    targets = results["targets"]
    missed = [target for target in targets if not target["held"]]
    yield f"Of {len(targets)} targets {len(targets) - len(missed)} are met."
    yield ""
    if missed:
        shown = [(t["case"], t["what"], f"{t['ratio']:.2f}", f"{t['most']:g}") for t in missed]
        yield from markdown(("target missed", "ratio", "measured", "at most"), shown)
        yield ""
    yield from lost(results["lost"], ("case", "contender", "by"))


def hessian(results: Any) -> Iterable[str]:
    """Every size: its time, against jitted JAX and against the closed form by hand."""
    rows = [
        (
            row["case"],
            row["contender"],
            seconds(row["time"]["median"]),
            f"{row['ns_per_entry']:.3g}" if "ns_per_entry" in row else "",
            f"{row['speedup']:.3g}" if "speedup" in row else "",
            f"{row['by_hand']:.2f}" if "by_hand" in row else "",
            row["verdict"],
        )
        for row in results["rows"]
    ]
    yield from markdown(("case", "contender", "median", "ns / entry", "jax / this", "this / by hand", "target"), rows)
    yield ""
    yield from lost(results["lost"], ("case", "contender", "by"))


def memory(results: Any) -> Iterable[str]:
    rows = [
        (r["kind"], r["case"], f"{r['laid_out']:,}", f"{r['predicted']:,}", f"{r['measured']:,}", f"{r['ratio']:.3f}")
        for r in results["rows"]
    ]
    yield from markdown(("kind", "program", "laid out, bytes", "predicted", "measured", "ratio"), rows)
    yield ""
    yield from lost(results["lost"], ("program", "what", "by"))


def bands(results: Any) -> Iterable[str]:
    """What is held, and what a product and a solution take."""
    rows = [
        (
            row["case"], row["contender"], f"{row['bytes']:,}", seconds(row["product"]), f"{row['product_memory']:,}",
            seconds(row.get("solve")), f"{row['solve_memory']:,}" if "solve" in row else "",
        )
        for row in results["rows"]
    ]  # fmt: skip
    yield from markdown(("case", "contender", "bytes", "product", "its memory", "solution", "its memory"), rows)


def einsum(results: Any) -> Iterable[str]:
    """A row for each string; a quotient below one is a row that is lost."""
    times: dict[tuple[str, str], dict[str, float]] = {}
    for row in results["rows"]:
        times.setdefault((row["case"], row["spec"]), {})[row["contender"]] = row["seconds"]
    rows = [
        (case, f"`{spec}`", seconds(own["einstan"]),
         *(f"{own[other] / own['einstan']:.2f}" for other in ("numpy", "opt_einsum")))
        for (case, spec), own in times.items()
    ]  # fmt: skip
    yield from markdown(("case", "string", "einstan", "numpy / einstan", "opt_einsum / einstan"), rows)


def hvp(results: Any) -> Iterable[str]:
    rows = [
        (
            row["case"],
            row["contender"],
            seconds(row["time"]["median"]),
            f"{seconds(row['time']['low'])} to {seconds(row['time']['high'])}",
            f"{row['ratio']:.2f}",
        )
        for row in results["rows"]
    ]
    yield from markdown(("case", "contender", "median", "quartiles", "einstan's share"), rows)
    yield ""
    yield from lost(results["lost"], ("case", "contender", "by"))


def targets(results: Any) -> Iterable[str]:
    """What a derivative takes over what the library differentiates itself, in time and in memory."""
    rows = [
        (
            row["case"],
            row["contender"],
            seconds(row["time"]["median"]),
            f"{seconds(row['time']['low'])} to {seconds(row['time']['high'])}",
            "" if row["ratio"] is None else f"{row['ratio']:.2g}",
            "" if row.get("bytes") is None else f"{row['bytes'] / 1e6:.3g} MB",
            "" if row.get("memory ratio") is None else f"{row['memory ratio']:.2g}",
        )
        for row in results["rows"]
    ]
    columns = ("case", "contender", "median", "quartiles", "derived over it", "memory", "derived over it")
    yield from markdown(columns, rows)
    yield ""
    yield from lost(results["lost"], ("case", "contender", "by"))


def conv(results: Any) -> Iterable[str]:
    """Every contender's time, and what einstan takes over it; what was wanted."""
    yield from beside(results["rows"])
    yield ""
    wanted = [
        (each["what"], f"{each['measured']:.2f}", f"at most {each['wanted']:g}", "met" if each["met"] else "**missed**")
        for each in results["targets"]
    ]
    if wanted:
        yield from markdown(("target", "measured", "wanted", "verdict"), wanted)
        yield ""
    yield from lost(results["lost"], ("case", "contender", "by"))


def embedding(results: Any) -> Iterable[str]:
    yield from beside(results["rows"])
    yield ""
    yield from lost(results["lost"], ("case", "contender", "by"))


def beside(rows: Any) -> Iterable[str]:
    """Contenders, with what einstan takes over each, by NumPy alone and by loops that numba compiles."""
    ours = ("einstan", "einstan, numba")
    lines = [
        (
            row["case"],
            row["contender"],
            seconds(row["time"]["median"]),
            f"{seconds(row['time']['low'])} to {seconds(row['time']['high'])}",
            *(f"{row['ratios'][mine]:.2f}" if mine in row["ratios"] else "" for mine in ours),
        )
        for row in rows
    ]
    yield from markdown(("case", "contender", "median", "quartiles", "einstan over it", "with numba over it"), lines)


def check(results: Any) -> Iterable[str]:
    """Seconds to check documents of so many claims, and the five papers."""
    rows = [
        (
            row["case"], str(row["claims"]), str(row["proved"] + row["verified"]), str(row["refuted"]),
            seconds(row["time"]["median"]), f"{seconds(row['time']['low'])} to {seconds(row['time']['high'])}",
            seconds(row["each"]),
            "" if row["wanted"] is None else f"under {row['wanted']:g} s: {'met' if row['met'] else 'missed'}",
        )
        for row in results["rows"]
    ]  # fmt: skip
    yield from markdown(("document", "claims", "true", "refuted", "median", "quartiles", "a claim", "wanted"), rows)


def lost(rows: Sequence[Sequence[str]], head: Sequence[str]) -> Iterable[str]:
    if not rows:
        yield "No row is lost."
        return
    yield "Rows lost:"
    yield ""
    yield from markdown(head, rows)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def digits(results: Any) -> Iterable[str]:
    """Errors of gradients and Hessians of formulas over what rounded inputs make unavoidable."""

    def shown(number: float | None) -> str:
        return "–" if number is None else f"{number:.2g}"

    rows = [each for each in results["rows"] if each["group"] == "formula"]
    head = ("formula", "shift", "scale", "gradient", "Hessian")
    yield from markdown(head, [
        (each["row"], f"{each['shift']:g}", f"{each['scale']:g}", shown(each["gradient"]), shown(each.get("hessian")))
        for each in rows
    ])  # fmt: skip
    yield ""
    bad = [each for each in rows if max(each["gradient"] or 0, each.get("hessian") or 0) > results["factor"]]
    told = [f"{each['row']} at shift {each['shift']:g}, scale {each['scale']:g}" for each in bad]
    yield "Lost: " + "; ".join(told) + "." if told else "No row is lost."


TABLES: dict[str, Callable[[Any], Iterable[str]]] = {
    "bands": bands,
    "check": check,
    "conv": conv,
    "derive": derive,
    "digits": digits,
    "einsum": einsum,
    "embedding": embedding,
    "hessian": hessian,
    "hvp": hvp,
    "memory": memory,
    "paths": paths,
    "step": step,
    "targets": targets,
}


def page(text: str) -> str:
    """The page with every part written again."""

    def part(match: re.Match[str]) -> str:
        file = match[1]
        if not (HERE / "results" / f"{file}.json").exists():
            return f"<!-- {file} -->\n\nNothing is recorded yet; the command stands above.\n\n<!-- end -->"
        written = json.loads((HERE / "results" / f"{file}.json").read_text("utf-8"))
        lines = [f"Measured on {one_line(written['machine'])} ({written['machine']['date']}).", ""]
        lines += TABLES[written["benchmark"]](written["results"])
        return f"<!-- {file} -->\n\n" + "\n".join(lines) + "\n\n<!-- end -->"

    return re.sub(r"<!-- (\w+) -->.*?<!-- end -->", part, text, flags=re.DOTALL)


def run() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the page is out of date")
    options = parser.parse_args()
    path = HERE / "README.md"
    old = path.read_text("utf-8")
    new = page(old)
    if options.check:
        if new != old:
            print("README.md is not what results/*.json give: run python benchmarks/report.py", file=sys.stderr)
        return int(new != old)
    path.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run())
