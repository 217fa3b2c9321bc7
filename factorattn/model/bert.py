"""The encoder of BERT (Devlin et al. 2019): the Transformer's (Vaswani et al. 2017), with learned positions and GELU.

    x = N(E_word[id] + E_position[i] + E_type[type])
    x = N(x + W_o attend(W_q x + b_q, W_k x + b_k, W_v x + b_v) + b_o)    in each layer, attention in h heads;
    x = N(x + W_2 gelu(W_1 x + b_1) + b_2)                                then this
    N(x) = g (x - mean x) / sqrt(var x + epsilon) + b

Each matrix E or W is an array or factored. Parameters have the names of the checkpoints of Hugging Face.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import array_api_compat

from factorattn.attention import softmax_attention
from factorattn.model.activation import gelu
from factorattn.model.door import check_ids, with_dtype
from factorattn.model.layers import embed, join_heads, layer_norm, linear, split_heads
from factorattn.scalars import real, whole

__all__ = ["bert", "layers_of"]


def bert(
    parameters: Mapping[str, Any],
    ids: Any,
    *,
    heads: int,
    mask: Any | None = None,
    types: Any | None = None,
    epsilon: float = 1e-12,
    attend: Callable = softmax_attention,
) -> Any:
    """Turn tokens into vectors, each of which knows its context.

    Parameters
    ----------
    parameters : mapping of str to array or Factored
        As in a checkpoint of ``BertModel``: ``embeddings.word_embeddings.weight`` (vocabulary, c) and so on. Matrices
        may be factored; there are as many layers as the names tell.
    ids : integer array, shape (b, n)
        Numbers of the tokens of b texts.
    heads : int
        Number of heads h, which divides c.
    mask : boolean array, shape (b, n), optional
        True at tokens, False where a text that is shorter than n is padded.
    types : integer array, shape (b, n), optional
        0 in the first text of a pair and 1 in the second; by default 0.
    epsilon : float
        Added to variances.
    attend : callable
        ``attend(q, k, v, mask=mask)`` for q, k, v of shape (b, h, n, c / h) and a mask of shape (b, 1, 1, n), or None:
        a mechanism of the catalogue, its options bound.

    Returns
    -------
    x : array, shape (b, n, c), dtype of the parameters
        Rows where `mask` is False mean nothing.

    Raises
    ------
    ValueError
        If there are more tokens than positions, `heads` is not a positive divisor of c, `epsilon` is negative, shapes
        of `ids`, `mask` and `types` disagree, or a table has no row of a number.
    TypeError
        If `ids` or `types` are not integers, or `heads` is not one.
    KeyError
        If a parameter is not there; it is named.

    Notes
    -----
    float16 and bfloat16 parameters are computed with in float32.

    References
    ----------
    Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2019.
    arXiv:1810.04805
    """
    gain = parameters["embeddings.LayerNorm.weight"]
    xp = array_api_compat.array_namespace(gain, ids)
    dtype, compute = gain.dtype, xp.result_type(gain, xp.float32)
    parameters = with_dtype(parameters, compute, xp=xp)
    if real(epsilon=epsilon) < 0:
        raise ValueError(f"epsilon must not be negative, got {epsilon}")
    _check(parameters, ids, mask, types, heads, width=gain.shape[-1], xp=xp)
    pairs = None if mask is None else mask[:, None, None, :]  # (b, 1, 1, n)
    x = _embed(parameters, ids, types, epsilon, xp=xp)  # (b, n, c)
    for i in range(layers_of(parameters)):
        layer = _named(parameters, f"encoder.layer.{i}.")
        q, k, v = (
            split_heads(linear(x, _part(layer, f"attention.self.{name}"), xp=xp), heads, xp=xp)
            for name in ("query", "key", "value")
        )  # (b, h, n, c / h)
        o = join_heads(attend(q, k, v, mask=pairs), xp=xp)  # (b, n, c)
        x = x + linear(o, _part(layer, "attention.output.dense"), xp=xp)
        x = layer_norm(x, _part(layer, "attention.output.LayerNorm"), epsilon=epsilon, xp=xp)
        y = gelu(linear(x, _part(layer, "intermediate.dense"), xp=xp), xp=xp)  # (b, n, hidden units)
        x = x + linear(y, _part(layer, "output.dense"), xp=xp)
        x = layer_norm(x, _part(layer, "output.LayerNorm"), epsilon=epsilon, xp=xp)
    return xp.astype(x, dtype, copy=False)


def layers_of(names: Mapping[str, Any]) -> int:
    """How many layers the names of parameters tell of."""
    numbers = [int(found[1]) for name in names if (found := re.match(r"encoder\.layer\.(\d+)\.", name))]
    return max(numbers, default=-1) + 1


def _embed(parameters, ids, types, epsilon, *, xp):
    """Rows of the tables of words, positions and types, added up and normalised: (b, n, c)."""
    b, n = ids.shape
    places = xp.broadcast_to(xp.arange(n, dtype=ids.dtype, device=ids.device), (b, n))
    types = xp.zeros_like(ids) if types is None else types
    x = embed(ids, parameters["embeddings.word_embeddings.weight"], xp=xp)  # (b, n, c)
    x = x + embed(places, parameters["embeddings.position_embeddings.weight"], xp=xp)
    x = x + embed(types, parameters["embeddings.token_type_embeddings.weight"], xp=xp)
    return layer_norm(x, _part(parameters, "embeddings.LayerNorm"), epsilon=epsilon, xp=xp)


def _named(parameters, prefix):
    """What lies under a prefix, by the rest of its name."""
    return {name.removeprefix(prefix): x for name, x in parameters.items() if name.startswith(prefix)}


def _part(parameters, name):
    """Weight and bias of a linear layer or of a norm."""
    return {part: parameters[f"{name}.{part}"] for part in ("weight", "bias")}


def _check(parameters, ids, mask, types, heads, *, width, xp):
    """Shapes of what is not a parameter, and numbers of rows that tables do not have."""
    if ids.ndim != 2:
        raise ValueError(f"ids must have shape (b, n), got {tuple(ids.shape)}")
    for name, x in (("mask", mask), ("types", types)):
        if x is not None and x.shape != ids.shape:
            raise ValueError(f"{name} must have the shape of ids, {tuple(ids.shape)}, got {tuple(x.shape)}")
    positions = parameters["embeddings.position_embeddings.weight"].shape[-2]
    if ids.shape[1] > positions:
        raise ValueError(f"ids must have at most {positions} tokens a text, as many as positions, got {ids.shape[1]}")
    if whole(heads=heads) < 1 or width % heads:
        raise ValueError(f"heads must divide {width}, the size of a token, got {heads}")
    for name, x, table in (("ids", ids, "word"), ("types", types, "token_type")):
        if x is not None:
            check_ids(x, parameters[f"embeddings.{table}_embeddings.weight"].shape[-2], name=name, xp=xp)
