"""The laws are for users too: they pass a sound mechanism, and name what is wrong with an unsound one."""

import pytest

from factorattn import mechanism, softmax_attention
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.pairs import softmax_weights
from factorattn.testing import check_mechanism

INPUTS = "q: ... n d, k: ... m d, v: ... m e"


def carrying(f, **changes):
    """`f` with a record like that of dense softmax attention."""
    record = {
        "inputs": INPUTS,
        "forms": ("dense",),
        "time": "n*m*d + n*m*e",
        "memory": "n*m",
        "causal": "never",
        "refuses": {"mask": "it has none", "causal": "it has none"},
        "normalised": True,
        "paper": "vaswani2017",
    }
    return mechanism(**{**record, **changes})(f)


def sharpened(q, k, v, *, form="dense"):
    """Softmax attention with logits twice as large: sound, and not the paper's."""
    xp, _ = check(INPUTS, q=q, k=k, v=v)
    choose({"dense": None}, form=form)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    logits = q @ k.mT * 2.0
    return xp.astype(softmax_weights(logits, xp=xp)[0] @ v, dtype, copy=False)


def test_a_sound_mechanism_passes():
    check_mechanism(carrying(sharpened))


def leaning_on_neighbours(q, k, v, *, form="dense"):
    o = sharpened(q, k, v, form=form)
    return o + 0 * o.sum() if o.ndim < 3 or not hasattr(o, "mean") else o - o.mean(axis=0, keepdims=True)


@pytest.mark.parametrize(
    ("f", "changes", "words"),
    [
        (sharpened, {"time": "n*m*d"}, "declares time"),
        (sharpened, {"memory": "n*e"}, "declares memory"),
        (lambda q, k, v, *, form="dense": sharpened(q, k, v, form=form) + 1, {}, "linearity in v"),
        (lambda q, k, v, *, form="dense": sharpened(q, k, v, form=form) * 2, {}, "constant values"),
        (lambda q, k, v, *, form="dense": sharpened(q, k, v[..., ::-1, :], form=form), {}, "order of keys"),
        (lambda q, k, v, *, form="dense": sharpened(q, k, v), {}, "was not raised"),
        (leaning_on_neighbours, {}, "member"),
    ],
    ids=["time", "memory", "affine", "doubled", "values of other keys", "form ignored", "batch"],
)
def test_an_unsound_one_is_told_what_is_wrong(f, changes, words):
    f.__name__ = "own_attention"
    with pytest.raises(AssertionError, match=words):
        check_mechanism(carrying(f, **changes))


def test_a_function_without_record_or_form_is_told_what_it_needs():
    with pytest.raises(TypeError, match=r"decorate it with factorattn\.mechanism"):
        check_mechanism(lambda q, k, v: v)
    with pytest.raises(TypeError, match="must take form="):
        check_mechanism(carrying(lambda q, k, v: v))


def test_the_laws_pass_the_mechanisms_of_the_library():
    check_mechanism(softmax_attention)
