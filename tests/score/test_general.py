"""Facts about the score `general`."""

import numpy as np
from hypothesis import given, settings
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn.score import general


@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, c=sizes, seed=seeds)
def test_general_is_the_bilinear_form(n, m, d, c, seed):
    q, k, w = draw(seed, (n, d), (m, c), (d, c))
    agree(general(q, k, w), score.general(*lists(q, k, w)), d * c)


def test_general_by_hand():
    got = general(np.array([[1.0, 2.0]]), np.array([[3.0]]), np.array([[1.0], [10.0]]))
    np.testing.assert_array_equal(got, [[63.0]])


def test_a_matrix_for_each_head(rng):
    q, k, w = rng.standard_normal((4, 5, 3)), rng.standard_normal((6, 2)), rng.standard_normal((4, 3, 2))
    for head in range(4):
        agree(general(q, k, w)[head], general(q[head], k, w[head]), 6)
