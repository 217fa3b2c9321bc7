"""The oracle of derivatives: that it finds wrong ones, and that it cannot pass by trying nothing."""

import numpy as np
import pytest

from factorattn.interpret.gradient import with_rule
from factorattn.testing import differences

X = np.linspace(-1.0, 2.0, 6).reshape(2, 3)


def told(slope):
    """A square with a derivative of somebody's own; of plain arrays, as of those that are differentiated."""
    return with_rule(lambda xp, x: (x * x, lambda g, xp: [slope(g, x)]))


def test_a_right_derivative_passes():
    differences.check_gradients(told(lambda g, x: 2 * g * x), X)


@pytest.mark.parametrize(
    "slope",
    [
        lambda g, x: g * x,
        lambda g, x: -2 * g * x,
        lambda g, x: 2 * g * x * (1 + 1e-5),
        lambda g, x: 2 * g * x + 1e-5,
        lambda g, x: 2 * g * x * np.nan,
        lambda g, x: 2 * g * x * (np.arange(6).reshape(2, 3) > 0),
    ],
)
def test_a_wrong_derivative_is_found(slope):
    with pytest.raises(AssertionError, match=r"by array 0 of shape \(2, 3\), back: .*, but differences give"):
        differences.check_gradients(told(slope), X)


def test_a_gradient_that_is_not_like_its_argument_is_found():
    with pytest.raises(AssertionError, match=r"the gradient by array 0 must be like \(2, 3\) float64, got \(3,\)"):
        differences.check_gradients(told(lambda g, x: (2 * g * x)[0, :]), X)


def test_each_array_is_tried():
    wrong = with_rule(lambda xp, x, y: (x * y, lambda g, xp: [g * y, 2 * g * x]))
    with pytest.raises(AssertionError, match="by array 2 "):
        differences.check_gradients(lambda tree: wrong(tree["x"], tree["y"]), {"i": np.arange(3), "x": X, "y": X + 1})


def test_what_is_whole_or_infinite_does_not_disturb():
    def f(x, bias, index):
        xp = x.__array_namespace__()
        return xp.exp(bias) * x, x > 0, index

    differences.check_gradients(f, X, np.asarray([0.0, -np.inf, 0.0]), np.arange(3))


def test_nothing_to_differentiate_is_refused():
    with pytest.raises(ValueError, match="arguments must have an array of real floating dtype"):
        differences.check_gradients(lambda i: i, np.arange(3))
    with pytest.raises(ValueError, match="results must have an array of real floating dtype"):
        differences.check_gradients(lambda x: x > 0, X)
    with pytest.raises(ValueError, match="results must have an array of real floating dtype"):
        differences.check_gradients(lambda x: None, X)
