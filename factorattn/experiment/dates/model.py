"""The Transformer that reads dates: characters of a phrase in, characters of YYYY-MM-DD out.

loss = -mean_t log p(y_t | y_1 .. y_{t-1}, phrase),   answer = the likeliest characters, one by one
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from factorattn.distribution import softmax
from factorattn.experiment.dates.data import ANSWER, BEGIN, END, VOCABULARY, answers, sources
from factorattn.model.layers import layer_norm, linear, split_heads
from factorattn.model.seq2seq.decoding import greedy
from factorattn.model.seq2seq.probability import cross_entropy, log_probabilities
from factorattn.model.transformer import transformer, transformer_cache, transformer_parameters, transformer_step
from factorattn.model.transformer.attend import attend
from factorattn.model.transformer.decoder import decoder_layer
from factorattn.model.transformer.embedding import embedded
from factorattn.model.transformer.encoder import encoder
from factorattn.model.transformer.slot import Slot
from factorattn.model.transformer.sublayer import residual

__all__ = ["Sizes", "begun", "cross_weights", "loss", "read_dates", "read_ids"]

NORM, ACTIVATION, POSITIONS, EPSILON = "pre", "relu", "sinusoidal", 1e-5


@dataclass(frozen=True)
class Sizes:
    """Width, heads, hidden units, and layers of the encoder and of the decoder."""

    c: int = 64
    heads: int = 8
    hidden: int = 128
    encoder_layers: int = 1
    decoder_layers: int = 1


def begun(sizes: Sizes, *, rng: Any = 0) -> dict[str, Any]:
    """Parameters before training, in float32."""
    layers = (sizes.encoder_layers, sizes.decoder_layers)
    options = {"norm": NORM, "positions": POSITIONS, "rng": rng, "dtype": "float32"}
    return transformer_parameters(VOCABULARY, layers, sizes.c, sizes.heads, sizes.hidden, **options)


def _options(sizes: Sizes) -> dict[str, Any]:
    return {"heads": sizes.heads, "norm": NORM, "activation": ACTIVATION, "positions": POSITIONS}


def loss(parameters: Mapping[str, Any], ids: Any, mask: Any, target: Any, *, sizes: Sizes) -> Any:
    """What is trained, over sources (b, m), their mask (b, m) and targets (b, ANSWER + 1)."""
    logits = transformer(parameters, ids, target[..., :-1], source_mask=mask, **_options(sizes))
    return cross_entropy(logits, target[..., 1:])


def read_dates(parameters: Mapping[str, Any], texts: Sequence[str], *, sizes: Sizes, batch: int = 250) -> list[str]:
    """What the model reads in phrases: the likeliest character at each place, with a cache of keys and values.

    Parameters
    ----------
    parameters : mapping
    texts : sequence of str
    sizes : Sizes
    batch : int
        Phrases that are read together.

    Returns
    -------
    list of str
        YYYY-MM-DD, if the model has learned what an answer is.
    """
    found: list[str] = []
    for at in range(0, len(texts), batch):
        found += answers(read_ids(parameters, *sources(texts[at : at + batch]), sizes=sizes))
    return found


def read_ids(parameters: Mapping[str, Any], ids: np.ndarray, mask: np.ndarray, *, sizes: Sizes) -> np.ndarray:
    """The ids (b, ANSWER) that the model reads in sources (b, m); behind an END there is nothing but END."""
    cache = transformer_cache(parameters, ids, source_mask=mask, **_options(sizes))

    def step(cache: Any, token: Any) -> tuple[Any, Any]:
        logits, cache = transformer_step(parameters, token[:, None], cache, **_options(sizes))
        return log_probabilities(logits)[:, 0, :], cache

    start = np.full(len(ids), BEGIN, dtype=np.int64)
    return greedy(step, cache, start, end=END, maximum=ANSWER).tokens


def cross_weights(
    parameters: Mapping[str, Any], ids: Any, mask: Any, target: Any, *, sizes: Sizes
) -> tuple[np.ndarray, ...]:
    """The weights (b, h, n, m) that each layer of the decoder gives to the source, as the target (b, n) is read.

    Row i is of the character that follows character i of the target.
    """
    told: dict[str, Any] = {"positions": POSITIONS, "scale": True, "xp": np}
    options: dict[str, Any] = {"heads": sizes.heads, "norm": NORM, "activation": ACTIVATION}
    table = parameters["target"]
    source = embedded(table, ids, name="ids", **told)
    memory = encoder(parameters["encoder"], source, mask=mask, **options)
    x, found = embedded(table, target, name="target", **told), []
    for layer in parameters["decoder"]["layers"]:
        own = layer["attention"]

        def ask(y, own=own):
            return attend(own, y, heads=sizes.heads, slot=Slot(), causal=True, xp=np)

        asked = residual(ask, x, layer, "attention", norm=NORM, epsilon=EPSILON, xp=np)
        asked = layer_norm(asked, layer["cross_attention_norm"], epsilon=EPSILON, xp=np)
        cross = layer["cross_attention"]
        q = split_heads(linear(asked, cross["query"], xp=np), sizes.heads, xp=np)
        k = split_heads(linear(memory, cross["key"], xp=np), sizes.heads, xp=np)
        logits = q @ k.mT / np.sqrt(np.asarray(q.shape[-1], dtype=q.dtype))  # (b, h, n, m)
        found.append(softmax(np.where(mask[:, None, None, :], logits, -np.inf)))
        more: dict[str, Any] = {"mask": None, "memory_mask": mask, "epsilon": EPSILON, "xp": np}
        x = decoder_layer(layer, x, memory, slot=Slot(), cross_slot=Slot(), **more, **options)
    return tuple(found)
