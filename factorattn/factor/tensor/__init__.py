"""Tensors as small factors: trains, a core with a matrix for each mode, sums of outer products; and position tables."""

from factorattn.factor.tensor.axial_table import axial_table
from factorattn.factor.tensor.cp import cp
from factorattn.factor.tensor.tensor_train import round_tensor_train, tensor_train
from factorattn.factor.tensor.tensor_train_matrix import tensor_train_matrix
from factorattn.factor.tensor.tucker import tucker

__all__ = ["axial_table", "cp", "round_tensor_train", "tensor_train", "tensor_train_matrix", "tucker"]
