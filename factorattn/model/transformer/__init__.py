"""The Transformer (Vaswani et al. 2017), with any mechanism of the catalogue in any place where it attends.

encoder             tokens that ask each other; with causal=True, earlier ones
decoder             tokens that ask earlier ones, and a memory
transformer         both: numbers of source and target tokens in, logits out
language_model      the decoder alone
"""

from factorattn.model.transformer.decoder import decoder, decoder_parameters
from factorattn.model.transformer.decoder_only import language_model, language_model_parameters
from factorattn.model.transformer.decoding import language_model_step, transformer_cache, transformer_step
from factorattn.model.transformer.encoder import encoder, encoder_parameters
from factorattn.model.transformer.encoder_decoder import transformer, transformer_parameters
from factorattn.model.transformer.parameters import slot_parameters
from factorattn.model.transformer.slot import Slot

__all__ = [
    "Slot",
    "decoder",
    "decoder_parameters",
    "encoder",
    "encoder_parameters",
    "language_model",
    "language_model_parameters",
    "language_model_step",
    "slot_parameters",
    "transformer",
    "transformer_cache",
    "transformer_parameters",
    "transformer_step",
]
