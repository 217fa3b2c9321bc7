"""QR decomposition of a tall matrix: A = Q R, with orthonormal columns of Q and R upper triangular."""

from typing import Any

from array_api_compat import array_namespace

from factorattn.primitives.dispatch import primitive

__all__ = ["thin_qr"]


@primitive(numpy="thin_qr_scipy")
def thin_qr(a: Any) -> tuple[Any, Any]:
    """The thin QR decomposition.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex.

    Returns
    -------
    q : array, shape (..., p, min(p, q))
        Orthonormal columns, also where the rank of `a` is lower.
    r : array, shape (..., min(p, q), q)
        Upper triangular. Signs of its diagonal are the library's.
    """
    return tuple(array_namespace(a).linalg.qr(a, mode="reduced"))
