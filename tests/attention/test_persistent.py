"""Facts about persistent memory: it is always seen, it can stand alone, and it may be reparametrised."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, persistent, seeds, sizes

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = fa.persistent_attention.record.forms
every_form = pytest.mark.parametrize("form", FORMS)


@every_form
@settings(deadline=None)
@given(
    n=sizes, m=sizes, d=sizes, e=sizes, l=st.integers(0, 4), seed=seeds, causal=st.booleans(), hide=st.booleans(),
    learned=st.booleans(), scale=st.none() | st.floats(-2, 2),
)  # fmt: skip
def test_persistent_attention_is_the_paper(form, n, m, d, e, l, seed, causal, hide, learned, scale):
    arrays = draw(seed, (n, d), (m, d), (m, e), (l, d), (l, e))
    arrays = arrays if learned else [*arrays[:3], None, None]
    mask = np.random.default_rng(seed).random((n, m)) < 0.6 if hide else None
    got = fa.persistent_attention(*arrays, mask=mask, causal=causal, scale=scale, form=form)
    seen = mask.tolist() if hide else None
    want = persistent.persistent_attention(*lists(*arrays), seen=seen, causal=causal, scale=scale)
    agree(got, want, d + m + l)


@every_form
def test_two_alike_keys_share_the_weight(form):
    # One key of the context and one that is learned, both orthogonal to the query: half of each value.
    q, k, v = np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]]), np.array([[2.0]])
    o = fa.persistent_attention(q, k, v, -k, np.array([[10.0]]), form=form)
    np.testing.assert_array_equal(o, [[6.0]])


@every_form
def test_without_context_it_is_a_layer_of_hidden_units(form, rng):
    q, k, v = rng.standard_normal((5, 4)), rng.standard_normal((3, 4)), rng.standard_normal((3, 2))
    o = fa.persistent_attention(q, k[:0], v[:0], k, v, scale=1.0, form=form)
    hidden = np.exp(q @ k.T)
    want = hidden / hidden.sum(axis=1, keepdims=True) @ v
    np.testing.assert_allclose(o, want, rtol=0, atol=np.max(np.abs(want)) * ROUNDING(np.float64, 4))


@every_form
@pytest.mark.parametrize("hidden_by", ["mask", "causal"])
def test_learned_vectors_are_never_hidden(form, hidden_by, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    learned = rng.standard_normal((2, 3, 4))
    mask = np.zeros((1, 1), dtype=bool) if hidden_by == "mask" else None
    first = 6 if hidden_by == "mask" else 3  # six queries and three keys: the first three stand before every key
    some = slice(None) if hidden_by == "mask" else slice(0, 3)
    causal = hidden_by == "causal"
    o = fa.persistent_attention(q, k[some], v[some], *learned, mask=mask, causal=causal, form=form)
    alone = fa.softmax_attention(q, *learned)
    np.testing.assert_allclose(o[:first], alone[:first], rtol=0, atol=ROUNDING(np.float64, 4))


@every_form
def test_reparametrised_vectors_are_the_same_in_other_units(form, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    keys, values = rng.standard_normal((2, 9, 4))
    plain = fa.persistent_attention(q, k, v, 2.0 * keys, 3.0 * values, form=form)  # sqrt(d) = 2, sqrt(l) = 3
    np.testing.assert_array_equal(fa.persistent_attention(q, k, v, keys, values, reparametrised=True, form=form), plain)


def test_default_form_holds_no_logits():
    sizes = {"d": 64, "e": 64, "l": 1024}
    small, large = (fa.cost(fa.persistent_attention, {**sizes, "n": n, "m": n}) for n in (2**13, 2**15))
    assert large.peak <= 4 * small.peak


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"k_persistent": np.ones((3, 4))}, ValueError, "give both or neither"),
        ({"v_persistent": np.ones((3, 4))}, ValueError, "give both or neither"),
        ({"k_persistent": np.ones((3, 4)), "v_persistent": np.ones((2, 4))}, ValueError, "axis 'l' is 3"),
        ({"reparametrised": "yes"}, TypeError, "reparametrised must be True or False"),
        ({"mask": np.ones((6, 9), dtype=bool)}, ValueError, r"mask must broadcast to \(\.\.\., 6, 6\)"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        fa.persistent_attention(*np.ones((3, 6, 4)), **options)
