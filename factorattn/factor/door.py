"""The door of every factorization: shapes, dtypes, finite entries; and a scale that squares cannot overflow."""

import math
from typing import Any

import array_api_compat

from factorattn.contract import check, parse
from factorattn.interpret.gradient import stop_gradient

__all__ = ["admit", "finite", "frobenius", "unit_scale"]


def admit(contract: str, /, **arguments: Any) -> tuple[Any, dict[str, int], tuple[Any, ...]]:
    """Hold arguments against a contract, as `factorattn.contract.check` does; complex arrays are let in, too.

    Returns
    -------
    xp : namespace
    size : dict of str to int
        The size of every letter.
    arrays : tuple of array
        Those of the contract, in its order, in the dtype to compute in: their common one, but single precision at the
        least. So are the factors that are made of them, since singular values of a finite float16 matrix may overflow
        float16. None for what was left out.

    Raises
    ------
    TypeError, ValueError
        As `check`; and ValueError for entries that are NaN or infinite.
    """
    names = [item.name for item in parse(contract) if item.kind == "array"]
    given = {name: arguments[name] for name in names if arguments[name] is not None}
    xp, size = check(contract, **arguments | {name: _real(x) for name, x in given.items()})
    for name, x in given.items():
        finite(name, x, xp=xp)
    dtype = xp.result_type(*given.values(), xp.float32)
    return xp, size, tuple(None if arguments[n] is None else xp.astype(given[n], dtype, copy=False) for n in names)


def finite(name: str, x: Any, *, xp: Any) -> None:
    """ValueError if an array holds NaN or infinity. An array without values (counted, or traced) holds none."""
    fine = xp.isfinite(x)
    try:
        if bool(xp.all(fine)):
            return
    except TypeError:
        return
    flat = int(xp.argmin(xp.reshape(xp.astype(fine, xp.int32), (-1,))))
    where = []
    for length in reversed(tuple(x.shape)):
        flat, at = divmod(flat, length)
        where.append(at)
    place = tuple(reversed(where))
    entry = stop_gradient(x[place])
    value = complex(entry) if xp.isdtype(x.dtype, "complex floating") else float(entry)
    raise ValueError(f"{name} must be finite, but holds {value} at {place}")


def unit_scale(a: Any, *, xp: Any) -> Any:
    """A power of two (..., 1, 1) near the largest entry of each matrix, one for zero matrices.

    Dividing by it is exact, save for entries that become too small to matter, and leaves entries (the real and
    imaginary parts of complex ones) below four.
    """
    parts = (xp.real(a), xp.imag(a)) if xp.isdtype(a.dtype, "complex floating") else (a,)
    sizes = xp.abs(parts[0])
    for part in parts[1:]:  # the absolute value of a finite complex number may overflow, its parts do not
        sizes = xp.maximum(sizes, xp.abs(part))
    if 0 in a.shape[-2:]:
        return xp.ones((*a.shape[:-2], 1, 1), dtype=sizes.dtype, device=a.device)
    largest = xp.max(sizes, axis=(-2, -1), keepdims=True)
    exponent = xp.floor(xp.log2(xp.where(largest > 0, largest, 1.0))) - 1.0  # log2 of the largest number rounds up
    least = float(math.log2(xp.finfo(sizes.dtype).smallest_normal))
    return xp.where(largest > 0, 2.0 ** xp.where(exponent < least, least, exponent), 1.0)


def frobenius(a: Any, *, xp: Any) -> Any:
    """The Frobenius norm (...) of each matrix (..., p, q), also where squares of entries would overflow or vanish."""
    scale = unit_scale(a, xp=xp)
    return xp.linalg.vector_norm(a / scale, axis=(-2, -1)) * scale[..., 0, 0]


def _real(x: Any) -> Any:
    """The real part of a complex array, to be checked in its place."""
    if not array_api_compat.is_array_api_obj(x):
        return x
    xp = array_api_compat.array_namespace(x)
    return xp.real(x) if xp.isdtype(x.dtype, "complex floating") else x
