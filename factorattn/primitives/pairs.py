"""What queries and keys say to each other: logits, which pairs are seen, and the weighted sum of values.

    a_ij = softcap(q_i . k_j) + bias_ij,   -inf where pair (i, j) is not seen

The parts of which the definitions and the streaming primitive are made.
"""

from typing import Any

__all__ = ["band_seen", "finite_top", "masked", "masked_logits", "softmax_weights", "weigh"]

Band = tuple[int | None, int | None]


def masked_logits(q: Any, k: Any, *, softcap: float | None, bias: Any | None, seen: Any | None, xp: Any) -> Any:
    """The logits of every scaled query in q (..., n, d) and key in k (..., m, d), in the order softcap, bias, mask."""
    logits = q @ k.mT  # (..., n, m)
    if softcap is not None:
        logits = softcap * xp.tanh(logits / softcap)
    return masked(logits, bias=bias, seen=seen, xp=xp)


def masked(logits: Any, *, bias: Any | None, seen: Any | None, xp: Any) -> Any:
    """The logits with bias and mask."""
    if bias is not None:
        logits = xp.where(bias == -xp.inf, -xp.inf, logits + bias)  # also where the logit is NaN
    return logits if seen is None else xp.where(seen, logits, -xp.inf)


def band_seen(rows: slice, cols: slice, band: Band, *, device: Any, xp: Any) -> Any:
    """Whether lo <= j - i <= hi for queries i in `rows` and keys j in `cols`: a boolean array (rows, cols)."""
    lo, hi = band
    i = xp.arange(rows.start, rows.stop, dtype=xp.int64, device=device)[:, None]  # (rows, 1)
    j = xp.arange(cols.start, cols.stop, dtype=xp.int64, device=device)[None, :]  # (1, cols)
    if lo is None and hi is None:
        raise ValueError("band must have a bound, got (None, None)")
    if lo is None:
        return j - i <= hi
    if hi is None:
        return j - i >= lo
    return (j - i >= lo) & (j - i <= hi)


def softmax_weights(logits: Any, *, xp: Any) -> tuple[Any, Any]:
    """Softmax over keys (..., n, m) and the log-sum-exp (..., n, 1). A row of -inf gives zeros and -inf."""
    if logits.shape[-1] == 0:
        return logits, xp.full((*logits.shape[:-1], 1), -xp.inf, dtype=logits.dtype, device=logits.device)
    top = finite_top(xp.max(logits, axis=-1, keepdims=True), xp=xp)  # (..., n, 1)
    weights = xp.exp(logits - top)
    total = xp.sum(weights, axis=-1, keepdims=True)  # (..., n, 1)
    some = total != 0
    safe = xp.where(some, total, 1.0)
    return weights / safe, xp.where(some, top + xp.log(safe), -xp.inf)


def finite_top(top: Any, *, xp: Any) -> Any:
    """A maximum that may be subtracted: zero where no key was seen (there, -inf - -inf would be NaN)."""
    return xp.where(top == -xp.inf, 0.0, top)


def weigh(weights: Any, v: Any, *, guarded: bool, xp: Any) -> Any:
    """The sum over keys of weights (..., n, m) times v (..., m, e).

    `guarded` says that some weights are zero because their pair is not seen. A value that is NaN or infinite then
    reaches only the rows that do weigh it: 0 * NaN must not carry it to the others. Those rows become NaN as a whole; a
    kernel may keep to the entries that hold it.
    """
    if not guarded:
        return weights @ v
    finite = xp.isfinite(v)
    bad = xp.astype(~xp.all(finite, axis=-1, keepdims=True), weights.dtype)  # (..., m, 1)
    hit = weights @ bad  # (..., n, 1)
    return weights @ xp.where(finite, v, 0.0) + xp.where(hit == 0, hit, xp.nan)
