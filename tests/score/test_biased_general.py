"""Facts about the score `biased_general`."""

import numpy as np
from hypothesis import given, settings
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn.score import biased_general


@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, c=sizes, seed=seeds)
def test_biased_general_is_the_paper(n, m, d, c, seed):
    arrays = draw(seed, (n, d), (m, c), (c, d), (c,))
    agree(biased_general(*arrays), score.biased_general(*lists(*arrays)), d * c)


def test_the_bias_says_how_important_a_key_is_to_everyone(rng):
    q, k, w, b = (
        rng.standard_normal((3, 2)),
        rng.standard_normal((4, 5)),
        rng.standard_normal((5, 2)),
        rng.standard_normal(5),
    )
    gain = biased_general(q, k, w, b) - biased_general(q, k, w, np.zeros(5))
    agree(gain, np.broadcast_to(k @ b, (3, 4)).tolist(), 10)
