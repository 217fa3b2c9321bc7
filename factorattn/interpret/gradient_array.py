"""Arrays that are differentiated.

An array has a value, which is an array of another library, and a link: to the node of the record that made it, or to
its tangent when derivatives are pushed forward. Each derivative that is taken is a level of its own; values of a level
may be arrays of an earlier one, so that derivatives of derivatives are right.
"""

from collections.abc import Callable, Iterator
from typing import Any

import array_api_compat

__all__ = ["Array", "bare", "has_levels"]


class Array:
    """An array of a gradient namespace.

    Attributes
    ----------
    value : array
        Of the library below, or of an earlier level.
    level : int
        The derivative that it takes part in; 0 for a constant.
    link : (Node, int), array or None
        The node that made it, and which of its outputs it is; or its tangent.
    """

    __slots__ = ("__weakref__", "_xp", "level", "link", "value")
    __array_ufunc__ = None  # NumPy leaves operators to this class
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any, xp: Any, level: int = 0, link: Any = None) -> None:
        self.value, self._xp, self.level, self.link = value, xp, level, link

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return self._xp

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def device(self) -> Any:
        return array_api_compat.device(self.value)

    @property
    def ndim(self) -> int:
        return len(self.value.shape)

    @property
    def size(self) -> int | None:
        return array_api_compat.size(self.value)

    @property
    def mT(self) -> "Array":
        return self._xp.matrix_transpose(self)

    @property
    def T(self) -> "Array":
        return self._xp.permute_dims(self, (1, 0))

    def __getitem__(self, key: Any) -> "Array":
        return self._xp._getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("an array that is differentiated cannot be written to; use where or concat")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise TypeError(
            "an array that is differentiated is no NumPy array; use functions of its __array_namespace__(), "
            "and stack for a list of arrays"
        )

    def to_device(self, device: Any, /, *, stream: Any = None) -> "Array":
        return self._xp._to_device(self, device, stream=stream)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __index__(self) -> int:
        return self.value.__index__()

    def __float__(self) -> float:
        if self.level:
            raise TypeError("float(x) would cut x off from what is differentiated; keep the array, or stop_gradient(x)")
        return float(self.value)

    def __complex__(self) -> complex:
        return complex(float(self)) if self.level else complex(self.value)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array of shape () has no length")
        return self.shape[0]

    def __iter__(self) -> "Iterator[Array]":
        return (self[i, ...] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"gradient.Array(level={self.level}, value={self.value!r})"


def has_levels(xp: Any) -> bool:
    """Whether a namespace is one of arrays that are differentiated."""
    return hasattr(type(xp), "constant")


def bare(x: Any) -> Any:
    """What lies below all levels: an array of the library, also inside of lists and tuples."""
    while isinstance(x, Array):
        x = x.value
    return type(x)(map(bare, x)) if isinstance(x, (list, tuple)) and any(isinstance(part, Array) for part in x) else x


BINARY = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
COMPARISONS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
UNARY = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "bitwise_invert"}


OPERANDS = (Array, bool, int, float, complex)


def _operator(name: str, swapped: bool = False) -> Callable:
    def method(self: Array, other: Any) -> Any:
        if not isinstance(other, OPERANDS):
            if hasattr(other, "__factored__") or not array_api_compat.is_array_api_obj(other):
                return NotImplemented  # a factored matrix knows how to be multiplied
            if array_api_compat.array_namespace(other) is not self._xp.base:
                raise TypeError(f"arrays of two libraries cannot meet: {type(bare(self))} and {type(other)}")
        f = getattr(self._xp, name)
        return f(other, self) if swapped else f(self, other)

    return method


for _dunder, _name in (BINARY | COMPARISONS).items():
    setattr(Array, f"__{_dunder}__", _operator(_name))
for _dunder, _name in BINARY.items():
    setattr(Array, f"__r{_dunder}__", _operator(_name, swapped=True))
for _dunder, _name in UNARY.items():
    setattr(Array, f"__{_dunder}__", lambda self, name=_name: getattr(self._xp, name)(self))
