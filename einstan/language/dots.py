r"""What dots leave out of a sum or a product, as a reduction to paste.

x_1 + x_2 + … + x_n          sum[K](x[K])
a_0 + a_1 x + ... + a_n x^n  sum[K](a[K] x^K)
x_1 x_2 \cdots x_n           prod[K](x[K])
"""

from __future__ import annotations

import re

_DOTS = re.compile(r"\s*(?:…|⋯|\.\.\.|\\[lc]?dots[cb]?(?![A-Za-z]))\s*")
_TOKEN = re.compile(r"\d+|[^\W\d_]|\S")
_TIMES = re.compile(r"\s*(?:[*·×⋅]|\\cdot(?![A-Za-z])|\\times(?![A-Za-z]))\s*|\s+")
_PREVIOUS = re.compile(r"(?<=[_\[{])([^\W\d_])\s*-\s*1(?=[\]}])")  # x_{n-1}, the last where the first is x_0
_BRACES = re.compile(r"_\{(\w+)\}")
_ALONE = r"(?<![^\W_])%s(?![^\W_])"
_COUNT = r"(?<![^\W_]{2})(?<!\d)%s(?![^\W_])"  # as a letter behind another one too, xn
_SLOT = re.compile(r"_\{#\}|_#|\[#\]|(?<=[^\W\d_])#")
_LEAST = (re.compile(r"\s*[^\W\d_]\^\{?0\}?"), re.compile(r"\^\{?1\}?(?!\d)"))  # of a_0 x^0 and a_1 x^1


def without_dots(text: str) -> str:
    """The text with the first sum or product that has dots as ``sum[K](...)``; nothing where its terms do not tell."""
    found = _DOTS.search(text)
    letter = next((each for each in "KINJM" if not re.search(_ALONE % each, text)), "")
    if found is None or not letter:
        return ""
    head, tail = text[: found.start()], text[found.end() :]
    sums = head.rstrip().endswith("+") and tail.startswith("+")
    begin = max(_opened(head), head.rfind("=") + 1)
    terms = head[begin:].split("+") if sums else _TIMES.split(head[begin:].strip())
    behind = tail[1:].lstrip() if sums else re.sub(f"^{_TIMES.pattern}", "", tail)
    last, left = _first(behind, sums)
    pairs = ((each.strip(), last, place) for place, each in enumerate(filter(None, terms)) if place < 2)
    general = next(filter(None, (_general(*pair) for pair in pairs)), None)
    if general is None:
        return ""
    template, count, start = general
    written = _SLOT.sub(f"[{letter}]", template)
    number = f"({letter}+1)" if start else letter
    written = written.replace("#", number)
    if f"[{letter}]" not in written and not count.isdigit():
        return ""  # 1 + 2 + … + n, of which no axis tells how many
    rest = behind[len(behind) - left :] if left else ""
    partial = count.isalpha() and re.search(_ALONE % count, text.partition("=")[0]) is not None
    if partial:  # y_n = x_0 + … + x_n
        written = f"1[{letter} <= {count}] {written if sums else f'({written})'}"
        written += "" if sums else f" + 1[{letter} > {count}]"
    stated = f" where |{letter}| = {int(count) + 1 - start}" if count.isdigit() else ""
    rest = rest if stated or partial else re.sub(_ALONE % count, f"|{letter}|", rest)
    lead, blank = (" " * (text[begin : begin + 1] == " ")), " " * rest.startswith(("+", "-"))
    return f"{text[:begin]}{lead}{'sum' if sums else 'prod'}[{letter}]({written}){blank}{rest}{stated}"


def _opened(head: str) -> int:
    """Behind the bracket that is open at the end of a text, or at its begin."""
    depth = 0
    for place in range(len(head) - 1, -1, -1):
        depth += (head[place] in ")]}") - (head[place] in "([{")
        if depth < 0:
            return place + 1
    return 0


def _first(text: str, sums: bool) -> tuple[str, int]:
    """The term or factor that a text begins with, and how many characters are left behind it."""
    depth = 0
    for place, sign in enumerate(text):
        if not depth and (sign in "+-=,)" or (not sums and sign in " */·×")):
            return text[:place].strip(), len(text) - place
        depth += (sign in "([{") - (sign in ")]}")
    return text.strip(), 0


def _general(term: str, last: str, place: int) -> tuple[str, str, int] | None:
    """The last term with # for what counts, what it counts to, and from where; ``term`` is the first or the second."""
    written = _TOKEN.findall(_BRACES.sub(r"_\1", term))
    for start in (0, 1):
        whole = _BRACES.sub(r"_\1", last if start else _PREVIOUS.sub(r"\1", last))
        tokens, number = _TOKEN.findall(whole), start + place
        for count in dict.fromkeys(each for each in tokens if each.isalnum() and each not in written):
            filled = "".join(str(number) if each == count else each for each in tokens)
            if number < len(_LEAST):
                filled = _LEAST[number].sub("", filled)
            if filled == "".join(written):
                return re.sub(_COUNT % count, "#", whole), count, start
    return None
