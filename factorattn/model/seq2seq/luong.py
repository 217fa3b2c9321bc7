"""Effective attention (Luong, Pham and Manning 2015): the state after a word looks at the source, everywhere or nearby.

h_i = decoder([e(y_{i-1}); h~_{i-1}], state_{i-1})       h~ only with input feeding
c_i = sum_j a_ij k_j,   k_j the encoder's states of the layer on top
h~_i = tanh(W_c [c_i; h_i]),   p(y_i | y_1 .. y_{i-1}, x) = softmax(W_s h~_i)

global    a_ij = distribution(score(h_i, k_1), ..., score(h_i, k_m))_j
local-m   the same, softmax over |j - i| <= w
local-p   over |j - p_i| <= w, times exp(-(j - p_i)^2 / (2 sigma^2)),   p_i = m sigmoid(v_p^T tanh(W_p h_i))
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from factorattn.contract import check_batches
from factorattn.model.door import open_door
from factorattn.model.initialize.layers import dense_parameters, table_parameters
from factorattn.model.layers import beside, linear
from factorattn.model.recurrent.drawing import stacked_parameters
from factorattn.model.recurrent.stacked import stacked, stacked_step
from factorattn.model.recurrent.state import hidden_of
from factorattn.model.seq2seq.alignment import keys_of
from factorattn.model.seq2seq.checks import count
from factorattn.model.seq2seq.drawing import matrix, score_parameters
from factorattn.model.seq2seq.engine import cell_of, unroll, words
from factorattn.model.seq2seq.luong_attention import ATTENTION, GLOBAL, Luong
from factorattn.model.seq2seq.probability import log_probabilities
from factorattn.scalars import flag, generator

__all__ = ["luong", "luong_encode", "luong_parameters", "luong_step"]


def luong(
    parameters: Mapping[str, Any],
    source: Any,
    inputs: Any,
    form: Luong = GLOBAL,
    *,
    mask: Any | None = None,
    return_weights: bool = False,
) -> Any:
    """Logits of every place of a target, given the source and the target before that place (teacher forcing).

    Parameters
    ----------
    parameters : mapping
        As `luong_parameters` draws them for `form`. Weights may be factored.
    source : integer array, shape (..., m)
        Tokens of the source.
    inputs : integer array, shape (..., n)
        The target one place later, a start token first: `shift` makes it. Its batch axes and those of the source
        broadcast.
    form : Luong
        Which of the paper's models; by default global attention with the score "general" and input feeding.
    mask : boolean array, shape (..., m), optional
        True at tokens of the source, False at padding, which lies behind them.
    return_weights : bool
        Whether to return the alignment, too.

    Returns
    -------
    logits : array, shape (..., n, v), dtype of the parameters
        Row i tells of the i-th token of the target, from those before it.
    weights : array, shape (..., n, m)
        Only with `return_weights`: how much the i-th word of the target looks at the j-th of the source.

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
    Without input feeding all places of the target are computed side by side, but for the recurrence itself. Positions
    count from 0, on both sides. Local attention is that of `factorattn.local_monotonic_attention` and
    `factorattn.local_predictive_attention`. float16 and bfloat16 parameters are computed with in float32.

    References
    ----------
    Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine Translation", 2015, section 3.
    arXiv:1508.04025
    """
    xp, dtype, parameters = open_door(parameters, source, inputs, mask)
    check_batches({"source": source.shape[:-1], "inputs": inputs.shape[:-1]})
    memory = _encode(parameters, source, mask, form, xp=xp)
    e = words(parameters, "inputs", inputs, xp=xp)  # (..., n, c)
    weigh = flag(return_weights=return_weights)
    if form.feeding:

        def advance(e, now):
            after = _advance(parameters, e, now, form, weigh, xp=xp)
            return (after["attentional"], after["weights"]), after

        attentional, weights = unroll(advance, e, memory, xp=xp)
    else:
        h, _ = stacked(parameters["decoder"], e, memory["layers"], network=cell_of(form.cell).network)
        context, weights = ATTENTION[form.attention](form, parameters, h, memory, weigh, xp=xp)
        attentional = _attentional(parameters, context, h, xp=xp)
    logits = xp.astype(linear(attentional, parameters["output"], xp=xp), dtype, copy=False)
    return (logits, xp.astype(weights, dtype, copy=False)) if weigh else logits


def luong_encode(
    parameters: Mapping[str, Any],
    source: Any,
    form: Luong = GLOBAL,
    *,
    mask: Any | None = None,
) -> dict[str, Any]:
    """What `luong_step` starts from.

    Parameters
    ----------
    parameters : mapping
        As in `luong`.
    source : integer array, shape (..., m)
        Tokens of the source.
    form : Luong
        As in `luong`.
    mask : boolean array, shape (..., m), optional
        True at tokens of the source, False at padding, which lies behind them.

    Returns
    -------
    dict
        ``"layers"``, a state for each layer, ``"attentional"`` (..., hidden), ``"annotations"`` (..., m, hidden),
        ``"keys"``, what the score sees of them, ``"mask"``, ``"place"``, a number, ``"weights"`` (..., m) of the last
        step, and ``"covered"`` (..., m), their sum over all steps, one at padding.

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
    return _encode(parameters, source, mask, form, xp=xp)


def luong_step(
    parameters: Mapping[str, Any],
    state: Mapping[str, Any],
    token: Any,
    form: Luong = GLOBAL,
) -> tuple[Any, dict[str, Any]]:
    """One place of the target.

    ``functools.partial(luong_step, parameters, form=form)`` is what `greedy`, `sample` and `beam_search` call.

    Parameters
    ----------
    parameters : mapping
        As in `luong`.
    state : dict
        What `luong_encode`, or the step before, returned.
    token : integer array, shape (...,)
        The token before this place; a start token at the first.
    form : Luong
        As in `luong`.

    Returns
    -------
    log_p : array, shape (..., v)
        Log-probabilities of the token at this place.
    state : dict
        To go on from.

    Raises
    ------
    ValueError
        If there is no row for a token; and those of the score.
    TypeError
        If tokens are not integers.
    KeyError
        If a parameter is not there; it is named.
    """
    xp, _, parameters = open_door(parameters, token)
    e = words(parameters, "token", token[..., None], xp=xp)[..., 0, :]
    after = _advance(parameters, e, state, form, True, xp=xp)
    return log_probabilities(linear(after["attentional"], parameters["output"], xp=xp)), after


def luong_parameters(
    source_vocabulary: int,
    target_vocabulary: int,
    *,
    embedded: int,
    hidden: int,
    layers: int = 1,
    form: Luong = GLOBAL,
    score_sizes: Mapping[str, int] | None = None,
    optional: tuple[str, ...] = (),
    rng: Any = None,
    dtype: Any = "float64",
) -> dict[str, Any]:
    """Parameters of `luong`, drawn at random.

    Parameters
    ----------
    source_vocabulary, target_vocabulary : int
        Numbers of tokens.
    embedded, hidden : int
        Sizes of an embedding and of a state.
    layers : int
        Of the encoder, and of the decoder. The paper has four.
    form : Luong
        Which of the paper's models.
    score_sizes : mapping of str to int, optional
        Sizes of letters of the score's contract that the model does not tell: m of `location`, say. The hidden units a
        are by default as many as those of a state.
    optional : tuple of str
        Arguments that the score may leave out, and that are to be learned.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    dtype : dtype
        Of NumPy.

    Returns
    -------
    dict
        Of NumPy arrays. ``"attentional"`` is W_c, for the context and the state side by side.

    Raises
    ------
    ValueError
        If a size is not positive, `dtype` is not real floating, or the score is unknown; and those of
        `score_parameters`.
    TypeError
        If a size is no integer.
    """
    rng, e, h = generator(rng), count(embedded=embedded), count(hidden=hidden)
    drawn = partial(cell_of(form.cell).parameters, draw="orthogonal", dtype=dtype)
    sizes = {"d": h, "c": h, "a": h} | dict(score_sizes or {})
    found = {
        "source_embedding": table_parameters(rng, source_vocabulary, e, dtype, name="source_vocabulary"),
        "target_embedding": table_parameters(rng, target_vocabulary, e, dtype, name="target_vocabulary"),
        "encoder": stacked_parameters(drawn, e, h, layers, rng=rng),
        "decoder": stacked_parameters(drawn, e + h if form.feeding else e, h, layers, rng=rng),
        "score": score_parameters(form.score, sizes, optional=optional, rng=rng, dtype=dtype),
        "attentional": dense_parameters(rng, h, 2 * h, dtype),
        "output": dense_parameters(rng, target_vocabulary, h, dtype),
    }
    if form.attention == "local-p":
        found["position"] = {"w_p": matrix(rng, (sizes["a"], h), dtype), "v_p": matrix(rng, (sizes["a"],), dtype)}
    return found


def _encode(parameters, source, mask, form, *, xp):
    x = words(parameters, "source", source, mask, xp=xp)
    h, layers = stacked(parameters["encoder"], x, mask=mask, network=cell_of(form.cell).network)
    none = xp.zeros(h.shape[:-1], dtype=h.dtype, device=h.device)
    return {
        "layers": layers,
        "attentional": xp.zeros_like(hidden_of(layers)),
        "annotations": h,
        "keys": keys_of(form.score, parameters["score"], h) if form.attention == "global" else h,
        "mask": mask,
        "place": 0,
        "weights": none,
        "covered": none if mask is None else xp.where(mask, none, 1.0),
    }


def _advance(parameters, e, now, form, weigh, *, xp):
    """The state after one step."""
    x = beside(e, now["attentional"], xp=xp) if form.feeding else e
    layers = stacked_step(parameters["decoder"], x, now["layers"], step=cell_of(form.cell).step)
    h = hidden_of(layers)
    context, weights = ATTENTION[form.attention](form, parameters, h[..., None, :], now, weigh, xp=xp)
    attentional = _attentional(parameters, context[..., 0, :], h, xp=xp)
    after = {**now, "layers": layers, "attentional": attentional, "place": now["place"] + 1}
    if weights is None:
        return after
    weights = weights[..., 0, :]
    return after | {"weights": weights, "covered": now["covered"] + weights}


def _attentional(parameters, context, h, *, xp):
    return xp.tanh(linear(beside(context, h, xp=xp), parameters["attentional"], xp=xp))
