"""Classes of matrices with few numbers and fast products: Kronecker, Toeplitz, circulant, blocks, butterflies."""

from factorattn.factor.structured.block_diagonal import block_diagonal
from factorattn.factor.structured.butterfly import butterfly
from factorattn.factor.structured.circulant import circulant
from factorattn.factor.structured.kronecker import kronecker
from factorattn.factor.structured.monarch import monarch
from factorattn.factor.structured.toeplitz import toeplitz

__all__ = ["block_diagonal", "butterfly", "circulant", "kronecker", "monarch", "toeplitz"]
