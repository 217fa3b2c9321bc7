"""Multi-representational attention (Kiela et al. 2018, dynamic meta-embeddings): weights over m versions of an input.

    v_ji = P_j x_ji + b_j,   p_ij = phi over j of (a . v_ji + b_a),   o_i = sum_j p_ij v_ji

Word i has m representations x_ji (embeddings, say), which become one. In the contextualized form the score is a . h_ji,
with h the states of a recurrent network that has read all v_j.
"""

from typing import Any

from factorattn.attention.levels.engine import checked_mask
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, check_batches, choose, working_precision
from factorattn.primitives.elementwise import sigmoid
from factorattn.primitives.pairs import softmax_weights
from factorattn.primitives.tiles import scan_tiles
from factorattn.scalars import real

__all__ = ["multirepresentational_attention"]

INPUTS = "x: ... m n c, p: ... m e c, a: ... e, b?: ... m e"
IN_CONTEXT = "x: ... m n c, p: ... m e c, a: ... f, b?: ... m e, context: ... m n f"
TILE = 256  # words a tile


@mechanism(
    inputs=INPUTS,
    output="n e",
    forms=("dense", "tiled"),
    time="m*n*c*e",
    memory="n*e + m*e + m*c",
    causal="never",
    normalised=True,
    values=(),
    refuses={"causal": "its keys are versions of one and the same input, at one time"},
    paper="kiela2018",
)
def multirepresentational_attention(
    x: Any,
    p: Any,
    a: Any,
    b: Any | None = None,
    *,
    context: Any | None = None,
    b_a: float = 0.0,
    phi: str = "softmax",
    mask: Any | None = None,
    causal: bool = False,
    form: str = "tiled",
) -> Any:
    """Mix several representations of each input into one, with weights that depend on them.

    Parameters
    ----------
    x : array, shape (..., m, n, c)
        m representations of n inputs. Representations of different widths are filled up with zeros to the largest, c.
    p, b : array, shapes (..., m, e, c), (..., m, e)
        Projection of each representation into a common space, and (optionally) its bias.
    a : array, shape (..., e), or (..., f) with `context`
        The scoring vector.
    context : array, shape (..., m, n, f), optional
        What is scored instead of the projected representations: in the paper the states of a bidirectional LSTM over
        the n words, for each representation (contextualized dynamic meta-embeddings; f = 4 there).
    b_a : float
        Added to all scores. Under a softmax it has no effect.
    phi : {"softmax", "sigmoid", "tanh"}
        From scores to weights. With the other two the weights are gates of each representation, and do not sum to one.
    mask : boolean array broadcasting to (..., n, m), optional
        True where input i has representation j: a word that a vocabulary lacks has not.
    causal : False
        Refused, with the reason.
    form : {"tiled", "dense"}
        Equal to rounding. "dense" is the definition and holds all projections; "tiled" takes the scoring vector through
        the projection, a . (P_j x) = (P_j^T a) . x, and holds the projections of a tile of inputs.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros for inputs without any representation.

    Raises
    ------
    ValueError
        If shapes disagree, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    Weights are scalars: one for all features of a representation. The authors' code puts one more linear layer, of
    width 2, between v and the score. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Kiela, Wang and Cho, "Dynamic Meta-Embeddings for Improved Sentence Representations", EMNLP 2018, sections "Dynamic
    Meta-Embeddings" and "Contextualized Dynamic Meta-Embeddings". arXiv:1804.07983
    """
    refuse(multirepresentational_attention, causal=causal)
    named = {"x": x, "p": p, "a": a, "b": b}
    xp, size = check(INPUTS, **named) if context is None else check(IN_CONTEXT, **named, context=context)
    attend, weights_of = choose(FORMS, form=form), choose(PHI, phi=phi)
    mask = checked_mask((size["n"], size["m"]), xp=xp, mask=mask)
    if mask is not None:
        check_batches({"x": x.shape[:-3], "mask": mask.shape[:-2]})
    if b is None:
        b = xp.zeros((size["m"], size["e"]), dtype=p.dtype, device=p.device)
    given = (x, p, a, b) if context is None else (x, p, a, b, context)
    dtype, (x, p, a, b, *scored) = working_precision(*given, xp=xp)
    shift = real(b_a=b_a)

    def mix(scores, v, seen):
        """Scores (..., m, n), projections (..., m, n, e) and pairs seen (..., n, m): the mixtures (..., n, e)."""
        weights = weights_of(scores.mT + shift, seen, xp=xp).mT  # (..., m, n)
        products = weights[..., None] * v  # what is hidden has weight zero, and 0 * NaN is NaN
        return xp.sum(products if seen is None else xp.where(seen.mT[..., None], products, 0.0), axis=-3)

    o = attend(x, p, a[..., None, :, None], b[..., None, :], scored, mask, mix, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(x, p, a, b, scored, mask, mix, *, xp):
    """The definition: all projections, then their scores."""
    v = x @ p.mT + b  # (..., m, n, e)
    return mix(((scored[0] if scored else v) @ a)[..., 0], v, mask)


def _tiled(x, p, a, b, scored, mask, mix, *, xp):
    """Inputs tile by tile; without context the scores are taken from x, by one vector for each representation."""
    thin, level = (None, None) if scored else (p.mT @ a, b @ a)  # (..., m, c, 1), (..., m, 1, 1)

    def step(_, tile):
        rows = x[..., tile, :]  # (..., m, tile, c)
        scores = scored[0][..., tile, :] @ a if scored else rows @ thin + level
        seen = mask if mask is None or mask.shape[-2] == 1 else mask[..., tile, :]
        return None, mix(scores[..., 0], rows @ p.mT + b, seen)

    _, o = scan_tiles(step, None, 0, x.shape[-2], TILE, xp=xp)
    return step(None, slice(0, 0))[1] if o is None else o  # no inputs


def _softmax(scores, seen, *, xp):
    return softmax_weights(scores if seen is None else xp.where(seen, scores, -xp.inf), xp=xp)[0]


def _sigmoid(scores, seen, *, xp):
    weights = sigmoid(scores, xp=xp)
    return weights if seen is None else xp.where(seen, weights, 0.0)


def _tanh(scores, seen, *, xp):
    return xp.tanh(scores) if seen is None else xp.where(seen, xp.tanh(scores), 0.0)


PHI = {"softmax": _softmax, "sigmoid": _sigmoid, "tanh": _tanh}
FORMS = {"dense": _dense, "tiled": _tiled}
