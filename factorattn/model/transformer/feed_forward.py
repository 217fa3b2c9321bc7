"""The feed-forward sublayer (Vaswani et al. 2017, equation 2): each token by itself, through a wider layer.

F(x) = W_out activation(W_in x + b_in) + b_out,   activation = max(x, 0), or x Phi(x): GELU
"""

from collections.abc import Mapping
from typing import Any

from factorattn.contract import choose
from factorattn.model.activation import gelu
from factorattn.model.layers import linear
from factorattn.primitives.elementwise import relu

__all__ = ["ACTIVATIONS", "feed_forward"]


def feed_forward(x: Any, parameters: Mapping[str, Any], *, activation: str, xp: Any) -> Any:
    """Rows of x (..., c) through ``parameters["in"]``, an activation and ``parameters["out"]``: (..., c)."""
    activate = choose(ACTIVATIONS, activation=activation)
    return linear(activate(linear(x, parameters["in"], xp=xp), xp=xp), parameters["out"], xp=xp)


ACTIVATIONS = {"relu": relu, "gelu": gelu}
