"""Facts about alternating co-attention: question, image, question, each step guided by the one before."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, alternating_co, draw, lists, seeds, sizes

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = fa.alternating_co_attention.record.forms
SHAPES = {
    "v": (6, 4), "q": (5, 4), "w_v": (3, 4), "w_gv": (3, 4), "w_hv": (3,), "w_q": (3, 4), "w_gq": (3, 4), "w_hq": (3,),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(n=sizes, m=sizes, c=sizes, a=sizes, seed=seeds, masked=st.booleans(), own=st.booleans())
def test_alternating_co_attention_is_the_paper(form, n, m, c, a, seed, masked, own):
    v, q, *layers, w_s, w_hs = draw(seed, (n, c), (m, c), (a, c), (a, c), (a,), (a, c), (a, c), (a,), (a, c), (a,))
    rng = np.random.default_rng(seed)
    masks = {"v_mask": rng.random(n) < 0.6, "q_mask": rng.random(m) < 0.6} if masked else {}
    got = fa.alternating_co_attention(v, q, *layers, *((w_s, w_hs) if own else ()), **masks, form=form)
    first = (w_s, w_hs) if own else (layers[3], layers[5])
    want = alternating_co.alternating_co_attention(
        *lists(v, q, *layers, *first), v_there=masks.get("v_mask"), q_there=masks.get("q_mask")
    )
    agree(got, want, n + m + c + a)


@pytest.mark.parametrize("form", FORMS)
def test_without_guides_each_sequence_is_read_by_itself(form, rng):
    arrays = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    arrays["w_gv"] = arrays["w_gq"] = np.zeros((3, 4))
    got = fa.alternating_co_attention(**arrays, form=form)
    for row, x, w, h in ((0, "v", "w_v", "w_hv"), (1, "q", "w_q", "w_hq")):
        keys = np.tanh(arrays[x] @ arrays[w].T)
        want = fa.softmax_attention(arrays[h][None], keys, arrays[x], scale=1.0, form="dense")
        assert np.max(np.abs(got[row] - want[0])) <= np.max(np.abs(want)) * ROUNDING(np.float64, 9)


@pytest.mark.parametrize("form", FORMS)
def test_an_image_of_nothing_guides_nowhere(form, rng):
    arrays = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    got = fa.alternating_co_attention(**arrays, v_mask=np.zeros(6, dtype=bool), form=form)
    absent = fa.alternating_co_attention(**{**arrays, "v": arrays["v"][:0]}, form=form)
    np.testing.assert_array_equal(got[0], 0.0)
    np.testing.assert_array_equal(got, absent)
    assert np.all(np.isfinite(got))


@pytest.mark.parametrize("form", FORMS)
def test_what_does_not_exist_may_hold_anything(form, rng):
    arrays = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    v_mask, q_mask = np.arange(6) < 4, np.arange(5) != 2
    want = fa.alternating_co_attention(**{**arrays, "v": arrays["v"][:4], "q": arrays["q"][q_mask]}, form=form)
    arrays["v"][4:] = np.nan
    arrays["q"][2] = np.inf
    with np.errstate(invalid="ignore"):  # inf - inf, in a hidden layer that is hidden
        got = fa.alternating_co_attention(**arrays, v_mask=v_mask, q_mask=q_mask, form=form)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 11)


def test_cost_is_linear_in_both_lengths():
    sizes = {"n": 2**14, "m": 2**14, "c": 64, "a": 64}
    small, large = (fa.cost(fa.alternating_co_attention, {**sizes, "n": n, "m": n}) for n in (2**14, 2**16))
    assert large.flops <= 4 * small.flops
    assert large.peak <= 2 * small.peak


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"mask": np.ones((1, 1), dtype=bool)}, ValueError, "takes no mask: .* v_mask and q_mask"),
        ({"causal": True}, ValueError, "takes no causal"),
        ({"v_mask": np.ones(5, dtype=bool)}, ValueError, r"v_mask must broadcast to \(\.\.\., 6\)"),
        ({"w_gq": np.ones((3, 5))}, ValueError, "axis 'c' is 4"),
        ({"w_hs": np.ones(2)}, ValueError, "axis 'a' is 3"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        fa.alternating_co_attention(**{**{name: np.ones(shape) for name, shape in SHAPES.items()}, **options})
