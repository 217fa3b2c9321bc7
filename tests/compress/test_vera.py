"""VeRA: two trained vectors between frozen random matrices that all layers share."""

import numpy as np
import pytest
from hypothesis import given
from oracles import agree, draw, lists, seeds, sizes
from oracles.compress import vera as oracle

from factorattn.compress import lora, shared_pair, vera
from factorattn.testing import CHANCE


@given(seed=seeds, p=sizes, q=sizes, r=sizes)
def test_it_is_the_equation_of_the_paper(seed, p, q, r):
    w, b, d, shared_b, shared_a = draw(seed, (p, q), (p,), (r,), (p, r), (r, q))
    adapter = vera(w, r, shared=(shared_b, shared_a)).trained(b=b, d=d)
    agree(adapter.to_dense(), oracle.vera(*lists(w, b, d, shared_b, shared_a)), q + r)


@pytest.mark.parametrize(("rank", "of_lora", "of_vera"), [(1, 36_864, 18_456), (256, 9_437_184, 24_576)])
def test_parameters_are_those_of_the_table_of_the_paper(rank, of_lora, of_vera):
    w = np.zeros((768, 768))
    assert 24 * lora(w, rank).trainable_parameters == of_lora
    assert 24 * vera(w, rank).trainable_parameters == of_vera


def test_layers_of_all_shapes_share_one_pair():
    pair = shared_pair(9, 8, 4, like=np.zeros(0), rng=0)
    for shape in ((9, 8), (5, 8), (9, 3), (2, 2)):
        adapter = vera(np.zeros(shape), 4, shared=pair)
        np.testing.assert_array_equal(adapter.shared_b, pair[0][: shape[0]])
        np.testing.assert_array_equal(adapter.shared_a, pair[1][:, : shape[1]])
        assert np.shares_memory(adapter.shared_b, pair[0])
    np.testing.assert_array_equal(vera(np.zeros((9, 8)), 4, rng=0).shared_a, pair[1])


def test_vectors_start_as_they_are_told():
    adapter = vera(np.zeros((3, 5)), 4, initial=0.25, rng=0)
    np.testing.assert_array_equal(adapter.d, [0.25] * 4)
    np.testing.assert_array_equal(adapter.b, [0.0] * 3)
    np.testing.assert_array_equal(vera(np.zeros((3, 5)), 4).d, [0.1] * 4)
    assert set(adapter.frozen) == {"w", "shared_b", "shared_a"}


def test_shared_entries_have_the_variance_they_are_said_to_have():
    b, a = shared_pair(300, 200, 50, like=np.zeros(0), rng=0)
    for drawn, inputs in ((b, 50), (a, 200)):
        assert np.max(np.abs(drawn)) <= (6 / inputs) ** 0.5
        assert abs(np.mean(drawn)) <= CHANCE(drawn)
        assert abs(np.mean(drawn**2) - 2 / inputs) <= CHANCE(drawn**2)


def test_a_pair_that_does_not_fit_is_refused():
    w = np.zeros((3, 5))
    for shape_b, shape_a in (((2, 4), (4, 5)), ((3, 4), (4, 4)), ((3, 2), (2, 5))):
        with pytest.raises(ValueError, match=r"shared must be B \(x, 4\) and A \(4, y\) with x >= 3 and y >= 5, got"):
            vera(w, 4, shared=(np.zeros(shape_b), np.zeros(shape_a)))
    with pytest.raises(ValueError, match="axis 'r'"):
        vera(w, 4, shared=(np.zeros((3, 4)), np.zeros((3, 5))))
    with pytest.raises(ValueError, match="shared_a must be finite"):
        vera(w, 1, shared=(np.zeros((3, 1)), np.full((1, 5), np.nan)))
