"""Named tensors in a safetensors file: length of the header, the header in JSON, and the numbers."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

__all__ = ["on_host", "read_tensors", "tag_of", "write_tensors"]

BITS = (8, 16, 32, 64)
TAGS = {"bool": "BOOL", "complex64": "C64"}
TAGS |= {f"{kind}{bits}": f"{tag}{bits}" for kind, tag in (("int", "I"), ("uint", "U")) for bits in BITS}
TAGS |= {f"float{bits}": f"F{bits}" for bits in BITS[1:]}


def on_host(x: Any, name: str) -> np.ndarray:
    """An array of any library as one of NumPy, of a dtype that the format has."""
    tag_of(x, name)
    if hasattr(x, "detach"):  # torch: NumPy takes no tensor that has a gradient, or is on another device
        x = x.detach().cpu()
    return np.asarray(x.get() if hasattr(x, "get") else x)


def tag_of(x: Any, name: str) -> str:
    """The dtype of an array, as the format calls it. TypeError if it has none such."""
    dtype = getattr(x.dtype, "name", str(x.dtype).rpartition(".")[2])  # "torch.int8" has no name of its own
    if dtype not in TAGS:
        raise TypeError(f"{name or 'parameters'} must have one of the dtypes {', '.join(TAGS)}, got {x.dtype}")
    return TAGS[dtype]


def write_tensors(file: BinaryIO, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write them, those of the longest dtypes first, so that all are aligned; equal ones give equal bytes.

    (The package's own writer puts metadata in another order every time.)
    """
    header: dict[str, Any] = {"__metadata__": {key: metadata[key] for key in sorted(metadata)}} if metadata else {}
    at, order = 0, sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    for name in order:
        x = tensors[name]
        header[name] = {"dtype": tag_of(x, name), "shape": list(x.shape), "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    for name in order:
        x = tensors[name]
        file.write(np.ascontiguousarray(x.astype(x.dtype.newbyteorder("<"), copy=False)).tobytes())


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors of a file by name, and its metadata. ValueError if it is damaged."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"{str(path)!r} {'is not a file' if path.exists() else 'does not exist'}")
    try:
        with safe_open(path, "numpy") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
            return tensors, dict(opened.metadata() or {})
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path.name} is damaged or no safetensors file: {error}") from None
