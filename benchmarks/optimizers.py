"""The optimizers that are compared: what opt_einsum has, the written order, and cotengra where it is installed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import common

OPTIMAL_OPERANDS = 9  # an exhaustive search tries (2n - 3)!! orders: two million for 9 operands, 6e15 for 16
DP_OPERANDS = 24


class TooManyOperandsError(Exception):
    """An optimizer that would not come back."""


def optimizers() -> dict[str, Any]:
    """Name to optimizer, each as an object of opt_einsum that remembers its paths: all calls follow the same."""
    import opt_einsum

    searches: dict[str, tuple[Callable[..., Any], int | None]] = {"left to right": (left_to_right, None)}
    limits = {"optimal": OPTIMAL_OPERANDS, "dp": DP_OPERANDS}
    for name in ("greedy", "optimal", "dp", "random-greedy", "random-greedy-128", "auto"):
        searches[name] = (opt_einsum.paths.get_path_fn(name), limits.get(name))
    if common.installed("cotengra"):
        searches["cotengra, 32 trials"] = (cotengra_search(), None)

    class Remembered(opt_einsum.paths.PathOptimizer):
        """A search that is done once for each contraction."""

        def __init__(self, name: str, search: Callable[..., Any], limit: int | None) -> None:
            self.name, self.search, self.limit = name, search, limit
            self.found: dict[Any, Any] = {}
            self.most = 0

        def __deepcopy__(self, memo: Any) -> Remembered:
            return self  # a copy would forget

        def __call__(self, inputs: Any, output: Any, size_dict: Any, memory_limit: Any = None) -> Any:
            key = (tuple(map(frozenset, inputs)), frozenset(output), tuple(sorted(size_dict.items())))
            if key not in self.found:
                if self.limit is not None and len(inputs) > self.limit:
                    raise TooManyOperandsError(
                        f"{self.name} is not tried on {len(inputs)} operands, at most {self.limit}"
                    )
                self.found[key] = [tuple(step) for step in self.search(inputs, output, size_dict, memory_limit)]
                self.most = max(self.most, len(inputs))
            return self.found[key]

    return {name: Remembered(name, *how) for name, how in searches.items()}


def cotengra_search() -> Callable[..., Any]:
    """Its hyper-optimizer; what it recommends to install beside it is not repeated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cotengra

    def search(*arguments: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return cotengra.HyperOptimizer(max_repeats=32, parallel=False, progbar=False)(*arguments)

    return search


def left_to_right(inputs: Any, output: Any, size_dict: Any, memory_limit: Any = None) -> list[tuple[int, int]]:
    """The order in which the operands are written; a result goes to the end of the list."""
    count = len(inputs)
    return [(0, 1)] + [(0, left - 1) for left in range(count - 1, 1, -1)]
