"""exp, log, tanh, sigmoid and softplus of single entries, without branches: LLVM makes vectors of loops over them.

An argument is reduced by powers of two, which are made of bits; a polynomial or a quotient does the rest (W. J. Cody
and W. Waite, Software Manual for the Elementary Functions, 1980; coefficients of log from FDLIBM, of tanh from Cephes,
of exp by interpolation at Chebyshev's points).  All are within 2 units in the last place, for subnormal numbers too,
and right for infinities, NaN, -0 and beyond the range.
"""

from __future__ import annotations

from collections.abc import Mapping

# Sums are rounded in the order in which they are written here: what else compiled loops may do is not allowed.
HEAD = """U = np.uint{bits}
SHIFT = F({shift})  # what is added to it is rounded to an integer, which stands in the last bits
inlined = njit(forceinline=True, error_model="numpy", fastmath={{"contract"}})"""

REDUCED = '''def reduced(x):
    """exp(x) / 2**k - 1 as a number and a small rest, and the bits of k."""
    t = x * F(1.4426950408889634) + SHIFT
    k = t - SHIFT
    y = x - k * F({ln2})
    r = y - k * F({ln2_rest})
    rest = (y - r) - k * F({ln2_rest})
    return r, rest + r * r * {exp}, F(t).view(U)'''

EXP = '''def fast_exp(x):
    """Multiplied by 2**k in two steps, between which nothing is too large or too small."""
    x = F({top}) if x > F({top}) else x
    x = F({low}) if x < F({low}) else x
    r, rest, k = reduced(x)
    p = F(1) + r
    p = p + (((F(1) - p) + r) + rest)
    k = U(k + U({twice_bias}))
    half = U(k >> U(1))
    other = U(k - half)
    return p * U(half << U({mantissa})).view(F) * U(other << U({mantissa})).view(F)'''

TANH = '''def fast_tanh(x):
    """x + x**3 P(x**2) / Q(x**2) near 0; elsewhere 1 - 2 / (1 + exp(2x))."""
    y = abs(x)
    y = F({flat}) if y > F({flat}) else y
    r, rest, k = reduced(y + y)
    power = U(U(k + U({bias})) << U({mantissa})).view(F)
    z = y * y
    near = y < F(0.625)
    above = y * z * {tanh_above} if near else F(-2)
    below = {tanh_below} if near else F(1) + (power + power * (r + rest))
    return np.copysign((y if near else F(1)) + above / below, x)'''

LOG_OF = '''def log_of(f, k):
    """log(2**k (1 + f)), by the series of log((1 + s) / (1 - s))."""
    s = f / (F(2) + f)
    z = s * s
    h = F(0.5) * f * f
    return k * F({ln2}) - ((h - (s * (h + z * {log}) + k * F({ln2_rest}))) - f)'''

LOG = '''def fast_log(x):
    """Of a number that lies between sqrt(1/2) and sqrt(2), times 2**k."""
    least = x < F({least})
    y = x * F({enlarged}) if least else x
    bits = U(F(y).view(U) + U({from_root}))
    k = U(U(bits >> U({mantissa})) + U({whole})).view(F) - F({whole_and_bias})
    k = k - F({above}) if least else k
    y = U(U(bits & U({fraction})) + U({root})).view(F)
    made = log_of(y - F(1), k)
    made = made if x < F(np.inf) else x
    made = F(np.nan) if x < F(0) else made
    return F(-np.inf) if x == F(0) else made'''

SIGMOID = '''def fast_sigmoid(x):
    """A quotient by 1 + z and what is rounded there, mended once by what is left of it."""
    z = fast_exp(-abs(x))
    n, d = z if x < F(0) else F(1), F(1) + z
    w = F(1) / d
    y = n * w
    return y + ((n - y * d) - y * (z - (d - F(1)))) * w'''

SOFTPLUS = '''def fast_softplus(x):
    """log(1 + z) is log(2 (1 + (z - 1) / 2)) where z is not small."""
    z = fast_exp(-abs(x))
    far = z > F(0.41421356)
    return (x if x > F(0) else F(0)) + log_of((z - F(1)) * F(0.5) if far else z, F(1) if far else F(0))'''

TEXTS = {text[4 : text.index("(")]: text for text in (REDUCED, EXP, TANH, LOG_OF, LOG, SIGMOID, SOFTPLUS)}
NAMES = {"U", "SHIFT", "inlined", *TEXTS}


def series(x: str, *coefficients: float) -> str:
    """A polynomial by Horner's rule, from the constant to the highest power."""
    *others, text = (f"F({number})" for number in coefficients)
    for number in reversed(others):
        text = f"({text} * {x} + {number})"
    return text


def numbers_of(mantissa: int, bias: int, root: int) -> Mapping[str, float]:
    """What follows from how floats are written; ``root`` has the bits of about 1/sqrt(2)."""
    return {
        "mantissa": mantissa, "bias": bias, "twice_bias": 2 * bias, "shift": 1.5 * 2.0**mantissa,
        "least": 2.0 ** (1 - bias), "above": mantissa + 2, "enlarged": 2.0 ** (mantissa + 2),
        "whole": (bias + mantissa) << mantissa, "whole_and_bias": 2.0**mantissa + bias,
        "root": root, "from_root": (bias << mantissa) - root, "fraction": (1 << mantissa) - 1,
    }  # fmt: skip


NUMBERS: Mapping[str, Mapping[str, float | str]] = {
    "float64": {
        **numbers_of(52, 1023, 0x3FE6A09E << 32), "bits": 64,
        "ln2": 0.6931471805592082, "ln2_rest": 7.371002565167799e-13, "top": 710, "low": -746, "flat": 20,
        "tanh_above": series("z", -1614.6876844170845, -99.28772310019185, -0.9643991794250523),
        "tanh_below": series("z", 4844.063053251255, 2235.4883906010045, 112.81167849163293, 1.0),
        "exp": series(
            "r", 0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326084, 0.0013888888888883711,
            0.0001984126987500228, 2.480158732567746e-05, 2.755725517000089e-06, 2.755727347871858e-07,
            2.5105312729622103e-08, 2.09147553258932e-09,
        ),
        "log": series(
            "z", 0.6666666666666735, 0.3999999999940942, 0.2857142874366239, 0.22222198432149784, 0.1818357216161805,
            0.15313837699209373, 0.14798198605116586,
        ),
    },
    "float32": {
        **numbers_of(23, 127, 0x3F3504F3), "bits": 32,
        "ln2": 0.693145751953125, "ln2_rest": 1.4286068203094173e-06, "top": 89, "low": -104, "flat": 10,
        "tanh_above": series(
            "z", -0.333332819422, 0.133314422036, -0.0537397155531, 0.0206390887954, -0.00570498872745
        ),
        "tanh_below": "F(1)",
        "exp": series(
            "r", 0.5, 0.16666666681704215, 0.04166646419740569, 0.008333310844647862, 0.0013933730715792083,
            0.00019891080463998843,
        ),
        "log": series("z", 0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841),
    },
}  # fmt: skip


def functions_called(text: str, precision: str) -> str:
    """The functions of this module that a text calls, and what they need; nothing where it calls none."""
    called = [name for name in TEXTS if f"{name}(" in text]
    for name in called:
        called += [other for other in TEXTS if f" {other}(" in TEXTS[name][4:] and other not in called]
    parts = [HEAD, *(f"@inlined\n{TEXTS[name]}" for name in TEXTS if name in called)] if called else []
    return "\n\n\n".join(parts).format_map(NUMBERS[precision])
