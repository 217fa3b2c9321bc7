"""Phrases of dates as numbers: days to learn from and days held out, characters as ids, batches without end.

    "3 May 1997"  ->  source (n,)        "1997-05-03"  ->  target (12,), from BEGIN to END

The split is by date: no phrase of a held-out day is ever trained on, in either language.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from factorattn.experiment.dates.phrases import CHARACTERS, Phrase, draw_phrase
from factorattn.scalars import generator, whole

__all__ = [
    "ANSWER",
    "BEGIN",
    "END",
    "FIRST_DAY",
    "LAST_DAY",
    "PAD",
    "SYMBOLS",
    "VOCABULARY",
    "Batches",
    "Days",
    "answers",
    "draw_phrases",
    "sources",
    "split_days",
    "targets",
]

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2099, 12, 31)
PAD, BEGIN, END = 0, 1, 2
POOL = 4  # batches whose phrases are sorted by length together
SYMBOLS = ("", "<", ">", *CHARACTERS)  # by their ids; padding, begin and end have signs of their own
VOCABULARY = len(SYMBOLS)
ANSWER = len("1997-05-03") + 1  # characters of an answer and its end
_IDS = {character: at for at, character in enumerate(SYMBOLS) if at > END}


class Days(NamedTuple):
    """Dates to learn from, and dates held out, as numbers of `datetime.date.toordinal`."""

    learned: np.ndarray
    held_out: np.ndarray


def split_days(*, share: float = 0.1, rng: Any = 0) -> Days:
    """Every day from `FIRST_DAY` to `LAST_DAY`, a share of them held out."""
    days = np.arange(FIRST_DAY.toordinal(), LAST_DAY.toordinal() + 1)
    if not 0 < share < 1:
        raise ValueError(f"share must be above 0 and below 1, got {share}")
    out = generator(rng).permutation(len(days))[: round(share * len(days))]
    kept = np.ones(len(days), dtype=bool)
    kept[out] = False
    return Days(days[kept], days[~kept])


def draw_phrases(days: np.ndarray, number: int, rng: np.random.Generator) -> list[Phrase]:
    """So many phrases of days that are drawn alike."""
    chosen = days[rng.integers(len(days), size=number)]
    return [draw_phrase(date.fromordinal(int(day)), rng) for day in chosen]


def sources(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Ids (b, n) of the characters of texts, and a mask (b, n) that is True at characters, not at padding.

    Raises
    ------
    ValueError
        If a text is empty, or has a character that no phrase has; it is named.
    """
    for text in texts:
        unknown = "".join(dict.fromkeys(character for character in text if character not in _IDS))
        if unknown or not text:
            told = f"holds {unknown!r}, which no phrase has" if text else "is empty"
            raise ValueError(f"the phrase {text!r} {told}")
    longest = max(map(len, texts))
    ids = np.asarray([[_IDS[character] for character in text] + [PAD] * (longest - len(text)) for text in texts])
    return ids, ids != PAD


def targets(isos: Sequence[str]) -> np.ndarray:
    """Ids (b, ANSWER + 1): BEGIN, the characters of a date YYYY-MM-DD, END."""
    return np.asarray([[BEGIN, *(_IDS[character] for character in iso), END] for iso in isos])


def answers(ids: np.ndarray) -> list[str]:
    """Texts of rows of ids, each up to its END; what is no character shows as its sign."""
    found = []
    for row in np.asarray(ids).tolist():
        row = row[: row.index(END)] if END in row else row
        found.append("".join(SYMBOLS[at] or "_" for at in row))
    return found


@dataclass(frozen=True)
class Batches:
    """Endless batches of phrases of given days, as `factorattn.experiment.loop.train` takes them.

    Phrases are drawn for `POOL` batches at once and dealt out by length, so that little is padding; the batches of a
    pool come in an order of their own.

    Attributes
    ----------
    days : ndarray
    size : int
        Phrases in a batch.
    """

    days: np.ndarray
    size: int

    def __post_init__(self) -> None:
        if whole(size=self.size) < 1:
            raise ValueError(f"size must be positive, got {self.size}")

    def start(self, rng: np.random.Generator) -> dict[str, Any]:
        """The seed of the first pool, and its first batch."""
        return {"pool": int(rng.integers(2**62)), "at": 0}

    def take(self, rng: np.random.Generator, place: dict[str, Any]) -> tuple[tuple[np.ndarray, ...], dict[str, Any]]:
        """Sources (b, n), their mask (b, n) and targets (b, ANSWER + 1)."""
        own = np.random.default_rng(place["pool"])  # drawn again for each batch: a place is two numbers, not a pool
        order = own.permutation(POOL)
        pool = sorted(draw_phrases(self.days, POOL * self.size, own), key=lambda phrase: len(phrase.text))
        at = int(order[place["at"]]) * self.size
        phrases = pool[at : at + self.size]
        ids, mask = sources([phrase.text for phrase in phrases])
        last = place["at"] + 1 == POOL
        place = self.start(rng) if last else {"pool": place["pool"], "at": place["at"] + 1}
        return (ids, mask, targets([phrase.iso for phrase in phrases])), place
