"""Memory: what the machine has, and what does not fit into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from einstan.language.errors import DataError

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]


FEW = 2**24  # bytes that are never refused, so that nothing need be asked
SPARE = 2**25  # bytes of a control group that no array is given
ENDLESS = 2**63
MOUNTED = "/sys/fs/cgroup"  # control groups: those of version 1 have a folder of their own for memory
LIMITS = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "/memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def available_memory() -> int:
    """Bytes of memory that this process may still take: of the machine, of its control group, and of its own limits."""
    return max(0, min(machine_memory(), group_memory(), process_memory()))


def machine_memory() -> int:
    """What the machine has free, files that are kept in memory included, or all that it has where that is not known."""
    with suppress(OSError, ValueError, KeyError):
        lines = dict(line.split(":") for line in _content("/proc/meminfo").splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        try:
            return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):
            continue
    return ENDLESS


def group_memory() -> int:
    """What the control groups of this process leave: its own, and those that it stands in.

    A container sees its group as the root, a job of a cluster or a service stands further down.
    """
    with suppress(OSError):
        return min((_left(folder, *LIMITS[version]) for version, folder in _groups()), default=ENDLESS)
    return ENDLESS


def _groups() -> Iterator[tuple[str, str]]:
    """The version and the folder of each group, from the lines ``number:controllers:path`` that the system tells."""
    for line in _content("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "memory" in controllers.split(","):
            version = "/memory" if controllers else ""
            parts = path.strip("/").split("/")
            yield from ((version, "/".join([MOUNTED + version, *parts[:k]])) for k in range(len(parts) + 1))


def _left(folder: str, limit: str, used: str, kept: str) -> int:
    """Bytes below the limit of one group, where files that are kept in memory would make room.  A group that is full
    kills, so some are left for what a process touches beside its arrays."""
    try:
        most, held = int(_content(f"{folder}/{limit}")), int(_content(f"{folder}/{used}"))
    except (OSError, ValueError):  # no such group, or "max"
        return ENDLESS
    with suppress(OSError, ValueError, KeyError):
        held -= int(dict(line.split() for line in _content(f"{folder}/memory.stat").splitlines())[kept])
    return most - held - min(SPARE, most // 16)


def process_memory() -> int:
    """What ``ulimit -v`` and ``ulimit -d`` leave to this process."""
    if resource is None:
        return ENDLESS
    left = ENDLESS
    for limit, position in ((resource.RLIMIT_AS, 0), (resource.RLIMIT_DATA, 5)):
        most = resource.getrlimit(limit)[0]
        if most != resource.RLIM_INFINITY:
            try:
                held = int(_content("/proc/self/statm").split()[position]) * resource.getpagesize()
            except (OSError, ValueError):
                held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            left = min(left, most - held)
    return left


def _content(name: str) -> str:
    with open(name, encoding="utf-8", errors="replace") as file:
        return file.read()


def fits(needed: int) -> bool:
    """Whether so many bytes may still be taken."""
    return needed <= FEW or needed <= available_memory()


def refuse_more(what: str, needed: int, repair: str) -> None:
    """Refuse what would not fit into memory, before any of it is allocated."""
    if not fits(needed):
        limit = available_memory()
        raise DataError(
            f"{what} would take {human_bytes(needed)}, and {human_bytes(limit)} are available", repair=repair
        )


def human_bytes(count: float) -> str:
    count = min(count, 10**300)  # whole numbers of Python may be more than any float
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if count < 999.5 or unit == "PB":  # which three digits round to the next unit
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError
