"""How well a model predicts the purchases of customers it has never seen, and how much of that is the future's doing.

    held_out    nats per purchase, over all tokens of all windows
    last        nats per token behind a window, which no model can have seen
    inside      of the same tokens where they lie inside of a window, with others behind them
    seen_ahead  mean change of |log p| in the first half of a window when the second half becomes another one

A model that sees no future has a `seen_ahead` of zero up to rounding.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from factorattn.experiment.transactions.baseline import nats_per_purchase
from factorattn.experiment.transactions.data import Streams

__all__ = ["Quality", "quality"]

LASTS = 64
AT_ONCE = 2**16  # tokens


class Quality(NamedTuple):
    """The figures above."""

    held_out: float
    last: float
    inside: float
    seen_ahead: float


def quality(predict: Callable[[np.ndarray], Any], streams: Streams, n: int, *, lasts: int = LASTS) -> Quality:
    """Hold a model against those held out, in windows of n.

    Parameters
    ----------
    predict : callable
        Tokens (b, n) to logarithms of probabilities (b, n, vocabulary) of the tokens that follow.
    streams : Streams
    n : int
    lasts : int
        How many tokens behind windows.
    """
    tokens, targets = streams.windows(n, held_out=True)
    rows = max(1, AT_ONCE // n)
    found = [_nats(predict(x), y) for x, y in _batches(tokens, targets, rows)]
    nats = np.concatenate(found)  # (windows, n)
    windows, places = streams.lasts(n, lasts)
    behind = [_nats(predict(x)[:, -1:], y) for x, y in _batches(windows, streams.test[places][:, None], rows)]
    return Quality(
        held_out=nats_per_purchase(nats, targets),
        last=float(np.mean(np.concatenate(behind), dtype=np.float64)),
        inside=float(np.mean(nats.reshape(-1)[places - 1], dtype=np.float64)),
        seen_ahead=_seen_ahead(predict, tokens[:1], targets[:1], streams.learn[:n][None, :]),
    )


def _seen_ahead(predict, tokens, targets, others):
    """How far the first half's log probabilities move when the second half is that of others."""
    half = tokens.shape[1] // 2
    changed = np.concatenate([tokens[:, :half], others[:, half:]], axis=1)
    before, after = (_nats(predict(x)[:, :half], targets[:, :half]) for x in (tokens, changed))
    return float(np.mean(np.abs(after - before), dtype=np.float64))


def _nats(log_p, targets):
    return -np.take_along_axis(log_p, targets[..., None], axis=-1)[..., 0]


def _batches(x, y, rows):
    return [(x[i : i + rows], y[i : i + rows]) for i in range(0, len(x), rows)]
