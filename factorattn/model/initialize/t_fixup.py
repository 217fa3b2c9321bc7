"""T-Fixup (Huang et al. 2020): weights so small at first that a Transformer needs neither layer norms nor warm-up.

    matrices     Xavier's;                        input embeddings  N(0, c^(-1/2)), a standard deviation
    decoder      value, output and feed-forward matrices, times (9 N)^(-1/4)
    encoder      value, output and feed-forward matrices, times 0.67 N^(-1/4)
    embeddings   of source and target, times (9 N)^(-1/4)

N is the number of layers. Queries and keys are not scaled; biases begin at zero.
"""

from collections.abc import Mapping
from typing import Any

import array_api_compat
import numpy as np

from factorattn.factor.factored import Factored
from factorattn.model.initialize.xavier import xavier_uniform
from factorattn.model.naming import named_leaves
from factorattn.scalars import generator

__all__ = ["t_fixup"]

SCALED = ("value", "output", "in", "out")
DENSE = ("query", "key", *SCALED)
SUBLAYERS = ("attention", "cross_attention", "feed_forward")


def t_fixup(parameters: Mapping[str, Any], *, rng: Any = None) -> dict[str, Any]:
    """Draw the parameters of a Transformer without layer norms anew, as small as its depth asks for.

    Parameters
    ----------
    parameters : mapping
        From ``transformer_parameters(..., norm="none")`` or ``language_model_parameters(..., norm="none")`` of
        `factorattn.model.transformer`: NumPy arrays. Their values do not matter, but for tables of positions and what
        mechanisms learn beside their projections, which are taken over.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    dict
        Of the same structure, shapes and dtypes.

    Raises
    ------
    ValueError
        If there are layer norms or no layers, a mechanism projects values itself, by arrays that the paper does not
        tell how to scale, or the parameters are those of another model.
    TypeError
        If a matrix is factored; it is named.

    Notes
    -----
    The paper's encoder and decoder have the same depth N. Where they differ, each has its own, and so has each table;
    a table that is shared goes by the encoder, as in the authors' code. A decoder alone is not in the paper: its layers
    have the two sublayers of an encoder's, and are scaled as those.

    References
    ----------
    Huang, Perez, Ba and Volkovs, "Improving Transformer Optimization Through Better Initialization", ICML 2020.
    """
    for name, leaf in named_leaves(parameters, inside=False):
        if isinstance(leaf, Factored):
            raise TypeError(f"{name} must be an array, got a factored matrix: factor it after it is drawn")
        if any(part == "norm" or part.endswith("_norm") for part in name.split(".")):
            raise ValueError(f"parameters must be without layer norms (draw them with norm='none'), got {name}")
    stacks, tables = _parts(parameters)
    depth = {name: len(parameters[name]["layers"]) for name in stacks}
    for name, number in depth.items():
        if number < 1:
            raise ValueError(f"{name} must have layers, got none")
        for i, layer in enumerate(parameters[name]["layers"]):
            _hold_projections(layer, f"{name}.layers.{i}")
    rng, found = generator(rng), dict(parameters)
    for name, stack in tables.items():
        found[name] = parameters[name] | {"tokens": _embedding(parameters[name]["tokens"], depth[stack], rng)}
    for name, scale in stacks.items():
        layers = [_layer(layer, scale(depth[name]), rng) for layer in parameters[name]["layers"]]
        found[name] = parameters[name] | {"layers": layers}
    if "output" in parameters:
        found["output"] = _dense(parameters["output"], 1.0, rng)
    return found


def decoder_scale(layers: int) -> float:
    """(9 N)^(-1/4)."""
    return (9.0 * layers) ** -0.25


def encoder_scale(layers: int) -> float:
    """0.67 N^(-1/4)."""
    return 0.67 * layers**-0.25


def _parts(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Stacks of layers and how each is scaled; and tables of tokens, with the stack that each goes by."""
    if {"encoder", "decoder", "target"} <= parameters.keys():
        tables = {"source": "encoder", "target": "decoder"} if "source" in parameters else {"target": "encoder"}
        return {"encoder": encoder_scale, "decoder": decoder_scale}, tables
    if {"embedding", "stack"} <= parameters.keys():
        return {"stack": encoder_scale}, {"embedding": "stack"}
    told = "'encoder', 'decoder' and 'target', or 'stack' and 'embedding'"
    raise ValueError(f"parameters must be those of a Transformer, with {told}, got {', '.join(map(repr, parameters))}")


def _hold_projections(layer: Mapping[str, Any], name: str) -> None:
    for sublayer in layer.keys() & {"attention", "cross_attention"}:
        lacking = [part for part in ("value", "output") if part not in layer[sublayer]]
        if lacking:
            raise ValueError(
                f"{name}.{sublayer} must have a layer {lacking[0]!r} to be scaled; its mechanism projects tokens itself"
            )


def _embedding(table: Mapping[str, Any], layers: int, rng: np.random.Generator) -> dict[str, Any]:
    w = table["weight"]
    return {"weight": _like(w, decoder_scale(layers) * rng.normal(0.0, w.shape[-1] ** -0.5, tuple(w.shape)))}


def _layer(layer: Mapping[str, Any], scale: float, rng: np.random.Generator) -> dict[str, Any]:
    def drawn(name, part):
        return _dense(part, scale if name in SCALED else 1.0, rng) if name in DENSE else part

    return {
        sublayer: {name: drawn(name, part) for name, part in parts.items()} if sublayer in SUBLAYERS else parts
        for sublayer, parts in layer.items()
    }


def _dense(layer: Mapping[str, Any], scale: float, rng: np.random.Generator) -> dict[str, Any]:
    found = {"weight": _like(layer["weight"], scale * xavier_uniform(layer["weight"].shape, rng=rng))}
    return found | ({"bias": _like(layer["bias"], np.zeros(tuple(layer["bias"].shape)))} if "bias" in layer else {})


def _like(x: Any, drawn: np.ndarray) -> Any:
    """What was drawn, in the library, dtype and place of an array."""
    xp = array_api_compat.array_namespace(x)
    return xp.astype(xp.asarray(drawn, device=array_api_compat.device(x)), x.dtype)
