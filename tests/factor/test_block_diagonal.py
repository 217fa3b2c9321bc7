"""The nearest block-diagonal matrix has the diagonal blocks."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import draw, lists, seeds
from oracles.factor import block_diagonal as oracle

from factorattn.factor.factored import BlockDiagonal
from factorattn.factor.structured import block_diagonal
from factorattn.testing import BOUND, ROUNDING

small = st.integers(1, 4)


@given(b=small, x=small, y=small, seed=seeds)
@settings(deadline=None)
def test_it_is_the_oracle(b, x, y, seed):
    (a,) = draw(seed, (b * x, b * y))
    got, want = block_diagonal(a, blocks=b), np.asarray(oracle.diagonal_blocks(*lists(a), b))
    np.testing.assert_array_equal(got.to_dense(), want)
    assert got.blocks.shape == (b, x, y)
    assert abs(got.error_bound - np.linalg.norm(a - want)) <= ROUNDING("float64", a.size) * np.linalg.norm(a)


def test_matrices_are_scipys():
    blocks = draw(0, (3, 2, 4))[0]
    np.testing.assert_array_equal(BlockDiagonal(blocks).to_dense(), scipy.linalg.block_diag(*blocks))
    np.testing.assert_array_equal(BlockDiagonal(blocks).mT.to_dense(), scipy.linalg.block_diag(*blocks).T)


def test_a_worked_example():
    got = block_diagonal(np.asarray([[1.0, 2.0], [2.0, 3.0]]), blocks=2)
    assert got.to_dense().tolist() == [[1.0, 0.0], [0.0, 3.0]]
    assert got.error_bound == np.sqrt(8.0)


def test_cost_is_a_part_of_the_dense_one():
    f = block_diagonal(np.ones((12, 8)), blocks=4)
    assert (f.parameters, f.flops, f.nbytes) == (24, 48, 192)
    assert block_diagonal(np.ones((12, 8))).blocks.shape == (2, 6, 4)
    assert block_diagonal(np.ones((7, 5))).blocks.shape == (1, 7, 5)


def test_no_other_block_diagonal_matrix_is_nearer():
    (a,), rng = draw(1, (8, 12)), np.random.default_rng(2)
    best = block_diagonal(a, blocks=4)
    for step in (1e-3, 1.0):
        other = best.map(lambda x, step=step: x + step * rng.standard_normal(x.shape))
        assert best.error_bound <= BOUND(np.linalg.norm(a - other.to_dense()), length=a.size)


def test_blocks_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError, match=r"^blocks must divide the 4 rows and columns in common, got 3; 2 and 4 do, and are"
    ):
        block_diagonal(np.ones((12, 8)), blocks=3)
    with pytest.raises(TypeError, match=r"^blocks must be an integer, got 2.0$"):
        block_diagonal(np.ones((12, 8)), blocks=2.0)
