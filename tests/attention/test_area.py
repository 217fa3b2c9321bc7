"""Facts about area attention: which areas there are, what they weigh, and how they are summed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, area, draw, lists, seeds, sizes

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = fa.area_attention.record.forms


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=sizes, m=st.integers(1, 9), d=sizes, e=sizes, s=st.integers(1, 4), p=st.integers(1, 3), columns=st.integers(1, 5),
    f=sizes, seed=seeds, grid=st.booleans(), rich=st.booleans(), biased=st.booleans(), causal=st.booleans(),
    masked=st.booleans(), scale=st.none() | st.floats(0.1, 2),
)  # fmt: skip
def test_area_attention_is_the_paper(
    form, n, m, d, e, s, p, columns, f, seed, grid, rich, biased, causal, masked, scale
):
    p, columns = (p, columns) if grid else (1, None)
    q, k, v, table, w_1, b_1, w_d = draw(seed, (n, d), (m, d), (m, e), (p, s, d), (f, d), (f,), (d, f))
    mask = np.random.default_rng(seed).random((n, m)) < 0.8 if masked else np.ones((n, m), dtype=bool)
    layers = {"sizes": table, "w_1": w_1, "w_d": w_d, "b_1": b_1 if biased else None} if rich else {}
    got = fa.area_attention(
        q, k, v, width=s, height=p if grid else None, columns=columns, mask=mask if masked else None, causal=causal,
        scale=scale, form=form, **layers,
    )  # fmt: skip
    want = area.area_attention(
        *lists(q, k, v), width=s, height=p, columns=columns, scale=scale,
        richer=lists(table, w_1, b_1 if biased else np.zeros(f), w_d) if rich else None,
        seen=lambda i, j: mask[i, j] and (j <= i + m - n or not causal),
    )  # fmt: skip
    agree(got, want, m * s * p + d + f)


@pytest.mark.parametrize("form", FORMS)
def test_areas_of_a_line_by_hand(form):
    v = np.eye(4)
    got = fa.area_attention(np.zeros((1, 2)), np.ones((4, 2)), v, width=3, form=form)
    # 4 + 3 + 2 areas of the same weight; the items lie in 1 + 1 + 1, 1 + 2 + 2, 1 + 2 + 2 and 1 + 1 + 1 of them.
    np.testing.assert_allclose(got, [[3 / 9, 5 / 9, 5 / 9, 3 / 9]], rtol=ROUNDING(np.float64, 9))


@pytest.mark.parametrize("form", FORMS)
def test_areas_of_a_grid_by_hand_do_not_go_round_its_edge(form):
    got = fa.area_attention(np.zeros((1, 2)), np.ones((5, 2)), np.eye(5), width=2, height=2, columns=3, form=form)
    # A grid of 3 + 2 items. 1 x 1: 5; 1 x 2: {0, 1}, {1, 2}, {3, 4}; 2 x 1: {0, 3}, {1, 4}; 2 x 2: {0, 1, 3, 4}.
    np.testing.assert_allclose(got * 11, [[4, 5, 2, 4, 4]], rtol=ROUNDING(np.float64, 11))


@pytest.mark.parametrize("form", FORMS)
def test_an_area_counts_for_all_of_its_items(form):
    """Constant values do not stay: three of them that are attended to as one area are three."""
    one = fa.area_attention(np.zeros((1, 1)), np.zeros((3, 1)), np.ones((3, 1)), width=1, form=form)
    three = fa.area_attention(np.zeros((1, 1)), np.zeros((3, 1)), np.ones((3, 1)), width=3, form=form)
    np.testing.assert_allclose([one[0, 0], three[0, 0]], [1.0, 10 / 6], rtol=ROUNDING(np.float64, 6))


@pytest.mark.parametrize("form", FORMS)
def test_areas_larger_than_the_memory_do_not_exist(form, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    wide, whole = (fa.area_attention(q, k, v, width=width, form=form) for width in (100, 6))
    np.testing.assert_array_equal(wide, whole)
    wide, whole = (fa.area_attention(q, k, v, width=w, height=h, columns=3, form=form) for w, h in ((100, 100), (3, 2)))
    np.testing.assert_array_equal(wide, whole)


@pytest.mark.parametrize("form", FORMS)
def test_an_area_with_a_hidden_item_is_hidden(form, rng):
    q, k, v = rng.standard_normal((3, 7, 4))
    k[3], v[3] = np.nan, np.inf
    mask = np.arange(7)[None, :] != 3
    with np.errstate(invalid="ignore"):
        got = fa.area_attention(q, k, v, width=3, mask=mask, form=form)
    # What is left are the areas of the items 0, 1, 2 and of 4, 5, 6: a grid of two rows of three.
    want = fa.area_attention(q, k[mask[0]], v[mask[0]], width=3, columns=3, form=form)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 18)
    none = fa.area_attention(q, k, v, width=3, mask=np.zeros((1, 1), dtype=bool), form=form)
    np.testing.assert_array_equal(none, 0.0)


def test_sums_of_short_areas_do_not_suffer_from_a_long_memory(rng):
    """A summed area table in float32 would lose the small items behind large ones."""
    q, k = np.zeros((1, 1)), np.zeros((4096, 1))
    v = np.ones((4096, 1))
    v[:2048] = 1e7
    mask = np.arange(4096)[None, :] >= 2048
    q, k, v = (x.astype(np.float32) for x in (q, k, v))
    got = fa.area_attention(q, k, v, width=3, mask=mask)
    count = 2048 + 2047 + 2046
    np.testing.assert_allclose(got, [[(2048 + 2 * 2047 + 3 * 2046) / count]], rtol=ROUNDING(np.float32, 3))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("favoured", [0, 1, 2])
def test_the_size_of_an_area_can_decide_whatever_the_logits(form, favoured, rng):
    sizes = np.zeros((1, 3, 2))
    sizes[0, favoured] = 1e6
    v = rng.standard_normal((6, 3))
    got = fa.area_attention(
        np.ones((1, 2)), np.zeros((6, 2)), v, width=3, sizes=sizes, w_1=np.eye(2), w_d=np.eye(2), form=form
    )
    want = np.mean([np.sum(v[j : j + favoured + 1], axis=0) for j in range(6 - favoured)], axis=0)
    np.testing.assert_allclose(got, [want], atol=np.max(np.abs(v)) * ROUNDING(np.float64, 6))


@pytest.mark.parametrize("form", FORMS)
def test_equal_keys_have_no_spread(form):
    k = np.full((5, 3), 0.1)
    sizes = np.zeros((1, 3, 3))
    got = fa.area_attention(
        np.ones((1, 3)), k, np.eye(5), width=3, sizes=sizes, w_1=np.eye(3), w_d=np.eye(3), form=form
    )
    want = fa.area_attention(np.ones((1, 3)), k, np.eye(5), width=3, form=form)
    assert np.max(np.abs(got - want)) <= np.max(want) * ROUNDING(np.float64, 15)


def test_cost_follows_the_number_of_areas_and_memory_does_not():
    common = {"n": 2**12, "m": 2**12, "d": 64, "e": 64, "f": 1, "p": 1, "y": 2**12}
    narrow, wide = (fa.cost(fa.area_attention, {**common, "s": s}) for s in (2, 8))
    assert 3 * narrow.flops < wide.flops <= 4 * narrow.flops
    assert wide.peak == narrow.peak


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"width": 0}, ValueError, "width must be a positive integer"),
        ({"height": 2}, ValueError, "height needs the number of columns"),
        ({"columns": 0}, ValueError, "columns must be a positive integer"),
        ({"sizes": np.ones((1, 3, 4))}, ValueError, "make richer keys together"),
        ({"b_1": np.ones(2)}, ValueError, "make richer keys together"),
        ({"sizes": np.ones((1, 2, 4)), "w_1": np.ones((5, 4)), "w_d": np.ones((4, 5))}, ValueError, "axis 's' is 3"),
        ({"mask": np.ones((5, 6), dtype=bool)}, ValueError, r"mask must broadcast to \(\.\.\., 6, 5\)"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        fa.area_attention(**{"q": np.ones((6, 4)), "k": np.ones((5, 4)), "v": np.ones((5, 2)), **options})
