"""Where a token stands: encodings added to it, biases of pairs, rotations."""

__all__: list[str] = []
