"""Derivatives of norms of vectors and matrices.

    |x|_p = (sum_i |x_i|^p)^(1/p),      d |x|_p / d x_i = (|x_i| / |x|_p)^(p-1) sign(x_i)

A cotangent is zero where the norm is: of the derivatives that the kink at zero has, that is the smallest. Of several
equal largest entries, or singular values, each has its share.
"""

import math
from collections.abc import Callable
from typing import Any

from factorattn.interpret.gradient_decompositions import DECOMPOSITIONS, conj
from factorattn.interpret.gradient_spare import spare
from factorattn.interpret.gradient_sums import SUMS

__all__ = ["NORMS"]


def _vector_norm(xp, x, /, *, axis=None, keepdims=False, ord=2):
    axes = range(x.ndim) if axis is None else [i % x.ndim for i in (axis if isinstance(axis, tuple) else (axis,))]
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    out = xp.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)

    def pull(g, xp):
        g, norm = xp.reshape(g, kept), xp.reshape(out, kept)
        return g * spare(slope(norm, xp), g, xp=xp)

    def slope(norm, xp):
        norm = xp.where(norm == 0, 1, norm)
        if ord == 2:
            return conj(x, xp) / norm
        if ord == 0:
            return xp.zeros_like(x)
        size = xp.abs(x)
        none = size == 0
        sign = conj(x, xp) / xp.where(none, 1, size)
        if math.isinf(ord):
            hit = xp.astype(size == norm, size.dtype)
            count = xp.sum(hit, axis=tuple(axes), keepdims=True)
            return hit / xp.where(count == 0, 1, count) * sign
        return xp.where(none, 0, (xp.where(none, 1, size) / norm) ** (ord - 1)) * sign

    return out, (pull,)


def _matrix_norm(xp, x, /, *, keepdims=False, ord="fro"):
    """In steps: entries or singular values first, then sums or extremes of these."""
    if ord == "fro":
        out, (pull,) = _vector_norm(xp, x, axis=(-2, -1), keepdims=keepdims)
        return out, (pull,)
    steps = {
        "nuc": [(_values, {}), (SUMS["sum"], {"axis": -1})],
        2: [(_values, {}), (SUMS["max"], {"axis": -1})],
        -2: [(_values, {}), (SUMS["min"], {"axis": -1})],
        1: [(_vector_norm, {"axis": -2, "ord": 1}), (SUMS["max"], {"axis": -1})],
        -1: [(_vector_norm, {"axis": -2, "ord": 1}), (SUMS["min"], {"axis": -1})],
        math.inf: [(_vector_norm, {"axis": -1, "ord": 1}), (SUMS["max"], {"axis": -1})],
        -math.inf: [(_vector_norm, {"axis": -1, "ord": 1}), (SUMS["min"], {"axis": -1})],
    }
    if ord not in steps:
        raise ValueError(f"ord must be one of 'fro', {', '.join(map(repr, steps))}, got {ord!r}")
    out, pulls = x, []
    for rule, options in steps[ord]:
        out, (pull,) = rule(xp, out, **options)
        pulls.append(pull)
    shape = out.shape

    def pulled(g, xp):
        g = xp.reshape(g, shape)
        for pull in reversed(pulls):
            g = pull(g, xp)
        return g

    return xp.reshape(out, (*shape, 1, 1)) if keepdims else out, (pulled,)


_values = DECOMPOSITIONS["svdvals"]

NORMS: dict[str, Callable[..., Any]] = {"vector_norm": _vector_norm, "matrix_norm": _matrix_norm}
