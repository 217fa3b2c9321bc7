"""Attention, matrix factorization and complexity in Transformers: written once in the array API, read in many ways.

The map:

    factorattn.attention     mechanisms, a folder per family; each is a pure function that reads like its equation
    factorattn.primitives    the few inner loops they are built from, with kernels (Numba, CUDA) beside them
    factorattn.factor        matrices as products: singular vectors, random features, pooling
    factorattn.interpret     namespaces that read the same text as cost
    factorattn.complexity    counted cost, exact polynomials, declared formulas
    factorattn.testing       laws that every mechanism obeys, to run on your own
    factorattn.data          small real inputs, with source and licence

Start with `softmax_attention`, then ``docs/architecture.md``.
"""

from factorattn.attention import (
    CATALOGUE,
    find,
    linear_attention,
    linformer_attention,
    longformer_attention,
    lowrank_attention,
    performer_attention,
    softmax_attention,
    window_attention,
)
from factorattn.catalogue import Mechanism, family, mechanism
from factorattn.complexity import Cost, cost, memory_polynomial, time_polynomial
from factorattn.interpret.counting import NeedsValues, counting
from factorattn.primitives.dispatch import Unsupported, explain, kernels

__version__ = "0.1.0"

__all__ = [
    "CATALOGUE",
    "Cost",
    "Mechanism",
    "NeedsValues",
    "Unsupported",
    "cost",
    "counting",
    "explain",
    "family",
    "find",
    "kernels",
    "linear_attention",
    "linformer_attention",
    "longformer_attention",
    "lowrank_attention",
    "mechanism",
    "memory_polynomial",
    "performer_attention",
    "softmax_attention",
    "time_polynomial",
    "window_attention",
]
