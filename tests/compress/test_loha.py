"""LoHa: the entrywise product of two matrices of low rank."""

import numpy as np
import pytest
from hypothesis import given
from oracles import agree, draw, lists, seeds, sizes
from oracles.compress import loha as oracle

from factorattn.compress import loha
from factorattn.compress.adapters.loha import Hadamard
from factorattn.interpret.counting import counting
from factorattn.testing import CHANCE, ROUNDING


@given(seed=seeds, p=sizes, q=sizes, r=sizes)
def test_it_is_the_equation_of_the_paper(seed, p, q, r):
    parts = draw(seed, (p, r), (r, q), (p, r), (r, q))
    (w,) = draw(seed + 1, (p, q))
    adapter = loha(w, r, alpha=3.0).trained(**dict(zip(("b_1", "a_1", "b_2", "a_2"), parts, strict=True)))
    agree(adapter.to_dense(), oracle.loha(w.tolist(), *lists(*parts), scale=3.0 / r), q + r * r)


@given(seed=seeds, p=sizes, q=sizes, r=sizes, s=sizes, c=sizes)
def test_both_ways_to_multiply_agree(seed, p, q, r, s, c):
    b_1, a_1, b_2, a_2, x = draw(seed, (p, r), (r, q), (p, s), (s, q), (q, c))
    f = Hadamard(b_1, a_1, b_2, a_2)
    dense = f.to_dense()
    size = np.max(np.abs(b_1) @ np.abs(a_1) * (np.abs(b_2) @ np.abs(a_2)) @ np.abs(x))  # what is added up
    for got in (f.matmat(x), f._through_pairs(x)):
        assert np.max(np.abs(got - dense @ x)) <= ROUNDING("float64", q + r * s) * size


@pytest.mark.parametrize(("p", "q", "r"), [(60, 50, 2), (8, 6, 9)])
@pytest.mark.parametrize("columns", [1, 7, 400])
def test_the_cheaper_way_is_taken_and_costs_what_it_says(p, q, r, columns):
    counted = []
    for way in ("matmat", "_through_pairs", "to_dense"):
        xp = counting()
        f = Hadamard(xp.empty((p, r)), xp.empty((r, q)), xp.empty((p, r)), xp.empty((r, q)))
        x = xp.empty((q, columns))
        xp.tally.start()
        _ = f.to_dense() @ x if way == "to_dense" else getattr(f, way)(x)
        counted.append(xp.tally.flops)
    taken, pairs, written_out = counted
    assert taken == min(pairs, written_out)
    if columns == 1:
        assert f.flops == taken
        assert (pairs < written_out) == (r == 2)


def test_any_matrix_of_rank_r_squared_columns_can_be_reached():
    # FedPara, proposition 1: the rank is at most r_1 r_2, and for random factors it is that.
    for r, s in ((1, 3), (2, 2), (3, 2)):
        b_1, a_1, b_2, a_2 = draw(0, (20, r), (r, 20), (20, s), (s, 20))
        assert np.linalg.matrix_rank(Hadamard(b_1, a_1, b_2, a_2).to_dense()) == r * s


def test_factors_are_drawn_as_they_say():
    adapter = loha(np.zeros((300, 200)), 40, rng=0)
    for drawn, inputs in ((adapter.b_1, 40), (adapter.a_1, 200), (adapter.b_2, 40)):
        assert np.max(np.abs(drawn)) <= inputs**-0.5
        assert abs(np.mean(drawn)) <= CHANCE(drawn)
        assert abs(np.mean(drawn**2) - 1 / (3 * inputs)) <= CHANCE(drawn**2)
    np.testing.assert_array_equal(adapter.a_2, np.zeros((40, 200)))


def test_by_hand():
    one = np.ones((2, 1))
    adapter = loha(np.zeros((2, 2)), 1).trained(
        b_1=one, a_1=np.array([[1.0, 2.0]]), b_2=np.array([[1.0], [10.0]]), a_2=np.array([[3.0, 4.0]])
    )
    np.testing.assert_array_equal(adapter.merge(), [[3.0, 8.0], [30.0, 80.0]])
