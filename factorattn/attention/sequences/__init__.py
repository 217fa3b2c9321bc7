"""By the number of sequences: one with itself, one with another, two with each other."""

__all__: list[str] = []
