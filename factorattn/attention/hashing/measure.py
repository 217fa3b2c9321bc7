"""How far the weights of a query are from even, estimated from a few keys (Zhou et al. 2021, equation 4).

    M_i = max_{j in S_i} a_ij - 1/N_i sum_{j in S_i} a_ij,   a_ij = scale q_i . k_j

S_i are the sampled keys, and N_i is the number of all keys or of the sampled ones. With all keys M_i bounds the
Kullback-Leibler divergence between even weights and the softmax of a_i from above.
"""

from typing import Any

from array_api_compat import array_namespace

from factorattn.contract import check_batches
from factorattn.primitives.gather import take_pairs, take_rows
from factorattn.primitives.softmax_attend import ROWS
from factorattn.primitives.tiles import scan_tiles

__all__ = ["MEASURES", "check_picks", "sharpness"]

# What the sum of the logits is divided by: the number of all keys that a query may see, or of the sampled ones.
MEASURES = {"sampled": "keys", "averaged": "samples", "exact": "keys"}


def check_picks(picks: Any, n: int, samples: int | None, batches: dict[str, tuple[int, ...]], *, xp: Any) -> None:
    """Hold an array of positions of keys against n queries and their batch axes. Values are not looked at."""
    if array_namespace(picks) is not xp or not xp.isdtype(picks.dtype, "integral"):
        raise TypeError(f"picks must be an integer array of the same library as q, got {picks.dtype}")
    shape = tuple(picks.shape)
    if not shape or shape[-1] == 0 or (len(shape) > 1 and shape[-2] != n):
        raise ValueError(f"picks must have shape (s,) or (..., {n}, s) with s from 1, got {shape}")
    if samples is not None and samples != shape[-1]:
        raise ValueError(f"samples must be the number of picks, {shape[-1]}, got {samples}")
    check_batches(batches)


def sharpness(q: Any, k: Any, picks: Any, *, mask: Any, scale: float, divide: str, xp: Any) -> Any:
    """The measure M (..., n) of queries q (..., n, d) on keys k (..., m, d), in O(n) memory.

    `picks` are positions of keys (s,) or (..., n, s); None stands for all. A query to which the mask shows none of them
    has -inf. `divide` by the number of "keys" or "samples".
    """
    n, m = q.shape[-2], k.shape[-2]
    shared = picks is None or picks.ndim == 1
    some = k if picks is None or not shared else take_rows(k, picks, xp=xp)  # (..., s, d) where shared

    def measure(_, rows):
        x = q[..., rows, :] * scale  # (..., rows, d)
        if shared:
            index, logits = picks, x @ some.mT  # (..., rows, s)
        else:
            index = picks[..., rows, :]  # (..., rows, s)
            own = take_rows(k, xp.reshape(index, (*index.shape[:-2], index.shape[-2] * index.shape[-1])), xp=xp)
            own = xp.reshape(own, (*own.shape[:-2], *index.shape[-2:], own.shape[-1]))  # (..., rows, s, d)
            logits = (own @ x[..., None])[..., 0]  # (..., rows, s)
        if mask is None:
            count = m if divide == "keys" else logits.shape[-1]
            return None, xp.max(logits, axis=-1, keepdims=True) - xp.sum(logits / count, axis=-1, keepdims=True)
        table = mask[..., rows if mask.shape[-2] > 1 else slice(None), :]  # (..., rows or 1, m or 1)
        if index is None:
            seen = table
        else:
            i = xp.arange(table.shape[-2], dtype=xp.int64, device=k.device)[:, None]
            seen = take_pairs(table, i, index if index.ndim > 1 else index[None, :], xp=xp)
        counted, length = (table, m) if divide == "keys" else (seen, logits.shape[-1])
        counted = xp.broadcast_to(counted, (*counted.shape[:-1], length))
        count = xp.sum(xp.astype(counted, logits.dtype), axis=-1, keepdims=True)  # (..., rows or 1, 1)
        mean = xp.sum(xp.where(seen, logits, 0.0) / xp.where(count == 0, 1.0, count), axis=-1, keepdims=True)
        return None, xp.max(xp.where(seen, logits, -xp.inf), axis=-1, keepdims=True) - mean

    _, out = scan_tiles(measure, None, 0, n, ROWS, xp=xp)  # (..., n, 1)
    return out[..., 0]
