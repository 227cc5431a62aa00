"""Documents that are short to write and long to work out, of every kind that we know.

    python tests/faults/hostile.py --minutes 10 [--seconds 5]      every document in every way, until the time is up

`DOCUMENTS` has a text for each name, `WAYS` the ways in which a text is used.  Each runs in a process of its own, with
a limit of processor time and of memory (`limits.limited`), and ends in an answer or in an error of ours.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import NamedTemporaryFile

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

from limits import limited  # noqa: E402

import einstan as es  # noqa: E402
from einstan.calculus.canonical import canonical  # noqa: E402
from einstan.language import parse_document  # noqa: E402
from einstan.language.errors import DataError  # noqa: E402
from einstan.library.cli import main as command  # noqa: E402

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def chain(lines: int, step: str, first: str = "A0[i] = x[i]", claim: str = "A{k}[i] = A{k}[i]") -> str:
    """``step`` with ``{k}`` for the number of a line and ``{l}`` for that of the line before."""
    body = [step.format(k=k, l=k - 1) for k in range(1, lines + 1)]
    return "\n".join([first, *body, *([f"claim {claim.format(k=lines)}"] if claim else [])])


def nested(depth: int, before: str, inside: str, after: str) -> str:
    return before * depth + inside + after * depth


def softmaxes(depth: int) -> str:
    text = "x[i,k]"
    for _ in range(depth):
        text = f"softmax[k]({text})"
    return text


def iversons(depth: int) -> str:
    text = "x[i]"
    for k in range(depth):
        text = f"1[{text} > {k}]"
    return text


def slots(count: int, first: int = 0) -> str:
    return ",".join(f"i{k}" for k in range(first, first + count))


def symmetric(count: int) -> str:
    """A tensor that every exchange of neighbouring slots leaves alone, and a claim that turns its slots round."""
    names = [f"i{k}" for k in range(count)]
    rules = []
    for k in range(count - 1):
        other = [*names[:k], names[k + 1], names[k], *names[k + 2 :]]
        rules.append(f"assume T[{','.join(names)}] = T[{','.join(other)}]")
    return "\n".join([*rules, f"claim T[{','.join(names)}] = T[{','.join(reversed(names))}]"])


DOCUMENTS: dict[str, str] = {
    # numbers
    "tower": "A = 9^9^7\nclaim A = 3",
    "tower of nine": "A = 9^9^9\nclaim A = 3",
    "tower of ten": "A = " + "^".join(["9"] * 10) + "\nclaim A = 3",
    "tower in a claim": "A = x\nclaim A = 2^2^2^2^2 x",
    "negative tower": "A = 2^-(9^9^7)\nclaim A = 3",
    "power of a power": "A = ((((((9^9)^9)^9)^9)^9)^9)^9\nclaim A = 3",
    "large exponent": "A = 1e999999999\nclaim A = 3",
    "small exponent": "A = 1e-999999999\nclaim A = 3",
    "400 as exponent": "A = 1e400\nclaim A = 3",
    "5,000 digits": "A = " + "7" * 5000 + "\nclaim A = 3",
    "a million digits": "A = " + "7" * 1_000_000 + "\nclaim A = 3",
    "a million digits behind the point": "A = 0." + "7" * 1_000_000 + "\nclaim A = 3",
    "roots of large numbers": "A = " + " ".join(f"sqrt({10**k + 7})" for k in range(1, 200)) + "\nclaim A = 3",
    "product of numbers": "A = " + " * ".join(["99999999999999999999"] * 3000) + "\nclaim A = 3",
    "sum of fractions": "A = " + " + ".join(f"1/{k}" for k in range(1, 3000)) + "\nclaim A = 3",
    "number to an index": "A[i] = x[i]^1000000000\nclaim A[i] = x[i]^999999999 x[i]",
    "powers of powers": "A = x" + "^2" * 0 + "\nB = " + nested(300, "(", "x + 1", ")^2") + "\nclaim B = A",
    "root of a high degree": "A = x^(1/1000000007)\nclaim dA/dx = 1/1000000007 x^(1/1000000007 - 1)",
    "exact powers": "claim 3^(10^2) x = x^3\nclaim (1 + 1/3)^300 x = y",
    "factorial by lgamma": "A = exp(lgamma(1e300))\nclaim A = 3",
    "an exponent of numbers": "A = (1 + 1e-300)^(1e300)\nclaim A = exp(1)",
    # depth and width
    "50,000 brackets": "A[i] = " + nested(50_000, "(", "x[i]", ")") + "\nclaim A[i] = x[i]",
    "1,500 brackets": "A[i] = " + nested(1_500, "(1 + ", "x[i]", ")") + "\nclaim A[i] = x[i] + 1500",
    "1,900 signs": "A[i] = " + nested(1_900, "-(", "x[i]", ")") + "\nclaim A[i] = x[i]",
    "900 functions": "A[i] = " + nested(900, "sin(", "x[i]", ")") + "\nclaim dA[i]/dx[j] = δ[i,j]",
    "20 pairs of functions": "A[i] = " + nested(20, "sin(exp(", "x[i]", "))") + "\nclaim dA[i]/dx[j] = δ[i,j]",
    "200 pairs of functions": "A[i] = " + nested(200, "sin(exp(", "x[i]", "))") + "\nclaim dA[i]/dx[j] = δ[i,j]",
    "60 quotients": "A = " + nested(60, "1 / (1 + ", "x", ")") + "\nclaim dA/dx = 0",
    "400 quotients": "A = " + nested(400, "1 / (x + ", "y", ")") + "\nclaim dA/dx = 0",
    "60 roots": "A = " + nested(60, "sqrt(1 + ", "x^2", ")") + "\nclaim dA/dx = x",
    "a wide sum": "A[i] = " + " + ".join(f"x{k}[i]" for k in range(5000)) + "\nclaim A[i] = x1[i]",
    "a wide sum of functions": "A[i] = "
    + " + ".join(f"sin({k} x[i])" for k in range(1, 1500))
    + "\nclaim dA[i]/dx[j] = δ[i,j]",
    "a wide product": "A[i] = " + " ".join(f"x{k}[i]" for k in range(2000)) + "\nclaim dA[i]/dx3[j] = δ[i,j]",
    "a wide product of one": "A[i] = " + " ".join(["x[i]"] * 3000) + "\nclaim A[i] = x[i]^3000",
    "derivative of a wide product": "L = "
    + " ".join(f"sin(x{k})" for k in range(400))
    + "\n"
    + "\n".join(f"claim dL/dx{k} = L cos(x{k}) / sin(x{k})" for k in range(0, 400, 100)),
    # doubling
    "20 squares": chain(20, "A{k}[i] = A{l}[i] A{l}[i] + A{l}[i]"),
    "20 squares, derived": chain(20, "A{k}[i] = A{l}[i] A{l}[i] + A{l}[i]", claim="dA{k}[i]/dx[j] = δ[i,j]"),
    "200 squares": chain(200, "A{k}[i] = A{l}[i] A{l}[i] + A{l}[i]"),
    "200 squares, derived": chain(200, "A{k}[i] = A{l}[i] A{l}[i] + A{l}[i]", claim="dA{k}[i]/dx[j] = δ[i,j]"),
    "200 squares, each claimed": "\n".join(
        ["A0[i] = x[i]"]
        + [
            f"A{k}[i] = A{k - 1}[i] A{k - 1}[i] + A{k - 1}[i]\nclaim A{k}[i] = A{k - 1}[i] (A{k - 1}[i] + 1)"
            for k in range(1, 201)
        ]
    ),
    "200 squares, one named otherwise": chain(200, "A{k}[i] = A{l}[i] A{l}[i] + A{l}[i]", claim="")
    + "\n"
    + chain(200, "B{k}[i] = B{l}[i] (B{l}[i] + 1)", "B0[i] = x[i]", claim="A{k}[i] = B{k}[i]"),
    "200 sums": chain(200, "A{k}[i] = A{l}[i] + A{l}[i]", claim="A{k}[i] = 2^200 x[i]"),
    "200 sums of a function": chain(200, "A{k}[i] = sin(A{l}[i]) + cos(A{l}[i])", claim="A{k}[i] = x[i]"),
    "200 sums of a function, derived": chain(
        200, "A{k}[i] = sin(A{l}[i]) cos(A{l}[i])", claim="dA{k}[i]/dx[j] = δ[i,j]"
    ),
    "200 matrices": chain(200, "A{k}[i,j] = A{l}[i,K] A{l}[K,j]", "A0[i,j] = x[i,j]", claim="A{k}[i,j] = A{k}[j,i]"),
    "25 matrices": chain(25, "A{k}[i,j] = A{l}[i,K] A{l}[K,j]", "A0[i,j] = x[i,j]", claim="A{k}[i,j] = A{k}[j,i]"),
    "25 matrices, derived": chain(
        25, "A{k}[i,j] = A{l}[i,K] A{l}[K,j]", "A0[i,j] = x[i,j]", claim="dA{k}[i,j]/dx[p,q] = δ[i,p] δ[j,q]"
    ),
    "40 Fibonacci": chain(40, "A{k}[i] = A{l}[i] + A{l}[i] x[i]", claim="dA{k}[i]/dx[j] = δ[i,j]"),
    "60 of two each": "A0[i] = x[i]\nB0[i] = y[i]\n"
    + "\n".join(f"A{k}[i] = A{k - 1}[i] B{k - 1}[i]\nB{k}[i] = A{k - 1}[i] + B{k - 1}[i]" for k in range(1, 61))
    + "\nclaim A60[i] = B60[i]\nclaim dA60[i]/dx[j] = 0",
    "brackets that double": "A[i] = " + nested(18, "(x[i] + y[i] (", "1", "))^2") + "\nclaim A[i] = x[i]",
    # softmax and others with sums inside
    "8 softmax": f"S[i,k] = {softmaxes(8)}\nclaim dS[i,k]/dx[j,l] = δ[i,j] δ[k,l]",
    "30 softmax": f"S[i,k] = {softmaxes(30)}\nclaim dS[i,k]/dx[j,l] = δ[i,j] δ[k,l]",
    "30 lines of softmax": chain(
        30, "A{k}[i,c] = softmax[c](A{l}[i,c])", "A0[i,c] = x[i,c]", "dA{k}[i,c]/dx[j,d] = δ[i,j] δ[c,d]"
    ),
    "10 softmax by hand": chain(
        10,
        "A{k}[i,c] = exp(A{l}[i,c]) / sum[K](exp(A{l}[i,K]))",
        "A0[i,c] = x[i,c]",
        "dA{k}[i,c]/dx[j,d] = δ[i,j] δ[c,d]",
    ),
    "12 attentions": chain(
        12,
        "A{k}[q,d] = softmax[K](A{l}[q,E] A{l}[K,E]) A{l}[K,d]",
        "A0[q,d] = x[q,d]",
        "dA{k}[q,d]/dx[p,e] = δ[q,p] δ[d,e]",
    ),
    "logsumexp of logsumexp": "A = " + nested(12, "logsumexp[K](x[K] + ", "y", ")") + "\nclaim dA/dy = 1",
    "30 sums inside each other": "A = " + nested(30, "sum[K](x[K] ", "y", ")") + "\nclaim A = sum[K](x[K])^30 y",
    "products of products": "A = " + nested(10, "prod[K](x[K] + ", "y", ")") + "\nclaim dA/dy = 1",
    # products of sums
    "fiftieth power": "A = (a + b)^50\nclaim A = (b + a)^49 (a + b)",
    "fiftieth power, wrong": "A = (a + b)^50\nclaim A = (a + b)^49 (a - b)",
    "500th power": "A = (a + b + c)^500\nclaim A = (a + b + c)^499 (a + b)",
    "30 brackets": "A = " + " ".join(f"(a{k} + b{k})" for k in range(30)) + "\nclaim A = a0",
    "30 brackets of 30": "A = "
    + " ".join("(" + " + ".join(f"a{k}_{LETTERS[m % 26]}{m}" for m in range(30)) + ")" for k in range(30))
    + "\nclaim A = a0_a0",
    "11 brackets in eight terms": "A = "
    + " + ".join(f"{m} " + " ".join(f"(a{k} + {m} b{k})" for k in range(11)) for m in range(1, 9))
    + "\nclaim A = a0",
    "products of twelve sums": "A = " + " ".join(f"sum[K](x{k}[K] + y{k}[K])" for k in range(12)) + "\nclaim A = 3",
    "a product of 30 sums": "A = " + " ".join(f"sum[K{k}](x{k}[K{k}])" for k in range(30)) + "\nclaim A = 0",
    "sixth power of 100 terms": "A = (" + " + ".join(f"a{k}" for k in range(100)) + ")^6\nclaim A = a0^6",
    "powers inside powers": "A = ((((a + b)^6 + c)^6 + d)^6 + e)^6\nclaim A = a",
    "sums in a quotient": "A = " + " + ".join(f"1/(a{k} + b{k})" for k in range(14)) + "\nclaim A = 0",
    "sums in 60 quotients": "A = " + " + ".join(f"1/(a{k} + b{k})" for k in range(60)) + "\nclaim A = 0",
    "exp of sums": "A = " + " ".join(f"exp(a{k} + b{k})" for k in range(200)) + "\nclaim dA/da0 = A",
    # indices, deltas, slots
    "300 indices": f"A[{slots(300)}] = x[{slots(300)}]\nclaim A[{slots(300)}] = x[{slots(300)}]",
    "26 indices summed": "A = x[" + ",".join(f"K{k}" for k in range(26)) + "]\nclaim A = 3",
    "60 equal tensors": "A = " + " ".join(f"x[K{k},K{(k + 1) % 60}]" for k in range(60)) + "\nclaim A = 3",
    "12 equal matrices in a ring": "A = "
    + " ".join(f"x[K{k},K{(k + 1) % 12}]" for k in range(12))
    + "\nB = "
    + " ".join(f"x[K{(k + 1) % 12},K{k}]" for k in range(12))
    + "\nclaim A = B",
    "a clique": "A = " + " ".join(f"x[K{k},K{m}]" for k in range(9) for m in range(9) if k != m) + "\nclaim A = 0",
    "300 deltas": f"A[{slots(300)}] = "
    + " ".join(f"δ[i{k},i{k + 1}]" for k in range(299))
    + f"\nclaim A[{slots(300)}] = 1",
    "300 deltas summed": "A[i,j] = δ[i,K0] "
    + " ".join(f"δ[K{k},K{k + 1}]" for k in range(299))
    + " δ[K299,j]\nclaim A[i,j] = δ[i,j]",
    "deltas of forms": "A[i] = "
    + " ".join(f"δ[2K{k}+3J{k},5K{k + 1}-J{k}]" for k in range(12))
    + " δ[i,K0] δ[K12,0]\nclaim A[i] = 0",
    "huge strides": "A[i] = x[1000000007 i + 999999999]\nclaim A[i] = x[999999999 + 1000000007 i]",
    "extents of a milliard": "A[i] = x[i] where |i| = 1000000000\nclaim A[i] = 2 x[i]",
    "a delta of a milliard": "A = sum[I](1[I == 1000000000] x[I])\nclaim A = 0",
    "extents that multiply": "A[i] = x[i] where |i| = |x.0| * |x.0| * |x.0|\nclaim A[i] = 2 x[i]",
    "windows in windows": "A[i] = "
    + nested(1, "", "x[i + " + " + ".join(f"J{k}" for k in range(12)) + "]", "")
    + " "
    + " ".join(f"w{k}[J{k}]" for k in range(12))
    + "\nclaim dA[i]/dx[p] = 0",
    "where with floor": "A[i] = pad(x[i]) where |i| = floor(|x.0|/1000000007) + 1000000007\nclaim A[i] = 1",
    "floors in floors": "A[i] = pad(x[i]) where |i| = "
    + nested(40, "floor((1 + ", "|x.0|", ")/2)")
    + "\nclaim A[i] = 0",
    "mod of large numbers": "A[i] = mod(i, 1000000007) x[i]\nclaim A[i] = i x[i]",
    "gather in gather": "A[i] = x[" + nested(40, "t[", "i", "]") + "]\nclaim dA[i]/dx[j] = δ[i,j]",
    "symmetric in six": symmetric(6),
    "symmetric in eight": symmetric(8),
    "symmetric in twelve": symmetric(12),
    "a trace of twelve slots": "A = "
    + " ".join(f"T[{','.join(f'K{(k * 5 + m) % 12}' for m in range(12))}]" for k in range(6))
    + "\nclaim A = 0",
    # brackets
    "40 brackets nested": f"A[i] = {iversons(40)}\nclaim A[i] = 1",
    "40 brackets in a product": "A[i] = " + " ".join(f"1[x{k}[i] > y{k}[i]]" for k in range(40)) + "\nclaim A[i] = 1",
    "40 brackets in a sum": "A[i] = " + " + ".join(f"1[x{k}[i] > 0] z[i]" for k in range(40)) + "\nclaim A[i] = 0",
    "brackets of 14 pairs": "A[i] = "
    + " ".join(f"(1[x{k}[i] > 0] + 1[x{k}[i] <= 0])" for k in range(14))
    + "\nclaim A[i] = 1",
    "a chain of comparisons": "A = sum[I](1["
    + " <= ".join(f"i{k}" for k in range(40)).replace("i0", "I")
    + "])\nclaim A = 0",
    "a chain of 40 indices compared": "A["
    + slots(40)
    + "] = 1["
    + " <= ".join(f"i{k}" for k in range(40))
    + f"]\nclaim A[{slots(40)}] = 1",
    "maxima in maxima": "A = " + nested(40, "max(x, ", "y", ")") + "\nclaim dA/dx = 1",
    "30 maxima of sums": "A = " + nested(30, "max(x + ", "y", ", z)") + "\nclaim dA/dx = 1",
    "relus in relus": "A[i] = " + nested(60, "relu(1 + ", "x[i]", ")") + "\nclaim dA[i]/dx[j] = δ[i,j]",
    "absolute values": "A = " + nested(40, "abs(x - ", "y", ")") + "\nclaim dA/dx = 1",
    # many lines
    "2,000 claims": "A[i] = x[i] + 1\n" + "\n".join("claim A[i] = 1 + x[i]" for _ in range(2000)),
    "2,000 other claims": "A[i] = x[i] + 1\n" + "\n".join(f"claim {k} A[i] = {k} + {k} x[i]" for k in range(2, 2002)),
    "300 wrong claims": "A[i] = sin(x[i])\n" + "\n".join(f"claim A[i] = cos({k} x[i])" for k in range(300)),
    "400 unreadable lines": "\n".join(f"A{k}[i] = x[j] + {k}" for k in range(400)),
    "400 lines that do not go together": "\n".join(
        f"A[{slots(1 + k % 5)}] = x[{slots(1 + k % 7)}]" for k in range(400)
    ),
    "500 assumptions": "\n".join(f"assume sum[K](x{k}[K]) = 1" for k in range(500)) + "\nclaim sum[K](x3[K]) = 1",
    "assumptions in a cycle": "\n".join(f"assume x{k}[i] = x{(k + 1) % 40}[i] + 1" for k in range(40))
    + "\nclaim x0[i] = x1[i]",
    "assumptions that grow": "assume x[i] = x[i] x[i] + y[i]\nassume y[i] = x[i] + y[i]\nclaim x[i] = y[i]",
    "assumptions that swap": "assume a b = b^2 a\nassume b^2 a = a b\nclaim a b = 3",
    "claims in a chain": "claim " + " = ".join(f"{k} x" for k in range(1, 500)),
    "equals in a chain": "A[i] = " + " = ".join(f"x[i] + {k}" for k in range(500)),
    "definitions in a cycle": "\n".join(f"A{k}[i] = A{(k + 1) % 300}[i]" for k in range(300)) + "\nclaim A0[i] = 1",
    "3,000 lines": chain(3000, "A{k}[i] = A{l}[i] + 1", claim="A{k}[i] = x[i] + 3000"),
    "a thousand parts": "\n---\n".join("A[i] = x[i]\nclaim A[i] = x[i]" for _ in range(1000)),
    "a thousand comments": "# " * 100_000 + "\nA[i] = x[i]\nclaim A[i] = x[i]",
    "conventions": "\n".join(f"convention relu'(x) = 1[x > 0] + {k} 1[x == 0]" for k in range(100)) + "\nclaim 1 = 1",
    "given by given": "\n".join(f"given S{k}(z[K])" for k in range(100)) + "\nclaim S1(x[K]) = S2(x[K])",
    # names and letters
    "a long name": f"{'a' * 500_000}[i] = x[i]\nclaim {'a' * 500_000}[i] = x[i]",
    "a long label": f"A^({'l' * 100_000})[i] = x[i]\nclaim A^({'l' * 100_000})[i] = x[i]",
    "many underscores": "A" + "_1" * 50_000 + "[i] = x[i]",
    "combining marks": "a" + "\u0301" * 200_000 + "[i] = x[i]\nclaim 1 = 1",
    "a ligature": "\ufdfa" * 20_000 + "[i] = x[i]\nclaim 1 = 1",
    "letters of every alphabet": "A[i] = "
    + " ".join(f"{chr(k)}[i]" for k in range(0x4E00, 0x5200))
    + "\nclaim A[i] = 1",
    "blanks": "A[i] = x[i]" + " " * 1_000_000 + "+ y[i]\nclaim A[i] = x[i] + y[i]",
    "commas": "A[" + "," * 100_000 + "] = 1",
    "open brackets": "A[i] = " + "[" * 100_000,
    "open fractions": "A[i] = " + "\\frac{" * 5_000,
    "accents": "A[i] = " + "\\hat{" * 2_000 + "x" + "}" * 2_000,
    "lines of backslashes": "\\" * 100_000,
    "ampersands": "A[i] &" + "&" * 100_000 + "= x[i]",
    "digits and dots": "A = " + "1.2." * 20_000,
    "slashes": "A = x" + "/x" * 2_000 + "\nclaim A = x",
    "carets": "A = x" + "^x" * 1_000 + "\nclaim dA/dx = 1",
    # many of one kind in one equation
    "5,000 tensors": "L = " + " + ".join(f"a{k}" for k in range(5000)) + "\nclaim dL/da7 = 1",
    "5,000 pairs of tensors": "L = "
    + " + ".join(f"a{k}[I] b{k}[I]" for k in range(5000))
    + "\nclaim dL/da7[i] = b7[i]",
    "3,000 squares": "L = " + " + ".join(f"(x[I] - {k} y[I])^2" for k in range(3000)) + "\nclaim dL/dx[i] = 0",
    "3,000 sines": "L = " + " + ".join(f"sin({k} x)" for k in range(1, 3000)) + "\nclaim dL/dx = 0",
    "500 reductions": "L = " + " + ".join(f"max[I](x{k}[I])" for k in range(500)) + "\nclaim dL/dx7[i] = 0",
    "500 logarithms of sums": "L = "
    + " + ".join(f"logsumexp[I]({k} x[I])" for k in range(1, 500))
    + "\nclaim dL/dx[i] = 0",
    "500 brackets in a product": "L = " + " ".join(f"1[x > {k}]" for k in range(500)) + " x\nclaim dL/dx = 0",
    "500 gathers": "L = " + " + ".join(f"sum[I](E[t{k}[I]] y[I])" for k in range(500)) + "\nclaim dL/dy[i] = 0",
    "500 shifts": "y[i] = " + " + ".join(f"x[i+{k}]" for k in range(500)) + "\nL = y[I]^2\nclaim dL/dx[i] = 0",
    # derivatives
    "200 links": chain(200, "A{k}[i] = tanh(A{l}[i])", claim="") + "\nL = A200[I]^2",
    "200 links of two uses": chain(200, "A{k}[i] = A{l}[i] sin(A{l}[i])", claim="") + "\nL = A200[I]^2",
    "200 layers": chain(200, "A{k}[n,j] = tanh(A{l}[n,K] W{k}[K,j])", "A0[n,j] = x[n,j]", "dA{k}[n,j]/dW1[p,q] = 0"),
    "a Hessian of 60 layers": chain(60, "A{k}[i] = tanh(A{l}[i])", claim="")
    + "\nL = sum[I](A60[I])\nclaim d²L/dx[p]dx[q] = 0",
    "a Hessian of 200 layers": chain(200, "A{k}[j] = tanh(A{l}[K] W{k}[K,j])", "A0[j] = x[j]", "")
    + "\nL = 1/2 A200[J]^2\nclaim d²L/dx[p]dx[q] = 0",
    "a fourth derivative": "A = exp(sin(x) cos(x) / (1 + x^2))\nclaim d⁴A/dx⁴ = 0\nclaim dA/dx = A",
    "derivatives by 100 tensors": "L = "
    + " ".join(f"(1 + x{k}[I{k}]^2)" for k in range(60))
    + "\n"
    + "\n".join(f"claim dL/dx{k}[p] = 2 x{k}[p]" for k in range(0, 60, 20)),
    "a determinant by Leibniz": "A = "
    + " + ".join(" ".join(f"m{a}{(a * s + t) % 7}" for a in range(7)) for s in range(1, 7) for t in range(7))
    + "\nclaim A = 0",
    "a polynomial of degree 300": "A = " + " + ".join(f"{k} x^{k}" for k in range(300)) + "\nclaim dA/dx = 0",
    "Horner's rule 300 deep": "A = " + nested(300, "(1 + x ", "x", ")") + "\nclaim dA/dx = 0",
    "tanh of products": "A = " + nested(25, "tanh(x) (y + ", "x", ")") + "\nclaim dA/dx = 0",
}


# ---- ways to use a text ----------------------------------------------------------------------------------------------


def program(text: str) -> es.Program:
    equations = parse_document(text, forgiving=True).equations
    if not equations:
        raise DataError("no line of it can be read", repair="another text")
    return es.Program(equations)


def derivative(text: str, *more: str) -> str:
    own = program(text)
    of, wrt = str(own.equations[-1].name), str(next(iter(own.inputs), "x"))
    return str(own.derivative(of, wrt, *(wrt for _ in more)))


def derived_by_command(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith(("claim", "refute", "---"))]
    shown = io.StringIO()
    with NamedTemporaryFile("w", suffix=".ein") as file, redirect_stdout(shown), redirect_stderr(shown):
        file.write("\n".join(lines))
        file.flush()
        command(["derive", file.name])
    return shown.getvalue()


WAYS: dict[str, Callable[[str], object]] = {
    "check": lambda text: str(es.check(text)),
    "derive": derived_by_command,
    "latex": lambda text: program(text).latex(),
    "canonical": lambda text: [canonical(equation.rhs) for equation in program(text).equations],
    "derivative": derivative,
    "hessian": lambda text: derivative(text, "again"),
    "backward": lambda text: str(program(text).backward(str(program(text).equations[-1].name))),
    "source": lambda text: program(text).source(),
}


def tried(seconds: float, end: float) -> Iterator[str]:
    """A line for every document and way, which begins with ! where it took too long or raised what is not ours."""
    for way, use in WAYS.items():
        for name, text in DOCUMENTS.items():
            if time.monotonic() > end:
                return
            found = limited(lambda use=use, text=text: use(text), 3 * seconds, 4 << 30)  # type: ignore[misc]
            mark = "!" if not found.ours or found.seconds > seconds else " "
            yield f"{mark} {found.seconds:6.2f} s  {way:10} {name:38} {found.said[:90]}"


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--seconds", type=float, default=5)
    given = options.parse_args()
    for line in tried(given.seconds, time.monotonic() + 60 * given.minutes):
        print(line, flush=True)  # noqa: T201
