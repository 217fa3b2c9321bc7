"""The format of a factored checkpoint: what its metadata says, and how a matrix comes back.

The tensor ``name`` is replaced by the arrays of its factors, ``name.path`` each. Under the key "factorattn" the
metadata of the file holds a JSON text: the version of this format, the method, and for each matrix its dtype, shape and
the description that `factorattn.factor.factored.packing` gives of its factors. All other metadata is kept.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from factorattn.compress.checkpoint.entry import Entry
from factorattn.compress.checkpoint.reading import Checkpoint
from factorattn.compress.checkpoint.tensors import FLOATING, CheckpointError, decode
from factorattn.factor.factored import Factored
from factorattn.factor.factored.packing import unpack

__all__ = ["KEY", "VERSION", "Matrix", "array_name", "assemble", "describe", "factored_matrices"]

KEY = "factorattn"
VERSION = 1


class Matrix(NamedTuple):
    """A matrix of the original checkpoint: its name, dtype, shape, and the description of its factors."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    spec: Mapping[str, Any]


def array_name(name: str, path: str) -> str:
    """What an array of the factors of a matrix is called in the file."""
    return f"{name}.{path}"


def describe(matrices: list[Matrix], about: Mapping[str, Any]) -> str:
    """The text that stands in the metadata."""
    tensors = {m.name: {"dtype": m.dtype, "shape": list(m.shape), "spec": m.spec} for m in matrices}
    return json.dumps({"version": VERSION, **about, "tensors": tensors}, separators=(",", ":"))


def factored_matrices(source: Checkpoint) -> dict[str, Matrix]:
    """The matrices of a checkpoint that are held as factors, by name.

    Raises
    ------
    CheckpointError
        If there are none, the metadata is damaged, or it is of a later version.
    """
    found: dict[str, Matrix] = {}
    texts = {file: metadata[KEY] for file, metadata in source.metadata.items() if KEY in metadata}
    if not texts:
        raise CheckpointError(f"{source.path.name} is no factored checkpoint: its metadata has no {KEY!r}")
    for file, text in texts.items():
        try:
            about = json.loads(text)
            version = about["version"]
            if version != VERSION:
                raise CheckpointError(f"{file} has version {version!r} of the format; this is version {VERSION}")
            for name, told in about["tensors"].items():
                shape = tuple(int(length) for length in told["shape"])
                if told["dtype"] not in FLOATING or len(shape) != 2:
                    raise ValueError(f"{name!r} is {told['dtype']} {shape}")
                found[name] = Matrix(name, told["dtype"], shape, told["spec"])
        except CheckpointError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise CheckpointError(f"the metadata {KEY!r} of {file} is damaged: {error!r}") from None
    return found


def paths_in(spec: Any) -> list[str]:
    """The paths of all arrays that a description names."""
    if isinstance(spec, Mapping):
        if set(spec) == {"array"}:
            return [str(spec["array"])]
        return [path for part in spec.values() for path in paths_in(part)]
    return [path for part in spec for path in paths_in(part)] if isinstance(spec, list | tuple) else []


def assemble(matrix: Matrix, arrays: Mapping[str, Entry]) -> Factored:
    """The factors of a matrix, read; in float64 for a matrix of float64, else in float32.

    Parameters
    ----------
    matrix : Matrix
    arrays : mapping of str to Entry
        Its arrays by their paths.

    Raises
    ------
    CheckpointError
        If an array is missing or the description does not fit them.
    """
    working = np.float64 if matrix.dtype == "F64" else np.float32

    def read(entry: Entry) -> np.ndarray:
        x = decode(entry.read(), entry.dtype, entry.shape)
        return x.astype(working, copy=False) if entry.dtype in FLOATING else x

    try:
        f = unpack(matrix.spec, {path: read(entry) for path, entry in arrays.items()})
        shape = tuple(f.shape)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"the factors of {matrix.name!r} are damaged: {error}") from None
    if shape != matrix.shape:
        raise CheckpointError(f"the factors of {matrix.name!r} make a matrix {shape}, expected {matrix.shape}")
    return f
