"""The whole Transformer (Vaswani et al. 2017): a source is read, and a target told token by token.

    memory = encoder(E_s[source]),   logits_i = W decoder(E_t[target up to i], memory)_i

Row i of the logits is for the token after target i: in training the target is shifted by one, with a first token that
says where it begins.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from factorattn.model.door import open_door
from factorattn.model.transformer.decoder import decoder, decoder_parameters
from factorattn.model.transformer.embedding import embedded, embedding_parameters, logits_of, output_parameters
from factorattn.model.transformer.encoder import encoder, encoder_parameters
from factorattn.model.transformer.slot import Slot
from factorattn.scalars import flag, generator

__all__ = ["transformer", "transformer_parameters"]


def transformer(
    parameters: Mapping[str, Any],
    source_ids: Any,
    target_ids: Any,
    *,
    heads: int,
    source_mask: Any | None = None,
    target_mask: Any | None = None,
    norm: str = "post",
    encoder_slot: Slot | Sequence[Slot] | None = None,
    slot: Slot | Sequence[Slot] | None = None,
    cross_slot: Slot | Sequence[Slot] | None = None,
    activation: str = "relu",
    positions: str = "sinusoidal",
    scale: bool = True,
    epsilon: float = 1e-5,
) -> Any:
    """Logits of the next token after each token of a target, given a source.

    Parameters
    ----------
    parameters : mapping
        As `transformer_parameters` makes them; arrays of one library. Matrices may be factored.
    source_ids : integer array, shape (..., m)
    target_ids : integer array, shape (..., n)
        Numbers of tokens; of the target, those that are known.
    heads : int
        Number of heads, which divides c.
    source_mask : boolean array, shape (..., m), optional
    target_mask : boolean array, shape (..., n), optional
        True at tokens, False at padding.
    norm : {"post", "pre", "none"}
        Where layers are normalised.
    encoder_slot, slot, cross_slot : Slot or sequence of Slot, optional
        What attends in the encoder, in the decoder to the target, and in the decoder to the source.
    activation : {"relu", "gelu"}
        Of the feed-forward sublayers.
    positions : {"sinusoidal", "learned", "axial", "none"}
        What is added to tell positions.
    scale : bool
        Multiply embeddings by sqrt(c) before positions are added, as the paper does.
    epsilon : float
        Added to variances.

    Returns
    -------
    logits : array, shape (..., n, vocabulary of the target), dtype of the parameters
        Row i depends on no later token of the target.

    Raises
    ------
    ValueError
        If shapes disagree, a number is not that of a token, there are more tokens than positions, an option is unknown,
        or a mechanism cannot stand where it is.
    TypeError
        If numbers are not integers, a mask is not boolean, or arrays are of several libraries.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, section 3. arXiv:1706.03762
    """
    xp, dtype, parameters = open_door(parameters, source_ids, target_ids, source_mask, target_mask)
    target = parameters["target"]
    told = {"positions": positions, "scale": scale, "xp": xp}
    options: dict[str, Any] = {"heads": heads, "norm": norm, "activation": activation, "epsilon": epsilon}
    source = embedded(parameters.get("source", target), source_ids, name="source_ids", **told)
    memory = encoder(parameters["encoder"], source, mask=source_mask, slot=encoder_slot, **options)
    x = embedded(target, target_ids, name="target_ids", **told)
    masks: dict[str, Any] = {"mask": target_mask, "memory_mask": source_mask}
    x = decoder(parameters["decoder"], x, memory, slot=slot, cross_slot=cross_slot, **masks, **options)
    return xp.astype(logits_of(x, parameters, target, xp=xp), dtype, copy=False)


def transformer_parameters(
    vocabulary: int | tuple[int, int],
    layers: int | tuple[int, int],
    c: int,
    heads: int,
    hidden: int,
    *,
    norm: str = "post",
    encoder_slot: Slot | Sequence[Slot] | None = None,
    slot: Slot | Sequence[Slot] | None = None,
    cross_slot: Slot | Sequence[Slot] | None = None,
    positions: str = "sinusoidal",
    length: int | tuple[int, int] | None = None,
    tied: bool = True,
    rng: Any = None,
    dtype: Any = "float64",
) -> dict[str, Any]:
    """Draw the parameters of a Transformer.

    Parameters
    ----------
    vocabulary : int or (int, int)
        Number of tokens: one, of a table that source and target share, as in the paper; or those of the source and of
        the target, with a table each.
    layers : int or (int, int)
        Layers of the encoder and of the decoder.
    c : int
        Width of the model.
    heads : int
    hidden : int
        Hidden units of the feed-forward sublayers.
    norm, encoder_slot, slot, cross_slot, positions
        As `transformer` will be told.
    length : int or (rows, columns), optional, only with positions that have a table
        The greatest number of tokens for "learned", the grid for "axial".
    tied : bool
        Let the table of the target be the last layer, too, as in the paper; otherwise there is ``"output"``.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    dtype : data type
        Real floating.

    Returns
    -------
    dict of NumPy arrays
        ``{"source", "target", "encoder", "decoder", "output"}``; the first only where there are two tables, the last
        only where weights are not tied.

    Raises
    ------
    ValueError
        If a size is out of range, `heads` does not divide c, an option is unknown, `dtype` is not real floating,
        there are not as many slots as layers, or a slot lacks the size of a letter; or if `length` is
        not what `positions` need.
    TypeError
        If a size is no integer, or `tied` is not boolean.
    """
    rng = generator(rng)
    source, target = vocabulary if isinstance(vocabulary, tuple) else (None, vocabulary)
    deep = layers if isinstance(layers, tuple) else (layers, layers)
    tables = {"positions": positions, "length": length, "rng": rng, "dtype": dtype}
    options = {"norm": norm, "rng": rng, "dtype": dtype}
    found = {} if source is None else {"source": embedding_parameters(source, c, **tables)}
    found["target"] = embedding_parameters(target, c, **tables)
    found["encoder"] = encoder_parameters(deep[0], c, heads, hidden, slot=encoder_slot, **options)
    found["decoder"] = decoder_parameters(deep[1], c, heads, hidden, slot=slot, cross_slot=cross_slot, **options)
    if not flag(tied=tied):
        found["output"] = output_parameters(target, c, rng=rng, dtype=dtype)
    return found
