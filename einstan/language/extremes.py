r"""Where something is largest or smallest: the position, and a tensor that is 1 there, to paste.

c = arg max_k p[k]          c = min[K](K + |K| 1[p[K] != max[J](p[J])]), the first; c[k] = 1[p[k] == max[J](p[J])]
c = argmax(p), c = argmax[k](p[k]), c_n = \arg\max_k p_{n,k}
θ = \arg\min_θ L(θ)         claim ∂L/∂θ = 0
"""

from __future__ import annotations

import re

from einstan.language.errors import NotationError

MOST = 400  # characters of a text that is written out

_PLACE = re.compile(
    r"(?:\\operatorname\*?\s*\{\s*arg\s*(?P<a>max|min)\s*\}|(?<![^\W_])\\?arg(?:\s|\\[,;:!]|_)*\\?(?P<b>max|min)(?![A-Za-z]))"
    r"(?:\\limits)?\s*(?:_\s*\{\s*(?P<c>\\?\w+)[^{}]*\}|_(?P<d>\\?\w+)|\[\s*(?P<e>\w+)\s*\])?\s*"
)
_LEFT = re.compile(r"\s*(\\?\w+?|\\(?:hat|bar|tilde)\s*\{[^{}]*\})(\[[^\[\]]*\]|_\{[^{}]*\}|_\w)?\s*=\s*")
_FUNCTION = re.compile(r"\(?\s*([^\W\d_]\w*)\s*(?:\([^()]*\))?\s*\)?")
_VECTOR = re.compile(r"\(?\s*([^\W\d_][^\W_]*)\s*\)?")


def extreme(text: str) -> NotationError | None:
    """The refusal of ``arg max``; nothing where it is not the whole right side."""
    found, left = _PLACE.search(text), _LEFT.match(text)
    if found is None or len(text) > MOST:
        return None
    which = found["a"] or found["b"]
    problem = f"arg {which} is not a function"
    words = f"1[x[k] == {which}[K](x[K])] is 1 at the {'largest' if which == 'max' else 'smallest'} entries"
    lines: tuple[str, ...] = ()
    if left is not None and left.end() == found.start():
        lines = _lines(
            text, left, which, found["c"] or found["d"] or found["e"] or "", text[found.end() :].strip(" .$")
        )
    span = found.start(), max(found.end("a") + 1 if found["a"] else 0, found.end("b"))
    return NotationError(problem, text=text, span=span, repair=lines or words)


def _lines(text: str, left: re.Match[str], which: str, letter: str, body: str) -> tuple[str, ...]:
    whole = body.startswith("(") and body.endswith(")") and "(" not in body[1:-1]
    inside = body[1:-1].strip() if whole else body
    vector = _VECTOR.fullmatch(body)
    if vector is not None and letter in ("", "k", "i", "j", "n", "m", "c", "t"):
        letter = letter or "k"
        inside = f"{vector[1]}[{letter}]"
    taken = set(re.findall(r"(?<![^\W_])[A-Z](?!\w)", text))
    free = [each for each in ("K", "J", "I", "N", "M") if each not in taken]
    slot = re.compile(rf"(?<=[\[{{,_])\s*{re.escape(letter)}\s*(?=[\]}},]|_|$|\W)") if letter else None
    if slot is not None and slot.search(inside) and len(free) > 1:
        first, second = (slot.sub(each, inside) for each in free[:2])
        here, other = free[:2]
        letter = letter.lower()
        extreme_value = f"{which}[{other}]({second})"
        position = f"{left[0]}min[{here}]({here} + |{here}| 1[{first} != {extreme_value}])"
        slots = re.sub(r"^[_\[{]+|[\]}]+$", "", left[2] or "")
        if letter in slots.split(","):
            return (f"{left[0]}1[{slot.sub(letter, inside)} == {extreme_value}]",)
        one = f"{left[1]}[{','.join(filter(None, (slots, letter)))}] = 1[{slot.sub(letter, inside)} == {extreme_value}]"
        return position, one
    named = _FUNCTION.fullmatch(body)
    name = re.sub(r"\\(?:hat|bar|tilde)\s*\{\s*([^{}]*?)\s*\}", r"\1", left[1])
    if named is not None and (not letter or letter in (name, name.lstrip("\\"))):
        return (f"claim ∂{named[1]}/∂{letter or name} = 0", f"an input {letter or name}, at which the derivative is 0")
    return ()
