"""Sentences as vectors (Reimers and Gurevych 2019): the mean of what an encoder makes of the tokens, at length one.

s = sum_i x_i / n,   x = encoder(tokens),   e = s / |s|,   similarity of two sentences = e_1 . e_2
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from factorattn.attention import softmax_attention
from factorattn.model.bert import bert
from factorattn.primitives.elementwise import unit_rows
from factorattn.scalars import whole

__all__ = ["SentenceEncoder", "encode", "mean_pool"]


@dataclass(frozen=True, eq=False)
class SentenceEncoder:
    """A pretrained encoder: its parameters, and what its files say beside them.

    ``dataclasses.replace(encoder, parameters=other)`` is the same with other parameters: factored, say, or arrays of
    another library.

    Parameters
    ----------
    parameters : mapping of str to array or Factored
        As `factorattn.model.bert` takes them.
    heads : int
        Heads of each layer.
    epsilon : float
        Added to variances.
    tokenizer : tokenizers.Tokenizer
        Cuts off what is too long, and does not pad.
    """

    parameters: Mapping[str, Any]
    heads: int
    epsilon: float
    tokenizer: Any

    def __repr__(self) -> str:
        return f"SentenceEncoder({len(self.parameters)} parameters, heads={self.heads})"


def encode(
    encoder: SentenceEncoder, texts: Sequence[str], *, batch: int = 32, attend: Callable = softmax_attention
) -> Any:
    """Turn texts into vectors of length one; the product of two is the similarity of their texts.

    Parameters
    ----------
    encoder : SentenceEncoder
    texts : sequence of str
    batch : int
        Texts that are encoded together. Those of similar length are, so that few tokens are padding.
    attend : callable
        The mechanism in every layer, as `factorattn.model.bert` takes it.

    Returns
    -------
    array, shape (number of texts, c), of the parameters' library
        In the order of `texts`.

    Raises
    ------
    TypeError
        If `texts` is a string or holds something else than strings.
    ValueError
        If `batch` is not a positive integer.

    References
    ----------
    Reimers and Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks", 2019. arXiv:1908.10084
    """
    if whole(batch=batch) < 1:
        raise ValueError(f"batch must be a positive integer, got {batch}")
    told = f"texts must be a sequence of strings, got {texts!r:.80}"
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise TypeError(told)
    texts = list(texts)  # an iterator can be read but once
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(told)
    gain = encoder.parameters["embeddings.LayerNorm.weight"]
    xp, device = array_api_compat.array_namespace(gain), array_api_compat.device(gain)
    tokens = [text.ids for text in encoder.tokenizer.encode_batch(texts)]
    order = sorted(range(len(tokens)), key=lambda at: len(tokens[at]))
    found = [xp.empty((0, gain.shape[-1]), dtype=gain.dtype, device=device)]
    for start in range(0, len(order), batch):
        ids, mask = _padded([tokens[at] for at in order[start : start + batch]])
        mask = xp.asarray(mask, device=device)
        x = bert(
            encoder.parameters,
            xp.asarray(ids, device=device),
            mask=mask,
            heads=encoder.heads,
            epsilon=encoder.epsilon,
            attend=attend,
        )
        found.append(unit_rows(mean_pool(x, mask), xp=xp))
    back = xp.asarray(np.argsort(np.asarray(order, dtype=np.int64)), device=device)
    return xp.take(xp.concat(found, axis=0), back, axis=0)


def mean_pool(x: Any, mask: Any) -> Any:
    """The mean of the tokens that there are.

    Parameters
    ----------
    x : array, shape (..., n, c)
        Tokens.
    mask : boolean array, shape (..., n)
        True at tokens, False at padding.

    Returns
    -------
    mean : array, shape (..., c)
        Zeros where `mask` is nowhere True.

    Raises
    ------
    TypeError
        If x and `mask` are of several libraries.
    """
    xp = array_api_compat.array_namespace(x, mask)
    seen = xp.astype(mask, x.dtype)[..., None]  # (..., n, 1)
    count = xp.sum(seen, axis=-2)
    return xp.sum(xp.where(mask[..., None], x, 0.0), axis=-2) / xp.where(count == 0, 1.0, count)


def _padded(tokens: Sequence[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Texts as rows of one array, with zeros at their ends, and where there is none."""
    longest = max(map(len, tokens))
    ids = np.asarray([row + [0] * (longest - len(row)) for row in tokens], dtype=np.int64)
    return ids, np.arange(longest) < np.asarray([[len(row)] for row in tokens])
