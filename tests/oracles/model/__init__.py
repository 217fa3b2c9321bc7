"""Oracles of models and of what trains them."""
