"""Sequence to sequence: a source is read, and a target written word by word; and how words are chosen, and how likely.

`cho` and `sutskever` hand the decoder one vector, `bahdanau` and `luong` let it look at the source. Each is a function
from a source and a target to logits; with ``_encode`` and ``_step`` behind its name it goes step by step, which is what
`greedy`, `sample` and `beam_search` follow.
"""

from factorattn.model.seq2seq.bahdanau import bahdanau, bahdanau_encode, bahdanau_parameters, bahdanau_step
from factorattn.model.seq2seq.beam import Beam, beam_search, repeat_rows
from factorattn.model.seq2seq.cho import cho, cho_encode, cho_parameters, cho_step
from factorattn.model.seq2seq.decoding import Decoded, greedy, sample
from factorattn.model.seq2seq.drawing import score_parameters
from factorattn.model.seq2seq.luong import luong, luong_encode, luong_parameters, luong_step
from factorattn.model.seq2seq.luong_attention import Luong
from factorattn.model.seq2seq.probability import (
    cross_entropy,
    log_probabilities,
    perplexity,
    sequence_log_probability,
    shift,
    token_log_probability,
)
from factorattn.model.seq2seq.sutskever import sutskever, sutskever_encode, sutskever_parameters, sutskever_step

__all__ = [
    "Beam",
    "Decoded",
    "Luong",
    "bahdanau",
    "bahdanau_encode",
    "bahdanau_parameters",
    "bahdanau_step",
    "beam_search",
    "cho",
    "cho_encode",
    "cho_parameters",
    "cho_step",
    "cross_entropy",
    "greedy",
    "log_probabilities",
    "luong",
    "luong_encode",
    "luong_parameters",
    "luong_step",
    "perplexity",
    "repeat_rows",
    "sample",
    "score_parameters",
    "sequence_log_probability",
    "shift",
    "sutskever",
    "sutskever_encode",
    "sutskever_parameters",
    "sutskever_step",
    "token_log_probability",
]
