"""The command line: ``python -m einstan`` and ``einstan``.

Every command is a module with a function that takes the parsed arguments and a console, and answers an exit code:
0 done, 1 a claim is not as expected, 2 an error in what was given, 130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

import einstan
from einstan.language.arguments import shown
from einstan.language.errors import EinstanError
from einstan.library.escape import visible

EXIT_CODES = "exit codes: 0 done, 1 a claim is not as expected, 2 what was given cannot be used, 130 interrupted"
TOO_DEEP = "this is nested too deep; name a part of it: an equation each"
NO_MEMORY = "there is not enough memory for this; give less data, or smaller sizes"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its errors are printed as their text."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a letter shows its code
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = parser().parse_args(arguments)
        console = _Console()
        code: int = options.run(options, console)
        if sys.stdout is not None:  # which is closed with >&-
            sys.stdout.flush()
        return code
    except EinstanError as problem:
        print_error(str(problem))
        return 2
    except KeyboardInterrupt:
        print_error("interrupted")
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as problem:  # the disk is full, say
        print_error(f"the output cannot be written: {problem.strerror}")
        return 2
    except RecursionError:
        print_error(TOO_DEEP)
        return 2
    except MemoryError:
        print_error(NO_MEMORY)
        return 2


class _Console(Console):
    """Where everything is printed: a text is what it says, no markup, and nothing in it is obeyed by a terminal."""

    def __init__(self) -> None:
        super().__init__(highlight=False, soft_wrap=True, markup=False)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)

    def on_broken_pipe(self) -> None:
        """Left to `main`: what nobody reads any more is no failure."""
        raise BrokenPipeError


def print_error(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"einstan: {visible(text)}\n")


class _Parser(argparse.ArgumentParser):
    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(visible(message), file)


def parser() -> argparse.ArgumentParser:
    whole = _Parser(
        prog="einstan",
        description="Einsum-based tensor calculus: layers and their derivatives as index equations.",
        epilog=EXIT_CODES,
    )
    whole.add_argument("--version", action="version", version=f"einstan {einstan.__version__}")
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_train(commands)
    _add_predict(commands)
    _add_derive(commands)
    _add_check(commands)
    _add_paths(commands)
    _add_mcp(commands)
    _add_page(commands)
    return whole


def _command(
    commands: argparse._SubParsersAction[_Parser], name: str, summary: str, example: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_train(commands: argparse._SubParsersAction[_Parser]) -> None:
    train = _command(
        commands,
        "train",
        "train a classifier, or a regression, whose layers are index equations",
        "  einstan train --hidden 64,32 --epochs 40 --save digits.npz --plot loss.png\n"
        "  einstan train --data flowers.csv --hidden 16\n"
        "  einstan train --resume digits.npz --epochs 80",
    )
    train.add_argument("--data", type=_file, metavar="FILE", help="an .npz with X and y, or a .csv whose last column "
                       "is the label (default: the handwritten digits of scikit-learn)")  # fmt: skip
    train.add_argument("--label", type=_file, metavar="COLUMN", help="of a .csv, by its name or number from 1; numbers "
                       "that are not all whole are the values of a regression (default: the last)")  # fmt: skip
    train.add_argument("--hidden", type=_widths, metavar="N,N", help="units of the hidden layers (default: 64,32)")
    train.add_argument("--activation", choices=("relu", "tanh", "sigmoid"), help="between them (default: relu)")
    train.add_argument("--epochs", type=_whole, metavar="N", help="passes over the data, in all (default: 40)")
    rates = "learning rate (default: 0.1, of a regression 0.01, for adam 0.005)"
    train.add_argument("--lr", type=_positive, metavar="R", help=rates)
    train.add_argument("--batch", type=_whole, metavar="N", help="rows in a minibatch (default: 32)")
    train.add_argument("--optimiser", choices=("sgd", "momentum", "nesterov", "adam"), help="(default: momentum)")
    train.add_argument("--smoothing", type=_share, metavar="S", help="this share of every label is spread over all "
                       "classes (default: 0.1)")  # fmt: skip
    train.add_argument("--validation", type=_share, metavar="S", help="share of the training rows to watch the "
                       "accuracy on (default: 0.1)")  # fmt: skip
    train.add_argument("--patience", type=_whole, metavar="N", help="stop after so many epochs without a better "
                       "validation loss, and keep the best (default: never)")  # fmt: skip
    train.add_argument("--seed", type=_seed, metavar="N", help="fixes split, first values and batches (default: 0)")
    train.add_argument("--dtype", choices=("float32", "float64"), help="(default: float64)")
    train.add_argument("--plot", type=_file, metavar="FILE", help="draw the loss per epoch (needs matplotlib)")
    train.add_argument("--save", type=_file, metavar="FILE", help="save the run to an .npz file")
    train.add_argument("--resume", type=_file, metavar="FILE", help="carry on with a saved run")
    train.set_defaults(run=_run_train)


def _add_predict(commands: argparse._SubParsersAction[_Parser]) -> None:
    predict = _command(
        commands,
        "predict",
        "tell what a trained network says of other rows: their classes, or their values",
        "  einstan predict digits.npz others.npz\n  einstan predict prices.npz houses.csv --output prices.csv",
    )
    predict.add_argument("saved", metavar="RUN", type=_file, help="what einstan train --save wrote")
    predict.add_argument("data", metavar="FILE", type=_file, help="an .npz with X, or a .csv of the same columns, with "
                         "or without the label")  # fmt: skip
    predict.add_argument("--output", metavar="FILE", type=_file, help="write a .csv there (default: print it)")
    predict.set_defaults(run=_run_predict)


def _add_derive(commands: argparse._SubParsersAction[_Parser]) -> None:
    derive = _command(
        commands,
        "derive",
        "derive partial derivatives, or a whole backward pass, as equations",
        '  einstan derive "Z[i,j] = X[i,K] W[K,j]" --wrt X\n'
        '  einstan derive "Z[n,j] = X[n,K] W[K,j]; L = 1/2 (Z[N,J] - Y[N,J])^2" --loss L --latex\n'
        "  einstan derive network.ein --loss L --wrt W,b",
    )
    derive.add_argument("text", metavar="TEXT|FILE|-", help="an equation; several, separated by ';'; or a file of "
                        "them, - for the standard input")  # fmt: skip
    derive.add_argument("--wrt", type=_names, metavar="X,Y", default=(), help="differentiate with respect to these")
    derive.add_argument("--loss", type=_name, metavar="L", help="the scalar whose backward pass is wanted")
    derive.add_argument("--latex", action="store_true", help="print LaTeX")
    derive.set_defaults(run=_run_derive)


def _add_check(commands: argparse._SubParsersAction[_Parser]) -> None:
    check = _command(
        commands,
        "check",
        "check claimed formulas line by line: proved, verified, or refuted with a counterexample",
        "  einstan check paper.ein\n  einstan check paper.tex notes.md --json\n"
        "  einstan check docs/papers/*.ein --html papers.html",
    )
    check.add_argument("files", metavar="FILE", nargs="+", help="a document of definitions, assumptions and claims; "
                       "a paper, .tex or .md; - is the standard input")  # fmt: skip
    shown = check.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="print the report as JSON")
    shown.add_argument("--table", action="store_true", help="print one row for each document, in Markdown")
    check.add_argument("--latex", type=_file, metavar="FILE", help="write the report as a LaTeX document")
    check.add_argument("--html", type=_file, metavar="FILE", help="write the report as one page that needs no network")
    check.add_argument("--seconds", metavar="S", type=_positive, help="of the processor for one claim, which is else "
                       "undecided (default: so many steps, three seconds or less)")  # fmt: skip
    check.add_argument("--jobs", metavar="N", type=_whole, default=1, help="documents judged at once (default: 1)")
    check.add_argument("--remember", metavar="FILE", type=_file, help="verdicts are put there, and no claim is judged "
                       "again while all that it rests on is the same")  # fmt: skip
    check.set_defaults(run=_run_check)


def _add_paths(commands: argparse._SubParsersAction[_Parser]) -> None:
    paths = _command(
        commands,
        "paths",
        "compare contraction paths: FLOPs, memory and time of every optimizer, forward and for all gradients",
        '  einstan paths "Z[i,l] = A[i,J] B[J,K] C[K,l]" --sizes i=64,j=512,k=64,l=512\n'
        '  einstan paths "ij,jk,kl->il" --sizes i=64,j=512,k=64,l=512 --plot paths.png\n'
        "  einstan paths networks.txt --json          # a line each: ij,jk->ik with i=64, j=512, k=64",
    )
    paths.add_argument("text", metavar="TEXT|FILE", help="an equation, an einsum string, or a file of them, one a "
                       "line; - is the standard input")  # fmt: skip
    paths.add_argument("--sizes", metavar="I=N,J=N", default="", help="of every index; ...=MxN for an ellipsis")
    paths.add_argument("--optimizers", type=_names, metavar="A,B", default=(), help="only these: auto, dp, greedy, "
                       "optimal, random-greedy-128, best, cotengra, ... (default: all that fit)")  # fmt: skip
    paths.add_argument("--no-run", action="store_true", help="plan only; nothing is allocated")
    paths.add_argument("--plot", type=_file, metavar="FILE", help="draw the comparison (needs matplotlib)")
    paths.add_argument("--json", action="store_true", help="print the comparison as JSON")
    paths.set_defaults(run=_run_paths)


def _add_mcp(commands: argparse._SubParsersAction[_Parser]) -> None:
    served = _command(
        commands,
        "mcp",
        "serve derive, check, hessian and einsum-path as tools for assistants, over the Model Context Protocol",
        "  einstan mcp          # is started by the assistant's program, whose messages it reads and answers:\n"
        '  {"mcpServers": {"einstan": {"command": "einstan", "args": ["mcp"]}}}',
    )
    served.set_defaults(run=_run_mcp)


def _add_page(commands: argparse._SubParsersAction[_Parser]) -> None:
    page = _command(
        commands,
        "page",
        "open a page that derives, checks and draws while one types; it runs in the browser",
        "  einstan page\n  einstan page paper.ein\n  einstan page --write public",
    )
    page.add_argument("file", metavar="FILE", nargs="?", type=_file, help="a document to open it with")
    page.add_argument("--port", metavar="N", type=_port, default=0, help="of this machine (default: any that is free)")
    page.add_argument("--no-browser", action="store_true", help="serve only")
    page.add_argument("--write", metavar="FOLDER", type=_file, help="write the page there, for any server of files")
    page.add_argument("--packages", metavar="FOLDER", type=_file, help="a node_modules with pyodide, katex and "
                      "@viz-js/viz (default: npm fetches them once, into a cache)")  # fmt: skip
    page.add_argument("--numpy", metavar="WHEEL", type=_file, help="NumPy for Pyodide, to find PyTorch's kernels")
    page.set_defaults(run=_run_page)


# What a command needs is imported when it runs, so that --help is quick.


def _run_train(options: argparse.Namespace, console: Console) -> int:
    from einstan.library.command_train import run

    return run(options, console)


def _run_predict(options: argparse.Namespace, console: Console) -> int:
    from einstan.library.command_predict import run

    return run(options, console)


def _run_derive(options: argparse.Namespace, console: Console) -> int:
    from einstan.library.command_derive import run

    return run(options, console)


def _run_check(options: argparse.Namespace, console: Console) -> int:
    from einstan.library.command_check import run

    return run(options, console)


def _run_paths(options: argparse.Namespace, console: Console) -> int:
    from einstan.library.command_paths import run

    return run(options, console)


def _run_mcp(options: argparse.Namespace, console: Console) -> int:
    from einstan.library.command_mcp import run

    return run(options, console)


def _run_page(options: argparse.Namespace, console: Console) -> int:
    from einstan.library.command_page import run

    return run(options, console)


# ---- values of options -----------------------------------------------------------------------------------------------


def _widths(text: str) -> tuple[int, ...]:
    widths = [part.strip() for part in text.split(",")] if text.strip() else []
    if not all(_digits(part) and int(part) for part in widths):
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a list of positive whole numbers, such as 64,32")
    return tuple(int(part) for part in widths)


def _digits(text: str) -> bool:
    """Whether it is a whole number, and no longer than anybody counts."""
    return text.isascii() and text.isdigit() and len(text) <= 18


def _file(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("an empty text is the name of no file")
    return text


def _whole(text: str) -> int:
    if not (_digits(text) and int(text)):
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a positive whole number")
    return int(text)


def _port(text: str) -> int:
    if not (_digits(text) and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a port, from 0 to 65535")
    return int(text)


def _seed(text: str) -> int:
    if not _digits(text):
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a whole number from 0 on")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a positive number")
    return value


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a share from 0 up to 1")
    return value


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a list of names, such as X,W")
    return names


def _name(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty text names nothing")
    return text.strip()
