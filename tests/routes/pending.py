"""What is known to be wrong and is not compared yet, each with its reason: this table is to become empty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.routes.case import Case
from tests.routes.run import Finding, Route


@dataclass(frozen=True)
class Pending:
    """Routes that are not taken for some programs; with ``words`` they are taken, and may be refused in these words."""

    reason: str
    routes: tuple[str, ...] = ("",)  # beginnings of names
    when: Callable[[Case], bool] = lambda case: True
    words: str = ""

    def meets(self, case: Case, route: str) -> bool:
        return route.startswith(self.routes) and self.when(case)


def has(feature: str) -> Callable[[Case], bool]:
    return lambda case: feature in case.features


PENDING = [
    Pending("a letter of a derived line stands for two axes", words="is ambiguous"),
    Pending("a size that only an array tells", ("newton",), words="there is no tensor"),
    Pending("an array whose values cancel", words="is not a tensor that the program reads"),
    Pending("an update of a parameter with an extent", ("compile(update",), words="'[' is not expected here"),
    Pending(
        "a derived line has lost an extent",
        ("backward.compile(outputs)",),
        lambda case: bool({"window", "entry", "shift"} & case.features),
    ),
    Pending("a size that only an array tells", words="the extent of"),
    Pending("a program with several ends has no one gradient", ("str(backward",), words="cannot be defined"),
]


def pending(case: Case, route: Route) -> bool:
    return any(not each.words and each.meets(case, route.name) for each in PENDING)


def known(finding: Finding) -> bool:
    return any(
        each.words and each.words in str(finding.got) and each.meets(finding.case, finding.route) for each in PENDING
    )
