"""Rank-stabilised LoRA: W + (alpha / sqrt(r)) B A."""

import numpy as np
from hypothesis import given
from oracles import agree, draw, lists, seeds, sizes
from oracles.compress import rslora as oracle

from factorattn.compress import lora, rslora
from factorattn.testing import CHANCE


@given(seed=seeds, p=sizes, q=sizes, r=sizes)
def test_it_is_the_equation_of_the_paper(seed, p, q, r):
    w, b, a = draw(seed, (p, q), (p, r), (r, q))
    adapter = rslora(w, r, alpha=3.5).trained(b=b, a=a)
    agree(adapter.to_dense(), oracle.rslora(*lists(w, b, a), alpha=3.5), q + r)


def test_it_is_lora_of_another_alpha():
    w, b = draw(0, (5, 4), (5, 9))
    one = rslora(w, 9, alpha=2.0, rng=1)
    other = lora(w, 9, alpha=2.0 * 9**0.5, rng=1)
    np.testing.assert_array_equal(one.a, other.a)
    assert one.scale == other.scale == 2.0 / 3.0
    np.testing.assert_array_equal(one.trained(b=b).merge(), other.trained(b=b).merge())


def test_the_size_of_the_update_does_not_depend_on_the_rank():
    # Entries of B A are sums of r products of independent numbers: of size sqrt(r).
    rng, updates = np.random.default_rng(0), []
    for r in (4, 64):
        adapter = rslora(np.zeros((200, 100)), r, rng=rng)
        updates.append(adapter.trained(b=rng.standard_normal((200, r))).merge())
    few, many = (np.mean(x**2, axis=1) for x in updates)  # rows are independent, but for A
    one, two = (rslora(np.zeros((200, 100)), r, rng=2).a for r in (4, 64))
    spread = CHANCE(few) + CHANCE(many) + CHANCE(np.sum(one**2, axis=0) / 4) + CHANCE(np.sum(two**2, axis=0) / 64)
    assert abs(np.mean(few) - np.mean(many)) <= spread
