r"""Gradients and derivatives by a sign alone, which are written by what they are taken: a line to paste.

g = ∇f, ∇f(x) = A x         g[i] = ∂f/∂x[i], claim ∂f/∂x[i] = A[i,K] x[K]
w = w - η ∇L                w_new[i] = w[i] - η ∂L/∂w[i]
∇·E = ρ, ∇²φ = 0            claim ∂E[I]/∂x[I] = ρ, claim ∂φ/∂x[I]∂x[I] = 0
y = f'(x), f''(x)           y = ∂f/∂x, ∂f/∂x∂x
"""

from __future__ import annotations

import re

from einstan.language.entries import of_matrices

_NABLA = r"(?:∇|\\nabla(?![A-Za-z]))"
_NAME = r"\\?[^\W\d_²³½][^\W_²³]*"
_OF = rf"\s*({_NAME})(?:_\w)?(?:\(\s*({_NAME})((?:_(?:\w|\{{[^{{}}]*\}}))?)\s*\))?"
_BY = re.compile(rf"{_NABLA}\s*_\{{?({_NAME})\}}?{_OF}(?![\w\[(])")  # ∇_x f
_DIVERGENCE = re.compile(rf"{_NABLA}\s*(?:·|⋅|\\cdot(?![A-Za-z]))\s*({_NAME})(?![\w\[(])")
_LAPLACIAN = re.compile(rf"{_NABLA}\s*(?:²|\^\s*\{{?2\}}?)\s*({_NAME})(?![\w\[(])")
_GRADIENT = re.compile(rf"{_NABLA}{_OF}(?:_\{{?\w\}}?)?(?![\w\[(])")
_LEFT = re.compile(rf"\s*({_NAME})(?:_\{{?([^{{}}=]*)\}}?)?\s*")
_LAGRANGE = re.compile(rf"(?<!\w)({_NAME})(['′’]+|″)\(\s*({_NAME})(?:_\w)?\s*\)")
_STEP = re.compile(r"_\{?\w\s*\+\s*1\}?")


def with_gradients(text: str) -> str:
    """The text with the gradients, divergences and Laplacians that it has as derivatives of entries; nothing where one
    stays."""
    for pattern, derived in ((_DIVERGENCE, r"∂\1[I]/∂x[I]"), (_LAPLACIAN, r"∂\1/∂x[I]∂x[I]")):
        if pattern.search(text):
            return _claimed(pattern.sub(derived, text))
    if _BY.search(text):
        return _claimed(_BY.sub(r"∂\2/∂\1", text))
    left, equals, right = text.partition("=")
    found, defined = _GRADIENT.search(text), _LEFT.fullmatch(left)
    if found is None or not equals:
        return ""
    name = defined[1] if defined else ""
    by = found[2] or (name if re.search(rf"(?<!\w){re.escape(name)}(?![^\W_])", right) and name else "x")
    if whole := _GRADIENT.fullmatch(left.strip()):
        matrices = of_matrices(f"g = {right}")
        return f"claim ∂{whole[1]}/∂{whole[2] or 'x'}[i] = {matrices.partition('=')[2].strip()}" if matrices else ""
    if defined is None or re.search(r"(?<!\w)i(?!\w)", text.replace("_i", "")):
        return ""
    vector = re.compile(rf"(?<!\w){re.escape(by)}(?:_\{{?\w\}}?)?(?![\w\[(])")
    pieces, place = [], 0
    for each in _GRADIENT.finditer(right):
        pieces += [vector.sub(f"{by}[i]", right[place : each.start()]), f"∂{each[1]}/∂{by}[i]"]
        place = each.end()
    body = "".join([*pieces, vector.sub(f"{by}[i]", right[place:])])
    return "" if "∇" in body else f"{name}{'_new' if name == by else ''}[i] = {body.strip()}"


def with_primes(text: str) -> str:
    """The text with ``f'(x)`` as ``∂f/∂x``; a step of Newton's, ``x_{n+1} = x_n - f(x_n)/f'(x_n)``, has no numbers."""
    found = _LAGRANGE.search(text)
    if found is None:
        return ""
    f, _, by = found.groups()

    def derived(each: re.Match[str]) -> str:
        order = 2 * each[2].count("″") or len(each[2])
        line = f"∂{each[1]}/{f'∂{each[3]}' * order}"
        return f"({line})" if re.search(r"[/\w]\s*$", text[: each.start()]) or text[each.end() :][:1] == "^" else line

    line = _LAGRANGE.sub(derived, text)
    stepped = _STEP.search(line.partition("=")[0])
    if stepped is not None:
        letter = re.escape(stepped[0].strip("_{} ")[0])
        line = re.sub(rf"_\{{?{letter}\}}?(?!\w)", "", line.replace(stepped[0], "_new"))
    line = re.sub(rf"(?<![\w∂])({re.escape(f)})\(\s*{re.escape(by)}\s*\)(?!\s*=)", r"\1", line)
    left = line.partition("=")[0]
    return _claimed(line) if "∂" in left else line


def _claimed(line: str) -> str:
    left, equals, _ = line.partition("=")
    plain = not equals or re.fullmatch(rf"\s*∂?{_NAME}(?:\[[^\[\]]*\])?(?:/∂[^∂/]*)?\s*", left)
    return line if plain and "[I]" not in left else f"claim {line}"
