"""What all models of this folder share: words, cells by name, the loop over a target, maxout.

maxout   t_j = max(x_{2j-1}, x_{2j})                      two units, of which the larger speaks
unroll   (y_t, s_t) = advance(x_t, s_{t-1})               one after another, where nothing else is possible
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from factorattn.contract import choose
from factorattn.interpret.tree import tree_map
from factorattn.model.layers import embed
from factorattn.model.recurrent.drawing import gru_parameters, lstm_parameters
from factorattn.model.recurrent.gru import gru, gru_step
from factorattn.model.recurrent.lstm import lstm, lstm_step
from factorattn.model.seq2seq.checks import mask_of, tokens

__all__ = ["Cell", "cell_of", "maxout", "unroll", "words"]


def words(parameters: Mapping[str, Any], side: str, ids: Any, mask: Any | None = None, *, xp: Any) -> Any:
    """The embeddings (..., n, c) of the tokens (..., n) of one side: "source", or "inputs" of the decoder."""
    table = parameters[SIDES[side]]["weight"]
    tokens(side, ids, table.shape[-2], xp=xp)
    if len(ids.shape) < 1:
        raise ValueError(f"{side} must have shape (..., n), got {tuple(ids.shape)}")
    mask_of("mask", mask, ids.shape, side, xp=xp)
    return embed(ids, table, xp=xp)


SIDES = {"source": "source_embedding", "inputs": "target_embedding", "token": "target_embedding"}


class Cell(NamedTuple):
    """What goes along a sequence, by its name in `CELLS`: how it is drawn, over a sequence, and one step of it."""

    parameters: Callable
    network: Callable
    step: Callable


CELLS = {"gru": Cell(gru_parameters, gru, gru_step), "lstm": Cell(lstm_parameters, lstm, lstm_step)}


def cell_of(cell: str) -> Cell:
    """The cell of a name."""
    return choose(CELLS, cell=cell)


def maxout(x: Any, *, xp: Any) -> Any:
    """The larger one of each two neighbours: (..., 2 l) to (..., l)."""
    *batch, size = x.shape
    if size % 2:
        raise ValueError(f"the layer under a maxout must have an even number of rows, got {size}")
    return xp.max(xp.reshape(x, (*batch, size // 2, 2)), axis=-1)


def unroll(advance: Callable, x: Any, state: Any, *, xp: Any) -> Any:
    """Call ``output, state = advance(x_t, state)`` for each row of x (..., n, c), and stack outputs along axis -2.

    Outputs are trees of arrays (..., size), whose batch axes broadcast.
    """
    n = x.shape[-2]
    # Without any row there is one of zeros, for the shapes: what it gives is left out.
    rows = xp.unstack(x, axis=-2) if n else (xp.zeros((*x.shape[:-2], x.shape[-1]), dtype=x.dtype, device=x.device),)
    outputs = []
    for row in rows:
        output, state = advance(row, state)
        outputs.append(output)
    return tree_map(lambda *parts: _stacked(parts, xp=xp)[..., :n, :], *outputs)


def _stacked(rows, *, xp):
    """Rows (..., size), whose batch axes broadcast: a first state may have fewer than later ones."""
    shape = np.broadcast_shapes(*(x.shape for x in rows))
    return xp.stack([x if x.shape == shape else xp.broadcast_to(x, shape) for x in rows], axis=-2)
