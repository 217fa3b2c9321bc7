"""The encoder-decoder (Cho et al. 2014): a source becomes one vector, which every step of the decoder is shown.

h_j = gru(e(x_j), h_{j-1}),   c = tanh(V h_m)                           the context: what is known of the source
s_0 = tanh(V' c)
r_t = sigmoid(W_r e(y_{t-1}) + U_r s_{t-1} + C_r c),   z_t likewise
n_t = tanh(W e(y_{t-1}) + r_t * (U s_{t-1} + C c))
s_t = z_t * s_{t-1} + (1 - z_t) * n_t
p(y_t | y_1 .. y_{t-1}, x) = softmax(G maxout(O_h s_t + O_y e(y_{t-1}) + O_c c))
"""

from collections.abc import Mapping
from typing import Any

from factorattn.contract import check_batches
from factorattn.factor.factored import times
from factorattn.model.door import open_door
from factorattn.model.initialize.layers import dense_parameters, table_parameters
from factorattn.model.layers import beside, linear
from factorattn.model.recurrent.drawing import gru_parameters
from factorattn.model.recurrent.engine import gate
from factorattn.model.recurrent.gru import gru
from factorattn.model.seq2seq.checks import count
from factorattn.model.seq2seq.engine import maxout, unroll, words
from factorattn.model.seq2seq.probability import log_probabilities
from factorattn.scalars import generator

__all__ = ["cho", "cho_encode", "cho_parameters", "cho_step"]


def cho(parameters: Mapping[str, Any], source: Any, inputs: Any, *, mask: Any | None = None) -> Any:
    """Logits of every place of a target, given the source and the target before that place (teacher forcing).

    Parameters
    ----------
    parameters : mapping
        As `cho_parameters` draws them. Weights may be factored: the paper's G is.
    source : integer array, shape (..., m)
        Tokens of the source.
    inputs : integer array, shape (..., n)
        The target one place later, a start token first: `shift` makes it. Its batch axes and those of the source
        broadcast.
    mask : boolean array, shape (..., m), optional
        True at tokens of the source, False at padding.

    Returns
    -------
    logits : array, shape (..., n, v), dtype of the parameters
        Row t tells of the t-th token of the target, from those before it.

    Raises
    ------
    ValueError
        If shapes disagree or there is no row for a token.
    TypeError
        If tokens are not integers, or `mask` is not boolean.
    KeyError
        If a parameter is not there; it is named.

    Notes
    -----
    The paper's y_0 is nothing: a start token whose embedding is zero. Its O_y works on the word itself; here, as in
    the authors' code, on its embedding, which is the same with a matrix in two factors. Biases, which the paper leaves
    out, are used where there are any. float16 and bfloat16 parameters are computed with in float32.

    References
    ----------
    Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk and Bengio, "Learning Phrase Representations using RNN
    Encoder-Decoder for Statistical Machine Translation", 2014, appendix A. arXiv:1406.1078
    """
    xp, dtype, parameters = open_door(parameters, source, inputs, mask)
    check_batches({"source": source.shape[:-1], "inputs": inputs.shape[:-1]})
    memory = _encode(parameters, source, mask, xp=xp)
    e = words(parameters, "inputs", inputs, xp=xp)  # (..., n, c)

    def advance(e, state):
        state = _cell(parameters["decoder"], e, state, memory["shown"], xp=xp)
        return state, state

    states = unroll(advance, e, memory["state"], xp=xp)  # (..., n, hidden)
    logits = _output(parameters, states, e, memory["context"][..., None, :], xp=xp)
    return xp.astype(logits, dtype, copy=False)


def cho_encode(parameters: Mapping[str, Any], source: Any, *, mask: Any | None = None) -> dict[str, Any]:
    """What `cho_step` starts from.

    Parameters
    ----------
    parameters : mapping
        As in `cho`.
    source : integer array, shape (..., m)
        Tokens of the source.
    mask : boolean array, shape (..., m), optional
        True at tokens of the source, False at padding.

    Returns
    -------
    dict
        ``"state"`` (..., hidden), ``"context"`` c (..., context), and ``"shown"`` (..., 3 hidden), what the decoder's
        gates see of it.

    Raises
    ------
    ValueError
        If shapes disagree or there is no row for a token.
    TypeError
        If tokens are not integers, or `mask` is not boolean.
    KeyError
        If a parameter is not there; it is named.
    """
    xp, _, parameters = open_door(parameters, source, mask)
    return _encode(parameters, source, mask, xp=xp)


def cho_step(parameters: Mapping[str, Any], state: Mapping[str, Any], token: Any) -> tuple[Any, dict[str, Any]]:
    """One place of the target.

    ``functools.partial(cho_step, parameters)`` is what `greedy`, `sample` and `beam_search` call.

    Parameters
    ----------
    parameters : mapping
        As in `cho`.
    state : dict
        What `cho_encode`, or the step before, returned.
    token : integer array, shape (...,)
        The token before this place; a start token at the first.

    Returns
    -------
    log_p : array, shape (..., v)
        Log-probabilities of the token at this place.
    state : dict
        To go on from.

    Raises
    ------
    ValueError
        If there is no row for a token.
    TypeError
        If tokens are not integers.
    KeyError
        If a parameter is not there; it is named.
    """
    xp, _, parameters = open_door(parameters, token)
    e = words(parameters, "token", token[..., None], xp=xp)[..., 0, :]
    after = _cell(parameters["decoder"], e, state["state"], state["shown"], xp=xp)
    return log_probabilities(_output(parameters, after, e, state["context"], xp=xp)), {**state, "state": after}


def cho_parameters(
    source_vocabulary: int,
    target_vocabulary: int,
    *,
    embedded: int,
    hidden: int,
    context: int | None = None,
    units: int | None = None,
    rng: Any = None,
    dtype: Any = "float64",
) -> dict[str, Any]:
    """Parameters of `cho`, drawn at random.

    Parameters
    ----------
    source_vocabulary, target_vocabulary : int
        Numbers of tokens.
    embedded, hidden : int
        Sizes of an embedding and of a state.
    context : int, optional
        Size of the context; by default that of a state.
    units : int, optional
        Number of maxout units; by default half the size of a state, rounded up.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    dtype : dtype
        Of NumPy.

    Returns
    -------
    dict
        Of NumPy arrays. ``"decoder"`` is that of a `gru`, and ``"context"`` beside, C for r, z and n; ``"maxout"`` is
        O_h, O_y and O_c side by side.

    Raises
    ------
    ValueError
        If a size is not positive, or `dtype` is not real floating.
    TypeError
        If a size is no integer.
    """
    rng, e, h = generator(rng), count(embedded=embedded), count(hidden=hidden)
    c = h if context is None else count(context=context)
    units = (h + 1) // 2 if units is None else count(units=units)
    return {
        "source_embedding": table_parameters(rng, source_vocabulary, e, dtype, name="source_vocabulary"),
        "target_embedding": table_parameters(rng, target_vocabulary, e, dtype, name="target_vocabulary"),
        "encoder": gru_parameters(e, h, rng=rng, draw="orthogonal", dtype=dtype),
        "summary": dense_parameters(rng, c, h, dtype),
        "start": dense_parameters(rng, h, c, dtype),
        "decoder": gru_parameters(e, h, rng=rng, draw="orthogonal", dtype=dtype)
        | {"context": {"weight": dense_parameters(rng, 3 * h, c, dtype)["weight"]}},
        "maxout": dense_parameters(rng, 2 * units, h + e + c, dtype),
        "output": dense_parameters(rng, target_vocabulary, units, dtype),
    }


def _encode(parameters, source, mask, *, xp):
    x = words(parameters, "source", source, mask, xp=xp)
    _, last = gru(parameters["encoder"], x, mask=mask)
    context = xp.tanh(linear(last, parameters["summary"], xp=xp))
    return {
        "state": xp.tanh(linear(context, parameters["start"], xp=xp)),
        "context": context,
        "shown": linear(context, parameters["decoder"]["context"], xp=xp),  # C c for r, z and n
    }


def _cell(parameters, e, state, shown, *, xp):
    """The paper's unit: the reset gate is before the context as well as before the state."""
    hidden = state.shape[-1]
    a = linear(e, parameters["input"], xp=xp)
    gates = a[..., : 2 * hidden] + shown[..., : 2 * hidden] + linear(state, parameters["recurrent"], xp=xp)
    r, z = gate(gates[..., :hidden], xp=xp), gate(gates[..., hidden:], xp=xp)
    past = times(state, parameters["candidate"]["weight"].mT) + shown[..., 2 * hidden :]
    bias = parameters["candidate"].get("bias")
    n = xp.tanh(a[..., 2 * hidden :] + r * (past if bias is None else past + bias))
    return z * state + (1.0 - z) * n


def _output(parameters, state, e, context, *, xp):
    """Logits (..., v); in a sequence the context is the same at every place."""
    units = maxout(linear(beside(state, e, context, xp=xp), parameters["maxout"], xp=xp), xp=xp)
    return linear(units, parameters["output"], xp=xp)
