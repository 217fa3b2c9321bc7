"""A strict stand-in for the part of CuPy that kernels and their tests use: NumPy's memory, kernels compiled by g++.

Stricter than CuPy where that finds bugs: nothing is converted to or from NumPy unasked, fresh memory is full of NaN,
and a kernel refuses arguments of the wrong width. `LAUNCHES` remembers every launch; `installed()` puts it in CuPy's
place; `stand_in_kernels` compiles and launches, `stand_in_devices` has devices and streams.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import ModuleType, SimpleNamespace
from typing import Any

import array_api_compat.numpy
import numpy as np
import stand_in_kernels
from stand_in_devices import Device, Stream, get_current_stream, runtime
from stand_in_kernels import LAUNCHES, RawKernel, RawModule, thread_order

__all__ = [
    "LAUNCHES",
    "RawKernel",
    "RawModule",
    "asarray",
    "broadcast_to",
    "cuda",
    "empty",
    "float32",
    "float64",
    "installed",
    "memoize",
    "ndarray",
    "thread_order",
]

float32, float64 = np.float32, np.float64
cuda = SimpleNamespace(
    Device=Device, Stream=Stream, get_current_stream=get_current_stream, is_available=lambda: True, runtime=runtime
)


class ndarray:
    """An array on a pretended device."""

    __array_ufunc__ = None  # NumPy's operators give way to ours

    def __init__(self, host: np.ndarray, device: Device):
        self._host, self.device = host, device

    shape = property(lambda self: self._host.shape)
    strides = property(lambda self: self._host.strides)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    itemsize = property(lambda self: self._host.itemsize)
    T = property(lambda self: ndarray(self._host.T, self.device))
    mT = property(lambda self: ndarray(self._host.mT, self.device))
    data = property(lambda self: SimpleNamespace(ptr=self._host.ctypes.data))

    def get(self) -> np.ndarray:
        """Copy to the host: the one way out."""
        return self._host.copy()

    def transpose(self, *axes: int) -> "ndarray":
        """Permute axes, without a copy."""
        return ndarray(self._host.transpose(*axes), self.device)

    def __getitem__(self, key: Any) -> "ndarray":
        return ndarray(np.asarray(self._host[_to_host(key)]), self.device)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    def __len__(self) -> int:
        return len(self._host)

    def __bool__(self) -> bool:
        return bool(self._host)

    def __repr__(self) -> str:
        return f"stand_in_cupy.{self._host!r}"


def _operator(name: str) -> Callable:
    def apply(self: ndarray, *others: Any) -> Any:
        with np.errstate(all="ignore"):  # as on a GPU
            return _to_device(getattr(self._host, name)(*map(_to_host, others)), self.device)

    apply.__name__ = name
    return apply


_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor")
_COMPARE = ("lt", "le", "gt", "ge", "eq", "ne")
_UNARY = ("neg", "pos", "abs", "invert")
for _name in (*_BINARY, *(f"r{name}" for name in _BINARY), *_COMPARE, *_UNARY):
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))


def _to_host(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, ndarray):
        return x._host
    return type(x)(map(_to_host, x)) if isinstance(x, list | tuple) else x


def _to_device(x: Any, device: Device) -> Any:
    if isinstance(x, np.ndarray | np.generic):
        return ndarray(np.asarray(x), device)
    return type(x)(_to_device(part, device) for part in x) if type(x) in (list, tuple) else x


def asarray(a: Any, dtype: Any = None) -> ndarray:
    """Copy from the host, or pass an array of our own through."""
    if isinstance(a, ndarray):
        return a if dtype in (None, a.dtype) else ndarray(a._host.astype(dtype), a.device)
    return ndarray(np.array(a, dtype=dtype), Device())


def empty(shape: Any, dtype: Any = float) -> ndarray:
    """Fresh memory, every byte 255: NaN for floats, so that nothing can rely on what it holds."""
    host = np.empty(shape, dtype)
    host.reshape(-1).view(np.uint8)[...] = 255
    return ndarray(host, Device())


def broadcast_to(array: ndarray, shape: Any) -> ndarray:
    """A view with stride 0 along new axes."""
    if not isinstance(array, ndarray):
        raise TypeError(f"Unsupported type {type(array)}")
    return ndarray(np.broadcast_to(array._host, shape), array.device)


def memoize(for_each_device: bool = False) -> Callable:
    """Remember what a function returned, for each device apart if wanted."""

    def decorate(f: Callable) -> Callable:
        seen: dict[tuple, Any] = {}

        @wraps(f)
        def call(*args: Any) -> Any:
            key = (Device().id if for_each_device else None, args)
            if key not in seen:
                seen[key] = f(*args)
            return seen[key]

        return call

    return decorate


class _Namespace(ModuleType):
    """The array API on stand-in arrays, for references: NumPy's functions, arguments and results carried over."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(array_api_compat.numpy, name)
        if not callable(found) or isinstance(found, type):
            return found

        @wraps(found)
        def call(*args: Any, **options: Any) -> Any:
            options.pop("device", None)
            with np.errstate(all="ignore"):
                out = found(*map(_to_host, args), **{key: _to_host(value) for key, value in options.items()})
            return _to_device(out, Device())

        return call


_namespace = _Namespace("array_api_compat.cupy")


@contextmanager
def installed() -> Iterator[ModuleType]:
    """Stand in for CuPy and its array API namespace in a ``with`` block; modules that met it are forgotten after."""
    names = {"cupy": sys.modules[__name__], "array_api_compat.cupy": _namespace}
    before = {name: sys.modules.get(name) for name in names}
    _forget_importers()
    sys.modules.update(names)
    LAUNCHES.clear()
    try:
        yield sys.modules[__name__]
    finally:
        _forget_importers()
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _forget_importers() -> None:
    """Unload the package's modules that hold a `cupy`, whichever: the next import must find the one of its time."""
    for name, module in list(sys.modules.items()):
        if name.startswith("factorattn.") and "cupy" in vars(module):
            del sys.modules[name]
            parent, _, leaf = name.rpartition(".")
            vars(sys.modules[parent]).pop(leaf, None)


stand_in_kernels.ndarray = ndarray
