"""On real queries and keys, the error of every approximation falls as its knob is turned, and ends at rounding."""

import inspect

import numpy as np
import pytest

from factorattn import CATALOGUE, softmax_attention
from factorattn.data import load_minilm
from factorattn.testing import ROUNDING
from factorattn.testing.knobs import knob_errors, knob_option

LENGTH = 128
SETTINGS = (8, 32, 64, LENGTH)
NO_MAXIMUM = ("performer_attention", "nystrom_attention")  # any number of features; an iterative inverse: below
APPROXIMATE = [f for f in CATALOGUE.values() if f.record.approximates]


def diffuse():
    """The head of the embedded input whose weights are spread: what approximations hope for."""
    return tuple(x[1] for x in load_minilm(n=LENGTH, dtype="float64"))


@pytest.mark.parametrize("f", APPROXIMATE, ids=lambda f: f.__name__)
def test_error_falls_with_the_knob_on_real_input(f):
    errors = knob_errors(f, diffuse(), SETTINGS)
    assert errors == sorted(errors, reverse=True)
    if f.__name__ not in NO_MAXIMUM:
        assert errors[-1] <= ROUNDING(np.float64, LENGTH)


def test_nystrom_with_every_key_a_landmark_is_exact_as_far_as_the_weights_can_be_inverted():
    q, k, v = diffuse()
    weights = softmax_attention(q, k, np.eye(LENGTH))
    (error,) = knob_errors(CATALOGUE["nystrom_attention"], (q, k, v), [LENGTH], inverse="exact")
    assert error <= np.linalg.cond(weights) * ROUNDING(np.float64, LENGTH)


@pytest.mark.parametrize("f", APPROXIMATE, ids=lambda f: f.__name__)
def test_every_knob_is_an_option(f):
    assert knob_option(f) in inspect.signature(f).parameters


def test_a_mechanism_without_a_knob_is_refused():
    with pytest.raises(ValueError, match="softmax_attention has no option that sets a knob"):
        knob_errors(CATALOGUE["softmax_attention"], diffuse(), SETTINGS)
