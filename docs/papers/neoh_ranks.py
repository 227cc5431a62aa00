"""Neoh's formulas for tensors of any rank, a document for each choice of ranks: ``python docs/papers/neoh_ranks.py``.

Stanley Neoh, Mathematics of Neural Networks (May 2023).  A line of the notation has a fixed number of slots; these
write the line for the ranks that they are given, with letters of its own for each slot, where the text has i_1, i_2
for the axes of A and for those of B.
"""

from __future__ import annotations

from itertools import product

import einstan as es

RANKS = range(4)


def slots(letter: str, rank: int, change: dict[int, str] | None = None) -> str:
    """``[i1,i2,K,i4]``: the letters of the axes, of which some are others."""
    inside = ",".join((change or {}).get(k, f"{letter}{k}") for k in range(1, rank + 1))
    return f"[{inside}]" if inside else ""


def inner_product(n: int, a: int, m: int, b: int) -> str:
    """Section 3: A of rank n along its axis a, and B of rank m along its axis b; the letters as printed are refuted."""
    one, other = slots("i", n, {a: "K"}), slots("j", m, {b: "K"})
    free = [f"i{k}" for k in range(1, n + 1) if k != a] + [f"j{k}" for k in range(1, m + 1) if k != b]
    left = f"G[{','.join(free)}]" if free else "G"
    lines = [f"{left} = A{one} B{other}", f"claim {left} = sum[K](A{one} B{other})"]
    shared = [k for k in range(1, min(n, m) + 1) if k not in (a, b)]
    if shared:  # as printed, i_k stands for an axis of A and for one of B
        printed = slots("j", m, {b: "K"} | {k: f"i{k}" for k in shared})
        ones = " ".join(f"1[j{k}]" for k in shared)
        lines.append(f"refute {left} = A{one} B{printed} {ones}")
    return "\n".join(lines)


def partial(n: int, m: int) -> str:
    """Section 4: the partial of a tensor of rank n by one of rank m has rank n + m; entry by entry where A is of B."""
    one, other = slots("i", n), slots("j", m)
    both = f"{one}{other}".replace("][", ",")
    return f"given A{one}(B{slots('J', m)})\nD{both} = dA{one}/dB{other}\nclaim dA{one}/dB{other} = D{both}"


def chain_rule(n: int, m: int, rank: int) -> str:
    """Section 5: Z of rank n is made of Y of rank m, and that of X."""
    z, y, x, sums = slots("k", n), slots("j", m), slots("i", rank), slots("J", m)
    return "\n".join(
        [
            f"given Y{y}(X{slots('I', rank)})",
            f"given Z{z}(Y{sums})",
            f"claim dZ{z}/dX{x} = dZ{z}/dY{sums} dY{sums}/dX{x}",
        ]
    )


def documents() -> list[str]:
    """A document for each choice of ranks up to 3."""
    axes = [(n, a) for n in RANKS for a in range(1, n + 1)]
    return [
        *(inner_product(*one, *other) for one, other in product(axes, repeat=2)),
        *(partial(n, m) for n, m in product(RANKS, repeat=2)),
        *(chain_rule(*ranks) for ranks in product(RANKS, repeat=3)),
    ]


def main() -> None:
    report = es.check("\n---\n".join(documents()))
    print(report if not report.ok else f"{len(documents())} choices of ranks: {str(report).splitlines()[-1]}")


if __name__ == "__main__":
    main()
