"""A factored matrix as a description and named arrays, so that any file format can keep it.

    pack(F) = (spec, arrays),    unpack(spec, arrays) = F

The description is plain data (dictionaries, lists, numbers, strings) that JSON keeps as it is; an array is named by the
path to it, as in ``factors.0`` or ``terms.1.u``.
"""

import dataclasses
import inspect
import math
import operator
from collections.abc import Iterator, Mapping
from numbers import Complex, Integral, Real
from typing import Any

import array_api_compat
import numpy as np

from factorattn.factor.factored.base import Factored

__all__ = ["pack", "unpack"]

BOUND = "error_bound"


def pack(f: Factored, *, bound: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """Take a factored matrix apart.

    Parameters
    ----------
    f : Factored
        Of any kind, with factored matrices inside or without.
    bound : bool
        Whether to keep ``error_bound``, of the matrix and of those inside.

    Returns
    -------
    spec : dict
        What JSON can keep.
    arrays : dict of str to array
        The arrays themselves, by their paths.

    Raises
    ------
    TypeError
        If `f` is not factored, or holds something that is no array, number, string, tuple or factored matrix.
    """
    if not isinstance(f, Factored):
        raise TypeError(f"f must be a factored matrix, got {type(f).__name__}")
    arrays: dict[str, Any] = {}
    return _spec(f, "", arrays, bound), arrays


def unpack(spec: Mapping[str, Any], arrays: Mapping[str, Any]) -> Factored:
    """Put a factored matrix together again.

    Parameters
    ----------
    spec : mapping
        As `pack` gave it, or as it came back from JSON.
    arrays : mapping of str to array
        Of any library; their dtypes may have changed.

    Returns
    -------
    f : Factored

    Raises
    ------
    ValueError
        If the description names an unknown kind, lacks a part or has one too many; or an array is missing or left over.
    """
    used: set[str] = set()
    f = _factored(spec, arrays, used)
    left = sorted(set(arrays) - used)
    if left:
        raise ValueError(f"spec names no array {', '.join(map(repr, left))}")
    return f


def _fields(kind: type[Factored], bound: bool = True) -> Iterator[str]:
    return (field.name for field in dataclasses.fields(kind) if field.init and (bound or field.name != BOUND))


def _spec(value: Any, path: str, arrays: dict[str, Any], bound: bool) -> Any:
    if isinstance(value, Factored):
        kind = type(value)
        inner = {name: _spec(getattr(value, name), _under(path, name), arrays, bound) for name in _fields(kind, bound)}
        if inner.get(BOUND, 0) is None:
            del inner[BOUND]
        return {"kind": _id(kind), "fields": inner}
    if isinstance(value, tuple):
        return [_spec(part, _under(path, str(i)), arrays, bound) for i, part in enumerate(value)]
    if array_api_compat.is_array_api_obj(value) and not isinstance(value, np.generic):
        arrays.update({path: value})
        return {"array": path}
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return operator.index(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else {"number": str(float(value))}
    if isinstance(value, Complex):
        return {"number": str(complex(value))}
    raise TypeError(f"{path} must be an array, number, string, tuple or factored matrix, got {type(value).__name__}")


def _factored(spec: Any, arrays: Mapping[str, Any], used: set[str]) -> Factored:
    if not (isinstance(spec, Mapping) and set(spec) == {"kind", "fields"} and isinstance(spec["fields"], Mapping)):
        raise ValueError(f"spec must be a dictionary of 'kind' and 'fields', got {spec!r}")
    kind, given = _kind(spec["kind"]), spec["fields"]
    known = set(_fields(kind))
    optional = {field.name for field in dataclasses.fields(kind) if field.default is not dataclasses.MISSING}
    wrong = sorted((known - optional - set(given)) | (set(given) - known))
    if wrong:
        raise ValueError(f"a {kind.__name__} has the fields {', '.join(sorted(known))}, got {', '.join(sorted(given))}")
    return kind(**{name: _value(part, arrays, used) for name, part in given.items()})


def _value(spec: Any, arrays: Mapping[str, Any], used: set[str]) -> Any:
    if isinstance(spec, Mapping) and set(spec) == {"array"}:
        name = spec["array"]
        if name not in arrays:
            raise ValueError(f"array {name!r} is missing")
        used.add(name)
        return arrays[name]
    if isinstance(spec, Mapping) and set(spec) == {"number"}:
        number = complex(spec["number"])
        return number if "j" in spec["number"] else number.real
    if isinstance(spec, Mapping):
        return _factored(spec, arrays, used)
    if isinstance(spec, list | tuple):
        return tuple(_value(part, arrays, used) for part in spec)
    return spec


def _kind(name: Any) -> type[Factored]:
    """The kind of a name, in whatever module it is; those of the library are all imported by its families."""
    import factorattn.factor  # noqa: F401  (not above: it imports this module)

    found = {_id(kind): kind for kind in _kinds(Factored)}  # type: ignore[type-abstract]
    if not isinstance(name, str) or name not in found:
        raise ValueError(f"kind must be one that is known here, such as 'factor.Product', got {name!r}")
    return found[name]


def _id(kind: type[Factored]) -> str:
    """The name of a kind with that of its package, which stays when the file of the kind moves."""
    package, *inner = kind.__module__.split(".")
    return f"{inner[0] if inner and package == 'factorattn' else package}.{kind.__name__}"


def _kinds(kind: type[Factored]) -> Iterator[type[Factored]]:
    for below in dict.fromkeys(kind.__subclasses__()):
        if not inspect.isabstract(below):
            yield below
        yield from _kinds(below)


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
