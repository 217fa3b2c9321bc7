"""Facts about distinctive attention: one sequence asks another one, of another width."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distinctive, draw, lists, seeds, sizes

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = fa.distinctive_attention.record.forms


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=sizes, m=sizes, c=sizes, a=sizes, d=sizes, e=sizes, seed=seeds, causal=st.booleans(), masked=st.booleans(),
    scale=st.none() | st.floats(0.1, 2),
)  # fmt: skip
def test_distinctive_attention_is_the_paper(form, n, m, c, a, d, e, seed, causal, masked, scale):
    x, y, w_q, w_k, w_v = draw(seed, (n, c), (m, a), (d, c), (d, a), (e, a))
    mask = np.random.default_rng(seed).random((n, m)) < 0.6 if masked else np.ones((n, m), dtype=bool)
    options = {"causal": causal, "scale": scale, "form": form}
    got = fa.distinctive_attention(x, y, w_q / c, w_k, w_v, mask=mask if masked else None, **options)
    want = distinctive.distinctive_attention(
        *lists(x, y, w_q / c, w_k, w_v), scale=scale,
        seen=lambda i, j: mask[i, j] and (j <= i + m - n or not causal),
    )  # fmt: skip
    agree(got, want, n + m + c + a + d)


@pytest.mark.parametrize("form", FORMS)
def test_a_query_of_nothing_gets_the_mean_of_the_other_sequence(form, rng):
    y = rng.standard_normal((7, 5))
    got = fa.distinctive_attention(np.zeros((2, 3)), y, np.ones((4, 3)), np.ones((4, 5)), np.eye(5), form=form)
    np.testing.assert_allclose(got, [y.mean(axis=0)] * 2, atol=np.max(np.abs(y)) * ROUNDING(np.float64, 7))


@pytest.mark.parametrize("form", FORMS)
def test_padding_of_the_other_sequence_is_hidden_by_one_row_of_mask(form, rng):
    x, y, w_q, w_k, w_v = (rng.standard_normal(shape) for shape in ((2, 5, 4), (2, 8, 6), (3, 4), (3, 6), (2, 6)))
    mask = np.arange(8)[None, None, :] < np.array([8, 5])[:, None, None]
    y[1, 5:] = np.nan
    got = fa.distinctive_attention(x, y, w_q, w_k, w_v, mask=mask, form=form)
    want = fa.distinctive_attention(x[1], y[1, :5], w_q, w_k, w_v, form=form)
    assert np.max(np.abs(got[1] - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 8)


def test_nothing_of_the_asked_sequence_is_projected_in_the_merged_form():
    sizes = {"n": 1, "m": 2**16, "c": 512, "a": 512, "d": 64, "e": 64}
    merged, online = (fa.cost(fa.distinctive_attention, sizes, form=form) for form in ("bilinear", "online"))
    assert 10 * merged.flops < online.flops
    assert 10 * merged.peak < online.peak


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"w_k": np.ones((3, 4))}, ValueError, "axis 'a' is 5 in y"),
        ({"w_q": np.ones((2, 4))}, ValueError, "axis 'd' is 2 in w_q"),
        ({"y": np.ones((1, 7, 5), dtype=np.float32)[0, :, 0]}, ValueError, "y needs shape"),
        ({"mask": np.ones((7, 6), dtype=bool)}, ValueError, r"mask must broadcast to \(\.\.\., 6, 7\)"),
        ({"form": "dense"}, ValueError, "form must be 'projected' or 'bilinear' or 'online'"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    shapes = {"x": (6, 4), "y": (7, 5), "w_q": (3, 4), "w_k": (3, 5), "w_v": (2, 5)}
    with pytest.raises(error, match=words):
        fa.distinctive_attention(**{**{name: np.ones(shape) for name, shape in shapes.items()}, **options})
