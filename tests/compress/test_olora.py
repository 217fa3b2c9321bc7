"""OLoRA: the first columns of Q and the first rows of R."""

import numpy as np
import pytest
from oracles import draw
from oracles.compress import olora as oracle

from factorattn.compress import olora
from factorattn.testing import ROUNDING


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (4, 4), (1, 3), (3, 1)])
@pytest.mark.parametrize("rank", [1, 2, 4])
def test_trained_and_frozen_are_those_of_the_oracle(shape, rank):
    (w,) = draw(0, shape)
    k = min(*shape, rank)
    condition = np.linalg.cond(w[:, :k])  # of the columns whose space is taken
    trained, frozen = oracle.olora(w.tolist(), rank)
    adapter = olora(w, rank)
    for got, want in ((adapter.update.to_dense(), trained), (adapter.w, frozen)):
        assert np.max(np.abs(got - np.array(want))) <= ROUNDING("float64", w.size) * np.linalg.norm(w) * condition


@pytest.mark.parametrize("rank", [1, 2, 3, 5, 9])
def test_it_holds_the_first_columns_whole_with_orthonormal_b(rank):
    (w,) = draw(0, (7, 5))
    adapter = olora(w, rank)
    k = min(rank, 5)
    assert adapter.b.shape == (7, k)
    assert np.max(np.abs(adapter.b.T @ adapter.b - np.eye(k))) <= ROUNDING("float64", 7)
    assert np.max(np.abs(adapter.w[:, :k])) <= ROUNDING("float64", 7) * np.max(np.abs(w))


@pytest.mark.parametrize("alpha", [None, 0.5, 16.0])
def test_the_scale_is_taken_from_the_rest(alpha):
    (w,) = draw(0, (7, 5))
    adapter = olora(w, 2, alpha=alpha)
    scale = 1.0 if alpha is None else alpha / 2
    assert adapter.scale == scale
    assert np.max(np.abs(w - scale * adapter.b @ adapter.a - adapter.w)) <= ROUNDING("float64", 7) * max(
        scale, 1
    ) * np.linalg.norm(w)
    assert np.max(np.abs(adapter.merge() - w)) <= ROUNDING("float64", 7) * max(scale, 1) * np.linalg.norm(w)
