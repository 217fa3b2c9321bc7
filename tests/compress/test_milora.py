"""MiLoRA: the last singular triplets are trained, the principal part is frozen."""

import numpy as np
import pytest
from oracles import draw
from oracles.compress import milora as oracle

from factorattn.compress import milora, pissa
from factorattn.testing import BOUND, ROUNDING


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (4, 4), (1, 3)])
@pytest.mark.parametrize("rank", [1, 2, 4])
def test_trained_and_frozen_are_those_of_the_oracle(shape, rank):
    (w,) = draw(0, shape)
    s = np.append(np.linalg.svd(w, compute_uv=False), 0.0)
    first = max(min(shape) - rank, 0)
    # The subspace of the triplets left of `first` moves by the rounding of W over the gap (Wedin 1972).
    gap = (s[first - 1] - s[first]) / s[0] if first else 1.0
    trained, frozen = oracle.milora(w.tolist(), rank)
    adapter = milora(w, rank)
    for got, want in ((adapter.update.to_dense(), trained), (adapter.w, frozen)):
        assert np.max(np.abs(got - np.array(want))) <= ROUNDING("float64", w.size) * s[0] / gap


def test_by_hand():
    adapter = milora(np.diag([4.0, 9.0, 1.0]), 1)
    np.testing.assert_array_equal(np.abs(adapter.b.ravel()), [0.0, 0.0, 1.0])
    np.testing.assert_array_equal(adapter.w, np.diag([4.0, 9.0, 0.0]))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_what_is_trained_is_small_and_orthogonal_to_what_is_frozen(rank):
    (w,) = draw(0, (7, 5))
    adapter = milora(w, rank)
    s = np.linalg.svd(w, compute_uv=False)
    trained = adapter.update.to_dense()
    assert np.linalg.norm(trained) <= BOUND(np.linalg.norm(s[-rank:]), length=35)
    assert np.max(np.abs(adapter.w.T @ adapter.b)) <= ROUNDING("float64", 35) * s[0] ** 1.5
    assert np.max(np.abs(adapter.w @ adapter.a.T)) <= ROUNDING("float64", 35) * s[0] ** 1.5


def test_what_one_trains_of_full_rank_the_other_freezes():
    (w,) = draw(0, (7, 5))
    one, other = pissa(w, 2), milora(w, 3)
    assert np.max(np.abs(one.w - other.update.to_dense())) <= ROUNDING("float64", 35) * np.linalg.norm(w)
    assert np.max(np.abs(one.update.to_dense() - other.w)) <= ROUNDING("float64", 35) * np.linalg.norm(w)


@pytest.mark.parametrize("alpha", [None, 0.5, 16.0])
def test_factors_are_balanced_and_alpha_is_in_them(alpha):
    (w,) = draw(0, (7, 5))
    adapter = milora(w, 2, alpha=alpha)
    scale = 1.0 if alpha is None else alpha / 2
    assert adapter.scale == scale
    s = np.linalg.svd(w, compute_uv=False)
    for gram in (adapter.b.T @ adapter.b, adapter.a @ adapter.a.T):
        assert np.max(np.abs(gram - np.diag(s[-2:] / scale))) <= ROUNDING("float64", 7) * s[0] / scale
    assert np.linalg.norm(adapter.update.to_dense()) <= BOUND(np.linalg.norm(s[-2:]), length=35)
    assert np.max(np.abs(adapter.merge() - w)) <= ROUNDING("float64", 7) * np.max(np.abs(w))


@pytest.mark.parametrize("rank", [1, 3, 4])  # the weights have rank 2 = 6 - 4
def test_weights_of_low_rank_leave_nothing_to_train(rank):
    b, a = draw(0, (8, 2), (2, 6))
    adapter = milora(b @ a, rank)
    size = np.linalg.norm(b @ a, 2)
    assert np.linalg.norm(adapter.update.to_dense()) <= ROUNDING("float64", 48) * size
