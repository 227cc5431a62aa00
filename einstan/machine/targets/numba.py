"""numba: the schedule of NumPy, in which runs of operations are functions that numba compiles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from einstan.language.term import Name
from einstan.machine.backends.numpy import blas_gemm
from einstan.machine.kernels.fused import BETWEEN, Fused
from einstan.machine.kernels.vectors import functions_called
from einstan.machine.schedule.calls import Call
from einstan.machine.schedule.scheduler import BLAS, Memory
from einstan.machine.schedule.sizes import Sizes
from einstan.machine.targets.laid_out import LaidOut
from einstan.machine.targets.numpy import NUMPY, dtype
from einstan.machine.targets.source import Source

if TYPE_CHECKING:
    from einstan.machine.plan.plan import Plan

IMPORTED = """from numba import njit
"""
HEAD = """from math import exp, log, sqrt

F = {kind}
LARGEST = np.finfo(F).max
compiled = njit(nogil=True, error_model="numpy", fastmath={{"reassoc", "nsz", "contract"}})
"""


class Looped(LaidOut):
    """The calls, and above them the functions that they call."""

    def __init__(self, scheduler: Fused, *arguments: object) -> None:
        super().__init__(*arguments)
        self.scheduler = scheduler

    def call(self, call: Call) -> None:
        if call.verb == "kernel":
            name, given, scalars = call.detail
            left = f"{', '.join(scalars)}{',' if len(scalars) == 1 else ''} = " if scalars else ""
            self.body.append(f"    {left}{name}({', '.join(['floats', *given])})")
            self.body += [f"    {scalar} = F({scalar})" for scalar in scalars]
            self.commented[id(self.body)] = ""
        elif call.verb == "loop":
            assert call.out is not None
            reads = ", ".join(self.operand(read, call) for read in call.reads)
            self.say(call, f"{call.detail[0]}({reads}, {self.seen(call.out)})")
        else:
            super().call(call)

    def assembled(self, results: str) -> Source:
        self.drop_unused(results)
        source = super().assembled(results)
        if not self.scheduler.kernels:
            return source
        precision, arena = self.schedule.precision, self.schedule.arena
        size = {"float32": 4, "float64": 8}[precision]
        starts = {name: buffer.start // size for buffer in arena.buffers for name in buffer.names}
        text = "\n\n\n".join(kernel.text for kernel in self.scheduler.kernels)
        text = re.sub(r"@row:(\w+):(\d+)@", lambda found: self.row_offset(found[1], int(found[2])), text)
        text = re.sub(r"@(\w+)@", lambda found: str(starts[found[1]]), text)
        head = HEAD.format(kind=dtype(precision)) + (f'gemm = blas_gemm("{precision}")\n' if "gemm(" in text else "")
        texts = "\n\n\n".join(part for part in (functions_called(text, precision), text) if part)
        source.kernels = f"{head}\n\n{texts}\n"
        above = f"\n\n{IMPORTED}\n\n{source.kernels}\n\ndef prepare():"
        whole = source.text.replace("\n\ndef prepare():", above, 1)
        if arena.buffers:
            at = whole.index("\n", whole.index("    memory = block(")) + 1
            source.text = f"{whole[:at]}    floats = memory.view({dtype(precision)})\n{whole[at:]}"
        else:
            empty = f"def prepare():\n    floats = np.empty(0, {dtype(precision)})\n"
            source.text = whole.replace("def prepare():\n", empty, 1)
        return source

    def row_offset(self, name: str, stride: int) -> str:
        return "0" if name in self.scheduler.single_rows else f"i0 * {stride}" if stride != 1 else "i0"

    def drop_unused(self, results: str) -> None:
        """What lives in variables of a loop alone needs no memory."""
        lines = [line for line in (*self.body, *self.view_lines, results) if not line.lstrip().startswith("#")]
        kernels = "\n".join(kernel.text for kernel in self.scheduler.kernels)
        used = set(re.findall(r"@(\w+)@", kernels)) | set(re.findall(r"\w+", "\n".join(lines)))
        arena = self.schedule.arena
        arena.buffers = [buffer for buffer in arena.buffers if used.intersection(buffer.names)]


def fused(made: Plan, precisions: dict[Name, str], function: str, precision: str, reuse_buffers: bool) -> Source | None:
    """The source with loops, where all floats have one precision that the BLAS has; else None."""
    sizes = Sizes(made)
    taken = [*NUMPY.helpers, function]
    scheduler = Fused(made, sizes, precisions, precision, Memory.BLOCK, NUMPY.writes, reuse_buffers, taken)
    if not scheduler.made.uniform or scheduler.precision not in BLAS:
        return None
    scheduler.begin(blas_gemm(scheduler.precision) is not None)
    speller = Looped(scheduler, NUMPY, made, scheduler.run(BETWEEN), sizes, precisions, function, scheduler.taken)
    if scheduler.gemm:
        speller.helpers["blas_gemm"] = None
    return speller.run()
