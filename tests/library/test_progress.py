"""How far a run is: one line that fits 80 columns on a terminal, an output that changes in a notebook, nothing or plain
lines elsewhere."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

import einstan as es
from einstan.library import live
from einstan.library.callbacks import described
from einstan.library.live import Live
from einstan.library.progress import ProgressBar
from einstan.library.state import State


def shown(terminal, epochs):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80, color_system=None, legacy_windows=False)
    bar, state = ProgressBar(console), State({})
    bar.on_start(state, epochs)
    for epoch in range(1, epochs + 1):
        state.epoch = epoch
        state.rows.append(
            {"epoch": epoch, "loss": 0.5 / epoch, "rate": 0.1, "seconds": 0.5, "val_loss": 0.25, "val_accuracy": 1.0}
        )
        bar.on_epoch_end(state)
    bar.on_end(state, "")
    return console.file.getvalue()


def test_a_row():
    assert described({"epoch": 3, "loss": 0.01234, "rate": 1, "val_accuracy": 0.9721}) == "loss 0.01234  val acc 97.2 %"


def test_on_a_terminal():
    text = shown(True, 30)
    assert "30/30" in text
    assert "loss 0.01667  val loss 0.25  val acc 100.0 %" in text
    assert "…" not in text


def test_elsewhere():
    lines = shown(False, 3).splitlines()
    assert lines == [
        "epoch    1/3  loss 0.5  val loss 0.25  val acc 100.0 %  0.5 s, 1.0 s left",
        "epoch    2/3  loss 0.25  val loss 0.25  val acc 100.0 %  1.0 s, 0.5 s left",
        "epoch    3/3  loss 0.1667  val loss 0.25  val acc 100.0 %  1.5 s, 0.0 s left",
    ]
    assert len(shown(False, 1000).splitlines()) <= 22


# ---- whatever takes long ---------------------------------------------------------------------------------------------

NET = es.Network("L = 1/|N| (x[N,K] - w[K])^2", parameters={"w": "zeros"})
SQUARE = es.parse("L = 1/2 (x[N] - a[N])^2 + 1/4 x[N]^4")
START, DATA = {"x": np.ones(2)}, {"a": np.ones(2)}
LONG = {  # what tells how far it is, with what it tells
    "fit": (lambda **told: es.fit(NET, "L", {"x": np.ones((4, 1))}, epochs=3, **told), "loss"),
    "newton": (lambda **told: es.optimize.newton(SQUARE, "L", START, DATA, **told), "iteration"),
    "alternating": (lambda **told: es.optimize.alternating(SQUARE, "L", ["x"], START, DATA, **told), "iteration"),
    "root": (lambda **told: es.optimize.root(es.parse("r[i] = x[i]^2 - 2"), "r", START, **told), "iteration"),
    "check": (lambda **told: es.check("y = x^2\ndy/dx = 2 x", **told), "line 2"),
    "check_paper": (lambda **told: es.check_paper("$$ y = x^2 $$ $$ y = x x $$", "md", **told), "line 1"),
}


@pytest.fixture
def terminal(monkeypatch):
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None, legacy_windows=False)
    monkeypatch.setattr(live, "somewhere", lambda: True)
    monkeypatch.setattr(live, "_console", lambda: console)
    monkeypatch.setattr(live, "SELDOM", 0.0)
    return console.file


@pytest.fixture
def notebook(monkeypatch):
    """What a cell shows, one after the other."""
    pages = []
    shown = SimpleNamespace(update=lambda page, raw: pages.append(page["text/html"]))

    def display(page, raw, display_id):
        shown.update(page, raw)
        return shown

    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=SimpleNamespace(display=display)))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    monkeypatch.setattr(live, "_console", lambda: SimpleNamespace(is_jupyter=True, is_terminal=False))
    monkeypatch.setattr(live, "SELDOM", 0.0)
    return pages


@pytest.mark.parametrize("name", LONG)
def test_what_takes_long_says_how_far_it_is(terminal, name):
    run, text = LONG[name]
    run()  # is done before anybody waits
    run(progress=False)
    assert terminal.getvalue() == ""
    run(progress=True)
    assert text in terminal.getvalue()


@pytest.mark.parametrize("name", LONG)
def test_in_a_notebook(notebook, name):
    run, text = LONG[name]
    run(progress=True)
    assert any(text in page for page in notebook)
    assert notebook[-1] == ""


def test_a_page_of_a_notebook(notebook):
    with Live(True, 4, keep=True) as told:
        told.tell("a < b", 1)
        told.tell("c", 2)
    assert notebook[0] == '<progress value="1" max="4"></progress> <code>1/4  a &lt; b</code>'
    assert notebook[-1] == '<progress value="2" max="4"></progress> <code>2/4  c</code>'


def test_it_waits_before_it_says_anything(notebook, monkeypatch):
    monkeypatch.setattr(live, "PATIENCE", 0.0)
    with Live() as told:
        told.tell("now")
    assert notebook[0] == "<code>now</code>"


@pytest.mark.parametrize("name", LONG)
def test_nothing_anywhere_else(capfd, name):
    LONG[name][0](progress=True)
    assert capfd.readouterr() == ("", "")
