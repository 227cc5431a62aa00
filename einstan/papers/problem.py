"""Why a formula is not read: the reason, the place and what to write."""

from __future__ import annotations

from collections.abc import Sequence


class UnreadError(Exception):
    """A ``reason`` and the ``formula`` or the part of it that it speaks of, with what to write instead."""

    def __init__(self, reason: str, part: str, repair: str | Sequence[str]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.part = part
        self.repair = (repair,) if isinstance(repair, str) else tuple(repair)
