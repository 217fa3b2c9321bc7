"""Queries, keys and values to compare on: those in the package, or a user's own file."""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from factorattn.cli.errors import BadInput
from factorattn.contract import check

__all__ = ["DTYPES", "Input", "embedded", "read_file", "to_cupy"]

DTYPES = ("float16", "float32", "float64")
NAMES = ("q", "k", "v")
LENGTH = 2048
PICKLE = b"\x80"  # how every pickle since protocol 2 begins; NumPy takes any other file for one too
_UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


class Input(NamedTuple):
    """Arrays of one library, and where they come from."""

    source: str
    q: Any
    k: Any
    v: Any

    def each(self, change: Callable[[Any], Any]) -> "Input":
        """The same with each array changed."""
        return Input(self.source, change(self.q), change(self.k), change(self.v))

    def arrays(self) -> dict[str, Any]:
        """q, k and v by name."""
        return {"q": self.q, "k": self.k, "v": self.v}

    def sizes(self) -> dict[str, int]:
        """The letters n, m, d and e."""
        return {"n": self.q.shape[-2], "m": self.k.shape[-2], "d": self.q.shape[-1], "e": self.v.shape[-1]}

    def batch(self) -> tuple[int, ...]:
        """The batch axes that q, k and v broadcast to."""
        return np.broadcast_shapes(*(x.shape[:-2] for x in (self.q, self.k, self.v)))

    def first(self, n: int) -> "Input":
        """The first n queries, keys and values."""
        return self.each(lambda x: x[..., :n, :])


def embedded(n: int | None, dtype: str | None) -> Input:
    """The first n tokens of the two heads of MiniLM in the package."""
    from factorattn.data import load_minilm
    from factorattn.data.minilm import HEADS, N_TOKENS

    n = LENGTH if n is None else n
    if n > N_TOKENS:
        raise BadInput(f"--n must be at most {N_TOKENS}, the length of the embedded input, got {n}")
    heads = " and ".join(f"layer {layer} head {head}" for layer, head in HEADS)
    return Input(f"MiniLM on Pride and Prejudice, {heads}", *load_minilm(n=n, dtype=dtype or "float32"))


def read_file(path: Path, n: int | None, dtype: str | None) -> Input:
    """Arrays q, k, v of an ``.npz`` or ``.safetensors`` file, checked whole.

    Raises
    ------
    BadInput
        If the file cannot be read, or its arrays are not finite floating ones whose shapes agree.
    """
    if path.is_dir():
        raise BadInput(f"--input {str(path)!r} is a folder; give a .npz or .safetensors file")
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    if path.suffix not in readers:
        raise BadInput(f"--input must be a .npz or .safetensors file, got {path.name!r}")
    if not path.is_file():
        raise BadInput(f"--input {str(path)!r} {'is not a file' if path.exists() else 'does not exist'}")
    found = readers[path.suffix](path)
    for name, x in found.items():
        if x.dtype.kind != "f" or x.dtype.itemsize > 8:
            raise BadInput(f"{name} in {path.name} has dtype {x.dtype}; expected {', '.join(DTYPES)}")
    try:
        arrays: dict[str, Any] = {**found}
        _, size = check("q: ... n d, k: ... m d, v: ... m e", **arrays)
    except ValueError as error:
        raise BadInput(f"{path.name}: {error}") from None
    for name, x in found.items():
        if x.size == 0:
            raise BadInput(f"{name} in {path.name} is empty: its shape is {x.shape}")
    if n is not None:
        if size["n"] != size["m"]:
            raise BadInput(f"--n cuts one sequence, but {path.name} has {size['n']} queries and {size['m']} keys")
        if n > size["n"]:
            raise BadInput(f"--n must be at most {size['n']}, the length of {path.name}, got {n}")
        found = {name: x[..., :n, :] for name, x in found.items()}
    wanted = np.dtype(dtype) if dtype else np.result_type(*found.values())
    return Input(path.name, *(_finite(name, found[name], wanted, path) for name in NAMES))


def to_cupy(data: Input) -> Input:
    """The same on the GPU."""
    try:
        import cupy
    except ImportError as error:
        raise BadInput(f"--namespace cupy needs CuPy (pip install 'factorattn[cuda13]'): {error}") from None
    if not cupy.cuda.is_available():
        raise BadInput("--namespace cupy needs an NVIDIA GPU and its driver; CuPy finds none")
    return data.each(cupy.asarray)


def _finite(name: str, x: np.ndarray, dtype: np.dtype, path: Path) -> np.ndarray:
    with np.errstate(over="ignore"):
        out = np.ascontiguousarray(x, dtype=dtype.newbyteorder("="))
    finite = np.isfinite(out)
    if not finite.all():
        where = tuple(int(i) for i in np.unravel_index(np.argmin(finite), x.shape))
        if np.isfinite(x[where]):
            raise BadInput(f"{name} in {path.name} overflows {dtype}: {x[where]} at {where}")
        raise BadInput(f"{name} in {path.name} must be finite, but holds {x[where]} at {where} first")
    return out


def _missing(path: Path, found: list[str]) -> None:
    if not set(NAMES) <= set(found):
        raise BadInput(f"{path.name} must hold arrays q, k, v; found {', '.join(sorted(found)) or 'none'}")


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                raise BadInput(f"{path.name} is a single array, not an .npz archive of q, k, v")
            with stored:
                _missing(path, stored.files)
                return {name: stored[name] for name in NAMES}
    except _UNREADABLE as error:
        if "pickle" in str(error):
            if not path.read_bytes()[:1] == PICKLE and not zipfile.is_zipfile(path):
                raise BadInput(f"{path.name} is no .npz file") from None
            raise BadInput(f"{path.name} holds pickled objects, refused since they can run code; save arrays") from None
        raise BadInput(f"{path.name} is damaged or no .npz file: {error}") from None


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError, deserialize

    try:
        stored = dict(deserialize(path.read_bytes()))
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{path.name} is damaged or no .safetensors file: {error}") from None
    _missing(path, list(stored))
    return {name: _tensor(name, stored[name], path) for name in NAMES}


def _tensor(name: str, stored: dict[str, Any], path: Path) -> np.ndarray:
    if stored["dtype"] == "BF16":  # NumPy has no bfloat16; it is the upper half of a float32
        bits = np.frombuffer(stored["data"], "<u2").astype("<u4") << 16
        return bits.view("<f4").reshape(stored["shape"])
    kinds = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
    if stored["dtype"] not in kinds:
        raise BadInput(f"{name} in {path.name} has dtype {stored['dtype']}; expected F16, BF16, F32 or F64")
    return np.frombuffer(stored["data"], kinds[stored["dtype"]]).reshape(stored["shape"])
