"""What all models of this folder share: their door, the loop over a target, the encoder's annotations, maxout.

maxout   t_j = max(x_{2j-1}, x_{2j})                      two units, of which the larger speaks
unroll   (y_t, s_t) = advance(x_t, s_{t-1})               one after another, where nothing else is possible
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import array_api_compat

from factorattn.contract import choose
from factorattn.interpret.tree import tree_map
from factorattn.model.layers import embed, leaves, with_dtype
from factorattn.model.recurrent.gru import gru, gru_step
from factorattn.model.recurrent.lstm import lstm, lstm_step
from factorattn.model.seq2seq.checks import mask_of, tokens

__all__ = ["Door", "maxout", "network_of", "open_door", "step_of", "unroll", "words"]


class Door(NamedTuple):
    """The namespace, the dtype of the result, and the parameters in the precision to compute in."""

    xp: Any
    dtype: Any
    parameters: Any


def open_door(parameters: Mapping[str, Any], *arrays: Any) -> Door:
    """Look at parameters and at the arrays beside them, of which None were left out."""
    weights = list(leaves(parameters))
    xp = array_api_compat.array_namespace(*weights[:1], *(x for x in arrays if x is not None))
    dtype = xp.result_type(*(x.dtype for x in weights))
    return Door(xp, dtype, with_dtype(parameters, xp.result_type(dtype, xp.float32), xp=xp))


def words(parameters: Mapping[str, Any], side: str, ids: Any, mask: Any | None = None, *, xp: Any) -> Any:
    """The embeddings (..., n, c) of the tokens (..., n) of one side: "source", or "inputs" of the decoder."""
    table = parameters[SIDES[side]]["weight"]
    tokens(side, ids, table.shape[-2], xp=xp)
    if len(ids.shape) < 1:
        raise ValueError(f"{side} must have shape (..., n), got {tuple(ids.shape)}")
    mask_of("mask", mask, ids.shape, side, xp=xp)
    return embed(ids, table, xp=xp)


SIDES = {"source": "source_embedding", "inputs": "target_embedding", "token": "target_embedding"}


def network_of(cell: str) -> Callable:
    """The network over a sequence of a cell's name."""
    return choose({"gru": gru, "lstm": lstm}, cell=cell)


def step_of(cell: str) -> Callable:
    """One step of the same."""
    return choose({"gru": gru_step, "lstm": lstm_step}, cell=cell)


def maxout(x: Any, *, xp: Any) -> Any:
    """The larger one of each two neighbours: (..., 2 l) to (..., l)."""
    *batch, size = x.shape
    if size % 2:
        raise ValueError(f"the layer under a maxout must have an even number of rows, got {size}")
    return xp.max(xp.reshape(x, (*batch, size // 2, 2)), axis=-1)


def unroll(advance: Callable, x: Any, state: Any, *, xp: Any) -> Any:
    """Call ``output, state = advance(x_t, state)`` for each row of x (..., n, c), and stack outputs along axis -2.

    Outputs are trees of arrays (..., size).
    """
    n = x.shape[-2]
    # Without any row there is one of zeros, for the shapes: what it gives is left out.
    rows = xp.unstack(x, axis=-2) if n else (xp.zeros((*x.shape[:-2], x.shape[-1]), dtype=x.dtype, device=x.device),)
    outputs = []
    for row in rows:
        output, state = advance(row, state)
        outputs.append(output)
    return tree_map(lambda *all_of_them: xp.stack(all_of_them, axis=-2)[..., :n, :], *outputs)
