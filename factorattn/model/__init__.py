"""Models: pure functions of parameters, which are held in plain dicts; every matrix of theirs may be factored.

`bert` is an encoder; `encode` turns sentences into vectors with it, and `read_sentence_encoder` reads a pretrained one.
"""

from factorattn.model.bert import bert
from factorattn.model.reading import read_sentence_encoder
from factorattn.model.sentence_encoder import SentenceEncoder, encode, mean_pool

__all__ = ["SentenceEncoder", "bert", "encode", "mean_pool", "read_sentence_encoder"]
