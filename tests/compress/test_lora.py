"""LoRA: W + (alpha / r) B A, and the two ways to draw A."""

import numpy as np
import pytest
from hypothesis import given
from oracles import agree, draw, lists, seeds, sizes
from oracles.compress import lora as oracle

from factorattn.compress import lora
from factorattn.interpret.counting import counting
from factorattn.testing import CHANCE


@given(seed=seeds, p=sizes, q=sizes, r=sizes)
def test_it_is_the_equation_of_the_paper(seed, p, q, r):
    w, b, a = draw(seed, (p, q), (p, r), (r, q))
    adapter = lora(w, r, alpha=3.5).trained(b=b, a=a)
    agree(adapter.to_dense(), oracle.lora(*lists(w, b, a), alpha=3.5), q + r)


def test_by_hand():
    adapter = lora(np.eye(2), 1, alpha=2.0).trained(b=np.array([[1.0], [2.0]]), a=np.array([[3.0, 4.0]]))
    np.testing.assert_array_equal(adapter.merge(), [[7.0, 8.0], [12.0, 17.0]])
    np.testing.assert_array_equal(adapter.matvec(np.array([1.0, 0.0])), [7.0, 12.0])
    np.testing.assert_array_equal(adapter.unmerge(adapter.merge()), np.eye(2))


def test_left_out_alpha_is_a_scale_of_one():
    assert lora(np.eye(4), 3).scale == 1.0
    assert lora(np.eye(4), 3, alpha=6).scale == 2.0


def test_a_is_drawn_as_it_says():
    w = np.zeros((3, 400))
    uniform, gaussian = lora(w, 50, rng=0).a, lora(w, 50, init="gaussian", rng=0).a
    assert np.max(np.abs(uniform)) <= 1 / np.sqrt(400)
    for drawn, variance in ((uniform, 1 / (3 * 400)), (gaussian, 1 / 50**2)):
        assert abs(np.mean(drawn)) <= CHANCE(drawn)
        assert abs(np.mean(drawn**2) - variance) <= CHANCE(drawn**2)


def test_the_parameters_of_gpt3():
    # Hu et al. (2021): queries and values of 96 layers of width 12288 with r = 4 are "18M".
    of_matrix = lora(counting().empty((12288, 12288)), 4).trainable_parameters
    assert 2 * 96 * of_matrix == 18_874_368


def test_bad_options_are_refused():
    w = np.eye(3)
    with pytest.raises(ValueError, match="init must be 'uniform' or 'gaussian', got 'kaiming'"):
        lora(w, 1, init="kaiming")
    with pytest.raises(ValueError, match="alpha must be finite"):
        lora(w, 1, alpha=np.inf)
    with pytest.raises(TypeError, match="alpha must be a real number"):
        lora(w, 1, alpha="8")
    with pytest.raises(ValueError, match="rng must be"):
        lora(w, 1, rng=-1)
