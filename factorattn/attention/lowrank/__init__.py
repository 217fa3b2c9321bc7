"""Weights of low rank."""
