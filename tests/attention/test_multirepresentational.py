"""Facts about multi-representational attention: dynamic meta-embeddings, with and without context."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, multirepresentational, seeds, sizes

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = fa.multirepresentational_attention.record.forms


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=sizes, m=sizes, c=sizes, e=sizes, f=sizes, seed=seeds, phi=st.sampled_from(["softmax", "sigmoid", "tanh"]),
    contextual=st.booleans(), masked=st.booleans(), biased=st.booleans(), b_a=st.floats(-2, 2),
)  # fmt: skip
def test_multirepresentational_attention_is_the_paper(form, n, m, c, e, f, seed, phi, contextual, masked, biased, b_a):
    x, p, a, b, other, context = draw(seed, (m, n, c), (m, e, c), (e,), (m, e), (f,), (m, n, f))
    mask = np.random.default_rng(seed).random((n, m)) < 0.6 if masked else np.ones((n, m), dtype=bool)
    context, a = (context, other) if contextual else (None, a)
    got = fa.multirepresentational_attention(
        x, p, a, b if biased else None, context=context, b_a=b_a, phi=phi, mask=mask if masked else None, form=form
    )
    want = multirepresentational.multirepresentational_attention(
        *lists(x, p, a, b if biased else np.zeros((m, e))), context=None if context is None else context.tolist(),
        b_a=b_a, phi=phi, has=lambda j, i: mask[j, i],
    )  # fmt: skip
    agree(got, want, m + c + e + f)


@pytest.mark.parametrize("form", FORMS)
def test_tiles_of_inputs_are_joined(form, rng):
    x, p, a, b = (rng.standard_normal(shape) for shape in ((3, 600, 4), (3, 2, 4), (2,), (3, 2)))
    context = rng.standard_normal((3, 600, 2))
    mask = rng.random((600, 3)) < 0.7
    for options in ({}, {"context": context}):
        got = fa.multirepresentational_attention(x, p, a, b, mask=mask, form=form, **options)
        want = multirepresentational.multirepresentational_attention(
            *lists(x, p, a, b), context=context.tolist() if options else None, has=lambda j, i: mask[j, i]
        )
        agree(got, want, 9)


@pytest.mark.parametrize("form", FORMS)
def test_widths_that_differ_are_filled_up_with_zeros(form, rng):
    narrow, wide = rng.standard_normal((5, 2)), rng.standard_normal((5, 4))
    p_narrow, p_wide, a = rng.standard_normal((3, 2)), rng.standard_normal((3, 4)), rng.standard_normal(3)
    x = np.stack([np.pad(narrow, ((0, 0), (0, 2))), wide])
    p = np.stack([np.concatenate([p_narrow, 1e6 * np.ones((3, 2))], axis=-1), p_wide])  # they meet zeros only
    got = fa.multirepresentational_attention(x, p, a, form=form)
    projected = np.stack([narrow @ p_narrow.T, wide @ p_wide.T])
    weights = np.exp(projected @ a)
    want = np.sum((weights / weights.sum(axis=0))[..., None] * projected, axis=0)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 8)


@pytest.mark.parametrize("form", FORMS)
def test_the_common_bias_acts_on_gates_only(form, rng):
    x, p, a = (rng.standard_normal(shape) for shape in ((3, 5, 4), (3, 2, 4), (2,)))
    plain, lifted = (fa.multirepresentational_attention(x, p, a, b_a=b_a, form=form) for b_a in (0.0, 3.0))
    assert np.max(np.abs(plain - lifted)) <= np.max(np.abs(plain)) * ROUNDING(np.float64, 5)
    open_ = fa.multirepresentational_attention(x, p, a, b_a=1e3, phi="sigmoid", form=form)
    shut = fa.multirepresentational_attention(x, p, a, b_a=-1e3, phi="sigmoid", form=form)
    total = np.sum(x @ np.swapaxes(p, -1, -2), axis=0)  # all gates open: the unweighted sum
    assert np.max(np.abs(open_ - total)) <= np.max(np.abs(total)) * ROUNDING(np.float64, 5)
    np.testing.assert_array_equal(shut, 0.0)


@pytest.mark.parametrize("form", FORMS)
def test_by_hand_two_embeddings_of_one_word(form):
    x, p = np.array([[[1.0, 0.0]], [[0.0, 1.0]]]), np.stack([np.eye(2), np.eye(2)])
    got = fa.multirepresentational_attention(x, p, np.array([math.log(3), 0.0]), form=form)
    np.testing.assert_allclose(got, [[0.75, 0.25]], rtol=ROUNDING(np.float64, 2))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("phi", ["softmax", "sigmoid", "tanh"])
def test_a_word_that_a_vocabulary_lacks(form, phi, rng):
    x, p, a = (rng.standard_normal(shape) for shape in ((3, 5, 4), (3, 2, 4), (2,)))
    mask = np.ones((5, 3), dtype=bool)
    mask[1, 2] = mask[4] = False
    without = fa.multirepresentational_attention(x[:2], p[:2], a, phi=phi, form=form)
    x[2, 1] = np.nan
    got = fa.multirepresentational_attention(x, p, a, phi=phi, mask=mask, form=form)
    np.testing.assert_array_equal(got[4], 0.0)
    assert np.max(np.abs(got[1] - without[1])) <= np.max(np.abs(without)) * ROUNDING(np.float64, 5)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"causal": True}, ValueError, "takes no causal"),
        ({"phi": "relu"}, ValueError, "phi must be 'softmax' or 'sigmoid' or 'tanh'"),
        ({"b_a": float("inf")}, ValueError, "b_a must be finite"),
        ({"a": np.ones(3)}, ValueError, "axis 'e' is 2"),
        ({"context": np.ones((3, 5, 4))}, ValueError, "axis 'f' is 2"),
        ({"p": np.ones((2, 2, 4))}, ValueError, "axis 'm' is 3"),
        ({"mask": np.ones((3, 5), dtype=bool)}, ValueError, r"mask must broadcast to \(\.\.\., 5, 3\)"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    arguments = {"x": np.ones((3, 5, 4)), "p": np.ones((3, 2, 4)), "a": np.ones(2)}
    with pytest.raises(error, match=words):
        fa.multirepresentational_attention(**{**arguments, **options})
