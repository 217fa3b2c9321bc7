"""What mechanisms of two sequences share: a mask for each of them, and one row of the output for each."""

from typing import Any

import numpy as np

from factorattn.attention.levels.engine import checked_mask
from factorattn.contract import check_batches

__all__ = ["checked_masks", "stacked"]


def checked_masks(v: Any, q: Any, v_mask: Any | None, q_mask: Any | None, *, xp: Any) -> tuple[Any, Any]:
    """The masks (..., n) of v (..., n, c) and (..., m) of q (..., m, c), held against them; None stays None."""
    v_mask = checked_mask(v.shape[-2:-1], xp=xp, v_mask=v_mask)
    q_mask = checked_mask(q.shape[-2:-1], xp=xp, q_mask=q_mask)
    named = {"v": v.shape[:-2], "q": q.shape[:-2]}
    masks = {"v_mask": v_mask, "q_mask": q_mask}
    check_batches(named | {name: mask.shape[:-1] for name, mask in masks.items() if mask is not None})
    return v_mask, q_mask


def stacked(image: Any, question: Any, *, xp: Any) -> Any:
    """Rows (..., 1, c) of the two sequences, one over the other: (..., 2, c)."""
    shape = np.broadcast_shapes(image.shape, question.shape)
    return xp.concat([xp.broadcast_to(image, shape), xp.broadcast_to(question, shape)], axis=-2)
