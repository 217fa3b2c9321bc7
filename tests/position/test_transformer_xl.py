"""Facts about the relative positions of Transformer-XL."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, position, seeds, sizes

from factorattn import softmax_attention
from factorattn.position import sinusoidal, transformer_xl_relative
from factorattn.testing import ROUNDING

FORMS = ("explicit", "skew")


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=sizes, m=sizes, d=sizes, c=sizes, seed=seeds, both=st.booleans(), scale=st.none() | st.floats(-2, 2),
    base=st.floats(2, 1e5), offset=st.none() | st.integers(-9, 9), with_u=st.booleans(), with_v=st.booleans(),
)  # fmt: skip
def test_transformer_xl_is_the_paper(form, n, m, d, c, seed, both, scale, base, offset, with_u, with_v):
    *given, u, v = draw(seed, (n, d), (m, d), (d, c), (d,), (d,))
    given += [u if with_u else None, v if with_v else None]
    options = {"bidirectional": both, "scale": scale, "base": base, "offset": offset}
    got = transformer_xl_relative(*given, form=form, **options)
    agree(got, position.transformer_xl_relative(*lists(*given), **options), d * c * (n + m))


@pytest.mark.parametrize("form", FORMS)
def test_a_score_is_the_product_of_two_sums(form, rng):
    # (q + u) . k + (q + v) . W r: the paper's regrouping of the four terms, with i - j up to the memory's length
    n, m, d, c = 5, 12, 4, 6
    q, k, w, u, v = draw(0, (n, d), (m, d), (d, c), (d,), (d,))
    got = q @ k.T / 2 + transformer_xl_relative(q, k, w, u, v, form=form)
    for i, j in np.ndindex(n, m):
        back = i + m - n - j
        if back < 0:
            continue
        r = w @ sinusoidal(1, c, like=q, offset=back, layout="halves")[0]
        want = ((q[i] + u) @ k[j] + (q[i] + v) @ r) / 2
        assert abs(got[i, j] - want) <= np.max(np.abs(got)) * ROUNDING(np.float64, d * c)


def test_without_u_v_and_w_nothing_is_added(rng):
    q, k = rng.standard_normal((2, 6, 4))
    zero = np.zeros(4)
    assert not transformer_xl_relative(q, k, np.zeros((4, 3)), zero, zero, bidirectional=True).any()


def test_without_u_and_v_there_is_one_term():
    q, k, w = draw(0, (4, 3), (6, 3), (3, 4))
    zero = np.zeros(3)
    np.testing.assert_array_equal(transformer_xl_relative(q, k, w), transformer_xl_relative(q, k, w, zero, zero))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("both", [False, True])
def test_offset_says_which_key_stands_beside_the_first_query(form, both):
    # Steps of decoding against keys of one fixed length, most of them not yet there.
    q, k, w, u, v = draw(0, (9, 4), (9, 4), (4, 6), (4,), (4,))
    whole = transformer_xl_relative(q, k, w, u, v, bidirectional=both, form=form)
    for step in range(9):
        row = transformer_xl_relative(q[step : step + 1], k, w, u, v, bidirectional=both, offset=step, form=form)
        assert np.max(np.abs(row - whole[step])) <= np.max(np.abs(whole)) * ROUNDING(np.float64, 24)


def test_attention_in_segments_with_memory_is_attention_to_the_whole(rng):
    # What the relative encoding is for: a segment with the keys of the one before it as memory.
    q, k, v = rng.standard_normal((3, 20, 4))
    w, u, t = draw(1, (4, 6), (4,), (4,))
    whole = softmax_attention(q, k, v, bias=transformer_xl_relative(q, k, w, u, t), causal=True)
    last = softmax_attention(q[12:], k, v, bias=transformer_xl_relative(q[12:], k, w, u, t), causal=True)
    assert np.max(np.abs(last - whole[12:])) <= np.max(np.abs(whole)) * ROUNDING(np.float64, 20**2)


def test_heads_are_a_leading_axis(rng):
    q, k, w, u, v = draw(0, (3, 5, 4), (3, 7, 4), (3, 4, 6), (3, 4), (3, 4))
    got = transformer_xl_relative(q, k, w, u, v, bidirectional=True)
    for head in range(3):
        want = transformer_xl_relative(q[head], k[head], w[head], u[head], v[head], bidirectional=True)
        assert np.max(np.abs(got[head] - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 24)


def test_ahead_of_the_query_there_is_nothing_unless_asked_for(rng):
    given = draw(0, (4, 3), (6, 3), (3, 4), (3,), (3,))
    ahead = np.triu(np.ones((4, 6), dtype=bool), 3)
    np.testing.assert_array_equal(transformer_xl_relative(*given) == 0, ahead)
    assert transformer_xl_relative(*given, bidirectional=True).all()


def test_nonsense_is_refused_by_name():
    given = draw(0, (4, 3), (6, 3), (3, 4), (3,), (3,))
    with pytest.raises(ValueError, match="form must be 'explicit' or 'skew'"):
        transformer_xl_relative(*given, form="shift")
    with pytest.raises(ValueError, match="base must be positive"):
        transformer_xl_relative(*given, base=0)
    with pytest.raises(TypeError, match="bidirectional must be True or False"):
        transformer_xl_relative(*given, bidirectional=None)
