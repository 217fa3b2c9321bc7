"""Sets of pairs (i, j): an algebra, shapes, blocks and reach. Knows nothing of attention."""

__all__: list[str] = []
