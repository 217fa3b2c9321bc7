"""What tests of sparse attention share: which pairs are attended to, found by brute force; and masks of all kinds."""

import numpy as np
from hypothesis import strategies as st


def seen(f, *shape, **options):
    """Which keys reach which queries of a sequence (n,) or a grid (x, y): with equal logits, values show weights."""
    n = int(np.prod(shape))
    q = k = np.zeros((*shape, 1))
    return f(q, k, np.eye(n).reshape(*shape, n), **options).reshape(n, n) > 0


def _no_mask(seed, n, m):
    return None, None


def _mask_of_keys(seed, n, m):
    mask = np.random.default_rng(seed).random((1, m)) < 0.7
    return mask, np.broadcast_to(mask, (n, m)).tolist()


def _mask_of_pairs(seed, n, m):
    mask = np.random.default_rng(seed).random((n, m)) < 0.7
    return mask, mask.tolist()


masks = st.sampled_from([_no_mask, _mask_of_keys, _mask_of_pairs])  # (seed, n, m): the mask, and in full as lists
