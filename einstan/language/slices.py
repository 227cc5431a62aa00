r"""Slices of arrays, which have an index here, as a line to paste.

y = Z[:,k]            y[n,k] = Z[n,k]
d = x[1:] - x[:-1]    d[n] = x[n+1] - x[n]
s = sum(Z[:,0])       s = sum[N](Z[N,0])
"""

from __future__ import annotations

import re

_SLOTS = re.compile(r"(?<=\w)\[((?:[^\[\]]*:[^\[\]]*|[^\[\]]*\.\.\.[^\[\]]*))\]")
_PART = re.compile(r"(\d*):(-?\d*)(?::(-?\d*))?|\.\.\.")
_CALL = re.compile(r"(?<!\w)(sum|mean|max|min|prod|std|var|norm)\(")
_CALLED = re.compile(rf"{_CALL.pattern}\s*\w+{_SLOTS.pattern}")
_LEFT = re.compile(r"\s*([^\W\d_]\w*)\s*(\[[^\[\]]*\])?\s*$")
_SMALL = re.compile(r"\s*[a-z]\w*\s*")


def without_slices(text: str) -> str:
    """The text with an index for each slice, the same for the first one of every tensor; nothing where a slice is more
    than a whole axis, its begin, its end, or every so many of it."""
    left, equals, right = text.partition("=")
    called = _CALLED.search(right) is not None
    taken = set(re.findall(r"[^\W\d_]\w*", text.lower()))
    letters = [each for each in "nmijpq" if each not in taken]
    letters = [each.upper() for each in letters] if called else letters
    stated: dict[str, str] = {}
    used: list[str] = []
    failed = not equals or len(letters) < 2

    def slots(found: re.Match[str]) -> str:
        nonlocal failed
        own, count = [], 0
        name = re.search(r"\w+$", found.string[: found.start()])
        for axis, part in enumerate(found[1].split(",")):
            slice_ = _PART.fullmatch(part.replace(" ", ""))
            if slice_ is None:
                failed |= ":" in part
                own.append(part.strip())
                used.extend([part.strip()] * (_SMALL.fullmatch(part) is not None and part.strip() not in used))
                continue
            letter = letters[count % len(letters)]
            count += 1
            used.extend([letter] * (letter not in used))
            begin, end, step = (slice_[1] or "0", slice_[2] or "", slice_[3] or "1")
            size = f"|{name[0] if name else ''}.{axis}|"
            if step == "-1" and begin == "0" and not end:
                own.append(f"{size}-1-{letter}")
                continue
            failed |= step.startswith("-") or (step != "1" and bool(end))
            own.append(f"{step if step != '1' else ''}{letter}{f'+{begin}' if begin != '0' else ''}")
            if end.startswith("-"):
                lost = int(begin) - int(end)
                stated.setdefault(letter, f"{size} - {lost}")
            elif end:
                stated.setdefault(letter, str(int(end) - int(begin)))
        return f"[{','.join(own)}]"

    body = _SLOTS.sub(slots, right)
    defined = _LEFT.fullmatch(left)
    if failed or defined is None or body == right:
        return ""
    if called:
        body = _CALL.sub(rf"\1[{','.join(each for each in used if each.isupper())}](", body)
    free = [each for each in used if each.islower()]
    if defined[2] and ":" not in defined[2]:
        free = list(dict.fromkeys([*free, *(each.strip() for each in defined[2][1:-1].split(","))]))
    spelled = f"{defined[1]}[{','.join(free)}]" if free else defined[1]
    reads = {each: set(re.findall(rf"(?<![\w.]){each}(?:\+\d+)?(?=[,\]])", body)) for each in stated}
    said = [f"|{each}| = {size}" for each, size in stated.items() if len(reads[each]) < 2]  # else they tell it
    return f"{spelled} = {body.strip()}{' where ' * bool(said)}{', '.join(said)}"
