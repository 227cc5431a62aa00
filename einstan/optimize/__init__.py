"""Second-order methods whose derivatives are index equations: minima by Newton's method and its kin, roots, and SciPy.

found = einstan.optimize.newton(network, "L", params, {"X": X, "Y": Y})
print(found)                      # a row per iteration, and why it ended
"""

from einstan.optimize.alternating import alternating
from einstan.optimize.flat import Flat, FlatSystem, flat, flat_system
from einstan.optimize.gauss_newton import gauss_newton, levenberg_marquardt
from einstan.optimize.newton import newton
from einstan.optimize.newton_cg import newton_cg
from einstan.optimize.objective import Objective
from einstan.optimize.report import Result
from einstan.optimize.root import root

__all__ = [
    "Flat",
    "FlatSystem",
    "Objective",
    "Result",
    "alternating",
    "flat",
    "flat_system",
    "gauss_newton",
    "levenberg_marquardt",
    "newton",
    "newton_cg",
    "root",
]
