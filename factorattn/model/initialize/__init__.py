"""Weights to begin with, drawn at random: NumPy arrays, of an integer seed or a generator."""

from factorattn.model.initialize.orthogonal import orthogonal
from factorattn.model.initialize.t_fixup import t_fixup
from factorattn.model.initialize.xavier import xavier_normal, xavier_uniform

__all__ = ["orthogonal", "t_fixup", "xavier_normal", "xavier_uniform"]
