"""Docstrings as the reference shows them: a doctest that stands in the text is an example of Python there, and the name
of something in another module, `einstan.library.plan.Plan`, is a link to it, which a strict build follows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe

ROOT = Path(__file__).resolve().parents[1]
DOCTEST = re.compile(r"^>>> .*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
DOTTED = re.compile(r"(?<!`)`(einstan\.[\w.]+|api\.[\w.]+)`(?!`)")


def linked(match: re.Match[str]) -> str:
    name = match[1].replace("api.", "einstan.library.api.", 1) if match[1].startswith("api.") else match[1]
    path = ROOT / name.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").is_file():  # a module, which has no place in the reference
        return match[0]
    *_, home, last = name.split(".")
    return f"[`{home}.{last}`][{name}]" if home[0].isupper() else f"[`{last}`][{name}]"


class Doctests(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            text = DOTTED.sub(linked, obj.docstring.value)
            obj.docstring.value = DOCTEST.sub(lambda match: f"```pycon\n{match[0]}\n```", text)
