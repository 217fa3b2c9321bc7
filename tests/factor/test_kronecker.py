"""The nearest sum of Kronecker products is the truncated SVD of a rearrangement (Van Loan and Pitsianis 1993)."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, seeds
from oracles.factor import kronecker as oracle

from factorattn.factor.factored import Diagonal, Kronecker
from factorattn.factor.structured import kronecker
from factorattn.interpret.counting import counting
from factorattn.testing import BOUND, ROUNDING

small = st.integers(1, 3)


@given(x=small, y=small, u=small, v=small, rank=st.integers(1, 5), seed=seeds)
@settings(deadline=None, max_examples=40)
def test_it_is_the_oracle(x, y, u, v, rank, seed):
    (a,) = draw(seed, (x * u, y * v))
    got = kronecker(a, rank, shape=(x, y))
    want, singular = oracle.nearest_sum(*lists(a), x, y, rank)
    agree(got.to_dense(), want, a.size**2)
    left_out = np.linalg.norm(sorted(singular, reverse=True)[rank:])
    assert abs(got.error_bound - left_out) <= ROUNDING("float64", a.size**2) * np.linalg.norm(a)


@given(sizes=st.lists(st.tuples(small, small), min_size=1, max_size=3), c=small, seed=seeds)
@settings(deadline=None, max_examples=40)
def test_a_product_of_several_factors_is_the_oracles(sizes, c, seed):
    factors = draw(seed, *sizes)
    f, want = Kronecker(tuple(factors)), factors[0].tolist()
    for factor in factors[1:]:
        want = oracle.kronecker_product(want, factor.tolist())
    agree(f.to_dense(), want, 1)
    x, y = draw(seed, (f.shape[1], c), (f.shape[0], c))
    agree(f @ x, np.array(want) @ x, f.shape[1])
    agree(f.mT @ y, np.array(want).T @ y, f.shape[0])
    agree(f.rows(np.arange(f.shape[0])[::-1]), np.array(want)[::-1], 1)


def test_a_worked_example():
    b, c = np.asarray([[1.0, 2.0]]), np.asarray([[0.0, 1.0], [3.0, 0.0]])
    assert Kronecker((b, c)).to_dense().tolist() == [[0.0, 1.0, 0.0, 2.0], [3.0, 0.0, 6.0, 0.0]]
    (term,) = kronecker(np.kron(b, c), 1, shape=(1, 2)).terms
    ratio = term.factors[0] / b
    assert np.max(np.abs(ratio - ratio[0, 0])) <= ROUNDING("float64", 4) * abs(ratio[0, 0])
    assert abs(np.linalg.norm(term.factors[0]) - np.linalg.norm(term.factors[1])) <= ROUNDING("float64", 4) * 6


def test_products_are_numpys():
    factors = draw(0, (2, 3), (4, 1), (3, 2))
    want = np.kron(np.kron(factors[0], factors[1]), factors[2])
    np.testing.assert_array_equal(Kronecker(tuple(factors)).to_dense(), want)


def test_mixed_products_inverses_and_factored_factors():
    a, b, c, d = draw(1, (3, 3), (4, 4), (3, 3), (4, 4))
    x = draw(2, (12, 2))[0]
    agree(Kronecker((a, b)) @ (Kronecker((c, d)) @ x), Kronecker((a @ c, b @ d)) @ x, 144)
    inverse = Kronecker((np.linalg.inv(a), np.linalg.inv(b)))
    condition = np.linalg.cond(a) * np.linalg.cond(b)
    assert np.max(np.abs(inverse @ (Kronecker((a, b)) @ x) - x)) <= condition * ROUNDING("float64", 144) * np.max(x)
    nested = Kronecker((a, Kronecker((b, c)), Diagonal(np.asarray([1.0, 2.0]))))
    agree(nested @ np.eye(72), np.kron(np.kron(a, np.kron(b, c)), np.diag([1.0, 2.0])), 72)
    agree(nested.rows(np.asarray([3, 71])), nested.to_dense()[[3, 71]], 72)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_no_other_sum_is_nearer(rank):
    (a,), rng = draw(3, (6, 8)), np.random.default_rng(4)
    best = kronecker(a, rank, shape=(2, 4))
    error = np.linalg.norm(a - best.to_dense())
    for step in (1e-3, 0.1, 1.0):
        for _ in range(30):
            other = best.map(lambda x, step=step: x + step * rng.standard_normal(x.shape))
            assert error <= BOUND(np.linalg.norm(a - other.to_dense()), length=a.size)


def test_errors_fall_with_the_rank_and_vanish_with_all_terms():
    (a,) = draw(5, (12, 12))
    bounds = [float(kronecker(a, rank, shape=(3, 4)).error_bound) for rank in range(1, 13)]
    assert all(after < before for before, after in itertools.pairwise(bounds))
    assert bounds[-1] == 0
    whole = kronecker(a, 100, shape=(3, 4))
    assert len(whole.terms) == 12
    agree(whole.to_dense(), a, 144)


def test_parameters_and_the_default_shape():
    f = kronecker(np.ones((768, 12)), 1)
    assert [tuple(x.shape) for x in f.terms[0].factors] == [(24, 3), (32, 4)]
    assert f.parameters == 24 * 3 + 32 * 4
    assert kronecker(np.ones((12, 8)), 3, shape=(6, 2)).parameters == 3 * (6 * 2 + 2 * 4)
    assert kronecker(np.ones((12, 8)), 2, shape=[6, 2]).shape == (12, 8)


@pytest.mark.parametrize("sizes", list(itertools.permutations([(8, 2), (2, 8), (5, 5)])))
def test_the_order_of_axes_is_the_cheapest_of_all(sizes):
    xp = counting()
    f, x = Kronecker(tuple(xp.empty(size) for size in sizes)), xp.empty((80,))
    xp.tally.start()
    f.matvec(x)
    orders = []
    for order in itertools.permutations(range(3)):
        now, total = [q for _, q in sizes], 0
        for i in order:
            total += 2 * sizes[i][0] * int(np.prod(now))
            now[i] = sizes[i][0]
        orders.append(total)
    assert xp.tally.flops == f.flops == min(orders)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (5, 2)}, r"^shape\[0\] must divide the 12 rows, got 5; 4 and 6 do, and are nearest$"),
        ({"shape": (3, 3)}, r"^shape\[1\] must divide the 8 columns, got 3; 2 and 4 do, and are nearest$"),
        ({"shape": 3}, r"^shape must be two integers, got 3$"),
        ({"shape": (1, 2, 3)}, r"^shape must be two integers, got \(1, 2, 3\)$"),
        ({"rank": 0}, r"^rank must be a positive integer, got 0$"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        kronecker(np.ones((12, 8)), **{"rank": 1} | options)
