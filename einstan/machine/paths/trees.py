"""Contraction trees: what a path is, what it costs, how a better one is found, and how one is turned round.

A tree of n operands is a list of steps; step k joins earlier nodes and makes node n + k.  Labels that nothing else has
are summed before two nodes are joined, so every step costs the product of the sizes of the labels that are left in the
two, twice where something is summed: exactly what the plan counts.

Nothing here looks at a clock: how far a search goes is counted in steps, so that one contraction has one path.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Steps = list[tuple[int, ...]]

OUTER = 7  # up to so many operands, products of operands without a common label are tried too
NARROW, WIDE = 8, 12  # nodes that are arranged anew together
WORK = 400_000  # pairs that an exact search looks at before it gives up
WINDOWS = 500  # arrangements that are tried to improve one tree


@dataclass(frozen=True)
class Shape:
    """The labels of operands and result, and their sizes: all that a search looks at."""

    operands: tuple[frozenset[int], ...]
    out: frozenset[int]
    sizes: Mapping[int, int]

    def size(self, labels: Iterable[int]) -> int:
        return math.prod(self.sizes[label] for label in labels)


def from_path(path: Iterable[Sequence[int]], count: int) -> Steps:
    """A path of positions in a list that shrinks, as opt_einsum writes it, as steps; what it leaves is joined last."""
    live = list(range(count))
    steps: Steps = []
    for positions in path:
        steps.append(tuple(live[k] for k in sorted(positions)))
        for k in sorted(positions, reverse=True):
            del live[k]
        live.append(count + len(steps) - 1)
    if len(live) > 1:
        steps.append(tuple(live))
    return steps


def nodes(shape: Shape, steps: Steps) -> tuple[list[frozenset[int]], list[int]]:
    """The labels of every node, and what every step costs."""
    holders: dict[int, int] = dict.fromkeys(shape.out, 1)
    for labels in shape.operands:
        for label in labels:
            holders[label] = holders.get(label, 0) + 1
    held = list(shape.operands)
    costs = []
    for step in steps:
        cost, result = 0, held[step[0]]
        for number, node in enumerate(step):
            own = held[node]
            kept = frozenset(x for x in own if holders[x] > 1)
            if len(kept) < len(own):
                cost += shape.size(own)
            for label in own - kept:
                holders[label] = 0
            if number == 0:
                result = kept
                continue
            both = result | kept
            for label in result & kept:
                holders[label] -= 1
            joined = frozenset(x for x in both if holders[x] > 1 or x not in result or x not in kept)
            cost += shape.size(both) * (2 if len(joined) < len(both) else 1)
            result = joined
        held.append(result)
        costs.append(cost)
    return held, costs


def flops(shape: Shape, steps: Steps) -> int:
    """What a tree costs; a last sum over labels that the result lacks included."""
    held, costs = nodes(shape, steps)
    last = held[-1]
    return sum(costs) + (shape.size(last) if last - shape.out else 0)


# ---- exact search ----------------------------------------------------------------------------------------------------


def exact(shape: Shape, cap: float = math.inf, work: int = WORK) -> Steps | None:
    """The cheapest tree, by dynamic programming over sets of operands; None where none is cheaper than ``cap`` or the
    work was too much.  Sets that no label connects are looked at only where there are few operands."""
    count = len(shape.operands)
    labels = sorted(frozenset().union(*shape.operands))
    bit = {label: 1 << k for k, label in enumerate(labels)}
    holders = [0] * len(labels)
    for number, own in enumerate(shape.operands):
        for label in own:
            holders[bit[label].bit_length() - 1] |= 1 << number
    out = sum(bit[label] for label in shape.out if label in bit)
    sizes = [shape.sizes[label] for label in labels]
    known: dict[int, int] = {0: 1}

    def size(mask: int) -> int:
        found = known.get(mask)
        if found is None:
            lowest = mask & -mask
            found = known[mask] = sizes[lowest.bit_length() - 1] * size(mask ^ lowest)
        return found

    def kept(mask: int, members: int) -> int:
        """Labels that the result, or an operand outside of the members, has."""
        rest = mask & ~out
        while rest:
            lowest = rest & -rest
            rest ^= lowest
            if not holders[lowest.bit_length() - 1] & ~members:
                mask ^= lowest
        return mask

    # By the number of members: members → labels, cost, the two parts.
    best: list[dict[int, tuple[int, int, tuple[int, int]]]] = [{} for _ in range(count + 1)]
    for number, own in enumerate(shape.operands):
        mask = sum(bit[label] for label in own)
        left = kept(mask, 1 << number)
        best[1][1 << number] = (left, size(mask) if left != mask else 0, (0, 0))
    outer = count <= OUTER
    for total in range(2, count + 1):
        found = best[total]
        for smaller in range(1, total // 2 + 1):
            alike = smaller * 2 == total
            others = best[total - smaller].items()
            for one, (left, left_cost, _) in best[smaller].items():
                work -= len(others)
                if work < 0:
                    return None
                for two, (right, right_cost, _) in others:
                    if one & two or (alike and one > two):
                        continue
                    common = left & right
                    if not common and not outer:
                        continue
                    both = left | right
                    members = one | two
                    result = both ^ common | kept(common, members)
                    cost = left_cost + right_cost + size(both) * (2 if result != both else 1)
                    if cost >= cap:
                        continue
                    old = found.get(members)
                    if old is None or cost < old[1]:
                        found[members] = (result, cost, (one, two))
    everything = (1 << count) - 1
    if everything not in best[count]:
        return None
    steps: Steps = []
    order, stack = [], [everything]
    while stack:
        members = stack.pop()
        if members & (members - 1):
            order.append(members)
            stack.extend(best[members.bit_count()][members][2])
    node = {1 << k: k for k in range(count)}
    for members in reversed(order):
        one, two = best[members.bit_count()][members][2]
        node[members] = count + len(steps)
        steps.append((node[one], node[two]))
    return steps


def improved(shape: Shape, steps: Steps, width: int = NARROW, windows: int = WINDOWS) -> Steps:
    """A tree that is nowhere better with ``width`` neighbouring nodes in another arrangement, as far as so many trials
    tell."""
    count = len(shape.operands)
    children: dict[int, tuple[int, ...]] = {count + k: step for k, step in enumerate(steps)}
    if any(len(step) != 2 for step in steps):
        return steps
    root, fresh = count + len(steps) - 1, count + len(steps)
    held, costs = nodes(shape, steps)
    labels, cost = dict(enumerate(held)), {count + k: c for k, c in enumerate(costs)}
    seen: set[tuple[int, ...]] = set()
    while True:
        changed = False
        for top in ordered(root, children):
            if top not in children:
                continue  # it was arranged away
            frontier, inside = [top], 0
            gone = []
            while len(frontier) < width:
                inner = [node for node in frontier if node in children]
                if not inner:
                    break
                node = max(inner, key=lambda n: (cost[n], n))
                frontier.remove(node)
                frontier += children[node]
                inside += cost[node]
                gone.append(node)
            key = tuple(sorted(frontier))
            if len(frontier) < 3 or key in seen:
                continue
            if windows == 0:
                return renumbered(root, children, count)
            seen.add(key)
            windows -= 1
            small = Shape(tuple(labels[node] for node in frontier), labels[top], shape.sizes)
            better = exact(small, inside)
            if better is None:
                continue
            for node in gone:
                del children[node], cost[node], labels[node]
            names = dict(enumerate(frontier))
            inner_labels, inner_costs = nodes(small, better)
            for k, step in enumerate(better):
                last = k == len(better) - 1
                name = top if last else fresh
                names[len(frontier) + k] = name
                children[name] = tuple(names[part] for part in step)
                cost[name], labels[name] = inner_costs[k], inner_labels[len(frontier) + k]
                fresh += not last
            changed = True
        if not changed:
            return renumbered(root, children, count)


def ordered(root: int, children: Mapping[int, tuple[int, ...]]) -> list[int]:
    """The inner nodes below a root, children first."""
    order, stack = [], [root]
    while stack:
        node = stack.pop()
        if node in children:
            order.append(node)
            stack.extend(children[node])
    return order[::-1]


def renumbered(root: int, children: Mapping[int, tuple[int, ...]], count: int) -> Steps:
    steps: Steps = []
    names = {k: k for k in range(count)}
    for node in ordered(root, children):
        names[node] = count + len(steps)
        steps.append(tuple(names[part] for part in children[node]))
    return steps


# ---- trees turned round ----------------------------------------------------------------------------------------------


def turned(steps: Steps, places: Sequence[int | None], extras: Sequence[int], count: int) -> Steps:
    """The tree of a contraction that lacks some operands of another one, and has others in the place of its result.

    ``places[k]`` is the position here of operand k there, None where it is missing.  This is reverse mode: what stands
    in the place of the result goes down to the first missing operand, and takes the siblings of the way along, each the
    product of a subtree that both contractions have.  ``count`` is the number of operands here.
    """
    there = len(places)
    names: dict[int, int | None] = dict(enumerate(places))
    made: Steps = []

    def join(parts: Iterable[int | None]) -> int | None:
        present = tuple(part for part in parts if part is not None)
        if len(present) < 2:
            return present[0] if present else None
        made.append(present)
        return count + len(made) - 1

    missing = next((k for k, place in enumerate(places) if place is None), None)
    way: dict[int, int] = {}  # of the nodes above the missing operand: the child that leads to it
    if missing is not None:
        leads = missing
        for number, step in enumerate(steps, there):
            if leads in step:
                way[number] = leads
                leads = number
    for number, step in enumerate(steps, there):
        if number not in way:
            names[number] = join(names[node] for node in step)
    down = join(extras)
    if missing is None:
        join((names[there + len(steps) - 1], down))
        return made
    for number in sorted(way, reverse=True):
        for node in steps[number - there]:
            if node != way[number]:
                down = join((down, names[node]))
    return made
