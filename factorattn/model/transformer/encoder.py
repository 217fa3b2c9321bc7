"""The Transformer's encoder (Vaswani et al. 2017, section 3.1): tokens that ask each other, layer upon layer.

    x = x + attend(x, x),   x = x + W_out activation(W_in x + b_in) + b_out      in each layer, normalised: `sublayer`

With ``causal=True`` each token asks itself and earlier ones: the stack of a decoder without an encoder.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from factorattn.model.door import open_door
from factorattn.model.transformer.attend import attend
from factorattn.model.transformer.door import check_mask, check_stack, slots_of
from factorattn.model.transformer.feed_forward import feed_forward
from factorattn.model.transformer.parameters import (
    feed_forward_parameters,
    slot_parameters,
    stack_parameters,
)
from factorattn.model.transformer.slot import Slot
from factorattn.model.transformer.sublayer import finish, residual
from factorattn.scalars import flag, generator

__all__ = ["encoder", "encoder_layer", "encoder_parameters"]


def encoder(
    parameters: Mapping[str, Any],
    x: Any,
    *,
    heads: int,
    mask: Any | None = None,
    norm: str = "post",
    slot: Slot | Sequence[Slot] | None = None,
    activation: str = "relu",
    causal: bool = False,
    epsilon: float = 1e-5,
) -> Any:
    """Turn tokens into tokens that know each other.

    Parameters
    ----------
    parameters : mapping
        As `encoder_parameters` makes them; arrays of one library. Matrices may be factored.
    x : array, shape (..., n, c)
        Tokens, with what tells their positions.
    heads : int
        Number of heads, which divides c.
    mask : boolean array, shape (..., n), optional
        True at tokens, False at padding. It lacks no batch axis that tells sequences apart.
    norm : {"post", "pre", "none"}
        Where layers are normalised: see `factorattn.model.transformer.sublayer`.
    slot : Slot or sequence of Slot, optional
        What attends, in all layers or in each; softmax attention by default.
    activation : {"relu", "gelu"}
        Of the feed-forward sublayers.
    causal : bool
        Token i asks tokens up to itself. A mechanism that is always causal is so without it, too.
    epsilon : float
        Added to variances.

    Returns
    -------
    x : array, shape (..., n, c), result dtype of x and the parameters
        Rows where `mask` is False mean nothing.

    Raises
    ------
    ValueError
        If shapes disagree, `heads` does not divide c, an option is unknown, or the mechanism cannot stand there.
    TypeError
        If `mask` is not boolean, or arrays are of several libraries.

    Notes
    -----
    float16 and bfloat16 are computed in float32.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, section 3. arXiv:1706.03762

    Xiong et al., "On Layer Normalization in the Transformer Architecture", 2020: norm="pre". arXiv:2002.04745
    """
    xp, dtype, parameters = open_door(parameters, x, mask)
    layers = parameters["layers"]
    check_stack(parameters, {"x": x}, heads=heads, norm=norm, epsilon=epsilon)
    check_mask(mask, x, name="mask", of="x", xp=xp)
    x = xp.astype(x, xp.result_type(dtype, xp.float32), copy=False)
    options: dict[str, Any] = {"heads": heads, "norm": norm, "activation": activation, "epsilon": epsilon, "xp": xp}
    for layer, own in zip(layers, slots_of(slot, len(layers), name="slot"), strict=True):
        x = encoder_layer(layer, x, mask=mask, slot=own, causal=flag(causal=causal), **options)
    return xp.astype(finish(x, parameters, norm=norm, epsilon=epsilon, xp=xp), dtype, copy=False)


def encoder_layer(
    layer: Mapping[str, Any],
    x: Any,
    *,
    heads: int,
    mask: Any | None,
    norm: str,
    slot: Slot,
    activation: str,
    causal: bool,
    epsilon: float,
    xp: Any,
) -> Any:
    """One layer: attention, then the feed-forward sublayer; nothing is checked."""

    def ask(y):
        return attend(layer["attention"], y, heads=heads, slot=slot, mask=mask, causal=causal, xp=xp)

    def feed(y):
        return feed_forward(y, layer["feed_forward"], activation=activation, xp=xp)

    x = residual(ask, x, layer, "attention", norm=norm, epsilon=epsilon, xp=xp)
    return residual(feed, x, layer, "feed_forward", norm=norm, epsilon=epsilon, xp=xp)


def encoder_parameters(
    layers: int,
    c: int,
    heads: int,
    hidden: int,
    *,
    norm: str = "post",
    slot: Slot | Sequence[Slot] | None = None,
    rng: Any = None,
    dtype: Any = "float64",
) -> dict[str, Any]:
    """Draw the parameters of an encoder.

    Parameters
    ----------
    layers : int
    c : int
        Width of the model.
    heads : int
    hidden : int
        Hidden units of the feed-forward sublayers.
    norm, slot
        As `encoder` will be told.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    dtype : data type
        Real floating.

    Returns
    -------
    dict of NumPy arrays
        ``{"layers": [{"attention", "attention_norm", "feed_forward", "feed_forward_norm"}, ...]}``, without norms for
        norm="none", and with a last ``"norm"`` for "pre".

    Raises
    ------
    ValueError
        If a size is out of range, `heads` does not divide c, an option is unknown, `dtype` is not real floating,
        there are not as many slots as layers, or a slot lacks the size of a letter.
    TypeError
        If a size is no integer.
    """
    rng = generator(rng)

    def layer(own):
        return {
            "attention": slot_parameters(c, heads, slot=own, rng=rng, dtype=dtype),
            "feed_forward": feed_forward_parameters(rng, c, hidden, dtype),
        }

    return stack_parameters([layer(own) for own in slots_of(slot, layers, name="slot")], c, norm, dtype)
