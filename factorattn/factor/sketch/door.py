"""The door of the sketches: sizes, and what their arrays are to be like."""

from typing import Any

import array_api_compat

from factorattn.scalars import whole

__all__ = ["admit_sketch"]


def admit_sketch(r: int, p: int, like: Any) -> tuple[Any, int, int, dict[str, Any]]:
    """The namespace of `like`, both sizes, and the dtype (single precision at the least) and device of new arrays.

    Raises
    ------
    ValueError
        If `r` is below 1 or `p` below 0.
    TypeError
        If a size is no integer, or `like` is not a floating array.
    """
    r, p = whole(r=r), whole(p=p)
    if r < 1:
        raise ValueError(f"r must be at least 1, got {r}")
    if p < 0:
        raise ValueError(f"p must be at least 0, got {p}")
    if not array_api_compat.is_array_api_obj(like):
        raise TypeError(f"like must be an array (NumPy, CuPy, torch, ...), got {type(like).__name__}")
    xp = array_api_compat.array_namespace(like)
    if not xp.isdtype(like.dtype, ("real floating", "complex floating")):
        raise TypeError(f"like must have a floating dtype, got {like.dtype}; convert it first, e.g. to float32")
    dtype = xp.result_type(like, xp.float32)
    return xp, r, p, {"dtype": dtype, "device": array_api_compat.device(like)}
