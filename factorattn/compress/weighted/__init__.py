"""Weights factored for what their layer is given, or for the rows that are looked up."""
