"""Calls of what is no function: what is written instead of the usual ones of other libraries, or the name that is near.

Nothing unknown is a product: a name glued to a round bracket, ``name(``, or to slots and then to one, ``name[K](``, is
a call.  A product has a blank there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from einstan.language.cases import CHOOSE, chosen
from einstan.language.entries import of_trace
from einstan.language.errors import NotationError, Span
from einstan.language.expectations import expected
from einstan.language.functions import FUNCTIONS
from einstan.language.index import names_in

_PRODUCT = "Z[i,j] = X[i,K] W[K,j]"
_CASES = "1[x > 0] y + 1[x <= 0] z"
_INVERSE = "assume A[i,K] B[K,j] = δ[i,j]"
_ORDER = "max[K](x[K]) and min[K](x[K]) are all that is read from the order of entries"

# What people call it in other libraries, and how it is written here.
INSTEAD: dict[str, str] = {
    # linear algebra
    **dict.fromkeys(("einsum", "matmul", "mm", "bmm", "tensordot"), _PRODUCT),
    **dict.fromkeys(("dot", "vdot", "inner"), "x[K] y[K]"),
    "outer": "x[i] y[j]",
    "kron": "A[i,j] B[k,l]",
    **dict.fromkeys(("transpose", "swapaxes", "permute"), "A[j,i]"),
    **dict.fromkeys(("trace", "tr", "Tr"), "A[I,I]"),
    **dict.fromkeys(("diag", "diagonal"), "A[i,i] reads a diagonal, δ[i,j] x[i] makes one"),
    **dict.fromkeys(("eye", "identity"), "δ[i,j]"),
    "ones": "1[i,j]",
    **dict.fromkeys(("det", "slogdet", "logdet"), "an input; of two by two, A[0,0] A[1,1] - A[0,1] A[1,0]"),
    **dict.fromkeys(("inv", "inverse", "pinv", "solve"), _INVERSE),
    # along an axis
    **dict.fromkeys(("avg", "average"), "mean[K](x[K])"),
    "argmax": "1[x[k] == max[K](x[K])] is 1 at the largest entries",
    "argmin": "1[x[k] == min[K](x[K])] is 1 at the smallest entries",
    **dict.fromkeys(("amax", "maximum_reduce"), "max[K](x[K])"),
    "amin": "min[K](x[K])",
    "cumsum": "sum[J](1[J <= i] x[J])",
    "cumprod": "prod[J](1[J <= i] x[J] + 1[J > i])",
    "diff": "x[i+1] - x[i]",
    "grad": "dL/dx[i]",
    **dict.fromkeys(("flip", "reverse", "rev", "flipud", "fliplr"), "x[|i|-1-i]"),
    "roll": "x[mod(i-1, |x.0|)]",
    "shift": "pad(x[i-1])",
    **dict.fromkeys(("triu", "tril"), "1[i <= j] A[i,j]"),
    **dict.fromkeys(("concat", "concatenate", "hstack", "cat"), "pad(a[i]) + pad(b[i-|a.0|]), where |i| is stated"),
    **dict.fromkeys(("reshape", "ravel", "flatten"), "x[floor(k/|x.1|), mod(k, |x.1|)], where |k| is stated"),
    **dict.fromkeys(("arange", "range", "linspace"), "an index where it stands alone is its number, from 0"),
    **dict.fromkeys(("any", "exists"), "max[K](1[x[K] > 0])"),
    **dict.fromkeys(("all", "forall"), "min[K](1[x[K] > 0])"),
    "count": "sum[K](1[x[K] > 0])",
    **dict.fromkeys(("median", "quantile", "sort", "argsort", "topk"), _ORDER),
    **dict.fromkeys(("conv", "conv1d", "conv2d", "convolve", "correlate"), "X[i+J] W[J]"),
    **dict.fromkeys(("log_softmax", "logsoftmax"), "Z[n,k] - logsumexp[K](Z[n,K])"),
    "softmin": "softmax[k](-x[k])",
    **dict.fromkeys(("len", "size", "shape", "numel"), "|k|"),
    # cases
    **dict.fromkeys(("where", "select", "cond", "piecewise", "cases", "ifelse"), _CASES),
    **dict.fromkeys(("heaviside", "Heaviside", "step", "indicator"), "1[x > 0]"),
    **dict.fromkeys(("one_hot", "onehot"), "1[y[n] == c]"),
    # elementwise
    **dict.fromkeys(("square", "sqr"), "x^2"),
    "power": "x^y",
    "reciprocal": "1 / x",
    **dict.fromkeys(("rsqrt", "invsqrt"), "1 / sqrt(x)"),
    "exp2": "2^x",
    **dict.fromkeys(("log2", "log_2", "lb"), "log(x) / log(2)"),
    **dict.fromkeys(("log10", "log_10", "lg"), "log(x) / log(10)"),
    "cot": "cos(x) / sin(x)",
    "sec": "1 / cos(x)",
    **dict.fromkeys(("csc", "cosec"), "1 / sin(x)"),
    "sech": "1 / cosh(x)",
    "csch": "1 / sinh(x)",
    "coth": "1 / tanh(x)",
    **dict.fromkeys(("ceil", "ceiling"), "-floor(-x)"),
    **dict.fromkeys(("round", "rint"), "floor(x + 1/2)"),
    **dict.fromkeys(("trunc", "fix"), "sign(x) floor(abs(x))"),
    "sinc": "sin(pi x) / (pi x)",
    "cov": "mean[N]((x[N] - mean[M](x[M])) (y[N] - mean[M](y[M])))",
    "corr": "mean[N]((x[N] - mean[M](x[M])) (y[N] - mean[M](y[M]))) / (std[N](x[N]) std[N](y[N]))",
    **dict.fromkeys(("sd", "stdev"), "std[K](x[K])"),
    "variance": "var[K](x[K])",
    "rank": "an input",
    "hypot": "sqrt(x^2 + y^2)",
    "logaddexp": "x + softplus(y - x)",
    "rms": "sqrt(mean[K](x[K]^2))",
    "entropy": "-p[K] log(p[K])",
    **dict.fromkeys(("kl", "KL", "kl_div"), "p[K] log(p[K] / q[K])"),
    "logit": "log(x / (1 - x))",
    **dict.fromkeys(("logsigmoid", "log_sigmoid"), "-softplus(-x)"),
    **dict.fromkeys(("gamma", "Gamma", "Γ"), "exp(lgamma(x)), where x > 0"),
    "factorial": "exp(lgamma(x + 1))",
    "polygamma": "digamma(x), trigamma(x)",
    "erfinv": "an input",
    "gelu": "1/2 x (1 + erf(x / sqrt(2)))",
    **dict.fromkeys(("leaky_relu", "leakyrelu", "LeakyReLU", "prelu"), "relu(x) - a relu(-x)"),
    "relu6": "clip(x, 0, 6)",
    **dict.fromkeys(("Hardtanh", "HardTanh"), "hardtanh(x)"),
    "hard_sigmoid": "hardsigmoid(x)",
    "hard_swish": "hardswish(x)",
    "selu": "1.0507009873554805 relu(x) - 1.7580993408473766 relu(-expm1(x))",
    # losses
    **dict.fromkeys(("mse", "mse_loss"), "mean[N]((y[N] - z[N])^2)"),
    **dict.fromkeys(("cross_entropy", "nll", "nll_loss"), "-1/|N| Y[N,C] log(S[N,C])"),
}  # fmt: skip

# Names of libraries, which are written in front of their functions there: ``np.exp``.
LIBRARIES = ("np", "numpy", "jnp", "jax", "torch", "F", "nn", "tf", "keras", "math", "sp", "scipy", "sympy", "mx", "cp")
ATTRIBUTES = {
    **dict.fromkeys(("T", "mT", "transpose"), "{0}[j,i]"),
    **{name: name + "[K]({0}[K])" for name in ("sum", "mean", "max", "min", "prod", "std", "var")},
}
NEAR = 0.7  # how alike a name must be that was meant: sofmax and softmax, but not trace and tan
SHORTEST = 4  # letters of a name that can be near another
_ORDERED = ("cross_entropy", "nll", "nll_loss", "kl_div", "mse_loss")  # of which libraries have another order
INDICATORS = ("I", "ind", "indicator", "Ind")
_COMPARES = re.compile(r"[<>≤≥≠]|[=!]=")
_CALLED = re.compile(r"\b([^\W\d_]\w*)\(([A-Za-z]([ ]*,[ ]*[A-Za-z])*)\)")
_NAMES = re.compile(r"\(((?:\s*[^\W\d_]\w*\s*,)*\s*[^\W\d_]\w*\s*)\)")  # arguments without slots
_SLOTTED = re.compile(r"(?<!\w)(?!(?:sum|mean|std|max|min)\[)([^\W\d_]\w*)(?=\[)")
_FREE = re.compile(r"[\[,][a-z]|[ ;][a-z]{2,}(?![\w\[(])")  # a small letter in a slot, and words
_ALONE = re.compile(r"\(\s*(\w+)\s*\)(?=\s*$)")
_OPERAND = re.compile(r"\s*(\\?[^\W\d_]\w*(?:\[[^\[\]]*\]|_\{[^{}]*\}|_\w)?)")  # of what stands in front: x[i]
_ROUND = re.compile(r"\(((?:[^()]|\([^()]*\))*)\)")
_DRAWN = re.compile(r"1\[\s*([A-Z])(?![\w\[(])([^\[\]]*)\]")
_PAIR = re.compile(r"\(\s*(\w+)\s*,\s*(\w+)\s*\)")
_SLOTS = re.compile(r"\(([A-Za-z]([ ]*,[ ]*[A-Za-z])*)\)")  # x(i,j), which is x[i,j] here


def unknown_call(text: str, span: Span, name: str, behind: int, known: Iterable[str]) -> NotationError:
    """``name(...)`` or ``name[K](...)`` of what is no function; the round bracket opens at ``behind``."""
    close = near(name, known)
    trace = _ROUND.match(text, behind) if name in ("tr", "Tr", "trace") and span[1] == behind else None
    entries = of_trace(trace[1], text) if trace is not None else ""
    if trace is not None and entries:
        entries = f"({entries})" if " + " in entries or " - " in entries else entries
        line = f"{text[: span[0]]}{entries}{text[trace.end() :]}"
        product = f"a product is written with a blank: {text[span[0] : behind]} (...)"
        return NotationError(f"{name} is not a function", text=text, span=span, repair=(line, product))
    if span[1] == behind and (line := chosen_where(text, span, name)):
        return NotationError(f"{name} is not a function", text=text, span=span, repair=line)
    meant = name if name in INSTEAD else name.lower()  # GELU, Var
    if span[1] == behind and (line := chosen_of(text, span, name) or drawn(text, name)):
        repairs = [line, *([f"{text[:behind]} * {text[behind:]}"] if name == "E" else [])]
    elif meant in INSTEAD:
        repairs = [(put_in(text, span, INSTEAD[meant]) if meant not in _ORDERED else "") or INSTEAD[meant]]
    else:
        repairs = [f"{text[: span[0]]}{near}{text[span[1] :]}" for near in close]
    indicator = indicated(text, span, behind) if name in (*INDICATORS, "P", "Pr", "Prob") else ""
    if indicator and name not in INDICATORS:  # P(X > x), of what is drawn
        indicator = _DRAWN.sub(r"mean[N](1[\1[N]\2])", indicator) if _DRAWN.search(indicator) else ""
    if indicator:
        repairs = [indicator]
    elif not repairs:
        slots = _SLOTS.match(text, behind)
        if slots and span[1] == behind:  # the others of the text are meant as this one is
            repairs.append(
                _CALLED.sub(lambda found: found[0] if found[1] in known else f"{found[1]}[{found[2]}]", text)
            )
        if slots and text.find("=") > span[0] and not _as_slots(text, slots[1]):
            repairs = [f"a function of one's own is declared: es.function({text!r})"]
            closing = text.find(")", behind) + 1
            if text[closing:].lstrip().startswith("="):  # or its value is meant
                repairs.append(f"{text[:behind]}{text[closing:]}")
        closing = text.find(")", behind) + 1
        if not repairs and closing and text[closing:].lstrip().startswith("="):  # L(θ) = ..., f(x_i) = ...
            letters = dict.fromkeys(re.findall(r"(?:_|(?<=[\[{,]))([a-z])(?!\w)", text[behind:closing]))
            own = f"[{','.join(letters)}]" if letters else ""
            repairs.append(f"{text[:behind]}{own}{text[closing:]}")
        if text.find("=") > span[0]:  # a left side is no product
            return NotationError(f"{name} is not a function", text=text, span=span, repair=repairs)
        alone = _ALONE.match(text, behind)  # (x), behind a blank, would be the number of an equation
        divides = alone is not None and text[: span[0]].rstrip().endswith("/")
        if divides:
            times = f"{text[: span[0]]}({text[span[0] : behind]} * {text[behind + 1 :]}"
            return NotationError(f"{name} is not a function", text=text, span=span, repair=(*repairs, times))
        times = f"{text[:behind]} * {alone[1]}{text[alone.end() :]}" if alone else f"{text[:behind]} {text[behind:]}"
        repairs += [] if repairs and "," in text[behind:closing] else [times]
    elif name != "where":
        repairs.append(f"a product is written with a blank: {text[span[0] : behind]} (...)")
    kind = "function" if span[1] == behind else "reduction"
    return NotationError(f"{name} is not a {kind}", text=text, span=span, repair=repairs)


def drawn(text: str, name: str) -> str:
    """The text with ``E(X^2)`` and ``Var(X)`` over what is drawn."""
    return expected(text) if name in ("E", "Var") else ""


def chosen_where(text: str, span: Span, name: str) -> str:
    """``y = where(x > 0, x, a)`` with its condition as a factor."""
    left, equals, before = text[: span[0]].partition("=")
    inside = _ROUND.fullmatch(text[span[1] :].strip()) if name in ("where", "ifelse", "cond") else None
    if inside is None or not equals or before.strip():
        return ""
    arguments = re.split(r",(?![^(\[]*[)\]])", inside[1])
    return chosen(left, *arguments) if len(arguments) == 3 else ""


def chosen_of(text: str, span: Span, name: str) -> str:
    """The text with ``C(n, k)`` as what the binomial coefficient is."""
    found = _PAIR.match(text, span[1]) if name in ("C", "binom", "comb", "nCr", "choose") else None
    if found is None or (name == "C" and f"{name}[" in text):
        return ""
    return f"{text[: span[0]]}{CHOOSE.format(a=found[1], b=found[2])}{text[found.end() :]}"


def not_number(text: str, span: Span, name: str) -> NotationError:
    """``logit p`` and ``tr A``, which would be products with numbers of these names."""
    operand = _OPERAND.match(text, span[1])
    readings = []
    other = INSTEAD.get(name) or INSTEAD.get(name.lower())
    if operand is not None and name == "Var":
        readings = [ATTRIBUTES["var"].format(operand[1])]
    elif operand is not None and other:
        called = f"{text[: span[1]]}({operand[1]}){text[operand.end() :]}"
        readings = [put_in(called, span, other) or other]
    readings.append(f"{text[: span[1]]} * {text[span[1] :].lstrip()}")
    return NotationError(f"{name} would be a number here", text=text, span=span, repair=readings)


def put_in(text: str, span: Span, instead: str) -> str:
    """The text with ``log10(V / U)`` as ``(log(V / U) / log(10))``, and ``dot(u, v)`` as ``u[K] v[K]``; nothing where
    what is written instead has more in it than one argument x, or slots of the left side."""
    if (named := _NAMES.match(text, span[1])) is not None and "=" not in instead:
        tensors = dict.fromkeys(_SLOTTED.findall(instead))
        given = [each.strip() for each in named[1].split(",")]
        if len(tensors) == len(given) and not _FREE.search(instead):
            own = dict(zip(tensors, given, strict=True))
            made = _SLOTTED.sub(lambda found: own[found[1]], instead)
            alone = text[: span[0]].rstrip().endswith("=") and not text[named.end() :].strip()
            return f"{text[: span[0]]}{made if alone else f'({made})'}{text[named.end() :]}"
    words = set(names_in(instead)) - {"pi"}
    if "[" in instead or "), " in instead or not words <= {"x", *FUNCTIONS} or text[span[1] : span[1] + 1] != "(":
        return ""
    depth, end = 0, span[1]
    while end < len(text):
        depth += (text[end] in "([{") - (text[end] in ")]}")
        if depth == 1 and text[end] == ",":
            return ""
        end += 1
        if not depth:
            break
    argument = text[span[1] + 1 : end - 1].strip()
    alone = re.fullmatch(r"[\w.]+(?:\[[^\[\]]*\])?", argument) is not None
    made = re.sub(r"\(x\)|(?<!\w)x(?!\w)", lambda x: argument if alone and x[0] == "x" else f"({argument})", instead)
    one = re.fullmatch(r"\w+\([^()]*(?:\([^()]*\)[^()]*)*\)", made) is not None
    return f"{text[: span[0]]}{made if one else f'({made})'}{text[end:]}"


def _as_slots(text: str, letters: str) -> bool:
    """Whether what stands in the brackets of a left side stands in slots on the right: ``y(i) = x[i]``."""
    right = text.partition("=")[2]
    return all(
        re.search(rf"[\[(,_{{]\s*{letter.strip()}\s*[\]),}}]|_{letter.strip()}\b", right)
        for letter in letters.split(",")
    )


def near(name: str, known: Iterable[str]) -> list[str]:
    """The known name that may be meant."""
    if name.isascii() and name != name.lower() and name.lower() in known:
        return [name.lower()]
    return get_close_matches(name, list(known), n=1, cutoff=NEAR) if len(name) >= SHORTEST else []


def not_operator(text: str, span: Span, name: str, known: Iterable[str]) -> NotationError:
    r"""``\operatorname{argmax}_n x_n``: what is set as an operator is a function, and no tensor."""
    start, end = span
    meant = [f"{text[:start]}\\operatorname{{{each}}}{text[end:]}" for each in near(name, known)]
    repairs = [INSTEAD[name]] if name in INSTEAD else meant or [f"{text[:start]}\\mathrm{{{name}}}{text[end:]}"]
    return NotationError(f"{name} is not a function", text=text, span=span, repair=repairs)


def indicated(text: str, span: Span, behind: int) -> str:
    """The text with ``I(x > 0)`` as ``1[x > 0]``; nothing where nothing is compared."""
    depth = 0
    for place in range(behind, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if not depth:
            inside = text[behind + 1 : place]
            return f"{text[: span[0]]}1[{inside}]{text[place + 1 :]}" if _COMPARES.search(inside) else ""
    return ""


def dotted_name(text: str, span: Span, words: list[str], known: Iterable[str]) -> NotationError:
    """``np.exp``, ``torch.nn.functional.relu``, ``X.T``: names here have no parts."""
    *_, last = words
    if words[0] in LIBRARIES or len(words) > 2:
        problem = f"{'.'.join(words)} belongs to a library; functions are written by their names alone"
        last = last.removeprefix("reduce_")  # of TensorFlow
        repair = chosen_where(text, span, last) or INSTEAD.get(last, "")
        repair = f"{text[: span[0]]}{last}{text[span[1] :]}" if last in known else repair
    else:
        problem = f"{words[0]} has no {last}: a name here has no parts"
        repair = ATTRIBUTES[last].format(words[0]) if last in ATTRIBUTES else INSTEAD.get(last, "")
    return NotationError(problem, text=text, span=span, repair=repair or ())
