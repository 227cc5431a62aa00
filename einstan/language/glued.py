r"""Letters that stand together and may be a product: refused with the product, and with another name.

hν, ωt, αβ                 a Greek letter and another one; Δx, dθ and λmax are one name
mv beside m and v          names that the text has, as numbers or as indices, and cos(2 pi kn) beside k and n
sinx, cosθ, ln2            a function and its argument
δ_ij, a_ij beside i, j     a subscript of indices, and A_ii, a trace
x1y1, a1x beside a0        numbered letters, and β_1x beside β_0
mc^2, AK^α                 a power, which is that of the last letter or of one name

What a line defines, and what the program around has, is one name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache

from einstan.language.commands import GREEK, LETTERS_IN_LATEX
from einstan.language.errors import NotationError
from einstan.language.functions import FUNCTIONS, SPELLINGS
from einstan.language.surface import RESERVED
from einstan.language.typeset import lowered_indices

ANY = -1  # slots of a name of which nobody says how many it has
MOST = 4  # letters of a name that may be a product of names; longer ones are words
_WRITTEN = (  # a letter below is a subscript, ax_n, and more are a part of the name
    r"(?<![^\W\d½⅓⅔¼¾²³])(?<![^\W\d]\d)(?<![\\.])(?<!\\mathrm\{)(?<!\\text\{)%s(?![^\W_²³]|_(?:[^\W_]{2}|\d|[^\W_][\[_.]))"
)
_RUNS = re.compile(r"[^\W\d_]\d*")
_STEP = re.compile(r"[Δδ∂]|t?d(?=[^\W\d_])")
_NUMBERED = re.compile(r"([^\W\d_])(_?)(\d+)([^\W\d_])(\d*)")  # x1y1, a1x, β_1x
_LINK = re.compile(r"[^\W\d_](?:_\d+)?")
_CHAIN = re.compile(rf"(?:{_LINK.pattern})*[^\W\d_]_\d+[^\W\d_]_\d+")  # q_1q_2
_INDICES = re.compile(r"(?!in|ln|min|pin|nil)[ijklmn]{2,3}")  # which nobody writes as a label
_TRACES = ("ii", "jj", "kk")
_LABELLED = re.compile(r"(δ|delta|[^\W\d_]\d*)_([a-z]{2,3})")
_EXPONENT = re.compile(r"(?:\^|\*\*)\s*[-−]?\s*$")
_POWER = re.compile(r"\s*(?:\^|\*\*|[²³])")
_ABOVE = re.compile(r"\^\{\s*$")
_WORDS = ("lr", "wd", "sd", "se", "Re", "Pr")  # abbreviations, whatever letters there are
_AXES = "xyz"
_NO_NAMES = ("abs", "mod", "pi", "pow", "σ", "π")
_FUNCTIONS = sorted({*FUNCTIONS, *SPELLINGS} - {*_NO_NAMES}, key=len, reverse=True)
_APPLIED = re.compile(rf"({'|'.join(_FUNCTIONS)})((?:\d*[^\W\d_]|\d)\d*)")

Parts = tuple[str, ...]


def in_pass(name: str, defined: object) -> bool:
    """Whether a name is a tangent or a gradient in the line that defines one, ``te[t] = a tx[t] + ta x[t]``."""
    return isinstance(defined, str) and len(defined) > 1 and name[0] == defined[0] in ("t", "d")


def candidates(words: Collection[str], apart: Collection[str]) -> set[str]:
    """Those of the words of a text that may be products, beside what it has ``apart`` from them."""
    kinds = {name: kind for name in words if (kind := _kind(name))}
    if not kinds:
        return set()
    letters = {word.lower() for word in apart}
    everywhere = {*words, *apart} if "numbered" in kinds.values() else apart

    def looks_glued(name: str, kind: str) -> bool:
        if kind == "names":
            return next(_parted(name, apart.__contains__, apart.__contains__), None) is not None
        if kind == "numbered":
            return bool(_numbered(name, everywhere))
        below = name.partition("_")[2]
        return kind == "product" or below in _TRACES or not letters.isdisjoint(below)

    return {name for name, kind in kinds.items() if looks_glued(name, kind)}


@lru_cache(maxsize=4096)
def _kind(name: str) -> str:
    """How a name is looked at: a ``product`` whatever else there is, or if the text has its parts as ``names``, or as
    ``slots``."""
    if name in RESERVED or name in GREEK or name in _WORDS:
        return ""
    if name.startswith(("δ_", "delta_")) or _APPLIED.fullmatch(name) or alphabets(name):
        return "product"
    if _NUMBERED.fullmatch(name) or _CHAIN.fullmatch(name):
        return "numbered"
    if _LABELLED.fullmatch(name):
        return "slots"
    return "names" if "_" not in name and 1 < sum(map(str.isalpha, name)) <= MOST else ""


def glued(
    text: str, read: Mapping[str, int], known: Mapping[str, int], indices: Collection[str]
) -> NotationError | None:
    """The refusal of a name of a text that may be a product.  ``read`` are names that nothing defines, each with how
    many slots it has, ``known`` all that the lines around have, and ``indices`` theirs."""
    for name, rank in read.items():
        if name in text and (found := _written(name).search(text)) is not None:
            error = _refused(text, found, rank, known, indices)
            if error is not None:
                return error
    return None


@lru_cache(maxsize=256)
def _written(name: str) -> re.Pattern[str]:
    """A name as it is written bare, no part of another and not set as one, ``\\mathrm{mv}``."""
    return re.compile(_WRITTEN % re.escape(name))


def raised(text: str, names: Collection[str]) -> NotationError | None:
    """The refusal of a number of two letters that stands in powers alone, of ``names`` that nothing defines: the square
    in ``mc^2`` is that of c where mc is a product.  ``(mc)^2`` is the same for both."""
    for name in names:
        if is_raised(name, (text,)) and _written(name).search(text) is not None:
            error = _asked(text, name, f"the product {' '.join(name)}", " ".join(name), f"({name})")
            product, *rest = error.repair
            for other in (each for each in names if each[1] == name[1]):  # ax^2 + bx
                product = _written(other).sub(" ".join(other), product)
            return NotationError(error.problem, text=text, span=error.span, repair=(product, *rest))
    return None


def is_raised(name: str, texts: Collection[str]) -> bool:
    """Whether a name of two letters has a power wherever it stands, and is no component: ``vx^2 + vy^2``."""
    if not is_pair(name) or not any(name in text for text in texts):
        return False
    others = [_written(name[0] + axis) for axis in _AXES.replace(name[1], "")] if name[1] in _AXES else []
    if any(other.search(text) for other in others for text in texts):
        return False
    places = ((text, found.end()) for text in texts if name in text for found in _written(name).finditer(text))
    return all(_POWER.match(*place) for place in places)


@lru_cache(maxsize=4096)
def is_pair(name: str) -> bool:
    """Whether a name may be a product of two letters; what begins with a d is a difference or a gradient."""
    return len(name) == 2 and name.isascii() and name.isalpha() and name[0] != "d" and _kind(name) == "names"


def _refused(
    text: str, found: re.Match[str], rank: int, known: Mapping[str, int], indices: Collection[str]
) -> NotationError | None:
    name, labelled, applied = found[0], _LABELLED.fullmatch(found[0]), _APPLIED.fullmatch(found[0])
    is_delta = labelled is not None and labelled[1] in ("δ", "delta")
    letters = {index.lower() for index in indices}
    trace = labelled is not None and labelled[2] in _TRACES and letters.isdisjoint(labelled[2])
    run = labelled is not None and _INDICES.fullmatch(labelled[2]) and (trace or not letters.isdisjoint(labelled[2]))
    if labelled is not None and not rank and (is_delta or run or set(labelled[2]) <= letters):
        plain = {each for each in labelled[2] if each in indices or (not letters & {each} and not trace)}
        own = (each if is_delta or each in plain else each.upper() for each in labelled[2])
        slots = f"{labelled[1]}[{','.join(own)}]"
        return _asked(
            text, name, f"{slots} without its bracket", slots, "" if is_delta else f"{''.join(labelled.groups())}1"
        )
    if applied is not None and not rank:
        value = f"{applied[1]}({applied[2]})"
        return _asked(text, name, value, value, f"{name}_1")
    parts = alphabets(name) or _numbered(name, known, rank) or _known_parts(name, rank, known, indices)
    if not parts:
        return None
    error = _asked(text, name, f"the product {' '.join(parts)}", " ".join(parts), _other(name, known))
    if _ABOVE.search(text, 0, found.start()) and (lowered := lowered_indices(text)):  # g^{KL}
        problem = "indices stand below the line, also those that a metric lowers"
        return NotationError(problem, text=text, span=found.span(), repair=(lowered, *error.repair))
    return error


def _asked(text: str, name: str, meant: str, written: str, other: str) -> NotationError:
    one = _written(name)
    found = one.search(text)
    assert found is not None

    def product(place: re.Match[str]) -> str:
        whole = " " in written and _EXPONENT.search(text, 0, place.start()) and not _POWER.match(text, place.end())
        return f"({written})" if whole else written  # K^αL^β is K^α L^β

    readings = (one.sub(product, text), *([one.sub(lambda _: other, text)] if other else []))
    problem = f"{name} is one name, or {meant}"
    return NotationError(problem, text=text, span=found.span(), repair=readings)


@lru_cache(maxsize=1024)
def alphabets(name: str) -> Parts:
    """The parts of ``hν`` and ``πε_0``, which are of two alphabets or Greek letters; nothing of one name."""
    base, line, label = name.partition("_")
    if base.isascii():
        return ()
    step = _STEP.match(base)
    letters = _RUNS.findall(base[step.end() :] if step else base)
    if len(letters) < 2 or "".join(letters) != (base[step.end() :] if step else base):
        return ()
    parts: list[str] = []
    for letter in letters:
        joins = parts and not _is_greek(letter) and not _is_greek(parts[-1])
        parts[-1:] = [parts[-1] + letter] if joins else [*parts[-1:], letter]
    greek = [part for part in parts if _is_greek(part)]
    others = [part for part in parts if not _is_greek(part)]
    if not greek or len(parts) < 2 or any(len(part) > 2 for part in others) or (not others and len(greek) > MOST - 1):
        return ()  # λmax, and words of Greek
    return (*([step[0]] if step and step[0] != "Δ" else []), *parts[:-1], parts[-1] + line + label)


def _is_greek(part: str) -> bool:
    return not part[0].isascii() and unicodedata.name(part[0], "").startswith("GREEK")


def _numbered(name: str, others: Collection[str], rank: int = 0) -> Parts:
    """``x1y1`` as x1 and y1, ``kq_1q_2`` as k, q_1 and q_2, and ``a1x`` as a1 and x where there is another a with a
    number, a0 or ``a2x``."""
    if _CHAIN.fullmatch(name):
        return tuple(part for part in _LINK.findall(name) if part)
    found = _NUMBERED.fullmatch(name)
    if found is None:
        return ()
    letter, line, number, last, behind = found.groups()
    if line and last in "ijkmn":  # x_1i, the entry i of x_1
        return ()
    alike = re.compile(rf"{letter}{line}(\d+)" + ("" if rank else r"[^\W\d_]?\d*"))  # T1x1[i] may be one of many
    numbers = {again[1] for other in others if (again := alike.fullmatch(other))}
    return (f"{letter}{line}{number}", f"{last}{behind}") if (behind and not rank) or numbers - {number} else ()


def _known_parts(name: str, rank: int, known: Mapping[str, int], indices: Collection[str]) -> Parts:
    """``mv`` as m and v; a last part with slots, ``kx[i]``, is a tensor that has as many."""
    if name in GREEK or sum(map(str.isalpha, name)) > MOST or "_" in name:
        return ()

    def is_factor(part: str) -> bool:
        return part != name and (known.get(part) in (0, ANY) or (not rank and part in indices))

    def is_last(part: str) -> bool:
        return is_factor(part) if not rank else part != name and known.get(part) in (rank, ANY)

    found = next(_parted(name, is_factor, is_last), ())
    return () if found[:1] == ("d",) or (found[:2] == ("t", "d")) else found


def _parted(name: str, is_factor: Callable[[str], bool], is_last: Callable[[str], bool]) -> Iterator[Parts]:
    for end in range(1, len(name)):
        if not is_factor(name[:end]) or not name[end].isalpha():
            continue
        if is_last(name[end:]):
            yield name[:end], name[end:]
        yield from ((name[:end], *rest) for rest in _parted(name[end:], is_factor, is_last))


def as_one(name: str, behind: str) -> str:
    """A name of several letters in front of the rest of a text: ``(mv)`` before a power, which is that of all."""
    return f"({name})" if is_power(behind) else name


def is_power(text: str) -> bool:
    """Whether a text begins with a power."""
    return _POWER.match(text) is not None


def one_name(name: str) -> str:
    """``sigmak`` for σk, and a name of one alphabet as it is."""
    return "".join(LETTERS_IN_LATEX.get(letter, letter) for letter in name) if alphabets(name) else name


def _other(name: str, known: Collection[str]) -> str:
    """Another name: ``hnu`` for hν, ``mv_1`` for mv."""
    other = one_name(name)
    other = other if other != name else f"{name}_1"
    while other in known:
        other += "1"
    return other
