"""Facts about compositional de-attention."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, coda, draw, lists, seeds, sizes

import factorattn as fa

FORMS = fa.coda_attention.record.forms


@pytest.mark.parametrize("gate", ["scale", "centre", "plain"])
@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=sizes,
    m=sizes,
    d=sizes,
    c=sizes,
    e=sizes,
    seed=seeds,
    causal=st.booleans(),
    masked=st.booleans(),
    own=st.booleans(),
    alpha=st.none() | st.floats(0.1, 2),
    beta=st.none() | st.floats(0.1, 2),
)
def test_coda_attention_is_the_paper(form, gate, n, m, d, c, e, seed, causal, masked, own, alpha, beta):
    *arrays, q_n, k_n, chance = draw(seed, (n, d), (m, d), (m, e), (n, c), (m, c), (n, m))
    q_n, k_n = (q_n, k_n) if own else (None, None)
    options = {"alpha": alpha, "beta": beta, "gate": gate, "causal": causal and gate != "centre"}
    options["mask"] = chance > -0.5 if masked else None
    got = fa.coda_attention(*arrays, q_n, k_n, form=form, **options)
    agree(got, coda.coda_attention(*lists(*arrays, q_n, k_n), **options), d + c + m)


@pytest.mark.parametrize("form", FORMS)
def test_one_key_is_added_another_subtracted_a_third_left_out(form):
    q, k, v = np.array([[1.0]]), np.array([[1.0], [-1.0], [1.0]]), np.array([[1.0], [10.0], [100.0]])
    q_n, k_n = np.array([[0.0]]), np.array([[0.0], [0.0], [1e4]])
    got = fa.coda_attention(q, k, v, q_n, k_n, alpha=1e4, form=form)
    np.testing.assert_array_equal(got, [[-9.0]])


def test_weights_lie_between_minus_one_and_one_and_need_not_sum_to_one(rng):
    q, k = 3 * rng.standard_normal((2, 50, 4))
    weights = fa.coda_attention(q, k, np.eye(50))
    assert np.all(np.abs(weights) <= 1)
    assert np.any(weights < 0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("gate", ["scale", "centre", "plain"])
def test_hidden_pairs_do_not_matter_also_across_tiles(form, gate, rng):
    q, k, v = rng.standard_normal((3, 600, 4))
    seen = rng.random(600) < 0.8
    clean = fa.coda_attention(q, k[seen], v[seen], gate=gate, form="dense")
    k[~seen], v[~seen] = np.nan, np.inf
    agree(fa.coda_attention(q, k, v, gate=gate, mask=seen[None, :], form=form), clean, 600)


@pytest.mark.parametrize("gate", ["scale", "centre", "plain"])
@pytest.mark.parametrize("shape", [(600, 600), (600, 1), (2, 600, 600)])
def test_masks_of_every_shape_across_tiles(gate, shape, rng):
    q, k, v = rng.standard_normal((3, 2, 600, 4))
    mask = rng.random(shape) < 0.5
    want = fa.coda_attention(q, k, v, mask=mask, gate=gate, form="dense")
    agree(fa.coda_attention(q, k, v, mask=mask, gate=gate), want, 600)


@pytest.mark.parametrize("form", FORMS)
def test_a_row_that_sees_no_key_is_zero(form, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    mask = np.ones((6, 6), dtype=bool)
    mask[2] = False
    for gate in ("scale", "centre", "plain"):
        np.testing.assert_array_equal(fa.coda_attention(q, k, v, mask=mask, gate=gate, form=form)[2], 0.0)
        nothing = fa.coda_attention(q, k, v, mask=np.zeros((1, 1), dtype=bool), gate=gate, form=form)
        np.testing.assert_array_equal(nothing, 0.0)


def test_the_mean_of_a_batch_member_is_its_own(rng):
    q, k, v = rng.standard_normal((3, 2, 9, 4))
    q[1] *= 100
    for form in FORMS:
        got = fa.coda_attention(q, k, v, gate="centre", form=form)
        agree(got[0], fa.coda_attention(q[0], k[0], v[0], gate="centre", form=form), 9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": 0.0}, "alpha must be positive"),
        ({"beta": -1.0}, "beta must be positive"),
        ({"gate": "mean"}, "gate must be 'scale' or 'centre' or 'plain'"),
        ({"gate": "centre", "causal": True}, "causal must be False for gate='centre'"),
        ({"q_n": np.ones((2, 5))}, "q_n and k_n must be equally wide, got 5 and 2"),
        ({"q_n": np.ones((3, 2))}, "axis 'n' is 2 in q"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.coda_attention(*np.ones((3, 2, 2)), **options)
