"""Parameters to begin with, drawn at random.

    uniform      all numbers between -1 / sqrt(hidden) and 1 / sqrt(hidden), as in PyTorch
    orthogonal   U^T U = I for each gate (Saxe et al. 2013); W uniform between -+ sqrt(6 / (c + hidden)) for each gate
                 (Glorot and Bengio 2010); biases zero

With an orthogonal U and no activation all singular values of the Jacobian dh_t / dh_s are 1.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from factorattn.contract import choose
from factorattn.model.initialize import orthogonal, xavier_uniform
from factorattn.model.initialize.xavier import floating
from factorattn.scalars import generator, real, whole

__all__ = [
    "bidirectional_parameters",
    "gru_parameters",
    "lstm_parameters",
    "output_parameters",
    "output_recurrent_parameters",
    "recurrent_parameters",
    "stacked_parameters",
]


def recurrent_parameters(
    c: int, hidden: int, *, rng: Any = None, draw: str = "uniform", dtype: Any = "float64"
) -> dict[str, Any]:
    """Parameters of `recurrent`.

    Parameters
    ----------
    c, hidden : int
        Sizes of an input and of the state.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    draw : {"uniform", "orthogonal"}
    dtype : dtype
        Real floating, of NumPy.

    Returns
    -------
    dict
        Of NumPy arrays, each layer with a weight and a bias.

    Raises
    ------
    ValueError, TypeError
        If a size is no positive integer, `draw` is unknown, or `dtype` is not real floating.

    References
    ----------
    Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", 2013. arXiv:1312.6120
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
    equation 16.
    """
    return _layers(
        {"input": (1, c), "recurrent": (1, hidden)}, hidden, draw, rng, dtype, given={"c": c, "hidden": hidden}
    )


def lstm_parameters(
    c: int,
    hidden: int,
    *,
    rng: Any = None,
    draw: str = "uniform",
    forget: float | None = None,
    dtype: Any = "float64",
) -> dict[str, Any]:
    """Parameters of `lstm`.

    Parameters
    ----------
    c, hidden : int
        Sizes of an input and of the state.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    draw : {"uniform", "orthogonal"}
    forget : float, optional
        Bias of the forget gates instead of the one drawn: with 1, say, cells begin by keeping (Jozefowicz et al. 2015).
    dtype : dtype
        Real floating, of NumPy.

    Returns
    -------
    dict
        Of NumPy arrays: ``"input"``, weight (4 hidden, c), and ``"recurrent"``, weight (4 hidden, hidden), each with a
        bias (4 hidden,).

    Raises
    ------
    ValueError, TypeError
        If a size is no positive integer, `draw` is unknown, `forget` is no finite number, or `dtype` is not real
        floating.

    References
    ----------
    Jozefowicz, Zaremba and Sutskever, "An Empirical Exploration of Recurrent Network Architectures", ICML 2015.
    """
    found = _layers(
        {"input": (4, c), "recurrent": (4, hidden)}, hidden, draw, rng, dtype, given={"c": c, "hidden": hidden}
    )
    if forget is None:
        return found
    bias = np.array([0.0, real(forget=forget)], dtype=dtype)
    for layer, value in (("input", bias[1]), ("recurrent", bias[0])):  # they are added: once is enough
        found[layer]["bias"][hidden : 2 * hidden] = value
    return found


def gru_parameters(
    c: int, hidden: int, *, rng: Any = None, draw: str = "uniform", dtype: Any = "float64"
) -> dict[str, Any]:
    """Parameters of `gru`.

    Parameters
    ----------
    c, hidden : int
        Sizes of an input and of the state.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    draw : {"uniform", "orthogonal"}
    dtype : dtype
        Real floating, of NumPy.

    Returns
    -------
    dict
        Of NumPy arrays: ``"input"``, weight (3 hidden, c), ``"recurrent"``, weight (2 hidden, hidden), and
        ``"candidate"``, weight (hidden, hidden), each with a bias.

    Raises
    ------
    ValueError, TypeError
        If a size is no positive integer, `draw` is unknown, or `dtype` is not real floating.
    """
    sizes = {"input": (3, c), "recurrent": (2, hidden), "candidate": (1, hidden)}
    return _layers(sizes, hidden, draw, rng, dtype, given={"c": c, "hidden": hidden})


def output_recurrent_parameters(
    c: int, hidden: int, out: int, *, rng: Any = None, draw: str = "uniform", dtype: Any = "float64"
) -> dict[str, Any]:
    """Parameters of `output_recurrent`.

    Parameters
    ----------
    c, hidden, out : int
        Sizes of an input, of the hidden units and of an output.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    draw : {"uniform", "orthogonal"}
        "orthogonal" has orthonormal rows or columns, whichever are fewer, in ``"feedback"``.
    dtype : dtype
        Real floating, of NumPy.

    Returns
    -------
    dict
        Of NumPy arrays: ``"input"``, weight (hidden, c), ``"feedback"``, weight (hidden, out), and ``"output"``, weight
        (out, hidden), each with a bias.

    Raises
    ------
    ValueError, TypeError
        If a size is no positive integer, `draw` is unknown, or `dtype` is not real floating.
    """
    rng = generator(rng)
    given = {"c": c, "hidden": hidden, "out": out}
    found = _layers({"input": (1, c), "feedback": (1, out)}, hidden, draw, rng, dtype, given=given)
    return found | {"output": output_parameters(hidden, out, rng=rng, draw=draw, dtype=dtype)}


def output_parameters(
    hidden: int, out: int, *, rng: Any = None, draw: str = "uniform", dtype: Any = "float64"
) -> dict[str, Any]:
    """Parameters ``"output"`` of `transducer`, `reader` and their like.

    Parameters
    ----------
    hidden, out : int
        Sizes of the state and of an output.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    draw : {"uniform", "orthogonal"}
    dtype : dtype
        Real floating, of NumPy.

    Returns
    -------
    dict
        Of NumPy arrays: weight (out, hidden) and bias (out,).

    Raises
    ------
    ValueError, TypeError
        If a size is no positive integer, `draw` is unknown, or `dtype` is not real floating.
    """
    given = {"hidden": hidden, "out": out}
    return _layers({"input": (1, hidden)}, out, draw, rng, dtype, given=given)["input"]


def bidirectional_parameters(parameters: Callable, c: int, hidden: int, *, rng: Any = None) -> dict[str, Any]:
    """Parameters of `bidirectional`.

    Parameters
    ----------
    parameters : callable
        ``parameters(c, hidden, rng=rng)``: `recurrent_parameters`, `lstm_parameters` or `gru_parameters`, options
        bound.
    c, hidden : int
        Sizes of an input and of the state of each direction.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    dict
        ``"forward"`` and ``"backward"``, each drawn by `parameters`.

    Raises
    ------
    ValueError, TypeError
        Those of `parameters`.
    """
    rng = generator(rng)
    return {direction: parameters(c, hidden, rng=rng) for direction in ("forward", "backward")}


def stacked_parameters(
    parameters: Callable, c: int, hidden: int, layers: int, *, directions: int = 1, rng: Any = None
) -> list[Any]:
    """Parameters of `stacked`.

    Parameters
    ----------
    parameters : callable
        ``parameters(c, hidden, rng=rng)``, which draws a layer: `lstm_parameters`, say, options bound.
    c, hidden : int
        Sizes of an input of the lowest layer, and of a state.
    layers : int
        Number of layers.
    directions : {1, 2}
        With two, `parameters` is `bidirectional_parameters` with its first argument bound, and outputs of a layer have
        size 2 hidden.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    list
        What `parameters` drew, for each layer.

    Raises
    ------
    ValueError
        If `layers` is not positive, or `directions` is neither 1 nor 2; and those of `parameters`.
    TypeError
        If `layers` is no integer; and those of `parameters`.
    """
    if whole(layers=layers) < 1:
        raise ValueError(f"layers must be a positive integer, got {layers}")
    if directions not in (1, 2):
        raise ValueError(f"directions must be 1 or 2, got {directions!r}")
    rng = generator(rng)
    return [parameters(directions * hidden if layer else c, hidden, rng=rng) for layer in range(layers)]


def _layers(sizes, rows, draw, rng, dtype, *, given):
    """Layers by name, of so many blocks of rows, and so many columns."""
    for name, size in given.items():
        if whole(**{name: size}) < 1:
            raise ValueError(f"{name} must be a positive integer, got {size}")
    rng, weights, dtype = generator(rng), choose(DRAW, draw=draw), floating(dtype)
    bound = 1.0 / math.sqrt(given["hidden"])
    found = {}
    for name, (blocks, columns) in sizes.items():
        drawn = weights(name, (blocks, rows, columns), bound, rng)
        bias = rng.uniform(-bound, bound, blocks * rows) if draw == "uniform" else np.zeros(blocks * rows)
        found[name] = {"weight": drawn.reshape(blocks * rows, columns).astype(dtype), "bias": bias.astype(dtype)}
    return found


def _uniform(_, shape, bound, rng):
    return rng.uniform(-bound, bound, shape)


def _orthogonal(name, shape, _, rng):
    return xavier_uniform(shape, rng=rng) if name == "input" else orthogonal(shape, rng=rng)


DRAW: dict[str, Callable] = {"uniform": _uniform, "orthogonal": _orthogonal}
