"""`RawModule` and `RawKernel` on the CPU: the same source through g++ and shim/, the same checks as at a launch."""

import ctypes
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from stand_in_devices import LIMITS, Device, Stream, get_current_stream

__all__ = ["EDITS", "LAUNCHES", "CompileError", "Launch", "LaunchError", "RawKernel", "RawModule", "thread_order"]

SHIM = Path(__file__).parent / "shim"
FLAGS = ("-std=c++17", "-march=native", "-fPIC", "-shared", "-fvisibility=hidden", "-w")
OPTIMIZE = os.environ.get("STAND_IN_CXXFLAGS", "-O2")  # a sanitizer is chosen here
GRID, BLOCK, BLOCK_THREADS = (2**31 - 1, 65535, 65535), (1024, 1024, 64), 1024
UNASKED_SHARED = 48 << 10  # bytes a kernel may use without having asked for more

LAUNCHES: list["Launch"] = []
EDITS: list[tuple[str, str]] = []  # replacements in the source: bugs planted by a test of the tests

ndarray: type = type(None)  # stand_in_cupy's class, set by it

_order = 0


class CompileError(Exception):
    """g++ refused the source."""


class LaunchError(Exception):
    """What would be a CUDA error, or silence, on a GPU."""


class Launch(NamedTuple):
    """The record of one launch; `barriers` were passed by all blocks together."""

    kernel: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int
    stream: Stream
    barriers: int


@contextmanager
def thread_order(order: str | int) -> Iterator[None]:
    """Run threads "forward", in "reverse", or in random orders from a seed above 1."""
    global _order
    before, _order = _order, {"forward": 0, "reverse": 1}.get(order, order)
    try:
        yield
    finally:
        _order = before


class RawModule:
    """Kernels of one source; compiled when the first is asked for, and kept on disk by a hash of all that went in."""

    def __init__(self, *, code: str, options: tuple[str, ...] = (), name_expressions: tuple[str, ...]):
        unknown = [option for option in options if not option.startswith(("-D", "-std="))]
        if unknown:
            raise CompileError(f"options that the stand-in does not know: {unknown}")
        for old, new in EDITS:
            if old not in code:
                raise CompileError(f"an edit does not apply: {old!r}")
            code = code.replace(old, new, 1)
        self._code, self._options, self._names = code, tuple(options), tuple(name_expressions)
        self._library: ctypes.CDLL | None = None

    def get_function(self, name: str) -> "RawKernel":
        """A kernel by its name expression."""
        if name not in self._names:
            raise LaunchError(f"CUDA_ERROR_NOT_FOUND: {name}")
        if self._library is None:
            self._library = ctypes.CDLL(str(_built(self._code, self._options, self._names)))
            self._library.shim_error.restype = ctypes.c_char_p
            self._library.shim_barriers.restype = ctypes.c_longlong
        return RawKernel(name, self._library, f"entry_{self._names.index(name)}")


class RawKernel:
    """One compiled kernel."""

    def __init__(self, name: str, library: ctypes.CDLL, entry: str):
        self.name, self._library, self._launch = name, library, getattr(library, entry)
        self._shared_limit = UNASKED_SHARED
        sizes, number = getattr(library, f"{entry}_sizes"), ctypes.c_int()
        sizes.restype = ctypes.POINTER(ctypes.c_int)
        self._sizes = sizes(ctypes.byref(number))[: number.value]

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        """Bytes of shared memory that a launch may ask for."""
        return self._shared_limit

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size: int) -> None:
        if size > LIMITS["MaxSharedMemoryPerBlockOptin"]:
            raise LaunchError(f"CUDA_ERROR_INVALID_VALUE: {size} bytes of shared memory")
        self._shared_limit = size

    def __call__(
        self, grid: tuple, block: tuple, args: tuple, *, shared_mem: int = 0, stream: Stream | None = None
    ) -> None:
        """Launch, on the current stream unless another is named."""
        for what, given, limits in (("grid", grid, GRID), ("block", block, BLOCK)):
            if not isinstance(given, tuple) or not 1 <= len(given) <= 3:
                raise TypeError(f"{what} must be a tuple of one to three integers, got {given!r}")
            if any(not 1 <= size <= limit for size, limit in zip(given, limits, strict=False)):
                raise LaunchError(f"CUDA_ERROR_INVALID_VALUE: {what} {given}")
        if np.prod(block) > BLOCK_THREADS:
            raise LaunchError(f"CUDA_ERROR_INVALID_VALUE: block {block}")
        if shared_mem > self._shared_limit:
            asked = self._shared_limit
            raise LaunchError(f"CUDA_ERROR_INVALID_VALUE: {shared_mem} bytes of shared memory, limit {asked}")
        values = self._values(args)
        pointers = (ctypes.c_void_p * len(values))(*(value.ctypes.data for value in values))
        failed = self._launch(_three(grid), _three(block), ctypes.c_size_t(shared_mem), pointers, ctypes.c_uint(_order))
        if failed:
            raise LaunchError(f"{self.name}: {self._library.shim_error().decode()}")
        barriers = self._library.shim_barriers()
        LAUNCHES.append(Launch(self.name, grid, block, shared_mem, stream or get_current_stream(), barriers))

    def _values(self, args: tuple) -> list[np.ndarray]:
        """The arguments by value; a float for a float32 parameter, silent garbage on a GPU, is an error."""
        if len(args) != len(self._sizes):
            raise TypeError(f"{self.name} has {len(self._sizes)} parameters, got {len(args)} arguments")
        values = [_by_value(arg) for arg in args]
        for i, (value, size) in enumerate(zip(values, self._sizes, strict=True)):
            if value.nbytes != size:
                raise TypeError(f"{self.name}: argument {i} has {value.nbytes} bytes, the parameter {size}")
        return values


def _by_value(arg: Any) -> np.ndarray:
    """What CuPy would hand to the driver."""
    if arg is None:
        return np.array(0, np.uint64)
    if isinstance(arg, ndarray):
        if arg.device != Device():
            raise LaunchError(f"CUDA_ERROR_ILLEGAL_ADDRESS: an array of {arg.device} in a kernel on {Device()}")
        return np.array(arg.data.ptr, np.uint64)
    if isinstance(arg, np.ndarray) and arg.size != 1:
        raise TypeError(f"only a numpy.ndarray of size one can be passed by value, got shape {arg.shape}")
    if isinstance(arg, np.ndarray | np.generic | bool | int | float):
        return np.ascontiguousarray(arg)
    raise TypeError(f"Unsupported type {type(arg)}")


def _three(sizes: tuple[int, ...]) -> ctypes.Array:
    return (ctypes.c_uint * 3)(*(*sizes, 1, 1)[:3])


def _built(code: str, options: tuple[str, ...], names: tuple[str, ...]) -> Path:
    exports = "\n".join(f"SHIM_EXPORT(entry_{i}, {name})" for i, name in enumerate(names))
    source = f'#include "cuda_shim.h"\n#line 1 "kernel.cu"\n{code}\n{exports}\n'
    flags = (*FLAGS, *OPTIMIZE.split(), *options)
    everything = [source, *flags, *(path.read_text() for path in sorted(SHIM.glob("*.h")))]
    folder = Path(tempfile.gettempdir()) / f"factorattn-shim-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"{hashlib.sha256(chr(0).join(everything).encode()).hexdigest()[:24]}.so"
    if not library.exists():
        part = library.with_suffix(f".{os.getpid()}")
        command = ["g++", *flags, f"-I{SHIM}", "-x", "c++", "-", "-o", str(part)]
        environment = {**os.environ, "LD_PRELOAD": ""}  # a sanitizer is not for g++
        done = subprocess.run(command, input=source, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CompileError(done.stderr)
        part.replace(library)
    return library
