"""From scores to weights: p(a)."""

__all__: list[str] = []
