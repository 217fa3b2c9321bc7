"""Functions whose derivative is told rather than found in their steps: solutions of equations, by whatever search.

    y = f(x) with c(x, y) = 0:   dy / dx = -(dc / dy)^-1 (dc / dx)

Halving an interval, for one, takes steps that do not depend on x: differentiated one by one they would give zero.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from factorattn.interpret.gradient_array import Array
from factorattn.interpret.gradient_record import apply

__all__ = ["with_derivative"]


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
