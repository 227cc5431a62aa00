"""The cheapest tree of a chain: operands in a row of which each shares labels with its neighbours alone.

A tree of a chain joins neighbouring stretches, so that the best one is found by dynamic programming over stretches
(Godbole, 1973), in time cubic in the length; all stretches of one length are looked at at once.
"""

from __future__ import annotations

import itertools

from einstan.machine.backends.arrays import Absent, np
from einstan.machine.paths.trees import Shape, Steps

LONGEST = 400  # operands above which the cube of the length is too much
LARGEST = 1e300  # a cost that floats do not tell from others


def chained(shape: Shape) -> Steps | None:
    """The cheapest steps, where the operands are one chain and not too many; without NumPy they are searched for."""
    row = in_a_row(shape)
    if row is None or len(row) > LONGEST or isinstance(np, Absent):
        return None
    held = [shape.operands[number] for number in row]
    bonds = [shape.size(one & other) for one, other in itertools.pairwise(held)]
    own = [shape.size(labels & shape.out) for labels in held]
    with np.errstate(over="ignore"):
        split = splits(np.array([1, *bonds, 1], float), np.cumprod([1, *own], dtype=float))
    return None if split is None else steps_of(row, split)


def in_a_row(shape: Shape) -> list[int] | None:
    """The operands from one end of the chain to the other; a label that two of them share is summed between them."""
    holders: dict[int, list[int]] = {}
    for number, labels in enumerate(shape.operands):
        for label in labels:
            holders.setdefault(label, []).append(number)
    beside: list[set[int]] = [set() for _ in shape.operands]
    for label, numbers in holders.items():
        if len(numbers) > 2 or (len(numbers) == 2 and label in shape.out):
            return None
        if len(numbers) == 2:
            beside[numbers[0]].add(numbers[1])
            beside[numbers[1]].add(numbers[0])
    ends = [number for number, others in enumerate(beside) if len(others) == 1]
    if len(ends) != 2 or any(len(others) > 2 for others in beside):
        return None
    row = [ends[0]]
    while len(row) < len(beside):
        following = [other for other in beside[row[-1]] if other not in row[-2:]]
        if not following:
            return None  # beside the chain there is a ring
        row.append(following[0])
    return row


def splits(bonds: np.ndarray, own: np.ndarray) -> np.ndarray | None:
    """Where the stretch from i to j is divided: ``bonds[i]`` is the size of what operand i shares with the one before,
    and ``own[i]`` that of all labels of the result that the operands before i have."""
    count = len(bonds) - 1
    cost = np.zeros((count, count))
    split = np.zeros((count, count), int)
    for length in range(2, count + 1):
        first = np.arange(count - length + 1)[:, None]
        middle = first + np.arange(1, length)  # where the second part begins
        last = first + length - 1
        around = bonds[first] * bonds[last + 1] * (own[last + 1] / own[first])
        each = cost[first, middle - 1] + cost[middle, last] + around * bonds[middle]
        best = each.argmin(1)
        cost[first[:, 0], last[:, 0]] = each[first[:, 0], best]
        split[first[:, 0], last[:, 0]] = first[:, 0] + best + 1
    return split if cost[0, -1] < LARGEST else None


def steps_of(row: list[int], split: np.ndarray) -> Steps:
    """The divisions as steps, the inner ones first."""
    steps: Steps = []
    names = {(k, k): number for k, number in enumerate(row)}
    stack = [(0, len(row) - 1)]
    while stack:
        first, last = stack[-1]
        if (first, last) in names:
            stack.pop()
            continue
        middle = int(split[first, last])
        parts = (first, middle - 1), (middle, last)
        waiting = [part for part in parts if part not in names]
        if waiting:
            stack += waiting
            continue
        names[first, last] = len(row) + len(steps)
        steps.append((names[parts[0]], names[parts[1]]))
        stack.pop()
    return steps
