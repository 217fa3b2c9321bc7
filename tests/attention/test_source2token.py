"""Facts about source2token attention: a sequence becomes one vector, feature by feature."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, seeds, sizes, source2token

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = fa.source2token_attention.record.forms
SIGMA = {"elu": lambda z: z if z > 0 else math.expm1(z), "tanh": math.tanh}


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=sizes, c=sizes, a=sizes, seed=seeds, activation=st.sampled_from([*SIGMA]), masked=st.booleans(),
    biased=st.booleans(),
)  # fmt: skip
def test_source2token_attention_is_the_paper(form, n, c, a, seed, activation, masked, biased):
    x, w_1, w, b_1 = draw(seed, (n, c), (a, c), (c, a), (a,))
    there = np.random.default_rng(seed).random(n) < 0.6 if masked else None
    got = fa.source2token_attention(
        x, w_1, w, b_1 if biased else None, activation=activation, mask=there if there is None else there[None, :],
        form=form,
    )  # fmt: skip
    bias = b_1 if biased else np.zeros(a)
    want = source2token.source2token_attention(*lists(x, w_1, w, bias), sigma=SIGMA[activation], there=there)
    agree(got, want, n + c + a)


@pytest.mark.parametrize("form", FORMS)
def test_tiles_are_joined(form, rng):
    x, w_1, w, b_1 = (rng.standard_normal(shape) for shape in ((2100, 3), (4, 3), (3, 4), (4,)))
    there = rng.random(2100) < 0.6
    want = source2token.source2token_attention(*lists(x, w_1, w, b_1), sigma=SIGMA["elu"], there=there)
    agree(fa.source2token_attention(x, w_1, w, b_1, mask=there, form=form), want, 2100)


@pytest.mark.parametrize("form", FORMS)
def test_with_steep_layers_it_is_the_maximum_of_each_feature(form, rng):
    x = rng.standard_normal((9, 4))
    got = fa.source2token_attention(np.abs(x), np.eye(4), 1e9 * np.eye(4), form=form)
    np.testing.assert_array_equal(got, np.abs(x).max(axis=0))


@pytest.mark.parametrize("form", FORMS)
def test_what_is_not_there_may_hold_anything_and_nothing_is_zero(form, rng):
    x, w_1, w = (rng.standard_normal(shape) for shape in ((8, 4), (3, 4), (4, 3)))
    want = fa.source2token_attention(x[:5], w_1, w, form=form)
    x[5:] = np.nan
    got = fa.source2token_attention(x, w_1, w, mask=np.arange(8) < 5, form=form)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 8)
    nothing = fa.source2token_attention(x, w_1, w, mask=np.zeros((1, 1), dtype=bool), form=form)
    np.testing.assert_array_equal(nothing, np.zeros(4))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"causal": True}, ValueError, "takes no causal"),
        ({"activation": "gelu"}, ValueError, "activation must be 'tanh' or 'elu'"),
        ({"mask": np.ones((6, 6), dtype=bool)}, ValueError, r"mask must broadcast to \(\.\.\., 1, 6\)"),
        ({"w": np.ones((3, 4))}, ValueError, "axis 'c' is 4"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    arguments = {"x": np.ones((6, 4)), "w_1": np.ones((3, 4)), "w": np.ones((4, 3))}
    with pytest.raises(error, match=words):
        fa.source2token_attention(**{**arguments, **options})
