"""What models are held against: how often tokens, or pairs of tokens, were in the training customers' purchases.

    unigram   p(x) = (count(x) + 1) / (sum + V)
    bigram    p(y | x) = (count(x, y) + 1) / (count(x) + V)

One is added to every count (Laplace's rule of succession), so that nothing is impossible.
"""

import numpy as np

from factorattn.experiment.transactions.tokens import NEXT_CUSTOMER

__all__ = ["bigram", "nats_per_purchase", "unigram"]


def unigram(tokens: np.ndarray, vocabulary: int) -> np.ndarray:
    """Logarithms of the probabilities of tokens (vocabulary,) from a sequence; its first token is given."""
    counts = np.bincount(tokens[1:], minlength=vocabulary) + 1.0
    return np.log(counts / counts.sum())


def bigram(tokens: np.ndarray, vocabulary: int) -> np.ndarray:
    """Logarithms of the probabilities of tokens after each token: (vocabulary, vocabulary), the next one in columns."""
    pairs = np.bincount(tokens[:-1] * vocabulary + tokens[1:], minlength=vocabulary**2) + 1.0
    counts = pairs.reshape(vocabulary, vocabulary)
    return np.log(counts / counts.sum(axis=1, keepdims=True))


def nats_per_purchase(nats: np.ndarray, targets: np.ndarray) -> float:
    """The sum of -log p of all targets, divided by how many of them are purchases.

    Ends of histories are paid for, too: a model has to say when a customer buys no more.
    """
    return float(np.sum(nats, dtype=np.float64) / np.count_nonzero(targets != NEXT_CUSTOMER))
