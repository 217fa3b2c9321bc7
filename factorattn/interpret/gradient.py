"""Derivatives of functions of arrays, by the chain rule: swept back from outputs, or pushed forward with inputs.

    out = f(x):   vjp   g -> g df/dx       one sweep back: all derivatives of a number cost about as much as the number
                  jvp   t -> (df/dx) t     forward, along one direction

Calling conventions are those of jax. Functions run on arrays of a namespace that is read as derivatives; an operation
that has no rule raises. Arguments and results are trees of arrays (`factorattn.interpret.tree`).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import array_api_compat

from factorattn.interpret.gradient_array import Array, bare
from factorattn.interpret.gradient_record import apply, levels
from factorattn.interpret.gradient_variables import (
    chosen_of,
    clean,
    deeper,
    described,
    floats,
    namespace_of,
    over_of,
    pulled_back,
    recorded,
    value_of,
)
from factorattn.interpret.tree import tree_leaves, tree_map

__all__ = ["checkpoint", "grad", "jacobian", "jvp", "stop_gradient", "value_and_grad", "vjp", "with_rule"]


def vjp(f: Callable, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Call a function, and return what pulls cotangents of its result back to its arguments.

    Parameters
    ----------
    f : callable
        Of arrays, or trees of them; returns an array or a tree.
    *primals : trees
        The arguments; all arrays of floating dtype are differentiated.
    has_aux : bool
        Whether `f` returns a pair, of which only the first is differentiated.

    Returns
    -------
    out : tree
    pullback : callable
        ``pullback(cotangent)``, for a cotangent like `out`, is a tuple of cotangents like `primals`; None stands where
        an array is not floating. It may be called again.
    aux : tree
        Only with `has_aux`.

    Raises
    ------
    NotImplementedError
        If `f` calls a function that has no rule.
    """
    out, aux, links, inputs = recorded(f, primals, has_aux)

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        return pulled_back(out, cotangent, links, inputs, primals, keep=True)

    return (out, pullback, aux) if has_aux else (out, pullback)


def value_and_grad(f: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The function that returns the value of `f`, a real number, and its gradient.

    Parameters
    ----------
    f : callable
    argnums : int or tuple of int
        The positional arguments by which to differentiate; others are constant, and arrays among them may be used with
        those that are not.
    has_aux : bool
        Whether `f` returns a pair, of which only the first is differentiated.

    Returns
    -------
    callable
        Of the arguments of `f`: ``(value, gradient)``, or ``((value, aux), gradient)``. The gradient is like the
        argument, or a tuple for several. What the record holds is let go of as the sweep passes.

    Raises
    ------
    TypeError
        When called, if the value is not one real number, or an argument has no array of floating dtype.
    """
    chosen = argnums if isinstance(argnums, tuple) else (argnums,)

    @wraps(f)
    def call(*args: Any) -> Any:
        primals, whole = chosen_of(f, chosen, args)
        for number, primal in zip(chosen, primals, strict=True):
            if not any(map(floats, tree_leaves(primal))):
                raise TypeError(f"argument {number} must have an array of floating dtype, got {primal!r:.80}")
        out, aux, links, inputs = recorded(whole, primals, has_aux)
        if not hasattr(out, "shape") or tuple(out.shape) or not namespace_of(out).isdtype(out.dtype, "real floating"):
            raise TypeError(f"a gradient is that of one real number, an array of shape (); got {out!r:.80}")
        one = namespace_of(out).ones_like(out)
        found = pulled_back(out, one, links, inputs, primals, keep=False)
        return ((out, aux) if has_aux else out), (found if isinstance(argnums, tuple) else found[0])

    return call


def grad(f: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The gradient of a function that returns one real number; arguments are those of `value_and_grad`."""
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def call(*args: Any) -> Any:
        value, found = both(*args)
        return (found, value[1]) if has_aux else found

    return call


def jacobian(f: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """The function that returns d out / d argument: of the shape of the output, then that of the argument.

    Parameters
    ----------
    f : callable
        Returns one array.
    argnums : int or tuple of int
        Positional arguments, trees of arrays.

    Returns
    -------
    callable
        One sweep back for each entry of the output.
    """
    chosen = argnums if isinstance(argnums, tuple) else (argnums,)

    @wraps(f)
    def call(*args: Any) -> Any:
        primals, whole = chosen_of(f, chosen, args)
        out, pullback = vjp(whole, *primals)
        xp, device = namespace_of(out), array_api_compat.device(out)
        size = array_api_compat.size(out)
        basis = xp.reshape(xp.eye(size, dtype=out.dtype, device=device), (size, *out.shape))
        rows = [pullback(basis[i, ...]) for i in range(size)]

        def stacked(x, *parts):
            if not floats(x):
                return None
            if not parts:
                return xp.zeros((*out.shape, *x.shape), dtype=x.dtype, device=device)
            return xp.reshape(xp.stack(list(parts), axis=0), (*out.shape, *x.shape))

        found = tree_map(stacked, primals, *rows)
        return found if isinstance(argnums, tuple) else found[0]

    return call


def jvp(f: Callable, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """Push tangents of the arguments of a function forward.

    Parameters
    ----------
    f : callable
    primals : tuple of trees
        Its arguments.
    tangents : tuple of trees
        Their directions, like `primals`; None, or anything, where an array is not floating.

    Returns
    -------
    out : tree
    tangent : tree
        The derivative of `out` along the direction. Nothing is recorded: memory is that of `f`, about twice.
    """
    level = next(levels)

    def moving(x, tangent):
        if not floats(x):
            return over_of(x).constant(x)
        if tangent is None or tuple(tangent.shape) != tuple(x.shape) or tangent.dtype != x.dtype:
            raise ValueError(f"a tangent must be like its primal, {described(x)}, got {described(tangent)}")
        return Array(x, over_of(x), level, tangent)

    out = f(*tree_map(moving, tuple(primals), tuple(tangents)))

    def tangent_of(x):
        if isinstance(x, Array) and x.level == level:
            return clean(x.link)
        x = clean(x)
        return namespace_of(x).zeros_like(x)

    return tree_map(lambda x: value_of(x, level), out), tree_map(tangent_of, out)


def stop_gradient(x: Any) -> Any:
    """The same tree, of arrays that are constant."""
    return tree_map(lambda leaf: leaf._xp.constant(bare(leaf)) if isinstance(leaf, Array) else leaf, x)


def checkpoint(f: Callable) -> Callable:
    """The same function of arrays, of which only inputs are kept: on the way back it is computed once more.

    Parameters
    ----------
    f : callable
        Of positional arguments, trees of arrays; everything that is differentiated must be among them. Its result is an
        array or a flat tuple of arrays.

    Returns
    -------
    callable
    """

    @wraps(f)
    def call(*args: Any) -> Any:
        leaves = tree_leaves(args)

        def rule(xp, *values):
            def plain(*parts):
                given = iter(parts)
                return f(*tree_map(lambda _: next(given), args))

            out = plain(*values)
            if any(isinstance(x, Array) and deeper(x, values) for x in tree_leaves(out)):
                raise TypeError("all that is differentiated must be an argument of a function with a checkpoint")
            return out, lambda g, xp: list(vjp(plain, *values)[1](g))

        found = [x for x in leaves if isinstance(x, Array)]
        return apply(found[0]._xp, rule, leaves, {}) if found else f(*args)

    return call


def with_rule(rule: Callable) -> Callable:
    """A function of arrays with a derivative of its own, for algorithms that have a better one than their steps.

    Parameters
    ----------
    rule : callable
        ``rule(xp, *args, **options)`` computes on plain arrays and returns ``out, pull``: an array or a tuple of them,
        and a callable ``pull(g, xp)`` from its cotangent (a tuple, for several outputs) to a list of cotangents, one
        for each positional argument, None where there is none.

    Returns
    -------
    callable
        Of the same arguments, of which one at least is an array that is differentiated.
    """

    @wraps(rule)
    def call(*args: Any, **options: Any) -> Any:
        xp = next(x._xp for x in args if isinstance(x, Array))
        return apply(xp, rule, args, options)

    return call
