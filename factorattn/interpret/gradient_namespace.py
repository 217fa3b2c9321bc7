"""The array API for arrays that are differentiated, over any other array namespace.

Functions are the rules of `gradient_rules` and its kin, looked up by name. One without a rule raises; nothing is
guessed.
"""

import operator
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import array_api_compat

from factorattn.interpret.gradient_array import Array, bare
from factorattn.interpret.gradient_fft import FFT
from factorattn.interpret.gradient_linalg import LINALG
from factorattn.interpret.gradient_record import apply
from factorattn.interpret.gradient_rules import RULES
from factorattn.interpret.missing import NoRule

__all__ = ["GradientNamespace", "over"]

CONSTANT = {  # whose results do not change with small changes of their arguments
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
    *("logical_and", "logical_or", "logical_xor", "logical_not", "any", "all"),
    *("isfinite", "isinf", "isnan", "signbit", "floor", "ceil", "round", "trunc", "floor_divide"),
    *("argmax", "argmin", "argsort", "searchsorted", "count_nonzero", "nonzero"),
    *("zeros_like", "ones_like", "empty_like"),
}
BITS: dict[str, Callable[..., Any]] = {  # by operators, which libraries have that lack the names
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
    "bitwise_invert": operator.invert,
    "bitwise_left_shift": operator.lshift,
    "bitwise_right_shift": operator.rshift,
}
CREATED = {"arange", "empty", "eye", "linspace", "ones", "zeros"}
ASKED = {"result_type", "can_cast", "isdtype", "finfo", "iinfo"}  # of dtypes, not of values
NAMED = {
    *("__array_api_version__", "__array_namespace_info__"),
    *("e", "pi", "inf", "nan", "newaxis", "bool", "float16", "float32", "float64", "bfloat16"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "complex64", "complex128"),
}


class GradientNamespace:
    """The array API over the arrays of a namespace `base`. `over` makes it: one for each base.

    Attributes
    ----------
    base : namespace
    alone : bool
        Whether arrays of the base refuse others on their right, as ``a * b``, rather than leave the operator to them.
        Rules then see none of them.
    """

    __name__ = "gradient"

    def __init__(self, base: Any) -> None:
        self.base = base
        self.alone = array_api_compat.is_array_api_strict_namespace(base)
        self._floating: dict[Any, bool] = {}
        self.linalg, self.fft = _Extension(self, "linalg", LINALG), _Extension(self, "fft", FFT)

    def __getattr__(self, name: str) -> Any:
        if name in RULES:
            found = _ruled(self, RULES[name], getattr(self.base, name, None))
        elif name in CONSTANT:
            found = _constant(self, getattr(self.base, name))
        elif name in CREATED:
            found = _created(self, name, getattr(self.base, name))
        elif name in BITS:
            found = _constant(self, BITS[name])
        elif name in ASKED:
            found = _asked(getattr(self.base, name))
        elif name in NAMED:
            found = getattr(self.base, name)
        elif name.startswith("__"):
            raise AttributeError(name)
        else:
            raise NoRule(f"gradient has no rule for xp.{name}")
        setattr(self, name, found)  # the next time it is there
        return found

    def floats(self, dtype: Any) -> bool:
        """Whether arrays of a dtype are differentiated: all that are not whole numbers or booleans."""
        if dtype not in self._floating:
            self._floating[dtype] = self.base.isdtype(dtype, ("real floating", "complex floating"))
        return self._floating[dtype]

    def constant(self, value: Any) -> Array:
        """An array of this namespace that does not depend on anything."""
        return value if isinstance(value, Array) else Array(value, self)


class _Extension:
    """A sub-namespace, such as ``xp.linalg``."""

    def __init__(self, xp: GradientNamespace, name: str, rules: dict[str, Callable]) -> None:
        self._xp, self._name, self._rules = xp, name, rules

    def __getattr__(self, name: str) -> Any:
        if name not in self._rules:
            raise NoRule(f"gradient has no rule for xp.{self._name}.{name}")
        return _ruled(self._xp, self._rules[name], getattr(getattr(self._xp.base, self._name), name, None))


_lock = threading.Lock()
_made: WeakValueDictionary[int, GradientNamespace] = WeakValueDictionary()  # by identity of the base, which they hold


def over(base: Any) -> GradientNamespace:
    """The gradient namespace over another; the same one as long as it is in use, as arrays of one library have one."""
    found = _made.get(id(base))
    if found is None:
        with _lock:  # two threads must not each make their own
            found = _made.get(id(base))
            if found is None:
                found = _made[id(base)] = GradientNamespace(base)
    return found


def _ruled(xp: GradientNamespace, rule: Callable, below: Callable | None) -> Callable:
    return lambda *args, **options: apply(xp, rule, args, options, below=below)


def _constant(xp: GradientNamespace, below: Callable) -> Callable:
    def call(*args: Any, **options: Any) -> Any:
        out = below(*map(bare, args), **{name: bare(value) for name, value in options.items()})
        return tuple(Array(x, xp) for x in out) if isinstance(out, tuple) else Array(out, xp)

    return call


def _created(xp: GradientNamespace, name: str, below: Callable) -> Callable:
    made = _constant(xp, below)

    def call(*args: Any, **options: Any) -> Any:
        if any(isinstance(x, Array) and x.level for x in (*args, *options.values())):
            raise NotImplementedError(f"gradient has no rule for xp.{name} of an array that is differentiated")
        return made(*args, **options)

    return call


def _asked(below: Callable) -> Callable:
    return lambda *args: below(*map(bare, args))
