"""An encoder as it is, with other mechanisms, with factors, and with both: a row each."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from factorattn.attention import softmax_attention
from factorattn.experiment.swap.factors import Choice, factored_encoder
from factorattn.experiment.swap.moved import Moved, moved
from factorattn.experiment.swap.seat import letters, seat
from factorattn.experiment.swap.whole import encode_whole
from factorattn.factor.factored.base import entries_of, flops_of
from factorattn.model.sentence_encoder import SentenceEncoder

__all__ = ["Row", "Study", "study"]


@dataclass(frozen=True, eq=False)
class Row:
    """One changed encoder.

    Parameters
    ----------
    mechanism, factorization : str or None
        What was changed; a mechanism with the sizes it was given.
    vectors : ndarray, shape (texts, c)
    moved : Moved
        From the encoder as it is.
    parameters : int
        Numbers that all its weights keep.
    flops : int
        Operations of one token through all matrices but the tables; attention between tokens is not among them.
    seconds : float
        Of encoding all texts, once.
    """

    mechanism: str | None
    factorization: str | None
    vectors: np.ndarray
    moved: Moved
    parameters: int
    flops: int
    seconds: float

    @property
    def label(self) -> str:
        """What was changed, in one line."""
        return " + ".join(part for part in (self.mechanism, self.factorization) if part)


@dataclass(frozen=True, eq=False)
class Study:
    """The encoder as it is, and a row for each change."""

    texts: tuple[str, ...]
    tokens: tuple[int, ...]
    vectors: np.ndarray
    parameters: int
    flops: int
    seconds: float
    rows: tuple[Row, ...]
    left_out: tuple[tuple[str, str], ...]


def study(
    encoder: SentenceEncoder,
    texts: Sequence[str],
    mechanisms: Sequence[Callable] = (),
    choices: Sequence[Choice] = (),
    *,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
    step: Callable[[str], None] = lambda text: None,
) -> Study:
    """Encode texts with an encoder as it is, and with every change.

    Parameters
    ----------
    encoder : SentenceEncoder
        Of NumPy arrays.
    texts : sequence of str
    mechanisms : sequence of callable
        Each in place of the attention of every layer.
    choices : sequence of Choice
        Each factorization, with the attention as it is and with each mechanism.
    sizes : mapping of str to int, optional
        Of the knobs of mechanisms, by letter; each takes those that it has.
    seed : int
        For mechanisms that draw.
    step : callable
        Told what comes next.

    Returns
    -------
    Study
        A change that these texts do not allow is in `left_out`, with the reason.

    Raises
    ------
    Misfit
        If a mechanism cannot sit there at all: before anything is encoded.
    ValueError
        If a factorization cannot be done.
    """
    texts, sizes = tuple(texts), dict(sizes or {})
    attends: dict[str | None, Callable] = {None: softmax_attention}
    for f in mechanisms:
        own = {letter: size for letter, size in sizes.items() if letter in letters(f)}
        attends[_named(f, own)] = seat(f, own, seed=seed)
    tokens = tuple(len(text.ids) for text in encoder.tokenizer.encode_batch(list(texts)))
    step("the encoder as it is")
    base, seconds = _timed(lambda: encode_whole(encoder, texts))
    rows: list[Row] = []
    left_out: list[tuple[str, str]] = []
    for choice, changed in _encoders(encoder, choices, step):
        for mechanism, attend in attends.items():
            if choice is None and mechanism is None:
                continue
            factored = choice.label if choice else None
            label = " + ".join(part for part in (mechanism, factored) if part)
            step(label)
            try:
                vectors, took = _timed(lambda: encode_whole(changed, texts, attend=attend))  # noqa: B023  (called here)
            except ValueError as error:
                left_out.append((label, str(error)))
                continue
            rows.append(Row(mechanism, factored, vectors, moved(base, vectors), *_size(changed), took))
    return Study(texts, tokens, base, *_size(encoder), seconds, tuple(rows), tuple(left_out))


def _encoders(
    encoder: SentenceEncoder, choices: Sequence[Choice], step: Callable[[str], None]
) -> Iterator[tuple[Choice | None, SentenceEncoder]]:
    yield None, encoder
    for choice in choices:
        yield choice, factored_encoder(encoder, choice, step=step)


def _named(f: Callable, sizes: Mapping[str, int]) -> str:
    return " ".join([f.__name__, *(f"{letter}={size}" for letter, size in sizes.items())])


def _size(encoder: SentenceEncoder) -> tuple[int, int]:
    """Numbers kept, and operations of a token."""
    numbers = sum(map(entries_of, encoder.parameters.values()))
    matrices = [w for name, w in encoder.parameters.items() if w.ndim == 2 and not name.startswith("embeddings.")]
    return numbers, sum(map(flops_of, matrices))


def _timed(call: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    begun = time.perf_counter()
    out = call()
    return out, time.perf_counter() - begun
