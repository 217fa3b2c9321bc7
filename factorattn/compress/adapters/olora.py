"""Orthonormal low-rank adaptation (Büyükakyüz 2024): LoRA that starts from the QR factorization of W.

    W = Q R,   B = Q_r (the first r columns),   A = R_r (the first r rows),   F = (W - scale B A) + scale B A

B has orthonormal columns, and a QR factorization costs less than a singular value decomposition.
"""

from typing import Any

from factorattn.catalogue import Adapter
from factorattn.compress.adapters.adapted import LoRA
from factorattn.compress.adapters.pissa import INPUTS, instead
from factorattn.factor.door import admit
from factorattn.scalars import positive

__all__ = ["olora"]


@Adapter(
    inputs=INPUTS, trainable="p*r + r*q", time="p*q**2 + q**3 + p*q*r", memory="p*q + q**2", paper="buyukakyuz2024"
)
def olora(w: Any, rank: int, *, alpha: float | None = None) -> LoRA:
    """Split weights into a part of their QR factorization, which is trained, and a frozen rest.

    Parameters
    ----------
    w : array, shape (..., p, q)
        Weights, (out, in).
    rank : int
        Number of columns r of Q; min(p, q) or more takes all of them.
    alpha : float, optional
        The product of the factors is scaled by alpha / r, and so much of it is taken from the rest. Left out, the scale
        is one.

    Returns
    -------
    adapter : LoRA
        Equal to `w` to rounding until it is trained. Its ``w`` is the rest. Trained are b (..., p, r), with orthonormal
        columns at the start, and a (..., r, q).

    Raises
    ------
    ValueError, TypeError
        As `pissa`.

    Notes
    -----
    Without pivoting, as in the paper: the first r columns of `w` are those that B A holds whole. They need not be the
    ones that matter most; `pissa` takes the nearest matrix of rank r.

    Cost is declared for p >= q >= r.

    References
    ----------
    Büyükakyüz, "OLoRA: Orthonormal Low-Rank Adaptation of Large Language Models", 2024. arXiv:2406.01775
    """
    xp, size, (w,) = admit(INPUTS, w=w, rank=rank)
    q, r = xp.linalg.qr(w)  # (..., p, k), (..., k, q)
    kept = min(size["r"], q.shape[-1])
    scale = 1.0 if alpha is None else positive(alpha=alpha) / size["r"]
    return instead(w, q[..., :, :kept], r[..., :kept, :], scale)
