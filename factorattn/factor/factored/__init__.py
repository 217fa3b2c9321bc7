"""Matrices held as factors: one type, a few kinds."""

from factorattn.factor.factored.base import Factored, dense, times
from factorattn.factor.factored.blocks import BlockDiagonal, Butterfly, Monarch, Stage
from factorattn.factor.factored.convolution import Circulant, Toeplitz
from factorattn.factor.factored.heads import Heads
from factorattn.factor.factored.kronecker import Kronecker
from factorattn.factor.factored.product import SVD, Chain, Diagonal, Gram, Permutation, Product, Sum
from factorattn.factor.factored.sparse import Sparse
from factorattn.factor.factored.tensors import CP, AxialTable, TensorTrain, TensorTrainMatrix, Tucker

__all__ = [
    "CP",
    "SVD",
    "AxialTable",
    "BlockDiagonal",
    "Butterfly",
    "Chain",
    "Circulant",
    "Diagonal",
    "Factored",
    "Gram",
    "Heads",
    "Kronecker",
    "Monarch",
    "Permutation",
    "Product",
    "Sparse",
    "Stage",
    "Sum",
    "TensorTrain",
    "TensorTrainMatrix",
    "Toeplitz",
    "Tucker",
    "dense",
    "times",
]
