"""Adaptation of the minor singular components (Wang et al. 2024): LoRA that trains the smallest part of W.

    W = U diag(s) V^H,   B = U_m diag(s_m)^(1/2),   A = diag(s_m)^(1/2) V_m^H,   F = (W - B A) + B A

The m = r triplets with the smallest singular values are trained; the principal ones, which hold what was learned before
and are the frozen rest, are orthogonal to them.
"""

from typing import Any

from factorattn.catalogue import Adapter
from factorattn.compress.adapters.adapted import LoRA
from factorattn.compress.adapters.pissa import INPUTS, halves, instead
from factorattn.factor.door import admit
from factorattn.scalars import positive

__all__ = ["milora"]


@Adapter(
    inputs=INPUTS, trainable="p*r + r*q", time="p*q**2 + q**3 + p*q*r", memory="p*q + q**2", paper="wang2024milora"
)
def milora(w: Any, rank: int, *, alpha: float | None = None) -> LoRA:
    """Split weights into their last singular triplets, which are trained, and a frozen principal part.

    Parameters
    ----------
    w : array, shape (..., p, q)
        Weights, (out, in).
    rank : int
        Number of triplets r; min(p, q) or more trains all of them.
    alpha : float, optional
        As in `pissa`.

    Returns
    -------
    adapter : LoRA
        Equal to `w` to rounding until it is trained. Its ``w`` is the principal part. Trained are b (..., p, r) and
        a (..., r, q).

    Raises
    ------
    ValueError, TypeError
        As `pissa`.

    Notes
    -----
    The last triplets of weights whose rank is at most min(p, q) - r have singular values zero: B and A are then zero to
    rounding, no gradient reaches them, and they are not trained.

    Cost is declared for p >= q >= r.

    References
    ----------
    Wang et al., "MiLoRA: Harnessing Minor Singular Components for Parameter-Efficient LLM Finetuning", 2024.
    arXiv:2406.09044
    """
    xp, size, (w,) = admit(INPUTS, w=w, rank=rank)
    u, s, vt = xp.linalg.svd(w, full_matrices=False)  # (..., p, k), (..., k), (..., k, q)
    first = max(s.shape[-1] - size["r"], 0)
    scale = 1.0 if alpha is None else positive(alpha=alpha) / size["r"]
    b, a = halves(u[..., :, first:], s[..., first:] / scale, vt[..., first:, :], xp=xp)
    return instead(w, b, a, scale)
