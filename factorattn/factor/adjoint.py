"""The complex conjugate and the conjugate transpose, which for real matrices are the matrix and a view of it."""

from typing import Any

__all__ = ["adjoint", "conj"]


def conj(x: Any, *, xp: Any) -> Any:
    """The complex conjugate; real arrays themselves."""
    return xp.conj(x) if xp.isdtype(x.dtype, "complex floating") else x


def adjoint(x: Any, *, xp: Any) -> Any:
    """The conjugate transpose of the last two axes; of a real array, a view."""
    return conj(x, xp=xp).mT
