"""How fast is a compiled training step beside one written by hand, and beside the frameworks?

A multilayer perceptron with relu, softmax and cross-entropy: forward, backward and the update of gradient descent, in
four sizes, float32 and float64.  Every contender runs in a process of its own, so that no two pools of threads meet;
they take turns, A B A B, and wait for each other.  The first step of each is compared with the derivative by hand in
float64 before anything is timed.  Ratios are to the expert's NumPy.
"""

from __future__ import annotations

import math
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from typing import Any

import common
import workers
from contest import Case, Contest, Lost, Row, error, medians
from perceptron import Perceptron
from step_contenders import CONTENDERS, EXPERT, FAST, FRESH, NUMPY, PRODUCTS

CASES = (
    (32, (64, 32, 10)),
    (64, (784, 128, 64, 10)),
    (256, (784, 512, 256, 10)),
    (1024, (1024, 2048, 2048, 1000)),
)
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
NEEDS = {name: package for name, (_, package) in CONTENDERS.items() if package != "numpy"}


def verified(name: str, net: Perceptron, loss: Any, params: Mapping[str, Any]) -> float:
    """The largest error of the loss and the new parameters, and of what was added to them."""
    import numpy as np
    from by_hand import dense_softmax_cross_entropy

    exact = {key: array.astype(np.float64) for key, array in net.params.items()}
    wanted, gradients = dense_softmax_cross_entropy(exact, net.X.astype(np.float64), net.Y.astype(np.float64))
    tolerance = TOLERANCE[net.dtype]
    largest = common.check(name, "the loss", loss, wanted, tolerance)
    for key, gradient in gradients.items():
        found = np.asarray(params[key])
        if found.dtype != net.dtype:
            raise common.WrongAnswerError(f"{name}: {key} is {found.dtype}, the data {net.dtype}")
        largest = max(largest, common.check(name, key, found, exact[key] - 1e-3 * gradient, tolerance))
        change = (exact[key] - found.astype(np.float64)) / 1e-3
        # Rounding of the parameter is most of its error, as often as there are examples where products are added to it.
        roundings = (4 + math.sqrt(net.batch)) * np.finfo(net.dtype).eps / 1e-3
        slack = tolerance + roundings * np.abs(exact[key]).max() / np.abs(gradient).max()
        common.check(name, f"d{key}", change, gradient, float(slack))
    return largest


class Steps(Contest):
    columns = ("ratio", "error")
    needs = NEEDS
    ours = (NUMPY, FRESH, FAST)
    no_rivals = (PRODUCTS,)
    turn, rounds, budget = 0.03, 60, 20.0

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--sizes", metavar="N", type=int, default=len(CASES), help="the N smallest sizes alone")
        parser.add_argument(
            "--contender", metavar="NAME", action="append", choices=list(CONTENDERS),
            help="time this one beside the expert, and others that are named so",
        )  # fmt: skip

    def cases(self) -> Sequence[Case]:
        names, chosen = self.available(CONTENDERS), self.options.contender
        if chosen:
            names = [name for name in names if name in (EXPERT, *chosen)]
        return [
            Case(label(batch, widths, dtype), {"batch": batch, "widths": widths, "dtype": dtype}, names)
            for dtype in ("float32", "float64")
            for batch, widths in CASES[: 1 if self.options.quick else self.options.sizes]
        ]

    def make(self, name: str, request: Mapping[str, Any]) -> workers.Made:
        net = Perceptron(request["batch"], tuple(request["widths"]), request["dtype"])
        step, params = CONTENDERS[name][0](net)
        loss = step()
        return step, None if loss is None else verified(name, net, loss, params())

    def judge(self, case: Case, rows: Sequence[Row]) -> list[Lost]:
        base = medians(rows)[EXPERT]
        for row in rows:
            row["ratio"] = row["time"].median / base
        return super().judge(case, rows)

    def cells(self, row: Row) -> Sequence[str]:
        return f"{row['ratio']:.2f}", error(row)

    def closing(self, rows: Sequence[Row]) -> Mapping[str, Any]:
        found = targets(rows)
        lines = [
            (t["case"], t["what"], f"{t['ratio']:.2f}", f"{t['most']:g}", "met" if t["held"] else "missed")
            for t in found
        ]
        common.table("targets", ("case", "ratio", "measured", "at most", "verdict"), lines)
        return {"targets": found}


def label(batch: int, widths: Sequence[int], dtype: str) -> str:
    return f"batch {batch}, {'-'.join(map(str, widths))}, {dtype}"


def targets(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What the step is to reach, from the medians of every case that was measured."""
    found: list[dict[str, Any]] = []
    for dtype in ("float32", "float64"):
        for place, (batch, widths) in enumerate(CASES):
            case = label(batch, widths, dtype)
            times = medians(row for row in rows if row["case"] == case)
            wanted = [(NUMPY, EXPERT, 0.6 if place == 0 else 1.0)]
            wanted += [(FAST, other, 1.0) for other in ("PyTorch eager", "torch.compile", "JAX, jitted")]
            if place == 0:
                wanted += [(FAST, "PyTorch eager", 0.1), (FAST, "JAX, jitted", 0.5)]
            if place >= 2:
                wanted.append((FAST, PRODUCTS, 1.1))
            for mine, other, most in wanted:
                if mine in times and other in times:
                    ratio = times[mine] / times[other]
                    found.append({"case": case, "what": f"{mine} / {other}", "ratio": ratio, "most": most,
                                  "held": ratio <= most})  # fmt: skip
    return found


if __name__ == "__main__":
    common.main_guard(Steps(__file__, __doc__).run)
