"""Models: pure functions of parameters, which are held in plain nested dicts; every matrix of theirs may be factored.

The map:

    factorattn.model.recurrent    hidden to hidden, output to hidden, LSTM, GRU; both directions; truncated gradients
    factorattn.model.seq2seq      a context vector; attention by any score; greedy and beam search; probabilities
    factorattn.model.transformer  encoder, decoder, both, with any mechanism in any place; caches
    factorattn.model.initialize   Xavier, orthogonal, T-Fixup
    factorattn.model.optimizer    SGD, Adam, AdamW, RAdam; clipping
    factorattn.model.schedule     Noam, linear, exponential, untuned warm-ups, inverse square root
    factorattn.model.saving       parameters in files

`bert` is an encoder; `encode` turns sentences into vectors with it, and `read_sentence_encoder` reads a pretrained one.
"""

from factorattn.model.bert import bert
from factorattn.model.reading import read_sentence_encoder
from factorattn.model.saving import load_metadata, load_parameters, save_parameters
from factorattn.model.sentence_encoder import SentenceEncoder, encode, mean_pool

__all__ = [
    "SentenceEncoder",
    "bert",
    "encode",
    "load_metadata",
    "load_parameters",
    "mean_pool",
    "read_sentence_encoder",
    "save_parameters",
]
