"""Low-rank adaptation (Hu et al. 2021): the weights stay, and a matrix of low rank beside them is trained.

    F = W + (alpha / r) B A,    A drawn at random, B = 0

Only r (p + q) numbers are trained instead of p q, and after training they are added to W: the model costs what it did.
"""

from typing import Any

from factorattn.catalogue import Adapter
from factorattn.compress.adapters.adapted import LINEAR_GAIN, LoRA, put, uniform
from factorattn.contract import choose
from factorattn.factor.door import admit
from factorattn.scalars import generator, real

__all__ = ["lora"]

INPUTS = "w: ... p q, rank = r"


@Adapter(inputs=INPUTS, trainable="p*r + r*q", time="0", memory="p*r + r*q", paper="hu2021lora")
def lora(w: Any, rank: int, *, alpha: float | None = None, init: str = "uniform", rng: Any = None) -> LoRA:
    """Put a trained matrix of low rank beside frozen weights.

    Parameters
    ----------
    w : array, shape (..., p, q)
        Weights, (out, in).
    rank : int
        The rank r of what is trained.
    alpha : float, optional
        The update is scaled by alpha / r. Left out, it is r, for a scale of one: the paper sets it to the first rank
        that is tried, and leaves it there when others are.
    init : {"uniform", "gaussian"}
        How A is drawn. "uniform": between -+1/sqrt(q), as the authors' code and PEFT do (the paper says Gaussian, and
        of what width it does not say). "gaussian": of standard deviation 1/r, as PEFT's option of that name.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    adapter : LoRA
        Equal to `w`, entry by entry, until it is trained. Trained are b (..., p, r) and a (..., r, q).

    Raises
    ------
    ValueError
        If `w` has fewer than two axes or holds NaN or infinity, `rank` is not a positive integer, or an option is
        unknown.
    TypeError
        If `w` is not a floating array.

    Notes
    -----
    ``merge`` gives a new array and ``unmerge`` subtracts the update from it again. That restores `w` to rounding, not
    to the last digit; where the merged weights are kept in float16, to the rounding of float16. Keep `w` if it is to
    come back as it was.

    References
    ----------
    Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021, section 4.1. arXiv:2106.09685
    """
    _, size, _ = admit(INPUTS, w=w, rank=rank)
    scale = 1.0 if alpha is None else real(alpha=alpha) / size["r"]
    return beside(w, size["r"], scale, init=init, rng=rng)


def beside(w: Any, rank: int, scale: float, *, init: str, rng: Any) -> LoRA:
    """Weights and the two factors beside them: B = 0, and A drawn."""
    xp, size, (w,) = admit(INPUTS, w=w, rank=rank)
    *batch, p, q = w.shape
    a = choose(INITS, init=init)((*batch, size["r"], q), rng=rng, like=w, xp=xp)  # (..., r, q)
    return LoRA(w, xp.zeros((*batch, p, size["r"]), dtype=w.dtype, device=w.device), a, scale)


def _uniform(shape, *, rng, like, xp):
    return uniform(shape, gain=LINEAR_GAIN, rng=rng, like=like, xp=xp)


def _gaussian(shape, *, rng, like, xp):
    return put(generator(rng).standard_normal(shape) / shape[-2], like=like, xp=xp)


INITS = {"uniform": _uniform, "gaussian": _gaussian}
