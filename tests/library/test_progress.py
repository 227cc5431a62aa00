"""The progress bar: one line that fits 80 columns on a terminal, plain lines elsewhere."""

import io

from rich.console import Console

from einstan.library.callbacks import described
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
