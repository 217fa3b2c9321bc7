"""From numbers of tokens to vectors that tell what stands where, and back to logits (Vaswani et al. 2017, section 3.4).

    x_i = sqrt(c) E[id_i] + P[i],   logits_i = W x_i + b,   W = E where weights are tied

P is sinusoidal, learned, axial, or left out: the ways of `factorattn.position` that add a vector to a token.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from factorattn.contract import choose
from factorattn.model.door import check_ids
from factorattn.model.initialize.layers import dense_parameters, table_parameters
from factorattn.model.layers import embed, linear
from factorattn.position import axial, sinusoidal
from factorattn.scalars import flag, whole

__all__ = ["embedded", "embedding_parameters", "logits_of", "output_parameters"]


def embedded(
    parameters: Mapping[str, Any],
    ids: Any,
    *,
    positions: str,
    scale: bool,
    name: str,
    offset: int = 0,
    xp: Any,
) -> Any:
    """Vectors of the tokens ids (..., n), the first of which is at position `offset`: (..., n, c)."""
    add = choose(POSITIONS, positions=positions)
    table, drawn = parameters["tokens"]["weight"], _drawn_for(parameters)
    if positions not in drawn:
        raise ValueError(
            f"positions must be {' or '.join(map(repr, drawn))}, for which the parameters were drawn, got {positions!r}"
        )
    if ids.ndim < 1:
        raise ValueError(f"{name} must have shape (..., n), got {tuple(ids.shape)}")
    check_ids(ids, table.shape[-2], name=name, xp=xp)
    x = embed(ids, table, xp=xp)  # (..., n, c)
    return add(x * math.sqrt(x.shape[-1]) if flag(scale=scale) else x, parameters, offset, name=name, xp=xp)


def _drawn_for(parameters):
    """The positions that parameters were drawn for: nothing is learned of the others."""
    tables = parameters.get("positions")
    return ("sinusoidal", "none") if tables is None else ("learned",) if "weight" in tables else ("axial",)


def logits_of(x: Any, parameters: Mapping[str, Any], table: Mapping[str, Any], *, xp: Any) -> Any:
    """Logits (..., n, vocabulary) of x (..., n, c): through ``parameters["output"]``, or the table of the tokens."""
    return linear(x, parameters.get("output", table["tokens"]), xp=xp)


def embedding_parameters(
    vocabulary: int,
    c: int,
    *,
    positions: str = "sinusoidal",
    length: int | tuple[int, int] | None = None,
    rng: np.random.Generator,
    dtype: Any,
) -> dict[str, Any]:
    """Draw a table of tokens, normal with variance 1 / c, so that sqrt(c) of it is about one; and one of positions.

    `length` is the greatest number of tokens for "learned", and (rows, columns) of the grid for "axial".
    """
    make = choose({name: _DRAWN[name] for name in POSITIONS}, positions=positions)
    tokens = table_parameters(rng, vocabulary, c, dtype, name="vocabulary")
    return {"tokens": tokens} | make(length, c, rng, dtype)


def output_parameters(vocabulary: int, c: int, *, rng: np.random.Generator, dtype: Any) -> dict[str, Any]:
    """A last layer of its own, where weights are not tied."""
    return dense_parameters(rng, vocabulary, c, dtype)


def _sinusoidal(x, parameters, offset, *, name, xp):
    return x + sinusoidal(x.shape[-2], x.shape[-1], like=x, offset=offset)


def _learned(x, parameters, offset, *, name, xp):
    table = parameters["positions"]["weight"]
    last = offset + x.shape[-2]
    if last > table.shape[-2]:
        raise ValueError(f"{name} must have at most {table.shape[-2]} tokens, as many as positions, got {last}")
    return x + embed(xp.arange(offset, last, dtype=xp.int64, device=x.device), table, xp=xp)


def _axial(x, parameters, offset, *, name, xp):
    rows, columns = (parameters["positions"][part] for part in ("rows", "columns"))
    last, most = offset + x.shape[-2], rows.shape[-2] * columns.shape[-2]
    if last > most:
        raise ValueError(f"{name} must have at most {most} tokens, as many as positions, got {last}")
    return x + axial(rows, columns, x.shape[-2], offset=offset)


def _none(x, parameters, offset, *, name, xp):
    return x


POSITIONS = {"sinusoidal": _sinusoidal, "learned": _learned, "axial": _axial, "none": _none}


def _no_table(length, c, rng, dtype):
    if length is not None:
        raise ValueError(f"length belongs to positions='learned' or 'axial', and these have no table; got {length!r}")
    return {}


def _learned_table(length, c, rng, dtype):
    if length is None or isinstance(length, tuple):
        raise ValueError(f"length must be the greatest number of tokens for positions='learned', got {length!r}")
    return {"positions": table_parameters(rng, length, c, dtype, name="length")}


def _axial_tables(length, c, rng, dtype):
    if not isinstance(length, tuple) or len(length) != 2:
        raise ValueError(f"length must be (rows, columns) of the grid for positions='axial', got {length!r}")
    rows, columns = (whole(length=side) for side in length)
    own = c // 2  # features that tell the row; the others tell the column
    draw = {"rows": (rows, own), "columns": (columns, c - own)}
    return {"positions": {name: rng.normal(0.0, c**-0.5, shape).astype(dtype) for name, shape in draw.items()}}


_DRAWN = {"sinusoidal": _no_table, "learned": _learned_table, "axial": _axial_tables, "none": _no_table}
