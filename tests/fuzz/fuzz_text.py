"""Texts that nobody would write, through parse, print, LaTeX, check, derivative, plan and loops: only errors of ours.

    python tests/fuzz/fuzz_text.py --minutes 10          with atheris, where it is installed, else by mutation alone
    python tests/fuzz/fuzz_text.py --replay FILE         one text again

The texts begin as those of the README, the documentation, the layers and the tests; what is found is written to
``found/`` beside this file and, once it is mended, becomes a row of `rows.py`.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT))

if __name__ == "__main__" and "--mutation" not in sys.argv:
    try:
        import atheris

        guided = atheris.instrument_imports(include=["einstan"])  # whose branches guide what is tried
    except ImportError:
        guided = nullcontext()
else:
    guided = nullcontext()

import numpy as np  # noqa: E402

with guided:
    import einstan as es
    from einstan.language import latex, parse, parse_document
    from einstan.language.errors import EinstanError
    from einstan.language.mathml import mathml
    from einstan.library.einsum_equation import equation_of, is_einsum

    _ = es.parse, es.check, es.Network  # which load what they need


LONGEST = 600  # letters of a text
SECONDS = 10  # of the processor for one text, more than any needs
SMALL = 3  # the largest extent
# fmt: off
PIECES = [*"""
    [ ] ( ) { } | || , . = == < <= > >= != + - * ** / ^ ^(2) ^{(l)} _ _i _{i,j} # ; & ' ~ ` ! ? : % $ @
    i j k K I J N n x X W W1 T[n] x[i] X[i,K] 0 1 2 3.5 1e9 1e-9 1e400 10^9 9^9^9 1/2 2/0 |i| |N| |X.0| 1[ 1[i<j] δ
    δ[i,j] δ[i+j,2K] sum prod mean max min logsumexp softmax[i]( sum[K]( pad( exp( log( sqrt( relu( sin( pow( abs(
    floor( std[K]( var[n]( norm[i,j]( mish( gate( lgamma( e^{ e^{-x_i} e^x ^{(l-1)} ^{(l)}_{ij} _i^2 f(x) =
    where claim assume given refute convention if else and lambda None dL/dX ∂ d² dZ[i]/dX[j] ∑ ∏ √ α Ω Κ ﬁ K
    ² ³ é 𝟙 ≤ − \\frac{ \\sum \\sum_{k} \\hat{x} \\left( \\right) \\left| \\alpha \\partial \\ \0 \u200b \u202e
    """.split(), " ", "\n", "\t"]  # noqa: SIM905
# fmt: on


def corpus() -> list[str]:
    """Equations and documents of the project, and every text of its layers and tests that has an equals sign."""
    found: dict[str, None] = {}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.rglob("docs/**/*.ein"))]:
        text = path.read_text(encoding="utf-8")
        for block in re.split(r"\n\s*\n|```\w*\n", text):
            if " = " in block and len(block) < LONGEST:
                found[block.strip().strip("`|> ")] = None
        for line in text.splitlines():
            if " = " in line and len(line) < LONGEST:
                found[line.strip().strip("`|> ")] = None
    for path in [*sorted((ROOT / "einstan" / "layers").glob("*.py")), *sorted((ROOT / "tests").rglob("*.py"))]:
        code = path.read_text(encoding="utf-8")
        for text in (
            *re.findall(r'"""(.*?)"""', code, re.DOTALL),
            *re.findall(r'"([^"\n]*\[[^"\n]* = [^"\n]*)"', code),
        ):
            if " = " in text and len(text) < LONGEST:
                found[text.replace("\\n", "\n").replace("\\\\", "\\").strip()] = None
    return list(found)


# ---- what is tried ---------------------------------------------------------------------------------------------------


def attempt(text: str) -> None:
    """Every way of a text; raises what is no error of ours, or where two ways say different things."""
    for way in (documents, checks, equations, einsums, own_functions):
        try:
            with es.functions("mish(x) = x tanh(softplus(x))", "gate(x, y) = sigmoid(x) y"):
                way(text)
        except EinstanError as error:
            str(error)


def documents(text: str) -> None:
    document = parse_document(text)
    printed = str(document)
    assert str(parse_document(printed)).strip() == printed.strip(), "a document is printed otherwise"


def checks(text: str) -> None:
    if len(text) < LONGEST:  # one that was cut may be anything
        report = es.check(text)
        for told in (str(report), report.html(), report.latex()):
            told.encode()


def equations(text: str) -> None:
    equation = es.parse(text)
    assert es.parse(str(equation)) is equation, "printed otherwise"
    assert es.parse(latex(equation)) is equation, "LaTeX says otherwise"
    latex(equation, sums=True)
    mathml(equation)
    equation.reading()
    if not equation.indices:
        with suppress(EinstanError):
            str(equation.program.backward(str(equation.name)))
    for name in equation.program.inputs:
        try:
            derived = equation.partial(str(name))
        except EinstanError:
            continue
        str(derived)
    ranks = equation.program.ranks
    inputs = [name for name in equation.program.inputs if name in ranks]
    if sum(SMALL ** ranks[name] for name in inputs) > 10_000:
        return
    generator = np.random.default_rng(0)
    index_tensors = set(equation.compile().flat.index_tensors)
    arrays = {
        str(name): generator.integers(0, SMALL, (SMALL,) * ranks[name])
        if name in index_tensors
        else generator.uniform(0.5, 2, (SMALL,) * ranks[name])
        for name in inputs
    }
    compiled = equation.compile(fast=False)(arrays)
    equation.source()
    if len(equation.indices) < 5:
        expected = np.array(equation.loops(**arrays).tolist(), float)
        value = compiled[str(equation.name)]
        assert value.shape == expected.shape, "compiled code has another shape than the loops"
        assert alike(value, expected), f"compiled {value.ravel()[:3]}, loops {expected.ravel()[:3]}"


def alike(value: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two say the same, as far as double precision can tell."""
    told = np.isfinite(expected) & (abs(expected) < 1e12)
    return bool(
        np.allclose(value[told], expected[told], rtol=1e-6, atol=1e-6 * (1 + abs(expected[told]).max(initial=0)))
    )


def einsums(text: str) -> None:
    if is_einsum(text):
        parse(equation_of(text).equation)


def own_functions(text: str) -> None:
    with es.functions(*text.splitlines()):
        pass


@contextmanager
def in_time(seconds: int = SECONDS) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    old = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)


# ---- how texts are made ----------------------------------------------------------------------------------------------


def mutated(text: str, texts: list[str], chance: random.Random) -> str:
    """A text with pieces put in, taken out, doubled, swapped, or taken from another."""
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        at, to = sorted((chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)))
        to = min(to, at + chance.choice((1, 2, 5, 20)))
        other = chance.choice(texts)
        start = chance.randrange(len(other) + 1)
        text = chance.choice(
            (
                text[:at] + chance.choice(PIECES) + text[at:],
                text[:at] + chance.choice(PIECES) + text[to:],
                text[:at] + text[to:],
                text[:to] + text[at:to] * chance.choice((1, 2, 7)) + text[to:],
                text[:at] + other[start : start + chance.choice((3, 10, 40))] + text[at:],
                text[:at] + chr(chance.choice((chance.randrange(128), chance.randrange(0x3000)))) + text[at:],
            )
        )
    return text[:LONGEST]


class Run:
    """Counts, and keeps one text of each kind of finding: where it was raised and what."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count, self.found = folder, 0, set[str]()

    def __call__(self, text: str) -> None:
        self.count += 1
        try:
            with in_time(), warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                attempt(text)
        except Exception as error:
            self.keep(text, error)

    def keep(self, text: str, error: Exception) -> None:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "einstan" in f.filename] or [None]
        where = frames[-1]
        kind = f"{type(error).__name__} {Path(where.filename).name}:{where.lineno}" if where else type(error).__name__
        if isinstance(error, AssertionError):
            kind = f"{kind} {str(error)[:40]}"
        if kind in self.found:
            return
        self.found.add(kind)
        self.folder.mkdir(exist_ok=True)
        name = re.sub(r"[^A-Za-z0-9]+", "-", kind).strip("-")
        (self.folder / f"{name}.txt").write_text(text, encoding="utf-8", errors="surrogatepass")
        sys.stdout.write(f"FOUND {kind}: {text!r}: {str(error)[:200]}\n")
        sys.stdout.flush()


def by_mutation(run: Callable[[str], None], minutes: float, seed: int) -> None:
    chance, texts, end = random.Random(seed), corpus(), time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        run(mutated(chance.choice(texts), texts, chance))


def by_atheris(run: Callable[[str], None], minutes: float, folder: Path) -> None:
    """Guided by coverage: what is tried is a text, begun with those of the project and changed by pieces or bytes."""
    import atheris

    texts = corpus()
    for at, text in enumerate(texts):
        (folder / f"seed-{at:05}").write_text(text, encoding="utf-8")

    def one(data: bytes) -> None:
        run(data.decode("utf-8", "ignore")[:LONGEST])

    def changed(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.2:
            return atheris.Mutate(data, most)
        text = data.decode("utf-8", "ignore") if chance.random() < 0.8 else chance.choice(texts)
        return mutated(text, texts, chance).encode("utf-8", "ignore")[:most]

    limits = [
        f"-max_total_time={int(60 * minutes)}",
        "-rss_limit_mb=0",
        f"-max_len={4 * LONGEST}",
        "-timeout=120",
        f"-artifact_prefix={HERE}/found/",
    ]
    atheris.Setup([sys.argv[0], *limits, str(folder)], one, custom_mutator=changed)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--mutation", action="store_true", help="without atheris")
    parser.add_argument("--replay", type=Path)
    options = parser.parse_args()
    run = Run(HERE / "found")
    if options.replay:
        attempt(options.replay.read_text(encoding="utf-8", errors="surrogatepass"))
        return 0
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    sys.stdout.write(f"seed {seed}, {len(corpus())} texts to begin with\n")
    begin = time.monotonic()
    try:
        if options.mutation:
            raise ImportError
        for name in ("corpus", "found"):
            (HERE / name).mkdir(exist_ok=True)
        by_atheris(run, options.minutes, HERE / "corpus")
    except ImportError:
        by_mutation(run, options.minutes, seed)
    finally:
        minutes = (time.monotonic() - begin) / 60
        sys.stdout.write(f"{run.count:,} texts in {minutes:.1f} minutes, {len(run.found)} findings\n")
    return 1 if run.found else 0


if __name__ == "__main__":
    sys.exit(main())
