"""What models are trained on and held against: windows of two streams of tokens, of customers who are not the same."""

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from factorattn.data import load_cdnow
from factorattn.experiment.transactions.baseline import bigram, nats_per_purchase, unigram
from factorattn.experiment.transactions.tokens import NEXT_CUSTOMER, Bins, make_bins, split_customers, stream

__all__ = ["Streams", "make_streams"]

HELD_OUT = 0.2


@dataclass(frozen=True)
class Streams:
    """Two streams, of which windows are cut; all lengths share the same tokens.

    Attributes
    ----------
    learn, test : ndarray of int64
        Tokens of the training customers and of those held out, from `factorattn.experiment.transactions.stream`.
    bins : Bins
    customers : tuple of int
        How many there are in each.
    longest : int
        The longest window: a multiple of all others.
    """

    learn: np.ndarray
    test: np.ndarray
    bins: Bins
    customers: tuple[int, int]
    longest: int

    def windows(self, n: int, *, held_out: bool) -> tuple[np.ndarray, np.ndarray]:
        """Tokens and targets, the tokens a place further: two arrays (windows, n)."""
        tokens = self.test if held_out else self.learn
        whole = (len(tokens) - 1) // self.longest * self.longest
        return tokens[:whole].reshape(-1, n), tokens[1 : whole + 1].reshape(-1, n)

    def lasts(self, n: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Windows (count, n) of those held out, and the place of the token behind each: the same for every n."""
        whole = (len(self.test) - 1) // self.longest * self.longest
        places = np.unique(np.linspace(self.longest, whole, count).round().astype(np.int64))
        return np.stack([self.test[place - n : place] for place in places]), places

    @cached_property
    def baselines(self) -> dict[str, float]:
        """Nats per purchase of the tables of `factorattn.experiment.transactions.baseline`, on the held-out windows."""
        x, y = (part.reshape(-1) for part in self.windows(self.longest, held_out=True))
        one, two = (table(self.learn, self.bins.vocabulary) for table in (unigram, bigram))
        return {"unigram": nats_per_purchase(-one[y], y), "bigram": nats_per_purchase(-two[x, y], y)}

    @property
    def counts(self) -> dict[str, int]:
        """How many customers, purchases and tokens there are, and how many are predicted."""
        _, y = self.windows(self.longest, held_out=True)
        found = {"vocabulary": self.bins.vocabulary}
        for name, tokens, customers in zip(
            ("training", "held_out"), (self.learn, self.test), self.customers, strict=True
        ):
            found |= {f"{name}_customers": customers, f"{name}_tokens": len(tokens)}
            found[f"{name}_purchases"] = int(np.count_nonzero(tokens != NEXT_CUSTOMER))
        return found | {"predicted_tokens": y.size, "predicted_purchases": int(np.count_nonzero(y != NEXT_CUSTOMER))}

    @property
    def checksum(self) -> str:
        """Of all tokens."""
        return hashlib.sha256(self.learn.tobytes() + b"|" + self.test.tobytes()).hexdigest()


@lru_cache(maxsize=4)
def make_streams(lengths: tuple[int, ...], *, seed: int) -> Streams:
    """The embedded purchases, a fifth of the customers held out, for windows of these lengths.

    Raises
    ------
    ValueError
        If a length does not divide the longest one, or is longer than the stream of those held out.
    """
    longest = max(lengths)
    for n in lengths:
        if n < 2 or longest % n:
            raise ValueError(f"lengths must be 2 or more and divide the longest, {longest}, got {n}")
    learn, test = split_customers(load_cdnow().per_customer(), held_out=HELD_OUT, rng=np.random.default_rng(seed))
    bins = make_bins(learn)
    streams = Streams(stream(learn, bins), stream(test, bins), bins, (len(learn), len(test)), longest)
    if longest >= len(streams.test):
        raise ValueError(f"lengths must be below {len(streams.test)}, the tokens of customers held out, got {longest}")
    return streams
