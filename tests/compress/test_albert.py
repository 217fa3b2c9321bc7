"""ALBERT's factored table of embeddings."""

import numpy as np
import pytest
from hypothesis import given
from libraries import LIBRARIES
from oracles import draw, seeds, sizes
from oracles.compress import albert as oracle

from factorattn.compress import albert, break_even_rank
from factorattn.factor import truncated_svd
from factorattn.interpret.counting import counting
from factorattn.testing import BOUND, ROUNDING


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@given(seed=seeds, p=sizes, q=sizes, r=sizes)
def test_rows_are_those_of_the_oracle(seed, p, q, r):
    (e,) = draw(seed, (p, q))
    words = np.random.default_rng(seed).integers(0, p, size=4)
    s = np.append(np.linalg.svd(e, compute_uv=False), 0.0)
    k = min(r, p, q)
    gap = (s[k - 1] - s[k]) / s[0]  # by which the leading singular subspace is determined (Wedin 1972)
    got = albert(e, r).rows(words)
    want = np.array(oracle.albert(e.tolist(), r, words.tolist()))
    assert got.shape == want.shape == (4, q)
    assert gap * np.max(np.abs(got - want)) <= ROUNDING("float64", p * q) * s[0]


def test_it_is_the_nearest_table_and_tells_the_error(xp):
    (e,) = draw(0, (9, 5))
    for r in range(1, 7):
        table = albert(xp.asarray(e), r)
        dense = np.asarray(table.to_dense())
        error = np.linalg.norm(e - dense)
        assert error <= BOUND(float(table.error_bound), length=45) + ROUNDING("float64", 45) * np.linalg.norm(e)
        best = np.linalg.norm(np.linalg.svd(e, compute_uv=False)[r:])
        assert abs(error - best) <= ROUNDING("float64", 45) * np.linalg.norm(e)
        words = np.array([3, 3, 8, 0])
        got = np.asarray(table.rows(xp.asarray(words)))
        assert np.max(np.abs(got - dense[words])) <= ROUNDING("float64", 5) * np.max(np.abs(e))


def test_angles_of_words_are_those_of_the_narrow_embeddings():
    (e,) = draw(0, (9, 5))
    narrow, projection = albert(e, 3).factors
    assert np.max(np.abs(projection @ projection.T - np.eye(3))) <= ROUNDING("float64", 5)
    dense = albert(e, 3).to_dense()
    assert np.max(np.abs(dense @ dense.T - narrow @ narrow.T)) <= ROUNDING("float64", 9) * np.linalg.norm(e) ** 2


def test_parameters_and_break_even_of_the_paper():
    # Lan et al. (2020): V = 30 000 words, H = 4096, E = 128, as in ALBERT-xxlarge.
    table = albert(counting().empty((30_000, 4096)), 128)
    assert table.parameters == 30_000 * 128 + 128 * 4096 == 4_364_288
    assert break_even_rank(30_000, 4096) == 3603
    assert 3603 * (30_000 + 4096) < 30_000 * 4096 <= 3604 * (30_000 + 4096)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 4), (4, 1)])
def test_edges(xp, shape):
    table = albert(xp.asarray(np.ones(shape)), 2)
    assert tuple(table.shape) == shape
    assert np.max(np.abs(np.asarray(table.to_dense()) - 1.0), initial=0.0) <= ROUNDING("float64", 4)


@pytest.mark.parametrize(
    ("size", "dtype"), [(1e30, "float32"), (1e-30, "float32"), (1e150, "float64"), (1e-150, "float64")]
)
def test_any_size(size, dtype):
    e = (draw(0, (6, 4))[0] * size).astype(dtype)
    table = albert(e, 2)
    unit = truncated_svd((e / e.dtype.type(size)).astype("float64"), 2)
    assert abs(float(table.error_bound) / size - float(unit.error_bound)) <= ROUNDING(dtype, 24) * float(unit.s[0])
    assert np.max(np.abs(table.to_dense() / size - unit.to_dense())) <= ROUNDING(dtype, 24) * float(unit.s[0])


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="e must be finite"):
        albert(np.full((3, 3), np.nan), 1)
    with pytest.raises(ValueError, match="rank must be a positive integer"):
        albert(np.eye(3), 0)
