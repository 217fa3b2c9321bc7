"""Matrices as products of smaller or simpler ones. Knows nothing of attention.

    lowrank      two thin factors: singular vectors, nonnegative factors, low rank plus sparse
    selection    factors made of the matrix's own rows and columns
    structured   factors with a pattern: Kronecker, circulant, blocks, butterflies
    tensor       arrays with more than two axes, and matrices seen as such
    sketch       random matrices that keep lengths
    factored     the type of every result: what is multiplied, saved and put in the place of a weight matrix

Beside them, what mechanisms are built of: random directions and features, pooling, pseudo-inverses, radial bases.
"""

from collections.abc import Callable
from types import MappingProxyType

from factorattn import catalogue
from factorattn.factor import lowrank, selection, sketch, structured, tensor
from factorattn.factor.directions import hadamard_gaussian, iid_gaussian, orthogonal_gaussian
from factorattn.factor.factored import Factored, Heads
from factorattn.factor.features import hyperbolic_features, positive_features, trigonometric_features
from factorattn.factor.gaussian import erf, erfc, normal_density, upper_tail
from factorattn.factor.generalized import generalized_features
from factorattn.factor.lowrank import *
from factorattn.factor.pinv import PseudoInverse, iterative_pinv, pseudo_inverse
from factorattn.factor.pooling import segment_means, strided_convolution
from factorattn.factor.radial import gaussian_means, parabola_means, radial_grid
from factorattn.factor.ridge import contraction_operator, ridge_operator, sequence_operator
from factorattn.factor.selection import *
from factorattn.factor.sketch import *
from factorattn.factor.structured import *
from factorattn.factor.tensor import *

FAMILIES = (lowrank, selection, structured, tensor, sketch)

__all__ = [
    "FACTORIZATIONS",
    "Factored",
    "Heads",
    "PseudoInverse",
    "contraction_operator",
    "erf",
    "erfc",
    "find",
    "gaussian_means",
    "generalized_features",
    "hadamard_gaussian",
    "hyperbolic_features",
    "iid_gaussian",
    "iterative_pinv",
    "normal_density",
    "orthogonal_gaussian",
    "parabola_means",
    "positive_features",
    "pseudo_inverse",
    "radial_grid",
    "ridge_operator",
    "segment_means",
    "sequence_operator",
    "strided_convolution",
    "trigonometric_features",
    "upper_tail",
]
__all__ += [name for family in FAMILIES for name in family.__all__]

FACTORIZATIONS: MappingProxyType[str, Callable] = MappingProxyType(
    {name: globals()[name] for name in sorted(__all__) if hasattr(globals().get(name), "record")}
)


def find(name: str) -> Callable:
    """Return the factorization called `name`.

    Raises
    ------
    ValueError
        If there is none; the message offers the nearest names.
    TypeError
        If `name` is not a string.
    """
    return catalogue.find(FACTORIZATIONS, name, kind="factorization")
