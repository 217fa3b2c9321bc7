"""What comes into a model, checked: arrays of one library, and numbers of rows that tables have.

Models compute in float32 at the least, and give the dtype of what they were given.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import array_api_compat

from factorattn.interpret.gradient_namespace import GradientNamespace

__all__ = ["Door", "check_ids", "leaves", "open_door", "with_dtype"]

SILENTLY = "nothing is moved between libraries silently"


class Door(NamedTuple):
    """The namespace, the dtype of the result, and the parameters in the dtype to compute in."""

    xp: Any
    dtype: Any
    parameters: Any


def open_door(parameters: Mapping[str, Any], *given: Any) -> Door:
    """Look at parameters, and at the arrays beside them, of which None were left out.

    float16 and bfloat16 are computed in float32. Arrays of integers and truth values count for the namespace only.
    Parameters that are no arguments of what is differentiated may stand beside those that are.

    Raises
    ------
    TypeError
        If not all are of one library.
    """
    weights, given = list(leaves(parameters)), tuple(x for x in given if x is not None)
    one_of_each = {type(x): x for x in weights}.values()  # there are many weights, and few types
    found = {array_api_compat.array_namespace(x) for x in one_of_each}
    found -= {xp.base for xp in found if isinstance(xp, GradientNamespace)}  # parameters that are kept as they are
    found |= {array_api_compat.array_namespace(x) for x in given}
    if len(found) > 1:
        names = sorted(xp.__name__.removeprefix("array_api_compat.") for xp in found)
        why = "hand all of them in as arguments of what is differentiated" if "gradient" in names else SILENTLY
        raise TypeError(
            f"parameters and what is given beside them must be arrays of one library, got {' and '.join(names)}: {why}"
        )
    (xp,) = found
    dtype = xp.result_type(*(x.dtype for x in (*weights, *given) if xp.isdtype(x.dtype, "real floating")))
    return Door(xp, dtype, with_dtype(parameters, xp.result_type(dtype, xp.float32), xp=xp))


def leaves(parameters: Any) -> Iterator[Any]:
    """All arrays and factored matrices of nested dicts and lists, in order."""
    if isinstance(parameters, Mapping):
        for part in parameters.values():
            yield from leaves(part)
    elif isinstance(parameters, list | tuple):
        for part in parameters:
            yield from leaves(part)
    else:
        yield parameters


def with_dtype(parameters: Any, dtype: Any, *, xp: Any) -> Any:
    """The same nested dicts and lists with all real numbers in a dtype, those inside of factored matrices, too."""
    if isinstance(parameters, Mapping):
        return {name: with_dtype(part, dtype, xp=xp) for name, part in parameters.items()}
    if isinstance(parameters, list | tuple):
        return [with_dtype(part, dtype, xp=xp) for part in parameters]
    if hasattr(parameters, "__factored__"):  # of one matrix, or of several heads
        return parameters if parameters.dtype == dtype else parameters.astype(dtype)
    return xp.astype(parameters, dtype, copy=False) if xp.isdtype(parameters.dtype, "real floating") else parameters


def check_ids(ids: Any, rows: int, *, name: str, xp: Any) -> None:
    """Hold numbers of rows against a table: most libraries count negative ones from the end."""
    if not xp.isdtype(ids.dtype, "integral"):
        raise TypeError(f"{name} must have an integer dtype, got {ids.dtype}")
    if 0 in ids.shape:
        return
    try:
        least, most = int(xp.min(ids)), int(xp.max(ids))
    except TypeError:  # counted, or traced: it has no values
        return
    if least < 0 or most >= rows:
        raise ValueError(f"{name} must be from 0 to {rows - 1}, got {least if least < 0 else most}")
