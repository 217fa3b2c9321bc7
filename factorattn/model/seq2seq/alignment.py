"""Alignment in a decoder: any score of the library and any distribution, between its states and the annotations.

    e_ij = score(q_i, h_j),   a_i = distribution(e_i1 .. e_im),   c_i = sum_j a_ij h_j

q_i is a state of the decoder, h_j the annotation of the j-th word of the source. Learned arrays of the score are in
``parameters``, by the names that they have in its contract. What depends on h_j alone is computed once.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from factorattn.attention.alignment.engine import distribution_of, looks_across
from factorattn.contract import Item, parse
from factorattn.factor.factored import dense, times
from factorattn.primitives.pairs import weigh
from factorattn.score import find
from factorattn.score.engine import hidden_scores, weigh_units

__all__ = [
    "align",
    "bound",
    "distribution_named",
    "keys_of",
    "learned_items",
    "placed",
    "scores_of",
    "sees_previous",
]

CALLED = ("q", "k", "previous")  # what a decoder hands to a score


def distribution_named(distribution: str | Callable) -> Callable:
    """The distribution of a name, or a function of scores.

    Raises
    ------
    ValueError
        If there is none, it needs options, or it looks across queries: a word would then depend on later ones.
    """
    found = distribution_of(distribution)
    if looks_across(found):
        name = distribution if isinstance(distribution, str) else getattr(found, "__name__", repr(found))
        raise ValueError(f"distribution must treat each query by itself, as a decoder must; {name} looks across them")
    return found


def keys_of(score: str | Callable, parameters: Mapping[str, Any], annotations: Any) -> Any:
    """What a score sees of annotations (..., m, c), as far as it can be computed once for all queries.

    U h_j of the scores `additive` and `concat` (Bahdanau et al. 2015, appendix A.1.2), W h_j of `general`; else h_j.
    """
    return ONCE[score][0](parameters, annotations) if isinstance(score, str) and score in ONCE else annotations


def scores_of(
    score: str | Callable, parameters: Mapping[str, Any], q: Any, keys: Any, previous: Any | None, *, xp: Any
) -> Any:
    """The scores (..., n, m) of queries (..., n, d) and what `keys_of` made of annotations.

    Parameters
    ----------
    score : str or callable
        A name in `factorattn.score.SCORES`, or a function of queries, keys and the learned arrays by name:
        ``partial(cosine, beta=beta)``.
    parameters : mapping of str to array
        The learned arrays. Matrices may be factored. A row for each position (`location`) is cut to the m there are.
    q : array, shape (..., n, d)
    keys : array, shape (..., m, c)
    previous : array, shape (..., n, m)
        The weights of the step before, for a score that sees them.
    """
    n, m = q.shape[-2], keys.shape[-2]
    if isinstance(score, str) and score in ONCE:
        return ONCE[score][1](parameters, q, keys, xp=xp)
    a = bound(score, parameters, m, previous)(q, keys)
    return xp.broadcast_to(a, (*a.shape[:-2], n, m))


def bound(
    score: str | Callable, parameters: Mapping[str, Any], m: int, previous: Any | None = None
) -> Callable[[Any, Any], Any]:
    """A score of queries and keys alone, for a source of m words."""
    f = find(score) if isinstance(score, str) else score
    axes = {item.name: item.axes for item in learned_items(f)}
    learned = {name: _first(dense(value), name, axes.get(name, ()), m) for name, value in parameters.items()}
    return partial(f, **learned, **({"previous": previous} if sees_previous(f) else {}))


def placed(score: str | Callable) -> bool:
    """Whether a score has arrays with an entry for each key."""
    return sees_previous(score) or any("m" in item.axes for item in learned_items(score))


def sees_previous(score: str | Callable) -> bool:
    """Whether a score sees the weights of the step before."""
    return any(item.name == "previous" for item in _items(score))


def learned_items(score: str | Callable) -> tuple[Item, ...]:
    """What a score of the library learns, as items of its contract; nothing for a function of yours."""
    return tuple(item for item in _items(score) if item.name not in CALLED)


def _items(score):
    f = find(score) if isinstance(score, str) else score
    while isinstance(f, partial):
        f = f.func
    record = getattr(f, "record", None)
    return () if record is None else parse(record.inputs)


def _first(value, name, axes, m):
    """The first m entries along the axis of keys, if there is one."""
    if "m" not in axes:
        return value
    axis = axes.index("m") - len(axes)
    if value.shape[axis] < m:
        raise ValueError(f"{name} of the score is for {value.shape[axis]} positions, but the source has {m}")
    return value[(..., slice(0, m), *[slice(None)] * (-axis - 1))]


def _additive_keys(parameters, h):
    return times(h, parameters["w_k"].mT)  # (..., m, a)


def _additive(parameters, q, keys, *, xp):
    x, bias = times(q, parameters["w_q"].mT), parameters.get("b")  # (..., n, a)
    x = x if bias is None else x + bias
    return hidden_scores(x, keys, lambda hidden, _: weigh_units(xp.tanh(hidden), parameters["w"]), xp=xp)


def _split(parameters, c):
    """The parameters of `concat` as those of `additive`: W = [W_q, W_k], the latter with c columns."""
    w = dense(parameters["w"])
    return {"w_q": w[..., : w.shape[-1] - c], "w_k": w[..., w.shape[-1] - c :], "w": parameters["v"]}


def _concat_keys(parameters, h):
    return _additive_keys(_split(parameters, h.shape[-1]), h)


def _concat(parameters, q, keys, *, xp):
    return _additive(_split(parameters, parameters["w"].shape[-1] - q.shape[-1]), q, keys, xp=xp)


def _general_keys(parameters, h):
    return times(h, parameters["w"].mT)  # (..., m, d)


def _general(parameters, q, keys, *, xp):
    return q @ keys.mT


ONCE: dict[str, tuple[Callable, Callable]] = {
    "additive": (_additive_keys, _additive),
    "concat": (_concat_keys, _concat),
    "general": (_general_keys, _general),
}


def align(scores: Any, values: Any, *, distribution: Callable, mask: Any | None, xp: Any) -> tuple[Any, Any]:
    """Contexts (..., n, c) and weights (..., n, m) of scores (..., n, m) and values (..., m, c), mask (..., m)."""
    a = scores if mask is None else xp.where(mask[..., None, :], scores, -xp.inf)
    weights = distribution(a)
    return weigh(weights, values, guarded=mask is not None, xp=xp), weights
