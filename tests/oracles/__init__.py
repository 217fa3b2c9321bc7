"""Mechanisms as plain Python loops over the indices of their papers: lists of floats, nothing of the library."""
