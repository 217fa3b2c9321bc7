"""The random directions of a mechanism: given as an array, or drawn."""

import math
from typing import Any

from factorattn.contract import choose
from factorattn.factor.directions import DIRECTIONS, LENGTHS

__all__ = ["directions_of"]


def directions_of(
    given: list,
    size: dict[str, int],
    q: Any,
    *,
    rng: Any,
    directions: str | None,
    length: str | None,
    usual: str,
    xp: Any,
) -> Any:
    """The array of directions in `given`, a list of one or none; or a draw in the dtype and on the device of q.

    Without a size r there are ceil(d log d) of them, the order of magnitude of Choromanski et al. 2021. `usual` names
    the way to draw where `directions` is left out.
    """
    if given:
        for name, option in (("rng", rng), ("directions", directions), ("length", length)):
            if option is not None:
                raise ValueError(f"{name} must be None where omega is given: nothing is left to draw")
        return given[0]
    draw = choose(DIRECTIONS, directions=usual if directions is None else directions)
    length = "normal" if length is None else length
    choose(LENGTHS, length=length)
    d = size["d"]
    rank = size.get("r", max(1, math.ceil(d * math.log(max(d, 1)))))
    return xp.asarray(draw(rank, d, rng=rng, length=length), dtype=q.dtype, device=q.device)
