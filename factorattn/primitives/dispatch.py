"""Primitives: a readable reference each, and beside it an optional kernel for some array namespaces.

    call  ->  kernel for the arrays' namespace?  --yes-->  kernel(...)  --Unsupported("why")-->  reference(...)
                                                --no-------------------------------------->  reference(...)

A kernel is the function of the primitive's own name in a sibling module; it is imported when an array of its namespace
first meets the primitive. It may decline arguments by raising `Unsupported` with a sentence, before doing any work.
Only that exception leads back to the reference; any other is a bug and propagates.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from factorattn.contract import choose

__all__ = ["Choice", "Unsupported", "explain", "kernels", "primitive"]


class Unsupported(Exception):
    """A kernel declines these arguments; the text says why."""


class Choice(NamedTuple):
    """What one call of a primitive ran: ``ran`` is the kernel's module or "reference", ``why`` the reason for it."""

    primitive: str
    ran: str
    why: str = ""

    def __str__(self):
        return f"{self.primitive} -> {self.ran}" + (f" ({self.why})" if self.why else "")


_mode: ContextVar[str] = ContextVar("mode", default="auto")
_log: ContextVar[list[Choice] | None] = ContextVar("log", default=None)
_MODES = {"auto": "auto", "off": "off", "require": "require"}


def kernels(mode: str) -> AbstractContextManager[list[Choice]]:
    """Choose for a ``with`` block whether primitives may use their kernels; threads begun inside it choose anew.

    Parameters
    ----------
    mode : {"auto", "off", "require"}
        "auto" uses a kernel where there is one that accepts the arguments; "off" always runs the reference;
        "require" raises `Unsupported` where the reference would have to run.

    Yields
    ------
    log : list of Choice
        Grows by one entry for each primitive called inside the block, other than in blocks within it.

    Raises
    ------
    ValueError
        If `mode` is none of the three.
    """
    return _switched(choose(_MODES, mode=mode))


@contextmanager
def _switched(mode: str) -> Iterator[list[Choice]]:
    log: list[Choice] = []
    mode_token, log_token = _mode.set(mode), _log.set(log)
    try:
        yield log
    finally:
        _mode.reset(mode_token)
        _log.reset(log_token)


def explain(f: Callable, *args: Any, **options: Any) -> list[Choice]:
    """Run ``f(*args, **options)`` once and tell which kernels it ran, and why not where it did not.

    Inside ``kernels(mode)`` the answer is for that mode.
    """
    with kernels(_mode.get()) as log:
        f(*args, **options)
    return list(dict.fromkeys(log))


def primitive(**siblings: str) -> Callable[[Callable], Callable]:
    """Make a reference function a primitive whose kernels live in the sibling modules named per namespace.

    ``@primitive(numpy="softmax_attend_numba", cupy="softmax_attend_cupy")`` is the whole list of fast paths, in sight.
    """

    def decorate(reference: Callable) -> Callable:
        package, name = reference.__module__.rpartition(".")[0], reference.__name__

        def kernel_for(namespace: str) -> tuple[Callable | None, str]:
            if namespace not in siblings:
                return None, f"no kernel for {namespace} arrays"
            try:
                return getattr(importlib.import_module(f"{package}.{siblings[namespace]}"), name), ""
            except ImportError as error:
                library = (error.name or "").partition(".")[0]
                if library not in ("numba", "cupy") or sys.modules.get(library):  # there, so the kernel is at fault
                    raise
                missing = isinstance(error, ModuleNotFoundError)
                return None, f"{library} is not installed" if missing else f"{library} cannot be imported: {error}"

        @wraps(reference)
        def call(*args: Any, **options: Any) -> Any:
            mode, log = _mode.get(), _log.get()
            kernel, why = (None, "kernels are off") if mode == "off" else kernel_for(_namespace_name(*args))
            if kernel is not None:
                try:
                    out = kernel(*args, **options)
                except Unsupported as refusal:
                    why = str(refusal)
                else:
                    if log is not None:
                        log.append(Choice(name, kernel.__module__.rpartition(".")[2]))
                    return out
            if mode == "require":
                raise Unsupported(f"{name}: {why}")
            if log is not None:
                log.append(Choice(name, "reference", why))
            return reference(*args, **options)

        call.reference, call.siblings = reference, siblings  # type: ignore[attr-defined]
        return call

    return decorate


def _namespace_name(*arrays: Any) -> str:
    return array_namespace(*arrays).__name__.removeprefix("array_api_compat.")
