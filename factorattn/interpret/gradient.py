"""Derivatives of functions of arrays, by the chain rule: swept back from outputs, or pushed forward with inputs.

    out = f(x):   vjp   g -> g df/dx       one sweep back: all derivatives of a number cost about as much as the number
                  jvp   t -> (df/dx) t     forward, along one direction

Calling conventions are those of jax. Functions run on arrays of a namespace that is read as derivatives; an operation
that has no rule raises. Arguments and results are trees of arrays (`factorattn.interpret.tree`).
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import array_api_compat

from factorattn.interpret.gradient_array import Array, bare
from factorattn.interpret.gradient_implicit import with_rule
from factorattn.interpret.gradient_record import apply, levels
from factorattn.interpret.gradient_variables import (
    around,
    aux_apart,
    chosen_of,
    described,
    fitting,
    floats,
    known,
    namespace_of,
    one_or_all,
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


def value_and_grad(f: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """The function that returns the value of `f`, a real number, and its gradient.

    Parameters
    ----------
    f : callable
    argnums : int or sequence of int
        The positional arguments by which to differentiate; others, and those by name, are constant, and arrays among
        them may be used with those that are not.
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

    @wraps(f)
    def call(*args: Any, **options: Any) -> Any:
        primals, whole = chosen_of(f, argnums, args, options)
        out, aux, links, inputs = recorded(whole, primals, has_aux)
        if not hasattr(out, "shape") or tuple(out.shape) or not namespace_of(out).isdtype(out.dtype, "real floating"):
            raise TypeError(f"a gradient is that of one real number, an array of shape (); got {described(out)}")
        one = namespace_of(out).ones_like(out)
        found = pulled_back(out, one, links, inputs, primals, keep=False)
        return ((out, aux) if has_aux else out), one_or_all(found, argnums)

    return call


def grad(f: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """The gradient of a function that returns one real number; arguments are those of `value_and_grad`."""
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def call(*args: Any, **options: Any) -> Any:
        value, found = both(*args, **options)
        return (found, value[1]) if has_aux else found

    return call


def jacobian(f: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """The function that returns d out / d argument: of the shape of the output, then that of the argument.

    Parameters
    ----------
    f : callable
        Returns one array.
    argnums : int or sequence of int
        Positional arguments, trees of arrays.
    has_aux : bool
        Whether `f` returns a pair, of which only the first is differentiated.

    Returns
    -------
    callable
        Of the arguments of `f`: the jacobian, or ``(jacobian, aux)``. One sweep back for each entry of the output. The
        matrix of second derivatives is ``jacobian(grad(f))``.

    Raises
    ------
    TypeError
        When called, if the result is not one array of floating dtype, or is complex and an argument real.
    """

    @wraps(f)
    def call(*args: Any, **options: Any) -> Any:
        primals, whole = chosen_of(f, argnums, args, options)
        out, pullback, *aux = vjp(whole, *primals, has_aux=has_aux)
        if not hasattr(out, "dtype") or not floats(out):
            raise TypeError(f"a jacobian is that of one array of floating dtype, got {described(out)}")
        xp, device = namespace_of(out), array_api_compat.device(out)
        real = [x for x in tree_leaves(primals) if xp.isdtype(x.dtype, "real floating")]
        if real and xp.isdtype(out.dtype, "complex floating"):
            raise TypeError("a complex result has no jacobian by real arguments: take that of its real and imag parts")
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
        found = one_or_all(found, argnums)
        return (found, *aux) if has_aux else found

    return call


def jvp(f: Callable, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> tuple[Any, ...]:
    """Push tangents of the arguments of a function forward.

    Parameters
    ----------
    f : callable
    primals : tuple of trees
        Its arguments.
    tangents : tuple of trees
        Their directions, like `primals`; None, or anything, where an array is not floating.
    has_aux : bool
        Whether `f` returns a pair, of which only the first is differentiated.

    Returns
    -------
    out : tree
    tangent : tree
        The derivative of `out` along the direction. Nothing is recorded: memory is that of `f`, about twice.
    aux : tree
        Only with `has_aux`.
    """
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (list, tuple)) or len(given) != len(primals):
            raise TypeError(f"{name} must be a tuple, with one member for each argument, got {described(given)}")
    level, outside = next(levels), around(primals)

    def moving(x, tangent):
        if not floats(x):
            return over_of(x).constant(x)
        return Array(x, over_of(x), level, fitting(tangent, x, "a tangent must be like its primal"))

    def tangent_of(x):
        if isinstance(x, Array) and x.level == level:
            return known(x.link, outside)
        return known(namespace_of(x).zeros_like(x), outside)

    out = f(*tree_map(moving, tuple(primals), tuple(tangents)))
    out, aux = aux_apart(out, has_aux)
    values = [tree_map(lambda x: value_of(x, level, outside), part) for part in (out, aux)]
    found = values[0], tree_map(tangent_of, out)
    return (*found, values[1]) if has_aux else found


def stop_gradient(x: Any) -> Any:
    """The same tree, of arrays that are constant."""
    return tree_map(lambda leaf: leaf._xp.constant(bare(leaf)) if isinstance(leaf, Array) else leaf, x)


def checkpoint(f: Callable) -> Callable:
    """The same function of arrays, of which only inputs are kept: on the way back it is computed once more.

    Parameters
    ----------
    f : callable
        Of trees of arrays; everything that is differentiated must be among its arguments.

    Returns
    -------
    callable
    """

    @wraps(f)
    def call(*args: Any, **options: Any) -> Any:
        given = args, options
        leaves = tree_leaves(given)
        top = max((x.level for x in leaves if isinstance(x, Array)), default=0)
        if not top:
            return f(*args, **options)
        seen: list[Any] = []

        def plain(*values):
            parts = iter(values)
            args, options = tree_map(lambda _: next(parts), given)
            return f(*args, **options)

        def rule(xp, *values):
            out = plain(*values)
            seen.append(out)
            parts = tree_leaves(out)
            if any(isinstance(x, Array) and x.level >= top for x in parts):
                raise TypeError("all that is differentiated must be an argument of a function with a checkpoint")

            def pull(gs, xp):
                out, _, links, inputs = recorded(plain, values, False)
                cotangents = iter(gs if isinstance(gs, tuple) else (gs,))
                cotangent = tree_map(lambda _: next(cotangents), out)
                return list(pulled_back(out, cotangent, links, inputs, values, keep=False))

            return tuple(parts), pull

        parts = iter(apply(around(leaves), rule, leaves, {}))
        return tree_map(lambda _: next(parts), seen.pop())

    return call
