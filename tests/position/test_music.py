"""Facts about the relative positions of the Music Transformer, and about skewing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, position, seeds, sizes

from factorattn.position import music_relative, shaw_relative
from factorattn.position.skew import gather, skew
from factorattn.testing import ROUNDING

FORMS = ("explicit", "skew")


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, seed=seeds, scale=st.none() | st.floats(-2, 2), back=st.none() | st.integers(0, 9))
def test_music_is_the_paper(form, n, m, d, seed, scale, back):
    q, e = draw(seed, (n, d), (m, d))
    options = {"scale": scale, "offset": back if back is None else m - n - back}
    agree(music_relative(q, e, form=form, **options), position.music_relative(*lists(q, e), **options), d)


@pytest.mark.parametrize("form", FORMS)
def test_offset_says_which_key_stands_beside_the_first_query(form):
    # Steps of decoding against keys of one fixed length, most of them not yet there.
    q, e = draw(0, (9, 4), (9, 4))
    whole = music_relative(q, e, form=form)
    for step in range(9):
        row = music_relative(q[step : step + 1], e, offset=step, form=form)
        assert np.max(np.abs(row - whole[step])) <= np.max(np.abs(whole)) * ROUNDING(np.float64, 4)


def test_skewing_by_hand():
    # Rows are queries, columns the distances -2, -1, 0 behind; the example of the paper's figure, with numbers.
    x = np.array([[11.0, 12, 13], [21, 22, 23], [31, 32, 33]])
    want = [[13, 0, 0], [22, 23, 0], [31, 32, 33]]
    np.testing.assert_array_equal(skew(x, 3, xp=np), want)


@given(n=st.integers(0, 6), length=st.integers(0, 9), data=st.data())
def test_skewing_is_gathering(n, length, data):
    m = data.draw(st.integers(0, length + 3))
    x = np.arange(1.0, 1 + 2 * n * length).reshape(2, n, length)
    got = skew(x, m, xp=np)
    np.testing.assert_array_equal(got, gather(x, m, xp=np))
    want = [[[row[n - 1 - i + j] if n - 1 - i + j < length else 0 for j in range(m)] for i, row in enumerate(one)]
            for one in x.tolist()]  # fmt: skip
    np.testing.assert_array_equal(got, np.array(want).reshape(2, n, m))


def test_behind_the_query_it_is_shaw_without_clipping(rng):
    q, e = rng.standard_normal((2, 6, 4))
    both = np.concatenate([e, np.zeros((5, 4))])  # distances -5 ... 0, then 1 ... 5
    error = np.abs(music_relative(q, e) - shaw_relative(q, both, 6))
    assert np.max(error) <= ROUNDING(np.float64, 4) * np.max(np.abs(music_relative(q, e)))


def test_an_infinite_vector_of_a_far_key_reaches_no_nearer_one(rng):
    q, e = rng.standard_normal((2, 6, 4))
    e[0] = np.inf  # five steps back: the last query and the first key alone
    with np.errstate(invalid="ignore"):
        bias = music_relative(q, e)
    np.testing.assert_array_equal(np.isfinite(bias), ~np.eye(6, dtype=bool)[::-1] | np.arange(6).astype(bool))


def test_nonsense_is_refused_by_name():
    with pytest.raises(ValueError, match="form must be 'explicit' or 'skew'"):
        music_relative(np.ones((3, 2)), np.ones((3, 2)), form="shift")
    with pytest.raises(ValueError, match="offset must be at most m - n = 0, where e has its farthest vector, got 1"):
        music_relative(np.ones((3, 2)), np.ones((3, 2)), offset=1)
    with pytest.raises(ValueError, match="axis 'd' is 2"):
        music_relative(np.ones((3, 2)), np.ones((3, 4)))
