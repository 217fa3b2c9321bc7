"""An array namespace that reads cost: its arrays have shapes and no values, and every function adds to a tally.

    xp = counting()
    q = xp.empty((2**20, 64), dtype=xp.float32)
    xp.tally.start()                    # what is there is an input: count from here
    softmax_attention(q, q, q)          # the very same function
    xp.tally.flops, xp.tally.peak       # operations, and bytes held at the peak

One multiplication and one addition are two operations. A function without a rule raises; nothing is guessed.
"""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np

from factorattn.interpret.counting_fft import FFT
from factorattn.interpret.counting_linalg import LINALG
from factorattn.interpret.counting_rules import FUNCTIONS
from factorattn.interpret.missing import NoRule

__all__ = ["OPERATORS", "Array", "CountingNamespace", "NeedsValues", "Tally", "counting"]

OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "matmul": "matmul",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}


class NeedsValues(TypeError):
    """A value was asked of an array that has none: the control flow of the function depends on values."""


class Tally:
    """What was counted.

    Attributes
    ----------
    log : Counter of (function, kind, count) to calls
        Every call and its operations, those of repeated tiles together; thirds are kept, and rounded up in sums.
    moved : int
        Bytes read and written by all functions; views are free.
    peak : int
        Largest number of bytes held at once by arrays that functions made.
    held_at_peak : Counter of bytes to number of arrays
    """

    def __init__(self) -> None:
        self.log: Counter[tuple[str, str, int | Fraction]] = Counter()
        self.moved = self.live = self.peak = 0
        self.held: Counter[int] = Counter()
        self.held_at_peak: Counter[int] = Counter()
        self.times = 1
        self.epoch = 0

    @property
    def by_kind(self) -> dict[str, int]:
        """Operations by kind: contract, elementwise, transcendental, reduce, decompose, transform."""
        kinds: dict[str, int | Fraction] = {}
        for (_, kind, count), calls in self.log.items():
            kinds[kind] = kinds.get(kind, 0) + count * calls
        return {kind: math.ceil(count) for kind, count in kinds.items()}

    @property
    def flops(self) -> int:
        """All operations."""
        return math.ceil(sum(count * calls for (_, _, count), calls in self.log.items()))

    def add(self, name: str, kind: str, counts: tuple[int | Fraction, ...], moved: int) -> None:
        """Note one call (of `times` equal ones)."""
        for count in counts:
            if count * self.times:
                self.log[name, kind, count * self.times] += 1
        self.moved += moved * self.times

    def start(self) -> None:
        """Count from here: forget all calls; arrays made so far are inputs, and not held."""
        epoch = self.epoch + 1
        self.__init__()  # type: ignore[misc]
        self.epoch = epoch

    def take(self, nbytes: int) -> int:
        """An array came to life; return the epoch it belongs to."""
        self.held[nbytes] += 1
        self.live += nbytes
        if self.live > self.peak:
            self.peak, self.held_at_peak = self.live, +self.held
        return self.epoch

    def give(self, nbytes: int, epoch: int) -> None:
        """An array of an epoch died."""
        if epoch == self.epoch:
            self.held[nbytes] -= 1
            self.live -= nbytes


class Array:
    """An array of a counting namespace: shape and dtype, and the array whose memory it views, if any."""

    __array_ufunc__ = None  # NumPy does not take it for a scalar
    device = "counting"

    def __init__(
        self, xp: "CountingNamespace", shape: tuple[int, ...], dtype: np.dtype, base: "Array | None" = None
    ) -> None:
        self._epoch: int | None = None  # until memory is taken, there is none to give back
        self.shape, self.dtype, self._xp, self._base = tuple(map(int, shape)), np.dtype(dtype), xp, base
        if any(length < 0 for length in self.shape):
            raise ValueError(f"shape must have no negative sizes, got {self.shape}")
        self.ndim, self.size = len(self.shape), math.prod(self.shape)
        self.nbytes = self.size * self.dtype.itemsize
        if base is None:
            self._epoch = xp.tally.take(self.nbytes)

    def __del__(self) -> None:
        if self._epoch is not None:
            self._xp.tally.give(self.nbytes, self._epoch)

    def __array_namespace__(self, api_version: str | None = None) -> "CountingNamespace":
        return self._xp

    def to_device(self, device: str, /, *, stream: Any = None) -> "Array":
        """The array itself: there is one device."""
        if device != self.device:
            raise ValueError(f"device must be {self.device!r}, got {device!r}")
        return self

    @property
    def mT(self) -> "Array":
        return self._xp.matrix_transpose(self)

    @property
    def T(self) -> "Array":
        return self._xp.permute_dims(self, (1, 0))

    def __getitem__(self, key: Any) -> "Array":
        keys = key if isinstance(key, tuple) else (key,)
        if any(isinstance(part, Array) for part in keys):
            raise NeedsValues("indexing by an array needs its values; use take")
        if not all(part is None or part is ... or isinstance(part, int | slice) for part in keys):
            raise TypeError(f"an index must be made of integers, slices, None and ..., got {key!r}")
        shape = np.broadcast_to(np.empty((), bool), self.shape)[key].shape
        return Array(self._xp, shape, self.dtype, base=self)

    def __bool__(self) -> bool:
        raise NeedsValues("a value is needed: the control flow of this function depends on values")

    __float__ = __int__ = __index__ = __complex__ = __bool__

    def __repr__(self) -> str:
        return f"counting.Array(shape={self.shape}, dtype={self.dtype})"


def _operator(name: str, swapped: bool = False) -> Any:
    def method(self: Array, other: Any) -> Array:
        if not isinstance(other, Array | bool | int | float):
            return NotImplemented
        return getattr(self._xp, name)(other, self) if swapped else getattr(self._xp, name)(self, other)

    return method


for _dunder, _name in OPERATORS.items():
    setattr(Array, f"__{_dunder}__", _operator(_name))
    setattr(Array, f"__r{_dunder}__", _operator(_name, swapped=True))
for _dunder, _name in {"neg": "negative", "invert": "logical_not", "abs": "abs", "pos": "positive"}.items():
    setattr(Array, f"__{_dunder}__", lambda self, name=_name: getattr(self._xp, name)(self))


class CountingNamespace:
    """The namespace. Its functions are the rules of `counting_rules` and its kin, looked up by name."""

    __name__ = "counting"
    inf, nan, pi, e, newaxis = math.inf, math.nan, math.pi, math.e, None
    bool, int32, int64 = np.dtype(bool), np.dtype("int32"), np.dtype("int64")
    float16, float32, float64 = np.dtype("float16"), np.dtype("float32"), np.dtype("float64")
    complex64, complex128 = np.dtype("complex64"), np.dtype("complex128")

    def __init__(self) -> None:
        self.tally = Tally()
        self.linalg, self.fft = _Extension(self, "linalg", LINALG), _Extension(self, "fft", FFT)

    def __getattr__(self, name: str) -> Any:
        if name in FUNCTIONS:
            return FUNCTIONS[name].__get__(self)
        if name.startswith("__"):
            raise AttributeError(name)
        raise NoRule(f"counting has no rule for xp.{name}")

    def array(self, shape: tuple[int, ...], dtype: Any, base: Array | None = None) -> Array:
        """A new array, or a view of `base`."""
        return Array(self, shape, dtype, base)

    @contextmanager
    def repeated(self, times: int) -> Iterator[None]:
        """Count everything in a ``with`` block `times` times."""
        before = self.tally.times
        self.tally.times = before * times
        try:
            yield
        finally:
            self.tally.times = before

    def added_up(self, x: Array, rows: int) -> Array:
        """The rows of x added up at their places among `rows`: an addition for each entry."""
        out = self.array((rows, *x.shape[1:]), x.dtype)
        self.tally.add("added_up", "elementwise", (x.size,), x.nbytes + out.nbytes)
        return out

    def stretched(self, x: Array, axis: int, times: int) -> Array:
        """The join of `times` arrays like x along an axis, as if all had been made."""
        shape = list(x.shape)
        shape[axis] *= times
        return self.array(tuple(shape), x.dtype)


class _Extension:
    """A sub-namespace, such as ``xp.linalg``."""

    def __init__(self, xp: CountingNamespace, name: str, rules: dict) -> None:
        self._xp, self._name, self._rules = xp, name, rules

    def __getattr__(self, name: str) -> Any:
        if name not in self._rules:
            raise NoRule(f"counting has no rule for xp.{self._name}.{name}")
        return self._rules[name].__get__(self._xp)


def counting() -> CountingNamespace:
    """A fresh counting namespace, with an empty tally."""
    return CountingNamespace()
