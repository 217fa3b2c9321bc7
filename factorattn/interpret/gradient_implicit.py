"""Functions whose derivative is told rather than found in their steps: by a rule, or as solutions of equations.

    y = f(x) with c(x, y) = 0:   dy / dx = -(dc / dy)^-1 (dc / dx),   by whatever search y was found

Halving an interval, for one, takes steps that do not depend on x: differentiated one by one they would give zero.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import array_api_compat

from factorattn.interpret.gradient_array import Array
from factorattn.interpret.gradient_record import apply

__all__ = ["with_derivative", "with_rule"]


def with_rule(rule: Callable) -> Callable:
    """A function of arrays with a derivative of its own, for algorithms that have a better one than their steps.

    Parameters
    ----------
    rule : callable
        ``rule(xp, *args, **options)`` computes on arrays of `xp` and returns ``out, pull``: an array or a tuple of
        them, and a callable ``pull(g, xp)`` from its cotangent (a tuple, for several outputs) to a list of cotangents,
        one for each positional argument, None where there is none.

    Returns
    -------
    callable
        Of the same arguments; where none is differentiated, the first part of what the rule returns.
    """

    @wraps(rule)
    def call(*args: Any, **options: Any) -> Any:
        xp = next((x._xp for x in args if isinstance(x, Array)), None)
        if xp is None:
            return rule(array_api_compat.array_namespace(*filter(_is_array, args)), *args, **options)[0]
        return apply(xp, rule, args, options)

    return call


def _is_array(x):
    return array_api_compat.is_array_api_obj(x)


def with_derivative(pulls: Callable) -> Callable:
    """Decorate a function of arrays with its derivative; on arrays that are not differentiated it is as before.

    Parameters
    ----------
    pulls : callable
        ``pulls(out, *args)`` is a tuple of callables, one for each argument: ``pull(g, xp)`` is its cotangent, from
        that of the result. It is made of functions that can be differentiated.

    Returns
    -------
    callable
        From ``f(*args)``, of arrays and numbers, to the same function.
    """

    def decorate(f: Callable) -> Callable:
        @wraps(f)
        def call(*args: Any) -> Any:
            arrays = [x for x in args if isinstance(x, Array)]
            return apply(arrays[0]._xp, rule, args, {}) if arrays else f(*args)

        def rule(_, *args: Any) -> Any:
            out = call(*args)  # of arrays that may be differentiated themselves
            return out, pulls(out, *args)

        return call

    return decorate
