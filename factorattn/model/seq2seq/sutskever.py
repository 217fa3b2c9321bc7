"""Sequence to sequence with deep LSTMs (Sutskever, Vinyals and Le 2014): the decoder goes on where the encoder stopped.

    s_0 = encoder(e(x_m), ..., e(x_1)),   s_t = decoder(e(y_{t-1}), s_{t-1})
    p(y_t | y_1 .. y_{t-1}, x) = softmax(W h_t + b),   h_t of the layer on top

The source is read backwards, so that its beginning is near the beginning of the target. Only the first state knows it.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from factorattn.contract import check_batches
from factorattn.model.door import open_door
from factorattn.model.initialize.layers import dense_parameters, table_parameters
from factorattn.model.layers import linear
from factorattn.model.recurrent.drawing import stacked_parameters
from factorattn.model.recurrent.stacked import stacked, stacked_step
from factorattn.model.recurrent.state import hidden_of
from factorattn.model.seq2seq.checks import count
from factorattn.model.seq2seq.engine import cell_of, words
from factorattn.model.seq2seq.probability import log_probabilities
from factorattn.scalars import flag, generator

__all__ = ["sutskever", "sutskever_encode", "sutskever_parameters", "sutskever_step"]


def sutskever(
    parameters: Mapping[str, Any],
    source: Any,
    inputs: Any,
    *,
    mask: Any | None = None,
    cell: str = "lstm",
    backwards: bool = True,
) -> Any:
    """Logits of every place of a target, given the source and the target before that place (teacher forcing).

    Parameters
    ----------
    parameters : mapping
        As `sutskever_parameters` draws them. Weights may be factored.
    source : integer array, shape (..., m)
        Tokens of the source.
    inputs : integer array, shape (..., n)
        The target one place later, a start token first: `shift` makes it. Its batch axes and those of the source
        broadcast.
    mask : boolean array, shape (..., m), optional
        True at tokens of the source, False at padding.
    cell : {"lstm", "gru"}
        Of all layers.
    backwards : bool
        Whether the source is read from its end.

    Returns
    -------
    logits : array, shape (..., n, v), dtype of the parameters
        Row t tells of the t-th token of the target, from those before it.

    Raises
    ------
    ValueError
        If shapes disagree, there is no row for a token, or an option is unknown.
    TypeError
        If tokens are not integers, or `mask` is not boolean.
    KeyError
        If a parameter is not there; it is named.

    Notes
    -----
    float16 and bfloat16 parameters are computed with in float32.

    References
    ----------
    Sutskever, Vinyals and Le, "Sequence to Sequence Learning with Neural Networks", 2014. arXiv:1409.3215
    """
    xp, dtype, parameters = open_door(parameters, source, inputs, mask)
    check_batches({"source": source.shape[:-1], "inputs": inputs.shape[:-1]})
    state = _encode(parameters, source, mask, cell, backwards, xp=xp)
    e = words(parameters, "inputs", inputs, xp=xp)
    h, _ = stacked(parameters["decoder"], e, state, network=cell_of(cell).network)
    return xp.astype(linear(h, parameters["output"], xp=xp), dtype, copy=False)


def sutskever_encode(
    parameters: Mapping[str, Any],
    source: Any,
    *,
    mask: Any | None = None,
    cell: str = "lstm",
    backwards: bool = True,
) -> list[Any]:
    """What `sutskever_step` starts from.

    Parameters
    ----------
    parameters : mapping
        As in `sutskever`.
    source : integer array, shape (..., m)
        Tokens of the source.
    mask : boolean array, shape (..., m), optional
        True at tokens of the source, False at padding.
    cell : {"lstm", "gru"}
        As in `sutskever`.
    backwards : bool
        As in `sutskever`.

    Returns
    -------
    list
        The state of each layer: (h, c) of an LSTM, h of a GRU, arrays of shape (..., hidden).

    Raises
    ------
    ValueError
        If shapes disagree, there is no row for a token, or `cell` is unknown.
    TypeError
        If tokens are not integers, or `mask` or `backwards` is not boolean.
    KeyError
        If a parameter is not there; it is named.
    """
    xp, _, parameters = open_door(parameters, source, mask)
    return _encode(parameters, source, mask, cell, backwards, xp=xp)


def sutskever_step(
    parameters: Mapping[str, Any], state: list[Any], token: Any, *, cell: str = "lstm"
) -> tuple[Any, list[Any]]:
    """One place of the target.

    ``functools.partial(sutskever_step, parameters)`` is what `greedy`, `sample` and `beam_search` call.

    Parameters
    ----------
    parameters : mapping
        As in `sutskever`.
    state : list
        What `sutskever_encode`, or the step before, returned.
    token : integer array, shape (...,)
        The token before this place; a start token at the first.
    cell : {"lstm", "gru"}
        As in `sutskever`.

    Returns
    -------
    log_p : array, shape (..., v)
        Log-probabilities of the token at this place.
    state : list
        To go on from.

    Raises
    ------
    ValueError
        If there is no row for a token, there are not as many states as layers, or `cell` is unknown.
    TypeError
        If tokens are not integers.
    KeyError
        If a parameter is not there; it is named.
    """
    xp, _, parameters = open_door(parameters, token)
    e = words(parameters, "token", token[..., None], xp=xp)[..., 0, :]
    state = stacked_step(parameters["decoder"], e, state, step=cell_of(cell).step)
    return log_probabilities(linear(hidden_of(state), parameters["output"], xp=xp)), state


def sutskever_parameters(
    source_vocabulary: int,
    target_vocabulary: int,
    *,
    embedded: int,
    hidden: int,
    layers: int = 4,
    cell: str = "lstm",
    rng: Any = None,
    dtype: Any = "float64",
) -> dict[str, Any]:
    """Parameters of `sutskever`, drawn at random.

    Parameters
    ----------
    source_vocabulary, target_vocabulary : int
        Numbers of tokens.
    embedded, hidden : int
        Sizes of an embedding and of a state.
    layers : int
        Of the encoder, and of the decoder.
    cell : {"lstm", "gru"}
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    dtype : dtype
        Of NumPy.

    Returns
    -------
    dict
        Of NumPy arrays.

    Raises
    ------
    ValueError
        If a size is not positive, `cell` is unknown, or `dtype` is not real floating.
    TypeError
        If a size is no integer.
    """
    rng, e, h = generator(rng), count(embedded=embedded), count(hidden=hidden)
    drawn = partial(cell_of(cell).parameters, draw="orthogonal", dtype=dtype)
    return {
        "source_embedding": table_parameters(rng, source_vocabulary, e, dtype, name="source_vocabulary"),
        "target_embedding": table_parameters(rng, target_vocabulary, e, dtype, name="target_vocabulary"),
        "encoder": stacked_parameters(drawn, e, h, layers, rng=rng),
        "decoder": stacked_parameters(drawn, e, h, layers, rng=rng),
        "output": dense_parameters(rng, target_vocabulary, h, dtype),
    }


def _encode(parameters, source, mask, cell, backwards, *, xp):
    x = words(parameters, "source", source, mask, xp=xp)
    if flag(backwards=backwards):  # padding comes first then, where the state waits
        x, mask = xp.flip(x, axis=-2), None if mask is None else xp.flip(mask, axis=-1)
    return stacked(parameters["encoder"], x, mask=mask, network=cell_of(cell).network)[1]
