"""Attention, matrix factorization and complexity in Transformers: written once in the array API, read in many ways.

The map:

    factorattn.attention     mechanisms, a folder per family; each is a pure function that reads like its equation
    factorattn.primitives    the few inner loops they are built from, with kernels (Numba, CUDA) beside them
    factorattn.score         alignment functions a(q, k)
    factorattn.distribution  weights p(a): softmax, sparsemax, entmax, ...
    factorattn.position      encodings, biases and rotations that tell positions
    factorattn.pattern       sets of pairs: an algebra, blocks, reach
    factorattn.factor        matrices as products: low rank, chosen columns, structure, tensors, sketches
    factorattn.compress      trained weights made smaller: adapters, ranks for a budget, checkpoints
    factorattn.model         models that are built of all this
    factorattn.interpret     namespaces that read the same text as cost, and as gradients
    factorattn.complexity    counted cost, exact polynomials, declared formulas
    factorattn.experiment    real runs: models trained on the data of the package
    factorattn.testing       laws that every mechanism obeys, to run on your own
    factorattn.data          small real inputs, with source and licence

Start with `softmax_attention`, then ``docs/architecture.md``.
"""

from factorattn import attention
from factorattn.attention import CATALOGUE, find
from factorattn.attention.alignment import *
from factorattn.attention.exact import *
from factorattn.attention.hashing import *
from factorattn.attention.kernel import *
from factorattn.attention.levels import *
from factorattn.attention.lowrank import *
from factorattn.attention.memory import *
from factorattn.attention.multihead import *
from factorattn.attention.sequences import *
from factorattn.attention.sparse import *
from factorattn.catalogue import (
    Adapter,
    Distribution,
    Factorization,
    Mechanism,
    Position,
    Record,
    Score,
    family,
    mechanism,
)
from factorattn.complexity import Cost, cost, memory_polynomial, time_polynomial
from factorattn.interpret.counting import NeedsValues, counting
from factorattn.interpret.gradient import checkpoint, grad, jacobian, jvp, stop_gradient, value_and_grad, vjp
from factorattn.primitives.dispatch import Unsupported, explain, kernels

__version__ = "0.1.0"

__all__ = [
    "CATALOGUE",
    "Adapter",
    "Cost",
    "Distribution",
    "Factorization",
    "Mechanism",
    "NeedsValues",
    "Position",
    "Record",
    "Score",
    "Unsupported",
    "checkpoint",
    "cost",
    "counting",
    "explain",
    "family",
    "find",
    "grad",
    "jacobian",
    "jvp",
    "kernels",
    "mechanism",
    "memory_polynomial",
    "stop_gradient",
    "time_polynomial",
    "value_and_grad",
    "vjp",
]
__all__ += attention.__all__
