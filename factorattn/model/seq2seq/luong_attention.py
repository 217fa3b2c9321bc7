"""Where a word of the target looks (Luong, Pham and Manning 2015): everywhere, around its place, or where it predicts.

Weights of local attention are what it makes of an identity matrix in the place of values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from factorattn.attention import local_predictive_attention
from factorattn.attention.alignment.near import NEAR
from factorattn.contract import choose
from factorattn.factor.factored import dense
from factorattn.model.seq2seq.alignment import (
    align,
    bound,
    distribution_named,
    learned_items,
    placed,
    scores_of,
    sees_previous,
)
from factorattn.model.seq2seq.checks import count
from factorattn.model.seq2seq.engine import cell_of
from factorattn.scalars import flag, positive

__all__ = ["ATTENTION", "GLOBAL", "Luong"]


@dataclass(frozen=True, kw_only=True)
class Luong:
    """Which of the paper's models: all that is not trained.

    Parameters
    ----------
    attention : {"global", "local-m", "local-p"}
        Where a word looks: everywhere, around its own position, or around one that it predicts.
    score : str or callable
        A name in `factorattn.score.SCORES`, or a function of queries, keys and the arrays of ``parameters["score"]`` by
        name. The paper's are "dot", "general", "concat" and "location".
    distribution : str or callable
        A name in `factorattn.distribution.DISTRIBUTIONS` of one that needs no options, or a function of scores. Local
        attention is made of softmax.
    window : int
        Of local attention, to each side.
    sigma : float, optional
        Of "local-p"; by default half the window.
    feeding : bool
        Whether the decoder reads what it attended to at the step before.
    cell : {"lstm", "gru"}
        Of all layers.
    """

    attention: str = "global"
    score: str | Callable = "general"
    distribution: str | Callable = "softmax"
    window: int = 10
    sigma: float | None = None
    feeding: bool = True
    cell: str = "lstm"

    def __post_init__(self) -> None:
        choose(ATTENTION, attention=self.attention)
        learned_items(self.score)  # is there such a score?
        distribution_named(self.distribution)
        cell_of(self.cell)
        count(window=self.window)
        flag(feeding=self.feeding)
        if self.sigma is not None:
            positive(sigma=self.sigma)
        if self.attention != "global" and self.distribution != "softmax":
            raise ValueError(f"distribution must be 'softmax' in local attention, got {self.distribution!r}")
        if self.attention != "local-p" and self.sigma is not None:
            raise ValueError(f"sigma must be None but in 'local-p', which has a Gaussian; got {self.sigma!r}")


def look_everywhere(
    form: Luong, parameters: Mapping[str, Any], h: Any, memory: Mapping[str, Any], weigh: bool, *, xp: Any
) -> tuple[Any, Any]:
    """Contexts (..., n, c) and weights (..., n, m) of states (..., n, d), by any score and any distribution."""
    previous = _previous(form, h, memory, weigh)
    a = scores_of(form.score, parameters["score"], h, memory["keys"], previous, xp=xp)
    distribution = distribution_named(form.distribution)
    return align(a, memory["annotations"], distribution=distribution, mask=memory["mask"], xp=xp)


def look_around_place(
    form: Luong, parameters: Mapping[str, Any], h: Any, memory: Mapping[str, Any], weigh: bool, *, xp: Any
) -> tuple[Any, Any]:
    """`factorattn.local_monotonic_attention` of states (..., n, d), of which the first has ``memory["place"]``."""
    first = memory["place"]
    p = xp.arange(first, first + h.shape[-2], dtype=h.dtype, device=h.device)  # (n,)
    score, way = _score(form, parameters, h, memory, weigh)
    keys, mask = memory["annotations"], _pairs(memory["mask"])
    o = NEAR[way](
        h,
        keys,
        _values(keys, weigh, xp=xp),
        p,
        window=form.window,
        sigma=None,
        score=score,
        mask=mask,
        band=(None, None),
        xp=xp,
    )
    return _parted(o, keys, weigh)


def look_around_prediction(
    form: Luong, parameters: Mapping[str, Any], h: Any, memory: Mapping[str, Any], weigh: bool, *, xp: Any
) -> tuple[Any, Any]:
    """`factorattn.local_predictive_attention` of states (..., n, d), in sources of the lengths that the mask tells."""
    predictor = parameters["position"]
    keys, mask, lengths = memory["annotations"], memory["mask"], None
    if mask is not None:
        lengths = xp.sum(xp.astype(mask, h.dtype), axis=-1)[..., None]  # (..., 1)
        lengths = xp.broadcast_to(lengths, (*lengths.shape[:-1], h.shape[-2]))
    score, way = _score(form, parameters, h, memory, weigh)
    o = local_predictive_attention(
        h,
        keys,
        _values(keys, weigh, xp=xp),
        dense(predictor["w_p"]),
        predictor["v_p"],
        lengths,
        window=form.window,
        sigma=form.sigma,
        score=score,
        mask=_pairs(mask),
        form=way,
    )
    return _parted(o, keys, weigh)


def _score(form, parameters, h, memory, weigh):
    """A score of queries and keys, and the form of local attention that it can be used in."""
    m, previous = memory["annotations"].shape[-2], _previous(form, h, memory, weigh)
    return bound(form.score, parameters["score"], m, previous), "dense" if placed(form.score) else "gathered"


def _previous(form, h, memory, weigh):
    """The weights (..., 1, m) of the step before, for a score that sees them."""
    if not sees_previous(form.score):
        return None
    if h.shape[-2] != 1 or not weigh:
        raise ValueError(
            "a score that sees the weights of the step before goes step by step: it needs feeding=True and, in one "
            "call for a whole target, return_weights=True"
        )
    return memory["weights"][..., None, :]


def _pairs(mask):
    return None if mask is None else mask[..., None, :]


def _values(keys, weigh, *, xp):
    """Annotations (..., m, c), and an identity matrix beside them if weights are wanted."""
    if not weigh:
        return keys
    m = keys.shape[-2]
    one = xp.broadcast_to(xp.eye(m, dtype=keys.dtype, device=keys.device), (*keys.shape[:-1], m))
    return xp.concat([keys, one], axis=-1)


def _parted(o, keys, weigh):
    c = keys.shape[-1]
    return (o[..., :c], o[..., c:]) if weigh else (o, None)


ATTENTION: dict[str, Callable] = {
    "global": look_everywhere,
    "local-m": look_around_place,
    "local-p": look_around_prediction,
}
GLOBAL = Luong()
