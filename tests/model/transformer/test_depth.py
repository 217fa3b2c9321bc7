"""How gradients depend on depth L where a Transformer begins (Xiong et al. 2020).

Of post-LN, the gradient by the last feed-forward matrix keeps its size; of pre-LN it shrinks as 1 / sqrt(L).
"""

import math

import numpy as np
import pytest

from factorattn.interpret.gradient import grad
from factorattn.model.transformer import encoder, encoder_parameters

C, HEADS, N = 32, 4, 8
DEPTHS = (2, 8)


def of_last_matrix(norm, layers, seed):
    """The Frobenius norm of the gradient of the loss by W_out of the last layer."""
    rng = np.random.default_rng(seed)
    parameters = encoder_parameters(layers, C, HEADS, C, norm=norm, rng=rng)
    x, to = rng.standard_normal((N, C)), rng.standard_normal((N, C))

    def loss(weight, parameters, x, to):
        *first, last = parameters["layers"]
        fed = {**last["feed_forward"], "out": {**last["feed_forward"]["out"], "weight": weight}}
        y = encoder({**parameters, "layers": [*first, {**last, "feed_forward": fed}]}, x, heads=HEADS, norm=norm)
        xp = y.__array_namespace__()
        return xp.sum(y * to) / N

    weight = parameters["layers"][-1]["feed_forward"]["out"]["weight"]
    return np.linalg.norm(grad(loss)(weight, parameters, x, to))


@pytest.fixture(scope="module")
def sizes():
    return {
        norm: [np.mean([of_last_matrix(norm, layers, seed) for seed in range(6)]) for layers in DEPTHS]
        for norm in ("post", "pre")
    }


def test_post_norm_gradients_keep_their_size_and_pre_norm_ones_shrink(sizes):
    few, many = DEPTHS
    post, pre = (sizes[norm][1] / sizes[norm][0] for norm in ("post", "pre"))
    shrunk = math.sqrt(few / many)
    assert abs(math.log(post)) < abs(math.log(shrunk)) / 2
    assert abs(math.log(pre / shrunk)) < abs(math.log(shrunk)) / 2
