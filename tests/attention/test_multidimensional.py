"""Facts about multi-dimensional attention: a softmax for every feature, and directions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, multidimensional, seeds, sizes

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = fa.multidimensional_attention.record.forms
ELU = lambda z: z if z > 0 else math.expm1(z)  # noqa: E731
SEES = {"all": lambda j, i: True, "forward": lambda j, i: i < j, "backward": lambda j, i: i > j,
        "others": lambda j, i: i != j}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=sizes, c=sizes, seed=seeds, activation=st.sampled_from(["tanh", "elu"]), direction=st.sampled_from([*SEES]),
    causal=st.booleans(), masked=st.booleans(), layered=st.booleans(), biased=st.booleans(), ceiling=st.floats(0.5, 8),
)  # fmt: skip
def test_multidimensional_attention_is_the_paper(
    form, n, c, seed, activation, direction, causal, masked, layered, biased, ceiling
):
    x, w_1, w_2, w, b_1 = draw(seed, (n, c), (c, c), (c, c), (c, c), (c,))
    mask = np.random.default_rng(seed).random((n, n)) < 0.6 if masked else np.ones((n, n), dtype=bool)
    got = fa.multidimensional_attention(
        x, w_1, w_2, b_1 if biased else None, w if layered else None, activation=activation, direction=direction,
        ceiling=ceiling if activation == "tanh" else None, mask=mask if masked else None, causal=causal, form=form,
    )  # fmt: skip
    want = multidimensional.multidimensional_attention(
        *lists(x, w_1, w_2, b_1 if biased else np.zeros(c), w if layered else None),
        sigma=ELU if activation == "elu" else lambda z: ceiling * math.tanh(z / ceiling),
        seen=lambda j, i: SEES[direction](j, i) and mask[j, i] and (i <= j or not causal),
    )
    agree(got, want, n + c)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("direction", SEES)
@pytest.mark.parametrize("causal", [False, True])
def test_directions_hide_what_they_say_across_tiles(form, direction, causal):
    n, c = 150, 2
    x = np.zeros((n, c))
    reached = []
    for token in (0, 63, 64, 100, 149):  # a token with a feature of its own: who gets some of it?
        x[:] = 0.0
        x[token] = 1.0
        layer = np.zeros((c, c))
        out = fa.multidimensional_attention(x, layer, layer, direction=direction, causal=causal, form=form)
        reached.append((token, out[:, 0] > 0))
    for token, got in reached:
        want = [SEES[direction](j, token) and (token <= j or not causal) for j in range(n)]
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("form", FORMS)
def test_tiles_are_joined_and_what_is_hidden_may_hold_anything(form, rng):
    x, (w_1, w_2) = rng.standard_normal((150, 3)), rng.standard_normal((2, 3, 3))
    x[:, 0] *= np.linspace(0.1, 30.0, 150)  # so that the running maximum grows from tile to tile
    mask = rng.random((150, 150)) < 0.6
    mask[:, 70] = False
    want = multidimensional.multidimensional_attention(
        *lists(x, w_1, w_2), [0.0] * 3, None, sigma=lambda z: 9 * math.tanh(z / 9), seen=lambda j, i: mask[j, i]
    )
    x[70] = np.nan  # as a token that asks it spoils its own row
    got = fa.multidimensional_attention(x, w_1, w_2, ceiling=9.0, mask=mask, form=form)
    rest = np.arange(150) != 70
    agree(got[rest], np.array(want)[rest], 150)


@pytest.mark.parametrize("form", FORMS)
def test_features_weigh_the_same_tokens_differently(form):
    x = np.array([[2.0, 0.0], [0.0, 2.0]])
    got = fa.multidimensional_attention(x, 50 * np.eye(2), np.zeros((2, 2)), ceiling=1e3, form=form)
    # Feature 0 attends to token 0, feature 1 to token 1: no single weight for both could give (2, 2).
    np.testing.assert_allclose(got, 2.0, rtol=ROUNDING(np.float64, 2))


@pytest.mark.parametrize("form", FORMS)
def test_the_ceiling_bounds_the_weights(form, rng):
    x, w_1, w_2 = rng.standard_normal((3, 6, 6))
    x[0] = 1e8
    got = fa.multidimensional_attention(x, w_1, w_2, ceiling=2.0, form=form)
    least = x.min(axis=0) + (1e8 - x.min(axis=0)) / (1 + 5 * math.exp(4.0))  # logits are within 4 of each other
    assert np.all(got >= least * (1 - ROUNDING(np.float64, 6)))


@pytest.mark.parametrize("form", FORMS)
def test_tokens_without_others_get_zeros(form, rng):
    x, w_1, w_2 = rng.standard_normal((3, 4, 4))
    np.testing.assert_array_equal(fa.multidimensional_attention(x, w_1, w_2, direction="forward", form=form)[0], 0.0)
    np.testing.assert_array_equal(fa.multidimensional_attention(x, w_1, w_2, direction="backward", form=form)[-1], 0.0)
    np.testing.assert_array_equal(
        fa.multidimensional_attention(x[:1], w_1, w_2, direction="others", form=form), np.zeros((1, 4))
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_bias_behind_the_last_layer_would_change_nothing(form, rng):
    """Why there is no argument for it: it adds the same to the logits of all keys."""
    x, w_1, w_2, w = rng.standard_normal((4, 5, 5))
    lifted = np.concatenate([w, rng.standard_normal((5, 1))], axis=-1)  # an input that is always one
    pad = lambda m: np.pad(m, ((0, 1), (0, 1)))  # noqa: E731
    ones = np.concatenate([x, np.zeros((5, 1))], axis=-1)
    bias = np.zeros(6)
    bias[5] = 1e6  # tanh of it is one
    square = np.concatenate([lifted, np.zeros((1, 6))], axis=0)
    got = fa.multidimensional_attention(ones, pad(w_1), pad(w_2), bias, square, ceiling=1.0, form=form)[:, :5]
    want = fa.multidimensional_attention(x, w_1, w_2, None, w, ceiling=1.0, form=form)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 10)


def test_logits_are_held_a_tile_at_a_time():
    small, large = (fa.cost(fa.multidimensional_attention, {"n": n, "c": 64}) for n in (2**12, 2**14))
    assert large.peak <= 4 * small.peak
    assert fa.cost(fa.multidimensional_attention, {"n": 2**12, "c": 64}, form="dense").peak > 100 * small.peak


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"direction": "left"}, ValueError, "direction must be 'all' or 'forward' or 'backward' or 'others'"),
        ({"activation": "relu"}, ValueError, "activation must be 'tanh' or 'elu'"),
        ({"activation": "elu", "ceiling": 5.0}, ValueError, "ceiling belongs to activation='tanh'"),
        ({"ceiling": 0.0}, ValueError, "ceiling must be positive"),
        ({"mask": np.ones((4, 6), dtype=bool)}, ValueError, r"mask must broadcast to \(\.\.\., 6, 6\)"),
        ({"w": np.ones((3, 4))}, ValueError, "axis 'c' is 4"),
        ({"causal": None}, TypeError, "causal must be True or False"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    arguments = {"x": np.ones((6, 4)), "w_1": np.ones((4, 4)), "w_2": np.ones((4, 4))}
    with pytest.raises(error, match=words):
        fa.multidimensional_attention(**{**arguments, **options})
