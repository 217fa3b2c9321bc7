"""The Transformer's decoder (Vaswani et al. 2017, section 3.1): tokens that ask earlier ones, and then an encoder's.

    x = x + attend(x, x up to itself),   x = x + attend(x, memory),   x = x + W_out activation(W_in x + b_in) + b_out

in each layer, normalised: `sublayer`. In the second attention keys and values come from the memory, queries from x.
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
from factorattn.scalars import generator

__all__ = ["decoder", "decoder_layer", "decoder_parameters"]


def decoder(
    parameters: Mapping[str, Any],
    x: Any,
    memory: Any,
    *,
    heads: int,
    mask: Any | None = None,
    memory_mask: Any | None = None,
    norm: str = "post",
    slot: Slot | Sequence[Slot] | None = None,
    cross_slot: Slot | Sequence[Slot] | None = None,
    activation: str = "relu",
    epsilon: float = 1e-5,
) -> Any:
    """Turn tokens into tokens that know the earlier ones and all of a memory.

    Parameters
    ----------
    parameters : mapping
        As `decoder_parameters` makes them; arrays of one library. Matrices may be factored.
    x : array, shape (..., n, c)
        Tokens, with what tells their positions.
    memory : array, shape (..., m, c)
        What an encoder made of the source.
    heads : int
        Number of heads, which divides c.
    mask : boolean array, shape (..., n), optional
        True at tokens of x, False at padding.
    memory_mask : boolean array, shape (..., m), optional
        The same of the memory.
    norm : {"post", "pre", "none"}
        Where layers are normalised: see `factorattn.model.transformer.sublayer`.
    slot, cross_slot : Slot or sequence of Slot, optional
        What attends to earlier tokens, and what attends to the memory, in all layers or in each; softmax attention by
        default.
    activation : {"relu", "gelu"}
        Of the feed-forward sublayers.
    epsilon : float
        Added to variances.

    Returns
    -------
    x : array, shape (..., n, c), result dtype of x, memory and the parameters
        Row i depends on no later row. Rows where `mask` is False mean nothing.

    Raises
    ------
    ValueError
        If shapes disagree, `heads` does not divide c, an option is unknown, or a mechanism cannot stand where it is.
    TypeError
        If a mask is not boolean, or arrays are of several libraries.

    Notes
    -----
    float16 and bfloat16 are computed in float32. Without a memory, a decoder is `encoder` with ``causal=True``.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, section 3. arXiv:1706.03762
    """
    xp, dtype, parameters = open_door(parameters, x, memory, mask, memory_mask)
    layers = parameters["layers"]
    check_stack(parameters, {"x": x, "memory": memory}, heads=heads, norm=norm, epsilon=epsilon)
    check_mask(mask, x, name="mask", of="x", xp=xp)
    check_mask(memory_mask, memory, name="memory_mask", of="memory", xp=xp)
    compute = xp.result_type(dtype, xp.float32)
    x, memory = (xp.astype(rows, compute, copy=False) for rows in (x, memory))
    masks: dict[str, Any] = {"mask": mask, "memory_mask": memory_mask}
    options: dict[str, Any] = {"heads": heads, "norm": norm, "activation": activation, "epsilon": epsilon, "xp": xp}
    own, cross = (slots_of(s, len(layers), name=name) for s, name in ((slot, "slot"), (cross_slot, "cross_slot")))
    for layer, own_slot, its_cross in zip(layers, own, cross, strict=True):
        x = decoder_layer(layer, x, memory, slot=own_slot, cross_slot=its_cross, **masks, **options)
    return xp.astype(finish(x, parameters, norm=norm, epsilon=epsilon, xp=xp), dtype, copy=False)


def decoder_layer(
    layer: Mapping[str, Any],
    x: Any,
    memory: Any,
    *,
    heads: int,
    mask: Any | None,
    memory_mask: Any | None,
    norm: str,
    slot: Slot,
    cross_slot: Slot,
    activation: str,
    epsilon: float,
    xp: Any,
) -> Any:
    """One layer: causal attention, attention to the memory, the feed-forward sublayer; nothing is checked."""

    def ask(y):
        return attend(layer["attention"], y, heads=heads, slot=slot, mask=mask, causal=True, xp=xp)

    def ask_memory(y):
        cross = layer["cross_attention"]
        return attend(cross, y, memory, heads=heads, slot=cross_slot, mask=memory_mask, own_mask=mask, xp=xp)

    def feed(y):
        return feed_forward(y, layer["feed_forward"], activation=activation, xp=xp)

    for name, f in (("attention", ask), ("cross_attention", ask_memory), ("feed_forward", feed)):
        x = residual(f, x, layer, name, norm=norm, epsilon=epsilon, xp=xp)
    return x


def decoder_parameters(
    layers: int,
    c: int,
    heads: int,
    hidden: int,
    *,
    norm: str = "post",
    slot: Slot | Sequence[Slot] | None = None,
    cross_slot: Slot | Sequence[Slot] | None = None,
    rng: Any = None,
    dtype: Any = "float64",
) -> dict[str, Any]:
    """Draw the parameters of a decoder.

    Parameters
    ----------
    layers : int
    c : int
        Width of the model.
    heads : int
    hidden : int
        Hidden units of the feed-forward sublayers.
    norm, slot, cross_slot
        As `decoder` will be told.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    dtype : data type
        Real floating.

    Returns
    -------
    dict of NumPy arrays
        ``{"layers": [{"attention", "cross_attention", "feed_forward", and a "..._norm" for each}, ...]}``, without
        norms for norm="none", and with a last ``"norm"`` for "pre".

    Raises
    ------
    ValueError
        If a size is out of range, `heads` does not divide c, an option is unknown, `dtype` is not real floating,
        there are not as many slots as layers, or a slot lacks the size of a letter.
    TypeError
        If a size is no integer.
    """
    rng = generator(rng)
    own, cross = (slots_of(s, layers, name=name) for s, name in ((slot, "slot"), (cross_slot, "cross_slot")))

    def layer(own_slot, its_cross):
        return {
            "attention": slot_parameters(c, heads, slot=own_slot, rng=rng, dtype=dtype),
            "cross_attention": slot_parameters(c, heads, slot=its_cross, rng=rng, dtype=dtype),
            "feed_forward": feed_forward_parameters(rng, c, hidden, dtype),
        }

    return stack_parameters([layer(*pair) for pair in zip(own, cross, strict=True)], c, norm, dtype)
