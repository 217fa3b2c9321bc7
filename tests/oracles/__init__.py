"""Mechanisms as plain Python loops over the indices of their papers: lists of floats, no arrays, nothing of the library."""
