"""Kernel attention: weights are inner products of features, so sums over keys are taken before the query is known.

    o_i = sum_j (phi_i . psi_j) v_j / sum_j (phi_i . psi_j) = phi_i (sum_j psi_j v_j^T) / phi_i . (sum_j psi_j)

The left side takes n m operations, the right side n + m (Katharopoulos et al. 2020, section 3.2). A family member
chooses the features: phi_i = f_i up to any factor, which cancels, and psi_j = e^s_j g_j with a log scale s_j apart, so
that features of exponential size stay in range.
"""

from typing import Any

import numpy as np

from factorattn.contract import choose
from factorattn.primitives.causal_scan import causal_scan, empty_state, gather_keys
from factorattn.primitives.pairs import band_seen, finite_top, weigh
from factorattn.primitives.tiles import scan_tiles

__all__ = ["divide", "kernel_attend"]


def kernel_attend(
    f: Any, g: Any, v: Any, *, log_scale: Any | None, causal: bool, form: str, xp: Any, shown: Any | None = None
) -> Any:
    """Attend with weights e^s_j f_i . g_j.

    Parameters
    ----------
    f : array, shape (..., n, r)
        Features of the queries.
    g : array, shape (..., m, r)
        Features of the keys.
    v : array, shape (..., m, e)
    log_scale : array, shape (..., m, 1), optional
        The log scales s_j; zero if left out. Features then are of a size about one.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only.
    form : {"parallel", "chunked", "recurrent"}
    shown : boolean array, shape (..., m, 1), optional
        The keys that there are; all if left out.

    Returns
    -------
    o : array, shape (..., n, e)
        Zeros where a query sees no key, or none whose product with it is in range.
    """
    attend = choose(FORMS, form=form)
    if shown is not None:  # features of zero weigh nothing, and no NaN is left to spread
        g, v = xp.where(shown, g, 0.0), xp.where(shown, v, 0.0)
        log_scale = None if log_scale is None else xp.where(shown, log_scale, -xp.inf)
    if g.shape[-2] == 0:
        batch = np.broadcast_shapes(f.shape[:-2], g.shape[:-2], v.shape[:-2])
        return xp.zeros((*batch, f.shape[-2], v.shape[-1]), dtype=v.dtype, device=v.device)
    return attend(f, g, v, log_scale=log_scale, causal=causal, xp=xp)


def _parallel(f: Any, g: Any, v: Any, *, log_scale: Any | None, causal: bool, xp: Any) -> Any:
    """The definition: every pair."""
    n, m = f.shape[-2], g.shape[-2]
    seen = band_seen(slice(0, n), slice(0, m), (None, m - n), device=v.device, xp=xp) if causal else None
    weights = f @ g.mT  # (..., n, m)
    if log_scale is not None:
        s = log_scale.mT if seen is None else xp.where(seen, log_scale.mT, -xp.inf)  # (..., 1 or n, m)
        weights = weights * xp.exp(s - finite_top(xp.max(s, axis=-1, keepdims=True), xp=xp))
    if seen is not None:
        weights = xp.where(seen, weights, 0.0)
    numerator = weigh(weights, v, guarded=causal, xp=xp)  # (..., n, e)
    return divide(numerator, xp.sum(weights, axis=-1, keepdims=True), scaled=log_scale is not None, xp=xp)


def _chunked(f: Any, g: Any, v: Any, *, log_scale: Any | None, causal: bool, xp: Any) -> Any:
    """Sums over keys first; causal ones chunk by chunk."""
    if causal:
        return divide(*causal_scan(f, g, v, log_scale=log_scale), scaled=log_scale is not None, xp=xp)
    if log_scale is not None:
        top = finite_top(xp.max(log_scale, axis=-2, keepdims=True), xp=xp)  # (..., 1, 1)
        g = g * xp.exp(log_scale - top)  # (..., m, r)
    numerator = f @ (g.mT @ v)  # (..., n, e)
    return divide(numerator, f @ xp.sum(g, axis=-2, keepdims=True).mT, scaled=log_scale is not None, xp=xp)


def _recurrent(f: Any, g: Any, v: Any, *, log_scale: Any | None, causal: bool, xp: Any) -> Any:
    """One key at a time into a state of constant size: how a decoder runs it."""
    if causal:
        return divide(*causal_scan(f, g, v, log_scale=log_scale, chunk=1), scaled=log_scale is not None, xp=xp)

    def add(state, keys):
        return gather_keys(
            state, g[..., keys, :], v[..., keys, :], None if log_scale is None else log_scale[..., keys, :], xp=xp
        ), None

    (outer, total, _), _ = scan_tiles(add, empty_state(g, v, xp=xp), 0, g.shape[-2], 1, xp=xp)
    return divide(f @ outer, f @ total.mT, scaled=log_scale is not None, xp=xp)


def divide(numerator: Any, denominator: Any, *, scaled: bool, xp: Any) -> Any:
    """Normalise rows; one that sees no key, or none of whose weights are in range, is zero.

    `scaled` says that the largest weights would be about one. A sum near the smallest number is then made of products
    that underflowed, of which every form lost others: its digits mean nothing.
    """
    if not scaled:
        return numerator / xp.where(denominator == 0, 1.0, denominator)
    info = xp.finfo(denominator.dtype)
    lost = xp.abs(denominator) < float(info.smallest_normal) / float(info.eps)
    return xp.where(lost, 0.0, numerator / xp.where(lost, 1.0, denominator))


FORMS = {"parallel": _parallel, "chunked": _chunked, "recurrent": _recurrent}
