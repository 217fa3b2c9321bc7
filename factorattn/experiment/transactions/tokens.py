"""Purchases as words: one token for each purchase, and one that says that the next customer begins.

    0                                  the next customer: nothing more is bought until the observation ends
    1 + gap * (amounts) + amount       a purchase; gap 0 is that of a first one, and gap 1 the same day as the last

Days since the last purchase and amounts paid are cut at quantiles of the purchases that bins are made of, the training
customers' alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from factorattn.data.cdnow import Purchases

__all__ = ["NEXT_CUSTOMER", "Bins", "make_bins", "split_customers", "stream"]

NEXT_CUSTOMER = 0
FIRST, SAME_DAY = 0, 1  # kinds of gaps that are no quantiles


@dataclass(frozen=True)
class Bins:
    """Where days and amounts are cut: a value on an edge belongs to the bin above it.

    Attributes
    ----------
    days : tuple of int
        Ascending; the first is 1, above the same day.
    cents : tuple of int
        Ascending.
    """

    days: tuple[int, ...]
    cents: tuple[int, ...]

    @property
    def gaps(self) -> int:
        """Kinds of gaps: none before, the same day, and between the edges."""
        return len(self.days) + 2

    @property
    def amounts(self) -> int:
        """Kinds of amounts."""
        return len(self.cents) + 1

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return 1 + self.gaps * self.amounts

    def tokens(self, day: np.ndarray, cents: np.ndarray, first: np.ndarray) -> np.ndarray:
        """The tokens of purchases in order, of which those where `first` is True are their customers' first."""
        gap = SAME_DAY + np.searchsorted(self.days, np.diff(day, prepend=day[:1]), side="right")
        amount = np.searchsorted(self.cents, cents, side="right")
        return 1 + np.where(first, FIRST, gap) * self.amounts + amount


def make_bins(customers: Sequence[Purchases], *, gaps: int = 8, amounts: int = 8) -> Bins:
    """Bins that hold about equally many purchases of these customers; fewer where quantiles fall on one value.

    Parameters
    ----------
    customers : sequence of Purchases
    gaps : int
        Bins of the days from 1 on, from 1.
    amounts : int
        Bins of what was paid, from 1.
    """
    days = np.concatenate([np.diff(customer.day) for customer in customers])
    cents = np.concatenate([customer.cents for customer in customers])
    return Bins((1, *_edges(days[days > 0], gaps, above=1)), _edges(cents, amounts))


def split_customers(
    customers: Sequence[Purchases], *, held_out: float, rng: np.random.Generator
) -> tuple[list[Purchases], list[Purchases]]:
    """Customers to learn from and customers to test on, a share `held_out` drawn at random; both keep their order."""
    test = np.zeros(len(customers), bool)
    test[rng.permutation(len(customers))[: round(held_out * len(customers))]] = True
    parts = ([c for c, out in zip(customers, test, strict=True) if out == kind] for kind in (False, True))
    learn, hold = parts
    return learn, hold


def stream(customers: Sequence[Purchases], bins: Bins) -> np.ndarray:
    """All customers' histories, one after the other, as one sequence of int64 tokens that begins and ends with 0."""
    starts = np.cumsum([0, *(len(customer.day) for customer in customers)])
    day, cents = (np.concatenate([getattr(customer, name) for customer in customers]) for name in ("day", "cents"))
    first = np.zeros(len(day), bool)
    first[starts[:-1]] = True
    return np.insert(bins.tokens(day, cents, first), starts, NEXT_CUSTOMER).astype(np.int64)


def _edges(values: np.ndarray, bins: int, *, above: int | None = None) -> tuple[int, ...]:
    """Inner quantiles, each once, and only those that leave something below them (from `above` on)."""
    if not len(values):
        return ()
    least = values.min() if above is None else above
    inner = np.ceil(np.quantile(values, np.arange(1, bins) / bins)).astype(np.int64)
    return tuple(int(edge) for edge in np.unique(inner) if edge > least)
