"""Facts about Linformer: its projections, and what is refused."""

import numpy as np
import pytest

import factorattn as fa
from factorattn.testing import ROUNDING


def test_projection_of_linformer_may_differ_per_head(rng):
    q, k, v = rng.standard_normal((3, 2, 7, 4))
    e = rng.standard_normal((2, 3, 7))
    both = fa.linformer_attention(q, k, v, e)
    for head in range(2):
        alone = fa.linformer_attention(q[head], k[head], v[head], e[head])
        assert np.max(np.abs(both[head] - alone)) <= np.max(np.abs(alone)) * ROUNDING(np.float64, 7)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"f": np.ones((2, 6))}, "f was given without e"),
        ({"e": np.ones((2, 5))}, r"axis 'm' is 6 in k \(6, 4\) but 5 in e \(2, 5\)"),
        ({"e": np.ones((2, 6)), "f": np.ones((3, 6))}, "axis 'r' is 2"),
        ({"rank": 7}, "rank must be at most the number of keys 6, got 7"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.linformer_attention(*np.ones((3, 6, 4)), **options)


def test_causality_cannot_even_be_asked_for():
    with pytest.raises(TypeError, match="causal"):
        fa.linformer_attention(*np.ones((3, 6, 4)), causal=True)
