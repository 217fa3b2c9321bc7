"""Why gradients vanish or explode: products of Jacobians along time (Bengio et al. 1994; Pascanu et al. 2013).

    ds_t / ds_0 = J_t J_(t-1) ... J_1,     J_t = ds_t / ds_(t-1)

Products of many matrices do what powers of one matrix do in the power method: they grow or shrink like the t-th power
of a number, and only one direction is left. For h = f(W x + U h) with |f'| at most gamma, J_t = diag(f') U, so

    |ds_t / ds_0| <= (gamma sigma)^t,      sigma the largest singular value of U

and gradients vanish if sigma < 1 / gamma. They cannot explode unless sigma > 1 / gamma.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import array_api_compat

from factorattn.contract import choose
from factorattn.factor.factored import dense
from factorattn.interpret.gradient import stop_gradient, vjp
from factorattn.interpret.tree import tree_leaves, tree_map
from factorattn.model.recurrent.recurrent import recurrent_step

__all__ = ["jacobian_bound", "jacobian_products", "spectral_radius", "step_jacobians"]

GAIN = {"tanh": 1.0, "relu": 1.0, "sigmoid": 0.25, "identity": 1.0}  # the largest slope


def step_jacobians(parameters: Any, x: Any, state: Any | None = None, *, step: Callable = recurrent_step) -> Any:
    """Jacobians of the state at each time by the state at the time before, exact.

    Parameters
    ----------
    parameters : tree
        Those of `step`.
    x : array, shape (..., n, c)
        Sequences.
    state : state of the network, optional
        What it begins with; zeros by default.
    step : callable
        ``step(parameters, x, state)`` to the next state: `recurrent_step`, `lstm_step`, `gru_step`, or `stacked_step`,
        options bound.

    Returns
    -------
    jacobians : array, shape (..., n, s, s)
        ds_t / ds_(t-1) in row t: entry (i, j) is that of s_t,i by s_(t-1),j. All parts of a state are one vector s: the
        h and the cell of `lstm`, say, hidden numbers each.

    Raises
    ------
    ValueError
        If x has no time, and those of `step`.
    TypeError, KeyError
        Those of `step`.
    """
    xp = array_api_compat.array_namespace(x)
    if x.ndim < 2 or x.shape[-2] < 1:
        raise ValueError(f"x must have shape (..., n, c) with n at least 1, got {tuple(x.shape)}")
    inputs = xp.unstack(x, axis=-2)
    after = step(parameters, inputs[0], state)
    if state is None:
        state = tree_map(xp.zeros_like, after)
    states = [tree_map(lambda part, like: xp.broadcast_to(part, like.shape), state, after), after]
    for now in inputs[1:-1]:
        states.append(step(parameters, now, states[-1]))
    # Given the states, times do not depend on each other: they are rows of one call, and s sweeps do all Jacobians.
    before = tree_map(lambda *parts: xp.stack(parts, axis=-2), *states[: len(inputs)])
    after = partial(_after, step=step, sizes=[part.shape[-1] for part in tree_leaves(before)], like=before)
    out, pullback = vjp(after, _joined(before, xp=xp), parameters, x)
    units = xp.eye(out.shape[-1], dtype=out.dtype, device=array_api_compat.device(out))
    rows = [pullback(xp.broadcast_to(unit, out.shape))[0] for unit in xp.unstack(units, axis=0)]
    return xp.stack(rows, axis=-2)


def jacobian_products(jacobians: Any) -> tuple[Any, Any]:
    """Jacobians of the state at each time by the first state, in a range that does not end.

    Parameters
    ----------
    jacobians : array, shape (..., n, s, s)
        What `step_jacobians` returns. (Turned around along n, and each transposed, the products are those from the end,
        transposed.)

    Returns
    -------
    products : array, shape (..., n, s, s)
        ds_t / ds_0 over its largest entry, which is 1 or -1; zeros where it vanishes altogether.
    logs : array, shape (..., n)
        Natural logarithm of that entry, so ds_t / ds_0 = exp(log_t) product_t; -inf where it vanishes.

    Raises
    ------
    ValueError
        If there is no time, or matrices are not square.
    """
    xp = array_api_compat.array_namespace(jacobians)
    _hold_square("n s s", jacobians=jacobians)
    product, log, products, logs = None, 0.0, [], []
    for j in xp.unstack(jacobians, axis=-3):
        product = j if product is None else j @ product
        product, grown = _scaled(product, xp=xp)
        log = log + grown
        products.append(product)
        logs.append(log)
    return xp.stack(products, axis=-3), xp.stack(logs, axis=-1)


def spectral_radius(a: Any) -> Any:
    """The largest absolute value of the eigenvalues of matrices, real or not, by powers alone.

    Parameters
    ----------
    a : array, shape (..., s, s)

    Returns
    -------
    array, shape (...)
        The limit of ``|A^k|^(1/k)`` (Gelfand's formula), with k = 2^p by p squarings, and p so large that what is
        left, c^(1/k), is one to the precision of the dtype.

    Raises
    ------
    ValueError
        If matrices are not square, or empty.
    """
    xp = array_api_compat.array_namespace(a)
    _hold_square("s s", a=a)
    a, log = _scaled(a, xp=xp)
    squarings = -round(math.log2(xp.finfo(a.dtype).eps))
    share = 1.0
    for _ in range(squarings):
        a, grown = _scaled(a @ a, xp=xp)
        share = share / 2
        log = log + share * grown
    return xp.exp(log)


def jacobian_bound(parameters: Any, *, activation: str = "tanh") -> Any:
    """What the norm of a Jacobian of `recurrent` cannot exceed, whatever the inputs: gamma sigma, an array ().

    Parameters
    ----------
    parameters : mapping
        Those of `recurrent`.
    activation : {"tanh", "relu", "sigmoid", "identity"}
        Its largest slope gamma is 1, or 1/4 for the sigmoid.

    Notes
    -----
    The first versions of the paper of Pascanu et al. have the largest eigenvalue of U in the place of the largest
    singular value, which is not enough: a matrix can stretch vectors although all its eigenvalues are below 1.

    References
    ----------
    Bengio, Simard and Frasconi, "Learning Long-Term Dependencies with Gradient Descent is Difficult", IEEE
    Transactions on Neural Networks 5(2), 1994.
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, section 2.1.
    arXiv:1211.5063
    """
    gain = choose(GAIN, activation=activation)
    u = dense(parameters["recurrent"]["weight"])
    xp = array_api_compat.array_namespace(u)
    return gain * xp.max(xp.linalg.svdvals(u))


def _after(s, parameters, x, *, step, sizes, like):
    """The next states of all times, as vectors, of the states of all times, as vectors."""
    xp = array_api_compat.array_namespace(s)
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    parts = iter([s[..., end - size : end] for size, end in zip(sizes, ends, strict=True)])
    state = tree_map(lambda _: next(parts), like)
    return _joined(step(*stop_gradient((parameters, x)), state), xp=xp)


def _hold_square(axes: str, **argument: Any) -> None:
    ((name, x),) = argument.items()
    own = x.shape[max(x.ndim - len(axes.split()), 0) :]
    if len(own) < len(axes.split()) or own[-1] != own[-2] or 0 in own:
        told = axes.replace(" ", ", ")
        raise ValueError(f"{name} must have shape (..., {told}), square and not empty, got {tuple(x.shape)}")


def _joined(state, *, xp):
    return xp.concat(tree_leaves(state), axis=-1)


def _scaled(a, *, xp):
    """Matrices over their largest absolute entries, and the logarithms of those."""
    top = xp.max(xp.abs(a), axis=(-2, -1))
    log = xp.where(top > 0, xp.log(xp.where(top > 0, top, 1.0)), -xp.inf)
    return a / xp.where(top > 0, top, 1.0)[..., None, None], log
