"""Standard deviations of weights at the start, by name, from Glorot and Bengio 2010 and Huang et al. 2020."""

import math


def xavier(out, into):
    return math.sqrt(2 / (out + into))


def t_fixup(name, shape, encoder_layers, decoder_layers, c, shared):
    """Of a weight of an encoder-decoder, by its name and shape."""
    parts = name.split(".")
    if parts[-1] == "bias":
        return 0.0
    if parts[-2] == "tokens":
        layers = encoder_layers if parts[0] == "source" or shared else decoder_layers
        return (9 * layers) ** (-1 / 4) * c ** (-1 / 2)
    deviation = xavier(*shape)
    if parts[-2] in ("query", "key") or parts[0] == "output":
        return deviation
    assert parts[-2] in ("value", "output", "in", "out"), name
    if parts[0] == "encoder":
        return 0.67 * encoder_layers ** (-1 / 4) * deviation
    return (9 * decoder_layers) ** (-1 / 4) * deviation
