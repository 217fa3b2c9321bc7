"""LoKr: the Kronecker product of a small matrix and one of low rank."""

import numpy as np
import pytest
from hypothesis import given
from oracles import agree, draw, lists, seeds, sizes
from oracles.compress import lokr as oracle

from factorattn.compress import lokr
from factorattn.compress.adapters.lokr import near_square
from factorattn.testing import CHANCE


@given(seed=seeds, x=sizes, y=sizes, u=sizes, v=sizes, r=sizes)
def test_it_is_the_equation_of_the_paper(seed, x, y, u, v, r):
    w, c, b, a = draw(seed, (x * u, y * v), (x, y), (u, r), (r, v))
    adapter = lokr(w, r, rows=x, columns=y, alpha=3.0).trained(c=c, b=b, a=a)
    agree(adapter.to_dense(), oracle.lokr(*lists(w, c, b, a), scale=3.0 / r), y * v + r)
    got = adapter.matvec(w[0])
    agree(got, adapter.to_dense() @ w[0], (y * v + r) * np.max(np.abs(w)) ** 2 + 1)


def test_it_is_the_kronecker_product_of_numpy():
    w, c, b, a = draw(0, (6, 20), (2, 4), (3, 2), (2, 5))
    adapter = lokr(w, 2, rows=2, columns=4).trained(c=c, b=b, a=a)
    agree(adapter.merge(), w + np.kron(c, b @ a), 6)


@pytest.mark.parametrize(("n", "divisor"), [(768, 24), (384, 16), (1536, 32), (49, 7), (13, 1), (1, 1), (0, 1)])
def test_sides_are_split_as_evenly_as_they_can_be(n, divisor):
    assert near_square(n) == divisor


def test_factors_are_drawn_as_they_say():
    adapter = lokr(np.zeros((1600, 900)), 20, rng=0)
    for drawn, shape in ((adapter.c, (40, 30)), (adapter.b, (40, 20))):
        assert drawn.shape == shape
        assert np.max(np.abs(drawn)) <= shape[1] ** -0.5
        assert abs(np.mean(drawn)) <= CHANCE(drawn)
        assert abs(np.mean(drawn**2) - 1 / (3 * shape[1])) <= CHANCE(drawn**2)
    np.testing.assert_array_equal(adapter.a, np.zeros((20, 30)))


def test_the_parameters_of_a_square_of_768():
    adapter = lokr(np.zeros((768, 768)), 4)
    assert adapter.c.shape == (24, 24)
    assert adapter.trainable_parameters == 24 * 24 + 2 * 4 * 32 == 832


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("rows", 4, "rows must divide p=6, got 4"),
        ("columns", 3, "columns must divide q=8, got 3"),
        ("rows", 0, "rows must be a positive integer, got 0"),
        ("columns", 1.5, r"columns must be a positive integer, got 1\.5"),
    ],
)
def test_a_split_that_does_not_divide_is_refused(option, value, message):
    with pytest.raises(ValueError, match=message):
        lokr(np.zeros((6, 8)), 2, **{option: value})
