"""Alignment functions a(q, k): how well a key answers a query."""

__all__: list[str] = []
