"""One model of a stream of tokens for every way to attend: all else is the same. And two recurrent networks.

    x_i = E[token_i] + sinusoid_i
    x = x + attend(N(x)),   x = x + W_out gelu(W_in N(x) + b_in) + b_out       in each layer
    log p(token_(i+1) | token_1 ... token_i) = log softmax(W N(x_i) + b)

The recurrent networks have the same tables, and LSTM or GRU layers in the place of all else.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import array_api_compat
import numpy as np

from factorattn.experiment.transactions.long_term import LongTerm, long_term_attention
from factorattn.model.initialize.layers import dense_parameters
from factorattn.model.layers import embed, linear
from factorattn.model.recurrent.drawing import gru_parameters, lstm_parameters, stacked_parameters
from factorattn.model.recurrent.gru import gru
from factorattn.model.recurrent.lstm import lstm
from factorattn.model.recurrent.stacked import stacked
from factorattn.model.transformer.attend import attend
from factorattn.model.transformer.feed_forward import feed_forward
from factorattn.model.transformer.parameters import feed_forward_parameters, slot_parameters, stack_parameters
from factorattn.model.transformer.slot import Slot
from factorattn.model.transformer.sublayer import finish, residual
from factorattn.position import sinusoidal

__all__ = ["MECHANISMS", "Sizes", "log_probabilities", "loss", "model_parameters"]

EPSILON = 1e-5  # added to variances
DIVERGENCE = 1e-5  # weight of the divergence of the infinite-former's densities in its loss


@dataclass(frozen=True)
class Sizes:
    """Sizes of the models.

    Attributes
    ----------
    vocabulary : int
    c : int
        Width.
    heads, layers : int
    hidden : int
        Units of the feed-forward sublayers.
    features : int
        Random features of the Performer.
    memory : LongTerm
        Of the infinite-former.
    seed : int
        Of what mechanisms draw: the Performer's directions, the keys that the Informer measures with.
    """

    vocabulary: int
    c: int = 32
    heads: int = 2
    layers: int = 1
    hidden: int = 64
    features: int = 32
    memory: LongTerm = field(default_factory=LongTerm)
    seed: int = 0


def model_parameters(name: str, sizes: Sizes, *, rng: np.random.Generator, dtype: Any = "float32") -> dict[str, Any]:
    """Parameters of the model with one of `MECHANISMS`, drawn anew."""
    c = sizes.c
    found: dict[str, Any] = {"embedding": (rng.standard_normal((sizes.vocabulary, c)) / math.sqrt(c)).astype(dtype)}
    if name in RECURRENT:
        _, draw = RECURRENT[name]
        found["layers"] = stacked_parameters(partial(draw, dtype=dtype), c, c, sizes.layers, rng=rng)
    else:
        layers = [
            {
                "attention": _attention_parameters(name, sizes, rng, dtype),
                "feed_forward": feed_forward_parameters(rng, c, sizes.hidden, dtype),
            }
            for _ in range(sizes.layers)
        ]
        found |= stack_parameters(layers, c, "pre", dtype)
    return found | {"output": dense_parameters(rng, sizes.vocabulary, c, dtype)}


def log_probabilities(
    parameters: Mapping[str, Any], tokens: Any, name: str, sizes: Sizes, *, form: str | None = None
) -> tuple[Any, Any]:
    """Logarithms of the probabilities of each next token.

    Parameters
    ----------
    parameters : mapping
        From `model_parameters`.
    tokens : integer array, shape (b, n)
    name : str
        One of `MECHANISMS`.
    sizes : Sizes
    form : str, optional
        Of full attention: "dense", the definition, is what is trained; another is equal to rounding.

    Returns
    -------
    log_p : array, shape (b, n, vocabulary)
    penalty : array, shape ()
        What the loss adds; zero but for the infinite-former.
    """
    xp = array_api_compat.array_namespace(parameters["embedding"], tokens)
    x = embed(tokens, parameters["embedding"], xp=xp)  # (b, n, c)
    penalty = xp.zeros((), dtype=x.dtype, device=x.device)
    if name in RECURRENT:
        x, _ = stacked(parameters["layers"], x, network=RECURRENT[name][0])
    else:
        x, penalty = _transformer(parameters, x, penalty, name, sizes, form, xp=xp)
    logits = linear(x, parameters["output"], xp=xp)
    logits = logits - xp.max(logits, axis=-1, keepdims=True)
    return logits - xp.log(xp.sum(xp.exp(logits), axis=-1, keepdims=True)), penalty


def loss(parameters: Mapping[str, Any], tokens: Any, targets: Any, name: str, sizes: Sizes) -> Any:
    """Mean of -log p of the targets (b, n), which are the tokens a place further, plus the penalty."""
    log_p, penalty = log_probabilities(parameters, tokens, name, sizes)
    xp = array_api_compat.array_namespace(log_p)
    return penalty - xp.mean(xp.take_along_axis(log_p, targets[..., None], axis=-1))


def _transformer(parameters, x, penalty, name, sizes, form, *, xp):
    x = x + sinusoidal(*x.shape[-2:], like=parameters["embedding"])
    for layer in parameters["layers"]:
        penalties: list[Any] = []

        def attention(y, layer=layer, penalties=penalties):
            o, found = ATTENTION[name](layer["attention"], y, sizes, form, xp=xp)
            penalties.append(found)
            return o

        x = residual(attention, x, layer, "attention", norm="pre", epsilon=EPSILON, xp=xp)
        feed = partial(feed_forward, parameters=layer["feed_forward"], activation="gelu", xp=xp)
        x = residual(feed, x, layer, "feed_forward", norm="pre", epsilon=EPSILON, xp=xp)
        penalty = penalty + sum(found for found in penalties if found is not None)
    return finish(x, parameters, norm="pre", epsilon=EPSILON, xp=xp), penalty


def _full(parameters, x, sizes, form, *, xp):
    """Softmax attention by its definition, with all n^2 weights in memory."""
    slot = Slot("softmax", options={"form": "dense" if form is None else form})
    return attend(parameters, x, heads=sizes.heads, slot=slot, causal=True, xp=xp), None


def _performer(parameters, x, sizes, form, *, xp):
    """Positive orthogonal random features, the same at every step, summed causally."""
    slot = Slot("performer", options={"rank": sizes.features, "rng": sizes.seed})
    return attend(parameters, x, heads=sizes.heads, slot=slot, causal=True, xp=xp), None


def _infinite_former(parameters, x, sizes, form, *, xp):
    o, divergence = long_term_attention(parameters, x, heads=sizes.heads, memory=sizes.memory, xp=xp)
    return o, DIVERGENCE * divergence


def _informer(parameters, x, sizes, form, *, xp):
    """Few queries attend; which ones do depends on later queries and keys, too."""
    slot = Slot("informer", options={"rng": sizes.seed}, weakly_causal=True)
    return attend(parameters, x, heads=sizes.heads, slot=slot, causal=True, xp=xp), None


def _attention_parameters(name, sizes, rng, dtype):
    found = slot_parameters(sizes.c, sizes.heads, rng=rng, dtype=dtype)
    if name != "infinite-former":
        return found
    for key in ("memory_key", "memory_value"):  # no bias: it would not be a constant, but a function of time
        found[key] = {"weight": dense_parameters(rng, sizes.c, sizes.c, dtype)["weight"]}
    return found | {
        key: dense_parameters(rng, sizes.heads, sizes.memory.rank, dtype)["weight"] for key in ("mu", "sigma")
    }


ATTENTION: dict[str, Callable[..., tuple[Any, Any]]] = {
    "full": _full,
    "performer": _performer,
    "infinite-former": _infinite_former,
    "informer": _informer,
}
RECURRENT: dict[str, tuple[Callable, Callable]] = {"lstm": (lstm, lstm_parameters), "gru": (gru, gru_parameters)}
MECHANISMS = (*ATTENTION, *RECURRENT)
