"""Numbers as they lie in a file: dtypes of safetensors, and arrays to compute with.

Factors are computed in float32, or float64 where the file has float64. Storing rounds to the nearest number of the
dtype, to even where two are as near.
"""

import math
from typing import Any

import numpy as np

__all__ = ["FLOATING", "NUMPY", "CheckpointError", "bits", "decode", "encode", "tag_of"]

NUMPY = {
    "BOOL": "|b1",
    "U8": "|u1",
    "I8": "|i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "C64": "<c8",
}
"""dtypes that safetensors and NumPy both have."""

FLOATING = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
"""dtypes of matrices that can be factored."""

_TAGS = {dtype: tag for tag, dtype in NUMPY.items()}
_OTHERS = {"BF16": 16, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4}


class CheckpointError(ValueError):
    """A checkpoint cannot be read, factored, written or restored; the text says which tensor or file, and why."""


def tag_of(dtype: np.dtype) -> str:
    """The name of a NumPy dtype in safetensors; NumPy's own where safetensors has none."""
    plain = dtype.newbyteorder("<").str
    return _TAGS.get(plain, plain)


def bits(tag: str) -> int:
    """Bits of one number, of a dtype of safetensors or of NumPy."""
    return _OTHERS[tag] if tag in _OTHERS else 8 * np.dtype(NUMPY.get(tag, tag)).itemsize


def decode(data: Any, tag: str, shape: tuple[int, ...]) -> np.ndarray:
    """Bytes as an array: float64 of F64, float32 of the other floating dtypes, others as they are.

    Parameters
    ----------
    data : bytes-like
    tag : str
        A dtype that NumPy has, or BF16.
    shape : tuple of int
    """
    if tag == "BF16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    found = np.frombuffer(data, NUMPY[tag]).reshape(shape)
    return found.astype(np.float32) if tag == "F16" else found


def encode(x: np.ndarray, tag: str) -> memoryview:
    """An array as bytes of a dtype, each number rounded once.

    Raises
    ------
    CheckpointError
        If a finite number is too large for the dtype.
    """
    if tag == "BF16":
        stored = _bfloat16(x)
        fine = bool(((stored & 0x7F80) != 0x7F80).all())
    else:
        with np.errstate(over="ignore", under="ignore"):
            stored = x.astype(NUMPY[tag], copy=False)
        fine = stored.dtype.kind != "f" or bool(np.isfinite(stored).all())
    if not fine:
        largest = float(np.max(np.abs(x)))
        raise CheckpointError(f"{largest:.3g} is too large for {FLOATING[tag]}")
    return np.ascontiguousarray(stored).reshape(-1).view(np.uint8).data


def count(shape: tuple[int, ...]) -> int:
    """How many numbers an array of a shape has."""
    return math.prod(shape)


def _bfloat16(x: np.ndarray) -> np.ndarray:
    """The upper half of float32, rounded to nearest, ties to even; infinity is not excluded."""
    with np.errstate(over="ignore", under="ignore"):
        single = x.astype(np.float32)
    if x.dtype == np.float64:  # round to odd first, so that the second rounding sees on which side of a tie x was
        even = (single.view(np.uint32) & 1) == 0
        inexact = np.isfinite(single) & (single.astype(np.float64) != x)
        toward = np.where(single.astype(np.float64) < x, np.float32(np.inf), np.float32(-np.inf))
        single = np.where(even & inexact, np.nextafter(single, toward), single)
    whole = single.view(np.uint32)
    return ((whole + 0x7FFF + ((whole >> 16) & 1)) >> 16).astype("<u2")
