"""Weights that are inner products of features."""
