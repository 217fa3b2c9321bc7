"""The Walsh-Hadamard transform: n log2(n) additions in place of n^2.

    y = H_n x,   H_1 = [1],   H_2n = [H_n  H_n; H_n  -H_n]

H_n has entries +1 and -1 and H_n H_n = n I, so the inverse is the transform itself, over n.
"""

from typing import Any

from factorattn.factor.door import admit

__all__ = ["hadamard_transform", "power_of_two", "transform_rows"]

INPUTS = "x: ... p"


def hadamard_transform(x: Any) -> Any:
    """Multiply the vectors along the last axis with the Hadamard matrix of Sylvester.

    Parameters
    ----------
    x : array, shape (..., p)
        Real or complex; p is a power of two.

    Returns
    -------
    y : array, shape (..., p)
        In natural order, the order of ``scipy.linalg.hadamard``; not divided by sqrt(p).

    Raises
    ------
    ValueError
        If p is no power of two, or `x` holds NaN or infinity.
    TypeError
        If `x` is not a floating array.

    References
    ----------
    Fino and Algazi, "Unified matrix treatment of the fast Walsh-Hadamard transform", IEEE Transactions on Computers
    C-25(11), 1976, pages 1142-1146.
    """
    xp, size, (x,) = admit(INPUTS, x=x)
    if power_of_two(size["p"]) != size["p"]:
        raise ValueError(
            f"the last axis of x must be a power of two, got shape {tuple(x.shape)}; "
            f"fill it up with zeros to {power_of_two(size['p'])}"
        )
    return transform_rows(x[..., None], xp=xp)[..., 0]


def power_of_two(n: int) -> int:
    """The least power of two that is at least n."""
    return 1 << max(n - 1, 0).bit_length()


def transform_rows(x: Any, *, xp: Any) -> Any:
    """H x for x (..., n, c), n a power of two: sums and differences of both halves, log2(n) times.

    Halves are interleaved in the result, so that the first bit of a row number becomes the last, and after log2(n)
    steps all bits are in their places again.
    """
    *batch, n, c = x.shape
    for _ in range(n.bit_length() - 1):
        top, bottom = x[..., : n // 2, :], x[..., n // 2 :, :]
        x = xp.reshape(xp.stack([top + bottom, top - bottom], axis=-2), (*batch, n, c))
    return x
