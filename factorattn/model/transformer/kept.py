"""Ways to keep the tokens so far, so that attention of a new one costs one row and no more (a key-value cache).

    k_i, v_i join the cache,   o_i = attention of q_i to all that is in it

What is kept depends on the mechanism:

    keys      keys and values, and whatever else comes with keys
    window    the same, the last ones alone: as many as the window reaches
    placed    the same, where the mechanism counts queries from the first: those that have asked are made up
    memory    the same, as the memory of Transformer-XL: distances go on from there
    heads     keys and values of those heads that have their own
    latent    latent vectors, and rotated keys
    state     sums over keys, of constant size: `factorattn.model.transformer.state`
    rows      the tokens: keys are made again, and only new tokens ask
    tokens    the tokens: all is made again, since the mechanism takes as many queries as keys
"""

from typing import Any

from factorattn.attention import softmax_attention
from factorattn.model.layers import join_heads, linear, split_heads
from factorattn.model.transformer.asked import Asked, Kept, joined
from factorattn.model.transformer.attend import attend, density_of, mixed
from factorattn.model.transformer.beside import beside_keys, further, key_heads
from factorattn.model.transformer.own_heads import answer_heads, answer_latent, keep_heads, keep_latent
from factorattn.model.transformer.state import answers

__all__ = ["KEPT", "state_step", "within_reach"]


def _projected(asked, x, name):
    heads = asked.heads if name == "query" else key_heads(asked.heads, asked.slot)
    return split_heads(linear(x, asked.parameters[name], xp=asked.xp), heads, xp=asked.xp)  # (..., h, t, d)


def _out(asked, o):
    return linear(join_heads(o, xp=asked.xp), asked.parameters["output"], xp=asked.xp)


# keys: most mechanisms of queries, keys and values


def _keep_keys(asked, cache, y):
    beside = beside_keys(asked.plan, asked.parameters, y, heads=asked.heads, xp=asked.xp)
    new = {"key": _projected(asked, y, "key"), "value": _projected(asked, y, "value")}
    return joined(cache, new | beside, xp=asked.xp)


def _answer_keys(asked, kept):
    beside = {name: x for name, x in kept.items() if name not in ("key", "value")}
    k, v, options = kept["key"], kept["value"], asked.options(asked.mask)
    told = {"heads": asked.heads, "first": asked.first, "xp": asked.xp}
    more = further(asked.plan, asked.parameters, asked.x, k.shape[-2], beside, options, **told)
    return _out(asked, asked.plan.f(_projected(asked, asked.x, "query"), k, v, **more, **options))


def _answer_continuous(asked, kept):
    density = density_of(_projected(asked, asked.x, "query"), kept["key"], xp=asked.xp)
    return _out(asked, asked.plan.f(*density, kept["value"], **asked.options(asked.mask)))


def _answer_placed(asked, kept):
    q, options = _projected(asked, asked.x, "query"), asked.options(asked.mask)
    asked_before = asked.xp.zeros((*q.shape[:-2], asked.first, q.shape[-1]), dtype=q.dtype, device=q.device)
    o = asked.plan.f(asked.xp.concat([asked_before, q], axis=-2), kept["key"], kept["value"], **options)
    return _out(asked, o[..., asked.first :, :])


# window: nothing farther back is ever seen again


def within_reach(asked: Asked, kept: Kept) -> Kept:
    """What the next token can see of the cache."""
    return {name: x[..., max(x.shape[-2] - asked.slot.option("window"), 0) :, :] for name, x in kept.items()}


def _answer_window(asked, kept):
    m = kept["key"].shape[-2]
    mask = None if asked.mask is None else asked.mask[..., asked.mask.shape[-1] - m :]
    options = {name: value for name, value in asked.options(mask).items() if name not in ("window", "form")}
    q, window = _projected(asked, asked.x, "query"), (asked.slot.option("window"), 0)
    return _out(asked, softmax_attention(q, kept["key"], kept["value"], window=window, **options))


# memory: positions are counted along [memory; segment]


def _answer_memory(asked, kept):
    t = asked.x.shape[-2]
    past = kept["key"].shape[-2] - t
    k, v = kept["key"], kept["value"]
    before = {"k_memory": k[..., :past, :], "v_memory": v[..., :past, :]} if past else {}
    options = asked.options(asked.mask)
    told = {"heads": asked.heads, "first": 0, "xp": asked.xp}
    more = further(asked.plan, asked.parameters, asked.x, t, {}, options, **told)
    q = _projected(asked, asked.x, "query")
    return _out(asked, asked.plan.f(q, k[..., past:, :], v[..., past:, :], **before, **more, **options))


# state: sums say all, so each query is answered while keys come in


def state_step(asked: Asked, cache: Kept | None) -> tuple[Any, Kept]:
    """Rows of new tokens, and the sums with them."""
    q, k, v = (_projected(asked, asked.x, name) for name in ("query", "key", "value"))
    t, mask = asked.x.shape[-2], asked.mask
    shown = None if mask is None else mask[..., None, mask.shape[-1] - t :, None]  # (..., 1, t, 1)
    options = {name: x for name, x in asked.options(None).items() if name not in ("causal", "form")}
    told = {"mechanism": asked.slot.mechanism, "options": options, "first": asked.first, "xp": asked.xp}
    before = None if cache is None else (cache["outer"], cache["total"], cache["top"])
    o, state = answers(before, q, k, v, shown, **told)
    return _out(asked, o), dict(zip(("outer", "total", "top"), state, strict=True))


# rows and tokens: what cannot be kept is made again


def _keep_tokens(asked, cache, y):
    return joined(cache, {"tokens": y}, xp=asked.xp)


def _answer_rows(asked, kept):
    options = asked.options(asked.mask)
    told = {"heads": asked.heads, "slot": asked.slot, "xp": asked.xp}
    return mixed(asked.plan, asked.parameters, asked.x, kept["tokens"], options, **told)


def _answer_tokens(asked, kept):
    y = kept["tokens"]
    told = {"heads": asked.heads, "slot": asked.slot, "mask": asked.mask, "causal": True, "xp": asked.xp}
    o = attend(asked.parameters, y, **told)
    return o[..., y.shape[-2] - asked.x.shape[-2] :, :]


# how to keep new rows, and how to answer from what is kept
KEPT = {
    "keys": (_keep_keys, _answer_keys),
    "placed": (_keep_keys, _answer_placed),
    "continuous": (_keep_keys, _answer_continuous),
    "window": (_keep_keys, _answer_window),
    "memory": (_keep_keys, _answer_memory),
    "heads": (keep_heads, answer_heads),
    "latent": (keep_latent, answer_latent),
    "rows": (_keep_tokens, _answer_rows),
    "tokens": (_keep_tokens, _answer_tokens),
}
