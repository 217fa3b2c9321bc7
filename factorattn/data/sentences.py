"""Sentences of a novel, read from the package."""

from importlib.resources import files
from typing import NamedTuple

import numpy as np

__all__ = ["N_SENTENCES", "PASSAGE", "SOURCE", "Sentences", "load_sentences"]

PASSAGE = 7
"""Sentences stored of each chapter: the first ones in a row, of 4 to 50 words each."""

N_SENTENCES = 61 * PASSAGE
"""Sentences stored."""

SOURCE = "Jane Austen, Pride and Prejudice (1813), as in the Debian package r-cran-janeaustenr 1.0.0: public domain."


class Sentences(NamedTuple):
    """Sentences in the order of the novel, and the chapters they are from.

    Attributes
    ----------
    text : tuple of str
    chapter : ndarray
        Numbers from 1 on; each has `PASSAGE` sentences in a row.
    """

    text: tuple[str, ...]
    chapter: np.ndarray

    def pairs(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return pairs of sentences by kind, those that have most to do with each other first.

        Returns
        -------
        dict of (ndarray, ndarray)
            Numbers of the first and of the second sentences. "next": a sentence and the one after it; "near": and the
            third one after it, of the same passage; "far": and the one at its place in a chapter nearly halfway round
            the novel, whose first chapter follows on its last; none, if there are fewer than three chapters. No pair
            comes twice, in either order.
        """
        number = np.arange(len(self.text))
        found = {}
        for kind, step in (("next", 1), ("near", 3)):
            first = number[: len(number) - step]
            first = first[self.chapter[first] == self.chapter[first + step]]
            found[kind] = (first, first + step)
        chapters = len(np.unique(self.chapter))
        step = (chapters - 1) // 2 * PASSAGE  # less than half: half of an even number, and back, is the same pair
        first = number if step else number[:0]
        return found | {"far": (first, (first + step) % max(len(number), 1))}


def load_sentences() -> Sentences:
    """Return a passage of seven sentences from the opening of every chapter of a novel.

    Returns
    -------
    Sentences
        427 sentences from the 61 chapters of Jane Austen's "Pride and Prejudice".

    Notes
    -----
    A passage is the first seven sentences in a row that have 4 to 50 words each; it may begin in the middle of a
    conversation, and quotation marks need not be in pairs. ``tools/make_sentences.py`` makes the file.

    Examples
    --------
    >>> from factorattn.data import load_sentences
    >>> sentences = load_sentences()
    >>> sentences.text[3]
    'Mr. Bennet replied that he had not.'
    >>> {kind: len(first) for kind, (first, second) in sentences.pairs().items()}
    {'next': 366, 'near': 244, 'far': 427}
    """
    lines = (files("factorattn.data") / "sentences.txt").read_text(encoding="utf-8").splitlines()
    chapters, text = zip(*(line.split("\t") for line in lines), strict=True)
    return Sentences(text, np.asarray([int(chapter) for chapter in chapters]))
