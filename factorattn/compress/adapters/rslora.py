"""Rank-stabilised low-rank adaptation (Kalajdzievski 2023): LoRA whose update is divided by the root of the rank.

    F = W + (alpha / sqrt(r)) B A

Divided by r itself, the update and what it learns in a step shrink as the rank grows, and large ranks gain nothing.
"""

import math
from typing import Any

from factorattn.catalogue import Adapter
from factorattn.compress.adapters.adapted import LoRA
from factorattn.compress.adapters.lora import INPUTS, beside
from factorattn.factor.door import admit
from factorattn.scalars import real

__all__ = ["rslora"]


@Adapter(inputs=INPUTS, trainable="p*r + r*q", time="0", memory="p*r + r*q", paper="kalajdzievski2023")
def rslora(w: Any, rank: int, *, alpha: float = 1.0, init: str = "uniform", rng: Any = None) -> LoRA:
    """Put a trained matrix of low rank beside frozen weights, with a scale that suits every rank.

    Parameters
    ----------
    w : array, shape (..., p, q)
        Weights, (out, in).
    rank : int
        The rank r of what is trained.
    alpha : float
        The update is scaled by alpha / sqrt(r).
    init : {"uniform", "gaussian"}
        How A is drawn, as in `lora`.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    adapter : LoRA
        Equal to `w`, entry by entry, until it is trained. Trained are b (..., p, r) and a (..., r, q).

    Raises
    ------
    ValueError, TypeError
        As `lora`.

    References
    ----------
    Kalajdzievski, "A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA", 2023. arXiv:2312.03732
    """
    _, size, _ = admit(INPUTS, w=w, rank=rank)
    return beside(w, size["r"], real(alpha=alpha) / math.sqrt(size["r"]), init=init, rng=rng)
