"""Two inner products as one: [q | b] . [k | s] = q . k + b . s, for namespaces where `softmax_attend` has a kernel."""

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from factorattn.primitives.pairs import Band
from factorattn.primitives.softmax_attend import softmax_attend

__all__ = ["relative_attend"]


def relative_attend(
    q: Any, k: Any, b: Any, s: Any, v: Any, /, *, scale: float, mask: Any | None = None, band: Band = (None, None)
) -> tuple[Any, Any]:
    """See `factorattn.attention.memory.relative_attend`."""
    xp = array_namespace(q, k, b, s, v)
    asking, asked = _beside(q, b, xp=xp), _beside(k, s, xp=xp)  # (..., n, d + c), (..., m, d + c)
    return softmax_attend(asking, asked, v, scale=scale, mask=mask, band=band)


def _beside(x: Any, y: Any, *, xp: Any) -> Any:
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return xp.concat([xp.broadcast_to(part, (*batch, *part.shape[-2:])) for part in (x, y)], axis=-1)
