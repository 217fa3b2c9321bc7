"""Numbers that decide something come to the host: singular values that ranks are chosen by, scores of triplets."""

from typing import Any

import array_api_compat
import numpy as np

__all__ = ["on_host"]


def on_host(x: Any) -> np.ndarray:
    """An array of any library, or a list, as a NumPy array of float64."""
    if not array_api_compat.is_array_api_obj(x):
        return np.asarray(x, dtype=np.float64)
    xp = array_api_compat.array_namespace(x)
    x = xp.astype(x, xp.float64)
    if hasattr(x, "detach"):  # torch: NumPy takes no tensor that has a gradient, or is on another device
        x = x.detach().cpu()
    return np.asarray(x.get() if hasattr(x, "get") else x)
