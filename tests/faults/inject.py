"""A save whose n-th real call of the system fails or kills it, for every call and n, by strace (Linux):

    python tests/faults/inject.py

The file is the old or the new one afterwards, the error is one of ours, and nothing is left behind by what lives.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from einstan.language.errors import EinstanError
from einstan.library.state import State
from tests.faults.flips import small_run

CALLS = (
    "openat", "write", "lseek", "fsync", "rename", "close", "flock", "fchmod", "fchown", "getdents64", "readlink",
    "newfstatat,stat,lstat,fstat", "access,faccessat,faccessat2",
)  # fmt: skip
FAULTS = ("error=ENOSPC", "error=EIO", "error=EROFS", "signal=KILL")


def injected(fault: str, trace: str) -> tuple[bool, int, int]:
    """Whether a save met the fault, how it ended (0, 3 for an error, or a signal), and what the file has ``begun``."""
    old, new = small_run(), small_run()
    new.begun = 1
    for name in os.listdir():
        os.unlink(name)
    old.save("run.npz")
    child = os.fork()
    if not child:
        code = 4
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            new.save("run.npz")
            code = 0
        except EinstanError:
            code = 3
        finally:
            os._exit(code)
    os.waitpid(child, os.WUNTRACED)
    command = ["strace", "-p", str(child), "-o", trace, "-e", f"inject={fault}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        tracer.stderr.readline()  # it is there
        os.kill(child, signal.SIGCONT)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    begun = State.load("run.npz").begun
    assert (begun in (0, 1)) if code else begun == 1, f"{fault}: begun {begun}"
    assert code in (0, 3, -signal.SIGKILL), f"{fault}: ended with {code}"
    assert code < 0 or os.listdir() == ["run.npz"], f"{fault}: {os.listdir()}"
    return code < 0 or "INJECTED" in Path(trace).read_text(), code, begun


def main() -> None:
    count: Counter[tuple[str, int, int]] = Counter()
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile() as trace, contextlib.chdir(folder):
        for fault in (f"{calls}:{kind}" for calls in CALLS for kind in FAULTS):
            for number in range(1, 1000):
                met, code, begun = injected(f"{fault}:when={number}", trace.name)
                if not met:
                    break
                count[fault, code, begun] += 1
    for (fault, code, begun), times in sorted(count.items()):
        sys.stdout.write(f"{fault:45} ended with {code:>2}, begun {begun}: {times}\n")
    sys.stdout.write(f"{sum(count.values())} faults\n")


if __name__ == "__main__":
    main()
