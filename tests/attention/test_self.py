"""Facts about self-attention: one sequence, three layers, and forms that multiply in another order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, seeds, self, sizes

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = fa.self_attention.record.forms


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=sizes, c=sizes, d=sizes, e=sizes, seed=seeds, causal=st.booleans(), masked=st.booleans(),
    scale=st.none() | st.floats(0.1, 2),
)  # fmt: skip
def test_self_attention_is_the_paper(form, n, c, d, e, seed, causal, masked, scale):
    x, w_q, w_k, w_v = draw(seed, (n, c), (d, c), (d, c), (e, c))
    mask = np.random.default_rng(seed).random((n, n)) < 0.6 if masked else np.ones((n, n), dtype=bool)
    options = {"causal": causal, "scale": scale, "form": form}
    got = fa.self_attention(x, w_q / c, w_k, w_v, mask=mask if masked else None, **options)
    want = self.self_attention(
        *lists(x, w_q / c, w_k, w_v), scale=scale, seen=lambda i, j: mask[i, j] and (j <= i or not causal)
    )
    agree(got, want, n + c + d)


@pytest.mark.parametrize("form", FORMS)
def test_by_hand_two_positions_that_prefer_themselves(form):
    x = np.array([[1.0, 0.0], [0.0, 1.0]])
    layer = np.eye(2)
    own = 1 / (1 + np.exp(-np.log(3)))  # logits log 3 and 0
    got = fa.self_attention(x, np.log(3) * layer, layer, layer, scale=1.0, form=form)
    np.testing.assert_allclose(got, [[own, 1 - own], [1 - own, own]], rtol=ROUNDING(np.float64, 2))


@pytest.mark.parametrize("form", FORMS)
def test_heads_are_an_axis_of_the_layers(form, rng):
    x, w_q, w_k, w_v = (rng.standard_normal(shape) for shape in ((3, 9, 6), (2, 4, 6), (2, 4, 6), (2, 5, 6)))
    both = fa.self_attention(x[:, None], w_q, w_k, w_v, form=form)
    assert both.shape == (3, 2, 9, 5)
    alone = fa.self_attention(x[1], w_q[1], w_k[1], w_v[1], form=form)
    assert np.max(np.abs(both[1, 1] - alone)) <= np.max(np.abs(alone)) * ROUNDING(np.float64, 9)


@pytest.mark.parametrize("form", FORMS)
def test_a_column_of_ones_is_a_bias(form, rng):
    x, w_q, w_k, w_v = (rng.standard_normal(shape) for shape in ((9, 6), (4, 6), (4, 6), (5, 6)))
    biases = [rng.standard_normal((rows, 1)) for rows in (4, 4, 5)]
    with_ones = np.concatenate([x, np.ones((9, 1))], axis=-1)
    layers = [np.concatenate(pair, axis=-1) for pair in zip((w_q, w_k, w_v), biases, strict=True)]
    q, k, v = (x @ w.T + b.T for w, b in zip((w_q, w_k, w_v), biases, strict=True))
    got, want = fa.self_attention(with_ones, *layers, form=form), fa.softmax_attention(q, k, v, form="dense")
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 16)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("causal", [False, True])
def test_a_position_that_sees_nothing_is_zero_and_poison_stays_where_it_is(form, causal, rng):
    x, w_q, w_k, w_v = (rng.standard_normal(shape) for shape in ((6, 4), (3, 4), (3, 4), (2, 4)))
    mask = np.ones((6, 6), dtype=bool)
    mask[:, 5] = mask[2] = False
    clean = fa.self_attention(x, w_q, w_k, w_v, mask=mask, causal=causal, form=form)
    x[5] = np.nan
    got = fa.self_attention(x, w_q, w_k, w_v, mask=mask, causal=causal, form=form)
    np.testing.assert_array_equal(got[2], 0.0)
    np.testing.assert_array_equal(got[:5], clean[:5])


def test_merged_weights_hold_less_where_the_model_is_narrow():
    sizes = {"n": 2**14, "c": 8, "d": 64, "e": 64}
    merged, online = (fa.cost(fa.self_attention, sizes, form=form) for form in ("bilinear", "online"))
    assert merged.flops < online.flops
    assert merged.peak < online.peak


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"w_k": np.ones((3, 5))}, ValueError, "axis 'c' is 4 in x"),
        ({"w_k": np.ones((2, 4))}, ValueError, "axis 'd' is 3 in w_q"),
        ({"mask": np.ones((6, 6))}, TypeError, "mask must have dtype bool"),
        ({"mask": np.ones((5, 6), dtype=bool)}, ValueError, r"mask must broadcast to \(\.\.\., 6, 6\)"),
        ({"scale": float("nan")}, ValueError, "scale must be finite"),
        ({"causal": 1}, TypeError, "causal must be True or False"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    arguments = {"x": np.ones((6, 4)), "w_q": np.ones((3, 4)), "w_k": np.ones((3, 4)), "w_v": np.ones((2, 4))}
    with pytest.raises(error, match=words):
        fa.self_attention(**{**arguments, **options})
