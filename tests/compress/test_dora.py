"""DoRA: lengths of columns apart from their directions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import agree, draw, lists, seeds, sizes
from oracles.compress import dora as oracle

from factorattn.compress import dora
from factorattn.compress.adapters.dora import lengths_of
from factorattn.interpret.counting import counting
from factorattn.testing import ROUNDING

OF = st.sampled_from(["columns", "rows"])


@given(seed=seeds, p=sizes, q=sizes, r=sizes, of=OF)
def test_it_is_the_equation_of_the_paper(seed, p, q, r, of):
    w, b, a, m = draw(seed, (p, q), (p, r), (r, q), (q if of == "columns" else p,))
    adapter = dora(w, r, alpha=3.5, of=of).trained(b=b, a=a, m=m)
    v = np.abs(w + 3.5 / r * b @ a)
    whole = np.abs(w) + 3.5 / r * np.abs(b) @ np.abs(a)
    cancelled = np.max(whole) / np.min(np.linalg.norm(v, axis=0 if of == "columns" else 1))  # digits that V has lost
    got, want = adapter.to_dense(), np.array(oracle.dora(*lists(w, b, a, m), alpha=3.5, of=of))
    agree(got / cancelled, (want / cancelled).tolist(), p + q + r)


@given(seed=seeds, p=sizes, q=sizes, of=OF)
def test_lengths_are_those_that_are_trained_whatever_the_directions(seed, p, q, of):
    w, b, a, m = draw(seed, (p, q), (p, 2), (2, q), (q if of == "columns" else p,))
    merged = dora(w, 2, of=of).trained(b=b, a=a, m=m).merge()
    got = np.linalg.norm(merged, axis=0 if of == "columns" else 1)
    assert np.max(np.abs(got - np.abs(m))) <= ROUNDING("float64", p + q) * np.max(np.abs(m))


def test_by_hand():
    w = np.array([[3.0, 0.0], [4.0, 2.0]])
    adapter = dora(w, 1)
    np.testing.assert_array_equal(adapter.m, [5.0, 2.0])  # of columns, one for each input
    np.testing.assert_array_equal(adapter.trained(m=np.array([10.0, -1.0])).merge(), [[6.0, 0.0], [8.0, -1.0]])
    rows = dora(w, 1, of="rows")
    np.testing.assert_allclose(rows.m, [3.0, 20**0.5], rtol=ROUNDING("float64", 2))
    np.testing.assert_array_equal(rows.trained(m=np.array([6.0, 20**0.5])).merge(), [[6.0, 0.0], [4.0, 2.0]])


@pytest.mark.parametrize("of", ["columns", "rows"])
def test_declared_operations_are_counted_for_either(of):
    for shape in ((6, 8), (2, 6, 8)):
        xp = counting()
        adapter, x = dora(xp.empty(shape), 3, of=of), xp.empty((*shape[:-2], 8))
        xp.tally.start()
        adapter.matvec(x)
        assert adapter.flops == xp.tally.flops
        each = 3 * (6 + 8) + (8 if of == "columns" else 6)
        assert adapter.trainable_parameters == each * (shape[0] if len(shape) == 3 else 1)


def test_merging_in_place_epoch_by_epoch_would_destroy_the_weights_and_this_does_not():
    w, b, a, m = draw(0, (6, 5), (6, 2), (2, 5), (5,))
    adapter = dora(w, 2).trained(b=b, a=a, m=m)
    in_place = w
    for _ in range(3):  # what espnet's DoRA did after every epoch: merge into the weights, and train on
        in_place = dora(in_place, 2).trained(b=b, a=a, m=m).merge()
        again = adapter.unmerge(adapter.merge())
        assert np.max(np.abs(again - w)) <= ROUNDING("float64", 11) * np.max(np.abs(w)) * np.max(1 / np.abs(m))
    assert np.linalg.norm(in_place - w) > ROUNDING("float64", 11) * np.linalg.norm(w)
    np.testing.assert_array_equal(adapter.w, w)


@pytest.mark.parametrize("of", ["columns", "rows"])
def test_a_column_without_length_stays_zero_and_comes_back(of):
    w, b, a = draw(0, (4, 3), (4, 2), (2, 3))
    axis = (slice(None), 1) if of == "columns" else (1, slice(None))
    w[axis] = 0.0
    start = dora(w, 2, of=of)
    np.testing.assert_array_equal(start.merge(), w)
    m = np.array(start.m)
    m[0] = 0.0
    adapter = start.trained(b=b, a=a, m=m)
    merged = adapter.merge()
    assert np.all(np.isfinite(merged))
    np.testing.assert_array_equal(merged[axis], 0.0)  # m is zero there, too
    assert np.max(np.abs(adapter.unmerge(merged) - w)) <= ROUNDING("float64", 9) * np.linalg.norm(b @ a)


@pytest.mark.parametrize(
    ("size", "dtype"), [(1e30, "float32"), (1e-35, "float32"), (1e200, "float64"), (1e-200, "float64")]
)
def test_lengths_whose_squares_no_number_holds(size, dtype):
    w = (np.array([[3.0, 0.0], [4.0, 1e-3]]) * size).astype(dtype)
    want = np.array([5.0, 1e-3]) * size
    got = lengths_of(w, "columns", xp=np)
    assert np.all(np.abs(got.astype("float64") - want) <= ROUNDING(dtype, 2) * want)


def test_an_unknown_axis_is_refused():
    with pytest.raises(ValueError, match="of must be 'columns' or 'rows', got 'column'"):
        dora(np.eye(3), 1, of="column")
