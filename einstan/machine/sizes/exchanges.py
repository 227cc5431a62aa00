"""What devices of a mesh send each other: one exchange for each step that needs what others have computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Part(NamedTuple):
    """That of an axis each device has its part, of ``devices`` along mesh ``axes``, where labels pick entries of it."""

    axes: tuple[str, ...]
    devices: int
    axis: int = 0

    @property
    def spelled(self) -> str:
        return spelled(self.axes)


def spelled(axes: tuple[str, ...]) -> str:
    """Mesh axes as Python's text, as JAX takes them."""
    return repr(axes[0] if len(axes) == 1 else axes)


@dataclass(frozen=True)
class Exchange:
    """Along mesh ``axes``, of ``count`` devices together: ``kind`` is

    - ``all-reduce``: the sum (``all-reduce max``, ``all-reduce min``) of what each device has;
    - ``all-gather``: the parts of an axis become all of it, on every device;
    - ``reduce-scatter``: the sum, of which each device keeps a part of an axis;
    - ``all-to-all``: the parts of one axis (``axis``) become parts of another (``other``);
    - ``own part``: of what every device has, a part of an axis, for which nothing is sent.
    """

    kind: str
    axes: tuple[str, ...]
    count: int
    axis: int = 0
    other: int = 0

    @property
    def free(self) -> bool:
        return self.kind == "own part"

    def message(self, read: int, written: int) -> int:
        """The bytes of the whole array that is exchanged: a gathered one when it is whole, a scattered one before."""
        return 0 if self.free else max(read, written)

    def sent(self, read: int, written: int) -> int:
        """The bytes that each device sends around a ring: a sum goes round twice, in parts."""
        times = 2 if self.kind.startswith("all-reduce") else 1
        return times * self.message(read, written) * (self.count - 1) // self.count

    def __str__(self) -> str:
        return f"{self.kind} {'×'.join(self.axes)}"
