"""How well a key answers a query, and what weight follows: scores and distributions."""

__all__: list[str] = []
