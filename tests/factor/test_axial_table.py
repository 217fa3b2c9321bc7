"""The nearest table of axial positions: means over the other axis of the grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, draw, seeds
from oracles.factor import axial_table as oracle
from tensors import DTYPES, counted, distance, multiplies_as_its_matrix, near, tensor

from factorattn.factor import axial_table
from factorattn.interpret.counting import counting
from factorattn.position import axial
from factorattn.testing import BOUND, ROUNDING

sides = st.integers(1, 5)


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@given(x=sides, y=sides, d=sides, f=st.integers(0, 5), seed=seeds)
@settings(max_examples=60, deadline=None)
def test_oracle(x, y, d, f, seed):
    (e,) = draw(seed, (x * y, d))
    f = min(f, d)
    got = axial_table(e, x=x, y=y, split=f)
    by_row, by_column = oracle.concat(e.tolist(), x, y, f)
    agree(got.e_1, np.reshape(by_row, (x, f)), x * y)
    agree(got.e_2, np.reshape(by_column, (y, d - f)), x * y)
    got = axial_table(e, x=x, y=y, combine="sum")
    by_row, by_column = oracle.total(e.tolist(), x, y)
    agree(got.e_1, by_row, x * y)
    agree(got.e_2, by_column, x * y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("combine", ["concat", "sum"])
def test_axial_tables_are_found_again(xp, combine, dtype):
    e_1, e_2 = (xp.asarray(tensor(shape, seed=s, dtype=dtype)) for s, shape in enumerate(((4, 3), (5, 3))))
    e = axial(e_1, e_2, combine=combine)
    got = axial_table(e, x=4, y=5, combine=combine)
    near(got.to_dense(), e, 20)
    assert float(got.error_bound) <= ROUNDING(dtype, e.shape[0] * e.shape[1]) * np.linalg.norm(np.asarray(e))
    assert got.parameters == 4 * 3 + 5 * 3
    near(axial(got.e_1, got.e_2, combine=combine), np.asarray(got.to_dense()), 1)
    if combine == "concat":
        near(got.e_1, e_1, 20)
        near(got.e_2, e_2, 20)
    else:  # up to a vector that one gives to the other
        near(got.e_2, np.asarray(e_2) - np.mean(np.asarray(e_2), axis=0), 20)


def test_a_table_by_hand():
    e = np.asarray([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0], [9.0, 60.0]])  # rows (1, 3) and (5, 9) of the grid
    got = axial_table(e, x=2, y=2)
    assert got.e_1.tolist() == [[2.0], [7.0]]
    assert got.e_2.tolist() == [[15.0], [45.0]]
    assert got.to_dense().tolist() == [[2.0, 15.0], [2.0, 45.0], [7.0, 15.0], [7.0, 45.0]]
    assert float(got.error_bound) == np.sqrt(1 + 1 + 4 + 4 + 25 + 225 + 25 + 225)
    got = axial_table(e[:, :1], x=2, y=2, combine="sum")
    assert got.e_1.tolist() == [[2.0], [7.0]]
    assert got.e_2.tolist() == [[-1.5], [1.5]]
    assert got.to_dense()[:, 0].tolist() == [0.5, 3.5, 5.5, 8.5]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("combine", ["concat", "sum"])
def test_what_is_left_is_orthogonal_to_every_such_table(combine, dtype):
    x, y, d, rng = 4, 3, 6, np.random.default_rng(1)
    e = tensor((x * y, d), dtype=dtype)
    got = axial_table(e, x=x, y=y, combine=combine)
    left = e - got.to_dense()
    real = np.zeros(0, dtype).real.dtype
    near(got.error_bound, np.linalg.norm(left), e.size)
    for _ in range(20):
        other = got.map(lambda part: rng.standard_normal(part.shape).astype(part.dtype)).to_dense()
        allowed = ROUNDING(real, e.size) * np.linalg.norm(e) * np.linalg.norm(other)
        assert abs(np.vdot(other, left)) <= allowed
        assert np.linalg.norm(left) <= BOUND(distance(e, got.to_dense() + other), real, e.size)


def test_the_gauge_of_the_sum_is_fixed():
    e = tensor((2, 12, 5))
    got = axial_table(e, x=4, y=3, combine="sum")
    assert np.max(np.abs(np.mean(got.e_2, axis=-2))) <= ROUNDING("float64", 12) * np.max(np.abs(e))
    near(np.mean(got.e_1, axis=-2), np.mean(e, axis=-2), 12)


def test_the_best_split_has_the_least_error_of_all():
    rng = np.random.default_rng(3)
    by_row, by_column = np.repeat(rng.standard_normal((4, 5)), 3, axis=0), np.tile(rng.standard_normal((3, 2)), (4, 1))
    e = np.concatenate([by_row, by_column], axis=1) + 0.1 * rng.standard_normal((12, 7))
    errors = [float(axial_table(e, x=4, y=3, split=f).error_bound) for f in range(8)]
    best = axial_table(e, x=4, y=3, split="best")
    assert best.e_1.shape[-1] == np.argmin(errors) == 5
    assert float(best.error_bound) == min(errors)
    assert axial_table(e, x=4, y=3).e_1.shape[-1] == 3  # half, by default


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("combine", ["concat", "sum"])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_it_multiplies_as_its_matrix(xp, combine, batch, dtype):
    e = xp.asarray(tensor((*batch, 12, 5), dtype=dtype))
    multiplies_as_its_matrix(axial_table(e, x=4, y=3, combine=combine), xp)


@pytest.mark.parametrize("combine", ["concat", "sum"])
@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_operations_are_those_that_are_counted(combine, batch):
    got = axial_table(tensor((*batch, 12, 5)), x=4, y=3, combine=combine)
    for f in (got, got.mT):
        assert counted(f)[0] == f.flops


def test_a_large_table_is_kept_as_a_small_one():
    xp = counting()
    got = axial_table(xp.empty((2**19, 2**10), dtype=xp.float32), x=2**9, y=2**10)
    assert got.shape == (2**19, 2**10)
    assert got.parameters == 786_432
    xp.tally.start()
    assert got.rows(xp.empty((5,), dtype=xp.int64)).shape == (5, 2**10)
    assert xp.tally.peak < 5 * 2**10 * 4 * 3


def test_the_scale_of_a_table_is_no_matter():
    e = tensor((12, 4))
    for combine in ("concat", "sum"):
        want = axial_table(e, x=4, y=3, combine=combine)
        for dtype, factor in (("float64", 1e150), ("float64", 1e-150), ("float32", 1e30), ("float32", 1e-30)):
            got = axial_table((e * factor).astype(dtype), x=4, y=3, combine=combine)
            near(np.asarray(got.to_dense(), dtype="float64") / factor, want.to_dense(), 12, dtype=dtype)
            near(float(got.error_bound) / factor, want.error_bound, 48, dtype=dtype)


@pytest.mark.parametrize(("n", "d", "x", "y"), [(6, 0, 2, 3), (1, 4, 1, 1), (5, 3, 5, 1), (5, 3, 1, 5), (6, 1, 2, 3)])
@pytest.mark.parametrize("combine", ["concat", "sum"])
def test_narrow_grids_and_tables(n, d, x, y, combine):
    e = tensor((n, d))
    got = axial_table(e, x=x, y=y, combine=combine)
    assert got.to_dense().shape == (n, d)
    assert abs(float(got.error_bound) - distance(got.to_dense(), e)) <= ROUNDING("float64", n) * np.linalg.norm(e)
    assert not np.any(axial_table(np.zeros((n, d)), x=x, y=y, combine=combine).to_dense())
    if combine == "sum" and 1 in (x, y):
        near(got.to_dense(), e, 12)


def test_half_precision_gives_single_precision():
    assert axial_table(np.ones((4, 2), dtype="float16"), x=2, y=2).dtype == np.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": 4, "y": 4}, "a grid of x = 4 rows and y = 4 columns has 16 positions, got n = 12"),
        ({"x": 0, "y": 3}, "x must be a positive integer, got 0"),
        ({"x": 4, "y": 3, "combine": "product"}, "combine must be 'concat' or 'sum', got 'product'"),
        ({"x": 4, "y": 3, "combine": "sum", "split": 2}, "split is for combine='concat', got combine='sum'"),
        ({"x": 4, "y": 3, "split": 6}, "split must be 'best' or in 0 .. 5, got 6"),
        ({"x": 4, "y": 3, "split": -1}, "got -1"),
    ],
)
def test_bad_values_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        axial_table(np.ones((12, 5)), **options)


def test_bad_tables_are_named():
    with pytest.raises(TypeError, match="split must be an integer, got 'half'"):
        axial_table(np.ones((12, 5)), x=4, y=3, split="half")
    with pytest.raises(ValueError, match="e must be finite, but holds nan"):
        axial_table(np.full((12, 5), np.nan), x=4, y=3)
    with pytest.raises(TypeError, match="real floating"):
        axial_table(np.ones((12, 5), dtype=int), x=4, y=3)
