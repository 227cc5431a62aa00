"""Sizes as a person writes them, ``i=64, j=512``, and those of them that an equation can use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from einstan.language.errors import DataError


def known(sizes: Mapping[str, int], letters: Any, text: str) -> dict[str, int]:
    """The sizes that an equation can use: of its letters, or of axes such as X.0."""
    missing = sorted(letter for letter in letters if letter not in sizes and letter.upper() not in sizes)
    if missing and not any("." in key for key in sizes) and "+" not in text:
        raise DataError(
            f"there is no size for {', '.join(missing)}",
            text=text,
            inferred=f"given are {', '.join(f'{k}={n}' for k, n in sizes.items())}" if sizes else "no size is given",
            repair="give --sizes " + ",".join(f"{k}={n}" for k, n in {**sizes, **dict.fromkeys(missing, 64)}.items()),
        )
    return {key: size for key, size in sizes.items() if key in letters or key.lower() in letters or "." in key}


def sizes_of(text: str) -> dict[str, int]:
    """``i=64, j=512`` as a mapping; ``...=8x9`` are the axes of an ellipsis, ``...0`` and ``...1``."""
    found: dict[str, int] = {}
    for part in re.sub(r"\s*=\s*", "=", text).replace(",", " ").split():
        name, _, size = part.partition("=")
        given = size.split("x") if name == "..." else [size]
        if not (name and all(x.isascii() and x.isdigit() for x in given)):
            raise DataError(f"{part!r} is not a size", repair="write --sizes i=64,j=512, and ...=8x9 for an ellipsis")
        found |= {name if len(given) == 1 and name != "..." else f"...{k}": int(x) for k, x in enumerate(given)}
    return found
