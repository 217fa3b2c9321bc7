"""Adaptation of the principal singular values and vectors (Meng et al. 2024): LoRA that trains the largest part of W.

    W = U diag(s) V^H,   B = U_r diag(s_r)^(1/2),   A = diag(s_r)^(1/2) V_r^H,   F = (W - B A) + B A

What is frozen is the rest. Training starts from W, as LoRA does, but with factors that are not noise and zero.
"""

from typing import Any

from factorattn.catalogue import Adapter
from factorattn.compress.adapters.adapted import LoRA
from factorattn.factor.door import admit
from factorattn.factor.lowrank.truncated_svd import leading_triplets
from factorattn.scalars import positive

__all__ = ["instead", "pissa"]

INPUTS = "w: ... p q, rank = r"


@Adapter(inputs=INPUTS, trainable="p*r + r*q", time="p*q**2 + q**3 + p*q*r", memory="p*q + q**2", paper="meng2024pissa")
def pissa(w: Any, rank: int, *, alpha: float | None = None) -> LoRA:
    """Split weights into their leading singular triplets, which are trained, and a frozen rest.

    Parameters
    ----------
    w : array, shape (..., p, q)
        Weights, (out, in).
    rank : int
        Number of triplets r; min(p, q) or more trains all of them.
    alpha : float, optional
        The product of the factors is scaled by alpha / r, and the factors are made so much larger or smaller. Left out,
        the scale is one.

    Returns
    -------
    adapter : LoRA
        Equal to `w` to rounding until it is trained. Its ``w`` is the rest. Trained are b (..., p, r) and
        a (..., r, q).

    Raises
    ------
    ValueError
        If `w` has fewer than two axes or holds NaN or infinity, `rank` is not a positive integer, or `alpha` is not
        positive.
    TypeError
        If `w` is not a floating array.

    Notes
    -----
    The paper writes rows x W, and calls A what is B here. Merged weights minus W is a difference of rank 2 r at most:
    trained factors minus those at the start. That is how such an adapter is stored beside an unchanged W.

    Cost is declared for p >= q >= r.

    References
    ----------
    Meng, Wang and Zhang, "PiSSA: Principal Singular Values and Singular Vectors Adaptation of Large Language Models",
    2024. arXiv:2404.02948
    """
    xp, size, (w,) = admit(INPUTS, w=w, rank=rank)
    u, s, vt = leading_triplets(w, min(size["r"], *w.shape[-2:]), xp=xp)  # (..., p, r), (..., r), (..., r, q)
    scale = 1.0 if alpha is None else positive(alpha=alpha) / size["r"]
    return instead(w, *halves(u, s / scale, vt, xp=xp), scale)


def halves(u: Any, s: Any, vt: Any, *, xp: Any) -> tuple[Any, Any]:
    """The product u diag(s) vt as two factors (..., p, r) and (..., r, q) of one norm."""
    root = xp.sqrt(s)
    return u * root[..., None, :], root[..., :, None] * vt


def instead(w: Any, b: Any, a: Any, scale: float) -> LoRA:
    """An adapter equal to w whose factors are a part of w, and are taken from what is frozen."""
    return LoRA(w - scale * (b @ a), b, a, scale)
