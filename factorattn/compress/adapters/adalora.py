"""Adaptive budget allocation (AdaLoRA: Zhang et al. 2023): triplets like those of a singular value decomposition.

    F = W + scale P diag(l) Q,    l = 0 at the start,    R(P, Q) = |P^T P - I|_F^2 + |Q Q^T - I|_F^2 near zero
    importance of triplet i:      s(l_i) + mean_j s(P_ji) + mean_j s(Q_ij)
    s = I' U',    I = |w dL/dw|,    I' and U' moving averages of I and of |I - I'|

Of all triplets of all layers, the budget's worth of the most important keep their l; the others' l is set to zero, and
may grow again. So layers come to different ranks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import array_api_compat
import numpy as np

from factorattn.catalogue import Adapter
from factorattn.compress.adapters.adapted import Added, Scaled, put
from factorattn.compress.host import on_host
from factorattn.factor.adjoint import adjoint
from factorattn.factor.door import admit
from factorattn.factor.factored import Diagonal, Product
from factorattn.scalars import generator, positive, real, whole

__all__ = ["AdaLoRA", "adalora", "allotted", "importance", "orthogonality", "pruned", "sensitivity"]

INPUTS = "w: ... p q, rank = r"


@dataclass(frozen=True, eq=False, repr=False)
class AdaLoRA(Added):
    """w + scale left diag(values) right, for left (..., p, r), values (..., r) and right (..., r, q)."""

    left: Any
    values: Any
    right: Any
    scale: float

    trains: ClassVar[tuple[str, ...]] = ("left", "values", "right")

    @property
    def update(self) -> Scaled:
        """The scaled product P diag(l) Q, of rank at most the number of values that are not zero."""
        return Scaled(Product((self.left, Diagonal(self.values), self.right)), self.scale)


@Adapter(inputs=INPUTS, trainable="p*r + r + r*q", time="0", memory="p*r + r*q", paper="zhang2023adalora")
def adalora(w: Any, rank: int, *, alpha: float | None = None, std: float = 0.02, rng: Any = None) -> AdaLoRA:
    """Put triplets of two vectors and a number beside frozen weights, of which unimportant ones can be left out.

    Parameters
    ----------
    w : array, shape (..., p, q)
        Weights, (out, in).
    rank : int
        Number of triplets r at the start.
    alpha : float, optional
        The update is scaled by alpha / r; left out, by one.
    std : float
        P and Q are drawn from a normal distribution of this standard deviation; the default is that of the authors'
        code and PEFT.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    adapter : AdaLoRA
        Equal to `w`, entry by entry, until it is trained. Trained are left (..., p, r), values (..., r) and
        right (..., r, q).

    Raises
    ------
    ValueError, TypeError
        As `lora`, and ValueError if `std` is not positive.

    Notes
    -----
    Between steps of training, `sensitivity` follows each trained array, `importance` makes one number of a triplet, and
    `pruned` keeps the best of all layers; `allotted` is the budget at a step, and `orthogonality` what is added to the
    loss, times a small number.

    r stays what it was at the start, however few triplets are left; so it does in the authors' code and PEFT.

    References
    ----------
    Zhang et al., "AdaLoRA: Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning", 2023. arXiv:2303.10512
    """
    xp, size, (w,) = admit(INPUTS, w=w, rank=rank)
    *batch, p, q = w.shape
    r, std, rng = size["r"], positive(std=std), generator(rng)
    left, right = (put(std * rng.standard_normal((*batch, *shape)), like=w, xp=xp) for shape in ((p, r), (r, q)))
    scale = 1.0 if alpha is None else real(alpha=alpha) / r
    return AdaLoRA(w, left, xp.zeros((*batch, r), dtype=w.dtype, device=w.device), right, scale)


def sensitivity(
    x: Any, gradient: Any, state: tuple[Any, Any] | None = None, *, beta_1: float = 0.85, beta_2: float = 0.85
) -> tuple[Any, Any]:
    """Moving averages of |x dL/dx| and of its deviation from the average, after one more step; from zero at first.

    Parameters
    ----------
    x, gradient : array
        A trained array and the gradient of the loss by it.
    state : (array, array), optional
        What this function returned at the step before.
    beta_1, beta_2 : float
        What is kept of either average, above 0 and below 1.

    Returns
    -------
    (average, deviation) : arrays of the shape of `x`
        Their product is the sensitivity s that `importance` takes.
    """
    for name, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
        if not 0 < positive(**{name: beta}) < 1:
            raise ValueError(f"{name} must be above 0 and below 1, got {beta}")
    xp = array_api_compat.array_namespace(x, gradient)
    now = xp.abs(x * gradient)
    average, deviation = (xp.zeros_like(now), xp.zeros_like(now)) if state is None else state
    average = beta_1 * average + (1 - beta_1) * now
    return average, beta_2 * deviation + (1 - beta_2) * xp.abs(now - average)


def importance(left: Any, values: Any, right: Any) -> Any:
    """The importance (..., r) of triplets, from sensitivities of P (..., p, r), of l (..., r) and of Q (..., r, q)."""
    xp = array_api_compat.array_namespace(left, values, right)
    return values + xp.mean(left, axis=-2) + xp.mean(right, axis=-1)


def pruned(adapters: Mapping[str, AdaLoRA], scores: Mapping[str, Any], budget: int) -> dict[str, AdaLoRA]:
    """Keep the values of the `budget` most important triplets of all layers, and set the others to zero.

    Parameters
    ----------
    adapters : mapping of str to AdaLoRA
    scores : mapping of str to array, shape (..., r)
        Importance of every triplet, under the same names.
    budget : int
        How many triplets keep their value, of all layers together. Of equal ones the first are kept, so that it is
        never another number; PEFT, which compares with a threshold, leaves out all that are equal to it.

    Raises
    ------
    ValueError
        If names or shapes differ, a score is NaN, or the budget is negative.
    """
    if set(adapters) != set(scores):
        raise ValueError(f"scores must be for {sorted(adapters)}, got {sorted(scores)}")
    if whole(budget=budget) < 0:
        raise ValueError(f"budget must not be negative, got {budget}")
    hosted = {name: _hosted(name, scores[name], adapter.values) for name, adapter in adapters.items()}
    everything = np.concatenate([np.reshape(x, -1) for x in hosted.values()]) if hosted else np.zeros(0)
    keep = np.zeros(everything.size, dtype=bool)
    keep[np.argsort(-everything, kind="stable")[:budget]] = True
    out, first = {}, 0
    for name, adapter in adapters.items():
        shape = hosted[name].shape
        xp, last = array_api_compat.array_namespace(adapter.values), first + hosted[name].size
        kept = xp.asarray(np.reshape(keep[first:last], shape), device=adapter.device)
        out[name] = adapter.trained(values=xp.where(kept, adapter.values, xp.zeros_like(adapter.values)))
        first = last
    return out


def orthogonality(adapter: AdaLoRA) -> Any:
    """R(P, Q) (...): the squared distances of P^H P and Q Q^H from the identity, in the Frobenius norm."""
    xp = array_api_compat.array_namespace(adapter.left)
    eye = xp.eye(adapter.values.shape[-1], dtype=adapter.left.dtype, device=adapter.device)
    left, right = adapter.left, adapter.right
    grams = (adjoint(left, xp=xp) @ left, right @ adjoint(right, xp=xp))
    return sum(xp.sum(xp.square(xp.abs(gram - eye)), axis=(-2, -1)) for gram in grams)


def allotted(step: int, *, steps: int, start: int, end: int, warmup: int = 0, cooldown: int = 0) -> int:
    """The budget at a step: `start` triplets during the warm-up, `end` from the cool-down on, a cubic between.

        end + (start - end) (1 - (step - warmup) / (steps - warmup - cooldown))^3, rounded down

    As the authors' code and PEFT compute it.
    """
    step, steps, start, end = whole(step=step), whole(steps=steps), whole(start=start), whole(end=end)
    between = steps - whole(warmup=warmup) - whole(cooldown=cooldown)
    if between <= 0 or min(warmup, cooldown, step, end) < 0 or start < end:
        raise ValueError(
            "steps must exceed warmup and cooldown together, and start be no less than end; "
            f"got {steps}, {warmup}, {cooldown}, {start}, {end}"
        )
    if step <= warmup:
        return start
    left = max(between - (step - warmup), 0)
    return end + (start - end) * left**3 // between**3


def _hosted(name: str, score: Any, values: Any) -> np.ndarray:
    if tuple(score.shape) != tuple(values.shape):
        raise ValueError(f"scores of {name} must have shape {tuple(values.shape)}, got {tuple(score.shape)}")
    hosted = on_host(score)
    if np.any(np.isnan(hosted)):
        raise ValueError(f"scores of {name} must not be NaN")
    return hosted
