"""Jointly learning to align and translate (Bahdanau, Cho and Bengio 2015): the decoder looks at the source anew for
every word.

    h_j = [forward gru; backward gru]_j,   s_0 = tanh(W_s backward_1)
    a_i = distribution(score(s_{i-1}, h_1), ..., score(s_{i-1}, h_m)),   c_i = sum_j a_ij h_j
    s_i = gru([e(y_{i-1}); c_i], s_{i-1})
    p(y_i | y_1 .. y_{i-1}, x) = softmax(W_o maxout(U_o s_{i-1} + V_o e(y_{i-1}) + C_o c_i))

The paper's score is additive and its distribution softmax; here they are any of the library.
"""

from collections.abc import Callable, Mapping
from typing import Any

from factorattn.contract import check_batches
from factorattn.model.door import open_door
from factorattn.model.initialize.layers import dense_parameters, table_parameters
from factorattn.model.layers import beside, linear
from factorattn.model.recurrent.bidirectional import bidirectional
from factorattn.model.recurrent.drawing import gru_parameters
from factorattn.model.recurrent.gru import gru, gru_step
from factorattn.model.seq2seq.alignment import align, distribution_named, keys_of, scores_of
from factorattn.model.seq2seq.checks import count
from factorattn.model.seq2seq.drawing import score_parameters
from factorattn.model.seq2seq.engine import maxout, unroll, words
from factorattn.model.seq2seq.probability import log_probabilities
from factorattn.scalars import flag, generator

__all__ = ["bahdanau", "bahdanau_encode", "bahdanau_parameters", "bahdanau_step"]


def bahdanau(
    parameters: Mapping[str, Any],
    source: Any,
    inputs: Any,
    *,
    mask: Any | None = None,
    score: str | Callable = "additive",
    distribution: str | Callable = "softmax",
    return_weights: bool = False,
) -> Any:
    """Logits of every place of a target, given the source and the target before that place (teacher forcing).

    Parameters
    ----------
    parameters : mapping
        As `bahdanau_parameters` draws them. Weights may be factored.
    source : integer array, shape (..., m)
        Tokens of the source.
    inputs : integer array, shape (..., n)
        The target one place later, a start token first: `shift` makes it. Its batch axes and those of the source
        broadcast.
    mask : boolean array, shape (..., m), optional
        True at tokens of the source, False at padding.
    score : str or callable
        A name in `factorattn.score.SCORES`, or a function of queries (..., n, d), keys (..., m, c) and the arrays of
        ``parameters["score"]`` by name: ``partial(additive, activation="relu")``.
    distribution : str or callable
        A name in `factorattn.distribution.DISTRIBUTIONS` of one that needs no options, or a function of scores:
        ``partial(entmax, alpha=1.2)``.
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
        If shapes disagree, there is no row for a token, a name is unknown, or the distribution looks across queries.
    TypeError
        If tokens are not integers, or `mask` is not boolean.
    KeyError
        If a parameter is not there; it is named.

    Notes
    -----
    The paper's z is 1 - z of `gru`: it says how much is new, there how much is kept. The output layer sees the state
    before the word, s_{i-1}, as the appendix prints and the authors' code computes it, though the probability is
    written with s_i. Biases, which the paper leaves out, are used where there are any. With the score
    `location_aware`, the weights before the first word are zeros. float16 and bfloat16 parameters are computed with in
    float32.

    References
    ----------
    Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate", 2015, appendix
    A. arXiv:1409.0473
    """
    xp, dtype, parameters = open_door(parameters, source, inputs, mask)
    check_batches({"source": source.shape[:-1], "inputs": inputs.shape[:-1]})
    chosen = distribution_named(distribution)
    memory = _encode(parameters, source, mask, score, xp=xp)
    e = words(parameters, "inputs", inputs, xp=xp)  # (..., n, c)

    def advance(e, now):
        after, context = _advance(parameters, e, now, score, chosen, xp=xp)
        return (now["state"], context, after["weights"]), after

    before, contexts, weights = unroll(advance, e, memory, xp=xp)
    logits = xp.astype(_output(parameters, before, e, contexts, xp=xp), dtype, copy=False)
    return (logits, xp.astype(weights, dtype, copy=False)) if flag(return_weights=return_weights) else logits


def bahdanau_encode(
    parameters: Mapping[str, Any], source: Any, *, mask: Any | None = None, score: str | Callable = "additive"
) -> dict[str, Any]:
    """What `bahdanau_step` starts from.

    Parameters
    ----------
    parameters : mapping
        As in `bahdanau`.
    source : integer array, shape (..., m)
        Tokens of the source.
    mask : boolean array, shape (..., m), optional
        True at tokens of the source, False at padding.
    score : str or callable
        As in `bahdanau`.

    Returns
    -------
    dict
        ``"state"`` (..., d), ``"annotations"`` (..., m, c), ``"keys"``, what the score sees of them, ``"mask"``
        (..., m) or None, ``"weights"`` (..., m) of the last step, and ``"covered"`` (..., m), their sum over all steps,
        one at padding: ``covered=operator.itemgetter("covered")`` is what `beam_search` asks for.

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
    return _encode(parameters, source, mask, score, xp=xp)


def bahdanau_step(
    parameters: Mapping[str, Any],
    state: Mapping[str, Any],
    token: Any,
    *,
    score: str | Callable = "additive",
    distribution: str | Callable = "softmax",
) -> tuple[Any, dict[str, Any]]:
    """One place of the target.

    ``functools.partial(bahdanau_step, parameters)`` is what `greedy`, `sample` and `beam_search` call.

    Parameters
    ----------
    parameters : mapping
        As in `bahdanau`.
    state : dict
        What `bahdanau_encode`, or the step before, returned.
    token : integer array, shape (...,)
        The token before this place; a start token at the first.
    score : str or callable
        As in `bahdanau`.
    distribution : str or callable
        As in `bahdanau`.

    Returns
    -------
    log_p : array, shape (..., v)
        Log-probabilities of the token at this place.
    state : dict
        To go on from.

    Raises
    ------
    ValueError
        If there is no row for a token, a name is unknown, or the distribution looks across queries; and those of the
        score.
    TypeError
        If tokens are not integers.
    KeyError
        If a parameter is not there; it is named.
    """
    xp, _, parameters = open_door(parameters, token)
    e = words(parameters, "token", token[..., None], xp=xp)[..., 0, :]
    after, context = _advance(parameters, e, state, score, distribution_named(distribution), xp=xp)
    return log_probabilities(_output(parameters, state["state"], e, context, xp=xp)), after


def bahdanau_parameters(
    source_vocabulary: int,
    target_vocabulary: int,
    *,
    embedded: int,
    hidden: int,
    encoded: int | None = None,
    units: int | None = None,
    score: str | Callable = "additive",
    score_sizes: Mapping[str, int] | None = None,
    optional: tuple[str, ...] = (),
    rng: Any = None,
    dtype: Any = "float64",
) -> dict[str, Any]:
    """Parameters of `bahdanau`, drawn at random.

    Parameters
    ----------
    source_vocabulary, target_vocabulary : int
        Numbers of tokens.
    embedded, hidden : int
        Sizes of an embedding and of a state of the decoder.
    encoded : int, optional
        Size of a state of the encoder, of which an annotation has two; by default that of the decoder. Scores that need
        queries and keys of one size, such as `dot`, need half of that.
    units : int, optional
        Number of maxout units; by default half the size of a state, rounded up.
    score : str or callable
        As in `bahdanau`.
    score_sizes : mapping of str to int, optional
        Sizes of letters of its contract that the model does not tell: m of `location`, say. The hidden units a are by
        default as many as those of a state.
    optional : tuple of str
        Arguments that the score may leave out, and that are to be learned.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    dtype : dtype
        Of NumPy.

    Returns
    -------
    dict
        Of NumPy arrays. ``"maxout"`` is U_o, V_o and C_o side by side.

    Raises
    ------
    ValueError
        If a size is not positive, `dtype` is not real floating, or the score is unknown; and those of
        `score_parameters`.
    TypeError
        If a size is no integer.
    """
    rng, e, h = generator(rng), count(embedded=embedded), count(hidden=hidden)
    one = h if encoded is None else count(encoded=encoded)
    units = (h + 1) // 2 if units is None else count(units=units)
    sizes = {"d": h, "c": 2 * one, "a": h} | dict(score_sizes or {})
    return {
        "source_embedding": table_parameters(rng, source_vocabulary, e, dtype, name="source_vocabulary"),
        "target_embedding": table_parameters(rng, target_vocabulary, e, dtype, name="target_vocabulary"),
        "encoder": {
            way: gru_parameters(e, one, rng=rng, draw="orthogonal", dtype=dtype) for way in ("forward", "backward")
        },
        "start": dense_parameters(rng, h, one, dtype),
        "score": score_parameters(score, sizes, optional=optional, rng=rng, dtype=dtype),
        "decoder": gru_parameters(e + 2 * one, h, rng=rng, draw="orthogonal", dtype=dtype),
        "maxout": dense_parameters(rng, 2 * units, h + e + 2 * one, dtype),
        "output": dense_parameters(rng, target_vocabulary, units, dtype),
    }


def _encode(parameters, source, mask, score, *, xp):
    x = words(parameters, "source", source, mask, xp=xp)
    h, ends = bidirectional(parameters["encoder"], x, mask=mask, network=gru)  # (..., m, 2 encoded)
    none = xp.zeros(h.shape[:-1], dtype=h.dtype, device=h.device)
    return {
        "state": xp.tanh(linear(ends["backward"], parameters["start"], xp=xp)),
        "annotations": h,
        "keys": keys_of(score, parameters["score"], h),
        "mask": mask,
        "weights": none,
        "covered": none if mask is None else xp.where(mask, none, 1.0),
    }


def _advance(parameters, e, now, score, distribution, *, xp):
    """The state after one step, and the context (..., c) that it saw."""
    q, previous = now["state"][..., None, :], now["weights"][..., None, :]
    a = scores_of(score, parameters["score"], q, now["keys"], previous, xp=xp)  # (..., 1, m)
    context, weights = align(a, now["annotations"], distribution=distribution, mask=now["mask"], xp=xp)
    context, weights = context[..., 0, :], weights[..., 0, :]
    state = gru_step(parameters["decoder"], beside(e, context, xp=xp), now["state"])
    return {**now, "state": state, "weights": weights, "covered": now["covered"] + weights}, context


def _output(parameters, state, e, context, *, xp):
    """Logits (..., v)."""
    units = maxout(linear(beside(state, e, context, xp=xp), parameters["maxout"], xp=xp), xp=xp)
    return linear(units, parameters["output"], xp=xp)
