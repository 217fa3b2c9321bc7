"""Purchases of real customers, read from the package."""

from importlib.resources import files
from typing import NamedTuple

import numpy as np

__all__ = ["N_DAYS", "Cdnow", "Purchases", "load_cdnow"]

N_DAYS = 546
"""Days observed, 1997-01-01 (day 0) to 1998-06-30 (day 545); what a customer did later is not known."""


class Purchases(NamedTuple):
    """Purchases of one customer in order of time, as three integer arrays of one length.

    Attributes
    ----------
    day : ndarray
        Days since 1997-01-01; never decreasing, and equal for purchases of the same day.
    quantity : ndarray
        CDs bought.
    cents : ndarray
        Price paid, in US cents.
    """

    day: np.ndarray
    quantity: np.ndarray
    cents: np.ndarray


class Cdnow(NamedTuple):
    """Purchases of all customers, as four integer arrays of one length; row i is one purchase.

    Attributes
    ----------
    customer : ndarray
        Number of the customer, from 1 on.
    day, quantity, cents : ndarray
        As in `Purchases`.
    """

    customer: np.ndarray
    day: np.ndarray
    quantity: np.ndarray
    cents: np.ndarray

    def per_customer(self) -> list[Purchases]:
        """Return one sequence per customer, by customer number; same-day purchases keep their order.

        To predict the next purchase, pair each element of a sequence with its successor; the last one has none before
        the observation ends, which is ``N_DAYS - 1 - day[-1]`` days later. To split by time, keep ``day < t`` for
        learning: every customer has bought by day 83, and the literature learns on 39 weeks, ``t = 273``.
        """
        order = np.lexsort((self.day, self.customer))  # a stable sort
        starts = np.flatnonzero(np.diff(self.customer[order])) + 1
        columns = [np.split(column[order], starts) for column in self[1:]]
        return [Purchases(*purchases) for purchases in zip(*columns, strict=True)]

    def time_ordered(self) -> "Cdnow":
        """Return all customers' purchases as one long sequence in order of day.

        The source has no time of day: same-day purchases are in order of customer number, and one customer's keep
        their order. Positions within a day hence tell the customer's number, not who was first.
        """
        order = np.argsort(self.day, kind="stable")
        return Cdnow(*(column[order] for column in self))


def load_cdnow() -> Cdnow:
    """Return every purchase of a cohort of new customers of the CD shop CDNOW.

    These are all 69,659 purchases, up to the end of June 1998, of the 23,570 people who first bought in the first
    quarter of 1997. 11,908 of them bought once; the busiest one, 217 times.

    Returns
    -------
    Cdnow
        Fresh int64 arrays of shape (69659,) in the order of the source: by customer, then by day. One customer's
        purchases of the same day are in the source's order, whose meaning is not documented. Rows that look the same
        (255 repeat an earlier one) are kept as purchases, as are the 80 of price 0.

    Notes
    -----
    Source: the file ``CDNOW_master.txt`` of the PyPI package lifetimes 0.11.3 (MIT), the "CDNOW master data set" of
    P. S. Fader and B. G. S. Hardie [1]_. Nothing was left out or changed but the units.

    References
    ----------
    .. [1] P. S. Fader and B. G. S. Hardie, "Notes on the CDNOW Master Data Set", 2013,
       http://brucehardie.com/notes/026/

    Examples
    --------
    >>> from factorattn.data import load_cdnow
    >>> cdnow = load_cdnow()
    >>> cdnow.per_customer()[1]
    Purchases(day=array([11, 11]), quantity=array([1, 5]), cents=array([1200, 7700]))
    """
    with (
        (files("factorattn.data") / "cdnow.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        # Stored narrow; int64, so that no sum or product of theirs wraps around.
        return Cdnow(*(stored[name].astype(np.int64) for name in Cdnow._fields))
