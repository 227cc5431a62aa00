"""The pages of the notation and of functions are what the tables say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from einstan.language import parse_expression
from einstan.language.functions import FUNCTIONS
from einstan.language.surface import BINDERS, DEFINED
from einstan.language.tables import REDUCTIONS, functions_table

ROOT = Path(__file__).resolve().parents[2]


def test_the_pages_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("notation_page", ROOT / "docs" / "notation.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.PAGE.read_text(encoding="utf-8") == generate.page(), "run python docs/notation.py"
    assert generate.FUNCTIONS.read_text(encoding="utf-8") == generate.lists(), "run python docs/notation.py"


def test_every_function_and_every_reduction_has_a_line() -> None:
    named = re.findall(r"^\| `(\w+)", functions_table(), re.MULTILINE)
    assert {"pow" if name == "x" else name for name in named} == set(FUNCTIONS)
    assert set(REDUCTIONS) == {*BINDERS, *DEFINED}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_what_a_reduction_is_called_is_read(name: str) -> None:
    parse_expression(REDUCTIONS[name][0])


@pytest.mark.parametrize("name", [name for name, row in FUNCTIONS.items() if row.closed])
def test_a_closed_form_reads_the_parameters_alone(name: str) -> None:
    row = FUNCTIONS[name]
    read = set(re.findall(r"\b[abxy]\b", row.closed))
    assert read == set(row.parameters)
    parse_expression(row.closed)
