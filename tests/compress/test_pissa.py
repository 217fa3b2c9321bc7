"""PiSSA: the leading singular triplets are trained, the rest is frozen."""

import numpy as np
import pytest
from hypothesis import given
from oracles import agree, draw, seeds, sizes
from oracles.compress import pissa as oracle

from factorattn.compress import pissa
from factorattn.testing import BOUND, ROUNDING


@given(seed=seeds, p=sizes, q=sizes, r=sizes)
def test_trained_and_frozen_are_those_of_the_oracle(seed, p, q, r):
    (w,) = draw(seed, (p, q))
    adapter = pissa(w, r)
    trained, frozen = oracle.pissa(w.tolist(), r)
    gap = relative_gap(w, min(r, p, q))
    # A product of leading triplets moves by the rounding of W over the gap below them (Wedin 1972).
    if gap > ROUNDING("float64", p * q) ** 0.5:
        agree(gap * np.asarray(adapter.update.to_dense()), gap * np.array(trained), p * q)
        agree(gap * adapter.w, gap * np.array(frozen), p * q)


def relative_gap(w, r):
    s = np.append(np.linalg.svd(w, compute_uv=False), 0.0)
    return (s[r - 1] - s[r]) / s[0] if s[0] else 0.0


def test_by_hand():
    adapter = pissa(np.diag([4.0, 9.0, 1.0]), 1)
    np.testing.assert_array_equal(np.abs(adapter.b.ravel()), [0.0, 3.0, 0.0])
    np.testing.assert_array_equal(np.abs(adapter.a.ravel()), [0.0, 3.0, 0.0])
    np.testing.assert_array_equal(adapter.w, np.diag([4.0, 0.0, 1.0]))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_what_is_frozen_is_as_small_as_it_can_be(rank):
    (w,) = draw(0, (7, 5))
    frozen = pissa(w, rank).w
    s = np.linalg.svd(w, compute_uv=False)
    assert np.linalg.norm(frozen) <= BOUND(np.linalg.norm(s[rank:]), length=35)
    assert np.linalg.norm(frozen, 2) <= BOUND(s[rank], length=35)


@pytest.mark.parametrize("alpha", [None, 0.5, 16.0])
def test_factors_are_balanced_and_alpha_is_in_them(alpha):
    (w,) = draw(0, (7, 5))
    adapter = pissa(w, 2, alpha=alpha)
    scale = 1.0 if alpha is None else alpha / 2
    assert adapter.scale == scale
    s = np.linalg.svd(w, compute_uv=False)[:2] / scale
    for gram in (adapter.b.T @ adapter.b, adapter.a @ adapter.a.T):
        assert np.max(np.abs(gram - np.diag(s))) <= ROUNDING("float64", 7) * s[0]
    assert np.max(np.abs(adapter.merge() - w)) <= ROUNDING("float64", 7) * np.max(np.abs(w))


def test_a_rank_beyond_all_trains_everything():
    (w,) = draw(0, (7, 5))
    adapter = pissa(w, 100)
    assert adapter.b.shape == (7, 5)
    assert np.max(np.abs(adapter.w)) <= ROUNDING("float64", 35) * np.max(np.abs(w))


def test_its_change_is_an_adapter_of_twice_the_rank_beside_the_first_weights():
    w, b, a = draw(0, (9, 8), (9, 2), (2, 8))
    start = pissa(w, 2)
    change = start.trained(b=b, a=a).merge() - w
    two = np.concatenate([b, -start.b], axis=1) @ np.concatenate([a, start.a], axis=0)
    assert np.max(np.abs(change - two)) <= ROUNDING("float64", 9) * np.max(np.abs(two))
    assert np.linalg.matrix_rank(change) == 4


@pytest.mark.parametrize("alpha", [0.0, -1.0])
def test_a_scale_that_is_not_positive_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha must be positive"):
        pissa(np.eye(3), 1, alpha=alpha)
