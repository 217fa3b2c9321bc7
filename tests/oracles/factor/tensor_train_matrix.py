"""The TT-format of a matrix (Oseledets 2010): a train of the tensor with modes (i_k, j_k)."""

from oracles.factor.modes import at, places
from oracles.factor.tensor_train import tensor_train


def tensor_train_matrix(a, row_modes, column_modes, ranks):
    """List of rows a; returns the approximation, a list of rows."""
    modes = [p * q for p, q in zip(row_modes, column_modes, strict=True)]
    pairs = []  # row and column of each entry of the tensor
    for index in places(modes):
        row = tuple(k // q for k, q in zip(index, column_modes, strict=True))
        column = tuple(k % q for k, q in zip(index, column_modes, strict=True))
        pairs.append((at(row, row_modes), at(column, column_modes)))
    near, _ = tensor_train([a[i][j] for i, j in pairs], modes, ranks)
    out = [[0.0] * len(a[0]) for _ in a]
    for (i, j), x in zip(pairs, near, strict=True):
        out[i][j] = x
    return out
