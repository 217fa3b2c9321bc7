"""Where a layer is normalised: after the sum (Vaswani et al. 2017), before it (Xiong et al. 2020), or not at all.

post    x = N(x + f(x))
pre     x = x + f(N(x)),   and N of what the last layer gives
none    x = x + f(x),      for weights that are scaled instead (T-Fixup, Huang et al. 2020)
"""

from collections.abc import Callable, Mapping
from typing import Any

from factorattn.contract import choose
from factorattn.model.layers import layer_norm

__all__ = ["NORMS", "finish", "residual"]


def residual(
    f: Callable, x: Any, parameters: Mapping[str, Any], name: str, *, norm: str, epsilon: float, xp: Any
) -> Any:
    """One sublayer f with its sum, and the norm that is ``parameters[name + "_norm"]``."""
    return choose(NORMS, norm=norm)(f, x, lambda y: layer_norm(y, parameters[f"{name}_norm"], epsilon=epsilon, xp=xp))


def finish(x: Any, parameters: Mapping[str, Any], *, norm: str, epsilon: float, xp: Any) -> Any:
    """What comes after the last layer: with "pre", the sum of all sublayers is normalised once."""
    return layer_norm(x, parameters["norm"], epsilon=epsilon, xp=xp) if norm == "pre" else x


def _post(f, x, normalised):
    return normalised(x + f(x))


def _pre(f, x, normalised):
    return x + f(normalised(x))


def _none(f, x, normalised):
    return x + f(x)


NORMS = {"post": _post, "pre": _pre, "none": _none}
