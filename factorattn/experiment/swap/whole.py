"""Texts encoded whole: those of one length together, so that there is no padding."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from factorattn.attention import softmax_attention
from factorattn.model.sentence_encoder import SentenceEncoder, encode

__all__ = ["encode_whole"]

BATCH = 32


def encode_whole(encoder: SentenceEncoder, texts: Sequence[str], *, attend: Callable = softmax_attention) -> np.ndarray:
    """`factorattn.model.encode` with texts of one length together, so that none is padded and no mask is needed.

    A mechanism that groups positions, or mixes them, would otherwise see the padding in the sizes of its groups.
    """
    texts = list(texts)
    lengths = [len(text.ids) for text in encoder.tokenizer.encode_batch(texts)]
    groups: dict[int, list[int]] = {}
    for at, length in enumerate(lengths):
        groups.setdefault(length, []).append(at)

    def unmasked(q: Any, k: Any, v: Any, *, mask: Any) -> Any:
        return attend(q, k, v)

    found = {
        at: vector
        for members in groups.values()
        for at, vector in zip(
            members, encode(encoder, [texts[at] for at in members], batch=BATCH, attend=unmasked), strict=True
        )
    }
    width = encoder.parameters["embeddings.LayerNorm.weight"].shape[-1]
    return np.stack([found[at] for at in range(len(texts))]) if texts else np.zeros((0, width))
