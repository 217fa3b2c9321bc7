"""The decoder alone (Liu et al. 2018, Radford et al. 2018): a language model, each token told by the earlier ones.

logits_i = W stack(E[tokens up to i])_i,   p(token_(i+1) | tokens up to i) = softmax(logits_i)
"""

from collections.abc import Mapping, Sequence
from typing import Any

from factorattn.model.door import open_door
from factorattn.model.transformer.embedding import embedded, embedding_parameters, logits_of, output_parameters
from factorattn.model.transformer.encoder import encoder, encoder_parameters
from factorattn.model.transformer.slot import Slot
from factorattn.scalars import flag, generator

__all__ = ["language_model", "language_model_parameters"]


def language_model(
    parameters: Mapping[str, Any],
    ids: Any,
    *,
    heads: int,
    mask: Any | None = None,
    norm: str = "post",
    slot: Slot | Sequence[Slot] | None = None,
    activation: str = "relu",
    positions: str = "sinusoidal",
    scale: bool = True,
    epsilon: float = 1e-5,
) -> Any:
    """Logits of the next token after each token of a text.

    Parameters
    ----------
    parameters : mapping
        As `language_model_parameters` makes them; arrays of one library. Matrices may be factored.
    ids : integer array, shape (..., n)
        Numbers of tokens.
    heads : int
        Number of heads, which divides c.
    mask : boolean array, shape (..., n), optional
        True at tokens, False at padding.
    norm : {"post", "pre", "none"}
        Where layers are normalised.
    slot : Slot or sequence of Slot, optional
        What attends, in all layers or in each.
    activation : {"relu", "gelu"}
        Of the feed-forward sublayers.
    positions : {"sinusoidal", "learned", "axial", "none"}
        What is added to tell positions.
    scale : bool
        Multiply embeddings by sqrt(c) before positions are added.
    epsilon : float
        Added to variances.

    Returns
    -------
    logits : array, shape (..., n, vocabulary), dtype of the parameters
        Row i depends on no later token.

    Raises
    ------
    ValueError
        If shapes disagree, a number is not that of a token, there are more tokens than positions, an option is unknown,
        or the mechanism cannot be causal.
    TypeError
        If numbers are not integers, `mask` is not boolean, or arrays are of several libraries.

    References
    ----------
    Liu et al., "Generating Wikipedia by Summarizing Long Sequences", 2018: the Transformer decoder.
    arXiv:1801.10198
    """
    xp, dtype, parameters = open_door(parameters, ids, mask)
    table = parameters["embedding"]
    x = embedded(table, ids, positions=positions, scale=scale, name="ids", xp=xp)
    options: dict[str, Any] = {"heads": heads, "norm": norm, "activation": activation, "epsilon": epsilon}
    x = encoder(parameters["stack"], x, mask=mask, slot=slot, causal=True, **options)
    return xp.astype(logits_of(x, parameters, table, xp=xp), dtype, copy=False)


def language_model_parameters(
    vocabulary: int,
    layers: int,
    c: int,
    heads: int,
    hidden: int,
    *,
    norm: str = "post",
    slot: Slot | Sequence[Slot] | None = None,
    positions: str = "sinusoidal",
    length: int | tuple[int, int] | None = None,
    tied: bool = True,
    rng: Any = None,
    dtype: Any = "float64",
) -> dict[str, Any]:
    """Draw the parameters of a language model.

    Parameters
    ----------
    vocabulary : int
        Number of tokens.
    layers : int
    c : int
        Width of the model.
    heads : int
    hidden : int
        Hidden units of the feed-forward sublayers.
    norm, slot, positions
        As `language_model` will be told.
    length : int or (rows, columns), optional, only with positions that have a table
        The greatest number of tokens for "learned", the grid for "axial".
    tied : bool
        Let the table of tokens be the last layer, too; otherwise there is ``"output"``.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    dtype : data type
        Real floating.

    Returns
    -------
    dict of NumPy arrays
        ``{"embedding", "stack", "output"}``, the last only where weights are not tied.

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
    tables = {"positions": positions, "length": length, "rng": rng, "dtype": dtype}
    found = {
        "embedding": embedding_parameters(vocabulary, c, **tables),
        "stack": encoder_parameters(layers, c, heads, hidden, norm=norm, slot=slot, rng=rng, dtype=dtype),
    }
    if not flag(tied=tied):
        found["output"] = output_parameters(vocabulary, c, rng=rng, dtype=dtype)
    return found
