"""Cost rules of complex numbers: the operations on real numbers that they stand for.

    z + w         2       z w         6       z / w         11 = 6 + 3 + 2, as z conj(w) / |w|^2
    z + a         1       a z         2       z / a          2
    |z|           4       1 / z       6       conj(z)        1

for complex z, w and real a. A product that is summed in `matmul` is 8 operations, or 4 where one side is real; a
decomposition is 4 times that of a real matrix, as in LAPACK's counts. Other functions of complex numbers have no rule.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["COMPLEX", "contractions", "is_complex", "real_dtype", "weight"]

BOTH = {
    "add": 2,
    "subtract": 2,
    "negative": 2,
    "positive": 2,
    "multiply": 6,
    "square": 6,
    "divide": 11,
    "reciprocal": 6,
    "abs": 4,
    "sum": 2,
    "mean": 2,
    "prod": 6,
    "cumulative_sum": 2,
    "cumulative_prod": 6,
}
BY_REAL = {"add": 1, "subtract": 1, "multiply": 2, "divide": 2}
WITHOUT_ORDER = ("equal", "not_equal", "isfinite", "isnan", "isinf", "all", "any")  # no arithmetic


def is_complex(x: Any) -> bool:
    """Whether a dtype, or an array or Python number, is complex."""
    return np.dtype(getattr(x, "dtype", x if isinstance(x, np.dtype) else type(x))).kind == "c"


def real_dtype(dtype: Any) -> np.dtype:
    """The dtype of the real part."""
    return np.dtype(f"f{dtype.itemsize // 2}") if is_complex(dtype) else dtype


def weight(name: str, *values: Any) -> int:
    """Operations per entry of a function: 1 for real numbers."""
    kinds = [is_complex(value) for value in values if value is not None]
    if not any(kinds):
        return 1
    # a / z is counted as z / w: it is not much cheaper
    table = BOTH if all(kinds) or (name == "divide" and not kinds[0]) else BY_REAL
    if name in WITHOUT_ORDER:
        return 0
    if name not in table:
        raise NotImplementedError(f"counting has no rule for {name} of complex numbers")
    return table[name]


def contractions(a: Any, b: Any) -> int:
    """Operations of one product that is summed."""
    return (2, 4, 8)[is_complex(a) + is_complex(b)]


def _part(xp, x, /):
    """A view of every other number."""
    return xp.array(x.shape, real_dtype(x.dtype), base=x)


def _conj(xp, x, /):
    out = xp.array(x.shape, x.dtype)
    xp.tally.add("conj", "elementwise", (out.size,) if is_complex(x) else (), 2 * out.nbytes)
    return out


COMPLEX: dict[str, Callable] = {"real": _part, "imag": _part, "conj": _conj}
