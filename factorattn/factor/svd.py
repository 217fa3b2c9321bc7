"""The truncated singular value decomposition: the nearest matrix of rank r (Eckart and Young 1936).

    a = u diag(s) vt,   a_r = u_r diag(s_r) vt_r,   |a - a_r|_F^2 = s_{r+1}^2 + s_{r+2}^2 + ...

No other matrix of rank r is nearer to a.
"""

from typing import Any

__all__ = ["truncated_svd"]


def truncated_svd(a: Any, rank: int, *, xp: Any) -> tuple[Any, Any, Any]:
    """The `rank` leading singular triplets of a (..., p, q): u (..., p, rank), s (..., rank), vt (..., rank, q).

    A rank above min(p, q) gives all of them.
    """
    u, s, vt = xp.linalg.svd(a, full_matrices=False)
    kept = min(rank, s.shape[-1])
    return u[..., :, :kept], s[..., :kept], vt[..., :kept, :]
