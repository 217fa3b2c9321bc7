"""Facts about parallel co-attention: two sequences, one affinity, two answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, parallel_co, seeds, sizes

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = fa.parallel_co_attention.record.forms
SHAPES = {"v": (6, 4), "q": (5, 4), "w_b": (4, 4), "w_v": (3, 4), "w_q": (3, 4), "w_hv": (3,), "w_hq": (3,)}


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(n=sizes, m=sizes, c=sizes, a=sizes, seed=seeds, masked=st.booleans())
def test_parallel_co_attention_is_the_paper(form, n, m, c, a, seed, masked):
    arrays = draw(seed, (n, c), (m, c), (c, c), (a, c), (a, c), (a,), (a,))
    rng = np.random.default_rng(seed)
    masks = {"v_mask": rng.random(n) < 0.6, "q_mask": rng.random(m) < 0.6} if masked else {}
    got = fa.parallel_co_attention(*arrays, **masks, form=form)
    want = parallel_co.parallel_co_attention(*lists(*arrays), v_there=masks.get("v_mask"), q_there=masks.get("q_mask"))
    agree(got, want, n + m + c + a)


@pytest.mark.parametrize("form", FORMS)
def test_tiles_of_regions_are_joined(form, rng):
    arrays = [rng.standard_normal(shape) for shape in ((300, 4), (7, 4), (4, 4), (3, 4), (3, 4), (3,), (3,))]
    v_mask = rng.random(300) < 0.7
    got = fa.parallel_co_attention(*arrays, v_mask=v_mask, form=form)
    agree(got, parallel_co.parallel_co_attention(*lists(*arrays), v_there=v_mask), 300)


@pytest.mark.parametrize("form", FORMS)
def test_exchanging_the_sequences_exchanges_the_answers(form, rng):
    v, q, w_b, w_v, w_q, w_hv, w_hq = (rng.standard_normal(shape) for shape in SHAPES.values())
    got = fa.parallel_co_attention(v, q, w_b, w_v, w_q, w_hv, w_hq, form=form)
    back = fa.parallel_co_attention(q, v, w_b.T, w_q, w_v, w_hq, w_hv, form=form)
    assert np.max(np.abs(got - back[::-1])) <= np.max(np.abs(got)) * ROUNDING(np.float64, 11)


@pytest.mark.parametrize("form", FORMS)
def test_what_does_not_exist_takes_no_part_in_the_affinities_either(form, rng):
    arrays = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    v_mask, q_mask = np.arange(6) < 4, np.arange(5) != 2
    want = fa.parallel_co_attention(**{**arrays, "v": arrays["v"][:4], "q": arrays["q"][q_mask]}, form=form)
    arrays["v"][4:] = np.nan
    arrays["q"][2] = np.inf
    got = fa.parallel_co_attention(**arrays, v_mask=v_mask, q_mask=q_mask, form=form)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 11)


@pytest.mark.parametrize("form", FORMS)
def test_without_an_image_the_question_attends_alone(form, rng):
    arrays = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    absent = fa.parallel_co_attention(**{**arrays, "v": arrays["v"][:0]}, form=form)
    hidden = fa.parallel_co_attention(**arrays, v_mask=np.zeros(6, dtype=bool), form=form)
    alone = fa.softmax_attention(
        arrays["w_hq"][None], np.tanh(arrays["q"] @ arrays["w_q"].T), arrays["q"], scale=1.0, form="dense"
    )
    for got in (absent, hidden):
        np.testing.assert_array_equal(got[0], 0.0)
        assert np.max(np.abs(got[1] - alone[0])) <= np.max(np.abs(alone)) * ROUNDING(np.float64, 8)


def test_affinities_are_held_a_tile_at_a_time():
    sizes = {"n": 2**15, "m": 2**12, "c": 64, "a": 64}
    tiled, dense = (fa.cost(fa.parallel_co_attention, sizes, form=form) for form in ("tiled", "dense"))
    assert 50 * tiled.peak < dense.peak


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"mask": np.ones((1, 1), dtype=bool)}, ValueError, "takes no mask: .* v_mask and q_mask"),
        ({"causal": True}, ValueError, "takes no causal"),
        ({"v_mask": np.ones(5, dtype=bool)}, ValueError, r"v_mask must broadcast to \(\.\.\., 6\)"),
        ({"q_mask": np.ones(5)}, TypeError, "q_mask must have dtype bool"),
        ({"q_mask": [True] * 5}, TypeError, "q_mask must be an array of the same library"),
        ({"w_b": np.ones((4, 3))}, ValueError, "axis 'c' is 4"),
        ({"v_mask": np.ones((3, 6), dtype=bool), "q": np.ones((2, 5, 4))}, ValueError, "batch axes must broadcast"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        fa.parallel_co_attention(**{**{name: np.ones(shape) for name, shape in SHAPES.items()}, **options})
