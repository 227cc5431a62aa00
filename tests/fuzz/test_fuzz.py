"""The findings of the fuzzer stay mended, and a second of fuzzing from a fresh seed finds nothing."""

from __future__ import annotations

import importlib.util
import os
import random
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

HERE = Path(__file__).parent


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


fuzz, rows = load("fuzz_text"), load("rows")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", rows.ROWS, ids=lambda text: ascii(text[:60]))
def test_what_was_found_once(text: str) -> None:
    with np.errstate(all="ignore"), fuzz.in_time(60):
        fuzz.attempt(text)


@pytest.mark.filterwarnings("ignore")
def test_some_texts_from_a_fresh_seed(capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ["EINSTAN_SEED"])
    chance, texts = random.Random(seed), fuzz.corpus()
    assert len(texts) > 1000
    for _ in range(300):
        text = fuzz.mutated(chance.choice(texts), texts, chance)
        with np.errstate(all="ignore"), fuzz.in_time(60):
            try:
                fuzz.attempt(text)
            except Exception as error:
                raise AssertionError(f"{text!r}, seed {seed}") from error


def test_the_fuzzer_finds_what_is_planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fuzz, "mathml", lambda equation: {}["planted"])
    run = fuzz.Run(tmp_path / "found")
    run("Z[i] = X[i]")
    assert len(run.found) == 1
    assert [path.read_text() for path in (tmp_path / "found").iterdir()] == ["Z[i] = X[i]"]
